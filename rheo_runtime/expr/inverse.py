"""An equation and the dimension to find -> that dimension as an expression of the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from rheo_runtime import values as v
from rheo_runtime.expr.nodes import (
    DATE_FIELDS,
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
        case CalendarShift(base, years, months, days):
            months += years * 12
            longest = {v.MONTH: 1, v.QUARTER: 3, v.YEAR: 12}.get(kind(base).granularity or v.DAY)
            if months and (longest is None or months % longest or days):
                raise NotInvertible(
                    "a calendar shift that takes two days to one (the last of a month) has no inverse"
                )
            return solve(base, CalendarShift(known, 0, -months, -days), target, kind, total=total)
        case DateOf():
            for name, part in DATE_FIELDS:
                if target in refs(child := getattr(side, name)):
                    return solve(child, Part(known, part), target, kind, total=total)
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
            if kind(base).granularity not in (v.HOUR, v.MINUTE):
                return solve(base, known, target, kind, total=total)  # a label, whose zone `at` would read
            zone, own = _zone(side, kind), _zone(base, kind)
            if kind(base).granularity == v.HOUR and not _whole_hours(zone, own):
                raise NotInvertible(f"an hour of {zone} is half of one hour of {own} and half of the next")
            return solve(base, Tz(known, kind(base).timezone or "UTC"), target, kind, total=total)
        case At(base, _):
            return solve(base, Trunc(known, kind(base).granularity or v.DAY), target, kind, total=total)
        case Lower(base) | Upper(base) if kind(base).insensitive:
            return solve(base, Lower(known), target, kind, total=total)
    name = {"MapValues": "map", "Part": "a calendar field", "Offset": "a computed timedelta"}.get(
        type(side).__name__, type(side).__name__.lower()
    )
    raise NotInvertible(f"{name} has no inverse")


def implied(left: Expr, right: Expr) -> list[tuple[Expr, Expr]]:
    """Return the equations that follow from one: a date of numbers says what each number is.

    >>> date = DateOf(Ref("a", "y"), Ref("a", "m"), Ref("a", "d"), Const(0, Kind("LONG")), "DAY")
    >>> [other for _, other in implied(date, Ref("b", "day"))][0]
    Part(base=Ref(input='b', dim='day'), field='year')
    """
    found: list[tuple[Expr, Expr]] = []
    for side, other in ((left, right), (right, left)):
        if (date := _date_in(side, other)) is not None:
            numbers, other = date
            for name, part in DATE_FIELDS:
                child = getattr(numbers, name)
                if not isinstance(child, Const):
                    found.append((child, Part(other, part)))
    return found


def _date_in(side: Expr, other: Expr) -> tuple[DateOf, Expr] | None:
    """The date of numbers in one side of an equation, moved perhaps, and what equals it."""
    match side:
        case DateOf():
            return side, other
        case Shift(base, by):
            return _date_in(base, Shift(other, -by))
        case CalendarShift(base, 0, 0, days):
            return _date_in(base, CalendarShift(other, 0, 0, -days))
        case Tz(base, _):
            return _date_in(base, Tz(other, "UTC"))  # in which numbers alone are read
        case Offset(Tz(Trunc(DateOf(hour=hour) as date, v.DAY), zone), amount, v.HOUR, 1) if amount == hour:
            return date, Tz(other, zone)  # the hour of a zone's clock
    return None


def _zone(expr: Expr, kind: KindOf) -> str:
    return kind(expr).timezone or "UTC"


def _whole_hours(zone: str, other: str) -> bool:
    """Say whether the hours of two zones begin together, in winter and in summer."""
    kinds = [replace(v.datetime_kind("%Y-%m-%d-%H"), timezone=name) for name in (zone, other)]
    at = [datetime(2024, month, 1, 12, tzinfo=UTC) for month in (1, 7)]
    return all(v.from_datetime(one, kinds[0]) == v.from_datetime(one, kinds[1]) for one in at)


def _read_back(format: str, kind: Kind) -> Kind:
    try:
        finest = v.finest_field(format)
        if v.GRANULARITIES.index(finest) > v.GRANULARITIES.index(kind.granularity or v.DAY):
            raise NotInvertible(f"format {format!r} does not tell one {kind.granularity} from the next")
        return v.datetime_kind(format, kind.granularity, kind.timezone)
    except BadValue as fault:
        raise NotInvertible(str(fault)) from None
