"""The local evaluator against moto: data in CloudWatch, events in the application's queue, messages of topics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from codegen.cloudformation.alarms import alarm_resources, emitted_metrics
from rheo_airflow.diagnostics import Diagnostics
from rheo_platforms.local.alarms import AlarmEvaluator, read_alarms
from rheo_runtime.events import AlarmEvent, parse
from rheodsl import (
    AlarmDefaultActionsMap,
    Application,
    CWAlarm,
    MetricPeriod,
    MetricStatistic,
    SnsAction,
    TicketAction,
)
from rheodsl.cloudwatch.alarm_declarations import cloudwatch_names
from rheodsl.cloudwatch.evaluation import AlarmBoard
from rheodsl.ir import AlarmSource

from .graphs import everything

pytestmark = pytest.mark.slow

SUM, MINUTE = MetricStatistic.SUM, MetricPeriod.MINUTES(1)
NOW = datetime.now(UTC).replace(microsecond=0)


def application() -> Application:
    app = Application("shop")
    etl = app.create_metric("etl")
    topic = "arn:aws:sns:us-east-1:123456789012:oncall"
    ticket = TicketAction(
        TicketAction.CTI("a", "b", "c"), TicketAction.Severity.SEV2, dedupe_str="shop-ERROR"
    )
    actions = AlarmDefaultActionsMap(ALARM_ACTIONS={ticket, SnsAction(topic)}, OK_ACTIONS={SnsAction(topic)})
    errors = app.create_alarm(
        "errors", etl["Error"][SUM][MINUTE], threshold=2, default_actions=actions,
        number_of_evaluation_periods=3, number_of_datapoint_periods=2,
    )  # fmt: skip
    rate = app.create_alarm(
        "rate", "FILL(bad, 0) / all", treat_missing_data="notBreaching", threshold=0.5,
        metrics={"bad": etl["Error"][SUM][MINUTE], "all": etl["All"]["SampleCount"][MINUTE]},
    )  # fmt: skip
    cpu = app.marshal_external_alarm(CWAlarm(name="cpu high"), "cpu")
    app.create_composite_alarm("monitor", errors | rate | cpu, AlarmDefaultActionsMap({ticket}))
    return app


class Stack:
    """moto, a queue behind EventBridge's rule for alarms, and one behind the topics."""

    def __init__(self) -> None:
        self.session = boto3.Session(region_name="us-east-1")
        self.cloudwatch = self.session.client("cloudwatch")
        self.sqs = self.session.client("sqs")
        self.said: list[Any] = []
        self.events = self._queue("events")
        bus = self.session.client("events")
        pattern = {"source": ["aws.cloudwatch"], "detail-type": ["CloudWatch Alarm State Change"]}
        bus.put_rule(Name="alarms", EventPattern=json.dumps(pattern))
        bus.put_targets(Rule="alarms", Targets=[{"Id": "queue", "Arn": self._arn(self.events)}])
        self.messages = self._queue("messages")
        sns = self.session.client("sns")
        for name in ("oncall", "AlarmTickets"):
            topic = sns.create_topic(Name=name)["TopicArn"]
            sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=self._arn(self.messages))
        graph = application().graph()
        self.evaluator = AlarmEvaluator(alarm_resources(graph), self.session, self.said.append)
        self.diagnostics = Diagnostics(emitted_metrics(graph), self.cloudwatch.put_metric_data)

    def _queue(self, name: str) -> str:
        url: str = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        return url

    def _arn(self, url: str) -> str:
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(answer["Attributes"]["QueueArn"])

    def evaluate(self, minutes: float = 0) -> list[tuple[str, str]]:
        found = self.evaluator.evaluate(NOW + timedelta(minutes=minutes))
        return [(t.alarm.removeprefix("shop."), t.state.value) for t in found]

    def read(self, queue: str) -> list[Any]:
        found = []
        while messages := self.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(message["Body"]))
        return found


@pytest.fixture
def stack() -> Iterator[Stack]:
    with mock_aws():
        yield Stack()


def test_alarms_start_without_data(stack: Stack) -> None:
    assert stack.evaluate() == [("rate", "OK"), ("monitor", "OK")]
    assert stack.evaluate() == []


def test_emitted_errors_alarm_and_the_composite_follows(stack: Stack) -> None:
    stack.evaluate()
    stack.read(stack.events)
    error = stack.diagnostics["etl"]["Error"]
    error.emit([1, 1, 1], timestamp=NOW - timedelta(seconds=90))
    assert stack.evaluate() == [("errors", "ALARM"), ("monitor", "ALARM")]
    raw = stack.read(stack.events)
    read = [event for one in raw for event in parse(one)]
    assert [(e.alarm, e.state) for e in read if isinstance(e, AlarmEvent)] == [
        ("shop.errors", "ALARM"),
        ("shop.monitor", "ALARM"),
    ]
    assert raw[0]["detail"]["previousState"] == {"value": "INSUFFICIENT_DATA"}
    tickets = [json.loads(message["Message"]) for message in stack.read(stack.messages)]
    assert [t.get("dedupe_str", t.get("NewStateValue")) for t in tickets] == [
        "ALARM",
        "shop-ERROR",
        "shop-ERROR",
    ]
    assert {t["alarm"] for t in tickets[1:]} == {"shop.errors", "shop.monitor"}
    assert (tickets[1]["severity"], tickets[1]["category"], tickets[1]["state"]) == ("2", "a", "ALARM")


def test_metric_math(stack: Stack) -> None:
    stack.evaluate()
    stack.diagnostics["etl"]["All"].emit([1] * 10, timestamp=NOW - timedelta(seconds=5))
    stack.diagnostics["etl"]["Error"].emit(4, timestamp=NOW - timedelta(seconds=5))
    assert ("rate", "ALARM") not in stack.evaluate()
    stack.diagnostics["etl"]["Error"].emit_statistics(
        count=2, sum=2, minimum=1, maximum=1, timestamp=NOW - timedelta(seconds=4)
    )
    assert ("rate", "ALARM") in stack.evaluate()


def test_the_alarm_ends_when_the_data_has_passed(stack: Stack) -> None:
    error = stack.diagnostics["etl"]["Error"]
    for seconds in (10, 70):
        error.emit(2, timestamp=NOW - timedelta(seconds=seconds))
    assert ("errors", "ALARM") in stack.evaluate()
    assert stack.evaluate(1) == []
    assert ("errors", "INSUFFICIENT_DATA") in stack.evaluate(10)


def test_states_are_seen_and_set_in_cloudwatch(stack: Stack) -> None:
    stack.evaluate()
    shown = {a["AlarmName"]: a["StateValue"] for a in stack.cloudwatch.describe_alarms()["MetricAlarms"]}
    assert shown == {"shop.errors": "INSUFFICIENT_DATA", "shop.rate": "OK"}
    stack.cloudwatch.set_alarm_state(AlarmName="shop.errors", StateValue="ALARM", StateReason="test")
    assert stack.evaluate() == [("errors", "ALARM"), ("monitor", "ALARM")]
    assert stack.evaluate() == [("errors", "INSUFFICIENT_DATA"), ("monitor", "OK")]


def test_an_alarm_of_somebody_else(stack: Stack) -> None:
    stack.evaluate()
    stack.cloudwatch.put_metric_alarm(
        AlarmName="cpu high", MetricName="c", Namespace="n", Period=60, EvaluationPeriods=1,
        Statistic="Sum", Threshold=1, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    stack.cloudwatch.set_alarm_state(AlarmName="cpu high", StateValue="ALARM", StateReason="test")
    assert stack.evaluate() == [("cpu high", "ALARM"), ("monitor", "ALARM")]
    assert stack.evaluate() == []


def test_a_new_evaluator_goes_on_where_the_last_one_ended(stack: Stack) -> None:
    stack.diagnostics["etl"]["Error"].emit(2, timestamp=NOW - timedelta(seconds=90))
    assert ("errors", "ALARM") in stack.evaluate()
    resources = alarm_resources(application().graph())
    states = {name: state.value for name, state in stack.evaluator.board.states.items()}
    stack.evaluator = AlarmEvaluator(resources, stack.session, stack.said.append, states)
    assert stack.evaluate() == []


def test_what_could_not_be_sent_is_found_again(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import EndpointConnectionError

    def down(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1")

    with monkeypatch.context() as patch:
        patch.setattr(stack.evaluator._events, "put_events", down)
        with pytest.raises(EndpointConnectionError):
            stack.evaluate()
    assert stack.evaluate() == [("rate", "OK"), ("monitor", "OK")]


def test_a_topic_that_is_missing_fails_its_action_alone(stack: Stack) -> None:
    sns = stack.session.client("sns")
    sns.delete_topic(TopicArn="arn:aws:sns:us-east-1:123456789012:oncall")
    stack.diagnostics["etl"]["Error"].emit(2, timestamp=NOW - timedelta(seconds=90))
    assert ("monitor", "ALARM") in stack.evaluate()
    failed = [line for line in stack.said if "failed" in line]
    assert [line["action"].rpartition(":")[2] for line in failed] == ["oncall"]


def test_the_template_says_all_that_the_graph_does() -> None:
    """Alarms read back from CloudFormation decide as those of the graph: the lowering loses nothing."""
    graph = everything().graph()
    board = AlarmBoard.of(graph)
    sources = {s.id: s.source for s in graph.signals if isinstance(s.source, AlarmSource)}
    names = cloudwatch_names(sources)
    read = read_alarms(alarm_resources(graph))
    assert set(read.metric_alarms) == {names[id] for id in board.metric_alarms}
    for id, alarm in board.metric_alarms.items():
        back = read.metric_alarms[names[id]]
        same = (
            "expression",
            "period",
            "evaluation_periods",
            "datapoints",
            "comparison",
            "threshold",
            "missing",
        )
        assert {n: getattr(back, n) for n in same} == {n: getattr(alarm, n) for n in same}
        assert [q.stat for q in back.queries] == [q.stat for q in alarm.queries]
        if alarm.expression is not None:
            assert back.queries == alarm.queries
    for id, rule in board.composites.items():
        assert read.composites[names[id]].render() == rule.render(names)
