"""Spark code on AWS Glue: a job and its script -> a run of the job for each execution."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from codegen import plan as p
from codegen.glue_script import glue_script
from codegen.inlined import check_parameters
from codegen.places import first_line
from codegen.scala_script import scala_script
from codegen.targets.base import Operator, Site, files, lower, operator, resources, untemplated, user_code
from rheodsl import compute
from rheodsl.errors import ComputeError

# What claim leaves for a job: the execution as JSON, or where it lies when it is too large.
EXECUTION = "{{ ti.xcom_pull('claim', key='argument') }}"
# StartJobRun takes these; the others are set when the job is created.
_RUN_PARAMETERS = frozenset(
    {"ExecutionClass", "MaxCapacity", "NumberOfWorkers", "SecurityConfiguration", "Timeout", "WorkerType"}
)
_SCALA = {"--job-language": "scala", "--class": "GlueApp"}
_RESERVED_ARGS = {"execution", "conf", "debug", "mode", "JOB_NAME", "JOB_ID", "JOB_RUN_ID", "TempDir"}


@lower.register
def _(target: compute.SparkCompute, site: Site) -> p.Task:
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
    code = spark_code(target.code)
    return p.SparkTask(
        task_id=site.name,
        where=code.where,
        retries=target.retry_count,
        writes=site.writes,
        code=code,
        job=f"{site.app}-{node.id}{site.suffix.replace('_', '-')}",
        script=f"glue/{node.id}{site.suffix}.{'scala' if target.lang is compute.Lang.SCALA else 'py'}",
        lang=target.lang.value,
        parameters=target.parameters,
        args=target.args,
        permissions=target.permissions,
        libraries=target.libraries,
    )


def check_spark(code: compute.Code, args: tuple[tuple[str, str], ...], site: Site) -> None:
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


@operator.register
def _(task: p.SparkTask, dag: p.DagPlan) -> Operator:
    run: dict[str, Any] = {k: v for k, v in task.parameters if k in _RUN_PARAMETERS}
    arguments: dict[str, object] = {
        "job_name": task.job,
        "script_args": {"--execution": EXECUTION} | {f"--{k}": untemplated(v) for k, v in task.args},
    }
    if run:
        arguments["run_job_kwargs"] = run
    return Operator("rheo_runtime.tasks.glue", "GlueComputeOperator", arguments)


@files.register
def _(task: p.SparkTask, dag: p.DagPlan) -> Mapping[str, str]:
    return {task.script: scala_script(dag, task) if task.lang == "SCALA" else glue_script(dag, task)}


@resources.register
def _(task: p.SparkTask, dag: p.DagPlan) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    return {"glue_jobs": [_job(task, dag)]}


def _job(task: p.SparkTask, dag: p.DagPlan) -> dict[str, Any]:
    given = dict(task.parameters)
    job: dict[str, Any] = {
        "name": task.job,
        "script": task.script,
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
    if task.libraries:
        job["arguments"]["--extra-jars"] = ",".join(task.libraries)
    if task.permissions:
        job["permissions"] = [{"resources": list(r), "actions": list(a)} for r, a in task.permissions]
    return job
