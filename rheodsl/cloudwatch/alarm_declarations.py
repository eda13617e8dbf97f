"""The metrics and alarms of an application -> signals, as they are declared."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from rheodsl import ir
from rheodsl.cloudwatch.alarm_definitions import (
    AlarmDefaultActionsMap,
    AlarmError,
    CompositeAlarm,
    ExternalAlarm,
)
from rheodsl.cloudwatch.alarm_rule import AlarmRule, AlarmRuleError, RuleLike, as_rule, evaluation_order
from rheodsl.cloudwatch.alarms import (
    ALARM_BRANCHES,
    ALARM_DIMS,
    CWAlarm,
    Metrics,
    alarm_name,
    read_actions,
    read_description,
)
from rheodsl.cloudwatch.metrics import (
    METRIC_ID,
    CWMetric,
    MetricNode,
    metric_namespace,
    metric_signal,
    platform_metric,
    read_metric_filter,
    read_sub_dimensions,
)
from rheodsl.declaration import read_metadata
from rheodsl.dimensions import DimensionFilter
from rheodsl.errors import UnknownNameError, did_you_mean, here

MOST_COMPOSITES = 150  # that one alarm may be a part of, CloudWatch's limit

Filter = DimensionFilter | Mapping[Any, Any] | None
Signals = Mapping[str, ir.Signal]


def external_metric(
    external: CWMetric,
    id: str,
    allowed: Filter,
    dimensions: Mapping[str, str] | None,
    metadata: Mapping[str, Any] | None,
) -> ir.Signal:
    """Return the signal of metrics that others send; raises AlarmError, SpecError, ValueCastError."""
    if not isinstance(external, CWMetric):
        raise AlarmError(f"{id}: {external!r} is no CWMetric", hint='CWMetric("AWS/Lambda")')
    source = ir.MetricSource(external.namespace, True, read_sub_dimensions(id, dimensions))
    return _metric(id, source, allowed, metadata)


def own_metric(
    app: str,
    id: str,
    allowed: Filter,
    dimensions: Mapping[str, str] | None,
    metadata: Mapping[str, Any] | None,
) -> ir.Signal:
    """Return the signal of metrics that the application's own code sends; raises SpecError, ValueCastError."""
    read = read_sub_dimensions(id, {**(dimensions or {}), METRIC_ID: id})
    return _metric(id, ir.MetricSource(metric_namespace(app), False, read), allowed, metadata)


def _metric(id: str, source: ir.MetricSource, allowed: Any, metadata: Mapping[str, Any] | None) -> ir.Signal:
    return metric_signal(id, source, read_metric_filter(id, allowed), read_metadata(metadata, id), here())


def metric_named(name: str, app: str, signals: Signals, nodes: Mapping[str, Collection[str]]) -> MetricNode:
    """Return a metric by its name: a declared one, or one that every application has; raises UnknownNameError."""
    signal = signals.get(name)
    if signal is not None and isinstance(signal.source, ir.MetricSource):
        return MetricNode(signal)
    declared = [s.id for s in signals.values() if isinstance(s.source, ir.MetricSource)]
    return platform_metric(app, name, nodes, declared)


def check_metrics(app: str, id: str, target: MetricNode | str, metrics: Metrics) -> None:
    """Refuse metrics of another application; raises UnknownNameError."""
    for metric in _metrics(target, metrics):
        source = metric.signal.source
        assert isinstance(source, ir.MetricSource)
        if not source.external and source.namespace != metric_namespace(app):
            raise UnknownNameError(
                f"{id}: {metric.id!r} is no metric of {app}",
                hint="declare it by marshal_external_metric, or import the application",
            )


def own_alarm(app: str, id: str, definition: Any, metadata: Mapping[str, Any] | None) -> ir.Signal:
    """Return the signal of an alarm that the application has."""
    return _alarm(id, ir.AlarmSource(alarm_name(app, id), definition=definition), metadata)


def external_alarm(external: CWAlarm, id: str, metadata: Mapping[str, Any] | None) -> ir.Signal:
    """Return the signal of an alarm that exists; raises AlarmError."""
    if not isinstance(external, CWAlarm):
        raise AlarmError(f"{id}: {external!r} is no CWAlarm", hint='CWAlarm(name="cpu high")')
    there = ExternalAlarm(external.account_id, external.region)
    return _alarm(id, ir.AlarmSource(external.name or id, True, definition=there), metadata)


def composite_alarm(
    app: str,
    id: str,
    alarm_rule: RuleLike,
    default_actions: AlarmDefaultActionsMap | None,
    description: str,
    metadata: Mapping[str, Any] | None,
    signals: Signals,
) -> ir.Signal:
    """Return the signal of an alarm over the states of others; raises AlarmRuleError, AlarmError."""
    rule = as_rule(alarm_rule)
    _check_rule(app, id, rule, signals)
    definition = CompositeAlarm(read_actions(id, default_actions), read_description(id, description))
    return _alarm(id, ir.AlarmSource(alarm_name(app, id), rule=rule, definition=definition), metadata)


def _check_rule(app: str, id: str, rule: AlarmRule, signals: Signals) -> None:
    alarms = {s.id: s.source for s in signals.values() if isinstance(s.source, ir.AlarmSource)}
    rules = {name: source.rule for name, source in alarms.items() if source.rule is not None}
    evaluation_order({**rules, id: rule})
    for child in rule.alarms():
        if child not in alarms:
            raise AlarmRuleError(
                f"{id}: {child!r} is no alarm of {app}",
                hint=did_you_mean(child, alarms, "declare it before it is used"),
            )
        parents = sum(child in other.alarms() for name, other in rules.items() if name != id)
        if parents >= MOST_COMPOSITES:
            raise AlarmRuleError(
                f"{id}: {child!r} is part of {parents} composite alarms already; CloudWatch takes {MOST_COMPOSITES}",
                hint="make composites of composites",
            )
    rule.render(cloudwatch_names(alarms))


def _alarm(id: str, source: ir.AlarmSource, metadata: Mapping[str, Any] | None) -> ir.Signal:
    return ir.Signal(
        id=id, dims=ALARM_DIMS, branches=ALARM_BRANCHES, source=source,
        metadata=read_metadata(metadata, id), where=here(),
    )  # fmt: skip


def cloudwatch_names(alarms: Mapping[str, ir.AlarmSource]) -> dict[str, str]:
    """Return how a rule of CloudWatch names each alarm: by name, or by ARN when it is elsewhere."""
    names = {}
    for id, source in alarms.items():
        there = source.definition
        if isinstance(there, ExternalAlarm) and there.account:
            names[id] = f"arn:aws:cloudwatch:{there.region}:{there.account}:alarm:{source.name}"
        else:
            names[id] = source.name
    return names


def _metrics(target: MetricNode | str, metrics: Metrics) -> list[MetricNode]:
    if isinstance(target, MetricNode):
        return [target]
    if isinstance(metrics, MetricNode):
        return [metrics]
    return list(metrics.values() if isinstance(metrics, Mapping) else metrics or ())
