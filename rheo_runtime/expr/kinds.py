"""Expression -> the kind of its value, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import singledispatch

from rheo_runtime import values as v
from rheo_runtime.expr.nodes import (
    At,
    CalendarShift,
    Cast,
    Const,
    DateOf,
    Expr,
    Fmt,
    Lower,
    MapValues,
    Offset,
    Parse,
    Part,
    Ref,
    Shift,
    Trunc,
    Tz,
    Upper,
    Zfill,
    children,
)
from rheo_runtime.values import DATETIME, LONG, STRING, Kind

_STRING, _LONG = Kind(STRING), Kind(LONG)


class BadExpr(ValueError):
    """An operator on a value of a type that it does not take; ``hint`` is the next step."""

    def __init__(self, what: str, hint: str | None = None) -> None:
        super().__init__(what)
        self.hint = hint


@singledispatch
def node_kind(expr: Expr, below: list[Kind]) -> Kind:
    raise BadExpr(f"no type rule for {type(expr).__name__}")


def kind_of(expr: Expr, of_ref: Callable[[Ref], Kind]) -> Kind:
    """Return the kind of ``expr``; raises BadExpr where an operator does not fit its operand."""
    if isinstance(expr, Ref):
        return of_ref(expr)
    return node_kind(expr, [kind_of(child, of_ref) for child in children(expr)])


# What to do first with a value of another type than the wanted one.
_FIRST = {
    (STRING, LONG): "write the number as text first: .cast(STRING)",
    (STRING, DATETIME): "write the date as text first: .fmt('%Y-%m-%d')",
    (LONG, STRING): "read the text as a number first: .cast(LONG)",
    (LONG, DATETIME): "take a number of the date: .year, .month, .day_of_month or .hour",
    (DATETIME, STRING): "read the text as a date first: .parse('%Y-%m-%d')",
    (DATETIME, LONG): "write the number as text and read that: .cast(STRING).parse('%Y%m%d')",
}


def _need(kind: Kind, wanted: str, operator: str, hint: str | None = None) -> None:
    if kind.type != wanted:
        raise BadExpr(f"{operator} needs a {wanted}, not a {kind}", hint or _FIRST[wanted, kind.type])


@node_kind.register
def _(expr: Const, below: list[Kind]) -> Kind:
    return expr.kind


@node_kind.register
def _(expr: Fmt, below: list[Kind]) -> Kind:
    _need(below[0], DATETIME, ".fmt()", "cast a number or text with .cast() or .zfill()")
    return _STRING


@node_kind.register
def _(expr: Parse, below: list[Kind]) -> Kind:
    _need(below[0], STRING, ".parse()", "only a text is parsed; dates compare as dates")
    return expr.kind


@node_kind.register
def _(expr: MapValues, below: list[Kind]) -> Kind:
    return _LONG if isinstance(expr.pairs[0][1], int) else _STRING


@node_kind.register(Upper)
@node_kind.register(Lower)
def _(expr: Expr, below: list[Kind]) -> Kind:
    _need(below[0], STRING, f".{type(expr).__name__.lower()}()")
    return _STRING


@node_kind.register
def _(expr: Zfill, below: list[Kind]) -> Kind:
    if below[0].type == DATETIME:
        raise BadExpr(f".zfill() needs a STRING or a LONG, not a {below[0]}", "use .fmt() for a date's text")
    return _STRING


@node_kind.register
def _(expr: Shift, below: list[Kind]) -> Kind:
    if below[0].type == STRING:
        raise BadExpr("+ and - need a LONG or a DATETIME, not a STRING", "parse or cast the text first")
    return replace(below[0], min=None, schedule=None)


@node_kind.register
def _(expr: CalendarShift, below: list[Kind]) -> Kind:
    _need(below[0], DATETIME, ".shift()", "a number is moved by + and -; parse a text first")
    return replace(below[0], min=None, schedule=None)


@node_kind.register
def _(expr: DateOf, below: list[Kind]) -> Kind:
    for kind in below:
        _need(kind, LONG, "date_of()")
    return v.datetime_kind(granularity=expr.unit)


@node_kind.register
def _(expr: Offset, below: list[Kind]) -> Kind:
    base, amount = below
    _need(base, DATETIME, "+ timedelta")
    _need(amount, LONG, "timedelta(...)")
    if expr.unit not in (v.DAY, v.HOUR, v.MINUTE):
        raise BadExpr(f"a computed timedelta has no {expr.unit.lower()}s", "use days, hours or minutes")
    finer = min(base.granularity or v.DAY, expr.unit, key=v.GRANULARITIES.index)
    return v.datetime_kind(granularity=finer, timezone=base.timezone)


@node_kind.register
def _(expr: Trunc, below: list[Kind]) -> Kind:
    _need(below[0], DATETIME, ".trunc()")
    return _regrained(below[0], expr.unit, coarser=True)


@node_kind.register
def _(expr: At, below: list[Kind]) -> Kind:
    _need(below[0], DATETIME, ".at()")
    return _regrained(below[0], expr.unit, coarser=False)


def _regrained(kind: Kind, unit: str, *, coarser: bool) -> Kind:
    if unit not in v.GRANULARITIES:
        units = ", ".join(g.lower() for g in v.GRANULARITIES)
        raise BadExpr(f"{unit.lower()!r} is no granularity", f"use one of {units}")
    order = v.GRANULARITIES.index
    if kind.granularity == unit:
        return v.regrained(kind, unit)
    if (order(unit) > order(kind.granularity or v.DAY)) != coarser:
        asked, other = (".trunc()", ".at()") if coarser else (".at()", ".trunc()")
        finer = "finer" if coarser else "coarser"
        raise BadExpr(f"{asked}: {unit} is {finer} than {kind.granularity}", f"use {other}")
    return v.regrained(kind, unit)


@node_kind.register
def _(expr: Tz, below: list[Kind]) -> Kind:
    _need(below[0], DATETIME, ".tz()")
    return replace(below[0], timezone=v.zone_name(expr.zone), min=None, schedule=None)


@node_kind.register
def _(expr: Part, below: list[Kind]) -> Kind:
    _need(below[0], DATETIME, f".{expr.field}")
    needed = {"year": v.YEAR, "month": v.MONTH, "day_of_month": v.DAY, "hour": v.HOUR}[expr.field]
    if v.GRANULARITIES.index(below[0].granularity or v.DAY) > v.GRANULARITIES.index(needed):
        raise BadExpr(
            f"a {below[0]} has no .{expr.field}", "only a dimension of a finer granularity tells it"
        )
    return _LONG


@node_kind.register
def _(expr: Cast, below: list[Kind]) -> Kind:
    if expr.type == DATETIME and below[0].type != DATETIME:
        raise BadExpr(f"a {below[0]} is not cast to DATETIME", "use .parse(format)")
    if expr.type == LONG and below[0].type == DATETIME:
        raise BadExpr(f"a {below[0]} is not cast to LONG", "use .fmt(format).cast(LONG)")
    return below[0] if expr.type == below[0].type else Kind(expr.type)
