"""Event -> executions: match, join and fire. The simulator and the Lambda listener both run this.

    engine = Engine(table, ledger=MemoryLedger(), now=time.time, storage=None)
    outcome = engine.on_event(raw)              # a raw AWS event, or an event of rheo_runtime.events
    outcome = engine.on_named(app, id, texts, event_id)     # a signal by name, its partition as texts
    outcome = engine.on_signal(id, partition, event_id, time)  # the same, already parsed: not checked
    engine.exists(id, partition)                # it is in storage: this counts from now on
    outcome = engine.tick()                     # periodic: storage, expiry, whatever a crash left undone
    released = engine.complete(document, ok)    # an execution ended; documents that are READY now
    waiting = engine.pending(node)              # what waits, and for what
    late = engine.late()                        # what should be there by now and is not

An `Outcome` has ``fired`` (documents of READY executions, in order), ``held`` (fired behind an active
execution of the same output; `complete` releases them), ``skipped`` (merged into a later one),
``matches``, ``rejected``, ``unmatched`` (why the event came to no input, or ""), ``expired``, and ``told``
(documents of what hooks are to be told of inputs that wait).

While ``engine.instant`` is True, each execution succeeds at the moment it fires, so that no two overlap
and none is held or merged. A simulator wants this.

Everything is idempotent: the same event again changes nothing, and finishes what a crash interrupted.
"""

from __future__ import annotations

import time as clock
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from rheo_runtime import executions, wire
from rheo_runtime.comparison import COMPARED, SLACK, Comparison, Listed, claim, release
from rheo_runtime.consumers import Consumer, Node, Read
from rheo_runtime.derivation import Undetermined, first_of, of_others, of_output
from rheo_runtime.documents import Chosen, Made, Spelled
from rheo_runtime.events import (
    BadEvent,
    Event,
    GlueDeletion,
    Malformed,
    S3Deletion,
    S3Event,
    parse,
)
from rheo_runtime.join import after_firing, firings_due, first_use, free, used_with
from rheo_runtime.late import Judged, LateNow
from rheo_runtime.ledger import Ledger
from rheo_runtime.match import Found, Rejected, SignalSource
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.program import Program
from rheo_runtime.records import (
    BROKEN,
    NEVER,
    READY,
    UNREAD,
    Arrival,
    Arrivals,
    Binding,
    Bound,
    Came,
    ConsumedMark,
    Document,
    Execution,
    Group,
    Key,
    Output,
    OutputId,
    Reader,
    Recs,
    Touched,
    Unreadable,
    Waiter,
    event_name,
    execution_id,
    spread,
)
from rheo_runtime.rollup import Members
from rheo_runtime.templates import ABOVE
from rheo_runtime.values import BadValue, Partition, Value, identity, joined
from rheo_runtime.waiting import (
    Combination,
    Waiting,
    combinations,
    describe,
    due,
    expire,
    expiries_of,
    in_turn,
    notification,
    tell,
)
from rheo_runtime.windows import Window

T = TypeVar("T")
Left = TypeVar("Left", Waiter, Reader)


class Match(NamedTuple):
    """An event that named a partition of a signal, and the inputs that took it."""

    signal: str
    partition: Partition
    texts: tuple[str, ...]
    event_id: str
    time: float
    consumers: tuple[Consumer, ...]

    @property
    def inputs(self) -> tuple[tuple[str, str], ...]:
        """Node and alias of each input that took it."""
        return tuple((consumer.node.id, consumer.alias) for consumer in self.consumers)


class Dropped(NamedTuple):
    """Something that an earlier version of the application had left at a node, and why it is no more."""

    node: str
    what: str
    reason: str


class Outcome:
    """What came of one event: see the module `rheo_runtime.engine`.

    Most events bring a match and little else, so what did not happen is not allocated.
    """

    _matches: list[tuple[Found, str, float, tuple[Consumer, ...]]] | None = None
    _rejected: list[Rejected] | None = None
    _expired: list[Waiting] | None = None
    _fired: list[Execution] | None = None
    _held: list[Execution] | None = None
    _skipped: list[Execution] | None = None
    _overdue: list[Execution] | None = None
    _faults: list[str] | None = None
    _told: list[Execution] | None = None
    _dropped: list[Dropped] | None = None
    unmatched: str = ""
    left: bool = False

    @property
    def faults(self) -> list[str]:
        """What could not be looked at, and why; the rest is done. ``left`` says that some of it has to be done again."""
        return list(self._faults or ())

    @property
    def dropped(self) -> list[Dropped]:
        """What an earlier version of the application had left, and does not mean the same now."""
        return list(self._dropped or ())

    @property
    def matches(self) -> list[Match]:
        """The signals and partitions that the event named, and the inputs that took them."""
        return [
            Match(found.signal, found.partition, found.texts, event_id, time, consumers)
            for found, event_id, time, consumers in self._matches or ()
        ]

    @property
    def rejected(self) -> list[Rejected]:
        """What could not be used, and why."""
        return list(self._rejected or ())

    @property
    def expired(self) -> list[Waiting]:
        """Combinations that waited for too long."""
        return list(self._expired or ())

    @property
    def fired(self) -> list[Document]:
        """Documents of the executions that are READY, in order."""
        return [execution.document for execution in self._fired or ()]

    @property
    def held(self) -> list[Document]:
        """Documents of the executions that wait for an active one of the same output."""
        return [execution.document for execution in self._held or ()]

    @property
    def skipped(self) -> list[Document]:
        """Documents of held executions that a later one replaced."""
        return [execution.document for execution in self._skipped or ()]

    @property
    def overdue(self) -> list[Document]:
        """Documents of executions that fired earlier and that nobody was told of yet.

        They are there when an event comes again after a crash; to tell Airflow twice does no harm.
        """
        return [execution.document for execution in self._overdue or ()]

    @property
    def told(self) -> list[Document]:
        """Documents of what hooks are to be told of inputs that wait: READY, each for one run."""
        return [execution.document for execution in self._told or ()]

    @property
    def taken(self) -> bool:
        """Whether some input took the event."""
        return any(consumers for _, _, _, consumers in self._matches or ())

    def match(self, found: Found, event_id: str, time: float, consumers: tuple[Consumer, ...]) -> None:
        """Note that the event named a partition, and who took it."""
        match = (found, event_id, time, consumers)
        if self._matches is None:
            self._matches = [match]
        else:
            self._matches.append(match)

    def reject(self, rejected: Rejected) -> None:
        """Note something that could not be used."""
        self._rejected = _with(self._rejected, rejected)

    def expire(self, waiting: Waiting) -> None:
        """Note a combination that waited for too long."""
        self._expired = _with(self._expired, waiting)

    def tell(self, execution: Execution) -> None:
        """Note what a hook is to be told."""
        self._told = _with(self._told, execution)

    def drop(self, dropped: Dropped) -> None:
        """Note what was dropped."""
        self._dropped = _with(self._dropped, dropped)

    def fail(self, what: str) -> None:
        """Note what could not be looked at, and why."""
        self._faults = _with(self._faults, what)

    def leave(self, what: str) -> None:
        """Note what has to be done again, once a record can be read."""
        self.left = True
        self.fail(what)

    def fire(self, execution: Execution, merged: Execution | None, ready: bool) -> None:
        """Note an execution, and the held one that it replaced, if any."""
        if merged is not None:
            id = merged.document["id"]  # it may have been read back since: it is no more the same object
            self._held = [held for held in self._held or () if held.document["id"] != id]
            self._skipped = _with(self._skipped, merged)
        if ready:
            self._fired = _with(self._fired, execution)
        else:
            self._held = _with(self._held, execution)

    def skip(self, execution: Execution) -> None:
        """Note an execution that is not made, because its output is made already."""
        self._skipped = _with(self._skipped, execution)

    def remind(self, execution: Execution) -> None:
        """Note an execution that fired earlier and is READY still."""
        self._overdue = _with(self._overdue, execution)

    def __repr__(self) -> str:
        return (
            f"Outcome(matches={len(self._matches or ())}, fired={[d['id'] for d in self.fired]}, "
            f"rejected={self.rejected}, unmatched={self.unmatched!r})"
        )


def _with(items: list[T] | None, item: T) -> list[T]:
    if items is None:
        return [item]
    items.append(item)
    return items


Gives = Callable[[str, str, float], str]  # node, execution, now -> run: `batches.Filler.give`
DELETIONS = frozenset({S3Deletion, GlueDeletion})
RECENT = 10_000  # events without effect that can be looked back on


class Storage(Protocol):
    """Where data is: asked about what no event told of, when a window needs it."""

    def exists(self, signal: wire.Signal, partition: Partition) -> bool:
        """Say whether a partition is complete in storage."""

    def listed(self, signal: wire.Signal, after: str) -> Iterator[Listed]:
        """Yield what storage has of a signal whose data is compared with what arrived: see `comparison.Lister`."""

    def gone(self, signal: wire.Signal, partition: Partition) -> bool:
        """Say whether a partition that has come is there no more: see `comparison.Lister`."""


class NoAnswer(RuntimeError):
    """Storage does not say whether a partition exists: it is down, or may not be asked."""


class Bindings:
    """Fires the bindings of a program over a ledger.

    ``instant`` makes each execution succeed at the moment it fires, so that none is held. ``tells`` says that
    whoever asks announces at once what is ready, so that it is written as announced; ``again`` that it asks once
    more, and may have ended before it did; ``gives`` gives what it fires of a batch to a run. ``recent`` keeps what was
    rejected or ignored lately, ``there`` which outputs were found to be there while a batch of events is worked on.
    """

    def __init__(
        self, program: Program, ledger: Ledger, now: Callable[[], float], storage: Storage | None
    ) -> None:
        self.program = program
        self.ledger = ledger
        self.now = now
        self.storage = storage
        self.instant = False
        self.tells = False
        self.again = False
        self.gives: Gives | None = None
        self.there: set[OutputId] = set()
        self.recent: deque[tuple[float, Rejected]] = deque(maxlen=RECENT)

    def evaluate(self, outcome: Outcome, node: Node, found: Bound, now: float) -> bool:
        """Fire a complete binding as often as is due, if it is ready; say whether it waits instead.

        A record that cannot be read stops this binding alone.
        """
        try:
            return not self.first(outcome, node, found, now) and self._evaluate(outcome, node, found, now)
        except Unreadable as fault:
            outcome.leave(f"{node.id}: {fault}")
            return False

    def first(
        self, outcome: Outcome, node: Node, found: Bound, now: float, came: Sequence[Arrival] = ()
    ) -> bool:
        """Fire a binding by the first event of each input, of an output that nobody else makes; say whether it did.

        The output is not asked for: most likely there is none yet, and where there is one, nothing happens. ``came`` are
        its arrivals, where they are counted in that same write.
        """
        if not node.guesses or (firing := first_use(found)) is None:  # type: ignore[arg-type]
            return False
        binding = node.binding(found)
        try:
            values, text = self._made(node, binding)
        except BadValue:
            return False
        if (node.id, text) in self.there or self.ledger.recent(node.id, text) is not None:
            return False
        events, use = firing
        made: Made = (binding, values, _spelled(found), ())
        after, execution, _ = executions.fire(None, node.id, text, node.document_builder, made, events, now)
        after, user = self._written(node, after, execution, now), node.user(binding, found)
        if not (
            self.ledger.create(after, user, came, now) if came else self.ledger.save(None, after, user, use)
        ):
            self.there.add((node.id, text))
            return False
        outcome.fire(execution, None, ready=True)
        return True

    def at_once(self, outcome: Outcome, node: Node, came: Sequence[Arrival], now: float) -> bool:
        """Fire a binding by its arrivals, and count them, in one write; say whether it did."""
        found = tuple([Arrivals(a.partition, a.event_id, now, a.texts) for a in came])
        return self.first(outcome, node, found, now, came)

    def is_over(self, outcome: Outcome, consumer: Consumer, partition: Partition, event_id: str) -> bool:
        """Say whether an event that comes again was counted with the first firing of its output; Airflow may have to be told."""
        node = consumer.node
        try:
            _, text = self._made(node, (partition,) * node.join.size)
        except BadValue:
            return False
        output, _ = self.ledger.output(node.id, text, None)
        came = None if output is None else output.came
        if came is None or came.event(consumer.arrival_index, partition) != event_name(event_id):
            return False
        self._remind(outcome, node, output)
        return True

    def _made(self, node: Node, binding: Binding) -> tuple[Partition, str]:
        """The output of a binding, and its text; raises BadValue, also for a reference that cannot be determined."""
        values = node.output(binding)
        text = node.output_text(values)
        for tip in node.tips:
            tip(binding)
        return values, text

    def _evaluate(self, outcome: Outcome, node: Node, found: Bound, now: float) -> bool:
        ledger = self.ledger
        binding = node.binding(found)
        if node.updates:
            return self.update(outcome, node, binding, found, now)
        recs: Recs = spread(found) if node.grouped else found  # type: ignore[assignment]
        try:
            values, text = self._made(node, binding)
        except BadValue as fault:
            self._refuse(outcome, node, binding, str(fault))
            return False
        user, whole = node.user(binding, found), False
        while True:
            firing = None if node.expires else first_use(recs)
            output, used = ledger.output(node.id, text, user)
            came = None
            if used is not None:
                firing = None
                if output is not None and output.came is not None and not node.grouped:
                    came, used = output.came, used_with(used, recs, node.join.arrival_indexes, output.came)
            expiries = tuple(expiries_of(ledger, node, binding, found)) if node.expires else ()
            if firing is not None:
                count, (events, use) = 1, firing
            else:
                left = free(recs, used, expiries)
                count = firings_due(node.all, left, used)
                if not count:
                    self._remind(outcome, node, output)
                    return False
                if came is not None and not whole:
                    # What comes of them later is told from what is used only if they are counted like it.
                    whole = True
                    if self._recount(node, recs, came):
                        found = self._records(node, binding) or ()
                        if not found:
                            return False
                        recs = found  # type: ignore[assignment]
                        continue
                events, use = _events(recs, left), after_firing(node.all, recs, used, left)
            if node.once and output is not None and executions.made(output):
                made: Made = (binding, values, _spelled(found), ())
                over, execution = executions.passed_over(output, node.document_builder, made, events, now)
                if ledger.save(output, over, user, use):
                    outcome.skip(execution)
                continue
            chosen = self._ready(outcome, node, binding, now) if node.checks else ()
            if chosen is None:
                return True
            after, fired = output, []
            while True:  # all that is due, and one write for it
                made = (binding, values, _spelled(found), chosen)
                after, execution, merged = executions.fire(
                    after, node.id, text, node.document_builder, made, events, now, once=node.once
                )
                ready = after.active is execution
                if ready:
                    after = self._written(node, after, execution, now)
                fired.append((execution, merged, ready))
                if len(fired) == count or node.once:
                    break
                left = free(recs, use, expiries)
                events, use = _events(recs, left), after_firing(node.all, recs, use, left)
            if came is not None and came.is_of(node.join.arrival_indexes):
                after = after._replace(came=None)
            if ledger.save(output, after, user, use):
                for one in fired:
                    outcome.fire(*one)
                if len(fired) == count:
                    return False
            # Somebody else changed the output: look at everything again.
            again = self._records(node, binding)
            if again is None:
                return False
            found = again
            recs = spread(found) if node.grouped else found  # type: ignore[assignment]

    def _recount(self, node: Node, recs: Recs, came: Came) -> bool:
        """Count what came with the first firing of an output like what comes later; say whether records lack some of it."""
        lack = False
        for i, record in enumerate(recs):
            event = came.event(node.join.arrival_indexes[i], record.partition)
            if event is not None and record.times().get(event, float("inf")) > came.since:
                keys = node.join.keys[i](node.join.values[i](record.partition))
                self.ledger.recount(node.join.arrival_indexes[i], keys, record.partition, came)
                lack = True  # somebody else may just have counted it
        return lack

    def update(
        self, outcome: Outcome, node: Node, binding: Binding, arrived: Bound | None, now: float
    ) -> bool:
        """Fire a binding that runs again by what it reads: for the first time, or when that was written anew.

        What it has seen of each partition is kept with the output, in one write with the firing. It is made a
        reader before it looks: of this and of an event that comes at the same time, one sees the other.
        """
        ledger = self.ledger
        recs: Recs | None = None if arrived is None else spread(arrived)
        while True:
            try:
                values = node.output(binding)
                text = node.output_text(values)
                reads = node.reads(binding, ledger)
            except BadValue as fault:
                self._refuse(outcome, node, binding, str(fault))
                return False
            others = of_others(node, values) if node.shared is not None else []
            user = node.reader(binding, [*reads, *others])
            output, used = ledger.output(node.id, text, user)
            if used is None:
                expiries = expiries_of(ledger, node, binding, arrived) if arrived and node.expires else ()
                if arrived is None or recs is None or not min(free(recs, None, expiries)):
                    return False
            elif not _newer(self._versions(reads), used[1][: len(reads)]):
                self._remind(outcome, node, output)
                return False
            chosen = self._ready(outcome, node, binding, now) if node.checks else ()
            if chosen is None:
                return True
            taken = dict(chosen)
            read = [r for r in reads if not r.nearest or r.partition in taken.get(r.alias, ())]
            for signal, partition in dict.fromkeys((r.signal, r.partition) for r in read):
                ledger.read(Reader(signal, partition, node.id, binding, node.means.name))
            records = self._versions(reads)
            if used is not None and not _newer(records, used[1][: len(reads)]):
                return False
            marks = tuple(
                UNREAD if r not in read else NEVER if v is None else (v.since, v.n)
                for r, v in zip(reads, records, strict=True)
            )
            marks += (NEVER,) * len(others) if used is None else used[1][len(reads) :]
            events = () if recs is None else tuple([r.event(1) for r in recs])
            made = binding, values, None if arrived is None else _spelled(arrived), chosen
            after, execution, merged = executions.fire(
                output, node.id, text, node.document_builder, made, events, now
            )
            ready = after.active is execution
            if ready:
                after = self._written(node, after, execution, now)
            if ledger.save(output, after, user, (1 if used is None else used[0] + 1, marks)):
                outcome.fire(execution, merged, ready)
                return False

    def _written(self, node: Node, after: Output, execution: Execution, now: float) -> Output:
        """The output as it is written when an execution is ready: nobody sees it before."""
        if self.instant:
            return executions.ended(after, True, now)
        if not self.tells:
            return after
        if node.id not in self.program.batches:
            return executions.told(after, execution)
        if self.gives is None:
            return after  # the sweep announces it with others
        id = execution_id(node.id, after.partition, execution.generation)
        return executions.told(after, execution, self.gives(node.id, id, now))

    def _remind(self, outcome: Outcome, node: Node, output: Output | None) -> None:
        active = None if output is None else output.active
        if active is None:
            return
        if active.state == READY or (self.again and executions.is_unconfirmed(active)):
            outcome.remind(active)

    def _versions(self, reads: list[Read]) -> list[Arrivals | None]:
        """Return the records of the partitions that a binding reads, in their order."""
        found: dict[tuple[str, Partition], Arrivals | None] = {}
        for signal in dict.fromkeys(r.signal for r in reads):
            index = self.program.signal_sources[signal].versions
            partitions = list(dict.fromkeys(r.partition for r in reads if r.signal == signal))
            if index is not None:
                records = self.ledger.versions(index, partitions)
                found |= zip(((signal, p) for p in partitions), records, strict=True)
        return [found.get((r.signal, r.partition)) for r in reads]

    def update_all(self, outcome: Outcome, signal: str, partition: Partition, now: float) -> None:
        """Look again at every binding that reads a partition.

        What another version of the application has left is dropped unread, unless it means the same here.
        """
        for reader in self._in_order(self.ledger.readers(signal, partition)):
            node = self.program.way(reader.node, reader.means)
            if why := self._why_gone(node, reader):
                what = f"a binding that was to run again with {signal}"
                outcome.drop(Dropped(reader.node, what, why))
                self.ledger.unread(reader)
            elif node is None:
                continue
            elif node.updates:
                try:
                    for way, binding in self._earlier(node, reader.binding):
                        if (found := self._records(way, binding)) is not None:
                            self.update(outcome, way, binding, found, now)
                    self.update(outcome, node, reader.binding, self._records(node, reader.binding), now)
                except BROKEN as fault:  # what is left of one binding stops no other
                    outcome.leave(f"{node.id}: {type(fault).__name__}: {fault}")

    def _earlier(self, node: Node, binding: Binding) -> Iterator[tuple[Node, Binding]]:
        """The alternatives before one of a node, with their bindings of the same output: the first that is ready makes it again."""
        if node.shared is None:
            return
        for way in node.ways[: node.ways.index(node)]:
            try:
                yield way, of_output(way, node.output(binding), first_of).binding
            except (Undetermined, BadValue):
                continue

    def _records(self, node: Node, binding: Binding) -> Bound | None:
        """Read the arrivals of a binding again; None when some are forgotten."""
        join = node.join
        found: list[Arrivals | Group] = []
        for i, partition in enumerate(binding):
            key = join.keys[i](join.values[i](partition))[0]
            members = join.rolled[i]
            if members is not None:
                groups = members.whole(self.ledger.find(join.arrival_indexes[i], 0, key))
                if not groups:
                    return None
                found.append(groups[0])
                continue
            record = self.ledger.arrived(join.arrival_indexes[i], key, partition)
            if record is None:
                return None
            found.append(record)
        return tuple(found)

    # --- readiness -----------------------------------------------------------------------------

    def _ready(self, outcome: Outcome, node: Node, binding: Binding, now: float) -> Chosen | None:
        """Return what nearest inputs choose, when every window is ready; else watch, and return None.

        The watch is written first and existence read again after it: of this and of an event that
        comes at the same time, one sees the other.
        """
        chosen: list[tuple[str, tuple[Partition, ...]]] = []
        for check in node.checks:
            window = check.window
            try:
                tip = window.tip_of(check.tip(binding))
            except BadValue as fault:
                self._refuse(outcome, node, binding, str(fault))
                return None
            if window.nearest:
                nearest = self._nearest(window, tip)
                if nearest is None:
                    candidates = window.candidates(tip)
                    for partition in candidates:
                        self._watch(node, binding, window, partition, now)
                    nearest = next((p for p in candidates if window.exists(self.ledger, p)), None)
                    if nearest is None and not window.lists:
                        return None
                chosen.append((window.alias, () if nearest is None else (nearest,)))
                continue
            gap = window.missing(self.ledger, tip) if window.checked else None
            while gap is not None:
                if not self.stored(window, gap):
                    self._watch(node, binding, window, gap, now)
                    if not window.exists(self.ledger, gap):
                        return None
                gap = window.missing(self.ledger, tip)
            if window.lists:
                there = self._there(node, window, tip)
                if not window.enough(tip, there):
                    for partition in window.all_missing(self.ledger, tip):
                        self._watch(node, binding, window, partition, now)
                    there = self._there(node, window, tip)
                    if not window.enough(tip, there):
                        return None
                chosen.append((window.alias, window.taken(there)))
        return tuple(chosen)

    def _there(self, node: Node, window: Window, tip: Partition) -> tuple[Partition, ...]:
        """Return the partitions of a window that exist, in the order of reading."""
        if window.open:
            arrived = node.come(self.ledger, window.source, tip)
            return tuple(p for p in arrived if window.exists(self.ledger, p))
        there = window.present(self.ledger, tip)
        return tuple([p for p in window.partitions(tip) if p in there or self.stored(window, p)])

    def _nearest(self, window: Window, tip: Partition) -> Partition | None:
        for partition in window.candidates(tip):
            if window.exists(self.ledger, partition) or self.stored(window, partition):
                return partition
        return None

    def stored(self, window: Window, partition: Partition) -> bool:
        """Ask storage, which knows of partitions that no event told of; what it has is recorded."""
        signal = self.program.signals[window.signal]
        if self.storage is None:
            return False
        try:
            exists = self.storage.exists(signal, partition)
        except Exception as fault:
            what = f"{signal.id} {joined(signal.texts(partition))}"
            raise NoAnswer(f"{what}: {type(fault).__name__}: {fault}") from fault
        if not exists:
            return False
        self.see(window.signal, partition)
        return True

    def _watch(self, node: Node, binding: Binding, window: Window, partition: Partition, now: float) -> None:
        self.ledger.watch(Waiter(window.rows, partition, node.id, binding, now, node.means.name))

    def see(self, signal: str, partition: Partition, time: float | None = None) -> None:
        """Record that a partition exists, if anybody asks about its signal; an event says since when."""
        layout = self.program.signal_sources[signal].layout
        if layout is not None:
            row, position = layout.place(partition)
            self.ledger.see(layout.rows, row, position, time)

    def unsee(self, signal: str, partition: Partition, time: float) -> bool:
        """Record that a partition exists no more since ``time``, if anybody asks about its signal.

        False when it has been written or deleted later.
        """
        layout = self.program.signal_sources[signal].layout
        if layout is None:
            return True
        row, position = layout.place(partition)
        return self.ledger.unsee(layout.rows, row, position, time)

    def rouse_all(self, outcome: Outcome, signal: str, partition: Partition, now: float) -> None:
        """Look again at every binding that waits for a partition."""
        layout = self.program.signal_sources[signal].layout
        watches = () if layout is None else self.ledger.waiters(layout.rows, partition)
        if not watches:
            return
        for watch in self._in_order(watches):
            try:
                self.rouse(outcome, watch, now)
            except BROKEN as fault:  # what is left of one binding stops no other: each sweep looks again
                outcome.fail(f"a window of {watch.node}: {type(fault).__name__}: {fault}")

    def rouse(self, outcome: Outcome, watch: Waiter, now: float) -> None:
        """Look at a waiting binding again, and drop the watch when it has done its service.

        What another version of the application has left is dropped unread, unless it means the same here.
        """
        node = self.program.way(watch.node, watch.means)
        why = self._why_gone(node, watch)
        if node is None or why:
            what = f"a binding that waited for {watch.signal.split('~')[0]}"
            outcome.drop(Dropped(watch.node, what, why))
            self.ledger.unwatch(watch)
            return
        windows = [check.window for check in node.checks if check.window.rows == watch.signal][:1]
        for _ in (*windows, None):
            recs = self._records(node, watch.binding)
            if recs is None or not self.evaluate(outcome, node, recs, now):
                break
            if any(not window.exists(self.ledger, watch.partition) for window in windows):
                return
            # It is there now: whether it was when the binding was looked at, only a second look can tell.
        self.ledger.unwatch(watch)

    def _in_order(self, left: Iterable[Left]) -> list[Left]:
        """What is left of bindings in the order of their nodes; what no node knows last."""

        def place(one: Left) -> tuple[bool, int, str]:
            way = self.program.way(one.node, one.means)
            return way is None, 0 if way is None else way.rank, repr(one.binding)

        return sorted(left, key=place)

    def _why_gone(self, node: Node | None, left: Waiter | Reader) -> str:
        """Why what another version has left of a binding means nothing now; "" while it means the same."""
        if node is None:
            known = self.program.ways(left.node)
            return "its inputs or links have changed" if known else "the node is removed"
        try:
            return "a filter leaves it out now" if node.leaves_out(left.binding) else ""
        except BROKEN:
            return "it cannot be read"

    def _refuse(self, outcome: Outcome, node: Node, binding: Binding, reason: str) -> None:
        sources = zip(node.join.triggers, binding, strict=True)
        texts = [joined(s.texts(self.program.signals[s.signal], p)) for s, p in sources]
        self.reject(outcome, Rejected(node.join.triggers[0].signal, node.id, reason, ", ".join(texts)))

    def reject(self, outcome: Outcome, rejected: Rejected) -> None:
        """Record that something could not be used."""
        outcome.reject(rejected)
        self.recent.append((self.now(), rejected))


def _newer(records: list[Arrivals | None], marks: tuple[ConsumedMark, ...]) -> bool:
    """Say whether something that was read has been written since; also when other partitions were read then."""
    return len(marks) != len(records) or any(
        r is not None and mark != UNREAD and r.unused(mark) > 0
        for r, mark in zip(records, marks, strict=True)
    )


def _events(recs: Recs, left: list[int]) -> tuple[str, ...]:
    """The ids of the arrivals that the next firing uses."""
    return tuple([r.event(n) for r, n in zip(recs, left, strict=True)])


def _spelled(recs: Bound) -> Spelled | None:
    """How events spelled what they named, where some spelling is not the plain one."""
    for record in recs:
        if record.texts is not None:
            return tuple([r.texts for r in recs])
    return None


def _stays(node: Node, output: Output, came: Came) -> bool:
    """Say whether a node would fire an output by the same inputs, with what came, as it was."""
    indexes = node.join.arrival_indexes
    if not (node.at_once and came.is_of(indexes) and len(came.inputs) == len(indexes)):
        return False
    try:
        return node.output_text(node.output((came.partition,) * len(indexes))) == output.partition
    except BadValue:
        return False


class Engine:
    """Match, join and fire for one route table over one ledger."""

    def __init__(
        self,
        table: wire.RouteTable | Program,
        ledger: Ledger | None = None,
        now: Callable[[], float] = clock.time,
        storage: Storage | None = None,
        compare_every: float = 0.0,
    ) -> None:
        self.program = Program(table) if isinstance(table, wire.RouteTable) else table
        self._compare_every = compare_every
        self.ledger: Ledger = MemoryLedger() if ledger is None else ledger
        self.now = now
        self._storage = storage
        self._bindings = Bindings(self.program, self.ledger, now, storage)
        self._find = self.program.matcher.of
        self._feeds = self.program.signal_sources
        self._told: set[str] = set()  # what the ledger need not be asked about again
        # Of the events that are counted together, by node and key: how many are still to come, and what has come, by input.
        self._left: dict[tuple[str, Partition], int] = {}
        self._came: dict[tuple[str, Partition], dict[int, Arrivals]] = {}
        # Of those of which there is one event of each input, and no more: these, by input; and which are fired by them.
        self._whole: dict[tuple[str, Partition], dict[int, Arrival]] = {}
        self._fired: set[tuple[str, Partition]] = set()

    @property
    def instant(self) -> bool:
        """Whether each execution succeeds at the moment it fires."""
        return self._bindings.instant

    @instant.setter
    def instant(self, value: bool) -> None:
        self._bindings.instant = value

    def on_event(
        self,
        event: dict[str, Any] | Event,
        *,
        tells: bool = False,
        again: bool = False,
        gives: Gives | None = None,
    ) -> Outcome:
        """Take one event through the engine; a malformed one is rejected, never raised.

        Parameters
        ----------
        event
            As AWS sends it, or parsed.
        tells
            Whether the caller announces what fires at once: it is written as announced then.
        again
            Whether the caller may have ended before it did, when it asked for this event the last time.
        gives
            Returns the run that is to have an execution of a node with a batch; without it, those stay READY.
        """
        self._bindings.tells, self._bindings.again, self._bindings.gives = tells, again, gives
        try:
            return self._on_event(event)
        finally:
            self._bindings.tells = self._bindings.again = False
            self._bindings.gives = None

    def together(self, events: Iterable[Event]) -> None:
        """Count the arrivals of several events ahead of `on_event`, those of one partition in one write.

        Which outputs they may fire is noted in one write, too. Where there is one event of each input of a key, they are
        counted by the firing itself: by `on_event`, when the first of them comes.

        `on_event` is to follow for each of them, and `together` of nothing after the last one. What cannot be
        counted here is left to it: an event stops no other.
        """
        found: dict[tuple[str, tuple[Key, ...], Partition], list[Arrival]] = {}
        outputs: set[OutputId] = set()
        self._left, self._came, self._whole, self._fired = {}, {}, {}, set()
        self._bindings.there.clear()
        at_once: dict[tuple[str, Partition], dict[tuple[int, str], Arrival]] = {}
        for event in events:
            try:
                for arrival in self._arrivals(event, outputs, at_once):
                    found.setdefault(
                        (arrival.arrival_index.name, arrival.keys, arrival.partition), []
                    ).append(arrival)
            except Exception:  # noqa: BLE001, S112 - `on_event` meets it again, and says so
                continue
        for place, came in at_once.items():
            by_input = {position: arrival for (position, _), arrival in came.items()}
            if len(came) == len(by_input) == self.program.nodes[place[0]].join.size:
                self._whole[place] = by_input
        several = [same for same in found.values() if len(same) > 1]
        self.ledger.together(several, outputs, self.now())

    def _arrivals(
        self,
        event: Event,
        outputs: set[OutputId],
        at_once: dict[tuple[str, Partition], dict[tuple[int, str], Arrival]],
    ) -> list[Arrival]:
        """What an event adds to the indexes of the inputs that take it, rollups left out.

        And ``outputs`` that it may fire, and what comes ``at_once`` to a key, by input and event.
        """
        if event.__class__ in DELETIONS:
            return []
        found: list[Found] = []
        self._find[event.__class__](event, found, [])
        arrivals = []
        for one in found:
            source, partition, _ = one
            if source.compares or (source.touches and isinstance(event, S3Event)):
                continue  # whether it arrives, and when, is found out by itself
            if source.versions is not None:
                arrivals.append(Arrival(source.versions, (partition,), partition, event.id, None))
            for consumer in source.consumers.find(partition):
                values = consumer.taken(partition) if consumer.members is None else None
                if values is None or (
                    consumer.partners is not None and consumer.partners(values) is not None
                ):
                    continue
                keys = consumer.places(values)
                arrivals.append(Arrival(consumer.arrival_index, keys, partition, event.id, one.spelling))
                if consumer.node.join.by_key:
                    place = consumer.node.key, values
                    self._left[place] = self._left.get(place, 0) + 1
                    if consumer.node.at_once:
                        at_once.setdefault(place, {})[consumer.position, event.id] = arrivals[-1]
                if (output := consumer.output(partition)) is not None:
                    outputs.add((consumer.node.id, output))
        return arrivals

    def _on_event(self, event: dict[str, Any] | Event) -> Outcome:
        outcome = Outcome()
        if event.__class__ is not dict:
            self._event(outcome, event)  # type: ignore[arg-type]
            return outcome
        try:
            events = parse(event)
        except BadEvent as fault:
            self._bindings.reject(outcome, Rejected(None, None, str(fault), "event"))
            return outcome
        for one in events:
            if isinstance(one, Malformed):
                self._bindings.reject(outcome, Rejected(None, None, one.reason, "entry"))
            else:
                self._event(outcome, one)
        if not events:
            outcome.unmatched = "an event of a kind that announces no partition"
        return outcome

    def on_named(
        self, app: str, signal: str, texts: tuple[str, ...], event_id: str, time: float | None = None
    ) -> Outcome:
        """Take a signal that is sent by name through the engine."""
        outcome = Outcome()
        found, rejected, why = self.program.matcher.named(app, signal, texts)
        now = self.now()
        for one in found:
            self._arrived(outcome, one, event_id, now if time is None else time, now)
        self._no_effect(outcome, rejected, why, event_id)
        return outcome

    def on_signal(
        self, signal: str, partition: Partition, event_id: str, time: float | None = None
    ) -> Outcome:
        """Take a partition of a signal, already parsed and let pass by its filter, through the engine."""
        outcome, signal_source, now = Outcome(), self._feeds[signal], self.now()
        found = Found(signal_source, partition, signal_source.signal.texts(partition))
        self._arrived(outcome, found, event_id, now if time is None else time, now)
        return outcome

    def exists(self, signal: str, partition: Partition) -> Outcome:
        """Record that a partition is in storage; bindings that wait for it fire at the next tick."""
        self._bindings.see(signal, partition)
        return Outcome()

    def complete(self, execution: Document, ok: bool) -> list[Document]:
        """End an execution, whatever its state; return the held ones that are READY now."""
        return executions.finish(
            self.ledger, execution["node"], execution["partition"], execution["id"], ok, self.now()
        )

    def tick(self, in_time: Callable[[], bool] | None = None) -> Outcome:
        """Look for missing partitions in storage, fire what can, expire and forget what is too old.

        What cannot be looked at, because storage does not answer for it, is noted and does not stop the rest.
        When ``in_time`` says that time is up, the rest of what waits for storage is left to the next tick,
        which begins elsewhere.
        """
        outcome, now = Outcome(), self.now()
        self._settle_all(outcome, now)
        watches = list(self.ledger.watches())
        for watch in watches if in_time is None else in_turn(watches, len(watches), int(now)):
            if in_time is not None and not in_time():
                break
            try:
                self._bindings.rouse(outcome, watch, now)
            except NoAnswer as fault:
                outcome.fail(f"a window of {watch.node}: {fault}")
            except Exception as fault:  # noqa: BLE001 - one record that is broken stops no other
                outcome.fail(f"a window of {watch.node}: {type(fault).__name__}: {fault}")
        self._judge(outcome, now, in_time)
        nodes = list(self.program.nodes.values())
        for node in nodes if in_time is None else in_turn(nodes, len(nodes), int(now)):
            if in_time is not None and not in_time():
                break
            try:
                self._expire(outcome, node)
            except Exception as fault:  # noqa: BLE001 - what waits at one node stops no other
                outcome.fail(f"what waits for {node.id}: {type(fault).__name__}: {fault}")
        self._compare(outcome, now, in_time)
        return outcome

    def _compare(self, outcome: Outcome, now: float, in_time: Callable[[], bool] | None) -> None:
        """Compare what arrived with what storage has, last of all: it takes the time that is left."""
        sources = [
            s for s in self._feeds.values() if s.compares and (s.everyone != () or s.layout or s.versions)
        ]
        for source in in_turn(sources, len(sources), int(now)):
            if self._storage is None or (in_time is not None and not in_time()):
                return
            try:
                self._comparison(outcome, source, now).run(
                    self._storage, now, self._compare_every, in_time or (lambda: True)
                )
            except Exception as fault:  # noqa: BLE001 - one signal that cannot be listed stops no other
                outcome.fail(f"what storage has of {source.id}: {type(fault).__name__}: {fault}")

    def _comparison(self, outcome: Outcome, source: SignalSource, now: float) -> Comparison:
        return Comparison(
            self.ledger,
            source,
            lambda event, found: (self._find[event.__class__](event, found, []), None)[1],
            lambda found, event_id, time: self._arrived(outcome, found, event_id, time, now),
            lambda event: self._event(outcome, event),
            lambda found, time: self._gone(outcome, found, COMPARED, time),
        )

    def begin(self) -> None:
        """Let what may be late, and what is compared with storage, count from now on, unless it does already."""
        self.begin_late()
        for source in self._feeds.values():
            if source.compares:
                self._comparison(Outcome(), source, self.now()).begin(self.now())

    def begin_late(self) -> None:
        """Let what may be late be counted from now on, unless it is counted already."""
        for late in self.program.lates:
            for judged in late.cursors(self.ledger, self.now()):
                late.begin(self.ledger, judged)

    def next_late(self) -> float | None:
        """Return when a view is judged next, in seconds since 1970; None when there is none that may be late."""
        now = self.now()
        return min(
            (j.due for late in self.program.lates for j in late.cursors(self.ledger, now)), default=None
        )

    def late(self) -> list[LateNow]:
        """Return what should be there by now and is not; the ledger and storage are only read."""
        now, storage, signals = self.now(), self._storage, self.program.signals

        def stored(signal: str, partition: Partition) -> bool:
            return storage is not None and storage.exists(signals[signal], partition)

        return [each for late in self.program.lates for each in late.now(self.ledger, now, stored)]

    def judge(self) -> Outcome:
        """Judge what should have been there by now, each partition once, in the order of their times."""
        outcome = Outcome()
        self._judge(outcome, self.now(), None)
        return outcome

    def _judge(self, outcome: Outcome, now: float, in_time: Callable[[], bool] | None) -> None:
        if not self.program.lates:
            return
        self.begin_late()
        broken: set[str] = set()
        while in_time is None or in_time():
            cursors = (j for late in self.program.lates for j in late.cursors(self.ledger, now))
            due = [j for j in cursors if j.due <= now and j.name not in broken]
            if not due:
                return
            judged = min(due, key=lambda j: (j.due, j.name))
            try:
                self._tell_late(outcome, judged, now)
            except Exception as fault:  # noqa: BLE001 - one view that cannot be judged stops no other
                broken.add(judged.name)
                outcome.fail(f"what is late: {judged.name}: {type(fault).__name__}: {fault}")
                continue
            # What came of it is in the ledger: a crash before this says it again, which changes nothing.
            self.ledger.move(judged.name, judged.stored, judged.after)

    def _tell_late(self, outcome: Outcome, judged: Judged, now: float) -> None:
        """Let the late signal come at a partition, unless the view is complete there."""
        late, partition = judged.late, judged.partition
        lacks = late.lacks(self.ledger, partition)
        while lacks is not None and self._bindings.stored(late.window, lacks):
            lacks = late.lacks(self.ledger, partition)
        if lacks is not None:
            found = Found(self._feeds[late.signal.id], partition, late.signal.texts(partition))
            self._arrived(outcome, found, f"late/{joined(found.texts)}", judged.due, now)

    def pending(self, node: str | None = None) -> list[Waiting]:
        """Return what waits, in a deterministic order."""
        program = self.program
        return [
            describe(self.program, self.ledger, one, combination)
            for one in (program.nodes.values() if node is None else program.ways(node))
            for combination in combinations(one, self.ledger)
        ]

    @property
    def recent(self) -> list[tuple[float, Rejected]]:
        """What was rejected or ignored lately, and when."""
        return list(self._bindings.recent)

    def catch_up(self, nodes: Iterable[str]) -> Outcome:
        """Look at what waits at nodes, or alternatives, which were declared otherwise, and lacks nothing any more.

        No event and no periodic check would. What has run before is left to its next event: nothing tells whether
        the new declaration asks for it again.
        """
        outcome, now = Outcome(), self.now()
        for key in nodes:
            node = self.program.nodes[key]
            try:
                for combination in combinations(node, self.ledger):
                    self._complete(outcome, node, combination, now)
            except Exception as fault:  # noqa: BLE001 - what waits at one node stops no other
                outcome.fail(f"what waits for {key}: {type(fault).__name__}: {fault}")
        return outcome

    def _complete(self, outcome: Outcome, node: Node, combination: Combination, now: float) -> None:
        if not combination.complete:
            return
        found = tuple([record for record in combination.records if record is not None])
        text = node.output_text(node.output(node.binding(found)))
        if self.ledger.output(node.id, text, None)[0] is None:
            self._bindings.evaluate(outcome, node, found, now)

    def recount(self) -> list[tuple[Consumer, Arrivals]]:
        """Count what came with outputs where a node looks for it that is declared otherwise now; return what is new there.

        The node of then needs it not: all of it is used. It may be repeated.
        """
        found = []
        for output in self.ledger.outputs():
            if (came := output.came) is None:
                continue
            for way in self.program.ways(output.node):
                for position, index in enumerate(
                    [] if _stays(way, output, came) else way.join.arrival_indexes
                ):
                    consumer = Consumer(way, position)
                    try:
                        values = (
                            None
                            if came.event(index, came.partition) is None
                            else consumer.taken(came.partition)
                        )
                    except BadValue:
                        continue  # a link has no value for it: it never joins
                    if values is None:
                        continue
                    keys = consumer.places(values)
                    if self.ledger.recount(index, keys, came.partition, came):
                        record = self.ledger.arrived(index, keys[0], came.partition)
                        found += [(consumer, record)] if record is not None else []
        return found

    def join_again(self, recorded: list[tuple[Consumer, Arrivals]]) -> Outcome:
        """Look at every binding that contains one of these arrivals, which the ledger has already, and nobody has seen."""
        for consumer, record in recorded:
            self._bindings.see(consumer.signal, record.partition, self.now())
        return self.look_again(recorded)

    def look_again(self, recorded: list[tuple[Consumer, Arrivals]]) -> Outcome:
        """Look at every binding that contains one of these arrivals, all of which the ledger has already."""
        outcome, now = Outcome(), self.now()
        for consumer, record in recorded:
            join, values = consumer.node.join, consumer.values(record.partition)
            for found in list(join.bindings(self.ledger, consumer.position, record, values)):
                self._bindings.evaluate(outcome, consumer.node, found, now)
        return outcome

    # --- one event -----------------------------------------------------------------------------

    def _event(self, outcome: Outcome, event: Event) -> None:
        found: list[Found] = []
        rejected: list[Rejected] = []
        if isinstance(event, (S3Event, S3Deletion)) and event.decoded:
            event = self.program.matcher.read(event)
        why = self._find[event.__class__](event, found, rejected)
        if found:
            now = self.now()
            if event.__class__ in DELETIONS:
                for one in found:
                    self._gone(outcome, one, event.id, event.time)
                return
            for one in found:
                if one.signal_source.touches and isinstance(event, S3Event):
                    self._touch(outcome, one, event, now)
                else:
                    self._arrived(outcome, one, event.id, event.time, now)
        if isinstance(event, S3Event) and self.program.matcher.marks and self._mark(outcome, event):
            return
        if not found or rejected:
            self._no_effect(outcome, rejected, "" if found or rejected else why, event.id)

    def _gone(self, outcome: Outcome, found: Found, event_id: str, time: float) -> None:
        """A partition exists no more: checked windows wait for it again. What was counted stays counted."""
        signal_source, partition, texts = found
        if not signal_source.ends:
            return  # any object announces it: that one of them is deleted says nothing of the others
        if signal_source.compares:
            release(self.ledger, signal_source, partition, event_id, time, self.now())
        ended = self._bindings.unsee(signal_source.id, partition, time)
        what = "exists no more" if ended else "was written after it was deleted, or deleted again"
        self._ignore(outcome, signal_source.id, f"{signal_source.id} {joined(texts)} {what}", event_id)

    # --- data that something else announces ----------------------------------------------------

    def _touch(self, outcome: Outcome, found: Found, event: S3Event, now: float) -> None:
        """An object was written to a partition that a marker above announces, or that arrives when it settles."""
        source, name = found.signal_source, wire.meaning(found.signal_source.signal)
        while True:
            old = self.ledger.touched(name, found.partition)
            if old is not None and (event.time <= old.announced or event.id == old.event_id):
                return
            same = f"{COMPARED}{event.key}@"
            if old is not None and old.event_id.startswith(same) and event.time <= old.time + SLACK:
                return  # its object was found without it
            late = old is not None and event.time < old.time
            new = Touched(
                name,
                found.partition,
                old.event_id if old is not None and late else event.id,
                old.time if old is not None and late else event.time,
                now,
                float("-inf") if old is None else old.announced,
            )
            if self.ledger.touch(old, new):
                break
        for folder in source.folders(found.partition):
            mark = self.ledger.touched(f"{name}^", (folder,))
            if mark is not None and mark.time >= new.time:  # the marker was heard of first
                self._announce(outcome, source, new, f"{ABOVE}{mark.event_id}", mark.time, now)

    def _mark(self, outcome: Outcome, event: S3Event) -> bool:
        """A marker came: what is new below it has arrived. Say whether the event is one."""
        marked, now = self.program.matcher.marked(event), self.now()
        for source, folder in marked:
            name = wire.meaning(source.signal)
            while True:
                old = self.ledger.touched(f"{name}^", (folder,))
                new = Touched(f"{name}^", (folder,), event.id, event.time, now)
                if (old is not None and old.time >= event.time) or self.ledger.touch(old, new):
                    break
            for touched in sorted(self.ledger.touches(name), key=lambda t: (t.time, repr(t.partition))):
                if touched.announced < touched.time <= event.time and folder in source.folders(
                    touched.partition
                ):
                    self._announce(outcome, source, touched, f"{ABOVE}{event.id}", event.time, now)
        return bool(marked)

    def next_settled(self) -> float | None:
        """Return when a partition settles next if nothing more is written to it, in seconds since 1970; None for never."""
        return min(
            (
                touched.seen + source.settle
                for source in self.program.matcher.signal_sources.values()
                if source.settle is not None
                for touched in self.ledger.touches(wire.meaning(source.signal))
                if touched.time > touched.announced
            ),
            default=None,
        )

    def settle(self) -> Outcome:
        """Let what nothing was written to for long enough arrive."""
        outcome = Outcome()
        self._settle_all(outcome, self.now())
        return outcome

    def _settle_all(self, outcome: Outcome, now: float) -> None:
        for source in self.program.matcher.signal_sources.values():
            if source.settle is not None:
                try:
                    self._settle(outcome, source, source.settle, now)
                except Exception as fault:  # noqa: BLE001 - one signal stops no other
                    outcome.fail(f"what settles at {source.id}: {type(fault).__name__}: {fault}")

    def _settle(self, outcome: Outcome, source: SignalSource, seconds: float, now: float) -> None:
        """What nothing was written to for so long has arrived."""
        for touched in sorted(self.ledger.touches(wire.meaning(source.signal)), key=lambda t: t.time):
            if touched.time > touched.announced and now - touched.seen >= seconds:
                self._announce(outcome, source, touched, f"settled/{touched.event_id}", touched.time, now)

    def _announce(
        self, outcome: Outcome, source: SignalSource, touched: Touched, event_id: str, time: float, now: float
    ) -> None:
        """A touched partition arrives; only then is it noted, so that a crash in between loses nothing."""
        found = Found(source, touched.partition, source.signal.texts(touched.partition))
        self._arrived(outcome, found, event_id, time, now)
        self.ledger.touch(touched, touched._replace(announced=max(touched.announced, time)))

    def _no_effect(self, outcome: Outcome, rejected: list[Rejected], why: str, what: str) -> None:
        for fault in rejected:
            self._bindings.reject(outcome, fault)
        if why:
            self._ignore(outcome, None, why, what)

    def _arrived(self, outcome: Outcome, found: Found, event_id: str, time: float, now: float) -> None:
        """A partition of a signal has come: it exists, and the inputs whose filters it passes take it."""
        signal_source, partition, texts = found
        if (
            signal_source.compares
            and not event_id.startswith(COMPARED)
            and not claim(self.ledger, signal_source, partition, event_id, time, now)
        ):
            self._ignore(
                outcome,
                signal_source.id,
                f"{signal_source.id} {joined(texts)} was found without it",
                event_id,
            )
            return
        consumers = signal_source.everyone
        if consumers is None:
            consumers = signal_source.consumers.find(partition)
        outcome.match(found, event_id, time, consumers)
        if signal_source.layout is not None:
            self._bindings.see(signal_source.id, partition, time)
        if signal_source.versions is not None:
            index = signal_source.versions
            self.ledger.arrive(index, (partition,), partition, event_id, now)
        before, joins = outcome.unmatched, False
        for consumer in consumers:
            try:
                joins = self._join(outcome, consumer, partition, found.spelling, event_id, now) or joins
            except Unreadable as fault:  # what one node has of it stops no other
                outcome.leave(f"{consumer.node.id}: {fault}")
        if joins:
            outcome.unmatched = before  # without effect at some inputs alone
        if signal_source.layout is not None:
            self._bindings.rouse_all(outcome, signal_source.id, partition, now)
        if signal_source.versions is not None:
            self._bindings.update_all(outcome, signal_source.id, partition, now)
        if not consumers:
            what = joined(signal_source.signal.texts(partition))
            self._ignore(
                outcome, signal_source.id, f"no input takes {signal_source.id} {what}".rstrip(), what
            )

    def _join(
        self,
        outcome: Outcome,
        consumer: Consumer,
        partition: Partition,
        texts: tuple[str, ...] | None,
        event_id: str,
        now: float,
    ) -> bool:
        """Record the arrival, then look at every binding that contains it, whether or not it is new.

        Say whether it can be of any.
        """
        if consumer.members is not None:
            return self._join_member(outcome, consumer, consumer.members, partition, texts, event_id, now)
        values = self._values(outcome, consumer, partition, partition)
        if values is None:
            return False
        ledger, node = self.ledger, consumer.node
        keys = consumer.places(values)
        if node.at_once and self._is_counted(outcome, consumer, values, event_id, now):
            return True
        record = ledger.arrive(consumer.arrival_index, keys, partition, event_id, now, texts)
        if (place := (node.key, values)) in self._left and self._is_done(
            outcome, consumer, place, record, now
        ):
            return True
        if consumer.pair is not None:  # two inputs, the usual join, spelled out
            arrival_index, index, key, passes = consumer.pair
            for other in ledger.find(arrival_index, index, values if key is identity else key(values)):
                if passes is not None and not passes(other.partition):
                    continue
                pair = (other, record) if consumer.position else (record, other)
                self._bindings.evaluate(outcome, node, pair, now)
        elif node.join.size == 1:
            self._bindings.evaluate(outcome, node, (record,), now)
        else:
            for recs in list(node.join.bindings(ledger, consumer.position, record, values)):
                self._bindings.evaluate(outcome, node, recs, now)
        return True

    def _is_counted(
        self, outcome: Outcome, consumer: Consumer, values: Partition, event_id: str, now: float
    ) -> bool:
        """Say whether an event is counted with the first firing of its output, which it may bring about.

        The first of those that come at once fires, so that none of them is done before. Where the output is there, each
        of them is counted by itself.
        """
        bindings, node, place = self._bindings, consumer.node, (consumer.node.key, values)
        came = self._whole.get(place)
        if came is not None and came[consumer.position].event_id != event_id:
            came = None
        if came is not None and place in self._fired:
            return True
        if bindings.again and bindings.is_over(outcome, consumer, values, event_id):
            return True
        if came is None:
            return False
        if not bindings.at_once(outcome, node, [came[i] for i in range(node.join.size)], now):
            del self._whole[place]
            return False
        self._fired.add(place)
        return True

    def _is_done(
        self, outcome: Outcome, consumer: Consumer, place: tuple[str, Partition], record: Arrivals, now: float
    ) -> bool:
        """Take in one of the arrivals at a key that are counted together; say whether nothing more is to be done with it.

        The last of them is looked at, and finds the others. Where each of them was written by this process, none need be
        read for the first firing: of a binding whose inputs have all to be new, more that has come since makes no
        difference there, and who brought that looks himself.
        """
        came, node = self._came.setdefault(place, {}), consumer.node
        came[consumer.position] = record
        self._left[place] -= 1
        if self._left[place] > 0 and not self._bindings.again:
            return True
        if len(came) < node.join.size or not node.all:
            return False
        found = tuple([came[position] for position in range(node.join.size)])
        return self._bindings.first(outcome, node, found, now)

    def _values(
        self, outcome: Outcome, consumer: Consumer, place: Partition, partition: Partition
    ) -> tuple[Value, ...] | None:
        """The values by which an arrival at ``place`` is joined; None where it is without effect, which is told."""
        try:
            values = consumer.taken(place)
        except BadValue as fault:
            what = joined(self.program.signals[consumer.signal].texts(partition))
            self._bindings.reject(outcome, Rejected(consumer.signal, consumer.node.id, str(fault), what))
            return None
        other = None if values is None or consumer.partners is None else consumer.partners(values)
        if values is not None and other is None:
            return values
        what = joined(self.program.signals[consumer.signal].texts(partition))
        why = f"{consumer.node.id}: no partition of {other} can be linked with {consumer.alias} {what}"
        if other is None:
            why = f"{consumer.node.id}: its links leave out {consumer.alias} {what}: nothing can be linked with it"
        outcome.unmatched = why
        self._bindings.recent.append((self.now(), Rejected(consumer.signal, consumer.node.id, why, what)))
        return None

    def _join_member(
        self,
        outcome: Outcome,
        consumer: Consumer,
        members: Members,
        partition: Partition,
        texts: tuple[str, ...] | None,
        event_id: str,
        now: float,
    ) -> bool:
        """The same for a member of a rollup: it stands under the partition that it is rolled up to."""
        coarse = members.coarse(partition)
        if coarse is None:
            return False
        values = self._values(outcome, consumer, coarse, partition)
        if values is None:
            return False
        signal, ledger, node = self.program.signals[consumer.signal], self.ledger, consumer.node
        keys, index = consumer.places(values), consumer.arrival_index
        record: Arrivals | Group
        if members.complete:
            ledger.arrive(index, keys, partition, event_id, now, texts)
            groups = [g for g in members.whole(ledger.find(index, 0, keys[0])) if g.partition == coarse]
            if not groups:
                return True
            record = groups[0]
        else:
            if members.open:
                ledger.arrive(node.join.members[consumer.alias], (coarse,), partition, event_id, now)
            # One event may announce several members: each is an arrival of its own.
            event = f"{event_id}@{joined(signal.texts(partition))}"
            record = ledger.arrive(index, keys, coarse, event, now)
        for found in list(node.join.bindings(ledger, consumer.position, record, values)):
            self._bindings.evaluate(outcome, node, found, now)
        return True

    def _expire(self, outcome: Outcome, node: Node) -> None:
        now, ttl, hooks = self.now(), node.join.route.pending_ttl, node.join.route.pending_hooks
        if ttl is not None or hooks:
            for combination in combinations(node, self.ledger):
                expired = ttl is not None and combination.since <= now - ttl
                if not (expired or hooks):
                    continue
                waiting = describe(self.program, self.ledger, node, combination)
                for hook in due(hooks, now - combination.since, expired):
                    self._tell(outcome, waiting, hook, now)
                if expired:  # the hooks were told before: a crash in between loses none
                    outcome.expire(waiting)
                    expire(self.ledger, node, combination)
        for arrival_index in (*node.join.arrival_indexes, *node.join.members.values()):
            self.ledger.forget(arrival_index, now)

    def _tell(self, outcome: Outcome, waiting: Waiting, hook: str, now: float) -> None:
        document = notification(self.program.table, self.program.signals, waiting, hook)
        if document["id"] in self._told:
            return
        execution = tell(self.ledger, document, now)
        if execution is not None:
            outcome.tell(execution)
        self._told.add(document["id"])

    def _ignore(self, outcome: Outcome, signal: str | None, why: str, what: str) -> None:
        if not outcome.taken:
            outcome.unmatched = why
        self._bindings.recent.append((self.now(), Rejected(signal, None, why, what)))
