"""Timers: their partitions are their fires, in windows, links, rollups, backfills, by hand and in the listener."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from benchmarks._dynamodb import DynamoDB
from codegen.cloudformation.events import expression as aws_expression
from codegen.routes import route_table
from rheo_runtime import wire
from rheo_runtime.dynamodb import DynamoLedger, create_table
from rheo_runtime.engine import Engine
from rheo_runtime.listener import Listener
from rheodsl import AnyDate, Application, Calendar, ir, output, schedule
from rheodsl.testing import Simulator

from .helpers import daily, last_parts, outputs

START = datetime(2024, 3, 1, tzinfo=UTC)  # a Friday


def simulated(app: Application, days: int, start: datetime = START) -> tuple[Simulator, list[Any]]:
    """What a simulator runs in so many days, hour by hour."""
    sim = Simulator(app, now=start)
    return sim, [run for _ in range(24 * days) for run in sim.advance(timedelta(hours=1))]


def listened(app: Application, days: int, start: datetime = START) -> list[tuple[str, str]]:
    """What the listener fires of what EventBridge sends of the timer t in so many days, by node and partition."""
    client: Any = DynamoDB()
    create_table("ledger", client)
    now = [start.timestamp()]
    graph = app.graph()
    table = wire.RouteTable.loads(route_table(graph).dumps())
    engine = Engine(table, DynamoLedger("ledger", client, lambda: now[0]), lambda: now[0])
    engine.instant = True
    started: list[tuple[str, str]] = []
    listener = Listener(
        engine,
        lambda document: started.append((document["node"], document["partition"])),
        emit=lambda _: None,
        log=lambda *_, **__: None,
    )
    source = graph.signal("t").source
    assert isinstance(source, ir.TimerSource)
    written, zone = aws_expression(source.schedule, source.timezone)
    for tick in schedule.parse(written, zone).fire_times(start, start + timedelta(days=days)):
        now[0] = tick.timestamp()
        detail = {"app": "shop", "timer": "t", "time": tick.strftime("%Y-%m-%dT%H:%M:%SZ")}
        event = {"id": str(tick), "source": "rheo", "detail-type": "rheo.timer", "detail": detail}
        listener.handle(event, lambda: 1e9)
    return started


# Schedule, shift, zone -> the partitions of its fires in March 2024.
TIMERS = [
    ("rate(12 hours)", 0, None, ["2024-03-01 00", "2024-03-01 12", "2024-03-02 00", "2024-03-02 12"]),
    ("rate(2 days)", 0, None, ["2024-03-02", "2024-03-04", "2024-03-06", "2024-03-08"]),
    ("rate(7 days)", 0, None, ["2024-03-07", "2024-03-14", "2024-03-21", "2024-03-28"]),
    ("rate(7 days)", -6, None, ["2024-03-01", "2024-03-08", "2024-03-15", "2024-03-22"]),
    ("cron(0 3 ? * MON *)", 0, None, ["2024-03-04", "2024-03-11", "2024-03-18", "2024-03-25"]),
    ("cron(0 3 ? * MON,THU *)", -1, None, ["2024-03-03", "2024-03-06", "2024-03-10", "2024-03-13"]),
    ("cron(30 2 * * ? *)", 0, "America/New_York", ["2024-03-08", "2024-03-09", "2024-03-11", "2024-03-12"]),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "shift", "zone", "wanted"), TIMERS)
def test_windows_step_by_the_fires(
    app: Application, expression: str, shift: int, zone: str | None, wanted: list[str]
) -> None:
    """A checked window waits for the fires before, and for nothing between them."""
    timer = app.add_timer("t", expression, "at", time_dimension_shift=shift, timezone=zone)
    app.create_data("each", inputs=[timer])
    app.create_data("three", inputs=[timer[:-3].range_check(True)])
    start = datetime(2024, 3, 8, tzinfo=UTC) if zone else START
    sim, runs = simulated(app, 30, start)
    assert [texts for (texts,) in outputs(runs, "each")][:4] == wanted
    assert [texts for (texts,) in outputs(runs, "three")][:2] == wanted[2:]
    waiting = {each.output for each in sim.pending("three")}
    assert waiting == set(wanted[:2]), "what fired before the application was there never comes"


@pytest.mark.parametrize(("expression", "shift", "zone", "wanted"), TIMERS)
def test_the_listener_runs_what_the_simulator_runs(
    app: Application, expression: str, shift: int, zone: str | None, wanted: list[str]
) -> None:
    timer = app.add_timer("t", expression, "at", time_dimension_shift=shift, timezone=zone)
    app.create_data("three", inputs=[timer[:-3].range_check(True)])
    start = datetime(2024, 3, 8, tzinfo=UTC) if zone else START
    _, runs = simulated(app, 30, start)
    assert listened(app, 30, start) == [("three", text) for (text,) in outputs(runs, "three")]


def test_what_follows_a_timer_steps_with_it(app: Application) -> None:
    """Nodes behind a weekly one: windows and rollups of it await its weeks, not days that nobody makes."""
    weekly = app.create_data("weekly", inputs=[app.add_timer("t", "cron(0 3 ? * MON *)", "day")])
    app.create_data("three", inputs=[weekly[:-3].range_check(True)])
    app.create_data("monthly", inputs=[weekly.rollup(day="month")])
    _, runs = simulated(app, 62)
    assert outputs(runs, "three") == [("2024-03-18",), ("2024-03-25",), ("2024-04-01",), ("2024-04-08",),
                                      ("2024-04-15",), ("2024-04-22",), ("2024-04-29",)]  # fmt: skip
    assert outputs(runs, "monthly") == [("2024-03",), ("2024-04",)]
    assert last_parts(next(run for run in runs if run.node == "monthly"), "weekly") == [
        "2024-03-04", "2024-03-11", "2024-03-18", "2024-03-25",
    ]  # fmt: skip


def test_links_and_shifts_count_days_where_windows_count_fires(app: Application) -> None:
    timer, days = app.add_timer("t", "cron(0 3 ? * MON *)", "day"), daily(app)
    links = [days.day == timer.day - 1]
    app.create_data("sunday", inputs=[timer, days], input_dim_links=links)
    app.create_data("yesterday", inputs=[timer, days.ref], input_dim_links=links)
    node = app.create_data("moved", inputs=[timer], output_dim_links=[output.day == timer.day - 1],
                           output_dimension_spec={"day": {"type": "DATETIME"}})  # fmt: skip
    app.create_data("after", inputs=[node[:-2].range_check(True)])
    sim, runs = simulated(app, 4)
    assert outputs(runs, "moved") == [("2024-03-03",)]
    assert [last_parts(run, "days") for run in runs if run.node == "yesterday"] == [["2024-03-03"]]
    assert outputs(sim.send(days["2024-03-03"]), "sunday") == [("2024-03-04",)]
    assert sim.send(days["2024-03-04"]) == []


def test_an_output_has_the_fires_where_it_is_the_date_of_a_timer(app: Application) -> None:
    """Not where another input gives it, nor where an alternative does without the timer."""
    timer, days = app.add_timer("t", "cron(0 3 ? * MON *)", "day"), daily(app)
    app.create_data(
        "sunday", [timer, days], input_dim_links=[days.day == timer.day - 1],
        output_dim_links=[output.day == days.day],
    )  # fmt: skip
    app.create_data("either", inputs=timer | days)
    app.create_data("both", inputs=[timer, days])
    sim = Simulator(app, now=START)
    assert outputs(sim.send(days["2024-03-03"])) == [("2024-03-03",)]
    runs = sim.advance(timedelta(days=4))
    assert outputs(runs, "sunday") == [("2024-03-03",)] and outputs(runs, "either") == [("2024-03-04",)]
    kinds = {node.id: node.output[0][1].kind.schedule for node in app.graph().nodes}
    assert kinds == {"sunday": None, "either": None, "both": "0 cron(0 3 ? * 2 *) UTC"}


def test_a_weekly_timer_reads_windows_of_days(app: Application) -> None:
    timer, days = app.add_timer("t", "cron(0 3 ? * MON *)", "day"), daily(app)
    app.create_data("week", inputs=[days[:-7].range_check(True), timer])
    sim = Simulator(app, now=START)
    for n in range(1, 12):
        assert sim.send(days[f"2024-03-{n:02}"]) == []
        runs = sim.advance(timedelta(days=1))
        assert outputs(runs) == ([("2024-03-11",)] if n == 11 else [])


def test_a_timer_may_be_let_fire_at_another_time(app: Application) -> None:
    """In a test, or by hand; its neighbours are the fires."""
    timer = app.add_timer("t", "cron(0 3 ? * MON *)", "day")
    weekly = app.create_data("weekly", inputs=[timer])
    app.create_data("three", inputs=[weekly[:-3]])
    sim = Simulator(app, now=START)
    run, three = sim.fire(timer, at=datetime(2024, 3, 6, 3))
    assert run.output == {"day": "2024-03-06"}
    assert last_parts(three, "weekly") == ["2024-03-06", "2024-03-04", "2024-02-26"]


def test_a_calendar_leaves_out_fires(app: Application) -> None:
    """The three that are left are read as neighbours."""
    day = AnyDate("day", {"calendar": Calendar("MON-FRI", holidays=["2024-03-25"])})
    timer = app.add_timer("t", "cron(0 3 ? * MON,SAT *)", day)  # a Saturday makes nothing
    app.create_data("three", inputs=[timer[:-3].range_check(True)])
    _, runs = simulated(app, 40)
    assert outputs(runs) == [("2024-03-18",), ("2024-04-01",), ("2024-04-08",)]


def test_a_min_says_where_the_windows_of_a_timer_begin(app: Application) -> None:
    """Without it the first ones would await fires before the application was there."""
    timer = app.add_timer("t", "cron(0 3 ? * MON *)", AnyDate("day", {"min": "2024-03-01"}))
    app.create_data("three", inputs=[timer[:-3].range_check(True)])
    sim, runs = simulated(app, 18)
    assert outputs(runs) == [("2024-03-04",), ("2024-03-11",), ("2024-03-18",)]
    assert sim.pending() == []


def test_two_fires_of_one_day_are_one_partition(app: Application) -> None:
    """It runs twice; a window counts days."""
    timer = app.add_timer("t", "cron(0 3,15 ? * MON *)", AnyDate("day", {"granularity": "DAY"}))
    app.create_data("each", inputs=[timer])
    app.create_data("two", inputs=[timer[:-2].range_check(True)])
    _, runs = simulated(app, 12)
    assert outputs(runs, "each") == [("2024-03-04",)] * 2 + [("2024-03-11",)] * 2
    assert outputs(runs, "two") == [("2024-03-11",)] * 2


def test_what_a_weekly_node_has_not_made_is_late_once_a_week(app: Application) -> None:
    """Also behind the last fire of a schedule, when nothing is awaited any more."""
    timer, days = app.add_timer("t", "cron(0 3 ? * MON 2024)", "day"), daily(app)
    weekly = app.create_data("weekly", inputs=[timer, days])
    app.create_data("tell", inputs=[weekly.late(after=timedelta(hours=6))])
    _, runs = simulated(app, 14)
    assert outputs(runs, "tell") == [("2024-03-04",), ("2024-03-11",)]
    sim = Simulator(app, now=datetime(2024, 12, 29, tzinfo=UTC))
    assert outputs(sim.advance(timedelta(days=30)), "tell") == [("2024-12-30",)]
    assert [str(each) for each in sim.late()] != []
    after = Simulator(app, now=datetime(2025, 2, 1, tzinfo=UTC))
    assert after.advance(timedelta(days=30)) == [] and after.late() == []


def test_another_schedule_lets_what_was_made_stand(app: Application) -> None:
    """The schedule says which partitions there are, not what they mean."""

    def signal(expression: str) -> wire.Signal:
        other = Application("shop")
        other.create_data("node", inputs=[other.add_timer("t", expression, "day")])
        return next(s for s in route_table(other.graph()).signals if s.id == "t")

    monday, tuesday, daily = (signal(f"cron(0 3 ? * {day} *)") for day in ("MON", "TUE", "*"))
    assert wire.meaning(monday) == wire.meaning(tuesday) == wire.meaning(daily)
    assert daily.branches[0][0].kind.schedule is None
