"""The queue poller calls a handler as Lambda does."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rheo_platforms.local import processes
from rheo_platforms.local.listener_process import HANDLER, Context, Poller, load
from rheo_platforms.local.processes import Started

pytestmark = pytest.mark.slow

Event = dict[str, Any]


@pytest.fixture
def url(client: Callable[..., Any]) -> str:
    """An empty queue, whose messages come back after a second."""
    answer = client("sqs").create_queue(QueueName=f"q-{uuid.uuid4()}", Attributes={"VisibilityTimeout": "1"})
    url = str(answer["QueueUrl"])
    client("sqs").create_queue(QueueName=f"{url.rpartition('/')[2]}-gather")
    return url


@pytest.fixture
def send(client: Callable[..., Any], url: str) -> Callable[..., None]:
    def one(*bodies: str) -> None:
        for body in bodies:
            client("sqs").send_message(QueueUrl=url, MessageBody=body)

    return one


def left(client: Callable[..., Any], url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(value) for value in found.values())


def poller(client: Callable[..., Any], url: str, handler: Callable[[Event, object], Any]) -> Poller:
    return Poller(client("sqs"), url.rpartition("/")[2], handler)


def test_a_batch_looks_like_lambdas(client: Callable[..., Any], url: str, send: Callable[..., None]) -> None:
    seen: list[Event] = []
    contexts: list[Any] = []

    def handler(event: Event, context: object) -> None:
        seen.append(event)
        contexts.append(context)

    send('{"n": 1}', '{"n": 2}')
    assert poller(client, url, handler).poll() == 2
    (record, _) = seen[0]["Records"]
    assert json.loads(record["body"]) == {"n": 1}
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"].endswith(url.rpartition("/")[2])
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert set(record) >= {"messageId", "receiptHandle", "messageAttributes", "md5OfBody", "awsRegion"}
    assert isinstance(contexts[0], Context)
    assert 0 < contexts[0].get_remaining_time_in_millis() <= 60_000
    assert left(client, url) == 0


def test_a_window_gathers_more_than_one_call_of_the_queue(
    client: Callable[..., Any], url: str, send: Callable[..., None]
) -> None:
    seen: list[int] = []
    handle = lambda event, _: seen.append(len(event["Records"]))  # noqa: E731
    client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "60"})
    send(*map(str, range(25)))
    gather = Poller(client("sqs"), url.rpartition("/")[2], handle, 100, 1.0)
    assert (gather.poll(), seen, left(client, url)) == (25, [25], 0)
    send(*map(str, range(25)))
    assert Poller(client("sqs"), gather.queue, handle, 20, 1.0).poll() == 20, (
        "a batch that is full waits no longer"
    )


def test_failed_items_come_again_and_the_others_do_not(
    client: Callable[..., Any], url: str, send: Callable[..., None]
) -> None:
    seen: list[str] = []

    def handler(event: Event, context: object) -> Event:
        seen.extend(record["body"] for record in event["Records"])
        again = [r["messageId"] for r in event["Records"] if r["body"] == "bad" and seen.count("bad") < 3]
        return {"batchItemFailures": [{"itemIdentifier": identity} for identity in again]}

    send("a", "bad", "b")
    subject = poller(client, url, handler)
    deadline = time.monotonic() + 20
    while left(client, url):
        subject.poll()
        assert time.monotonic() < deadline
    assert sorted(seen) == ["a", "b", "bad", "bad", "bad"]


@pytest.mark.parametrize(
    "answer", [ValueError("broken"), {"batchItemFailures": [{"itemIdentifier": "none of them"}]}]
)
def test_a_broken_answer_brings_the_whole_batch_back(
    answer: Any, client: Callable[..., Any], url: str, send: Callable[..., None]
) -> None:
    def handler(event: Event, context: object) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    send("a", "b")
    assert poller(client, url, handler).poll() == 0
    assert left(client, url) == 2


SLOW = """
import json, os, time

def handler(event, context):
    for record in event["Records"]:
        with open(os.environ["OUT"], "a") as file:
            file.write("begin " + record["body"] + "\\n")
        time.sleep(float(os.environ.get("SLEEP", "0")))
        with open(os.environ["OUT"], "a") as file:
            file.write("end " + record["body"] + "\\n")
"""


@pytest.fixture
def start(aws: dict[str, str], url: str, tmp_path: Path) -> Iterator[Callable[[str], Started]]:
    """``start(seconds)`` -> a listener process whose handler takes so long for each message."""
    (tmp_path / "slow_handler.py").write_text(SLOW)
    made: list[Started] = []

    def run(sleep: str) -> Started:
        path = os.pathsep.join([str(tmp_path), os.getcwd()])
        env = {**os.environ, "PYTHONPATH": path, "OUT": str(tmp_path / "out"), "SLEEP": sleep}
        command = [sys.executable, "-m", "rheo_platforms.local.listener_process"]
        queue = url.rpartition("/")[2]
        command += ["--queue", queue, "--gather", f"{queue}-gather", "--handler", "slow_handler:handler"]
        made.append(processes.spawn("listener", command, env=env, log=tmp_path / "log"))
        return made[-1]

    yield run
    processes.end(made, grace=0.0)


def output(folder: Path) -> list[str]:
    path = folder / "out"
    return path.read_text().splitlines() if path.exists() else []


def until(met: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_killed_listener_loses_nothing(
    start: Callable[[str], Started], send: Callable[..., None], url: str,
    client: Callable[..., Any], tmp_path: Path,
) -> None:  # fmt: skip
    first = start("600")
    send("a")
    until(lambda: output(tmp_path) == ["begin a"])
    processes.send(first.pid, signal.SIGKILL)
    processes.end([first])
    start("0")
    until(lambda: output(tmp_path) == ["begin a", "begin a", "end a"])
    until(lambda: left(client, url) == 0)


def test_a_listener_that_is_asked_to_end_finishes_its_batch(
    start: Callable[[str], Started], send: Callable[..., None], url: str,
    client: Callable[..., Any], tmp_path: Path,
) -> None:  # fmt: skip
    started = start("1")
    send("a")
    until(lambda: output(tmp_path) == ["begin a"])
    processes.end([started])
    assert output(tmp_path) == ["begin a", "end a"]
    assert left(client, url) == 0


def test_the_handler_is_the_one_that_lambda_runs() -> None:
    assert HANDLER == "rheo_runtime.listener:handler"
    assert load("json:dumps") is json.dumps
