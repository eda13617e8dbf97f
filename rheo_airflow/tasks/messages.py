"""An execution -> a message about it: mail, Slack, SNS; as tasks, and as functions for callbacks.

Texts may hold ``{day}`` and the like, see `rheo_airflow.tasks.idempotency.filled`.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from rheo_airflow.tasks import settings
from rheo_airflow.tasks.claim import hold, told
from rheo_airflow.tasks.compat import AirflowException, BaseOperator
from rheo_airflow.tasks.failures import says_why
from rheo_airflow.tasks.idempotency import filled
from rheo_runtime.records import Document

_SLACK_SECONDS = 10
# SNS: "UTF-8 text with no line breaks or control characters, and less than 100 characters long" (API
# reference, Publish); a mail's subject is one line as well (RFC 5322, 2.2).
_LONGEST_SUBJECT = 99


def _line(text: str) -> str:
    """One line of at most so many characters, for a subject.

    >>> _line("a\\nb")
    'a b'
    """
    plain = "".join(c if c.isprintable() else " " for c in text).strip() or "(no subject)"
    return plain if len(plain) <= _LONGEST_SUBJECT else f"{plain[: _LONGEST_SUBJECT - 3]}..."


def _plain_for_slack(text: str) -> str:
    """A value that mentions nobody and links nowhere (Slack, "Formatting text": escape &, < and >).

    >>> _plain_for_slack("<!channel>")
    '&lt;!channel&gt;'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def send_email(document: Document, *, sender: str, recipients: Sequence[str], subject: str, body: str) -> str:
    """Send a mail by SES; return its id."""
    content = {
        "Subject": {"Data": _line(filled(subject, document)), "Charset": "UTF-8"},
        "Body": {"Text": {"Data": filled(body, document), "Charset": "UTF-8"}},
    }
    answer = settings.client("ses").send_email(
        Source=sender, Destination={"ToAddresses": list(recipients)}, Message=content
    )
    return str(answer["MessageId"])


def send_slack(
    document: Document, *, message: str, connection: str | None = None, secret: str | None = None
) -> None:
    """Post to a webhook whose address is kept in an Airflow connection, or in Secrets Manager."""
    body = json.dumps({"text": filled(message, document, _plain_for_slack)}).encode()
    request = urllib.request.Request(
        _webhook(connection, secret), data=body, headers={"Content-Type": "application/json"}
    )
    # Slack answers an error with a status, which urlopen raises.
    urllib.request.urlopen(request, timeout=_SLACK_SECONDS).close()


def send_sns(
    document: Document,
    *,
    topic: str,
    message: str = "",
    subject: str | None = None,
    attributes: Mapping[str, str] | None = None,
) -> str:
    """Publish to an SNS topic; the execution as JSON when there is no message. Returns the message's id."""
    text = filled(message, document) if message else json.dumps(told(document), ensure_ascii=False)
    values = {"app": document["app"], "node": document["node"], **filled(attributes or {}, document)}
    request: dict[str, Any] = {"TopicArn": topic, "Message": text}
    if subject is not None:
        request["Subject"] = _line(filled(subject, document))
    request["MessageAttributes"] = {
        name: {"DataType": "String", "StringValue": value} for name, value in values.items() if value
    }  # SNS refuses an attribute without a value
    return str(settings.client("sns").publish(**request)["MessageId"])


class EmailOperator(BaseOperator):
    """Sends a mail about the claimed execution; arguments are those of `send_email`."""

    def __init__(
        self, *, sender: str, recipients: Sequence[str], subject: str, body: str, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.sender, self.recipients, self.subject, self.body = sender, list(recipients), subject, body

    @says_why
    def execute(self, context: Any) -> str:
        """Send."""
        return send_email(
            hold(context),
            sender=self.sender,
            recipients=self.recipients,
            subject=self.subject,
            body=self.body,
        )


class SlackOperator(BaseOperator):
    """Posts a message about the claimed execution; arguments are those of `send_slack`."""

    def __init__(
        self, *, message: str, connection: str | None = None, secret: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.message, self.connection, self.secret = message, connection, secret

    @says_why
    def execute(self, context: Any) -> str:
        """Post; return what the message was about."""
        document = hold(context)
        send_slack(document, message=self.message, connection=self.connection, secret=self.secret)
        return str(document["id"])


class SnsOperator(BaseOperator):
    """Publishes a message about the claimed execution; arguments are those of `send_sns`."""

    def __init__(
        self,
        *,
        topic: str,
        message: str = "",
        subject: str | None = None,
        attributes: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.topic, self.message, self.subject = topic, message, subject
        self.attributes = dict(attributes or {})

    @says_why
    def execute(self, context: Any) -> str:
        """Publish."""
        return send_sns(
            hold(context),
            topic=self.topic,
            message=self.message,
            subject=self.subject,
            attributes=self.attributes,
        )


def _webhook(connection: str | None, secret: str | None) -> str:
    """The address of a webhook; it is never logged. Raises AirflowException when nothing holds one."""
    if secret is not None:
        return str(settings.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"])
    from airflow.sdk import Connection

    found = Connection.get(str(connection))
    host, rest = found.host or "", found.password or ""
    if rest.startswith(("http://", "https://")):
        return rest
    if not host:
        raise AirflowException(
            f"the connection {connection!r} has no webhook: set its password to the address"
        )
    if "://" not in host:
        host = f"{found.schema or 'https'}://{host}"
    return f"{host.rstrip('/')}/{rest.lstrip('/')}" if rest else host
