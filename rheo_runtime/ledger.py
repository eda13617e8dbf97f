"""The storage protocol, and the ledger in memory.

Each method is one read or one conditional write of one item, so that DynamoDB can do it without locks
or transactions. A writer writes first and reads afterwards, strongly consistent: of two that work at
the same time, at least one sees both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from rheo_runtime.records import (
    CHUNK,
    Arrivals,
    Binding,
    Key,
    Mark,
    Output,
    Partial,
    Slot,
    Used,
    Watch,
    unsettled,
)
from rheo_runtime.status import Status, status_of
from rheo_runtime.values import Partition

REMEMBERED = 2_000  # arrivals of one partition at one input; older ones are forgotten first


class Ledger(Protocol):
    """Where state lives. ``now`` is always in seconds since 1970."""

    def arrive(
        self,
        slot: Slot,
        keys: tuple[Key, ...],
        partition: Partition,
        event_id: str,
        now: float,
        texts: tuple[str, ...] | None = None,
    ) -> Arrivals:
        """Count the event, unless it is counted, and return the record of its partition."""

    def find(self, slot: Slot, index: int, key: Key) -> Sequence[Arrivals]:
        """Return the records of an input that stand under ``key`` in its index number ``index``."""

    def arrived(self, slot: Slot, key: Key, partition: Partition) -> Arrivals | None:
        """Return the record of one partition, which stands under ``key`` in the first index of its input."""

    def arrivals(self, slot: Slot) -> Iterable[Arrivals]:
        """Return all records of an input; for monitoring and expiry."""

    def output(self, node: str, partition: str, binding: Binding | None) -> tuple[Output | None, Used | None]:
        """Return the state of an output partition, and what ``binding`` has used."""

    def save(
        self, old: Output | None, new: Output, binding: Binding | None = None, used: Used | None = None
    ) -> bool:
        """Replace ``old`` (None: nothing) by ``new``, and what ``binding`` used; False when ``old`` is gone."""

    def outputs(self, node: str | None = None) -> Iterable[Output]:
        """Return the state of all output partitions (of one node); for monitoring."""

    def statuses(self, node: str | None = None) -> Iterable[Status]:
        """Return the status alone of all output partitions (of one node): what many can be shown of."""

    def unsettled(self) -> Iterable[Output]:
        """Return the outputs that the sweeper may have to act on (see `records.unsettled`)."""

    def see(self, signal: str, row: Key, position: int) -> None:
        """Record that a partition exists: ``position`` in its ``row`` of neighbours."""

    def seen(self, signal: str, row: Key, first: int, last: int) -> int:
        """Return which positions exist: bit i stands for ``first // CHUNK * CHUNK + i``."""

    def watch(self, watch: Watch) -> None:
        """Record that a binding waits for a partition."""

    def unwatch(self, watch: Watch) -> None:
        """Take a watch back."""

    def watchers(self, signal: str, partition: Partition) -> Sequence[Watch]:
        """Return the bindings that wait for a partition."""

    def watches(self) -> Iterable[Watch]:
        """Return everything that waits; for the periodic check."""

    def lapse(self, node: str, partial: Partial, marks: tuple[Mark, ...]) -> None:
        """Record that a combination expired: ``marks`` are used up for every binding that extends it."""

    def lapses(self, node: str, partials: Sequence[Partial]) -> Iterable[tuple[Mark, ...]]:
        """Return the marks of those combinations that expired."""

    def forget(self, slot: Slot, now: float) -> None:
        """Drop arrivals that are older than the slot's time to live."""


# The one event of a partition: id, time, spelling. Nearly all partitions have one event, and a plain tuple
# of plain values is a thing that the garbage collector need not look at again.
_Single = tuple[str, float, tuple[str, ...] | None]
# Node and output partition. What one binding used is all for most outputs; what others used stands apart.
_Place = tuple[str, str]


class _Shelf:
    """The arrivals of one input: by partition, and in its indexes (none when the partition is the key)."""

    __slots__ = ("indexes", "ledger", "records")

    def __init__(self, ledger: MemoryLedger, slot: Slot) -> None:
        self.ledger = ledger
        self.records: dict[Partition, Arrivals | _Single] = {}
        self.indexes: tuple[dict[Key, list[Partition]], ...] = (
            () if slot.exact else tuple([{} for _ in slot.indexes])
        )

    def find(self, partition: Partition) -> Arrivals | None:
        """Return the record of a partition."""
        record = self.records.get(partition)
        return Arrivals(partition, *record) if isinstance(record, tuple) else record


class MemoryLedger:
    """The ledger of the simulator and of tests: dicts."""

    def __init__(self) -> None:
        self._shelves: dict[str, _Shelf] = {}
        self._outputs: dict[_Place, Output] = {}
        self._uses: dict[_Place, tuple[Binding, Used]] = {}
        self._more_uses: dict[tuple[_Place, Binding], Used] = {}
        self._seen: dict[tuple[str, Key, int], int] = {}
        self._watches: dict[tuple[str, Partition], dict[tuple[str, Binding], Watch]] = {}
        self._lapses: dict[tuple[str, Partial], tuple[Mark, ...]] = {}

    def _shelf(self, slot: Slot) -> _Shelf:
        shelf = slot.shelf = self._shelves.setdefault(slot.name, _Shelf(self, slot))
        return shelf

    def arrive(
        self,
        slot: Slot,
        keys: tuple[Key, ...],
        partition: Partition,
        event_id: str,
        now: float,
        texts: tuple[str, ...] | None = None,
    ) -> Arrivals:
        shelf = slot.shelf
        if shelf is None or shelf.ledger is not self:
            shelf = self._shelf(slot)
        records = shelf.records
        if partition not in records:
            records[partition] = (event_id, now, texts)
            if shelf.indexes:
                for index, key in zip(shelf.indexes, keys, strict=True):
                    index.setdefault(key, []).append(partition)
            return Arrivals(partition, event_id, now, texts)
        record: Arrivals = shelf.find(partition)
        if not record.knows(event_id):
            records[partition] = record
            record.add(event_id, now)
            record.texts = texts
            if len(record.ids) > REMEMBERED and isinstance(record.ids, dict):
                del record.ids[next(iter(record.ids))]
        return record

    def find(self, slot: Slot, index: int, key: Key) -> Sequence[Arrivals]:
        shelf = slot.shelf
        if shelf is None or shelf.ledger is not self:
            shelf = self._shelf(slot)
        if slot.exact:  # the partition is the key: no index is kept
            record = shelf.find(key)
            return () if record is None else (record,)
        return [shelf.find(partition) for partition in shelf.indexes[index].get(key, ())]

    def arrived(self, slot: Slot, key: Key, partition: Partition) -> Arrivals | None:
        return self._shelf(slot).find(partition)

    def arrivals(self, slot: Slot) -> Iterable[Arrivals]:
        shelf = self._shelf(slot)
        return [record for partition in shelf.records if (record := shelf.find(partition)) is not None]

    def output(self, node: str, partition: str, binding: Binding | None) -> tuple[Output | None, Used | None]:
        key = (node, partition)
        output = self._outputs.get(key)
        if output is None or binding is None:
            return output, None
        use = self._uses.get(key)
        if use is not None and use[0] == binding:
            return output, use[1]
        return output, self._more_uses.get((key, binding))

    def save(
        self, old: Output | None, new: Output, binding: Binding | None = None, used: Used | None = None
    ) -> bool:
        key = (new.node, new.partition)
        if self._outputs.get(key) is not old:
            return False
        self._outputs[key] = new
        if binding is not None and used is not None:
            use = self._uses.get(key)
            if use is None or use[0] == binding:
                self._uses[key] = (binding, used)
            else:
                self._more_uses[key, binding] = used
        return True

    def outputs(self, node: str | None = None) -> Iterable[Output]:
        return [o for o in self._outputs.values() if node is None or o.node == node]

    def statuses(self, node: str | None = None) -> Iterable[Status]:
        return [status_of(output) for output in self.outputs(node)]

    def unsettled(self) -> Iterable[Output]:
        return [output for output in self.outputs() if unsettled(output)]

    def see(self, signal: str, row: Key, position: int) -> None:
        key = (signal, row, position // CHUNK)
        self._seen[key] = self._seen.get(key, 0) | 1 << position % CHUNK

    def seen(self, signal: str, row: Key, first: int, last: int) -> int:
        get, low, chunk = self._seen.get, first // CHUNK, last // CHUNK
        bits = get((signal, row, chunk), 0)
        while chunk > low:
            chunk -= 1
            bits = bits << CHUNK | get((signal, row, chunk), 0)
        return bits

    def watch(self, watch: Watch) -> None:
        waiting = self._watches.setdefault((watch.signal, watch.partition), {})
        waiting.setdefault((watch.node, watch.binding), watch)

    def unwatch(self, watch: Watch) -> None:
        key = (watch.signal, watch.partition)
        waiting = self._watches.get(key, {})
        waiting.pop((watch.node, watch.binding), None)
        if not waiting:
            self._watches.pop(key, None)

    def watchers(self, signal: str, partition: Partition) -> Sequence[Watch]:
        waiting = self._watches.get((signal, partition))
        return () if waiting is None else list(waiting.values())

    def watches(self) -> Iterable[Watch]:
        return [watch for waiting in self._watches.values() for watch in waiting.values()]

    def lapse(self, node: str, partial: Partial, marks: tuple[Mark, ...]) -> None:
        self._lapses[node, partial] = marks

    def lapses(self, node: str, partials: Sequence[Partial]) -> Iterable[tuple[Mark, ...]]:
        return [m for p in partials if (m := self._lapses.get((node, p))) is not None]

    def forget(self, slot: Slot, now: float) -> None:
        shelf, limit = self._shelf(slot), now - slot.ttl
        gone = {partition for partition, record in shelf.records.items() if not _young(record, limit)}
        for partition in gone:
            del shelf.records[partition]
        for index in shelf.indexes if gone else ():
            for key, group in list(index.items()):
                index[key] = [partition for partition in group if partition not in gone]
                if not index[key]:
                    del index[key]


def _young(record: Arrivals | _Single, limit: float) -> bool:
    """Forget the old arrivals of a record; say whether any is left."""
    if isinstance(record, tuple):
        return record[1] > limit
    record.ids = {event: time for event, time in record.times().items() if time > limit}
    return bool(record.ids)
