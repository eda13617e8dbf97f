"""What a ledger holds -> the records that users read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from rheo_runtime.pending import Waiting
from rheo_runtime.program import Program
from rheo_runtime.records import Execution, Output, execution_id
from rheo_runtime.texts import joined
from rheodsl.executions import ComputeInput, ComputeRecord, ComputeState, MissingInput, PendingNode


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
    node = program.nodes.get(output.node)
    # A run that was started by hand has no events; a node that is no longer active has no inputs any more.
    triggers = [] if node is None else [source.alias for source in node.join.triggers]
    events = dict(zip(triggers, execution.events, strict=False))
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
                event=events.get(entry["alias"]),
            )
            for entry in document["inputs"]
        ),
        note=execution.note,
    )


def pending_of(waiting: Waiting) -> PendingNode:
    """Return what waits as users read it."""
    return PendingNode(
        route_id=waiting.node,
        partition=waiting.output,
        arrived={alias: joined(texts) for alias, texts in waiting.arrived.items()},
        missing=tuple(MissingInput(m.alias, m.signal, m.what, m.reason) for m in waiting.missing),
        since=at(waiting.since),
    )


def at(seconds: float) -> datetime:
    """Return a time of the ledger."""
    return datetime.fromtimestamp(seconds, UTC)
