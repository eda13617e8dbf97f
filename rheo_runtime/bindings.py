"""A complete binding -> its executions, once its windows are ready; until then it watches what is missing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from rheo_runtime import executions, wire
from rheo_runtime.documents import Chosen, Spelled
from rheo_runtime.ledger import Ledger
from rheo_runtime.match import Rejected
from rheo_runtime.outcome import Outcome
from rheo_runtime.pending import lapses_of
from rheo_runtime.program import Node, Program
from rheo_runtime.records import CHUNK, READY, Binding, Output, Recs, Watch
from rheo_runtime.texts import joined
from rheo_runtime.usage import after_firing, due, first_use, free
from rheo_runtime.values import BadValue, Partition
from rheo_runtime.windows import Window

RECENT = 10_000  # events without effect that can be looked back on


class Storage(Protocol):
    """Where data is: asked about what no event told of, when a window needs it."""

    def exists(self, signal: wire.Signal, partition: Partition) -> bool:
        """Say whether a partition is complete in storage."""


class NoAnswer(RuntimeError):
    """Storage does not say whether a partition exists: it is down, or may not be asked."""


class Bindings:
    """Fires the bindings of a program over a ledger.

    ``instant`` makes each execution succeed at the moment it fires, so that none is held. ``recent``
    keeps what was rejected or ignored lately.
    """

    def __init__(
        self, program: Program, ledger: Ledger, now: Callable[[], float], storage: Storage | None
    ) -> None:
        self.program = program
        self.ledger = ledger
        self.now = now
        self.storage = storage
        self.instant = False
        self.recent: deque[tuple[float, Rejected]] = deque(maxlen=RECENT)

    def evaluate(self, outcome: Outcome, node: Node, recs: Recs, now: float) -> bool:
        """Fire a complete binding as often as is due, if it is ready; say whether it waits instead."""
        ledger = self.ledger
        binding = node.binding(recs)
        try:
            values = node.output(binding)
            text = node.output_text(values)
            for tip in node.tips:
                tip(binding)  # a reference that cannot be determined stops this binding
        except BadValue as fault:
            self._refuse(outcome, node, binding, str(fault))
            return False
        while True:
            output, used = ledger.output(node.id, text, binding)
            firing = None if used is not None or node.expires else first_use(recs)
            if firing is not None:
                count, (events, use) = 1, firing
            else:
                left = free(recs, used, lapses_of(ledger, node, binding) if node.expires else ())
                count = due(node.all, left, used)
                if not count:
                    _remind(outcome, output)
                    return False
                events, use = _events(recs, left), after_firing(node.all, recs, used, left)
            chosen = self._ready(outcome, node, binding, now) if node.checks else ()
            if chosen is None:
                return True
            made = (binding, values, _spelled(recs) if node.spells else None, chosen)
            after, execution, merged = executions.fire(output, node.id, text, node.recipe, made, events, now)
            ready = after.active is execution
            if ready and self.instant:
                after = executions.ended(after, True, now)
            if ledger.save(output, after, binding, use):
                outcome.fire(execution, merged, ready)
                if count == 1:
                    return False
            else:  # somebody else changed the output: look at everything again
                again = self._records(node, binding)
                if again is None:
                    return False
                recs = again

    def _records(self, node: Node, binding: Binding) -> Recs | None:
        """Read the arrivals of a binding again; None when some are forgotten."""
        join = node.join
        found = []
        for i, partition in enumerate(binding):
            key = join.keys[i](join.values[i](partition))[0]
            record = self.ledger.arrived(join.slots[i], key, partition)
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
                        self._watch(node, binding, window, partition, now)
                    nearest = next((p for p in candidates if window.exists(self.ledger, p)), None)
                    if nearest is None:
                        return None
                chosen.append((window.alias, nearest))
                continue
            gap = window.missing(self.ledger, tip)
            while gap is not None:
                if not self._stored(window, gap):
                    self._watch(node, binding, window, gap, now)
                    if not window.exists(self.ledger, gap):
                        return None
                gap = window.missing(self.ledger, tip)
        return tuple(chosen)

    def _nearest(self, window: Window, tip: Partition) -> Partition | None:
        for partition in window.candidates(tip):
            if window.exists(self.ledger, partition) or self._stored(window, partition):
                return partition
        return None

    def _stored(self, window: Window, partition: Partition) -> bool:
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
        self.ledger.watch(Watch(window.signal, partition, node.id, binding, now))

    def see(self, signal: str, partition: Partition) -> None:
        """Record that a partition exists, if anybody asks about its signal."""
        layout = self.program.feeds[signal].layout
        if layout is not None:
            row, position = layout.place(partition)
            self.ledger.see(signal, row, position)

    def rouse_all(self, outcome: Outcome, signal: str, partition: Partition, now: float) -> None:
        """Look again at every binding that waits for a partition."""
        watches = self.ledger.watchers(signal, partition)
        if not watches:
            return
        nodes = self.program.nodes
        for watch in sorted(
            watches, key=lambda w: (w.node not in nodes or nodes[w.node].rank, repr(w.binding))
        ):
            self.rouse(outcome, watch, now)

    def rouse(self, outcome: Outcome, watch: Watch, now: float) -> None:
        """Look at a waiting binding again, and drop the watch when it has done its service."""
        node = self.program.nodes.get(watch.node)
        recs = None if node is None else self._records(node, watch.binding)
        waits = node is not None and recs is not None and self.evaluate(outcome, node, recs, now)
        feed = self.program.feeds.get(watch.signal)
        if waits and feed is not None and feed.layout is not None:
            row, position = feed.layout.place(watch.partition)
            if not self.ledger.seen(watch.signal, row, position, position) >> position % CHUNK & 1:
                return
        self.ledger.unwatch(watch)

    def _refuse(self, outcome: Outcome, node: Node, binding: Binding, reason: str) -> None:
        sources = zip(node.join.triggers, binding, strict=True)
        texts = [joined(self.program.signals[s.signal].texts(p)) for s, p in sources]
        self.reject(outcome, Rejected(node.join.triggers[0].signal, node.id, reason, ", ".join(texts)))

    def reject(self, outcome: Outcome, rejected: Rejected) -> None:
        """Record that something could not be used."""
        outcome.reject(rejected)
        self.recent.append((self.now(), rejected))


def _remind(outcome: Outcome, output: Output | None) -> None:
    if output is not None and output.active is not None and output.active.state == READY:
        outcome.remind(output.active)


def _events(recs: Recs, left: list[int]) -> tuple[str, ...]:
    """The ids of the arrivals that the next firing uses."""
    return tuple([r.event(n) for r, n in zip(recs, left, strict=True)])


def _spelled(recs: Recs) -> Spelled:
    return tuple([r.texts for r in recs])
