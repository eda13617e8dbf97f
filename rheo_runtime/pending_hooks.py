"""Inputs that wait -> documents for the hooks that are to be told of it, each made exactly once.

A telling is an execution of its own: of a name beside the node (`told_as`), of an output partition that says
what waits, since when, and which hook is meant. So it has the ledger's guarantees: it is created once,
announced until a run claims it, and claimed by one run.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from rheo_runtime import executions, wire
from rheo_runtime.documents import VERSION
from rheo_runtime.ledger import Ledger
from rheo_runtime.pending import Waiting
from rheo_runtime.records import Document, Execution, Stored, execution_id
from rheo_runtime.texts import joined
from rheo_runtime.trigger import told_as

CREATED, EXPIRED, CHECKPOINT = "on_pending_node_created", "on_expiration", "on_pending_checkpoint_"


def due(hooks: tuple[str, ...], waited: float, expired: bool) -> Iterator[str]:
    """Yield the hooks whose moment has come for inputs that have waited so long, in the order of their moments.

    >>> list(due(("on_expiration", "on_pending_checkpoint_60", "on_pending_node_created"), 61, False))
    ['on_pending_node_created', 'on_pending_checkpoint_60']
    """
    if CREATED in hooks:
        yield CREATED
    seconds = sorted(int(hook.removeprefix(CHECKPOINT)) for hook in hooks if hook.startswith(CHECKPOINT))
    yield from (f"{CHECKPOINT}{n}" for n in seconds if waited >= n)
    if expired and EXPIRED in hooks:
        yield EXPIRED


def telling(table: wire.RouteTable, signals: dict[str, wire.Signal], waiting: Waiting, hook: str) -> Document:
    """Return what a hook is told of inputs that wait: a document like that of an execution."""
    route = next(r for r in table.routes if r.node == waiting.node)
    node = told_as(waiting.node)
    since = datetime.fromtimestamp(round(waiting.since, 3), UTC).isoformat(timespec="milliseconds")
    what = waiting.output
    if what is None:
        what = joined(tuple(f"{alias}={joined(texts)}" for alias, texts in sorted(waiting.arrived.items())))
    partition = f"{what}@{since.replace('+00:00', 'Z')}/{hook}"
    texts = tuple(waiting.output.split("/")) if waiting.output else ()
    known = len(texts) == len(route.output.dims)
    return {
        "version": VERSION,
        "app": table.app,
        "node": node,
        "id": execution_id(node, partition, 1),
        "partition": partition,
        "generation": 1,
        "output": {
            "dimensions": dict(zip(route.output.dims, texts, strict=True)) if known else {},
            "path": wire.fill(route.output.path, texts) if known and route.output.path else None,
        },
        "inputs": [
            _input(i, signals[i.signal], waiting.arrived[i.alias])
            for i in route.inputs
            if i.alias in waiting.arrived
        ],
        "hook": {
            "name": hook,
            "node": waiting.node,
            "since": waiting.since,
            "missing": [missing._asdict() for missing in waiting.missing],
        },
    }


def _input(source: wire.Input, signal: wire.Signal, texts: tuple[str, ...]) -> dict[str, Any]:
    return {
        "alias": source.alias,
        "signal": source.signal,
        "dimensions": dict(zip(signal.dims, texts, strict=True)),
        "paths": [] if signal.path is None else [wire.fill(signal.path, texts)],
    }


def tell(ledger: Ledger, document: Document, now: float) -> Execution | None:
    """Create the execution of a telling; None when it exists already."""
    node, partition = document["node"], document["partition"]
    if ledger.output(node, partition, None)[0] is not None:
        return None
    stored = Stored(document)
    output, execution, _ = executions.fire(None, node, partition, stored.maker, stored.made, (), now)
    return execution if ledger.save(None, output) else None
