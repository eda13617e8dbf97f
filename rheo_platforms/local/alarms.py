"""Metrics in the local stack -> state changes of its alarms, as CloudWatch would send them.

It watches what AWS would be given, the CloudFormation resources, not what the user wrote: what is lost in
lowering is missing here too.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from codegen.cloudformation import alarms as cloudformation
from rheo_platforms.local.aws_stand_in import ACCOUNT, REGION
from rheo_platforms.local.specification import read_specification
from rheodsl.cloudwatch.alarm_definitions import (
    AlarmComparisonOperator,
    AlarmTreatMissingData,
    MetricAlarm,
    MetricQuery,
)
from rheodsl.cloudwatch.alarm_rule import AlarmRule, AlarmState
from rheodsl.cloudwatch.evaluation import AlarmBoard, Transition
from rheodsl.cloudwatch.metrics import MetricStatistic
from rheodsl.ir import MetricKey, MetricStat

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


FILE = "alarms.json"
# CloudWatch evaluates once a minute; nobody wants to wait that long at a desk.
SECONDS = 1.0
Say = Callable[[Mapping[str, Any]], None]


class CloudWatchReadings:
    """The metrics of a CloudWatch stand-in, one period at a time."""

    def __init__(self, cloudwatch: Any) -> None:
        self._cloudwatch = cloudwatch
        self._known: set[MetricKey] = set()

    def refresh(self, namespaces: Iterable[str]) -> None:
        """Find out which metrics have data at all: the others need not be asked for."""
        pages = self._cloudwatch.get_paginator("list_metrics")
        self._known = {
            (namespace, metric["MetricName"], dimensions_of(metric["Dimensions"]))
            for namespace in namespaces
            for page in pages.paginate(Namespace=namespace)
            for metric in page["Metrics"]
        }

    def value(self, stat: MetricStat, start: int, end: int) -> float | None:
        """Return the statistic of a period, None without data; percentiles are not kept here."""
        if stat.key not in self._known or stat.statistic not in list(MetricStatistic):
            return None
        answer = self._cloudwatch.get_metric_statistics(
            Namespace=stat.namespace,
            MetricName=stat.name,
            Dimensions=[{"Name": name, "Value": value} for name, value in stat.dimensions],
            StartTime=datetime.fromtimestamp(start, UTC),
            EndTime=datetime.fromtimestamp(end, UTC),
            Period=end - start,
            Statistics=[stat.statistic],
        )
        points = answer["Datapoints"]
        return float(points[0][stat.statistic]) if points else None


class AlarmEvaluator:
    """Evaluates the alarms of an application's template, and does what they do.

    Parameters
    ----------
    resources
        The alarms, topics and rules, as CloudFormation would get them.
    session
        Its clients reach the local stack.
    say
        Gets what happens, as JSON: one line for each transition and action.
    states
        The states that the alarms had when an evaluator ended.
    others
        Alarms that somebody else evaluates and announces; composites follow them here too.

    Alarms on metrics are kept in CloudWatch's stand-in too, so that ``describe_alarms`` shows them and
    ``set_alarm_state`` moves them, until the next evaluation. So does an alarm that somebody else makes
    there: its changes are sent, and composites follow.
    """

    def __init__(
        self,
        resources: Resources,
        session: Any,
        say: Say,
        states: Mapping[str, str] | None = None,
        others: Iterable[str] = (),
    ) -> None:
        self.others = frozenset(others)
        self.alarms = read_alarms(resources)
        self.rules = tuple(ticket_rules(resources))
        self.say = say
        self.board = AlarmBoard(self.alarms.metric_alarms, self.alarms.composites, self.alarms.external)
        self.board.states.update(
            {n: AlarmState(s) for n, s in (states or {}).items() if n in self.board.states}
        )
        self._cloudwatch = session.client("cloudwatch")
        self._events = session.client("events")
        self._sns = session.client("sns")
        self._readings = CloudWatchReadings(self._cloudwatch)
        queries = [query for alarm in self.alarms.metric_alarms.values() for query in alarm.queries]
        self._namespaces = sorted({query.stat.namespace for query in queries})
        self._topics = {id: self._sns.create_topic(Name=id)["TopicArn"] for id in topics(resources)}
        for name in self.alarms.metric_alarms:
            self._put(name)

    def _put(self, name: str) -> None:
        """Keep an alarm in CloudWatch's stand-in, in the state that it has."""
        given = dict(self.alarms.properties[name])
        for key in ("AlarmActions", "OKActions", "InsufficientDataActions"):
            if key in given:
                given[key] = [self._arn(target) for target in given[key]]
        self._cloudwatch.put_metric_alarm(**given)
        self._show(name, "The alarm was made.")

    def _show(self, name: str, why: str) -> None:
        self._cloudwatch.set_alarm_state(
            AlarmName=name, StateValue=self.board.states[name].value, StateReason=why[:1023]
        )

    def evaluate(self, now: datetime) -> list[Transition]:
        """Evaluate everything once; send what changes, and return it."""
        at = int(now.timestamp())
        found = self._set_by_hand(at)
        for transition in found:
            self.board.release(transition.alarm)
        if not found:
            self._readings.refresh(self._namespaces)
            found = self.board.evaluate(self._readings, at)
        for number, transition in enumerate(found):
            try:
                self._announce(transition)
            except (BotoCoreError, ClientError):
                for left in reversed(found[number:]):  # to be found again
                    self.board.states[left.alarm] = left.before
                raise
        return found

    def _set_by_hand(self, at: int) -> list[Transition]:
        found: list[Transition] = []
        for alarm in self._cloudwatch.describe_alarms()["MetricAlarms"]:
            name, state = alarm["AlarmName"], AlarmState(alarm["StateValue"])
            known = self.board.states.setdefault(name, AlarmState.INSUFFICIENT_DATA)
            if state != known:
                found += [t for t in self.board.put(name, state, at) if t.alarm not in self.others]
        return found

    def _announce(self, transition: Transition) -> None:
        event = state_change(transition)
        entry = {
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Time": datetime.fromtimestamp(transition.at, UTC),
            "Resources": event["resources"],
            "Detail": json.dumps(event["detail"]),
        }
        self._events.put_events(Entries=[entry])
        self.say(
            {
                "alarm": transition.alarm,
                "before": transition.before,
                "state": transition.state,
                "reason": transition.reason,
            }
        )
        if transition.alarm in self.alarms.metric_alarms:
            self._show(transition.alarm, transition.reason)
        self._act(transition, event)

    def _act(self, transition: Transition, event: Mapping[str, Any]) -> None:
        properties = self.alarms.properties.get(transition.alarm, {})
        for target in actions(properties, transition.state):
            self._publish(transition, target, json.dumps(notification(transition, properties)))
        for rule in self.rules:
            if (message := rule.message(event)) is not None:
                self._publish(transition, rule.topic, message)

    def _publish(self, transition: Transition, target: Any, message: str) -> None:
        arn = self._arn(target)
        done: dict[str, Any] = {"alarm": transition.alarm, "action": arn, "message": json.loads(message)}
        try:
            self._sns.publish(TopicArn=arn, Message=message)
        except ClientError as fault:  # as in CloudWatch: an action that fails changes nothing else
            done["failed"] = str(fault)
        self.say(done)

    def _arn(self, target: Any) -> str:
        return self._topics[target["Ref"]] if isinstance(target, Mapping) else str(target)


def state_change(transition: Transition) -> dict[str, Any]:
    """Return the event that EventBridge gets."""
    time = _spell(transition.at)
    return {
        "version": "0",
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{transition.alarm}/{transition.state}/{transition.at}")),
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": ACCOUNT,
        "time": time,
        "region": REGION,
        "resources": [f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{transition.alarm}"],
        "detail": {
            "alarmName": transition.alarm,
            "state": {"value": transition.state.value, "reason": transition.reason, "timestamp": time},
            "previousState": {"value": transition.before.value},
        },
    }


def notification(transition: Transition, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the message that CloudWatch sends to topics."""
    return {
        "AlarmName": transition.alarm,
        "AlarmDescription": properties.get("AlarmDescription"),
        "AWSAccountId": ACCOUNT,
        "NewStateValue": transition.state.value,
        "NewStateReason": transition.reason,
        "StateChangeTime": _spell(transition.at),
        "Region": REGION,
        "OldStateValue": transition.before.value,
    }


def _spell(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_resources(folder: Path) -> Resources:
    """Return the alarms of a compiled application; none when it has no `FILE`."""
    file = folder / FILE
    if not file.exists():
        return {}
    resources: Resources = json.loads(file.read_text("utf-8"))["resources"]
    return resources


def _load(file: Path) -> dict[str, str]:
    try:
        states: dict[str, str] = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return states


def _save(file: Path, board: AlarmBoard) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(board.states, sort_keys=True))
    os.replace(fresh, file)


def watched_ages(folder: Path, app: str) -> str:
    """Return the nodes of a compiled application whose ``pending_age`` its alarms watch, as the listener is told on AWS."""
    return cloudformation.watched_ages(read_alarms(read_resources(folder)).metric_alarms.values(), app)


def evaluators(folders: Sequence[Path], session: Any, states: Path) -> dict[Path, AlarmEvaluator]:
    """Return an evaluator for each application, by the file that keeps its alarms' states.

    Each leaves the others' alarms to them: a change is announced once.
    """
    resources = {folder: read_resources(folder) for folder in folders}
    names = {folder: set(read_alarms(found).properties) for folder, found in resources.items()}
    made: dict[Path, AlarmEvaluator] = {}
    for folder, found in resources.items():
        others = set().union(*names.values()) - names[folder]
        file = states / f"{read_specification(folder).app}.json"
        made[file] = AlarmEvaluator(found, session, _say, _load(file), others)
        _say({"alarms": len(made[file].board.states)})
    return made


def main() -> None:
    """Evaluate until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--folder", type=Path, required=True, action="append", help="a compiled application; repeatable"
    )
    parser.add_argument("--states", type=Path, required=True, help="a folder that keeps the alarms' states")
    options = parser.parse_args()
    options.states.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    made: dict[Path, AlarmEvaluator] = {}
    while not stop.is_set():
        try:
            made = made or evaluators(options.folder, boto3.Session(), options.states)
            for file, evaluator in made.items():
                if evaluator.evaluate(datetime.now(UTC)):
                    _save(file, evaluator.board)
        except (BotoCoreError, ClientError) as error:
            print(f"the AWS stand-in does not answer: {error}", file=sys.stderr, flush=True)
        stop.wait(SECONDS)


def _say(what: Mapping[str, Any]) -> None:
    print(json.dumps(what, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
