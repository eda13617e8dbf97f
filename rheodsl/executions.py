"""What `rheodsl.monitoring` returns: routes, executions, what waits, accounts of partitions, logs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from rheodsl.notebook import as_html, preformatted


class ComputeState(StrEnum):
    """Where an execution stands.

    READY and ANNOUNCED wait for Airflow, CLAIMED is in a run, HELD waits for the one before it of the
    same partition. The others are over.
    """

    READY = "READY"
    ANNOUNCED = "ANNOUNCED"
    CLAIMED = "CLAIMED"
    HELD = "HELD"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"

    @property
    def active(self) -> bool:
        """Whether an execution in this state can still change."""
        return self in (ComputeState.READY, ComputeState.ANNOUNCED, ComputeState.CLAIMED, ComputeState.HELD)


@dataclass(frozen=True, slots=True)
class Route:
    """A node as an entry of the routing table: what it takes, and what it makes, as text."""

    id: str
    inputs: tuple[str, ...]
    links: tuple[str, ...]
    output: tuple[str, ...]

    def _repr_html_(self) -> str:
        parts = {"input": self.inputs, "link": self.links, "output": self.output}
        return as_html(self.id, ("", ""), [(name, text) for name, texts in parts.items() for text in texts])


@dataclass(frozen=True, slots=True)
class ComputeInput:
    """One input of an execution: its partition, the paths that it reads, the event that brought it.

    ``event`` is None for a reference, and in an execution that was started by hand.
    """

    alias: str
    signal: str
    partition: str
    paths: tuple[str, ...]
    event: str | None = None


@dataclass(frozen=True, slots=True)
class ComputeRecord:
    """One execution of a route.

    ``partition`` is the text of its output partition and ``dimensions`` the same by name, ``path`` where
    the output lies. ``fired`` is when it came to be, ``moved`` when it came into its state: for one that
    is over, when it ended. ``run_id`` is its run in Airflow, once there is one.
    """

    route_id: str
    execution_id: str
    state: ComputeState
    partition: str
    dimensions: Mapping[str, str] = field(hash=False)
    fired: datetime
    moved: datetime
    run_id: str | None
    path: str | None
    inputs: tuple[ComputeInput, ...]
    note: str = ""

    def _repr_html_(self) -> str:
        run = [("run", self.run_id)] if self.run_id else []
        note = [("note", self.note)] if self.note else []
        times = [
            ("fired", moment(self.fired)),
            ("since" if self.state.active else "ended", moment(self.moved)),
        ]
        reads = [(f"input {i.alias}", ", ".join(i.paths) or i.partition) for i in self.inputs]
        rows = [("state", self.state), *times, *run, *note, *reads, ("output", self.path or "")]
        return as_html(self.execution_id, ("", ""), rows)


@dataclass(frozen=True, slots=True)
class MissingInput:
    """What something that waits lacks: a partition of an input, and why."""

    alias: str
    signal: str
    partition: str
    reason: str


@dataclass(frozen=True, slots=True)
class PendingNode:
    """Arrivals of a route that have not led to an execution yet.

    ``partition`` is the output that they would make, None while they do not determine it; ``arrived``
    are the partitions that are there, by alias; ``since`` is when the oldest of them came.
    """

    route_id: str
    partition: str | None
    arrived: Mapping[str, str] = field(hash=False)
    missing: tuple[MissingInput, ...]
    since: datetime

    def _repr_html_(self) -> str:
        rows = [("arrived", f"{alias} {partition}") for alias, partition in self.arrived.items()]
        rows += [("missing", f"{m.alias} {m.partition}: {m.reason}") for m in self.missing]
        name = f"{self.route_id} {self.partition or ''}".rstrip()
        return as_html(f"{name} waits since {moment(self.since)}", ("", ""), rows)


@dataclass(frozen=True, slots=True)
class RouteRecord:
    """A route and what becomes of it now: active executions, and what waits."""

    route: Route
    active_compute_records: tuple[ComputeRecord, ...]
    pending_nodes: tuple[PendingNode, ...]

    def _repr_html_(self) -> str:
        active = [record._repr_html_() for record in self.active_compute_records]
        pending = [node._repr_html_() for node in self.pending_nodes]
        return "".join([self.route._repr_html_(), *active, *pending])


@dataclass(frozen=True, slots=True)
class NeededInput:
    """A partition that a partition of a node is made from.

    ``events`` are the ids of its events that count, with their times. ``stored`` says whether its data is
    complete in storage; None for a signal without data.
    """

    alias: str
    signal: str
    partition: str
    events: Mapping[str, datetime] = field(hash=False)
    stored: bool | None


@dataclass(frozen=True, slots=True)
class RefusedEvent:
    """An event that could not be used: of which signal, what it named, why, and when, where that is known."""

    signal: str | None
    what: str
    reason: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one partition of a node ran, did not, or waits.

    ``executions`` are those of the partition, the first one first; ``pending`` is what could still become
    one; ``needs`` are the trigger inputs that it is made from, where the output tells which, and ``unknown``
    says why it does not. Where it has not run, ``refused`` are the latest events that the node or its
    signals could not use. ``verdict`` is the short answer; ``str()`` the long one.
    """

    route_id: str
    partition: str
    executions: tuple[ComputeRecord, ...]
    pending: tuple[PendingNode, ...]
    needs: tuple[NeededInput, ...]
    unknown: str = ""
    refused: tuple[RefusedEvent, ...] = ()

    @property
    def verdict(self) -> str:
        """ "succeeded", "failed", "skipped", "runs", "is ready", "waits" or "has not run"."""
        if self.executions:
            last = self.executions[-1]
            active = [e.state for e in self.executions if e.state.active]
            if ComputeState.CLAIMED in active:
                return "runs"
            return "is ready" if active else last.state.lower()
        return "waits" if self.pending else "has not run"

    def __str__(self) -> str:
        name = f"{self.route_id} {self.partition}".rstrip()
        return "\n".join([f"{name} {self.verdict}", *(f"  {line}" for line in self._lines())])

    def _repr_html_(self) -> str:
        return preformatted(self)

    def _lines(self) -> Iterable[str]:
        for execution in self.executions:
            yield from _execution(execution)
        for pending in self.pending:
            yield f"waits since {moment(pending.since)}"
            for alias, partition in pending.arrived.items():
                yield f"  arrived  {alias} {partition}".rstrip()
            for missing in pending.missing:
                yield f"  missing  {missing.alias} {missing.partition}: {missing.reason}"
        if not self.executions and not self.pending:
            yield "nothing that leads to it waits"
        for need in self.needs:
            yield from _need(need)
        if self.unknown:
            yield self.unknown
        for event in self.refused:
            name = " ".join(filter(None, (event.signal, event.what)))
            when = f" at {moment(event.at)}" if event.at else ""
            yield f"refused lately: {name}{when}: {event.reason}"


def _execution(record: ComputeRecord) -> Iterable[str]:
    ended = "since" if record.state.active else "at"
    run = f" in run {record.run_id}" if record.run_id else ""
    yield f"{record.execution_id} fired at {moment(record.fired)}; {record.state} {ended} {moment(record.moved)}{run}"
    if record.note:
        yield f"  because  {record.note}"
    for source in record.inputs:
        event = f" by event {source.event}" if source.event else ""
        yield f"  read     {source.alias} {source.partition}{event}"


def _need(need: NeededInput) -> Iterable[str]:
    name = f"{need.alias} {need.partition}".rstrip()
    stored = {True: "; its data is there", False: "; its data is not there", None: ""}[need.stored]
    if not need.events:
        yield f"needs {name}: no event of it has come{stored}"
    for event, at in need.events.items():
        yield f"needs {name}: event {event} came at {moment(at)}{stored}"


def moment(at: datetime) -> str:
    """Return a time as people read it: to the second, in UTC.

    >>> from datetime import UTC
    >>> moment(datetime(2013, 1, 1, 5, 30, tzinfo=UTC))
    '2013-01-01 05:30:00Z'
    """
    return f"{at:%Y-%m-%d %H:%M:%S}Z"


@dataclass(frozen=True, slots=True)
class ComputeLog:
    """What one attempt of one task of a run wrote; ``source`` is where it was read."""

    task: str
    attempt: int
    state: str
    source: str
    text: str

    def __str__(self) -> str:
        return f"---- {self.task}, attempt {self.attempt}, {self.state} ({self.source})\n{self.text}"

    def _repr_html_(self) -> str:
        return preformatted(self)
