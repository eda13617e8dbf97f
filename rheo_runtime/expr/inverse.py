"""An equation and the dimension to find -> that dimension as an expression of the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from rheo_runtime import values as v
from rheo_runtime.expr.nodes import (
    At,
    Cast,
    Expr,
    Fmt,
    Lower,
    MapValues,
    Offset,
    Parse,
    Ref,
    Shift,
    Trunc,
    Tz,
    Upper,
    Zfill,
    refs,
)
from rheo_runtime.values import BadValue, Kind

KindOf = Callable[[Expr], Kind]


class NotInvertible(Exception):
    """Why an operator has no inverse."""


def solve(side: Expr, known: Expr, target: Ref, kind: KindOf, *, total: bool = True) -> Expr:
    """Return ``target`` such that ``side == known``.

    ``kind`` types an expression. Unless ``total``, the result may have no value for some values of
    ``known``: those that a map gives for several keys. Raises NotInvertible with the operator that
    cannot be undone.
    """
    match side:
        case Ref():
            return known
        case Shift(base, by):
            return solve(base, Shift(known, -by), target, kind, total=total)
        case Offset(base, amount, unit, sign) if target not in refs(amount):
            if kind(base).granularity != kind(side).granularity:
                raise NotInvertible(f"a time of {kind(side)} does not tell the {kind(base)}")
            return solve(base, Offset(known, amount, unit, -sign), target, kind, total=total)
        case Fmt(base, format):
            return solve(base, Parse(known, _read_back(format, kind(base))), target, kind, total=total)
        case Parse(base, parsed):
            return solve(base, Fmt(known, parsed.format or v.DEFAULT_FORMAT), target, kind, total=total)
        case MapValues(base, pairs):
            times = Counter(result for _, result in pairs)
            back = {result: key for key, result in pairs if times[result] == 1}
            if not back or (total and len(back) != len(pairs)):
                raise NotInvertible("a map that gives one value for several keys has no inverse")
            return solve(base, MapValues(known, tuple(sorted(back.items()))), target, kind, total=total)
        case Cast(base, wanted) if wanted == kind(base).type:
            return solve(base, known, target, kind, total=total)
        case Cast(base) if kind(base).type != v.DATETIME:
            return solve(base, Cast(known, kind(base).type), target, kind, total=total)
        case Cast(base):
            return solve(base, Parse(known, replace(kind(base), min=None)), target, kind, total=total)
        case Zfill(base, _) if kind(base).type == v.LONG:
            return solve(base, Cast(known, v.LONG), target, kind, total=total)
        case Tz(base, _):
            return solve(base, Tz(known, kind(base).timezone or "UTC"), target, kind, total=total)
        case At(base, _) if kind(base).granularity == v.HOUR and _zone(base, kind) != _zone(target, kind):
            # In another zone its hours may begin at the half: they are whole in the dimension's own.
            hours = Trunc(Tz(known, _zone(target, kind)), v.HOUR)
            return solve(base, Tz(hours, _zone(base, kind)), target, kind, total=total)
        case At(base, _):
            return solve(base, Trunc(known, kind(base).granularity or v.DAY), target, kind, total=total)
        case Lower(base) | Upper(base) if kind(base).insensitive:
            return solve(base, Lower(known), target, kind, total=total)
    name = {"MapValues": "map", "Part": "a calendar field", "Offset": "a computed timedelta"}.get(
        type(side).__name__, type(side).__name__.lower()
    )
    raise NotInvertible(f"{name} has no inverse")


def _zone(expr: Expr, kind: KindOf) -> str:
    return kind(expr).timezone or "UTC"


def _read_back(format: str, kind: Kind) -> Kind:
    try:
        finest = v.finest_field(format)
        if v.GRANULARITIES.index(finest) > v.GRANULARITIES.index(kind.granularity or v.DAY):
            raise NotInvertible(f"format {format!r} does not tell one {kind.granularity} from the next")
        return v.datetime_kind(format, kind.granularity, kind.timezone)
    except BadValue as fault:
        raise NotInvertible(str(fault)) from None
