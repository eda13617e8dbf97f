"""A node -> when its DAG runs: for events, at an Airflow timetable's own times, or by hand."""

from __future__ import annotations

import re

from codegen import plan as p
from rheo_runtime import expr as x
from rheo_runtime import values as v
from rheo_runtime.airflow_client import asset_uri
from rheodsl import ir, schedule


def schedule_of(graph: ir.Graph, node: ir.Node) -> p.Schedule:
    """Return when the DAG of a node runs."""
    triggers = [i for i in node.inputs if not i.reference]
    if not triggers:
        return p.ByHand()
    timer = _only_timer(graph, node)
    if timer is not None:
        read = schedule.parse(timer.schedule, timer.timezone)
        expression = read.airflow_cron()
        # One timer is one clock: Airflow's is used where it shows the same times as EventBridge's for ever.
        if expression is not None and (isinstance(read, schedule.Rate) or read.steady()):
            zone = read.zone if isinstance(read, schedule.Cron) else "UTC"
            return p.OnCron(expression, timer.schedule, _key_format(graph, node, timer), zone)
    return p.OnEvents(asset_uri(graph.app, node.id))


def _only_timer(graph: ir.Graph, node: ir.Node) -> ir.TimerSource | None:
    """The timer of a node that nothing else triggers: Airflow itself can run it."""
    triggers = [i for i in node.inputs if not i.reference]
    checks = any(i.mode for i in node.inputs) and node.options.trigger != "sensor"
    if (
        node.alternatives
        or len(triggers) != 1
        or checks
        or any(r.value is not None for b in triggers[0].branches for r in b)
    ):
        return None
    signal = graph.signal(triggers[0].signal)
    return signal.source if isinstance(signal.source, ir.TimerSource) and signal.proxy is None else None


def _key_format(graph: ir.Graph, node: ir.Node, timer: ir.TimerSource) -> str | None:
    """The format in which the fire time is the output partition, if Airflow takes it into a run id."""
    (trigger,) = (i for i in node.inputs if not i.reference)
    (dim,) = graph.signal(trigger.signal).dims
    kinds = [rule.kind for _, rule in node.output]
    same = node.output_values == (x.Ref(trigger.alias, dim),) and kinds == [trigger.branches[0][0].kind]
    if not same or timer.shift or kinds[0].timezone not in (None, "UTC"):
        return None
    format = kinds[0].format or v.DEFAULT_FORMAT
    return format if re.fullmatch(r"[A-Za-z0-9_.~:+-]+", format.replace("%", "")) else None


def is_native(graph: ir.Graph, node: ir.Node) -> bool:
    """Say whether Airflow itself starts a node."""
    return isinstance(schedule_of(graph, node), p.OnCron)
