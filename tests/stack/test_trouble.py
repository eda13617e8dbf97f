"""Parts killed, stopped and paused under a real Airflow, messages twice and out of order: each output once."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rheo_platforms.deployment import Deployment
from rheo_runtime.airflow_client import dag_id
from rheo_runtime.events import send_signal
from rheo_runtime.records import CLAIMED, FAILED, SUCCEEDED, Execution
from rheo_runtime.sweep import Patience, Sweeper
from rheodsl import Application

from .conftest import Lab

pytestmark = pytest.mark.slow

APP, NODE = "rugged", "joined"
FIRST, WHILE_PAUSED, ENDED_BY_HAND = range(8), (50,), 99


def note(input_map: Any, output: Any, params: Any) -> None:
    """Leave a mark of each time it ran; one partition takes long."""
    import time
    import uuid

    import boto3

    bucket, _, key = output.get_materialized_resource_paths()[0].removeprefix("s3://").partition("/")
    boto3.client("s3").put_object(Bucket=bucket, Key=f"{key}/mark-{uuid.uuid4()}", Body=b"")
    if key.endswith("/99"):
        time.sleep(300)


def messages(partitions: Iterator[int] | Any) -> list[str]:
    """The events of both inputs; the same text again is the same event."""
    return [
        json.dumps(
            {
                "source": "aws.s3",
                "detail-type": "Object Created",
                "time": "2024-01-01T00:00:00Z",
                "detail": {
                    "bucket": {"name": "rugged-in"},
                    "object": {"key": f"{side}/{x}/_SUCCESS", "etag": f"{side}{x}"},
                },
            }
        )
        for x in partitions
        for side in ("left", "right")
    ]


@contextmanager
def stopped(stack: Lab, part: str) -> Iterator[None]:
    """A part that is there and does not answer."""
    pids = [process.pid for process in stack.local.state.of(part)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def pause(stack: Lab, paused: bool) -> None:
    stack.local.airflow.call("PATCH", f"/dags/{dag_id(APP, NODE)}", {"is_paused": paused})


def sweep(deployment: Deployment) -> None:
    """A sweep without patience, from this process, beside the listener's own."""
    events = deployment.session.client("events")
    Sweeper(
        deployment.engine(),
        deployment.airflow.announce,
        lambda owed: send_signal(owed.document, events, deployment.event_bus, owed.checked),
        lambda *_, **__: None,
        Patience(0, 0, 0, 0),
        deployment.airflow.state,
    ).sweep()


def execution(deployment: Deployment, x: int) -> Execution | None:
    output, _ = deployment.ledger.output(NODE, str(x), None)
    return None if output is None else output.active or output.ended[0]


def state(deployment: Deployment, x: int) -> str | None:
    found = execution(deployment, x)
    return found and found.state


def test_trouble_changes_nothing(stack: Lab) -> None:
    app = Application(APP, platform=stack.platform)
    left = app.s3("left", "s3://rugged-in/left/{x:int}")
    right = app.s3("right", "s3://rugged-in/right/{x:int}")
    app.create_data(NODE, inputs=[left, right], compute_targets=note)
    deployment = stack.start(app)
    sqs = stack.client("sqs")

    def send(bodies: list[str]) -> None:
        for body in bodies:
            sqs.send_message(QueueUrl=deployment.queue, MessageBody=body)

    stack.local.kill_listener(APP)
    bodies = messages(FIRST) * 2
    random.Random(5).shuffle(bodies)
    send(bodies)
    with stopped(stack, "mwaa"):  # Airflow's front door does not answer
        for _ in range(3):
            stack.local.restart_listener(APP)
            time.sleep(3)
            stack.local.kill_listener(APP)
        stack.local.restart_listener(APP)
        time.sleep(4)
    pause(stack, True)
    send(messages(WHILE_PAUSED))
    stack.until(lambda: state(deployment, 50))
    pause(stack, False)
    everything = (*FIRST, *WHILE_PAUSED)

    def done() -> bool:
        sweep(deployment)
        return all(state(deployment, x) == SUCCEEDED for x in everything)

    stack.until(done, 200)
    keys = [o["Key"] for o in stack.client("s3").list_objects_v2(Bucket="rheo-rugged")["Contents"]]
    for x in everything:
        output, _ = deployment.ledger.output(NODE, str(x), None)
        assert output is not None and output.generation == 1
        assert sum(f"/{x}/mark-" in key for key in keys) == 1, f"{x} was computed once"

    # A run that somebody fails by hand: its publish task never runs.
    send(messages([ENDED_BY_HAND]))
    stack.until(lambda: state(deployment, ENDED_BY_HAND) == CLAIMED)
    claimed = execution(deployment, ENDED_BY_HAND)
    assert claimed is not None and claimed.run_id is not None
    assert deployment.airflow.state(APP, NODE, claimed.run_id) == "running"
    assert deployment.airflow.state(APP, NODE, "no-such-run") is None
    runs = f"/dags/{dag_id(APP, NODE)}/dagRuns/{claimed.run_id}"
    stack.local.airflow.call("PATCH", runs, {"state": "failed"})
    sweep(deployment)
    assert state(deployment, ENDED_BY_HAND) == FAILED
