"""An execution -> a run of a Glue job, by the provider's own operator with its gaps closed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow.providers.amazon.aws.hooks.glue import GlueJobHook  # noqa: TID253
from airflow.providers.amazon.aws.operators.glue import GlueJobOperator  # noqa: TID253
from botocore.exceptions import ClientError

from rheo_airflow.tasks.batches import Guard, Work, argument, settle
from rheo_airflow.tasks.claim import hold
from rheo_airflow.tasks.compat import AirflowException
from rheo_airflow.tasks.failures import says_why
from rheo_airflow.tasks.places import Places
from rheo_airflow.tasks.settings import POLL_SECONDS

# The provider takes STOPPED for success, and would ask about the other two for ever.
_BAD_ENDS = frozenset({"STOPPED", "ERROR", "EXPIRED"})
_LOG_LINES = 100


class _Hook(GlueJobHook):
    """Sees every end of a job run but SUCCEEDED as a failure."""

    def get_job_state(self, job_name: str, run_id: str) -> str:
        state: str = super().get_job_state(job_name, run_id)
        return "FAILED" if state in _BAD_ENDS else state


class GlueComputeOperator(GlueJobOperator):
    """Starts a job run for the claimed execution and waits for it; its error is the task's.

    A retry joins a run that is still going; a task that is stopped stops its run.

    Parameters
    ----------
    code
        The job's script, relative to the DAG's folder: its failures are told by the application's lines.
    kwargs
        Those of GlueJobOperator.
    """

    aws_hook_class = _Hook

    def job_place(self) -> str:
        """Return where it starts jobs."""
        return f"glue {self.job_name}"

    def __init__(self, *, code: str = "", **kwargs: Any) -> None:
        super().__init__(**{"job_poll_interval": POLL_SECONDS, "stop_job_run_on_kill": True, **kwargs})
        self.code = code

    @says_why
    def execute(self, context: Any) -> Any:
        """Run the job; raises AirflowException with the script's own error."""
        hold(context)
        return self._run(context)

    def _run(self, context: Any) -> Any:
        try:
            return super().execute(context)
        except AirflowException as error:
            if self._job_run_id is None:
                raise
            raise AirflowException(self._error(self._job_run_id)) from error

    @says_why
    def execute_complete(self, context: Any, event: dict[str, Any] | None = None) -> str:
        """Go on after a deferral; raises AirflowException like `execute`."""
        run_id = str(
            (event or {}).get("run_id")
            or context["ti"].xcom_pull(task_ids=self.task_id, key="glue_job_run_id")
        )
        if self.hook.get_job_state(self.job_name, run_id) != "SUCCEEDED":
            raise AirflowException(self._error(run_id))
        return run_id

    def _error(self, run_id: str) -> str:
        """What Glue says of a failed run; the end of its error log goes to the task's log."""
        places = Places(Path(self.dag.fileloc).parent, self.code)
        glue: Any = self.hook.conn
        run = glue.get_job_run(JobName=self.job_name, RunId=run_id)["JobRun"]
        group = f"{run.get('LogGroupName') or '/aws-glue/jobs'}/error"
        try:
            logs: Any = self.hook.logs_hook.conn
            answer = logs.get_log_events(
                logGroupName=group, logStreamName=run_id, limit=_LOG_LINES, startFromHead=False
            )
        except ClientError as error:
            self.log.warning("The log %s of %s cannot be read: %s", group, run_id, error)
        else:
            text = "\n".join(e["message"] for e in answer["events"])
            self.log.error("The end of %s:\n%s", group, places.told(text))
        said = places.told(run.get("ErrorMessage") or "Glue says no more")
        return f"job run {run_id} {run['JobRunState']}: {said}"


class GlueBatchOperator(GlueComputeOperator):
    """Starts one job run for the executions of a batch; each is computed by itself, in one session.

    Parameters
    ----------
    parallel
        How many are computed at a time.
    attempts
        How often each is tried, within the run.
    guards
        What must be there of each execution before it is computed.
    kwargs
        Those of `GlueComputeOperator`.
    """

    def __init__(
        self, *, parallel: int = 1, attempts: int = 1, guards: Sequence[Guard] = (), **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.parallel = parallel
        self.attempts = attempts
        self.guards = guards

    def execute(self, context: Any) -> Any:
        """Run the job; raises AirflowFailException that lists what failed, AirflowException when the job did."""
        work = Work(context, self.guards)
        if not work.documents:  # an earlier try of this task has computed what can be
            settle(context, self.log)
            return None
        place = argument(work, self.parallel, self.attempts, context["ti"].try_number)
        self.script_args = {**self.script_args, "--execution": place}
        try:
            run_id = self._run(context)
        except AirflowException as fault:
            settle(context, self.log, fault)
            return None
        settle(context, self.log)
        return run_id

    def execute_complete(self, context: Any, event: dict[str, Any] | None = None) -> str:
        """Go on after a deferral; raises like `execute`."""
        try:
            run_id = super().execute_complete(context, event)
        except AirflowException as fault:
            settle(context, self.log, fault)
            return ""
        settle(context, self.log)
        return run_id
