"""What came of one event, or of one periodic check."""

from __future__ import annotations

from typing import NamedTuple

from rheo_runtime.match import Rejected
from rheo_runtime.pending import Waiting
from rheo_runtime.program import Taker
from rheo_runtime.records import Document, Execution
from rheo_runtime.values import Partition


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
    """What came of one event: see the module `rheo_runtime.engine`."""

    __slots__ = ("_fired", "_held", "_overdue", "_skipped", "expired", "matches", "rejected", "unmatched")

    def __init__(self) -> None:
        self.matches: list[Match] = []
        self.rejected: list[Rejected] = []
        self.unmatched = ""
        self.expired: list[Waiting] = []
        self._fired: list[Execution] = []
        self._held: list[Execution] = []
        self._skipped: list[Execution] = []
        self._overdue: list[Execution] = []

    def add(self, execution: Execution, merged: Execution | None, ready: bool) -> None:
        """Take an execution in, and the held one that it replaced, if any."""
        if merged is not None:
            self._held = [held for held in self._held if held.source is not merged.source]
            self._skipped.append(merged)
        (self._fired if ready else self._held).append(execution)

    @property
    def fired(self) -> list[Document]:
        """Documents of the executions that are READY, in order."""
        return [execution.document for execution in self._fired]

    @property
    def held(self) -> list[Document]:
        """Documents of the executions that wait for an active one of the same output."""
        return [execution.document for execution in self._held]

    @property
    def skipped(self) -> list[Document]:
        """Documents of held executions that a later one replaced."""
        return [execution.document for execution in self._skipped]

    @property
    def overdue(self) -> list[Document]:
        """Documents of executions that fired earlier and that nobody was told of yet.

        They are there when an event comes again after a crash; to tell Airflow twice does no harm.
        """
        return [execution.document for execution in self._overdue]

    def remind(self, execution: Execution) -> None:
        """Take in an execution that fired earlier and is READY still."""
        self._overdue.append(execution)

    def __repr__(self) -> str:
        return (
            f"Outcome(matches={len(self.matches)}, fired={[d['id'] for d in self.fired]}, "
            f"rejected={self.rejected}, unmatched={self.unmatched!r})"
        )
