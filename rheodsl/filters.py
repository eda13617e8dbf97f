"""``[index]`` -> rules of a filter: literals, any, windows, and what remains when filters chain.

Dimension filters, in every form a user may write -> a signal's domain: branches of rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from rheo_runtime import values as v
from rheo_runtime.values import DATETIME, LONG, STRING, BadValue, Kind, cast, render
from rheo_runtime.wire import Branch, Rule, Window
from rheodsl.dimensions import (
    FITTING,
    DimensionFilter,
    DimensionVariant,
    Spec,
    check_name,
    check_words,
    make_kind,
    split_body,
    without_layouts,
)
from rheodsl.errors import FilterError, SpecError, ValueCastError

# What a user may write between brackets.
Index = str | int | date | slice


class _Empty(Exception):
    """Two filters that leave nothing."""


def narrow(branches: tuple[Branch, ...], position: int, index: object, shown: str) -> tuple[Branch, ...]:
    """Return the branches that ``index`` leaves at the dimension at ``position``.

    ``shown`` is the dimension as the user knows it (``orders.day``), for messages. Raises
    FilterError, or ValueCastError for a value that is none of the dimension's.
    """
    left: list[Branch] = []
    failures: list[str] = []
    for branch in branches:
        rule = branch[position]
        try:
            narrowed = _intersect(rule, read_index(index, rule.kind, shown))
        except (BadValue, _Empty) as fault:
            failures.append(str(fault))
            continue
        left.append((*branch[:position], narrowed, *branch[position + 1 :]))
    if left:
        return tuple(left)
    raise _nothing_left(branches, position, index, shown, failures) from None


def _nothing_left(
    branches: tuple[Branch, ...], position: int, index: object, shown: str, failures: list[str]
) -> FilterError | ValueCastError:
    rule = branches[0][position]
    try:
        wanted = read_index(index, rule.kind, shown)
    except BadValue as fault:
        return ValueCastError(
            f"{shown} cannot be {_written(index)}: {fault}",
            hint=f"write {_example(rule.kind)}, or '*' for any",
        )
    if wanted.value is not None:
        rules = [branch[position] for branch in branches]
        allowed = {render(r.value, r.kind): None for r in rules if r.value is not None}
        return FilterError(
            f"{shown} cannot be {_written(index)}: it lies outside the filter ({', '.join(allowed)})",
            hint="use a value that the signal's dimension_filter lets pass",
        )
    return FilterError(f"{shown}: {failures[0]}", hint="a filter can only be narrowed")


def _example(kind: Kind) -> str:
    if kind.type == DATETIME:
        near = v.nearest_on_grid(int(kind.min or v.from_datetime(datetime(2020, 3, 18), kind)), kind)
        return f"a date such as {render(near[0] if kind.min is None else near[-1], kind)!r}"
    first = "" if kind.min is None else f" from {kind.min!r} on"
    return f"a text{first}" if kind.type == STRING else f"a whole number{first}"


def _written(index: object) -> str:
    return repr(index.isoformat() if isinstance(index, date) else index)


def read_index(index: object, kind: Kind, shown: str) -> Rule:
    """Return the rule that one index writes; raises FilterError, BadValue."""
    if isinstance(index, str) and index == "*":
        return Rule(kind)
    if isinstance(index, tuple):
        raise FilterError(
            f"{shown}: a tuple is no index",
            hint="write one [] for each dimension: s[1][:-30], not s[1, :-30]",
        )
    if isinstance(index, list | set | frozenset):
        raise FilterError(
            f"{shown}: {index!r} is no index, which names one value", hint=_several(kind, shown)
        )
    if isinstance(index, slice):
        return Rule(kind, window=_window(index, kind, shown))
    if isinstance(index, int) and not isinstance(index, bool) and kind.type == DATETIME:
        # A bare int is never a date: s[-30] is s[:-30].
        return Rule(kind, window=_window(slice(None, index), kind, shown))
    return Rule(kind, value=cast(index, kind))


def _several(kind: Kind, shown: str) -> str:
    """How several values are written."""
    id, _, name = shown.partition(".")
    if kind.type == DATETIME:
        return (
            f"a window such as [:-7] reads several dates in one run; {id}[...] | {id}[...] is a run of each"
        )
    return f"a run of each: {id}[...] | {id}[...] as one input; one run of all: {id}.rollup({name}=[...])"


def _window(index: slice, kind: Kind, shown: str) -> Window:
    if index.step is not None:
        raise FilterError(f"{shown}: a window has no step", hint="write [shift:size], such as [-1:-3]")
    for part in (index.start, index.stop):
        if part is not None and (not isinstance(part, int) or isinstance(part, bool)):
            raise FilterError(
                f"{shown}: {part!r} is no whole number of partitions",
                hint="write a window as [:-7] or [-1:-3]",
            )
    if kind.type == STRING:
        raise FilterError(
            f"{shown}: a STRING dimension has no window", hint="its values have no order; use a value or '*'"
        )
    if index.start is None and index.stop is None:
        raise FilterError(
            f"{shown}: [:] says no window", hint="use '*' for any value, [:-7] for a window of 7"
        )
    if index.stop == 0:
        raise FilterError(
            f"{shown}: a window of 0 partitions is empty",
            hint="[:-1] is the tip alone, [-1:] the value before it",
        )
    return Window(index.start or 0, 1 if index.stop is None else index.stop)


def _intersect(old: Rule, new: Rule) -> Rule:
    if new.value is not None and old.value is not None and new.value != old.value:
        raise _Empty  # the message names the values that are left
    window = old.window
    if new.window is not None:
        window = new.window if old.window is None else _common_window(old.window, new.window)
    return replace(old, value=old.value if new.value is None else new.value, window=window)


def _common_window(a: Window, b: Window) -> Window:
    common = set(a.offsets()) & set(b.offsets())
    # A single value, [-1:] or [:-1], has no direction.
    if a.count * b.count < 0 and 1 not in (abs(a.count), abs(b.count)):
        raise _Empty(f"{show_window(a)} and {show_window(b)} go in opposite directions")
    if not common:
        raise _Empty(f"{show_window(a)} and {show_window(b)} have no partition in common")
    back = a.count < 0 or b.count < 0
    return Window(max(common), -len(common)) if back else Window(min(common), len(common))


def show_window(window: Window) -> str:
    """Return a window as the user writes it.

    >>> show_window(Window(-1, -3)), show_window(Window(0, 14)), show_window(Window(-1, 1))
    ('[-1:-3]', '[:14]', '[-1:]')
    """
    if window.count == 1 and window.shift:
        return f"[{window.shift}:]"
    return f"[{window.shift or ''}:{window.count}]"


def show_filter(branches: tuple[Branch, ...]) -> str:
    """Return a filter as indexes; trailing ``['*']`` left out."""
    shown = []
    for rules in zip(*branches, strict=True):
        values = dict.fromkeys([_show_value(r) for r in rules if r.value is not None])
        windows = sorted({show_window(r.window) for r in rules if r.window is not None})
        text = f"[{'|'.join(values)}]" if values else ""
        shown.append("".join([text, *windows]) or "['*']")
    while shown and shown[-1] == "['*']":
        shown.pop()
    return "".join(shown)


def _show_value(rule: Rule) -> str:
    assert rule.value is not None
    return str(rule.value) if rule.kind.type == LONG else repr(render(rule.value, rule.kind))


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
        check_words(name, below)
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
    if "/" in str(attributes.get("format", "")):
        raise SpecError(
            f"dimension {name!r}: its filter lays it out as {attributes['format']!r}",
            hint="declare the levels of a date in dimension_spec",
        )
    declared = {f: getattr(kind, f) for f in FITTING[kind.type] - {"min", "week_start", "calendar"}}
    # A format given in the filter decides the granularity that the spec left to its default.
    if "format" in attributes and kind.format == v.DEFAULT_FORMAT and kind.granularity == v.DAY:
        del declared["granularity"]
    refined = make_kind(name, {**declared, **attributes, "type": kind.type})
    kept = {f: getattr(kind, f) for f in ("week_start", "calendar", "schedule") if f not in attributes}
    refined = replace(refined, **kept)
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
        for variant, (name, kind) in zip(variants, without_layouts(tuple(spec)), strict=True)
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
