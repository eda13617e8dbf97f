"""How many firings a binding is due, from what arrived and what it has used.

``retrigger="all"``: one for each time that every input has an arrival not yet used. ``"any"``: one for
the first time that every input has one, then one for each arrival beyond. Neither depends on order.
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


def after_firing(all_new: bool, recs: Recs, used: Used | None, left: list[int]) -> Used:
    """Return what the binding has used after one more firing, with ``left`` unused before it.

    Under "any" a later firing uses one arrival, whichever; the first uses one of each input.
    """
    if all_new or used is None or not used.fired:
        spent = [1] * len(left)
    else:
        first = next(i for i, n in enumerate(left) if n > 0)
        spent = [int(i == first) for i in range(len(left))]
    marks = [(r.since, r.n - n + k) for r, n, k in zip(recs, left, spent, strict=True)]
    return Used(1 if used is None else used.fired + 1, tuple(marks))
