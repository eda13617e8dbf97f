"""Actions of alarms -> CloudFormation resources: topics, subscriptions, chat channels, rules for tickets.

CloudWatch's own message says nothing of tickets. An EventBridge rule turns the alarm's state change into a
JSON message with the ticket's fields, and no code runs.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from rheodsl.alarm_actions import Action, EmailAction, SlackAction, SnsAction, TicketAction
from rheodsl.alarm_rules import AlarmState

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
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": {"Ref": TICKETS},
        "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
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
