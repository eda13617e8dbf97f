"""Training and transform jobs of SageMaker -> tasks that bind the inputs and take the result as the output."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codegen import plan as p
from codegen.targets.athena import staging_permissions
from codegen.targets.base import (
    LoweringContext,
    Operator,
    Statement,
    check_texts,
    files,
    lower,
    operator,
    permissions,
    place,
    role,
    writes_output,
)
from codegen.targets.worker_checks import checks_argument, checks_files
from rheodsl import compute
from rheodsl.errors import ComputeError

SERVICE = "sagemaker"
_SET_FOR_YOU = {
    "Training": {"TrainingJobName", "InputDataConfig"},
    "Transform": {"TransformJobName"},
}
_CONTENT = {
    "CSV": "text/csv",
    "JSON": "application/jsonlines",
    "PARQUET": "application/x-parquet",
    "ORC": "application/x-orc",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingTask(p.Task):
    """A training job."""

    compute: compute.TrainingJob
    writes: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformTask(p.Task):
    """A transform job."""

    compute: compute.TransformJob
    writes: bool = True


@lower.register
def _(target: compute.TrainingJob, site: LoweringContext) -> p.Task:
    writes_output(site, "a training job")
    _check(site, "Training", target.request)
    for channel, alias in target.channels:
        _check_alias(site, alias)
        if not re.fullmatch(r"[A-Za-z0-9.\-_]{1,64}", channel):
            raise ComputeError(
                f"{site.node.id}: {channel!r} is no name of a channel",
                where=site.node.where,
                hint="letters, digits, '.', '-' and '_'",
            )
    return TrainingTask(
        task_id=site.name,
        where=place(site.node.where),
        retries=target.retry_count,
        timeout=_seconds(target) + 3600,
        compute=target,
    )


@lower.register
def _(target: compute.TransformJob, site: LoweringContext) -> p.Task:
    writes_output(site, "a transform job")
    _check(site, "Transform", target.request)
    check_texts(dict(target.model), site)
    if target.input is not None:
        _check_alias(site, target.input)
    named = any(key == "ModelName" for key, _ in target.request)
    if named == bool(target.model):
        raise ComputeError(
            f"{site.node.id}: a transform job needs one model",
            where=site.node.where,
            hint='name one that exists, ModelName="...", or describe one, Model={...}',
        )
    return TransformTask(
        task_id=site.name,
        where=place(site.node.where),
        retries=target.retry_count,
        compute=target,
    )


def _seconds(target: compute.TrainingJob) -> int:
    """How long a training job may take: a day, where its request does not say (CreateTrainingJob)."""
    stopping = dict(target.request).get("StoppingCondition")
    given = stopping.get("MaxRuntimeInSeconds", 86400) if isinstance(stopping, Mapping) else 86400
    return given if isinstance(given, int) else 86400


def _check(site: LoweringContext, kind: str, request: tuple[tuple[str, Any], ...]) -> None:
    check_texts(dict(request), site)
    for name, _ in request:
        if name in _SET_FOR_YOU[kind]:
            raise ComputeError(
                f"{site.node.id}: {name} is set by Rheo",
                where=site.node.where,
                hint="leave it out: jobs are named by their execution, and read the node's inputs",
            )


def _check_alias(site: LoweringContext, alias: str) -> None:
    aliases = [i.alias for i in site.node.inputs]
    if alias not in aliases:
        raise ComputeError(
            f"{site.node.id}: {alias!r} is no input",
            where=site.node.where,
            hint=f"one of {', '.join(aliases)}",
        )


@operator.register
def _(task: TrainingTask, dag: p.DagPlan) -> Operator:
    known = _data(dag)
    channels = dict(task.compute.channels) or {alias: alias for alias in known}
    config = dict(task.compute.request)
    arguments = {
        "channels": channels,
        "inputs": {a: _reading(_one(dag, task, known, a)) for a in sorted(set(channels.values()))},
        "config": config,
    }
    if "RoleArn" not in config:
        arguments["role"] = role(dag.app, SERVICE)
    return Operator("rheo_airflow.tasks.sagemaker", "SageMakerTrainingComputeOperator", arguments)


@operator.register
def _(task: TransformTask, dag: p.DagPlan) -> Operator:
    known = _data(dag)
    if task.compute.input is None and len(known) != 1:
        raise ComputeError(
            f"{dag.node}: it is not said which input is transformed",
            where=task.where,
            hint=f"name one of {', '.join(known) or 'the inputs with data'}",
        )
    alias = task.compute.input or next(iter(known))
    source = _one(dag, task, known, alias)
    by_line = {"split_type": "Line" if source.format.format in ("CSV", "JSON") else "None"}
    arguments: dict[str, Any] = {
        "inputs": {alias: _reading(source) | by_line},
        "config": dict(task.compute.request),
    }
    if task.compute.model:
        arguments["model"] = dict(task.compute.model)
        if "ExecutionRoleArn" not in arguments["model"]:
            arguments["role"] = role(dag.app, SERVICE)
    arguments |= checks_argument(task, dag)
    return Operator("rheo_airflow.tasks.sagemaker", "SageMakerTransformComputeOperator", arguments)


@files.register
def _(task: TransformTask, dag: p.DagPlan) -> Mapping[str, str]:
    return checks_files(task, dag)


def _data(dag: p.DagPlan) -> dict[str, p.Input]:
    return {i.alias: i for i in dag.inputs if i.location is not None}


def _one(dag: p.DagPlan, task: p.Task, known: Mapping[str, p.Input], alias: str) -> p.Input:
    if alias not in known:
        raise ComputeError(
            f"{dag.node}: the input {alias!r} has no files that SageMaker could read",
            where=task.where,
            hint=f"one of {', '.join(known) or 'none has'}",
        )
    return known[alias]


def _reading(source: p.Input) -> dict[str, Any]:
    format = source.format.format
    return {"completion": list(source.marks), "format": format, "content_type": _CONTENT[format]}


@permissions.register(TrainingTask)
@permissions.register(TransformTask)
def _(task: p.Task, dag: p.DagPlan) -> Sequence[Statement]:
    arn = "arn:${AWS::Partition}:sagemaker:${AWS::Region}:${AWS::AccountId}"
    bucket = f"arn:${{AWS::Partition}}:s3:::{dag.location.removeprefix('s3://').split('/')[0]}"
    kind = "Training" if isinstance(task, TrainingTask) else "Transform"
    jobs = [f"sagemaker:{verb}{kind}Job" for verb in ("Create", "Describe", "Stop")]
    models = (
        ({"Action": ["sagemaker:CreateModel", "sagemaker:DescribeModel"], "Resource": [f"{arn}:model/*"]},)
        if kind == "Transform"
        else ()
    )
    return (
        {"Action": jobs, "Resource": [f"{arn}:{kind.lower()}-job/*"]},
        {"Action": [f"sagemaker:List{kind}Jobs"], "Resource": ["*"]},
        *models,
        *staging_permissions(bucket),
    )
