"""A DynamoDB in this process, and both ledgers behind one fixture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from hypothesis import settings
from moto import mock_aws

from benchmarks._dynamodb import DynamoDB
from rheo_runtime.dynamo import DynamoLedger
from rheo_runtime.dynamo_table import create_table
from rheo_runtime.ledger import Ledger, MemoryLedger

TABLE = "ledger"

# How long an example takes says more of the machine than of the code.
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("dynamodb")
        create_table(TABLE, client)
        yield client


@pytest.fixture(params=["memory", "dynamodb", "stand-in"])
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
