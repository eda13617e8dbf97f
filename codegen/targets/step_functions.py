"""A state machine -> the task that runs it."""

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
class StateMachineTask(p.Task):
    """An execution of a state machine; ``input`` None for the execution document."""

    arn: str
    input: Any


@lower.register
def _(target: compute_jobs.StateMachine, site: Site) -> p.Task:
    check_texts(target.input, site)
    return StateMachineTask(
        task_id=site.name,
        where=place(site.node.where),
        retries=target.retry_count,
        arn=target.arn,
        input=target.input,
    )


@operator.register
def _(task: StateMachineTask, dag: p.DagPlan) -> Operator:
    arguments: dict[str, object] = {"state_machine_arn": task.arn}
    if task.input is not None:
        arguments["state_machine_input"] = task.input
    return Operator("rheo_runtime.tasks.step_functions", "StepFunctionsComputeOperator", arguments)


@resources.register
def _(task: StateMachineTask, dag: p.DagPlan) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    return {"state_machines": [{"arn": task.arn}]}


@permissions.register
def _(task: StateMachineTask, dag: p.DagPlan) -> Sequence[Statement]:
    executions = task.arn.replace(":stateMachine:", ":execution:") + ":*"
    return (
        {"Action": ["states:StartExecution"], "Resource": [task.arn]},
        {"Action": ["states:DescribeExecution", "states:StopExecution"], "Resource": [executions]},
    )
