"""Raw AWS event -> the events that it carries, each a plain tuple; or the reason why it carries none.

Understood: S3 through EventBridge and as classic notifications, Glue Data Catalog partition changes,
timer payloads, CloudWatch alarm state changes, ``rheo.signal``; messages of SNS, and S3's inside them.
Object keys are URL-encoded in classic notifications, and are decoded there. Whether EventBridge's are, sources
disagree: such an event carries the key as it came, and what it says when it is decoded, if it may be encoded at
all (`decoded_key`); `rheo_runtime.match.Matcher.read` chooses.

An execution that has ended -> the signals that announce its output partition, and how its checks ended.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote_plus

from rheo_runtime.records import Document
from rheo_runtime.wire import FAIL, checks_signal

MAX_TEXT = 2048  # of one field: S3 keys end at 1,024 bytes, names of anything else are shorter
MAX_MESSAGE = 1_048_576  # of an SNS message: the service's own limit is 256 KiB
MAX_PARTITIONS = 10_000  # of one Glue event


class Malformed(NamedTuple):
    """One entry of an event that is malformed, by itself: its neighbours are read. ``raw`` is an event of it alone."""

    reason: str
    raw: dict[str, Any]


class BadEvent(ValueError):
    """A raw event that is malformed or of no kind that we read; the message says why."""


class S3Event(NamedTuple):
    """An object was created. ``account`` owns the bucket; "" where the event does not say.

    ``topic`` is the SNS topic that brought the event, "" for the event bus: it speaks only for the data that is
    declared with it, as whoever may publish there may write anything. ``decoded`` is what the key says if it was
    percent-encoded, "" where it was not.
    """

    bucket: str
    key: str
    id: str
    time: float
    account: str = ""
    topic: str = ""
    decoded: str = ""


class S3Deletion(NamedTuple):
    """An object was deleted; the fields are those of `S3Event`."""

    bucket: str
    key: str
    id: str
    time: float
    account: str = ""
    topic: str = ""
    decoded: str = ""


class GlueEvent(NamedTuple):
    """A partition of a catalog table was created or updated; ``texts`` in the order of its keys.

    Without texts the table itself was updated.
    """

    database: str
    table: str
    texts: tuple[str, ...]
    id: str
    time: float


class GlueDeletion(NamedTuple):
    """A partition of a catalog table was deleted; the fields are those of `GlueEvent`."""

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
    """A signal sent by name, with the texts of its partition.

    ``means`` is what these meant to whoever sent it: see `wire.spelling`; "" where the event does not say.
    """

    app: str
    signal: str
    texts: tuple[str, ...]
    id: str
    time: float
    means: str = ""


Event = S3Event | S3Deletion | GlueEvent | GlueDeletion | TimerEvent | AlarmEvent | SnsEvent | SignalEvent
Raw = dict[str, Any]


def parse(raw: object) -> list[Event | Malformed]:
    """Return the events in a raw event; an empty list when it is of a kind that means nothing to us.

    Raises BadEvent for a malformed one. An S3 event is identified by bucket, key, etag and time:
    the ids and sequencers that services give are not stable under replay.

    >>> parse({"source": "rheo", "detail-type": "rheo.timer",
    ...        "detail": {"app": "flights", "timer": "daily", "time": "2025-05-07T23:00:00Z"}})
    [TimerEvent(app='flights', timer='daily', id='2025-05-07T23:00:00Z', time=1746658800.0)]
    """
    found = list(_events(raw, depth=0))
    if found and all(isinstance(one, Malformed) for one in found):
        raise BadEvent(found[0].reason)  # type: ignore[union-attr]
    return found


def unwrapped(raw: Mapping[str, Any], topics: Collection[str]) -> Mapping[str, Any]:
    """Return the event in a message of a topic that is none of these, for whoever says that it happened.

    The listener hears of a topic only what is declared with it, as whoever may publish there may write anything.
    A test, or a person who sends an event by hand, vouches for it.

    >>> raw = {"Type": "Notification", "TopicArn": "arn:t", "Message": '{"Records": []}'}
    >>> unwrapped(raw, []), unwrapped(raw, ["arn:t"]) == raw
    ({'Records': []}, True)
    """
    records = raw.get("Records")
    first = records[0] if isinstance(records, list) and len(records) == 1 else raw
    message = first.get("Sns", first) if isinstance(first, Mapping) else raw
    if not isinstance(message, Mapping) or message.get("Type") != "Notification":
        return raw
    try:
        body = json.loads(message["Message"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return raw
    return raw if message.get("TopicArn") in topics or not isinstance(body, dict) else body


def head(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a raw event with the first of several entries alone, in a message of a topic too.

    >>> head({"Records": [1, 2]})
    {'Records': [1]}
    >>> head({"Type": "Notification", "Message": '{"Records": [1, 2]}'})
    {'Type': 'Notification', 'Message': '{"Records": [1]}'}
    """
    if isinstance(records := raw.get("Records"), list) and records:
        first = records[0]
        return {**raw, "Records": [head(first) if isinstance(first, Mapping) else first]}
    if isinstance(raw.get("Sns"), Mapping):
        return {**raw, "Sns": head(raw["Sns"])}
    if raw.get("Type") == "Notification":
        try:
            body = json.loads(raw.get("Message", ""))
        except (TypeError, ValueError, RecursionError):
            return raw
        return {**raw, "Message": json.dumps(head(body))} if isinstance(body, dict) else raw
    detail = raw.get("detail")
    if isinstance(detail, Mapping) and isinstance(detail.get("changedPartitions"), list):
        return {**raw, "detail": {**detail, "changedPartitions": detail["changedPartitions"][:1]}}
    return raw


def _events(raw: object, depth: int) -> Iterator[Event | Malformed]:
    if not isinstance(raw, dict):
        raise BadEvent(f"an event is a JSON object, not {type(raw).__name__}")
    if depth > 2:
        raise BadEvent("an SNS message inside an SNS message inside an SNS message")
    if "Records" in raw:
        for record in _list(raw, "Records", MAX_PARTITIONS):
            try:
                yield from _record(record, depth)
            except BadEvent as fault:
                yield Malformed(str(fault), {"Records": [record]})
    elif raw.get("Type") == "Notification":
        yield from _sns(raw, depth)
    elif raw.get("Event") == "s3:TestEvent":
        return  # S3 sends one when a notification is configured
    else:
        read = _READERS.get((_text(raw, "source"), _text(raw, "detail-type")))
        if read is not None:
            yield from read(raw, _object(raw, "detail"))


def _record(record: object, depth: int) -> Iterator[Event | Malformed]:
    if not isinstance(record, dict):
        raise BadEvent("an entry of Records is no JSON object")
    if "Sns" in record:
        yield from _sns(_object(record, "Sns"), depth)
    elif "s3" in record:
        name = _text(record, "eventName").removeprefix("s3:")
        created = name.startswith("ObjectCreated:")
        if not (created or name.startswith(_REMOVALS)):
            return
        s3 = _object(record, "s3")
        thing = _object(s3, "object")
        event = _s3(
            _text(_object(s3, "bucket"), "name"),
            _text(thing, "key"),
            _text(thing, "eTag", ""),
            _text(record, "eventTime"),
            encoded=True,
        )
        yield event if created else S3Deletion(*event)
    else:
        raise BadEvent("an entry of Records is neither of S3 nor of SNS")


def decoded_key(key: str) -> str:
    """Return what a key says if it was percent-encoded; "" when it cannot have been, or says the same.

    A key that holds what an encoder would have escaped, a space, ``=``, ``:``, a letter beyond ASCII or a ``%``
    that escapes nothing, is as it is written.

    >>> decoded_key("orders/day%3D2024-01-01/a%20b"), decoded_key("orders/day=a%20b"), decoded_key("100%")
    ('orders/day=2024-01-01/a b', '', '')
    """
    if "%" not in key or _PLAIN.search(key):
        return ""
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError:
        return ""


# Of classic notifications: somebody deleted an object, or a rule of its bucket did.
_REMOVALS = ("ObjectRemoved:", "LifecycleExpiration:")
_PLAIN = re.compile(r"[ =:]|[^\x00-\x7f]|%(?![0-9A-Fa-f]{2})")


def _s3(
    bucket: str, key: str, etag: str, time: str, account: str = "", *, encoded: bool | None = None
) -> S3Event:
    """The event of an object whose key is ``encoded``, or not, or nobody knows."""
    moment = _time(time)
    decoded = "" if encoded is not None else decoded_key(key)
    key = unquote_plus(key) if encoded else key
    identity = f"{key.rpartition('/')[2]}|{etag.strip(chr(34))}|{moment:.3f}"
    return S3Event(bucket, key, identity, moment, account, decoded=decoded)


def _sns(message: Raw, depth: int) -> Iterator[Event | Malformed]:
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
        for event in _events(body, depth + 1):
            # Of what a message may claim to be, S3's notifications alone are heard: they are published to topics.
            if isinstance(event, S3Event | S3Deletion):
                yield event._replace(topic=topic)
            elif isinstance(event, Malformed):
                yield event


def _object_created(raw: Raw, detail: Raw) -> Iterator[Event | Malformed]:
    thing = _object(detail, "object")
    yield _s3(
        _text(_object(detail, "bucket"), "name"),
        _text(thing, "key"),
        _text(thing, "etag", ""),
        _text(raw, "time"),
        _text(raw, "account", ""),
    )


def _object_deleted(raw: Raw, detail: Raw) -> Iterator[Event | Malformed]:
    yield from (S3Deletion(*event) for event in _object_created(raw, detail) if isinstance(event, S3Event))


def _catalog(raw: Raw, detail: Raw) -> Iterator[Event | Malformed]:
    change = _text(detail, "typeOfChange")
    if change not in {*_CATALOG_CHANGES, *_CATALOG_DELETIONS, "UpdateTable"}:
        return
    made = GlueDeletion if change in _CATALOG_DELETIONS else GlueEvent
    database, table = _text(detail, "databaseName").lower(), _text(detail, "tableName").lower()
    time = _time(_text(raw, "time"))
    if change == "UpdateTable":
        yield GlueEvent(database, table, (), f"{_text(raw, 'id')}", time)
        return
    for spelled in _list(detail, "changedPartitions", MAX_PARTITIONS):
        # The catalog writes a partition's values as "[2020-03-18, NA]".
        try:
            if not (isinstance(spelled, str) and spelled.startswith("[") and spelled.endswith("]")):
                raise BadEvent("an entry of changedPartitions is not of the form '[value, value]'")
            texts = tuple(_checked("changedPartitions", spelled)[1:-1].split(", "))
        except BadEvent as fault:
            yield Malformed(str(fault), {**raw, "detail": {**detail, "changedPartitions": [spelled]}})
            continue
        yield made(database, table, texts, f"{_text(raw, 'id')}", time)


def _timer(raw: Raw, detail: Raw) -> Iterator[Event | Malformed]:
    time = _text(detail, "time")
    yield TimerEvent(_text(detail, "app"), _text(detail, "timer"), time, _time(time))


def _alarm(raw: Raw, detail: Raw) -> Iterator[Event | Malformed]:
    state = _text(_object(detail, "state"), "value")
    before = detail.get("previousState")
    if isinstance(before, dict) and before.get("value") == state:
        return  # not a transition
    yield AlarmEvent(_text(detail, "alarmName"), state, _text(raw, "id"), _time(_text(raw, "time")))


def _signal(raw: Raw, detail: Raw) -> Iterator[Event | Malformed]:
    texts = _list(detail, "partition", 64)
    if not all(isinstance(t, str) for t in texts):
        raise BadEvent("partition is not a list of texts")
    for text in texts:
        _checked("partition", text)
    time = _time(_text(raw, "time")) if "time" in raw else 0.0
    means = _text(detail, "means") if "means" in detail else ""
    yield SignalEvent(
        _text(detail, "app"), _text(detail, "signal"), tuple(texts), _text(detail, "id"), time, means
    )


_CATALOG_CHANGES = {"CreatePartition", "BatchCreatePartition", "UpdatePartition", "BatchUpdatePartition"}
_CATALOG_DELETIONS = {"DeletePartition", "BatchDeletePartition"}
_READERS = {
    ("aws.s3", "Object Created"): _object_created,
    ("aws.s3", "Object Deleted"): _object_deleted,
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


class EventBus(Protocol):
    """The one call of boto3's events client that is used."""

    def put_events(self, **call: Any) -> Mapping[str, Any]:
        """Send events to a bus."""


def signal_entry(document: Document, bus: str = "default", checked: str = "") -> dict[str, str]:
    """Return the EventBridge entry of an execution's output signal; with ``checked`` that of its checks.

    Its id is the execution's, so sending it again changes nothing.
    """
    node, partition = document["node"], list(document["output"]["dimensions"].values())
    detail = {
        "app": document["app"],
        "signal": checks_signal(node) if checked else node,
        "partition": [checked, *partition] if checked else partition,
        "id": document["id"],
    }
    if means := document["output"].get("means"):  # a document of an older version has none
        detail["means"] = means
    return {
        "Source": "rheo",
        "DetailType": "rheo.signal",
        "EventBusName": bus,
        "Detail": json.dumps(detail, ensure_ascii=False),
    }


ENTRIES = 10  # that EventBridge takes in a call


def send_signal(document: Document, client: EventBus, bus: str = "default", checked: str = "") -> None:
    """Announce an output partition, unless its checks say no, and how its checks ended.

    Raises RuntimeError when EventBridge does not take it.
    """
    refused = send_signals([(document, checked)], client, bus)
    if refused:
        raise RuntimeError(f"the signal of {document['id']} was not taken: {refused[document['id']]}")


def send_signals(
    ended: Iterable[tuple[Document, str]], client: EventBus, bus: str = "default"
) -> dict[str, object]:
    """Announce several output partitions, each as `send_signal` does; return the executions of which one was not taken.

    Those are told with EventBridge's answer.
    """
    entries = []
    for document, checked in ended:
        if checked != FAIL:
            entries.append((document["id"], signal_entry(document, bus)))
        if checked:
            entries.append((document["id"], signal_entry(document, bus, checked)))
    refused: dict[str, object] = {}
    for start in range(0, len(entries), ENTRIES):
        some = entries[start : start + ENTRIES]
        answer = client.put_events(Entries=[entry for _, entry in some])
        if answer["FailedEntryCount"]:
            answers = zip(some, answer["Entries"], strict=True)
            refused |= {id: said for (id, _), said in answers if said.get("ErrorCode")}
    return refused
