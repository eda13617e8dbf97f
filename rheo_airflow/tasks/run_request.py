"""A run -> which executions its events name, or which partition somebody asked for. No Airflow in here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from rheo_runtime import wire
from rheo_runtime.derivation import Undetermined, of_alternatives
from rheo_runtime.documents import Draft
from rheo_runtime.events import TimerEvent
from rheo_runtime.ledger import Ledger
from rheo_runtime.program import Program
from rheo_runtime.records import execution_id
from rheo_runtime.values import BadValue, Partition, cast, parse

CONF = "rheo"  # where a run that the listener created carries what an event carries in its extra


class NotAsked(ValueError):
    """A run that names no execution, and does not say enough to make one."""


class Named(NamedTuple):
    """An execution that an event or a run's configuration names."""

    partition: str
    execution: str


def named(events: Iterable[Mapping[str, Any]], conf: Mapping[str, Any] | None) -> list[Named]:
    """Return the executions that a run was started for, the latest first.

    ``events`` are the extras of its events, oldest first: events of one partition merge into one run
    when they come before it starts. Of a batch they come as they are listed.
    """
    found = [
        entry for entry in [*reversed(list(events)), (conf or {}).get(CONF)] if isinstance(entry, Mapping)
    ]
    one = [
        Named(entry["partition"], entry["id"])
        for entry in found
        if isinstance(entry.get("id"), str) and "partition" in entry
    ]
    return one + [
        Named(partition, execution_id(entry["node"], partition, generation))
        for entry in found
        for partition, generation in entry.get("batch", ())
    ]


def read_program(folder: Path) -> Program:
    """Return the route table of the application whose files are in ``folder``."""
    return Program(wire.RouteTable.loads((folder / "routes.json").read_text("utf-8")))


def by_params(
    program: Program,
    node_id: str,
    params: Mapping[str, Any],
    key: str | None,
    there: Callable[[str, Partition], bool] = lambda signal, partition: False,
    ledger: Ledger | None = None,
) -> Draft:
    """Return the execution of the output partition that somebody asked for.

    Of a node of alternatives it is made by the first whose data is there.

    Parameters
    ----------
    params
        A value for each output dimension.
    key
        The partition key of the run: the texts joined by "/", in place of values.
    there
        Says of a signal and a partition whether it is there; asked about what may be absent, what is nearest, and
        the inputs of alternatives.
    ledger
        Tells how events spelled the inputs, and which members of rollups have come that nothing else names.

    Raises NotAsked.
    """
    node = program.nodes[node_id]
    out = node.join.route.output
    missing = [name for name in out.dims if params.get(name) is None]
    try:
        if not missing:
            partition = tuple(cast(params[n], kind) for n, kind in zip(out.dims, out.kinds, strict=True))
        elif key is not None and len(texts := key.split("/")) == len(out.dims):
            partition = tuple(map(parse, texts, out.kinds))
        else:
            raise NotAsked(f"say which partition to make: {', '.join(missing)} of the output")
    except BadValue as fault:
        raise NotAsked(f"the output partition is not one: {fault}") from None
    try:
        draft = of_alternatives(program.ways(node_id), partition, there, ledger)
    except Undetermined as fault:
        raise NotAsked(str(fault)) from None
    return draft if ledger is None else program.spelled(ledger, draft)


def by_time(program: Program, node_id: str, moment: datetime) -> Draft | None:
    """Return the execution of a node that a timer alone starts, for a fire at ``moment``.

    None where the output has no partition then: its calendar leaves the day out, say. Raises NotAsked.
    """
    node = program.nodes[node_id]
    signal = program.signals[node.join.triggers[0].signal]
    timers = [e for e in signal.events if isinstance(e, wire.TimerEvents)]
    if node.join.size != 1 or not timers:
        raise NotAsked(f"{node_id} is not started by a timer alone")
    event = TimerEvent(program.table.app, timers[0].timer, "", moment.timestamp())
    found, rejected, why = program.matcher.match(event)
    binding = [f.partition for f in found if f.signal == signal.id]
    if not binding:
        why = next((each.reason for each in rejected if each.signal == signal.id), why)
        raise NotAsked(f"{signal.id} has no partition at {moment}: {why}")
    try:
        return Draft(node.document_builder, (binding[0],), node.join.output((binding[0],)))
    except BadValue:
        return None
