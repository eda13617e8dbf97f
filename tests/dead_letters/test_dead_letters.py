"""Dead messages: shown with their reasons, sent again or removed, and never lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from support.aws import empty_account
from typer.testing import CliRunner

from rheo_platforms.cli import app
from rheo_platforms.commands import dead_letters as commands
from rheo_platforms.deployment import Deployment
from rheo_platforms.operations import dead_letters as dead
from rheo_platforms.operations.dead_letters import drop, read, replay
from rheo_runtime.listener import _dead_letters

pytestmark = pytest.mark.slow

RECEIVES = 3
MOVED = json.dumps({"source": "rheo", "detail-type": "rheo.signal", "time": "2024-01-01T00:00:00Z",
                    "detail": {"app": "app", "signal": "a", "partition": ["7"], "id": "e"}})  # fmt: skip


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    monkeypatch.setattr(dead, "WAIT", 0)
    with empty_account(monkeypatch):
        sqs = boto3.client("sqs")
        away = sqs.create_queue(QueueName="dead")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=away, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": RECEIVES})
        queue = sqs.create_queue(
            QueueName="main", Attributes={"RedrivePolicy": redrive, "VisibilityTimeout": "0"}
        )["QueueUrl"]
        yield Deployment("app", boto3.Session(), "bucket", "table", queue, away, "env")


@pytest.fixture
def letters(deployment: Deployment) -> Deployment:
    """Two poison messages, as the listener sends them away, and one that the queue gave up."""
    send = _dead_letters(deployment.dead_letters, boto3.client)
    assert send is not None
    send("{", "no JSON: it ends too soon")
    send(json.dumps({"source": "aws.s3", "detail-type": "Object Created"}), "detail is no JSON object")
    sqs = boto3.client("sqs")
    sqs.send_message(QueueUrl=deployment.queue, MessageBody=MOVED)
    for _ in range(RECEIVES + 1):
        sqs.receive_message(QueueUrl=deployment.queue)
    return deployment


def bodies(url: str) -> list[str]:
    found = []
    while (
        messages := boto3.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages")
    ):
        found += [m["Body"] for m in messages]
    return found


def test_letters_say_why_they_are_dead_and_what_they_are_about(letters: Deployment) -> None:
    assert [(letter.about, letter.reason) for letter in read(letters)] == [
        ("{", "no JSON: it ends too soon"),
        ("Object Created: null", "detail is no JSON object"),
        ("signal a 7", "failed 3 times"),
    ]
    assert [letter.reason for letter in read(letters, reason="NO JSON")] == [
        "no JSON: it ends too soon",
        "detail is no JSON object",
    ]
    first = read(letters)[0]
    assert [letter.id for letter in read(letters, ids=[first.id[:8]])] == [first.id]


def test_what_eventbridge_could_not_deliver(deployment: Deployment) -> None:
    boto3.client("sqs").send_message(
        QueueUrl=deployment.dead_letters,
        MessageBody=MOVED,
        MessageAttributes={
            "ERROR_CODE": {"DataType": "String", "StringValue": "NO_PERMISSIONS"},
            "ERROR_MESSAGE": {"DataType": "String", "StringValue": "The queue refuses it."},
        },
    )
    assert read(deployment)[0].reason == "not delivered: NO_PERMISSIONS The queue refuses it."


def test_replay_sends_to_the_listener_and_removes(letters: Deployment) -> None:
    (sent,) = replay(letters, reason="failed")
    assert sent.body == MOVED
    assert [letter.reason for letter in read(letters)] == [
        "no JSON: it ends too soon",
        "detail is no JSON object",
    ]
    assert bodies(letters.queue)[0] == MOVED


def test_drop_removes(letters: Deployment) -> None:
    assert len(list(drop(letters, ids=[read(letters)[1].id]))) == 1
    assert len(read(letters)) == 2
    assert len(list(drop(letters))) == 2
    assert read(letters) == []
    assert bodies(letters.queue) == []


class Failing:
    """A session whose SQS client fails at one call."""

    def __init__(self, session: boto3.Session, call: str) -> None:
        self.session = session
        self.call = call

    def client(self, name: str) -> Any:
        real, failing = self.session.client(name), self.call  # type: ignore[call-overload]

        class Client:
            def __getattr__(self, method: str) -> Any:
                if method == failing:
                    raise RuntimeError("the process ends here")
                return getattr(real, method)

        return Client()


@pytest.mark.parametrize(("call", "sent"), [("send_message", 0), ("delete_message", 1)])
def test_a_crash_at_any_call_loses_nothing(letters: Deployment, call: str, sent: int) -> None:
    broken = Deployment(
        "app",
        Failing(letters.session, call),
        "bucket",
        "table",
        letters.queue,
        letters.dead_letters,
        "env",  # type: ignore[arg-type]
    )
    with pytest.raises(RuntimeError, match="the process ends here"):
        list(replay(broken))
    assert len(read(letters)) == 3, "still there, and seen again at once"
    assert len(bodies(letters.queue)) >= sent


def test_many_letters_are_all_seen(deployment: Deployment) -> None:
    send = _dead_letters(deployment.dead_letters, boto3.client)
    assert send is not None
    for n in range(35):
        send(f"letter {n}", "no JSON")
    assert len(read(deployment)) == 35
    assert len(list(replay(deployment))) == 35
    assert len(bodies(deployment.queue)) >= 35


def test_a_letter_that_fits_no_queue_is_cut_and_an_odd_reason_is_made_plain(deployment: Deployment) -> None:
    send = _dead_letters(deployment.dead_letters, boto3.client)
    assert send is not None
    send("ü" * 200_000, "why \x00\ud800" + "y" * 1000)
    (letter,) = read(deployment)
    assert len(letter.body.encode()) <= 262_144
    assert letter.reason.startswith("why ??yyy") and len(letter.reason) == 256


def test_the_command(letters: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "deployment_of", lambda _: letters)
    run = CliRunner().invoke
    shown = run(app, ["dlq", "list"]).output.splitlines()
    assert [line.split("  ")[-1].strip() for line in shown] == [
        "{", "no JSON: it ends too soon",
        "Object Created: null", "detail is no JSON object",
        "signal a 7", "failed 3 times",
    ]  # fmt: skip
    assert run(app, ["dlq", "replay"]).exit_code == 2, "all or some has to be said"
    assert run(app, ["dlq", "replay", "--reason", "failed"]).output.endswith("1 sent again.\n")
    assert run(app, ["dlq", "drop", "--all"], input="n\n").exit_code == 1
    (line, _) = run(app, ["dlq", "list", "--json"]).output.splitlines()
    assert json.loads(line)["body"] == "{"
    assert run(app, ["dlq", "drop", "--all", "--yes"]).output.endswith("2 removed.\n")
    assert run(app, ["dlq", "list"]).output == "No dead messages.\n"
