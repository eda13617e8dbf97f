"""Alarms in CloudFormation: the properties of each form, checked by cfn-lint as a whole."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from codegen.cloudformation.alarms import (
    FROM_EVENT,
    alarm_resources,
    emitted_metrics,
    logical_id,
    ticket_message,
)
from rheodsl import AlarmRule, Application, EmailAction, TicketAction
from rheodsl.ir import AlarmSource

from .graphs import TOPIC, everything


@pytest.fixture(scope="module")
def resources() -> dict[str, dict[str, Any]]:
    return alarm_resources(everything().graph())


def of_type(resources: dict[str, dict[str, Any]], type: str) -> dict[str, dict[str, Any]]:
    return {id: made["Properties"] for id, made in resources.items() if made["Type"] == type}


@pytest.mark.slow
def test_the_template_has_no_fault(resources: dict[str, dict[str, Any]]) -> None:
    from cfnlint.api import lint

    template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}
    assert [str(match) for match in lint(json.dumps(template), regions=["us-east-1", "eu-west-1"])] == []


@pytest.mark.slow
def test_a_wrong_template_is_caught(resources: dict[str, dict[str, Any]]) -> None:
    from cfnlint.api import lint

    alarm = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"AlarmName": "a", "Statistics": "Sum"}}
    template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {**resources, "Wrong": alarm}}
    assert len(lint(json.dumps(template), regions=["us-east-1"])) > 0


def test_the_template_is_the_same_each_time(resources: dict[str, dict[str, Any]]) -> None:
    again = alarm_resources(everything().graph())
    assert json.dumps(again) == json.dumps(resources)


def test_an_alarm_on_a_metric(resources: dict[str, dict[str, Any]]) -> None:
    made = dict(resources["AlarmEtlErrors"]["Properties"])
    actions = {name: made.pop(name) for name in ("AlarmActions", "OKActions", "InsufficientDataActions")}
    assert made == {
        "AlarmName": "shop.etl_errors",
        "AlarmDescription": "Spark jobs that fail",
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "TreatMissingData": "missing",
        "Namespace": "Rheo/shop",
        "MetricName": "Error",
        "Dimensions": [
            {"Name": "MetricId", "Value": "etl"},
            {"Name": "region", "Value": "NA ${x} 'y'"},
        ],
        "Period": 300,
        "Statistic": "Sum",
        "Threshold": 2.5,
    }
    mail, topic = actions["AlarmActions"]
    assert topic == TOPIC
    assert actions["OKActions"] == [mail]
    assert resources[mail["Ref"]] == {
        "Type": "AWS::SNS::Topic",
        "Properties": {
            "Subscription": [
                {"Protocol": "email", "Endpoint": "a@example.com"},
                {"Protocol": "email", "Endpoint": "b@example.com"},
            ]
        },
    }
    [slack] = actions["InsufficientDataActions"]
    [channel] = of_type(resources, "AWS::Chatbot::SlackChannelConfiguration").values()
    assert channel["SnsTopicArns"] == [slack]
    assert (channel["SlackWorkspaceId"], channel["SlackChannelId"]) == ("T0AAAAAAAA", "C0BBBBBBBB")


def test_a_percentile(resources: dict[str, dict[str, Any]]) -> None:
    [made] = [p for p in of_type(resources, "AWS::CloudWatch::Alarm").values() if "ExtendedStatistic" in p]
    assert (made["ExtendedStatistic"], "Statistic" in made) == ("p99", False)


def test_an_expression(resources: dict[str, dict[str, Any]]) -> None:
    metrics = resources["AlarmBoth"]["Properties"]["Metrics"]
    assert [(m["Id"], m["ReturnData"]) for m in metrics] == [
        ("functions", False),
        ("daily_exec_failed", False),
        ("expression", True),
    ]
    assert metrics[2]["Expression"] == "SUM(METRICS())"
    # The period that was left open is that of the other metric.
    assert [m["MetricStat"]["Period"] for m in metrics[:2]] == [300, 300]
    assert metrics[1]["MetricStat"]["Metric"] == {
        "Namespace": "Rheo/shop",
        "MetricName": "exec_failed",
        "Dimensions": [{"Name": "Node", "Value": "daily"}],
    }


def test_bands(resources: dict[str, dict[str, Any]]) -> None:
    made = resources["AlarmOdd"]["Properties"]
    assert made["ThresholdMetricId"] == "band"
    assert "Threshold" not in made
    assert [(m["Id"], m["ReturnData"]) for m in made["Metrics"]] == [("m1", True), ("band", True)]
    rate = resources["AlarmOddRate"]["Properties"]["Metrics"]
    assert [(m["Id"], m["ReturnData"]) for m in rate] == [
        ("errors", False),
        ("expression", False),
        ("expression_", True),
        ("band", True),
    ]


def test_composites_name_alarms_as_cloudwatch_does(resources: dict[str, dict[str, Any]]) -> None:
    made = resources["AlarmMonitor"]
    assert made["Properties"]["AlarmRule"] == (
        'ALARM(shop.etl_errors) OR ALARM(shop.slow-functions) OR NOT OK(shop.both) OR ALARM("cpu high")'
    )
    assert made["DependsOn"] == sorted(
        [logical_id("Alarm", id) for id in ("etl_errors", "slow-functions", "both")]
    )
    far = "arn:aws:cloudwatch:us-west-2:111222333444:alarm:far"
    assert resources["AlarmFarToo"]["Properties"]["AlarmRule"] == (
        f"ALARM(shop.monitor) AND NOT (OK({far}) OR INSUFFICIENT_DATA({far}))"
    )
    assert resources["AlarmFarToo"]["DependsOn"] == ["AlarmMonitor"]


def test_rules_read_back_as_they_were_written(resources: dict[str, dict[str, Any]]) -> None:
    graph = everything().graph()
    names = {s.source.name: s.id for s in graph.signals if isinstance(s.source, AlarmSource)}
    names["arn:aws:cloudwatch:us-west-2:111222333444:alarm:far"] = "far"
    made = of_type(resources, "AWS::CloudWatch::CompositeAlarm").values()
    for composite in made:
        source = graph.signal(names[composite["AlarmName"]]).source
        assert isinstance(source, AlarmSource) and source.rule is not None
        parsed = AlarmRule.parse(composite["AlarmRule"])
        assert parsed.render(names) == source.rule.render()


def test_a_ticket_comes_by_a_rule_on_the_state_change(resources: dict[str, dict[str, Any]]) -> None:
    rules = of_type(resources, "AWS::Events::Rule").values()
    [shared] = [rule for rule in rules if len(rule["EventPattern"]["detail"]["alarmName"]) == 2]
    assert shared["EventPattern"] == {
        "source": ["aws.cloudwatch"],
        "detail-type": ["CloudWatch Alarm State Change"],
        "detail": {"alarmName": ["shop.etl_errors", "shop.monitor"], "state": {"value": ["ALARM"]}},
    }
    [target] = shared["Targets"]
    assert target["Arn"] == {"Ref": "AlarmTickets"}
    [own] = [rule["Targets"][0] for rule in rules if rule is not shared]
    assert own["Arn"] == TOPIC


def fill(template: str, values: dict[str, str]) -> dict[str, str]:
    """Do what EventBridge does with an input template."""
    text = re.sub(r"<(\w+)>", lambda match: json.dumps(values[match[1]]), template)
    found: dict[str, str] = json.loads(text)
    return found


def test_the_message_of_a_ticket(resources: dict[str, dict[str, Any]]) -> None:
    values = {name: f'{name} "quoted"' for name in FROM_EVENT}
    for rule in of_type(resources, "AWS::Events::Rule").values():
        transformer = rule["Targets"][0]["InputTransformer"]
        assert transformer["InputPathsMap"] == FROM_EVENT
        message = fill(transformer["InputTemplate"], values)
        assert message["alarm"] == 'alarm "quoted"'
        ticket = TicketAction(
            TicketAction.CTI(message["category"], message["type"], message["item"]),
            TicketAction.Severity(message["severity"]),
            dedupe_str=None if message["dedupe_str"] == values["alarm"] else message["dedupe_str"],
        )
        assert ticket_message(ticket, values) == message
    assert fill(transformer["InputTemplate"], values)


def test_dashboards(resources: dict[str, dict[str, Any]]) -> None:
    made = of_type(resources, "AWS::CloudWatch::Dashboard")
    assert {name["DashboardName"] for name in made.values()} == {"rheo-shop", "rheo-shop-on-call"}
    shown = {
        id: json.loads(
            properties["DashboardBody"]["Fn::Sub"]
            .replace("${AWS::Region}", "us-east-1")
            .replace("${AWS::AccountId}", "123456789012")
            .replace("${AWS::Partition}", "aws")
            .replace("${!", "${")
        )["widgets"]
        for id, properties in made.items()
    }
    titles = [
        w["properties"].get("title", w["properties"].get("markdown")) for w in shown["DashboardDefault"]
    ]
    assert titles == [
        "# shop\n\nNodes: daily, reactor", "Alarms", "Executions that succeeded", "Executions that failed",
        "Latency in seconds", "Age of what waits, in seconds", "Listener", "Events that wait",
        "Events that failed", "Ledger", "etl", "functions", "# Sales ${AWS::Region}", "Errors",
    ]  # fmt: skip
    alarms = shown["DashboardDefault"][1]["properties"]["alarms"]
    assert "arn:aws:cloudwatch:us-east-1:123456789012:alarm:shop.monitor" in alarms
    assert "arn:aws:cloudwatch:us-west-2:111222333444:alarm:far" in alarms
    expressions = [
        line[0]["expression"]
        for widget in shown["DashboardDefault"]
        for line in widget["properties"].get("metrics", [])
        if isinstance(line[0], dict)
    ]
    assert "SEARCH('{Rheo/shop,Node} MetricName=\"exec_failed\"', 'Sum', 300)" in expressions
    assert (
        'SEARCH(\'{Rheo/shop,MetricId,region} "MetricId"="etl" "region"="NA ${x} \\\'y\\\'" '
        "MetricName=(\"Error\")', 'Sum', 300)"
    ) in expressions
    [one, two] = shown[next(id for id in shown if id != "DashboardDefault")]
    assert one["type"] == "metric"
    assert (two["type"], two["properties"]["title"], two["width"]) == ("alarm", "Both", 24)


def test_an_application_without_alarms_has_a_dashboard_all_the_same() -> None:
    assert list(alarm_resources(Application("bare").graph())) == ["DashboardDefault"]


def test_the_dashboard_of_many_alarms_has_no_widget_beyond_cloudwatchs_limit() -> None:
    app = Application("many")
    for n in range(250):
        app.create_alarm(f"a{n}", app.create_metric(f"m{n}")["Error"]["Sum"][60])
    body = json.loads(
        alarm_resources(app.graph())["DashboardDefault"]["Properties"]["DashboardBody"]["Fn::Sub"]
    )
    assert [len(w["properties"]["alarms"]) for w in body["widgets"] if w["type"] == "alarm"] == [100, 100, 50]


def test_logical_ids_differ_where_ids_do() -> None:
    ids = ["a_b", "ab", "a-b", "a.b", "A_b", "a__b", "a_B", "aB", "a1", "a_1", "_a", "a_", "1a"]
    made = {logical_id("Alarm", id) for id in ids}
    assert len(made) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9]{1,255}", name) for name in made)


def test_what_is_emitted() -> None:
    assert emitted_metrics(everything().graph()) == {
        "etl": {
            "namespace": "Rheo/shop",
            "dimensions": {"MetricId": "etl", "region": "NA ${x} 'y'"},
            "names": ["Error"],
            "resolution": 1,
        }
    }


def test_mail_topics_are_shared_by_their_addresses() -> None:
    assert EmailAction("a@example.com", "b@example.com") == EmailAction("b@example.com", "a@example.com")
    topics = of_type(alarm_resources(everything().graph()), "AWS::SNS::Topic")
    assert len([id for id in topics if id.startswith("AlarmMail")]) == 1


def test_nothing_names_this_machine() -> None:
    text = json.dumps(alarm_resources(everything().graph()))
    assert str(Path.cwd()) not in text
