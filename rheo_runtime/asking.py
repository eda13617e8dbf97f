"""What a person asks of an output partition -> one write of its ledger item: make it, or stop making it."""

from __future__ import annotations

from typing import NamedTuple

from rheo_runtime import executions
from rheo_runtime.ledger import Ledger
from rheo_runtime.records import (
    FAILED,
    SKIPPED,
    Document,
    Execution,
    Output,
    Source,
    execution_id,
)


class Ordered(NamedTuple):
    """An execution that somebody asked for: ``ready``, or held behind the active one of its output."""

    document: Document
    ready: bool


class Ended(NamedTuple):
    """How an execution ended that was stopped, and the one that was held behind it and is READY now."""

    state: str
    released: Document | None


def order(ledger: Ledger, node: str, partition: str, source: Source, now: float) -> Ordered:
    """Create an execution of an output partition, as a firing does."""
    while True:
        before, _ = ledger.output(node, partition, None)
        after, execution, _ = executions.fire(before, node, partition, source.maker, source.made, (), now)
        if ledger.save(before, after):
            return Ordered(execution.document, after.active is execution)


def stop(
    ledger: Ledger, node: str, partition: str, execution: str, now: float, note: str = ""
) -> Ended | None:
    """End an execution whatever its run does: an active one has FAILED, a held one is SKIPPED.

    None when it is neither.
    """
    while True:
        before, _ = ledger.output(node, partition, None)
        if before is None:
            return None
        if _is(before, before.active, execution):
            after, state = executions.ended(before, False, now), FAILED
            released = after.active.document if after.active else None
        elif _is(before, before.held, execution):
            alone = executions.ended(before._replace(active=before.held, held=None), False, now)
            after, state, released = alone._replace(active=before.active), SKIPPED, None
        else:
            return None
        over = after.ended[0]._replace(state=state, note=note)
        after = after._replace(version=before.version + 1, ended=(over, *after.ended[1:]))
        if ledger.save(before, after):
            return Ended(state, released)


def current(output: Output | None) -> list[Execution]:
    """Return the executions of an output that are not over: the active one, then the held one."""
    return [e for e in (output.active, output.held) if e is not None] if output else []


def _is(output: Output, execution: Execution | None, id: str) -> bool:
    return execution is not None and execution_id(output.node, output.partition, execution.generation) == id
