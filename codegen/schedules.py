"""A node -> when its DAG runs: for events, at an Airflow timetable's own times, or by hand."""

from __future__ import annotations

import re

from codegen import plan as p
from rheo_runtime import expr as x
from rheo_runtime import values as v
from rheo_runtime.trigger import asset_uri
from rheodsl import ir, schedule


def schedule_of(graph: ir.Graph, node: ir.Node) -> p.Schedule:
    """Return when the DAG of a node runs."""
    triggers = [i for i in node.inputs if not i.reference]
    if not triggers:
        return p.ByHand()
    timer = _only_timer(graph, node)
    if timer is not None:
        match schedule.parse(timer.schedule):
            case schedule.Rate() as rate:
                seconds = int(rate.delta().total_seconds())
                expression = _cron_of_rate(seconds)
                if expression is None:
                    return p.OnDelta(seconds, timer.schedule)
                return p.OnCron(expression, timer.schedule, _key_format(graph, node, timer))
            case schedule.Cron() as cron if (expression := cron.airflow_cron()) is not None:
                return p.OnCron(expression, timer.schedule, _key_format(graph, node, timer))
    return p.OnEvents(asset_uri(graph.app, node.id))


def _only_timer(graph: ir.Graph, node: ir.Node) -> ir.TimerSource | None:
    """The timer of a node that nothing else triggers: Airflow itself can run it."""
    triggers = [i for i in node.inputs if not i.reference]
    checks = any(i.mode for i in node.inputs) and node.options.trigger != "sensor"
    if len(triggers) != 1 or checks or any(r.value is not None for b in triggers[0].branches for r in b):
        return None
    signal = graph.signal(triggers[0].signal)
    return signal.source if isinstance(signal.source, ir.TimerSource) and signal.proxy is None else None


def _cron_of_rate(seconds: int) -> str | None:
    """The cron expression that fires at whole multiples of a rate since 1970, None when there is none.

    >>> _cron_of_rate(86400), _cron_of_rate(6 * 3600), _cron_of_rate(900), _cron_of_rate(7 * 86400)
    ('0 0 * * *', '0 */6 * * *', '*/15 * * * *', None)
    """
    minutes = seconds // 60
    if minutes == 24 * 60:
        return "0 0 * * *"
    if minutes < 60 and 60 % minutes == 0:
        return f"*/{minutes} * * * *" if minutes > 1 else "* * * * *"
    hours = minutes // 60
    if minutes % 60 == 0 and 24 % hours == 0:
        return f"0 */{hours} * * *" if hours > 1 else "0 * * * *"
    return None


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
    return isinstance(schedule_of(graph, node), p.OnCron | p.OnDelta)
