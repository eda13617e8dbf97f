"""What came of one event, or of one periodic check."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

from rheo_runtime.match import Found, Rejected
from rheo_runtime.pending import Waiting
from rheo_runtime.program import Taker
from rheo_runtime.records import Document, Execution
from rheo_runtime.values import Partition

T = TypeVar("T")


class Match(NamedTuple):
    """An event that named a partition of a signal, and the inputs that took it."""

    signal: str
    partition: Partition
    texts: tuple[str, ...]
    event_id: str
    time: float
    takers: tuple[Taker, ...]

    @property
    def inputs(self) -> tuple[tuple[str, str], ...]:
        """Node and alias of each input that took it."""
        return tuple((taker.node.id, taker.alias) for taker in self.takers)


class Outcome:
    """What came of one event: see the module `rheo_runtime.engine`.

    Most events bring a match and little else, so what did not happen is not allocated.
    """

    _matches: list[tuple[Found, str, float, tuple[Taker, ...]]] | None = None
    _rejected: list[Rejected] | None = None
    _expired: list[Waiting] | None = None
    _fired: list[Execution] | None = None
    _held: list[Execution] | None = None
    _skipped: list[Execution] | None = None
    _overdue: list[Execution] | None = None
    _faults: list[str] | None = None
    _told: list[Execution] | None = None
    unmatched: str = ""

    @property
    def faults(self) -> list[str]:
        """What a periodic check could not look at, and why; it goes on with the rest."""
        return list(self._faults or ())

    @property
    def matches(self) -> list[Match]:
        """The signals and partitions that the event named, and the inputs that took them."""
        return [
            Match(found.signal, found.partition, found.texts, event_id, time, takers)
            for found, event_id, time, takers in self._matches or ()
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
        return any(takers for _, _, _, takers in self._matches or ())

    def match(self, found: Found, event_id: str, time: float, takers: tuple[Taker, ...]) -> None:
        """Note that the event named a partition, and who took it."""
        match = (found, event_id, time, takers)
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

    def fail(self, what: str) -> None:
        """Note what could not be looked at, and why."""
        self._faults = _with(self._faults, what)

    def fire(self, execution: Execution, merged: Execution | None, ready: bool) -> None:
        """Note an execution, and the held one that it replaced, if any."""
        if merged is not None:
            self._held = [held for held in self._held or () if held.made is not merged.made]
            self._skipped = _with(self._skipped, merged)
        if ready:
            self._fired = _with(self._fired, execution)
        else:
            self._held = _with(self._held, execution)

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
