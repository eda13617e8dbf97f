"""What hooks are told of inputs that wait, on both make_ledger: once, whoever looks, and whatever crashes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.events import SWEEP

from codegen.routes import route_table
from rheo_runtime import executions
from rheo_runtime.airflow_client import Unavailable, dag_id, is_telling, told_as
from rheo_runtime.engine import Engine
from rheo_runtime.ledger import Ledger
from rheo_runtime.listener import Listener
from rheodsl import Application, RouteCheckpoint, RoutePendingNodeHook, Slack

from .tables import Clock

START = 1_000_000.0


def table() -> Any:
    app = Application("shop")
    regions = app.s3("regions", "s3://shop-data/regions/{day:%Y-%m-%d}")
    orders = app.s3("orders", "s3://shop-data/orders/{region}/{day:%Y-%m-%d}")
    slack = Slack("{node} waits")
    app.create_data(
        "daily",
        [orders, regions],
        compute_targets="output = orders",
        pending_node_hook=RoutePendingNodeHook(
            slack, on_expiration=slack, checkpoints=RouteCheckpoint(60, slack)
        ),
        pending_ttl=300,
    )
    return route_table(app.graph())


@pytest.fixture
def clock() -> Clock:
    return Clock(START)


def names(told: list[dict[str, Any]]) -> list[str]:
    return [document["hook"]["name"] for document in told]


def test_each_moment_is_told_once(make_ledger: Callable[[Any], Ledger], clock: Clock) -> None:
    ledger = make_ledger(clock)
    first, second = (Engine(table(), ledger, clock) for _ in range(2))
    first.on_named("shop", "regions", ("2020-03-18",), "r1")
    (told,) = first.tick().told
    assert told["partition"] == "regions=2020-03-18@1970-01-12T13:46:40.000Z/on_pending_node_created"
    assert told["output"] == {"dimensions": {}, "path": None}  # nobody knows the region yet
    assert [i["paths"] for i in told["inputs"]] == [["s3://shop-data/regions/2020-03-18"]]
    assert [(m["alias"], m["what"]) for m in told["hook"]["missing"]] == [("orders", "*/2020-03-18")]
    assert second.tick().told == []
    clock.time += 60
    assert names(second.tick().told) == ["on_pending_checkpoint_60"]
    clock.time += 240
    outcome = first.tick()
    assert names(outcome.told) == ["on_expiration"]
    assert len(outcome.expired) == 1
    assert second.tick().told == []


def test_what_is_told_can_be_claimed_as_it_was_written(
    make_ledger: Callable[[Any], Ledger], clock: Clock
) -> None:
    ledger = make_ledger(clock)
    engine = Engine(table(), ledger, clock)
    engine.on_named("shop", "orders", ("NA", "2020-03-18"), "o1")
    (told,) = engine.tick().told
    where = (ledger, told["node"], told["partition"], told["id"])
    assert executions.claim(*where, "run-1", clock.time) == told
    assert executions.claim(*where, "run-2", clock.time) is None
    executions.succeed(*where, "run-1", clock.time)
    executions.signalled(*where)
    assert not any(is_telling(output.node) for output in ledger.unsettled())


def test_the_listener_announces_until_it_is_heard(make_ledger: Callable[[Any], Ledger], clock: Clock) -> None:
    ledger, heard, busy = make_ledger(clock), [], [True]

    def announce(document: dict[str, Any]) -> None:
        if busy[0]:
            raise Unavailable("Airflow is down")
        heard.append(document["id"])

    def listener() -> Listener:
        return Listener(Engine(table(), ledger, clock), announce, lambda _: None, log=lambda *_, **__: None)

    listener().engine.on_named("shop", "orders", ("NA", "2020-03-18"), "o1")
    listener().handle(SWEEP, lambda: 1e9)
    assert heard == []
    busy[0] = False
    clock.time += 50  # another process, after a crash: the first moment only
    listener().handle(SWEEP, lambda: 1e9)
    assert [id.split("/")[-1] for id in heard] == ["on_pending_node_created#1"]
    clock.time += 1
    listener().handle(SWEEP, lambda: 1e9)
    assert len(heard) == 1


def test_names() -> None:
    assert dag_id("shop", told_as("daily")) == "shop__daily__pending"
    assert is_telling(told_as("daily"))
    assert not is_telling("daily")
