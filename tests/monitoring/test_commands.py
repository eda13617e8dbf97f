"""``rheo status``, ``explain``, ``pending`` and ``logs``, on an application that is deployed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console
from support.cloud import Cloud
from typer.testing import CliRunner

from rheo_platforms import cli  # noqa: F401 - registers the commands
from rheo_platforms.commands import monitoring, shared, tables
from rheo_platforms.commands.tables import ago, pending_table
from rheo_platforms.deployment import Deployment
from rheo_runtime.answers import Denied
from rheo_runtime.engine import Engine
from rheo_runtime.ledger import REFUSED
from rheo_runtime.listener import tell_refusal
from rheodsl.errors import UnknownNameError
from rheodsl.reports import MissingInput, PendingNode

from .test_monitoring import BEGAN, app, come, deployment, engine

pytestmark = pytest.mark.slow

__all__ = ["app", "deployment", "engine"]

Rheo = Callable[..., str]


@pytest.fixture
def rheo(monkeypatch: pytest.MonkeyPatch, deployment: Deployment) -> Rheo:
    """Run a command on the application, in a terminal of some width."""
    monkeypatch.setattr(monitoring, "deployment_of", lambda running: deployment)
    monkeypatch.setattr(monitoring, "_stack", lambda running: None)
    now = datetime.fromtimestamp(BEGAN + 3600, UTC)  # whenever the tests are at this one
    monkeypatch.setattr(tables, "ago", lambda moment: ago(moment, now))

    def run(*words: str, width: int = 80) -> str:
        monkeypatch.setattr(monitoring, "_tables", Console(highlight=False, width=width))
        done = CliRunner().invoke(shared.app, words)
        if done.exception is not None:
            raise done.exception
        lines = done.stdout.splitlines()
        assert max(map(len, lines), default=0) <= width or "explain" in words or "logs" in words
        return "\n".join(line.rstrip() for line in lines)

    return run


def history(engine: Engine, cloud: Cloud) -> None:
    """One partition that ran, one that failed, one that runs, one to run, one that waits."""
    ends = {"18": "SUCCEEDED", "19": "FAILED", "20": None}
    for day, end in ends.items():
        come(engine, "orders", "1", f"2020-03-{day}")
        [document] = come(engine, "ships", "NA", f"{day}-03-2020")
        cloud.run(engine, document, f"run-{day}", end)
    come(engine, "orders", "2", "2020-03-18")
    come(engine, "ships", "EU", "18-03-2020", later=3000)
    come(engine, "orders", "1", "2020-03-22")


def test_status_counts_the_executions_of_each_node(rheo: Rheo, engine: Engine, cloud: Cloud) -> None:
    history(engine, cloud)
    said, failed = rheo("status").rsplit("\n", 1)
    assert re.fullmatch(r"FAILED daily/1/2020-03-19#1 at [-0-9]+ [:0-9]+Z: the task compute failed", failed)
    assert said.rstrip() == (
        "executions of shop\n"
        "node     waits  ready  runs  done  failed  skipped  latest\n"
        "──────────────────────────────────────────────────────────────\n"
        "daily        1      1     1     1       1           10 min ago\n"
        "monthly"
    )


def test_status_as_json(rheo: Rheo, engine: Engine, cloud: Cloud) -> None:
    history(engine, cloud)
    found: dict[str, Any] = json.loads(rheo("status", "--json", width=1000))["shop"]
    assert [route["id"] for route in found["routes"]] == ["daily", "monthly"]
    states = {record["partition"]: record["state"] for record in found["executions"]}
    assert states == {
        "1/2020-03-18": "SUCCEEDED",
        "1/2020-03-19": "FAILED",
        "1/2020-03-20": "CLAIMED",
        "2/2020-03-18": "READY",
    }
    assert datetime.fromisoformat(found["pending"][0]["since"]).tzinfo is UTC


def test_status_says_what_the_listener_may_not_look_for(rheo: Rheo, engine: Engine, cloud: Cloud) -> None:
    tell = tell_refusal(engine.ledger)
    tell(Denied("s3://lake/ships/1/_SUCCESS", "s3:ListBucket on arn:aws:s3:::lake"))
    said = " ".join(rheo("status", width=1000).splitlines()[-1].split()[4:])
    assert said == (
        "s3://lake/ships/1/_SUCCESS may not be looked for: s3:ListBucket on arn:aws:s3:::lake is missing"
    )
    [told] = json.loads(rheo("status", "--json", width=1000))["shop"]["denied"]
    assert told["permission"] == "s3:ListBucket on arn:aws:s3:::lake"
    assert list(engine.ledger.refusals(told["time"] + REFUSED)) == []


def test_status_and_explain_say_which_dags_are_paused(rheo: Rheo, engine: Engine, cloud: Cloud) -> None:
    history(engine, cloud)
    cloud.airflow.paused = {"shop__daily": True, "shop__monthly": False, "shop__daily2": True}
    assert rheo("status").splitlines()[-2] == "PAUSED in Airflow by Airflow, when it was new: daily"
    record = json.dumps({"version": 1, "on": ["shop__daily"], "off": []})
    s3 = cloud.session.client("s3")
    s3.put_object(Bucket="rheo-shop", Key="rheo-state/dags.json", Body=record.encode())
    assert rheo("status").splitlines()[-2] == "PAUSED in Airflow by a person: daily"
    assert json.loads(rheo("status", "--json", width=1000))["shop"]["paused"] == {"daily": "a person"}
    said = rheo("explain", "daily", "2/2020-03-18")
    assert "its DAG is PAUSED in Airflow, by a person: nothing of it runs" in said
    cloud.airflow.paused["shop__daily"] = False
    assert "PAUSED" not in rheo("status") + rheo("explain", "daily", "2/2020-03-18")


def test_pending_says_what_is_missing_at_any_width(rheo: Rheo, engine: Engine, cloud: Cloud) -> None:
    assert rheo("pending") == "nothing waits in shop"
    history(engine, cloud)
    wide = rheo("pending", width=120)
    assert wide.splitlines()[-2:] == [
        "daily         10 min ago  orders 1/2020-03-22  no ships NA/22-03-2020 has arrived",
        "1/2020-03-22",
    ]
    narrow = rheo("pending", width=60)
    assert {"daily", "1/2020-03-22", "10", "orders", "NA/22-03-2020", "arrived"} <= set(narrow.split())
    assert rheo("pending", "monthly") == "nothing waits in monthly"
    [found] = json.loads(rheo("pending", "--json", width=1000))
    assert found["missing"][0]["partition"] == "NA/22-03-2020"
    with pytest.raises(UnknownNameError, match="runs no node 'x'"):
        rheo("pending", "x")


def test_explain_takes_a_partition_in_one_word_or_several(rheo: Rheo, engine: Engine, cloud: Cloud) -> None:
    history(engine, cloud)
    said = rheo("explain", "daily", "1", "2020-03-19")
    assert said.startswith("daily 1/2020-03-19 failed\n  daily/1/2020-03-19#1 fired at ")
    assert "    because  the task compute failed\n" in said
    assert rheo("explain", "daily", "1/2020-03-19") == said
    found = json.loads(rheo("explain", "daily", "1/2020-03-22", "--json", width=1000))
    assert found["verdict"] == "waits"
    assert [need["signal"] for need in found["needs"]] == ["orders", "ships"]


def test_partitions_that_are_missing_for_one_reason_are_one_line() -> None:
    gaps = tuple(MissingInput("c", "clicks", f"2020-01-0{i}", "not there") for i in range(1, 7))
    node = PendingNode("daily", None, {}, gaps, datetime.now(UTC))
    console = Console(width=100)
    with console.capture() as said:
        console.print(pending_table("what waits", [node]))
    assert "c 2020-01-01, 2020-01-02, 2020-01-03, 3 more: not there" in said.get()


def test_how_long_ago() -> None:
    now = datetime(2020, 3, 18, tzinfo=UTC)
    spans = {"0 s ago": -5, "59 s ago": 59, "1 min ago": 60, "59 min ago": 3599, "1 h ago": 3600}
    spans |= {"23 h ago": 86399, "1 day ago": 86400, "2 days ago": 200_000}
    assert {ago(now - timedelta(seconds=s), now) for s in spans.values()} == set(spans)
