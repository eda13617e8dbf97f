"""Raw events: what is understood, and what is refused with a reason and never otherwise."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheo_runtime.events import (
    AlarmEvent,
    BadEvent,
    GlueDeletion,
    GlueEvent,
    S3Deletion,
    S3Event,
    SignalEvent,
    SnsEvent,
    TimerEvent,
    parse,
)

NEW_YEAR = 1704067200.0


def eventbridge(source: str, kind: str, detail: Any, **more: Any) -> dict[str, Any]:
    return {
        "source": source,
        "detail-type": kind,
        "id": "abc",
        "time": "2024-01-01T00:00:00Z",
        "detail": detail,
        **more,
    }


def created(key: str, etag: str = "e") -> dict[str, Any]:
    detail = {"bucket": {"name": "lake"}, "object": {"key": key, "etag": etag, "sequencer": "0"}}
    return eventbridge("aws.s3", "Object Created", detail)


def notification(key: str, name: str = "ObjectCreated:Put", **more: Any) -> dict[str, Any]:
    s3 = {"bucket": {"name": "lake"}, "object": {"key": key, "eTag": "e"}}
    return {"eventName": name, "eventTime": "2024-01-01T00:00:00.000Z", "s3": s3, **more}


def test_an_object_through_eventbridge_keeps_its_key_and_what_it_may_be() -> None:
    """Whether EventBridge encodes keys is not known here; whoever knows the templates chooses."""
    key, decoded = "orders/a%20b+c/_SUCCESS", "orders/a b c/_SUCCESS"
    assert parse(created(key)) == [
        S3Event("lake", key, "_SUCCESS|e|1704067200.000", NEW_YEAR, decoded=decoded)
    ]


@pytest.mark.parametrize(
    ("key", "decoded"),
    [
        ("orders/day%3D2024-01-01/x", "orders/day=2024-01-01/x"),
        ("a%2Bb/%C3%BC%25/x", "a+b/ü%/x"),
        ("orders/plain/x", ""),
        ("a b%3D/x", ""),  # a space
        ("day=2024%3D/x", ""),
        ("12:00%3D/x", ""),
        ("ü%3D/x", ""),
        ("100%/a%20b", ""),  # an encoder would have escaped the first %
        ("%FF%FE/x", ""),  # no UTF-8
    ],
)
def test_keys_that_may_be_encoded(key: str, decoded: str) -> None:
    (event,) = parse(created(key))
    assert isinstance(event, S3Event)
    assert (event.key, event.decoded) == (key, decoded)


def test_a_classic_notification_is_decoded_once() -> None:
    (event,) = parse({"Records": [notification("orders/region%3D1/a+b%2520/_SUCCESS")]})
    assert isinstance(event, S3Event)
    assert event.key == "orders/region=1/a b%20/_SUCCESS"
    assert event.decoded == "", "what is known to be decoded is not decoded again"


def test_both_forms_of_one_event_have_one_identity() -> None:
    (one,), (two,) = parse(created("a/_SUCCESS")), parse({"Records": [notification("a/_SUCCESS")]})
    assert one.id == two.id
    assert parse(created("a/_SUCCESS", '"e"')) == [one], "etags come with quotes, too"


def test_identity_is_object_etag_and_time() -> None:
    later = created("a/_SUCCESS") | {"time": "2024-01-01T00:00:01Z"}
    others = [created("a/DONE"), created("a/_SUCCESS", "f"), later]
    found = {event.id for raw in [created("a/_SUCCESS"), *others] for event in parse(raw)}
    assert len(found) == 4
    again = created("a/_SUCCESS") | {"id": "another", "region": "other"}
    assert parse(again) == parse(created("a/_SUCCESS"))


@pytest.mark.parametrize(
    "raw",
    [
        eventbridge("aws.s3", "Object Tags Added", {}),
        eventbridge("aws.ec2", "EC2 Instance State-change Notification", {}),
        {"Records": [notification("a", "ObjectTagging:Put")]},
        {"Records": []},
        {"Service": "Amazon S3", "Event": "s3:TestEvent"},
    ],
)
def test_other_kinds_mean_nothing(raw: Any) -> None:
    assert parse(raw) == []


@pytest.mark.parametrize(
    "name",
    ["ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated", "LifecycleExpiration:Delete"],
)
def test_a_classic_notification_tells_of_deletions(name: str) -> None:
    raw = {"Records": [notification("orders/region%3D1/a+b", name)]}
    del raw["Records"][0]["s3"]["object"]["eTag"]  # there is none of what is deleted
    (event,) = parse(raw)
    assert isinstance(event, S3Deletion)
    assert (event.bucket, event.key, event.topic) == ("lake", "orders/region=1/a b", "")
    message = {
        "TopicArn": "arn:t",
        "MessageId": "m",
        "Timestamp": "2024-01-01T00:00:00.000Z",
        "Message": json.dumps(raw),
    }
    (_, event) = parse({"Records": [{"Sns": message}]})
    assert isinstance(event, S3Deletion)
    assert (event.key, event.topic) == ("orders/region=1/a b", "arn:t")


def test_an_event_inside_sns() -> None:
    message = {
        "TopicArn": "arn:aws:sns:eu-west-1:1:t",
        "MessageId": "m",
        "Timestamp": "2024-01-01T00:00:00.000Z",
        "Message": json.dumps({"Records": [notification("a/_SUCCESS")]}),
    }
    for raw in ({"Records": [{"Sns": message}]}, {"Type": "Notification", **message}):
        assert [type(event) for event in parse(raw)] == [SnsEvent, S3Event]


def test_fields_of_an_sns_message() -> None:
    body = {"region": "EU", "day": "2024-01-01", "n": 7, "flag": True, "more": {"x": 1}}
    raw = {
        "Type": "Notification",
        "TopicArn": "t",
        "MessageId": "m",
        "Timestamp": "2024-01-01T00:00:00Z",
        "Message": json.dumps(body),
    }
    fields = {"region": "EU", "day": "2024-01-01", "n": "7"}
    assert parse(raw) == [SnsEvent("t", fields, "m", NEW_YEAR)]
    assert parse(raw | {"Message": "hello"}) == [], "a message to people"


def test_catalog_partitions() -> None:
    detail = {
        "databaseName": "db",
        "tableName": "t",
        "typeOfChange": "BatchCreatePartition",
        "changedPartitions": ["[EU, 2024-01-01]", "[NA, 2024-01-02]"],
    }
    raw = eventbridge("aws.glue", "Glue Data Catalog Table State Change", detail)
    assert parse(raw) == [
        GlueEvent("db", "t", ("EU", "2024-01-01"), "abc", NEW_YEAR),
        GlueEvent("db", "t", ("NA", "2024-01-02"), "abc", NEW_YEAR),
    ]
    detail["typeOfChange"] = "DeletePartition"
    assert parse(raw) == [
        GlueDeletion("db", "t", ("EU", "2024-01-01"), "abc", NEW_YEAR),
        GlueDeletion("db", "t", ("NA", "2024-01-02"), "abc", NEW_YEAR),
    ]
    detail["typeOfChange"] = "DeleteTable"
    assert parse(raw) == []


def test_timers_alarms_and_signals() -> None:
    timer = {"app": "a", "timer": "daily", "time": "2024-01-01T00:00:00Z"}
    assert parse({"source": "rheo", "detail-type": "rheo.timer", "detail": timer}) == [
        TimerEvent("a", "daily", "2024-01-01T00:00:00Z", NEW_YEAR)
    ]
    alarm = {"alarmName": "hot", "state": {"value": "ALARM"}, "previousState": {"value": "OK"}}
    change = eventbridge("aws.cloudwatch", "CloudWatch Alarm State Change", alarm)
    assert parse(change) == [AlarmEvent("hot", "ALARM", "abc", NEW_YEAR)]
    alarm["previousState"] = {"value": "ALARM"}
    assert parse(change) == [], "no transition"
    signal = {"app": "a", "signal": "daily", "partition": ["EU", "2024-01-01"], "id": "daily/EU/2024-01-01#1"}
    assert parse(eventbridge("rheo", "rheo.signal", signal)) == [
        SignalEvent("a", "daily", ("EU", "2024-01-01"), "daily/EU/2024-01-01#1", NEW_YEAR)
    ]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ([], "an event is a JSON object, not list"),
        ({}, "source is missing"),
        ({"source": 1, "detail-type": "x"}, "source is no text"),
        (eventbridge("aws.s3", "Object Created", None), "detail is no JSON object"),
        (eventbridge("aws.s3", "Object Created", {"object": {"key": "a"}}), "bucket is no JSON object"),
        (created("x" * 2049), "key is longer than 2048 characters"),
        (created("a") | {"time": "yesterday"}, "'yesterday' is no time"),
        ({"Records": 7}, "Records is no list of at most 10,000 entries"),
        ({"Records": [1]}, "an entry of Records is no JSON object"),
        ({"Records": [{}]}, "an entry of Records is neither of S3 nor of SNS"),
        (
            eventbridge("rheo", "rheo.signal", {"app": "a", "signal": "s", "partition": [1], "id": "i"}),
            "partition is not a list of texts",
        ),
        (
            eventbridge(
                "aws.glue",
                "Glue Data Catalog Table State Change",
                {
                    "databaseName": "d",
                    "tableName": "t",
                    "typeOfChange": "CreatePartition",
                    "changedPartitions": ["EU"],
                },
            ),
            "an entry of changedPartitions is not of the form '[value, value]'",
        ),
        (
            {"Type": "Notification", "TopicArn": "t"},
            "an SNS message without a text of bearable length",
        ),
    ],
)
def test_a_malformed_event_has_a_reason(raw: Any, reason: str) -> None:
    with pytest.raises(BadEvent) as fault:
        parse(raw)
    assert str(fault.value) == reason


def test_sns_in_sns_in_sns_is_refused() -> None:
    raw: Any = created("a")
    for _ in range(4):
        raw = {
            "Type": "Notification",
            "TopicArn": "t",
            "MessageId": "m",
            "Timestamp": "2024-01-01T00:00:00Z",
            "Message": json.dumps({"source": "s", "detail-type": "d", **raw}),
        }
    with pytest.raises(BadEvent, match="inside"):
        parse(raw)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
GOOD = [
    created("a/_SUCCESS"),
    {"Records": [notification("a")]},
    eventbridge("rheo", "rheo.timer", {"app": "a", "timer": "t", "time": "2024-01-01T00:00:00Z"}),
    eventbridge("rheo", "rheo.signal", {"app": "a", "signal": "s", "partition": ["x"], "id": "i"}),
    eventbridge(
        "aws.cloudwatch", "CloudWatch Alarm State Change", {"alarmName": "a", "state": {"value": "OK"}}
    ),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [path, *(found for key, child in children for found in places(child, (*path, key)))]


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(value[path[0]], path[1:], new)
    return copy


@given(st.data())
def test_whatever_stands_in_a_field_nothing_but_a_reason_is_raised(data: st.DataObject) -> None:
    raw = data.draw(st.sampled_from(GOOD))
    broken = put(raw, data.draw(st.sampled_from(places(raw))), data.draw(json_values))
    try:
        parse(broken)
    except BadEvent as fault:
        assert str(fault)
