"""A signal and a partition -> whether it is there, as far as storage or the ledger can tell."""

from __future__ import annotations

from rheo_runtime import wire
from rheo_runtime.bindings import Storage
from rheo_runtime.ledger import Ledger
from rheo_runtime.program import Program
from rheo_runtime.records import Arrivals
from rheo_runtime.values import BadValue, Partition

_DATA = (wire.S3Events, wire.GlueEvents)


class Existing:
    """Asks about each partition once.

    Data is looked for in storage. Of what has no data, a timer or an alarm, nothing is to be looked for.
    Data that something else announces may lack a completion object, and of a partition whose case is
    folded only an event tells the path: what the ledger knows of these counts.
    """

    def __init__(self, program: Program, ledger: Ledger, storage: Storage) -> None:
        self._program = program
        self._ledger = ledger
        self._storage = storage
        self._known: dict[tuple[str, Partition], bool] = {}

    def __call__(self, signal: str, partition: Partition) -> bool:
        """Say whether a partition is there; raises as boto3 does when AWS cannot tell."""
        place = signal, partition
        if place not in self._known:
            found = self._program.signals[signal]
            self._known[place] = (
                found.path is None
                or self._storage.exists(found, partition)
                or self._arrived(found, partition)
            )
        return self._known[place]

    def texts(self, signal: str, partition: Partition) -> tuple[str, ...] | None:
        """Return how the last event spelled a partition; None when none came, or case is kept anyway."""
        record = self._record(signal, partition)
        return None if record is None else record.texts

    def _arrived(self, signal: wire.Signal, partition: Partition) -> bool:
        folds = any(rule.kind.insensitive for branch in signal.branches for rule in branch)
        announced = not any(isinstance(event, _DATA) for event in signal.events)
        if signal.id in self._program.nodes or not (announced or folds):
            return False  # an event may have come, but what it told of is gone
        return self._record(signal.id, partition) is not None

    def _record(self, signal: str, partition: Partition) -> Arrivals | None:
        for taker in self._program.feeds[signal].takers.find(partition):
            try:
                key = taker.keys(taker.values(partition))[0]
            except BadValue:
                continue
            for record in self._ledger.find(taker.slot, 0, key):
                if record.partition == partition:
                    return record
        return None
