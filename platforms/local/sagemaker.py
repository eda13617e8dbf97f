"""SageMaker, simulated: moto checks and keeps the jobs; what a job would write is put beside, so that a pipeline goes on."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

TRAIN, TRANSFORM = "SageMaker.CreateTrainingJob", "SageMaker.CreateTransformJob"


def simulate(target: str, body: bytes, s3: Any) -> None:
    """Write what a job of SageMaker that moto has taken would have written: a model, or transformed files.

    The model is an archive with the job's request in it; "transformed" files are the input's own.
    """
    if target == TRAIN:
        _model(json.loads(body), body, s3)
    elif target == TRANSFORM:
        _transformed(json.loads(body), s3)


def _model(job: dict[str, Any], request: bytes, s3: Any) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        entry = tarfile.TarInfo("simulated-training-job.json")
        entry.size = len(request)
        tar.addfile(entry, io.BytesIO(request))
    bucket, folder = _split(job["OutputDataConfig"]["S3OutputPath"])
    key = f"{folder}/{job['TrainingJobName']}/output/model.tar.gz"
    s3.put_object(Bucket=bucket, Key=key, Body=archive.getvalue())


def _transformed(job: dict[str, Any], s3: Any) -> None:
    bucket, folder = _split(job["TransformOutput"]["S3OutputPath"])
    source = job["TransformInput"]["DataSource"]["S3DataSource"]
    if source["S3DataType"] != "ManifestFile":
        return
    where, manifest = _split(source["S3Uri"])
    first, *names = json.loads(s3.get_object(Bucket=where, Key=manifest)["Body"].read())
    origin, prefix = _split(first["prefix"])
    for name in names:
        key = f"{prefix}/{name}" if prefix else name
        copied = f"{folder}/{name.rpartition('/')[2]}.out"
        s3.copy_object(CopySource={"Bucket": origin, "Key": key}, Bucket=bucket, Key=copied)


def _split(path: str) -> tuple[str, str]:
    bucket, _, key = path.removeprefix("s3://").partition("/")
    return bucket, key.rstrip("/")
