"""Random graphs and traces of `mixed`: the listener in production, with its DynamoDB, against the simulator."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, timedelta
from typing import Any

from hypothesis import HealthCheck, currently_in_test_context, event, given, note
from hypothesis import strategies as st
from support.airflow import Airflow, Run
from support.events import SWEEP as SWEEP_EVENT
from support.events import output_event
from support.examples import examples
from support.runs import Worker

from benchmarks._dynamodb import DynamoDB
from rheo_runtime.airflow_client import Announcer, RateLimiter, told_as
from rheo_runtime.dynamodb import DynamoLedger, create_table
from rheo_runtime.engine import Engine
from rheo_runtime.listener import Listener
from rheo_runtime.records import Document
from rheo_runtime.sweep import Patience
from rheo_runtime.wire import RouteTable
from rheodsl.testing import Simulator

from . import mixed_strategies as strategies
from .mixed import Mixed, Use, declare, raw
from .mixed_strategies import Advance, Step
from .naive import Event

QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
SWEEP = timedelta(minutes=15)  # no grid has two things that are late within it
Started = list[tuple[str, tuple[tuple[str, tuple[str, ...]], ...]]]


class Production:
    """The function as Lambda runs it: messages of the queue, sweeps of the schedule, and an Airflow that is well."""

    def __init__(self, table: RouteTable, now: Callable[[], float]) -> None:
        dynamodb: Any = DynamoDB()
        create_table("ledger", dynamodb)
        self.now, self.ledger = now, DynamoLedger("ledger", dynamodb, now)
        self.queue = list[str]()
        nodes = [name for route in table.routes for name in (route.node, told_as(route.node))]
        self.airflow = Airflow(table.app, *nodes)
        self.worker = Worker(self.airflow, self.ledger, now, self._compute, self._emit)
        self.started: Started = []
        announcer = Announcer(self.airflow, "airflow", RateLimiter(1e9))
        self.listener = Listener(
            Engine(RouteTable.loads(table.dumps()), self.ledger, now),
            announcer.announce,
            self._emit,
            log=self._log,
            ask=announcer.state,
            under_way=announcer.under_way,
            announce_batch=announcer.announce_batch,
            pump=announcer.pump,
            patience=Patience(ready=0.0),
        )
        self.deliveries: dict[str, int] = {}
        self.sweep()

    def take(self, events: Sequence[dict[str, Any]]) -> Started:
        """One invocation with a message for each event, and all that follows from it."""
        self.queue += [json.dumps(event) for event in events]
        return self._settle()

    def sweep(self) -> Started:
        self._sweep()
        return self._settle()

    def _sweep(self) -> None:
        self.listener.handle(SWEEP_EVENT, lambda: 60_000)

    def _settle(self) -> Started:
        self.started = []
        while True:
            if self.queue:
                self._deliver()
            elif ready := self.airflow.ready():
                self.worker.carry_out(ready[0])
            elif any(output.active is not None for output in self.ledger.unsettled()):
                self._sweep()  # it announces what was held
            else:
                return self.started

    def _deliver(self) -> None:
        bodies, self.queue = self.queue, []
        records = []
        for number, body in enumerate(bodies):
            count = self.deliveries[body] = self.deliveries.get(body, 0) + 1
            attributes = {"ApproximateReceiveCount": str(count)}
            records.append({"messageId": str(number), "body": body, "attributes": attributes})
        assert self.listener.handle({"Records": records}, lambda: 60_000) == {"batchItemFailures": []}

    def _compute(self, run: Run) -> None:
        assert run.claimed is not None
        self.started.append(_shown(run.claimed))

    def _emit(self, document: Document) -> None:
        self.queue.append(json.dumps(output_event(document)))

    def _log(self, what: str, /, **said: Any) -> None:
        assert "fail" not in what and what != "poison", (what, said)


class Simulated:
    """The same of the simulator, whose runs end after all events of an invocation were taken."""

    def __init__(self, sim: Simulator) -> None:
        self.sim = sim
        sim.auto_complete = False

    def take(self, events: Sequence[dict[str, Any]]) -> Started:
        return self._ended([run for event in events for run in self.sim.send(event)])

    def advance(self, by: timedelta) -> Started:
        return self._ended(self.sim.advance(by))

    def _ended(self, running: list[Any]) -> Started:
        started = []
        while running:
            run = running.pop(0)
            started.append(_shown(run.document))
            running += self.sim.complete(run)
        return started


def _shown(document: Any) -> Any:
    """What a run is, and what it reads."""
    return document["id"], tuple((i["alias"], tuple(i["paths"])) for i in document["inputs"])


def invocations(mixed: Mixed, trace: Sequence[Step], cuts: Sequence[bool]) -> Iterator[list[Step]]:
    """Steps that one invocation takes; time stands alone.

    What has come before a run is fired is read by it and is no update: of an invocation that counts several
    arrivals in one write, fewer runs are due than of arrivals one by one. So these come one by one. And what one
    partition says several times is counted, or looked at, once, ahead of what stands between or behind it: where runs read
    more than the tips of their triggers, an invocation takes each partition once.
    """
    cuts = [True] if mixed.retrigger == "updated" else cuts
    once = _reads_more_than_tips(mixed)
    batch: list[Step] = []
    for number, step in enumerate(trace):
        apart = isinstance(step, Advance) or bool(batch and isinstance(batch[-1], Advance))
        apart |= once and any(_of_one_partition(step, each) for each in batch)
        if batch and (apart or cuts[number % len(cuts)]):
            yield batch
            batch = []
        batch.append(step)
    yield batch


def _reads_more_than_tips(mixed: Mixed) -> bool:
    if mixed.own or mixed.gone or mixed.to is not None or len(mixed.alternatives) > 1:
        return True
    return any(use.kind != "trigger" or use.back > 1 for uses in mixed.alternatives for use in uses)


def _of_one_partition(one: Step, other: Step) -> bool:
    if isinstance(one, Advance) or isinstance(other, Advance):
        return False
    return (one.signal, one.partition) == (other.signal, other.partition)


def compare(mixed: Mixed, trace: list[Step], cuts: Sequence[bool]) -> int:
    """Hold both beside one another after every invocation; return how many executions started."""
    sim = Simulator(declare(mixed), now=mixed.start.replace(tzinfo=UTC))
    simulated = Simulated(sim)
    production = Production(sim.table, lambda: sim.now.timestamp())
    seconds: dict[Step, int] = {}  # what is delivered again is as old as it was

    def message(step: Any) -> dict[str, Any]:
        return raw(mixed, step, seconds.setdefault(step, len(seconds)))

    total = 0
    for batch in invocations(mixed, trace, cuts):
        if currently_in_test_context():
            note(f"{batch}")
        [first, *_] = batch
        if isinstance(first, Advance):
            expected, found, left = [], [], first.by
            while left > timedelta(0):
                expected += simulated.advance(min(left, SWEEP))
                found += production.sweep()
                left -= SWEEP
        else:
            events = [message(step) for step in batch]
            expected, found = simulated.take(events), production.take(events)
        assert sorted(found) == sorted(expected), batch
        total += len(expected)
    return total


graphs_and_traces = strategies.graphs().flatmap(
    lambda mixed: st.tuples(
        st.just(mixed), strategies.traces(mixed), st.lists(st.booleans(), min_size=1, max_size=20)
    )
)


def test_what_comes_of_one_key_together_is_looked_at_when_the_last_of_it_is_taken() -> None:
    """One invocation: both runs are fired by the last message of the key, after the optional input has come."""
    names = ["s0", "s2", "s0", "s1", "s2"]
    mixed = Mixed("days", (False,) * 3, ((Use(0, False), Use(1, False, kind="optional"), Use(2, False)),))
    trace: list[Step] = [Event(name, (date(2024, 2, 28),), f"e{n}") for n, name in enumerate(names)]
    assert [len(batch) for batch in invocations(mixed, trace, [False])] == [2, 3]
    assert compare(mixed, trace, [False]) == 2
    production = Production(Simulator(declare(mixed)).table, lambda: 1.7e9)
    started = production.take([raw(mixed, step, number) for number, step in enumerate(trace)])
    assert [(id, dict(paths)["i1"]) for id, paths in started] == [
        ("node/2024-02-28#1", ("s3://lake/s1/2024-02-28",)),
        ("node/2024-02-28#2", ("s3://lake/s1/2024-02-28",)),
    ]


@examples(200, suppress_health_check=QUIET)
@given(graphs_and_traces)
def test_the_listener_starts_what_the_simulator_starts(given_: tuple[Mixed, list[Step], list[bool]]) -> None:
    mixed, trace, cuts = given_
    event("something runs" if compare(mixed, trace, cuts) else "nothing runs")
    event(f"grid: {mixed.grid}")
