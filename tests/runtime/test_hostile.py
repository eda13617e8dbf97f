"""Events from anywhere: nothing raises, nothing malformed changes state, nothing undeclared is taken."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.examples import examples

from rheo_runtime import wire
from rheo_runtime.engine import Engine
from rheo_runtime.events import MAX_TEXT, BadEvent, parse
from rheo_runtime.listener import Listener, _plain, log
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.wire import RouteTable

from .tables import DAY, NUMBER, TEXT, route, signal, table, view
from .test_events import created, eventbridge, notification

OWNER = "111122223333"
LAKE = signal("flights", origin=TEXT, day=DAY)
TOLD = [replace(e, topic="arn:topic") for e in LAKE.events if isinstance(e, wire.S3Events)]
LAKE = replace(LAKE, events=(*LAKE.events, *TOLD))  # a topic that is declared tells of its objects too
OWNED = wire.Signal(
    "owned",
    ("x",),
    ((wire.Rule(NUMBER),),),
    (wire.S3Events("theirs", "x/{}", ("_SUCCESS",), OWNER),),
    "s3://theirs/x/{}",
)
HOURLY = wire.Signal("hourly", ("day",), ((wire.Rule(DAY),),), (wire.TimerEvents("hourly", -1),))
CATALOG = wire.Signal("sales", ("day",), ((wire.Rule(DAY),),), (wire.GlueEvents("db", "sales"),))
TOPIC = wire.Signal("topic", ("x",), ((wire.Rule(NUMBER),),), (wire.SnsEvents("arn:topic"),))
ALARM = wire.Signal(
    "cpu", ("state", "time"), ((wire.Rule(TEXT), wire.Rule(DAY)),), (wire.AlarmEvents("cpu"),)
)
SIGNALS = [LAKE, OWNED, HOURLY, CATALOG, TOPIC, ALARM]
ROUTES = table(SIGNALS, *[route(f"of_{s.id}", [view(s)], signals=SIGNALS) for s in SIGNALS])


def message(text: str, **more: Any) -> dict[str, Any]:
    head = {"TopicArn": "arn:topic", "MessageId": "m", "Timestamp": "2024-01-01T00:00:00Z"}
    return {"Type": "Notification", "Message": text, **head, **more}


GOOD: list[dict[str, Any]] = [
    created("flights/EWR/2013-01-01/_SUCCESS"),
    {"Records": [notification("flights/EWR/2013-01-01/_SUCCESS")]},
    eventbridge("rheo", "rheo.signal",
                {"app": "app", "signal": "flights", "partition": ["EWR", "2013-01-01"], "id": "i"}),
    eventbridge("rheo", "rheo.timer", {"app": "app", "timer": "hourly", "time": "2024-01-01T00:00:00Z"}),
    eventbridge("aws.glue", "Glue Data Catalog Table State Change",
                {"databaseName": "db", "tableName": "sales", "typeOfChange": "CreatePartition",
                 "changedPartitions": ["[2013-01-01]"]}),
    eventbridge("aws.cloudwatch", "CloudWatch Alarm State Change",
                {"alarmName": "cpu", "state": {"value": "ALARM"}, "previousState": {"value": "OK"}}),
    message('{"x": 7}'),
    message(json.dumps(created("flights/EWR/2013-01-01/_SUCCESS"))),
]  # fmt: skip

# Halves of characters are allowed in JSON, and so are numbers of any length and NaN.
texts = st.text(st.characters(exclude_categories=())) | st.sampled_from(
    ["\ud800", "\x00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "x" * 5000, "2013-02-30",
     "../..", "a/b", "9" * 400, "-0", "１", "2024-01-01T00:00:00Z", "[2013-01-01]", "[]", "{}", "[[[["]
)  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [p for key, inner in items for p in places(inner, (*path, key))]


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """A good event with some of its parts replaced or left out."""
    event = copy.deepcopy(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(0, 3))):
        found = places(event)
        if not found:
            break
        *way, last = draw(st.sampled_from(found))
        inside: Any = event
        for key in way:
            inside = inside[key]
        if draw(st.booleans()):
            inside[last] = draw(values)
        else:
            del inside[last]
    return event


class Watched(MemoryLedger):
    """Counts writes; whatever is written must be writable as text."""

    writes = 0

    def __getattribute__(self, name: str) -> Any:
        if name in ("arrive", "save", "see", "watch", "lapse"):
            Watched.writes += 1
        return super().__getattribute__(name)

    def arrive(self, arrival_index: Any, keys: Any, partition: Any, event_id: str, *more: Any) -> Any:
        json.dumps([partition, event_id, more[1]], ensure_ascii=False).encode()
        return super().arrive(arrival_index, keys, partition, event_id, *more)


def listener(ledger: MemoryLedger) -> Listener:
    quiet = lambda *_, **fields: json.dumps(fields, default=str)  # noqa: E731
    made = Listener(Engine(ROUTES, ledger, lambda: 1e9), lambda _: None, lambda _: None, log=quiet)
    made.dead_letters = lambda body, reason: _plain(reason).encode() and None
    return made


@examples(500)
@given(damaged() | values)
def test_a_raw_event_is_read_or_refused(raw: Any) -> None:
    try:
        events = parse(raw)
    except BadEvent as fault:
        assert str(fault)
        return
    for event in events:
        for value in event:
            for text in (
                value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else [value]
            ):
                if isinstance(text, str):
                    assert len(text) <= MAX_TEXT + 64
                    text.encode()


@examples(500)
@given(damaged() | values)
@example({"source": "aws.s3", "detail-type": "Object Created", "detail": "\ud800"})
def test_whatever_comes_the_handler_answers_and_what_is_malformed_changes_nothing(raw: Any) -> None:
    body = json.dumps(raw)
    try:
        parse(json.loads(body))
        malformed = False
    except BadEvent:
        malformed = True
    ledger, before = Watched(), Watched.writes
    made = listener(ledger)
    records = [{"messageId": "m", "body": body, "attributes": {"ApproximateReceiveCount": "1"}}]
    assert made.handle({"Records": records}, lambda: 60_000) == {"batchItemFailures": []}
    assert made.counts.get("failed", 0) == 0
    assert (made.counts.get("poison", 0) == 1) == malformed
    if malformed:
        assert Watched.writes == before


@examples(300)
@given(st.text())
@example('{"a": ' + "9" * 5000 + "}")
@example("[" * 100_000)
@example("NaN")
@example('"\\ud800"')
def test_a_body_that_is_no_event_is_poison_and_no_more(body: str) -> None:
    made = listener(MemoryLedger())
    records = [{"messageId": "m", "body": body, "attributes": {}}]
    assert made.handle({"Records": records}, lambda: 60_000) == {"batchItemFailures": []}
    assert made.counts == {"poison": 1}


@pytest.mark.parametrize("good", GOOD)
def test_undamaged_events_are_taken(good: dict[str, Any]) -> None:
    made = listener(MemoryLedger())
    assert made.handle({"Records": [{"messageId": "m", "body": json.dumps(good)}]}, lambda: 60_000)
    assert made.counts["matches"] == 1


def test_a_fault_of_the_dead_letter_queue_costs_that_message_a_retry() -> None:
    made = listener(MemoryLedger())

    def broken(body: str, reason: str) -> None:
        raise OSError("no queue")

    made.dead_letters = broken
    records = [{"messageId": f"m{n}", "body": body} for n, body in enumerate(["{", json.dumps(GOOD[0])])]
    answer = made.handle({"Records": records}, lambda: 60_000)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert made.counts["fired"] == 1


def test_an_event_that_comes_by_itself_and_is_malformed_is_said() -> None:
    made = listener(MemoryLedger())
    assert made.handle({"source": 7}, lambda: 60_000) == {"batchItemFailures": []}
    assert made.counts == {"poison": 1}


def test_a_line_is_written_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    log("poison", body="half \ud800 ü")
    assert json.loads(capsys.readouterr().out)["body"].endswith("ü")


def theirs(**more: Any) -> dict[str, Any]:
    detail = {"bucket": {"name": "theirs"}, "object": {"key": "x/7/_SUCCESS", "etag": "e"}}
    return eventbridge("aws.s3", "Object Created", detail, **more)


def test_a_bucket_that_claims_another_owner_is_refused() -> None:
    engine = Engine(ROUTES)
    outcome = engine.on_event(theirs(account="999999999999"))
    (rejected,) = outcome.rejected
    assert rejected.reason == f"bucket 'theirs' is of account {OWNER}, and the event of account 999999999999"
    assert not outcome.matches
    assert not list(engine.ledger.outputs())
    assert engine.on_event(theirs(account=OWNER)).fired
    assert engine.on_event({"Records": [notification("flights/EWR/2013-01-01/_SUCCESS")]}).fired


def test_owners_are_part_of_the_table_and_a_laptop_overlooks_them() -> None:
    again = RouteTable.loads(ROUTES.dumps())
    assert again == ROUTES
    assert Engine(again.of_any_account()).on_event(theirs(account="999999999999")).fired


def test_a_bucket_or_table_that_nobody_declared_is_not_taken() -> None:
    engine = Engine(ROUTES)
    for event in (
        eventbridge("aws.s3", "Object Created", {"bucket": {"name": "evil"}, "object": {"key": "x/7/_SUCCESS"}}),
        eventbridge("aws.glue", "Glue Data Catalog Table State Change",
                    {"databaseName": "db", "tableName": "other", "typeOfChange": "CreatePartition",
                     "changedPartitions": ["[2013-01-01]"]}),
        eventbridge("rheo", "rheo.signal", {"app": "other", "signal": "flights", "partition": [], "id": "i"}),
        message('{"x": 7}', TopicArn="arn:other"),
    ):  # fmt: skip
        outcome = engine.on_event(event)
        assert outcome.unmatched and not outcome.matches
    assert not list(engine.ledger.outputs())
