"""Executions that a run has held for long -> what became of those runs, by asking Airflow.

A run that somebody fails, deletes or marks a success by hand ends without a word to the ledger, and so
may one whose worker dies: its execution would stay CLAIMED, and its partition taken, for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from rheo_runtime import executions
from rheo_runtime.ledger import Ledger
from rheo_runtime.records import CLAIMED, FAILED, READY, Document, Output

Ask = Callable[[str, str, str], str | None]  # application, node, run id -> its state: `Announcer.state`

FAILED_RUN = "its run failed"
DELETED = "its run was deleted"
BY_HAND = "its run was marked a success without having published"


class Finding(NamedTuple):
    """What was found out about a claimed execution.

    ``run`` is the state of its run, None when Airflow has it no more. ``became`` is what the execution
    is now: CLAIMED still, FAILED, or READY to be announced again, because its run is gone. ``ready`` is
    what has to be announced: the execution itself, or the one that was held behind it.
    """

    document: Document
    run_id: str
    run: str | None
    became: str
    ready: Document | None


def claimed_for(outputs: Iterable[Output], seconds: float, now: float) -> list[Output]:
    """Return the outputs whose active execution was claimed at least ``seconds`` ago, in a stable order."""
    found = [o for o in outputs if o.active and o.active.state == CLAIMED and now - o.active.moved >= seconds]
    return sorted(found, key=lambda o: (o.node, o.partition))


def reconcile(ledger: Ledger, ask: Ask, output: Output, now: float) -> Finding | None:
    """Ask for the run that holds an output's active execution, and end the execution if the run is over.

    A run that failed fails its execution. So does one that was marked a success by hand: nobody knows
    whether its data is complete, and clearing its ``publish`` task takes the execution up again. A run
    that is gone leaves its execution READY, to be announced again.

    None when no run holds it. Raises what ``ask`` raises.
    """
    active = output.active
    if active is None or active.state != CLAIMED or active.run_id is None:
        return None
    document, run_id = active.document, active.run_id
    run = ask(document["app"], output.node, run_id)
    if run not in ("failed", "success", None):
        return Finding(document, run_id, run, CLAIMED, None)
    became = READY if run is None and active.events else FAILED
    note = DELETED if run is None else FAILED_RUN if run == "failed" else BY_HAND
    where = (ledger, output.node, output.partition, document["id"])
    taken, ready = executions.take_away(*where, run_id, now, became, note)
    return Finding(document, run_id, run, became if taken else CLAIMED, ready)
