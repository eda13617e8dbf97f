"""A DynamoDB in this process, and both ledgers behind one fixture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from support.aws import empty_account

from benchmarks._dynamodb import DynamoDB
from rheo_runtime import wire
from rheo_runtime.dynamodb import DynamoLedger, create_table
from rheo_runtime.ledger import Ledger
from rheo_runtime.memory import MemoryLedger

from .tables import Bench, Make

TABLE = "ledger"


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with empty_account(monkeypatch):
        client = boto3.client("dynamodb")
        create_table(TABLE, client)
        yield client


@pytest.fixture(params=["memory", pytest.param("dynamodb", marks=pytest.mark.slow), "stand-in"])
def make_ledger(request: pytest.FixtureRequest) -> Callable[[Callable[[], float]], Ledger]:
    """Clock -> a ledger; called again, another handle on the same state."""
    if request.param == "memory":
        ledger = MemoryLedger()
        return lambda now: ledger
    client: Any = DynamoDB()
    if request.param == "dynamodb":
        client = request.getfixturevalue("dynamodb")
    else:
        create_table(TABLE, client)
    return lambda now: DynamoLedger(TABLE, client, now)


@pytest.fixture
def bench(make_ledger: Callable[[Callable[[], float]], Ledger]) -> Make:
    """Routes -> a bench, on each ledger."""

    def make(routes: wire.RouteTable, storage: Any = None) -> Bench:
        clock: list[Bench] = []
        clock.append(Bench(routes, make_ledger(lambda: clock[0].time), storage))
        return clock[0]

    return make
