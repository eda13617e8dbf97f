"""A job of AWS Batch -> the task that submits it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codegen import plan as p
from codegen.targets.base import (
    Operator,
    Site,
    Statement,
    check_texts,
    lower,
    operator,
    permissions,
    place,
    resources,
)
from rheodsl import compute_jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTask(p.Task):
    """A job; ``request`` are further fields of SubmitJob."""

    definition: str
    queue: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    request: tuple[tuple[str, Any], ...]


@lower.register
def _(target: compute_jobs.BatchJob, site: Site) -> p.Task:
    check_texts([list(target.command), dict(target.environment), dict(target.request)], site)
    return BatchTask(
        task_id=site.name,
        where=place(site.node.where),
        retries=target.retry_count,
        definition=target.job_definition,
        queue=target.job_queue,
        command=target.command,
        environment=target.environment,
        request=target.request,
    )


@operator.register
def _(task: BatchTask, dag: p.DagPlan) -> Operator:
    arguments: dict[str, object] = {"job_definition": task.definition, "job_queue": task.queue}
    if task.command:
        arguments["command"] = list(task.command)
    if task.environment:
        arguments["environment"] = dict(task.environment)
    if task.request:
        arguments["request"] = dict(task.request)
    return Operator("rheo_runtime.tasks.batch", "BatchComputeOperator", arguments)


@resources.register
def _(task: BatchTask, dag: p.DagPlan) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    return {"batch_jobs": [{"definition": task.definition, "queue": task.queue}]}


@permissions.register
def _(task: BatchTask, dag: p.DagPlan) -> Sequence[Statement]:
    base = "arn:${AWS::Partition}:batch:${AWS::Region}:${AWS::AccountId}"
    queue = task.queue if task.queue.startswith("arn:") else f"{base}:job-queue/{task.queue}"
    definition = task.definition
    if not definition.startswith("arn:"):
        definition = f"{base}:job-definition/{definition if ':' in definition else f'{definition}*'}"
    return (
        {"Action": ["batch:SubmitJob"], "Resource": [queue, definition]},
        # Batch knows no ARNs for these.
        {"Action": ["batch:DescribeJobs", "batch:ListJobs", "batch:TerminateJob"], "Resource": ["*"]},
    )
