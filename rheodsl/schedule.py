"""An AWS schedule expression -> the times at which it fires.

One field of a cron expression -> the minutes, hours, days, months or years that it means.
The text of an AWS schedule -> its checked parts, or an error that points at the column.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import starmap, takewhile
from math import gcd
from typing import TYPE_CHECKING, Final, Literal, NoReturn, TypeAlias, cast
from zoneinfo import ZoneInfo

from rheo_runtime.timetable import EPOCH, fires, walls
from rheodsl.errors import RheoError
from rheodsl.grammar import Source, Stop, extent, marked, read, token_of, tree_of

if TYPE_CHECKING:
    from lark import Token, Tree


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

    def __str__(self) -> str:
        return "LW" if self.weekday else "L"


@dataclass(frozen=True, slots=True)
class NearestWeekday:
    """``15W``: the Monday-to-Friday day nearest to the 15th, in the same month."""

    target: int

    def __str__(self) -> str:
        return f"{self.target}W"


@dataclass(frozen=True, slots=True)
class LastOfWeekday:
    """``6L``: the last such weekday (1 is Sunday) of the month."""

    weekday: int

    def __str__(self) -> str:
        return f"{self.weekday}L"


@dataclass(frozen=True, slots=True)
class NthWeekday:
    """``3#2``: the second Tuesday (3) of the month."""

    weekday: int
    nth: int

    def __str__(self) -> str:
        return f"{self.weekday}#{self.nth}"


OneDay: TypeAlias = LastDay | NearestWeekday | LastOfWeekday | NthWeekday


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


GRAMMAR: Final = r"""
start: rate | cron | at
rate:  "rate" "(" _WS? RATE _WS WORD _WS? ")"
at:    "at" /\(.*/
cron:  "cron" "(" _WS? field (_WS field)* _WS? ")"

field: term ("," term)*
?term: "*"                              -> every
     | "?"                              -> unspecified
     | _value                           -> one
     | _value "-" _value                -> span
     | "*" "/" NUMBER                   -> every_step
     | _value "/" NUMBER                -> step
     | _value "-" _value "/" NUMBER     -> span_step
     | "L"i                             -> last
     | "L"i "-" NUMBER                  -> last_offset
     | "L"i "W"i                        -> last_weekday
     | _value "W"i                      -> nearest_weekday
     | _value "L"i                      -> last_of_weekday
     | _value "#" NUMBER                -> nth_weekday
_value: NUMBER | NAME

RATE: /[-+]?[0-9.]+/
WORD: /[A-Za-z]+/
NUMBER: /[0-9]+/
NAME.2: /(JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC|SUN|MON|TUE|WED|THU|FRI|SAT)/i
_WS: /[ \t]+/
"""

UNITS: Final = {"minute": 60, "hour": 3600, "day": 86400}
_LONGEST: Final = 36500 * 86400

FieldValue: TypeAlias = Spans | OneDay | None


class ScheduleError(RheoError, ValueError):
    """An AWS schedule expression that is malformed, or that never fires."""

    code = "RD301"


def read_schedule(text: str) -> tuple[int, str] | tuple[FieldValue, ...]:
    """Read a schedule: ``(3, "day")`` for a rate, six field values for a cron expression."""
    source = Source(text, ScheduleError)
    if not isinstance(text, str):
        raise ScheduleError(
            f"a schedule is text, not {type(text).__name__}",
            hint='write "rate(1 day)" or "cron(0 0 1 * ? *)"',
        )
    try:
        body = tree_of(read(GRAMMAR, text).children[0])
    except Stop as stop:
        _explain(source, stop)
    if body.data == "rate":
        return _rate(source, *map(token_of, body.children))
    if body.data == "cron":
        return _cron(source, [tree_of(child) for child in body.children])
    return source.at(
        body, "at(...) fires only once, a timer recurs", "write rate(...) or cron(...); run once with execute"
    )


def _explain(source: Source, stop: Stop) -> NoReturn:
    head = source.text[: stop.start]
    if "(" not in head:
        what = "a schedule starts with rate( or cron("
        hint = (
            'write "rate(1 day)", or "cron(0 0 1 * ? *)": minutes hours day-of-month month day-of-week year'
        )
    elif ")" in head:
        what, hint = "nothing may follow the closing parenthesis", "delete the rest"
    elif not stop.found and "RPAR" in stop.wanted:
        what, hint = "the closing parenthesis is missing", "end the schedule with )"
    else:
        found = repr(stop.found) if stop.found else "the end"
        if head.startswith("rate"):
            what = f"{found} does not belong here in a rate"
            hint = "a rate is a whole number and a unit: rate(5 minutes), rate(1 hour), rate(7 days)"
        else:
            inside = head.partition("(")[2].lstrip()
            index = len(inside.split()) - (inside[-1:] not in ("", " ", "\t"))
            field = FIELDS[min(index, len(FIELDS) - 1)]
            what, hint = f"{found} does not belong here in the {field.name} field", _accepts(field)
    source.fault(what, stop.start, stop.end, hint)


def _accepts(field: Field) -> str:
    names = f" or {field.names[0]}-{field.names[-1]}" if field.names else ""
    return f"{field.name} takes {field.low}-{field.high}{names} and the wildcards {field.wildcards}"


def _rate(source: Source, value: Token, unit: Token) -> tuple[int, str]:
    name = unit.lower()
    single = name.removesuffix("s")
    if single not in UNITS:
        instead = {"week": "count in days: rate(7 days)", "month": "use cron(0 0 1 * ? *) for every month"}
        instead |= {
            "year": "use cron(0 0 1 1 ? *) for every year",
            "second": "the shortest rate is rate(1 minute)",
        }
        source.at(
            unit,
            f"a rate has no unit {str(unit)!r}",
            instead.get(single, "the units are minute(s), hour(s) and day(s)"),
        )
    if not value.isdigit() or int(value) < 1:
        source.at(
            value, f"a rate must be a whole number above 0, not {value}", f"write rate(1 {single}) or more"
        )
    count = int(value)
    right = single if count == 1 else f"{single}s"
    if name != right:
        source.at(unit, f"AWS wants {right!r} after {count}", f"write rate({count} {right})")
    if count * UNITS[single] > _LONGEST:
        source.at(value, "a rate of more than 100 years never fires twice", "write a shorter rate")
    return count, single


def _cron(source: Source, fields: list[Tree[Token]]) -> tuple[FieldValue, ...]:
    if len(fields) != len(FIELDS):
        start, end = extent(fields[-1])
        source.fault(
            f"a cron schedule has six fields, this one has {len(fields)}",
            start,
            end,
            "the fields are minutes hours day-of-month month day-of-week year, e.g. cron(0 0 1 * ? *)",
        )
    parts = tuple(_field(source, tree, field) for tree, field in zip(fields, FIELDS, strict=True))
    _, _, days, _, weekdays, _ = parts
    if days is not None and weekdays is not None:
        source.fault(
            "day-of-month and day-of-week cannot both be given",
            extent(fields[2])[0],
            extent(fields[4])[1],
            "put ? in the one that does not matter",
        )
    if days is None and weekdays is None:
        source.fault(
            "day-of-month and day-of-week cannot both be ?",
            extent(fields[2])[0],
            extent(fields[4])[1],
            "put * in one of them for every day",
        )
    return parts


def _field(source: Source, tree: Tree[Token], field: Field) -> FieldValue:
    terms = [tree_of(child) for child in tree.children]
    parts = [_term(source, term, field) for term in terms]
    spans = tuple(part for part in parts if isinstance(part, Span))
    if len(spans) == len(parts):
        return spans
    if len(parts) > 1:
        lone = next(term for term, part in zip(terms, parts, strict=True) if not isinstance(part, Span))
        start, end = extent(lone)
        source.fault(
            f"{source.text[start:end]} must stand alone in its field",
            start,
            end,
            "use two timers, or list plain values",
        )
    (part,) = parts
    assert not isinstance(part, Span)
    return part


def _term(source: Source, term: Tree[Token], field: Field) -> Span | OneDay | None:
    kind = str(term.data)
    tokens = [token_of(child) for child in term.children]
    _check_wildcard(source, term, kind, field)
    match kind:
        case "every":
            return Span(field.low, field.high)
        case "unspecified":
            return None
        case "last":
            return LastDay() if field is DAYS else Span(field.high, field.high)
        case "last_weekday":
            return LastDay(weekday=True)
        case "nearest_weekday":
            return NearestWeekday(_number(source, tokens[0], field))
        case "last_of_weekday":
            return LastOfWeekday(_number(source, tokens[0], field))
        case "nth_weekday":
            nth = int(tokens[1])
            if not 1 <= nth <= 5:
                source.at(
                    tokens[1], f"a month has no weekday number {nth}", "write #1 to #5, or L for the last"
                )
            return NthWeekday(_number(source, tokens[0], field), nth)
    return _span(source, term, tokens, kind, field)


def _span(source: Source, term: Tree[Token], tokens: list[Token], kind: str, field: Field) -> Span:
    step = 1
    if kind.endswith("step"):
        step = int(tokens[-1])
        most = field.high - field.low if field is YEARS else field.high
        if not 1 <= step <= most:
            source.at(tokens[-1], f"{field.name} cannot step by {step}", f"write a step of 1 to {most}")
        tokens = tokens[:-1]
    numbers = [_number(source, token, field) for token in tokens]
    first, last = numbers[0] if numbers else field.low, numbers[-1] if numbers else field.high
    if kind == "step":
        last = field.high
    if first > last and not field.wraps:
        source.at(term, f"the {field.name} range runs backwards", f"write {last}-{first}")
    return Span(first, last, step if first != last else 1)


def _check_wildcard(source: Source, term: Tree[Token], kind: str, field: Field) -> None:
    sign = {
        "unspecified": "?",
        "last": "L",
        "last_weekday": "W",
        "nearest_weekday": "W",
        "last_of_weekday": "L",
        "nth_weekday": "#",
    }.get(kind, "/" if kind.endswith("step") else "")
    if kind == "last_offset":
        source.at(term, "AWS has no days before the last one", "write L, LW, or a day such as 28")
    if kind == "last_of_weekday" and field is DAYS:
        source.at(term, "in day-of-month L stands alone", "write L for the last day, or 6L in day-of-week")
    if (kind == "every_step" and field is WEEKDAY) or sign not in field.wildcards:
        hint = "list the days, e.g. MON,WED,FRI" if (field, sign) == (WEEKDAY, "/") else _accepts(field)
        source.at(term, f"{sign} has no meaning in the {field.name} field", hint)


def _number(source: Source, token: Token, field: Field) -> int:
    number = field.number(token)
    if number is None:
        source.at(token, f"{token} has no meaning in the {field.name} field", _accepts(field))
    if not field.low <= number <= field.high:
        source.at(token, f"{field.name} is {field.low} to {field.high}, not {number}", _accepts(field))
    return number


__all__ = ["EPOCH", "Cron", "Granularity", "Rate", "Schedule", "ScheduleError", "parse"]

Granularity: TypeAlias = Literal["MINUTE", "HOUR", "DAY", "MONTH", "YEAR"]
DAY_MINUTES: Final = 1440
WEEK: Final = 7 * DAY_MINUTES
_SHORTEST: Final = {
    "MINUTE": 1,
    "HOUR": 60,
    "DAY": DAY_MINUTES,
    "WEEK": WEEK,
    "MONTH": 4 * WEEK,
} | dict.fromkeys(("QUARTER", "YEAR"), 12 * WEEK)


@dataclass(frozen=True, slots=True)
class Rate:
    """``rate(7 days)``: fires every ``count`` units after an anchor.

    AWS counts from the moment a schedule is created. Here the anchor is a parameter, the epoch when left
    out, so that the times are the same wherever and whenever they are computed.
    """

    count: int
    unit: Literal["minute", "hour", "day"]

    @property
    def granularity(self) -> Granularity:
        """The unit of the rate: ``rate(7 days)`` is DAY."""
        return cast(Granularity, self.unit.upper())

    def delta(self) -> timedelta:
        """Return the time between two fires.

        >>> parse("rate(7 days)").delta()
        datetime.timedelta(days=7)
        """
        return timedelta(minutes=self.minutes)

    @property
    def plain(self) -> str:
        """The form that `rheo_runtime.timetable` reads: in minutes.

        >>> parse("rate(12 hours)").plain
        'rate(720)'
        """
        return f"rate({self.minutes})"

    @property
    def minutes(self) -> int:
        """The minutes between two fires."""
        return self.count * UNITS[self.unit] // 60

    def is_each(self, granularity: str, zone: str) -> bool:
        """Say whether it fires in each minute, hour, day or longer period that the clock of a zone shows."""
        if zone == "UTC" or self.minutes == 1:
            return self.minutes <= _SHORTEST[granularity]
        if granularity == "HOUR" or self.minutes > _SHORTEST[granularity]:
            return False
        # An hour less than a day may lie between two fires that are a day apart.
        return all(any(self.fire_times(*_day(begin, zone))) for begin, _ in clock_changes(zone))

    def airflow_cron(self) -> str | None:
        """Return the five-field cron expression that fires at the same times, None when there is none.

        >>> parse("rate(6 hours)").airflow_cron(), parse("rate(7 days)").airflow_cron()
        ('0 */6 * * *', '0 0 * * 4')
        >>> parse("rate(5 days)").airflow_cron() is None
        True
        """
        if self.minutes == WEEK:
            return "0 0 * * 4"  # 1970 began on a Thursday
        return _unix(self.minutes) if _grid(self.minutes) == self.minutes else None

    def ticks(self) -> str:
        """Return a cron expression of AWS among whose fires are all of this rate.

        AWS counts a rate from the moment its schedule is created. A clock that fires at least as often, and
        a look at which of its fires are whole multiples, is the same wherever it is read.

        >>> parse("rate(6 hours)").ticks(), parse("rate(5 days)").ticks(), parse("rate(90 minutes)").ticks()
        ('cron(0 0/6 * * ? *)', 'cron(0 0 * * ? *)', 'cron(0/30 * * * ? *)')
        """
        if self.minutes % WEEK == 0:
            return "cron(0 0 ? * THU *)"
        grid = _grid(self.minutes)
        if grid < 60:
            return f"cron(0/{grid} * * * ? *)"
        return "cron(0 0 * * ? *)" if grid == DAY_MINUTES else f"cron(0 0/{grid // 60} * * ? *)"

    def next_after(self, t: datetime, anchor: datetime = EPOCH) -> datetime | None:
        """Return the first fire strictly after ``t``: ``anchor`` plus a whole number of steps.

        Raises ScheduleError when ``t`` or ``anchor`` has no timezone.

        >>> parse("rate(6 hours)").next_after(datetime(2025, 5, 7, 6, tzinfo=UTC))
        datetime.datetime(2025, 5, 7, 12, 0, tzinfo=datetime.timezone.utc)
        """
        t, anchor = _utc(t), _utc(anchor)
        steps = max(0, (t - anchor) // self.delta() + 1)
        try:
            return anchor + steps * self.delta()
        except OverflowError:  # beyond the last year of the calendar
            return None

    def fire_times(self, start: datetime, end: datetime, anchor: datetime = EPOCH) -> Iterator[datetime]:
        """Yield the fires from ``start`` (inclusive) to ``end`` (exclusive)."""
        fire = self.next_after(_before(start), anchor)
        while fire is not None and fire < _utc(end):
            yield fire
            fire = self.next_after(fire, anchor)

    def __str__(self) -> str:
        return f"rate({self.count} {self.unit}{'s' if self.count > 1 else ''})"


def _grid(minutes: int) -> int:
    """The longest part of an hour or a day that fires at every multiple of so many minutes."""
    return gcd(minutes, 60) if minutes % 60 else 60 * gcd(minutes // 60, 24)


def _unix(minutes: int) -> str:
    if minutes < 60:
        return f"*/{minutes} * * * *" if minutes > 1 else "* * * * *"
    hours = minutes // 60
    return "0 0 * * *" if hours == 24 else f"0 */{hours} * * *" if hours > 1 else "0 * * * *"


@dataclass(frozen=True, slots=True)
class Cron:
    """``cron(minutes hours day-of-month month day-of-week year)``; one of the two days is None.

    It is read on the clock of ``zone``. A time that this clock jumps over does not fire, and one that it
    shows twice fires the first time, as EventBridge Scheduler has it.
    """

    minutes: Spans
    hours: Spans
    days: Spans | OneDay | None
    months: Spans
    weekdays: Spans | OneDay | None
    years: Spans
    zone: str = "UTC"

    @property
    def granularity(self) -> Granularity:
        """MINUTE when the minute varies, HOUR when the hour does, else DAY.

        A monthly timer's partition is the day it fires, ``2020-11-01``, as the guide's has it.
        """
        if len(values(self.minutes, MINUTES)) > 1:
            return "MINUTE"
        return "HOUR" if len(values(self.hours, HOURS)) > 1 else "DAY"

    def delta(self) -> None:
        """Return None: the time between two fires varies."""

    def next_after(self, t: datetime) -> datetime | None:
        """Return the first fire strictly after ``t``, None after the last one.

        Raises ScheduleError when ``t`` has no timezone.

        >>> parse("cron(0 0 1 * ? *)").next_after(datetime(2025, 5, 1, tzinfo=UTC))
        datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
        """
        t = _utc(t)
        return next((fire for fire in fires(self.plain, t) if fire > t), None)

    def fire_times(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Yield the fires from ``start`` (inclusive) to ``end`` (exclusive).

        >>> day = parse("cron(0 9 ? * MON-FRI *)").fire_times
        >>> [fire.day for fire in day(datetime(2025, 5, 1, tzinfo=UTC), datetime(2025, 5, 8, tzinfo=UTC))]
        [1, 2, 5, 6, 7]
        """
        end = _utc(end)
        return takewhile(lambda fire: fire < end, fires(self.plain, _utc(start)))

    def steady(self) -> bool:
        """Say whether no fire falls on an hour that the clock of the zone jumps over or shows twice.

        Then every reader of cron expressions fires at the same moments; of the other hours, each has its own
        opinion.

        >>> parse("cron(0 3 * * ? *)", "America/New_York").steady()
        True
        >>> parse("cron(30 1 * * ? *)", "America/New_York").steady()
        False
        """
        return self.zone == "UTC" or not any(starmap(self._shown, clock_changes(self.zone)))

    def _shown(self, begin: datetime, end: datetime) -> bool:
        """Say whether a fire falls between two times on the wall."""
        return any(
            begin <= moment for moment in takewhile(lambda m: m < end, walls(self.plain, begin.date()))
        )

    def airflow_cron(self) -> str | None:
        """Return the five-field cron expression for an Airflow timetable, None when there is none.

        Unix cron has no year and no nearest weekday (``W``).

        >>> parse("cron(0/15 8-17 ? * MON-FRI *)").airflow_cron()
        '*/15 8-17 * * 1-5'
        """
        if self.years != (Span(YEARS.low, YEARS.high),):
            return None
        days, weekdays = self._unix_day(), self._unix_weekday()
        if days is None or weekdays is None:
            return None
        minutes = unix(values(self.minutes, MINUTES), 0, 59)
        hours = unix(values(self.hours, HOURS), 0, 23)
        months = unix(values(self.months, MONTH), 1, 12)
        return f"{minutes} {hours} {days} {months} {weekdays}"

    def _unix_day(self) -> str | None:
        match self.days:
            case None:
                return "*"
            case tuple():
                return unix(values(self.days, DAYS), 1, 31)
            case LastDay(weekday=False):
                return "L"
        return None

    def _unix_weekday(self) -> str | None:
        match self.weekdays:
            case None:
                return "*"
            case tuple():
                sunday_is_0 = tuple(day - 1 for day in values(self.weekdays, WEEKDAY))
                return unix(sunday_is_0, 0, 6)
            case NthWeekday(weekday, nth):
                return f"{weekday - 1}#{nth}"
            case LastOfWeekday(weekday):
                return f"L{weekday - 1}"
        return None

    def __str__(self) -> str:
        return f"cron({' '.join(_spell(part, field) for part, field in self._fields())})"

    @property
    def plain(self) -> str:
        """The form that `rheo_runtime.timetable` reads: each number written out, with the zone.

        >>> parse("cron(0 9/6 ? * MON-WED *)", "Europe/Berlin").plain
        'cron(0 9,15,21 ? * 2,3,4 *) Europe/Berlin'
        """
        return f"cron({' '.join(_plain(part, field) for part, field in self._fields())}) {self.zone}"

    def is_each(self, granularity: str, zone: str) -> bool:
        """Say whether it fires in each minute, hour, day or longer period that the clock of a zone shows."""
        finer = {"MINUTE": 0, "HOUR": 1}.get(granularity, 2)  # leading fields that may be anything
        fields = list(self._fields())[finer:]
        return (
            all(_plain(part, field) in ("*", "?") for part, field in fields)
            and zone == self.zone
            and self.steady()
        )

    def _fields(self) -> zip[tuple[Spans | OneDay | None, Field]]:
        parts = (self.minutes, self.hours, self.days, self.months, self.weekdays, self.years)
        return zip(parts, FIELDS, strict=True)


Schedule: TypeAlias = Rate | Cron


@cache
def clock_changes(zone: str) -> tuple[tuple[datetime, datetime], ...]:
    """Return the stretches of wall-clock time that a zone's clock jumps over or shows twice, 2024 to 2037.

    >>> clock_changes("Europe/Berlin")[0]
    (datetime.datetime(2024, 3, 31, 2, 0), datetime.datetime(2024, 3, 31, 3, 0))
    """
    clock = ZoneInfo(zone)

    def ahead(minute: int) -> timedelta:
        return (EPOCH + timedelta(minutes=minute)).astimezone(clock).utcoffset() or timedelta()

    found = []
    first = int((datetime(2024, 1, 1, tzinfo=UTC) - EPOCH).total_seconds()) // 60
    for day in range(first, first + 14 * 366 * 1440, 1440):
        if ahead(day) == ahead(day + 1440):
            continue
        low, high = day, day + 1440  # the clock changes between them
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if ahead(middle) == ahead(low) else (low, middle)
        moment = (EPOCH + timedelta(minutes=high)).replace(tzinfo=None)
        walls = sorted((moment + ahead(low), moment + ahead(high)))
        found.append((walls[0], walls[1]))
    return tuple(found)


def _day(moment: datetime, zone: str) -> tuple[datetime, datetime]:
    """The begin and the end of a day on the clock of a zone."""
    begin = moment.replace(hour=0, minute=0, tzinfo=ZoneInfo(zone))
    return begin, begin + timedelta(days=1)


def parse(text: str, timezone: str | None = None) -> Schedule:
    """Read an AWS schedule expression.

    Parameters
    ----------
    text
        ``rate(value unit)`` or ``cron(minutes hours day-of-month month day-of-week year)``.
    timezone
        The zone by whose clock a cron expression fires; UTC when left out.

    Raises ScheduleError, which points at the column, when AWS would not accept it or it never fires.

    >>> str(parse("cron(0 0 1 JAN-MAR ? *)")), parse("rate(1 day)").granularity
    ('cron(0 0 1 1-3 ? *)', 'DAY')
    """
    parts = read_schedule(text)
    if len(parts) == 2:
        return Rate(*cast(tuple[int, Literal["minute", "hour", "day"]], parts))
    cron = Cron(*cast(tuple[Spans, Spans, Spans | OneDay | None, Spans, Spans | OneDay | None, Spans], parts))
    if timezone is not None:
        cron = replace(cron, zone=timezone)
    if next(walls(cron.plain, EPOCH.date()), None) is None:
        raise ScheduleError(
            f"this schedule never fires\n{marked(text, 0, len(text))}",
            hint="no month and year of the schedule has that day",
        )
    return cron


def _spell(part: Spans | OneDay | None, field: Field) -> str:
    if part is None:
        return "?"
    return ",".join(span.text(field) for span in part) if isinstance(part, tuple) else str(part)


def _plain(part: Spans | OneDay | None, field: Field) -> str:
    if not isinstance(part, tuple):
        return _spell(part, field)
    numbers = values(part, field)
    return "*" if len(numbers) > field.high - field.low else ",".join(map(str, numbers))


def _utc(t: datetime) -> datetime:
    if t.tzinfo is None:
        raise ScheduleError(
            f"{t.isoformat()} has no timezone", hint="pass an aware time, e.g. datetime(..., tzinfo=UTC)"
        )
    return t.astimezone(UTC)


def _before(t: datetime) -> datetime:
    return _utc(t) - timedelta(microseconds=1)
