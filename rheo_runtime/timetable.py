"""A schedule, in the plain form that the compiler writes -> the moments at which it fires.

``rate(720)`` counts minutes from 1970. ``cron(0 0,12 ? * 2 *)`` has AWS's six fields with each number written out;
of days it also has ``L``, ``LW``, ``15W``, ``6L`` and ``3#2``. A zone may follow, by whose clock a cron fires.
"""

from __future__ import annotations

import re
from calendar import monthrange, weekday
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RULE = re.compile("[?LW#]")  # a day that is found by a rule, or none
_Numbers = Sequence[int]


def fires(schedule: str, start: datetime, way: int = 1) -> Iterator[datetime]:
    """Yield the fires from ``start`` on, in UTC; those before it, the last first, where ``way`` is -1.

    A time that the clock jumps over does not fire, and one that it shows twice fires the first time.

    >>> [fire.strftime("%a %d") for fire in fires("cron(0 9 ? * 2,6 2024)", datetime(2024, 1, 4, tzinfo=UTC), -1)]
    ['Mon 01']
    """
    if schedule.startswith("rate"):
        yield from _rate(int(schedule[5:-1]), start, way)
        return
    zone = schedule.partition(")")[2].strip() or "UTC"
    clock = ZoneInfo(zone)
    for moment in walls(schedule, start.astimezone(clock).date(), way):
        fire = moment.replace(tzinfo=clock).astimezone(UTC)
        if (way > 0 and fire < start) or (way < 0 and fire >= start):
            continue
        if zone == "UTC" or fire.astimezone(clock).replace(tzinfo=None, fold=0) == moment:
            yield fire


def _rate(minutes: int, start: datetime, way: int) -> Iterator[datetime]:
    every = timedelta(minutes=minutes)
    number = max(0, -((EPOCH - start) // every)) if way > 0 else -((EPOCH - start) // every) - 1
    while number >= 0:
        try:
            yield EPOCH + number * every
        except OverflowError:
            return
        number += way


def walls(schedule: str, start: date, way: int = 1) -> Iterator[datetime]:
    """Yield the times on the wall at which a cron fires, from the day ``start`` on, or back from it.

    >>> next(walls("cron(30 3 L 2 ? *)", date(2024, 1, 1)))
    datetime.datetime(2024, 2, 29, 3, 30)
    """
    minutes, hours, days, months, weekdays, years = _fields(schedule)
    for year in years[::way]:
        for month in months[::way]:
            if (year - start.year or month - start.month) * way < 0:
                continue
            for day in _days_of(year, month, days, weekdays)[::way]:
                if (date(year, month, day) - start).days * way < 0:
                    continue
                for hour in hours[::way]:
                    for minute in minutes[::way]:
                        yield datetime(year, month, day, hour, minute)


@lru_cache(maxsize=256)
def _fields(schedule: str) -> tuple[_Numbers, _Numbers, _Numbers | str, _Numbers, _Numbers | str, _Numbers]:
    written = schedule[schedule.index("(") + 1 : schedule.index(")")].split()
    minutes, hours, days, months, weekdays, years = written
    return (
        _numbers(minutes, 0, 59),
        _numbers(hours, 0, 23),
        days if _RULE.search(days) else _numbers(days, 1, 31),
        _numbers(months, 1, 12),
        weekdays if _RULE.search(weekdays) else _numbers(weekdays, 1, 7),
        _numbers(years, 1970, 2199),
    )


def _numbers(text: str, low: int, high: int) -> _Numbers:
    return range(low, high + 1) if text == "*" else tuple(map(int, text.split(",")))


def _days_of(year: int, month: int, days: _Numbers | str, weekdays: _Numbers | str) -> _Numbers:
    """The days of a month; weekdays are counted as AWS does, 1 is Sunday."""
    last = monthrange(year, month)[1]

    def named(day: int) -> int:
        return (weekday(year, month, day) + 1) % 7 + 1

    if not isinstance(days, str):
        return [day for day in days if day <= last]
    if days == "L":
        return [last]
    if days != "?":  # the Monday-to-Friday day nearest to one, in the same month
        day = last if days == "LW" else int(days[:-1])
        if day > last:
            return []
        if named(day) == 7:
            return [day - 1 if day > 1 else 3]
        return [(day + 1 if day < last else last - 2) if named(day) == 1 else day]
    if not isinstance(weekdays, str):
        return [day for day in range(1, last + 1) if named(day) in weekdays]
    if weekdays.endswith("L"):
        return [last - (named(last) - int(weekdays[:-1])) % 7]
    wanted, _, nth = weekdays.partition("#")
    day = 1 + (int(wanted) - named(1)) % 7 + 7 * (int(nth) - 1)
    return [day] if day <= last else []
