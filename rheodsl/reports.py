"""What monitoring returns: routes, executions, what waits, accounts of partitions, logs; in notebooks, tables."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from rheo_runtime.wire import event_text


def as_html(caption: str, titles: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a table, its texts escaped.

    >>> as_html("", ["a"], [["<b>"]])
    '<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>&lt;b&gt;</td></tr></tbody></table>'
    """
    head = "".join(f"<th>{html.escape(title)}</th>" for title in titles)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    above = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return f"<table>{above}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def preformatted(text: object) -> str:
    """Return a text as HTML that keeps its lines.

    >>> preformatted("a < b")
    '<pre>a &lt; b</pre>'
    """
    return f"<pre>{html.escape(str(text))}</pre>"


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


SHOWN = 3  # events of one input that are told


@dataclass(frozen=True, slots=True)
class ComputeInput:
    """One input of an execution: its partition, the paths that it reads, the event that brought it.

    ``event`` is None for a reference, and in an execution that was started by hand. A complete rollup has ``events``, one
    of each member, the last of which is its ``event``. ``partition`` is the tip; ``read`` are the partitions of the paths,
    where that is known, and ``absent`` says that there was nothing to read.
    """

    alias: str
    signal: str
    partition: str
    paths: tuple[str, ...]
    event: str | None = None
    events: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    absent: bool = False


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
    complete in storage, None for a signal without data; ``lacks`` what keeps it from that, in words.
    """

    alias: str
    signal: str
    partition: str
    events: Mapping[str, datetime] = field(hash=False)
    stored: bool | None
    lacks: str = ""


@dataclass(frozen=True, slots=True)
class NewerInput:
    """A partition that was written after an output that reads it was made.

    ``written`` is None for one that is stale itself: when it is made again it is newer, too.
    """

    alias: str
    signal: str
    partition: str
    written: datetime | None

    def __str__(self) -> str:
        name = f"{self.alias} {self.partition}".rstrip()
        return (
            f"{name} is stale itself"
            if self.written is None
            else f"{name} was written at {moment(self.written)}"
        )


@dataclass(frozen=True, slots=True)
class StaleOutput:
    """An output partition that is older than what it reads, and what of that is ``newer``.

    ``execution_id`` made it; ``fired`` is when that one was fired.
    """

    route_id: str
    partition: str
    execution_id: str
    fired: datetime
    newer: tuple[NewerInput, ...]

    def __str__(self) -> str:
        name = f"{self.route_id} {self.partition}".rstrip()
        return "\n".join([f"{name} is of {moment(self.fired)}", *(f"  {newer}" for newer in self.newer)])

    def _repr_html_(self) -> str:
        return preformatted(self)


@dataclass(frozen=True, slots=True)
class LatePartition:
    """A partition at which a view should be complete by now and is not.

    ``signal`` is the late signal, ``of`` whose partitions the view has, ``due`` when it should have been complete;
    ``missing`` is a partition that lacks.
    """

    signal: str
    of: str
    partition: str
    due: datetime
    missing: str

    def __str__(self) -> str:
        name = f"{self.signal} {self.partition}".rstrip()
        return f"{name}: {self.of} {self.missing} is not there, and was due by {moment(self.due)}"

    def _repr_html_(self) -> str:
        return preformatted(self)


@dataclass(frozen=True, slots=True)
class ForgottenEvent:
    """An arrival that counts no more, as it is older than its node's ``arrival_ttl``; ``at`` is when it came."""

    alias: str
    signal: str
    partition: str
    at: datetime

    def __str__(self) -> str:
        name = f"{self.alias} {self.partition}".rstrip()
        return f"{name} came at {moment(self.at)} and is forgotten: it must arrive again"


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
    signals could not use. ``paused`` says who paused the route's DAG in Airflow, where somebody did. ``late`` is
    what it reads and is late now, ``forgotten`` what came too long ago to count. ``halted`` says that the application is paused as a whole, ``zone`` in
    which zone `str` says times. ``verdict`` is the short answer;
    ``str()`` the long one.
    """

    route_id: str
    partition: str
    executions: tuple[ComputeRecord, ...]
    pending: tuple[PendingNode, ...]
    needs: tuple[NeededInput, ...]
    unknown: str = ""
    refused: tuple[RefusedEvent, ...] = ()
    paused: str = ""
    late: tuple[LatePartition, ...] = ()
    forgotten: tuple[ForgottenEvent, ...] = ()
    halted: bool = False
    zone: str = "UTC"

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
        if self.halted:
            yield "the application is PAUSED: its events wait, until rheo resume"
        if self.paused:
            yield f"its DAG is PAUSED in Airflow, by {self.paused}: nothing of it runs"
        for execution in self.executions:
            yield from self._execution(execution)
        for pending in self.pending:
            yield f"waits since {self._at(pending.since)}"
            for alias, partition in pending.arrived.items():
                yield f"  arrived  {alias} {partition}".rstrip()
            for missing in pending.missing:
                yield f"  missing  {missing.alias} {missing.partition}: {missing.reason}"
        if not self.executions and not self.pending:
            yield "nothing that leads to it waits"
        for need in self.needs:
            yield from self._need(need)
        yield from (f"late: {late}" for late in self.late)
        yield from (f"forgotten: {event}" for event in self.forgotten)
        if self.unknown:
            yield self.unknown
        for event in self.refused:
            name = " ".join(filter(None, (event.signal, event.what)))
            when = f" at {self._at(event.at)}" if event.at else ""
            yield f"refused lately: {name}{when}: {event.reason}"

    def _at(self, at: datetime) -> str:
        return moment(at, self.zone)

    def _execution(self, record: ComputeRecord) -> Iterable[str]:
        ended = "since" if record.state.active else "at"
        run = f" in run {record.run_id}" if record.run_id else ""
        fired, moved = self._at(record.fired), self._at(record.moved)
        yield f"{record.execution_id} fired at {fired}; {record.state} {ended} {moved}{run}"
        if record.note:
            yield f"  because  {record.note}"
        for source in record.inputs:
            if source.absent:
                yield f"  absent   {source.alias}"
                continue
            named = source.events or (() if source.event is None else (source.event,))
            event = ""
            if named:
                more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
                word = "events" if len(named) > 1 else "event"
                event = f" by {word} {', '.join(map(event_text, named[:SHOWN]))}{more}"
            yield f"  read     {source.alias} {_named(source)}{event}"

    def _need(self, need: NeededInput) -> Iterable[str]:
        name = f"{need.alias} {need.partition}".rstrip()
        lacks = need.lacks or "its data is not there"
        stored = {True: "; its data is there", False: f"; {lacks}", None: ""}[need.stored]
        if not need.events:
            yield f"needs {name}: no event of it has come{stored}"
        for event, at in need.events.items():
            yield f"needs {name}: event {event_text(event)} came at {self._at(at)}{stored}"


def _named(source: ComputeInput) -> str:
    """What an input read: its partition, unless it read others only."""
    if not source.read or source.partition in source.read:
        return source.partition
    first, last = source.read[0], source.read[-1]
    return first if first == last else f"{first} to {last}"


def moment(at: datetime, zone: str = "UTC") -> str:
    """Return a time as people read it: to the second, in a zone.

    >>> from datetime import UTC
    >>> moment(datetime(2013, 1, 1, 5, 30, tzinfo=UTC))
    '2013-01-01 05:30:00Z'
    >>> moment(datetime(2013, 1, 1, 5, 30, tzinfo=UTC), "Asia/Tokyo")
    '2013-01-01 14:30:00 Asia/Tokyo'
    """
    if zone == "UTC":
        return f"{at:%Y-%m-%d %H:%M:%S}Z"
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S} {zone}"


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
