"""The same on AWS as moto plays it: the ledger in DynamoDB, data in S3, the listener's queue in SQS."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from rich.console import Console
from support.aws import empty_account
from support.cloud import Cloud
from support.runs import Workers

from rheo_platforms.operations.control import Control
from rheo_runtime.listener import Listener
from rheo_runtime.records import Document
from rheodsl import Application

pytestmark = pytest.mark.slow

DAYS = ["2020-03-16", "2020-03-17", "2020-03-18"]


class Shop(Cloud):
    """An application in moto's account, whose controls work on it."""

    def __init__(self, folder: Path, app: Application) -> None:
        super().__init__(folder)
        self.app = app
        self.here = self.activate(app)
        self.workers = Workers(self.airflow, self.here.ledger, time.time, self._write, lambda _: None)

    def bucket(self, app: str) -> str:
        return self.here.bucket

    def lifecycle(self, app: str) -> Any:
        return Mock()

    def control(self, app: str) -> Control:
        console = Console(file=io.StringIO())
        return Control(lambda: self.here, console=console, poll=0, sleep=lambda _: self.workers.go_on())

    def _write(self, document: Document) -> None:
        self.put(f"{document['output']['path']}/_SUCCESS")


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    app = Application("shop")
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}")
    daily = app.create_data("daily", inputs=[orders], compute_targets="output = orders")
    app.create_data("week", inputs=[daily[:-3].range_check(True)], compute_targets="output = daily")
    with empty_account(monkeypatch, "us-east-1"):
        app.platform = made = Shop(tmp_path, app)
        yield made


def test_execute_poll_and_kill(cloud: Shop) -> None:
    app = cloud.app
    for day in DAYS:
        cloud.put(f"s3://lake/orders/{day}/_SUCCESS")
    path = f"s3://rheo-shop/internal_data/week/{DAYS[-1]}"
    assert app.execute(app["week"][DAYS[-1]], recursive=True) == path
    assert app.materialize(app["week"][DAYS[-1]]) == path
    assert app.poll(app["week"][DAYS[-1]]) == path
    assert sorted(cloud.workers.began) == sorted([*(f"daily/{day}#1" for day in DAYS), f"week/{DAYS[-1]}#1"])
    app.execute(app["daily"][DAYS[0]], wait=False)
    assert app.kill(app["daily"][DAYS[0]]) == [f"daily/{DAYS[0]}#2"]
    assert app.poll(app["daily"][DAYS[0]]) is None


def test_backfill(cloud: Shop) -> None:
    app = cloud.app
    for day in DAYS[1:]:
        cloud.put(f"s3://lake/orders/{day}/_SUCCESS")
    result = app.backfill(app["daily"], DAYS[0], DAYS[-1])
    assert list(result.made) == [("daily", day) for day in DAYS[1:]]
    assert list(result.lacking) == [("daily", DAYS[0])]
    assert len(app.backfill(app["daily"], DAYS[0], DAYS[-1]).there) == 2


def test_an_event_here_and_there_is_the_same(cloud: Shop) -> None:
    """What this process takes and what the listener takes from its queue come to the same ledger."""
    app = cloud.app
    sqs = cloud.session.client("sqs")
    sqs.purge_queue(QueueUrl=cloud.here.queue)  # events of the files that were activated
    assert app.process(app["orders"][DAYS[0]]) == {"daily": [f"daily/{DAYS[0]}#1"]}
    app.process(app["orders"][DAYS[1]], with_activated_processor=True)
    (message,) = sqs.receive_message(QueueUrl=cloud.here.queue)["Messages"]
    listener = Listener(cloud.here.engine(), cloud.here.airflow.announce, lambda _: None)
    record = {"messageId": "m", "body": message["Body"], "attributes": {}}
    assert listener.handle({"Records": [record]}, lambda: 60_000) == {"batchItemFailures": []}
    cloud.workers.settle()
    assert cloud.workers.began == [f"daily/{day}#1" for day in DAYS[:2]]
    assert json.loads(message["Body"])["detail"]["signal"] == "orders"
