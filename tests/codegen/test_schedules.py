"""Which nodes Airflow starts by itself, and that nobody starts them a second time."""

from __future__ import annotations

from typing import Any

from codegen.bundle import stack
from codegen.planning import build_plan
from codegen.routes import route_table
from rheo_runtime.engine import Engine
from rheo_runtime.ledger import MemoryLedger
from rheo_runtime.wire import RouteTable
from rheodsl import Application

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


def test_the_listener_does_not_start_it_a_second_time() -> None:
    """The timer's event comes to the listener, for the node that joins it with data."""
    table = route_table(application().graph())

    def nodes(table: RouteTable) -> list[Any]:
        engine = Engine(table, MemoryLedger())
        order = engine.on_named("shop", "orders", ("2020-03-18",), "o1")
        return [document["node"] for out in (order, engine.on_event(FIRE)) for document in out.fired]

    assert nodes(table.for_listener()) == ["joined"]
    assert sorted(nodes(table)) == ["alone", "joined", "sensed"]  # as the simulator plays it
