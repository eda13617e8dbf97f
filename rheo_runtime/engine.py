"""Event -> executions: match, join and fire. The simulator and the Lambda listener both run this.

    engine = Engine(table, ledger=MemoryLedger(), now=time.time, storage=None)
    outcome = engine.on_event(raw)              # a raw AWS event, or an event of rheo_runtime.events
    outcome = engine.on_named(app, id, texts, event_id)     # a signal by name, its partition as texts
    outcome = engine.on_signal(id, partition, event_id, time)  # the same, already parsed: not checked
    engine.exists(id, partition)                # it is in storage: this counts from now on
    outcome = engine.tick()                     # periodic: storage, expiry, whatever a crash left undone
    released = engine.complete(document, ok)    # an execution ended; documents that are READY now
    waiting = engine.pending(node)              # what waits, and for what
    account = engine.explain(node, texts)       # why an output ran, or what it waits for

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
from collections.abc import Callable
from typing import Any

from rheo_runtime import executions, wire
from rheo_runtime.bindings import Bindings, NoAnswer, Storage
from rheo_runtime.events import BadEvent, Event, parse
from rheo_runtime.explain import Account, explain
from rheo_runtime.ledger import Ledger, MemoryLedger
from rheo_runtime.match import Found, Rejected
from rheo_runtime.outcome import Outcome
from rheo_runtime.pending import Waiting, combinations, describe, lapse
from rheo_runtime.pending_hooks import due, tell, telling
from rheo_runtime.program import Node, Program, Taker
from rheo_runtime.records import Document
from rheo_runtime.texts import identity, joined
from rheo_runtime.turns import in_turn
from rheo_runtime.values import BadValue, Partition


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
        self._bindings = Bindings(self.program, self.ledger, now, storage)
        self._find = self.program.matcher.of
        self._feeds = self.program.feeds
        self._told: set[str] = set()  # what the ledger need not be asked about again

    @property
    def instant(self) -> bool:
        """Whether each execution succeeds at the moment it fires."""
        return self._bindings.instant

    @instant.setter
    def instant(self, value: bool) -> None:
        self._bindings.instant = value

    def on_event(self, event: dict[str, Any] | Event) -> Outcome:
        """Take one event through the engine; a malformed one is rejected, never raised."""
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
        outcome, feed, now = Outcome(), self._feeds[signal], self.now()
        found = Found(feed, partition, feed.signal.texts(partition))
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
        watches = list(self.ledger.watches())
        for watch in watches if in_time is None else in_turn(watches, len(watches), int(now)):
            if in_time is not None and not in_time():
                break
            try:
                self._bindings.rouse(outcome, watch, now)
            except NoAnswer as fault:
                outcome.fail(f"a window of {watch.node}: {fault}")
        for node in self.program.nodes.values():
            self._expire(outcome, node)
        return outcome

    def pending(self, node: str | None = None) -> list[Waiting]:
        """Return what waits, in a deterministic order."""
        nodes = self.program.nodes
        return [
            describe(self.program, self.ledger, one, combination)
            for one in (nodes.values() if node is None else [nodes[node]] if node in nodes else [])
            for combination in combinations(one, self.ledger)
        ]

    def explain(self, node: str, texts: tuple[str, ...]) -> Account:
        """Return why the output partition of a node ran, or what it waits for."""
        return explain(
            self.program, self.ledger, node, texts, self.pending(node), list(self._bindings.recent)
        )

    # --- one event -----------------------------------------------------------------------------

    def _event(self, outcome: Outcome, event: Event) -> None:
        found: list[Found] = []
        rejected: list[Rejected] = []
        why = self._find[event.__class__](event, found, rejected)
        if found:
            now = self.now()
            for one in found:
                self._arrived(outcome, one, event.id, event.time, now)
        if not found or rejected:
            self._no_effect(outcome, rejected, "" if found or rejected else why, event.id)

    def _no_effect(self, outcome: Outcome, rejected: list[Rejected], why: str, what: str) -> None:
        for fault in rejected:
            self._bindings.reject(outcome, fault)
        if why:
            self._ignore(outcome, None, why, what)

    def _arrived(self, outcome: Outcome, found: Found, event_id: str, time: float, now: float) -> None:
        """A partition of a signal has come: it exists, and the inputs whose filters it passes take it."""
        feed, partition, texts = found
        takers = feed.everyone
        if takers is None:
            takers = feed.takers.find(partition)
        outcome.match(found, event_id, time, takers)
        if feed.layout is not None:
            self._bindings.see(feed.id, partition)
        for taker in takers:
            self._join(outcome, taker, partition, texts if feed.spells else None, event_id, now)
        if feed.layout is not None:
            self._bindings.rouse_all(outcome, feed.id, partition, now)
        if not takers:
            what = joined(feed.signal.texts(partition))
            self._ignore(outcome, feed.id, f"no input takes {feed.id} {what}".rstrip(), what)

    def _join(
        self,
        outcome: Outcome,
        taker: Taker,
        partition: Partition,
        texts: tuple[str, ...] | None,
        event_id: str,
        now: float,
    ) -> None:
        """Record the arrival, then look at every binding that contains it, whether or not it is new."""
        try:
            values = partition if taker.exact else taker.values(partition)
            if taker.accepts is not None and not taker.accepts(partition):
                return
        except BadValue as fault:
            what = joined(self.program.signals[taker.signal].texts(partition))
            self._bindings.reject(outcome, Rejected(taker.signal, taker.node.id, str(fault), what))
            return
        ledger, node = self.ledger, taker.node
        keys = (values,) if taker.exact else taker.keys(values)
        record = ledger.arrive(taker.slot, keys, partition, event_id, now, texts)
        if taker.pair is not None:  # two inputs, the usual join, spelled out
            slot, index, key = taker.pair
            for other in ledger.find(slot, index, values if key is identity else key(values)):
                pair = (other, record) if taker.position else (record, other)
                self._bindings.evaluate(outcome, node, pair, now)
        elif node.join.size == 1:
            self._bindings.evaluate(outcome, node, (record,), now)
        else:
            for recs in list(node.join.bindings(ledger, taker.position, record, values)):
                self._bindings.evaluate(outcome, node, recs, now)

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
                    lapse(self.ledger, node, combination)
        for slot in node.join.slots:
            self.ledger.forget(slot, now)

    def _tell(self, outcome: Outcome, waiting: Waiting, hook: str, now: float) -> None:
        document = telling(self.program.table, self.program.signals, waiting, hook)
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
