"""What cannot be delivered -> the queue of dead letters, and alarms that say so.

EventBridge and SNS try a delivery for a day and more, and then drop it unless the rule's target, or the
subscription, names a queue for it (Amazon EventBridge user guide, "Using dead-letter queues to process undelivered
events"; Amazon SNS developer guide, "Amazon SNS dead-letter queues"). Both reach the queue by its policy.
"""

from __future__ import annotations

from typing import Any

from codegen.cloudformation.events import of_own_account
from codegen.cloudformation.names import (
    NO_VALUE,
    Resource,
    Resources,
    Value,
    arn,
    attribute,
    ref,
    shortened,
)
from rheo_runtime.wire import resource_name

HAS_TOPIC = "HasAlarmTopic"
PARAMETER = "AlarmTopic"
PARAMETERS: Resource = {
    PARAMETER: {
        "Type": "String",
        "Default": "",
        "AllowedPattern": "^$|^arn:aws[a-z-]*:sns:.*$",
        "Description": "The ARN of the topic that is told of dead letters and of failures of the listener; empty: none.",
    }
}
_NAME = 64  # the longest name of a rule
_PERIOD = 300


def kept(made: Resources, app: str) -> Resources:
    """Return resources of alarms, with a dead-letter queue for each rule's target and each subscription."""
    found: Resources = {}
    for id, resource in made.items():
        properties = resource["Properties"]
        if resource["Type"] == "AWS::Events::Rule":
            targets = [
                {**each, "DeadLetterConfig": {"Arn": attribute("DeadLetters")}}
                for each in properties["Targets"]
            ]
            pattern = of_own_account(properties["EventPattern"])
            named = {**properties, "Name": _rule(app, id), "EventPattern": pattern, "Targets": targets}
            found[id] = {**resource, "DependsOn": ["DeadLettersPolicy"], "Properties": named}
        elif "Subscription" in properties:  # written inside a topic it cannot have a queue
            rest = {name: value for name, value in properties.items() if name != "Subscription"}
            found[id] = {**resource, "Properties": rest}
            for number, subscription in enumerate(properties["Subscription"], start=1):
                found[f"{id}To{number}"] = _subscription(id, subscription)
        else:
            found[id] = resource
    return found


def _subscription(topic: str, subscription: Resource) -> Resource:
    return {
        "Type": "AWS::SNS::Subscription",
        "DependsOn": ["DeadLettersPolicy"],
        "Properties": {
            "TopicArn": ref(topic),
            **subscription,
            "RedrivePolicy": {"deadLetterTargetArn": attribute("DeadLetters")},
        },
    }


def rules(made: Resources, app: str) -> list[Value]:
    """Return the ARNs of the rules among resources of alarms, as they are before there are rules."""
    ids = [id for id, each in made.items() if each["Type"] == "AWS::Events::Rule"]
    return [arn("events", f"rule/{_rule(app, id)}") for id in ids]


def topics(made: Resources) -> list[Value]:
    """Return the ARNs of the topics among resources of alarms that have subscriptions."""
    return [ref(id) for id, each in made.items() if "Subscription" in each["Properties"]]


def _rule(app: str, id: str) -> str:
    return shortened(f"{resource_name(app)}-{id}", _NAME)


def alarms(app: str) -> Resources:
    """Return the alarms that every application has: on dead letters, and on errors of the listener."""
    name = resource_name(app)
    return {
        "DeadLettersAlarm": _alarm(
            f"{name}-dead-letters",
            f"Messages that {app} could not use or deliver: see rheo dlq.",
            ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum"),
            {"Name": "QueueName", "Value": attribute("DeadLetters", "QueueName")},
        ),
        "ListenerErrorsAlarm": _alarm(
            f"{name}-listener-errors",
            f"The listener of {app} fails: see its log.",
            ("AWS/Lambda", "Errors", "Sum"),
            {"Name": "FunctionName", "Value": ref("Listener")},
        ),
    }


def _alarm(name: str, text: str, metric: tuple[str, str, str], dimension: Resource) -> Resource:
    namespace, what, statistic = metric
    told: Any = {"Fn::If": [HAS_TOPIC, [ref(PARAMETER)], NO_VALUE]}
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmName": name,
            "AlarmDescription": text,
            "Namespace": namespace,
            "MetricName": what,
            "Dimensions": [dimension],
            "Statistic": statistic,
            "Period": _PERIOD,
            "EvaluationPeriods": 1,
            "Threshold": 0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
            "AlarmActions": told,
            "OKActions": told,
        },
    }
