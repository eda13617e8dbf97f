"""Events that the listener refused, found in its log: in a file, and in CloudWatch Logs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.cloud import Cloud
from support.events import s3_event

from rheo_platforms.deployment import Deployment
from rheo_platforms.operations.monitoring import Monitoring
from rheo_runtime.engine import Engine
from rheo_runtime.listener import Listener
from rheodsl import Application

from .test_monitoring import app, come, deployment, engine

pytestmark = pytest.mark.slow

__all__ = ["app", "deployment", "engine"]


@pytest.fixture
def refuse(engine: Engine, capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """What a real listener writes of two events that it cannot use, and of others."""

    def run() -> list[str]:
        listener = Listener(engine, lambda document: None, emit=lambda document: None)
        keys = ["orders/1/18-03-2020/_SUCCESS", "orders/x/2020-03-18/_SUCCESS", "other/1/2020-03-18/_SUCCESS"]
        records = [message(key) for key in keys]
        capsys.readouterr()
        listener.handle({"Records": records}, lambda: 60_000)
        return capsys.readouterr().out.splitlines()

    return run


def message(key: str) -> dict[str, Any]:
    event = s3_event("lake-of-orders", key, time="2026-01-01T00:00:00Z")
    return {"messageId": key, "body": json.dumps({**event, "id": key, "account": "123456789012"})}


def test_refused_events_are_told_where_a_partition_has_not_run(
    deployment: Deployment, refuse: Callable[[], list[str]], tmp_path: Path
) -> None:
    log = tmp_path / "listener.log"
    log.write_text("starting\n" + "\n".join(refuse()) + '\nnot { JSON "rejected"\n')
    watch = Monitoring(replace(deployment, listener_log=log))
    account = watch.explain("daily", [1, "2020-03-18"])
    assert [(event.signal, event.at) for event in account.refused] == [("orders", None), ("orders", None)]
    assert "'x' is no LONG" in account.refused[0].reason  # the latest first
    assert "18-03-2020" in account.refused[1].what
    assert "  refused lately: orders 1/18-03-2020: " in str(account)
    assert watch.explain("monthly", [1, "2020-03-18"]).refused == ()  # orders is none of its inputs
    gone = Monitoring(replace(deployment, listener_log=tmp_path / "no.log"))
    assert gone.explain("daily", [1, "2020-03-18"]).refused == ()


def test_refused_events_are_found_in_cloudwatch(
    app: Application, cloud: Cloud, deployment: Deployment, refuse: Callable[[], list[str]], engine: Engine
) -> None:
    assert app.explain("daily", 1, "2020-03-18").refused == ()  # there is no log yet
    logs = cloud.session.client("logs")
    group = {"logGroupName": "/aws/lambda/rheo-shop"}
    logs.create_log_group(**group)
    logs.create_log_stream(**group, logStreamName="one")
    now = int(time.time() * 1000)
    written = [
        json.dumps({"rheo": "rejected", "signal": None, "node": "daily", "reason": "no link", "what": "1"})
    ]
    events = [{"timestamp": now + i, "message": line} for i, line in enumerate([*refuse(), *written])]
    logs.put_log_events(**group, logStreamName="one", logEvents=events)
    account = app.explain("daily", 1, "2020-03-18")
    assert account.refused[0].reason == "no link"
    assert account.refused[0].at is not None
    assert len(account.refused) == 3
    come(engine, "orders", "1", "2020-03-18")
    come(engine, "ships", "NA", "18-03-2020")
    assert app.explain("daily", 1, "2020-03-18").refused == ()  # it ran: nothing has to be explained
