"""Violations put into a ledger on purpose -> each is found, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from support.events import s3_event

from codegen.routes import route_table
from rheo_platforms.operations.audit import DUE, GONE, STUCK, TWICE, Patience, Violation, audit
from rheo_runtime import executions
from rheo_runtime.airflow_client import UnderWay
from rheo_runtime.engine import Engine
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.program import Program
from rheo_runtime.records import Waiter
from rheo_runtime.wire import RouteTable
from rheodsl.application import Application

START = 1_764_000_000.0
DAY = "2026-11-28"


class World:
    """An application that joins two data sets and checks a window, with events that came long ago."""

    def __init__(self) -> None:
        app = Application("shop")
        a, b = (app.s3(name, f"s3://lake/{name}/{{day:%Y-%m-%d}}") for name in "ab")
        app.create_data("joined", inputs=[a, b], compute_targets="output = a")
        app.create_data("checked", inputs=[a[:-2].range_check(True)], compute_targets="output = a")
        self.ledger = MemoryLedger()
        self.engine = Engine(RouteTable.loads(route_table(app.graph()).dumps()), self.ledger, lambda: START)

    def send(self, signal: str, day: str = DAY, event: str = "e1") -> list[dict[str, Any]]:
        key = f"{signal}/{day}/_SUCCESS"
        return self.engine.on_event(s3_event("lake", key, etag=event, time="2025-11-24T16:00:00Z")).fired

    def succeed(self, node: str = "joined", run: str = "r") -> None:
        execution = f"{node}/{DAY}#1"
        executions.claim(self.ledger, node, DAY, execution, run, START)
        executions.succeed(self.ledger, node, DAY, execution, run, START)
        executions.signalled(self.ledger, node, DAY, execution)

    def audit(self, after: float, **asked: Any) -> list[Violation]:
        return audit(Program(self.engine.program.table), self.ledger, START + after, Patience(), **asked)


@pytest.fixture
def world() -> World:
    made = World()
    made.send("a")
    made.send("b")
    return made


def promises(found: list[Violation]) -> list[str]:
    return [violation.promise for violation in found]


def test_what_went_well_breaks_no_promise(world: World) -> None:
    world.succeed()
    assert world.audit(86_400.0) == []


def test_what_runs_or_waits_now_breaks_none(world: World) -> None:
    assert world.audit(60.0) == []


def test_an_execution_that_was_lost_is_due(world: World) -> None:
    world.succeed()
    world.ledger._outputs.clear()
    world.ledger._uses.clear()
    (violation,) = world.audit(86_400.0)
    assert violation.promise == DUE
    assert str(violation) == (
        f"due and not run: joined/{DAY}: all has come (a {DAY}, b {DAY}), and no execution was made"
    )


def test_two_executions_of_the_same_events(world: World) -> None:
    output, _ = world.ledger.output("joined", DAY, None)
    assert output is not None and output.active is not None
    world.ledger.save(output, output._replace(held=output.active._replace(generation=2), generation=2))
    assert promises(world.audit(60.0)) == [TWICE]


def test_two_executions_of_what_came_twice_may_name_the_same_events(world: World) -> None:
    world.succeed()
    output, _ = world.ledger.output("joined", DAY, None)
    assert output is not None
    again = output.ended[0]._replace(generation=2, run_id="other", claimed=None)
    world.ledger.save(output, output._replace(ended=(again, *output.ended), generation=2))
    assert promises(world.audit(60.0)) == [TWICE], "each of its partitions came once"
    for index in world.engine.program.nodes["joined"].join.arrival_indexes:
        (record,) = world.ledger.arrivals(index)
        world.ledger.arrive(index, (record.partition,), record.partition, "second", START)
    assert promises(world.audit(60.0)) == []


def test_one_run_that_holds_two_executions(world: World) -> None:
    world.succeed()
    output, _ = world.ledger.output("joined", DAY, None)
    assert output is not None
    again = output.ended[0]._replace(generation=2, events=("others",))
    world.ledger.save(output, output._replace(ended=(again, *output.ended), generation=2))
    assert promises(world.audit(60.0)) == [TWICE]


@pytest.mark.parametrize("active", [False, True])
@pytest.mark.parametrize(("began", "found"), [(50.0, [TWICE]), (200.0, [])])
def test_an_execution_that_began_before_the_other_had_ended(
    world: World, active: bool, began: float, found: list[str]
) -> None:
    world.succeed()
    output, _ = world.ledger.output("joined", DAY, None)
    assert output is not None
    first = output.ended[0]._replace(claimed=START, moved=START + 100)
    other = first._replace(
        generation=2, events=("others",), run_id="other", claimed=START + began, moved=START + 300
    )
    ended = (first,) if active else (other, first)
    running = other._replace(state="CLAIMED", moved=START + began) if active else None
    world.ledger.save(output, output._replace(active=running, ended=ended, generation=2))
    assert promises(world.audit(60.0)) == found


def test_an_execution_that_began_while_the_one_before_is_under_way(world: World) -> None:
    world.succeed()
    output, _ = world.ledger.output("joined", DAY, None)
    assert output is not None
    running = output.ended[0]._replace(state="CLAIMED", claimed=START, moved=START)
    other = running._replace(
        generation=2,
        events=("others",),
        run_id="other",
        state="SUCCEEDED",
        claimed=START + 5,
        moved=START + 9,
    )
    world.ledger.save(output, output._replace(active=running, ended=(other,), generation=2))
    assert promises(world.audit(60.0)) == [TWICE]


@pytest.mark.parametrize("state", ["READY", "ANNOUNCED"])
def test_an_execution_that_nobody_takes(world: World, state: str) -> None:
    if state == "ANNOUNCED":
        executions.announced(world.ledger, "joined", DAY, f"joined/{DAY}#1", START)
    (violation,) = world.audit(86_400.0)
    assert violation.promise == STUCK and f"#1 is {state}" in violation.what


@pytest.mark.parametrize("run", [None, "rheo~batch~1~r2"])
def test_an_execution_that_waits_for_its_turn_in_airflow(world: World, run: str | None) -> None:
    where = (world.ledger, "joined", DAY, f"joined/{DAY}#1", START)
    if run is None:
        executions.announced(*where)
    else:
        executions.given(*where, run)
        world.ledger.start(run, frozenset())
    told = []

    def under_way(*asked: object) -> UnderWay:
        told.append(asked)
        return UnderWay(ids=frozenset(["rheo~batch~1"])) if run else UnderWay(frozenset([DAY]))

    assert world.audit(86_400.0, under_way=under_way) == []
    assert told == [("shop", "joined", 1)]
    assert promises(world.audit(86_400.0, under_way=lambda *_: UnderWay())) == [STUCK]


def test_a_signal_that_is_owed(world: World) -> None:
    executions.claim(world.ledger, "joined", DAY, f"joined/{DAY}#1", "r", START)
    executions.succeed(world.ledger, "joined", DAY, f"joined/{DAY}#1", "r", START)
    (violation,) = world.audit(86_400.0)
    assert violation.promise == STUCK and "its signal was never sent" in violation.what


def test_an_execution_held_behind_nothing(world: World) -> None:
    output, _ = world.ledger.output("joined", DAY, None)
    assert output is not None
    world.ledger.save(output, output._replace(active=None, held=output.active))
    assert promises(world.audit(60.0)) == [STUCK]


@pytest.mark.parametrize(
    ("run", "found"), [("failed", True), ("success", True), (None, True), ("running", False)]
)
def test_a_run_that_is_over_and_its_execution_is_not(world: World, run: str | None, found: bool) -> None:
    executions.claim(world.ledger, "joined", DAY, f"joined/{DAY}#1", "r", START)
    ask: Callable[[str, str, str], str | None] = lambda app, node, id: run  # noqa: E731
    assert promises(world.audit(86_400.0, ask=ask)) == ([STUCK] if found else [])


@pytest.mark.parametrize("there", [True, False])
def test_data_that_was_published_and_is_not_there(world: World, there: bool) -> None:
    class Storage:
        def exists(self, signal: Any, partition: Any) -> bool:
            return there

    world.succeed()
    assert promises(world.audit(86_400.0, storage=Storage())) == ([] if there else [GONE])


def test_a_binding_that_waits_for_what_has_come(world: World) -> None:
    world.succeed()
    day = (date.fromisoformat(DAY).toordinal(),)
    node = world.engine.program.nodes["checked"]
    world.ledger.watch(Waiter(node.checks[0].window.rows, day, "checked", (day,), START, node.join.means))
    assert STUCK in promises(world.audit(86_400.0))
