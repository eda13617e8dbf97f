"""A run that had an output, and was killed, released or lost -> seen to write it no more, before another one claims.

Three things of such a run may still write. Its *run*, where that carries out a batch: Airflow is asked for its tasks.
Its *tasks*: Airflow ends the process of a task whose state somebody else has set at its next heartbeat, which is due
every 5 seconds, by force after 5 more, and a worker that cannot reach Airflow ends it after three heartbeats; so after
`settings.GRACE_SECONDS` it is gone. Its *jobs*, which are asked for, and told to stop, once no task can start another.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from rheo_airflow.tasks import jobs, settings
from rheo_airflow.tasks.compat import AirflowException
from rheo_runtime import executions
from rheo_runtime.ledger import Ledger
from rheo_runtime.records import RUN_GOES_ON, Writer, execution_id

# Seconds that a task waits for a writer.
LONGEST = 300.0
OVER = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
T = TypeVar("T")
_LOG = logging.getLogger(__name__)


def places(context: Any) -> tuple[str, ...]:
    """Return where the computes of a run's DAG start jobs."""
    found = (getattr(task, "job_place", None) for task in context["dag"].tasks)
    return tuple(sorted({place() for place in found if place is not None} - {""}))


def claimed(take: Callable[[], T], app: str, node: str, partition: str, context: Any, id: str = "") -> T:
    """Return what a claim returns, once nothing of a run before may write the output.

    ``id`` is the execution that waits. Raises AirflowException when something still may after `LONGEST`: trying again
    goes on with it, and the sweep announces again what no run has claimed.
    """
    ledger, end = settings.ledger(app), time.monotonic() + LONGEST
    while True:
        try:
            return take()
        except executions.StillWriting as fault:
            said = waits(ledger, app, node, partition, fault.writer, context, id)
            if not said:
                continue
            if time.monotonic() >= end:
                raise AirflowException(f"{id or partition or node} {said}; it is tried again") from fault
            _LOG.info("%s", said)
            time.sleep(settings.POLL_SECONDS)


def waits(ledger: Ledger, app: str, node: str, partition: str, writer: Writer, context: Any, id: str) -> str:
    """Say what an execution waits for, and note it, if there is one; empty once nothing of a run may write its output."""
    reason = _still_writes(ledger, app, node, partition, writer, context)
    if not reason:
        return ""
    said = f"waits for {execution_id(node, partition, writer.generation)} to write no more: {reason}"
    if id:
        executions.delayed(ledger, node, partition, id, said)
    return said


def _still_writes(ledger: Ledger, app: str, node: str, partition: str, writer: Writer, context: Any) -> str:
    """Say what of a run may still write an output, and let it stop; empty once nothing does, which is noted."""
    if writer.since == RUN_GOES_ON:
        busy = _at_work(writer.run_id, context)
        if busy:
            return f"run {writer.run_id}, which carries it out with others, is at {busy}"
        now = time.time()
        executions.tasks_told(ledger, node, partition, writer, now)
        writer = writer._replace(since=now)
    left = writer.since + settings.GRACE_SECONDS - time.time()
    if left > 0:
        return f"the tasks of run {writer.run_id} have {left:.0f} s to end"
    try:
        # Where the run of a batch starts jobs, it has noted itself.
        places = writer.jobs or ledger.batch_run(writer.run_id).jobs
        found = jobs.of_writer(app, node, partition, writer._replace(jobs=places))
        for job in found:
            if job.state.upper() not in ("STOPPING", "CANCELLING"):
                job.stop()
    except jobs.CannotSee as fault:
        return str(fault)
    except Exception as fault:  # noqa: BLE001 - one that cannot be stopped may end by itself
        return f"{', '.join(map(str, found))}, and cannot be stopped: {fault}"
    if found:
        return ", ".join(map(str, found))
    executions.writes_no_more(ledger, node, partition, writer)
    return ""


def _at_work(run_id: str, context: Any) -> str:
    """The task of another run of this DAG that writes outputs and is not over; empty when none is, or no such run."""
    dag = context["dag"]
    tasks = ["compute", "publish"]
    states = (
        context["ti"].get_task_states(dag_id=dag.dag_id, task_ids=tasks, run_ids=[run_id]).get(run_id, {})
    )
    return next((task for task, state in states.items() if state not in OVER), "")
