"""A run -> which executions its events name, or which partition somebody asked for. No Airflow in here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from rheo_runtime import expr as x
from rheo_runtime import wire
from rheo_runtime.documents import Draft
from rheo_runtime.events import TimerEvent
from rheo_runtime.invert import solve
from rheo_runtime.program import Node, Program
from rheo_runtime.values import BadValue, Kind, Partition, cast, parse

OUTPUT = "output"
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
    return _draft(node, partition)


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


def _draft(node: Node, output: Partition) -> Draft:
    """Find the inputs' partitions from the output's: run a node backwards."""
    join = node.join
    if any(i.mode == "nearest" for i in join.route.inputs):
        raise NotAsked(f"{node.id} reads the nearest partition of an input, which only an event chooses")
    out = join.route.output
    kinds = dict(zip(out.dims, out.kinds, strict=True))

    def kind(ref: x.Ref) -> Kind:
        return kinds[ref.dim] if ref.input == OUTPUT else join.scope.kind_of_ref(ref)

    equations = [
        *join.route.links,
        *((x.Ref(OUTPUT, name), value) for name, value in zip(out.dims, out.values, strict=True)),
        *_literals(node),
    ]
    known = {(OUTPUT, name): value for name, value in zip(out.dims, output, strict=True)}
    found = solve(equations, known, kind)
    wanted = [(i.alias, join.scope.dims[i.alias]) for i in join.triggers]
    unknown = [f"{alias}.{dim}" for alias, dims in wanted for dim in dims if (alias, dim) not in found]
    if unknown:
        raise NotAsked(f"the output does not tell {', '.join(unknown)}, so only events can run {node.id}")
    binding = tuple(tuple(found[alias, dim] for dim in dims) for alias, dims in wanted)
    if join.output(binding) != output:
        raise NotAsked(f"no inputs of {node.id} lead to this output")
    return Draft(node.recipe, binding, output)


def _literals(node: Node) -> list[tuple[x.Expr, x.Expr]]:
    """Dimensions of trigger inputs that their filters fix."""
    found: list[tuple[x.Expr, x.Expr]] = []
    for source in node.join.triggers:
        for position, dim in enumerate(node.join.scope.dims[source.alias]):
            values = {branch[position].value for branch in source.branches}
            if len(values) == 1 and (value := values.pop()) is not None:
                kind = source.branches[0][position].kind
                found.append((x.Ref(source.alias, dim), x.Const(value, kind)))
    return found
