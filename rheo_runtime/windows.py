"""Filter + tip -> the partitions of a window, and which of them are missing.

Existence is kept as bits: the partitions of a signal stand in rows of neighbours along one dimension,
so a window of any length is checked by one comparison of integers, not by a look-up for each partition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Protocol

from rheo_runtime import wire
from rheo_runtime.join import branch_of
from rheo_runtime.records import CHUNK, Key
from rheo_runtime.rollup import Members, members_of
from rheo_runtime.values import (
    DATETIME,
    STRING,
    Kind,
    Partition,
    bounds,
    first_shown,
    neighbours,
    tester,
)

CHECKED = ("range_check", "nearest")


def asked(source: wire.Input) -> bool:
    """Say whether it matters to an input which partitions of its signal exist."""
    return source.mode in CHECKED or source.lists_what_exists


class Seer(Protocol):
    """The part of a ledger that knows which partitions exist."""

    def seen(self, signal: str, row: Key, first: int, last: int) -> int: ...


def expand(branches: tuple[wire.Branch, ...], tip: Partition) -> list[Partition]:
    """Return the partitions of the window around ``tip``, in the order of reading: tip first, when in it.

    No window reaches below the first value of a dimension, nor out of the range of dates. Around a tip that is no
    partition, a day that the calendar lacks, there are those that are, as many as the window counts; where there
    is no window there are none.
    """
    if not branches:
        return [tip]
    columns = []
    for value, rule in zip(tip, branches[branch_of(branches, tip)], strict=True):
        if rule.window is None or not isinstance(value, int):
            columns.append([value] if tester(rule.kind)(value) else [])
        else:
            low, high = limits(rule.kind)
            near = neighbours(value, rule.window.shift, rule.window.count, rule.kind)
            columns.append([v for v in near if low <= v <= high])
    return list(product(*columns))


NO_LIMIT = -(10**30)


def limits(kind: Kind) -> tuple[int, int]:
    """Return the first and the last value that a dimension can have."""
    if kind.type == DATETIME:
        return bounds(kind)
    return (kind.min if isinstance(kind.min, int) else NO_LIMIT), -NO_LIMIT


def around(source: wire.Input, tip: Partition) -> list[Partition]:
    """Return the partitions around a tip of an input, before a rollup is taken apart: see `expand`.

    What has come is one, whatever has changed since. A reference's tip is an hour in which another one begins.
    """
    if source.tip is None:
        if not any(rule.window is not None for branch in source.branches for rule in branch):
            return [tip]
    elif source.rollup is None and source.branches:
        branch = source.branches[branch_of(source.branches, tip)]
        tip = tuple(
            [first_shown(v, r.kind) if isinstance(v, int) else v for v, r in zip(tip, branch, strict=True)]
        )
    return expand(source.branches, tip)


def reads(source: wire.Input, tip: Partition) -> list[Partition]:
    """Return the partitions of the signal that an input reads around a tip, there or not, in order."""
    tips = around(source, tip)
    members = members_of(source)
    return tips if members is None else members_within(members, tips)


def starts(source: wire.Input, tip: Partition) -> tuple[Partition, ...]:
    """Return the partitions of the signal that a tip of an input stands for: of a rollup its members."""
    members = members_of(source)
    return (tip,) if members is None else members.members(tip)


def needed(source: wire.Input, tip: Partition) -> list[Partition]:
    """Return the partitions of the signal without which nothing runs, each of them, around a tip.

    Empty where any of what an input reads is enough, or none of it.
    """
    if source.mode == "range_check" and source.at_least is None:
        return reads(source, tip)
    whole = source.at_least is not None if source.rollup is None else source.rollup.complete
    return list(starts(source, tip)) if source.tip is None and whole else []


def enough(source: wire.Input, tip: Partition, there: Iterable[Partition]) -> bool:
    """Say whether of what an input reads as much is there as it awaits: see `least`."""
    if source.at_least is None:
        return any(True for _ in there)
    members = members_of(source)
    found = sum(1 for _ in there) if members is None else len(members.standing(there))
    return found >= least(source, tip)


def least(source: wire.Input, tip: Partition) -> int:
    """Return how many partitions of a window are awaited: ``at_least``, or all that there are where those are fewer.

    Of a window of a rollup they are what is rolled up, not its members.
    """
    members, tips = members_of(source), around(source, tip)
    if members is not None and not members.open:
        tips = [each for each in tips if members.members(each)]
    return max(1, min(source.at_least or 1, len(tips)))


def members_within(members: Members, tips: Sequence[Partition]) -> list[Partition]:
    """Return the members of several coarser partitions, in ascending order."""
    if len(tips) == 1:
        return list(members.members(tips[0]))
    return sorted({member for tip in tips for member in members.members(tip)})


# A stretch of one row: its first and last position; whether it is read towards the past.
Span = tuple[Key, int, int, bool]


class Layout:
    """How the partitions of a signal stand in rows: ``linear`` is the dimension that runs along a row.

    ``rows`` is the name under which a ledger keeps them: another one for each meaning of the partitions, and
    for each way in which they stand.
    """

    def __init__(self, rows: str, linear: int | None, step: int) -> None:
        self.rows = rows
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
        self.rows = layout.rows
        self.nearest = source.mode == "nearest"
        self.checked = source.mode == "range_check" and source.at_least is None
        self.lists = source.lists_what_exists
        self.at_least = source.at_least or 0
        self.optional = source.optional
        self.members = members_of(source)
        self.source = source
        self._branches = source.branches
        self._layout = layout
        self._folded = [
            any(branch[d].kind.insensitive for branch in source.branches)
            for d in range(len(source.branches[0]) if source.branches else 0)
        ]
        self.tip_of: Callable[[Partition], Partition] = self._fold if any(self._folded) else lambda p: p
        linear = layout.linear
        # Of each branch, of the dimensions that have values which are no partitions: see `is_partition`.
        self._tests = [
            [(d, tester(rule.kind)) for d, rule in enumerate(branch) if rule.kind != Kind(STRING)]
            for branch in source.branches
        ]
        along_the_row = [] if linear is None or self.members else [b[linear].kind for b in source.branches]
        self._limits = list(map(limits, along_the_row))
        self._single = all(  # a window along the row only: one span, and the usual case
            rule.window is None or (d == linear and rule.kind.regular)
            for branch in source.branches
            for d, rule in enumerate(branch)
        )

    def _fold(self, tip: Partition) -> Partition:
        """A reference's tip may come from a dimension whose case counts."""
        return tuple(
            [v.lower() if f and isinstance(v, str) else v for v, f in zip(tip, self._folded, strict=True)]
        )

    @property
    def open(self) -> bool:
        """Whether only arrivals tell which partitions there are: a dimension went whose values nobody gave."""
        return self.members is not None and self.members.open

    def partitions(self, tip: Partition) -> list[Partition]:
        """Return what the input reads around a tip, there or not, in the order of reading."""
        tips = around(self.source, tip)
        return tips if self.members is None else members_within(self.members, tips)

    def enough(self, tip: Partition, there: Iterable[Partition]) -> bool:
        """Say whether as much exists as is awaited around a tip: see `enough`."""
        return not self.at_least or enough(self.source, tip, there)

    def least(self, tip: Partition) -> int:
        """Return how many partitions are awaited around a tip: see `least`; 0 where none need be there."""
        return least(self.source, tip) if self.at_least else 0

    def taken(self, there: tuple[Partition, ...]) -> tuple[Partition, ...]:
        """Return what is read of what exists: where some of a window are enough, of a rollup those that are whole."""
        if not self.at_least or self.members is None or not self.members.complete:
            return there
        whole = self.members.standing(there)
        return tuple([p for p in there if self.members.coarse(p) in whole])

    def missing(self, ledger: Seer, tip: Partition) -> Partition | None:
        """Return the missing partition that is furthest from the tip, or None when all exist.

        The furthest, because partitions come mostly in order, forwards or backwards: whichever way,
        the one at the far end comes last of those that are still to come, or never.
        """
        spans = self._spans(tip)
        if spans is None:
            there = self.present(ledger, tip)
            gaps = [p for p in self.partitions(tip) if p not in there]
            return gaps[-1] if gaps else None
        for row, first, last, back in spans:
            bits = ledger.seen(self.rows, row, first, last)
            absent = ~(bits >> first % CHUNK) & (1 << last - first + 1) - 1
            if absent:
                bit = (absent & -absent).bit_length() - 1 if back else absent.bit_length() - 1
                return self._layout.partition(row, first + bit)
        return None

    def present(self, ledger: Seer, tip: Partition) -> set[Partition]:
        """Return the partitions of the window that are known to exist: one read for each row of neighbours."""
        rows: dict[Key, list[tuple[int, Partition]]] = {}
        for partition in self.partitions(tip):
            row, position = self._layout.place(partition)
            rows.setdefault(row, []).append((position, partition))
        found: set[Partition] = set()
        for row, places in rows.items():
            first, last = min(places)[0], max(places)[0]
            bits = ledger.seen(self.rows, row, first, last)
            start = first // CHUNK * CHUNK
            found.update(p for position, p in places if bits >> position - start & 1)
        return found

    def all_missing(self, ledger: Seer, tip: Partition) -> list[Partition]:
        """Return all missing partitions in the order of reading."""
        there = self.present(ledger, tip)
        return [p for p in self.partitions(tip) if p not in there]

    def exists(self, ledger: Seer, partition: Partition) -> bool:
        """Say whether a partition is known to exist."""
        row, position = self._layout.place(partition)
        bits = ledger.seen(self.rows, row, position, position)
        return bits >> position % CHUNK & 1 == 1

    def candidates(self, tip: Partition) -> list[Partition]:
        """Return the window's partitions, the closest to the tip first; of two as close, the earlier."""
        near = self._numbers(tip)

        def distance(partition: Partition) -> tuple[int, Partition]:
            return sum(abs(a - b) for a, b in zip(self._numbers(partition), near, strict=True)), partition

        return sorted(around(self.source, tip), key=distance)

    def _numbers(self, partition: Partition) -> list[int]:
        branch = self._branches[branch_of(self._branches, partition)] if self._branches else ()
        return [v // r.kind.unit for v, r in zip(partition, branch, strict=True) if isinstance(v, int)]

    def _spans(self, tip: Partition) -> Sequence[Span] | None:
        """The one stretch that is the window; None when it is not one."""
        linear = self._layout.linear
        if self.members is not None or (linear is not None and not self._single):
            return None
        if linear is None:
            places = map(self._layout.place, around(self.source, tip))
            return [(row, position, position, False) for row, position in places]
        number = 0 if len(self._branches) == 1 else branch_of(self._branches, tip)
        branch = self._branches[number]
        for d, test in self._tests[number]:
            if not test(tip[d]):
                return None
        row, position = self._layout.place(tip)
        window = branch[linear].window
        if window is None:
            return ((row, position, position, False),)
        start, count = position + window.shift, window.count
        first, last = (start + count + 1, start) if count < 0 else (start, start + count - 1)
        (low, high), rest = self._limits[number], row[-1]
        if isinstance(rest, int):
            first = max(first, -((rest - low) // self._layout.step)) if low > NO_LIMIT else first
            last = min(last, (high - rest) // self._layout.step) if high < -NO_LIMIT else last
        return ((row, first, last, count < 0),) if first <= last else ()


def layouts(table: wire.RouteTable) -> dict[str, Layout]:
    """Return the layout of each signal whose partitions' existence some route asks about."""
    found: dict[str, Layout] = {}
    signals = {signal.id: signal for signal in table.signals}
    windowed: dict[str, dict[int, int]] = {}
    for route in table.routes:
        for source in route.inputs:
            if asked(source):
                uses = windowed.setdefault(source.signal, {})
                grains: tuple[str | None, ...] = (None,) * len(signals[source.signal].dims)
                grains = grains if source.rollup is None else source.rollup.grains
                for d, grain in enumerate(grains):
                    if grain:
                        uses[d] = uses.get(d, 0) + 1
                kept = [d for d, grain in enumerate(grains) if grain != ""]
                for branch in source.branches:
                    for d, rule in enumerate(branch):
                        if rule.window is not None:
                            uses[kept[d]] = uses.get(kept[d], 0) + 1
    for signal in table.signals:
        for event in signal.events:
            if isinstance(event, wire.LateEvents):
                uses = windowed.setdefault(event.of, {})
                if event.rollup is not None:
                    for d in (d for d, grain in enumerate(event.rollup.grains) if grain):
                        uses[d] = uses.get(d, 0) + 1
                    continue
                for d, rule in enumerate(event.branches[0]):
                    if rule.value is None:
                        uses[d] = uses.get(d, 0) + 1
    for name, uses in windowed.items():
        branch = signals[name].branches[0] if signals[name].branches else ()
        numbers = [d for d, rule in enumerate(branch) if rule.kind.type != STRING]
        linear = max(uses, key=lambda d: (uses[d], d)) if uses else (numbers[-1] if numbers else None)
        step = branch[linear].kind.unit if linear is not None else 1
        rows = f"{name}~{wire.digest([wire.meaning(signals[name]), linear, step])}"
        found[name] = Layout(rows, linear, step)
    return found
