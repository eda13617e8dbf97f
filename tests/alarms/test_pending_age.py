"""The age of what waits: from the listener's sweep to CloudWatch, and to the alarm that watches it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from support.events import s3_event

from codegen.cloudformation.alarms import pending_metrics
from codegen.compiler import compile_graph, write
from codegen.routes import route_table
from rheo_platforms.local.alarms import watched_ages
from rheo_runtime import dynamodb, listener
from rheodsl import Application, MetricPeriod, MetricStatistic
from rheodsl.testing import Simulator

pytestmark = pytest.mark.slow

MAXIMUM, FIVE = MetricStatistic.MAXIMUM, MetricPeriod.MINUTES(5)


def application() -> Application:
    app = Application("shop")
    orders, ships = (app.s3(id, f"s3://lake/{id}/{{day:%Y-%m-%d}}") for id in ("orders", "ships"))
    app.create_data("daily", inputs=[orders, ships])
    app.create_data("other", inputs=[orders, ships])
    app.create_alarm("late", app.metric("daily.pending_age")[MAXIMUM][FIVE], threshold=3600)
    return app


def event(time_: datetime) -> dict[str, Any]:
    stamp = time_.strftime("%Y-%m-%dT%H:%M:%SZ")
    return s3_event("lake", "orders/2024-03-18/_SUCCESS", time=stamp)


@pytest.fixture
def cloudwatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    (tmp_path / "routes.json").write_text(route_table(application().graph()).dumps())
    with mock_aws():
        yield boto3.client("cloudwatch")


def sweep(tmp_path: Path, nodes: str | None) -> None:
    environ = {
        "RHEO_ROUTES": str(tmp_path / "routes.json"),
        "RHEO_TABLE": "ledger",
        "RHEO_MWAA_ENVIRONMENT": "none",
        **({} if nodes is None else {"RHEO_PENDING_METRICS": nodes}),
    }
    dynamodb.create_table("ledger")
    made = listener.from_environment(environ)
    for body in (event(datetime.now(UTC)), {"source": "rheo", "detail-type": "rheo.sweep"}):
        record = {"messageId": "1", "body": json.dumps(body), "attributes": {}}
        assert made.handle({"Records": [record]}, lambda: 1e9) == {"batchItemFailures": []}
        time.sleep(0.01)


def test_the_local_stack_sends_the_ages_that_alarms_watch(tmp_path: Path) -> None:
    write(compile_graph(application().graph()), tmp_path)
    assert watched_ages(tmp_path, "shop") == "daily"
    write(compile_graph(Application("bare").graph()), tmp_path / "bare")
    assert watched_ages(tmp_path / "bare", "bare") == ""


def ages(cloudwatch: Any) -> dict[str, str]:
    return {
        metric["Dimensions"][0]["Value"]: metric["MetricName"]
        for metric in cloudwatch.list_metrics(Namespace="Rheo/shop")["Metrics"]
    }


@pytest.mark.parametrize(
    ("nodes", "expected"), [("daily", ["daily"]), ("daily,other", ["daily", "other"]), ("", []), (None, [])]
)
def test_a_sweep_sends_the_ages_of_the_nodes_named(
    cloudwatch: Any, tmp_path: Path, nodes: str | None, expected: list[str]
) -> None:
    sweep(tmp_path, nodes)
    assert ages(cloudwatch) == dict.fromkeys(expected, "pending_age")


def test_the_setting_names_what_alarms_watch() -> None:
    assert pending_metrics(application().graph()) == "daily"
    assert pending_metrics(Application("bare").graph()) == ""


def test_in_the_simulator_an_age_is_sent_by_hand() -> None:
    sim = Simulator(application())
    sim.metric("daily.pending_age", 7200)
    sim.advance(timedelta(minutes=1))
    assert sim.alarms["late"] == "ALARM"
