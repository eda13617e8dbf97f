"""``view.rollup(day="month", region=["NA", "EU"])`` -> the members' filter, and the filter of what they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rheo_runtime import values as v
from rheo_runtime.values import DATETIME, Kind, render
from rheo_runtime.wire import Branch, Rollup, Rule
from rheodsl.errors import FilterError, UnknownNameError, did_you_mean
from rheodsl.filters import narrow


def unknown_dimension(id: str, name: str, dims: Sequence[str]) -> UnknownNameError:
    """Return the error about a name that is no dimension."""
    return UnknownNameError(
        f"{id} has no dimension {name!r}",
        hint=did_you_mean(name, dims, f"its dimensions: {', '.join(dims) or 'none'}"),
    )


def roll_up(
    dims: tuple[str, ...],
    branches: tuple[Branch, ...],
    names: Sequence[str],
    to: Mapping[str, str | Sequence[Any]],
    complete: bool,
    id: str,
) -> tuple[Rollup, tuple[Branch, ...]]:
    """Return how a view is rolled up, and its filter over the dimensions that are left; raises FilterError."""
    wanted: dict[str, Any] = {**dict.fromkeys(names), **to}
    if not wanted:
        raise FilterError(
            f"{id}.rollup() names no dimension",
            hint='write rollup(day="month"), or rollup(region=["NA", "EU"])',
        )
    grains: list[str | None] = [None] * len(dims)
    for name, target in wanted.items():
        if name not in dims:
            raise unknown_dimension(id, name, dims)
        position = dims.index(name)
        shown = f"{id}.{name}"
        kind = branches[0][position].kind
        if any(branch[d].kind.insensitive for branch in branches for d in range(len(dims))):
            raise FilterError(
                f"{id} cannot be rolled up: the case of its texts does not count",
                hint="declare the dimension without insensitive, or read it as it is",
            )
        if isinstance(target, str):
            grains[position] = _coarser(target, kind, shown, name)
            continue
        grains[position] = ""
        if target is not None:
            branches = _valued(branches, position, target, shown)
        elif complete and any(branch[position].value is None for branch in branches):
            raise FilterError(
                f"{shown} cannot go: nothing says which values are awaited",
                hint=f"name them: rollup({name}=[...]), declare a dimension_filter, or say complete=False",
            )
    left = tuple(dict.fromkeys(_coarse(branch, grains) for branch in branches))
    return Rollup(dims, tuple(grains), branches, complete), left


def _coarser(target: str, kind: Kind, shown: str, name: str) -> str:
    if kind.type != DATETIME:
        raise FilterError(
            f"{shown} is a {kind.type}, which has no coarser one such as {target!r}",
            hint=f"a dimension goes with its values: rollup({name}=[{target!r}, ...])",
        )
    order = v.GRANULARITIES
    fine = order.index(kind.granularity or v.DAY)
    coarser = [each.lower() for each in order[fine + 1 :]]
    if target.lower() not in coarser:
        raise FilterError(
            f"{shown} is a {kind.granularity} and cannot be rolled up to {target!r}",
            hint=did_you_mean(target.lower(), coarser, f"coarser are: {', '.join(coarser) or 'none'}"),
        )
    return target.upper()


def _valued(branches: tuple[Branch, ...], position: int, values: Any, shown: str) -> tuple[Branch, ...]:
    if not isinstance(values, Sequence) or not values:
        raise FilterError(
            f"{shown} cannot go with {values!r}", hint='name its values in a list: ["NA", "EU"]'
        )
    found: dict[Branch, None] = {}
    for value in values:
        if isinstance(value, slice) or value == "*":
            raise FilterError(f"{shown}: {value!r} is no single value", hint="name each value")
        for branch in narrow(branches, position, value, shown):
            if branch in found:
                raise FilterError(
                    f"{shown}: {value!r} stands twice among the values", hint="each value is one member"
                )
            found[branch] = None
    return tuple(found)


def _coarse(branch: Branch, grains: Sequence[str | None]) -> Branch:
    """A branch over the dimensions that are left."""
    return tuple(
        _coarse_rule(rule, grain) if grain else rule
        for rule, grain in zip(branch, grains, strict=True)
        if grain != ""
    )


def _coarse_rule(rule: Rule, grain: str) -> Rule:
    kind = v.regrained(rule.kind, grain)
    if isinstance(rule.kind.min, int):
        kind = replace(kind, min=v.trunc(rule.kind.min, rule.kind, grain))
    value = None if rule.value is None else v.trunc(int(rule.value), rule.kind, grain)
    return Rule(kind, value)


def show_rollup(rollup: Rollup) -> str:
    """Return a rollup as the user writes it: ``.rollup(day='month', region=['NA', 'EU'])``."""
    parts = []
    for position, (dim, grain) in enumerate(zip(rollup.dims, rollup.grains, strict=True)):
        if grain == "":
            rules = dict.fromkeys(branch[position] for branch in rollup.members)
            values = dict.fromkeys(
                r.value if isinstance(r.value, int) and r.kind.type != DATETIME else render(r.value, r.kind)
                for r in rules
                if r.value is not None
            )
            parts.append(f"{dim}={list(values)}" if values else repr(dim))
        elif grain:
            parts.append(f"{dim}={grain.lower()!r}")
    parts.sort(key=lambda part: "=" in part)
    return f".rollup({', '.join([*parts, *([] if rollup.complete else ['complete=False'])])})"


def show_mode(mode: str, at_least: int | None) -> str:
    """Return how a window is read as the user writes it."""
    if at_least is not None:
        return f".range_check(at_least={at_least})"
    return {"range_check": ".range_check(True)", "nearest": ".nearest()"}.get(mode, "")


def check_at_least(number: Any, branches: tuple[Branch, ...], shown: str, *, rolled: bool) -> None:
    """Raise FilterError for a number of partitions that a window cannot have."""
    sizes = [abs(rule.window.count) for rule in branches[0] if rule.window is not None] if branches else []
    if not sizes:
        raise FilterError(
            f"{shown}: at_least={number!r} counts partitions of a window, and there is none",
            hint="of a rollup all members are awaited: write .range_check(True); without it those that exist are read"
            if rolled
            else "add one, such as [:-7]",
        )
    most = 1
    for size in sizes:
        most *= size
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number <= most:
        raise FilterError(
            f"{shown}: at_least is {number!r}, and the window has {most} partitions",
            hint=f"a whole number from 1 to {most}",
        )


def open_dimension(rollup: Rollup) -> str | None:
    """Return a dimension that goes and whose values nobody gave, or None."""
    for position, (dim, grain) in enumerate(zip(rollup.dims, rollup.grains, strict=True)):
        if grain == "" and any(branch[position].value is None for branch in rollup.members):
            return dim
    return None
