"""Section 13: many partitions of an input, one of the output."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

import rheodsl as dsl
from rheodsl import Application, S3Dataset, output
from rheodsl.errors import GraphError
from rheodsl.testing import Simulator

from .helpers import Keys, below, daily, days, faulty, last_parts, outputs, rejected, send_all
from .ways import Ways

DATETIME, LONG = dsl.DATETIME, dsl.LONG


def by_region(app: Any, id: str = "orders", **options: Any) -> Any:
    return app.s3(id, f"s3://lake/{id}/{{region}}/{{day:%Y-%m-%d}}", **options)


def hourly(app: Any, zone: str | None = None, id: str = "hours") -> Any:
    spec = {"hour": {"type": DATETIME, "format": "%Y-%m-%d-%H"} | ({"timezone": zone} if zone else {})}
    return app.marshal_external_data(S3Dataset("111122223333", "lake", id, "{}"), id, spec)


# ── coarser dates ─────────────────────────────────────────────────────────────────────────────────────


def test_a_month_runs_once_when_its_last_day_has_come(app: Any) -> None:
    """► Days of January to March 2024, one after the other: three runs, of 31, 29 and 31 days."""
    signal = daily(app)
    app.create_data("monthly", inputs=[signal.rollup(day="month")])
    sim = Simulator(app)
    ran = {day: sim.send(signal[day]) for day in days("2024-01-01", 31 + 29 + 31)}
    runs = {day: run for day, [run] in ((day, runs) for day, runs in ran.items() if runs)}
    assert {day: run.output for day, run in runs.items()} == {
        "2024-01-31": {"day": "2024-01"},
        "2024-02-29": {"day": "2024-02"},
        "2024-03-31": {"day": "2024-03"},
    }
    assert below(runs["2024-01-31"], "days", "days") == days("2024-01-01", 31)
    assert below(runs["2024-02-29"], "days", "days") == days("2024-02-01", 29)
    assert below(runs["2024-03-31"], "days", "days") == days("2024-03-01", 31)


@pytest.mark.parametrize(
    ("first", "count"),
    [("2023-02-01", 28), ("2024-02-01", 29), ("2024-04-01", 30), ("2023-12-01", 31)],
)
def test_a_month_has_the_days_that_the_calendar_gives_it(app: Any, first: str, count: int) -> None:
    signal = daily(app)
    app.create_data("monthly", inputs=[signal.rollup(day="month")])
    sim = Simulator(app)
    backwards = list(reversed(days(first, count)))
    assert send_all(sim, *(signal[day] for day in backwards[:-1])) == []
    [run] = sim.send(signal[backwards[-1]])
    assert below(run, "days", "days") == days(first, count), "in ascending order, whatever came first"
    assert run.inputs["days"].tip == {"day": first[:7]}


def test_case_03_a_monthly_output_under_a_name_of_its_own(app: Any) -> None:
    signal = daily(app)
    month = signal.rollup(day="month")
    app.create_data(
        "monthly",
        inputs=[month],
        output_dimension_spec={"month": {"type": DATETIME, "format": "%Y-%m"}},
        output_dim_links=[output.month == month.day],
    )
    runs = send_all(Simulator(app), *(signal[day] for day in days("2024-01-01", 91)))
    assert [(run.output["month"], len(run.inputs["days"].paths)) for run in runs] == [
        ("2024-01", 31), ("2024-02", 29), ("2024-03", 31),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("to", "first", "count", "label"),
    [
        ("week", "2024-12-30", 7, "2025-W01"),
        ("week", "2020-12-28", 7, "2020-W53"),
        ("year", "2024-01-01", 366, "2024"),
        ("year", "2023-01-01", 365, "2023"),
    ],
)
def test_days_roll_up_to_weeks_and_years(app: Any, to: str, first: str, count: int, label: str) -> None:
    signal = daily(app)
    app.create_data("rolled", inputs=[signal.rollup(day=to)])
    sim = Simulator(app)
    *early, last = days(first, count)
    assert send_all(sim, *(signal[day] for day in early)) == []
    [run] = sim.send(signal[last])
    assert run.output == {"day": label}
    assert len(run.inputs["days"].paths) == count


@pytest.mark.parametrize(("first", "count"), [("2024-01-01", 91), ("2023-01-01", 90), ("2024-07-01", 92)])
def test_days_roll_up_to_quarters(app: Any, first: str, count: int) -> None:
    signal = daily(app)
    app.create_data("rolled", inputs=[signal.rollup(day="quarter")])
    [run] = send_all(Simulator(app), *(signal[day] for day in days(first, count)))
    assert below(run, "days", "days") == days(first, count)


def test_months_roll_up_to_a_year(app: Any) -> None:
    months = app.s3("months", "s3://lake/months/{month:%Y-%m}")
    app.create_data("yearly", inputs=[months.rollup(month="year")])
    [run] = send_all(Simulator(app), *(months[f"2024-{n:02d}"] for n in range(1, 13)))
    assert run.output == {"month": "2024"}


def test_quarter_hours_roll_up_to_an_hour(app: Any) -> None:
    slots = app.s3(
        "slots", "s3://lake/slots/{t:%Y-%m-%dT%H%M}", dimensions={"t": {"granularity": "MINUTE", "step": 15}}
    )
    app.create_data("hourly", inputs=[slots.rollup(t="hour")])
    sim = Simulator(app)
    texts = [f"2024-01-01T05{minute:02d}" for minute in (45, 0, 30, 15)]
    [run] = send_all(sim, *(slots[text] for text in texts))
    assert below(run, "slots", "slots") == sorted(texts)


@pytest.mark.parametrize(
    ("zone", "day", "count"),
    [
        (None, "2024-03-10", 24),
        ("UTC", "2024-11-03", 24),
        ("America/New_York", "2024-03-10", 23),
        ("America/New_York", "2024-11-03", 24),
        ("America/New_York", "2024-07-01", 24),
        ("Europe/Berlin", "2024-03-31", 23),
        ("Europe/Berlin", "2024-10-27", 24),
        ("Asia/Kolkata", "2024-03-31", 24),
        ("Australia/Sydney", "2024-10-06", 23),
    ],
)
def test_a_day_has_the_hours_that_its_zone_has(app: Any, zone: str | None, day: str, count: int) -> None:
    """► New York hours: 2024-03-10 has 23 members and 2024-11-03 has 24 labels."""
    signal = hourly(app, zone)
    app.create_data("daily", inputs=[signal.rollup(hour="day")])
    keys = Keys(Simulator(app), "hours")
    runs = [run for hour in range(24) for run in keys.put(f"{day}-{hour:02d}/_SUCCESS")]
    [run] = runs
    assert run.output == {"hour": day}
    assert len(run.inputs["hours"].paths) == count


def test_an_hour_that_does_not_happen_is_not_waited_for(app: Any) -> None:
    signal = hourly(app, "America/New_York")
    app.create_data("daily", inputs=[signal.rollup(hour="day")])
    keys = Keys(Simulator(app), "hours")
    hours = [hour for hour in range(24) if hour != 2]
    runs = [run for hour in hours for run in keys.put(f"2024-03-10-{hour:02d}/_SUCCESS")]
    assert [run.output for run in runs] == [{"hour": "2024-03-10"}]


def test_a_week_of_a_calendar_has_its_days_only(app: Any) -> None:
    calendar = dsl.Calendar("MON-FRI", holidays=["2024-12-25", "2024-12-26"])
    trades = app.s3("trades", "s3://lake/trades/{day:%Y-%m-%d}", dimensions={"day": {"calendar": calendar}})
    app.create_data("weekly", inputs=[trades.rollup(day="week")])
    sim = Simulator(app)
    assert send_all(sim, trades["2024-12-23"], trades["2024-12-27"]) == []
    [run] = sim.send(trades["2024-12-24"])
    assert run.output == {"day": "2024-W52"}
    assert below(run, "trades", "trades") == ["2024-12-23", "2024-12-24", "2024-12-27"]


def test_a_month_of_a_calendar_has_its_days_only(app: Any) -> None:
    trades = app.s3("trades", "s3://lake/trades/{day:%Y-%m-%d}", dimensions={"day": {"calendar": "MON-FRI"}})
    app.create_data("monthly", inputs=[trades.rollup(day="month")])
    weekdays = [day for day in days("2024-02-01", 29) if date.fromisoformat(day).weekday() < 5]
    [run] = send_all(Simulator(app), *(trades[day] for day in weekdays))
    assert below(run, "trades", "trades") == weekdays
    assert len(weekdays) == 21


def test_days_over_levels_roll_up(app: Any) -> None:
    logs = app.s3("logs", "s3://lake/logs/year={day:%Y}/month={day:%m}/day={day:%d}")
    app.create_data("monthly", inputs=[logs.rollup(day="month")])
    runs = send_all(Simulator(app), *(logs[datetime(2023, 2, n)] for n in range(1, 29)))
    assert [run.output for run in runs] == [{"day": "2023-02"}]
    assert below(runs[0], "logs", "logs")[-1] == "year=2023/month=02/day=28"


def test_a_coarser_dimension_is_spelled_as_the_output_says(app: Any) -> None:
    signal = daily(app)
    app.create_data(
        "monthly",
        inputs=[signal.rollup(day="month")],
        output_dimension_spec={"day": {"type": DATETIME, "format": "%m.%Y"}},
    )
    [run] = send_all(Simulator(app), *(signal[day] for day in days("2023-02-01", 28)))
    assert run.output == {"day": "02.2023"}


def test_members_that_are_announced_again_by_the_same_event_change_nothing(app: Any) -> None:
    signal = daily(app)
    app.create_data("weekly", inputs=[signal.rollup(day="week")])
    sim = Simulator(app)
    for day in days("2024-01-01", 6):
        assert sim.send(signal[day], event_id=day) == []
        assert sim.send(signal[day], event_id=day) == []
    assert len(sim.send(signal["2024-01-07"], event_id="last")) == 1
    assert sim.send(signal["2024-01-07"], event_id="last") == []


# ── a dimension that goes ─────────────────────────────────────────────────────────────────────────────

REGIONS = ["NA", "EU", "FE"]


def fan_ins(app: Any) -> dict[str, tuple[Any, Any]]:
    """Ways to say the three regions: the signal, and the view that rolls it up."""
    given, known = by_region(app, "given"), by_region(app, "known", dimension_filter={r: {} for r in REGIONS})
    return {
        "values given": (given, given.rollup(region=REGIONS)),
        "values of the filter": (known, known.rollup("region")),
    }


@pytest.mark.parametrize("way", ["values given", "values of the filter"])
@pytest.mark.parametrize("order", list(permutations(REGIONS)), ids="-".join)
def test_a_day_runs_once_when_all_its_regions_are_there(app: Any, way: str, order: tuple[str, ...]) -> None:
    """► NA, EU, FE of one day in every order: one run of the day."""
    signal, view = fan_ins(app)[way]
    app.create_data("world", inputs=[view])
    sim = Simulator(app)
    first, second, third = (sim.send(signal[region]["2024-01-01"]) for region in order)
    assert first == second == [], "not all regions are there"
    [run] = third
    assert run.output == {"day": "2024-01-01"}
    assert sorted(below(run, signal.id, signal.id)) == [f"{r}/2024-01-01" for r in sorted(REGIONS)]


def test_regions_of_other_days_do_not_complete_a_day(app: Any) -> None:
    signal = by_region(app)
    app.create_data("world", inputs=[signal.rollup(region=REGIONS)])
    sim = Simulator(app)
    assert (
        send_all(sim, signal["NA"]["2024-01-01"], signal["EU"]["2024-01-01"], signal["FE"]["2024-01-02"])
        == []
    )
    assert outputs(sim.send(signal["FE"]["2024-01-01"])) == [("2024-01-01",)]


def test_a_region_that_is_not_named_does_not_count(app: Any) -> None:
    signal = by_region(app)
    app.create_data("world", inputs=[signal.rollup(region=["NA", "EU"])])
    sim = Simulator(app)
    assert send_all(sim, signal["NA"]["2024-01-01"], signal["JP"]["2024-01-01"]) == []
    [run] = sim.send(signal["EU"]["2024-01-01"])
    assert sorted(below(run, "orders", "orders")) == ["EU/2024-01-01", "NA/2024-01-01"]


def test_numbers_roll_up_by_their_values(app: Any) -> None:
    signal = app.s3("orders", "s3://lake/orders/{shop:int}/{day:%Y-%m-%d}")
    app.create_data("world", inputs=[signal.rollup(shop=[1, 2])])
    sim = Simulator(app)
    assert sim.send(signal[2]["2024-01-01"]) == []
    [run] = sim.send(signal[1]["2024-01-01"])
    assert below(run, "orders", "orders") == ["1/2024-01-01", "2/2024-01-01"]


def test_a_region_and_the_days_of_a_month_at_once(app: Any) -> None:
    signal = by_region(app)
    app.create_data("world", inputs=[signal.rollup(region=["EU", "NA"], day="month")])
    sim = Simulator(app)
    members = [(region, day) for day in days("2024-02-01", 29) for region in ("NA", "EU")]
    runs = send_all(sim, *(signal[region][day] for region, day in members))
    [run] = runs
    assert run.output == {"day": "2024-02"}
    assert sorted(below(run, "orders", "orders")) == sorted(f"{region}/{day}" for region, day in members)


def test_all_dimensions_of_a_signal_roll_up_to_none(app: Any) -> None:
    signal = app.s3("parts", "s3://lake/parts/{part}")
    app.create_data("whole", inputs=[signal.rollup(part=["a", "b"])])
    sim = Simulator(app)
    assert sim.send(signal["b"]) == []
    [run] = sim.send(signal["a"])
    assert run.output == {}
    assert below(run, "parts", "parts") == ["a", "b"]


# ── when it fires again ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("retrigger", "again"),
    [("all", [0, 0, 1]), ("any", [1, 1, 1])],
)
def test_each_member_counts_as_an_input_of_its_own(app: Any, retrigger: str, again: list[int]) -> None:
    signal = by_region(app)
    app.create_data("world", inputs=[signal.rollup(region=REGIONS)], retrigger=retrigger)
    sim = Simulator(app)
    day = [signal[region]["2024-01-01"] for region in REGIONS]
    assert [len(sim.send(view)) for view in day] == [0, 0, 1]
    assert [len(sim.send(view)) for view in day] == again


def test_one_member_twice_is_no_other_member(app: Any) -> None:
    signal = by_region(app)
    app.create_data("world", inputs=[signal.rollup(region=["NA", "EU"])])
    sim = Simulator(app)
    assert send_all(sim, signal["NA"]["2024-01-01"], signal["NA"]["2024-01-01"]) == []
    assert len(sim.send(signal["EU"]["2024-01-01"])) == 1
    assert len(sim.send(signal["EU"]["2024-01-01"])) == 1, "the second NA was not used yet"


def test_a_rollup_that_need_not_be_complete_runs_for_each_member(app: Any) -> None:
    signal = daily(app)
    app.create_data("to_date", inputs=[signal.rollup(day="month", complete=False)])
    sim = Simulator(app)
    runs = send_all(sim, *(signal[day] for day in ("2024-02-01", "2024-02-03", "2024-02-02", "2024-03-01")))
    assert [(run.output["day"], below(run, "days", "days")) for run in runs] == [
        ("2024-02", ["2024-02-01"]),
        ("2024-02", ["2024-02-01", "2024-02-03"]),
        ("2024-02", ["2024-02-01", "2024-02-02", "2024-02-03"]),
        ("2024-03", ["2024-03-01"]),
    ]


def test_a_rollup_of_regions_need_not_be_complete(app: Any) -> None:
    signal = by_region(app)
    app.create_data("world", inputs=[signal.rollup("region", complete=False)])
    runs = send_all(Simulator(app), *(signal[region]["2024-01-01"] for region in ("NA", "JP")))
    assert [sorted(below(run, "orders", "orders")) for run in runs] == [
        ["NA/2024-01-01"],
        ["JP/2024-01-01", "NA/2024-01-01"],
    ]


def test_a_window_of_what_has_come_of_regions_reads_each_of_its_days(app: Any) -> None:
    """Found by trying: the tip's own day alone was read, whatever the window."""
    signal = by_region(app)
    some = signal.rollup("region", complete=False)
    app.create_data("two", inputs=[some[:-2]])
    app.create_data("before", inputs=[some[-1:]])
    ways = Ways(app)
    runs = [run for day in days("2024-01-01", 2) for run in ways.take(signal["NA"][day])]
    runs += ways.take(signal["JP"]["2024-01-02"])
    assert [(run.id, below(run, "orders", "orders")) for run in runs] == [
        ("before/2024-01-01#1", []),
        ("two/2024-01-01#1", ["NA/2024-01-01"]),
        ("before/2024-01-02#1", ["NA/2024-01-01"]),
        ("two/2024-01-02#1", ["NA/2024-01-01", "NA/2024-01-02"]),
        ("before/2024-01-02#2", ["NA/2024-01-01"]),
        ("two/2024-01-02#2", ["JP/2024-01-02", "NA/2024-01-01", "NA/2024-01-02"]),
    ]


def test_what_has_come_of_regions_is_made_again_when_one_comes_or_is_written_anew(app: Any) -> None:
    """Found by trying: under "updated" it ran once and never again, and was never stale."""
    signal = by_region(app)
    app.create_data("world", inputs=[signal.rollup("region", complete=False)], retrigger="updated")
    app.create_data("once", inputs=[signal.rollup("region", complete=False)], retrigger="never")
    sim = Simulator(app)
    runs = send_all(sim, *(signal[region]["2024-01-01"] for region in ("NA", "JP", "NA")))
    assert outputs(runs, "world") == [("2024-01-01",)] * 3
    assert len(runs[-1].inputs["orders"].paths) == 2
    assert [(stale.node, stale.partition) for stale in sim.stale()] == [("once", "2024-01-01")]


@pytest.mark.parametrize("much", [{}, {"at_least": 1}])
def test_what_nobody_names_is_not_checked(app: Any, much: Any) -> None:
    with rejected("nothing says which values of region are awaited", hint="rollup(region=[...])"):
        by_region(app).rollup("region", complete=False)[:-2].range_check(**much)


# ── windows, links, references of rollups ─────────────────────────────────────────────────────────────


def test_a_checked_window_of_months(app: Any) -> None:
    signal = daily(app)
    app.create_data("two_months", inputs=[signal.rollup(day="month")[:-2].range_check(True)])
    runs = send_all(Simulator(app), *(signal[day] for day in days("2024-01-01", 31 + 29)))
    [run] = runs
    assert run.output == {"day": "2024-02"}
    assert below(run, "days", "days") == days("2024-01-01", 31 + 29)


def test_a_checked_window_of_months_waits_for_a_day_of_an_earlier_month(app: Any) -> None:
    signal = daily(app)
    app.create_data("two_months", inputs=[signal.rollup(day="month")[:-2].range_check(True)])
    sim = Simulator(app)
    late = "2024-01-17"
    assert send_all(sim, *(signal[day] for day in days("2024-01-01", 60) if day != late)) == []
    assert outputs(sim.send(signal[late])) == [("2024-02",)]


def test_a_rollup_links_with_a_coarser_signal(app: Any) -> None:
    signal, budgets = daily(app), app.s3("budgets", "s3://lake/budgets/{month:%Y-%m}")
    month = signal.rollup(day="month")
    app.create_data("compared", inputs=[month, budgets], input_dim_links=[month.day == budgets.month])
    sim = Simulator(app)
    assert send_all(sim, *(signal[day] for day in days("2023-02-01", 28))) == []
    assert sim.send(budgets["2023-03"]) == []
    [run] = sim.send(budgets["2023-02"])
    assert len(run.inputs["days"].paths) == 28


def test_a_rollup_links_by_its_name_by_default(app: Any) -> None:
    signal, budgets = daily(app), app.s3("budgets", "s3://lake/budgets/{day:%Y-%m}")
    app.create_data("compared", inputs=[signal.rollup(day="month"), budgets])
    sim = Simulator(app)
    sim.send(budgets["2023-02"])
    assert outputs(send_all(sim, *(signal[day] for day in days("2023-02-01", 28)))) == [("2023-02",)]


def test_a_checked_reference_to_a_rollup_waits_for_all_members(app: Any) -> None:
    signal, close = daily(app), app.s3("close", "s3://lake/close/{month:%Y-%m}")
    month = signal.rollup(day="month").ref.range_check(True)
    app.create_data("closing", inputs=[close, month], input_dim_links=[month.day == close.month])
    sim = Simulator(app)
    assert sim.send(close["2023-02"]) == []
    *most, last = days("2023-02-01", 28)
    assert send_all(sim, *(signal[day] for day in most)) == []
    [run] = sim.send(signal[last])
    assert below(run, "days", "days") == days("2023-02-01", 28)
    assert send_all(sim, *(signal[day] for day in most)) == [], "a reference starts nothing"


def test_a_rollup_of_one_node_feeds_the_next(app: Any) -> None:
    signal = daily(app)
    cleaned = app.create_data("cleaned", inputs=[signal])
    weekly = app.create_data("weekly", inputs=[cleaned.rollup(day="week")])
    app.create_data("both", inputs=[weekly.rollup(day="year", complete=False)])
    runs = send_all(Simulator(app), *(signal[day] for day in days("2024-01-01", 14)))
    assert outputs(runs, "weekly") == [("2024-W01",), ("2024-W02",)]
    assert [len(run.inputs["weekly"].paths) for run in runs if run.node == "both"] == [1, 2]


# ── what is refused ───────────────────────────────────────────────────────────────────────────────────


def test_a_dimension_that_goes_needs_its_values(app: Any) -> None:
    with rejected("region", hint="region=["):
        by_region(app).rollup("region")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: s.rollup(dya="month"), "dya"),
        (lambda s: s.rollup(day="mont"), "mont"),
        (lambda s: s.rollup(day="hour"), "hour"),
        (lambda s: s.rollup(day="day"), "day"),
        (lambda s: s.rollup(region="month"), "region"),
        (lambda s: s.rollup(region=[]), "region"),
        (lambda s: s.rollup(region=["NA", "NA"]), "NA"),
        (lambda s: s.rollup("dya"), "dya"),
        (lambda s: s.rollup(), "rollup"),
    ],
    ids=["unknown name", "unknown step", "finer", "the same", "text to month", "no value", "twice", "gone", "empty"],
)  # fmt: skip
def test_a_rollup_that_can_never_work_is_an_error(app: Any, call: Any, words: str) -> None:
    with pytest.raises(dsl.RheoError) as told:
        call(by_region(app))
    assert words in str(told.value)


# ── the warning ───────────────────────────────────────────────────────────────────────────────────────


def warned(app: Any) -> list[str]:
    return [warning.code for warning in app.graph().warnings]


def world(app: Any, **options: Any) -> Any:
    orders = by_region(app)
    app.create_data(
        "world",
        inputs=[orders],
        output_dimension_spec={"day": {"type": DATETIME, "format": "%Y-%m-%d"}},
        output_dim_links=[output.day == orders.day],
        **options,
    )
    return orders


def test_an_output_that_drops_a_dimension_is_warned_of(app: Any) -> None:
    """► orders(region, day) into world(day)."""
    world(app)
    [warning] = app.graph().warnings
    assert warning.code == "RD204"
    assert "region" in warning.what
    assert "rollup" in warning.hint


def test_an_output_that_drops_a_dimension_is_an_error_under_strict() -> None:
    app: Any = Application("shop", strict=True)
    world(app)
    with pytest.raises(GraphError) as told:
        app.graph()
    [fault] = told.value.faults
    assert fault.code == "RD204"
    assert "world" in fault.what and "region" in fault.what and fault.where is not None


def test_an_output_that_coarsens_a_date_is_warned_of(app: Any) -> None:
    signal = daily(app)
    app.create_data(
        "monthly",
        inputs=[signal],
        output_dimension_spec={"month": {"type": DATETIME, "format": "%Y-%m"}},
        output_dim_links=[output.month == signal.day.trunc("month")],
    )
    assert warned(app) == ["RD204"]


def test_a_dimension_that_is_neither_linked_nor_written_is_warned_of(app: Any) -> None:
    orders, rates = by_region(app), daily(app, "rates")
    app.create_data(
        "priced",
        inputs=[rates, orders],
        output_dimension_spec={"day": {"type": DATETIME, "format": "%Y-%m-%d"}},
        output_dim_links=[output.day == rates.day],
    )
    assert warned(app) == ["RD204"], "regions of one day overwrite one another"


@pytest.mark.parametrize("linked", [False, True])
def test_a_map_that_gives_one_value_for_two_does_not_tell_the_dimension(app: Any, linked: bool) -> None:
    orders = app.s3("orders", "s3://lake/orders/{r:int}/{day:%Y-%m-%d}")
    other = app.s3("other", "s3://lake/other/{c}/{day:%Y-%m-%d}")
    countries = orders.r.map({1: "EU", 2: "EU", 3: "NA"})
    app.create_data(
        "node",
        inputs=[orders, other] if linked else [orders],
        input_dim_links=[other.c == countries] if linked else None,
        output_dimension_spec={
            "c": {"type": dsl.STRING, "day": {"type": dsl.DATETIME, "format": "%Y-%m-%d"}}
        },
        output_dim_links=[output.c == (other.c if linked else countries)],
    )
    assert warned(app) == ["RD204"]


@pytest.mark.parametrize(
    "declare",
    [
        lambda app: world(app, latest_wins=True),
        lambda app: app.create_data("world", inputs=[by_region(app).rollup(region=REGIONS)]),
        lambda app: app.create_data("monthly", inputs=[daily(app).rollup(day="month")]),
        lambda app: app.create_data("same", inputs=[by_region(app)]),
        lambda app: app.create_data("to_date", inputs=[daily(app).rollup(day="month", complete=False)]),
    ],
    ids=["latest wins", "region rolled up", "days rolled up", "nothing dropped", "month to date"],
)
def test_what_is_meant_is_not_warned_of(declare: Any) -> None:
    app: Any = Application("shop", strict=True)
    declare(app)
    assert warned(app) == []


def test_a_dimension_with_one_value_may_be_dropped(app: Any) -> None:
    orders = by_region(app)
    app.create_data(
        "america",
        inputs=[orders["NA"]],
        output_dimension_spec={"day": {"type": DATETIME, "format": "%Y-%m-%d"}},
        output_dim_links=[output.day == orders.day],
    )
    assert warned(app) == []


def test_a_reference_may_be_dropped(app: Any) -> None:
    rates, orders = daily(app, "rates"), by_region(app)
    app.create_data("priced", inputs=[rates, orders["NA"].ref])
    assert warned(app) == []


def test_the_latest_wins_where_it_is_meant(app: Any) -> None:
    orders = world(app, latest_wins=True)
    runs = send_all(Simulator(app), *(orders[region]["2024-01-01"] for region in REGIONS))
    assert [run.id for run in runs] == [f"world/2024-01-01#{n}" for n in (1, 2, 3)]


# ── default links ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("order", list(permutations(REGIONS)), ids="-".join)
@pytest.mark.parametrize("linked", [True, False], ids=["links on the day", "default links"])
def test_three_views_of_one_signal_bind_by_day_alone(app: Any, order: tuple[str, ...], linked: bool) -> None:
    """► orders["NA"], orders["EU"], orders["FE"] under three aliases bind by day alone."""
    orders = by_region(app)
    na, eu, fe = (orders[region].alias(region.lower()) for region in REGIONS)
    app.create_data(
        "world",
        inputs=[na, eu, fe],
        input_dim_links=[na.day == eu.day, na.day == fe.day] if linked else None,
        output_dimension_spec={"day": {"type": DATETIME, "format": "%Y-%m-%d"}},
    )
    sim = Simulator(app)
    first, second, third = (sim.send(orders[region]["2024-01-01"]) for region in order)
    assert first == second == []
    assert [run.id for run in third] == ["world/2024-01-01#1"]
    assert third[0].inputs["eu"].tip == {"region": "EU", "day": "2024-01-01"}


def test_two_views_that_fix_the_same_value_stay_linked(app: Any) -> None:
    orders, ships = by_region(app), by_region(app, "ships")
    app.create_data("both", inputs=[orders["NA"], ships["NA"]])
    sim = Simulator(app)
    sim.send(orders["NA"]["2024-01-01"])
    assert len(sim.send(ships["NA"]["2024-01-01"])) == 1


def test_case_32_the_default_links_of_inputs_can_be_switched_off(app: Any) -> None:
    orders, terms = daily(app, "orders"), daily(app, "terms")
    app.create_data("check", inputs=[orders, terms], auto_input_dim_linking_enabled=False)
    sim = Simulator(app)
    assert sim.send(terms["2024-01-01"]) == []
    [run] = sim.send(orders["2024-03-07"])
    assert run.inputs["terms"].tip == {"day": "2024-01-01"}, "every combination binds"


def test_case_32_inputs_that_are_left_unlinked_are_a_fault_under_strict() -> None:
    app: Any = Application("shop", strict=True)
    orders, terms = daily(app, "orders"), daily(app, "terms")
    app.create_data("check", inputs=[orders, terms], auto_input_dim_linking_enabled=False)
    with pytest.raises(GraphError) as told:
        app.graph()
    assert "RD201" in str(told.value)


def test_links_that_are_written_hold_where_the_defaults_are_off(app: Any) -> None:
    orders, ships = by_region(app), by_region(app, "ships")
    app.create_data(
        "both",
        inputs=[orders, ships],
        input_dim_links=[orders.day == ships.day],
        auto_input_dim_linking_enabled=False,
    )
    sim = Simulator(app)
    sim.send(orders["NA"]["2024-01-01"])
    assert len(sim.send(ships["EU"]["2024-01-01"])) == 1, "regions are not linked"
    assert sim.send(ships["EU"]["2024-01-02"]) == []


def test_the_default_links_of_outputs_can_be_switched_off(app: Any) -> None:
    orders = by_region(app)
    with faulty("day"):
        app.create_data(
            "world",
            inputs=[orders],
            output_dimension_spec={"day": {"type": DATETIME, "format": "%Y-%m-%d"}},
            auto_output_dim_linking_enabled=False,
        )
        app.graph()


def test_an_output_link_that_is_written_holds_where_the_defaults_are_off(app: Any) -> None:
    signal = daily(app)
    app.create_data(
        "next_day",
        inputs=[signal],
        output_dimension_spec={"day": {"type": DATETIME, "format": "%Y-%m-%d"}},
        output_dim_links=[output.day == signal.day + timedelta(days=1)],
        auto_output_dim_linking_enabled=False,
    )
    assert outputs(Simulator(app).send(signal["2024-02-28"])) == [("2024-02-29",)]


@pytest.mark.parametrize(
    ("start", "first", "count", "week"),
    [
        ("SUNDAY", "2024-03-10", 7, "2024-W11"),
        ("SAT", "2024-12-28", 7, "2025-W01"),
        ("MON", "2024-03-11", 7, "2024-W11"),
    ],
)
def test_days_roll_up_to_the_weeks_that_they_say(
    app: Any, start: str, first: str, count: int, week: str
) -> None:
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}", dimensions={"day": {"week_start": start}})
    app.create_data("weekly", inputs=[orders.rollup(day="week")])
    sim = Simulator(app)
    (before, *of_week, after) = days(str(date.fromisoformat(first) - timedelta(days=1)), count + 2)
    assert sim.send(orders[before]) == sim.send(orders[after]) == []
    (run,) = [run for day in of_week for run in sim.send(orders[day])]
    assert (run.output, last_parts(run, "orders")) == ({"day": week}, of_week)


def test_hours_of_a_zone_roll_up_to_weeks_that_begin_on_sunday(app: Any) -> None:
    """The clock of New York goes forward in this week: 167 hours."""
    hours = app.s3(
        "hours", "s3://lake/hours/{hour:%Y-%m-%d-%H}",
        dimensions={"hour": {"week_start": "SUNDAY", "timezone": "America/New_York"}},
    )  # fmt: skip
    app.create_data("weekly", inputs=[hours.rollup(hour="week")])
    sim = Simulator(app)
    all_ = [datetime(2024, 3, 10) + timedelta(hours=n) for n in range(168)]
    runs = [run for hour in all_ if hour != datetime(2024, 3, 10, 2) for run in sim.send(hours[hour])]
    assert [(run.output["hour"], len(run.inputs["hours"].paths)) for run in runs] == [("2024-W11", 167)]


def test_days_of_other_weeks_are_the_same_days(app: Any) -> None:
    one = app.s3("one", "s3://lake/one/{day:%Y-%m-%d}", dimensions={"day": {"week_start": "SUNDAY"}})
    two = daily(app, "two")
    app.create_data("both", inputs=[one, two])
    assert outputs(send_all(Simulator(app), one["2024-03-10"], two["2024-03-10"])) == [("2024-03-10",)]
    with faulty("begin their weeks on SUN and MON", hint="same week_start"):
        app.create_data("weeks", inputs=[one.rollup(day="week"), two.rollup(day="week")])
        app.graph()
