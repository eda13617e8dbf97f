"""Python code in the Airflow worker -> a file beside the DAG, and the task that runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codegen import check_sql
from codegen import plan as p
from codegen.inlined import check_names, inlined_module
from codegen.spark_script import check_functions, described, own_modules
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
from rheo_runtime.wire import S3Address
from rheodsl import compute, ir

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
    arguments: dict[str, object] = {"code": task.file, "entry": task.code.entry}
    if dag.checks and task is dag.writer:
        arguments["checks"] = [_check(check) for check in dag.checks]
        arguments["written"] = described(dag.written.format)
        if check_functions(dag):
            arguments["functions"] = _functions(task)
    return Operator("rheo_airflow.tasks", "PythonComputeOperator", arguments)


def _check(check: ir.Check) -> dict[str, Any]:
    """A check as the worker makes it."""
    if check.kind != "function":
        return check_sql.counted(check, check_sql.SQLITE, {})
    return {
        "check": str(check.code and check.code.entry),
        "severity": check.severity,
        "entry": str(check.code and check.code.entry),
    }


def _functions(task: p.PythonTask) -> str:
    """The file of the functions that check what a task writes: no node has this id, as it is that of its checks."""
    return f"{task.file.removesuffix('.py')}.checks.py"


@permissions.register
def _(task: p.PythonTask, dag: p.DagPlan) -> Sequence[Statement]:
    own = [{"Action": list(a), "Resource": list(r)} for r, a in task.compute.permissions]
    if dag.checks and task is dag.writer:
        bucket = f"arn:${{AWS::Partition}}:s3:::{S3Address.of(dag.location).bucket}"
        write = ["s3:AbortMultipartUpload", "s3:PutObject"]
        own.append({"Action": write, "Resource": [f"{bucket}/staging/{dag.node}/*"]})
    return own


@files.register
def _(task: p.PythonTask, dag: p.DagPlan) -> Mapping[str, str]:
    found = {task.file: inlined_module(task), **own_modules(dag)}
    if task is dag.writer and (functions := check_functions(dag)):
        found[_functions(task)] = f"{functions}\n"
    return found
