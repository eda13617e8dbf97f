"""Ledger -> words: why an output partition ran, or what it waits for, or what came near it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from rheo_runtime.ledger import Ledger
from rheo_runtime.match import Rejected
from rheo_runtime.pending import Waiting
from rheo_runtime.program import Program
from rheo_runtime.records import Execution, execution_id
from rheo_runtime.texts import joined

NEAR = 5  # events without effect that an account names


@dataclass(frozen=True, slots=True)
class Ran:
    """An execution, and the events that made it: alias, texts of the partition, event id."""

    id: str
    state: str
    fired: float
    events: tuple[tuple[str, str, str], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """Why one output partition of a node ran, or did not.

    ``ran`` are its executions, the first one first; ``waiting`` what could still become one; ``near``
    the latest events that came to the node's signals, or to none, without effect.
    """

    node: str
    partition: str
    ran: tuple[Ran, ...]
    waiting: tuple[Waiting, ...]
    near: tuple[tuple[float, Rejected], ...]

    def __str__(self) -> str:
        name = f"{self.node} {self.partition}".rstrip()
        lines = []
        for run in self.ran:
            what = f" ({run.note})" if run.note else ""
            lines.append(f"{name} ran as {run.id}: {run.state}{what}, fired at {_time(run.fired)}")
            lines += [f"  {alias}: {texts} by event {event}" for alias, texts, event in run.events]
        for waiting in self.waiting:
            lines.append(f"{name} is waiting since {_time(waiting.since)}")
            lines += [f"  arrived: {a} {joined(texts)}".rstrip() for a, texts in waiting.arrived.items()]
            lines += [f"  missing: {m.alias} {m.what}: {m.reason}" for m in waiting.missing]
        if not lines:
            lines.append(f"{name} has not run, and nothing that could lead to it has arrived")
        if not self.ran and self.near:
            lines.append("events without effect, the latest first:")
            lines += [f"  {_time(at)} {_rejected(event)}" for at, event in self.near]
        return "\n".join(lines)


def explain(
    program: Program,
    ledger: Ledger,
    node: str,
    texts: tuple[str, ...],
    waiting: Iterable[Waiting],
    recent: Iterable[tuple[float, Rejected]],
) -> Account:
    """Return the account of one output partition, given by its texts."""
    partition = joined(texts)
    output, _ = ledger.output(node, partition, None)
    found: list[Execution] = []
    if output is not None:
        found = [*reversed(output.ended), *(e for e in (output.active, output.held) if e is not None)]
    inputs = program.nodes[node].join.route.inputs if node in program.nodes else ()
    signals = {source.signal for source in inputs}
    near = [
        (at, event)
        for at, event in recent
        if event.node == node or (event.node is None and (event.signal is None or event.signal in signals))
    ]
    return Account(
        node,
        partition,
        tuple(_ran(program, node, partition, e) for e in sorted(found, key=lambda e: e.generation)),
        tuple(w for w in waiting if w.output is None or w.output == partition),
        tuple(reversed(near[-NEAR:])),
    )


def _ran(program: Program, node: str, partition: str, execution: Execution) -> Ran:
    tips = {i["alias"]: joined(tuple(i["dimensions"].values())) for i in execution.document["inputs"]}
    aliases = [source.alias for source in program.nodes[node].join.triggers] if node in program.nodes else []
    return Ran(
        execution_id(node, partition, execution.generation),
        execution.state,
        execution.fired,
        # A run that was started by hand has no events.
        tuple((alias, tips[alias], event) for alias, event in zip(aliases, execution.events, strict=False)),
        execution.note,
    )


def _rejected(event: Rejected) -> str:
    return " ".join(part for part in (event.signal, event.what) if part) + f": {event.reason}"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
