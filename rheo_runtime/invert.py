"""Equations and values of some dimensions -> the values of those that follow from them.

Needed to say which partition is missing, and to run a node from its output. `solve` carries values
along equations until nothing more follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from rheo_runtime import expr as x
from rheo_runtime.values import BadValue, Kind, Value

Dim = tuple[str, str]  # alias and dimension
Known = dict[Dim, Value]
KindOf = Callable[[x.Ref], Kind]

_VALUE = x.Ref("", "value")  # stands for the value of a whole side; no input has an empty name


def solve(equations: Iterable[tuple[x.Expr, x.Expr]], known: Mapping[Dim, Value], of_ref: KindOf) -> Known:
    """Return ``known`` with every dimension that the equations determine from it.

    >>> from rheo_runtime.values import datetime_kind
    >>> day = datetime_kind()
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
                    wanted = evaluate(side, found, of_ref)
                except BadValue:
                    break
                value = invert(other, dim, wanted, found, of_ref)
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


def invert(
    side: x.Expr, target: Dim, value: Value, known: Mapping[Dim, Value], of_ref: KindOf
) -> Value | None:
    """Return the value of ``target`` that makes ``side`` the ``value``; None when that is not unique.

    ``known`` has the other dimensions of ``side``.
    """
    kind = x.kind_of(side, of_ref)

    def typed(ref: x.Ref) -> Kind:
        return kind if ref == _VALUE else of_ref(ref)

    try:
        back = x.solve(side, _VALUE, x.Ref(*target), lambda e: x.kind_of(e, typed), total=False)
        found = evaluate(back, {**known, (_VALUE.input, _VALUE.dim): value}, typed)
        # The hour that a clock skips has a value back, and none of its own.
        return found if evaluate(side, {**known, target: found}, of_ref) == value else None
    except (x.NotInvertible, x.BadExpr, BadValue):
        return None
