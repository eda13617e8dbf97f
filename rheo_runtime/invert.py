"""Value of an expression -> the value of the one dimension in it, where there is exactly one.

Needed to say which partition is missing, and to run a node from its output. `solve` carries values
along equations until nothing more follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import singledispatch

from rheo_runtime import expr as x
from rheo_runtime import values as v
from rheo_runtime.values import BadValue, Kind, Value

Dim = tuple[str, str]  # alias and dimension
Known = dict[Dim, Value]
KindOf = Callable[[x.Ref], Kind]


def solve(equations: Iterable[tuple[x.Expr, x.Expr]], known: Mapping[Dim, Value], of_ref: KindOf) -> Known:
    """Return ``known`` with every dimension that the equations determine from it.

    >>> day = v.datetime_kind()
    >>> solve([(x.Ref("a", "day"), x.Shift(x.Ref("b", "day"), -1))], {("a", "day"): 737502}, lambda r: day)
    {('a', 'day'): 737502, ('b', 'day'): 737503}
    """
    found = dict(known)
    open_ = list(equations)
    progress = True
    while progress:
        progress = False
        for equation in list(open_):
            for side, other in (equation, equation[::-1]):
                if _unknown(side, found) or len(_unknown(other, found)) != 1:
                    continue
                open_.remove(equation)
                progress = True
                dim = next(iter(_unknown(other, found)))
                try:
                    value = invert(other, evaluate(side, found, of_ref), of_ref)
                except BadValue:
                    value = None
                if value is not None:
                    found[dim] = value
                break
    return found


def _unknown(expr: x.Expr, known: Mapping[Dim, Value]) -> set[Dim]:
    return {(r.input, r.dim) for r in x.refs(expr)} - known.keys()


def evaluate(expr: x.Expr, known: Mapping[Dim, Value], of_ref: KindOf) -> Value:
    """Return the value of an expression whose dimensions are all known; raises BadValue."""

    def leaf(ref: x.Ref) -> Callable[[Mapping[Dim, Value]], Value]:
        return lambda values: values[ref.input, ref.dim]

    value: Value = x.compile_expr(expr, of_ref, leaf)(known)
    return value


def invert(expr: x.Expr, value: Value, of_ref: KindOf) -> Value | None:
    """Return the value of the only dimension in ``expr`` that makes it ``value``; None when not unique."""
    if isinstance(expr, x.Ref):
        return value
    below = x.children(expr)
    if not below:
        return None
    before = _before(expr, value, x.kind_of(below[0], of_ref))
    return None if before is None else invert(below[0], before, of_ref)


@singledispatch
def _before(expr: x.Expr, value: Value, kind: Kind) -> Value | None:
    """The value of the operand, whose kind is ``kind``; None for an operator that loses information."""
    return None


@_before.register
def _(expr: x.Fmt, value: Value, kind: Kind) -> Value | None:
    if v.GRANULARITIES.index(v.finest_field(expr.format)) > v.GRANULARITIES.index(kind.granularity or v.DAY):
        return None
    return v.parse(str(value), replace(kind, format=expr.format))


@_before.register
def _(expr: x.Parse, value: Value, kind: Kind) -> Value | None:
    return v.render(value, expr.kind)


@_before.register
def _(expr: x.MapValues, value: Value, kind: Kind) -> Value | None:
    keys = [key for key, mapped in expr.pairs if mapped == value]
    return keys[0] if len(keys) == 1 else None


@_before.register
def _(expr: x.Zfill, value: Value, kind: Kind) -> Value | None:
    return v.cast(str(value), kind) if kind.type == v.LONG else None


@_before.register
def _(expr: x.Shift, value: Value, kind: Kind) -> Value | None:
    assert isinstance(value, int)
    return value - expr.by * kind.step


@_before.register
def _(expr: x.At, value: Value, kind: Kind) -> Value | None:
    finer = v.datetime_kind(granularity=expr.unit, timezone=kind.timezone)
    assert isinstance(value, int)
    before = v.from_datetime(v.to_datetime(value, finer), kind)
    return before if v.at(before, kind, expr.unit) == value else None


@_before.register
def _(expr: x.Tz, value: Value, kind: Kind) -> Value | None:
    return value


@_before.register
def _(expr: x.Cast, value: Value, kind: Kind) -> Value | None:
    if expr.type == kind.type:
        return value
    if expr.type == v.STRING:
        return v.parse(str(value), kind)
    return str(value)
