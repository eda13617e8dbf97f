"""A run -> which executions its events name, or which partition somebody asked for. No Airflow in here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from rheo_runtime import wire
from rheo_runtime.backwards import Undetermined, of_output
from rheo_runtime.documents import Draft
from rheo_runtime.events import TimerEvent
from rheo_runtime.program import Program
from rheo_runtime.values import BadValue, cast, parse

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
    when they come before it starts.
    """
    found = [*reversed(list(events)), (conf or {}).get(CONF)]
    return [
        Named(entry["partition"], entry["id"])
        for entry in found
        if isinstance(entry, Mapping) and isinstance(entry.get("id"), str) and "partition" in entry
    ]


def read_program(folder: Path) -> Program:
    """Return the route table of the application whose files are in ``folder``."""
    return Program(wire.RouteTable.loads((folder / "routes.json").read_text("utf-8")))


def by_params(program: Program, node_id: str, params: Mapping[str, Any], key: str | None) -> Draft:
    """Return the execution of the output partition that somebody asked for.

    Parameters
    ----------
    params
        A value for each output dimension.
    key
        The partition key of the run: the texts joined by "/", in place of values.

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
        return of_output(node, partition)
    except Undetermined as fault:
        raise NotAsked(str(fault)) from None


def by_time(program: Program, node_id: str, moment: datetime) -> Draft:
    """Return the execution of a node that a timer alone starts, for a fire at ``moment``. Raises NotAsked."""
    node = program.nodes[node_id]
    signal = program.signals[node.join.triggers[0].signal]
    timers = [e for e in signal.events if isinstance(e, wire.TimerEvents)]
    if node.join.size != 1 or not timers:
        raise NotAsked(f"{node_id} is not started by a timer alone")
    event = TimerEvent(program.table.app, timers[0].timer, "", moment.timestamp())
    found, _, why = program.matcher.match(event)
    binding = [f.partition for f in found if f.signal == signal.id]
    if not binding:
        raise NotAsked(f"{signal.id} has no partition at {moment}: {why}")
    return Draft(node.recipe, (binding[0],), node.join.output((binding[0],)))
