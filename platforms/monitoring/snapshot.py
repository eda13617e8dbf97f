"""A ledger in DynamoDB -> the whole of it as it is now, read by one scan: for questions about many things."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from rheo_runtime.dynamo import DynamoLedger

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

Item = Mapping[str, Any]


class Snapshot(DynamoLedger):
    """What a ledger held when this was made; it is only read.

    What waits for a node is found from all arrivals of all its inputs. Asked of the table, each input
    costs a scan of everything.
    """

    def __init__(self, table: str, client: DynamoDBClient) -> None:
        super().__init__(table, client)
        self._items: dict[str, list[Item]] = defaultdict(list)
        for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
            for item in page["Items"]:
                self._items[item["pk"]["S"]].append(item)
        self._keys = sorted(self._items)

    def _get(self, key: Mapping[str, Any]) -> Item | None:
        return next((item for item in self._items.get(key["pk"]["S"], ()) if item["sk"] == key["sk"]), None)

    def _get_many(self, keys: Sequence[dict[str, Any]]) -> Iterator[Item]:
        return (item for key in keys if (item := self._get(key)) is not None)

    def _query(self, pk: str) -> Iterator[Item]:
        return iter(sorted(self._items.get(pk, ()), key=lambda item: str(item["sk"]["S"])))

    def _todo(self, kind: str) -> Iterator[Item]:
        return (i for pk in self._keys for i in self._items[pk] if i.get("todo") == {"S": kind})

    def _scan(self, prefix: str) -> Iterator[Item]:
        for pk in islice(self._keys, bisect_left(self._keys, prefix), None):
            if not pk.startswith(prefix):
                return
            yield from self._items[pk]
