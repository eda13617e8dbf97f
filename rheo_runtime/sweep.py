"""What crashes and outages left undone -> done: the listener's periodic work.

Output signals that are owed are sent, executions that no run has claimed are announced again, for those
that a run has held for long Airflow is asked about the run, and the engine looks for what waits.
Each step may be repeated, a failure of one does not stop the others, and what one sweep has no time for
the next one does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from rheo_runtime import executions
from rheo_runtime.engine import Engine
from rheo_runtime.outcome import Outcome
from rheo_runtime.reconcile import Ask, claimed_for, reconcile
from rheo_runtime.records import ANNOUNCED, CLAIMED, READY, Document, Execution, Output
from rheo_runtime.trigger import Down
from rheo_runtime.turns import in_turn

Announce = Callable[[Document], None]
Emit = Callable[[Document], None]
Log = Callable[..., None]

CHECKS = 20  # runs that one sweep asks Airflow about: a few seconds' share of its front door


class Patience(NamedTuple):
    """How long, in seconds, each state may last before the sweeper acts.

    An announced execution that is not claimed is announced again after ``announced``, then after
    as long as it has waited already: a busy Airflow is not flooded. After ``claimed``, Airflow is asked
    whether the run that holds an execution is still there.
    """

    ready: float = 30.0
    announced: float = 180.0
    signal: float = 60.0
    claimed: float = 600.0


class Sweeper(NamedTuple):
    """What a sweep works with. ``ask`` is for the state of a run; without it, runs are not asked about.

    ``in_time`` says whether there is time for one more call.
    """

    engine: Engine
    announce: Announce
    emit: Emit
    log: Log
    patience: Patience = Patience()
    ask: Ask | None = None
    in_time: Callable[[], bool] = lambda: True

    def sweep(self) -> Outcome:
        """Do the periodic work once; return what the engine's own check came to."""
        now = self.engine.now()
        outputs = sorted(self.engine.ledger.unsettled(), key=_age)
        self._signals(outputs, now)
        overdue = [o.active.document for o in outputs if o.active and _overdue(o.active, now, self.patience)]
        if self._announce(overdue) and self.ask is not None:
            self._check(self.ask, outputs, now)
        outcome = self.engine.tick(self.in_time)
        for fault in outcome.faults:
            self.log("sweep failed", fault=fault)
        self._announce([*outcome.fired, *outcome.told])
        return outcome

    def _signals(self, outputs: Iterable[Output], now: float) -> None:
        for output in outputs:
            for execution in output.ended:
                if execution.signalled or now - execution.moved < self.patience.signal:
                    continue
                if not self.in_time():
                    return
                document = execution.document
                try:
                    self.emit(document)
                    executions.signalled(self.engine.ledger, output.node, output.partition, document["id"])
                except Exception as fault:  # noqa: BLE001 - the next sweep tries again
                    self._failed(document, fault)

    def _announce(self, documents: Iterable[Document]) -> bool:
        """Announce what nobody has claimed; False when there is no time, or Airflow takes nothing now."""
        for document in documents:
            if not self.in_time():
                return False
            try:
                self.announce(document)
            except Down as fault:
                self._failed(document, fault)
                return False
            except Exception as fault:  # noqa: BLE001 - the next sweep tries again; others must not wait for it
                self._failed(document, fault)
        return True

    def _check(self, ask: Ask, outputs: Iterable[Output], now: float) -> None:
        """Ask for some of the runs that have held their executions for long."""
        held = claimed_for(outputs, self.patience.claimed, now)
        for output in in_turn(held, CHECKS, int(now // 60)):
            if not self.in_time():
                return
            assert output.active is not None
            document = output.active.document
            try:
                finding = reconcile(self.engine.ledger, ask, output, now)
            except Down as fault:
                self._failed(document, fault)
                return
            except Exception as fault:  # noqa: BLE001 - the next sweep tries again; others must not wait for it
                self._failed(document, fault)
                continue
            if finding is None or finding.became == CLAIMED:
                continue
            self.log("reconciled", execution=document["id"], run=finding.run_id, became=finding.became)
            if finding.ready is not None and not self._announce([finding.ready]):
                return

    def _failed(self, document: Document, fault: Exception) -> None:
        self.log("sweep failed", execution=document["id"], fault=f"{type(fault).__name__}: {fault}")


def _age(output: Output) -> tuple[float, str, str]:
    return output.active.moved if output.active else 0.0, output.node, output.partition


def _overdue(execution: Execution, now: float, patience: Patience) -> bool:
    since = now - execution.moved
    if execution.state == ANNOUNCED:
        return since >= max(patience.announced, execution.moved - execution.fired)
    return execution.state == READY and since >= patience.ready
