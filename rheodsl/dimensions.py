"""Dimension specifications, in every form a user may write -> names and kinds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from rheo_runtime import values as v
from rheo_runtime.values import BadValue, Kind
from rheodsl.errors import SpecError


class DimensionType(StrEnum):
    """The type of a dimension's values."""

    STRING = "STRING"
    LONG = "LONG"
    DATETIME = "DATETIME"


STRING, LONG, DATETIME = DimensionType.STRING, DimensionType.LONG, DimensionType.DATETIME

_ATTRIBUTES = ("type", "format", "granularity", "timezone", "digits", "insensitive", "min")
FITTING = {
    "STRING": {"insensitive", "min"},
    "LONG": {"digits", "min"},
    "DATETIME": {"format", "granularity", "timezone", "min"},
}
# What each attribute is, beside the type and the minimum.
_FORMS: dict[str, tuple[Any, str]] = {
    "format": (str, "a format such as '%Y-%m-%d'"),
    "granularity": (str, "one of MINUTE, HOUR, DAY, MONTH, YEAR"),
    "timezone": (str, "an IANA name, such as 'Europe/Berlin'"),
    "digits": (int, "a whole number from 1 to 19"),
    "insensitive": (bool, "True or False"),
}

# A spec: a name and its attributes for each dimension, in order.
Spec = tuple[tuple[str, Kind], ...]


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


@dataclass(frozen=True, slots=True)
class DimensionVariant:
    """A dimension and the values of it that pass: the guide's short forms build these.

    ``value`` is "*", a literal, or a window as a slice.
    """

    name: str
    type: DimensionType
    value: Any = "*"
    params: Mapping[str, Any] | None = None


def AnyDate(name: str, params: Mapping[str, Any] | None = None) -> DimensionVariant:
    """Return a DATETIME dimension that lets any value pass.

    >>> AnyDate("day", {"format": "%Y-%m-%d"}).value
    '*'
    """
    return DimensionVariant(name, DATETIME, "*", params)


def AnyString(name: str, params: Mapping[str, Any] | None = None) -> DimensionVariant:
    """Return a STRING dimension that lets any value pass."""
    return DimensionVariant(name, STRING, "*", params)


def AnyLong(name: str, params: Mapping[str, Any] | None = None) -> DimensionVariant:
    """Return a LONG dimension that lets any value pass."""
    return DimensionVariant(name, LONG, "*", params)


def StringVariant(value: str, name: str, params: Mapping[str, Any] | None = None) -> DimensionVariant:
    """Return a STRING dimension that lets one value pass.

    >>> StringVariant("NA", "region").value
    'NA'
    """
    return DimensionVariant(name, STRING, value, params)


def LongVariant(value: int, name: str, params: Mapping[str, Any] | None = None) -> DimensionVariant:
    """Return a LONG dimension that lets one value pass."""
    return DimensionVariant(name, LONG, value, params)


def DateVariant(value: Any, name: str, params: Mapping[str, Any] | None = None) -> DimensionVariant:
    """Return a DATETIME dimension that lets one date, or a window, pass."""
    return DimensionVariant(name, DATETIME, value, params)


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
            raise SpecError(
                f"dimension {name!r}: a {type_} has no {attribute!r}",
                hint=f"a {type_} takes {', '.join(sorted(FITTING[type_]))}",
            )
        _check_form(name, attribute, given[attribute])
    minimum = given.pop("min", None)
    try:
        if type_ == "DATETIME":
            granularity = given.pop("granularity", None)
            kind = v.datetime_kind(granularity=granularity and str(granularity).upper(), **given)
        else:
            kind = Kind(type_, **given)
        if minimum is not None:
            kind = replace(kind, min=v.cast(minimum, kind))
    except BadValue as fault:
        raise SpecError(f"dimension {name!r}: {fault}", hint=_hint(attributes)) from None
    return kind


def _hint(attributes: Mapping[str, Any]) -> str:
    """What a kind takes, for one whose attributes do not go together."""
    if attributes["type"] != DATETIME:
        return "give a minimum of the dimension's type"
    return "a format such as '%Y-%m-%d' tells the whole date, down to the granularity; a timezone is an IANA name"


def _check_form(name: str, attribute: str, value: object) -> None:
    type_, form = _FORMS.get(attribute, (object, ""))
    fits = isinstance(value, type_) and (type_ is not int or not isinstance(value, bool))
    if not fits or (attribute == "digits" and not 1 <= value <= 19):  # type: ignore[operator]
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


def from_template(template: str, signal: str) -> tuple[str, Spec]:
    """Return the path with bare ``{}`` and the spec that a template short form writes.

    ``{name}`` is a STRING, ``{name:int}`` a LONG, ``{name:03d}`` a LONG of three digits, and
    ``{name:%Y-%m-%d}`` a DATETIME of that format. Raises SpecError.

    >>> from_template("orders/{region_id:int}/{day:%Y-%m-%d}", "orders")[0]
    'orders/{}/{}'
    """
    spec: list[tuple[str, Kind]] = []
    for name, form in _PLACEHOLDER.findall(template):
        if not name:
            raise SpecError(f"{signal}: {{}} in {template!r} names no dimension", hint="write {name}")
        check_name(name, [n for n, _ in spec])
        if not form or form == "str":
            attributes: dict[str, Any] = {"type": STRING}
        elif form in ("int", "d"):
            attributes = {"type": LONG}
        elif match := re.fullmatch(r"0(\d+)d", form):
            attributes = {"type": LONG, "digits": int(match[1])}
        elif "%" in form:
            attributes = {"type": DATETIME, "format": form}
        else:
            raise SpecError(
                f"{signal}: {{{name}:{form}}} is no form of a dimension",
                hint="write {name}, {name:int}, {name:03d} or {name:%Y-%m-%d}",
            )
        spec.append((name, make_kind(name, attributes)))
    bare = _PLACEHOLDER.sub("{}", template)
    if bare.count("{") != len(spec) or bare.count("}") != len(spec):
        raise SpecError(
            f"{signal}: the braces of {template!r} do not match", hint="close each {, and write no others"
        )
    return bare, tuple(spec)
