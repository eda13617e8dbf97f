"""PySpark code on EMR Serverless: a script -> a job run for each execution."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codegen import plan as p
from codegen.glue_script import emr_script
from codegen.routes import app_bucket
from codegen.targets.base import (
    Operator,
    Site,
    Statement,
    files,
    lower,
    operator,
    permissions,
    resources,
    role,
)
from codegen.targets.glue import check_spark, spark_code
from rheodsl import compute_jobs

RELEASE = "emr-7.5.0"
SERVICE = "emr-serverless"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmrTask(p.ScriptTask):
    """A job run; ``release`` names the version of its application."""

    release: str
    spark: str
    minutes: int
    permissions: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]


@lower.register
def _(target: compute_jobs.EmrCompute, site: Site) -> p.Task:
    check_spark(target.code, target.args, site)
    code, given = spark_code(target.code), dict(target.parameters)
    jars = f"--jars {','.join(target.libraries)}" if target.libraries else ""
    spark = " ".join(filter(None, [jars, given.get("SparkSubmitParameters")]))
    return EmrTask(
        task_id=site.name,
        where=code.where,
        retries=target.retry_count,
        writes=site.writes,
        code=code,
        script=f"emr/{site.node.id}{site.suffix}.py",
        lang="PYTHON",
        args=target.args,
        release=given.get("ReleaseLabel", RELEASE),
        spark=spark,
        minutes=given.get("Timeout", 480),
        permissions=target.permissions,
    )


def application(app: str, release: str) -> str:
    """Return the name of the EMR Serverless application that runs an application's jobs.

    >>> application("shop", "emr-7.5.0")
    'rheo-shop-emr-7-5-0'
    """
    return f"{app_bucket(app)}-{re.sub('[^a-z0-9]+', '-', release.lower())}"


@operator.register
def _(task: EmrTask, dag: p.DagPlan) -> Operator:
    arguments: dict[str, object] = {
        "application": application(dag.app, task.release),
        "role": role(dag.app, SERVICE),
        "bucket": dag.location.removeprefix("s3://").split("/")[0],
        "script": task.script,
        "minutes": task.minutes,
    }
    if task.spark:
        arguments["spark"] = task.spark
    if task.args:
        arguments["args"] = dict(task.args)
    return Operator("rheo_runtime.tasks.emr", "EmrComputeOperator", arguments)


@files.register
def _(task: EmrTask, dag: p.DagPlan) -> Mapping[str, str]:
    return {task.script: emr_script(dag, task)}


@resources.register
def _(task: EmrTask, dag: p.DagPlan) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    return {"emr_applications": [{"name": application(dag.app, task.release), "release": task.release}]}


@permissions.register
def _(task: EmrTask, dag: p.DagPlan) -> Sequence[Statement]:
    arn = "arn:${AWS::Partition}:emr-serverless:${AWS::Region}:${AWS::AccountId}:/applications/*"
    return (
        {"Action": ["emr-serverless:ListApplications"], "Resource": ["*"]},
        {
            "Action": [
                "emr-serverless:CancelJobRun",
                "emr-serverless:GetApplication",
                "emr-serverless:GetJobRun",
                "emr-serverless:ListJobRuns",
                "emr-serverless:StartApplication",
                "emr-serverless:StartJobRun",
            ],
            "Resource": [arn],
        },
    )
