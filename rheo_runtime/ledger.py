"""The protocol of the ledger: what a join reads and writes.

Each method is one read or one conditional write of one item, so that DynamoDB can do it without locks
or transactions. A writer writes first and reads afterwards, strongly consistent: of two that work at
the same time, at least one sees both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from rheo_runtime.records import (
    CLAIMED,
    READY,
    Arrival,
    ArrivalIndex,
    Arrivals,
    BatchRun,
    Came,
    ConsumedMark,
    Key,
    Member,
    Output,
    OutputId,
    Partial,
    Reader,
    Refusal,
    Status,
    Touched,
    Unreadable,
    Used,
    User,
    Waiter,
    is_given,
)
from rheo_runtime.values import Partition

FORGOTTEN = 30 * 86400  # seconds that it is known of an arrival which counts no more that it came
REFUSED = 7 * 86400  # seconds that a refusal is told of after it was last seen
REMEMBERED = 2_000  # arrivals of one partition at one input; older ones are forgotten first


class Ledger(Protocol):
    """Where state lives. ``now`` is always in seconds since 1970.

    A record that cannot be read is left out of what is listed, and ``unreadable`` told of it; where it is asked for by
    itself, Unreadable is raised.
    """

    unreadable: Callable[[str], None]

    def arrive(
        self,
        arrival_index: ArrivalIndex,
        keys: tuple[Key, ...],
        partition: Partition,
        event_id: str,
        now: float,
        texts: tuple[str, ...] | None = None,
    ) -> Arrivals:
        """Count the event, unless it is counted, and return the record of its partition."""

    def together(
        self, arrivals: Sequence[Sequence[Arrival]], outputs: Iterable[OutputId], now: float
    ) -> None:
        """Count events ahead of `arrive`, each group of one partition and its keys in one write, as far as it can.

        `arrive` says of what was counted here what it found; only until `together` is called again. ``outputs`` are
        those that may be fired until then, by node and partition: `unsettled` finds them by one item for all.
        """

    def find(self, arrival_index: ArrivalIndex, index: int, key: Key) -> Sequence[Arrivals]:
        """Return the records of an input that stand under ``key`` in its index number ``index``."""

    def arrived(
        self, arrival_index: ArrivalIndex, key: Key, partition: Partition, came: Came | None = None
    ) -> Arrivals | None:
        """Return the record of one partition, which stands under ``key`` in the first index of its input.

        Whoever wants to know of arrivals that are used, too, says what ``came`` with the output: see `Node.came`.
        """

    def arrivals(self, arrival_index: ArrivalIndex) -> Iterable[Arrivals]:
        """Return all records of an input, with what came with outputs; for monitoring and expiry."""

    def forgotten(
        self, arrival_index: ArrivalIndex, key: Key, came: Came | None = None
    ) -> Sequence[tuple[Partition, float]]:
        """Return what stood under ``key`` in the first index and counts no more, with the time of its last event.

        It is remembered for `FORGOTTEN` seconds: people ask what became of it. ``came`` is as in `arrived`.
        """

    def output(self, node: str, partition: str, user: User | None) -> tuple[Output | None, Used | None]:
        """Return the state of an output partition, and what ``user`` has used.

        Of a binding that has not fired as it is declared now, that is what others have used of the same partitions, if
        an earlier version of the application declared them and they used all of these: see `records.carried`.
        """

    def uses(
        self, node: str, asked: Iterable[tuple[str, User]]
    ) -> Sequence[tuple[Output | None, Used | None] | None]:
        """Return what `output` does of many of a node's outputs, a hundred in one call; None of one that cannot be read."""

    def several(self, node: str, partitions: Iterable[str], *, now: bool = True) -> Mapping[str, Output]:
        """Return those of a node's outputs that there are, by partition: a hundred in one call.

        As they are ``now``, or as they were a moment ago, which is half as dear.
        """

    def recent(self, node: str, partition: str) -> Output | None:
        """Return an output as this process has last seen it, without asking; None when it has not.

        It may have changed since: only a `save` that takes it tells.
        """

    def glance(self, node: str, partition: str) -> Output | None:
        """Return the same, or else an output as it was a moment ago, which is half as dear as what it is now."""

    def save(
        self, old: Output | None, new: Output, user: User | None = None, used: Used | None = None
    ) -> bool:
        """Replace ``old`` (None: nothing) by ``new``, and what ``user`` used; False when ``old`` is gone."""

    def create(self, new: Output, user: User, came: Sequence[Arrival], now: float) -> bool:
        """Create an output, which uses one arrival of each input: these, which are counted with it, in one write.

        False when the output is there: then nothing is counted. A later event counts by `arrive`, which knows nothing
        of these; where `arrive` has counted one of them, before or after, `used_with` makes it one.
        """

    def recount(
        self, arrival_index: ArrivalIndex, keys: tuple[Key, ...], partition: Partition, came: Came
    ) -> bool:
        """Count what ``came`` of a partition as `arrive` does, at its time; False where it is counted, or counts no more."""

    def outputs(self, node: str | None = None) -> Iterable[Output]:
        """Return the state of all output partitions (of one node); for monitoring."""

    def statuses(self, node: str | None = None) -> Iterable[Status]:
        """Return the status alone of all output partitions (of one node): what many can be shown of."""

    def unsettled(self, *, tidy: bool = False) -> Iterable[Output]:
        """Return the outputs that the sweeper may have to act on (see `records.unsettled`).

        ``tidy`` is for the sweeper, which drops what has led it to outputs that are settled now. It may be shown an
        output as it was a moment ago: it comes again, and what it does is a step that looks itself.
        """

    def start(self, run: str, members: frozenset[Member]) -> frozenset[Member]:
        """Note for which executions the run of a batch is started, unless that is noted; return what is noted."""

    def begin(self, run: str, now: float, jobs: tuple[str, ...]) -> None:
        """Note that the run of a batch has begun, and where it starts jobs; when it did first stays."""

    def batch_run(self, run: str) -> BatchRun:
        """Return what is known of the run of a batch."""

    def see(self, signal: str, row: Key, position: int, time: float | None = None) -> None:
        """Record that a partition exists: ``position`` in its ``row`` of neighbours.

        ``time`` says when it was written, where an event tells: what is older than its deletion says nothing.
        """

    def unsee(self, signal: str, row: Key, position: int, time: float) -> bool:
        """Record that a partition exists no more since ``time``; False when it was written or deleted later.

        The order in which the two are told of does not matter, unless they are of one time.
        """

    def seen(self, signal: str, row: Key, first: int, last: int) -> int:
        """Return which positions exist: bit i stands for ``first // CHUNK * CHUNK + i``."""

    def watch(self, watch: Waiter) -> None:
        """Record that a binding waits for a partition."""

    def unwatch(self, watch: Waiter) -> None:
        """Take a watch back."""

    def waiters(self, signal: str, partition: Partition) -> Sequence[Waiter]:
        """Return the bindings that wait for a partition."""

    def watches(self) -> Iterable[Waiter]:
        """Return everything that waits; for the periodic check."""

    def versions(
        self, arrival_index: ArrivalIndex, partitions: Sequence[Partition]
    ) -> Sequence[Arrivals | None]:
        """Return the records of many partitions, each of which is its own key."""

    def read(self, reader: Reader) -> None:
        """Record that a binding reads a partition."""

    def unread(self, reader: Reader) -> None:
        """Take back that a binding, as it means, reads a partition."""

    def readers(self, signal: str, partition: Partition) -> Sequence[Reader]:
        """Return the bindings that read a partition."""

    def cursor(self, name: str) -> int | None:
        """Return where a cursor stands; None while it stands nowhere."""

    def move(self, name: str, old: int | None, new: int) -> bool:
        """Move a cursor from ``old`` (None: nowhere) to ``new``; False when it stands elsewhere."""

    def refused(self, refusal: Refusal) -> None:
        """Note that something may not be looked for; the latest of each permission is kept."""

    def refusals(self, now: float) -> Sequence[Refusal]:
        """Return what could not be looked for within `REFUSED`."""

    def touched(self, signal: str, partition: Partition) -> Touched | None:
        """Return what was written to a partition that something else announces."""

    def touches(self, signal: str) -> Iterable[Touched]:
        """Return what was written to all of them."""

    def touch(self, old: Touched | None, new: Touched) -> bool:
        """Replace ``old`` (None: nothing) by ``new``; False when ``old`` is gone."""

    def expire(self, node: str, partial: Partial, marks: tuple[ConsumedMark, ...]) -> None:
        """Record that a combination expired: ``marks`` are used up for every binding that extends it."""

    def expiries(self, node: str, partial: Partial) -> Iterable[tuple[Partial, tuple[ConsumedMark, ...]]]:
        """Return the combinations that expired and whose first arrival is one of ``partial``, with their marks."""

    def forget(self, arrival_index: ArrivalIndex, now: float) -> None:
        """Drop arrivals that are older than the slot's time to live."""


def shown(batch_run: Callable[[str], BatchRun], output: Output) -> Output:
    """Return an output as it is shown: what was given to the run of a batch is READY until that is started, and CLAIMED once it has begun.

    ``batch_run`` is a ledger's own, or one that remembers its answers; what it cannot read, the sweep tells of.
    """
    active = output.active
    if active is None or active.run_id is None or not is_given(active):
        return output
    try:
        run = batch_run(active.run_id)
    except Unreadable:
        return output
    if run.began is not None:
        since = max(run.began, active.moved)
        active = active._replace(state=CLAIMED, moved=since, claimed=since, jobs=run.jobs)
    elif run.members is None:
        active = active._replace(state=READY, run_id=None)
    return output._replace(active=active)
