"""What the ledger is billed for over the whole life of an execution, by kind of graph.

Events come to the listener in full batches of its queue; Airflow's own tasks then claim, hold and publish what
was announced. Both are the code that runs, over a stand-in that bills as DynamoDB does (`benchmarks._dynamodb`).
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from io import BytesIO
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock

import structlog

from benchmarks._dynamodb import DynamoDB
from benchmarks.match_join import DAY, TEXT, dataset, equal, route, view
from benchmarks.soak import _batches, _created
from rheo_platforms.operations.prices import Prices
from rheo_runtime import wire
from rheo_runtime.dynamodb import ABANDONED, JOURNALS, DynamoLedger, create_table
from rheo_runtime.engine import Engine
from rheo_runtime.listener import Listener
from rheo_runtime.records import Document, Member, execution_id

NOW = 1.7e9
PAIRS = 2_500  # of a kind of graph: its events are as many times its inputs
FULL = 500  # executions of a batch

Result = dict[str, Any]


class Units(NamedTuple):
    """What some events were billed, and what came of them."""

    events: int
    executions: int
    write: float
    index: float
    read: float

    def an_event(self, kind: str) -> float:
        """Return the units of a kind for each event."""
        return round(float(getattr(self, kind)) / self.events, 2)

    def dollars_per_million(self, prices: Prices) -> float:
        """Return what a million such events cost."""
        return round(prices.ledger(self.write + self.index, self.read) / self.events * 1e6, 2)


class Kind(NamedTuple):
    """A kind of graph, and the objects whose events it takes."""

    name: str
    table: wire.RouteTable
    keys: list[str]


def kinds(pairs: int = PAIRS) -> list[Kind]:
    """Return the kinds of graph that are measured."""
    a, b, c = (dataset(name, region=TEXT, day=DAY) for name in ("orders", "ships", "weather"))
    rates = dataset("rates", day=DAY)
    regions = 5
    days = [(date(2024, 1, 1) + timedelta(n)).isoformat() for n in range(-(-pairs // regions))]
    places = [f"R{region}/{day}" for day in days for region in range(regions)][:pairs]

    def written(*names: str) -> list[str]:
        return [f"{name}/{place}/_SUCCESS" for place in places for name in names]

    def table(*routes: wire.Route) -> wire.RouteTable:
        return wire.RouteTable("bench", (a, b, rates, c), routes)

    join = route("joined", [view(a), view(b)], equal(a, b, "region", "day"))
    joined, batched = table(join), table(replace(join, batch=min(FULL, pairs), batch_wait=60))
    apart = [f"{name}/{place}/_SUCCESS" for name in ("orders", "ships") for place in places]
    by_day = [
        key for day in days for key in (f"rates/{day}/_SUCCESS", *(k for k in written("orders") if day in k))
    ]
    links = [*equal(a, b, "region", "day"), *equal(a, c, "region", "day")]
    return [
        Kind("one input", table(route("copied", [view(a)], [])), written("orders")),
        Kind("two-input join", joined, written("orders", "ships")),
        Kind("two-input join in full batches", batched, written("orders", "ships")),
        Kind("two-input join, one input long after the other", joined, apart),
        Kind(
            "two-input join, each event ten times",
            joined,
            [key for place in places[::10] for key in (f"{n}/{place}/_SUCCESS" for n in ("orders", "ships")) for _ in range(10)],
        ),
        Kind("join by a part of the key", table(route("rated", [view(a), view(rates)], equal(a, rates, "day"))), by_day),
        Kind("three-input join", table(route("three", [view(a), view(b), view(c)], links)), written("orders", "ships", "weather")),
        Kind("a checked window of three days", table(route("smooth", [view(a, 3, "range_check")], [])), written("orders")),
    ]  # fmt: skip


class Airflow:
    """Takes what is announced, and carries it out by the tasks of a generated DAG, as far as the ledger is told.

    Each task is a process of its own: ``ledger`` is made anew for it, and remembers nothing.
    """

    def __init__(self, ledger: Callable[[], DynamoLedger]) -> None:
        os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="rheo-airflow-"))
        from rheo_airflow.tasks import batches, claim, compat, publish, settings  # Airflow takes its seconds

        self.batches, self.claim, self.compat, self.publish = batches, claim, compat, publish
        services = _Services()
        self.patched: list[Any] = [
            mock.patch.object(settings, "ledger", lambda app: self.ledger),
            mock.patch.object(settings, "client", lambda service: services),
        ]
        self.make, self.ledger = ledger, ledger()
        self.queued: list[Document] = []
        self.started: list[tuple[str, str, Sequence[Member], str]] = []

    def start(self, app: str, node: str, version: int, members: Iterable[Member], run: str) -> None:
        """Take a batch."""
        self.started.append((app, node, list(members), run))

    def run_all(self) -> int:
        """Carry out what was announced; return how many executions there were."""
        for one in self.patched:
            one.start()
        try:
            for document in self.queued:
                self._run(document)
            for batch in self.started:
                self._run_batch(*batch)
            return len(self.queued) + sum(len(members) for _, _, members, _ in self.started)
        finally:
            self.queued.clear()
            self.started.clear()
            for one in self.patched:
                one.stop()

    def _run(self, document: Document) -> None:
        ti = _TaskInstance()
        run = SimpleNamespace(run_id=f"run of {document['id']}", conf={"rheo": document}, partition_key=None)
        context = {"ti": ti, "dag_run": run, "triggering_asset_events": {}, "params": {}, "dag": _Dag}
        names = {"app": document["app"], "node": document["node"]}
        self.ledger = self.make()
        ti.claimed = self.compat.execute(self.claim.ClaimOperator(task_id="claim", **names), context)
        self.ledger = self.make()
        self.claim.hold(context)  # each compute does, before it writes
        self.ledger = self.make()
        self.compat.execute(self.publish.PublishOperator(task_id="publish", **names), context)

    def _run_batch(self, app: str, node: str, members: Sequence[Member], run: str) -> None:
        ti = _TaskInstance()
        batch = [list(member) for member in members]
        told = {"version": 1, "node": node, "batch": batch}
        run_of = SimpleNamespace(run_id=run, conf={"rheo": told}, partition_key=None)
        context = {"ti": ti, "dag_run": run_of, "triggering_asset_events": {}, "params": {}, "dag": _Dag}
        names = {"app": app, "node": node}
        self.ledger = self.make()
        ti.claimed = self.compat.execute(self.batches.ClaimBatchOperator(task_id="claim", **names), context)
        self.ledger = self.make()
        work = self.batches.Work(context)
        for document in work.documents:  # by one job, which asks no ledger
            work.results.put(document["id"], None)
        ti.computed = [(partition, execution_id(node, partition, n)) for partition, n in members]
        self.ledger = self.make()
        self.compat.execute(self.batches.PublishBatchOperator(task_id="publish", **names), context)


class _Services:
    """What tasks write to beside the ledger."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_object(self, Key: str, Body: bytes, **_: Any) -> None:
        """Take a completion object, or what became of a compute."""
        self.objects[Key] = Body

    def get_object(self, Key: str, **_: Any) -> Mapping[str, Any]:
        return {"Body": BytesIO(self.objects[Key])}

    def delete_objects(self, Delete: Mapping[str, Any], **_: Any) -> Mapping[str, Any]:
        for one in Delete["Objects"]:
            self.objects.pop(one["Key"], None)
        return {}

    def get_paginator(self, _: str) -> _Services:
        return self

    def paginate(self, Prefix: str, **_: Any) -> Iterable[Mapping[str, Any]]:
        found = sorted(key for key in self.objects if key.startswith(Prefix))
        return [{"Contents": [{"Key": key, "Size": len(self.objects[key])} for key in found]}]

    def put_metric_data(self, **_: Any) -> None:
        """Take metrics."""

    def put_events(self, **_: Any) -> Mapping[str, Any]:
        return {"FailedEntryCount": 0, "Entries": []}


class _Dag:
    """A DAG whose tasks start nothing elsewhere."""

    tasks: tuple[()] = ()

    @staticmethod
    def get_task(_: str) -> None:
        """No task shows user code."""


class _TaskInstance:
    claimed: Document | None = None
    computed: list[tuple[str, str]] | None = None

    def xcom_push(self, **_: Any) -> None:
        """Keep nothing: the claim's result is what is asked for, and what the compute of a batch was for."""

    def xcom_pull(self, task_ids: str, **_: Any) -> Any:
        return self.claimed if task_ids == "claim" else self.computed

    def get_task_states(self, **_: Any) -> Mapping[str, Any]:
        return {}


def billed(table: wire.RouteTable, keys: Iterable[str]) -> Units:
    """Take events of these objects through the listener and Airflow's tasks; return what they were billed."""
    db: Any = DynamoDB()
    create_table("t", db)
    now = NOW
    clock: Callable[[], float] = lambda: now  # noqa: E731
    ledger = DynamoLedger("t", db, clock)
    airflow = Airflow(lambda: DynamoLedger("t", db, clock))
    listener = Listener(
        Engine(table, ledger, clock),
        airflow.queued.append,
        lambda _: None,
        log=lambda *_, **__: None,
        announce_batch=airflow.start,
    )
    bodies = [_created(key, n) for n, key in enumerate(keys)]
    runs = 0
    for batch in _batches(bodies):
        answer = listener.handle({"Records": batch}, lambda: 60_000)
        assert answer == {"batchItemFailures": []}, answer
        runs += airflow.run_all()
    now += ABANDONED  # the listener goes on with its last journal no more
    while released := [
        o.active.document for o in ledger.unsettled(tidy=True) if o.active and o.active.state == "READY"
    ]:
        airflow.queued += (
            released  # what was held behind another one: publish announces nothing, the sweep does
        )
        runs += airflow.run_all()
    units = Units(len(bodies), runs, *(db.units[kind] for kind in ("write", "index", "read")))
    assert not list(ledger.unsettled()), "some execution has not ended"
    assert not db.groups["t"].get(JOURNALS), "what is settled is listed"
    return units


def quiet() -> None:
    """Let Airflow's tasks say nothing of what they do."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


def run() -> list[Result]:
    """Measure every kind of graph."""
    quiet()
    prices = Prices.read()
    results: list[Result] = []
    for kind in kinds():
        units = billed(kind.table, kind.keys)
        note = f"{units.events:,} events, {units.executions:,} executions"
        for what in ("write", "index", "read"):
            results.append(_result(f"{kind.name}: {what} units an event", units.an_event(what), "", note))
        dollars = units.dollars_per_million(prices)
        results.append(_result(f"{kind.name}: a million events", dollars, "USD", f"prices of {prices.as_of}"))
    return results


def _result(name: str, value: float, unit: str, note: str) -> Result:
    return {"name": name, "value": value, "unit": unit, "baseline": None, "ratio": None, "note": note}
