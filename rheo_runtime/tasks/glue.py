"""An execution -> a run of a Glue job, by the provider's own operator with its gaps closed."""

from __future__ import annotations

from typing import Any

from airflow.providers.amazon.aws.hooks.glue import GlueJobHook  # noqa: TID253
from airflow.providers.amazon.aws.operators.glue import GlueJobOperator  # noqa: TID253
from botocore.exceptions import ClientError

from rheo_runtime.tasks.claim import hold
from rheo_runtime.tasks.compat import AirflowException
from rheo_runtime.tasks.settings import POLL_SECONDS

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

    A retry joins a run that is still going; a task that is stopped stops its run. Parameters are those
    of GlueJobOperator.
    """

    aws_hook_class = _Hook

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"job_poll_interval": POLL_SECONDS, "stop_job_run_on_kill": True, **kwargs})

    def execute(self, context: Any) -> Any:
        """Run the job; raises AirflowException with the script's own error."""
        hold(context)
        try:
            return super().execute(context)
        except AirflowException as error:
            if self._job_run_id is None:
                raise
            raise AirflowException(self._error(self._job_run_id)) from error

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
            self.log.error("The end of %s:\n%s", group, "\n".join(e["message"] for e in answer["events"]))
        return f"job run {run_id} {run['JobRunState']}: {run.get('ErrorMessage') or 'Glue says no more'}"
