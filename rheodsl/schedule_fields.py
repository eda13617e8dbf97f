"""One field of a cron expression -> the minutes, hours, days, months or years that it means."""

from __future__ import annotations

from calendar import monthrange, weekday
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


@dataclass(frozen=True, slots=True)
class Field:
    """What one of the six fields accepts: its bounds, names and wildcards."""

    name: str
    low: int
    high: int
    wildcards: str
    names: tuple[str, ...] = ()
    wraps: bool = True

    def number(self, word: str) -> int | None:
        """Return the number that a digit string or a name stands for, None for a foreign name."""
        if word.isdigit():
            return int(word)
        name = word.upper()
        return self.names.index(name) + self.low if name in self.names else None


FIELDS: Final = (
    Field("minutes", 0, 59, ", - * /"),
    Field("hours", 0, 23, ", - * /"),
    Field("day-of-month", 1, 31, ", - * ? / L W"),
    Field("month", 1, 12, ", - * /", MONTHS),
    Field("day-of-week", 1, 7, ", - * ? L #", WEEKDAYS),
    Field("year", 1970, 2199, ", - * /", wraps=False),
)
MINUTES, HOURS, DAYS, MONTH, WEEKDAY, YEARS = FIELDS


@dataclass(frozen=True, slots=True)
class Span:
    """Every ``step``-th value from ``first`` to ``last``; a span whose last is the smaller one wraps."""

    first: int
    last: int
    step: int = 1

    def values(self, field: Field) -> range | tuple[int, ...]:
        """Return the values of ``field`` in the span."""
        if self.first <= self.last:
            return range(self.first, self.last + 1, self.step)
        size = field.high - field.low + 1
        run = range(self.first, self.last + size + 1, self.step)
        return tuple((value - field.low) % size + field.low for value in run)

    def text(self, field: Field) -> str:
        """Spell the span as AWS reads it, weekdays by name."""

        def name(value: int) -> str:
            return WEEKDAYS[value - 1] if field is WEEKDAY else str(value)

        if self.first == self.last:
            return name(self.first)
        if (self.first, self.last, self.step) == (field.low, field.high, 1):
            return "*"
        if self.step > 1 and self.last == field.high:
            return f"{name(self.first)}/{self.step}"
        step = f"/{self.step}" if self.step > 1 else ""
        return f"{name(self.first)}-{name(self.last)}{step}"


Spans: TypeAlias = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class LastDay:
    """``L``: the last day of the month; ``LW`` with ``weekday``: the last Monday-to-Friday day."""

    weekday: bool = False

    def day(self, year: int, month: int) -> int | None:
        """Return the day of that month."""
        last = monthrange(year, month)[1]
        return last - max(0, weekday(year, month, last) - 4) if self.weekday else last

    def __str__(self) -> str:
        return "LW" if self.weekday else "L"


@dataclass(frozen=True, slots=True)
class NearestWeekday:
    """``15W``: the Monday-to-Friday day nearest to the 15th, in the same month."""

    target: int

    def day(self, year: int, month: int) -> int | None:
        """Return the day of that month, None when the month has no such target day."""
        last = monthrange(year, month)[1]
        if self.target > last:
            return None
        match weekday(year, month, self.target):
            case 5:  # Saturday: the Friday before, but the 1st moves to Monday the 3rd
                return self.target - 1 if self.target > 1 else 3
            case 6:  # Sunday: the Monday after, but the last day moves to the Friday before
                return self.target + 1 if self.target < last else last - 2
        return self.target

    def __str__(self) -> str:
        return f"{self.target}W"


@dataclass(frozen=True, slots=True)
class LastOfWeekday:
    """``6L``: the last such weekday (1 is Sunday) of the month."""

    weekday: int

    def day(self, year: int, month: int) -> int | None:
        """Return the day of that month."""
        last = monthrange(year, month)[1]
        return last - (aws_weekday(year, month, last) - self.weekday) % 7

    def __str__(self) -> str:
        return f"{self.weekday}L"


@dataclass(frozen=True, slots=True)
class NthWeekday:
    """``3#2``: the second Tuesday (3) of the month."""

    weekday: int
    nth: int

    def day(self, year: int, month: int) -> int | None:
        """Return the day of that month, None when the month has no fifth one."""
        day = 1 + (self.weekday - aws_weekday(year, month, 1)) % 7 + 7 * (self.nth - 1)
        return day if day <= monthrange(year, month)[1] else None

    def __str__(self) -> str:
        return f"{self.weekday}#{self.nth}"


OneDay: TypeAlias = LastDay | NearestWeekday | LastOfWeekday | NthWeekday


def aws_weekday(year: int, month: int, day: int) -> int:
    """Return the day of the week as AWS counts it: 1 is Sunday, 7 is Saturday."""
    return (weekday(year, month, day) + 1) % 7 + 1


def values(spans: Iterable[Span], field: Field) -> tuple[int, ...]:
    """Return the sorted values of a list of spans."""
    return tuple(sorted({value for span in spans for value in span.values(field)}))


def unix(numbers: tuple[int, ...], low: int, high: int) -> str:
    """Spell sorted values as a field of a five-field cron expression.

    >>> unix((0, 15, 30, 45), 0, 59), unix((1, 2, 3, 5), 0, 6), unix(tuple(range(24)), 0, 23)
    ('*/15', '1-3,5', '*')
    """
    if numbers == tuple(range(low, high + 1)):
        return "*"
    if len(numbers) > 2 and numbers == tuple(range(low, high + 1, step := numbers[1] - numbers[0])):
        return f"*/{step}"
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs)
