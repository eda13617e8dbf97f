"""The index of the ledger's table -> the statuses of a node's outputs, or of all.

The outputs themselves hold their executions, a hundred times as much to read. The index lags the table by
moments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rheo_runtime.dynamo_table import STATUSES
from rheo_runtime.status import Status

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


def read_statuses(client: DynamoDBClient, table: str, node: str | None) -> list[Status]:
    """Return the statuses of the outputs of one node; of all, when none is given."""
    pages: Iterable[Mapping[str, Any]]
    if node is None:
        pages = client.get_paginator("scan").paginate(TableName=table, IndexName=STATUSES)
    else:
        pages = client.get_paginator("query").paginate(
            TableName=table,
            IndexName=STATUSES,
            KeyConditionExpression="#node = :node",
            ExpressionAttributeNames={"#node": "node"},
            ExpressionAttributeValues={":node": {"S": node}},
        )
    return [
        Status(item["node"]["S"], item["p"]["S"], item["state"]["S"])
        for page in pages
        for item in page["Items"]
    ]
