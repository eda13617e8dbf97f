"""PySpark code on EMR Serverless: a script -> a job run for each execution."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codegen import plan as p
from codegen.spark_script import library, spark_script
from codegen.targets.base import (
    LoweringContext,
    Operator,
    Statement,
    files,
    lower,
    operator,
    permissions,
    resources,
    role,
)
from codegen.targets.glue import check_output, check_spark, spark_code
from rheo_runtime.wire import S3Address, resource_name
from rheodsl import compute

RELEASE = "emr-7.5.0"
SERVICE = "emr-serverless"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmrTask(p.ScriptTask):
    """A job run; ``release`` names the version of its application."""

    release: str
    spark: str
    minutes: int
    permissions: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    libraries: tuple[str, ...] = ()


@lower.register
def _(target: compute.EmrCompute, site: LoweringContext) -> p.Task:
    check_spark(target.code, target.args, site)
    check_output(target.code, "PYTHON", site)
    code, given = spark_code(target.code), dict(target.parameters)
    jars = f"--jars {','.join(target.libraries)}" if target.libraries else ""
    spark = " ".join(filter(None, [jars, given.get("SparkSubmitParameters")]))
    minutes = given.get("Timeout", 480)
    return EmrTask(
        task_id=site.name,
        where=code.where,
        retries=target.retry_count,
        timeout=(minutes + 60) * 60,
        writes=site.writes,
        code=code,
        script=f"emr/{site.node.id}{site.suffix}.py",
        lang="PYTHON",
        args=target.args,
        release=given.get("ReleaseLabel", RELEASE),
        spark=spark,
        minutes=minutes,
        permissions=target.permissions,
        libraries=target.libraries,
    )


def application(app: str, release: str) -> str:
    """Return the name of the EMR Serverless application that runs an application's jobs.

    >>> application("shop", "emr-7.5.0")
    'rheo-shop-emr-7-5-0'
    """
    return f"{resource_name(app)}-{re.sub('[^a-z0-9]+', '-', release.lower())}"


@operator.register
def _(task: EmrTask, dag: p.DagPlan) -> Operator:
    arguments: dict[str, object] = {
        "application": application(dag.app, task.release),
        "role": role(dag.app, SERVICE),
        "bucket": S3Address.of(dag.location).bucket,
        "script": task.script,
        "minutes": task.minutes,
        "modules": sorted(library(dag, task)),
    }
    if task.spark:
        arguments["spark"] = task.spark
    if task.args:
        arguments["args"] = dict(task.args)
    return Operator("rheo_airflow.tasks.emr", "EmrComputeOperator", arguments)


@files.register
def _(task: EmrTask, dag: p.DagPlan) -> Mapping[str, str]:
    return {task.script: spark_script(dag, task), **library(dag, task)}


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
