"""Dimension specifications and filters, in every form a user may write -> branches of rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from rheo_runtime import values as v
from rheo_runtime.values import BadValue, Kind
from rheo_runtime.wire import Branch, Rule
from rheodsl.errors import FilterError, SpecError, ValueCastError
from rheodsl.filters import read_index


class DimensionType(StrEnum):
    """The type of a dimension's values."""

    STRING = "STRING"
    LONG = "LONG"
    DATETIME = "DATETIME"


STRING, LONG, DATETIME = DimensionType.STRING, DimensionType.LONG, DimensionType.DATETIME

_ATTRIBUTES = ("type", "format", "granularity", "timezone", "digits", "insensitive", "min")
_FITTING = {
    "STRING": {"insensitive", "min"},
    "LONG": {"digits", "min"},
    "DATETIME": {"format", "granularity", "timezone", "min"},
}
_WINDOW = re.compile(r"(-?\d*):(-?\d*)")

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
        below = sub_spec.dimensions if sub_spec else ()
        return DimensionSpec((*self.dimensions, dimension.entry(), *below))

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
    raw = attributes.get("type")
    type_ = raw.value if isinstance(raw, DimensionType) else raw
    if type_ not in _FITTING:
        raise SpecError(
            f"dimension {name!r} has no type", hint="add 'type': DimensionType.STRING, LONG or DATETIME"
        )
    given = {k: a for k, a in attributes.items() if k != "type" and a is not None}
    for attribute in given:
        if attribute not in _FITTING[type_]:
            raise SpecError(
                f"dimension {name!r}: a {type_} has no {attribute!r}",
                hint=f"a {type_} takes {', '.join(sorted(_FITTING[type_]))}",
            )
    minimum = given.pop("min", None)
    try:
        if type_ == "DATETIME":
            granularity = given.pop("granularity", None)
            if granularity is not None:
                granularity = str(getattr(granularity, "value", granularity)).upper()
            kind = v.datetime_kind(granularity=granularity, **given)
        else:
            kind = Kind(type_, **given)
        if minimum is not None:
            kind = replace(kind, min=v.cast(minimum, kind))
    except BadValue as fault:
        raise SpecError(f"dimension {name!r}: {fault}") from None
    return kind


def read_spec(data: DimensionSpec | Mapping[Any, Any] | None) -> Spec:
    """Return the dimensions of a specification in the nested-dict or object form; raises SpecError.

    >>> [name for name, kind in read_spec({"region": {"type": STRING, "day": {"type": DATETIME}}})]
    ['region', 'day']
    """
    if data is None:
        return ()
    if isinstance(data, DimensionSpec):
        return data.dimensions
    found: list[tuple[str, Kind]] = []
    level: Mapping[Any, Any] | None = data
    while level:
        if len(level) > 1:
            raise SpecError(
                f"dimensions {', '.join(map(repr, level))} stand at one level",
                hint="nest each dimension in the one before it: {'region': {..., 'day': {...}}}",
            )
        name, body = next(iter(level.items()))
        _check_name(name, [n for n, _ in found])
        if not isinstance(body, Mapping):
            raise SpecError(
                f"dimension {name!r} is declared by {body!r}", hint="declare it by a dict: {'type': ...}"
            )
        attributes, below = _split(body)
        found.append((name, make_kind(name, attributes)))
        level = below
    return tuple(found)


def _check_name(name: object, taken: list[str]) -> None:
    if not isinstance(name, str) or not name.isidentifier():
        raise SpecError(f"{name!r} is no name of a dimension", hint="use letters, digits and underscores")
    if name in taken:
        raise SpecError(f"dimension {name!r} is declared twice")


def _split(body: Mapping[Any, Any]) -> tuple[dict[str, Any], dict[Any, Any]]:
    """Attributes apart from what is nested; the guide also writes ``type`` as the builtin, unquoted."""
    attributes, below = {}, {}
    for key, value in body.items():
        key = "type" if key is type else key
        if key in _ATTRIBUTES and not isinstance(value, Mapping):
            attributes[key] = value
        else:
            below[key] = value
    return attributes, below


def all_pass(spec: Spec) -> tuple[Branch, ...]:
    """Return the one branch that lets everything of ``spec`` pass."""
    return (tuple(Rule(kind) for _, kind in spec),)


def read_filter(
    spec: Spec, data: DimensionFilter | Mapping[Any, Any] | None, signal: str
) -> tuple[Branch, ...]:
    """Return the branches that a dimension filter over ``spec`` writes; raises SpecError, FilterError.

    Each key is a value, ``"*"`` or a window (``":-7"``); below it stand attributes that apply in
    that branch (``timezone``, ``format``) and the filter of the next dimension.
    """
    if isinstance(data, DimensionFilter):
        data = data.data
    if not data:
        return all_pass(spec)
    branches = [tuple(branch) for branch in _branches(spec, data, signal)]
    return tuple(zip(*(_one_granularity(rules) for rules in zip(*branches, strict=True)), strict=True))


def _one_granularity(rules: tuple[Rule, ...]) -> list[Rule]:
    """A dimension has one granularity: the coarsest, where the formats of branches hold different ones."""
    if rules[0].kind.type != "DATETIME":
        return list(rules)
    coarsest = max((r.kind.granularity or v.DAY for r in rules), key=v.GRANULARITIES.index)
    return [replace(r, kind=replace(r.kind, granularity=coarsest)) for r in rules]


def _branches(spec: Spec, level: Mapping[Any, Any], signal: str) -> Iterator[list[Rule]]:
    if not spec:
        raise SpecError(
            f"the filter of {signal} has more levels than dimensions",
            hint="nest one level for each dimension",
        )
    (name, kind), rest = spec[0], spec[1:]
    for key, body in level.items():
        attributes, below = _split(body or {})
        refined = kind
        if attributes:
            declared = {f: getattr(kind, f) for f in _FITTING[kind.type]}
            if "format" in attributes and "granularity" not in attributes:
                declared["granularity"] = _granularity_of(attributes["format"], kind)
            refined = make_kind(name, {**declared, "type": kind.type, **attributes})
        try:
            rule = read_index(_key_index(key), refined, f"{signal}.{name}")
        except BadValue as fault:
            raise ValueCastError(f"the filter of {signal}.{name} cannot hold {key!r}: {fault}") from None
        if not below:
            yield [rule, *all_pass(rest)[0]]
            continue
        for tail in _branches(rest, below, signal):
            yield [rule, *tail]


def _granularity_of(format: str, kind: Kind) -> str | None:
    """A format given in the filter decides the granularity that the spec left to its default."""
    if kind.format != v.DEFAULT_FORMAT or kind.granularity != v.DAY:
        return kind.granularity
    return None


def _key_index(key: Any) -> Any:
    """A dict key cannot be a slice before Python 3.12, so a window may be written as text, ":-7"."""
    if isinstance(key, str) and (match := _WINDOW.fullmatch(key)):
        start, stop = (int(part) if part not in ("", "-") else None for part in match.groups())
        return slice(start, stop)
    return key


def from_variants(variants: tuple[DimensionVariant, ...], signal: str) -> tuple[Spec, tuple[Branch, ...]]:
    """Return the spec and the branch that a row of short forms writes."""
    spec: list[tuple[str, Kind]] = []
    for variant in variants:
        _check_name(variant.name, [n for n, _ in spec])
        spec.append((variant.name, make_kind(variant.name, {"type": variant.type, **(variant.params or {})})))
    try:
        branch = tuple(
            read_index(variant.value, kind, f"{signal}.{name}")
            for variant, (name, kind) in zip(variants, spec, strict=True)
        )
    except BadValue as fault:
        raise FilterError(f"the filter of {signal}: {fault}") from None
    return tuple(spec), (branch,)


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
        _check_name(name, [n for n, _ in spec])
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
        raise SpecError(f"{signal}: the braces of {template!r} do not match")
    return bare, tuple(spec)
