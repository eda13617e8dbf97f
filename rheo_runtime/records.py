"""What a ledger holds: arrivals, outputs and their executions, combinations that expired.

An arrival record counts every event of one partition at one input and never counts down; what a
binding has *used* of it is kept with the binding, as (``since``, count). ``since`` tells one life of
a record from the next: after the arrivals were forgotten, a new record starts at one, unused.

Output -> its status: what an overview of many partitions shows of each.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol, TypeVar

from rheo_runtime.values import Partition, Value
from rheo_runtime.wire import FAIL, PASS, WARN

CHUNK = 64  # neighbouring partitions whose existence is kept in one item

READY, ANNOUNCED, CLAIMED = "READY", "ANNOUNCED", "CLAIMED"
SUCCEEDED, FAILED, SKIPPED = "SUCCEEDED", "FAILED", "SKIPPED"


class Unreadable(ValueError):
    """A record of a ledger that is not as this version writes it: broken, or of a version to come."""


# What reading a record may raise that is not as it was expected.
BROKEN = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


def digest(text: str, size: int = 16) -> str:
    """Return a short name of a long text: so many bytes of its hash."""
    return urlsafe_b64encode(blake2b(text.encode(), digest_size=size).digest()).decode().rstrip("=")


def event_name(event_id: str) -> str:
    """Return an event id that is short enough to be written many times over."""
    return event_id if len(event_id.encode()) <= 96 else digest(event_id)


Key = tuple[Value, ...]
OutputId = tuple[str, str]  # node and output partition
Member = tuple[str, int]  # an execution of a node's batch: its partition and generation
Binding = tuple[Partition, ...]  # one partition for each trigger input
Partial = tuple[Partition | None, ...]  # the same, with gaps
Document = dict[str, Any]
ConsumedMark = tuple[float, int]  # (since, how many arrivals of that life of the record)
NEVER: ConsumedMark = (-1.0, 0)  # the mark of no life of any record: nothing is used
UNREAD: ConsumedMark = (-2.0, 0)  # of what `nearest` did not choose


class ArrivalIndex:
    """Where the arrivals of one trigger input stand.

    ``name`` tells it from every other; it changes when what is indexed changes. ``indexes`` are the names of its indexes. ``exact`` says that there is one only and that its key is
    the partition itself; ``first`` names the first one, where its records stand. ``ttl`` is how long an arrival counts,
    in seconds. In ``shelf`` a ledger may keep what it has found under the name.
    """

    __slots__ = ("alias", "exact", "first", "indexes", "name", "node", "shelf", "ttl")

    def __init__(self, node: str, alias: str, indexes: tuple[str, ...], exact: bool, ttl: int) -> None:
        self.node = node
        self.alias = alias
        self.name = "|".join((node, alias, *indexes))
        self.first = "|".join((node, alias, indexes[0]))
        self.indexes = indexes
        self.shelf: Any = None
        self.exact = exact
        self.ttl = ttl

    def __repr__(self) -> str:
        return f"Slot({self.node}.{self.alias})"


class Arrivals:
    """The events of one partition at one input.

    ``n`` is how many distinct events came in this life of the record, ``ids`` those that still count,
    with their times, oldest first. A single event, which is the usual case, is kept as its bare id;
    its time is ``since``. ``texts`` is the last event's spelling, where case is folded or it is escaped.
    """

    __slots__ = ("ids", "n", "partition", "since", "texts")

    def __init__(
        self, partition: Partition, event_id: str, since: float, texts: tuple[str, ...] | None = None
    ) -> None:
        self.partition = partition
        self.n = 1
        self.since = since
        self.ids: str | dict[str, float] = event_id
        self.texts = texts

    def knows(self, event_id: str) -> bool:
        """Say whether this event is counted already."""
        ids = self.ids
        return ids == event_id if ids.__class__ is str else event_id in ids

    def add(self, event_id: str, now: float) -> None:
        """Count one more event."""
        if isinstance(self.ids, str):
            self.ids = {self.ids: self.since}
        self.ids[event_id] = now
        self.n += 1

    def times(self) -> dict[str, float]:
        """Return the ids that still count, with their times, oldest first."""
        return {self.ids: self.since} if isinstance(self.ids, str) else self.ids

    def unused(self, mark: ConsumedMark) -> int:
        """Return how many arrivals still count and are not used.

        None, when the mark is ahead of this record: another listener saw later arrivals and used them.
        """
        live = 1 if self.ids.__class__ is str else len(self.ids)
        free = self.n - mark[1] if mark[0] == self.since else self.n
        return max(0, min(free, live))

    def event(self, left: int) -> str:
        """Return the id of the oldest of the last ``left`` arrivals: the one that a firing uses next."""
        if isinstance(self.ids, str):
            return self.ids
        ids = list(self.ids)
        return ids[-left] if 0 < left <= len(ids) else ids[-1]

    def __repr__(self) -> str:
        return f"Arrivals({self.partition}, n={self.n})"


class Arrival(NamedTuple):
    """One event of a partition, as it is added to an index under its keys."""

    arrival_index: ArrivalIndex
    keys: tuple[Key, ...]
    partition: Partition
    event_id: str
    texts: tuple[str, ...] | None


class Came(NamedTuple):
    """The arrivals of the first firing of an output, one of each input, that were written with it and nowhere else.

    All are of one ``partition`` and one moment; ``inputs`` says of each where its record would stand, its event, and how
    that spelled it. They are used: a record of that event counts it once more, and has one more used.
    """

    since: float
    partition: Partition
    inputs: tuple[tuple[str, str, tuple[str, ...] | None], ...]

    def event(self, arrival_index: ArrivalIndex, partition: Partition) -> str | None:
        """Return the event of a partition at an input; None where it is not among them."""
        if partition == self.partition:
            for first, event, _ in self.inputs:
                if first == arrival_index.first:
                    return event
        return None

    def is_of(self, arrival_indexes: Iterable[ArrivalIndex]) -> bool:
        """Say whether each of them is of one of these inputs."""
        return {first for first, _, _ in self.inputs} <= {index.first for index in arrival_indexes}

    def record(
        self, arrival_index: ArrivalIndex, partition: Partition, record: Arrivals | None, oldest: float
    ) -> Arrivals | None:
        """Return the record of a partition as it would be had they been counted there; they count if later than ``oldest``."""
        event = self.event(arrival_index, partition)
        if event is None or self.since <= oldest:
            return record
        if record is None:
            texts = next(texts for first, _, texts in self.inputs if first == arrival_index.first)
            return Arrivals(partition, event, self.since, texts)
        times = dict(record.times())
        whole = Arrivals(partition, event, record.since, record.texts)
        whole.n = record.n + (event not in times)
        times[event] = min(self.since, times.get(event, self.since))
        whole.ids = dict(sorted(times.items(), key=lambda one: one[1]))
        return whole


class Group(NamedTuple):
    """The arrivals of the members of a rolled up partition, in the members' order; None for one that lacks."""

    partition: Partition
    parts: tuple[Arrivals | None, ...]

    @property
    def texts(self) -> tuple[tuple[Partition, tuple[str, ...] | None], ...] | None:
        """How events spelled the members, where that is kept of any: nobody spells what they are rolled up to."""
        found = tuple([(part.partition, part.texts) for part in self.parts if part is not None])
        return found if any(texts is not None for _, texts in found) else None


Recs = tuple[Arrivals, ...]
Bound = tuple[Arrivals | Group, ...]  # one for each trigger input


def spread(found: Bound) -> Recs:
    """Return the arrivals of a whole binding, each member of a group as an input of its own."""
    flat: list[Arrivals] = []
    for record in found:
        if isinstance(record, Group):
            flat += [part for part in record.parts if part is not None]
        else:
            flat.append(record)
    return tuple(flat)


# What a binding has used: how often it fired, and the mark at each trigger input. A plain tuple, because
# there are as many as executions: the garbage collector need not look at those.
Used = tuple[int, tuple[ConsumedMark, ...]]
Named = tuple[str, Partition]  # an input by what it means, and a partition that is read by it


class Means:
    """What the bindings of a node, or of one alternative of it, mean, in any version of an application.

    ``name`` is a short name of the trigger inputs and their links, ``inputs`` one of each input. ``now`` are the names of
    all alternatives of now, ``order`` the positions of the inputs as declared. ``updates``: what was read is used.
    """

    __slots__ = ("inputs", "name", "now", "order", "updates")

    def __init__(
        self,
        name: str,
        inputs: tuple[str, ...],
        now: frozenset[str] = frozenset(),
        order: tuple[int, ...] = (),
        updates: bool = False,
    ) -> None:
        self.name = name
        self.inputs = inputs
        self.now = now | {name}
        self.order = order or tuple(range(len(inputs)))
        self.updates = updates


class User(NamedTuple):
    """Who uses arrivals: a binding, by names, so that a new version of an application finds what it has used.

    ``reads`` is what there is a mark of, where that is not one partition for each trigger input.
    """

    binding: Binding
    means: Means
    reads: tuple[Named, ...] = ()

    @property
    def named(self) -> tuple[Named, ...]:
        """What there is a mark of."""
        return self.reads or tuple(zip(self.means.inputs, self.binding, strict=True))


Name = TypeVar("Name")


def carried(
    wanted: Sequence[Name], known: Iterable[tuple[Sequence[Name], Used]], partly: bool = False
) -> Used | None:
    """Return what was used of all that is wanted now, by firings that read all of it; None when there was none.

    ``partly`` lets those count that read some of it.

    >>> then = [(["NA", "EU"], (1, ((5.0, 1), (6.0, 2))))]
    >>> carried(["EU"], then), carried(["EU", "NA"], then), carried(["EU", "FE"], then)
    ((1, ((6.0, 2),)), (1, ((6.0, 2), (5.0, 1))), None)
    """
    marks: dict[Name, ConsumedMark] = {}
    times = 0
    for names, (fired, used) in known:
        then = dict(zip(names, used, strict=True))
        if partly or all(name in then for name in wanted):
            times = max(times, fired)
            for name in wanted:
                marks[name] = max(marks.get(name, UNREAD), then.get(name, NEVER))
    return (times, tuple([marks[name] for name in wanted])) if times else None


class DocumentBuilder(Protocol):
    """Writes an execution document, when somebody asks for it, from what was kept of its firing."""

    def document(self, made: Any, generation: int) -> Document:
        """Return the execution document."""


class Source(Protocol):
    """What a new execution's document is made from, and by whom."""

    @property
    def builder(self) -> DocumentBuilder:
        """Who writes the document."""

    @property
    def made(self) -> Any:
        """What it is written from: plain data."""


class _Reader:
    """The maker of documents that were made before."""

    def document(self, made: Document, generation: int) -> Document:
        return made


class Stored(NamedTuple):
    """A document that was made before, and read back."""

    made: Document

    @property
    def builder(self) -> DocumentBuilder:
        """Who hands the document out as it is."""
        return _READER


_READER = _Reader()


class CheckResult(NamedTuple):
    """What a check of a node found in what an execution wrote; ``what`` says it, where it has not passed."""

    check: str
    passed: bool
    severity: str = "block"
    what: str = ""

    @property
    def blocks(self) -> bool:
        """Whether what was written must not be published."""
        return not self.passed and self.severity == "block"


def checks_ended(checks: Sequence[CheckResult]) -> str:
    """Return how checks ended: PASS, WARN or FAIL; "" where none were made.

    >>> good, odd, bad = CheckResult("a", True), CheckResult("b", False, "warn"), CheckResult("c", False)
    >>> [checks_ended(found) for found in ([], [good], [good, odd], [odd, bad])]
    ['', 'PASS', 'WARN', 'FAIL']
    """
    if any(check.blocks for check in checks):
        return FAIL
    if all(check.passed for check in checks):
        return PASS if checks else ""
    return WARN


class Execution(NamedTuple):
    """One execution of an output partition, in one of its states.

    ``fired`` is when it was created, ``moved`` when it came into its state. ``events`` are the ids of
    the events that made it, one for each trigger input. ``signalled`` is False while a signal is owed: of its
    output, or of its checks. ``checks`` is what each check found, ``claimed`` when a run took it last, and ``jobs``
    where that run starts its jobs. One that is ANNOUNCED with a ``run_id`` is given to the run of a batch, and nobody else's.
    """

    generation: int
    state: str
    builder: DocumentBuilder
    made: Any
    events: tuple[str, ...]
    fired: float
    moved: float
    run_id: str | None = None
    note: str = ""
    signalled: bool = True
    claimed: float | None = None
    checks: tuple[CheckResult, ...] = ()
    jobs: tuple[str, ...] = ()

    @property
    def document(self) -> Document:
        """The execution document: plain JSON."""
        return self.builder.document(self.made, self.generation)

    @property
    def checked(self) -> str:
        """How its checks ended, as `checks_ended` says."""
        return checks_ended(self.checks)


TASKS_ENDED = 0.0  # of a writer: its tasks have come to their ends by themselves, its jobs perhaps not
RUN_GOES_ON = -1.0  # of a writer: its run carries out other executions still


class Writer(NamedTuple):
    """A run that had an output, and of which nobody has seen yet that it writes no more.

    ``jobs`` says where it starts jobs. ``since`` is when its tasks were told to end, or `TASKS_ENDED`, `RUN_GOES_ON`.
    """

    generation: int
    run_id: str
    jobs: tuple[str, ...]
    since: float


class BatchRun(NamedTuple):
    """What is known of the run of a batch: for which executions it was started, when it began, and where it starts jobs.

    ``members`` are partition and generation of each, None of a run that was not started yet; ``began`` is None before its
    first task.
    """

    members: frozenset[Member] | None = None
    began: float | None = None
    jobs: tuple[str, ...] = ()


class Output(NamedTuple):
    """All state of one output partition, changed only by compare-and-swap on ``version``.

    ``active`` is the execution that may write the partition, ``held`` the one that starts when it
    ends, ``ended`` the last few that are over, the latest first. While there is a ``writer``, nobody claims. ``came`` are
    arrivals that are counted here alone.
    """

    node: str
    partition: str
    version: int
    generation: int
    active: Execution | None = None
    held: Execution | None = None
    ended: tuple[Execution, ...] = ()
    writer: Writer | None = None
    came: Came | None = None


def has_run(execution: Execution) -> bool:
    """Say whether a run has an execution that is not over: it has claimed it, or it was given to the run of a batch."""
    return execution.state == CLAIMED or is_given(execution)


def is_given(execution: Execution) -> bool:
    """Say whether an execution is a batch's, whose run claims it by beginning."""
    return execution.state == ANNOUNCED and execution.run_id is not None


def unsettled(output: Output) -> bool:
    """Say whether the sweeper may have to act: an execution is not over yet, or a signal is owed."""
    return output.active is not None or any(not e.signalled for e in output.ended)


CAME = "="  # the end of a signal's name under which it is noted for good what of it has come


class Refusal(NamedTuple):
    """AWS has not let a listener look for something: what, the permission that is missing, and when."""

    what: str
    permission: str
    time: float


class Touched(NamedTuple):
    """Data of a partition that something else announces: a marker above it, or that it has settled.

    ``event_id`` and ``time`` are of the latest object, ``seen`` is when it was heard of; what is as old as
    ``announced`` has arrived already. ``signal`` is a name of what the signal means.
    """

    signal: str
    partition: Partition
    event_id: str
    time: float
    seen: float
    announced: float = float("-inf")


class Waiter(NamedTuple):
    """A complete binding that waits, and the partition whose coming it waits for.

    ``signal`` names the rows of the partition's signal, ``means`` what the binding means: see `join.Join`
    and `windows.Layout`.
    """

    signal: str
    partition: Partition
    node: str
    binding: Binding
    since: float
    means: str = ""


def first_bound(partial: Partial) -> tuple[int, Partition]:
    """Return the first arrival of a combination, by the number of its input: where its expiry is kept.

    >>> first_bound((None, (7,), (8,)))
    (1, (7,))
    """
    return next((i, partition) for i, partition in enumerate(partial) if partition is not None)


class Reader(NamedTuple):
    """A binding that has run, and a partition that it reads: it runs again when that one is written anew.

    ``means`` is what the binding means: see `join.Join`.
    """

    signal: str
    partition: Partition
    node: str
    binding: Binding
    means: str = ""


def execution_id(node: str, partition: str, generation: int) -> str:
    """Return the id of an execution.

    >>> execution_id("daily", "1/2020-03-18", 2), execution_id("total", "", 1)
    ('daily/1/2020-03-18#2', 'total#1')
    """
    return f"{node}/{partition}#{generation}" if partition else f"{node}#{generation}"


def execution_place(execution: str) -> str:
    """Return what keys of S3 call an execution, by its id.

    >>> execution_place("daily/1/2020-03-18#2"), execution_place("daily/C##1"), execution_place("total#1")
    ('daily/1/2020-03-18/2', 'daily/C#/1', 'total/1')
    """
    partition, _, generation = execution.rpartition("#")
    return f"{partition}/{generation}"


Clock = Callable[[], float]


class Status(NamedTuple):
    """What state the latest execution of an output partition is in."""

    node: str
    partition: str
    state: str


def status_of(output: Output) -> Status:
    """Return the status of an output: of its active execution, else of the one that ended last.

    >>> status_of(Output("daily", "2020-03-18", 1, 0)).state
    ''
    """
    latest = output.active or next(iter(output.ended), None)
    return Status(output.node, output.partition, "" if latest is None else latest.state)
