"""Each operator of sections 11 to 18, and compositions of them, by every way that leads to an execution or tells of one.

A row declares an application and says what comes. `Ways` compares what ran with what a run by hand, `execute`, a
backfill, `explain`, `pending` and the page say of the same partition; the row's own values are those of the last run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, note, settings

import rheodsl as dsl
from rheodsl import DATETIME, ITSELF, STRING, Application, Calendar, S3Dataset, output

from .helpers import catalog_event, daily, days, s3_event
from .mixed import Mixed, declare, raw
from .mixed_strategies import Advance, Step
from .naive import Deletion
from .test_mixed import EXAMPLES, QUIET, graphs_and_traces
from .ways import Ways, compiles

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Row = tuple[Callable[[Any], Iterable[Any]], str, dict[str, str], tuple[str, ...]]
ROWS: dict[str, Row] = {}


def row(last: str, *alone: str, **reads: str) -> Callable[[Callable[[Any], Iterable[Any]]], None]:
    """Add a row: the id of the last run, what it reads of each input, and the nodes that only events can run."""

    def add(declare: Callable[[Any], Iterable[Any]]) -> None:
        ROWS[declare.__name__] = (declare, last, reads, alone)

    return add


def node(app: Any, id: str, *inputs: Any, links: Any = None, **options: Any) -> Any:
    target = "output = spark.range(1)"
    return app.create_data(id, inputs=[*inputs], input_dim_links=links, compute_targets=target, **options)


def dated(name: str = "day", format: str = "%Y-%m-%d", **attributes: Any) -> dict[str, Any]:
    return {name: {"type": DATETIME, "format": format, **attributes}}


def data(app: Any, id: str, spec: dict[str, Any], template: str = "{}", filter: Any = None) -> Any:
    return app.marshal_external_data(S3Dataset(None, "lake", id, template), id, spec, filter)


def regions(app: Any, id: str = "x") -> Any:
    return app.s3(id, f"s3://lake/{id}/{{region}}/{{day:%Y-%m-%d}}")


def hourly(app: Any, id: str, zone: str | None = None) -> Any:
    return data(app, id, dated("hour", "%Y-%m-%d-%H", **({"timezone": zone} if zone else {})))


def zoned(app: Any) -> Any:
    """Hours of two regions, each by its own clock."""
    spec = {"region": {"type": STRING, **dated("hour", "%Y-%m-%d-%H")}}
    zones = {"NA": "America/Los_Angeles", "EU": "Europe/Berlin"}
    return data(app, "x", spec, "{}/{}", {name: {"*": {"timezone": zone}} for name, zone in zones.items()})


def each(view: Any, *values: Any) -> list[Any]:
    return [view[value] for value in values]


# ── layouts ───────────────────────────────────────────────────────────────────────────────────────────


@row("two/2024-03-01#1", out="year=2024/month=03/day=01 year=2024/month=02/day=29")
def a_date_over_levels(app: Any) -> Any:
    logs = app.s3("logs", "s3://lake/logs/year={day:%Y}/month={day:%m}/day={day:%d}")
    node(app, "n", logs[:-3].range_check(True))
    laid = node(app, "out", logs, output_dimension_spec=dated(format="year=%Y/month=%m/day=%d"))
    node(app, "two", laid[:-2])
    return each(logs, "2024-02-28", "2024-02-29", "2024-03-01")


@row("n/2024-02-29 23#1", hours="dt=2024-02-29/hr=23 dt=2024-02-29/hr=22 dt=2024-02-29/hr=21")
def an_hour_over_levels(app: Any) -> Any:
    hours = app.s3("hours", "s3://lake/hours/dt={hour:%Y-%m-%d}/hr={hour:%H}")
    node(app, "n", hours[:-3].range_check(True))
    node(app, "d", hours.rollup(hour="day"))
    return [hours[datetime(2024, 2, 29, hour)] for hour in range(24)]


@row("n/2024-01-02/eu-1#1", a="2024-01-02-eu-1 2024-01-01-eu-1", b="orders_20240102")
def two_names_in_a_level(app: Any) -> Any:
    a, b = app.s3("a", "s3://lake/a/{day:%Y-%m-%d}-{region}"), app.s3("b", "s3://lake/b/orders_{day:%Y%m%d}")
    node(app, "n", a[:-2].range_check(True), b)
    return [a["2024-01-01"]["eu-1"], a["2024-01-02"]["eu-1"], b["2024-01-02"], b["2024-01-03"]]


@row("n/2024-01-01/EU#1", x="2024/EU/01-01 2023/EU/12-31")
def a_region_between_parts_of_a_date(app: Any) -> Any:
    x = app.s3("x", "s3://lake/x/{day:%Y}/{region}/{day:%m-%d}")
    node(app, "n", x[:-2])
    return [x["2024-01-01"]["EU"]]


@row("w/2024-W01#1", files="orders_20240101.csv .. orders_20240107.csv (7)")
def objects_that_are_partitions(app: Any) -> Any:
    files = app.s3("files", "s3://lake/in/orders_{day:%Y%m%d}.csv", completion=ITSELF, format="CSV")
    node(app, "n", files[:-2])
    node(app, "w", files.rollup(day="week"))
    return [files[datetime(2024, 1, day)] for day in range(1, 8)]


@row("n/2024-01-01#1", a="2024-01-01", b="2024-01-01")
def names_that_complete(app: Any) -> Any:
    a = app.s3("a", "s3://lake/a/{day:%Y-%m-%d}", completion="orders_{day}.done")
    b = app.s3("b", "s3://lake/b/{day:%Y-%m-%d}", completion=["*.csv", "_OK"])
    node(app, "n", a, b)
    keys = (
        "a/2024-01-01/orders_2024-01-01.done",
        "a/2024-01-02/orders_2024-01-01.done",
        "b/2024-01-01/a.csv",
    )
    return [s3_event("lake", key) for key in keys]


@row("two/2024-01-02#1", x="2024-01-02 2024-01-01")
def a_marker_above(app: Any) -> Any:
    x = app.s3("x", "s3://lake/x/{day:%Y-%m-%d}", completion="../_SUCCESS")
    node(app, "two", x[:-2].range_check(True))
    keys = ("x/2024-01-01/p", "x/2024-01-02/p", "x/_SUCCESS")
    return [s3_event("lake", key, time=f"2024-01-0{n}T00:00:00Z") for n, key in enumerate(keys, 1)]


@row("n/2024-01-01#1", x="2024-01-01")
def data_that_settles(app: Any) -> Any:
    x = app.s3("x", "s3://lake/x/{day:%Y-%m-%d}", completion=None, settle=timedelta(minutes=5))
    node(app, "n", x)
    return [s3_event("lake", "x/2024-01-01/p", time="2024-01-01T00:00:00Z"), 20 * timedelta(minutes=1)]


@row("n/50% off:/2024-01-01 10:00#1", x="name=50%25 off%3A/t=2024-01-01 10%3A00")
def values_that_are_escaped(app: Any) -> Any:
    name = {"type": STRING, "escaped": True, **dated("t", "%Y-%m-%d %H:%M", escaped=True)}
    x = data(app, "x", {"name": name}, "name={}/t={}")
    node(app, "n", x)
    return [
        x["a b=c%ü"]["2024-01-01 10:00"],
        s3_event("lake", "x/name=50%25 off%3A/t=2024-01-01 10%3A00/_SUCCESS"),
    ]


@row("n/na/2024-01-02#1", x="NA/2024-01-02 NA/2024-01-01")
def names_in_other_case(app: Any) -> Any:
    x = data(app, "x", {"region": {"type": STRING, "insensitive": True, **dated()}}, "{}/{}")
    node(app, "n", x["*"][:-2].range_check(True))
    return [s3_event("lake", f"x/NA/2024-01-0{n}/_SUCCESS") for n in (1, 2)]


@row("all#1", s="snap")
def tables(app: Any) -> Any:
    table, snapshot = (
        app.glue_table("t", "Sales", "Orders", dated()),
        app.glue_table("s", "Sales", "Snap", {}),
    )
    node(app, "n", table, snapshot.ref)
    node(app, "all", snapshot)
    return [catalog_event("sales", "orders", "[2024-01-01]"), snapshot]


# ── steps, weeks, quarters, calendars ─────────────────────────────────────────────────────────────────


@row("n/2024-01-01-10-45#1", x="2024-01-01-10-45 2024-01-01-10-30 2024-01-01-10-15")
def quarters_of_an_hour(app: Any) -> Any:
    x = app.s3("x", "s3://lake/x/{t:%Y-%m-%d-%H-%M}", dimensions={"t": {"step": 15}})
    node(app, "n", x[:-3].range_check(True))
    node(app, "h", x.rollup(t="hour"))
    return each(x, *(f"2024-01-01-10-{n:02}" for n in (0, 15, 30, 45)))


@row("n/025#1", x="025 015 005")
def numbers_by_ten(app: Any) -> Any:
    x = app.s3("x", "s3://lake/x/{n:03d}", dimensions={"n": {"step": 10, "min": 5}})
    node(app, "n", x[:-3].range_check(True))
    return each(x, 5, 15, 25)


@row("d/2024-03-10#1", x="2024-03-10-12AM 2024-03-10-12PM")
def half_days_in_a_zone(app: Any) -> Any:
    step = {"t": {"step": 12, "timezone": "America/New_York"}}
    x = app.s3("x", "s3://lake/x/{t:%Y-%m-%d-%I%p}", dimensions=step)
    node(app, "d", x.rollup(t="day"))
    return each(x, "2024-03-10-12AM", "2024-03-10-12PM")


@row("both/2020-W53#1", weeks="2020-W53", x="2020-12-28 .. 2021-01-03 (7)")
def the_week_53(app: Any) -> Any:
    weeks, x = app.s3("weeks", "s3://lake/weeks/{week:%G-W%V}"), daily(app, "x")
    node(app, "two", weeks[:-2].range_check(True))
    rolled = x.rollup(day="week")
    node(app, "both", weeks, rolled, links=[weeks.week == rolled.day])
    return [*each(weeks, "2020-W53", "2021-W01"), *each(x, *days("2020-12-28", 7))]


@row("n/2024-01-07#1", x="2024-01-07 2023-12-31")
def weeks_from_sunday(app: Any) -> Any:
    x = app.s3(
        "x",
        "s3://lake/x/{week:%Y-%m-%d}",
        dimensions={"week": {"granularity": "WEEK", "week_start": "SUNDAY"}},
    )
    node(app, "n", x[:-2].range_check(True))
    return each(x, "2023-12-31", "2024-01-07")


@row("y/2024#1", q="2024-Q1 2024-Q2 2024-Q3 2024-Q4")
def months_to_quarters_to_years(app: Any) -> Any:
    months = app.s3("months", "s3://lake/months/{month:%Y-%m}")
    quarter = node(app, "q", months.rollup(month="quarter"))
    node(app, "y", quarter.rollup(month="year"))
    return each(months, *(f"2024-{month:02}" for month in range(1, 13)))


@row("n/2024-04-02#1", x="2024-04-02 2024-03-28 2024-03-27")
def trading_days(app: Any) -> Any:
    x = data(app, "x", dated(calendar=Calendar("MON-FRI", holidays=["2024-03-29", "2024-04-01"])))
    node(app, "n", x[:-3].range_check(True))
    node(app, "before", x, x[-1:].ref.alias("last"))
    node(app, "w", x.rollup(day="week"))
    return each(x, "2024-03-25", "2024-03-26", "2024-03-27", "2024-03-28", "2024-04-02")


@row("fy/2024#1", "fy", x="2024-04-01")
def the_fiscal_year(app: Any) -> Any:
    x = daily(app, "x")
    node(
        app, "fy", x, output_dimension_spec=dated("fy", "%Y"), latest_wins=True,
        output_dim_links=[output.fy == x.day.shift(months=-3).trunc("year")],
    )  # fmt: skip
    return each(x, "2024-03-31", "2024-04-01")


# ── zones ─────────────────────────────────────────────────────────────────────────────────────────────


@row("n/2024-11-03-23#1", x="2024-11-03-23 2024-11-03-22 2024-11-03-21 2024-11-03-20")
def the_hour_that_happens_twice(app: Any) -> Any:
    x = hourly(app, "x", "America/Los_Angeles")
    node(app, "n", x[:-4].range_check(True))
    node(app, "d", x.rollup(hour="day"))
    return each(x, *(f"2024-11-03-{hour:02}" for hour in range(24)))


@row("d/2024-03-10#1", x="2024-03-10-00 .. 2024-03-10-23 (23)")
def the_day_of_23_hours(app: Any) -> Any:
    x = hourly(app, "x", "America/New_York")
    node(app, "d", x.rollup(hour="day"))
    return each(x, *(f"2024-03-10-{hour:02}" for hour in range(24) if hour != 2))


@row("both/NA/2024-07-01-12#1", x="NA/2024-07-01-05", utc="2024-07-01-12")
def a_zone_for_each_region(app: Any) -> Any:
    x, utc = zoned(app), hourly(app, "utc", "UTC")
    node(app, "two", x["*"][:-2].range_check(True))
    node(app, "both", x, utc)
    return [
        x["EU"]["2024-07-01-13"],
        x["EU"]["2024-07-01-14"],
        x["NA"]["2024-07-01-05"],
        utc["2024-07-01-12"],
    ]


@row("n/EU/2024-07-01-01#1", x="EU/2024-07-01-03", days="EU/2024-07-01")
def the_day_of_an_hour_in_the_zone_of_its_region(app: Any) -> Any:
    x, days = zoned(app), regions(app, "days")
    node(app, "n", x, days, links=[days.day == x.hour.trunc("day"), days.region == x.region])
    return [x["EU"]["2024-07-01-03"], days["EU"]["2024-07-01"]]


@row("n/EU/2024-07-01-01#1", x="EU/2024-07-01-03", texts="EU/20240701-03")
def the_text_of_an_hour_in_the_zone_of_its_region(app: Any) -> Any:
    x, texts = zoned(app), app.s3("texts", "s3://lake/texts/{region}/{stamp}")
    node(app, "n", x, texts, links=[texts.stamp == x.hour.fmt("%Y%m%d-%H"), texts.region == x.region])
    stamped = {"region": {"type": STRING, "stamp": {"type": STRING}}}
    node(
        app, "m", x, output_dimension_spec=stamped, output_dim_links=[output.stamp == x.hour.fmt("%Y%m%d-%H")]
    )
    return [texts["EU"]["20240701-03"], x["EU"]["2024-07-01-03"]]


@row("n/2024-07-01#1", x="2024-07-01", hours="2024-07-01-23")
def the_last_hour_of_a_day(app: Any) -> Any:
    x, hours = daily(app, "x"), hourly(app, "hours", "America/New_York")
    node(app, "n", x, hours, links=[x.day.tz("America/New_York").at("hour") + 23 == hours.hour])
    return [hours["2024-07-01-23"], x["2024-07-01"]]


@row("month/2024-03-30#1", x="2024-03-30", y="2024-02-29")
def calendar_shifts(app: Any) -> Any:
    x, y = daily(app, "x"), daily(app, "y")
    last = x.ref.alias("last")
    node(app, "year", x, last, links=[last.day == x.day.shift(years=-1)])
    node(app, "month", x, y, links=[y.day == x.day.shift(months=-1)])
    return [x["2024-02-29"], x["2025-02-28"], x["2024-03-31"], x["2024-03-30"], y["2024-02-29"]]


@row("n/2024-02-29#1", y="2024-02-29", x="2024/02/29")
def a_date_of_numbers(app: Any) -> Any:
    x, y = app.s3("x", "s3://lake/x/{y:int}/{m:02d}/{d:02d}"), daily(app, "y")
    node(app, "n", y, x.ref, links=[(y("day"), lambda y, m, d: datetime(y, m, d), x("y", "m", "d"))])
    node(
        app,
        "o",
        x,
        output_dimension_spec=dated(),
        output_dim_links=[output.day == dsl.date_of(x.y, x.m, x.d)],
    )
    return [x[2024][2][29], y["2024-02-29"]]


@row("r/2024-01-01#1", nightly="", x="2023-12-31 2023-12-30 2023-12-29")
def timers_in_a_zone(app: Any) -> Any:
    nightly = app.add_timer("nightly", "cron(0 3 * * ? *)", "day", timezone="America/New_York")
    x = daily(app, "x")
    node(app, "alone", nightly)
    node(app, "r", nightly, x[-1:-3].ref)
    node(app, "n", nightly, x)
    return [x["2024-01-01"], 30 * HOUR]


# ── rollups ───────────────────────────────────────────────────────────────────────────────────────────


@row("two/EU/2024-02#1", x="EU/2024-01-01 .. EU/2024-02-29 (60)")
def months_of_a_region(app: Any) -> Any:
    x = regions(app)
    month = x.rollup(day="month")
    node(app, "n", month)
    node(app, "two", month["*"][:-2].range_check(True))
    return [x["EU"][day] for day in days("2024-01-01", 60)]


@row("n/EU/2024-02#2", x="EU/2024-02-01 EU/2024-02-03")
def the_month_to_date(app: Any) -> Any:
    x = regions(app)
    node(app, "n", x.rollup(day="month", complete=False))
    return [x["EU"][day] for day in ("2024-02-01", "2024-02-03")]


@row("two/2024-01-07#1", x="EU/2024-01-06 EU/2024-01-07 NA/2024-01-06 NA/2024-01-07", rates="2024-01-07")
def all_regions(app: Any) -> Any:
    x, rates = regions(app), daily(app, "rates")
    world = x.rollup(region=["NA", "EU"])
    node(app, "n", world, rates.ref)
    node(app, "two", world[:-2].range_check(True), rates)
    node(app, "week", x.rollup(region=["NA", "EU"], day="week"))
    return [view for day in days("2024-01-01", 7) for view in (x["NA"][day], x["EU"][day], rates[day])]


@row("n/2024-01-01#2", x="EU/2024-01-01 NA/2024-01-01")
def those_regions_that_come(app: Any) -> Any:
    x = regions(app)
    node(app, "given", x.rollup(region=["NA", "EU", "FE"], complete=False))
    node(app, "n", x.rollup("region", complete=False))
    return [x["NA"]["2024-01-01"], x["EU"]["2024-01-01"]]


@row("n/01.01.2024#1", x="EU/2024-01-01 NA/2024-01-01")
def regions_of_a_filter(app: Any) -> Any:
    spec = {"region": {"type": STRING, **dated()}}
    x = data(app, "x", spec, "{}/{}", {"NA": {"*": {}}, "EU": {"*": {}}})
    world = x.rollup("region")
    node(
        app,
        "n",
        world,
        output_dimension_spec=dated("d", "%d.%m.%Y"),
        output_dim_links=[output.d == world.day],
    )
    return [x["NA"]["2024-01-01"], x["EU"]["2024-01-01"]]


@row("w/2024-W01#1", d="2024-01-01 .. 2024-01-07 (7)")
def hours_to_days_to_weeks(app: Any) -> Any:
    x = hourly(app, "x", "Europe/Berlin")
    node(app, "w", node(app, "d", x.rollup(hour="day")).rollup(hour="week"))
    return [x[datetime(2024, 1, 1) + n * HOUR] for n in range(7 * 24)]


@row("n/2024-01-01#1", na="NA/2024-01-01", eu="EU/2024-01-01", fe="")
def regions_by_name(app: Any) -> Any:
    x = regions(app)
    inputs = {"na": x["NA"], "eu": x["EU"], "fe": x["FE"].optional()}
    app.create_data("n", inputs=inputs, compute_targets="output = na", output_dimension_spec=dated())
    return [x["NA"]["2024-01-01"], x["EU"]["2024-01-01"]]


# ── alternatives, what may be absent, what is enough, what is late ────────────────────────────────────


@row("n/2024-01-01#2", web="2024-01-01", shop="2024-01-01", rates="2024-01-01")
def either_of_two(app: Any) -> Any:
    web, shop, rates = daily(app, "web"), daily(app, "shop"), daily(app, "rates")
    node(app, "c", (web & rates) | shop)
    node(app, "n", web | shop, rates.ref)
    return [web["2024-01-01"], shop["2024-01-01"]]


@row("n/2024-01-02#1", x="2024-01-02", rates="", three="2024-01-01")
def what_may_be_absent(app: Any) -> Any:
    x, rates = daily(app, "x"), daily(app, "rates")
    node(app, "n", x, rates.optional(), rates[:-3].optional().alias("three"))
    return [rates["2024-01-01"], x["2024-01-02"]]


@row("n/2024-01-04#1", x="2024-01-04 2024-01-02 2024-01-01")
def enough_of_a_window(app: Any) -> Any:
    x, y = daily(app, "x"), daily(app, "y")
    node(app, "n", x[:-7].range_check(at_least=3))
    node(app, "m", y, x[:-7].ref.range_check(at_least=2))
    return [*each(x, "2024-01-01", "2024-01-02"), y["2024-01-03"], x["2024-01-04"]]


@row("n/2024-01-05#1", x="2024-01-05", rates="2024-01-03")
def the_nearest(app: Any) -> Any:
    x, rates = daily(app, "x"), daily(app, "rates")
    node(app, "n", x, rates[:-5].ref.nearest())
    return [rates["2024-01-02"], rates["2024-01-03"], x["2024-01-05"]]


@row("n/2024-01-01#1", x="", x_late="")
def what_is_late(app: Any) -> Any:
    x = daily(app, "x")
    node(app, "n", x | x.late(by="07:00", days=1, timezone="Europe/Berlin"))
    return [31 * HOUR]


@row("n/2024-01-01#1", hours="2024/01/01/00 .. 2024/01/01/22 (23)", hours_late="", rates="")
def a_day_without_an_hour(app: Any) -> Any:
    hours, rates = app.s3("hours", "s3://lake/hours/{hour:%Y/%m/%d/%H}"), daily(app, "rates")
    day = hours.rollup(hour="day")
    node(app, "n", day | day.late(after=6 * HOUR), rates.optional(), links=[rates.day == day.hour])
    return [*(hours[datetime(2024, 1, 1, hour)] for hour in range(23)), 31 * HOUR]


@row("n/2024-01-04#1", x_late="", x="2024-01-04 2024-01-02 2024-01-01")
def a_week_without_all_its_days(app: Any) -> Any:
    x = data(app, "x", dated(calendar="MON-FRI"))
    week = x[:-5].range_check(True)
    node(app, "n", week | (week.late(after=6 * HOUR) & x[:-5].ref.range_check(at_least=3)))
    return [*each(x, "2024-01-01", "2024-01-02", "2024-01-04"), 5 * DAY]


# ── again, and the own past ───────────────────────────────────────────────────────────────────────────


@row("n/2024-01-04#2", x="2024-01-04 2024-01-03 2024-01-02")
def a_correction(app: Any) -> Any:
    x = daily(app, "x")
    node(app, "n", x[:-3].range_check(True), retrigger="updated")
    node(app, "never", x, retrigger="never")
    return each(x, *days("2024-01-01", 4), "2024-01-02")


@row("updated/2024-01-01#2", x="EU/2024-01-01 NA/2024-01-01")
def a_correction_after_a_rollup(app: Any) -> Any:
    x = regions(app)
    for policy in ("all", "never", "updated", "any"):
        node(app, policy, x.rollup(region=["NA", "EU"]), retrigger=policy)
    return [x["NA"]["2024-01-01"], x["EU"]["2024-01-01"], x["EU"]["2024-01-01"]]


@row("one_by_one/2024-01-03#1", x="2024-01-03", one_by_one="2024-01-02")
def the_own_past(app: Any) -> Any:
    x = daily(app, "x")
    node(app, "n", x, output[-1:].ref, output_dimension_spec=dated(min="2024-01-01"))
    node(
        app, "one_by_one", x, output[-1:].ref.range_check(True), output_dimension_spec=dated(min="2024-01-01")
    )
    return each(x, "2024-01-01", "2024-01-03", "2024-01-02")


@row("n/EU/2024-02#1", x="EU/2024-02-01 .. EU/2024-02-29 (29)", n="EU/2024-01")
def the_own_past_of_each_region_by_month(app: Any) -> Any:
    x = regions(app)
    node(app, "n", x.rollup(day="month"), output["*"][-1:].ref)
    return [x["EU"][day] for day in days("2024-01-01", 60)]


@row("n/2024-03-04#1", x="2024/03/04", n="2024-03-01")
def the_own_past_over_levels_in_a_calendar(app: Any) -> Any:
    x = app.s3(
        "x", "s3://lake/x/{day:%Y/%m/%d}", dimensions={"day": {"calendar": "MON-FRI", "min": "2024-03-01"}}
    )
    node(app, "n", x, output[-1:].ref.range_check(True))
    return [x[datetime(2024, 3, 4)], x[datetime(2024, 3, 1)]]


# ── keys in maps, checks, alarms, nothing ─────────────────────────────────────────────────────────────


@row("n/1/2024-01-01#1", orders="1/2024-01-01", ships="NA/2024-01-01")
def a_map_of_regions(app: Any) -> Any:
    orders, ships = app.s3("orders", "s3://lake/orders/{shop:int}/{day:%Y-%m-%d}"), regions(app, "ships")
    regional = orders.shop.map({1: "NA", 2: "EU"}) == ships.region
    node(app, "n", orders, ships, links=[regional, orders.day == ships.day])
    node(app, "r", orders, ships.ref, links=[regional, orders.day - 1 == ships.day])
    return [orders[1]["2024-01-01"], ships["NA"]["2024-01-01"]]


@row("n/PASS/2024-01-01#1", made_checks="", x="2024-01-01")
def checks_of_a_node(app: Any) -> Any:
    x = daily(app, "x")
    made = app.create_data("made", inputs=[x], compute_targets="output = x", checks=dsl.row_count(1))
    node(app, "n", made.checks["PASS"], x.ref)
    return [x["2024-01-01"]]


@row("n#1", snapshot="snapshot", x="2024-01-01")
def one_partition_alone(app: Any) -> Any:
    snapshot, x = app.s3("snapshot", "s3://lake/snapshot"), daily(app, "x")
    node(app, "n", snapshot, x.ref["2024-01-01"])
    return [snapshot]


def shortened(paths: list[str]) -> str:
    """The paths of an input below its folder: the ends of many, and how many there are."""
    short = [path.split("/", 5 if "internal_data" in path else 4)[-1] for path in paths]
    return " ".join(short) if len(short) < 5 else f"{short[0]} .. {short[-1]} ({len(short)})"


@pytest.mark.parametrize("name", ROWS)
def test_every_way_says_the_same(name: str) -> None:
    declare, last, reads, alone = ROWS[name]
    app = Application("shop")
    steps = declare(app)
    compiles(app)
    ways = Ways(app)
    runs = [run for step in steps for run in ways.take(step)]
    ways.look()
    assert runs[-1].id == last
    assert {alias: shortened(read.paths) for alias, read in runs[-1].inputs.items()} == reads
    assert {node for node, times in ways.compared.items() if times < 0} == set(alone)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=QUIET)
@given(graphs_and_traces)
def test_every_way_says_the_same_on_random_graphs(given_: tuple[Mixed, list[Step]]) -> None:
    """Whatever is combined, and in whatever order it comes; what is deleted, no way knows alike."""
    mixed, trace = given_
    ways = Ways(declare(mixed), now=mixed.start.replace(tzinfo=UTC))
    for number, step in enumerate(trace):
        if not isinstance(step, Deletion):
            note(str(step))
            ways.take(step.by if isinstance(step, Advance) else raw(mixed, step, number))
    ways.look()
