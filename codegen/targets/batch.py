"""A job of AWS Batch -> the task that submits it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codegen import plan as p
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
    resources,
)
from codegen.targets.worker_checks import checks_argument, checks_files, checks_permissions
from rheodsl import compute


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTask(p.Task):
    """A job of AWS Batch."""

    compute: compute.BatchJob


@lower.register
def _(target: compute.BatchJob, site: LoweringContext) -> p.Task:
    check_texts([list(target.command), dict(target.environment), dict(target.request)], site)
    return BatchTask(
        task_id=site.name,
        where=place(site.node.where),
        retries=target.retry_count,
        compute=target,
    )


@operator.register
def _(task: BatchTask, dag: p.DagPlan) -> Operator:
    job = task.compute
    arguments: dict[str, object] = {"job_definition": job.job_definition, "job_queue": job.job_queue}
    if job.command:
        arguments["command"] = list(job.command)
    if job.environment:
        arguments["environment"] = dict(job.environment)
    if job.request:
        arguments["request"] = dict(job.request)
    arguments |= checks_argument(task, dag)
    return Operator("rheo_airflow.tasks.batch", "BatchComputeOperator", arguments)


@resources.register
def _(task: BatchTask, dag: p.DagPlan) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    return {"batch_jobs": [{"definition": task.compute.job_definition, "queue": task.compute.job_queue}]}


@permissions.register
def _(task: BatchTask, dag: p.DagPlan) -> Sequence[Statement]:
    base = "arn:${AWS::Partition}:batch:${AWS::Region}:${AWS::AccountId}"
    queue, definition = task.compute.job_queue, task.compute.job_definition
    if not queue.startswith("arn:"):
        queue = f"{base}:job-queue/{queue}"
    if not definition.startswith("arn:"):
        definition = f"{base}:job-definition/{definition if ':' in definition else f'{definition}*'}"
    return (
        {"Action": ["batch:SubmitJob"], "Resource": [queue, definition]},
        {"Action": ["batch:TerminateJob"], "Resource": [f"{base}:job/*"]},
        # Batch knows no ARNs for these.
        {"Action": ["batch:DescribeJobs", "batch:ListJobs"], "Resource": ["*"]},
        *checks_permissions(task, dag),
    )


@files.register
def _(task: BatchTask, dag: p.DagPlan) -> Mapping[str, str]:
    return checks_files(task, dag)
