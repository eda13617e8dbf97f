"""Dead letters: the messages that the listener, or its queue, has given up, and their way back.

Nothing is lost on the way: a letter is sent first and removed after, so that a crash in between leaves a
copy, which the ledger takes for the same event. While letters are read they are out of sight of other readers,
for `SIGHT` seconds at most.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rheo_runtime import events as ev

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

    from rheo_platforms.deployment import Deployment


LONGEST = 100


def about(body: str) -> str:
    """Return what a message announces: a path, a partition, a timer's time; else its first words.

    >>> about('{"source": "rheo", "detail-type": "rheo.timer", "detail": {"app": "flights", '
    ...       '"timer": "daily", "time": "2025-05-07T23:00:00Z"}}')
    'timer daily at 2025-05-07T23:00:00Z'
    >>> about("no json")
    'no json'
    """
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError):
        return _short(body)
    try:
        events = [one for one in ev.parse(raw) if not isinstance(one, ev.Malformed)]
    except ev.BadEvent:
        events = []
    if events:
        more = f" and {len(events) - 1} more" if len(events) > 1 else ""
        return _short(_event(events[0])) + more
    if isinstance(raw, dict) and isinstance(raw.get("detail-type"), str):
        return _short(f"{raw['detail-type']}: {json.dumps(raw.get('detail'), ensure_ascii=False)}")
    return _short(body)


def _event(event: ev.Event) -> str:
    match event:
        case ev.S3Event() | ev.S3Deletion():
            return f"s3://{event.bucket}/{event.key}"
        case ev.GlueEvent() | ev.GlueDeletion():
            return f"table {event.database}.{event.table} {'/'.join(event.texts)}"
        case ev.TimerEvent():
            return f"timer {event.timer} at {event.id}"
        case ev.AlarmEvent():
            return f"alarm {event.alarm} {event.state}"
        case ev.SnsEvent():
            return f"message of {event.topic}"
        case ev.SignalEvent():
            return f"signal {event.signal} {'/'.join(event.texts)}"


def _short(text: str) -> str:
    plain = "".join(c if c.isprintable() else "?" for c in text[: LONGEST + 1])
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 3] + "..."


SIGHT = 120  # seconds that a letter is kept from other readers while it is looked at
WAIT = 1  # seconds of a long poll: a short one does not look everywhere
BATCH = 10  # letters of one call: the most that SQS gives


@dataclass(frozen=True)
class Letter:
    """A message that was given up.

    Parameters
    ----------
    id
        The message's id in the dead-letter queue.
    reason
        Why: what the listener said, or how often it failed.
    time
        When the message was first sent, in UTC.
    about
        What it announces, such as ``s3://lake/orders/1/_SUCCESS``.
    body
        The message.
    receipt
        What the queue removes it by.
    """

    id: str
    reason: str
    time: datetime
    about: str
    body: str
    receipt: str


def read(deployment: Deployment, ids: Iterable[str] = (), reason: str = "") -> list[Letter]:
    """Return the dead letters, oldest first; other readers see them again at once.

    Parameters
    ----------
    ids
        Only those whose ids begin like one of these; all when there are none.
    reason
        Only those whose reason contains this, whatever the case.
    """
    letters = _take(deployment, tuple(ids), reason)
    _release(deployment, letters)
    return letters


def replay(deployment: Deployment, ids: Iterable[str] = (), reason: str = "") -> Iterator[Letter]:
    """Send letters to the listener again; each is yielded when it is sent and removed."""
    sqs = _sqs(deployment)
    for letter in _in_hand(deployment, tuple(ids), reason):
        sqs.send_message(QueueUrl=deployment.queue, MessageBody=letter.body)
        sqs.delete_message(QueueUrl=deployment.dead_letters, ReceiptHandle=letter.receipt)
        yield letter


def drop(deployment: Deployment, ids: Iterable[str] = (), reason: str = "") -> Iterator[Letter]:
    """Remove letters for good; each is yielded when it is removed."""
    sqs = _sqs(deployment)
    for letter in _in_hand(deployment, tuple(ids), reason):
        sqs.delete_message(QueueUrl=deployment.dead_letters, ReceiptHandle=letter.receipt)
        yield letter


def _in_hand(deployment: Deployment, ids: tuple[str, ...], reason: str) -> Iterator[Letter]:
    """Yield letters one by one; those that are left when something goes wrong are seen again at once."""
    left = _take(deployment, ids, reason)
    try:
        while left:
            yield left[0]
            left.pop(0)
    finally:
        _release(deployment, left)


def _take(deployment: Deployment, ids: tuple[str, ...], reason: str) -> list[Letter]:
    """Receive all letters, keep those that are wanted out of sight, and let go of the others."""
    sqs, found = _sqs(deployment), dict[str, Letter]()
    receives = _receives(deployment)
    while True:
        messages = sqs.receive_message(
            QueueUrl=deployment.dead_letters,
            MaxNumberOfMessages=BATCH,
            VisibilityTimeout=SIGHT,
            WaitTimeSeconds=WAIT,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        if not messages:
            break
        found |= {message["MessageId"]: _letter(message, receives) for message in messages}
    letters = sorted(found.values(), key=lambda letter: (letter.time, letter.id))
    wanted = [
        letter
        for letter in letters
        if (not ids or letter.id.startswith(ids)) and reason.casefold() in letter.reason.casefold()
    ]
    _release(deployment, [letter for letter in letters if letter not in wanted])
    return wanted


def _letter(message: Any, receives: int) -> Letter:
    said = {n: a.get("StringValue", "") for n, a in message.get("MessageAttributes", {}).items()}
    if "ERROR_CODE" in said:  # EventBridge could not bring it to the listener's queue
        reason = f"not delivered: {said['ERROR_CODE']} {said.get('ERROR_MESSAGE', '')}".rstrip()
    else:
        reason = said.get("reason") or (f"failed {receives} times" if receives else "failed too often")
    sent = int(message["Attributes"]["SentTimestamp"]) / 1000
    body = message["Body"]
    return Letter(
        message["MessageId"],
        reason,
        datetime.fromtimestamp(sent, UTC),
        about(body),
        body,
        message["ReceiptHandle"],
    )


def _receives(deployment: Deployment) -> int:
    """How often the listener's queue delivers a message before it gives it up; 0 when it does not say."""
    answer = _sqs(deployment).get_queue_attributes(
        QueueUrl=deployment.queue, AttributeNames=["RedrivePolicy"]
    )
    policy = answer.get("Attributes", {}).get("RedrivePolicy", "{}")
    return int(json.loads(policy).get("maxReceiveCount", 0))


def _release(deployment: Deployment, letters: list[Letter]) -> None:
    sqs = _sqs(deployment)
    for letter in letters:
        sqs.change_message_visibility(
            QueueUrl=deployment.dead_letters, ReceiptHandle=letter.receipt, VisibilityTimeout=0
        )


def _sqs(deployment: Deployment) -> SQSClient:
    return deployment.session.client("sqs")


__all__ = ["Letter", "drop", "read", "replay"]
