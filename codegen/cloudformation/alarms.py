"""Alarms of a graph -> CloudFormation resources: the alarms, what they do on a transition, and the dashboards.

CloudWatch's own message says nothing of tickets. An EventBridge rule turns the alarm's state change into a
JSON message with the ticket's fields, and no code runs.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from codegen.cloudformation.dashboards import dashboard_resources
from rheodsl import ir
from rheodsl.cloudwatch.alarm_declarations import cloudwatch_names
from rheodsl.cloudwatch.alarm_definitions import (
    Action,
    CompositeAlarm,
    EmailAction,
    MetricAlarm,
    MetricQuery,
    SlackAction,
    SnsAction,
    TicketAction,
)
from rheodsl.cloudwatch.alarm_rule import AlarmState
from rheodsl.cloudwatch.metrics import NODE, MetricStat, MetricStatistic, metric_namespace, resolution

Target = str | dict[str, Any]

TICKETS = "AlarmTickets"
# What a ticket's message takes from the event; EventBridge writes each as JSON.
FROM_EVENT = {
    "alarm": "$.detail.alarmName",
    "state": "$.detail.state.value",
    "reason": "$.detail.state.reason",
    "time": "$.time",
    "account": "$.account",
    "region": "$.region",
}


class ActionResources:
    """Collects what the actions of an application's alarms need."""

    def __init__(self, app: str) -> None:
        self.app = app
        self._made: dict[str, dict[str, Any]] = {}
        self._tickets: dict[tuple[TicketAction, AlarmState], list[str]] = {}

    def target(self, alarm: str, state: AlarmState, action: Action) -> Target | None:
        """Return what CloudWatch calls on a transition; None for a ticket, which comes by EventBridge."""
        match action:
            case SnsAction(topic):
                return topic
            case EmailAction(addresses):
                subscriptions = [{"Protocol": "email", "Endpoint": address} for address in addresses]
                return self._topic("AlarmMail", addresses, {"Subscription": subscriptions})
            case SlackAction(workspace, channel):
                return self._slack(workspace, channel)
            case TicketAction():
                self._tickets.setdefault((action, state), []).append(alarm)
        return None

    def resources(self) -> dict[str, dict[str, Any]]:
        """Return everything that the actions so far need, by logical id."""
        found = dict(self._made)
        own = False
        for (ticket, state), alarms in self._tickets.items():
            own = own or ticket.topic is None
            name = f"AlarmTicket{_hash(repr(ticket), state)}"
            found[name] = _ticket_rule(ticket, state, sorted(alarms))
        if own:
            found[TICKETS] = {"Type": "AWS::SNS::Topic", "Properties": {}}
            found[f"{TICKETS}Policy"] = _policy()
        return found

    def _topic(self, prefix: str, content: tuple[str, ...], properties: dict[str, Any]) -> dict[str, str]:
        name = f"{prefix}{_hash(*content)}"
        self._made[name] = {"Type": "AWS::SNS::Topic", "Properties": properties}
        return {"Ref": name}

    def _slack(self, workspace: str, channel: str) -> dict[str, str]:
        topic = self._topic("AlarmSlack", (workspace, channel), {})
        self._made["AlarmSlackRole"] = {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": _trust("chatbot.amazonaws.com")},
        }
        self._made[f"{topic['Ref']}Channel"] = {
            "Type": "AWS::Chatbot::SlackChannelConfiguration",
            "Properties": {
                "ConfigurationName": f"rheo-{''.join(c if c.isalnum() or c == '-' else '-' for c in self.app)}-{channel}",
                "IamRoleArn": {"Fn::GetAtt": ["AlarmSlackRole", "Arn"]},
                "SlackChannelId": channel,
                "SlackWorkspaceId": workspace,
                "SnsTopicArns": [topic],
            },
        }
        return topic


def ticket_message(ticket: TicketAction, values: dict[str, str]) -> dict[str, str]:
    """Return the message of a ticket, as the rule's template writes it.

    Parameters
    ----------
    values
        What `FROM_EVENT` names.
    """
    return {**_fields(ticket), "dedupe_str": ticket.dedupe_str or values["alarm"], **values}


def _fields(ticket: TicketAction) -> dict[str, str]:
    return {
        "action_type": ticket.action_type.value,
        "category": ticket.cti.category,
        "type": ticket.cti.type,
        "item": ticket.cti.item,
        "severity": ticket.severity.value,
    }


def _ticket_rule(ticket: TicketAction, state: AlarmState, alarms: list[str]) -> dict[str, Any]:
    topic: Target = ticket.topic or {"Ref": TICKETS}
    return {
        "Type": "AWS::Events::Rule",
        "Properties": {
            "EventPattern": {
                "source": ["aws.cloudwatch"],
                "detail-type": ["CloudWatch Alarm State Change"],
                "detail": {"alarmName": alarms, "state": {"value": [state.value]}},
            },
            "Targets": [
                {
                    "Id": "ticket",
                    "Arn": topic,
                    "InputTransformer": {"InputPathsMap": FROM_EVENT, "InputTemplate": _template(ticket)},
                }
            ],
        },
    }


def _template(ticket: TicketAction) -> str:
    """The message with EventBridge's ``<placeholders>``, which a user's own text must not look like."""
    texts = {**_fields(ticket), **({"dedupe_str": ticket.dedupe_str} if ticket.dedupe_str else {})}
    parts = {name: json.dumps(text).replace("<", "\\u003c") for name, text in texts.items()}
    parts.setdefault("dedupe_str", "<alarm>")
    parts |= {name: f"<{name}>" for name in FROM_EVENT}
    return "{" + ", ".join(f'"{name}": {part}' for name, part in parts.items()) + "}"


def _policy() -> dict[str, Any]:
    """Let EventBridge publish. It has no Condition: EventBridge does not publish under one.

    Amazon EventBridge user guide, "Using resource-based policies", Amazon SNS permissions. No role either: the
    same page says that a delivery by a role may fail.
    """
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": {"Ref": TICKETS},
    }
    return {
        "Type": "AWS::SNS::TopicPolicy",
        "Properties": {
            "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
            "Topics": [{"Ref": TICKETS}],
        },
    }


def _trust(service: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _hash(*content: str) -> str:
    return hashlib.sha256("\0".join(content).encode()).hexdigest()[:8]


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
    """Return, for `rheo_airflow.diagnostics`, how each metric of the application's own is sent, by id.

    >>> from rheodsl import *
    >>> app = Application("shop")
    >>> metric = app.create_metric("etl", {"Error": {"*": {60: {}}}})
    >>> emitted_metrics(app.graph())["etl"]
    {'namespace': 'Rheo/shop', 'dimensions': {'MetricId': 'etl'}, 'names': ['Error'], 'resolution': 60}
    """
    return {signal.id: emission(signal) for signal in graph.own_metrics}


def emission(metric: ir.Signal) -> dict[str, Any]:
    """Return how a metric of the application's own is sent."""
    assert isinstance(metric.source, ir.MetricSource)
    names = metric_names(metric)
    return {
        "namespace": metric.source.namespace,
        "dimensions": dict(metric.source.definition),
        "names": None if names is None else list(names),
        "resolution": resolution(metric),
    }


def metric_names(metric: ir.Signal) -> tuple[str, ...] | None:
    """Return the names that a metric may be sent under; None for any."""
    names = {branch[0].value for branch in metric.branches}
    return None if None in names else tuple(sorted(map(str, names)))


def pending_metrics(graph: ir.Graph) -> str:
    """Return the listener's setting ``RHEO_PENDING_METRICS``: the nodes whose ``pending_age`` an alarm watches."""
    declared = (s.source.definition for s in graph.signals if isinstance(s.source, ir.AlarmSource))
    return watched_ages((each for each in declared if isinstance(each, MetricAlarm)), graph.app)


def watched_ages(alarms: Iterable[MetricAlarm], app: str) -> str:
    """Return the nodes of an application whose ``pending_age`` some of these alarms watch."""
    found = {
        value
        for alarm in alarms
        for query in alarm.queries
        if query.stat.name == "pending_age" and query.stat.namespace == metric_namespace(app)
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
    "emission",
    "emitted_metrics",
    "logical_id",
    "metric_names",
    "metric_permission",
    "pending_metrics",
    "watched_ages",
]
