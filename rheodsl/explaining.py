"""What a ledger holds -> what users read of it: executions, what waits, and why a partition ran or did not.

One implementation for the simulator and for what is deployed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Protocol

from rheo_runtime import wire
from rheo_runtime.consumers import Consumer, Node
from rheo_runtime.derivation import Undetermined
from rheo_runtime.engine import Engine
from rheo_runtime.explain import LateInput, binding_of, events_of, explained
from rheo_runtime.program import Program
from rheo_runtime.records import Document, Execution, Output, execution_id
from rheo_runtime.rollup import Members
from rheo_runtime.stale import Stale, binding_made, has_data, way_of
from rheo_runtime.values import BadValue, Partition, joined
from rheo_runtime.waiting import Waiting
from rheo_runtime.windows import reads
from rheodsl.reports import (
    ComputeInput,
    ComputeRecord,
    ComputeState,
    Explanation,
    ForgottenEvent,
    LatePartition,
    MissingInput,
    NeededInput,
    NewerInput,
    PendingNode,
    RefusedEvent,
    StaleOutput,
)


class Storage(Protocol):
    """Where the data of partitions is."""

    def lacks(self, signal: wire.Signal, partition: Partition) -> str | None:
        """Return what of a partition is not there, in words; empty when all is, None when nobody knows."""


def records_of(program: Program, output: Output) -> Iterator[ComputeRecord]:
    """Yield the executions of one output partition, the first one first."""
    found = [(each, ComputeState(each.state)) for each in output.ended]
    if output.active is not None:
        found.append((output.active, ComputeState(output.active.state)))
    if output.held is not None:
        found.append((output.held, ComputeState.HELD))
    for execution, state in sorted(found, key=lambda pair: pair[0].generation):
        yield _record(program, output, execution, state)


def _record(program: Program, output: Output, execution: Execution, state: ComputeState) -> ComputeRecord:
    document = execution.document
    read = _read(program, document)
    events: dict[str, list[str]] = {}
    for alias, _, event in events_of(program, execution):
        events.setdefault(alias, []).append(event)
    return ComputeRecord(
        route_id=output.node,
        execution_id=execution_id(output.node, output.partition, execution.generation),
        state=state,
        partition=output.partition,
        dimensions=document["output"]["dimensions"],
        fired=at(execution.fired),
        moved=at(execution.moved),
        run_id=execution.run_id,
        path=document["output"]["path"],
        inputs=tuple(
            ComputeInput(
                alias=entry["alias"],
                signal=entry["signal"],
                partition=joined(tuple(entry["dimensions"].values())),
                paths=tuple(entry["paths"]),
                event=events[entry["alias"]][-1] if entry["alias"] in events else None,
                events=tuple(events.get(entry["alias"], ())),
                read=read.get(entry["alias"], ()),
                absent="absent" in entry,
            )
            for entry in document["inputs"]
        ),
        note=execution.note,
    )


def _read(program: Program, document: Document) -> dict[str, tuple[str, ...]]:
    """The partitions whose paths an execution read, by alias; not told of rollups, nor where inputs have changed since."""
    node = way_of(program, document)
    if node is None:
        return {}
    try:
        tips = node.join.tips_of(binding_made(node, document))
    except (Undetermined, BadValue):
        return {}
    paths = {entry["alias"]: entry["paths"] for entry in document["inputs"]}
    found = {}
    for source, tip in zip(node.join.route.inputs, tips, strict=True):
        signal = program.signals[source.signal]
        if source.rollup is None:
            read = (p for p in reads(source, tip) if signal.address(p) in paths.get(source.alias, ()))
            found[source.alias] = tuple(joined(signal.texts(p)) for p in read)
    return found


def pending_of(waiting: Waiting) -> PendingNode:
    """Return what waits as users read it."""
    return PendingNode(
        route_id=waiting.node,
        partition=waiting.output,
        arrived={alias: joined(texts) for alias, texts in waiting.arrived.items()},
        missing=tuple(MissingInput(m.alias, m.signal, m.what, m.reason) for m in waiting.missing),
        since=at(waiting.since),
    )


def stale_output(found: Stale) -> StaleOutput:
    """Return a stale output as users read it."""
    newer = (
        NewerInput(n.alias, n.signal, n.partition, None if n.written is None else at(n.written))
        for n in found.newer
    )
    return StaleOutput(found.node, found.partition, found.execution, at(found.fired), tuple(newer))


def at(seconds: float) -> datetime:
    """Return a time of the ledger."""
    return datetime.fromtimestamp(seconds, UTC)


def explanation(engine: Engine, storage: Storage | None, node: Node, texts: Sequence[str]) -> Explanation:
    """Return why an output partition ran or did not; the engine's ledger and storage are only read.

    ``texts`` are those of its dimensions, or one for them all. Without ``storage`` nobody knows which data is there.
    """
    account = explained(engine, node.id, tuple(texts))
    output, _ = engine.ledger.output(node.id, account.partition, None)
    unknown = account.unknown
    needs: dict[NeededInput, None] = {}
    for way in engine.program.ways(node.id):
        try:
            needs |= dict.fromkeys(_needs(engine, storage, way, account.values))
        except Undetermined as fault:
            unknown = unknown or str(fault)
    executions = () if output is None else tuple(records_of(engine.program, output))
    return Explanation(
        route_id=node.id,
        partition=account.partition,
        executions=executions,
        pending=tuple(map(pending_of, account.waiting)),
        needs=tuple(needs),
        unknown=unknown,
        refused=()
        if executions
        else tuple(
            RefusedEvent(event.signal, event.what, event.reason, at(time)) for time, event in account.near
        ),
        late=tuple(map(late_partition, account.late)),
        forgotten=tuple(
            ForgottenEvent(f.alias, f.signal, f.partition, at(f.came)) for f in account.forgotten
        ),
        zone=zone_of(node),
    )


def zone_of(node: Node) -> str:
    """Return the zone in which the hours of a node's output are read; UTC for one without hours."""
    zones = [kind.timezone for kind in node.join.route.output.kinds if kind.timezone is not None]
    return zones[0] if zones else "UTC"


def late_partition(late: LateInput) -> LatePartition:
    """Return what is late now as users read it."""
    return LatePartition(late.signal, late.of, late.partition, at(late.due), late.missing)


def _needs(
    engine: Engine, storage: Storage | None, node: Node, output: Partition | None
) -> Iterator[NeededInput]:
    """Yield the trigger inputs that an output is made from; none where it has no values. Raises Undetermined."""
    if output is None:
        return
    binding, join = binding_of(node, output), node.join
    for i in join.positions.values():
        source, partition = join.triggers[i], binding[i]
        signal = engine.program.signals[source.signal]
        try:
            join.keys[i](join.values[i](partition))
        except BadValue:
            continue  # a link has no value for it: it never joins
        consumer = Consumer(node, i)
        members = consumer.members
        parts = (partition,) if members is None else _members(engine, node, i, partition, members)
        came = {part: consumer.record(engine.ledger, part) for part in parts}
        if members is not None and not members.complete and any(came.values()):
            came = {part: record for part, record in came.items() if record is not None}  # they are enough
        for part, record in came.items():
            times = {} if record is None else record.times()
            lacks = storage.lacks(signal, part) if storage is not None and has_data(signal) else None
            yield NeededInput(
                alias=source.alias,
                signal=source.signal,
                partition=joined(signal.texts(part)),
                events={event: at(time) for event, time in times.items()},
                stored=None if lacks is None else not lacks,
                lacks=lacks or "",
            )


def _members(
    engine: Engine, node: Node, position: int, coarse: Partition, members: Members
) -> Sequence[Partition]:
    """The members of a rollup; where only arrivals tell which there are, those that have come."""
    if not members.open:
        return members.members(coarse)
    return node.join.come(engine.ledger, node.join.triggers[position].alias, coarse)
