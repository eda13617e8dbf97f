"""Section 12: calendars and time zones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import rheodsl as dsl
from rheodsl import DATETIME, STRING, Application, RheoError, S3Dataset, output
from rheodsl.testing import Simulator

from .helpers import Keys, below, daily, days, faulty, last_parts, outputs, reasons, rejected, send_all
from .ways import Ways

LA = "America/Los_Angeles"


def hourly(app: Any, zone: str | None = None, id: str = "hours", format: str = "%Y-%m-%d-%H") -> Any:
    spec = {"hour": {"type": DATETIME, "format": format} | ({"timezone": zone} if zone else {})}
    return app.marshal_external_data(S3Dataset("111122223333", "lake", id, "{}"), id, spec)


def labels(texts: str) -> list[str]:
    """Day and hours as labels: ``"2024-11-03 03 02"`` is 2024-11-03-03 and 2024-11-03-02."""
    day, *hours = texts.split()
    return [f"{day}-{hour}" for hour in hours]


# ── hours that happen twice, or not ───────────────────────────────────────────────────────────────────

CHANGES = {
    "Los Angeles, back": (LA, "2024-11-03 03 02 01 00"),
    "Los Angeles, forth": (LA, "2024-03-10 04 03 01 00"),
    "New York, back": ("America/New_York", "2024-11-03 03 02 01 00"),
    "Berlin, back": ("Europe/Berlin", "2024-10-27 04 03 02 01"),
    "Berlin, forth": ("Europe/Berlin", "2024-03-31 04 03 01 00"),
    "London, back": ("Europe/London", "2024-10-27 03 02 01 00"),
    "Sydney, back": ("Australia/Sydney", "2024-04-07 04 03 02 01"),
    "Sydney, forth": ("Australia/Sydney", "2024-10-06 04 03 01 00"),
    "Lord Howe, half an hour back": ("Australia/Lord_Howe", "2024-04-07 03 02 01 00"),
    "Santiago, back at midnight": ("America/Santiago", "2024-04-07 02 01 00"),
    "Kolkata, never": ("Asia/Kolkata", "2024-11-03 03 02 01 00"),
    "UTC, never": ("UTC", "2024-11-03 03 02 01 00"),
}  # fmt: skip
changes = pytest.mark.parametrize(
    ("zone", "read"), [(z, labels(t)) for z, t in CHANGES.values()], ids=list(CHANGES)
)


@changes
def test_a_window_lists_every_folder_once_over_a_change_of_the_clock(
    app: Any, zone: str, read: list[str]
) -> None:
    """► America/Los_Angeles, [:-4] at 2024-11-03-03 reads 03, 02, 01, 00."""
    hours = hourly(app, zone)
    app.create_data("open", inputs=[hours[: -len(read)]])
    [run] = Keys(Simulator(app), "hours").put(f"{read[0]}/_SUCCESS")
    assert below(run, "hours", "hours") == read


@changes
def test_a_window_forwards_lists_every_folder_once(app: Any, zone: str, read: list[str]) -> None:
    hours = hourly(app, zone)
    app.create_data("open", inputs=[hours[: len(read)]])
    [run] = Keys(Simulator(app), "hours").put(f"{read[-1]}/_SUCCESS")
    assert below(run, "hours", "hours") == read[::-1]


@changes
def test_the_hour_before_is_the_label_before(app: Any, zone: str, read: list[str]) -> None:
    hours = hourly(app, zone)
    app.create_data("before", inputs=[hours[-1:]])
    keys = Keys(Simulator(app), "hours")
    found = [below(run, "hours", "hours")[0] for tip in read[:-1] for run in keys.put(f"{tip}/_SUCCESS")]
    assert found == read[1:]


@changes
def test_a_checked_window_is_complete_once_its_folders_exist(zone: str, read: list[str]) -> None:
    for order in permutations(read):
        app: Any = Application("shop")
        app.create_data("checked", inputs=[hourly(app, zone)[: -len(read)].range_check(True)])
        keys = Keys(Simulator(app), "hours")
        runs = [run.output["hour"] for hour in order for run in keys.put(f"{hour}/_SUCCESS")]
        assert runs == [read[0]], f"in the order {order}"


def test_case_01_windows_over_the_hour_that_happens_twice_run(app: Any) -> None:
    """► Checked windows of 02, 03 and 04 run once those exist."""
    hours = hourly(app, LA)
    app.create_data("checked", inputs=[hours[:-4].range_check(True)])
    keys = Keys(Simulator(app), "hours")
    folders = ["2024-11-02-22", "2024-11-02-23", *(f"2024-11-03-0{h}" for h in range(7))]
    ran = [run.output["hour"] for folder in folders for run in keys.put(f"{folder}/_SUCCESS")]
    assert ran == [f"2024-11-03-0{h}" for h in range(1, 7)]
    assert {waiting.output for waiting in keys.sim.pending("checked")} == set(folders) - set(ran)


def test_minutes_of_the_hour_that_happens_twice(app: Any) -> None:
    minutes = hourly(app, LA, "minutes", "%Y-%m-%dT%H%M")
    app.create_data("open", inputs=[minutes[:-3]])
    keys = Keys(Simulator(app), "minutes")
    found = {
        tip: below(keys.put(f"{tip}/_SUCCESS")[0], "minutes", "minutes")
        for tip in ("2024-11-03T0101", "2024-11-03T0200")
    }
    assert found == {
        "2024-11-03T0101": ["2024-11-03T0101", "2024-11-03T0100", "2024-11-03T0059"],
        "2024-11-03T0200": ["2024-11-03T0200", "2024-11-03T0159", "2024-11-03T0158"],
    }


@pytest.mark.parametrize(
    ("zone", "hour"),
    [(LA, "2024-03-10-02"), ("Europe/Berlin", "2024-03-31-02"), ("Australia/Sydney", "2024-10-06-02")],
)
def test_an_hour_that_does_not_happen_is_no_partition(app: Any, zone: str, hour: str) -> None:
    hours = hourly(app, zone)
    app.create_data("node", inputs=[hours])
    sim = Simulator(app)
    assert Keys(sim, "hours").put(f"{hour}/_SUCCESS") == []
    assert hour in reasons(sim), "it is rejected by name"
    with rejected(hour):
        hours[hour]


def test_an_hour_that_happens_twice_links_with_both_of_its_hours_in_utc(app: Any) -> None:
    west, utc = hourly(app, LA, "west"), hourly(app, "UTC", "utc")
    app.create_data("node", inputs=[west, utc], input_dim_links=[west.hour == utc.hour])
    sim = Simulator(app)
    assert sim.send(west["2024-11-03-00"]) == []
    assert len(sim.send(utc["2024-11-03-07"])) == 1, "midnight in summer time"
    assert sim.send(west["2024-11-03-02"]) == []
    assert len(sim.send(utc["2024-11-03-10"])) == 1, "two in winter time"


def test_a_label_is_one_partition_however_often_its_hour_happens(app: Any) -> None:
    hours = hourly(app, LA)
    app.create_data("node", inputs=[hours])
    runs = send_all(Simulator(app), hours["2024-11-03-01"], hours["2024-11-03-01"])
    assert [run.id for run in runs] == ["node/2024-11-03-01#1", "node/2024-11-03-01#2"]


# ── .at("hour") of a day in no zone ───────────────────────────────────────────────────────────────────


def test_the_hour_of_a_day_in_no_zone_asks_for_a_zone(app: Any) -> None:
    hours, close = hourly(app, "America/New_York"), daily(app, "close")
    with faulty("zone", hint=".tz("):
        link = hours.hour == close.day.at("hour")
        app.create_data("node", inputs=[close, hours.ref], input_dim_links=[link])
        app.graph()


@pytest.mark.parametrize(
    ("day", "last"),
    [("2024-07-01", "2024-07-01-23"), ("2024-11-03", "2024-11-03-23"), ("2024-03-10", "2024-03-11-00")],
)
def test_a_day_that_says_its_zone_has_hours(app: Any, day: str, last: str) -> None:
    hours, close = hourly(app, "America/New_York"), daily(app, "close")
    link = hours.hour == close.day.tz("America/New_York").at("hour")
    app.create_data("node", inputs=[close, hours[:24].ref], input_dim_links=[link])
    [run] = Simulator(app).send(close[day])
    read = below(run, "hours", "hours")
    assert read[0] == f"{day}-00"
    assert read[-1] == last


def test_hours_of_no_zone_need_none(app: Any) -> None:
    hours, close = hourly(app), daily(app, "close")
    link = hours.hour == close.day.at("hour")
    app.create_data("node", inputs=[close, hours.ref], input_dim_links=[link])
    [run] = Simulator(app).send(close["2024-03-10"])
    assert below(run, "hours", "hours") == ["2024-03-10-00"]


# ── calendar shifts ───────────────────────────────────────────────────────────────────────────────────


def shifted(app: Any, shift: Callable[[Any], Any], tip: str, format: str = "%Y-%m-%d") -> str:
    """The partition of a reference whose dimension is the tip's, shifted."""
    sales, before = daily(app, "sales", format=format), daily(app, "before", format=format)
    app.create_data("growth", inputs=[sales, before.ref], input_dim_links=[before.day == shift(sales.day)])
    [run] = Simulator(app).send(sales[tip])
    [found] = below(run, "before", "before")
    return found


@pytest.mark.parametrize(
    ("tip", "shift", "expected"),
    [
        ("2025-02-28", {"years": -1}, "2024-02-28"),
        ("2024-02-29", {"years": -1}, "2023-02-28"),
        ("2024-06-15", {"years": -1}, "2023-06-15"),
        ("2024-02-29", {"years": -4}, "2020-02-29"),
        ("2024-02-29", {"years": 1}, "2025-02-28"),
        ("2024-03-31", {"months": -1}, "2024-02-29"),
        ("2023-03-31", {"months": -1}, "2023-02-28"),
        ("2024-03-30", {"months": -1}, "2024-02-29"),
        ("2024-05-31", {"months": -1}, "2024-04-30"),
        ("2024-01-15", {"months": -1}, "2023-12-15"),
        ("2024-01-31", {"months": 1}, "2024-02-29"),
        ("2024-12-31", {"months": 2}, "2025-02-28"),
        ("2024-03-01", {"days": -1}, "2024-02-29"),
        ("2024-03-01", {"days": -366}, "2023-03-01"),
        ("2024-03-31", {"months": -1, "days": -1}, "2024-02-28"),
        ("2024-02-29", {"years": -1, "months": -1}, "2023-01-29"),
    ],
)
def test_a_calendar_shift(app: Any, tip: str, shift: dict[str, int], expected: str) -> None:
    """► 2025-02-28 and 2024-02-29 shifted by a year back are 2024-02-28 and 2023-02-28."""
    assert shifted(app, lambda day: day.shift(**shift), tip) == expected


@pytest.mark.parametrize(
    ("format", "tip", "shift", "expected"),
    [
        ("%Y-%m", "2024-01", {"months": -1}, "2023-12"),
        ("%Y-%m", "2024-02", {"years": -1}, "2023-02"),
        ("%Y", "2024", {"years": -1}, "2023"),
        ("%Y-%m-%d-%H", "2024-03-31-05", {"months": -1}, "2024-02-29-05"),
        ("%Y-%m-%d-%H", "2024-03-01-00", {"days": -1}, "2024-02-29-00"),
    ],
)
def test_a_calendar_shift_of_other_granularities(
    app: Any, format: str, tip: str, shift: dict[str, int], expected: str
) -> None:
    assert shifted(app, lambda day: day.shift(**shift), tip, format) == expected


TRACED: dict[str, tuple[Callable[[Any], Any], str, str]] = {
    "replace the year": (lambda d: d.replace(year=d.year - 1), "2024-02-29", "2023-02-28"),
    "replace the year by a later one": (lambda d: d.replace(year=d.year + 1), "2024-02-28", "2025-02-28"),
    "shift": (lambda d: d.shift(months=-1), "2024-03-31", "2024-02-29"),
}


@pytest.mark.parametrize(("fn", "tip", "expected"), list(TRACED.values()), ids=list(TRACED))
def test_a_traced_function_shifts(app: Any, fn: Callable[[Any], Any], tip: str, expected: str) -> None:
    sales, before = daily(app, "sales"), daily(app, "before")
    app.create_data("growth", inputs=[sales, before.ref], input_dim_links=[(before("day"), fn, sales("day"))])
    [run] = Simulator(app).send(sales[tip])
    assert below(run, "before", "before") == [expected]


@pytest.mark.parametrize(
    ("back", "tip", "expected"),
    [
        ({"months": 1}, "2024-03-31", "2024-02-29"),
        ({"years": 1}, "2024-02-29", "2023-02-28"),
        ({"years": 1, "months": 1}, "2024-03-31", "2023-02-28"),
        ({"days": 1}, "2024-03-01", "2024-02-29"),
        ({"weeks": 1}, "2024-03-01", "2024-02-23"),
    ],
)
def test_a_traced_relativedelta_shifts(app: Any, back: dict[str, int], tip: str, expected: str) -> None:
    relativedelta = pytest.importorskip("dateutil.relativedelta").relativedelta
    sales, before = daily(app, "sales"), daily(app, "before")
    link = (before("day"), lambda d: d - relativedelta(**back), sales("day"))
    app.create_data("growth", inputs=[sales, before.ref], input_dim_links=[link])
    [run] = Simulator(app).send(sales[tip])
    assert below(run, "before", "before") == [expected]


def test_case_17_the_same_day_of_the_year_before(app: Any) -> None:
    sales, before = daily(app, "sales"), daily(app, "before")
    link = before.day == sales.day.shift(years=-1)
    app.create_data("growth", inputs=[sales, before.ref], input_dim_links=[link])
    sim = Simulator(app)
    found = {
        day: below(sim.send(sales[day])[0], "before", "before")[0]
        for day in ("2024-06-15", "2025-06-15", "2025-02-28", "2024-02-29")
    }
    assert found == {
        "2024-06-15": "2023-06-15",
        "2025-06-15": "2024-06-15",
        "2025-02-28": "2024-02-28",
        "2024-02-29": "2023-02-28",
    }


def test_triggers_meet_over_a_calendar_shift(app: Any) -> None:
    sales, before = daily(app, "sales"), daily(app, "before")
    link = before.day == sales.day.shift(months=-1)
    app.create_data("growth", inputs=[sales, before], input_dim_links=[link])
    sim = Simulator(app)
    assert sim.send(before["2024-02-29"]) == []
    runs = send_all(sim, *(sales[f"2024-03-{day}"] for day in (28, 29, 30, 31)))
    assert outputs(runs) == [("2024-03-29",), ("2024-03-30",), ("2024-03-31",)], "all of them meet 02-29"


def test_a_window_of_the_month_before(app: Any) -> None:
    sales, before = daily(app, "sales"), daily(app, "before")
    link = before.day == sales.day.shift(months=-1)
    app.create_data("growth", inputs=[sales, before[:-3].ref], input_dim_links=[link])
    [run] = Simulator(app).send(sales["2024-03-31"])
    assert below(run, "before", "before") == ["2024-02-29", "2024-02-28", "2024-02-27"]


def test_a_shift_that_is_not_one_to_one_has_no_inverse(app: Any) -> None:
    sales, before = daily(app, "sales"), daily(app, "before")
    with faulty("inverse", "before"):
        app.create_data(
            "growth", inputs=[sales, before.ref], input_dim_links=[before.day.shift(months=1) == sales.day]
        )
        app.graph()


@pytest.mark.parametrize(
    ("format", "shift", "tip", "expected"),
    [
        ("%Y-%m-%d", {"days": 1}, "2024-03-01", "2024-02-29"),
        ("%Y-%m", {"months": 1}, "2024-01", "2023-12"),
        ("%Y-%m", {"years": 1}, "2024-02", "2023-02"),
        ("%Y", {"years": 1}, "2024", "2023"),
    ],
)
def test_a_shift_that_is_one_to_one_has_an_inverse(
    app: Any, format: str, shift: dict[str, int], tip: str, expected: str
) -> None:
    sales, before = daily(app, "sales", format=format), daily(app, "before", format=format)
    link = before.day.shift(**shift) == sales.day
    app.create_data("growth", inputs=[sales, before.ref], input_dim_links=[link])
    [run] = Simulator(app).send(sales[tip])
    assert below(run, "before", "before") == [expected]


@pytest.mark.parametrize("shift", [{"month": -1}, {"hours": -1}, {"months": 0.5}, {"months": "1"}], ids=str)
def test_a_shift_that_can_never_work_is_an_error(app: Any, shift: dict[str, Any]) -> None:
    with pytest.raises((RheoError, TypeError)):  # a keyword that a function lacks is Python's own error
        daily(app).day.shift(**shift)


def test_a_shift_finer_than_the_dimension_is_an_error(app: Any) -> None:
    with pytest.raises(RheoError):
        daily(app, format="%Y-%m").day.shift(days=-1)


def test_a_text_has_no_calendar(app: Any) -> None:
    with pytest.raises(RheoError):
        app.s3("orders", "s3://lake/orders/{region}").region.shift(months=-1)


# ── a date of numbers ─────────────────────────────────────────────────────────────────────────────────

DAY = {"day": {"type": DATETIME, "format": "%Y-%m-%d"}}


def logs_of(app: Any) -> Any:
    return app.s3("logs", "s3://lake/logs/year={year:int}/month={month:02d}/day={dom:02d}")


NUMBERS_TO_DATE = {
    "date_of": lambda logs: [output.day == dsl.date_of(logs.year, logs.month, logs.dom)],
    "traced datetime": lambda logs: [
        ("day", lambda y, m, d: datetime(y, m, d), logs("year", "month", "dom"))
    ],
}


@pytest.mark.parametrize("links", list(NUMBERS_TO_DATE.values()), ids=list(NUMBERS_TO_DATE))
def test_case_33_three_numbers_are_a_date(app: Any, links: Any) -> None:
    logs = logs_of(app)
    app.create_data("node", inputs=[logs], output_dimension_spec=DAY, output_dim_links=links(logs))
    [run] = Keys(Simulator(app), "logs").put("year=2024/month=03/day=01/_SUCCESS")
    assert run.output == {"day": "2024-03-01"}


def test_case_33_a_reference_by_a_date_of_numbers(app: Any) -> None:
    logs, sales = logs_of(app), daily(app, "sales")
    link = sales.day == dsl.date_of(logs.year, logs.month, logs.dom)
    app.create_data("node", inputs=[logs, sales[:-2].ref], input_dim_links=[link])
    [run] = Keys(Simulator(app), "logs").put("year=2024/month=03/day=01/_SUCCESS")
    assert last_parts(run, "sales") == ["2024-03-01", "2024-02-29"]


def test_a_date_of_numbers_has_an_inverse(app: Any) -> None:
    logs, sales = logs_of(app), daily(app, "sales")
    link = dsl.date_of(logs.year, logs.month, logs.dom) == sales.day
    app.create_data("node", inputs=[sales, logs.ref], input_dim_links=[link])
    [run] = Simulator(app).send(sales["2024-03-01"])
    assert below(run, "logs", "logs") == ["year=2024/month=03/day=01"]


def test_numbers_that_are_no_date_are_told(app: Any) -> None:
    logs = logs_of(app)
    app.create_data(
        "node",
        inputs=[logs],
        output_dimension_spec=DAY,
        output_dim_links=[output.day == dsl.date_of(logs.year, logs.month, logs.dom)],
    )
    sim = Simulator(app)
    keys = Keys(sim, "logs")
    assert keys.put("year=2024/month=02/day=30/_SUCCESS") == []
    assert reasons(sim)
    assert len(keys.put("year=2024/month=02/day=29/_SUCCESS")) == 1


def test_a_date_of_a_text_is_an_error(app: Any) -> None:
    orders = app.s3("orders", "s3://lake/orders/{region}/{year:int}")
    with pytest.raises(RheoError):
        dsl.date_of(orders.year, orders.region, 1)


def numbered_hours(app: Any) -> Any:
    return app.s3("logs", "s3://lake/logs/{y:int}/{m:int}/{d:int}/{h:int}")


HOURS_OF_NUMBERS = {
    "date_of": lambda logs, zone: dsl.date_of(logs.y, logs.m, logs.d, logs.h, **zone),
    "traced datetime": lambda logs, zone: dsl.expressions.trace(
        (lambda y, m, d, h: datetime(y, m, d, h, tzinfo=NEW_YORK))
        if zone
        else (lambda y, m, d, h: datetime(y, m, d, h)),
        logs("y", "m", "d", "h"),
    ),
}
NEW_YORK = ZoneInfo("America/New_York")
hours_of_numbers = pytest.mark.parametrize(
    "made", list(HOURS_OF_NUMBERS.values()), ids=list(HOURS_OF_NUMBERS)
)


@hours_of_numbers
def test_the_hour_of_numbers_in_no_zone_asks_for_a_zone(app: Any, made: Any) -> None:
    logs, hours = numbered_hours(app), hourly(app, "America/New_York")
    with faulty("is in no zone", hint="date_of(logs.y, logs.m, logs.d, logs.h, timezone='America/New_York')"):
        app.create_data("n", inputs=[logs, hours.ref], input_dim_links=[hours.hour == made(logs, {})])
        app.graph()


@hours_of_numbers
@pytest.mark.parametrize(
    ("key", "read"),
    [("2024/2/29/5", "2024-02-29-05"), ("2024/3/10/3", "2024-03-10-03"), ("2024/11/3/1", "2024-11-03-01")],
)
def test_the_hour_of_numbers_in_a_zone_is_that_of_its_clock(app: Any, made: Any, key: str, read: str) -> None:
    logs, hours = numbered_hours(app), hourly(app, "America/New_York")
    link = hours.hour == made(logs, {"timezone": "America/New_York"})
    app.create_data(
        "n",
        inputs=[logs, hours.ref],
        input_dim_links=[link],
        output_dimension_spec={"hour": {"type": DATETIME, "format": "%Y-%m-%d-%H"}},
        output_dim_links=[output.hour == made(logs, {"timezone": "America/New_York"})],
    )
    [run] = Keys(Simulator(app), "logs").put(f"{key}/_SUCCESS")
    assert below(run, "hours", "hours") == [read]
    assert run.output == {"hour": read}


@hours_of_numbers
@pytest.mark.parametrize(
    ("hour", "read"),
    [("2024-02-29-05", "2024/2/29/5"), ("2024-03-10-03", "2024/3/10/3"), ("2024-11-03-01", "2024/11/3/1")],
)
def test_an_hour_tells_the_numbers_of_its_clock(app: Any, made: Any, hour: str, read: str) -> None:
    """Found by trying: with a timezone, date_of had no inverse, and nothing said why."""
    logs, hours = numbered_hours(app), hourly(app, "America/New_York")
    link = made(logs, {"timezone": "America/New_York"}) == hours.hour
    app.create_data("n", inputs=[hours, logs.ref], input_dim_links=[link])
    [run] = Ways(app).take(hours[hour])
    assert below(run, "logs", "logs") == [read]


@pytest.mark.parametrize(
    "moved",
    [lambda date: date + 1, lambda date: date.shift(days=1), lambda date: date.tz("UTC") + 1],
    ids=["plus", "shift", "in a zone"],
)
def test_a_date_of_numbers_that_is_moved_has_an_inverse(app: Any, moved: Any) -> None:
    logs, sales = logs_of(app), daily(app, "sales")
    link = moved(dsl.date_of(logs.year, logs.month, logs.dom)) == sales.day
    app.create_data("node", inputs=[sales, logs.ref], input_dim_links=[link])
    [run] = Simulator(app).send(sales["2024-03-01"])
    assert below(run, "logs", "logs") == ["year=2024/month=02/day=29"]


def test_a_date_of_numbers_that_cannot_be_turned_around_is_told(app: Any) -> None:
    logs, sales = logs_of(app), daily(app, "sales")
    with faulty(
        "logs.year", "date_of(logs.year, logs.month, logs.dom).shift(months=1) == sales.day does not tell"
    ):
        link = dsl.date_of(logs.year, logs.month, logs.dom).shift(months=1) == sales.day
        app.create_data("node", inputs=[sales, logs.ref], input_dim_links=[link])
        app.graph()


@pytest.mark.parametrize("day", ["2024-03-10", "2024-07-01", "2024-11-03"])
def test_the_last_hour_of_a_day_is_the_one_before_the_next_day(app: Any, day: str) -> None:
    """23 hours after its first is the next day where the clock has gone forward."""
    sales, hours = daily(app, "sales"), hourly(app, "America/New_York")
    last = (sales.day + 1).tz("America/New_York").at("hour") - 1
    app.create_data("n", inputs=[sales, hours], input_dim_links=[last == hours.hour])
    sim = Simulator(app)
    [run] = send_all(sim, sales[day], hours[f"{day}-22"], hours[f"{day}-23"])
    assert last_parts(run, "hours") == [f"{day}-23"]


@pytest.mark.parametrize("key", ["2024/3/10/2", "2024/3/10/24"])
def test_numbers_that_are_no_hour_of_the_clock_are_told(app: Any, key: str) -> None:
    logs = numbered_hours(app)
    made = dsl.date_of(logs.y, logs.m, logs.d, logs.h, timezone="America/New_York")
    app.create_data(
        "n",
        inputs=[logs],
        output_dimension_spec={"hour": {"type": DATETIME, "format": "%Y-%m-%d-%H"}},
        output_dim_links=[output.hour == made],
    )
    sim = Simulator(app)
    assert Keys(sim, "logs").put(f"{key}/_SUCCESS") == []
    assert "24 h" in reasons(sim) if key.endswith("24") else reasons(sim)


def test_the_hour_of_a_text_in_no_zone_asks_for_a_zone(app: Any) -> None:
    texts, hours = app.s3("texts", "s3://lake/texts/{t}"), hourly(app, "America/New_York")
    with faulty("is in no zone", hint="texts.t.parse('%Y%m%d%H', timezone='America/New_York')"):
        link = hours.hour == texts.t.parse("%Y%m%d%H").tz("America/New_York")
        app.create_data("n", inputs=[texts, hours.ref], input_dim_links=[link])
        app.graph()


@pytest.mark.parametrize(("zone", "read"), [("America/New_York", "2024-07-01-05"), ("UTC", "2024-07-01-01")])
def test_the_hour_of_a_text_that_says_its_zone(app: Any, zone: str, read: str) -> None:
    texts, hours = app.s3("texts", "s3://lake/texts/{t}"), hourly(app, "America/New_York")
    link = hours.hour == texts.t.parse("%Y%m%d%H", timezone=zone)
    app.create_data("n", inputs=[texts, hours.ref], input_dim_links=[link])
    [run] = Keys(Simulator(app), "texts").put("2024070105/_SUCCESS")
    assert below(run, "hours", "hours") == [read]


def test_an_output_of_hours_of_no_zone_is_told_how_to_have_one(app: Any) -> None:
    days_ = daily(app)
    hour = {"type": DATETIME, "format": "%Y-%m-%d-%H", "timezone": "America/New_York"}
    with faulty("is in no zone", hint="days.day.tz('America/New_York').at('hour')"):
        app.create_data(
            "n",
            inputs=[days_],
            output_dimension_spec={"hour": hour},
            output_dim_links=[output.hour == days_.day.at("hour")],
        )
        app.graph()


def test_the_quarter_as_a_text_is_written_and_read(app: Any) -> None:
    days_, quarters = daily(app), app.s3("quarters", "s3://lake/quarters/{q}")
    app.create_data(
        "n", inputs=[days_, quarters.ref], input_dim_links=[quarters.q == days_.day.fmt("%Y-Q%q")]
    )
    [run] = Simulator(app).send(days_["2024-05-03"])
    assert below(run, "quarters", "quarters") == ["2024-Q2"]
    [run] = Simulator(app).send(days_["2024-12-31"])
    assert below(run, "quarters", "quarters") == ["2024-Q4"]


# ── outputs of branches with zones ────────────────────────────────────────────────────────────────────


def two_zones(app: Any) -> Any:
    hour = {"type": DATETIME, "format": "%Y-%m-%d-%H"}
    return app.marshal_external_data(
        S3Dataset("111122223333", "lake", "orders", "{}", "{}"),
        "orders",
        {"region": {"type": STRING, "hour": hour}},
        {"NA": {"*": {"timezone": LA}}, "EU": {"*": {"timezone": "Europe/Berlin"}}},
    )


def test_hours_of_two_zones_are_written_in_utc(app: Any) -> None:
    """► NA in Los Angeles, EU in Berlin: EU's hours 09 and 10 of 2024-11-03 are two outputs, 08 and 09."""
    orders = two_zones(app)
    app.create_data("node", inputs=[orders])
    sim = Simulator(app)
    runs = send_all(sim, orders["EU"]["2024-11-03-09"], orders["EU"]["2024-11-03-10"])
    assert outputs(runs) == [("EU", "2024-11-03-08"), ("EU", "2024-11-03-09")]
    assert outputs(sim.send(orders["NA"]["2024-11-03-00"])) == [("NA", "2024-11-03-07")]
    assert below(runs[0], "orders", "orders") == ["EU/2024-11-03-09"], "it reads by the clock of its branch"


def test_an_output_may_declare_its_zone(app: Any) -> None:
    orders = two_zones(app)
    app.create_data(
        "node",
        inputs=[orders],
        output_dimension_spec={
            "region": {
                "type": STRING,
                "hour": {"type": DATETIME, "format": "%Y-%m-%d-%H", "timezone": "Asia/Tokyo"},
            }
        },
    )
    [run] = Simulator(app).send(orders["EU"]["2024-11-03-09"])
    assert run.output == {"region": "EU", "hour": "2024-11-03-17"}


def test_hours_of_one_zone_are_written_in_it(app: Any) -> None:
    hours = hourly(app, "Europe/Berlin")
    app.create_data("node", inputs=[hours])
    assert outputs(Simulator(app).send(hours["2024-07-01-09"])) == [("2024-07-01-09",)]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"format": "%Y-%m-%d-%H"}, "2024-07-01-23"),
        ({"format": "dt=%Y-%m-%d/hr=%H"}, "dt=2024-07-01/hr=23"),
        ({"granularity": "HOUR"}, "2024-07-01 23"),
        ({"granularity": "MINUTE"}, "2024-07-01 23:00"),
        ({"format": "%Y-%m-%d-%H", "timezone": "UTC"}, "2024-07-02-03"),
        ({"format": "%Y-%m-%d-%H", "min": "2024-07-01-23"}, "2024-07-01-23"),
    ],
)
def test_a_specification_without_a_zone_has_the_zone_of_the_trigger(
    app: Any, spec: dict[str, Any], expected: str
) -> None:
    hours = hourly(app, "America/New_York")
    value = hours.hour.at("minute") if spec.get("granularity") == "MINUTE" else hours.hour
    app.create_data(
        "node",
        inputs=[hours],
        output_dimension_spec={"hour": {"type": DATETIME, **spec}},
        output_dim_links=[output.hour == value],
    )
    [run] = Simulator(app).send(hours["2024-07-01-23"])
    assert run.path.rstrip("/").endswith(f"/node/{expected}")


def test_a_renamed_dimension_has_the_zone_of_what_it_is_linked_to(app: Any) -> None:
    hours, days = hourly(app, "Asia/Kolkata"), daily(app)
    app.create_data(
        "node",
        inputs=[days.ref, hours],
        input_dim_links=[days.day == hours.hour.trunc("day")],
        output_dimension_spec={"at": {"type": DATETIME, "format": "%Y-%m-%d-%H"}},
        output_dim_links=[output.at == hours.hour + 1],
    )
    assert outputs(Simulator(app).send(hours["2024-07-01-09"])) == [("2024-07-01-10",)]


def test_a_specification_takes_the_zone_of_a_trigger_before_that_of_a_reference(app: Any) -> None:
    other, hours = hourly(app, LA, "other"), hourly(app, "Europe/Berlin")
    app.create_data(
        "node",
        inputs=[other.ref, hours],
        output_dimension_spec={"hour": {"type": DATETIME, "format": "%Y-%m-%d-%H"}},
    )
    assert outputs(Simulator(app).send(hours["2024-07-01-09"])) == [("2024-07-01-09",)]


def test_a_specification_without_a_zone_of_branches_with_several_is_in_utc(app: Any) -> None:
    orders = two_zones(app)
    hour = {"type": DATETIME, "format": "%Y-%m-%d-%H"}
    app.create_data("node", inputs=[orders], output_dimension_spec={"region": {"type": STRING, "hour": hour}})
    assert outputs(Simulator(app).send(orders["EU"]["2024-11-03-09"])) == [("EU", "2024-11-03-08")]


def test_an_output_of_a_timer_of_a_zone_is_written_in_it(app: Any) -> None:
    timer = app.add_timer("hourly", "cron(0 * * * ? *)", "hour", timezone="America/New_York")
    hour = {"type": DATETIME, "format": "%Y-%m-%d-%H"}
    app.create_data("report", inputs=[timer], output_dimension_spec={"hour": hour})
    assert outputs(Simulator(app).fire(timer, at=datetime(2024, 7, 2, 3, tzinfo=UTC))) == [("2024-07-01-23",)]


def regional_days(app: Any, **attributes: dict[str, Any]) -> Any:
    day = {"type": DATETIME, "format": "%Y-%m-%d"}
    return app.marshal_external_data(
        S3Dataset("111122223333", "lake", "orders", "{}", "{}"),
        "orders",
        {"region": {"type": STRING, "day": day}},
        {region: {"*": own} for region, own in attributes.items()},
    )


@pytest.mark.parametrize(
    ("first", "second", "day"),
    [
        ({"calendar": "MON-FRI"}, {"calendar": "SUN-THU"}, "2024-03-03"),
        ({"calendar": "MON-FRI"}, {}, "2024-03-03"),
        ({"min": "2024-06-01"}, {"min": "2024-01-01"}, "2024-03-03"),
        ({"min": "2024-06-01"}, {}, "2024-03-03"),
        ({"step": 2, "min": "2024-01-01"}, {"step": 2, "min": "2024-01-02"}, "2024-01-04"),
        ({"step": 7}, {}, "2024-03-03"),
    ],
)
def test_the_days_of_every_branch_are_partitions_of_the_output(
    app: Any, first: dict[str, Any], second: dict[str, Any], day: str
) -> None:
    orders = regional_days(app, NA=first, AE=second)
    node = app.create_data("node", inputs=[orders])
    app.create_data("next", inputs=[node])
    sim = Simulator(app)
    assert outputs(sim.send(orders["AE"][day])) == [("AE", day), ("AE", day)]
    assert sim.rejected == []


def test_what_the_branches_have_in_common_holds_for_the_output(app: Any) -> None:
    orders = regional_days(
        app, NA={"calendar": "MON-FRI", "min": "2024-06-03"}, EU={"calendar": "MON-FRI", "min": "2024-01-01"}
    )
    node = app.create_data("node", inputs=[orders])
    app.create_data("next", inputs=[node["*"][:-2]])
    [_, run] = Simulator(app).send(orders["EU"]["2024-03-04"])
    assert last_parts(run, "node") == ["2024-03-04", "2024-03-01"]


def test_hours_of_two_zones_have_no_grid_in_utc(app: Any) -> None:
    hour = {"type": DATETIME, "format": "%Y-%m-%d-%H", "step": 6, "calendar": "MON-FRI"}
    orders = app.marshal_external_data(
        S3Dataset("111122223333", "lake", "orders", "{}", "{}"),
        "orders",
        {"region": {"type": STRING, "hour": hour}},
        {"NA": {"*": {"timezone": LA}}, "EU": {"*": {"timezone": "Europe/Berlin"}}},
    )
    app.create_data("node", inputs=[orders])
    assert outputs(Simulator(app).send(orders["NA"]["2024-07-05-18"])) == [("NA", "2024-07-06-01")]


def test_days_of_two_zones_are_labels(app: Any) -> None:
    orders = two_zones(app)
    app.create_data(
        "node",
        inputs=[orders],
        output_dimension_spec={"region": {"type": STRING, "day": {"type": DATETIME, "format": "%Y-%m-%d"}}},
        output_dim_links=[output.region == orders.region, output.day == orders.hour.trunc("day")],
        latest_wins=True,
    )
    sim = Simulator(app)
    runs = send_all(sim, orders["EU"]["2024-11-03-00"], orders["NA"]["2024-11-03-23"])
    assert outputs(runs) == [("EU", "2024-11-03"), ("NA", "2024-11-03")]


def test_what_waits_is_told_by_the_clock_of_its_branch(app: Any) -> None:
    orders = two_zones(app)
    app.create_data("node", inputs=[orders["*"][:-2].range_check(True)])
    sim = Simulator(app)
    assert sim.send(orders["EU"]["2024-11-03-09"]) == []
    [waiting] = sim.pending("node")
    assert [missing.what for missing in waiting.missing if "2024-11-03-08" in missing.what], waiting
    assert "2024-11-03-08" in str(sim.explain("node", ["EU", "2024-11-03-08"]))
    assert outputs(sim.send(orders["EU"]["2024-11-03-08"])) == [("EU", "2024-11-03-08")]


# ── timers ────────────────────────────────────────────────────────────────────────────────────────────


def timed(app: Any, expression: str, now: datetime, **options: Any) -> Simulator:
    app.create_data("report", inputs=[app.add_timer("nightly", expression, "day", **options)])
    return Simulator(app, now=now.replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("zone", "now", "after", "label"),
    [
        ("America/New_York", datetime(2024, 1, 1), timedelta(hours=8), "2024-01-01"),
        ("America/New_York", datetime(2024, 7, 1), timedelta(hours=7), "2024-07-01"),
        ("Asia/Tokyo", datetime(2024, 1, 1), timedelta(hours=18), "2024-01-02"),
        ("Europe/Berlin", datetime(2024, 1, 1), timedelta(hours=2), "2024-01-01"),
        ("Asia/Kolkata", datetime(2024, 1, 1), timedelta(hours=21, minutes=30), "2024-01-02"),
        ("UTC", datetime(2024, 1, 1), timedelta(hours=3), "2024-01-01"),
    ],
)
def test_a_timer_fires_by_the_clock_of_its_zone(
    app: Any, zone: str, now: datetime, after: timedelta, label: str
) -> None:
    sim = timed(app, "cron(0 3 * * ? *)", now, timezone=zone)
    assert sim.advance(after - timedelta(minutes=1)) == []
    assert outputs(sim.advance(timedelta(minutes=2))) == [(label,)]


def test_case_10_three_in_the_morning_of_new_york_is_not_midnight(app: Any) -> None:
    sim = timed(app, "cron(0 3 * * ? *)", datetime(2024, 1, 1), timezone="America/New_York")
    assert sim.advance(timedelta(hours=5)) == []


def test_a_timer_moves_with_the_clock_of_its_zone(app: Any) -> None:
    sim = timed(app, "cron(0 3 * * ? *)", datetime(2024, 3, 9), timezone="America/New_York")
    fired = []
    for _ in range(3 * 24 * 4):
        for run in sim.advance(timedelta(minutes=15)):
            fired.append((run.output["day"], sim.now.strftime("%d %H")))
    assert fired == [("2024-03-09", "09 08"), ("2024-03-10", "10 07"), ("2024-03-11", "11 07")]


def test_an_evening_of_a_zone_is_its_own_day(app: Any) -> None:
    sim = timed(app, "cron(30 21 * * ? *)", datetime(2024, 1, 1), timezone="America/New_York")
    assert outputs(sim.advance(timedelta(hours=3))) == [("2023-12-31",)], (
        "21:30 of the day before, in New York"
    )


def test_an_hourly_timer_has_hours_of_its_zone(app: Any) -> None:
    timer = app.add_timer("hourly", "cron(0 * * * ? *)", "hour", timezone="America/New_York")
    app.create_data("report", inputs=[timer])
    [run] = Simulator(app).fire(timer, at=datetime(2024, 7, 1, 3, 10, tzinfo=UTC))
    assert run.output["hour"].startswith("2024-06-30")
    assert "23" in run.output["hour"]


def test_a_timer_of_a_zone_shifts_by_days_of_its_zone(app: Any) -> None:
    timer = app.add_timer(
        "nightly", "cron(0 3 * * ? *)", "day", timezone="America/New_York", time_dimension_shift=-1
    )
    app.create_data("report", inputs=[timer])
    [run] = Simulator(app).fire(timer, at=datetime(2024, 1, 2, 3, 0, tzinfo=UTC))
    assert run.output == {"day": "2023-12-31"}, (
        "it is the evening of 01-01 in New York; the day before is 12-31"
    )


def test_a_zone_that_nobody_knows_is_an_error(app: Any) -> None:
    with rejected("Mars/Olympus"):
        app.add_timer("nightly", "cron(0 3 * * ? *)", "day", timezone="Mars/Olympus")


@pytest.mark.parametrize("step", [timedelta(seconds=30), timedelta(hours=11), timedelta(days=3)], ids=str)
def test_all_nodes_that_read_a_timer_see_the_same_fires(app: Any, step: timedelta) -> None:
    """► Two nodes on one rate(7 days) timer meet for ever."""
    timer = app.add_timer("weekly", "rate(7 days)", "day")
    left = app.create_data("left", inputs=[timer])
    right = app.create_data("right", inputs=[timer])
    app.create_data("both", inputs=[left, right])
    sim = Simulator(app, now=datetime(2024, 1, 1, 23, 59, 45, tzinfo=UTC))
    sim.advance(step)
    sim.advance(timedelta(days=40) - step)
    ran: dict[str, list[str]] = {}
    for run in sim.runs:
        ran.setdefault(run.node, []).append(run.output["day"])
    assert ran["left"] == ran["right"] == ran["both"]
    gaps = {
        date.fromisoformat(later) - date.fromisoformat(earlier)
        for earlier, later in zip(ran["both"], ran["both"][1:], strict=False)
    }
    assert gaps == {timedelta(days=7)}


def test_a_timer_of_a_zone_meets_data_of_its_day(app: Any) -> None:
    orders = daily(app, "orders")
    timer = app.add_timer("nightly", "cron(0 3 * * ? *)", "day", timezone="America/New_York")
    app.create_data("report", inputs=[timer, orders])
    sim = Simulator(app)
    send_all(sim, *(orders[day] for day in days("2024-01-01", 2)))
    assert outputs(sim.advance(timedelta(hours=9))) == [("2024-01-01",)]
