"""CloudFormation resources of alarms -> the alarms, as an evaluator needs them.

The local stack watches what AWS would be given, not what the user wrote: what is lost in lowering is
missing here too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rheodsl.alarm_definitions import AlarmComparisonOperator, AlarmTreatMissingData, MetricAlarm, MetricQuery
from rheodsl.alarm_rules import AlarmRule, AlarmState
from rheodsl.metrics import MetricStat

Resources = Mapping[str, Mapping[str, Any]]
_ACTIONS = {
    AlarmState.ALARM: "AlarmActions",
    AlarmState.OK: "OKActions",
    AlarmState.INSUFFICIENT_DATA: "InsufficientDataActions",
}


@dataclass(frozen=True, slots=True)
class Alarms:
    """The alarms of a template, by their names in CloudWatch; ``properties`` as the template has them."""

    metric_alarms: Mapping[str, MetricAlarm]
    composites: Mapping[str, AlarmRule]
    properties: Mapping[str, Mapping[str, Any]]

    @property
    def external(self) -> tuple[str, ...]:
        """The alarms that rules name and the template does not make."""
        named = [alarm for rule in self.composites.values() for alarm in rule.alarms()]
        return tuple(dict.fromkeys(n for n in named if n not in self.properties))


@dataclass(frozen=True, slots=True)
class TicketRule:
    """A rule that turns a state change into a message to a topic."""

    alarms: tuple[str, ...]
    states: tuple[str, ...]
    topic: Any
    paths: Mapping[str, str]
    template: str

    def message(self, event: Mapping[str, Any]) -> str | None:
        """Return the message for an event, None when the rule is not for it."""
        detail = event["detail"]
        if detail["alarmName"] not in self.alarms or detail["state"]["value"] not in self.states:
            return None
        values = {name: json.dumps(_at(event, path)) for name, path in self.paths.items()}
        return re.sub(r"<(\w+)>", lambda match: values[match[1]], self.template)


def _at(event: Mapping[str, Any], path: str) -> Any:
    """What a path such as ``$.detail.state.value`` names."""
    value: Any = event
    for name in path.removeprefix("$.").split("."):
        value = value[name]
    return value


def read_alarms(resources: Resources) -> Alarms:
    """Return the alarms of a template."""
    metric_alarms, composites, properties = {}, {}, {}
    for made in resources.values():
        given = made["Properties"]
        match made["Type"]:
            case "AWS::CloudWatch::Alarm":
                metric_alarms[given["AlarmName"]] = _metric_alarm(given)
                properties[given["AlarmName"]] = given
            case "AWS::CloudWatch::CompositeAlarm":
                composites[given["AlarmName"]] = AlarmRule.parse(given["AlarmRule"])
                properties[given["AlarmName"]] = given
    return Alarms(metric_alarms, composites, properties)


def ticket_rules(resources: Resources) -> Iterator[TicketRule]:
    """Yield the rules of a template that are about alarms."""
    for made in resources.values():
        given = made["Properties"]
        if made["Type"] == "AWS::Events::Rule" and given["EventPattern"].get("source") == ["aws.cloudwatch"]:
            detail = given["EventPattern"]["detail"]
            for target in given["Targets"]:
                transformer = target["InputTransformer"]
                yield TicketRule(
                    tuple(detail["alarmName"]),
                    tuple(detail["state"]["value"]),
                    target["Arn"],
                    transformer["InputPathsMap"],
                    transformer["InputTemplate"],
                )


def topics(resources: Resources) -> list[str]:
    """Return the logical ids of the topics that a template makes."""
    return sorted(id for id, made in resources.items() if made["Type"] == "AWS::SNS::Topic")


def actions(properties: Mapping[str, Any], state: AlarmState) -> list[Any]:
    """Return the targets of an alarm's actions: ARNs, or references to topics of the template."""
    found: list[Any] = properties.get(_ACTIONS[state], [])
    return found


def _metric_alarm(given: Mapping[str, Any]) -> MetricAlarm:
    queries, expression, threshold = _watched(given)
    period = queries[0].stat.period
    assert period is not None
    return MetricAlarm(
        queries=queries,
        expression=expression,
        period=period,
        evaluation_periods=given["EvaluationPeriods"],
        datapoints=given.get("DatapointsToAlarm", given["EvaluationPeriods"]),
        comparison=AlarmComparisonOperator(given["ComparisonOperator"]),
        threshold=threshold,
        missing=AlarmTreatMissingData(given.get("TreatMissingData", "missing")),
    )


def _watched(given: Mapping[str, Any]) -> tuple[tuple[MetricQuery, ...], str | None, float | str]:
    if "Metrics" not in given:
        stat = MetricStat(
            given["Namespace"],
            given["MetricName"],
            dimensions_of(given["Dimensions"]),
            given.get("Statistic") or given["ExtendedStatistic"],
            given["Period"],
        )
        return (MetricQuery("m1", stat),), None, float(given["Threshold"])
    queries = []
    expressions = {}
    for query in given["Metrics"]:
        if "Expression" in query:
            expressions[query["Id"]] = query["Expression"]
        else:
            stat, metric = query["MetricStat"], query["MetricStat"]["Metric"]
            dimensions = dimensions_of(metric["Dimensions"])
            queries.append(
                MetricQuery(
                    query["Id"],
                    MetricStat(
                        metric["Namespace"], metric["MetricName"], dimensions, stat["Stat"], stat["Period"]
                    ),
                )
            )
    band = expressions.pop(given.get("ThresholdMetricId"), None)
    threshold = float(given["Threshold"]) if band is None else band
    return tuple(queries), next(iter(expressions.values()), None), threshold


def dimensions_of(given: Iterable[Mapping[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return CloudWatch's dimensions as pairs."""
    return tuple(sorted((pair["Name"], pair["Value"]) for pair in given))
