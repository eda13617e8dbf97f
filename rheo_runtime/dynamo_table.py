"""The ledger's table: how it is made, and the client that reaches it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

STATUSES = "statuses"  # the index of outputs by node, which holds of each its state alone
TODO = "todo"  # the index of what the sweeper may have to act on, by its kind: sparse, and keys alone


def create_table(table: str, client: DynamoDBClient | None = None) -> None:
    """Create the ledger's table, with expiry, unless it exists: for tests and the local stack."""
    client = make_client() if client is None else client
    try:
        client.create_table(
            TableName=table,
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
                {"AttributeName": "node", "AttributeType": "S"},
                {"AttributeName": TODO, "AttributeType": "S"},
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": STATUSES,
                    # No partition in its key: there it could be neither empty nor long.
                    "KeySchema": [{"AttributeName": "node", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["p", "state"]},
                },
                {
                    "IndexName": TODO,
                    "KeySchema": [{"AttributeName": TODO, "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                },
            ],
            BillingMode="PAY_PER_REQUEST",
        )
    except client.exceptions.ResourceInUseException:
        return
    client.update_time_to_live(
        TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"}
    )


def make_client() -> DynamoDBClient:
    import boto3
    from botocore.config import Config

    # A request that hangs must not take the listener's whole time: its event is delivered again anyway.
    config = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "max_attempts": 4})
    return boto3.client("dynamodb", config=config)
