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
            return written_as(moment(below[0]), format)
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
                kinds[0].granularity or "",
                unit,
                key=["MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"].index,
            )
            start = read(moment(below[0]), kinds[0], finer)
            assert isinstance(below[1], int)
            return on_clock(start, sign * below[1], unit)
        case x.Trunc(_, unit):
            return read(moment(below[0]), kinds[0], unit)
        case x.At(_, unit):
            start = moment(below[0])
            first = read(start, kinds[0], unit)
            # The first week of a month is the first that begins in it.
            return first + timedelta(days=7) if unit == "WEEK" and first < start else first
        case x.Tz(_, zone):
            name = {"PST": "America/Los_Angeles"}.get(zone, zone)
            if kinds[0].granularity not in FINE:
                return below[0]  # a label: what its hours are is asked later
            there = moment(below[0]).astimezone(ZoneInfo(name))
            # Where hours begin at other minutes: the one in which the moment lies.
            return one_of_two(there.replace(minute=0) if kinds[0].granularity == "HOUR" else there)
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
        return written_as(value, kind.format or "")
    if isinstance(value, int):
        sign, digits = ("-", str(-value)) if value < 0 else ("", str(value))
        return sign + "0" * ((kind.digits or 0) - len(sign) - len(digits)) + digits
    return str(value)


def written_as(value: datetime, format: str) -> str:
    """A time in its format; a year has four digits, which the C library forgets for the first thousand."""
    quarter = str((value.month + 2) // 3)  # which strftime does not know
    return value.strftime(format.replace("%Y", f"{value.year:04}").replace("%q", quarter))


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
    if written_as(value, kind.format or "") != written:
        raise NoValue
    return value


def read(wall: datetime, kind: Kind, unit: str) -> datetime:
    """The start of the ``unit`` that the clock shows."""
    start = {
        "YEAR": lambda: datetime(wall.year, 1, 1),
        "MONTH": lambda: datetime(wall.year, wall.month, 1),
        "QUARTER": lambda: datetime(wall.year, (wall.month - 1) // 3 * 3 + 1, 1),
        "WEEK": lambda: datetime(wall.year, wall.month, wall.day) - timedelta(days=wall.weekday()),
        "DAY": lambda: datetime(wall.year, wall.month, wall.day),
        "HOUR": lambda: datetime(wall.year, wall.month, wall.day, wall.hour),
        "MINUTE": lambda: datetime(wall.year, wall.month, wall.day, wall.hour, wall.minute),
    }[unit]()
    if unit in FINE:
        zone = ZoneInfo(kind.timezone or "UTC")
        # Through UTC: an hour that the clock skips is shown as the next.
        return start.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)
    return start


def one_of_two(at: datetime) -> datetime:
    """Of two equal times of a clock, the first: they have one name."""
    return at.replace(fold=0)


def shown(at: datetime) -> bool:
    """Whether the clock of the zone ever shows this time."""
    return at.astimezone(UTC).astimezone(at.tzinfo).replace(tzinfo=None) == at.replace(tzinfo=None)


def on_clock(value: object, by: int, unit: str) -> datetime:
    """The time that stands so much further on the clock."""
    at = moment(value)
    found = (at.replace(tzinfo=None) + timedelta(**{unit.lower() + "s": by})).replace(tzinfo=at.tzinfo)
    if at.tzinfo is not None and not shown(found):
        raise NoValue
    return found


def moved(value: object, by: int, unit: str | None) -> object:
    if isinstance(value, int):
        return value + by
    at = moment(value)
    if unit in FINE:
        step = timedelta(**{f"{unit.lower()}s": 1 if by > 0 else -1})
        for _ in range(abs(by)):  # names that the clock shows are counted
            at = (at.replace(tzinfo=None) + step).replace(tzinfo=at.tzinfo)
            while not shown(at):
                at = (at.replace(tzinfo=None) + step).replace(tzinfo=at.tzinfo)
        return at
    if unit in ("DAY", "WEEK"):
        return at + timedelta(days=by * (7 if unit == "WEEK" else 1))
    months = at.year * 12 + at.month - 1 + by * {"YEAR": 12, "QUARTER": 3}.get(unit or "", 1)
    return datetime(months // 12, months % 12 + 1, 1)
