"""The checks of what a task's code or service writes aside -> an argument of the task, which makes them in the worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codegen import check_sql
from codegen import plan as p
from codegen.spark_script import check_functions, described
from codegen.targets.base import Statement
from rheo_runtime.wire import S3Address
from rheodsl import ir


def checks_argument(task: p.Task, dag: p.DagPlan) -> dict[str, object]:
    """Return ``checks`` as `rheo_airflow.tasks.worker_checks.check` takes them; nothing for a task that writes nothing."""
    if not dag.checks or task is not dag.writer:
        return {}
    found: dict[str, object] = {
        "made": [_check(check) for check in dag.checks],
        "written": described(dag.written.format),
    }
    if check_functions(dag):
        found["functions"] = _file(dag)
    return {"checks": found}


def checks_files(task: p.Task, dag: p.DagPlan) -> Mapping[str, str]:
    """Return the file of the functions that are checks of what a task writes, if there are any."""
    functions = check_functions(dag) if task is dag.writer else ""
    return {_file(dag): f"{functions}\n"} if functions else {}


def checks_permissions(task: p.Task, dag: p.DagPlan) -> list[Statement]:
    """Return what the worker needs to write aside."""
    if not dag.checks or task is not dag.writer:
        return []
    bucket = f"arn:${{AWS::Partition}}:s3:::{S3Address.of(dag.location).bucket}"
    actions = ["s3:AbortMultipartUpload", "s3:PutObject"]
    return [{"Action": actions, "Resource": [f"{bucket}/staging/{dag.node}/*"]}]


def _check(check: ir.Check) -> dict[str, Any]:
    if check.kind != "function":
        return check_sql.counted(check, check_sql.SQLITE, {})
    entry = str(check.code and check.code.entry)
    return {"check": entry, "severity": check.severity, "entry": entry}


def _file(dag: p.DagPlan) -> str:
    """No other node's file: an id that ends so is that of the node's checks."""
    return f"inlined/{dag.node}.checks.py"
