"""Messages as compute targets and hooks: mail, Slack, SNS.

Texts may hold ``{day}`` for a dimension of the output, ``{output}`` for its path, ``{inputs[orders]}`` for an
input's, ``{app}``, ``{node}`` and ``{execution}``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rheodsl.compute import Compute, retries
from rheodsl.errors import ComputeError


@dataclass(frozen=True, slots=True)
class EmailMessage(Compute):
    """A mail, sent by SES."""

    sender: str
    recipients: tuple[str, ...]
    subject: str
    body: str
    retry_count: int = 0


@dataclass(frozen=True, slots=True)
class SlackMessage(Compute):
    """A message to a Slack webhook that is kept in ``connection`` (Airflow) or ``secret`` (Secrets Manager)."""

    message: str
    connection: str | None
    secret: str | None = None
    retry_count: int = 0


@dataclass(frozen=True, slots=True)
class SnsMessage(Compute):
    """A message to an SNS topic."""

    topic: str
    message: str
    subject: str | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    retry_count: int = 0


def Email(
    subject: str, body: str = "", *, sender: str, recipients: Sequence[str] | str, retry_count: int = 0
) -> EmailMessage:
    """Return a mail as a compute target or hook; SES must know the sender.

    >>> Email("{node} of {day}", sender="etl@example.com", recipients="me@example.com").recipients
    ('me@example.com',)
    """
    to = (recipients,) if isinstance(recipients, str) else tuple(recipients)
    if not to:
        raise ComputeError("Email needs a recipient", hint='recipients=["me@example.com"]')
    return EmailMessage(sender, to, subject, body, retries(retry_count))


def Slack(
    message: str, *, connection: str | None = None, secret: str | None = None, retry_count: int = 0
) -> SlackMessage:
    """Return a Slack message as a compute target or hook.

    The webhook's address is a secret, so it is not written here: it is the password (or host) of an Airflow
    ``connection`` ("slack" when left out), or the text of a ``secret`` of Secrets Manager. Raises ComputeError.

    >>> Slack("{node} of {day} is ready", connection="team_slack").connection
    'team_slack'
    """
    if any(name is not None and "://" in name for name in (connection, secret)):
        raise ComputeError(
            "a webhook's address is a secret, and would stand in a generated file",
            hint='keep it in an Airflow connection, and name that: connection="slack"',
        )
    if connection is not None and secret is not None:
        raise ComputeError("the webhook is in a connection or in a secret", hint="give one of the two")
    if secret is None:
        connection = connection or "slack"
    return SlackMessage(message, connection, secret, retries(retry_count))


def Sns(
    topic: str,
    message: str = "",
    *,
    subject: str | None = None,
    attributes: Mapping[str, str] | None = None,
    retry_count: int = 0,
) -> SnsMessage:
    """Return an SNS message as a compute target or hook; the execution, as JSON, when ``message`` is empty.

    >>> Sns("arn:aws:sns:us-east-1:123456789012:done", "{node} of {day}").subject is None
    True
    """
    if not topic.startswith("arn:") or ":sns:" not in topic:
        raise ComputeError(
            f"{topic!r} is no SNS topic", hint="write its ARN: arn:aws:sns:us-east-1:123456789012:name"
        )
    return SnsMessage(
        topic, message, subject, tuple(sorted((attributes or {}).items())), retries(retry_count)
    )
