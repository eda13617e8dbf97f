"""Inputs that must be there before a compute starts -> sensors at the head of the DAG."""

from __future__ import annotations

import re

from codegen import plan as p
from codegen.source import Fragment, assigned
from codegen.targets.base import Operator
from rheodsl import ir
from rheodsl.errors import SpecError

SENSORS = "rheo_airflow.tasks.sensors"
# A guard looks at what is there already: when it is not, something has deleted it.
GUARD_SECONDS = 3600


def waits_of(graph: ir.Graph, node: ir.Node, native: bool) -> tuple[p.Wait, ...]:
    """Return what the DAG of a node waits for; raises SpecError.

    In sensor mode: for each input that would otherwise start it, and for checked windows. Else only for
    checked windows, as a guard: the ledger says that they are complete.
    """
    sensing = node.options.trigger == "sensor"
    if sensing and not native:
        raise SpecError(
            f"{node.id}: Airflow cannot follow its timer, so no sensor can be started by it",
            where=node.where,
            hint="use a rate that divides the day, or a cron expression without W, # and years that its "
            "zone's clock neither jumps over nor shows twice; or leave trigger out",
        )
    seconds = node.options.pending_ttl if sensing else GUARD_SECONDS
    found = (_wait(graph, node, i, seconds) for i in node.inputs if i.awaited or i.mode == "range_check")
    return tuple(wait for wait in found if wait is not None)


def _wait(graph: ir.Graph, node: ir.Node, i: ir.Input, seconds: int | None) -> p.Wait | None:
    signal = graph.signal(i.signal)
    whole = i.mode == "range_check" or (i.rollup is not None and i.rollup.complete)
    match signal.source:
        case ir.S3Source(completion=completion):
            # What names dimensions is looked for whatever they are.
            return p.Wait(
                i.alias, whole, seconds, tuple(re.sub(r"\{\d+\}", "*", name) for name in completion)
            )
        case ir.NodeSource() | ir.UpstreamSource():
            return p.Wait(i.alias, whole, seconds, ("_SUCCESS",))
        case ir.GlueSource(database=database, table=table, location=location):
            if whole and location is None:
                if not i.awaited:
                    return None  # the ledger alone knows which partitions a window has
                raise SpecError(
                    f"{node.id}: {i.alias} has no location, so no sensor can wait for its window",
                    where=node.where,
                    hint="declare where the data of its table lies",
                )
            numbers = tuple(dim for dim in signal.dims if signal.kind(dim).type == "LONG")
            return p.Wait(i.alias, whole, seconds, table=(database, table), numbers=numbers)
    return None


def sensor_fragment(dag: p.DagPlan) -> Fragment:
    """Return the sensors of a node."""
    return Fragment(
        imports=frozenset((SENSORS, _operator(wait)) for wait in dag.waits),
        tasks={
            task_of(wait): assigned(task_of(wait), _operator(wait), _arguments(wait)) for wait in dag.waits
        },
    )


def task_of(wait: p.Wait) -> str:
    """Return the id of a sensor's task.

    >>> task_of(p.Wait("orders", False, None))
    'wait_orders'
    """
    return f"wait_{wait.alias}"


def sensor_of(wait: p.Wait) -> Operator:
    """Return the sensor of an input, as a recipe spells it: it is told when to look."""
    arguments = {k: v for k, v in _arguments(wait).items() if k not in ("task_id", "timeout")}
    return Operator(SENSORS, _operator(wait), arguments)


def _operator(wait: p.Wait) -> str:
    return "PartitionSensor" if wait.table is None else "TablePartitionSensor"


def _arguments(wait: p.Wait) -> dict[str, object]:
    arguments: dict[str, object] = {"task_id": task_of(wait), "alias": wait.alias, "whole": wait.whole}
    if wait.table is None:
        arguments["completion"] = list(wait.completion)
    else:
        database, table = wait.table
        arguments |= {"database_name": database, "table_name": table, "numbers": list(wait.numbers)}
    if wait.seconds is not None:
        arguments["timeout"] = wait.seconds
    return arguments
