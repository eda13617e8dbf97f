"""Mails, Slack messages and SNS messages -> tasks, or hooks, that send them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codegen import plan as p
from codegen.targets.base import (
    LoweringContext,
    Operator,
    Statement,
    check_texts,
    lower,
    operator,
    permissions,
    place,
    resources,
)
from rheodsl import compute

MODULE = "rheo_airflow.tasks.messages"


Message = compute.EmailMessage | compute.SlackMessage | compute.SnsMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageTask(p.Task):
    """A message."""

    compute: Message

    @property
    def title(self) -> str:
        """Where it goes."""
        return {"EmailMessage": "e-mail", "SlackMessage": "Slack"}.get(type(self.compute).__name__, "SNS")


@lower.register(compute.EmailMessage)
@lower.register(compute.SlackMessage)
@lower.register(compute.SnsMessage)
def _(target: Message, site: LoweringContext) -> p.Task:
    _, arguments = _sent(target)
    check_texts(arguments, site)
    return MessageTask(
        task_id=site.name, where=place(site.node.where), retries=target.retry_count, compute=target
    )


@operator.register
def _(task: MessageTask, dag: p.DagPlan) -> Operator:
    name, arguments = _sent(task.compute)
    return Operator(MODULE, name, arguments)


def _sent(message: Message) -> tuple[str, dict[str, object]]:
    """The operator that sends a message, and what it is told; what is empty is left out, but for a mail's texts."""
    always: dict[str, object] = {}
    match message:
        case compute.EmailMessage(sender, recipients, subject, body):
            operator = "EmailOperator"
            given: dict[str, object] = {"sender": sender, "recipients": list(recipients)}
            always = {"subject": subject, "body": body}
        case compute.SlackMessage(text, connection, secret):
            operator = "SlackOperator"
            given = {"message": text, "connection": connection, "secret": secret}
        case compute.SnsMessage(topic, text, subject, attributes):
            operator = "SnsOperator"
            given = {"topic": topic, "message": text, "subject": subject, "attributes": dict(attributes)}
    told = {key: value for key, value in given.items() if value is not None and value not in ("", {})}
    return operator, told | always


@resources.register
def _(task: MessageTask, dag: p.DagPlan) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    match task.compute:
        case compute.SnsMessage(topic):
            return {"topics": [{"arn": topic}]}
        case compute.EmailMessage(sender):
            return {"senders": [{"address": sender}]} if sender else {}
    return {}


@permissions.register
def _(task: MessageTask, dag: p.DagPlan) -> Sequence[Statement]:
    here = "${AWS::Region}:${AWS::AccountId}"
    match task.compute:
        case compute.EmailMessage():
            resource = f"arn:${{AWS::Partition}}:ses:{here}:identity/*"
            return ({"Action": ["ses:SendEmail"], "Resource": [resource]},)
        case compute.SnsMessage(topic):
            return ({"Action": ["sns:Publish"], "Resource": [topic]},)
        case compute.SlackMessage(secret=str(secret)) if secret:
            known = f"arn:${{AWS::Partition}}:secretsmanager:{here}:secret:{secret}-*"
            known = secret if secret.startswith("arn:") else known
            return ({"Action": ["secretsmanager:GetSecretValue"], "Resource": [known]},)
    return ()
