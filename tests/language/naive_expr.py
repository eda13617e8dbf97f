"""An expression over plain Python values -> its value, written with `datetime` and not with the engine.

A DATETIME is a `datetime`: without a zone at DAY and coarser, in the dimension's zone at HOUR and MINUTE.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from rheo_runtime import expr as x
from rheo_runtime.values import Kind

Env = Mapping[x.Ref, tuple[object, Kind]]
FINE = ("MINUTE", "HOUR")


class NoValue(Exception):
    """The expression has no value here."""


def evaluate(expr: x.Expr, env: Env) -> object:
    """Return the value of ``expr``; raises NoValue."""
    kinds = [x.kind_of(child, lambda ref: env[ref][1]) for child in x.children(expr)]
    below = [evaluate(child, env) for child in x.children(expr)]
    match expr:
        case x.Ref():
            return env[expr][0]
        case x.Const(value):
            return value
        case x.Fmt(_, format):
            return moment(below[0]).strftime(format)
        case x.Parse(_, kind):
            return parsed(str(below[0]), kind)
        case x.MapValues(_, pairs):
            table: dict[object, object] = dict(pairs)
            if below[0] not in table:
                raise NoValue
            return table[below[0]]
        case x.Upper():
            return str(below[0]).upper()
        case x.Lower():
            return str(below[0]).lower()
        case x.Zfill(_, width):
            return text(below[0], kinds[0]).zfill(width)
        case x.Shift(_, by):
            return moved(below[0], by, kinds[0].granularity)
        case x.Offset(_, _, unit, sign):
            finer = min(
                kinds[0].granularity or "", unit, key=["MINUTE", "HOUR", "DAY", "MONTH", "YEAR"].index
            )
            start = read(moment(below[0]), kinds[0], finer)
            assert isinstance(below[1], int)
            return moved(start, sign * below[1], unit)
        case x.Trunc(_, unit) | x.At(_, unit):
            return read(moment(below[0]), kinds[0], unit)
        case x.Tz(_, zone):
            name = {"PST": "America/Los_Angeles"}.get(zone, zone)
            return moment(below[0]).astimezone(ZoneInfo(name))
        case x.Part(_, field):
            return getattr(moment(below[0]), "day" if field == "day_of_month" else field)
        case x.Cast(_, type):
            if type == kinds[0].type:
                return below[0]
            if type == "STRING":
                return text(below[0], kinds[0])
            return number(str(below[0]))
    raise AssertionError(expr)


def moment(value: object) -> datetime:
    assert isinstance(value, datetime)
    return value


def text(value: object, kind: Kind) -> str:
    if isinstance(value, datetime):
        return value.strftime(kind.format or "")
    if isinstance(value, int):
        sign, digits = ("-", str(-value)) if value < 0 else ("", str(value))
        return sign + "0" * ((kind.digits or 0) - len(sign) - len(digits)) + digits
    return str(value)


def number(written: str) -> int:
    bare = written.removeprefix("-")
    if not (bare.isascii() and bare.isdigit() and len(bare) <= 19):
        raise NoValue
    return int(written)


def parsed(written: str, kind: Kind) -> datetime:
    try:
        found = datetime.strptime(written, kind.format or "")
    except ValueError:
        raise NoValue from None
    value = read(found, kind, kind.granularity or "")
    if value.strftime(kind.format or "") != written:
        raise NoValue
    return value


def read(wall: datetime, kind: Kind, unit: str) -> datetime:
    """The start of the ``unit`` that the clock shows."""
    start = {
        "YEAR": lambda: datetime(wall.year, 1, 1),
        "MONTH": lambda: datetime(wall.year, wall.month, 1),
        "DAY": lambda: datetime(wall.year, wall.month, wall.day),
        "HOUR": lambda: datetime(wall.year, wall.month, wall.day, wall.hour, fold=wall.fold),
        "MINUTE": lambda: datetime(wall.year, wall.month, wall.day, wall.hour, wall.minute, fold=wall.fold),
    }[unit]()
    if unit in FINE:
        zone = ZoneInfo(kind.timezone or "UTC")
        # Through UTC: an hour that the clock skips is shown as the next.
        return start.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)
    return start


def moved(value: object, by: int, unit: str | None) -> object:
    if isinstance(value, int):
        return value + by
    at = moment(value)
    if unit in FINE or at.tzinfo is not None:
        step = {"MINUTE": timedelta(minutes=by), "HOUR": timedelta(hours=by), "DAY": timedelta(hours=24 * by)}
        return (at.astimezone(UTC) + step[unit or ""]).astimezone(at.tzinfo)
    if unit == "DAY":
        return at + timedelta(days=by)
    months = at.year * 12 + at.month - 1 + by * (12 if unit == "YEAR" else 1)
    return datetime(months // 12, months % 12 + 1, 1)
