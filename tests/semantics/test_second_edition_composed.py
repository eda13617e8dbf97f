"""Sections 11 to 17 together: the operators compose, or say why they do not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

import rheodsl as dsl
from rheodsl import DATETIME, Application, S3Dataset, output
from rheodsl.testing import Simulator

from .helpers import Keys, below, daily, days, faulty, last_parts, outputs, regional, rejected, send_all

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def trading(app: Any, id: str = "trades", **attributes: Any) -> Any:
    calendar = dsl.Calendar("MON-FRI", holidays=["2024-03-29", "2024-04-01"])  # Good Friday, Easter Monday
    spec = {"day": {"type": DATETIME, "format": "%Y-%m-%d", "calendar": calendar, **attributes}}
    return app.marshal_external_data(S3Dataset("111122223333", "lake", id, "{}"), id, spec)


# ── calendars and windows ─────────────────────────────────────────────────────────────────────────────


def test_a_checked_window_over_easter() -> None:
    read = ["2024-04-02", "2024-03-28", "2024-03-27"]
    for order in permutations(read):
        app: Any = Application("shop")
        trades = trading(app)
        app.create_data("three", inputs=[trades[:-3].range_check(True)])
        runs = send_all(Simulator(app), *(trades[day] for day in order))
        assert [below(run, "trades", "trades") for run in runs] == [read], f"in the order {order}"


def test_weeks_of_a_calendar_in_a_checked_window(app: Any) -> None:
    trades = trading(app)
    app.create_data("fortnight", inputs=[trades.rollup(day="week")[:-2].range_check(True)])
    first, second = ["2024-03-25", "2024-03-26", "2024-03-27", "2024-03-28"], [
        "2024-04-02", "2024-04-03", "2024-04-04", "2024-04-05",
    ]  # fmt: skip
    sim = Simulator(app)
    assert send_all(sim, *(trades[day] for day in second)) == []
    assert send_all(sim, *(trades[day] for day in first[:-1])) == []
    [run] = sim.send(trades[first[-1]])
    assert run.output == {"day": "2024-W14"}
    assert below(run, "trades", "trades") == first + second


def test_the_trading_day_before_in_a_link(app: Any) -> None:
    trades, prices = trading(app), trading(app, "prices")
    app.create_data("moved", inputs=[trades, prices.ref], input_dim_links=[prices.day == trades.day - 1])
    [run] = Simulator(app).send(trades["2024-04-02"])
    assert below(run, "prices", "prices") == ["2024-03-28"]


def test_an_output_inherits_the_calendar_of_its_input(app: Any) -> None:
    trades = trading(app)
    cleaned = app.create_data("cleaned", inputs=[trades])
    app.create_data("three", inputs=[cleaned[:-3].range_check(True)])
    runs = send_all(Simulator(app), *(trades[day] for day in ("2024-03-27", "2024-03-28", "2024-04-02")))
    [run] = [run for run in runs if run.node == "three"]
    assert last_parts(run, "cleaned") == ["2024-04-02", "2024-03-28", "2024-03-27"]


def test_a_link_to_a_day_outside_the_calendar_binds_nothing(app: Any) -> None:
    trades, news = trading(app), daily(app, "news")
    app.create_data("both", inputs=[news, trades])
    sim = Simulator(app)
    assert sim.send(news["2024-03-30"]) == []
    assert len(sim.send(news["2024-04-02"])) == 0
    assert outputs(sim.send(trades["2024-04-02"])) == [("2024-04-02",)]


# ── layouts and everything else ───────────────────────────────────────────────────────────────────────


def test_objects_roll_up(app: Any) -> None:
    orders = app.s3("orders", "s3://lake/in/{region}_{day:%Y%m%d}.csv", completion=dsl.ITSELF)
    app.create_data("world", inputs=[orders.rollup(region=["EU", "NA"])])
    keys = Keys(Simulator(app), "in")
    assert keys.put("NA_20240101.csv") == []
    assert keys.put("JP_20240101.csv") == []
    [run] = keys.put("EU_20240101.csv")
    assert below(run, "orders", "in") == ["EU_20240101.csv", "NA_20240101.csv"]


def test_a_marker_above_completes_a_rollup(app: Any) -> None:
    sales = app.s3("sales", "s3://lake/sales/{day:%Y-%m-%d}", completion="../_SUCCESS")
    app.create_data("weekly", inputs=[sales.rollup(day="week")])
    keys = Keys(Simulator(app), "sales")
    for day in days("2024-01-01", 7):
        assert keys.put(f"{day}/part-0.parquet") == []
    assert [run.output for run in keys.put("_SUCCESS")] == [{"day": "2024-W01"}]


def test_quiet_days_roll_up(app: Any) -> None:
    sales = app.s3("sales", "s3://lake/sales/{day:%Y-%m-%d}", completion=None, settle=timedelta(minutes=5))
    app.create_data("weekly", inputs=[sales.rollup(day="week")])
    keys = Keys(Simulator(app), "sales")
    for day in days("2024-01-01", 7):
        assert keys.put(f"{day}/part-0.parquet") == []
        assert keys.put(f"{day}/part-1.parquet") == []
    assert [run.output for run in keys.sim.advance(timedelta(minutes=10))] == [{"day": "2024-W01"}]


def test_a_date_over_levels_with_a_pattern_and_a_correction(app: Any) -> None:
    logs = app.s3("logs", "s3://lake/logs/{day:%Y/%m/%d}", completion="*.done")
    app.create_data("three", inputs=[logs[:-3].range_check(True)], retrigger="updated")
    keys = Keys(Simulator(app), "logs")
    assert keys.put("2024/02/28/a.done") == []
    assert keys.put("2024/02/29/a.done") == []
    assert len(keys.put("2024/03/01/a.done")) == 1
    [again] = keys.put("2024/02/28/b.done")
    assert again.generation == 2
    assert below(again, "logs", "logs") == ["2024/03/01", "2024/02/29", "2024/02/28"]


# ── rollups, alternatives, lateness ───────────────────────────────────────────────────────────────────


def test_regions_that_are_late_are_left_out(app: Any) -> None:
    orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
    world = orders.rollup(region=["EU", "FE", "NA"])
    app.create_data("world", inputs=[world | world.late(after=6 * HOUR)])
    sim = Simulator(app)
    assert send_all(sim, orders["NA"]["2024-01-01"], orders["EU"]["2024-01-01"]) == []
    [run] = sim.advance(31 * HOUR)
    assert below(run, "orders", "orders") == ["EU/2024-01-01", "NA/2024-01-01"]
    [again] = sim.send(orders["FE"]["2024-01-01"])
    assert len(again.inputs["orders"].paths) == 3


def test_a_late_month_of_trading_days(app: Any) -> None:
    trades = trading(app)
    month = trades.rollup(day="month")
    app.create_data("monthly", inputs=[month | month.late(after=6 * HOUR)])
    sim = Simulator(app, now=datetime(2024, 3, 1, tzinfo=UTC))
    members = [d for d in days("2024-03-01", 31) if date.fromisoformat(d).weekday() < 5 and d != "2024-03-29"]
    assert send_all(sim, *(trades[day] for day in members[:-1])) == []
    [run] = sim.advance(32 * DAY)
    assert run.output == {"day": "2024-03"}
    assert below(run, "trades", "trades") == members[:-1]


def test_an_alternative_of_a_rollup_that_is_updated(app: Any) -> None:
    hours = app.s3("hours", "s3://lake/hours/{hour:%Y-%m-%d-%H}")
    app.create_data("daily", inputs=[hours.rollup(hour="day")], retrigger="updated")
    app.create_data("weekly", inputs=[app["daily"].rollup(hour="week")], retrigger="updated")
    sim = Simulator(app)
    start = datetime(2024, 1, 1)
    runs = send_all(sim, *(hours[start + n * HOUR] for n in range(24 * 7)))
    assert outputs(runs, "daily") == [(day,) for day in days("2024-01-01", 7)]
    assert outputs(runs, "weekly") == [("2024-W01",)]
    again = sim.send(hours[start + 30 * HOUR])
    assert [run.id for run in again] == ["daily/2024-01-02#2", "weekly/2024-W01#2"]


def test_an_optional_window_of_weeks(app: Any) -> None:
    week, plan = (
        app.s3("weeks", "s3://lake/weeks/{week:%G-W%V}"),
        app.s3("plan", "s3://lake/plan/{week:%G-W%V}"),
    )
    app.create_data("node", inputs=[week, plan[:-3].optional()])
    sim = Simulator(app)
    send_all(sim, plan["2023-W52"], plan["2024-W02"])
    [run] = sim.send(week["2024-W02"])
    assert below(run, "plan", "plan") == ["2024-W02", "2023-W52"]


def test_at_least_over_a_change_of_the_clock(app: Any) -> None:
    spec = {"hour": {"type": DATETIME, "format": "%Y-%m-%d-%H", "timezone": "America/Los_Angeles"}}
    hours = app.marshal_external_data(S3Dataset("111122223333", "lake", "hours", "{}"), "hours", spec)
    app.create_data("node", inputs=[hours[:-4].range_check(at_least=3)])
    keys = Keys(Simulator(app), "hours")
    assert keys.put("2024-11-03-00/_SUCCESS") == []
    assert keys.put("2024-11-03-01/_SUCCESS") == []
    [run] = keys.put("2024-11-03-03/_SUCCESS")
    assert below(run, "hours", "hours") == ["2024-11-03-03", "2024-11-03-01", "2024-11-03-00"]


def test_the_last_month_of_itself_beside_a_rollup_of_regions_and_days(app: Any) -> None:
    orders = app.s3(
        "orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}", dimensions={"day": {"min": "2024-01-01"}}
    )
    rolled = orders.rollup(region=["EU", "NA"], day="month")
    app.create_data("balance", inputs=[rolled, output[-1:].ref.range_check(True)])
    sim = Simulator(app)
    february = [orders[region][day] for day in days("2024-02-01", 29) for region in ("EU", "NA")]
    january = [orders[region][day] for day in days("2024-01-01", 31) for region in ("NA", "EU")]
    assert send_all(sim, *february) == []
    runs = send_all(sim, *january)
    assert outputs(runs) == [("2024-01",), ("2024-02",)]
    assert len(runs[1].inputs["orders"].paths) == 58
    assert last_parts(runs[1], "balance") == ["2024-01"]


def test_a_month_that_never_runs_again(app: Any) -> None:
    signal = daily(app)
    app.create_data("weekly", inputs=[signal.rollup(day="week", complete=False)], retrigger="never")
    sim = Simulator(app)
    assert len(sim.send(signal["2024-01-01"])) == 1
    assert sim.send(signal["2024-01-02"]) == []
    assert len(sim.skipped) == 1
    assert outputs(sim.send(signal["2024-01-08"])) == [("2024-W02",)]


def test_a_calendar_shift_of_a_rollup(app: Any) -> None:
    signal, plan = daily(app), app.s3("plan", "s3://lake/plan/{month:%Y-%m}")
    month = signal.rollup(day="month")
    link = plan.month == month.day.shift(years=-1)
    app.create_data("compared", inputs=[month, plan.ref], input_dim_links=[link])
    runs = send_all(Simulator(app), *(signal[day] for day in days("2024-02-01", 29)))
    assert [below(run, "plan", "plan") for run in runs] == [["2023-02"]]


@pytest.mark.parametrize("order", list(permutations(["NA", "EU", "whole"])), ids="-".join)
def test_a_rollup_or_a_whole_in_every_order(app: Any, order: tuple[str, ...]) -> None:
    orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
    whole = daily(app, "whole")
    app.create_data("world", inputs=[orders.rollup(region=["EU", "NA"]) | whole])
    sim = Simulator(app)
    views = {"NA": orders["NA"]["2024-01-01"], "EU": orders["EU"]["2024-01-01"], "whole": whole["2024-01-01"]}
    runs = send_all(sim, *(views[name] for name in order))
    assert [run.id for run in runs] == ["world/2024-01-01#1", "world/2024-01-01#2"]


def test_a_deleted_member_is_waited_for_by_a_checked_reference(app: Any) -> None:
    signal, close = daily(app), app.s3("close", "s3://lake/close/{week:%G-W%V}")
    week = signal.rollup(day="week").ref.range_check(True)
    app.create_data("closing", inputs=[close, week], input_dim_links=[week.day == close.week])
    sim = Simulator(app)
    keys = Keys(sim, "days")
    for day in days("2024-01-01", 7):
        keys.put(f"{day}/_SUCCESS")
    keys.delete("2024-01-03/_SUCCESS")
    assert sim.send(close["2024-W01"]) == [], "03 was deleted"
    assert outputs(keys.put("2024-01-03/_SUCCESS")) == [("2024-W01",)]


def test_a_marker_above_may_be_a_pattern(app: Application) -> None:
    data = app.s3("d", "s3://lake/d/{region}/{day:%Y-%m-%d}", completion="../*.done")
    app.create_data("n", inputs=[data], compute_targets="output = d")
    keys = Keys(Simulator(app), "d")
    assert keys.put("NA/2024-02-29/part-0") == keys.put("EU/2024-03-01/part-0") == []
    assert outputs(keys.put("NA/run-7.done")) == [("NA", "2024-02-29")]
    assert keys.put("NA/run-8.done") == keys.put("EU/_hidden.done") == []
    assert outputs(keys.put("EU/a.done")) == [("EU", "2024-03-01")]


def test_what_a_marker_above_cannot_announce_is_an_error(app: Application) -> None:
    path = "s3://lake/d/{day:%Y-%m-%d}"
    with rejected("'../{day}.done'", "names a dimension", hint="pattern"):
        app.s3("a", path, completion="../{day}.done")
    with rejected("'_SUCCESS'", "'../DONE'", hint="choose one"):
        app.s3("b", path, completion=["_SUCCESS", "../DONE"])
    with rejected("stands above the bucket", hint="2 level(s)"):
        app.s3("c", path, completion="../../../DONE")
    with rejected("marker above", "settle", hint="leave one of the two out"):
        app.s3("d", path, completion="../DONE", settle=timedelta(minutes=5))
    for name in ("..", "../", 5):
        with rejected(repr(name), "no name of a completion object"):
            app.s3("e", path, completion=name)
    with rejected("orders_{day:%Y%m%d}.done", hint="as in the path: write {day}"):
        app.s3("f", path, completion="orders_{day:%Y%m%d}.done")


def test_what_is_quiet_has_come_before_it_is_late(app: Application) -> None:
    """Time that passes in one go is lived through in order: days settle, and only then is their week judged."""
    data = app.s3("d", "s3://lake/d/{day:%Y-%m-%d}", completion=None, settle=timedelta(minutes=5))
    week = data.rollup(day="week")
    app.create_data("n", inputs=[week | week.late(after=timedelta(hours=1))], compute_targets="output = d")
    sim = Simulator(app)
    keys = Keys(sim, "d")
    for day in days("2024-01-01", 6):
        assert keys.put(f"{day}/part-0") == []
    (run,) = sim.advance(timedelta(days=8))
    assert last_parts(run, "d") == days("2024-01-01", 6)


def test_alternatives_of_other_values_make_other_outputs(app: Application) -> None:
    orders = regional(app)
    one, two = orders[1].alias("one"), orders[2].alias("two")
    with faulty("alternatives", "region_id is 1 in the one, 2 in another", hint="leave region_id out"):
        app.create_data("n", inputs=[one | two], compute_targets="output = one")
        app.graph()


def test_alternatives_of_other_values_may_make_what_does_not_tell_them(app: Application) -> None:
    orders = regional(app)
    one, two = orders[1].alias("one"), orders[2].alias("two")
    app.create_data(
        "n",
        inputs=[one | two],
        output_dimension_spec={"day": {"type": DATETIME}},
        compute_targets="output = one",
    )
    runs = send_all(Simulator(app), orders[2]["2024-01-01"], orders[1]["2024-01-01"])
    assert [last_parts(run, "two") for run in runs] == [["2024-01-01"], ["2024-01-01"]]
    assert [len(run.inputs["one"].paths) for run in runs] == [0, 1]


def test_hours_that_never_begin_together_are_an_error(app: Application) -> None:
    """They would wait for one another for ever, for hours that are not the same."""
    zones = {"india": "Asia/Kolkata", "utc": "UTC", "howe": "Australia/Lord_Howe"}
    data = {
        id: app.s3(id, f"s3://lake/{id}/{{hour:%Y-%m-%d-%H}}", dimensions={"hour": {"timezone": zone}})
        for id, zone in zones.items()
    }
    app.create_data("fine", inputs=[data["howe"], data["utc"]], compute_targets="output = howe")  # in summer
    app.create_data("found", inputs=[data["utc"], data["india"].ref], compute_targets="output = utc")
    assert Simulator(app).send(data["utc"]["2024-03-01-05"])[0].inputs["india"].tip == {
        "hour": "2024-03-01-10"
    }
    with faulty("india.hour == utc.hour", "minute 30", "UTC begin at minute 0"):
        app.create_data("never", inputs=[data["india"], data["utc"]], compute_targets="output = india")
        app.graph()


def test_a_past_is_read_in_few_ways(app: Application) -> None:
    data = daily(app)
    app.create_data("n", inputs=[data, output[-1:].optional()], compute_targets="output = days")
    (run,) = Simulator(app).send(data["2024-03-01"])
    assert last_parts(run, "n") == ["2024-02-29"]
    for name in ("nearest", "rollup", "late"):
        with rejected(f"output[-1:] has no '{name}'", "one earlier partition", hint="output[-1:].ref"):
            getattr(output[-1:], name)
    with rejected("at_least=2", "a past is one", hint="range_check(True)"):
        output[-1:].ref.range_check(at_least=2)
    with rejected("days | output[-1:].ref", "is no input"):
        data | output[-1:].ref
