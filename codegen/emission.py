"""Code that sends metrics -> what its task needs for it; names that are not declared are errors."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from codegen import plan as p
from codegen.alarms import emitted_metrics
from codegen.inlined import free_names
from codegen.source import block
from rheodsl import ir
from rheodsl.errors import ComputeError, Place

DIAGNOSTICS = "diagnostics"
_RUNTIME = Path(__file__).parents[1] / "rheo_runtime" / "diagnostics.py"

_SEND = """\
def put_metric_data(**request):
    \"\"\"Send to CloudWatch; the client is made when there is something to send.\"\"\"
    return boto3.client("cloudwatch").put_metric_data(**request)


diagnostics = Diagnostics(METRICS, put_metric_data)
"""


def with_metrics(tasks: tuple[p.Task, ...], graph: ir.Graph, node: ir.Node) -> tuple[p.Task, ...]:
    """Return the tasks, those that send metrics with all metrics of the application.

    Raises ComputeError for a metric, or a name of one, that is not declared.
    """
    if not any(_sends(task) for task in tasks):
        return tasks
    metrics = tuple(
        p.Emitted(
            id,
            declared["namespace"],
            tuple(declared["dimensions"].items()),
            None if declared["names"] is None else tuple(declared["names"]),
            declared["resolution"],
        )
        for id, declared in emitted_metrics(graph).items()
    )
    for task in tasks:
        if task.code is not None and _sends(task):
            _check(task.code, metrics, graph.app, node)
    return tuple(
        replace(task, metrics=metrics) if isinstance(task, p.ScriptTask) and _sends(task) else task
        for task in tasks
    )


def _sends(task: p.Task) -> bool:
    if task.code is None or DIAGNOSTICS not in task.code.text:
        return False
    try:
        return DIAGNOSTICS in free_names(task.code.text)
    except SyntaxError:  # Spark SQL, say
        return False


def _check(code: p.Code, metrics: tuple[p.Emitted, ...], app: str, node: ir.Node) -> None:
    known = {metric.id: metric for metric in metrics}
    where = Place(code.where.file, code.where.line) if code.where else node.where
    if not known:
        raise ComputeError(
            f"{node.id}: the code sends metrics, and {app} declares none of its own",
            where=where,
            hint='declare it: app.create_metric("errors")',
        )
    for id, name in _mentioned(code.text):
        if id not in known:
            raise ComputeError(
                f"{node.id}: the code sends {id!r}, which is no metric of {app}",
                where=where,
                hint=f"its own metrics: {', '.join(known)}",
            )
        names = known[id].names
        if name is not None and names is not None and name not in names:
            raise ComputeError(
                f"{node.id}: the code sends {name!r} of {id!r}, which its declaration does not allow",
                where=where,
                hint=f"it allows {', '.join(names)}",
            )


def _mentioned(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield the ids that stand in ``diagnostics["id"]``, and once more with a name that follows."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Subscript(
                ast.Subscript(ast.Name("diagnostics"), ast.Constant(str(id))), ast.Constant(str(name))
            ):
                yield id, name
            case ast.Subscript(ast.Name("diagnostics"), ast.Constant(str(id))):
                yield id, None


def emission_block(task: p.ScriptTask) -> str:
    """Return the part of a script that defines ``diagnostics``: the runtime's own text, so that it stands alone."""
    metrics = {
        metric.id: {
            "namespace": metric.namespace,
            "dimensions": dict(metric.dimensions),
            "names": None if metric.names is None else list(metric.names),
            "resolution": metric.resolution,
        }
        for metric in task.metrics
    }
    return "\n\n".join([_runtime_text(), f"METRICS = {block(metrics, used=10)}", f"\n{_SEND}"])


def _runtime_text() -> str:
    text = _RUNTIME.read_text("utf-8")
    docstring = ast.parse(text).body[0].end_lineno
    lines = [line for line in text.splitlines()[docstring:] if line != "import sys"]  # the script has it
    body = "\n".join(lines).strip()
    return f"# A copy of rheo_runtime/diagnostics.py.\nimport boto3\n{body}"
