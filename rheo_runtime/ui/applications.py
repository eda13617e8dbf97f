"""Files and ledger of an application -> all that the page shows of it, as plain data; nothing is written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

from rheo_runtime.explain import explain
from rheo_runtime.ledger import Ledger
from rheo_runtime.pending import Waiting, combinations, describe
from rheo_runtime.program import Node, Program
from rheo_runtime.records import Arrivals, Execution, Slot, execution_id
from rheo_runtime.status import Status
from rheo_runtime.texts import joined
from rheo_runtime.trigger import dag_id
from rheo_runtime.ui.cache import Cache
from rheo_runtime.ui.files import BUCKETS, GRAPH, ROUTES, STACK, Files, find_files
from rheo_runtime.ui.grid import LETTERS, MISSING, Window, grid
from rheo_runtime.ui.model import model
from rheo_runtime.wire import RouteTable

TABLE = "AIRFLOW__RHEO__TABLE"  # as the tasks read it: {app} stands for the application's resource name
LOOK_AGAIN: Final = 15.0  # seconds until files are looked for again
MANY = 200  # waiting combinations that are described; all are counted

Data = dict[str, Any]
MakeLedger = Callable[[str], Ledger]


class Application:
    """One application; every answer is shared by all who ask within seconds.

    Raises KeyError for a node that it does not have.
    """

    def __init__(self, name: str, files: Files, make_ledger: MakeLedger) -> None:
        self.name = name
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
        """Return what is drawn, see `rheo_runtime.ui.model`."""
        return self._cache.get("graph", lambda: model(self._graph), 1e9)

    def dag(self, node: str) -> str:
        """Return the id of a node's DAG."""
        return dag_id(self.name, self.node(node).id)

    def node(self, node: str) -> Node:
        """Return a node as it runs."""
        return self.program.nodes[node]

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many partitions of each node are in which state."""

        def count() -> dict[str, dict[str, int]]:
            found: dict[str, dict[str, int]] = {node: {} for node in self.program.nodes}
            for status in self._ledger.statuses():
                if status.node in found:
                    letter = LETTERS.get(status.state, MISSING)
                    found[status.node][letter] = found[status.node].get(letter, 0) + 1
            return found

        return self._cache.get("counts", count)

    def partitions(self, node: str, window: Window, waiting: bool) -> Data:
        """Return the partitions of a node as a grid, see `rheo_runtime.ui.grid`.

        Parameters
        ----------
        waiting
            Whether to look for what waits, too: that takes longer.
        """
        output = self.node(node).join.route.output
        found = self.waiting(node) if waiting else None
        partitions = [w.output for w in found or () if w.output is not None]
        data = grid(output, self._statuses(node), partitions, window)
        data["waiting"] = None if found is None else [_waiting(w) for w in found[:MANY]]
        data["waits"] = None if found is None else len(found)
        return data

    def waiting(self, node: str) -> list[Waiting]:
        """Return what waits at a node for something that has never come, the oldest first."""
        one = self.node(node)

        def look() -> list[Waiting]:
            passed = {status.partition for status in self._statuses(node)}
            return self._described(one, passed, None)

        return self._cache.get(("waiting", node), look)

    def explain(self, node: str, partition: str) -> Data:
        """Return why an output partition ran, with what runs, and what it waits for."""
        one = self.node(node)

        def look() -> Data:
            others = {status.partition for status in self._statuses(node)} - {partition}
            waiting = self._described(one, others, partition)
            account = explain(self.program, self._ledger, node, (partition,), waiting, ())
            output, _ = self._ledger.output(node, partition, None)
            executions = (
                [] if output is None else [e for e in (*output.ended, output.active, output.held) if e]
            )
            by_id = {execution_id(node, partition, e.generation): e for e in executions}
            return {
                "partition": partition,
                "runs": [
                    {
                        "id": ran.id,
                        "state": ran.state,
                        "fired": _time(ran.fired),
                        "events": [list(event) for event in ran.events],
                        "note": ran.note,
                        **_run(by_id.get(ran.id)),
                    }
                    for ran in reversed(account.ran)
                ],
                "waiting": [_waiting(w) for w in account.waiting if w.output == partition],
            }

        return self._cache.get(("explain", node, partition), look, 2.0)

    def _statuses(self, node: str) -> list[Status]:
        return self._cache.get(("statuses", node), lambda: list(self._ledger.statuses(node)))

    def _described(self, node: Node, passed: set[str], only: str | None) -> list[Waiting]:
        """Combinations that wait, in words; of one output partition, if any is given."""
        ledger = cast(Ledger, _Recalling(self._ledger, self._cache))
        found = sorted(combinations(node, ledger, passed), key=lambda c: c.since)
        words = [describe(self.program, ledger, node, c) for c in (found[:MANY] if only is None else found)]
        return words if only is None else [w for w in words if w.output == only]


class _Recalling:
    """A ledger whose arrivals, which are dear to read, are read for all that look at a node."""

    def __init__(self, ledger: Ledger, cache: Cache) -> None:
        self._ledger = ledger
        self._cache = cache

    def arrivals(self, slot: Slot) -> list[Arrivals]:
        return self._cache.get(("arrivals", slot.name), lambda: list(self._ledger.arrivals(slot)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


def _waiting(waiting: Waiting) -> Data:
    return {
        "output": waiting.output,
        "since": _time(waiting.since),
        "arrived": [f"{alias} {joined(texts)}".rstrip() for alias, texts in waiting.arrived.items()],
        "missing": [{"alias": m.alias, "what": m.what, "reason": m.reason} for m in waiting.missing],
    }


def _run(execution: Execution | None) -> Data:
    return {
        "run": None if execution is None else execution.run_id,
        "moved": None if execution is None else _time(execution.moved),
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _table(stack: Mapping[str, Any]) -> str:
    table: str = stack["table"]
    return os.environ.get(TABLE, "").replace("{app}", table) or table


def dynamo(table: str) -> Ledger:
    """Return the ledger in a table of this account."""
    from rheo_runtime.dynamo import DynamoLedger

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
    """

    def __init__(self, folder: Path, buckets: Iterable[str] = (), make_ledger: MakeLedger = dynamo) -> None:
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
                    known = Application(name, files, self._make_ledger)
            except (OSError, ValueError, KeyError):
                continue  # it is being written at this moment, or by another version: look again later
            found[name] = known
        self._known = dict(sorted(found.items()))
        return self._known


def of_environment(folder: str) -> Applications:
    """Return the applications of this Airflow; ``folder`` is its DAGs folder."""
    return Applications(Path(folder), os.environ.get(BUCKETS, "").split(","))
