"""What crashes and outages left undone -> done: the listener's periodic work.

Executions that no run has claimed are announced again, output signals that are owed are sent, and the
engine looks for what waits. Each step may be repeated, and a failure of one does not stop the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from rheo_runtime import executions
from rheo_runtime.engine import Engine
from rheo_runtime.outcome import Outcome
from rheo_runtime.records import ANNOUNCED, Document, Execution, Output

Announce = Callable[[Document], None]
Emit = Callable[[Document], None]
Log = Callable[..., None]


class Patience(NamedTuple):
    """How long, in seconds, each state may last before the sweeper acts.

    An announced execution that is not claimed is announced again after ``announced``, then after
    as long as it has waited already: a busy Airflow is not flooded.
    """

    ready: float = 30.0
    announced: float = 180.0
    signal: float = 60.0


def sweep(engine: Engine, announce: Announce, emit: Emit, log: Log, patience: Patience) -> Outcome:
    """Do the periodic work once; return what the engine's own check came to."""
    now = engine.now()
    for output in engine.ledger.unsettled():
        if output.active is not None and _overdue(output.active, now, patience):
            _try(log, announce, output.active.document)
        for execution in output.ended:
            if not execution.signalled and now - execution.moved >= patience.signal:
                _try(log, _sender(engine, emit, output), execution.document)
    outcome = engine.tick()
    for document in outcome.fired:
        _try(log, announce, document)
    return outcome


def _overdue(execution: Execution, now: float, patience: Patience) -> bool:
    since = now - execution.moved
    if execution.state == ANNOUNCED:
        return since >= max(patience.announced, execution.moved - execution.fired)
    return since >= patience.ready


def _sender(engine: Engine, emit: Emit, output: Output) -> Emit:
    def send(document: Document) -> None:
        emit(document)
        executions.signalled(engine.ledger, output.node, output.partition, document["id"])

    return send


def _try(log: Log, act: Callable[[Document], Any], document: Document) -> None:
    try:
        act(document)
    except Exception as fault:  # noqa: BLE001 - the next sweep tries again; others must not wait for it
        log("sweep failed", execution=document["id"], fault=f"{type(fault).__name__}: {fault}")
