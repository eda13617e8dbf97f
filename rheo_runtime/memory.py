"""The ledger in memory: for the simulator, for tests, and as the measure of what a join costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from rheo_runtime.ledger import FORGOTTEN, REFUSED, REMEMBERED, shown
from rheo_runtime.records import (
    CHUNK,
    NEVER,
    Arrival,
    ArrivalIndex,
    Arrivals,
    BatchRun,
    Binding,
    Came,
    ConsumedMark,
    Key,
    Member,
    Named,
    Output,
    OutputId,
    Partial,
    Reader,
    Refusal,
    Status,
    Touched,
    Used,
    User,
    Waiter,
    carried,
    first_bound,
    status_of,
    unsettled,
)
from rheo_runtime.values import Partition

_Single = tuple[str, float, tuple[str, ...] | None]
# What a binding used, and what it means, all of it plain: see `Used`.
_Use = tuple[Binding, str, tuple[Named, ...], Used]


class _Shelf:
    """The arrivals of one input: by partition, and in its indexes (none when the partition is the key)."""

    __slots__ = ("forgotten", "indexes", "ledger", "records")

    def __init__(self, ledger: MemoryLedger, arrival_index: ArrivalIndex) -> None:
        self.ledger = ledger
        self.records: dict[Partition, Arrivals | _Single] = {}
        self.forgotten: dict[Key, dict[Partition, float]] = {}  # by the key of the first index
        self.indexes: tuple[dict[Key, list[Partition]], ...] = (
            () if arrival_index.exact else tuple([{} for _ in arrival_index.indexes])
        )

    def find(self, partition: Partition) -> Arrivals | None:
        """Return the record of a partition."""
        record = self.records.get(partition)
        return Arrivals(partition, *record) if isinstance(record, tuple) else record


class MemoryLedger:
    """The ledger of the simulator and of tests: dicts."""

    unreadable: Callable[[str], None] = staticmethod(lambda _: None)

    def __init__(self) -> None:
        self._shelves: dict[str, _Shelf] = {}
        self._touched: dict[str, dict[Partition, Touched]] = {}
        self._outputs: dict[OutputId, Output] = {}
        # What one binding used is all for most outputs; what others used stands apart.
        self._uses: dict[OutputId, _Use] = {}
        self._more_uses: dict[OutputId, dict[tuple[Binding, str], _Use]] = {}
        self._inputs: dict[str, tuple[str, ...]] = {}  # by what bindings mean
        self._batch_runs: dict[str, BatchRun] = {}
        self._seen: dict[tuple[str, Key, int], int] = {}
        self._changed: dict[tuple[str, Key, int], float] = {}  # when it was written or deleted last
        self._watches: dict[tuple[str, Partition], dict[tuple[str, Binding, str], Waiter]] = {}
        self._readers: dict[tuple[str, Partition], dict[tuple[str, Binding, str], Reader]] = {}
        self._cursors: dict[str, int] = {}
        self._refused: dict[str, Refusal] = {}
        self._lapses: dict[tuple[str, int, Partition], dict[Partial, tuple[ConsumedMark, ...]]] = {}

    def _shelf(self, arrival_index: ArrivalIndex) -> _Shelf:
        shelf = arrival_index.shelf = self._shelves.setdefault(
            arrival_index.name, _Shelf(self, arrival_index)
        )
        return shelf

    def arrive(
        self,
        arrival_index: ArrivalIndex,
        keys: tuple[Key, ...],
        partition: Partition,
        event_id: str,
        now: float,
        texts: tuple[str, ...] | None = None,
    ) -> Arrivals:
        shelf = arrival_index.shelf
        if shelf is None or shelf.ledger is not self:
            shelf = self._shelf(arrival_index)
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

    def together(
        self, arrivals: Sequence[Sequence[Arrival]], outputs: Iterable[OutputId], now: float
    ) -> None:
        """Nothing to do: to count one costs no more than to count several."""

    def find(self, arrival_index: ArrivalIndex, index: int, key: Key) -> Sequence[Arrivals]:
        shelf = arrival_index.shelf
        if shelf is None or shelf.ledger is not self:
            shelf = self._shelf(arrival_index)
        if arrival_index.exact:  # the partition is the key: no index is kept
            record = shelf.find(key)
            return () if record is None else (record,)
        return [shelf.find(partition) for partition in shelf.indexes[index].get(key, ())]

    def arrived(
        self, arrival_index: ArrivalIndex, key: Key, partition: Partition, came: Came | None = None
    ) -> Arrivals | None:
        return self._shelf(arrival_index).find(partition)

    def arrivals(self, arrival_index: ArrivalIndex) -> Iterable[Arrivals]:
        shelf = self._shelf(arrival_index)
        return [record for partition in shelf.records if (record := shelf.find(partition)) is not None]

    def forgotten(
        self, arrival_index: ArrivalIndex, key: Key, came: Came | None = None
    ) -> Sequence[tuple[Partition, float]]:
        shelf = self._shelf(arrival_index)
        gone = shelf.forgotten.get(key, {})
        return [(partition, time) for partition, time in gone.items() if partition not in shelf.records]

    def output(self, node: str, partition: str, user: User | None) -> tuple[Output | None, Used | None]:
        key = (node, partition)
        output = self._outputs.get(key)
        if output is None or user is None:
            return output, None
        use = self._uses.get(key)
        if use is None:
            return output, None
        binding, means, reads = user
        more = self._more_uses.get(key, {})
        found = use if use[0] == binding and use[1] == means.name else more.get((binding, means.name))
        if found is not None and found[2] == reads:
            return output, found[3]
        if found is not None:
            return output, carried(user.named, [self._named(found)], means.updates)
        others = [each for each in (use, *more.values()) if each[1] not in means.now]
        return output, carried(user.named, map(self._named, others))

    def _named(self, use: _Use) -> tuple[tuple[Named, ...], Used]:
        """What was used, with the name of each that there is a mark of."""
        binding, means, reads, used = use
        return reads or tuple(zip(self._inputs[means], binding, strict=True)), used

    def uses(
        self, node: str, asked: Iterable[tuple[str, User]]
    ) -> Sequence[tuple[Output | None, Used | None] | None]:
        return [self.output(node, partition, user) for partition, user in asked]

    def several(self, node: str, partitions: Iterable[str], *, now: bool = True) -> Mapping[str, Output]:
        found = {partition: self._outputs.get((node, partition)) for partition in partitions}
        return {partition: output for partition, output in found.items() if output is not None}

    def recent(self, node: str, partition: str) -> Output | None:
        return None  # to ask costs nothing

    glance = recent

    def save(
        self, old: Output | None, new: Output, user: User | None = None, used: Used | None = None
    ) -> bool:
        key = (new.node, new.partition)
        if self._outputs.get(key) is not old:
            return False
        self._outputs[key] = new
        if user is not None and used is not None:
            binding, means, reads = user
            name = means.name
            use = self._uses.get(key)
            self._inputs[name] = means.inputs
            if use is None or (use[0] == binding and use[1] == name):
                self._uses[key] = (binding, name, reads, used)
            else:
                self._more_uses.setdefault(key, {})[binding, name] = (binding, name, reads, used)
        return True

    def create(self, new: Output, user: User, came: Sequence[Arrival], now: float) -> bool:
        if (new.node, new.partition) in self._outputs:
            return False
        recs = [self.arrive(a.arrival_index, a.keys, a.partition, a.event_id, now, a.texts) for a in came]
        used = 1, tuple([(r.since, r.n - r.unused(NEVER) + 1) for r in recs])
        return self.save(None, new, user, used)

    def recount(
        self, arrival_index: ArrivalIndex, keys: tuple[Key, ...], partition: Partition, came: Came
    ) -> bool:
        return False  # `create` has counted it as `arrive` does

    def outputs(self, node: str | None = None) -> Iterable[Output]:
        return [o for o in self._outputs.values() if node is None or o.node == node]

    def statuses(self, node: str | None = None) -> Iterable[Status]:
        return [status_of(shown(self.batch_run, output)) for output in self.outputs(node)]

    def unsettled(self, *, tidy: bool = False) -> Iterable[Output]:
        return [output for output in self.outputs() if unsettled(output)]

    def start(self, run: str, members: frozenset[Member]) -> frozenset[Member]:
        known = self.batch_run(run)
        noted = members if known.members is None else known.members
        self._batch_runs[run] = known._replace(members=noted)
        return noted

    def begin(self, run: str, now: float, jobs: tuple[str, ...]) -> None:
        known = self.batch_run(run)
        self._batch_runs[run] = known._replace(began=now if known.began is None else known.began, jobs=jobs)

    def batch_run(self, run: str) -> BatchRun:
        return self._batch_runs.get(run, BatchRun())

    def see(self, signal: str, row: Key, position: int, time: float | None = None) -> None:
        if time is not None and not self._later(signal, row, position, time):
            return
        key = (signal, row, position // CHUNK)
        self._seen[key] = self._seen.get(key, 0) | 1 << position % CHUNK

    def unsee(self, signal: str, row: Key, position: int, time: float) -> bool:
        if not self._later(signal, row, position, time):
            return False
        key = (signal, row, position // CHUNK)
        self._seen[key] = self._seen.get(key, 0) & ~(1 << position % CHUNK)
        return True

    def _later(self, signal: str, row: Key, position: int, time: float) -> bool:
        """Note when a partition was written or deleted; False when something later is known."""
        place = signal, row, position
        if time < self._changed.get(place, time):
            return False
        self._changed[place] = time
        return True

    def seen(self, signal: str, row: Key, first: int, last: int) -> int:
        get, low, chunk = self._seen.get, first // CHUNK, last // CHUNK
        bits = get((signal, row, chunk), 0)
        while chunk > low:
            chunk -= 1
            bits = bits << CHUNK | get((signal, row, chunk), 0)
        return bits

    def watch(self, watch: Waiter) -> None:
        waiting = self._watches.setdefault((watch.signal, watch.partition), {})
        place = (watch.node, watch.binding, watch.means)
        waiting[place] = watch._replace(since=waiting.get(place, watch).since)

    def unwatch(self, watch: Waiter) -> None:
        key = (watch.signal, watch.partition)
        waiting = self._watches.get(key, {})
        waiting.pop((watch.node, watch.binding, watch.means), None)
        if not waiting:
            self._watches.pop(key, None)

    def waiters(self, signal: str, partition: Partition) -> Sequence[Waiter]:
        waiting = self._watches.get((signal, partition))
        return () if waiting is None else list(waiting.values())

    def watches(self) -> Iterable[Waiter]:
        return [watch for waiting in self._watches.values() for watch in waiting.values()]

    def versions(
        self, arrival_index: ArrivalIndex, partitions: Sequence[Partition]
    ) -> Sequence[Arrivals | None]:
        shelf = self._shelf(arrival_index)
        return [shelf.find(partition) for partition in partitions]

    def read(self, reader: Reader) -> None:
        readers = self._readers.setdefault((reader.signal, reader.partition), {})
        readers[reader.node, reader.binding, reader.means] = reader

    def unread(self, reader: Reader) -> None:
        readers = self._readers.get((reader.signal, reader.partition), {})
        readers.pop((reader.node, reader.binding, reader.means), None)

    def readers(self, signal: str, partition: Partition) -> Sequence[Reader]:
        return list(self._readers.get((signal, partition), {}).values())

    def cursor(self, name: str) -> int | None:
        return self._cursors.get(name)

    def move(self, name: str, old: int | None, new: int) -> bool:
        if self._cursors.get(name) != old:
            return False
        self._cursors[name] = new
        return True

    def refused(self, refusal: Refusal) -> None:
        self._refused[refusal.permission] = refusal

    def refusals(self, now: float) -> Sequence[Refusal]:
        return [each for each in self._refused.values() if each.time > now - REFUSED]

    def touched(self, signal: str, partition: Partition) -> Touched | None:
        return self._touched.get(signal, {}).get(partition)

    def touches(self, signal: str) -> Iterable[Touched]:
        return list(self._touched.get(signal, {}).values())

    def touch(self, old: Touched | None, new: Touched) -> bool:
        known = self._touched.setdefault(new.signal, {})
        if known.get(new.partition) != old:
            return False
        known[new.partition] = new
        return True

    def expire(self, node: str, partial: Partial, marks: tuple[ConsumedMark, ...]) -> None:
        self._lapses.setdefault((node, *first_bound(partial)), {})[partial] = marks

    def expiries(self, node: str, partial: Partial) -> Iterable[tuple[Partial, tuple[ConsumedMark, ...]]]:
        places = [(node, i, p) for i, p in enumerate(partial) if p is not None]
        return [found for place in places for found in self._lapses.get(place, {}).items()]

    def forget(self, arrival_index: ArrivalIndex, now: float) -> None:
        shelf, limit = self._shelf(arrival_index), now - arrival_index.ttl
        last = {p: _last(record) for p, record in shelf.records.items() if _last(record) <= limit}
        gone = {partition for partition, record in shelf.records.items() if not _young(record, limit)}
        if gone:
            keys = {p: k for k, group in (shelf.indexes[0].items() if shelf.indexes else ()) for p in group}
            for partition in gone:
                del shelf.records[partition]
                shelf.forgotten.setdefault(keys.get(partition, partition), {})[partition] = last[partition]
        for key, times in list(shelf.forgotten.items()):
            shelf.forgotten[key] = {p: time for p, time in times.items() if time > limit - FORGOTTEN}
            if not shelf.forgotten[key]:
                del shelf.forgotten[key]
        for index in shelf.indexes if gone else ():
            for key, group in list(index.items()):
                index[key] = [partition for partition in group if partition not in gone]
                if not index[key]:
                    del index[key]


def _last(record: Arrivals | _Single) -> float:
    """When the last event came that still counts; never, for none."""
    return record[1] if isinstance(record, tuple) else max(record.times().values(), default=float("-inf"))


def _young(record: Arrivals | _Single, limit: float) -> bool:
    """Forget the old arrivals of a record; say whether any is left."""
    if isinstance(record, tuple):
        return record[1] > limit
    record.ids = {event: time for event, time in record.times().items() if time > limit}
    return bool(record.ids)
