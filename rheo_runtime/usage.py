"""How many firings a binding is due, from what arrived and what it has used.

``retrigger="all"``: one for each time that every input has an arrival not yet used. ``"any"``: one for
the first time that every input has one, then one for each arrival. Neither depends on order.
"""

from __future__ import annotations

from collections.abc import Iterable

from rheo_runtime.records import Mark, Recs, Used


def due(all_new: bool, left: list[int], used: Used | None) -> int:
    """Return how many firings are due, from what is left unused at each input.

    >>> due(True, [2, 1], None), due(False, [2, 1], None), due(False, [1, 0], Used(1, ()))
    (1, 2, 1)
    """
    fewest = min(left)
    if all_new:
        return fewest
    if used is not None and used.fired:
        return sum(left)
    return sum(left) - len(left) + 1 if fewest > 0 else 0


def free(recs: Recs, used: Used | None, lapses: Iterable[tuple[Mark, ...]] = ()) -> list[int]:
    """Return, for each trigger input, how many of its arrivals the binding has not used."""
    left = (
        [r.unused((0.0, 0)) for r in recs]
        if used is None
        else [r.unused(mark) for r, mark in zip(recs, used.marks, strict=True)]
    )
    for marks in lapses:
        left = [min(n, r.unused(mark)) for n, r, mark in zip(left, recs, marks, strict=True)]
    return left


def after_firing(all_new: bool, count: int, recs: Recs, used: Used | None, left: list[int]) -> Used:
    """Return what the binding has used after ``count`` more firings, of ``left`` unused arrivals each."""
    fired = count if used is None else used.fired + count
    if all_new:
        return Used(fired, tuple([(r.since, r.n - n + count) for r, n in zip(recs, left, strict=True)]))
    return Used(fired, tuple([(r.since, r.n) for r in recs]))
