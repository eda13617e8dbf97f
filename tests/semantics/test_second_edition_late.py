"""Section 15: what has not come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rheodsl import DATETIME, RheoError, S3Dataset
from rheodsl.testing import Simulator

from .helpers import below, daily, days, outputs, rejected, send_all

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def told(app: Any, view: Any, *, now: datetime = datetime(2024, 1, 1, tzinfo=UTC)) -> Simulator:
    """A simulator with one node that does nothing but hear of what is late."""
    app.create_data("tell", inputs=[view])
    return Simulator(app, now=now)


def hourly(app: Any, zone: str | None = None) -> Any:
    spec = {"hour": {"type": DATETIME, "format": "%Y-%m-%d-%H"} | ({"timezone": zone} if zone else {})}
    return app.marshal_external_data(S3Dataset("111122223333", "lake", "hours", "{}"), "hours", spec)


def zoned_days(app: Any, zone: str) -> Any:
    spec = {"day": {"type": DATETIME, "format": "%Y-%m-%d", "timezone": zone}}
    return app.marshal_external_data(S3Dataset("111122223333", "lake", "days", "{}"), "days", spec)


# ── when it speaks ────────────────────────────────────────────────────────────────────────────────────


def test_a_day_is_late_so_long_after_its_end(app: Any) -> None:
    sim = told(app, daily(app).late(after=6 * HOUR))
    assert sim.advance(30 * HOUR - timedelta(minutes=2)) == []
    [run] = sim.advance(timedelta(minutes=4))
    assert run.output == {"day": "2024-01-01"}
    assert run.inputs["days_late"].tip == {"day": "2024-01-01"}
    assert run.inputs["days_late"].paths == [], "it has no data"


def test_it_speaks_once_for_each_partition(app: Any) -> None:
    sim = told(app, daily(app).late(after=6 * HOUR))
    assert outputs(sim.advance(10 * DAY)) == [(day,) for day in days("2024-01-01", 9)]
    assert sim.tick() == []
    assert outputs(sim.advance(DAY)) == [("2024-01-10",)]


def test_what_has_come_in_time_is_not_late(app: Any) -> None:
    signal = daily(app)
    sim = told(app, signal.late(after=6 * HOUR))
    sim.advance(25 * HOUR)
    assert sim.send(signal["2024-01-01"]) == []
    assert sim.advance(DAY) == []
    assert outputs(sim.advance(DAY)) == [("2024-01-02",)]


def test_what_comes_before_its_end_is_not_late(app: Any) -> None:
    signal = daily(app)
    sim = told(app, signal.late(after=6 * HOUR))
    sim.send(signal["2024-01-01"])
    assert sim.advance(40 * HOUR) == []


def test_what_comes_after_all_is_an_ordinary_arrival(app: Any) -> None:
    signal = daily(app)
    app.create_data("daily", inputs=[signal])
    sim = told(app, signal.late(after=6 * HOUR))
    assert [run.id for run in sim.advance(31 * HOUR)] == ["tell/2024-01-01#1"]
    assert [run.id for run in sim.send(signal["2024-01-01"])] == ["daily/2024-01-01#1"]
    assert [run.id for run in sim.advance(DAY)] == ["tell/2024-01-02#1"], "the first is not told again"


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, 6, tzinfo=UTC)),
        (datetime(2024, 7, 1, tzinfo=UTC), datetime(2024, 7, 2, 5, tzinfo=UTC)),
    ],
    ids=["winter", "summer"],
)
def test_a_time_of_the_clock_of_a_zone(app: Any, now: datetime, due: datetime) -> None:
    view = daily(app).late(by="07:00", days=1, timezone="Europe/Berlin")
    sim = told(app, view, now=now)
    assert sim.advance(due - now - timedelta(minutes=2)) == []
    assert outputs(sim.advance(timedelta(minutes=4))) == [(str(now.date()),)]


@pytest.mark.parametrize(
    ("make", "now", "due", "label"),
    [
        (hourly, datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, 3, tzinfo=UTC), "2024-01-01-00"),
        (
            lambda app: app.s3("months", "s3://lake/months/{month:%Y-%m}"),
            datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 1, 2, tzinfo=UTC), "2024-02",
        ),
        (
            lambda app: app.s3("weeks", "s3://lake/weeks/{week:%G-W%V}"),
            datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 8, 2, tzinfo=UTC), "2024-W01",
        ),
        (
            lambda app: app.s3("years", "s3://lake/years/{year:%Y}"),
            datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, 2, tzinfo=UTC), "2024",
        ),
        (
            lambda app: zoned_days(app, "America/New_York"),
            datetime(2024, 1, 1, 5, tzinfo=UTC), datetime(2024, 1, 2, 7, tzinfo=UTC), "2024-01-01",
        ),
        (
            lambda app: zoned_days(app, "America/New_York"),
            datetime(2024, 3, 10, 5, tzinfo=UTC), datetime(2024, 3, 11, 6, tzinfo=UTC), "2024-03-10",
        ),
    ],
    ids=["hour", "month of 29 days", "week", "year", "day of New York", "its day of 23 hours"],
)  # fmt: skip
def test_the_end_of_a_partition_is_its_own(
    app: Any, make: Any, now: datetime, due: datetime, label: str
) -> None:
    sim = told(app, make(app).late(after=2 * HOUR), now=now)
    early = sim.advance(due - now - timedelta(minutes=2))
    assert (label,) not in outputs(early), "it is not due yet"
    assert (label,) in outputs(sim.advance(timedelta(minutes=4)))


# ── from when on ──────────────────────────────────────────────────────────────────────────────────────


def test_what_began_before_the_first_activation_is_not_counted(app: Any) -> None:
    sim = told(app, daily(app).late(after=6 * HOUR), now=datetime(2024, 1, 1, 12, tzinfo=UTC))
    assert sim.advance(DAY) == [], "2024-01-01 began before"
    assert outputs(sim.advance(DAY)) == [("2024-01-02",)]


def test_since_says_from_when_on(app: Any) -> None:
    sim = told(app, daily(app).late(after=6 * HOUR, since=datetime(2024, 1, 5)))
    assert outputs(sim.advance(8 * DAY)) == [("2024-01-05",), ("2024-01-06",), ("2024-01-07",)]


def test_since_may_lie_before_the_start(app: Any) -> None:
    sim = told(app, daily(app).late(after=6 * HOUR, since=datetime(2023, 12, 30)))
    assert outputs(sim.advance(HOUR)) == [("2023-12-30",)], "due already; 12-31 is due at six"
    assert outputs(sim.advance(6 * HOUR)) == [("2023-12-31",)]


def test_never_below_the_minimum(app: Any) -> None:
    signal = app.s3(
        "days", "s3://lake/days/{day:%Y-%m-%d}", dimensions={"day": {"min": "2024-01-03"}}
    )  # fmt: skip
    sim = told(app, signal.late(after=6 * HOUR))
    assert outputs(sim.advance(5 * DAY)) == [("2024-01-03",), ("2024-01-04",)]


# ── windows, rollups, calendars ───────────────────────────────────────────────────────────────────────


def test_a_checked_window_is_late_when_it_is_not_complete(app: Any) -> None:
    signal = daily(app)
    sim = told(app, signal[:-3].range_check(True).late(after=6 * HOUR, since=datetime(2024, 1, 3)))
    send_all(sim, *(signal[day] for day in ("2024-01-01", "2024-01-03", "2024-01-04")))
    assert outputs(sim.advance(5 * DAY)) == [("2024-01-03",), ("2024-01-04",)], "02 lacks in both"


def test_a_checked_window_that_is_complete_is_not_late(app: Any) -> None:
    signal = daily(app)
    sim = told(app, signal[:-3].range_check(True).late(after=6 * HOUR, since=datetime(2024, 1, 3)))
    send_all(sim, *(signal[day] for day in days("2024-01-01", 4)))
    assert sim.advance(5 * DAY) == []


def test_a_rollup_is_late_when_a_member_lacks(app: Any) -> None:
    signal = daily(app)
    sim = told(app, signal.rollup(day="month").late(after=6 * HOUR))
    send_all(sim, *(signal[day] for day in days("2024-01-01", 60) if day != "2024-02-29"))
    assert outputs(sim.advance(61 * DAY)) == [("2024-02",)], "January is complete"


def test_a_rollup_of_regions_is_late_when_one_lacks(app: Any) -> None:
    orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
    sim = told(app, orders.rollup(region=["NA", "EU"]).late(after=6 * HOUR))
    send_all(sim, orders["NA"]["2024-01-01"], orders["NA"]["2024-01-02"], orders["EU"]["2024-01-02"])
    assert outputs(sim.advance(60 * HOUR)) == [("2024-01-01",)]


def test_days_outside_the_calendar_are_never_late(app: Any) -> None:
    trades = app.s3("trades", "s3://lake/trades/{day:%Y-%m-%d}", dimensions={"day": {"calendar": "MON-FRI"}})
    sim = told(app, trades.late(after=6 * HOUR), now=datetime(2024, 1, 5, tzinfo=UTC))
    assert outputs(sim.advance(5 * DAY)) == [("2024-01-05",), ("2024-01-08",)], "no Saturday, no Sunday"


# ── beside data ───────────────────────────────────────────────────────────────────────────────────────


def lossy_day(app: Any) -> tuple[Simulator, Any]:
    """A day of hours of which one is lost: 13."""
    hours = hourly(app)
    day = hours.rollup(hour="day")
    app.create_data("daily", inputs=[day | day.late(after=6 * HOUR)])
    sim = Simulator(app)
    for hour in range(24):
        if hour != 13:
            assert sim.send(hours[datetime(2024, 1, 1, hour)]) == []
    return sim, hours


def test_a_day_of_hours_goes_on_without_the_one_that_is_lost(app: Any) -> None:
    """► One run at 06:00 with 23; when the hour comes after all, one more with 24."""
    sim, hours = lossy_day(app)
    assert sim.advance(30 * HOUR - timedelta(minutes=2)) == []
    [run] = sim.advance(timedelta(minutes=4))
    assert run.output == {"hour": "2024-01-01"}
    assert len(run.inputs["hours"].paths) == 23
    [again] = sim.send(hours[datetime(2024, 1, 1, 13)])
    assert again.id == "daily/2024-01-01#2"
    assert len(again.inputs["hours"].paths) == 24


def test_case_29_after_six_hours_the_day_runs_with_what_is_there(app: Any) -> None:
    sim, _ = lossy_day(app)
    [run] = sim.advance(31 * HOUR)
    assert "2024-01-01-13" not in below(run, "hours", "hours")


def test_a_day_of_hours_that_is_complete_in_time_runs_once(app: Any) -> None:
    sim, hours = lossy_day(app)
    sim.advance(26 * HOUR)
    [run] = sim.send(hours[datetime(2024, 1, 1, 13)])
    assert len(run.inputs["hours"].paths) == 24
    assert outputs(sim.advance(12 * HOUR)) == [], "it is complete: nothing is late"


def test_late_joins_with_other_inputs(app: Any) -> None:
    orders, terms = daily(app, "orders"), daily(app, "terms")
    app.create_data("chase", inputs=[orders.late(after=6 * HOUR), terms])
    sim = Simulator(app)
    sim.send(terms["2024-01-02"])
    assert sim.advance(31 * HOUR) == [], "01-01 is late, but has no terms"
    assert outputs(sim.advance(DAY)) == [("2024-01-02",)]


def test_late_is_explained(app: Any) -> None:
    sim = told(app, daily(app).late(after=6 * HOUR))
    sim.advance(31 * HOUR)
    assert "late" in str(sim.explain("tell", ["2024-01-01"]))


def test_an_output_may_be_late(app: Any) -> None:
    orders, terms = daily(app, "orders"), daily(app, "terms")
    both = app.create_data("both", inputs=[orders, terms])
    sim = told(app, both.late(after=6 * HOUR))
    send_all(sim, orders["2024-01-01"], orders["2024-01-02"], terms["2024-01-02"])
    assert outputs(sim.advance(55 * HOUR), "tell") == [("2024-01-01",)]


# ── other dimensions ──────────────────────────────────────────────────────────────────────────────────


def test_other_dimensions_have_the_values_of_the_view(app: Any) -> None:
    orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
    sim = told(app, orders["NA"].late(after=6 * HOUR))
    sim.send(orders["EU"]["2024-01-01"])
    assert outputs(sim.advance(31 * HOUR)) == [("NA", "2024-01-01")]


def test_other_dimensions_have_the_values_of_the_filter(app: Any) -> None:
    orders = app.s3(
        "orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}", dimension_filter={"NA": {}, "EU": {}, "FE": {}}
    )
    sim = told(app, orders.late(after=6 * HOUR))
    sim.send(orders["EU"]["2024-01-01"])
    assert sorted(outputs(sim.advance(31 * HOUR))) == [("FE", "2024-01-01"), ("NA", "2024-01-01")]


@pytest.mark.parametrize(
    ("template", "call", "word"),
    [
        ("{region}/{day:%Y-%m-%d}", lambda s: s.late(after=6 * HOUR), "region"),
        ("{region}", lambda s: s["NA"].late(after=6 * HOUR), "date"),
        ("{day:%Y-%m-%d}", lambda s: s.late(), "after"),
        ("{day:%Y-%m-%d}", lambda s: s.late(after=6 * HOUR, by="07:00"), "by"),
        ("{day:%Y-%m-%d}", lambda s: s.late(by="25:00"), "25:00"),
        ("{day:%Y-%m-%d}", lambda s: s.late(by="07:00", timezone="Mars/Olympus"), "Mars/Olympus"),
        ("{day:%Y-%m-%d}", lambda s: s.late(after=-6 * HOUR), "after"),
    ],
    ids=["no value", "no date", "no time", "two times", "no such time", "no such zone", "before the end"],
)
def test_what_can_never_be_late_is_an_error(app: Any, template: str, call: Any, word: str) -> None:
    signal = app.s3("orders", f"s3://lake/orders/{template}")
    with pytest.raises(RheoError) as fault:
        call(signal)
    assert word in str(fault.value)


def test_late_of_late_is_an_error(app: Any) -> None:
    with rejected("late"):
        daily(app).late(after=6 * HOUR).late(after=6 * HOUR)
