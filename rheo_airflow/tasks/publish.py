"""Computes that ended -> the completion object, the output signal, and the end of the execution."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rheo_airflow.tasks import partitions, settings
from rheo_airflow.tasks.claim import QUICK_RETRIES, hold
from rheo_airflow.tasks.compat import AirflowFailException, BaseOperator
from rheo_airflow.tasks.failures import told_of
from rheo_airflow.tasks.partitions import Objects
from rheo_airflow.tasks.run_request import named
from rheo_runtime import executions
from rheo_runtime.events import send_signal
from rheo_runtime.ledger import Ledger, shown
from rheo_runtime.records import (
    CLAIMED,
    SUCCEEDED,
    TASKS_ENDED,
    CheckResult,
    Document,
    Execution,
    Output,
    checks_ended,
)

COMPLETION = "_SUCCESS"
CHECKS = partitions.CHECKS


def blocked(checks: Sequence[CheckResult]) -> str:
    """Return which checks keep an output from being published, and why; "" where none does.

    >>> blocked([CheckResult("unique(id)", False, "block", "2 rows"), CheckResult("row_count(1)", True)])
    'check unique(id): 2 rows'
    """
    found = [f"{check.check}: {check.what}" for check in checks if check.blocks]
    return f"check {'; '.join(found)}" if found else ""


class PublishOperator(BaseOperator):
    """Runs when all computes are over, whatever became of them, and ends the execution.

    All succeeded: puts what a job has staged in the place of the old partition, writes the completion
    object, sends the signals of the output and of its checks, ends the execution well. Each step may be repeated,
    and signals that were not taken are owed, which the sweeper knows. Otherwise: ends the execution
    badly, which releases the partition, says so if it was for its checks, and fails.

    Parameters
    ----------
    app, node
        The application and its node.
    staged
        Whether a job writes the output beside the old partition, for this task to put it into its place.
    """

    def __init__(self, *, app: str, node: str, staged: bool = False, **kwargs: Any) -> None:
        super().__init__(**{**QUICK_RETRIES, "trigger_rule": "all_done", **kwargs})
        self.app = app
        self.node = node
        self.staged = staged

    def execute(self, context: Any) -> None:
        """End the execution; raises AirflowFailException when a compute has failed."""
        claimed: Document | None = context["ti"].xcom_pull(task_ids="claim")
        if claimed is None:
            raise AirflowFailException("this run has claimed no execution")
        ledger = settings.ledger(self.app)
        run_id = context["dag_run"].run_id
        over = succeeded(ledger, claimed, run_id)
        if over is None:
            seen = ledger.recent(self.node, claimed["partition"])
            self._end(ledger, executions.held(seen, claimed["id"], run_id) or hold(context), context)
        elif not over.signalled:
            announce(over.document, over.checks)
            executions.signalled(ledger, self.node, claimed["partition"], claimed["id"])
        self.log.info("Published %s", claimed["id"])

    def _end(self, ledger: Ledger, document: Document, context: Any) -> None:
        where = (ledger, self.node, document["partition"], document["id"], context["dag_run"].run_id)
        if failed := self._failed(context):
            executions.fail(*where, time.time(), ", ".join(failed), writes_since=self._writes_since(context))
            settings.ended(self.app, ledger, document, ok=False)
            raise AirflowFailException(f"{document['id']} failed: {', '.join(failed)}")
        checks = self._take_over(document, context)
        why = blocked(checks)
        if not why:
            complete(document)
        fault, now = None, time.time()  # what is made by the signal is not older than this execution's end
        try:
            announce(document, checks)
        except Exception as error:  # noqa: BLE001 - it is raised when the execution has ended, and owes it
            fault = error
        since, told = self._writes_since(context), fault is None
        if why:
            executions.fail(*where, now, why, checks, since, told=told)
        else:
            executions.succeed(*where, now, checks, since, told=told)
        settings.ended(self.app, ledger, document, ok=not why, checked=checks_ended(checks))
        if fault is not None:
            raise fault
        if why:
            raise AirflowFailException(f"{document['id']} is not published: {why}")

    def _writes_since(self, context: Any) -> float | None:
        """Since when something of this run may write that should not: see `rheo_runtime.records.Writer`.

        A compute that has succeeded by itself left a result, and its job is over. One that has failed by itself said
        why, and its job may go on where the failure was to ask about it. Of others somebody set the state by hand, or
        their worker died.
        """
        ti, since = context["ti"], None
        states = self._states(context)
        for task in sorted(self.upstream_task_ids):
            if states.get(task) in ("skipped", "upstream_failed", "removed"):
                continue
            if states.get(task) == "success" and ti.xcom_pull(task_ids=task) is not None:
                continue
            since = max(since or 0.0, TASKS_ENDED if told_of(context, task) else time.time())
        return since

    def _states(self, context: Any) -> dict[str, str]:
        run_id, before = context["dag_run"].run_id, sorted(self.upstream_task_ids)
        found = context["ti"].get_task_states(dag_id=self.dag_id, task_ids=before, run_ids=[run_id])
        states: dict[str, str] = found.get(run_id, {})
        return states

    def _take_over(self, document: Document, context: Any) -> Sequence[CheckResult]:
        """Put what a job has written in the place of the old partition, unless a check says no; return what they found.

        What fails one stays where it is, aside, and so does the old partition with its completion object.
        """
        checks, staged = self._put_in_place(document, self._lying([document]), context["ti"])
        if staged:
            bucket, _ = partitions.split(document["output"]["path"])
            partitions.drop(settings.client("s3"), bucket, staged)
        return checks

    def _lying(self, documents: Sequence[Document]) -> Mapping[str, Objects]:
        """What lies in the folders that jobs have staged, and in those of the partitions that they become."""
        if not self.staged:
            return {}
        s3 = settings.client("s3")
        folders = {folder: d["output"]["path"] for d in documents if (folder := partitions.staged(d))}
        return {**partitions.listed(s3, folders), **partitions.listed(s3, folders.values())}

    def _put_in_place(
        self, document: Document, lying: Mapping[str, Objects], ti: Any
    ) -> tuple[Sequence[CheckResult], Objects]:
        """Do what `_take_over` says, but leave what was staged; return it beside what the checks found."""
        folder = partitions.staged(document)
        if folder is None or folder not in lying:
            return (), {}
        s3, there = settings.client("s3"), lying[folder]
        bucket, prefix = partitions.split(folder)
        names = {key.removeprefix(f"{prefix}/"): key for key in there}
        checks: list[CheckResult] = []
        if CHECKS in names:
            results = json.loads(s3.get_object(Bucket=bucket, Key=names[CHECKS])["Body"].read())
            ti.xcom_push(key="checks", value=results)
            checks = [CheckResult(r["check"], r["passed"], r["severity"], r["what"]) for r in results]
            for check in checks:
                tell = self.log.info if check.passed else self.log.error
                tell("Check %s: %s", check.check, "passed" if check.passed else check.what)
        if blocked(checks):
            self.log.error("The output is kept aside, in %s", folder)
        elif COMPLETION in names:  # else nothing was staged, or it was taken over by an earlier try
            output = document["output"]["path"]
            partitions.take_over(s3, folder, output, there, lying[output])
            return checks, there
        return checks, {}

    def _failed(self, context: Any) -> list[str]:
        """The tasks before this one that have not succeeded, each with its state and what it raised."""
        states = self._states(context)
        bad = [task for task in sorted(self.upstream_task_ids) if states.get(task) != "success"]
        return [
            ": ".join(filter(None, (f"{task} {states.get(task)}", told_of(context, task)))) for task in bad
        ]


def succeeded(ledger: Ledger, claimed: Document, run_id: str) -> Execution | None:
    """Return the execution when an earlier try of this run ended it well: its signals may be owed."""
    output, _ = ledger.output(claimed["node"], claimed["partition"], None)
    for past in output.ended if output else ():
        if (past.state, past.run_id, past.generation) == (SUCCEEDED, run_id, claimed["generation"]):
            return past
    return None


def announce(document: Document, checks: Sequence[CheckResult]) -> None:
    """Send the signals of an output whose data is in its place, and of its checks; raises what EventBridge says."""
    send_signal(document, settings.client("events"), settings.event_bus(), checks_ended(checks))


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
    listed = [partition for partition, _ in named((), run.conf)]  # of a batch, or of a run of the listener's
    for output in _outputs(ledger, claim.node, listed, getattr(run, "partition_key", None)):
        active = shown(ledger.batch_run, output).active
        if active is not None and active.state == CLAIMED and active.run_id == run.run_id:
            execution = active.document["id"]
            where, now = (ledger, claim.node, output.partition, execution, run.run_id), time.time()
            executions.fail(*where, now, "the run failed", writes_since=now, began=active.claimed)


def _outputs(ledger: Ledger, node: str, listed: Sequence[str], key: str | None) -> Iterable[Output]:
    """The outputs that a run's configuration or key names; all of the node's when nothing does."""
    if listed:
        found = (ledger.output(node, partition, None)[0] for partition in listed)
        return [output for output in found if output is not None]
    of_key = None if key is None else ledger.output(node, key, None)[0]
    return ledger.outputs(node) if of_key is None else [of_key]
