"""Filter + tip -> the partitions of a window, and which of them are missing.

Existence is kept as bits: the partitions of a signal stand in rows of neighbours along one dimension,
so a window of any length is checked by one comparison of integers, not by a look-up for each partition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Protocol

from rheo_runtime import wire
from rheo_runtime.records import CHUNK, Key
from rheo_runtime.scope import branch_of
from rheo_runtime.values import STRING, Partition

CHECKED = ("range_check", "nearest")


class Seer(Protocol):
    """The part of a ledger that knows which partitions exist."""

    def seen(self, signal: str, row: Key, first: int, last: int) -> int: ...


def expand(branches: tuple[wire.Branch, ...], tip: Partition) -> list[Partition]:
    """Return the partitions of the window around ``tip``, in the order of reading: tip first, when in it.

    No window reaches below the first value of a dimension.
    """
    if not branches:
        return [tip]
    columns = []
    for value, rule in zip(tip, branches[branch_of(branches, tip)], strict=True):
        if rule.window is None or not isinstance(value, int):
            columns.append([value])
        else:
            step, low = rule.kind.step, rule.kind.min
            steps = [value + offset * step for offset in rule.window.offsets()]
            columns.append([v for v in steps if not isinstance(low, int) or v >= low])
    return list(product(*columns))


# A stretch of one row: its first and last position; whether it is read towards the past.
Span = tuple[Key, int, int, bool]


class Layout:
    """How the partitions of a signal stand in rows: ``linear`` is the dimension that runs along a row."""

    def __init__(self, signal: str, linear: int | None, step: int) -> None:
        self.signal = signal
        self.linear = linear
        self.step = step

    def place(self, partition: Partition) -> tuple[Key, int]:
        """Return the row of a partition and its position there.

        >>> Layout("weather", 1, 60).place(("EWR", 120))
        (('EWR', 0), 2)
        """
        if self.linear is None:
            return partition, 0
        i = self.linear
        # A row holds values a whole number of steps apart: an hour in another zone may be half a step off.
        position, rest = divmod(partition[i], self.step)  # type: ignore[operator]
        return (*partition[:i], *partition[i + 1 :], rest), position

    def partition(self, row: Key, position: int) -> Partition:
        """Return the partition at a position: the inverse of `place`."""
        if self.linear is None:
            return row
        rest = row[-1]
        assert isinstance(rest, int)
        return (*row[: self.linear], position * self.step + rest, *row[self.linear : -1])


class Window:
    """The window of one input that must be checked before a binding fires."""

    def __init__(self, source: wire.Input, layout: Layout) -> None:
        self.alias = source.alias
        self.signal = source.signal
        self.nearest = source.mode == "nearest"
        self._branches = source.branches
        self._layout = layout
        self._folded = [
            any(branch[d].kind.insensitive for branch in source.branches)
            for d in range(len(source.branches[0]) if source.branches else 0)
        ]
        self.tip_of: Callable[[Partition], Partition] = self._fold if any(self._folded) else lambda p: p
        linear = layout.linear
        self._single = all(  # a window along the row only: one span, and the usual case
            rule.window is None or d == linear for branch in source.branches for d, rule in enumerate(branch)
        )

    def _fold(self, tip: Partition) -> Partition:
        """A reference's tip may come from a dimension whose case counts."""
        return tuple(
            [v.lower() if f and isinstance(v, str) else v for v, f in zip(tip, self._folded, strict=True)]
        )

    def missing(self, ledger: Seer, tip: Partition) -> Partition | None:
        """Return the missing partition that is furthest from the tip, or None when all exist.

        The furthest, because partitions come mostly in order, forwards or backwards: whichever way,
        the one at the far end comes last of those that are still to come, or never.
        """
        for row, first, last, back in self._spans(tip):
            bits = ledger.seen(self.signal, row, first, last)
            absent = ~(bits >> first % CHUNK) & (1 << last - first + 1) - 1
            if absent:
                bit = (absent & -absent).bit_length() - 1 if back else absent.bit_length() - 1
                return self._layout.partition(row, first + bit)
        return None

    def all_missing(self, ledger: Seer, tip: Partition) -> list[Partition]:
        """Return all missing partitions in the order of reading."""
        return [p for p in expand(self._branches, tip) if not self.exists(ledger, p)]

    def exists(self, ledger: Seer, partition: Partition) -> bool:
        """Say whether a partition is known to exist."""
        row, position = self._layout.place(partition)
        bits = ledger.seen(self.signal, row, position, position)
        return bits >> position % CHUNK & 1 == 1

    def candidates(self, tip: Partition) -> list[Partition]:
        """Return the window's partitions, the closest to the tip first; of two as close, the earlier."""
        near = self._numbers(tip)

        def distance(partition: Partition) -> tuple[int, Partition]:
            return sum(abs(a - b) for a, b in zip(self._numbers(partition), near, strict=True)), partition

        return sorted(expand(self._branches, tip), key=distance)

    def _numbers(self, partition: Partition) -> list[int]:
        branch = self._branches[branch_of(self._branches, partition)] if self._branches else ()
        return [v // r.kind.step for v, r in zip(partition, branch, strict=True) if isinstance(v, int)]

    def _spans(self, tip: Partition) -> Sequence[Span]:
        linear = self._layout.linear
        if linear is None or not self._single:
            places = map(self._layout.place, expand(self._branches, tip))
            return [(row, position, position, False) for row, position in places]
        row, position = self._layout.place(tip)
        branch = self._branches[0 if len(self._branches) == 1 else branch_of(self._branches, tip)]
        window = branch[linear].window
        if window is None:
            return ((row, position, position, False),)
        start, count = position + window.shift, window.count
        first, last = (start + count + 1, start) if count < 0 else (start, start + count - 1)
        low, rest = branch[linear].kind.min, row[-1]
        if isinstance(low, int) and isinstance(rest, int):
            first = max(first, -((rest - low) // self._layout.step))
        return ((row, first, last, count < 0),) if first <= last else ()


def layouts(table: wire.RouteTable) -> dict[str, Layout]:
    """Return the layout of each signal whose partitions' existence some route asks about."""
    found: dict[str, Layout] = {}
    signals = {signal.id: signal for signal in table.signals}
    windowed: dict[str, dict[int, int]] = {}
    for route in table.routes:
        for source in route.inputs:
            if source.mode in CHECKED:
                uses = windowed.setdefault(source.signal, {})
                for branch in source.branches:
                    for d, rule in enumerate(branch):
                        if rule.window is not None:
                            uses[d] = uses.get(d, 0) + 1
    for name, uses in windowed.items():
        branch = signals[name].branches[0] if signals[name].branches else ()
        numbers = [d for d, rule in enumerate(branch) if rule.kind.type != STRING]
        linear = max(uses, key=lambda d: (uses[d], d)) if uses else (numbers[-1] if numbers else None)
        step = branch[linear].kind.step if linear is not None else 1
        found[name] = Layout(name, linear, step)
    return found
