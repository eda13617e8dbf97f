"""Sections 16 and 17: when a node runs again, and a node that reads its own past."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from rheodsl import DATETIME, output
from rheodsl.testing import Simulator

from .helpers import Keys, below, daily, days, faulty, last_parts, outputs, rejected, send_all


def rolling(app: Any, retrigger: str, view: Any = None) -> tuple[Simulator, Any]:
    orders = daily(app, "orders")
    app.create_data("rolling", inputs=[orders[:-3].range_check(True)], retrigger=retrigger)
    return Simulator(app), orders


# ── updated ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("retrigger", "again"),
    [("updated", ["rolling/2024-01-03#2", "rolling/2024-01-04#2"]), ("all", []), ("any", []), ("never", [])],
)
def test_a_corrected_day_makes_the_windows_again_that_contain_it(
    app: Any, retrigger: str, again: list[str]
) -> None:
    """► [:-3].range_check(True), days 1 to 4, then day 2 again: under "updated" 3 and 4 run again, and nothing else."""
    sim, orders = rolling(app, retrigger)
    first = send_all(sim, *(orders[day] for day in days("2024-01-01", 4)))
    assert outputs(first) == [("2024-01-03",), ("2024-01-04",)]
    assert sorted(run.id for run in sim.send(orders["2024-01-02"])) == again


@pytest.mark.parametrize(
    ("retrigger", "again"),
    [
        ("updated", ["rolling/2024-01-04#2"]),
        ("all", ["rolling/2024-01-04#2"]),
        ("any", ["rolling/2024-01-04#2"]),
        ("never", []),
    ],
)
def test_a_tip_that_comes_again(app: Any, retrigger: str, again: list[str]) -> None:
    sim, orders = rolling(app, retrigger)
    send_all(sim, *(orders[day] for day in days("2024-01-01", 4)))
    assert [run.id for run in sim.send(orders["2024-01-04"])] == again


def test_a_window_that_has_not_run_does_not_run_by_an_update(app: Any) -> None:
    sim, orders = rolling(app, "updated")
    send_all(sim, orders["2024-01-01"], orders["2024-01-03"])
    assert sim.send(orders["2024-01-01"]) == [], "02 lacks still"
    assert outputs(sim.send(orders["2024-01-02"])) == [("2024-01-03",)]


def test_the_same_event_again_is_no_update(app: Any) -> None:
    sim, orders = rolling(app, "updated")
    for day in days("2024-01-01", 4):
        sim.send(orders[day], event_id=day)
    assert sim.send(orders["2024-01-02"], event_id="2024-01-02") == []
    assert len(sim.send(orders["2024-01-02"], event_id="new")) == 2


def test_what_was_missing_in_a_window_and_comes_is_an_update(app: Any) -> None:
    orders = daily(app, "orders")
    app.create_data("rolling", inputs=[orders[:-3]], retrigger="updated")
    sim = Simulator(app)
    assert len(sim.send(orders["2024-01-04"])) == 1
    assert sorted(run.id for run in sim.send(orders["2024-01-03"])) == [
        "rolling/2024-01-03#1",
        "rolling/2024-01-04#2",
    ]


def test_a_reference_that_is_written_anew_is_an_update(app: Any) -> None:
    orders, rates = daily(app, "orders"), daily(app, "rates")
    app.create_data("priced", inputs=[orders, rates.ref], retrigger="updated")
    sim = Simulator(app)
    assert sim.send(rates["2024-01-01"]) == [], "it has not run yet"
    assert len(sim.send(orders["2024-01-01"])) == 1
    assert [run.id for run in sim.send(rates["2024-01-01"])] == ["priced/2024-01-01#2"]
    assert sim.send(rates["2024-01-02"]) == []


def test_a_reference_that_was_missing_and_comes_is_an_update(app: Any) -> None:
    orders, rates = daily(app, "orders"), daily(app, "rates")
    app.create_data("priced", inputs=[orders, rates.ref], retrigger="updated")
    sim = Simulator(app)
    assert len(sim.send(orders["2024-01-01"])) == 1
    assert [run.id for run in sim.send(rates["2024-01-01"])] == ["priced/2024-01-01#2"]


def test_an_optional_that_comes_is_an_update(app: Any) -> None:
    orders, rates = daily(app, "orders"), daily(app, "rates")
    app.create_data("priced", inputs=[orders, rates.optional()], retrigger="updated")
    sim = Simulator(app)
    [first] = sim.send(orders["2024-01-01"])
    [second] = sim.send(rates["2024-01-01"])
    assert [below(run, "rates", "rates") for run in (first, second)] == [[], ["2024-01-01"]]


def test_what_nearest_chose_and_is_written_anew_is_an_update(app: Any) -> None:
    orders, rates = daily(app, "orders"), daily(app, "rates")
    app.create_data("priced", inputs=[orders, rates[:-5].ref.nearest()], retrigger="updated")
    sim = Simulator(app)
    send_all(sim, rates["2024-01-01"], rates["2024-01-03"])
    [run] = sim.send(orders["2024-01-04"])
    assert below(run, "rates", "rates") == ["2024-01-03"]
    assert sim.send(rates["2024-01-01"]) == [], "it was not read"
    assert [run.id for run in sim.send(rates["2024-01-03"])] == ["priced/2024-01-04#2"]


def test_a_member_of_a_rollup_that_is_written_anew_is_an_update(app: Any) -> None:
    signal = daily(app)
    app.create_data("monthly", inputs=[signal.rollup(day="month")], retrigger="updated")
    sim = Simulator(app)
    assert len(send_all(sim, *(signal[day] for day in days("2024-01-01", 31)))) == 1
    assert [run.id for run in sim.send(signal["2024-01-17"])] == ["monthly/2024-01#2"]


def test_an_update_passes_through_a_chain_of_nodes(app: Any) -> None:
    orders = daily(app, "orders")
    cleaned = app.create_data("cleaned", inputs=[orders], retrigger="updated")
    app.create_data("rolling", inputs=[cleaned[:-2].range_check(True)], retrigger="updated")
    sim = Simulator(app)
    send_all(sim, *(orders[day] for day in days("2024-01-01", 3)))
    again = sim.send(orders["2024-01-01"])
    assert [run.id for run in again] == ["cleaned/2024-01-01#2", "rolling/2024-01-02#2"]


def test_one_event_updates_a_binding_once(app: Any) -> None:
    orders = daily(app, "orders")
    app.create_data("twice", inputs=[orders, orders[:-2].alias("both")], retrigger="updated")
    sim = Simulator(app)
    assert len(sim.send(orders["2024-01-02"])) == 1
    assert [run.id for run in sim.send(orders["2024-01-02"])] == ["twice/2024-01-02#2"]


@pytest.mark.parametrize("order", list(permutations(days("2024-01-01", 3))), ids="-".join)
def test_updates_end_alike_in_every_order(app: Any, order: tuple[str, ...]) -> None:
    sim, orders = rolling(app, "updated")
    assert [run.id for run in send_all(sim, *(orders[day] for day in order))] == ["rolling/2024-01-03#1"]


# ── never ─────────────────────────────────────────────────────────────────────────────────────────────


def test_an_output_is_made_once_and_what_would_fire_it_again_is_recorded(app: Any) -> None:
    orders = daily(app, "orders")
    app.create_data("once", inputs=[orders], retrigger="never")
    sim = Simulator(app)
    assert len(sim.send(orders["2024-01-01"])) == 1
    assert sim.send(orders["2024-01-01"]) == []
    assert len(sim.skipped) == 1, "it is recorded as skipped"
    assert len(sim.send(orders["2024-01-02"])) == 1


def test_another_binding_of_the_same_output_is_skipped_too(app: Any) -> None:
    orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
    app.create_data(
        "world",
        inputs=[orders],
        output_dimension_spec={"day": {"type": DATETIME, "format": "%Y-%m-%d"}},
        output_dim_links=[output.day == orders.day],
        latest_wins=True,
        retrigger="never",
    )
    sim = Simulator(app)
    assert len(sim.send(orders["NA"]["2024-01-01"])) == 1
    assert sim.send(orders["EU"]["2024-01-01"]) == []
    assert len(sim.skipped) == 1


def test_a_policy_that_nobody_knows_is_an_error(app: Any) -> None:
    orders = daily(app, "orders")
    with rejected("retrigger", "updated"):
        app.create_data("node", inputs=[orders], retrigger="update")


# ── its own past ──────────────────────────────────────────────────────────────────────────────────────


def bookings_of(app: Any, **attributes: Any) -> Any:
    return app.s3("bookings", "s3://lake/bookings/{day:%Y-%m-%d}", dimensions={"day": attributes})


def test_a_node_reads_its_own_day_before(app: Any) -> None:
    bookings = daily(app, "bookings")
    app.create_data("balance", inputs=[bookings, output[-1:].ref])
    [run] = Simulator(app).send(bookings["2024-01-02"])
    assert last_parts(run, "balance") == ["2024-01-01"]
    assert last_parts(run, "bookings") == ["2024-01-02"]


def test_case_15_a_node_that_is_updated_to_read_itself(app: Any) -> None:
    bookings = daily(app, "bookings")
    balance = app.create_data("balance", inputs=[bookings])
    app.update_data("balance", inputs=[bookings, balance[-1:].ref])
    [run] = Simulator(app).send(bookings["2024-01-02"])
    assert last_parts(run, "balance") == ["2024-01-01"]


def test_a_plain_reference_to_the_past_is_never_awaited(app: Any) -> None:
    bookings = daily(app, "bookings")
    app.create_data("balance", inputs=[bookings, output[-1:].ref])
    runs = send_all(Simulator(app), *(bookings[f"2024-01-0{day}"] for day in (3, 1, 2)))
    assert outputs(runs) == [("2024-01-03",), ("2024-01-01",), ("2024-01-02",)]


@pytest.mark.parametrize("order", list(permutations([1, 2, 3])), ids=str)
def test_partitions_are_made_one_after_the_other_in_every_order(app: Any, order: tuple[int, ...]) -> None:
    """► Bookings of 1, 3, 2 with output[-1:].ref.range_check(True) and min day 1: runs of 1, then 2, 3, in this order."""
    bookings = bookings_of(app, min="2024-01-01")
    app.create_data("balance", inputs=[bookings, output[-1:].ref.range_check(True)])
    runs = send_all(Simulator(app), *(bookings[f"2024-01-0{day}"] for day in order))
    assert [run.id for run in runs] == [f"balance/2024-01-0{day}#1" for day in (1, 2, 3)]


def test_the_second_waits_for_the_first(app: Any) -> None:
    bookings = bookings_of(app, min="2024-01-01")
    app.create_data("balance", inputs=[bookings, output[-1:].ref.range_check(True)])
    sim = Simulator(app)
    ran = {day: outputs(sim.send(bookings[f"2024-01-0{day}"])) for day in (1, 3, 2)}
    assert ran == {1: [("2024-01-01",)], 3: [], 2: [("2024-01-02",), ("2024-01-03",)]}


def test_the_output_says_where_it_begins(app: Any) -> None:
    bookings = daily(app, "bookings")
    app.create_data(
        "balance",
        inputs=[bookings, output[-1:].ref.range_check(True)],
        output_dimension_spec={"day": {"type": DATETIME, "format": "%Y-%m-%d", "min": "2024-01-01"}},
    )
    runs = send_all(Simulator(app), *(bookings[f"2024-01-0{day}"] for day in (1, 3, 2)))
    assert outputs(runs) == [("2024-01-01",), ("2024-01-02",), ("2024-01-03",)]


def test_without_a_beginning_the_first_waits_for_ever(app: Any) -> None:
    bookings = daily(app, "bookings")
    app.create_data("balance", inputs=[bookings, output[-1:].ref.range_check(True)])
    sim = Simulator(app)
    assert send_all(sim, *(bookings[day] for day in days("2024-01-01", 2))) == []
    assert len(sim.pending("balance")) == 2


def test_a_day_that_fails_stops_the_days_after_it(app: Any) -> None:
    bookings = bookings_of(app, min="2024-01-01")
    app.create_data("balance", inputs=[bookings, output[-1:].ref.range_check(True)])
    sim = Simulator(app)
    sim.fail("balance")
    assert [run.state for run in sim.send(bookings["2024-01-01"])] == ["FAILED"]
    assert sim.send(bookings["2024-01-02"]) == []
    assert outputs(sim.send(bookings["2024-01-01"])) == [("2024-01-01",), ("2024-01-02",)]


def test_months_follow_their_own_month_before(app: Any) -> None:
    sales = app.s3("sales", "s3://lake/sales/{month:%Y-%m}", dimensions={"month": {"min": "2023-12"}})
    app.create_data("balance", inputs=[sales, output[-1:].ref.range_check(True)])
    runs = send_all(Simulator(app), *(sales[month] for month in ("2024-02", "2024-01", "2023-12")))
    assert [(run.output["month"], last_parts(run, "balance")) for run in runs][1:] == [
        ("2024-01", ["2023-12"]),
        ("2024-02", ["2024-01"]),
    ]


def test_a_rollup_reads_its_own_last_month(app: Any) -> None:
    bookings = bookings_of(app, min="2024-01-01")
    app.create_data("balance", inputs=[bookings.rollup(day="month"), output[-1:].ref.range_check(True)])
    sim = Simulator(app)
    assert send_all(sim, *(bookings[day] for day in days("2024-02-01", 29))) == [], "January lacks"
    runs = send_all(sim, *(bookings[day] for day in days("2024-01-01", 31)))
    assert outputs(runs) == [("2024-01",), ("2024-02",)]
    assert last_parts(runs[1], "balance") == ["2024-01"]


def test_each_region_has_a_past_of_its_own(app: Any) -> None:
    bookings = app.s3(
        "bookings", "s3://lake/bookings/{region}/{day:%Y-%m-%d}", dimensions={"day": {"min": "2024-01-01"}}
    )
    app.create_data("balance", inputs=[bookings, output["*"][-1:].ref.range_check(True)])
    sim = Simulator(app)
    assert outputs(sim.send(bookings["NA"]["2024-01-01"])) == [("NA", "2024-01-01")]
    assert sim.send(bookings["EU"]["2024-01-02"]) == [], "EU has no 01"
    [run] = sim.send(bookings["NA"]["2024-01-02"])
    assert run.inputs["balance"].paths[0].rstrip("/").endswith("NA/2024-01-01")
    assert outputs(sim.send(bookings["EU"]["2024-01-01"])) == [("EU", "2024-01-01"), ("EU", "2024-01-02")]


def test_working_days_follow_the_working_day_before(app: Any) -> None:
    bookings = bookings_of(app, calendar="MON-FRI", min="2024-01-05")
    app.create_data("balance", inputs=[bookings, output[-1:].ref.range_check(True)])
    runs = send_all(Simulator(app), bookings["2024-01-08"], bookings["2024-01-05"])
    assert outputs(runs) == [("2024-01-05",), ("2024-01-08",)]
    assert last_parts(runs[1], "balance") == ["2024-01-05"]


def test_the_week_before_is_seven_days_back(app: Any) -> None:
    bookings = daily(app, "bookings")
    app.create_data("balance", inputs=[bookings, output[-7:].ref])
    [run] = Simulator(app).send(bookings["2024-03-01"])
    assert last_parts(run, "balance") == ["2024-02-23"]


@pytest.mark.parametrize(
    "own",
    [lambda: output, lambda: output[1:].ref, lambda: output[:-3].ref, lambda: output[:3].ref, lambda: output.ref],
    ids=["itself", "the future", "a window with itself", "a window forwards", "itself as a reference"],
)  # fmt: skip
def test_everything_else_is_a_cycle(app: Any, own: Any) -> None:
    bookings = daily(app, "bookings")
    with faulty("balance"):
        app.create_data("balance", inputs=[bookings, own()])
        app.graph()


def test_two_nodes_that_read_one_another_are_a_cycle_as_before(app: Any) -> None:
    bookings = daily(app, "bookings")
    left = app.create_data("left", inputs=[bookings])
    right = app.create_data("right", inputs=[left])
    with faulty("left", "right"):
        app.update_data("left", inputs=[bookings, right[-1:].ref])
        app.graph()


def test_its_own_past_is_deleted(app: Any) -> None:
    bookings = bookings_of(app, min="2024-01-01")
    app.create_data("balance", inputs=[bookings, output[-1:].ref.range_check(True)])
    keys = Keys(Simulator(app), "bookings")
    assert outputs(keys.put("2024-01-01/_SUCCESS")) == [("2024-01-01",)]
    assert keys.delete("2024-01-01/_SUCCESS") == [], "an input of the past is no partition of the past"
    assert outputs(keys.put("2024-01-02/_SUCCESS")) == [("2024-01-02",)]
