"""A view, and values for what it leaves open -> the texts of its partitions, the tip first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rheo_runtime.values import DATETIME, BadValue, Partition, Value, from_datetime, render
from rheo_runtime.windows import expand
from rheo_runtime.wire import Branch, Rule
from rheodsl.errors import FilterError
from rheodsl.filters import narrow
from rheodsl.views import View

Texts = tuple[str, ...]


def partitions(view: View, values: Sequence[Any] | None, now: datetime | None = None) -> list[Texts]:
    """Return the partitions of a view in the order of reading; they need not exist.

    Raises FilterError for what stays open, and ValueCastError.
    """
    branches = _narrowed(view, values)
    rules = branches[0]
    tip = tuple(
        _tip(view, name, rule, now or datetime.now(UTC))
        for name, rule in zip(view.signal.dims, rules, strict=True)
    )
    return [texts for p in expand(branches, tip) if (texts := _texts(rules, p)) is not None]


def _narrowed(view: View, values: Sequence[Any] | None) -> tuple[Branch, ...]:
    branches, dims = view.branches, view.signal.dims
    if values is None:
        return branches
    open_ = [i for i in range(len(dims)) if any(branch[i].value is None for branch in branches)]
    positions = range(len(dims)) if len(values) == len(dims) else open_
    if len(values) != len(positions):
        raise FilterError(
            f"{view!r} leaves {len(open_)} of {len(dims)} dimensions open, but {len(values)} values are given",
            hint=f"give one for each of {', '.join(dims[i] for i in open_) or 'none'}",
        )
    for position, value in zip(positions, values, strict=True):
        branches = narrow(branches, position, value, f"{view.id}.{dims[position]}")
    return branches


def _tip(view: View, name: str, rule: Rule, now: datetime) -> Value:
    if rule.value is not None:
        return rule.value
    if rule.window is not None and rule.kind.type == DATETIME:
        return from_datetime(now, rule.kind)
    raise FilterError(
        f"{view!r} leaves {name} open",
        hint="index it by a value, or give one: load_data(view, values=[...])",
    )


def _texts(rules: Branch, partition: Partition) -> Texts | None:
    try:
        return tuple(render(value, rule.kind) for value, rule in zip(partition, rules, strict=True))
    except BadValue:
        return None  # a window that reaches out of the range of dates
