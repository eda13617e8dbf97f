"""The checks of a node's output -> who makes them: the one place that says which check goes with what writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import rheo_spark
from codegen import check_sql, inlined
from codegen import plan as p
from codegen.spark_script import check_names, check_schema, described_check
from codegen.targets.athena import AthenaTask
from codegen.targets.batch import BatchTask
from codegen.targets.sagemaker import TransformTask
from rheodsl import ir
from rheodsl.errors import ComputeError, did_you_mean

_ELSEWHERE = "check it in a node that reads it"


@dataclass(frozen=True, slots=True)
class Maker:
    """What makes checks of what it writes: of which kinds, and what to do about another one."""

    kinds: frozenset[str]
    instead: str = ""


_SQL = "write it as SQL, no_rows(...), or check it in a node of PySpark that reads it"
_FRAMES = check_sql.KINDS | {"function"}
_WORKER = Maker(
    _FRAMES, "let a function validate the frame by the schema: def valid(frame): prices.validate(frame)"
)
# By what writes the output, as users call it. What is not here makes none.
MAKERS: Mapping[str, Maker] = {
    "PySpark": Maker(_FRAMES | {"pandera"}),
    "SparkSQL": Maker(_FRAMES, "write the output by PySpark, or check it by SQL, or a function"),
    "Scala": Maker(check_sql.KINDS, _SQL),
    "Athena": Maker(check_sql.KINDS, _SQL),
    # Made by the task, in Airflow's worker.
    "inlined Python": _WORKER,
    "AWS Batch": _WORKER,
    "a transform job of SageMaker": _WORKER,
}


def checks_of(node: ir.Node, tasks: Sequence[p.Task]) -> tuple[ir.Check, ...]:
    """Return the checks of a node. Raises ComputeError for one that nothing makes."""
    if not node.checks:
        return ()
    writer = p.writer_of(tasks)
    where = node.checks[0].where or node.where
    if writer is None:
        raise ComputeError(
            f"{node.id}: nothing makes its checks: which of its {len(tasks)} computes writes the output is not known",
            where=where,
            hint=f"give each a node of its own, or {_ELSEWHERE}",
        )
    name = _writes(writer)
    if (maker := MAKERS.get(name)) is None:
        raise ComputeError(
            f"{node.id}: nothing makes its checks: its output is written by none of {', '.join(MAKERS)}",
            where=where,
            hint=f"write the output by one of these, or {_ELSEWHERE}",
        )
    if name == "Athena" and node.data.schema is None:
        raise ComputeError(
            f"{node.id}: its checks on Athena need to know the columns of its output",
            where=where,
            hint='declare them: create_data(..., schema="id long, price double")',
        )
    for check in node.checks:
        if check.kind not in maker.kinds:
            raise ComputeError(
                f"{node.id}: its output is written by {name}, which cannot make the check {_named(check)}",
                where=check.where or node.where,
                hint=maker.instead,
            )
        _check_columns(check, node)
        _check_code(check, node, name, writer)
    return node.checks


def _writes(task: p.Task) -> str:
    """What writes an output, as users call it; empty for a service whose code Rheo does not see."""
    match task:
        case p.ScriptTask(lang="PYTHON"):
            return "PySpark"
        case p.ScriptTask(lang="SPARK_SQL"):
            return "SparkSQL"
        case p.ScriptTask(lang="SCALA"):
            return "Scala"
        case AthenaTask():
            return "Athena"
        case p.PythonTask():
            return "inlined Python"
        case BatchTask():
            return "AWS Batch"
        case TransformTask():
            return "a transform job of SageMaker"
    return ""


def _check_columns(check: ir.Check, node: ir.Node) -> None:
    """Raise ComputeError for a column that a declared schema lacks: the output is read by it, to be checked."""
    known = check_sql.types(node.data.schema)
    for column in check.columns if known else ():
        if column.lower() not in known:
            raise ComputeError(
                f"{node.id}: the check {_named(check)} names the column {column!r}, which its schema lacks",
                where=check.where or node.where,
                hint=did_you_mean(
                    column.lower(), list(known), "name a column of the schema, or declare it there"
                ),
            )


def _check_code(check: ir.Check, node: ir.Node, name: str, writer: p.Task) -> None:
    """Raise ComputeError for a name that code lacks where it runs: in the script that writes the output, or alone."""
    beside = writer.code.text if writer.code and name == "PySpark" else ""
    if check.kind == "pandera":
        check_schema(check, node, beside)
    elif check.kind == "function" and check.code is not None:
        if MAKERS[name] is _WORKER:
            inlined.check_names(check.code, node)
        else:
            check_names(check.code, node, beside)


def _named(check: ir.Check) -> str:
    return rheo_spark.check_name(described_check(check))
