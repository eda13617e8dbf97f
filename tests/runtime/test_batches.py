"""How ready executions become batches: what goes at once, what waits, what is announced again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from support.airflow import Airflow
from support.events import SWEEP, signal_event

from rheo_runtime import executions
from rheo_runtime.airflow_client import Announcer, Down, Refused, Unavailable
from rheo_runtime.engine import Engine
from rheo_runtime.listener import Listener
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.records import ANNOUNCED, CLAIMED, FAILED, READY, Document, execution_id
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

    def _announce(self, documents: Sequence[Document], run: str | None = None) -> str:
        if self.fault is not None:
            raise self.fault
        return self.announcer.announce_batch(documents, run)

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


def test_full_batches_go_at_once_and_the_rest_waits_for_others() -> None:
    world = World(3, 60)
    assert world.send(*range(8)) == {"batchItemFailures": []}
    assert world.batches() == [[0, 1, 2], [3, 4, 5]]
    assert [n for n, state in world.states().items() if state == READY] == [6, 7]
    world.sweep(59)
    assert len(world.batches()) == 2
    world.send(8, 9)
    world.sweep(1)
    assert world.batches()[2:] == [[6, 7, 8]], "a full one; the last has not waited yet"
    world.sweep(60)
    assert world.batches()[3:] == [[9]]
    assert set(world.states().values()) == {ANNOUNCED}
    assert len(set(world.single)) == 10, "a node without batch is announced as before"


def test_without_a_wait_what_one_look_finds_goes_at_once() -> None:
    world = World(3, 0)
    world.send(*range(4))
    assert world.batches() == [[0, 1, 2], [3]]


def test_the_run_is_named_by_what_it_is_for_and_told_in_one_call() -> None:
    world = World(100, 0)
    world.send(*range(50))
    (run,) = world.airflow.runs
    assert run.dag == "app__node" and run.id.startswith("rheo~batch~")
    output, _ = world.ledger.output("node", "7", None)
    assert output is not None and output.active is not None and output.active.run_id == run.id
    assert run.told[0] == {"version": 1, "node": "node", "batch": [[str(n), 1] for n in range(50)]}


def test_a_batch_that_nobody_claims_is_announced_again_as_it_was() -> None:
    world = World(3, 0)
    world.send(*range(3))
    world.sweep(61)
    assert len(world.airflow.runs) == 1, "its run is there, and waits for its turn"
    world.airflow.runs.clear()
    world.send(3)
    world.sweep(200)
    assert world.batches() == [[3], [0, 1, 2]]
    (_, run) = world.airflow.runs
    run.state = "failed"  # before its first task
    world.sweep(2000)
    assert [r.id for r in world.airflow.runs if r.told == run.told] == [run.id, f"{run.id}~r1"]


def test_a_batch_whose_run_has_claimed_only_some_is_announced_for_the_rest() -> None:
    world = World(3, 0)
    world.send(*range(3))
    (run,) = world.airflow.runs
    executions.claim(world.ledger, "node", "0", "node/0#1", run.id, world.time)
    run.state = "failed"
    world.sweep(61)
    assert world.batches() == [[0, 1, 2], [1, 2]]


def test_what_a_dead_batch_left_is_announced_again() -> None:
    """Somebody has deleted the run of a batch: one question for all of its executions."""
    world = World(30, 60)
    world.send(*range(30))
    (run,) = world.airflow.runs
    named = [(str(n), execution_id("node", str(n), 1)) for n in range(30)]
    assert len(executions.claim_batch(world.ledger, "node", named, run.id, world.time)) == 30
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
    world.sweep(60)
    assert world.batches() == [list(range(30))]


def test_a_run_that_failed_fails_what_it_still_holds() -> None:
    world = World(3, 0)
    world.send(*range(3))
    (run,) = world.airflow.runs
    named = [(str(n), execution_id("node", str(n), 1)) for n in range(3)]
    executions.claim_batch(world.ledger, "node", named, run.id, world.time)
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
    world.sweep(61)
    assert set(world.states().values()) == {READY}
    world.fault = None
    world.sweep(60)
    assert sorted(map(len, world.batches())) == [1, 2]


def test_one_that_is_ended_before_it_is_claimed_is_not_taken_up_by_its_run() -> None:
    world = World(2, 0)
    world.send(0, 1)
    (run,) = world.airflow.runs
    executions.stop(world.ledger, "node", "0", "node/0#1", world.time, "its node has changed")
    named = [(str(n), execution_id("node", str(n), 1)) for n in range(2)]
    claims = executions.claim_batch(world.ledger, "node", named, run.id, world.time)
    assert [c.document["id"] for c in claims if c.document] == ["node/1#1"]
    assert world.states() == {1: CLAIMED}


def test_a_redelivered_event_reminds_of_what_is_ready_once() -> None:
    world = World(5, 60)
    world.send(0, 1)
    world.send(0, 1, 0)
    assert world.batches() == []
    world.sweep(60)
    assert world.batches() == [[0, 1]]
