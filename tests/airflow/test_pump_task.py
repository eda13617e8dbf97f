"""The pump's task, and how a run that knows its key alone claims its execution."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset

from rheo_airflow.tasks import settings
from rheo_airflow.tasks.claim import PUMPED, claimed
from rheo_airflow.tasks.compat import AirflowFailException
from rheo_airflow.tasks.pump import PumpOperator
from rheo_runtime import executions
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.records import Stored

pytestmark = pytest.mark.slow


class Accessor:
    """What Airflow gives a task to describe an event of its outlet."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.extra: dict[str, Any] = {}

    def add_partitions(self, keys: list[str]) -> None:
        self.keys += keys


def context(conf: dict[str, Any]) -> tuple[dict[str, Any], dict[Asset, Accessor]]:
    events: dict[Asset, Accessor] = {Asset("rheo://shop/daily"): Accessor()}
    return {"dag_run": SimpleNamespace(conf=conf), "outlet_events": events}, events


def test_it_sends_an_event_of_the_node_s_asset_for_each_key() -> None:
    operator = PumpOperator(task_id="pump", app="shop")
    given, events = context({"rheo": {"node": "daily", "keys": ["EU/1", "NA/1"]}})
    PumpOperator.execute.__wrapped__(operator, given)  # type: ignore[attr-defined]
    assert operator.outlets == [Asset("rheo://shop/daily")], "and of no other"
    (event,) = events.values()
    assert (event.keys, event.extra) == (["EU/1", "NA/1"], {PUMPED: "daily"})


@pytest.mark.parametrize("conf", [{}, {"rheo": {}}, {"rheo": {"node": "daily", "keys": []}}])
def test_without_keys_it_sends_nothing(conf: dict[str, Any]) -> None:
    operator = PumpOperator(task_id="pump", app="shop")
    given, events = context(conf)
    with pytest.raises(AirflowFailException, match="names no executions"):
        PumpOperator.execute.__wrapped__(operator, given)  # type: ignore[attr-defined]
    assert operator.outlets == [] and not [e for e in events.values() if e.keys]


def test_a_run_claims_the_execution_of_its_key_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = MemoryLedger()
    monkeypatch.setattr(settings, "ledger", lambda app: ledger)
    document = {"app": "shop", "node": "daily", "id": "daily/EU/1#1", "partition": "EU/1", "generation": 1}
    executions.order(ledger, None, "daily", "EU/1", Stored(document), 1.0)

    def run(id: str, key: str = "EU/1") -> dict[str, Any]:
        event = SimpleNamespace(extra={PUMPED: "daily"}, timestamp=1)
        dag_run = SimpleNamespace(run_id=id, conf={}, partition_key=key)
        dag = SimpleNamespace(tasks=[])
        return {"dag_run": dag_run, "triggering_asset_events": {"asset": [event]}, "dag": dag}

    assert claimed("shop", "daily", run("r1")) == document
    assert claimed("shop", "daily", run("r1")) == document, "the same run, again"
    assert claimed("shop", "daily", run("r2")) is None
    assert claimed("shop", "daily", run("r3", "EU/2")) is None
