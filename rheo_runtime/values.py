"""Text <-> value: what a partition's coordinates are at run time.

A STRING value is a str, a LONG value an int. A DATETIME value is an int too, so that windows and
shifts are plain arithmetic: at DAY the proleptic ordinal of the date, at MONTH ``year * 12 + month - 1``,
at YEAR the year (calendar labels, without a timezone); at HOUR and MINUTE the minutes since 1970-01-01
UTC (instants, read in the dimension's timezone).

Kind -> remembered text/value conversions: what the hot path uses in place of `values.parse` and `render`.

A partition's coordinates repeat (a day, a region), so each conversion is done once and then costs
one dict look-up. A refused text is not remembered: refusals are rare and must not fill the memory.
All functions are shared by everything of the same kinds: with thousands of routes they stay in the cache.
"""

from __future__ import annotations

import re
from bisect import insort
from calendar import monthrange
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from itertools import count, takewhile
from operator import itemgetter
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rheo_runtime.timetable import fires

Value = str | int
Partition = tuple[Value, ...]
V = TypeVar("V", str, int)

STRING, LONG, DATETIME = "STRING", "LONG", "DATETIME"
MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER, YEAR = "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"
GRANULARITIES = (MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER, YEAR)  # finest first
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 12, 30, 23, 59, tzinfo=UTC)
_BEGIN = datetime(1970, 1, 1)
_UNIT = {MINUTE: 1, HOUR: 60, DAY: 1, WEEK: 7, MONTH: 1, QUARTER: 1, YEAR: 1}
# The guide's zone names that IANA does not list under the same meaning.
_ZONES = {"PST": "America/Los_Angeles", "GMT": "UTC", "UTC": "UTC"}
# strftime directives by the granularity that they fix; any other cannot be read back and is refused.
_DIRECTIVES = {
    "Y": YEAR, "y": YEAR, "m": MONTH, "b": MONTH, "B": MONTH, "d": DAY, "j": DAY,
    "H": HOUR, "I": HOUR, "p": HOUR, "M": MINUTE, "S": MINUTE, "f": MINUTE,
    "G": YEAR, "V": WEEK, "q": QUARTER,
}  # fmt: skip
# Numbers that a "-" behind the percent sign leaves without zeros before them, and how wide they are otherwise.
_WIDTHS = {"m": 2, "d": 2, "j": 3, "H": 2, "I": 2, "M": 2, "S": 2}
_DIRECTIVES |= {f"-{field}": _DIRECTIVES[field] for field in _WIDTHS}
# What each directive spells: a date in a name is exactly this.
_SPELLS = {
    "Y": r"\d{4}", "y": r"\d{2}", "m": r"\d{2}", "d": r"\d{2}", "j": r"\d{3}", "H": r"\d{2}", "I": r"\d{2}",
    "M": r"\d{2}", "S": r"\d{2}", "f": r"\d{6}", "G": r"\d{4}", "V": r"\d{2}", "q": "[1-4]",
    "b": "[^\\W\\d_]{3}", "B": "[^\\W\\d_]+", "p": "(?:AM|PM)", "%": "%",
    "-m": r"[1-9]\d?", "-d": r"[1-9]\d?", "-j": r"[1-9]\d{0,2}", "-H": r"(?:0|[1-9]\d?)", "-I": r"[1-9]\d?",
    "-M": r"(?:0|[1-9]\d?)", "-S": r"(?:0|[1-9]\d?)",
}  # fmt: skip
_DIRECTIVE = re.compile(r"%(-?.)")
_TOUCHING = re.compile(r"%(-[mdjHIMS])(?=%(?:-?[YymdjHIMSfGVq])|\d)")
_DEFAULT_FORMAT = {
    MINUTE: "%Y-%m-%d %H:%M", HOUR: "%Y-%m-%d %H", DAY: "%Y-%m-%d", WEEK: "%G-W%V", MONTH: "%Y-%m",
    QUARTER: "%Y-Q%q", YEAR: "%Y",
}  # fmt: skip
DEFAULT_FORMAT = "%Y-%m-%d"


class BadValue(ValueError):
    """A text or an object that is no value of a dimension; the message says why."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The type of a value, with all that its text form and its neighbours depend on.

    ``granularity``, ``timezone`` and ``format`` belong to DATETIME, ``digits`` (zero-padded width) to
    LONG, ``insensitive`` (compared and kept in lower case) and ``escaped`` (spelled as Hive spells it) to
    STRING. ``min`` is the first value of the domain: a value below it is refused, and no window reaches
    below it. ``step`` is the distance of neighbours, in units (15 of a MINUTE, 10 of a LONG), counted from
    ``min``, else from the calendar's own zero. ``week_start`` is the first weekday of a WEEK (0 is Monday),
    or of the weeks to which days and hours are rolled up;
    ``calendar`` the days that are partitions, as `read_calendar` writes them, and ``schedule`` the fires of a timer
    that are: as `rheo_runtime.timetable` reads it, behind a number of units that moves them.
    """

    type: str
    format: str | None = None
    granularity: str | None = None
    timezone: str | None = None
    digits: int | None = None
    insensitive: bool = False
    min: Value | None = None
    step: int = 1
    week_start: int = 0
    calendar: str | None = None
    escaped: bool = False
    schedule: str | None = None

    def __str__(self) -> str:
        if self.type == DATETIME:
            return f"{self.granularity} DATETIME"
        return self.type

    @property
    def unit(self) -> int:
        """The distance of neighbouring values (60 at HOUR, whose values count minutes)."""
        return _UNIT[self.granularity] * self.step if self.granularity else self.step

    @property
    def regular(self) -> bool:
        """Whether neighbours are one `unit` apart everywhere: no calendar, no schedule, no clock that is changed."""
        return (
            self.calendar is None
            and self.schedule is None
            and not (self.granularity in (HOUR, MINUTE) and self.timezone not in (None, "UTC"))
        )

    @property
    def domain(self) -> tuple[Value | None, int, str | None, str | None]:
        """What leaves values out: the first one, the step, the calendar and the schedule."""
        return self.min, self.step, self.calendar, self.schedule


def whole(kind: Kind) -> Kind:
    """Return a kind of which nothing leaves values out."""
    return replace(kind, min=None, step=1, calendar=None, schedule=None)


_WITHIN_WEEKS = (MINUTE, HOUR, DAY, WEEK)


@lru_cache(maxsize=1024)
def datetime_kind(
    format: str | None = None,
    granularity: str | None = None,
    timezone: str | None = None,
    min: Value | None = None,
    step: int = 1,
    week_start: int = 0,
    calendar: str | None = None,
    escaped: bool = False,
) -> Kind:
    """Return a DATETIME kind with defaults filled in.

    Raises BadValue for a format that cannot be read back, an unknown granularity or timezone.

    >>> datetime_kind("%Y-%m").granularity, datetime_kind(granularity="WEEK").format
    ('MONTH', '%G-W%V')
    """
    if granularity is not None and granularity not in GRANULARITIES:
        raise BadValue(f"granularity {granularity!r} is none of {', '.join(GRANULARITIES)}")
    if format is None:
        format = _DEFAULT_FORMAT[granularity] if granularity else DEFAULT_FORMAT
    finest = finest_field(format)
    if granularity is None:
        granularity = finest
    elif GRANULARITIES.index(finest) > GRANULARITIES.index(granularity):
        raise BadValue(f"format {format!r} does not tell one {granularity} from the next")
    elif finest == WEEK != granularity:
        raise BadValue(f"format {format!r} tells weeks, and a {granularity} is none")
    if week_start and granularity not in _WITHIN_WEEKS:
        raise BadValue(f"week_start belongs to weeks and to what lies in one, not to a {granularity}")
    if calendar is not None and granularity not in (MINUTE, HOUR, DAY):
        raise BadValue(f"a calendar chooses days, and a {granularity} is longer than one")
    return Kind(
        DATETIME,
        format=format,
        granularity=granularity,
        timezone=zone_name(timezone),
        min=min,
        step=step,
        week_start=week_start,
        calendar=calendar,
        escaped=escaped,
    )


def own_format(granularity: str | None) -> str:
    """Return how a granularity is written where nobody says how.

    >>> own_format("QUARTER")
    '%Y-Q%q'
    """
    return _DEFAULT_FORMAT[granularity or DAY]


def directives(format: str) -> list[str]:
    """Return the directives of a strftime format, without the percent signs.

    >>> directives("%Y-100%%-%m/%-d")
    ['Y', 'm', '-d']
    """
    return [found for found in _DIRECTIVE.findall(format) if found != "%"]


def pieces(format: str) -> list[str]:
    """Return what a strftime format is made of: literals at the even places, directives at the odd ones.

    >>> pieces("%Y-%-m")
    ['', 'Y', '-', '-m', '']
    """
    return _DIRECTIVE.split(format)


def finest_field(format: str) -> str:
    """Return the granularity of the finest field in a strftime format."""
    bare = format.replace("%%", "")
    found = directives(format)
    if not found:
        raise BadValue(f"format {format!r} has no date field")
    if bare.endswith("%"):
        raise BadValue(f"format {format!r} ends in %")
    for directive in found:
        if directive not in _DIRECTIVES:
            raise BadValue(f"format {format!r}: %{directive} cannot be read back from a path")
        if sum(each.lstrip("-") == directive.lstrip("-") for each in found) > 1:
            raise BadValue(f"format {format!r} has %{directive} twice")
    if touching := _TOUCHING.search(bare):
        raise BadValue(f"format {format!r}: nothing tells where %{touching[1]} ends, as a number follows it")
    found = [directive.lstrip("-") for directive in found]
    weeks = {"G", "V"} & set(found)
    if weeks:
        if set(found) != {"G", "V"}:
            raise BadValue(f"format {format!r}: a week is written by %G and %V, and nothing else")
        return WEEK
    finest = min((_DIRECTIVES[d] for d in found), key=GRANULARITIES.index)
    # A half of the day, or a second, does not tell the hour or the minute that it belongs to.
    present = {_DIRECTIVES[d] for d in found if d not in "pSf"}
    if YEAR not in present:
        raise BadValue(f"format {format!r} has no year")
    if finest == QUARTER:
        return QUARTER
    needed = set(GRANULARITIES[GRANULARITIES.index(finest) :]) - {WEEK, QUARTER}
    if "j" in found:
        needed.discard(MONTH)
    if missing := needed - present:
        coarsest = max(missing, key=GRANULARITIES.index)
        raise BadValue(f"format {format!r} has no {coarsest.lower()}, so its values are not unique")
    if "I" in found and "p" not in found:
        raise BadValue(f"format {format!r} has %I without %p, so its values are not unique")
    return finest


@lru_cache(maxsize=1024)
def format_pattern(format: str) -> str:
    """Return the regular expression of what a strftime format spells.

    >>> format_pattern("%Y-%m")
    '\\\\d{4}\\\\-\\\\d{2}'
    """
    return "".join(_SPELLS[part] if i % 2 else re.escape(part) for i, part in enumerate(pieces(format)))


def loose_pattern(format: str) -> str:
    """Return the regular expression of what a format spells with any number of zeros before its numbers."""
    return "".join(_loose(part) if i % 2 else re.escape(part) for i, part in enumerate(pieces(format)))


def _loose(directive: str) -> str:
    return r"\d{1,3}" if directive.lstrip("-") in _WIDTHS else _SPELLS[directive]


def repadded(text: str, format: str) -> str | None:
    """Return a text as a format spells it that differs from this by the zeros before numbers; None for another.

    >>> repadded("3/1", "%m/%d"), repadded("03/01", "%-m/%-d"), repadded("3/x", "%m/%d")
    ('03/01', '3/1', None)
    """
    parts = pieces(format)
    numbers = [bool(i % 2) and part.lstrip("-") in _WIDTHS for i, part in enumerate(parts)]
    pattern = "".join(f"({_loose(part) if i % 2 else re.escape(part)})" for i, part in enumerate(parts))
    found = re.fullmatch(pattern, text)
    if found is None:
        return None
    spelled = [
        said if not number else str(int(said)) if part[0] == "-" else f"{int(said):0{_WIDTHS[part]}d}"
        for part, said, number in zip(parts, found.groups(), numbers, strict=True)
    ]
    made = "".join(spelled)
    return made if re.fullmatch(format_pattern(format), made) else None


def zone_name(zone: str | None) -> str | None:
    """Return the IANA name of a zone; PST, GMT and UTC are accepted as the guide writes them."""
    if zone is None:
        return None
    name = _ZONES.get(zone, zone)
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadValue(f"timezone {zone!r} is no IANA zone name") from None
    return name


@lru_cache(maxsize=64)
def _zone(name: str | None) -> ZoneInfo:
    return ZoneInfo(name or "UTC")


def to_datetime(value: int, kind: Kind) -> datetime:
    """Return the wall-clock time of a DATETIME value in its own timezone, without tzinfo.

    Of a partition it is where its label begins, whether or not the clock shows that minute; of any other
    instant what the clock shows. Raises BadValue.
    """
    if kind.granularity in (HOUR, MINUTE) and kind.timezone not in (None, "UTC"):
        label = _floor(_to_label(value, kind), kind)
        if _of_label(label, kind) == value:
            return _BEGIN + timedelta(minutes=label)
    return _wall(value, kind)


def _wall(value: int, kind: Kind) -> datetime:
    """What the clock shows; ``fold`` tells the second of two equal times, when it is put back."""
    try:
        match kind.granularity:
            case "DAY" | "WEEK":
                return datetime.fromordinal(value)
            case "MONTH":
                return datetime(value // 12, value % 12 + 1, 1)
            case "QUARTER":
                return datetime(value // 4, value % 4 * 3 + 1, 1)
            case "YEAR":
                return datetime(value, 1, 1)
            case _:
                instant = _EPOCH + timedelta(minutes=value)
                return instant.astimezone(_zone(kind.timezone)).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise BadValue(f"{value} is out of the range of dates") from None


def from_datetime(moment: datetime, kind: Kind) -> int:
    """Return the DATETIME value that holds ``moment``: truncated to the granularity and step of ``kind``.

    A time with tzinfo is first read in the timezone of ``kind`` (UTC when it has none); one without
    is taken as wall-clock time there. The hour that a clock runs through twice is one value, its first.
    """
    if moment.tzinfo is not None:
        moment = moment.astimezone(_zone(kind.timezone)).replace(tzinfo=None)
    return _of_label(_floor(_label(moment, kind), kind), kind)


# A label counts what stands in a path: units of the granularity, but minutes of the local clock at HOUR
# and MINUTE. Labels are evenly spaced whatever clocks and calendars do; values are what is compared.


def _label(moment: datetime, kind: Kind) -> int:
    """The label of the unit (not the step) that holds a wall-clock time."""
    match kind.granularity:
        case "DAY":
            return moment.toordinal()
        case "WEEK":
            return moment.toordinal() - (moment.weekday() - kind.week_start) % 7
        case "MONTH":
            return moment.year * 12 + moment.month - 1
        case "QUARTER":
            return moment.year * 4 + (moment.month - 1) // 3
        case "YEAR":
            return moment.year
        case granularity:
            minutes = (moment.replace(fold=0) - _BEGIN) // timedelta(minutes=1)
            return minutes - minutes % 60 if granularity == HOUR else minutes


def _of_label(label: int, kind: Kind) -> int:
    """The value of a label: of an hour and a minute the first whole minute at which the clock shows it.

    Where the clock skips where it begins, it is the minute at which the clock goes on.
    """
    if kind.granularity not in (HOUR, MINUTE) or kind.timezone in (None, "UTC"):
        return label
    try:
        moment = (_BEGIN + timedelta(minutes=label)).replace(tzinfo=_zone(kind.timezone))
        value = -((_EPOCH - moment) // timedelta(minutes=1))
        early = -((_EPOCH - moment.replace(fold=1)) // timedelta(minutes=1))
        while early < value:  # it is skipped: halve to where the clock goes on
            middle = (early + value) // 2
            early, value = (early, middle) if _shown(middle, kind) >= label else (middle + 1, value)
    except (ValueError, OverflowError):
        raise BadValue(f"{label} is out of the range of dates") from None
    return value


def _to_label(value: int, kind: Kind) -> int:
    """The label of the unit (not the step) that holds a value."""
    if kind.granularity in (HOUR, MINUTE) and kind.timezone not in (None, "UTC"):
        return _label(_wall(value, kind), kind)
    return value


def _shown(value: int, kind: Kind) -> int:
    """What the clock shows at an instant, in minutes."""
    return (_wall(value, kind).replace(fold=0) - _BEGIN) // timedelta(minutes=1)


def _floor(label: int, kind: Kind) -> int:
    """The label of the step that holds a label."""
    return label - (label - _origin(kind)) % kind.unit


def _origin(kind: Kind) -> int:
    """The label that steps are counted from."""
    if isinstance(kind.min, int):
        return _to_label(kind.min, kind)
    # Weeks and days count from 0001-01-01, a Monday.
    return 1 + kind.week_start if kind.granularity == WEEK else 1 if kind.granularity == DAY else 0


def _is_partition(label: int, kind: Kind) -> bool:
    """Whether a label on the grid names a partition: its day is in the calendar, some of it happens."""
    if kind.calendar is not None and not in_calendar(_day_of(label, kind), kind.calendar):
        return False
    zoned = kind.granularity in (HOUR, MINUTE) and kind.timezone not in (None, "UTC")
    # The clock may jump over it.
    return not zoned or _floor(_to_label(_of_label(label, kind), kind), kind) == label


def is_partition(value: Value, kind: Kind) -> bool:
    """Say whether a value is one of the partitions of a kind, wherever it was derived from.

    It is none below the minimum, out of the range of dates, between the steps, outside of the calendar, nor at
    the second of two hours that the clock shows alike. A schedule says what its neighbours are, and leaves nothing out:
    somebody may let a timer fire at another time.

    >>> is_partition(parse("2024-03-02", datetime_kind()), datetime_kind(calendar="MON-FRI"))
    False
    """
    if kind.min is not None and value < kind.min:  # type: ignore[operator]
        return False
    if not isinstance(value, int):
        return True
    if kind.type != DATETIME:
        return _floor(value, kind) == value
    low, high = bounds(kind)
    return low <= value <= high and _is_on_grid(value, kind)


def _is_on_grid(value: int, kind: Kind) -> bool:
    label = _floor(_to_label(value, kind), kind)
    return _is_partition(label, kind) and _of_label(label, kind) == value


def first_shown(value: int, kind: Kind) -> int:
    """Return the first instant of the hour or minute that the clock of a kind shows at an instant.

    That is where the partition begins which holds it: an hour that a clock shows twice is one.
    """
    return value if kind.timezone in (None, "UTC") else _of_label(_to_label(value, kind), kind)


def _day_of(label: int, kind: Kind) -> int:
    return label if kind.granularity == DAY else label // 1440 + _BEGIN.toordinal()


_PUT_BACK = 180  # minutes within which a clock that is put back shows a time again


def _scheduled(label: int, way: int, kind: Kind) -> Iterator[int]:
    """The labels of the fires of a kind's schedule, from one on; back from it where ``way`` is -1."""
    by, _, schedule = (kind.schedule or "").partition(" ")
    bare = unscheduled(kind)
    again = _PUT_BACK if kind.granularity in (HOUR, MINUTE) and kind.timezone not in (None, "UTC") else 0
    ahead: list[int] = []
    try:
        # One unit more than it was moved by: between two of a calendar, either may be the one.
        beside = shift(_of_label(label, bare), -int(by) - way, bare)
        start = _moment(_to_label(beside, bare), bare).replace(tzinfo=_zone(bare.timezone))
    except BadValue:  # at an end of the range of dates
        early = _moment(label, bare).year < _EPOCH.year
        if early != (way > 0):
            return
        start = _EPOCH if early else _LATEST
    last = label - way
    for fire in fires(schedule, start.astimezone(UTC) - way * timedelta(minutes=again), way):
        try:
            value = fired(fire, int(by), bare)
        except BadValue:
            continue
        found = _to_label(value, bare)
        if (found - last) * way > 0 and found not in ahead and _is_on_grid(value, bare):
            insort(ahead, found, key=lambda each: each * way)
        while ahead and (found - ahead[0]) * way >= again:
            yield (last := ahead.pop(0))
    yield from ahead


def unscheduled(kind: Kind) -> Kind:
    """Return a timer's kind, in the units that it is moved by: the times between its fires are values as well."""
    return kind if kind.schedule is None else replace(kind, schedule=None)


def fired(moment: datetime, by: int, kind: Kind) -> int:
    """Return the value of a timer that fires at a moment and is moved by so many units; raises BadValue.

    >>> day = datetime_kind(timezone="America/New_York")
    >>> render(fired(datetime(2024, 3, 2, 4, 59, tzinfo=UTC), -1, day), day)
    '2024-02-29'
    """
    bare = unscheduled(kind)
    value = from_datetime(moment, bare)
    return shift(value, by, bare) if by else value


_FARTHEST = 10_000  # units that are looked at for the next day of a calendar


@lru_cache(maxsize=65536)
def neighbours(value: int, first: int, count: int, kind: Kind) -> tuple[int, ...]:
    """Return ``count`` partitions from the one ``first`` steps away from a value; towards the past where negative.

    Days that no calendar has and hours that no clock shows are passed over; what lies out of the range of
    dates is left out. 0 is the value itself; where that is no partition, it is the next one on the way.

    >>> day = datetime_kind()
    >>> neighbours(737502, 0, -3, day), neighbours(737502, 1, 1, day)
    ((737502, 737501, 737500), (737503,))
    """
    way = 1 if count > 0 else -1
    label = _floor(_to_label(value, kind), kind)
    if not _is_on_grid(value, kind):
        # It lies behind the label, which is the first partition before it, unless that is none itself.
        before = 0 if _is_partition(label, kind) else -1
        if first < 0:
            first += 1 + before
        elif first == 0:
            first = before if way < 0 else 1
    if kind.regular:
        start = label + first * kind.unit
        return tuple(range(start, start + count * kind.unit, way * kind.unit))
    at: int | None = label
    for _ in range(abs(first)):
        at = None if at is None else _next(at, 1 if first > 0 else -1, kind)
    found = [] if at is None else [at]
    while found and len(found) < abs(count) and (at := _next(found[-1], way, kind)) is not None:
        found.append(at)
    return tuple(_of_label(each, kind) for each in found)


def _next(label: int, way: int, kind: Kind) -> int | None:
    """The label of the next partition on a way; None where there is none within the range of dates."""
    low, high = (_to_label(value, kind) for value in _range(kind))
    if kind.schedule is not None:
        found = next(_scheduled(label + way * kind.unit, way, kind), None)
        return found if found is not None and low <= found <= high else None
    for at in range(label + way * kind.unit, label + way * kind.unit * _FARTHEST, way * kind.unit):
        if not low <= at <= high:
            return None
        if _is_partition(at, kind):
            return at
    return None  # a calendar may be all holidays


def shift(value: int, units: int, kind: Kind) -> int:
    """Return ``value`` moved by whole steps of its kind; a negative number looks back.

    Raises BadValue out of the range of dates.
    """
    found = (value + units * kind.unit,) if kind.regular else neighbours(value, units, 1, kind)
    try:
        return in_range(found[0], kind)
    except (BadValue, IndexError):
        raise BadValue(f"{render(value, kind)!r} moved by {units} is out of the range of dates") from None


def in_range(value: int, kind: Kind) -> int:
    """Return a value of a kind; raises BadValue for a date out of the range of dates."""
    if kind.type == DATETIME:
        low, high = _range(kind)
        if not low <= value <= high:
            raise BadValue(f"{value} is out of the range of dates")
    return value


@lru_cache(maxsize=1024)
def bounds(kind: Kind) -> tuple[int, int]:
    """Return the first and the last value of a DATETIME dimension: nothing lies beyond the years 1 and 9999.

    >>> [render(v, datetime_kind()) for v in bounds(datetime_kind())]
    ['0001-01-01', '9999-12-31']
    """
    low, high = _range(kind)
    return max(low, kind.min) if isinstance(kind.min, int) else low, high


@lru_cache(maxsize=1024)
def _range(kind: Kind) -> tuple[int, int]:
    fourth = timedelta(days=3 if kind.granularity == WEEK else 0)  # a week is written by its fourth day
    first, last = _label(datetime.min, kind), _label(datetime.max - fourth, kind)
    if kind.granularity in (HOUR, MINUTE):
        # A day is left at both ends for the zones of others.
        first, last = first + 1440, last - 1440
    if kind.granularity == WEEK:
        first = max(first, 1 + kind.week_start)
    return _of_label(first, kind), _of_label(last, kind)


def on_clock(value: int, amount: int, kind: Kind) -> int:
    """Return the value whose label stands ``amount`` further (days at DAY, minutes of the clock at HOUR and MINUTE).

    Raises BadValue where the clock of the zone never shows it.
    """
    if kind.regular:
        return in_range(value + amount, kind)
    shown = replace(whole(kind), format=own_format(kind.granularity), escaped=False)
    moment = _moment(_to_label(value, kind) + amount, kind)
    if moment == datetime.max:
        raise BadValue(f"{value + amount} is out of the range of dates")
    text = moment.strftime(shown.format or DEFAULT_FORMAT)
    return _parse_datetime(text, shown)


def between(first: int, last: int, kind: Kind) -> Sequence[int]:
    """Return the partitions from one to another, both included, in ascending order.

    >>> workday = datetime_kind(calendar="MON-FRI")
    >>> [render(v, workday) for v in between(parse("2024-03-01", workday), parse("2024-03-05", workday), workday)]
    ['2024-03-01', '2024-03-04', '2024-03-05']
    """
    if kind.regular:
        return range(first, last + 1, kind.unit)
    end = _to_label(last, kind)
    return _while(lambda label: label <= end, _floor(_to_label(first, kind), kind), kind)


def _while(within: Callable[[int], bool], label: int, kind: Kind) -> list[int]:
    """The partitions from a label on, which is on the grid, as long as they are within something."""
    labels = count(label, kind.unit) if kind.schedule is None else _scheduled(label, 1, kind)
    bare = unscheduled(kind)
    return [_of_label(each, kind) for each in takewhile(within, labels) if _is_partition(each, bare)]


@lru_cache(maxsize=4096)
def members(value: int, coarse: Kind, fine: Kind) -> tuple[int, ...]:
    """Return the partitions of ``fine`` that lie in a value of a coarser kind, in ascending order.

    A week lies in the month that holds its first day. None lies below the first value of ``fine``.

    >>> len(members(2024 * 12 + 1, datetime_kind("%Y-%m"), datetime_kind()))
    29
    """
    begin = _floor(_to_label(value, coarse), coarse)
    start, end = _moment(begin, coarse), _moment(begin + coarse.unit, coarse)
    origin, unit = _origin(fine), fine.unit
    label = _label(start, fine)
    label += (origin - label) % unit
    while _moment(label, fine) < start:
        label += unit
    found = _while(lambda each: _moment(each, fine) < end, label, fine)
    if isinstance(fine.min, int):
        return tuple(v for v in found if v >= fine.min)
    return tuple(found)


def _moment(label: int, kind: Kind) -> datetime:
    """The wall-clock time at which a label begins."""
    try:
        if kind.granularity in (HOUR, MINUTE):
            return _BEGIN + timedelta(minutes=label)
        return to_datetime(label, kind)
    except (BadValue, OverflowError):
        return datetime.max


def end_of(value: int, kind: Kind) -> float:
    """Return the time, in seconds since 1970, at which a partition of a DATETIME dimension is over.

    >>> end_of(719163, datetime_kind())
    86400.0
    """
    label = _floor(_to_label(value, kind), kind) + kind.unit
    moment = _moment(label, kind)
    return moment.replace(tzinfo=_zone(kind.timezone)).timestamp()


def nearest_on_grid(value: int, kind: Kind) -> tuple[int, ...]:
    """Return the value if it is a partition of the grid, else the two nearest; of a schedule those that there are."""
    below = _floor(_to_label(value, kind), kind)
    if kind.schedule is not None:
        beside = [next(_scheduled(below, way, kind), None) for way in (-1, 1)]
        found = tuple(_of_label(label, kind) for label in beside if label is not None)
        return (value,) if value in found else found
    if _is_on_grid(value, kind):
        return (value,)
    above = below + kind.unit
    for _ in range(_FARTHEST):
        if _is_partition(below, kind):
            break
        below -= kind.unit
    for _ in range(_FARTHEST):
        if _is_partition(above, kind):
            break
        above += kind.unit
    return _of_label(below, kind), _of_label(above, kind)


def is_fire(value: int, kind: Kind) -> bool:
    """Say whether a timer's schedule has a partition, which somebody may have let fire at another time; any does without one."""
    return kind.schedule is None or nearest_on_grid(value, kind) == (value,)


def read_calendar(days: str, holidays: Iterable[str | date] = ()) -> str:
    """Return a calendar as its one text; raises BadValue.

    ``days`` are weekdays, single or as ranges: ``"MON-FRI"``, ``"MON,WED-THU"``.

    >>> read_calendar("MON-FRI", ["2024-12-25"])
    'MON-FRI;2024-12-25'
    """
    _weekdays(days)
    free = []
    for day in holidays:
        try:
            free.append((date.fromisoformat(day) if isinstance(day, str) else day).isoformat()[:10])
        except ValueError:
            raise BadValue(f"{day!r} is no date such as '2024-12-25'") from None
    return ";".join([days.upper().replace(" ", ""), ",".join(sorted(set(free)))]).rstrip(";")


def _weekdays(text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.upper().replace(" ", "").split(","):
        first, _, last = part.partition("-")
        if first not in WEEKDAYS or (last and last not in WEEKDAYS):
            raise BadValue(f"{part!r} is no weekday and no range of them, such as 'MON-FRI'")
        start, end = WEEKDAYS.index(first), WEEKDAYS.index(last or first)
        found |= {d % 7 for d in range(start, end + 1 if end >= start else end + 8)}
    return frozenset(found)


@lru_cache(maxsize=64)
def _read(calendar: str) -> tuple[frozenset[int], frozenset[int]]:
    days, _, holidays = calendar.partition(";")
    free = frozenset(date.fromisoformat(day).toordinal() for day in holidays.split(",") if day)
    return _weekdays(days), free


def in_calendar(ordinal: int, calendar: str) -> bool:
    """Say whether a day, by its ordinal, is one of a calendar."""
    days, holidays = _read(calendar)
    return (ordinal + 6) % 7 in days and ordinal not in holidays


# What Hive and Spark escape in the name of a partition's folder (Hive's FileUtils.charToEscape).
_ESCAPED = re.compile("[\x01-\x1f\x7f\"#%'*/:=?\\\\{\\[\\]^]")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


def escape(text: str) -> str:
    """Return a text as Hive and Spark write it in the name of a folder.

    >>> escape("05:00"), unescape("05%3A00")
    ('05%3A00', '05:00')
    """
    return _ESCAPED.sub(lambda found: f"%{ord(found[0]):02X}", text)


def unescape(text: str) -> str:
    """Return the text that Hive and Spark have escaped: the inverse of `escape`."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)


def check_text(text: str) -> None:
    """Raise BadValue for what is never a STRING value, whatever brought it.

    An empty text and ``.`` and ``..`` are other folders than they seem, ``/`` is several, Hive's null is no
    value, and control characters are nothing that a folder, a log or a terminal should be given.
    """
    if text in ("", ".", ".."):
        raise BadValue("an empty text is no STRING value" if not text else f"{text!r} is no STRING value")
    _refuse_null(text)
    if "/" in text:
        raise BadValue(f"{text!r} is no STRING value: it holds a slash")
    if _CONTROL.search(text) or (not text.isprintable() and _unprintable(text)):
        raise BadValue(f"{text!r} is no STRING value: it holds a control character")
    if "%" in text and (plain := unescape(text)) != text:
        try:
            check_text(plain)
        except BadValue as fault:
            raise BadValue(f"{text!r} is an escaped text: {fault}") from None


def _refuse_null(text: str) -> None:
    if text == HIVE_NULL:
        raise BadValue(f"{HIVE_NULL} is how Hive writes null, which is no value") from None


def _unprintable(text: str) -> bool:
    """Surrogates and marks that turn the direction of writing; a space of another kind is a plain character."""
    return any(
        "\ud800" <= c <= "\udfff" or c in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
        for c in text
    )


def render(value: Value, kind: Kind) -> str:
    """Return the text of a value, as it stands in a path.

    >>> render(737502, datetime_kind("%d-%m-%Y"))
    '18-03-2020'
    """
    if kind.type == DATETIME:
        return _render_datetime(value, kind)
    if kind.type == LONG and kind.digits:
        return f"{value:0{kind.digits}d}"
    return str(value)


@lru_cache(maxsize=65536)
def _render_datetime(value: int, kind: Kind) -> str:
    moment = to_datetime(value, kind)
    format = kind.format or DEFAULT_FORMAT
    if kind.granularity == WEEK and "%V" in format:
        # A week has the number of the ISO week in which most of it lies, whatever its first day.
        moment += timedelta(days=3)
    if "%q" in format:
        format = format.replace("%q", str((moment.month + 2) // 3))
    if "%-" in format:
        format = _DIRECTIVE.sub(lambda found: _unpadded(moment, found[1]), format)
    # strftime leaves years below 1000 unpadded on some platforms; %Y and %G must read back.
    format = format.replace("%Y", f"{moment.year:04d}").replace("%G", f"{moment.isocalendar().year:04d}")
    return moment.strftime(format)


def _unpadded(moment: datetime, directive: str) -> str:
    """A number without zeros before it; any other directive as it is."""
    if not directive.startswith("-"):
        return f"%{directive}"
    return str(int(moment.strftime(f"%{directive[1:]}")))


def parse(text: str, kind: Kind) -> Value:
    """Return the value that ``text`` spells; the one spelling of a value is the one `render` gives.

    Raises BadValue with the reason: two spellings of one partition would be two folders of data.

    >>> parse("2020-03-18", datetime_kind())
    737502
    """
    if kind.type == DATETIME:
        return _parse_datetime(text, kind)
    if kind.type == LONG:
        return _parse_long(text, kind)
    check_text(text)
    return _at_least_min(text.lower() if kind.insensitive else text, kind)


def _parse_long(text: str, kind: Kind) -> int:
    digits = text[1:] if text.startswith("-") else text
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 19:
        _refuse_null(text)
        raise BadValue(f"{text!r} is no LONG")
    value = int(text)
    if render(value, kind) != text:
        raise BadValue(f"{text!r} is not how {value} is written here ({render(value, kind)!r})")
    return on_grid(value, kind)


@lru_cache(maxsize=65536)
def _parse_datetime(text: str, kind: Kind) -> int:
    format = kind.format or DEFAULT_FORMAT
    try:
        moment = _strptime(text, format, kind)
    except (ValueError, OverflowError):
        _refuse_null(text)
        raise BadValue(f"{text!r} is no date of format {format!r}") from None
    value = from_datetime(moment, replace(kind, step=1) if kind.step != 1 else kind)
    low, high = _range(kind)
    if not low <= value <= high:
        raise BadValue(f"{text!r} is out of the range of dates")
    again = _render_datetime(value, kind)
    if again != text:
        if kind.granularity == WEEK and "%V" not in format:
            below, above = (_render_datetime(v, kind) for v in (value, value + 7))
            raise BadValue(f"{text!r} does not begin a week; the nearest that do are {below} and {above}")
        if kind.granularity in (MONTH, QUARTER, YEAR) and finest_field(format) != kind.granularity:
            after = _render_datetime(value + 1, kind)
            if re.sub(r"\d", "0", again) == re.sub(r"\d", "0", text):
                raise BadValue(
                    f"{text!r} does not begin a {kind.granularity}; the nearest that do are {again} and {after}"
                )
        raise BadValue(f"{text!r} is not how that {kind.granularity} is written here ({again!r})")
    return on_grid(value, kind)


def _strptime(text: str, format: str, kind: Kind) -> datetime:
    """The wall-clock time that a text spells; of a week and a quarter, its first day."""
    if "%V" not in format and "%q" not in format:
        # Reading takes a number with or without its zeros; that it is spelled as declared is asked by the caller.
        return datetime.strptime(text, _DIRECTIVE.sub(lambda found: "%" + found[1].lstrip("-"), format))
    parts = pieces(format)
    names = [part.lstrip("-") for part in parts[1::2] if part != "%"]
    pattern = "".join(f"({_SPELLS[p]})" if i % 2 and p != "%" else re.escape(p) for i, p in enumerate(parts))
    found = re.fullmatch(pattern, text)
    if found is None:
        raise ValueError(text)
    said = dict(zip(names, found.groups(), strict=True))
    if "V" in said:
        return _begin_of_week(int(said["G"]), int(said["V"]), kind)
    quarter = int(said.pop("q"))
    moment = datetime.strptime("/".join(said.values()), "/".join(f"%{name}" for name in said))
    if said.keys() <= {"Y", "y"}:
        return moment.replace(month=quarter * 3 - 2)
    if (moment.month + 2) // 3 != quarter:
        raise ValueError(text)
    return moment


def _begin_of_week(year: int, week: int, kind: Kind) -> datetime:
    """The first day of the week of a kind whose fourth day lies in an ISO week."""
    monday = datetime.fromisocalendar(year, week, 1)
    return monday - timedelta(days=(-kind.week_start) % 7 if kind.week_start > 3 else -kind.week_start)


def on_grid(value: int, kind: Kind) -> int:
    """Return a value that is a partition; raises BadValue between the steps, outside of the calendar, below the minimum."""
    in_range(_at_least_min(value, kind), kind)
    if kind.step != 1 or kind.calendar is not None:
        shown = first_shown(value, kind)
        near = nearest_on_grid(shown, unscheduled(kind))
        if near != (shown,):
            below, above = (render(v, kind) for v in near)
            where = (
                f"lies between the steps of {kind.step}"
                if kind.calendar is None
                else "is not in the calendar"
            )
            raise BadValue(f"{render(value, kind)!r} {where}; the nearest are {below} and {above}")
    return value


def admit(value: Value, kind: Kind) -> None:
    """Raise BadValue for a value of a kind that is no partition: see `on_grid` and `check_text`."""
    if isinstance(value, int):
        on_grid(value, kind)
    else:
        check_text(_at_least_min(value, kind))


def _at_least_min(value: V, kind: Kind) -> V:
    if kind.min is not None and value < kind.min:  # type: ignore[operator]
        raise BadValue(f"{render(value, kind)!r} is below the minimum {render(kind.min, kind)!r}")
    return value


def cast(value: object, kind: Kind) -> Value:
    """Return ``value``, as a user writes it in Python, as a value of ``kind``.

    A date text may also be written in ISO form, whatever the format of the dimension. Raises BadValue.

    >>> cast(datetime(2020, 3, 18, 5), datetime_kind())
    737502
    """
    if isinstance(value, bool) or value is None:
        raise BadValue(f"{value!r} is no {kind}")
    if kind.type == DATETIME:
        if isinstance(value, datetime):
            return on_grid(from_datetime(value, kind), kind)
        if isinstance(value, date):
            return on_grid(from_datetime(datetime(value.year, value.month, value.day), kind), kind)
        if isinstance(value, str):
            return _cast_date_text(value, kind)
        raise BadValue(f"{value!r} is no {kind}")
    if kind.type == LONG:
        if isinstance(value, int | str) and re.fullmatch(r"-?[0-9]{1,19}", str(value)):
            return on_grid(int(value), kind)
        raise BadValue(f"{value!r} is no LONG")
    if isinstance(value, str):
        return parse(str(value), kind)
    raise BadValue(f"{value!r} is no STRING")


def _cast_date_text(text: str, kind: Kind) -> int:
    try:
        return _parse_datetime(text, kind)
    except BadValue as own:
        try:
            _strptime(text, kind.format or DEFAULT_FORMAT, kind)
        except ValueError:
            pass
        else:
            raise  # it is written as the dimension is, and what is wrong with it is said
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise own from None
        value = from_datetime(moment, kind)
        # An ISO text that says more than the granularity holds is a mistake, not a rounding.
        whole = to_datetime(value, kind)
        if moment.tzinfo is None and whole != moment:
            raise own from None
        return on_grid(value, kind)


def shift_calendar(value: int, kind: Kind, years: int, months: int, days: int) -> int:
    """Return a DATETIME value moved by calendar units; a day that the month lacks becomes its last.

    A week moved by whole years keeps its number; one that the year lacks becomes its last.

    >>> day = datetime_kind()
    >>> render(shift_calendar(parse("2024-02-29", day), day, -1, 0, 0), day)
    '2023-02-28'
    """
    moment = to_datetime(value, kind)
    months += years * 12
    try:
        if kind.granularity == WEEK and months % 12 == 0:
            year, week, _ = (moment + timedelta(days=3)).isocalendar()
            year += months // 12
            last = date(year, 12, 28).isocalendar().week
            moved = _begin_of_week(year, min(week, last), kind)
        else:
            month = moment.year * 12 + moment.month - 1 + months
            last = monthrange(month // 12, month % 12 + 1)[1]
            moved = moment.replace(year=month // 12, month=month % 12 + 1, day=min(moment.day, last), fold=0)
        moved += timedelta(days=days)
    except (ValueError, OverflowError):
        raise BadValue(f"{render(value, kind)!r} so moved is out of the range of dates") from None
    return in_range(from_datetime(moved, kind), kind)


def trunc(value: int, kind: Kind, to: str) -> int:
    """Return a DATETIME value at the coarser granularity ``to`` that contains ``value``."""
    coarse = regrained(kind, to)
    return in_range(from_datetime(to_datetime(value, kind), coarse), coarse)


def at(value: int, kind: Kind, to: str) -> int:
    """Return the first value at the finer granularity ``to`` within ``value``: zero-filled."""
    finer = regrained(kind, to)
    start = to_datetime(value, kind)
    found = in_range(from_datetime(start, finer), finer)
    # The week of a month's first day may begin in the month before.
    return found + finer.unit if finer.granularity == WEEK and to_datetime(found, finer) < start else found


@lru_cache(maxsize=1024)
def regrained(kind: Kind, to: str) -> Kind:
    """Return the kind of another granularity in the same zone, with its own format and every value of it."""
    if kind.granularity == to:
        return whole(kind)
    week_start = kind.week_start if to in _WITHIN_WEEKS else 0
    return datetime_kind(granularity=to, timezone=kind.timezone, week_start=week_start)


A = TypeVar("A")
B = TypeVar("B")

_LIMIT = 65_536  # then it starts over: bounded memory whatever the texts


class _Memo(dict[A, B], Generic[A, B]):
    """A dict that computes what it lacks; `dict.__getitem__` of a known key stays at C speed."""

    __slots__ = ("_compute",)

    def __init__(self, compute: Callable[[A], B]) -> None:
        super().__init__()
        self._compute = compute

    def __missing__(self, key: A) -> B:
        value = self._compute(key)
        if len(self) >= _LIMIT:
            self.clear()
        self[key] = value
        return value


@cache
def parser(kind: Kind) -> Callable[[str], Value]:
    """Return a function from a text to its value; it raises BadValue like `values.parse`.

    >>> parser(Kind("LONG"))("7")
    7
    """
    return _Memo[str, Value](lambda text: parse(text, kind)).__getitem__


@cache
def renderer(kind: Kind) -> Callable[[Value], str]:
    """Return a function from a value to its text; it raises BadValue like `values.render`.

    >>> renderer(Kind("LONG", digits=3))(7)
    '007'
    """
    return _Memo[Value, str](lambda value: render(value, kind)).__getitem__


@cache
def tester(kind: Kind) -> Callable[[Value], bool]:
    """Return a function from a value to whether it is a partition: see `is_partition`.

    >>> tester(Kind("LONG", min=1))(0)
    False
    """
    return _Memo[Value, bool](lambda value: is_partition(value, kind)).__getitem__


def tuple_of(functions: tuple[Callable[[A], B], ...]) -> Callable[[A], tuple[B, ...]]:
    """Return ``x -> (f(x), g(x), ...)``; the usual sizes are spelled out, which is twice as fast.

    >>> tuple_of((abs, float))(-2)
    (2, -2.0)
    """
    match functions:
        case ():
            return lambda x: ()
        case (f,):
            return lambda x: (f(x),)
        case (f, g):
            return lambda x: (f(x), g(x))
        case (f, g, h):
            return lambda x: (f(x), g(x), h(x))
        case _:
            return lambda x: tuple([f(x) for f in functions])


def zipped(functions: tuple[Callable[[A], B], ...]) -> Callable[[tuple[A, ...]], tuple[B, ...]]:
    """Return ``(a, b, ...) -> (f(a), g(b), ...)`` for tuples of exactly that length.

    >>> zipped((int, str.lower))(("7", "EU"))
    (7, 'eu')
    """
    match functions:
        case ():
            return lambda x: ()
        case (f,):
            return lambda x: (f(x[0]),)
        case (f, g):
            return lambda x: (f(x[0]), g(x[1]))
        case (f, g, h):
            return lambda x: (f(x[0]), g(x[1]), h(x[2]))
        case _:
            return lambda x: tuple([f(y) for f, y in zip(functions, x, strict=True)])


@cache
def partition_parser(kinds: tuple[Kind, ...]) -> Callable[[tuple[str, ...]], Partition]:
    """Return a function from the texts of a partition to its values; it raises BadValue."""
    return zipped(tuple(map(parser, kinds)))


@cache
def partition_renderer(kinds: tuple[Kind, ...]) -> Callable[[Partition], tuple[str, ...]]:
    """Return a function from the values of a partition to its texts."""
    return zipped(tuple(map(renderer, kinds)))


@cache
def joined_renderer(kinds: tuple[Kind, ...]) -> Callable[[Partition], str]:
    """Return a function from the values of a partition to its texts, joined by ``/``.

    >>> joined_renderer((Kind("STRING"), Kind("LONG", digits=2)))(("EU", 7))
    'EU/07'
    """
    match tuple(map(renderer, kinds)):
        case ():
            return lambda p: ""
        case (f,):
            return lambda p: f(p[0])
        case (f, g):
            return lambda p: f"{f(p[0])}/{g(p[1])}"
        case (f, g, h):
            return lambda p: f"{f(p[0])}/{g(p[1])}/{h(p[2])}"
        case functions:
            return lambda p: joined(tuple([f(y) for f, y in zip(functions, p, strict=True)]))


def identity(partition: Partition) -> Partition:
    """Return the argument: a key that is the partition itself."""
    return partition


@cache
def picker(positions: tuple[int, ...], size: int) -> Callable[[Partition], Partition]:
    """Return a function that takes the values at ``positions`` of a tuple of ``size`` values.

    >>> picker((1,), 2)(("EU", 7))
    (7,)
    """
    if positions == tuple(range(size)):
        return identity
    if len(positions) > 1:
        return itemgetter(*positions)
    return (lambda p: (p[positions[0]],)) if positions else (lambda p: ())


def joined(texts: tuple[str, ...]) -> str:
    """Return the text of a whole partition: its coordinates' texts joined by ``/``.

    >>> joined(("EWR", "2013-01-01"))
    'EWR/2013-01-01'
    """
    return "/".join(texts)
