"""Graph -> CloudFormation resources of its alarms, what they do, and its dashboards."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from codegen.alarm_actions import ActionResources
from codegen.dashboard import dashboard_resources
from rheodsl import ir
from rheodsl.alarm_declarations import cloudwatch_names
from rheodsl.alarm_definitions import CompositeAlarm, MetricAlarm, MetricQuery
from rheodsl.alarm_rules import AlarmState
from rheodsl.metrics import NODE, MetricStat, MetricStatistic, metric_namespace, resolution

Resource = dict[str, Any]
VERSION = 1


def alarm_resources(graph: ir.Graph) -> dict[str, Resource]:
    """Return CloudFormation resources by logical id, the same for the same graph.

    >>> from rheodsl import *
    >>> app = Application("shop")
    >>> errors = app.create_metric("etl")["Error"][MetricStatistic.SUM][MetricPeriod.MINUTES(5)]
    >>> alarm = app.create_alarm("too_many", errors, threshold=5)
    >>> made = alarm_resources(app.graph())
    >>> sorted(made), made["AlarmTooMany"]["Properties"]["AlarmName"]
    (['AlarmTooMany', 'DashboardDefault'], 'shop.too_many')
    """
    sources = {s.id: s.source for s in graph.signals if isinstance(s.source, ir.AlarmSource)}
    actions = ActionResources(graph.app)
    found: dict[str, Resource] = {}
    for id, source in sources.items():
        if isinstance(source.definition, MetricAlarm):
            found[logical_id("Alarm", id)] = _metric_alarm(source, source.definition, actions)
        elif isinstance(source.definition, CompositeAlarm):
            found[logical_id("Alarm", id)] = _composite(source, source.definition, sources, actions)
    found |= actions.resources()
    found |= dashboard_resources(graph, logical_id)
    return dict(sorted(found.items()))


def alarm_files(graph: ir.Graph) -> dict[str, str]:
    """Return what runs of the application read of its metrics and alarms, by path: nothing where it has none.

    ``metrics.json`` says how its own metrics are sent, ``alarms.json`` what the local stack evaluates.
    """
    metrics = emitted_metrics(graph)
    resources = {
        id: made
        for id, made in alarm_resources(graph).items()
        if made["Type"] != "AWS::CloudWatch::Dashboard"
    }
    found = {"metrics.json": {"metrics": metrics}, "alarms.json": {"resources": resources}}
    return {
        path: json.dumps({"version": VERSION, **content}, indent=1, ensure_ascii=False) + "\n"
        for path, content in found.items()
        if any(content.values())
    }


def logical_id(prefix: str, id: str) -> str:
    """Return a CloudFormation id, another one for each id.

    >>> logical_id("Alarm", "too_many"), logical_id("Alarm", "too-many")
    ('AlarmTooMany', 'AlarmTooMany8fa7feb2')
    """
    words = re.findall(r"[A-Za-z0-9]+", id)
    name = prefix + "".join(word[0].upper() + word[1:] for word in words)
    if re.fullmatch(r"[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*", id):
        return name
    return name + hashlib.sha256(id.encode()).hexdigest()[:8]


def emitted_metrics(graph: ir.Graph) -> dict[str, dict[str, Any]]:
    """Return, for `rheo_runtime.diagnostics`, how each metric of the application's own is sent, by id.

    >>> from rheodsl import *
    >>> app = Application("shop")
    >>> metric = app.create_metric("etl", {"Error": {"*": {60: {}}}})
    >>> emitted_metrics(app.graph())["etl"]
    {'namespace': 'Rheo/shop', 'dimensions': {'MetricId': 'etl'}, 'names': ['Error'], 'resolution': 60}
    """
    found = {}
    for signal in graph.signals:
        if isinstance(signal.source, ir.MetricSource) and not signal.source.external:
            names = {branch[0].value for branch in signal.branches}
            found[signal.id] = {
                "namespace": signal.source.namespace,
                "dimensions": dict(signal.source.definition),
                "names": None if None in names else sorted(map(str, names)),
                "resolution": resolution(signal),
            }
    return found


def pending_metrics(graph: ir.Graph) -> str:
    """Return the listener's setting ``RHEO_PENDING_METRICS``: the nodes whose ``pending_age`` an alarm watches."""
    found = {
        value
        for signal in graph.signals
        if isinstance(signal.source, ir.AlarmSource) and isinstance(signal.source.definition, MetricAlarm)
        for query in signal.source.definition.queries
        if query.stat.name == "pending_age" and query.stat.namespace == metric_namespace(graph.app)
        for name, value in query.stat.dimensions
        if name == NODE
    }
    return ",".join(sorted(found))


def metric_permission(app: str) -> dict[str, Any]:
    """Return the IAM statement of those that send the application's metrics.

    PutMetricData knows no resources; its namespace is the narrowest condition.
    """
    return {
        "Effect": "Allow",
        "Action": "cloudwatch:PutMetricData",
        "Resource": "*",
        "Condition": {"StringEquals": {"cloudwatch:namespace": metric_namespace(app)}},
    }


def _metric_alarm(source: ir.AlarmSource, alarm: MetricAlarm, actions: ActionResources) -> Resource:
    properties: dict[str, Any] = {
        "AlarmName": source.name,
        **_described(alarm.description),
        "ComparisonOperator": alarm.comparison.value,
        "EvaluationPeriods": alarm.evaluation_periods,
        "DatapointsToAlarm": alarm.datapoints,
        "TreatMissingData": alarm.missing.value,
        **_watched(alarm),
        **_actions(source, alarm, actions),
    }
    return {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}


def _described(text: str) -> dict[str, str]:
    return {"AlarmDescription": text} if text else {}


def _watched(alarm: MetricAlarm) -> dict[str, Any]:
    if alarm.expression is None and isinstance(alarm.threshold, float):
        stat = alarm.queries[0].stat
        plain = stat.statistic in list(MetricStatistic)
        return {
            "Namespace": stat.namespace,
            "MetricName": stat.name,
            "Dimensions": _dimensions(stat),
            "Period": alarm.period,
            "Statistic" if plain else "ExtendedStatistic": stat.statistic,
            "Threshold": alarm.threshold,
        }
    taken = {query.id for query in alarm.queries}
    watched = _free("expression", taken) if alarm.expression is not None else alarm.queries[0].id
    metrics = [_query(query, returned=query.id == watched) for query in alarm.queries]
    if alarm.expression is not None:
        metrics.append({"Id": watched, "Expression": alarm.expression, "ReturnData": True})
    if isinstance(alarm.threshold, float):
        return {"Metrics": metrics, "Threshold": alarm.threshold}
    band = _free("band", taken | {watched})
    metrics.append({"Id": band, "Expression": alarm.threshold, "ReturnData": True})
    return {"Metrics": metrics, "ThresholdMetricId": band}


def _free(name: str, taken: set[str]) -> str:
    """A name that no metric of the alarm has."""
    while name in taken:
        name += "_"
    return name


def _query(query: MetricQuery, *, returned: bool) -> dict[str, Any]:
    stat = query.stat
    return {
        "Id": query.id,
        "MetricStat": {
            "Metric": {
                "Namespace": stat.namespace,
                "MetricName": stat.name,
                "Dimensions": _dimensions(stat),
            },
            "Period": stat.period,
            "Stat": stat.statistic,
        },
        "ReturnData": returned,
    }


def _dimensions(stat: MetricStat) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in stat.dimensions]


def _composite(
    source: ir.AlarmSource,
    alarm: CompositeAlarm,
    sources: Mapping[str, ir.AlarmSource],
    actions: ActionResources,
) -> Resource:
    assert source.rule is not None
    own = [id for id in source.rule.alarms() if not sources[id].external]
    depends = {"DependsOn": sorted(logical_id("Alarm", id) for id in own)} if own else {}
    properties = {
        "AlarmName": source.name,
        **_described(alarm.description),
        "AlarmRule": source.rule.render(cloudwatch_names(sources)),
        **_actions(source, alarm, actions),
    }
    return {"Type": "AWS::CloudWatch::CompositeAlarm", **depends, "Properties": properties}


_PROPERTIES = {
    AlarmState.ALARM: "AlarmActions",
    AlarmState.OK: "OKActions",
    AlarmState.INSUFFICIENT_DATA: "InsufficientDataActions",
}


def _actions(
    source: ir.AlarmSource, alarm: MetricAlarm | CompositeAlarm, actions: ActionResources
) -> dict[str, Any]:
    found = {}
    for state, name in _PROPERTIES.items():
        targets = [actions.target(source.name, state, action) for action in alarm.actions.of(state)]
        if any(target is not None for target in targets):
            found[name] = [target for target in targets if target is not None]
    return found


__all__ = [
    "alarm_files",
    "alarm_resources",
    "emitted_metrics",
    "logical_id",
    "metric_permission",
    "pending_metrics",
]
