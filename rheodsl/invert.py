"""An equation and the dimension to find -> that dimension as an expression of the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rheo_runtime import expr as x
from rheo_runtime import values as v
from rheo_runtime.expr import Expr
from rheo_runtime.values import BadValue, Kind

KindOf = Callable[[Expr], Kind]


class NotInvertible(Exception):
    """Why an operator has no inverse."""


def solve(side: Expr, known: Expr, target: x.Ref, kind: KindOf) -> Expr:
    """Return ``target`` such that ``side == known``.

    ``kind`` types an expression. Raises NotInvertible with the operator that cannot be undone.
    """
    match side:
        case x.Ref():
            return known
        case x.Shift(base, by):
            return solve(base, x.Shift(known, -by), target, kind)
        case x.Offset(base, amount, unit, sign) if target not in x.refs(amount):
            if kind(base).granularity != kind(side).granularity:
                raise NotInvertible(f"a time of {kind(side)} does not tell the {kind(base)}")
            return solve(base, x.Offset(known, amount, unit, -sign), target, kind)
        case x.Fmt(base, format):
            return solve(base, x.Parse(known, _read_back(format, kind(base))), target, kind)
        case x.Parse(base, parsed):
            return solve(base, x.Fmt(known, parsed.format or v.DEFAULT_FORMAT), target, kind)
        case x.MapValues(base, pairs):
            back = {result: key for key, result in pairs}
            if len(back) != len(pairs):
                raise NotInvertible("a map that gives one value for several keys has no inverse")
            return solve(base, x.MapValues(known, tuple(sorted(back.items()))), target, kind)
        case x.Cast(base, wanted) if wanted == kind(base).type:
            return solve(base, known, target, kind)
        case x.Cast(base) if kind(base).type != v.DATETIME:
            return solve(base, x.Cast(known, kind(base).type), target, kind)
        case x.Cast(base):
            return solve(base, x.Parse(known, replace(kind(base), min=None)), target, kind)
        case x.Zfill(base, _) if kind(base).type == v.LONG:
            return solve(base, x.Cast(known, v.LONG), target, kind)
        case x.Tz(base, _):
            return solve(base, x.Tz(known, kind(base).timezone or "UTC"), target, kind)
        case x.At(base, _):
            return solve(base, x.Trunc(known, kind(base).granularity or v.DAY), target, kind)
        case x.Lower(base) | x.Upper(base) if kind(base).insensitive:
            return solve(base, x.Lower(known), target, kind)
    name = {"MapValues": "map", "Part": "a calendar field", "Offset": "a computed timedelta"}.get(
        type(side).__name__, type(side).__name__.lower()
    )
    raise NotInvertible(f"{name} has no inverse")


def _read_back(format: str, kind: Kind) -> Kind:
    try:
        finest = v.finest_field(format)
        if v.GRANULARITIES.index(finest) > v.GRANULARITIES.index(kind.granularity or v.DAY):
            raise NotInvertible(f"format {format!r} does not tell one {kind.granularity} from the next")
        return v.datetime_kind(format, kind.granularity, kind.timezone)
    except BadValue as fault:
        raise NotInvertible(str(fault)) from None
