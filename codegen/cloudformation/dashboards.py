"""Graph -> the CloudWatch dashboards of an application."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from rheo_runtime.wire import resource_name
from rheodsl import ir
from rheodsl.cloudwatch.alarm_declarations import cloudwatch_names
from rheodsl.cloudwatch.dashboards import (
    DEFAULT,
    WIDTH,
    AlarmWidget,
    Dashboard,
    MetricWidget,
    TextWidget,
    Widget,
    dashboards_of,
)
from rheodsl.cloudwatch.metrics import (
    NODE,
    NODE_METRICS,
    MetricStat,
    metric_namespace,
    resource_metric,
)

# Placeholders of Fn::Sub, which every other text must not look like.
_REGION, _ALARM = "${AWS::Region}", "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:"
PERIOD = 300
MOST_ALARMS = 100  # of one widget, CloudWatch's limit
# How the values of all nodes are shown: title, metric, statistic.
_NODE_GRAPHS = (
    ("Executions that succeeded", "exec_succeeded", "Sum"),
    ("Executions that failed", "exec_failed", "Sum"),
    ("Latency in seconds", "latency", "Maximum"),
    ("Age of what waits, in seconds", "pending_age", "Maximum"),
)
_PART_GRAPHS = (
    ("Listener", (("listener", "Invocations", "Sum"), ("listener", "Errors", "Sum"), ("listener", "Duration", "p99"))),
    ("Events that wait", (("queue", "ApproximateAgeOfOldestMessage", "Maximum"),)),
    ("Events that failed", (("dead_letters", "ApproximateNumberOfMessagesVisible", "Maximum"),)),
    ("Ledger", (("ledger", "ConsumedWriteCapacityUnits", "Sum"), ("ledger", "WriteThrottleEvents", "Sum"))),
)  # fmt: skip


def dashboard_resources(graph: ir.Graph, logical_id: Callable[[str, str], str]) -> dict[str, dict[str, Any]]:
    """Return the dashboards as CloudFormation resources, by logical id."""
    found = {}
    for dashboard in dashboards_of(graph):
        name = resource_name(graph.app) + ("" if dashboard.id == DEFAULT else f"-{dashboard.id}")
        found[logical_id("Dashboard", dashboard.id)] = {
            "Type": "AWS::CloudWatch::Dashboard",
            "Properties": {
                "DashboardName": "".join(c if c.isalnum() or c in "-_" else "-" for c in name),
                "DashboardBody": {"Fn::Sub": json.dumps(dashboard_body(graph, dashboard))},
            },
        }
    return found


def dashboard_body(graph: ir.Graph, dashboard: Dashboard) -> dict[str, Any]:
    """Return a dashboard's body, with ``${AWS::Region}`` and the like for what the stack knows."""
    widgets = [_widget(graph, widget) for widget in dashboard.widgets]
    if dashboard.id == DEFAULT:
        widgets = [*_overview(graph), *widgets]
    return {"widgets": widgets}


def _overview(graph: ir.Graph) -> Iterator[dict[str, Any]]:
    nodes = ", ".join(node.id for node in graph.nodes) or "none"
    yield _text(f"# {graph.app}\n\nNodes: {nodes}", WIDTH, 2)
    alarms = tuple(s.id for s in graph.signals if isinstance(s.source, ir.AlarmSource))
    for first in range(0, len(alarms), MOST_ALARMS):
        part = alarms[first : first + MOST_ALARMS]
        yield _widget(graph, AlarmWidget("Alarms", part, WIDTH, 2 + len(part) // 12), states=True)
    if graph.nodes:
        for title, metric, statistic in _NODE_GRAPHS:
            assert metric in NODE_METRICS
            yield _search(title, metric_namespace(graph.app), (NODE,), f'MetricName="{metric}"', statistic)
    for title, lines in _PART_GRAPHS:
        stats = tuple(resource_metric(graph.app, part)[name][how].stat(title) for part, name, how in lines)
        yield _widget(graph, MetricWidget(title, stats, 12, 6))
    yield from _own_metrics(graph)


def _own_metrics(graph: ir.Graph) -> Iterator[dict[str, Any]]:
    """A graph for each metric that the user declares; names that are open are searched for."""
    for signal in graph.signals:
        if isinstance(signal.source, ir.MetricSource):
            names = [name for name, _ in signal.source.definition]
            terms = [f"{_quoted(name)}={_quoted(value)}" for name, value in signal.source.definition]
            fixed = sorted(
                {str(branch[0].value) for branch in signal.branches if branch[0].value is not None}
            )
            if fixed and len(fixed) == len({branch[0].value for branch in signal.branches}):
                terms.append(f"MetricName=({' OR '.join(map(_quoted, fixed))})")
            yield _search(signal.id, signal.source.namespace, tuple(names), " ".join(terms), "Sum")


def _quoted(text: str) -> str:
    # The search stands between single quotes.
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'")
    return f'"{escaped}"'


def _search(
    title: str, namespace: str, dimensions: tuple[str, ...], terms: str, statistic: str
) -> dict[str, Any]:
    schema = ",".join(map(_schema_name, (namespace, *dimensions)))
    text = "{" + schema + "} " + terms
    expression = f"SEARCH('{text}', '{statistic}', {PERIOD})".replace("${", "${!")
    return _metric_widget(title, [[{"expression": expression, "id": "s1", "label": ""}]], 12, 6)


def _schema_name(name: str) -> str:
    return name if name.replace("/", "").replace("_", "").isalnum() else _quoted(name)


def _widget(graph: ir.Graph, widget: Widget, *, states: bool = False) -> dict[str, Any]:
    match widget:
        case TextWidget(markdown, width, height):
            return _text(markdown, width, height)
        case MetricWidget(title, stats, width, height):
            return _metric_widget(title, [_line(stat) for stat in stats], width, height)
        case AlarmWidget(title, alarms, width, height):
            sources = {s.id: s.source for s in graph.signals if isinstance(s.source, ir.AlarmSource)}
            names = cloudwatch_names(sources)
            arns = [
                names[id] if names[id].startswith("arn:") else _ALARM + _plain(names[id]) for id in alarms
            ]
            if len(arns) > 1 or states:
                return {
                    "type": "alarm", "width": width, "height": height,
                    "properties": {"title": _plain(title), "alarms": arns},
                }  # fmt: skip
            return {
                "type": "metric", "width": width, "height": height,
                "properties": {"title": _plain(title), "region": _REGION, "annotations": {"alarms": arns}},
            }  # fmt: skip


def _line(stat: MetricStat) -> list[Any]:
    dimensions = [_plain(part) for pair in stat.dimensions for part in pair]
    options = {"stat": stat.statistic, **({"period": stat.period} if stat.period else {})}
    return [_plain(stat.namespace), _plain(stat.name), *dimensions, options]


def _text(markdown: str, width: int, height: int) -> dict[str, Any]:
    return {
        "type": "text", "width": width, "height": height, "properties": {"markdown": _plain(markdown)},
    }  # fmt: skip


def _metric_widget(title: str, lines: list[Any], width: int, height: int) -> dict[str, Any]:
    return {
        "type": "metric", "width": width, "height": height,
        "properties": {
            "title": _plain(title), "region": _REGION, "view": "timeSeries", "period": PERIOD, "metrics": lines,
        },
    }  # fmt: skip


def _plain(text: str) -> str:
    """A text that Fn::Sub leaves as it is."""
    return text.replace("${", "${!")
