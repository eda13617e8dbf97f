"""Nothing that a template sends can be lost unseen: queues for what is not delivered, and alarms on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rheodsl import Application, EmailAction

from .sample import every_source, example, of_type, statements, template_of

APPS: dict[str, Callable[[], Application]] = {
    "alarms": lambda: example("alarms"),
    "every_source": every_source,
    "shared": lambda: shared(),
    "mailed": lambda: mailed(),
}
QUEUE = {"Fn::GetAtt": ["DeadLetters", "Arn"]}


def shared() -> Application:
    app = every_source()
    app.authorize_downstream("reader", "111122223333", "eu-west-1")
    return app


def mailed() -> Application:
    from rheodsl import AlarmDefaultActionsMap

    app = Application("mailed")
    metric = app.create_metric("etl")["Error"]["Sum"][60]
    actions = AlarmDefaultActionsMap(ALARM_ACTIONS={EmailAction("a@example.com", "b@example.com")})
    app.create_alarm("broken", metric, threshold=1, default_actions=actions)
    return app


@pytest.mark.parametrize("name", APPS)
def test_every_target_and_subscription_has_a_queue_that_takes_from_it(name: str) -> None:
    template = template_of(APPS[name]())
    [policy] = [
        p
        for p in of_type(template, "AWS::SQS::QueuePolicy").values()
        if p["Queues"] == [{"Ref": "DeadLetters"}]
    ]
    allowed = {
        s["Principal"]["Service"]: s["Condition"] for s in statements(policy) if s["Effect"] == "Allow"
    }
    senders = {by: of["ArnEquals"]["aws:SourceArn"] for by, of in allowed.items()}
    arns = [arn["Fn::Sub"].rpartition("/")[2] for arn in senders["events.amazonaws.com"]]
    rules = of_type(template, "AWS::Events::Rule")
    for rule in rules.values():
        assert [target["DeadLetterConfig"] for target in rule["Targets"]] == [{"Arn": QUEUE}]
        assert rule["Name"] in arns
    assert rules
    for subscription in of_type(template, "AWS::SNS::Subscription").values():
        assert subscription["RedrivePolicy"] == {"deadLetterTargetArn": QUEUE}
        assert subscription["TopicArn"] in senders["sns.amazonaws.com"]
    for topic in of_type(template, "AWS::SNS::Topic").values():
        assert "Subscription" not in topic


def test_mail_to_several_is_a_subscription_each() -> None:
    template = template_of(mailed())
    found = of_type(template, "AWS::SNS::Subscription").values()
    assert [(s["Protocol"], s["Endpoint"]) for s in found] == [
        ("email", "a@example.com"),
        ("email", "b@example.com"),
    ]


def test_what_only_fails_into_the_dead_letters_may_not_send_to_the_listener() -> None:
    template = template_of(shared())
    [policy] = [
        p for p in of_type(template, "AWS::SQS::QueuePolicy").values() if p["Queues"] == [{"Ref": "Queue"}]
    ]
    assert "forward" not in str(policy)


def test_tickets_are_published_under_a_policy_that_eventbridge_can_use() -> None:
    """It publishes under none with a Condition, and not by a role (EventBridge user guide, SNS permissions)."""
    template = template_of(example("alarms"))
    [policy] = of_type(template, "AWS::SNS::TopicPolicy").values()
    assert policy["PolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": {"Ref": "AlarmTickets"},
        }
    ]
    for id, rule in of_type(template, "AWS::Events::Rule").items():
        assert [target for target in rule["Targets"] if "RoleArn" in target] == [], id


@pytest.mark.parametrize("name", APPS)
def test_every_application_has_alarms_on_what_it_loses(name: str) -> None:
    alarms = of_type(template_of(APPS[name]()), "AWS::CloudWatch::Alarm")
    watched: dict[str, Any] = {
        id: (a["Namespace"], a["MetricName"]) for id, a in alarms.items() if "Namespace" in a
    }
    assert watched["DeadLettersAlarm"] == ("AWS/SQS", "ApproximateNumberOfMessagesVisible")
    assert watched["ListenerErrorsAlarm"] == ("AWS/Lambda", "Errors")
    for id in ("DeadLettersAlarm", "ListenerErrorsAlarm"):
        assert alarms[id]["AlarmActions"] == {
            "Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopic"}], {"Ref": "AWS::NoValue"}]
        }
