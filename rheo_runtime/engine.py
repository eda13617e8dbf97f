"""Event -> executions: match, join and fire. The simulator and the Lambda listener both run this.

    engine = Engine(table, ledger=MemoryLedger(), now=time.time, storage=None)
    outcome = engine.on_event(raw)              # a raw AWS event, or an event of rheo_runtime.events
    outcome = engine.on_named(app, id, texts, event_id)     # a signal by name, its partition as texts
    outcome = engine.on_signal(id, partition, event_id, time)  # the same, already parsed: not checked
    outcome = engine.exists(id, partition)      # found in storage, without an event
    outcome = engine.tick()                     # periodic: storage, expiry, whatever a crash left undone
    released = engine.complete(document, ok)    # an execution ended; documents that are READY now
    waiting = engine.pending(node)              # what waits, and for what
    account = engine.explain(node, texts)       # why an output ran, or what it waits for

An `Outcome` has ``fired`` (documents of READY executions, in order), ``held`` (fired behind an active
execution of the same output; `complete` releases them), ``skipped`` (merged into a later one),
``matches``, ``rejected``, ``unmatched`` (why the event came to no input, or ""), ``expired``.

Everything is idempotent: the same event again changes nothing, and finishes what a crash interrupted.
"""

from __future__ import annotations

import time as clock
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from rheo_runtime import executions, wire
from rheo_runtime.documents import Draft
from rheo_runtime.events import BadEvent, Event, parse
from rheo_runtime.explain import Account, explain
from rheo_runtime.ledger import Ledger, MemoryLedger
from rheo_runtime.match import Found, Rejected
from rheo_runtime.outcome import Match, Outcome
from rheo_runtime.pending import Waiting, combinations, describe, lapse, lapses_of
from rheo_runtime.program import Feed, Node, Program
from rheo_runtime.records import CHUNK, Binding, Document, Execution, Output, Recs, Watch
from rheo_runtime.texts import joined
from rheo_runtime.usage import after_firing, due, free
from rheo_runtime.values import BadValue, Partition
from rheo_runtime.windows import Window

RECENT = 10_000  # events without effect that `explain` can look back on

Chosen = tuple[tuple[str, Partition], ...]


class Storage(Protocol):
    """Where data is: asked by the periodic check, and before a nearest partition is chosen."""

    def exists(self, signal: wire.Signal, partition: Partition) -> bool:
        """Say whether a partition is complete in storage."""


class Engine:
    """Match, join and fire for one route table over one ledger."""

    def __init__(
        self,
        table: wire.RouteTable,
        ledger: Ledger | None = None,
        now: Callable[[], float] = clock.time,
        storage: Storage | None = None,
    ) -> None:
        self.program = Program(table)
        self.ledger: Ledger = MemoryLedger() if ledger is None else ledger
        self.now = now
        self.storage = storage
        self.recent: deque[tuple[float, Rejected]] = deque(maxlen=RECENT)
        self._match = self.program.matcher.match
        self._feeds = self.program.feeds

    def on_event(self, event: dict[str, Any] | Event) -> Outcome:
        """Take one event through the engine; a malformed one is rejected, never raised."""
        outcome = Outcome()
        if isinstance(event, dict):
            try:
                events = parse(event)
            except BadEvent as fault:
                self._reject(outcome, Rejected(None, None, str(fault), "event"))
                return outcome
            for one in events:
                self._event(outcome, one)
            if not events:
                outcome.unmatched = "an event of a kind that announces no partition"
        else:
            self._event(outcome, event)
        return outcome

    def on_named(
        self, app: str, signal: str, texts: tuple[str, ...], event_id: str, time: float | None = None
    ) -> Outcome:
        """Take a signal that is sent by name through the engine."""
        outcome = Outcome()
        found, rejected, why = self.program.matcher.named(app, signal, texts)
        self._matched(outcome, found, rejected, why, event_id, self.now() if time is None else time)
        return outcome

    def on_signal(
        self, signal: str, partition: Partition, event_id: str, time: float | None = None
    ) -> Outcome:
        """Take a partition of a signal, already parsed and let pass by its filter, through the engine."""
        outcome = Outcome()
        feed = self._feeds[signal]
        self._arrived(outcome, feed, partition, None, event_id, self.now() if time is None else time)
        return outcome

    def exists(self, signal: str, partition: Partition) -> Outcome:
        """Record that a partition is in storage; bindings that waited for it may fire."""
        outcome = Outcome()
        self._exists(outcome, self._feeds[signal], partition)
        return outcome

    def complete(self, execution: Document, ok: bool) -> list[Document]:
        """End an execution, whatever its state; return the held ones that are READY now."""
        return executions.finish(
            self.ledger, execution["node"], execution["partition"], execution["id"], ok, self.now()
        )

    def tick(self) -> Outcome:
        """Look for missing partitions in storage, fire what can, expire and forget what is too old."""
        outcome = Outcome()
        if self.storage is not None:
            self._search(outcome, self.storage, list(self.ledger.watches()))
        for watch in self.ledger.watches():
            self._rouse(outcome, watch)
        for node in self.program.nodes.values():
            self._expire(outcome, node)
        return outcome

    def pending(self, node: str | None = None) -> list[Waiting]:
        """Return what waits, in a deterministic order."""
        names = list(self.program.nodes) if node is None else [node]
        return [
            describe(self.program, self.ledger, self.program.nodes[name], combination)
            for name in names
            for combination in combinations(self.program.nodes[name], self.ledger)
        ]

    def explain(self, node: str, texts: tuple[str, ...]) -> Account:
        """Return why the output partition of a node ran, or what it waits for."""
        return explain(self.program, self.ledger, node, texts, self.pending(node), list(self.recent))

    # --- one event -----------------------------------------------------------------------------

    def _event(self, outcome: Outcome, event: Event) -> None:
        found, rejected, why = self._match(event)
        self._matched(outcome, found, rejected, why, event.id, event.time)

    def _matched(
        self,
        outcome: Outcome,
        found: list[Found],
        rejected: list[Rejected],
        why: str,
        event_id: str,
        time: float,
    ) -> None:
        for fault in rejected:
            self._reject(outcome, fault)
        for signal, partition, texts in found:
            self._arrived(outcome, self._feeds[signal], partition, texts, event_id, time)
        if why:
            self._ignore(outcome, None, why, event_id)

    def _arrived(
        self,
        outcome: Outcome,
        feed: Feed,
        partition: Partition,
        texts: tuple[str, ...] | None,
        event_id: str,
        time: float,
    ) -> None:
        """A partition of a signal has come: it exists, and the inputs whose filters it passes take it."""
        signal = feed.signal
        takers = feed.takers(partition)
        outcome.matches.append(Match(signal.id, partition, texts or (), event_id, time, takers))
        if feed.layout is not None:
            self._see(feed, partition)
        if not feed.spells:
            texts = None
        for node, i, _ in takers:
            self._join(outcome, node, i, partition, texts, event_id)
        if feed.layout is not None:
            self._rouse_all(outcome, signal.id, partition)
        if not takers:
            what = joined(signal.texts(partition))
            self._ignore(outcome, signal.id, f"no input takes {signal.id} {what}".rstrip(), what)

    def _join(
        self,
        outcome: Outcome,
        node: Node,
        i: int,
        partition: Partition,
        texts: tuple[str, ...] | None,
        event_id: str,
    ) -> None:
        """Record the arrival, then look at every binding that contains it, whether or not it is new."""
        join = node.join
        try:
            values = join.values[i](partition)
            accepts = join.accepts[i]
            if accepts is not None and not accepts(partition):
                return
        except BadValue as fault:
            what = joined(self.program.signals[join.triggers[i].signal].texts(partition))
            self._reject(outcome, Rejected(join.triggers[i].signal, node.id, str(fault), what))
            return
        ledger = self.ledger
        record = ledger.arrive(join.slots[i], join.keys[i](values), partition, event_id, self.now(), texts)
        if join.size == 1:
            self._evaluate(outcome, node, (record,))
        elif join.size == 2 and join.holds is None:  # the usual join, spelled out
            step = join.plans[i][0]
            for other in ledger.find(join.slots[step.target], step.index, step.key(values)):
                self._evaluate(outcome, node, (other, record) if i else (record, other))
        else:
            for recs in list(join.bindings(ledger, i, record, values)):
                self._evaluate(outcome, node, recs)

    # --- one binding ---------------------------------------------------------------------------

    def _evaluate(self, outcome: Outcome, node: Node, recs: Recs) -> bool:
        """Fire a complete binding as often as is due, if it is ready; say whether it waits instead."""
        join, ledger = node.join, self.ledger
        binding = tuple([record.partition for record in recs])
        try:
            values = join.output(binding)
            text = join.output_text(values)
        except BadValue as fault:
            self._refuse(outcome, node, binding, str(fault))
            return False
        while True:
            output, used = ledger.output(node.id, text, binding)
            left = free(recs, used, lapses_of(ledger, node, binding) if node.expires else ())
            count = due(join.all, left, used)
            if not count:
                return False
            chosen = self._ready(outcome, node, binding) if node.checks else ()
            if chosen is None:
                return True
            spelled = tuple([r.texts for r in recs]) if node.spells else None
            draft = Draft(node.recipe, binding, values, spelled, chosen)
            after, fired, merged = self._fire(output, node, text, draft, recs, left, count)
            if ledger.save(output, after, binding, after_firing(join.all, count, recs, used, left)):
                break
            again = self._records(node, binding)
            if again is None:
                return False
            recs = again
        for execution in fired:
            outcome.add(execution, after)
        for execution in merged:
            outcome.skip(execution)
        return False

    def _fire(
        self,
        output: Output | None,
        node: Node,
        text: str,
        draft: Draft,
        recs: Recs,
        left: list[int],
        count: int,
    ) -> tuple[Output, list[Execution], list[Execution]]:
        """Add ``count`` executions to an output: its new state, the executions, those they replaced."""
        now = self.now()
        after, fired, merged = output, [], []
        for nth in range(count):
            events = tuple([r.event(n - nth) for r, n in zip(recs, left, strict=True)])
            after, execution, replaced = executions.fire(after, node.id, text, draft, events, now)
            fired.append(execution)
            if replaced is not None:
                merged.append(replaced)
        assert after is not None
        version = 1 if output is None else output.version + 1
        return after._replace(version=version), fired, merged

    def _records(self, node: Node, binding: Binding) -> Recs | None:
        """Read the arrivals of a binding again; None when some are forgotten."""
        join = node.join
        found = []
        for i, partition in enumerate(binding):
            key = join.keys[i](join.values[i](partition))[0]
            group = self.ledger.find(join.slots[i], 0, key)
            record = next((r for r in group if r.partition == partition), None)
            if record is None:
                return None
            found.append(record)
        return tuple(found)

    # --- readiness -----------------------------------------------------------------------------

    def _ready(self, outcome: Outcome, node: Node, binding: Binding) -> Chosen | None:
        """Return what nearest inputs choose, when every window is ready; else watch, and return None.

        The watch is written first and existence read again after it: of this and of an event that
        comes at the same time, one sees the other.
        """
        chosen: list[tuple[str, Partition]] = []
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
                        self._watch(node, binding, window, partition)
                    nearest = next((p for p in candidates if window.exists(self.ledger, p)), None)
                    if nearest is None:
                        return None
                chosen.append((window.alias, nearest))
                continue
            gap = window.missing(self.ledger, tip)
            while gap is not None:
                self._watch(node, binding, window, gap)
                if not window.exists(self.ledger, gap):
                    return None
                gap = window.missing(self.ledger, tip)
        return tuple(chosen)

    def _nearest(self, window: Window, tip: Partition) -> Partition | None:
        """The existing partition closest to the tip; storage knows of some that no event told of."""
        for partition in window.candidates(tip):
            if window.exists(self.ledger, partition):
                return partition
            if self.storage is not None and self.storage.exists(
                self.program.signals[window.signal], partition
            ):
                self._see(self._feeds[window.signal], partition)
                return partition
        return None

    def _watch(self, node: Node, binding: Binding, window: Window, partition: Partition) -> None:
        self.ledger.watch(Watch(window.signal, partition, node.id, binding, self.now()))

    def _see(self, feed: Feed, partition: Partition) -> None:
        if feed.layout is not None:
            row, position = feed.layout.place(partition)
            self.ledger.see(feed.signal.id, row, position)

    def _exists(self, outcome: Outcome, feed: Feed, partition: Partition) -> None:
        self._see(feed, partition)
        self._rouse_all(outcome, feed.signal.id, partition)

    def _rouse_all(self, outcome: Outcome, signal: str, partition: Partition) -> None:
        watches = self.ledger.watchers(signal, partition)
        nodes = self.program.nodes
        for watch in sorted(
            watches, key=lambda w: (w.node not in nodes or nodes[w.node].rank, repr(w.binding))
        ):
            self._rouse(outcome, watch)

    def _rouse(self, outcome: Outcome, watch: Watch) -> None:
        """Look at a waiting binding again, and drop the watch when it has done its service."""
        node = self.program.nodes.get(watch.node)
        recs = None if node is None else self._records(node, watch.binding)
        waits = node is not None and recs is not None and self._evaluate(outcome, node, recs)
        feed = self._feeds.get(watch.signal)
        if waits and feed is not None and feed.layout is not None:
            row, position = feed.layout.place(watch.partition)
            if not self.ledger.seen(watch.signal, row, position, position) >> position % CHUNK & 1:
                return
        self.ledger.unwatch(watch)

    # --- the periodic check --------------------------------------------------------------------

    def _search(self, outcome: Outcome, storage: Storage, watches: list[Watch]) -> None:
        """Ask storage for everything that waiting bindings miss, each partition once."""
        missing: dict[tuple[str, Partition], None] = {}
        for node_id, binding in dict.fromkeys((w.node, w.binding) for w in watches):
            node = self.program.nodes.get(node_id)
            for check in node.checks if node else ():
                window = check.window
                for partition in window.all_missing(self.ledger, window.tip_of(check.tip(binding))):
                    missing[window.signal, partition] = None
        for signal, partition in missing:
            if storage.exists(self.program.signals[signal], partition):
                self._exists(outcome, self._feeds[signal], partition)

    def _expire(self, outcome: Outcome, node: Node) -> None:
        now, ttl = self.now(), node.join.route.pending_ttl
        if ttl is not None:
            for combination in combinations(node, self.ledger):
                if combination.since <= now - ttl:
                    outcome.expired.append(describe(self.program, self.ledger, node, combination))
                    lapse(self.ledger, node, combination)
        for slot in node.join.slots:
            self.ledger.forget(slot, now)

    # --- what had no effect --------------------------------------------------------------------

    def _ignore(self, outcome: Outcome, signal: str | None, why: str, what: str) -> None:
        if not any(match.takers for match in outcome.matches):
            outcome.unmatched = why
        self.recent.append((self.now(), Rejected(signal, None, why, what)))

    def _refuse(self, outcome: Outcome, node: Node, binding: Binding, reason: str) -> None:
        sources = zip(node.join.triggers, binding, strict=True)
        texts = [joined(self.program.signals[s.signal].texts(p)) for s, p in sources]
        self._reject(outcome, Rejected(node.join.triggers[0].signal, node.id, reason, ", ".join(texts)))

    def _reject(self, outcome: Outcome, rejected: Rejected) -> None:
        outcome.rejected.append(rejected)
        self.recent.append((self.now(), rejected))
