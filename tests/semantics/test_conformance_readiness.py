"""Section 6: when a complete binding is ready."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from rheodsl import Application, DimensionType
from rheodsl.testing import Simulator

from .helpers import daily, faulty, last_parts, numbered, outputs, regional, rejected

# ── windows without range_check ───────────────────────────────────────────────────────────────────────


def test_a_window_fires_at_once_and_leaves_what_is_missing_to_the_compute(app: Application) -> None:
    """► [:-3], events 18 then 17 -> two executions; the second has 17, 16, 15."""
    days = daily(app)
    app.create_data("node", inputs=[days[:-3]])
    sim = Simulator(app)
    first = sim.send(days["2020-03-18"])
    second = sim.send(days["2020-03-17"])
    assert [last_parts(run, "days") for run in first] == [["2020-03-18", "2020-03-17", "2020-03-16"]]
    assert [last_parts(run, "days") for run in second] == [["2020-03-17", "2020-03-16", "2020-03-15"]]


# ── range_check ───────────────────────────────────────────────────────────────────────────────────────


def ranged(app: Application) -> Any:
    trainings = app.s3("trainings", "s3://lake/trainings/{region}/{day:%Y-%m-%d}")
    app.create_data("node", inputs=[trainings["NA"][:-3].range_check(True)])
    return trainings


def test_range_check_waits_for_the_whole_window(app: Application) -> None:
    """► ["NA"][:-3].range_check(True): 03-18, 03-17 -> nothing; 03-16 -> one execution, output 03-18."""
    trainings = ranged(app)
    sim = Simulator(app)
    assert sim.send(trainings["NA"]["2020-03-18"]) == []
    assert sim.send(trainings["NA"]["2020-03-17"]) == []
    runs = sim.send(trainings["NA"]["2020-03-16"])
    assert outputs(runs) == [("NA", "2020-03-18")]
    assert last_parts(runs[0], "trainings") == ["2020-03-18", "2020-03-17", "2020-03-16"]


@pytest.mark.parametrize("order", list(permutations(["2020-03-18", "2020-03-17", "2020-03-16"])), ids=str)
def test_range_check_in_every_order(app: Application, order: tuple[str, ...]) -> None:
    """► In every order of the three."""
    trainings = ranged(app)
    sim = Simulator(app)
    assert sim.send(trainings["NA"][order[0]]) == []
    assert sim.send(trainings["NA"][order[1]]) == []
    assert outputs(sim.send(trainings["NA"][order[2]])) == [("NA", "2020-03-18")]


def test_the_others_run_when_their_own_windows_complete(app: Application) -> None:
    """► 03-17 and 03-16 run when their own windows complete, not before."""
    trainings = ranged(app)
    sim = Simulator(app)
    for day in ("2020-03-18", "2020-03-17", "2020-03-16"):
        sim.send(trainings["NA"][day])
    assert outputs(sim.send(trainings["NA"]["2020-03-15"])) == [("NA", "2020-03-17")]
    assert outputs(sim.send(trainings["NA"]["2020-03-14"])) == [("NA", "2020-03-16")]


def test_one_partition_may_complete_several_windows(app: Application) -> None:
    trainings = ranged(app)
    sim = Simulator(app)
    for day in ("2020-03-18", "2020-03-17", "2020-03-15", "2020-03-14"):
        assert sim.send(trainings["NA"][day]) == []
    completed = sim.send(trainings["NA"]["2020-03-16"])
    assert sorted(outputs(completed)) == [("NA", f"2020-03-{day}") for day in (16, 17, 18)]


def test_partitions_of_another_region_do_not_complete_a_window(app: Application) -> None:
    trainings = app.s3("trainings", "s3://lake/trainings/{region}/{day:%Y-%m-%d}")
    app.create_data("node", inputs=[trainings["*"][:-2].range_check(True)])
    sim = Simulator(app)
    sim.send(trainings["NA"]["2020-03-18"])
    assert sim.send(trainings["EU"]["2020-03-17"]) == []
    assert outputs(sim.send(trainings["NA"]["2020-03-17"])) == [("NA", "2020-03-18")]


def test_a_window_ahead_waits_too(app: Application) -> None:
    days = daily(app)
    app.create_data("node", inputs=[days[:2].range_check(True)])
    sim = Simulator(app)
    assert sim.send(days["2020-03-18"]) == []
    assert outputs(sim.send(days["2020-03-19"])) == [("2020-03-18",)]


def test_a_shifted_window_does_not_need_its_tip(app: Application) -> None:
    days = daily(app)
    app.create_data("node", inputs=[days[-1:-2].range_check(True)])
    sim = Simulator(app)
    sim.exists(days["2020-03-17"])
    sim.exists(days["2020-03-16"])
    assert outputs(sim.send(days["2020-03-18"])) == [("2020-03-18",)]


def test_a_partition_used_by_another_binding_still_counts(app: Application) -> None:
    days = daily(app)
    app.create_data("plain", inputs=[days])
    app.create_data("node", inputs=[days[:-2].range_check(True)])
    sim = Simulator(app)
    sim.send(days["2020-03-16"])
    assert outputs(sim.send(days["2020-03-17"]), "node") == [("2020-03-17",)]
    assert outputs(sim.send(days["2020-03-18"]), "node") == [("2020-03-18",)]


def test_a_partition_found_in_storage_counts(app: Application) -> None:
    days = daily(app)
    app.create_data("node", inputs=[days[:-2].range_check(True)])
    sim = Simulator(app)
    sim.exists(days["2020-03-17"])
    assert outputs(sim.send(days["2020-03-18"])) == [("2020-03-18",)]


def test_the_periodic_check_finds_what_came_into_storage_without_an_event(app: Application) -> None:
    days = daily(app)
    app.create_data("node", inputs=[days[:-2].range_check(True)])
    sim = Simulator(app)
    assert sim.send(days["2020-03-18"]) == []
    assert sim.tick() == []
    sim.exists(days["2020-03-17"])
    assert outputs(sim.tick()) == [("2020-03-18",)]
    assert sim.tick() == []


def test_storage_alone_never_starts_a_binding(app: Application) -> None:
    days, rates = daily(app), daily(app, "rates")
    app.create_data("node", inputs=[days, rates])
    app.create_data("windowed", inputs=[days[:-2].range_check(True)])
    sim = Simulator(app)
    for signal in (days, rates):
        for day in ("2020-03-17", "2020-03-18"):
            sim.exists(signal[day])
    assert sim.tick() == []


def test_a_pending_window_says_what_is_missing(app: Application) -> None:
    trainings = ranged(app)
    sim = Simulator(app)
    sim.send(trainings["NA"]["2020-03-18"])
    sim.send(trainings["NA"]["2020-03-16"])
    waiting = [binding for binding in sim.pending("node") if "2020-03-18" in str(binding.arrived)]
    assert len(waiting) == 1
    assert "2020-03-17" in str(waiting[0].missing)
    assert "2020-03-16" not in str(waiting[0].missing)


def test_only_partitions_that_pass_the_filter_of_the_input_count(app: Application) -> None:
    orders, days = regional(app), daily(app)
    view = orders[1][:-2].range_check(True)
    app.create_data("node", inputs=[days, view])
    sim = Simulator(app)
    sim.send(days["2020-03-18"])
    sim.send(orders[1]["2020-03-18"])
    assert sim.send(orders[2]["2020-03-17"]) == []
    assert outputs(sim.send(orders[1]["2020-03-17"])) == [("2020-03-18",)]


def test_every_checked_window_of_a_binding_must_be_complete(app: Application) -> None:
    a, b = daily(app, "a"), daily(app, "b")
    app.create_data("node", inputs=[a[:-2].range_check(True), b[:-2].range_check(True)])
    sim = Simulator(app)
    for tip in (a["2020-03-18"], b["2020-03-18"], b["2020-03-17"]):
        assert sim.send(tip) == []
    # a's 17th completes the window of the 18th; the 17th itself waits for the 16th.
    assert outputs(sim.send(a["2020-03-17"])) == [("2020-03-18",)]


def test_a_complete_window_fires_again_for_a_new_arrival_of_its_tip_only(app: Application) -> None:
    days = daily(app)
    app.create_data("node", inputs=[days[:-2].range_check(True)])
    sim = Simulator(app)
    sim.exists(days["2020-03-16"])
    sim.send(days["2020-03-17"])
    sim.send(days["2020-03-18"])
    assert outputs(sim.send(days["2020-03-17"])) == [("2020-03-17",)]
    assert outputs(sim.send(days["2020-03-18"])) == [("2020-03-18",)]


# ── references ────────────────────────────────────────────────────────────────────────────────────────


def test_a_reference_follows_from_the_links_and_is_not_checked(app: Application) -> None:
    timer = app.add_timer("daily_timer", "rate(1 day)", time_dimension_id="ship_day")
    items = daily(app, "items", "ship_day")
    app.create_data("dppi", inputs={"timer": timer, "low": items[:-3].ref, "high": items[:2].ref})
    runs = Simulator(app).fire(timer, at=datetime(2021, 1, 12))
    assert last_parts(runs[0], "low") == ["2021-01-12", "2021-01-11", "2021-01-10"]
    assert last_parts(runs[0], "high") == ["2021-01-12", "2021-01-13"]
    assert runs[0].inputs["low"].tip == {"ship_day": "2021-01-12"}


def test_a_checked_reference_is_waited_for(app: Application) -> None:
    days, rates = daily(app), daily(app, "rates")
    app.create_data("node", inputs=[days, rates[:-2].ref.range_check(True)])
    sim = Simulator(app)
    assert sim.send(days["2020-03-18"]) == []
    assert sim.send(rates["2020-03-18"]) == []
    assert "2020-03-17" in str(sim.pending("node")[0].missing)
    assert outputs(sim.send(rates["2020-03-17"])) == [("2020-03-18",)]
    assert sim.send(rates["2020-03-17"]) == [], "a reference never starts a binding"


def test_what_references_saw_before_counts(app: Application) -> None:
    days, rates = daily(app), daily(app, "rates")
    app.create_data("node", inputs=[days, rates[:-2].ref.range_check(True)])
    sim = Simulator(app)
    sim.send(rates["2020-03-17"])
    sim.send(rates["2020-03-18"])
    assert outputs(sim.send(days["2020-03-18"])) == [("2020-03-18",)]


def test_a_checked_reference_in_storage(app: Application) -> None:
    days, rates = daily(app), daily(app, "rates")
    app.create_data("node", inputs=[days, rates.ref.range_check(True)])
    sim = Simulator(app)
    assert sim.send(days["2020-03-18"]) == []
    sim.exists(rates["2020-03-18"])
    assert outputs(sim.tick()) == [("2020-03-18",)]


# ── nearest ───────────────────────────────────────────────────────────────────────────────────────────


def test_nearest_takes_the_existing_partition_closest_to_the_tip(app: Application) -> None:
    days, rates = daily(app), daily(app, "rates")
    app.create_data("node", inputs=[days, rates[:-5].ref.nearest()])
    sim = Simulator(app)
    for day in ("2020-03-14", "2020-03-15", "2020-03-19"):
        sim.send(rates[day])
    runs = sim.send(days["2020-03-18"])
    assert runs[0].inputs["rates"].paths == ["s3://lake/rates/2020-03-15"]


def test_nearest_waits_until_one_exists(app: Application) -> None:
    days, rates = daily(app), daily(app, "rates")
    app.create_data("node", inputs=[days, rates[:-3].ref.nearest()])
    sim = Simulator(app)
    assert sim.send(rates["2020-03-15"]) == []
    assert sim.send(days["2020-03-18"]) == [], "the 15th is outside the window of three"
    assert len(sim.pending("node")) == 1
    runs = sim.send(rates["2020-03-16"])
    assert outputs(runs) == [("2020-03-18",)]
    assert last_parts(runs[0], "rates") == ["2020-03-16"]


def test_nearest_finds_storage(app: Application) -> None:
    days, rates = daily(app), daily(app, "rates")
    app.create_data("node", inputs=[days, rates[:-3].ref.nearest()])
    sim = Simulator(app)
    assert sim.send(days["2020-03-18"]) == []
    sim.exists(rates["2020-03-17"])
    assert last_parts(sim.tick()[0], "rates") == ["2020-03-17"]


def test_the_choice_is_made_when_the_binding_fires(app: Application) -> None:
    days, rates = daily(app), daily(app, "rates")
    app.create_data("node", inputs=[days, rates[:-5].ref.nearest()])
    sim = Simulator(app)
    sim.send(rates["2020-03-15"])
    first = sim.send(days["2020-03-18"])[0]
    sim.send(rates["2020-03-17"])
    second = sim.send(days["2020-03-18"])[0]
    assert last_parts(first, "rates") == ["2020-03-15"], "recorded: later partitions do not change it"
    assert last_parts(second, "rates") == ["2020-03-17"]


def test_nearest_of_a_trigger_is_its_tip(app: Application) -> None:
    days = daily(app)
    app.create_data("node", inputs=[days[:-3].nearest()])
    sim = Simulator(app)
    sim.send(days["2020-03-17"])
    assert last_parts(sim.send(days["2020-03-18"])[0], "days") == ["2020-03-18"]


def test_nearest_with_range_check_is_an_error(app: Application) -> None:
    days = daily(app)
    with rejected("nearest", "range_check"):
        days[:-3].nearest().range_check(True)
    with rejected("nearest", "range_check"):
        days[:-3].range_check(True).nearest()


# ── triggers ──────────────────────────────────────────────────────────────────────────────────────────


def test_at_least_one_input_must_be_a_trigger(app: Application) -> None:
    a, b = daily(app, "a"), daily(app, "b")
    with faulty("node", "reference"):
        app.create_data("node", inputs=[a.ref, b.ref])
        app.graph()


def test_a_node_without_inputs_is_legal_and_never_runs_by_itself(app: Application) -> None:
    days = daily(app)
    app.create_data("other", inputs=[days])
    app.create_data(
        "seed",
        inputs=[],
        output_dimension_spec={"day": {"type": DimensionType.DATETIME, "format": "%Y-%m-%d"}},
    )
    sim = Simulator(app)
    assert [run.node for run in sim.send(days["2020-03-18"])] == ["other"]
    assert sim.tick() == []


# ── pending_ttl ───────────────────────────────────────────────────────────────────────────────────────


def test_a_waiting_binding_expires_and_later_arrivals_start_afresh(app: Application) -> None:
    a, b = daily(app, "a"), daily(app, "b")
    app.create_data("node", inputs=[a, b], pending_ttl=timedelta(hours=1))
    sim = Simulator(app)
    sim.send(a["2020-03-18"])
    assert len(sim.pending("node")) == 1
    sim.advance(timedelta(hours=2))
    sim.tick()
    assert len(sim.pending("node")) == 0
    assert sim.send(b["2020-03-18"]) == [], "its partner has expired"
    assert outputs(sim.send(a["2020-03-18"])) == [("2020-03-18",)]


def test_a_binding_within_its_ttl_does_not_expire(app: Application) -> None:
    a, b = daily(app, "a"), daily(app, "b")
    app.create_data("node", inputs=[a, b], pending_ttl=timedelta(hours=1))
    sim = Simulator(app)
    sim.send(a["2020-03-18"])
    sim.advance(timedelta(minutes=59))
    sim.tick()
    assert outputs(sim.send(b["2020-03-18"])) == [("2020-03-18",)]


def test_a_binding_that_waits_for_its_window_expires(app: Application) -> None:
    numbers = numbered(app, "numbers")
    app.create_data("node", inputs=[numbers[:-2].range_check(True)], pending_ttl=timedelta(hours=1))
    sim = Simulator(app)
    sim.send(numbers[5])
    sim.advance(timedelta(hours=2))
    sim.tick()
    assert sim.send(numbers[4]) == []
    assert outputs(sim.send(numbers[5])) == [("5",)], "4 and 5 are there, and 5 arrived afresh"


def test_without_a_ttl_a_binding_waits(app: Application) -> None:
    a, b = daily(app, "a"), daily(app, "b")
    app.create_data("node", inputs=[a, b])
    sim = Simulator(app)
    sim.send(a["2020-03-18"])
    sim.advance(timedelta(days=30))
    sim.tick()
    assert outputs(sim.send(b["2020-03-18"])) == [("2020-03-18",)]
