"""Which nodes Airflow starts by itself, and that nobody starts them a second time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from codegen.cloudformation.events import expression as expression_of
from codegen.cloudformation.events import schedules
from codegen.compiler import stack
from codegen.plan import OnCron
from codegen.planning import build_plan
from codegen.routes import route_table
from rheo_runtime.engine import Engine
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.wire import RouteTable
from rheodsl import Application
from rheodsl.schedule import parse
from rheodsl.testing import Simulator

FIRE = {
    "source": "rheo",
    "detail-type": "rheo.timer",
    "detail": {"app": "shop", "timer": "daily", "time": "2020-03-18T00:00:00Z"},
}


def application() -> Application:
    app = Application("shop")
    daily = app.add_timer("daily", "rate(1 day)", "day")
    workday = app.add_timer("workday", "cron(0 9 1W * ? *)", "day")
    orders = app.s3("orders", "s3://shop-data/orders/{day:%Y-%m-%d}")
    app.create_data("alone", [daily], compute_targets="output = daily")
    app.create_data("joined", [daily, orders], compute_targets="output = orders")
    app.create_data("sensed", [daily, orders], compute_targets="output = orders", trigger="sensor")
    app.create_data("followed", [workday], compute_targets="output = workday")
    return app


def test_a_node_that_one_timer_starts_is_started_by_airflow() -> None:
    table = route_table(application().graph())
    assert {route.node: route.native for route in table.routes} == {
        "alone": True, "sensed": True,  # Airflow's own timetable
        "joined": False, "followed": False,  # data joins in; Airflow cannot follow it
    }  # fmt: skip
    assert RouteTable.loads(table.dumps()) == table
    fired = stack(build_plan(application().graph()))["schedules"]
    assert [schedule["id"] for schedule in fired] == ["daily", "workday"]


def test_a_timer_of_a_zone_is_one_clock() -> None:
    """Airflow fires by the zone's clock where every clock shows the same hours, EventBridge everywhere."""
    app = Application("shop")
    orders = app.s3("orders", "s3://shop-data/orders/{day:%Y-%m-%d}")
    steady = app.add_timer("steady", "cron(0 3 * * ? *)", "day", timezone="America/New_York")
    twice = app.add_timer("twice", "cron(30 1 * * ? *)", "day", timezone="America/New_York")
    app.create_data("alone", [steady], compute_targets="output = steady")
    app.create_data("joined", [steady, orders], compute_targets="output = orders")
    app.create_data("early", [twice], compute_targets="output = twice")
    plan = build_plan(app.graph())
    assert [(dag.node, dag.schedule) for dag in plan.dags if isinstance(dag.schedule, OnCron)] == [
        ("alone", OnCron("0 3 * * *", "cron(0 3 * * ? *)", None, "America/New_York"))
    ]
    assert stack(plan)["schedules"] == [
        {"id": "steady", "expression": "cron(0 3 * * ? *)", "timezone": "America/New_York"},
        {"id": "twice", "expression": "cron(30 1 * * ? *)", "timezone": "America/New_York"},
    ]
    made = schedules(plan)["TimerSteady"]["Properties"]
    assert made["ScheduleExpression"] == "cron(0 3 * * ? *)"
    assert made["ScheduleExpressionTimezone"] == "America/New_York"


@pytest.mark.parametrize(
    ("zone", "expression"), [(None, "rate(5 days)"), ("America/New_York", "cron(0 3 * * ? *)")]
)
def test_a_timer_is_the_same_clock_everywhere(zone: str | None, expression: str) -> None:
    """The fires that the listener takes from EventBridge, and those of the simulator."""
    app = Application("shop")
    timer = app.add_timer("t", expression, "day", timezone=zone)
    app.create_data("n", [timer, timer[:-2].ref.alias("before")], compute_targets="output = t")
    start, end = datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC)
    engine = Engine(route_table(app.graph()), MemoryLedger())
    written, clock = expression_of(expression, zone)
    taken = []
    for tick in parse(written, clock).fire_times(start, end):
        detail = {"app": "shop", "timer": "t", "time": tick.isoformat()}
        event = {"source": "rheo", "detail-type": "rheo.timer", "detail": detail}
        taken += [document["partition"] for document in engine.on_event(event).fired]
    sim = Simulator(app, now=start)
    assert taken == [run.output["day"] for run in sim.advance(end - start)]
    assert len(taken) == (6 if zone is None else 31)


def test_the_listener_does_not_start_it_a_second_time() -> None:
    """The timer's event comes to the listener, for the node that joins it with data."""
    table = route_table(application().graph())

    def nodes(listener: bool) -> list[Any]:
        engine = Engine(table, MemoryLedger())
        if listener:
            engine.program.leave_native()
        order = engine.on_named("shop", "orders", ("2020-03-18",), "o1")
        return [document["node"] for out in (order, engine.on_event(FIRE)) for document in out.fired]

    assert nodes(listener=True) == ["joined"]
    assert sorted(nodes(listener=False)) == ["alone", "joined", "sensed"]  # as the simulator plays it
