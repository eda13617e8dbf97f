"""The same on AWS as moto plays it: the ledger in DynamoDB, data in S3, the listener's queue in SQS."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from rich.console import Console

from codegen.graph_file import graph_file
from codegen.routes import route_table
from platforms.control.controls import Controls
from platforms.deployment import ACTIVE, Deployment
from rheo_runtime.dynamo_table import create_table
from rheo_runtime.listener import Listener
from rheo_runtime.records import Document
from rheo_runtime.trigger import Announcer
from rheodsl import Application

from .airflow import FakeAirflow

DAYS = ["2020-03-16", "2020-03-17", "2020-03-18"]
BUCKET = "shop-bucket"


class Cloud:
    """An application in moto's account."""

    def __init__(self, app: Application) -> None:
        self.app = app
        session = boto3.Session(region_name="eu-west-1")
        self.s3 = session.client("s3")
        for bucket in (BUCKET, "lake"):
            place: Any = {"LocationConstraint": "eu-west-1"}
            self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
        create_table("ledger", session.client("dynamodb"))
        self.sqs = session.client("sqs")
        queue = self.sqs.create_queue(QueueName="queue")["QueueUrl"]
        graph = app.graph()
        routes = route_table(graph, BUCKET)
        self._put(BUCKET, ACTIVE + "routes.json", routes.dumps())
        self._put(BUCKET, ACTIVE + "graph.json", graph_file(graph))
        self.deployment = Deployment(
            app=app.name, session=session, bucket=BUCKET, table="ledger", queue=queue, dead_letters=queue,
            environment="environment",
        )  # fmt: skip
        nodes = [route.node for route in routes.routes]
        self.airflow = FakeAirflow(
            app.name, nodes, self.deployment.ledger, time.time, self._write, lambda _: None
        )
        vars(self.deployment)["airflow"] = Announcer(self.airflow, "environment")

    def active_graph(self, app: str) -> Any:
        return self.app.graph()

    def control(self, app: str) -> Controls:
        console = Console(file=io.StringIO())
        return Controls(lambda: self.deployment, lambda: BUCKET, console=console, poll=0, sleep=self._sleep)

    def _sleep(self, _: float) -> None:
        self.airflow.step()

    def _write(self, document: Document) -> None:
        bucket, _, key = document["output"]["path"].removeprefix("s3://").partition("/")
        self._put(bucket, f"{key}/_SUCCESS", "")

    def _put(self, bucket: str, key: str, text: str) -> None:
        self.s3.put_object(Bucket=bucket, Key=key, Body=text.encode())

    def put(self, path: str) -> None:
        bucket, _, key = path.removeprefix("s3://").partition("/")
        self._put(bucket, f"{key}/_SUCCESS", "")


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        app = Application("shop")
        orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}")
        daily = app.create_data("daily", inputs=[orders], compute_targets="output = orders")
        app.create_data("week", inputs=[daily[:-3].range_check(True)], compute_targets="output = daily")
        made = Cloud(app)
        app.platform = made  # type: ignore[assignment]
        yield made


def test_execute_poll_and_kill(cloud: Cloud) -> None:
    app = cloud.app
    for day in DAYS:
        cloud.put(f"s3://lake/orders/{day}")
    path = f"s3://{BUCKET}/internal_data/week/{DAYS[-1]}"
    assert app.execute(app["week"][DAYS[-1]], recursive=True) == path
    assert app.materialize(app["week"][DAYS[-1]]) == path
    assert app.poll(app["week"][DAYS[-1]]) == path
    assert sorted(cloud.airflow.began) == sorted([*(f"daily/{day}#1" for day in DAYS), f"week/{DAYS[-1]}#1"])
    app.execute(app["daily"][DAYS[0]], wait=False)
    assert app.kill(app["daily"][DAYS[0]]) == [f"daily/{DAYS[0]}#2"]
    assert app.poll(app["daily"][DAYS[0]]) is None


def test_backfill(cloud: Cloud) -> None:
    app = cloud.app
    for day in DAYS[1:]:
        cloud.put(f"s3://lake/orders/{day}")
    result = app.backfill(app["daily"], DAYS[0], DAYS[-1])
    assert list(result.made) == [("daily", day) for day in DAYS[1:]]
    assert list(result.lacking) == [("daily", DAYS[0])]
    assert len(app.backfill(app["daily"], DAYS[0], DAYS[-1]).there) == 2


def test_an_event_here_and_there_is_the_same(cloud: Cloud) -> None:
    """What this process takes and what the listener takes from its queue come to the same ledger."""
    app = cloud.app
    assert app.process(app["orders"][DAYS[0]]) == {"daily": [f"daily/{DAYS[0]}#1"]}
    app.process(app["orders"][DAYS[1]], with_activated_processor=True)
    (message,) = cloud.sqs.receive_message(QueueUrl=cloud.deployment.queue)["Messages"]
    listener = Listener(cloud.deployment.engine(), cloud.deployment.airflow.announce, lambda _: None)
    record = {"messageId": "m", "body": message["Body"], "attributes": {}}
    assert listener.handle({"Records": [record]}, lambda: 60_000) == {"batchItemFailures": []}
    cloud.airflow.settle()
    assert cloud.airflow.began == [f"daily/{day}#1" for day in DAYS[:2]]
    assert json.loads(message["Body"])["detail"]["signal"] == "orders"
