"""A snapshot answers every question as the ledger does that it was made from, by one scan."""

from __future__ import annotations

from typing import Any

import pytest
from support.cloud import Cloud

from rheo_platforms.deployment import Deployment, Snapshot
from rheo_runtime.engine import Engine
from rheodsl import Application

from .test_commands import history
from .test_monitoring import app, come, deployment, engine

pytestmark = pytest.mark.slow

__all__ = ["app", "deployment", "engine"]


class Counting:
    """A client of DynamoDB that counts its pages."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.calls: list[str] = []

    def get_paginator(self, name: str) -> Any:
        self.calls.append(name)
        return self.client.get_paginator(name)

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        return getattr(self.client, name)


def test_a_snapshot_is_the_ledger(
    app: Application, deployment: Deployment, engine: Engine, cloud: Cloud
) -> None:
    history(engine, cloud)
    for n in range(40):  # beyond what one output keeps in its own item
        come(engine, "ships", "NA", "22-03-2020", event=f"more-{n}")
    client = Counting(cloud.session.client("dynamodb"))
    snapshot = Snapshot(deployment.table, client)  # type: ignore[arg-type]
    assert client.calls == ["scan"]
    ledger = deployment.ledger
    outputs = sorted(ledger.outputs(), key=lambda o: o.partition)
    assert len(outputs) == 5
    assert sorted(map(repr, snapshot.outputs())) == sorted(map(repr, outputs))
    assert list(snapshot.outputs("monthly")) == list(ledger.outputs("monthly")) == []
    assert {repr(o) for o in snapshot.unsettled()} == {repr(o) for o in ledger.unsettled()} != set()
    node = engine.program.nodes["daily"]
    for arrival_index in node.join.arrival_indexes:
        assert sorted(map(repr, snapshot.arrivals(arrival_index))) == sorted(
            map(repr, ledger.arrivals(arrival_index))
        )
    of_snapshot = Engine(deployment.routes, snapshot).pending()
    assert of_snapshot == Engine(deployment.routes, ledger).pending()
    assert len(of_snapshot) == 1
    assert client.calls == ["scan"]
