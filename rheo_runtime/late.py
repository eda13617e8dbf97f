"""What has not come: which partition of a view is judged next, when, and whether it is complete then.

A view that may be late is judged once for each of its partitions, in their order: a cursor in the ledger names
the next one. It moves after what came of the judgement is in the ledger, so a crash in between says it again, with
the same event id, which changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from rheo_runtime import wire
from rheo_runtime.join import versions_of
from rheo_runtime.ledger import Ledger
from rheo_runtime.values import (
    DATETIME,
    Kind,
    Partition,
    end_of,
    from_datetime,
    is_fire,
    nearest_on_grid,
    neighbours,
    tester,
    to_datetime,
)
from rheo_runtime.windows import Layout, Window


class Judged(NamedTuple):
    """A partition that is to be judged, and when; ``name`` and ``value`` are of its cursor."""

    late: Late
    name: str
    partition: Partition
    value: int
    due: float
    stored: int | None  # where the cursor stands in the ledger

    @property
    def after(self) -> int:
        """The cursor after it: the next partition."""
        return _next(self.value, self.late.kind_of(self.partition))


class LateNow(NamedTuple):
    """A partition at which a view should be complete by now and is not; ``missing`` is what lacks there."""

    late: Late
    partition: Partition
    due: float
    missing: Partition


LOOK_BACK = 1_000  # partitions of each combination of values that are looked at for what is late now


class Late:
    """One late signal: a view, and when each of its partitions should have been there."""

    def __init__(self, signal: wire.Signal, events: wire.LateEvents, layout: Layout) -> None:
        self.signal = signal
        self.events = events
        self.window = Window(
            wire.Input(signal.id, events.of, events.branches, events.mode, rollup=events.rollup), layout
        )
        self._whole = events.mode == "range_check" or events.rollup is not None
        self._date = next(i for i, r in enumerate(events.branches[0]) if _is_date(r))
        self._digest = versions_of(signal).indexes[0]

    def kind_of(self, partition: Partition) -> Kind:
        """Return the kind of the date in the branch of a partition."""
        return self.signal.kinds(partition)[self._date]

    def cursors(self, ledger: Ledger, now: float) -> Iterator[Judged]:
        """Yield what is judged next for each combination of the other dimensions' values."""
        for judged in self._cursors(ledger, now):
            kind = self.kind_of(judged.partition)
            if tester(kind)(judged.value) and is_fire(judged.value, kind):
                yield judged

    def _cursors(self, ledger: Ledger, now: float) -> Iterator[Judged]:
        """Where cursors stand: that of a schedule which has ended at what is no partition any more."""
        for branch in self.events.branches:
            kind = branch[self._date].kind
            others = [rule.value for i, rule in enumerate(branch) if i != self._date]
            texts = "/".join(map(str, others))
            name = f"{self.signal.id}|{self._digest}|{texts}"
            stored = ledger.cursor(name)
            begin = now if self.events.since is None else self.events.since
            value = first_from(begin, kind) if stored is None else _from(stored, kind)
            fixed = [rule.value if rule.value is not None else value for rule in branch]
            fixed[self._date] = value
            yield Judged(self, name, tuple(fixed), value, self.due(value, kind), stored)

    def begin(self, ledger: Ledger, judged: Judged) -> None:
        """Let a cursor begin, if it has not: what is before it is never judged, and never late."""
        if judged.stored is None:
            ledger.move(_beginning(judged.name), None, judged.value)
            ledger.move(judged.name, None, judged.value)

    def now(self, ledger: Ledger, now: float, stored: Callable[[str, Partition], bool]) -> Iterator[LateNow]:
        """Yield what is late now, in the order of the partitions; ``stored`` says what storage has without an event.

        Nothing is written. Of long ago, only the last partitions of each combination of values are looked at.
        """
        for judged in self._cursors(ledger, now):
            kind, begin = self.kind_of(judged.partition), ledger.cursor(_beginning(judged.name))
            if begin is None:
                continue
            value, found = judged.value, []
            while self.due(value, kind) <= now:
                value = _next(value, kind)
            for past in neighbours(value, -1, -LOOK_BACK, kind):
                if past < begin:
                    break
                place = list(judged.partition)
                place[self._date] = past
                missing = self._missing(ledger, tuple(place), stored)
                if missing is not None:
                    found.append(LateNow(self, tuple(place), self.due(past, kind), missing))
            yield from reversed(found)

    def _missing(
        self, ledger: Ledger, partition: Partition, stored: Callable[[str, Partition], bool]
    ) -> Partition | None:
        if self.lacks(ledger, partition) is None:
            return None
        lacking = self.window.all_missing(ledger, partition) if self._whole else [partition]
        return next((p for p in lacking if not stored(self.events.of, p)), None)

    def due(self, value: int, kind: Kind) -> float:
        """Return when a partition should have been there, in seconds since 1970."""
        end, events = end_of(value, kind), self.events
        if events.by is None:
            return end + (events.after or 0)
        clock = ZoneInfo(events.timezone or kind.timezone or "UTC")
        last = datetime.fromtimestamp(end - 60, ZoneInfo(kind.timezone or "UTC")).date()
        moment = datetime.combine(last + timedelta(days=events.days), _clock_time(events.by), clock)
        while moment.timestamp() < end:
            moment += timedelta(days=1)
        return moment.timestamp()

    def lacks(self, ledger: Ledger, partition: Partition) -> Partition | None:
        """Return what keeps the view from being complete at a partition; None when it is."""
        if self._whole:
            return self.window.missing(ledger, partition)
        return None if self.window.exists(ledger, partition) else partition


def _beginning(cursor: str) -> str:
    return f"{cursor}|begin"


def _next(value: int, kind: Kind) -> int:
    """The partition after one; behind the last of a schedule the unit after it, which is none."""
    found = neighbours(value, 1, 1, kind)
    return found[0] if found else value + kind.unit


def _from(value: int, kind: Kind) -> int:
    """The first partition from a value on; behind the last of a schedule a value that is none."""
    first = max(value, kind.min) if isinstance(kind.min, int) else value
    return max(first, nearest_on_grid(first, kind)[-1])


def first_from(moment: float, kind: Kind) -> int:
    """Return the first partition that begins at a time or after it, and not below the first of the domain.

    Behind the last of a schedule it is a value that is no partition.

    >>> from rheo_runtime.values import datetime_kind
    >>> first_from(43_200.0, datetime_kind()) == first_from(86_400.0, datetime_kind()) == 719164
    True
    """
    value = _from(from_datetime(datetime.fromtimestamp(moment, UTC), kind), kind)
    begin = to_datetime(value, kind).replace(tzinfo=ZoneInfo(kind.timezone or "UTC")).timestamp()
    return _from(_next(value, kind), kind) if begin < moment else value


def lates_of(table: wire.RouteTable, layouts: dict[str, Layout]) -> tuple[Late, ...]:
    """Return the late signals of a route table."""
    return tuple(
        Late(signal, events, layouts[events.of])
        for signal in table.signals
        for events in signal.events
        if isinstance(events, wire.LateEvents)
    )


def _is_date(rule: wire.Rule) -> bool:
    return rule.kind.type == DATETIME and rule.value is None


def _clock_time(minutes: int) -> time:
    return time(minutes // 60, minutes % 60)
