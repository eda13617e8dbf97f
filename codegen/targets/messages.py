"""Mails, Slack messages and SNS messages -> tasks, or hooks, that send them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codegen import plan as p
from codegen.targets.base import (
    Operator,
    Site,
    Statement,
    check_texts,
    lower,
    operator,
    permissions,
    place,
    resources,
)
from rheodsl import compute_messages

MODULE = "rheo_runtime.tasks.messages"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageTask(p.Task):
    """A message: the operator that sends it, and what it is told."""

    operator: str
    arguments: tuple[tuple[str, Any], ...]


def _task(target: Any, site: Site, operator: str, **arguments: Any) -> MessageTask:
    check_texts(arguments, site)
    given = tuple((key, value) for key, value in arguments.items() if value not in (None, "", {}))
    return MessageTask(
        task_id=site.name,
        where=place(site.node.where),
        retries=target.retry_count,
        operator=operator,
        arguments=given,
    )


@lower.register
def _(target: compute_messages.EmailMessage, site: Site) -> p.Task:
    task = _task(target, site, "EmailOperator", sender=target.sender, recipients=list(target.recipients))
    check_texts([target.subject, target.body], site)
    texts = (("subject", target.subject), ("body", target.body))
    return MessageTask(
        task_id=task.task_id,
        where=task.where,
        retries=task.retries,
        operator=task.operator,
        arguments=(*task.arguments, *texts),
    )


@lower.register
def _(target: compute_messages.SlackMessage, site: Site) -> p.Task:
    return _task(
        target,
        site,
        "SlackOperator",
        message=target.message,
        connection=target.connection,
        secret=target.secret,
    )


@lower.register
def _(target: compute_messages.SnsMessage, site: Site) -> p.Task:
    return _task(
        target,
        site,
        "SnsOperator",
        topic=target.topic,
        message=target.message,
        subject=target.subject,
        attributes=dict(target.attributes),
    )


@operator.register
def _(task: MessageTask, dag: p.DagPlan) -> Operator:
    return Operator(MODULE, task.operator, dict(task.arguments))


@resources.register
def _(task: MessageTask, dag: p.DagPlan) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    given = dict(task.arguments)
    if "topic" in given:
        return {"topics": [{"arn": given["topic"]}]}
    return {"senders": [{"address": given["sender"]}]} if "sender" in given else {}


@permissions.register
def _(task: MessageTask, dag: p.DagPlan) -> Sequence[Statement]:
    given = dict(task.arguments)
    here = "${AWS::Region}:${AWS::AccountId}"
    match task.operator:
        case "EmailOperator":
            resource = f"arn:${{AWS::Partition}}:ses:{here}:identity/*"
            return ({"Action": ["ses:SendEmail"], "Resource": [resource]},)
        case "SnsOperator":
            return ({"Action": ["sns:Publish"], "Resource": [given["topic"]]},)
    if (secret := given.get("secret")) is None:
        return ()
    known = (
        secret
        if secret.startswith("arn:")
        else f"arn:${{AWS::Partition}}:secretsmanager:{here}:secret:{secret}-*"
    )
    return ({"Action": ["secretsmanager:GetSecretValue"], "Resource": [known]},)
