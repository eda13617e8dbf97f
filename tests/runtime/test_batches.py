"""How ready executions become batches: what goes at once, what waits, what is announced again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from support.airflow import Airflow
from support.events import SWEEP, signal_event

from rheo_runtime import executions
from rheo_runtime.airflow_client import Announcer, Down, Refused, Unavailable
from rheo_runtime.engine import Engine
from rheo_runtime.listener import Listener
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.records import ANNOUNCED, CLAIMED, FAILED, READY, Member, Output, execution_id
from rheo_runtime.sweep import Patience

from .tables import NUMBER, route, signal, table, view

S = signal("s", x=NUMBER)


class World:
    """A listener of one node with a batch, and the runs that it has started."""

    def __init__(self, size: int, wait: int) -> None:
        node = route("node", [view(S)], signals=[S], batch=size, batch_wait=wait)
        alone = route("alone", [view(S)], signals=[S])
        self.time = 1e9
        self.ledger = MemoryLedger()
        self.engine = Engine(table([S], alone, node), self.ledger, lambda: self.time)
        self.airflow = Airflow("app", "node", "alone")
        self.announcer = Announcer(self.airflow, "airflow")
        self.single: list[str] = []
        self.logged: list[tuple[str, dict[str, Any]]] = []
        self.fault: Exception | None = None
        self.listener = Listener(
            self.engine,
            lambda document: self.single.append(document["id"]),
            lambda document: None,
            patience=Patience(30, 60, 30, 100),
            log=lambda what, **fields: self.logged.append((what, fields)),
            ask=self.announcer.state,
            announce_batch=self._announce,
        )

    def _announce(self, app: str, node: str, version: int, members: Iterable[Member], run: str) -> None:
        if self.fault is not None:
            raise self.fault
        self.announcer.announce_batch(app, node, version, members, run)

    def send(self, *numbers: int) -> dict[str, Any]:
        records = []
        for n in numbers:
            body = json.dumps(signal_event("s", str(n), id=f"e{n}"))
            records.append({"messageId": str(n), "body": body})
        return self.listener.handle({"Records": records}, lambda: 60_000)

    def sweep(self, after: float = 0) -> None:
        self.time += after
        self.listener.handle(SWEEP, lambda: 60_000)

    def batches(self) -> list[list[int]]:
        """What each run was started for."""
        return [sorted(int(p) for p, _ in run.told[0]["batch"]) for run in self.airflow.runs]

    def states(self) -> dict[int, str]:
        outputs = [o for o in self.ledger.outputs("node") if o.active]
        return {int(o.partition): o.active.state for o in outputs if o.active}

    def output(self, number: int) -> Output:
        output, _ = self.ledger.output("node", str(number), None)
        assert output is not None
        return output

    def begin(self, *numbers: int) -> list[str]:
        """Let the first run begin with what it was started for, or these; return what it has."""
        run = self.airflow.runs[0]
        self.ledger.begin(run.id, self.time, ())
        named = [(str(n), execution_id("node", str(n), 1)) for n in numbers or self.batches()[0]]
        claims = executions.claim_batch(self.ledger, "node", named, run.id, self.time)
        return [claim.document["id"] for claim in claims if claim.document]


def test_full_batches_go_at_once_and_the_rest_waits_for_others() -> None:
    world = World(3, 60)
    assert world.send(*range(8)) == {"batchItemFailures": []}
    assert world.batches() == [[0, 1, 2], [3, 4, 5]]
    world.sweep(59)
    assert len(world.batches()) == 2
    world.send(8, 9)
    assert world.batches()[2:] == [[6, 7, 8]], "full by another call of the listener"
    world.sweep(60)
    assert len(world.batches()) == 3, "the last has not waited yet"
    world.sweep(31)
    assert world.batches()[3:] == [[9]]
    assert set(world.states().values()) == {ANNOUNCED}
    assert len(set(world.single)) == 10, "a node without batch is announced as before"


def test_what_a_listener_fills_is_not_given_more_once_its_first_has_waited() -> None:
    world = World(3, 60)
    world.send(0)
    world.time += 60
    world.send(1, 2)
    world.sweep(30)
    assert world.batches() == [[0]]
    world.sweep(60)
    assert world.batches() == [[0], [1, 2]]


def test_without_a_wait_what_one_look_finds_goes_at_once() -> None:
    world = World(3, 0)
    world.send(*range(4))
    assert world.batches() == [[0, 1, 2], [3]]


def test_the_run_is_known_when_its_executions_fire_and_told_in_one_call() -> None:
    world = World(100, 0)
    world.send(*range(50))
    (run,) = world.airflow.runs
    assert run.dag == "app__node" and run.id.startswith("rheo~batch~")
    output = world.output(7)
    assert output.active is not None and output.active.run_id == run.id
    assert output.version == 1, "one write for its firing and its run"
    assert run.told[0] == {
        "version": 1,
        "node": "node",
        "batch": [[n, 1] for n in sorted(map(str, range(50)))],
    }
    assert len(world.begin(*range(50))) == 50
    assert world.output(7).version == 1, "and none for its claim"
    executions.succeed(world.ledger, "node", "7", "node/7#1", run.id, world.time, began=world.time)
    over = world.output(7).ended[0]
    assert (over.state, over.run_id, over.claimed) == ("SUCCEEDED", run.id, world.time)


def test_nobody_else_has_what_was_given_to_a_run() -> None:
    world = World(2, 60)
    world.send(0)
    (given,) = (o.active.run_id for o in world.ledger.outputs("node") if o.active)
    assert given is not None
    for again in (True, False):
        assert executions.claim(world.ledger, "node", "0", "node/0#1", "other", world.time) is None
        named = [("0", "node/0#1")]
        assert executions.claim_batch(world.ledger, "node", named, "other", world.time) == []
        with pytest.raises(executions.LostClaim):
            executions.succeed(world.ledger, "node", "0", "node/0#1", "other", world.time)
        assert not executions.given(world.ledger, "node", "0", "node/0#1", world.time, "other")
        assert executions.given(world.ledger, "node", "0", "node/0#1", world.time, given)
        if again:
            world.ledger.begin(given, world.time, ())


def test_a_batch_whose_run_is_not_there_is_started_again_as_it_was() -> None:
    world = World(3, 0)
    world.send(*range(3))
    world.sweep(61)
    assert len(world.airflow.runs) == 1, "its run is there, and waits for its turn"
    (run,) = world.airflow.runs
    world.airflow.runs.clear()
    world.send(3)
    world.sweep(200)
    assert world.batches() == [[3], [0, 1, 2]]
    assert world.airflow.runs[1].id == run.id


def test_a_batch_whose_run_is_over_before_it_began_goes_to_another_run() -> None:
    world = World(3, 0)
    world.send(*range(3))
    (run,) = world.airflow.runs
    run.state = "failed"  # before its first task
    world.sweep(61)
    assert set(world.states().values()) == {READY}
    world.sweep()
    assert world.batches() == [[0, 1, 2], [0, 1, 2]]
    assert world.airflow.runs[1].id != run.id
    assert world.begin() == [], "should it begin after all"
    assert world.output(0).writer is not None, "and nobody claims before it is seen to have ended"


def test_what_was_given_to_a_run_that_was_not_started_for_it_goes_to_another_run() -> None:
    """A listener writes so slowly that a sweep has started what it fills."""
    world = World(3, 60)
    world.send(0, 1)
    slow = world.ledger.outputs("node")
    late = next(o for o in slow if o.partition == "1")
    world.ledger._outputs["node", "1"] = late._replace(active=None)  # it is written later
    world.sweep(90)
    assert world.batches() == [[0]]
    world.ledger._outputs["node", "1"] = late
    assert world.begin() == ["node/0#1"]
    (run,) = world.airflow.runs
    world.sweep(100)
    assert len(world.batches()) == 1 and world.states()[1] == ANNOUNCED, "its run may be starting"
    run.state = "success"
    executions.succeed(world.ledger, "node", "0", "node/0#1", run.id, world.time)
    world.sweep(100)
    assert world.states() == {1: READY}
    world.sweep(60)
    assert world.batches() == [[0], [1]]


def test_what_a_dead_batch_left_is_announced_again() -> None:
    """Somebody has deleted the run of a batch: one question for all of its executions."""
    world = World(30, 60)
    world.send(*range(30))
    assert len(world.begin()) == 30
    (run,) = world.airflow.runs
    world.airflow.runs.clear()
    asked: list[str] = []
    real = world.announcer.state

    def ask(app: str, node: str, run: str) -> str | None:
        asked.append(run)
        return real(app, node, run)

    world.listener.ask = ask
    world.sweep(101)
    assert asked == [run.id]
    assert set(world.states().values()) == {READY}
    writer = world.output(3).writer
    assert writer is not None and writer.run_id == run.id, "its tasks and jobs may still write"
    world.sweep(60)
    assert world.batches() == [list(range(30))]
    assert world.begin() == [], "nobody claims before that is over"


def test_a_run_that_failed_fails_what_it_still_holds() -> None:
    world = World(3, 0)
    world.send(*range(3))
    world.begin()
    (run,) = world.airflow.runs
    executions.succeed(world.ledger, "node", "1", "node/1#1", run.id, world.time)
    run.state = "failed"
    world.sweep(101)
    ended = {o.partition: o.ended[0].state for o in world.ledger.outputs("node")}
    assert ended == {"0": FAILED, "1": "SUCCEEDED", "2": FAILED}


@pytest.mark.parametrize("fault", [Down("busy"), Unavailable("not parsed yet"), Refused("no")])
def test_what_airflow_does_not_take_is_left_to_the_sweep(fault: Exception) -> None:
    world = World(2, 60)
    world.fault = fault
    assert world.send(0, 1, 2) == {"batchItemFailures": []}, "the messages are done: the ledger has it all"
    world.sweep(91)
    assert set(world.states().values()) == {ANNOUNCED}
    runs = {o.active.run_id for o in world.ledger.outputs("node") if o.active}
    world.fault = None
    world.sweep(60)
    assert sorted(map(len, world.batches())) == [1, 2]
    assert {run.id for run in world.airflow.runs} == runs


def test_one_that_is_ended_before_its_run_begins_is_not_taken_up_by_it() -> None:
    world = World(2, 0)
    world.send(0, 1)
    executions.stop(world.ledger, "node", "0", "node/0#1", world.time, "killed")
    assert world.begin() == ["node/1#1"]
    assert world.states() == {1: ANNOUNCED}
    assert {status.state for status in world.ledger.statuses("node")} == {FAILED, CLAIMED}, "as it is shown"
    writer = world.output(0).writer
    assert writer is not None, "it might have begun"


def test_a_redelivered_event_changes_nothing() -> None:
    world = World(5, 60)
    world.send(0, 1)
    world.send(0, 1, 0)
    assert world.batches() == []
    world.sweep(90)
    assert world.batches() == [[0, 1]]


def test_what_another_listener_has_left_is_started_once() -> None:
    """It has died before it started what it had filled."""
    world = World(2, 60)
    world.fault = Down("dies here")
    world.send(0, 1)
    world.fault = None
    world.listener.name = "another process"
    world.listener.__post_init__()
    world.send(2, 3)
    assert world.batches() == [[2, 3]]
    world.sweep(90)
    world.sweep(1)
    assert world.batches() == [[2, 3], [0, 1]]


def test_a_node_that_has_no_batch_any_more_announces_what_was_given() -> None:
    world = World(2, 60)
    world.send(0)
    world.single.clear()
    node, alone = (route(name, [view(S)], signals=[S]) for name in ("node", "alone"))
    world.engine = Engine(table([S], alone, node), world.ledger, lambda: world.time)
    world.listener.engine = world.engine
    world.listener.__post_init__()
    world.sweep(90)
    assert world.states() == {0: READY}
    world.sweep(91)
    assert "node/0#1" in world.single
