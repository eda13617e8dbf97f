"""Raw AWS event -> the events that it carries, each a plain tuple; or the reason why it carries none.

Understood: S3 through EventBridge and as classic notifications, Glue Data Catalog partition changes,
timer payloads, CloudWatch alarm state changes, ``rheo.signal``, and each of these wrapped in SNS.
Object keys are URL-encoded in classic notifications only, so they are decoded there and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

MAX_TEXT = 2048  # of one field: S3 keys end at 1,024 bytes, names of anything else are shorter
MAX_MESSAGE = 1_048_576  # of an SNS message: the service's own limit is 256 KiB
MAX_PARTITIONS = 10_000  # of one Glue event


class BadEvent(ValueError):
    """A raw event that is malformed or of no kind that we read; the message says why."""


class S3Event(NamedTuple):
    """An object was created. ``account`` owns the bucket; "" where the event does not say."""

    bucket: str
    key: str
    id: str
    time: float
    account: str = ""


class GlueEvent(NamedTuple):
    """A partition of a catalog table was created or updated; ``texts`` in the order of its keys."""

    database: str
    table: str
    texts: tuple[str, ...]
    id: str
    time: float


class TimerEvent(NamedTuple):
    """A timer of an application fired at ``time``."""

    app: str
    timer: str
    id: str
    time: float


class AlarmEvent(NamedTuple):
    """An alarm came into ``state``."""

    alarm: str
    state: str
    id: str
    time: float


class SnsEvent(NamedTuple):
    """A message of a topic whose ``fields`` are texts."""

    topic: str
    fields: dict[str, str]
    id: str
    time: float


class SignalEvent(NamedTuple):
    """A signal sent by name, with the texts of its partition."""

    app: str
    signal: str
    texts: tuple[str, ...]
    id: str
    time: float


Event = S3Event | GlueEvent | TimerEvent | AlarmEvent | SnsEvent | SignalEvent
Raw = dict[str, Any]


def parse(raw: object) -> list[Event]:
    """Return the events in a raw event; an empty list when it is of a kind that means nothing to us.

    Raises BadEvent for a malformed one. An S3 event is identified by bucket, key, etag and time:
    the ids and sequencers that services give are not stable under replay.

    >>> parse({"source": "rheo", "detail-type": "rheo.timer",
    ...        "detail": {"app": "flights", "timer": "daily", "time": "2025-05-07T23:00:00Z"}})
    [TimerEvent(app='flights', timer='daily', id='2025-05-07T23:00:00Z', time=1746658800.0)]
    """
    return list(_events(raw, depth=0))


def _events(raw: object, depth: int) -> Iterator[Event]:
    if not isinstance(raw, dict):
        raise BadEvent(f"an event is a JSON object, not {type(raw).__name__}")
    if depth > 2:
        raise BadEvent("an SNS message inside an SNS message inside an SNS message")
    if "Records" in raw:
        for record in _list(raw, "Records", MAX_PARTITIONS):
            yield from _record(record, depth)
    elif raw.get("Type") == "Notification":
        yield from _sns(raw, depth)
    elif raw.get("Event") == "s3:TestEvent":
        return  # S3 sends one when a notification is configured
    else:
        read = _READERS.get((_text(raw, "source"), _text(raw, "detail-type")))
        if read is not None:
            yield from read(raw, _object(raw, "detail"))


def _record(record: object, depth: int) -> Iterator[Event]:
    if not isinstance(record, dict):
        raise BadEvent("an entry of Records is no JSON object")
    if "Sns" in record:
        yield from _sns(_object(record, "Sns"), depth)
    elif "s3" in record:
        name = _text(record, "eventName").removeprefix("s3:")
        if not name.startswith("ObjectCreated:"):
            return
        s3 = _object(record, "s3")
        thing = _object(s3, "object")
        yield _s3(
            _text(_object(s3, "bucket"), "name"),
            unquote_plus(_text(thing, "key")),
            _text(thing, "eTag", ""),
            _text(record, "eventTime"),
        )
    else:
        raise BadEvent("an entry of Records is neither of S3 nor of SNS")


def _s3(bucket: str, key: str, etag: str, time: str, account: str = "") -> S3Event:
    moment = _time(time)
    identity = f"{key.rpartition('/')[2]}|{etag.strip(chr(34))}|{moment:.3f}"
    return S3Event(bucket, key, identity, moment, account)


def _sns(message: Raw, depth: int) -> Iterator[Event]:
    topic = _text(message, "TopicArn")
    text = message.get("Message")
    if not isinstance(text, str) or len(text) > MAX_MESSAGE:
        raise BadEvent("an SNS message without a text of bearable length")
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):  # a number of too many digits is a ValueError only
        return  # a human's message: no partition is in it
    if not isinstance(body, dict):
        return
    fields = {k: str(v) for k, v in body.items() if isinstance(v, str | int) and not isinstance(v, bool)}
    for name, text in fields.items():
        _checked(name[:64], text)
    yield SnsEvent(topic, fields, _text(message, "MessageId"), _time(_text(message, "Timestamp")))
    if "Records" in body or {"source", "detail-type"} <= body.keys():
        yield from _events(body, depth + 1)


def _object_created(raw: Raw, detail: Raw) -> Iterator[Event]:
    thing = _object(detail, "object")
    yield _s3(
        _text(_object(detail, "bucket"), "name"),
        _text(thing, "key"),
        _text(thing, "etag", ""),
        _text(raw, "time"),
        _text(raw, "account", ""),
    )


def _catalog(raw: Raw, detail: Raw) -> Iterator[Event]:
    if _text(detail, "typeOfChange") not in _CATALOG_CHANGES:
        return
    database, table = _text(detail, "databaseName"), _text(detail, "tableName")
    time = _time(_text(raw, "time"))
    for spelled in _list(detail, "changedPartitions", MAX_PARTITIONS):
        # The catalog writes a partition's values as "[2020-03-18, NA]".
        if not (isinstance(spelled, str) and spelled.startswith("[") and spelled.endswith("]")):
            raise BadEvent("an entry of changedPartitions is not of the form '[value, value]'")
        texts = tuple(_checked("changedPartitions", spelled)[1:-1].split(", "))
        yield GlueEvent(database, table, texts, f"{_text(raw, 'id')}", time)


def _timer(raw: Raw, detail: Raw) -> Iterator[Event]:
    time = _text(detail, "time")
    yield TimerEvent(_text(detail, "app"), _text(detail, "timer"), time, _time(time))


def _alarm(raw: Raw, detail: Raw) -> Iterator[Event]:
    state = _text(_object(detail, "state"), "value")
    before = detail.get("previousState")
    if isinstance(before, dict) and before.get("value") == state:
        return  # not a transition
    yield AlarmEvent(_text(detail, "alarmName"), state, _text(raw, "id"), _time(_text(raw, "time")))


def _signal(raw: Raw, detail: Raw) -> Iterator[Event]:
    texts = _list(detail, "partition", 64)
    if not all(isinstance(t, str) for t in texts):
        raise BadEvent("partition is not a list of texts")
    for text in texts:
        _checked("partition", text)
    time = _time(_text(raw, "time")) if "time" in raw else 0.0
    yield SignalEvent(_text(detail, "app"), _text(detail, "signal"), tuple(texts), _text(detail, "id"), time)


_CATALOG_CHANGES = {"CreatePartition", "BatchCreatePartition", "UpdatePartition", "BatchUpdatePartition"}
_READERS = {
    ("aws.s3", "Object Created"): _object_created,
    ("aws.glue", "Glue Data Catalog Table State Change"): _catalog,
    ("aws.cloudwatch", "CloudWatch Alarm State Change"): _alarm,
    ("rheo", "rheo.timer"): _timer,
    ("rheo", "rheo.signal"): _signal,
}


def _text(data: Raw, name: str, default: str | None = None) -> str:
    value = data.get(name, default)
    if not isinstance(value, str):
        raise BadEvent(f"{name} is missing" if value is None else f"{name} is no text")
    return _checked(name, value)


def _checked(name: str, text: str) -> str:
    """Return a text that is short enough, and that can be written down at all."""
    if len(text) > MAX_TEXT:
        raise BadEvent(f"{name} is longer than {MAX_TEXT} characters")
    if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
        raise BadEvent(f"{name} has half of a character in it")
    return text


def _object(data: Raw, name: str) -> Raw:
    value = data.get(name)
    if not isinstance(value, dict):
        raise BadEvent(f"{name} is no JSON object")
    return value


def _list(data: Raw, name: str, limit: int) -> list[Any]:
    value = data.get(name)
    if not isinstance(value, list) or len(value) > limit:
        raise BadEvent(f"{name} is no list of at most {limit:,} entries")
    return value


def _time(text: str) -> float:
    """Seconds since 1970; a time without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise BadEvent(f"{text[:64]!r} is no time") from None
