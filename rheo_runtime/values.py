"""Text <-> value: what a partition's coordinates are at run time.

A STRING value is a str, a LONG value an int. A DATETIME value is an int too, so that windows and
shifts are plain arithmetic: at DAY the proleptic ordinal of the date, at MONTH ``year * 12 + month - 1``,
at YEAR the year (calendar labels, without a timezone); at HOUR and MINUTE the minutes since 1970-01-01
UTC (instants, read in the dimension's timezone).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Value = str | int
Partition = tuple[Value, ...]
V = TypeVar("V", str, int)

STRING, LONG, DATETIME = "STRING", "LONG", "DATETIME"
MINUTE, HOUR, DAY, MONTH, YEAR = "MINUTE", "HOUR", "DAY", "MONTH", "YEAR"
GRANULARITIES = (MINUTE, HOUR, DAY, MONTH, YEAR)  # finest first

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEP = {MINUTE: 1, HOUR: 60, DAY: 1, MONTH: 1, YEAR: 1}
# The guide's zone names that IANA does not list under the same meaning.
_ZONES = {"PST": "America/Los_Angeles", "GMT": "UTC", "UTC": "UTC"}
# strftime directives by the granularity that they fix; any other cannot be read back and is refused.
_DIRECTIVES = {
    "Y": YEAR, "y": YEAR, "m": MONTH, "b": MONTH, "B": MONTH, "d": DAY, "j": DAY,
    "H": HOUR, "I": HOUR, "p": HOUR, "M": MINUTE, "S": MINUTE, "f": MINUTE,
}  # fmt: skip
_DEFAULT_FORMAT = {
    MINUTE: "%Y-%m-%d %H:%M", HOUR: "%Y-%m-%d %H", DAY: "%Y-%m-%d", MONTH: "%Y-%m", YEAR: "%Y",
}  # fmt: skip
DEFAULT_FORMAT = "%Y-%m-%d"


class BadValue(ValueError):
    """A text or an object that is no value of a dimension; the message says why."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The type of a value, with all that its text form depends on.

    ``granularity``, ``timezone`` and ``format`` belong to DATETIME, ``digits`` (zero-padded width) to
    LONG, ``insensitive`` (compared and kept in lower case) to STRING. ``min`` is the first value of the
    domain: a value below it is refused, and no window reaches below it.
    """

    type: str
    format: str | None = None
    granularity: str | None = None
    timezone: str | None = None
    digits: int | None = None
    insensitive: bool = False
    min: Value | None = None

    def __str__(self) -> str:
        if self.type == DATETIME:
            return f"{self.granularity} DATETIME"
        return self.type

    @property
    def step(self) -> int:
        """The distance of neighbouring values (60 at HOUR, whose values count minutes)."""
        return _STEP[self.granularity] if self.granularity else 1


def datetime_kind(
    format: str | None = None,
    granularity: str | None = None,
    timezone: str | None = None,
    min: Value | None = None,
) -> Kind:
    """Return a DATETIME kind with defaults filled in.

    Raises BadValue for a format that cannot be read back, an unknown granularity or timezone.

    >>> datetime_kind("%Y-%m").granularity
    'MONTH'
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
    return Kind(DATETIME, format=format, granularity=granularity, timezone=zone_name(timezone), min=min)


def finest_field(format: str) -> str:
    """Return the granularity of the finest field in a strftime format."""
    bare = format.replace("%%", "")
    found = re.findall(r"%(.)", bare)
    if not found:
        raise BadValue(f"format {format!r} has no date field")
    if bare.endswith("%"):
        raise BadValue(f"format {format!r} ends in %")
    for directive in found:
        if directive not in _DIRECTIVES:
            raise BadValue(f"format {format!r}: %{directive} cannot be read back from a path")
        if found.count(directive) > 1:
            raise BadValue(f"format {format!r} has %{directive} twice")
    finest = min((_DIRECTIVES[d] for d in found), key=GRANULARITIES.index)
    # A half of the day, or a second, does not tell the hour or the minute that it belongs to.
    present = {_DIRECTIVES[d] for d in found if d not in "pSf"}
    if YEAR not in present:
        raise BadValue(f"format {format!r} has no year")
    needed = set(GRANULARITIES[GRANULARITIES.index(finest) :])
    if "j" in found:
        needed.discard(MONTH)
    if missing := needed - present:
        coarsest = max(missing, key=GRANULARITIES.index)
        raise BadValue(f"format {format!r} has no {coarsest.lower()}, so its values are not unique")
    if "I" in found and "p" not in found:
        raise BadValue(f"format {format!r} has %I without %p, so its values are not unique")
    return finest


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

    ``fold`` tells the second of two equal times, when the clock is put back. Raises BadValue.
    """
    try:
        match kind.granularity:
            case "DAY":
                return datetime.fromordinal(value)
            case "MONTH":
                return datetime(value // 12, value % 12 + 1, 1)
            case "YEAR":
                return datetime(value, 1, 1)
            case _:
                instant = _EPOCH + timedelta(minutes=value)
                return instant.astimezone(_zone(kind.timezone)).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise BadValue(f"{value} is out of the range of dates") from None


def from_datetime(moment: datetime, kind: Kind) -> int:
    """Return the DATETIME value that holds ``moment``: truncated to the granularity of ``kind``.

    A time with tzinfo is first read in the timezone of ``kind`` (UTC when it has none); one without
    is taken as wall-clock time there.
    """
    if moment.tzinfo is not None:
        moment = moment.astimezone(_zone(kind.timezone)).replace(tzinfo=None)
    match kind.granularity:
        case "DAY":
            return moment.toordinal()
        case "MONTH":
            return moment.year * 12 + moment.month - 1
        case "YEAR":
            return moment.year
        case granularity:
            if granularity == HOUR:
                moment = moment.replace(minute=0)
            instant = moment.replace(second=0, microsecond=0, tzinfo=_zone(kind.timezone))
            return (instant - _EPOCH) // timedelta(minutes=1)


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
    # strftime leaves years below 1000 unpadded on some platforms; %Y must read back.
    return moment.strftime((kind.format or DEFAULT_FORMAT).replace("%Y", f"{moment.year:04d}"))


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
    if not text:
        raise BadValue("an empty text is no STRING value")
    return _at_least_min(text.lower() if kind.insensitive else text, kind)


def _parse_long(text: str, kind: Kind) -> int:
    digits = text[1:] if text.startswith("-") else text
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 19:
        raise BadValue(f"{text!r} is no LONG")
    value = int(text)
    if render(value, kind) != text:
        raise BadValue(f"{text!r} is not how {value} is written here ({render(value, kind)!r})")
    _at_least_min(value, kind)
    return value


@lru_cache(maxsize=65536)
def _parse_datetime(text: str, kind: Kind) -> int:
    format = kind.format or DEFAULT_FORMAT
    try:
        moment = datetime.strptime(text, format)
    except ValueError:
        raise BadValue(f"{text!r} is no date of format {format!r}") from None
    value = from_datetime(moment, kind)
    again = _render_datetime(value, kind)
    if again != text:
        raise BadValue(f"{text!r} is not how that {kind.granularity} is written here ({again!r})")
    _at_least_min(value, kind)
    return value


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
            return _at_least_min(from_datetime(value, kind), kind)
        if isinstance(value, date):
            return _at_least_min(from_datetime(datetime(value.year, value.month, value.day), kind), kind)
        if isinstance(value, str):
            return _cast_date_text(value, kind)
        raise BadValue(f"{value!r} is no {kind}")
    if kind.type == LONG:
        if isinstance(value, int | str) and re.fullmatch(r"-?[0-9]{1,19}", str(value)):
            return _at_least_min(int(value), kind)
        raise BadValue(f"{value!r} is no LONG")
    if isinstance(value, str):
        return parse(str(value), kind)
    raise BadValue(f"{value!r} is no STRING")


def _cast_date_text(text: str, kind: Kind) -> int:
    try:
        return _parse_datetime(text, kind)
    except BadValue as own:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise own from None
        value = from_datetime(moment, kind)
        # An ISO text that says more than the granularity holds is a mistake, not a rounding.
        whole = to_datetime(value, kind)
        if moment.tzinfo is None and whole != moment:
            raise own from None
        return _at_least_min(value, kind)


def shift(value: int, units: int, kind: Kind) -> int:
    """Return ``value`` moved by whole units: granularity units of a DATETIME, ones of a LONG."""
    return value + units * kind.step


def trunc(value: int, kind: Kind, to: str) -> int:
    """Return a DATETIME value at the coarser granularity ``to`` that contains ``value``."""
    return from_datetime(to_datetime(value, kind), replace(kind, granularity=to))


def at(value: int, kind: Kind, to: str) -> int:
    """Return the first value at the finer granularity ``to`` within ``value``: zero-filled."""
    return from_datetime(to_datetime(value, kind), replace(kind, granularity=to))
