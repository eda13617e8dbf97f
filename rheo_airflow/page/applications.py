"""Files and ledger of an application -> all that the page shows of it, as plain data; nothing is written.

What was read a moment ago is not read again: a page that many watch costs what one does.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, Final, TypeVar, cast

from rheo_airflow.page.alarm_states import cloudwatch
from rheo_airflow.page.files import BUCKETS, GRAPH, ROUTES, STACK, Files, find_files
from rheo_airflow.page.grid import LETTERS, MISSING, Window, grid
from rheo_airflow.page.model import is_composite, model
from rheo_runtime import wire
from rheo_runtime.airflow_client import dag_id
from rheo_runtime.consumers import Node
from rheo_runtime.dynamodb import DynamoLedger
from rheo_runtime.explain import LateInput, Ran, explain, late_input, late_of
from rheo_runtime.late import LateNow
from rheo_runtime.ledger import Ledger
from rheo_runtime.program import Program
from rheo_runtime.records import SUCCEEDED, ArrivalIndex, Arrivals, Output, Status
from rheo_runtime.stale import Stale, Written, stale
from rheo_runtime.values import Partition, joined
from rheo_runtime.waiting import Combination, Waiting, combinations, describe
from rheo_runtime.wire import RouteTable

T = TypeVar("T")

FRESH = 3.0  # seconds, at least
KEPT = 1_000  # values at most, but for those that are fresh
SHARE = 20  # what took a second to read is shown for that many: pages take at most this part of a ledger


class Cache:
    """Values by key, each fresh for a time that follows from what it took to make it.

    >>> cache, made = Cache(), []
    >>> for _ in range(3):
    ...     _ = cache.get("a", lambda: made.append(1))
    >>> len(made)
    1
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._values: dict[Hashable, tuple[Any, float]] = {}
        self._locks: dict[Hashable, Lock] = {}
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], T], fresh: float = FRESH) -> T:
        """Return the value of ``key``; it is made once, however many ask at the same time."""
        with self._lock:
            if len(self._locks) > KEPT:
                self._forget()
            lock = self._locks.setdefault(key, Lock())
        with lock:
            value: T
            value, until = self._values.get(key, (None, 0.0))
            start = self._clock()
            if key not in self._values or start >= until:
                value = make()
                now = self._clock()
                self._values[key] = value, now + max(fresh, SHARE * (now - start))
            return value

    def _forget(self) -> None:
        now = self._clock()
        for key, lock in list(self._locks.items()):
            if not lock.locked() and (key not in self._values or self._values[key][1] <= now):
                del self._locks[key]
                self._values.pop(key, None)


TABLE = "AIRFLOW__RHEO__TABLE"  # as the tasks read it: {app} stands for the application's resource name
LOOK_AGAIN: Final = 15.0  # seconds until files are looked for again
MANY = 200  # waiting combinations that are described; all are counted

ALARMS_FRESH: Final = 10.0  # seconds: CloudWatch is asked no more often

Data = dict[str, Any]
ALARM_TYPES: Final = ("MetricAlarm", COMPOSITE := "CompositeAlarm")
# The type and names of alarms -> ``state``, ``reason`` and ``since`` of those that there are.
AlarmStates = Callable[[str, Sequence[str]], dict[str, Data]]
MakeLedger = Callable[[str], Ledger]


class Application:
    """One application; every answer is shared by all who ask within seconds.

    Raises KeyError for a node that it does not have.
    """

    def __init__(self, name: str, files: Files, make_ledger: MakeLedger, alarm_states: AlarmStates) -> None:
        self.name = name
        self._alarm_states = alarm_states
        self._files = files
        self._cache = Cache()
        self._version = files.version()
        self._graph: Data = json.loads(files.read(GRAPH))
        self.program = Program(RouteTable.loads(files.read(ROUTES)))
        self._ledger = make_ledger(_table(json.loads(files.read(STACK))))

    def current(self) -> bool:
        """Say whether the files are still those that were read."""
        return self._version == self._files.version()

    def graph(self) -> Data:
        """Return what is drawn, see `rheo_airflow.page.model`."""
        return self._cache.get("graph", lambda: model(self._graph), 1e9)

    def dag(self, node: str) -> str:
        """Return the id of a node's DAG."""
        return dag_id(self.name, self.node(node).id)

    def node(self, node: str) -> Node:
        """Return a node as it runs."""
        return self.program.makers[node]

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many partitions of each node are in which state."""

        def count() -> dict[str, dict[str, int]]:
            found: dict[str, dict[str, int]] = {node: {} for node in self.program.makers}
            for status in self._ledger.statuses():
                if status.node in found:
                    letter = LETTERS.get(status.state, MISSING)
                    found[status.node][letter] = found[status.node].get(letter, 0) + 1
            return found

        return self._cache.get("counts", count)

    def partitions(self, node: str, window: Window, waiting: bool) -> Data:
        """Return the partitions of a node as a grid, see `rheo_airflow.page.grid`.

        Parameters
        ----------
        waiting
            Whether to look for what waits, too: that takes longer.
        """
        output = self.node(node).join.route.output
        found = self.waiting(node)[1] if waiting else None
        partitions = [w.output for w in found or () if w.output is not None]
        data = grid(output, self._statuses(node), partitions, window)
        data["waiting"] = None if found is None else [_waiting(w) for w in found]
        data["waits"] = self.waiting(node)[0] if waiting else None
        data["late"] = None if found is None else [_late(late) for late in self.late(node)]
        return data

    def late(self, node: str) -> list[LateInput]:
        """Return what a node reads that should be there by now and has not come, the earliest first."""

        found = dict.fromkeys(e for way in self.program.ways(node) for e in late_of(way, None, self._late()))
        return [late_input(self.program, each) for each in found]

    def stale(self, node: str) -> Data:
        """Return what a node has made that is older than what it read, as far as events tell."""

        def look() -> Data:
            ledger = cast(Ledger, _Recalling(self._ledger, self._cache))
            found = [s for s in stale(self.program, ledger, self._written(), [node]) if s.node == node]
            return {"stale": [_stale(each) for each in found[:MANY]], "count": len(found)}

        return self._cache.get(("stale", node), look)

    def _written(self) -> Written:
        """When partitions were written: another node's when it succeeded, what comes from elsewhere when it arrived."""
        times: dict[str, dict[Partition, float]] = {}
        ledger = _Recalling(self._ledger, self._cache)

        def made(node: str) -> dict[Partition, float]:
            found = {}
            signal = self.program.signals[node]
            for output in ledger.outputs(node):
                moved = next((e.moved for e in output.ended if e.state == SUCCEEDED), None)
                if moved is not None:
                    texts = tuple(output.ended[0].document["output"]["dimensions"].values())
                    for each in self.program.matcher.named(self.program.table.app, signal.id, texts)[0]:
                        found[each.partition] = moved
            return found

        def arrived(signal: str) -> dict[Partition, float]:
            found: dict[Partition, float] = {}
            for way in self.program.nodes.values():
                for source, index in zip(way.join.triggers, way.join.arrival_indexes, strict=True):
                    for record in ledger.arrivals(index) if source.signal == signal else ():
                        found[record.partition] = max(
                            *record.times().values(), found.get(record.partition, 0.0)
                        )
            return found

        def written(signal: wire.Signal, partition: Partition) -> float | None:
            if signal.id not in times:
                find = made if signal.id in self.program.makers else arrived
                times[signal.id] = find(signal.id)
            return times[signal.id].get(partition)

        return written

    def alarms(self) -> Data:
        """Return the state of each alarm, by the id of its signal; ``unknown`` says why some are not known."""

        def look() -> Data:
            found: dict[str, Data] = {}
            faults = []
            for kind in ALARM_TYPES:
                names = {
                    signal["record"]["source"]["name"]: signal["id"]
                    for signal in self._graph["signals"]
                    if signal["type"] == "alarm" and is_composite(signal) == (kind == COMPOSITE)
                }
                try:
                    told = self._alarm_states(kind, list(names)) if names else {}
                except Exception as fault:  # noqa: BLE001 - whatever keeps it from telling, the page shows the rest
                    faults.append(str(fault))
                    continue
                found |= {names[name]: state for name, state in told.items()}
            return {"alarms": found, "unknown": "; ".join(faults)}

        return self._cache.get("alarms", look, ALARMS_FRESH)

    def pending(self) -> dict[str, dict[str, int]]:
        """Return how much waits at each node and how much of its inputs is late, where there is any."""
        found = {
            node: {"waiting": self.waiting(node)[0], "late": len(self.late(node))}
            for node in self.program.makers
        }
        return {node: counts for node, counts in found.items() if any(counts.values())}

    def waiting(self, node: str) -> tuple[int, list[Waiting]]:
        """Return how much waits at a node for something that has never come, and the oldest of it."""

        def look() -> tuple[int, list[Waiting]]:
            passed = {status.partition for status in self._statuses(node)}
            found = self._combinations(node, passed)
            return len(found), self._described(found[:MANY])

        return self._cache.get(("waiting", node), look)

    def explain(self, node: str, partition: str) -> Data:
        """Return why an output partition ran, with what runs, and what it waits for."""

        def look() -> Data:
            others = {status.partition for status in self._statuses(node)} - {partition}
            every = self._described(self._combinations(node, others))
            waiting = [w for w in every if w.output in (None, partition)]
            account = explain(self.program, self._ledger, node, (partition,), waiting, (), self._late())
            return {
                "partition": partition,
                "runs": [_ran(ran) for ran in reversed(account.ran)],
                "waiting": [_waiting(w) for w in account.waiting],
                "late": [_late(late) for late in account.late],
                "forgotten": [each.said for each in account.forgotten],
            }

        return self._cache.get(("explain", node, partition), look, 2.0)

    def _late(self) -> list[LateNow]:
        """All that is late now, as far as events tell: storage is not asked."""

        def look() -> list[LateNow]:
            now = time.time()
            return [e for late in self.program.lates for e in late.now(self._ledger, now, lambda *_: False)]

        return self._cache.get("late", look)

    def _statuses(self, node: str) -> list[Status]:
        return self._cache.get(("statuses", node), lambda: list(self._ledger.statuses(node)))

    def _combinations(self, node: str, passed: set[str]) -> list[tuple[Node, Combination]]:
        """What waits at each alternative of a node, the oldest first; raises KeyError for a node that is not there."""
        ledger = cast(Ledger, _Recalling(self._ledger, self._cache))
        ways = self.program.ways(self.node(node).id)
        found = [(way, each) for way in ways for each in combinations(way, ledger, passed)]
        return sorted(found, key=lambda pair: pair[1].since)

    def _described(self, found: Iterable[tuple[Node, Combination]]) -> list[Waiting]:
        ledger = cast(Ledger, _Recalling(self._ledger, self._cache))
        return [describe(self.program, ledger, way, each) for way, each in found]


class _Recalling:
    """A ledger whose arrivals and outputs, which are dear to read, are read for all that look at a node."""

    def __init__(self, ledger: Ledger, cache: Cache) -> None:
        self._ledger = ledger
        self._cache = cache

    def outputs(self, node: str | None = None) -> list[Output]:
        return self._cache.get(("outputs", node), lambda: list(self._ledger.outputs(node)))

    def arrivals(self, arrival_index: ArrivalIndex) -> list[Arrivals]:
        return self._cache.get(
            ("arrivals", arrival_index.name), lambda: list(self._ledger.arrivals(arrival_index))
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


def _waiting(waiting: Waiting) -> Data:
    return {
        "output": waiting.output,
        "since": _time(waiting.since),
        "arrived": [f"{alias} {joined(texts)}".rstrip() for alias, texts in waiting.arrived.items()],
        "missing": [{"alias": m.alias, "what": m.what, "reason": m.reason} for m in waiting.missing],
    }


def _late(late: LateInput) -> Data:
    return {
        "signal": late.signal,
        "partition": late.partition,
        "missing": f"{late.of} {late.missing}".rstrip(),
        "due": _time(late.due),
    }


def _ran(ran: Ran) -> Data:
    failed = _FAILED_TASK.match(ran.note)
    return {
        "id": ran.id,
        "state": ran.state,
        "fired": _time(ran.fired),
        "claimed": None if ran.claimed is None else _time(ran.claimed),
        "moved": _time(ran.moved),
        "events": [list(event) for event in ran.events],
        "note": ran.note,
        "run": ran.run,
        "task": failed["task"] if failed else None,
        "checks": [check._asdict() for check in ran.checks],
    }


# How a note begins that says which task of a run has failed.
_FAILED_TASK: Final = re.compile(r"(?P<task>[\w.-]+) failed\b")


def _stale(found: Stale) -> Data:
    newer = [
        {
            "alias": n.alias,
            "partition": n.partition,
            "written": None if n.written is None else _time(n.written),
        }
        for n in found.newer
    ]
    return {"partition": found.partition, "fired": _time(found.fired), "newer": newer}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _table(stack: Mapping[str, Any]) -> str:
    table: str = stack["table"]
    return os.environ.get(TABLE, "").replace("{app}", table) or table


def dynamo(table: str) -> Ledger:
    """Return the ledger in a table of this account."""
    return DynamoLedger(table)


class Applications:
    """All applications of an Airflow.

    Parameters
    ----------
    folder
        Airflow's DAGs folder.
    buckets
        Buckets of applications whose files are not below it.
    make_ledger
        Makes a ledger from a table's name.
    alarm_states
        Says in which states alarms are.
    """

    def __init__(
        self,
        folder: Path,
        buckets: Iterable[str] = (),
        make_ledger: MakeLedger = dynamo,
        alarm_states: AlarmStates = cloudwatch,
    ) -> None:
        self._alarm_states = alarm_states
        self._folder = folder
        self._buckets = tuple(buckets)
        self._make_ledger = make_ledger
        self._cache = Cache()
        self._known: dict[str, Application] = {}

    def all(self) -> dict[str, Application]:
        """Return the applications by name."""
        return self._cache.get("all", self._look, LOOK_AGAIN)

    def _look(self) -> dict[str, Application]:
        found = {}
        for name, files in find_files(self._folder, self._buckets):
            known = self._known.get(name)
            try:
                if known is None or known._files != files or not known.current():
                    known = Application(name, files, self._make_ledger, self._alarm_states)
            except (OSError, ValueError, KeyError):
                continue  # it is being written at this moment, or by another version: look again later
            found[name] = known
        self._known = dict(sorted(found.items()))
        return self._known


def of_environment(folder: str) -> Applications:
    """Return the applications of this Airflow; ``folder`` is its DAGs folder."""
    return Applications(Path(folder), os.environ.get(BUCKETS, "").split(","))
