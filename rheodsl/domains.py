"""Dimension filters, in every form a user may write -> a signal's domain: branches of rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from rheo_runtime import values as v
from rheo_runtime.values import BadValue, Kind
from rheo_runtime.wire import Branch, Rule
from rheodsl.dimensions import (
    FITTING,
    DimensionFilter,
    DimensionVariant,
    Spec,
    check_name,
    make_kind,
    split_body,
)
from rheodsl.errors import FilterError, SpecError, ValueCastError
from rheodsl.filters import read_index

_WINDOW = re.compile(r"(-?\d+)?:(-?\d+)?")


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
    branches = list(_branches(spec, data, signal))
    columns = [
        _one_granularity(rules, f"{signal}.{name}")
        for (name, _), rules in zip(spec, zip(*branches, strict=True), strict=True)
    ]
    return tuple(zip(*columns, strict=True))


def _one_granularity(rules: tuple[Rule, ...], shown: str) -> list[Rule]:
    """A dimension has one granularity: the coarsest, where the formats of branches hold different ones."""
    if rules[0].kind.type != "DATETIME":
        return list(rules)
    coarsest = max((r.kind.granularity or v.DAY for r in rules), key=v.GRANULARITIES.index)
    return [_coarser(rule, replace(rule.kind, granularity=coarsest, min=None), shown) for rule in rules]


def _coarser(rule: Rule, kind: Kind, shown: str) -> Rule:
    kind = replace(kind, min=_minimum(rule.kind, kind))
    if rule.value is None:
        return replace(rule, kind=kind)
    assert isinstance(rule.value, int)
    value = v.from_datetime(v.to_datetime(rule.value, rule.kind), kind)
    if v.at(value, kind, rule.kind.granularity or v.DAY) != rule.value:
        raise FilterError(
            f"the filter of {shown} cannot hold {v.render(rule.value, rule.kind)!r}: it is finer than a {kind.granularity}",
            hint="one of the filter's formats tells no more; give all of them the same granularity",
        )
    return replace(rule, kind=kind, value=value)


def _minimum(declared: Kind, kind: Kind) -> v.Value | None:
    """The declared minimum, as a value of ``kind``."""
    if declared.min is None or kind.type != "DATETIME":
        return declared.min
    assert isinstance(declared.min, int)
    return v.from_datetime(v.to_datetime(declared.min, declared), kind)


def _branches(spec: Spec, level: Any, signal: str) -> Iterator[list[Rule]]:
    if not isinstance(level, Mapping):
        raise SpecError(
            f"the filter of {signal} holds {level!r} where a dict belongs",
            hint="nest one dict for each dimension: {1: {'*': {}}}",
        )
    if not spec:
        raise SpecError(
            f"the filter of {signal} has more levels than dimensions",
            hint="nest one level for each dimension",
        )
    (name, kind), rest = spec[0], spec[1:]
    for key, body in level.items():
        attributes, below = split_body(body) if isinstance(body, Mapping) else ({}, body)
        index = key if kind.type == v.STRING else _key_index(key)
        try:
            rule = read_index(index, _refined(name, kind, attributes), f"{signal}.{name}")
        except BadValue as fault:
            raise _no_value(f"{signal}.{name}", key, fault) from None
        if not below:
            yield [rule, *all_pass(rest)[0]]
            continue
        for tail in _branches(rest, below, signal):
            yield [rule, *tail]


def _refined(name: str, kind: Kind, attributes: Mapping[str, Any]) -> Kind:
    """The kind with attributes that a filter adds; raises SpecError."""
    if not attributes:
        return kind
    if attributes.get("type", kind.type) != kind.type:
        raise SpecError(
            f"dimension {name!r} is a {kind.type}; its filter cannot make it a {attributes['type']}",
            hint="change the type in dimension_spec",
        )
    declared = {f: getattr(kind, f) for f in FITTING[kind.type] - {"min"}}
    # A format given in the filter decides the granularity that the spec left to its default.
    if "format" in attributes and kind.format == v.DEFAULT_FORMAT and kind.granularity == v.DAY:
        del declared["granularity"]
    refined = make_kind(name, {**declared, **attributes, "type": kind.type})
    return refined if "min" in attributes else replace(refined, min=_minimum(kind, refined))


def _key_index(key: Any) -> Any:
    """A dict key cannot be a slice before Python 3.12, so a window may be written as text, ":-7"."""
    if isinstance(key, str) and (match := _WINDOW.fullmatch(key)):
        start, stop = (None if part is None else int(part) for part in match.groups())
        return slice(start, stop)
    return key


def from_variants(variants: tuple[DimensionVariant, ...], signal: str) -> tuple[Spec, tuple[Branch, ...]]:
    """Return the spec and the branch that a row of short forms writes."""
    spec: list[tuple[str, Kind]] = []
    for variant in variants:
        check_name(variant.name, [n for n, _ in spec])
        spec.append((variant.name, make_kind(variant.name, {"type": variant.type, **(variant.params or {})})))
    branch = tuple(
        _variant_rule(variant.value, kind, f"{signal}.{name}")
        for variant, (name, kind) in zip(variants, spec, strict=True)
    )
    return tuple(spec), (branch,)


def _variant_rule(value: Any, kind: Kind, shown: str) -> Rule:
    try:
        return read_index(value, kind, shown)
    except BadValue as fault:
        raise _no_value(shown, value, fault) from None


def _no_value(shown: str, value: object, fault: BadValue) -> ValueCastError:
    return ValueCastError(
        f"the filter of {shown} cannot hold {value!r}: {fault}",
        hint="a filter holds values of the dimension, windows such as ':-7', or '*'",
    )
