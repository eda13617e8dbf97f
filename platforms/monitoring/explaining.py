"""Ledger and storage -> why one output partition ran, did not, or waits."""

from __future__ import annotations

from collections.abc import Iterator

from platforms.monitoring.records import at, pending_of, records_of
from rheo_runtime import wire
from rheo_runtime.backwards import Undetermined, of_output
from rheo_runtime.bindings import Storage
from rheo_runtime.engine import Engine
from rheo_runtime.program import Node
from rheo_runtime.records import Binding
from rheo_runtime.texts import joined
from rheo_runtime.values import BadValue, Partition
from rheodsl.executions import Explanation, NeededInput


def explanation(engine: Engine, storage: Storage, node: Node, partition: Partition) -> Explanation:
    """Return the account of an output partition; the engine's ledger and storage are only read."""
    text = joined(node.join.output_texts(partition))
    output, _ = engine.ledger.output(node.id, text, None)
    unknown = ""
    needs: tuple[NeededInput, ...] = ()
    try:
        # What a nearest input would read does not matter here.
        draft = of_output(node, partition, lambda source, candidates: next(iter(candidates), None))
        needs = tuple(_needs(engine, storage, node, draft.binding))
    except Undetermined as fault:
        unknown = str(fault)
    return Explanation(
        route_id=node.id,
        partition=text,
        executions=() if output is None else tuple(records_of(engine.program, output)),
        pending=tuple(pending_of(w) for w in engine.pending(node.id) if w.output in (None, text)),
        needs=needs,
        unknown=unknown,
    )


def _needs(engine: Engine, storage: Storage, node: Node, binding: Binding) -> Iterator[NeededInput]:
    join = node.join
    for i, (source, partition) in enumerate(zip(join.triggers, binding, strict=True)):
        signal = engine.program.signals[source.signal]
        try:
            key = join.keys[i](join.values[i](partition))[0]
        except BadValue:
            continue  # a link has no value for it: it never joins
        arrivals = engine.ledger.find(join.slots[i], 0, key)
        record = next((r for r in arrivals if r.partition == partition), None)
        times = {} if record is None else record.times()
        yield NeededInput(
            alias=source.alias,
            signal=source.signal,
            partition=joined(signal.texts(partition)),
            events={event: at(time) for event, time in times.items()},
            stored=storage.exists(signal, partition) if _has_data(signal) else None,
        )


def _has_data(signal: wire.Signal) -> bool:
    return signal.path is not None or any(isinstance(e, wire.GlueEvents) for e in signal.events)
