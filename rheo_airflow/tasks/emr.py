"""An execution -> a job run on EMR Serverless, by the provider's own operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow.providers.amazon.aws.operators.emr import EmrServerlessStartJobOperator  # noqa: TID253
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields  # noqa: TID253

from rheo_airflow.tasks import settings
from rheo_airflow.tasks.claim import argument, hold
from rheo_airflow.tasks.compat import AirflowException, until
from rheo_airflow.tasks.failures import says_why
from rheo_airflow.tasks.idempotency import name, token
from rheo_airflow.tasks.jobs import EMR_ACTIVE
from rheo_airflow.tasks.places import Places

# Spark finds tables of the Glue Data Catalog by it.
_CATALOG = (
    "--conf spark.hadoop.hive.metastore.client.factory.class="
    "com.amazonaws.glue.catalog.metastore.AWSGlueDataCatalogHiveClientFactory"
)
# A year: the job's own timeout ends it.
_POLLS = 365 * 86400


class EmrComputeOperator(EmrServerlessStartJobOperator):
    """Starts a job run for the claimed execution and waits for it; a retry joins a run that is still going.

    Parameters
    ----------
    application
        Name of the EMR Serverless application.
    role
        Path and name of the role that the job has; ``{region}`` stands for the region.
    script
        The script, in the application's folder of the bucket.
    bucket
        The application's bucket.
    args
        Arguments of the script.
    spark
        What spark-submit is told, such as ``--conf spark.executor.memory=4g``.
    minutes
        The job's timeout.
    modules
        Modules that the script imports, in the application's folder of the bucket.
    """

    template_fields = aws_template_fields()

    def __init__(
        self,
        *,
        application: str,
        role: str,
        bucket: str,
        script: str,
        args: Mapping[str, str] | None = None,
        spark: str = "",
        minutes: int = 480,
        modules: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        polling = {"waiter_delay": max(1, int(settings.POLL_SECONDS)), "waiter_max_attempts": _POLLS}
        super().__init__(
            **{"application_id": "", "execution_role_arn": "", "job_driver": {}, **polling, **kwargs}
        )
        self.application, self.role, self.bucket, self.script = application, role, bucket, script
        self.args, self.spark, self.minutes = dict(args or {}), spark, minutes
        self.modules = tuple(modules)

    def job_place(self) -> str:
        """Return where it starts jobs."""
        return f"emr {self.application}"

    @says_why
    def execute(self, context: Any, event: Any = None) -> str | None:
        """Run the job; raises AirflowException with the job's own state."""
        document = hold(context)
        self.name = name(document, 0)
        self.application_id = self._application()
        if (active := self._active()) is not None:
            self.log.info("Joining the job run %s, which an earlier try started", active)
            self.job_id = active
            return self._wait(active)
        self.execution_role_arn = settings.role_arn(self.role)
        self.client_request_token = token(document, context["ti"].try_number)
        words = [part for key, value in self.args.items() for part in (f"--{key}", value)]
        modules = ",".join(f"s3://{self.bucket}/rheo/{path}" for path in self.modules)
        files = f"--py-files {modules}" if modules else ""
        self.job_driver = {
            "sparkSubmit": {
                "entryPoint": f"s3://{self.bucket}/rheo/{self.script}",
                "entryPointArguments": ["--execution", argument(document), *words],
                "sparkSubmitParameters": " ".join(filter(None, [_CATALOG, files, self.spark])),
            }
        }
        self.config = {"executionTimeoutMinutes": self.minutes}
        self.wait_for_completion = False
        return self._wait(str(super().execute(context)))

    def _wait(self, run_id: str) -> str:
        """The provider's own waiter tells neither the error nor a job that timed out."""
        run = until(
            lambda: self._emr.get_job_run(applicationId=self.application_id, jobRunId=run_id)["jobRun"],
            lambda run: run["state"] not in (*EMR_ACTIVE, "CANCELLING"),
        )
        if run["state"] != "SUCCESS":
            places = Places(Path(self.dag.fileloc).parent, self.script)
            said = places.told(run.get("stateDetails") or "EMR says no more")
            raise AirflowException(f"job run {run_id} {run['state']}: {said}")
        return run_id

    @property
    def _emr(self) -> Any:
        return self.hook.conn

    def _application(self) -> str:
        pages = self._emr.get_paginator("list_applications").paginate()
        for page in pages:
            for found in page["applications"]:
                if found["name"] == self.application and found["state"] != "TERMINATED":
                    return str(found["id"])
        raise AirflowException(f"there is no EMR Serverless application {self.application}")

    def _active(self) -> str | None:
        runs = self._emr.list_job_runs(applicationId=self.application_id, states=list(EMR_ACTIVE))["jobRuns"]
        return next((str(run["id"]) for run in runs if run.get("name") == self.name), None)
