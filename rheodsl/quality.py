"""Checks of a node's output, run between its compute and its publication.

What fails a blocking check is kept aside: it is not announced, and what reads it does not run. The old partition
stays as it was. A check with ``severity="warn"`` is told in the task's log alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

from rheo_runtime import wire
from rheo_runtime.values import STRING, Kind
from rheo_runtime.wire import CHECK_RESULTS
from rheodsl import ir
from rheodsl.compute import Code, read_code
from rheodsl.errors import ComputeError, SpecError, here
from rheodsl.ir import Check
from rheodsl.texts import sql_fault
from rheodsl.words import declares

RESULT = "result"  # the first dimension of the signal of a node's checks
Severity = Literal["warn", "block"]
# What a user may give: a check, SQL that must return no row, a function on the frame.
CheckLike = Check | str | Callable[..., Any]


@declares()
def row_count(min: int | None = 1, max: int | None = None, *, severity: Severity = "block") -> Check:
    """Return a check of how many rows there are: at least ``min``, at most ``max``.

    >>> row_count(1).low
    1
    """
    for bound in (min, max):
        if bound is not None and (isinstance(bound, bool) or not isinstance(bound, int | float)):
            raise ComputeError(f"row_count has the bound {bound!r}", hint="a number, or None")
    _in_order("row_count", min, max)
    return _made(Check("row_count", low=min, high=max), severity)


@declares()
def not_null(*columns: str, severity: Severity = "block") -> Check:
    """Return a check that no row lacks one of these columns.

    >>> not_null("id", "price").columns
    ('id', 'price')
    """
    return _made(Check("not_null", _named(columns)), severity)


@declares()
def unique(*columns: str, severity: Severity = "block") -> Check:
    """Return a check that no two rows have the same values in all of these columns."""
    return _made(Check("unique", _named(columns)), severity)


@declares()
def in_range(
    column: str, min: float | None = None, max: float | None = None, *, severity: Severity = "block"
) -> Check:
    """Return a check that each value of a column that is not null lies between these, both included."""
    if min is None and max is None:
        raise ComputeError(f"in_range({column!r}) has no bounds", hint='in_range("price", 0, 100)')
    _in_order(f"in_range({column!r})", min, max)
    return _made(Check("in_range", _named((column,)), low=min, high=max), severity)


@declares()
def no_rows(sql: str, *, severity: Severity = "block") -> Check:
    """Return a check by a query over ``output``, and over the inputs by their aliases, that must return no row.

    It is SQL of what checks the output: Spark, Athena, or SQLite over ``output`` alone, where Airflow's worker does.

    >>> no_rows("SELECT * FROM output WHERE price < 0").kind
    'sql'
    """
    code = read_code(sql)
    if (fault := sql_fault(code.text)) is not None:
        raise ComputeError(f"the check {code.text.strip()!r} cannot run: {fault.what}", hint=fault.hint)
    return _made(Check("sql", code=code), severity)


@declares()
def check(function: Callable[..., Any], *, severity: Severity = "block") -> Check:
    """Return a check by a function of the output's frame.

    It returns whether all is well, or a frame of the rows that are wrong; or asserts. The frame is Spark's, or one
    of pandas where Airflow's worker checks the output. It stands alone, as a
    compute does. ``function`` may be a schema of Pandera that the code of the compute defines, by its name.
    """
    code = read_code(function)
    if code.form != "function":
        raise ComputeError("a check is a function, or SQL", hint="define a function with def")
    return _made(Check("function", code=code), severity)


@declares()
def pandera(name: str, *, severity: Severity = "block") -> Check:
    """Return a check by a schema of Pandera: the name under which the compute's code has it.

    The output is collected to the driver for it, and Pandera must be installed where the job runs.
    """
    return _made(Check("pandera", code=Code(name, entry=name)), severity)


def read_checks(given: CheckLike | Sequence[CheckLike] | None) -> tuple[Check, ...]:
    """Return checks as frozen descriptions: a text is SQL, a function a function. Raises ComputeError."""
    items = (
        [] if given is None else [given] if isinstance(given, str | Check) or callable(given) else list(given)
    )
    made = []
    for item in items:
        if isinstance(item, str):
            item = no_rows(item)
        elif callable(item):
            item = check(item)
        if not isinstance(item, Check):
            raise ComputeError(
                f"{item!r} is no check",
                hint='use row_count, not_null, unique, in_range, no_rows("SELECT ..."), or a function',
            )
        made.append(item)
    return tuple(made)


def checks_signal(output: ir.Signal) -> ir.Signal:
    """Return the signal of the checks of a node, of which ``output`` is the output; raises SpecError.

    Its dimensions are the result, PASS, WARN or FAIL, and those of the output.
    """
    if not isinstance(output.source, ir.NodeSource):
        raise SpecError(f"{output.id} is no node of this application, so it has no checks", hint=_NO_CHECKS)
    if RESULT in output.dims:
        raise SpecError(
            f"{output.id} has a dimension {RESULT!r} of its own, so its checks cannot be a signal",
            hint="give the dimension another name",
        )
    return ir.Signal(
        id=wire.checks_signal(output.id),
        dims=(RESULT, *output.dims),
        branches=tuple(
            (wire.Rule(Kind(STRING), result), *branch)
            for result in CHECK_RESULTS
            for branch in output.branches
        ),
        source=ir.ChecksSource(output.id),
        where=output.where,
    )


_NO_CHECKS = "checks are made of what create_data(..., checks=[...]) declares"


def _made(made: Check, severity: str) -> Check:
    if severity not in ("warn", "block"):
        raise ComputeError(f"the severity {severity!r} is none", hint='use "warn" or "block"')
    return replace(made, severity=severity, where=here())


def _in_order(what: str, low: object, high: object) -> None:
    """Numbers alone have an order here: what a column of dates or texts makes of its bounds is its engine's."""
    if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        raise ComputeError(
            f"{what} lets nothing pass: {low} is more than {high}", hint="turn its bounds around"
        )


def _named(columns: tuple[str, ...]) -> tuple[str, ...]:
    if not columns:
        raise ComputeError("the check names no column", hint='name one: not_null("id")')
    for column in columns:
        if not isinstance(column, str) or not column.strip():
            raise ComputeError(f"{column!r} is no name of a column", hint='write texts: unique("id", "day")')
    return columns
