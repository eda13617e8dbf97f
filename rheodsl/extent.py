"""A node's inputs -> how many partitions one execution reads at most: what an execution's record has room for.

A record in the ledger holds the paths of what its execution reads; DynamoDB takes 400 kB of an item.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, prod

from rheo_runtime import values as v
from rheo_runtime.wire import Branch
from rheodsl import ir

MOST_INPUTS = 100
MOST_PARTITIONS = 10_000
_MINUTES = {
    v.MINUTE: 1, v.HOUR: 60, v.DAY: 1440, v.WEEK: 7 * 1440, v.MONTH: 31 * 1440, v.QUARTER: 92 * 1440, v.YEAR: 366 * 1440,
}  # fmt: skip


def partitions(inputs: Iterable[ir.Input]) -> int:
    """Return how many partitions inputs read together, at most."""
    return sum(map(_partitions, inputs))


def _partitions(source: ir.Input) -> int:
    tips = max(map(_window, source.branches), default=1)
    if source.rollup is None:
        return tips
    grains = source.rollup.grains
    return tips * sum(
        prod(_members(rule.kind, grain) for rule, grain in zip(branch, grains, strict=True) if grain)
        for branch in source.rollup.members
    )


def _window(branch: Branch) -> int:
    return prod(abs(rule.window.count) for rule in branch if rule.window is not None)


def _members(fine: v.Kind, coarse: str) -> int:
    """How many values of a kind lie in one of a coarser granularity.

    >>> _members(v.datetime_kind(), v.MONTH), _members(v.datetime_kind("%Y-%m-%d %H"), v.DAY)
    (31, 24)
    """
    return ceil(_MINUTES[coarse] / _MINUTES[fine.granularity or v.DAY])
