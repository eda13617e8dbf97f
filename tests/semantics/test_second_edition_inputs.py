"""Inputs as people have them, told from the data up: folders, calendars, corrections, what is late, what is missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from rheodsl import DATETIME, ITSELF, Application, Calendar, output
from rheodsl.testing import Simulator

from .helpers import Keys, catalog_event, daily, last_parts, outputs


def ids(runs: list[Any]) -> list[str]:
    return [run.id for run in runs]


def test_a_marker_of_the_day_above_hours_of_a_clock_that_goes_forward(app: Any) -> None:
    hours = app.s3(
        "hours", "s3://lake/hours/dt={hour:%Y-%m-%d}/hr={hour:%H}", completion="../_SUCCESS",
        dimensions={"hour": {"timezone": "America/New_York"}},
    )  # fmt: skip
    app.create_data("day", inputs=[hours.rollup(hour="day")])
    keys = Keys(Simulator(app), "hours")
    for hour in [h for h in range(24) if h != 2]:
        assert keys.put(f"dt=2024-03-10/hr={hour:02}/part-0") == []
    [run] = keys.put("dt=2024-03-10/_SUCCESS")
    assert run.output == {"hour": "2024-03-10"} and len(run.inputs["hours"].paths) == 23
    keys.put("dt=2024-03-10/hr=07/part-1")
    assert keys.put("dt=2024-03-10/_SUCCESS") == [], "one hour is new: under all, the others must come again"


def test_iso_weeks_over_the_turn_of_the_year(app: Any) -> None:
    days = daily(app)
    app.create_data("weekly", inputs=[days.rollup(day="week")])
    keys = Keys(Simulator(app), "days")
    first = datetime(2024, 12, 30)
    runs = [r for n in range(7) for r in keys.put(f"{first + timedelta(days=n):%Y-%m-%d}/_SUCCESS")]
    assert ids(runs) == ["weekly/2025-W01#1"]
    assert [path[-10:] for path in runs[0].inputs["days"].paths][::6] == ["2024-12-30", "2025-01-05"]


def test_quarters_of_months_read_by_a_year(app: Any) -> None:
    months = app.s3("months", "s3://lake/months/{month:%Y-%m}")
    quarters = app.create_data("quarters", inputs=[months.rollup(month="quarter")])
    app.create_data("years", inputs=[quarters.rollup(month="year")])
    keys = Keys(Simulator(app), "months")
    runs = [r for n in (2, 1, 3, 6, 5, 4, 9, 8, 7, 12, 11, 10) for r in keys.put(f"2024-{n:02}/_SUCCESS")]
    assert [run.node for run in runs] == ["quarters"] * 4 + ["years"]
    assert runs[-1].output == {"month": "2024"} and len(runs[-1].inputs["quarters"].paths) == 4


@pytest.mark.parametrize("order", list(permutations(["NA", "EU", "FE"])), ids="-".join)
def test_files_of_regions_make_one_day(app: Any, order: tuple[str, ...]) -> None:
    files = app.s3("files", "s3://lake/in/{region}_{day:%Y%m%d}.csv", completion=ITSELF, format="CSV")
    app.create_data("world", inputs=[files.rollup(region=["NA", "EU", "FE"])])
    keys = Keys(Simulator(app), "in")
    runs = [run for region in order for run in keys.put(f"{region}_20240229.csv")]
    assert ids(runs) == ["world/20240229#1"]
    assert sorted(last_parts(runs[0], "files")) == ["EU_20240229.csv", "FE_20240229.csv", "NA_20240229.csv"]


def test_a_day_goes_on_without_a_lost_hour_and_what_reads_it_is_corrected(app: Any) -> None:
    hours = app.s3("hours", "s3://lake/hours/{hour:%Y-%m-%d-%H}")
    whole = hours.rollup(hour="day")
    day = app.create_data("day", inputs=[whole | whole.late(after=timedelta(hours=6))])
    orders = app.s3("orders", "s3://lake/orders/{hour:%Y-%m-%d}")
    app.create_data("report", inputs=[orders, day.ref], retrigger="updated")
    sim = Simulator(app, now=datetime(2024, 1, 1, tzinfo=UTC))
    sim.send(orders["2024-01-01"])
    for hour in [h for h in range(24) if h != 13]:
        assert sim.send(hours[f"2024-01-01-{hour:02}"]) == []
    runs = sim.advance(timedelta(hours=31))
    assert ids(runs) == ["day/2024-01-01#1", "report/2024-01-01#2"]
    assert len(runs[0].inputs["hours"].paths) == 23
    assert [late.missing for late in sim.late()] == ["2024-01-01-13"]
    runs = sim.send(hours["2024-01-01-13"])
    assert ids(runs) == ["day/2024-01-01#2", "report/2024-01-01#3"]
    assert len(runs[0].inputs["hours"].paths) == 24 and sim.late() == []


def test_a_table_without_keys_corrects_every_day_that_read_it(app: Any) -> None:
    orders = daily(app, "orders")
    rates = app.glue_table("rates", "sales", "Rates")
    app.create_data("priced", inputs=[orders, rates.ref], retrigger="updated")
    sim = Simulator(app)
    first = [run for day in (1, 2) for run in sim.send(orders[f"2024-01-0{day}"])]
    assert ids(first) == ["priced/2024-01-01#1", "priced/2024-01-02#1"]
    again = sim.send(catalog_event("sales", "rates", change="UpdateTable", id="7"))
    assert sorted(ids(again)) == ["priced/2024-01-01#2", "priced/2024-01-02#2"]
    assert sim.send(catalog_event("sales", "rates", change="UpdateTable", id="7")) == []
    assert sim.stale() == []


def test_either_of_two_shops_beside_what_may_be_absent(app: Any) -> None:
    web, shop, notes = daily(app, "web"), daily(app, "shop"), daily(app, "notes")
    app.create_data("sales", inputs=[web | shop, notes.optional()])
    sim = Simulator(app)
    [run] = sim.send(shop["2024-01-01"])
    assert {alias: bool(i.paths) for alias, i in run.inputs.items()} == {
        "web": False,
        "shop": True,
        "notes": False,
    }
    assert sim.send(notes["2024-01-01"]) == []
    [run] = sim.send(web["2024-01-01"])
    assert {alias: bool(i.paths) for alias, i in run.inputs.items()} == {
        "web": True,
        "shop": True,
        "notes": True,
    }
    assert run.generation == 2


@pytest.mark.parametrize(("day", "count"), [("2024-03-31", 23), ("2024-10-27", 24), ("2024-07-01", 24)])
def test_days_of_hours_in_berlin(app: Any, day: str, count: int) -> None:
    hours = app.s3(
        "hours", "s3://lake/hours/{hour:%Y-%m-%dT%H}", dimensions={"hour": {"timezone": "Europe/Berlin"}}
    )
    app.create_data("days", inputs=[hours.rollup(hour="day")])
    app.create_data("recent", inputs=[hours[:-3].range_check(True)])
    sim = Simulator(app)
    skipped = 2 if count == 23 else None
    runs = [r for h in range(24) if h != skipped for r in sim.send(hours[f"{day}T{h:02}"])]
    assert [len(r.inputs["hours"].paths) for r in runs if r.node == "days"] == [count]
    windows = {r.output["hour"][-2:]: last_parts(r, "hours") for r in runs if r.node == "recent"}
    assert [text[-2:] for text in windows["04"]] == (["04", "03", "01"] if skipped else ["04", "03", "02"])
    assert len(windows) == count - 2


def test_late_by_the_morning_clock_on_the_day_that_it_changes(app: Any) -> None:
    days = daily(app)
    app.create_data("tell", inputs=[days.late(by="07:00", timezone="Europe/Berlin")])
    sim = Simulator(app, now=datetime(2024, 3, 29, tzinfo=UTC))
    told = []
    for _ in range(60):
        told += [(run.output["day"], f"{sim.now:%d %H}") for run in sim.advance(timedelta(hours=1))]
    assert told == [("2024-03-29", "30 06"), ("2024-03-30", "31 05")]


def test_a_month_to_date_is_meant_to_be_overwritten() -> None:
    app: Any = Application("shop", strict=True)
    days = daily(app)
    spec = {"month": {"type": DATETIME, "format": "%Y-%m"}}
    app.create_data(
        "to_date", inputs=[days[:-31]], output_dimension_spec=spec, latest_wins=True,
        output_dim_links=[output.month == days.day.trunc("month")],
    )  # fmt: skip
    sim = Simulator(app)
    runs = [run for day in ("2024-01-30", "2024-01-31", "2024-02-01") for run in sim.send(days[day])]
    assert ids(runs) == ["to_date/2024-01#1", "to_date/2024-01#2", "to_date/2024-02#1"]


def test_a_balance_of_months_from_days(app: Any) -> None:
    days = app.s3("days", "s3://lake/days/{day:%Y-%m-%d}", dimensions={"day": {"min": "2024-01-01"}})
    app.create_data("balance", inputs=[days.rollup(day="month"), output[-1:].ref.range_check(True)])
    sim = Simulator(app)
    february = [datetime(2024, 2, 1) + timedelta(days=n) for n in range(29)]
    january = [datetime(2024, 1, 1) + timedelta(days=n) for n in range(31)]
    runs = [run for day in (*february, *january) for run in sim.send(days[f"{day:%Y-%m-%d}"])]
    assert ids(runs) == ["balance/2024-01#1", "balance/2024-02#1"]
    assert last_parts(runs[1], "balance") == ["2024-01"]


def test_trading_days_late_and_windowed_over_a_holiday(app: Any) -> None:
    calendar = Calendar("MON-FRI", holidays=["2024-12-25", "2024-12-26"])
    trades = app.s3("trades", "s3://lake/trades/{day:%Y-%m-%d}", dimensions={"day": {"calendar": calendar}})
    app.create_data("three", inputs=[trades[:-3].range_check(True)])
    app.create_data("tell", inputs=[trades.late(after=timedelta(hours=1))])
    sim = Simulator(app, now=datetime(2024, 12, 23, tzinfo=UTC))
    for day in ("2024-12-23", "2024-12-24"):
        assert sim.send(trades[day]) == []
    [run] = sim.send(trades["2024-12-27"])
    assert last_parts(run, "trades") == ["2024-12-27", "2024-12-24", "2024-12-23"]
    assert outputs(sim.advance(timedelta(days=8, hours=2)), "tell") == [("2024-12-30",)]
    assert [late.partition for late in sim.late()] == ["2024-12-30"]


def test_what_no_event_told_of_completes_a_rollup(app: Any) -> None:
    spec = {"region": {"type": "STRING", "day": {"type": DATETIME, "format": "%Y-%m-%d"}}}
    orders = app.glue_table("orders", "sales", "orders", spec)
    app.create_data("world", inputs=[orders.rollup(region=["NA", "EU"])])
    sim = Simulator(app)
    assert sim.send(catalog_event("sales", "orders", "[NA, 2024-01-01]")) == []
    sim.exists(orders["EU"]["2024-01-01"])
    sim.exists(orders["NA"]["2024-01-01"])
    assert ids(sim.tick()) == ["world/2024-01-01#1"]
    assert sim.tick() == [] and sim.advance(timedelta(days=2)) == []
    late = catalog_event("sales", "orders", "[EU, 2024-01-01]", id="9")
    assert sim.send(late) == [], "the lost event comes after all"


def test_quarters_of_an_hour_over_midnight(app: Any) -> None:
    slots = app.s3(
        "slots",
        "s3://lake/slots/{at:%Y%m%d}/{at:%H%M}",
        dimensions={"at": {"granularity": "MINUTE", "step": 15}},
    )
    app.create_data("hour", inputs=[slots[:-4].range_check(True)])
    app.create_data("day", inputs=[slots.rollup(at="day")])
    keys = Keys(Simulator(app), "slots")
    runs = [
        r for key in ("20240229/2315", "20240229/2330", "20240229/2345") for r in keys.put(f"{key}/_SUCCESS")
    ]
    runs += keys.put("20240301/0000/_SUCCESS")
    [run] = runs
    assert ["/".join(path.split("/")[-2:]) for path in run.inputs["slots"].paths] == [
        "20240301/0000", "20240229/2345", "20240229/2330", "20240229/2315",
    ]  # fmt: skip
    assert keys.put("20240301/0007/_SUCCESS") == []
    assert "the nearest are 2024-03-01 00:00 and 2024-03-01 00:15" in keys.sim.rejected[-1].reason


def test_a_done_file_that_bears_a_date_of_levels(app: Any) -> None:
    logs = app.s3("logs", "s3://lake/logs/{day:%Y}/{day:%m}/{day:%d}", completion="*.done")
    app.create_data("week", inputs=[logs[:-7].range_check(at_least=2)])
    keys = Keys(Simulator(app), "logs")
    assert keys.put("2024/02/28/a.done") == []
    [run] = keys.put("2024/03/01/b.done")
    assert ["/".join(p.split("/")[-3:]) for p in run.inputs["logs"].paths] == ["2024/03/01", "2024/02/28"]
    keys.delete("2024/02/28/a.done")
    [run] = keys.put("2024/03/02/c.done")
    assert len(run.inputs["logs"].paths) == 2, "28 is there no more"
