"""Expression -> a function that computes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import singledispatch
from typing import Any

from rheo_runtime import values as v
from rheo_runtime.expr.kinds import BadExpr, kind_of, node_kind
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
from rheo_runtime.values import LONG, STRING, BadValue, Kind, Value

Fn = Callable[[Any], Any]


def compile_expr(expr: Expr, of_ref: Callable[[Ref], Kind], leaf: Callable[[Ref], Fn]) -> Fn:
    """Return a function that computes ``expr``.

    Parameters
    ----------
    of_ref
        The kind of a `Ref`.
    leaf
        For a `Ref`, a function from whatever the result is called with to the dimension's value.

    The function raises BadValue where a value has no result: a text that does not parse, a key
    that is not in a map, a date out of the range of dates.
    """
    if isinstance(expr, Ref):
        return leaf(expr)
    below = [compile_expr(child, of_ref, leaf) for child in children(expr)]
    kinds = [kind_of(child, of_ref) for child in children(expr)]
    kind = node_kind(expr, kinds)
    return _compile(expr, below, kinds, kind)


@singledispatch
def _compile(expr: Expr, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    raise BadExpr(f"no evaluation rule for {type(expr).__name__}")


@_compile.register
def _(expr: Const, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    value = expr.value
    return lambda x: value


@_compile.register
def _(expr: Fmt, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    base, shown = below[0], replace(kinds[0], format=expr.format)
    return lambda x: v.render(base(x), shown)


@_compile.register
def _(expr: Parse, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    base = below[0]
    return lambda x: v.parse(base(x), kind)


@_compile.register
def _(expr: MapValues, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    base, table, source = below[0], dict(expr.pairs), kinds[0]

    def look_up(x: Any) -> Value:
        key = base(x)
        try:
            return table[key]
        except KeyError:
            raise BadValue(f"{v.render(key, source)!r} is not in the map") from None

    return look_up


@_compile.register
def _(expr: Upper, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    base = below[0]
    return lambda x: base(x).upper()


@_compile.register
def _(expr: Lower, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    base = below[0]
    return lambda x: base(x).lower()


@_compile.register
def _(expr: Zfill, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    base, source, width = below[0], kinds[0], expr.width
    return lambda x: v.render(base(x), source).zfill(width)


@_compile.register
def _(expr: Shift, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    base, source, units = below[0], v.unscheduled(kinds[0]), expr.by
    return lambda x: v.shift(base(x), units, source)


@_compile.register
def _(expr: CalendarShift, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    base, source = below[0], kinds[0]
    return lambda x: v.shift_calendar(base(x), source, expr.years, expr.months, expr.days)


@_compile.register
def _(expr: DateOf, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    year, month, day, hour = below

    def date_of(x: Any) -> Value:
        try:
            moment = datetime(year(x), month(x), day(x), hour(x))
        except (ValueError, OverflowError):
            told = f" {hour(x)} h" if kind.granularity == v.HOUR else ""
            raise BadValue(f"there is no date {year(x)}-{month(x)}-{day(x)}{told}") from None
        return v.in_range(v.from_datetime(moment, kind), kind)

    return date_of


@_compile.register
def _(expr: Offset, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    base, amount = below
    source, finer = kinds[0], kind.granularity or v.DAY
    # Values at DAY count days, at HOUR and MINUTE minutes (see rheo_runtime.values).
    per_unit = expr.sign * (1 if finer == v.DAY else {v.DAY: 1440, v.HOUR: 60, v.MINUTE: 1}[expr.unit])
    return lambda x: v.on_clock(v.at(base(x), source, finer), amount(x) * per_unit, kind)


@_compile.register
def _(expr: Trunc, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    base, source, unit = below[0], kinds[0], expr.unit
    return lambda x: v.trunc(base(x), source, unit)


@_compile.register
def _(expr: At, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    base, source, unit = below[0], kinds[0], expr.unit
    return lambda x: v.at(base(x), source, unit)


@_compile.register
def _(expr: Tz, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    base = below[0]
    if kind.granularity not in (v.HOUR, v.MINUTE) or kind.regular:
        return base  # the same instant; only its text and its calendar fields change
    # The hour that a clock shows twice is one partition, its first.
    return lambda x: v.in_range(v.from_datetime(v.to_datetime(base(x), kind), kind), kind)


@_compile.register
def _(expr: Part, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    base, source = below[0], kinds[0]
    field = "day" if expr.field == "day_of_month" else expr.field
    return lambda x: getattr(v.to_datetime(base(x), source), field)


@_compile.register
def _(expr: Cast, below: list[Fn], kinds: list[Kind], kind: Kind) -> Fn:
    base, source = below[0], kinds[0]
    if expr.type == source.type:
        return base
    if expr.type == STRING:
        return lambda x: v.render(base(x), source)
    return lambda x: v.cast(base(x), Kind(LONG))
