"""An execution -> a job of AWS Batch, by the provider's own operator."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow.providers.amazon.aws.operators.batch import BatchOperator  # noqa: TID253
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields  # noqa: TID253

from rheo_airflow.tasks import partitions, settings
from rheo_airflow.tasks.claim import hold, stored
from rheo_airflow.tasks.compat import AirflowException, until
from rheo_airflow.tasks.failures import says_why
from rheo_airflow.tasks.idempotency import filled, name
from rheo_airflow.tasks.jobs import BATCH_ACTIVE
from rheo_airflow.tasks.python_compute import check, prepared

# SubmitJob takes 8192 characters of overrides in all.
_LARGEST = 4000


class BatchComputeOperator(BatchOperator):
    """Submits a job for the claimed execution and waits for it; a retry joins a job that is still going.

    Parameters
    ----------
    job_definition, job_queue
        Names or ARNs.
    command, environment
        The container's; ``{day}`` and the like are filled in.
    request
        Further fields of SubmitJob.
    checks
        What the output must be: see `rheo_airflow.tasks.python_compute.check`. The container is given a folder
        beside the output, which publish takes over.
    """

    template_fields = aws_template_fields()

    def __init__(
        self,
        *,
        command: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        request: Mapping[str, Any] | None = None,
        checks: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"job_name": "", **kwargs})
        self.command, self.environment, self.request = (
            list(command),
            dict(environment or {}),
            dict(request or {}),
        )
        self.checks = dict(checks or {})

    def job_place(self) -> str:
        """Return where it starts jobs."""
        return f"batch {self.job_queue}"

    @says_why
    def execute(self, context: Any) -> str:
        """Run the job; raises AirflowException with the job's own reason."""
        document = hold(context)
        self.job_name = name(document, 0, 128)
        self.job_id = self._active()
        if self.job_id is None:
            place = prepared(document) if self.checks else document
            answer = self._batch.submit_job(**self._submission(place))
            self.job_id = str(answer["jobId"])
        self.log.info("Job %s of AWS Batch", self.job_id)
        job = until(self._job, lambda job: job["status"] not in BATCH_ACTIVE)
        if job["status"] != "SUCCEEDED":
            reason = job.get("statusReason") or job.get("container", {}).get("reason") or "Batch says no more"
            raise AirflowException(f"job {self.job_id} {job['status']}: {reason}")
        if self.checks:
            check(self.checks, partitions.aside(document), Path(context["dag"].fileloc).parent)
        return self.job_id

    @property
    def _batch(self) -> Any:
        return self.hook.client

    def _job(self) -> Any:
        (job,) = self._batch.describe_jobs(jobs=[self.job_id])["jobs"]
        return job

    def _active(self) -> str | None:
        by_name = [{"name": "JOB_NAME", "values": [self.job_name]}]
        answer = self._batch.list_jobs(jobQueue=self.job_queue, filters=by_name)
        return next((str(j["jobId"]) for j in answer["jobSummaryList"] if j["status"] in BATCH_ACTIVE), None)

    def _submission(self, document: Any) -> dict[str, Any]:
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        environment = {
            "RHEO_EXECUTION": text if len(text) <= _LARGEST else stored(document, text),
            "RHEO_OUTPUT": document["output"]["path"] or "",
            **filled(self.environment, document),
        }
        request = filled(self.request, document)
        overrides = {**request.pop("containerOverrides", {})}
        given = {entry["name"]: entry["value"] for entry in overrides.get("environment", ())}
        overrides["environment"] = [{"name": k, "value": v} for k, v in (environment | given).items()]
        if self.command:
            overrides["command"] = filled(self.command, document)
        return {
            "jobName": self.job_name,
            "jobQueue": self.job_queue,
            "jobDefinition": self.job_definition,
            "containerOverrides": overrides,
            **request,
        }

    def on_kill(self) -> None:
        """End the job, if there is one."""
        if self.job_id is not None:
            settings.client("batch").terminate_job(jobId=self.job_id, reason="the Airflow task was stopped")
