"""A DynamoDB whose eventually consistent reads lag."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks._dynamodb import DynamoDB, Item, Key


class Lagging(DynamoDB):
    """A DynamoDB whose eventually consistent reads may show an output as it was before its last change.

    ("Read consistency", DynamoDB's developer guide: the answer may not reflect what a write has just changed.) ``lags``
    says whether the next read does.
    """

    def __init__(self, lags: Callable[[], bool] = lambda: False) -> None:
        super().__init__()
        self.lags = lags
        self.before: dict[Key, Item | None] = {}

    def _write(self, table: str, key: Key, old: Item | None, new: Item) -> None:
        super()._write(table, key, old, new)
        if key[0].startswith("O|"):
            self.before[key] = old

    def get_item(self, TableName: str, Key: Item, ConsistentRead: bool = False) -> Any:
        key = Key["pk"]["S"], Key["sk"]["S"]
        if ConsistentRead or key not in self.before or not self.lags():
            return super().get_item(TableName, Key, ConsistentRead)
        item = self.before[key]
        self._read([item or {}], ConsistentRead)
        return {} if item is None else {"Item": dict(item)}
