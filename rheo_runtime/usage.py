"""How many firings a binding is due, from what arrived and what it has used.

``retrigger="all"``: one for each time that every input has an arrival not yet used. ``"any"``: one for
the first time that every input has one, then one for each arrival beyond. Neither depends on order.
"""

from __future__ import annotations

from collections.abc import Iterable

from rheo_runtime.records import NEVER, Mark, Recs, Used


def first_use(recs: Recs) -> tuple[tuple[str, ...], Used] | None:
    """Return the usual firing: nothing was used before, and each partition has arrived once.

    That is the ids of its events, and what is used after it; None when there is more to weigh. It
    says in one step what `free`, `due` and `after_firing` say together.
    """
    events, marks = [], []
    for record in recs:
        if record.n != 1 or record.ids.__class__ is not str:
            return None
        events.append(record.ids)
        marks.append((record.since, 1))
    return tuple(events), (1, tuple(marks))


def due(all_new: bool, left: list[int], used: Used | None) -> int:
    """Return how many firings are due, from what is left unused at each input.

    >>> due(True, [2, 1], None), due(False, [2, 1], None), due(False, [1, 0], (1, ()))
    (1, 2, 1)
    """
    fewest = min(left)
    if all_new:
        return fewest
    if used is not None and used[0]:
        return sum(left)
    return sum(left) - len(left) + 1 if fewest > 0 else 0


def free(recs: Recs, used: Used | None, lapses: Iterable[tuple[Mark, ...]] = ()) -> list[int]:
    """Return, for each trigger input, how many of its arrivals the binding has not used."""
    if used is None:
        left = [1 if r.n == 1 and r.ids else r.unused(NEVER) for r in recs]
    else:
        left = [r.unused(mark) for r, mark in zip(recs, used[1], strict=True)]
    for marks in lapses:
        left = [min(n, r.unused(mark)) for n, r, mark in zip(left, recs, marks, strict=True)]
    return left


def after_firing(all_new: bool, recs: Recs, used: Used | None, left: list[int]) -> Used:
    """Return what the binding has used after one more firing, with ``left`` unused before it.

    Under "any" a later firing uses one arrival, whichever; the first uses one of each input. A mark
    never goes back, even when a record was read before another listener used what came after it.
    """
    fired, before = used or (0, (NEVER,) * len(left))
    if all_new or not fired:
        spent = [1] * len(left)
    else:
        first = next(i for i, n in enumerate(left) if n > 0)
        spent = [int(i == first) for i in range(len(left))]
    marks = [
        (r.since, max(r.n - n, mark[1] if mark[0] == r.since else 0) + k)
        for r, n, mark, k in zip(recs, left, before, spent, strict=True)
    ]
    return fired + 1, tuple(marks)
