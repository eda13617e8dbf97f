"""User code -> what it needs beside itself: metrics that it sends, ``compact_table``, the place where it begins."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from codegen import plan as p
from codegen.cloudformation.alarms import emission, metric_names
from codegen.inlined import free_names
from rheodsl import compute, ir
from rheodsl.errors import ComputeError, SourceLocation

DIAGNOSTICS = "diagnostics"
_RUNTIME = Path(__file__).parents[1] / "rheo_airflow" / "diagnostics.py"

_SEND = """\
def put_metric_data(**request):
    \"\"\"Send to CloudWatch; the client is made when there is something to send.\"\"\"
    import boto3

    return boto3.client("cloudwatch").put_metric_data(**request)
"""


def with_metrics(tasks: tuple[p.Task, ...], graph: ir.Graph, node: ir.Node) -> tuple[p.Task, ...]:
    """Return the tasks, those that send metrics with all metrics of the application.

    Raises ComputeError for a metric, or a name of one, that is not declared.
    """
    if not any(_sends(task) for task in tasks):
        return tasks
    for task in tasks:
        if task.code is not None and _sends(task):
            _check(task.code, graph, node)
    return tuple(
        replace(task, metrics=graph.own_metrics) if isinstance(task, p.ScriptTask) and _sends(task) else task
        for task in tasks
    )


def _sends(task: p.Task) -> bool:
    if task.code is None or DIAGNOSTICS not in task.code.text:
        return False
    try:
        return DIAGNOSTICS in free_names(task.code.text)
    except SyntaxError:  # Spark SQL, say
        return False


def _check(code: p.Code, graph: ir.Graph, node: ir.Node) -> None:
    app, known = graph.app, {metric.id: metric for metric in graph.own_metrics}
    where = SourceLocation(code.where.file, code.where.line) if code.where else node.where
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
        names = metric_names(known[id])
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


def declared_metrics(task: p.ScriptTask) -> dict[str, Any]:
    """Return the metrics that a script may send, as `Diagnostics` takes them."""
    return {metric.id: emission(metric) for metric in task.metrics}


def diagnostics_module() -> str:
    """Return the module that sends metrics: the text of the one that Airflow has, and a client for it."""
    return f"{_RUNTIME.read_text('utf-8').rstrip()}\n\n\n{_SEND}"


COMPACT = "compact_table"
_FUNCTIONS = (compute.compact_table, compute.latest_rows, compute.equals, compute.quoted)
_HEAD = '''\
"""The query that compacts a table with primary keys, for scripts that name it."""


class ComputeError(ValueError):
    """Arguments that name no table, or no partition of one."""

    def __init__(self, what, hint):
        super().__init__(f"{what}; {hint}")
'''


def compacts(task: p.ScriptTask) -> bool:
    """Say whether a script's code names ``compact_table``.

    >>> from codegen.plan import Code
    >>> compacts(p.ScriptTask(task_id="n", code=Code("compact_table()"), script="", lang="PYTHON", args=()))
    True
    """
    return task.lang == "PYTHON" and re.search(rf"\b{COMPACT}\b", task.code.text) is not None


def compaction_module() -> str:
    """Return the module: the language's own text, without its types, so that it stands alone."""
    return "\n\n\n".join([_HEAD.rstrip(), *(_untyped(inspect.getsource(f)) for f in _FUNCTIONS)]) + "\n"


def _untyped(text: str) -> str:
    """A function's text without the types of its signature."""
    head, _, rest = text.partition(") -> str:\n")
    types = r": (?:str \| None|str|Sequence\[Sequence\[str\]\]|Sequence\[str\])"
    return re.sub(types, "", re.sub(f"{types} = ", "=", head)) + "):\n" + rest.rstrip()
