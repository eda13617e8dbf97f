"""A state machine -> the task that runs it."""

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
    lower,
    operator,
    permissions,
    place,
    resources,
)
from rheodsl import compute


@dataclass(frozen=True, slots=True, kw_only=True)
class StateMachineTask(p.Task):
    """An execution of a state machine; its input is the execution document where it says none."""

    compute: compute.StateMachine


@lower.register
def _(target: compute.StateMachine, site: LoweringContext) -> p.Task:
    check_texts(target.input, site)
    return StateMachineTask(
        task_id=site.name,
        where=place(site.node.where),
        retries=target.retry_count,
        compute=target,
    )


@operator.register
def _(task: StateMachineTask, dag: p.DagPlan) -> Operator:
    arguments: dict[str, object] = {"state_machine_arn": task.compute.arn}
    if task.compute.input is not None:
        arguments["state_machine_input"] = task.compute.input
    return Operator("rheo_airflow.tasks.step_functions", "StepFunctionsComputeOperator", arguments)


@resources.register
def _(task: StateMachineTask, dag: p.DagPlan) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    return {"state_machines": [{"arn": task.compute.arn}]}


@permissions.register
def _(task: StateMachineTask, dag: p.DagPlan) -> Sequence[Statement]:
    executions = task.compute.arn.replace(":stateMachine:", ":execution:") + ":*"
    return (
        {"Action": ["states:ListExecutions", "states:StartExecution"], "Resource": [task.compute.arn]},
        {"Action": ["states:DescribeExecution", "states:StopExecution"], "Resource": [executions]},
    )
