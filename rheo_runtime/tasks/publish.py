"""Computes that ended -> the completion object, the output signal, and the end of the execution."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from rheo_runtime import executions
from rheo_runtime.emit import send_signal
from rheo_runtime.ledger import Ledger
from rheo_runtime.records import CLAIMED, SUCCEEDED, Document, Output
from rheo_runtime.tasks import metrics, settings
from rheo_runtime.tasks.claim import QUICK_RETRIES, hold
from rheo_runtime.tasks.compat import AirflowFailException, BaseOperator

COMPLETION = "_SUCCESS"


class PublishOperator(BaseOperator):
    """Runs when all computes are over, whatever became of them, and ends the execution.

    All succeeded: writes the completion object, ends the execution well, sends the output signal. Each
    step may be repeated, and a crash between the last two leaves a signal that the sweeper knows is
    owed. Otherwise: ends the execution badly, which releases the partition, and fails.

    Parameters
    ----------
    app, node
        The application and its node.
    """

    def __init__(self, *, app: str, node: str, **kwargs: Any) -> None:
        super().__init__(**{**QUICK_RETRIES, "trigger_rule": "all_done", **kwargs})
        self.app = app
        self.node = node

    def execute(self, context: Any) -> None:
        """End the execution; raises AirflowFailException when a compute has failed."""
        claimed: Document | None = context["ti"].xcom_pull(task_ids="claim")
        if claimed is None:
            raise AirflowFailException("this run has claimed no execution")
        ledger = settings.ledger(self.app)
        document = succeeded(ledger, claimed, context["dag_run"].run_id)
        if document is None:
            document = hold(context)
            self._end(ledger, document, context)
        send_signal(document, settings.client("events"), settings.event_bus())
        executions.signalled(ledger, self.node, document["partition"], document["id"])
        self.log.info("Published %s", document["id"])

    def _end(self, ledger: Ledger, document: Document, context: Any) -> None:
        where = (ledger, self.node, document["partition"], document["id"], context["dag_run"].run_id)
        if failed := self._failed(context):
            executions.fail(*where, time.time(), note=", ".join(failed))
            metrics.ended(self.app, ledger, document, ok=False)
            raise AirflowFailException(f"{document['id']} failed: {', '.join(failed)}")
        complete(document)
        executions.succeed(*where, time.time())
        metrics.ended(self.app, ledger, document, ok=True)

    def _failed(self, context: Any) -> list[str]:
        """The tasks before this one that have not succeeded, each with its state."""
        ti, run_id = context["ti"], context["dag_run"].run_id
        before = sorted(self.upstream_task_ids)
        states = ti.get_task_states(dag_id=self.dag_id, task_ids=before, run_ids=[run_id]).get(run_id, {})
        return [f"{task} {states.get(task)}" for task in before if states.get(task) != "success"]


def succeeded(ledger: Ledger, claimed: Document, run_id: str) -> Document | None:
    """Return the execution when an earlier try of this run ended it well: its signal may be owed."""
    output, _ = ledger.output(claimed["node"], claimed["partition"], None)
    for past in output.ended if output else ():
        if (past.state, past.run_id, past.generation) == (SUCCEEDED, run_id, claimed["generation"]):
            return past.document
    return None


def complete(document: Document) -> None:
    """Write the completion object of the output partition."""
    path = document["output"]["path"]
    if path is not None:
        bucket, key = path.removeprefix("s3://").split("/", 1)
        settings.client("s3").put_object(Bucket=bucket, Key=f"{key}/{COMPLETION}", Body=b"")


def release(context: Any) -> None:
    """Fail the execution of a run that ended without its publish task: a timeout, or by hand.

    For the DAG's ``on_failure_callback``. Nothing happens when publish did its work.
    """
    run, claim = context["dag_run"], context["dag"].get_task("claim")
    ledger = settings.ledger(claim.app)
    for output in _outputs(ledger, claim.node, getattr(run, "partition_key", None)):
        active = output.active
        if active is not None and active.state == CLAIMED and active.run_id == run.run_id:
            execution = active.document["id"]
            note = "the run failed"
            executions.fail(ledger, claim.node, output.partition, execution, run.run_id, time.time(), note)


def _outputs(ledger: Ledger, node: str, key: str | None) -> Iterable[Output]:
    """The output that a run's key names; all of the node's when it has none."""
    named = None if key is None else ledger.output(node, key, None)[0]
    return ledger.outputs(node) if named is None else [named]
