"""An execution -> a training or transform job of SageMaker, by the provider's own operators.

Jobs read a manifest of the objects that exist when they start, and write beside the output: its partition is
replaced when a job has succeeded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow.providers.amazon.aws.operators.sagemaker import (  # noqa: TID253
    SageMakerTrainingOperator,
    SageMakerTransformOperator,
)
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields  # noqa: TID253
from botocore.exceptions import ClientError

from rheo_airflow.tasks import partitions, settings
from rheo_airflow.tasks.claim import hold
from rheo_airflow.tasks.compat import AirflowException, until
from rheo_airflow.tasks.failures import says_why
from rheo_airflow.tasks.idempotency import filled, name
from rheo_airflow.tasks.jobs import SAGEMAKER_ACTIVE
from rheo_airflow.tasks.python_compute import check
from rheo_runtime.records import Document

MODEL = "model.tar.gz"
# How an input is given: alias -> its completion objects and, by SageMaker's names, how its files read.
Inputs = Mapping[str, Mapping[str, Any]]


class _Job:
    """What both kinds of jobs share; ``kind`` is "Training" or "Transform"."""

    kind: str
    _job_name: str | None = None

    def job_place(self) -> str:
        """Return where it starts jobs."""
        return self.kind.lower()

    @property
    def _sagemaker(self) -> Any:
        return self.hook.conn  # type: ignore[attr-defined]

    def _describe(self, job: str) -> Any:
        try:
            return getattr(self._sagemaker, f"describe_{self.kind.lower()}_job")(
                **{f"{self.kind}JobName": job}
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in ("ValidationException", "ResourceNotFound"):
                return None
            raise

    def _joined(self, document: Document, attempt: int) -> str | None:
        """The name of a job of this try, or the one before, that still runs."""
        for number in (attempt, attempt - 1):
            found = self._describe(name(document, number)) if number else None
            if found is not None and found[f"{self.kind}JobStatus"] in SAGEMAKER_ACTIVE:
                return name(document, number)
        return None

    def _end(self, job: str) -> Any:
        """Wait; raises AirflowException with SageMaker's reason."""
        self._job_name = job
        status = f"{self.kind}JobStatus"
        found = until(lambda: self._describe(job), lambda found: found[status] not in SAGEMAKER_ACTIVE)
        if found[status] != "Completed":
            raise AirflowException(
                f"{job} {found[status]}: {found.get('FailureReason') or 'SageMaker says no more'}"
            )
        return found

    def on_kill(self) -> None:
        """Stop the job, if there is one."""
        if self._job_name is not None:
            stop = getattr(settings.client("sagemaker"), f"stop_{self.kind.lower()}_job")
            stop(**{f"{self.kind}JobName": self._job_name})


class SageMakerTrainingComputeOperator(_Job, SageMakerTrainingOperator):
    """Trains a model for the claimed execution; the output partition gets its ``model.tar.gz``.

    Parameters
    ----------
    channels
        Channel -> the alias of its input.
    inputs
        Alias -> ``completion`` (names) and ``content_type``.
    config
        Further fields of CreateTrainingJob; ``{day}`` and the like are filled in.
    role
        Path and name of the role that the job has, where ``config`` names none.
    """

    kind = "Training"
    template_fields = aws_template_fields()

    def __init__(
        self,
        *,
        channels: Mapping[str, str],
        inputs: Inputs,
        config: dict[str, Any],
        role: str | None = None,
        **kwargs: Any,
    ) -> None:
        # What waits and names jobs is here; the provider's part checks, expands and creates.
        own = {"wait_for_completion": False, "check_if_job_exists": False, "print_log": False}
        super().__init__(**{"config": config, **own, **kwargs})
        self.channels, self.inputs, self.role = dict(channels), dict(inputs), role

    @says_why
    def execute(self, context: Any) -> dict[str, Any]:
        """Train; raises AirflowException with SageMaker's reason."""
        document, attempt = hold(context), context["ti"].try_number
        job = self._joined(document, attempt)
        if job is None:
            job = name(document, attempt)
            self.config = self._request(document, job)
            super().execute(context)
        ended = self._end(job)
        s3 = settings.client("s3")
        model = ended["ModelArtifacts"]["S3ModelArtifacts"]
        bucket, key = partitions.split(model)
        if not s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents"):
            raise AirflowException(f"{job} left no model: {model} does not exist")
        partitions.replace(s3, document["output"]["path"], {key: MODEL})
        return {"TrainingJobName": job}

    def _request(self, document: Document, job: str) -> dict[str, Any]:
        s3, staged = settings.client("s3"), partitions.staging(document, job)
        found = partitions.inputs(s3, document, self.inputs)
        own = {"RoleArn": settings.role_arn(self.role)} if self.role else {}
        return {
            **filled(self.config, document),
            **own,
            "TrainingJobName": job,
            "OutputDataConfig": {
                **filled(self.config.get("OutputDataConfig", {}), document),
                "S3OutputPath": staged,
            },
            "InputDataConfig": [
                {
                    "ChannelName": channel,
                    "DataSource": {"S3DataSource": _source(s3, f"{staged}/_{alias}.manifest", found[alias])},
                    "ContentType": self.inputs[alias]["content_type"],
                }
                for channel, alias in sorted(self.channels.items())
            ],
        }


class SageMakerTransformComputeOperator(_Job, SageMakerTransformOperator):
    """Transforms an input for the claimed execution, into the output partition.

    Parameters
    ----------
    inputs
        The alias of what is transformed -> ``completion``, ``content_type`` and ``split_type``.
    config
        Further fields of CreateTransformJob; ``{day}`` and the like are filled in.
    model
        Fields of CreateModel, where the model is made for the job.
    role
        Path and name of the role that the model has, where ``model`` names none.
    checks
        What the output must be: see `rheo_airflow.tasks.python_compute.check`. It is moved to where publish takes
        it over then, and not to the output.
    """

    kind = "Transform"
    template_fields = aws_template_fields()

    def __init__(
        self,
        *,
        inputs: Inputs,
        config: dict[str, Any],
        model: Mapping[str, Any] | None = None,
        role: str | None = None,
        checks: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        own = {"wait_for_completion": False, "check_if_job_exists": False, "check_if_model_exists": False}
        super().__init__(**{"config": config, **own, **kwargs})
        self.inputs, self.model, self.role = dict(inputs), dict(model or {}), role
        self.checks = dict(checks or {})

    @says_why
    def execute(self, context: Any) -> dict[str, Any]:
        """Transform; raises AirflowException with SageMaker's reason."""
        document, attempt = hold(context), context["ti"].try_number
        s3, job = settings.client("s3"), self._joined(document, attempt)
        if job is None:
            job = name(document, attempt)
            self.config = self._request(s3, document, job)
            super().execute(context)
        self._end(job)
        place = partitions.aside(document) if self.checks else document
        partitions.move(s3, partitions.staging(document, job), place["output"]["path"])
        if self.checks:
            check(self.checks, place, Path(context["dag"].fileloc).parent)
        return {"TransformJobName": job}

    def _request(self, s3: Any, document: Document, job: str) -> dict[str, Any]:
        ((alias, how),) = self.inputs.items()
        staged = partitions.staging(document, job)
        found = partitions.inputs(s3, document, self.inputs)[alias]
        request = filled(self.config, document)
        given: dict[str, Any] = request.pop("TransformInput", {})
        transform = {
            **request,
            "TransformJobName": job,
            "TransformInput": {
                "ContentType": how["content_type"],
                "SplitType": how["split_type"],
                **given,
                "DataSource": {"S3DataSource": _source(s3, f"{staged}/_{alias}.manifest", found)},
            },
            "TransformOutput": {**request.get("TransformOutput", {}), "S3OutputPath": staged},
        }
        if not self.model:
            return transform
        own = {"ExecutionRoleArn": settings.role_arn(self.role)} if self.role else {}
        model = {**filled(self.model, document), **own, "ModelName": job}
        return {"Model": model, "Transform": {**transform, "ModelName": job}}


def _source(s3: Any, manifest: str, found: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Write which objects a job reads, and return how SageMaker is told."""
    buckets = sorted({partitions.split(path)[0] for path in found})
    if len(buckets) != 1:
        raise AirflowException(f"one channel reads one bucket, not {', '.join(buckets)}")
    if not any(found.values()):
        raise AirflowException(
            f"announced, but empty: {', '.join(found)}; SageMaker reads no channel without data"
        )
    content = [{"prefix": f"s3://{buckets[0]}/"}, *(key for keys in found.values() for key in sorted(keys))]
    bucket, key = partitions.split(manifest)
    s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(content).encode())
    return {"S3DataType": "ManifestFile", "S3Uri": manifest}
