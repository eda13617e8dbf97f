"""Many items and the number of a turn -> those whose turn it is; no state has to be kept for it."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")
STRIDE = 7_919  # a prime: turns that are a minute apart begin far apart too


def in_turn(items: list[T], most: int, turn: int) -> list[T]:
    """Return ``most`` of the items, beginning elsewhere at each turn.

    >>> [in_turn(["a", "b", "c"], 2, turn) for turn in (0, 1, 2)]
    [['a', 'b'], ['c', 'a'], ['b', 'c']]
    """
    if not items:
        return []
    most = min(most, len(items))
    start = turn * most % len(items) if most < len(items) else turn * STRIDE % len(items)
    return (items * 2)[start : start + most]
