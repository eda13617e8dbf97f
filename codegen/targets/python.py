"""Python code in the Airflow worker -> a file beside the DAG, and the task that runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from codegen import plan as p
from codegen.inlined import check_names, inlined_module
from codegen.spark_script import own_modules
from codegen.targets.base import (
    LoweringContext,
    Operator,
    Statement,
    batchable,
    files,
    lower,
    operator,
    permissions,
    user_code,
)
from codegen.targets.worker_checks import checks_argument, checks_files, checks_permissions
from rheodsl import compute

# A function that hangs would hold its place in the worker, and its output, for ever.
LONGEST = 86400


@lower.register
def _(target: compute.InlinedPython, site: LoweringContext) -> p.Task:
    check_names(target.code, site.node)
    code = user_code(target.code)
    return p.PythonTask(
        compute=target,
        task_id=site.name,
        where=code.where,
        retries=target.retry_count,
        timeout=LONGEST,
        code=code,
        file=f"inlined/{site.node.id}{site.suffix}.py",
    )


@batchable.register
def _(task: p.PythonTask) -> bool:
    return True


@operator.register
def _(task: p.PythonTask, dag: p.DagPlan) -> Operator:
    arguments = {"code": task.file, "entry": task.code.entry, **checks_argument(task, dag)}
    return Operator("rheo_airflow.tasks", "PythonComputeOperator", arguments)


@permissions.register
def _(task: p.PythonTask, dag: p.DagPlan) -> Sequence[Statement]:
    own = [{"Action": list(a), "Resource": list(r)} for r, a in task.compute.permissions]
    return [*own, *checks_permissions(task, dag)]


@files.register
def _(task: p.PythonTask, dag: p.DagPlan) -> Mapping[str, str]:
    return {task.file: inlined_module(task), **own_modules(dag), **checks_files(task, dag)}
