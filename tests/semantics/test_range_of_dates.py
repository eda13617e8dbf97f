"""Values at both ends of the range of dates, and where a clock skips: each runs, is rejected, or is without effect."""

from __future__ import annotations

from typing import Any

import pytest

from rheo_runtime.values import BadValue, datetime_kind, members, parse, render, shift
from rheodsl import DATETIME, S3Dataset
from rheodsl.testing import Simulator

from .helpers import Keys, last_parts, outputs

ENDS = {
    "the last day": ("%Y-%m-%d", {}, 1, "9999-12-31"),
    "the first day": ("%Y-%m-%d", {}, -1, "0001-01-01"),
    "the last year": ("%Y", {}, 1, "9999"),
    "the first month": ("%Y-%m", {}, -1, "0001-01"),
    "the last hour": ("%Y-%m-%d-%H", {}, 1, "9999-12-30-23"),
    "the first hour of a zone": ("%Y-%m-%d-%H", {"timezone": "Asia/Kolkata"}, -1, "0001-01-02-00"),
    "the first week": ("%G-W%V", {}, -1, "0001-W01"),
    "the last week of Sundays": ("%G-W%V", {"week_start": "SUN"}, 1, "9999-W52"),
    "the last workday": ("%Y-%m-%d", {"calendar": "MON-FRI"}, 1, "9999-12-31"),
}
ends = pytest.mark.parametrize(("format", "more", "by", "last"), ENDS.values(), ids=list(ENDS))


def data(app: Any, id: str, format: str, **more: Any) -> Any:
    spec = {"day": {"type": DATETIME, "format": format, **more}}
    return app.marshal_external_data(S3Dataset(None, "lake", id, "{}"), id, spec)


@ends
@pytest.mark.parametrize("mode", ["ref", "checked", "nearest", "trigger"])
def test_a_neighbour_beyond_the_end_stops_no_other_node(
    app: Any, mode: str, format: str, more: dict[str, Any], by: int, last: str
) -> None:
    days = data(app, "days", format, **more)
    beside = days.alias("beside")
    read = {
        "ref": beside.ref,
        "checked": beside.ref.range_check(True),
        "nearest": beside[:-2].ref.nearest(),
        "trigger": beside,
    }[mode]
    app.create_data("bad", inputs=[days, read], input_dim_links=[beside.day == days.day + by])
    app.create_data("good", inputs=[days])
    sim = Simulator(app)
    runs = Keys(sim, "days").put(f"{last}/_SUCCESS")
    assert outputs(runs) == [(last,)] and runs[0].node == "good"
    assert [r.reason for r in sim.rejected] == [f"{last!r} moved by {by} is out of the range of dates"]
    assert len(sim.pending("bad")) == (mode == "trigger")  # it may join another by its other side
    assert sim.explain("bad", last)


@pytest.mark.parametrize(
    ("format", "more", "text"),
    [
        ("%Y-%m-%d-%H", {}, "9999-12-31-23"),
        ("%Y-%m-%d-%H", {"timezone": "America/Los_Angeles"}, "0001-01-01-00"),
        ("%Y-%m-%d", {"granularity": "WEEK", "week_start": "SUN"}, "0001-01-01"),
    ],
)
def test_what_is_no_value_in_every_zone_is_rejected(
    app: Any, format: str, more: dict[str, Any], text: str
) -> None:
    app.create_data("node", inputs=[data(app, "days", format, **more)])
    sim = Simulator(app)
    assert Keys(sim, "days").put(f"{text}/_SUCCESS") == []
    assert [r.reason for r in sim.rejected] == [f"{text!r} is out of the range of dates"]


def test_the_first_week_of_sundays_begins_before_the_first_day(app: Any) -> None:
    app.create_data("node", inputs=[data(app, "weeks", "%G-W%V", week_start="SUN")])
    sim = Simulator(app)
    assert Keys(sim, "weeks").put("0001-W01/_SUCCESS") == []
    assert "0001-W01" in sim.rejected[0].reason
    assert outputs(Keys(sim, "weeks").put("0001-W02/_SUCCESS")) == [("0001-W02",)]


def test_a_rollup_whose_first_week_is_out_of_range(app: Any) -> None:
    days = data(app, "days", "%Y-%m-%d", week_start="SUN")
    app.create_data("weekly", inputs=[days.rollup(day="week")])
    app.create_data("daily", inputs=[days])
    runs = Keys(Simulator(app), "days").put("0001-01-01/_SUCCESS")
    assert outputs(runs, "daily") == [("0001-01-01",)]


def test_weeks_of_early_years_have_four_digits() -> None:
    week = datetime_kind(granularity="WEEK")
    assert render(parse("0001-W01", week), week) == "0001-W01"
    assert members(parse("0001-W01", week), week, datetime_kind())[0] == 1


def test_the_last_week_that_can_be_written() -> None:
    week = datetime_kind(granularity="WEEK", week_start=2)  # its fourth day is a Saturday
    last = parse("9999-W51", week)
    with pytest.raises(BadValue, match="out of the range of dates"):
        shift(last, 1, week)


@pytest.mark.parametrize(
    ("zone", "step", "tip", "read"),
    [
        ("America/New_York", 2, "2024-03-10-02", ["2024-03-10-02", "2024-03-10-00", "2024-03-09-22"]),
        ("America/New_York", 2, "2024-03-10-04", ["2024-03-10-04", "2024-03-10-02", "2024-03-10-00"]),
        ("America/Santiago", 6, "2024-09-08-06", ["2024-09-08-06", "2024-09-08-00", "2024-09-07-18"]),
        ("Australia/Lord_Howe", 1, "2024-10-06-03", ["2024-10-06-03", "2024-10-06-02", "2024-10-06-01"]),
    ],
)
def test_a_step_whose_first_minutes_the_clock_skips_is_a_partition(
    app: Any, zone: str, step: int, tip: str, read: list[str]
) -> None:
    hours = data(app, "hours", "%Y-%m-%d-%H", timezone=zone, step=step)
    app.create_data("three", inputs=[hours[:-3].range_check(True)])
    app.create_data("daily", inputs=[hours.rollup(day="day")])
    keys = Keys(Simulator(app), "hours")
    runs = [run for hour in reversed(read) for run in keys.put(f"{hour}/_SUCCESS")]
    assert [last_parts(run, "hours") for run in runs if run.node == "three"] == [read]
    assert keys.sim.rejected == []
    awaited = {m.what for w in keys.sim.pending("daily") if w.output == tip[:10] for m in w.missing}
    assert tip not in awaited and len(awaited) + sum(hour[:10] == tip[:10] for hour in read) in (4, 12, 24)
