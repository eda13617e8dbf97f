"""The handler on real messages: DynamoDB behind it, Airflow in front of it, faults in between."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from support.events import SWEEP, s3_event

from benchmarks._dynamodb import DynamoDB
from rheo_runtime import executions, listener
from rheo_runtime.airflow_client import Refused, Unavailable
from rheo_runtime.dynamodb import JOURNALS, DynamoLedger, create_table
from rheo_runtime.engine import Engine
from rheo_runtime.listener import Listener
from rheo_runtime.records import ANNOUNCED, READY, Document
from rheo_runtime.sweep import Patience

from .conftest import TABLE
from .tables import DAY, TEXT, Ref, route, signal, table, view

FLIGHTS = signal("flights", origin=TEXT, day=DAY)
WEATHER = signal("weather", origin=TEXT, day=DAY)
ROUTES = table(
    [FLIGHTS, WEATHER],
    route(
        "joined",
        [view(FLIGHTS), view(WEATHER)],
        [
            (Ref("flights", "origin"), Ref("weather", "origin")),
            (Ref("flights", "day"), Ref("weather", "day")),
        ],
        signals=[FLIGHTS, WEATHER],
    ),
)
T = 1_700_000_000.0


class World:
    """A listener with everything that surrounds it; ``airflow`` is asked before an announcement counts."""

    def __init__(self, client: Any) -> None:
        self.time = T
        self.ledger = DynamoLedger(TABLE, client, lambda: self.time)
        self.announced: list[str] = []
        self.emitted: list[str] = []
        self.dead: list[tuple[str, str]] = []
        self.lines: list[tuple[str, dict[str, Any]]] = []
        self.airflow: Callable[[], None] = lambda: None
        self.listener = Listener(
            Engine(ROUTES, self.ledger, lambda: self.time),
            self._announce,
            lambda execution: self.emitted.append(execution.document["id"]),
            lambda body, reason: self.dead.append((body, reason)),
            Patience(30, 180, 60),
            lambda what, /, **fields: self.lines.append((what, fields)),
        )

    def _announce(self, document: Document) -> None:
        self.airflow()
        self.announced.append(document["id"])

    def deliver(self, *bodies: str, delivery: int = 1) -> list[str]:
        """Deliver a batch; return the ids of the messages that must come again."""
        records = [
            {"messageId": f"m{i}", "body": body, "attributes": {"ApproximateReceiveCount": str(delivery)}}
            for i, body in enumerate(bodies)
        ]
        answer = self.listener.handle({"Records": records}, lambda: 60_000)
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    def sweep(self) -> None:
        assert self.deliver(json.dumps(SWEEP)) == []

    def state(self, partition: str) -> str | None:
        output, _ = self.ledger.output("joined", partition, None)
        return output.active.state if output and output.active else None


@pytest.fixture
def world(dynamodb: Any) -> World:
    return World(dynamodb)


def created(signal: str, *texts: str, time: str = "2024-01-01T00:00:00Z") -> str:
    return json.dumps(s3_event("lake", "/".join([signal, *texts, "_SUCCESS"]), time=time))


def test_a_batch_fires_and_announces(world: World) -> None:
    bodies = [created(s, "EWR", "2013-01-01") for s in ("flights", "weather")]
    assert world.deliver(*bodies) == []
    assert world.announced == ["joined/EWR/2013-01-01#1"]
    assert world.state("EWR/2013-01-01") == ANNOUNCED
    assert world.deliver(*bodies) == []
    assert len(world.announced) == 1, "a redelivery announces nothing anew"


class NoJournals(DynamoDB):
    """A DynamoDB that does not take the n-th write of a journal."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.left = at

    def update_item(self, **named: Any) -> Any:
        if named["Key"]["pk"]["S"].startswith(JOURNALS):
            self.left -= 1
            if self.left == 0:
                raise ConnectionError("no answer")
        return super().update_item(**named)


@pytest.mark.parametrize(("at", "indexed"), [(0, 0), (1, 2), (2, 2)])
def test_a_batch_whose_journal_is_not_taken_is_done_and_found_all_the_same(at: int, indexed: int) -> None:
    client: Any = NoJournals(at)
    create_table(TABLE, client)
    world = World(client)
    for days in ((1, 2), (3, 4)):
        bodies = [created(s, "EWR", f"2013-01-0{day}") for day in days for s in ("flights", "weather")]
        assert world.deliver(*bodies) == []
    assert len(world.announced) == 4
    assert ("not together", {"fault": "ConnectionError: no answer"}) in world.lines or not at
    assert sum("todo" in item for item in client.groups[TABLE]["O"].values()) == indexed
    world.time += 180
    world.sweep()
    assert len(world.announced) == 8, "no run has claimed them"


def test_a_bad_message_never_affects_another(world: World) -> None:
    good = [created(s, "EWR", "2013-01-01") for s in ("flights", "weather")]
    bad = [
        "{",
        "[]",
        '"text"',
        "[" * 200_000,
        json.dumps({"source": "aws.s3", "detail-type": "Object Created"}),
    ]
    failed = world.deliver(good[0], *bad, good[1])
    assert failed == [], "poison goes to the dead letters at once"
    assert world.announced == ["joined/EWR/2013-01-01#1"]
    assert [body for body, _ in world.dead] == bad
    assert [reason for _, reason in world.dead][-1] == "detail is no JSON object"
    assert world.listener.counts["poison"] == 5


def test_without_a_dead_letter_queue_poison_is_left_to_the_queue(world: World) -> None:
    world.listener.dead_letters = None
    assert world.deliver("{", created("flights", "EWR", "2013-01-01")) == ["m0"]


def test_a_rejected_or_foreign_event_is_done(world: World) -> None:
    assert world.deliver(created("flights", "EWR", "someday"), created("foreign", "EWR")) == []
    ((_, fields),) = [line for line in world.lines if line[0] == "rejected"]
    assert fields["what"] == "EWR/someday"
    assert world.listener.counts == {"events": 2, "rejected": 1, "unmatched": 1}


def test_messages_that_find_no_time_are_left(world: World) -> None:
    records = [{"messageId": f"m{i}", "body": created("flights", "EWR", "2013-01-01")} for i in range(3)]
    left = iter([60_000, 60_000, 2_000, 1_000])  # asked before the batch is counted, and before each message
    answer = world.listener.handle({"Records": records}, lambda: next(left))
    assert [f["itemIdentifier"] for f in answer["batchItemFailures"]] == ["m1", "m2"]


def down() -> None:
    raise Unavailable("Airflow is down")


def test_while_airflow_is_down_the_queue_tries_and_then_the_sweep(world: World) -> None:
    world.deliver(created("flights", "EWR", "2013-01-01"))
    world.airflow = down
    assert world.deliver(created("weather", "EWR", "2013-01-01")) == ["m0"]
    assert world.state("EWR/2013-01-01") == READY
    assert world.deliver(created("weather", "EWR", "2013-01-01"), delivery=2) == ["m0"]
    assert world.deliver(created("weather", "EWR", "2013-01-01"), delivery=3) == []
    world.airflow = lambda: None
    world.sweep()
    assert world.announced == [], "not yet overdue"
    world.time += 31
    world.sweep()
    assert world.announced == ["joined/EWR/2013-01-01#1"]


def test_a_redelivery_announces_what_a_crash_left(world: World) -> None:
    world.deliver(created("flights", "EWR", "2013-01-01"))
    world.airflow = down
    world.deliver(created("weather", "EWR", "2013-01-01"))
    world.airflow = lambda: None
    assert world.deliver(created("weather", "EWR", "2013-01-01")) == []
    assert world.announced == ["joined/EWR/2013-01-01#1"]


def test_a_refusal_is_said_and_does_not_block(world: World) -> None:
    def refuse() -> None:
        raise Refused("400")

    world.airflow = refuse
    assert world.deliver(*(created(s, "EWR", "2013-01-01") for s in ("flights", "weather"))) == []
    assert "refused" in [what for what, _ in world.lines]


def test_the_sweep_announces_again_what_no_run_claims_more_and_more_slowly(world: World) -> None:
    world.deliver(*(created(s, "EWR", "2013-01-01") for s in ("flights", "weather")))
    times = []
    for _ in range(100):
        world.time += 60
        before = len(world.announced)
        world.sweep()
        if len(world.announced) > before:
            times.append((world.time - T) / 60)
    assert times == [3, 6, 12, 24, 48, 96]
    executions.claim(world.ledger, "joined", "EWR/2013-01-01", "joined/EWR/2013-01-01#1", "run", world.time)
    world.time += 10_000
    world.sweep()
    assert len(world.announced) == 1 + len(times)


def test_the_sweep_sends_signals_that_are_owed(world: World) -> None:
    world.deliver(*(created(s, "EWR", "2013-01-01") for s in ("flights", "weather")))
    where = (world.ledger, "joined", "EWR/2013-01-01", "joined/EWR/2013-01-01#1", "run")
    executions.claim(*where, world.time)
    executions.succeed(*where, world.time)
    world.sweep()
    assert world.emitted == [], "publish may be about to send it itself"
    world.time += 61
    world.sweep()
    world.sweep()
    assert world.emitted == ["joined/EWR/2013-01-01#1"]


def test_a_fault_in_the_sweep_stops_nothing_else(world: World) -> None:
    for origin in ("EWR", "JFK"):
        world.airflow = down
        world.deliver(*(created(s, origin, "2013-01-01") for s in ("flights", "weather")))
    calls = iter([ValueError("boom"), None])

    def once() -> None:
        if (fault := next(calls)) is not None:
            raise fault

    world.airflow = once
    world.time += 31
    world.sweep()
    assert len(world.announced) == 1
    failed = [fields for text, fields in world.lines if text == "sweep failed"]
    both = {f"joined/{origin}/2013-01-01#1" for origin in ("EWR", "JFK")}
    assert [fields["fault"] for fields in failed] == ["ValueError: boom"]
    assert {failed[0]["execution"], *world.announced} == both


def test_the_settings_make_a_listener(
    dynamodb: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    queue = boto3.client("sqs").create_queue(QueueName="dead")["QueueUrl"]
    (tmp_path / "routes.json").write_text(ROUTES.dumps())
    for name, value in {
        "RHEO_TABLE": TABLE,
        "RHEO_MWAA_ENVIRONMENT": "airflow",
        "RHEO_ROUTES": str(tmp_path / "routes.json"),
        "RHEO_DEAD_LETTERS": queue,
        "RHEO_PATIENCE": "1,2,3",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(listener, "_listener", None)
    records = [
        {"messageId": "m0", "body": created("flights", "EWR", "2013-01-01")},
        {"messageId": "m1", "body": "no json"},
    ]
    assert listener.handler({"Records": records}, None) == {"batchItemFailures": []}
    (letter,) = boto3.client("sqs").receive_message(QueueUrl=queue, MessageAttributeNames=["All"])["Messages"]
    assert letter["Body"] == "no json"
    assert letter["MessageAttributes"]["reason"]["StringValue"].startswith("no JSON")
    out = capsys.readouterr().out
    assert "testing" not in out, "the secret key"
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["rheo"] for line in lines] == ["matched", "poison", "batch"]
    made = listener._listener
    assert made is not None and made.patience == Patience(1, 2, 3)
