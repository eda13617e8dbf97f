"""Spark code on AWS Glue: a job and its script -> a run of the job for each execution."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from codegen import plan as p
from codegen.inlined import check_parameters
from codegen.scala_script import scala_script
from codegen.spark_script import LIBRARY, batch_module, batch_script, check_names, library, spark_script
from codegen.targets.base import (
    LoweringContext,
    Operator,
    batchable,
    files,
    lower,
    operator,
    resources,
    untemplated,
    user_code,
)
from rheo_runtime.wire import S3Address
from rheodsl import compute
from rheodsl.errors import ComputeError
from rheodsl.texts import first_line, text_fault

# What claim leaves for a job: the execution as JSON, or where it lies when it is too large.
EXECUTION = "{{ ti.xcom_pull('claim', key='argument') }}"
# StartJobRun takes these; the others are set when the job is created.
_RUN_PARAMETERS = frozenset(
    {"ExecutionClass", "MaxCapacity", "NumberOfWorkers", "SecurityConfiguration", "Timeout", "WorkerType"}
)
# Minutes after which Glue ends a run of which nothing else is said (CreateJob, "Timeout"); Glue 5 ends it sooner.
_GLUE_TIMEOUT = 2880
_SCALA = {"--job-language": "scala", "--class": "GlueApp"}
_RESERVED_ARGS = {"execution", "conf", "debug", "mode", "JOB_NAME", "JOB_ID", "JOB_RUN_ID", "TempDir"}


@lower.register
def _(target: compute.SparkCompute, site: LoweringContext) -> p.Task:
    node = site.node
    if target.lang is compute.Lang.PRESTO_SQL:
        raise ComputeError(
            f"{node.id}: {target.lang.value} is the language of Athena",
            where=target.code.where or node.where,
            hint="use PrestoSQL(query)",
        )
    if target.lang is compute.Lang.SCALA and target.code.form != "text":
        raise ComputeError(
            f"{node.id}: Scala code is a text",
            where=target.code.where or node.where,
            hint='scala_script("orders.limit(100)")',
        )
    check_spark(target.code, target.args, site)
    check_output(target.code, target.lang.value, site)
    code = spark_code(target.code)
    script = f"glue/{node.id}{site.suffix}.{'scala' if target.lang is compute.Lang.SCALA else 'py'}"
    return p.SparkTask(
        task_id=site.name,
        where=code.where,
        retries=target.retry_count,
        timeout=(dict(target.parameters).get("Timeout", _GLUE_TIMEOUT) + 60) * 60,
        writes=site.writes,
        code=code,
        job=job_name(site.app, node.id, site.suffix),
        script=f"{LIBRARY}/{batch_module(node.id)}.py" if node.options.batch else script,
        lang=target.lang.value,
        parameters=target.parameters,
        args=target.args,
        permissions=target.permissions,
        libraries=target.libraries,
    )


def job_name(app: str, node: str, suffix: str) -> str:
    """Return the name of a node's job in Glue: that of no other node, of this or another application.

    >>> job_name("shop", "daily", ""), job_name("shop", "daily", "_2")
    ('shop-daily', 'shop-daily-2')
    >>> job_name("a-b", "c", ""), job_name("a", "b-c", "")
    ('a-b-c-2113b57a', 'a-b-c-e840729c')
    """
    name = f"{app}-{node}{re.sub('[_/]', '-', suffix)}"
    if "-" not in app + node:
        return name
    return f"{name}-{hashlib.sha256(f'{app}/{node}/{suffix}'.encode()).hexdigest()[:8]}"


def check_spark(code: compute.Code, args: tuple[tuple[str, str], ...], site: LoweringContext) -> None:
    """Raise ComputeError for arguments and parameters that a script cannot have."""
    for name, _ in args:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name) or name in _RESERVED_ARGS:
            raise ComputeError(
                f"{site.node.id}: {name!r} cannot be an argument of the job",
                where=code.where or site.node.where,
                hint="Rheo or Glue uses that name; choose another",
            )
    if code.form == "function":
        check_parameters(code, site.node)


def spark_code(code: compute.Code) -> p.Code:
    """Return Spark code, its place the line on which the code itself begins."""
    if code.form == "text" and code.where is not None:
        code = replace(code, where=first_line(code.text, code.where))
    return user_code(code)


def check_output(code: compute.Code, lang: str, site: LoweringContext) -> None:
    """Raise ComputeError for code that does not parse, lacks its ``output``, assigns one in vain, or lacks a name."""
    fault = text_fault(site.node, code, lang, site.writes)
    if fault is not None:
        raise fault
    if lang == compute.Lang.PYTHON:
        if code.form == "text" and code.where is not None:
            code = replace(code, where=first_line(code.text, code.where))
        check_names(code, site.node)


@batchable.register
def _(task: p.SparkTask) -> bool:
    return task.lang != "SCALA"


@operator.register
def _(task: p.SparkTask, dag: p.DagPlan) -> Operator:
    run: dict[str, Any] = {k: v for k, v in task.parameters if k in _RUN_PARAMETERS}
    # A batch's executions lie in S3: its operator says where.
    given = {} if dag.batch else {"--execution": EXECUTION}
    given |= {f"--{k}": untemplated(v) for k, v in task.args}
    arguments: dict[str, object] = {"code": task.script, "job_name": task.job}
    if given:
        arguments["script_args"] = given
    if run:
        arguments["run_job_kwargs"] = run
    name = "GlueBatchOperator" if dag.batch else "GlueComputeOperator"
    return Operator("rheo_airflow.tasks.glue", name, arguments)


@files.register
def _(task: p.SparkTask, dag: p.DagPlan) -> Mapping[str, str]:
    if task.lang == "SCALA":
        return {task.script: scala_script(dag, task)}
    if dag.batch:
        return {_script(task, dag): batch_script(dag), **library(dag, task)}
    return {task.script: spark_script(dag, task), **library(dag, task)}


def _script(task: p.SparkTask, dag: p.DagPlan) -> str:
    """The job's own script; that of a batch runs the node's for each execution."""
    return f"glue/{dag.node}.py" if dag.batch else task.script


@resources.register
def _(task: p.SparkTask, dag: p.DagPlan) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    return {"glue_jobs": [_job(task, dag)]}


def _job(task: p.SparkTask, dag: p.DagPlan) -> dict[str, Any]:
    given = dict(task.parameters)
    job: dict[str, Any] = {
        "name": task.job,
        "script": _script(task, dag),
        "glue_version": given.pop("GlueVersion", "5.0"),
        "timeout": given.pop("Timeout", 480),
        "concurrent": dag.max_active_runs,
        "arguments": {"--enable-glue-datacatalog": "true", **(_SCALA if task.lang == "SCALA" else {})},
        "reads": sorted({i.location for i in dag.inputs if i.location is not None}),
        "writes": [dag.location],
    }
    if "MaxCapacity" not in given:
        # Glue wants a capacity, or both worker type and number.
        job["worker_type"] = given.pop("WorkerType", "G.1X")
        job["workers"] = given.pop("NumberOfWorkers", 2)
    if given:
        job["parameters"] = given
    if task.lang != "SCALA":
        modules = ",".join(f"s3://{_bucket(dag)}/rheo/{path}" for path in sorted(library(dag, task)))
        job["arguments"]["--extra-py-files"] = modules
    if task.libraries:
        job["arguments"]["--extra-jars"] = ",".join(task.libraries)
    if task.permissions:
        job["permissions"] = [{"resources": list(r), "actions": list(a)} for r, a in task.permissions]
    return job


def _bucket(dag: p.DagPlan) -> str:
    return S3Address.of(dag.location).bucket
