"""Dimension specifications, in every form a user may write -> names and kinds."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any

from rheo_runtime import values as v
from rheo_runtime.templates import ambiguous
from rheo_runtime.values import BadValue, Kind
from rheodsl.errors import SpecError, did_you_mean, nearest
from rheodsl.words import declares, knows_its_words


class DimensionType(StrEnum):
    """The type of a dimension's values."""

    STRING = "STRING"
    LONG = "LONG"
    DATETIME = "DATETIME"


STRING, LONG, DATETIME = DimensionType.STRING, DimensionType.LONG, DimensionType.DATETIME

_ATTRIBUTES = (
    "type", "format", "granularity", "timezone", "digits", "insensitive", "min", "step", "week_start",
    "calendar", "escaped",
)  # fmt: skip
FITTING = {
    "STRING": {"insensitive", "min", "escaped"},
    "LONG": {"digits", "min", "step"},
    "DATETIME": {"format", "granularity", "timezone", "min", "step", "week_start", "calendar", "escaped"},
}
# What each attribute is, beside the type and the minimum.
_FORMS: dict[str, tuple[Any, str]] = {
    "format": (str, "a format such as '%Y-%m-%d'"),
    "granularity": (str, f"one of {', '.join(v.GRANULARITIES)}"),
    "timezone": (str, "an IANA name, such as 'Europe/Berlin'"),
    "digits": (int, "a whole number from 1 to 19"),
    "insensitive": (bool, "True or False"),
    "escaped": (bool, "True or False"),
    "step": (int, "a whole number of units, such as 15"),
    "week_start": (str, "a weekday, such as 'SUNDAY'"),
}

# A spec: a name and its attributes for each dimension, in order.
Spec = tuple[tuple[str, Kind], ...]


@knows_its_words
@dataclass(frozen=True, slots=True)
class Calendar:
    """The days that are partitions: weekdays, without holidays.

    Parameters
    ----------
    days
        Weekdays, single or as ranges: ``"MON-FRI"``, ``"SUN-THU"``, ``"MON,WED"``.
    holidays
        Days that are none, as dates or as ISO texts.

    Raises SpecError.

    >>> Calendar("MON-FRI", holidays=["2024-12-25"]).text
    'MON-FRI;2024-12-25'
    """

    days: str
    holidays: Sequence[str | date] = ()

    def __post_init__(self) -> None:
        self.text  # noqa: B018 - reading is the check

    @property
    def text(self) -> str:
        """The calendar as its one text."""
        try:
            return v.read_calendar(self.days, self.holidays)
        except (BadValue, AttributeError, TypeError) as fault:
            raise SpecError(
                f"no calendar: {fault}", hint='write Calendar("MON-FRI", holidays=["2024-12-25"])'
            ) from None


@knows_its_words
@dataclass(frozen=True, slots=True)
class Dimension:
    """One dimension of a specification, in the object form.

    >>> spec = DimensionSpec().add_dimension(Dimension("region_id", LONG))
    >>> spec.add_dimension(Dimension("day", DATETIME, {"format": "%Y-%m-%d"})).names()
    ('region_id', 'day')
    """

    name: str
    type: DimensionType
    params: Mapping[str, Any] | None = None

    def entry(self) -> tuple[str, Kind]:
        """Return the name and kind."""
        return self.name, make_kind(self.name, {"type": self.type, **(self.params or {})})


@knows_its_words
@dataclass(frozen=True, slots=True)
class DimensionVariant:
    """A dimension and the values of it that pass: the guide's short forms build these.

    ``value`` is "*", a literal, or a window as a slice.
    """

    name: str
    type: DimensionType
    value: Any = "*"
    params: Mapping[str, Any] | None = None


@declares()
def AnyDate(name: str, params: Mapping[str, Any] | None = None) -> DimensionVariant:
    """Return a DATETIME dimension that lets any value pass.

    >>> AnyDate("day", {"format": "%Y-%m-%d"}).value
    '*'
    """
    return DimensionVariant(name, DATETIME, "*", params)


@declares()
def AnyString(name: str, params: Mapping[str, Any] | None = None) -> DimensionVariant:
    """Return a STRING dimension that lets any value pass."""
    return DimensionVariant(name, STRING, "*", params)


@declares()
def AnyLong(name: str, params: Mapping[str, Any] | None = None) -> DimensionVariant:
    """Return a LONG dimension that lets any value pass."""
    return DimensionVariant(name, LONG, "*", params)


@declares()
def StringVariant(value: str, name: str, params: Mapping[str, Any] | None = None) -> DimensionVariant:
    """Return a STRING dimension that lets one value pass.

    >>> StringVariant("NA", "region").value
    'NA'
    """
    return DimensionVariant(name, STRING, value, params)


@declares()
def LongVariant(value: int, name: str, params: Mapping[str, Any] | None = None) -> DimensionVariant:
    """Return a LONG dimension that lets one value pass."""
    return DimensionVariant(name, LONG, value, params)


@declares()
def DateVariant(value: Any, name: str, params: Mapping[str, Any] | None = None) -> DimensionVariant:
    """Return a DATETIME dimension that lets one date, or a window, pass."""
    return DimensionVariant(name, DATETIME, value, params)


@knows_its_words
class DimensionSpec:
    """A dimension specification in the object form: dimensions in order."""

    def __init__(self, dimensions: Spec = ()) -> None:
        self.dimensions = dimensions

    def add_dimension(self, dimension: Dimension, sub_spec: DimensionSpec | None = None) -> DimensionSpec:
        """Return a spec with ``dimension``, and then those of ``sub_spec``, added below the last one."""
        found = list(self.dimensions)
        for name, kind in (dimension.entry(), *(sub_spec.dimensions if sub_spec else ())):
            check_name(name, [n for n, _ in found])
            found.append((name, kind))
        return DimensionSpec(tuple(found))

    @classmethod
    def load_from_pretty(cls, data: Mapping[Any, Any]) -> DimensionSpec:
        """Return the spec that the nested-dict form writes.

        >>> DimensionSpec.load_from_pretty({"region": {"type": STRING, "day": {"type": DATETIME}}}).names()
        ('region', 'day')
        """
        return cls(read_spec(data))

    def names(self) -> tuple[str, ...]:
        """Return the names of the dimensions, in order."""
        return tuple(name for name, _ in self.dimensions)


@knows_its_words
class DimensionFilter:
    """A dimension filter in the object form; it holds the nested-dict form."""

    def __init__(self, data: Mapping[Any, Any] | None = None) -> None:
        self.data: dict[Any, Any] = dict(data or {})

    @classmethod
    def load_raw(cls, data: Mapping[Any, Any]) -> DimensionFilter:
        """Return the filter that the nested-dict form writes."""
        return cls(data)

    def add_dimension(
        self, variant: DimensionVariant, sub_filter: DimensionFilter | None = None
    ) -> DimensionFilter:
        """Return a filter that also lets ``variant`` pass, and below it what ``sub_filter`` does."""
        below = sub_filter.data if sub_filter else {}
        return DimensionFilter({**self.data, variant.value: {**(variant.params or {}), **below}})


def make_kind(name: str, attributes: Mapping[str, Any]) -> Kind:
    """Return the kind that a dimension's attributes declare; raises SpecError."""
    type_ = attributes.get("type")
    if not isinstance(type_, str) or type_ not in FITTING:
        raise SpecError(
            f"dimension {name!r} has no type"
            if type_ is None
            else f"dimension {name!r}: {type_!r} is no type",
            hint="use DimensionType.STRING, LONG or DATETIME",
        )
    type_ = str(type_)
    given = {k: a for k, a in attributes.items() if k != "type" and a is not None}
    for attribute in given:
        if attribute not in FITTING[type_]:
            known = f"a {type_} takes {', '.join(sorted(FITTING[type_]))}"
            raise SpecError(
                f"dimension {name!r}: a {type_} has no {attribute!r}",
                hint=known if attribute in _ATTRIBUTES else did_you_mean(attribute, _ATTRIBUTES, known),
            )
        _check_form(name, attribute, given[attribute])
    minimum = given.pop("min", None)
    if "calendar" in given:
        calendar = given["calendar"]
        given["calendar"] = (calendar if isinstance(calendar, Calendar) else Calendar(calendar)).text
    if "week_start" in given:
        given["week_start"] = _weekday(name, given["week_start"])
    try:
        if type_ == "DATETIME":
            granularity = given.pop("granularity", None)
            kind = v.datetime_kind(granularity=granularity and str(granularity).upper(), **given)
        else:
            kind = Kind(type_, **given)
        if minimum is not None:
            kind = replace(kind, min=_minimum(name, kind, minimum))
    except BadValue as fault:
        raise SpecError(f"dimension {name!r}: {fault}", hint=_hint(attributes)) from None
    return kind


def check_words(name: str, below: object) -> None:
    """Raise SpecError for a word among what is nested in a dimension that is meant as one of its attributes."""
    for word, value in below.items() if isinstance(below, Mapping) else ():
        if isinstance(word, str) and not isinstance(value, Mapping) and nearest(word, _ATTRIBUTES):
            raise SpecError(
                f"dimension {name!r} has no attribute {word!r}",
                hint=f"did you mean {nearest(word, _ATTRIBUTES)!r}?",
            )


def _minimum(name: str, kind: Kind, written: object) -> v.Value:
    """The first value: steps count from it, so it is on the grid by itself; its calendar must have it."""
    value = v.cast(written, replace(kind, step=1, calendar=None))
    if kind.calendar is not None and isinstance(value, int):
        near = v.nearest_on_grid(value, replace(kind, step=1))
        if near != (value,):
            days, _, holidays = kind.calendar.partition(";")
            holiday = v.to_datetime(value, kind).date().isoformat() in holidays.split(",")
            why = "a holiday of its own calendar" if holiday else f"no day of its own calendar {days}"
            raise SpecError(
                f"dimension {name!r}: its min {v.render(value, kind)!r} is {why}",
                hint=f"let it begin at {v.render(near[-1], kind)!r}",
            )
    return value


_DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")


def _weekday(name: str, text: str) -> int:
    short = text.strip().upper()[:3]
    if not any(text.strip().upper() in (day, day[:3]) for day in _DAYS):
        raise SpecError(f"dimension {name!r}: week_start is {text!r}", hint="use a weekday, such as 'SUNDAY'")
    return v.WEEKDAYS.index(short)


def _hint(attributes: Mapping[str, Any]) -> str:
    """What a kind takes, for one whose attributes do not go together."""
    if attributes["type"] != DATETIME:
        return "give a minimum of the dimension's type"
    return "a format such as '%Y-%m-%d' tells the whole date, down to the granularity; a timezone is an IANA name"


def _check_form(name: str, attribute: str, value: object) -> None:
    type_, form = _FORMS.get(attribute, (object, ""))
    fits = isinstance(value, type_) and (type_ is not int or not isinstance(value, bool))
    if (
        not fits
        or (attribute == "digits" and not 1 <= value <= 19)  # type: ignore[operator]
        or (attribute == "step" and not 1 <= value <= 1_000_000)  # type: ignore[operator]
    ):
        raise SpecError(f"dimension {name!r}: {attribute} is {value!r}", hint=f"use {form}")


def read_spec(data: DimensionSpec | Mapping[Any, Any] | None) -> Spec:
    """Return the dimensions of a specification in the nested-dict or object form; raises SpecError.

    >>> [name for name, kind in read_spec({"region": {"type": STRING, "day": {"type": DATETIME}}})]
    ['region', 'day']
    """
    if data is None:
        return ()
    if isinstance(data, DimensionSpec):
        return data.dimensions
    if not isinstance(data, Mapping):
        raise SpecError(
            f"{data!r} is no dimension specification",
            hint="nest dicts: {'region': {'type': ..., 'day': {...}}}",
        )
    found: list[tuple[str, Kind]] = []
    level: Mapping[Any, Any] | None = data
    while level:
        if len(level) > 1:
            raise SpecError(
                f"dimensions {', '.join(map(repr, level))} stand at one level",
                hint="nest each dimension in the one before it: {'region': {..., 'day': {...}}}",
            )
        name, body = next(iter(level.items()))
        check_name(name, [n for n, _ in found])
        if not isinstance(body, Mapping):
            raise SpecError(
                f"dimension {name!r} is declared by {str(body)!r}",
                hint="declare it by a dict: {'type': DimensionType.LONG}",
            )
        attributes, below = split_body(body)
        check_words(name, below)
        found.append((name, make_kind(name, attributes)))
        level = below
    return tuple(found)


def check_name(name: object, taken: list[str]) -> None:
    if not isinstance(name, str) or not name.isidentifier():
        raise SpecError(f"{name!r} is no name of a dimension", hint="use letters, digits and underscores")
    if name in taken:
        raise SpecError(f"dimension {name!r} is declared twice", hint="give each dimension a name of its own")


def split_body(body: Mapping[Any, Any]) -> tuple[dict[str, Any], dict[Any, Any]]:
    """Attributes apart from what is nested; the guide also writes ``type`` as the builtin, unquoted."""
    attributes, below = {}, {}
    for key, value in body.items():
        key = "type" if key is type else key
        if key in _ATTRIBUTES and not isinstance(value, Mapping):
            attributes[key] = value
        else:
            below[key] = value
    return attributes, below


_PLACEHOLDER = re.compile(r"\{([^{}:]*)(?::([^{}]*))?\}")
_FILE = re.compile(r"\.[A-Za-z]{2,}(\.bz2)?$")


def from_template(
    path: str, signal: str, attributes: Mapping[str, Mapping[str, Any]] | None = None
) -> tuple[str, Spec]:
    """Return the template of paths and the spec that a template short form writes.

    ``{name}`` is a STRING, ``{name:int}`` a LONG, ``{name:03d}`` a LONG of three digits, and
    ``{name:%Y-%m-%d}`` a DATETIME of that format. A name may stand in several levels, each with its part of
    the date. ``attributes`` are more of each dimension's. Raises SpecError.

    >>> from_template("orders/{region_id:int}/{day:%Y-%m-%d}", "orders")[0]
    'orders/{}/{}'
    >>> from_template("logs/year={day:%Y}/month={day:%m}/day={day:%d}", "logs")[0]
    'logs/year={0:%Y}/month={0:%m}/day={0:%d}'
    """
    forms: dict[str, list[str]] = {}
    for name, form in _PLACEHOLDER.findall(path):
        if not name:
            raise SpecError(f"{signal}: {{}} in {path!r} names no dimension", hint="write {name}")
        known = forms.setdefault(name, [])
        parts = "%" in form and all("%" in other for other in known)
        check_name(name, [name] if known and (form in known or not parts) else [])
        known.append(form)
    if re.search(r"[{}]", _PLACEHOLDER.sub("", path)):
        raise SpecError(
            f"{signal}: the braces of {path!r} do not match", hint="close each {, and write no others"
        )
    more = attributes or {}
    for name in more:
        if name not in forms:
            near = difflib.get_close_matches(name, forms, 1)
            raise SpecError(
                f"{signal}: dimensions= speaks of {name!r}, which the path {path!r} does not name",
                hint=f"did you mean {near[0]!r}?"
                if near
                else f"its dimensions: {', '.join(forms) or 'none'}",
            )
    spec = tuple(
        (name, make_kind(name, _together(name, said, dict(more.get(name, {})), signal)))
        for name, said in forms.items()
    )
    order = list(forms)
    # A date that the path only names is laid out as its attributes have it.
    layouts = {name: layout for name, kind in spec if (layout := split_layout(kind)[1])}
    simple = not layouts and all(len(said) == 1 and "/" not in said[0] for said in forms.values())

    def place(found: re.Match[str]) -> str:
        name, form = found[1], found[2] or layouts.get(found[1], "")
        position = order.index(name)
        if "/" in form:
            return laid_out(position, form)
        parts = len([f for f in forms[name] if "%" in f])
        return f"{{{position}:{form}}}" if "%" in form and parts > 1 else f"{{{position}}}"

    made = _PLACEHOLDER.sub("{}" if simple else place, path)
    spec = without_layouts(spec)
    check_levels(made, tuple(kind for _, kind in spec), signal)
    return made, spec


def _together(name: str, forms: Sequence[str], more: dict[Any, Any], signal: str) -> dict[Any, Any]:
    """The attributes that the places of a dimension write, and those beside them; raises SpecError where they differ."""
    written = _of_forms(name, forms, signal)
    for attribute in ("type", "format", "digits"):
        said, given = written.get(attribute), more.get(attribute)
        if None in (said, given) or said == given or not forms[0]:
            continue
        if attribute == "format" and (len(forms) > 1 or "/" in forms[0]):
            continue  # its levels are laid out by the path, its text otherwise by the attribute
        raise SpecError(
            f"{signal}: dimension {name!r} is {{{name}:{forms[0]}}} in the path, "
            f"and its {attribute} is {str(given)!r} beside it",
            hint=f"say it once: in the path, or beside it, with {{{name}}} in the path",
        )
    return written | more


def _of_forms(name: str, forms: Sequence[str], signal: str) -> dict[str, Any]:
    """The attributes that the places of one dimension write."""
    dates = [form for form in forms if "%" in form]
    if dates:
        if len(dates) == 1 and "/" not in dates[0]:
            return {"type": DATETIME, "format": dates[0]}
        fields = dict.fromkeys(field for form in dates for field in v.directives(form))
        try:
            granularity = v.datetime_kind(" ".join(f"%{field}" for field in fields)).granularity
        except BadValue:
            granularity = None
        if granularity is None:
            return {"type": DATETIME, "format": "/".join(dates)}  # to be refused with its reason
        return {"type": DATETIME, "format": v.own_format(granularity)}
    (form,) = forms
    if not form or form == "str":
        return {"type": STRING}
    if form in ("int", "d"):
        return {"type": LONG}
    if match := re.fullmatch(r"0(\d+)d", form):
        return {"type": LONG, "digits": int(match[1])}
    raise SpecError(
        f"{signal}: {{{name}:{form}}} is no form of a dimension",
        hint="write {name}, {name:int}, {name:03d} or {name:%Y-%m-%d}",
    )


def laid_out(position: int, format: str) -> str:
    """Return the levels of a date whose format holds slashes, as a template has them.

    >>> laid_out(0, "year=%Y/month=%m")
    'year={0:%Y}/month={0:%m}'
    """
    return "/".join(
        re.sub(r"(%-?\w.*%-?\w|%-?\w)", lambda found: f"{{{position}:{found[0]}}}", level)
        for level in format.split("/")
    )


def split_layout(kind: Kind) -> tuple[Kind, str | None]:
    """Return a kind whose texts hold no slash, and the format of its levels where it was declared by one."""
    if "/" not in (kind.format or ""):
        return kind, None
    return replace(kind, format=v.own_format(kind.granularity)), kind.format


def without_layouts(spec: Spec) -> Spec:
    """Return a spec of kinds whose texts hold no slash."""
    return tuple((name, split_layout(kind)[0]) for name, kind in spec)


def with_layouts(path: str, spec: Spec) -> str:
    """Return a template of ``{}`` for each dimension with the levels of the dates that have several.

    >>> with_layouts("logs/{}", read_spec({"day": {"type": DATETIME, "format": "%Y/%m"}}))
    'logs/{0:%Y}/{0:%m}'
    """
    layouts = [split_layout(kind)[1] for _, kind in spec]
    if not any(layouts):
        return path
    first, *rest = path.split("{}")
    places = [laid_out(i, layout) if layout else f"{{{i}}}" for i, layout in enumerate(layouts)]
    return first + "".join(place + part for place, part in zip(places, rest, strict=True))


def output_layout(spec: Spec | None) -> str:
    """Return how an output's partitions are laid out below its folder; "" where each dimension is a level."""
    if spec is None or all(split_layout(kind)[1] is None for _, kind in spec):
        return ""
    return with_layouts("/".join(["{}"] * len(spec)), spec)


def check_levels(path: str, kinds: Sequence[Kind], signal: str) -> None:
    """Refuse a level of a path that can be split in two ways; raises SpecError."""
    level = ambiguous(path, kinds)
    if level is not None:
        raise SpecError(
            f"{signal}: the level {level!r} of the path can be split in two ways",
            hint="of the dimensions of one level, one may be a text, and a date, or something that is no digit, "
            "stands between two numbers",
        )


def ends_like_a_file(path: str) -> bool:
    """Say whether the last level of a path is the name of a file.

    >>> ends_like_a_file("in/orders_{0}.csv"), ends_like_a_file("in/{0:%d.%m.%Y}")
    (True, False)
    """
    return _FILE.search(path.rsplit("/", 1)[-1]) is not None
