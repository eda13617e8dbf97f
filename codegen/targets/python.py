"""Python code in the Airflow worker -> a file beside the DAG, and the task that runs it."""

from __future__ import annotations

from collections.abc import Mapping

from codegen import plan as p
from codegen.inlined import check_names, inlined_module
from codegen.targets.base import Operator, Site, files, lower, operator, user_code
from rheodsl import compute


@lower.register
def _(target: compute.InlinedPython, site: Site) -> p.Task:
    check_names(target.code, site.node)
    code = user_code(target.code)
    return p.PythonTask(
        task_id=site.name,
        where=code.where,
        retries=target.retry_count,
        code=code,
        file=f"inlined/{site.node.id}{site.suffix}.py",
    )


@operator.register
def _(task: p.PythonTask, dag: p.DagPlan) -> Operator:
    arguments = {"code": task.file, "entry": task.code.entry}
    return Operator("rheo_runtime.tasks", "PythonComputeOperator", arguments)


@files.register
def _(task: p.PythonTask, dag: p.DagPlan) -> Mapping[str, str]:
    return {task.file: inlined_module(task)}
