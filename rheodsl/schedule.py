"""An AWS schedule expression -> the times at which it fires."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from typing import Final, Literal, TypeAlias, cast

from rheodsl import schedule_fields as fields
from rheodsl.grammar import marked
from rheodsl.schedule_fields import FIELDS, LastDay, NthWeekday, OneDay, Span, Spans
from rheodsl.schedule_parser import UNITS, ScheduleError, read_schedule

__all__ = ["EPOCH", "Cron", "Granularity", "Rate", "Schedule", "ScheduleError", "parse"]

Granularity: TypeAlias = Literal["MINUTE", "HOUR", "DAY", "MONTH", "YEAR"]
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


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
        return timedelta(seconds=self.count * UNITS[self.unit])

    def airflow_cron(self) -> None:
        """Return None: Airflow has delta timetables for rates."""

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


@dataclass(frozen=True, slots=True)
class Cron:
    """``cron(minutes hours day-of-month month day-of-week year)`` in UTC; one of the two days is None."""

    minutes: Spans
    hours: Spans
    days: Spans | OneDay | None
    months: Spans
    weekdays: Spans | OneDay | None
    years: Spans

    @property
    def granularity(self) -> Granularity:
        """MINUTE when the minute varies, HOUR when the hour does, else DAY.

        A monthly timer's partition is the day it fires, ``2020-11-01``, as the guide's has it.
        """
        if len(fields.values(self.minutes, fields.MINUTES)) > 1:
            return "MINUTE"
        return "HOUR" if len(fields.values(self.hours, fields.HOURS)) > 1 else "DAY"

    def delta(self) -> None:
        """Return None: the time between two fires varies."""

    def next_after(self, t: datetime) -> datetime | None:
        """Return the first fire strictly after ``t``, None after the last one.

        Raises ScheduleError when ``t`` has no timezone.

        >>> parse("cron(0 0 1 * ? *)").next_after(datetime(2025, 5, 1, tzinfo=UTC))
        datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
        """
        t = _utc(t)
        return next((fire for fire in self._fires(t.date()) if fire > t), None)

    def fire_times(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Yield the fires from ``start`` (inclusive) to ``end`` (exclusive).

        >>> day = parse("cron(0 9 ? * MON-FRI *)").fire_times
        >>> [fire.day for fire in day(datetime(2025, 5, 1, tzinfo=UTC), datetime(2025, 5, 8, tzinfo=UTC))]
        [1, 2, 5, 6, 7]
        """
        start, end = _utc(start), _utc(end)
        return takewhile(lambda fire: fire < end, (f for f in self._fires(start.date()) if f >= start))

    def airflow_cron(self) -> str | None:
        """Return the five-field cron expression for an Airflow timetable, None when there is none.

        Unix cron has no year and no nearest weekday (``W``).

        >>> parse("cron(0/15 8-17 ? * MON-FRI *)").airflow_cron()
        '*/15 8-17 * * 1-5'
        """
        if self.years != (Span(fields.YEARS.low, fields.YEARS.high),):
            return None
        days, weekdays = self._unix_day(), self._unix_weekday()
        if days is None or weekdays is None:
            return None
        minutes = fields.unix(fields.values(self.minutes, fields.MINUTES), 0, 59)
        hours = fields.unix(fields.values(self.hours, fields.HOURS), 0, 23)
        months = fields.unix(fields.values(self.months, fields.MONTH), 1, 12)
        return f"{minutes} {hours} {days} {months} {weekdays}"

    def _unix_day(self) -> str | None:
        match self.days:
            case None:
                return "*"
            case tuple():
                return fields.unix(fields.values(self.days, fields.DAYS), 1, 31)
            case LastDay(weekday=False):
                return "L"
        return None

    def _unix_weekday(self) -> str | None:
        match self.weekdays:
            case None:
                return "*"
            case tuple():
                sunday_is_0 = tuple(day - 1 for day in fields.values(self.weekdays, fields.WEEKDAY))
                return fields.unix(sunday_is_0, 0, 6)
            case NthWeekday(weekday, nth):
                return f"{weekday - 1}#{nth}"
            case fields.LastOfWeekday(weekday):
                return f"L{weekday - 1}"
        return None

    def _fires(self, start: date) -> Iterator[datetime]:
        hours, minutes = fields.values(self.hours, fields.HOURS), fields.values(self.minutes, fields.MINUTES)
        for year in fields.values(self.years, fields.YEARS):
            for month in fields.values(self.months, fields.MONTH):
                if (year, month) < (start.year, start.month):
                    continue
                for day in self._days_of(year, month):
                    if date(year, month, day) < start:
                        continue
                    for hour in hours:
                        for minute in minutes:
                            yield datetime(year, month, day, hour, minute, tzinfo=UTC)

    def _days_of(self, year: int, month: int) -> list[int]:
        for rule in (self.days, self.weekdays):
            if rule is not None and not isinstance(rule, tuple):
                day = rule.day(year, month)
                return [] if day is None else [day]
        last = monthrange(year, month)[1]
        if isinstance(self.days, tuple):
            return [day for day in fields.values(self.days, fields.DAYS) if day <= last]
        wanted = set(fields.values(cast(Spans, self.weekdays), fields.WEEKDAY))
        return [day for day in range(1, last + 1) if fields.aws_weekday(year, month, day) in wanted]

    def __str__(self) -> str:
        parts = (self.minutes, self.hours, self.days, self.months, self.weekdays, self.years)
        return f"cron({' '.join(_spell(part, field) for part, field in zip(parts, FIELDS, strict=True))})"


Schedule: TypeAlias = Rate | Cron


def parse(text: str) -> Schedule:
    """Read an AWS schedule expression.

    Parameters
    ----------
    text
        ``rate(value unit)`` or ``cron(minutes hours day-of-month month day-of-week year)``.

    Raises ScheduleError, which points at the column, when AWS would not accept it or it never fires.

    >>> str(parse("cron(0 0 1 JAN-MAR ? *)")), parse("rate(1 day)").granularity
    ('cron(0 0 1 1-3 ? *)', 'DAY')
    """
    parts = read_schedule(text)
    if len(parts) == 2:
        return Rate(*cast(tuple[int, Literal["minute", "hour", "day"]], parts))
    cron = Cron(*cast(tuple[Spans, Spans, Spans | OneDay | None, Spans, Spans | OneDay | None, Spans], parts))
    if next(cron._fires(EPOCH.date()), None) is None:
        raise ScheduleError(
            f"this schedule never fires\n{marked(text, 0, len(text))}",
            hint="no month and year of the schedule has that day",
        )
    return cron


def _spell(part: Spans | OneDay | None, field: fields.Field) -> str:
    if part is None:
        return "?"
    return ",".join(span.text(field) for span in part) if isinstance(part, tuple) else str(part)


def _utc(t: datetime) -> datetime:
    if t.tzinfo is None:
        raise ScheduleError(
            f"{t.isoformat()} has no timezone", hint="pass an aware time, e.g. datetime(..., tzinfo=UTC)"
        )
    return t.astimezone(UTC)


def _before(t: datetime) -> datetime:
    return _utc(t) - timedelta(microseconds=1)
