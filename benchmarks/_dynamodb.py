"""The DynamoDB calls that the ledger makes, in memory: a stand-in for soaks, where moto is too slow.

It knows the forms of expressions that the ledger writes and refuses all others. The tests of the ledger's
protocol run on it as they run on moto. It counts what DynamoDB would bill: write units of 1 kB, of the
table and of its index, and read units of 4 kB.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Item = dict[str, Any]
Key = tuple[str, str]
_INDEXED = ("node", "p", "state")  # what the index of statuses holds
_ASSIGNED = re.compile(r"(\S+) = (?:(:\w+)|if_not_exists\((\S+), (:\w+)\))$")


class ConditionalCheckFailedException(Exception):
    """The condition of a write does not hold."""


class ResourceInUseException(Exception):
    """The table is there."""


class _Exceptions:
    ConditionalCheckFailedException = ConditionalCheckFailedException
    ResourceInUseException = ResourceInUseException


class DynamoDB:
    """One account's tables, with the methods of boto3's client that the ledger uses.

    >>> db = DynamoDB()
    >>> db.create_table(TableName="t")
    {}
    >>> _ = db.put_item(TableName="t", Item={"pk": {"S": "a"}, "sk": {"S": "."}})
    >>> db.get_item(TableName="t", Key={"pk": {"S": "a"}, "sk": {"S": "."}})["Item"]["pk"]
    {'S': 'a'}
    """

    exceptions = _Exceptions

    def __init__(self) -> None:
        self.tables: dict[str, dict[Key, Item]] = {}
        self.groups: dict[str, dict[str, dict[Key, Item]]] = {}  # by the first letter of pk: a scan's prefix
        self.rows: dict[str, dict[str, dict[Key, Item]]] = {}  # by pk
        self.units: Counter[str] = Counter()

    # --- tables ------------------------------------------------------------------------------------

    def create_table(self, TableName: str, **_: Any) -> Item:
        if TableName in self.tables:
            raise ResourceInUseException
        self.tables[TableName], self.groups[TableName], self.rows[TableName] = {}, {}, {}
        return {}

    def delete_table(self, TableName: str) -> Item:
        del self.tables[TableName], self.groups[TableName], self.rows[TableName]
        return {}

    def update_time_to_live(self, **_: Any) -> Item:
        return {}

    # --- items -------------------------------------------------------------------------------------

    def get_item(self, TableName: str, Key: Item, ConsistentRead: bool = False) -> Item:
        item = self.tables[TableName].get(_key(Key))
        self._read(item)
        return {} if item is None else {"Item": dict(item)}

    def batch_get_item(self, RequestItems: Mapping[str, Any]) -> Item:
        ((table, wanted),) = RequestItems.items()
        if len(wanted["Keys"]) > 100:
            raise ValueError("a batch has at most 100 keys")
        answers = [self.get_item(table, key) for key in wanted["Keys"]]
        return {"Responses": {table: [a["Item"] for a in answers if a]}, "UnprocessedKeys": {}}

    def put_item(self, TableName: str, Item: Item) -> Item:
        self._write(TableName, _key(Item), None, dict(Item))
        return {}

    def delete_item(self, TableName: str, Key: Item) -> Item:
        key = _key(Key)
        self.units["write"] += 1
        old = self.tables[TableName].pop(key, None)
        if old is not None:
            self.units["index"] += "todo" in old
            del self.groups[TableName][key[0][0]][key]
            del self.rows[TableName][key[0]][key]
        return {}

    def update_item(
        self,
        TableName: str,
        Key: Item,
        UpdateExpression: str,
        ConditionExpression: str | None = None,
        ExpressionAttributeNames: Mapping[str, str] | None = None,
        ExpressionAttributeValues: Mapping[str, Any] | None = None,
        ReturnValues: str = "NONE",
    ) -> Item:
        names, values = ExpressionAttributeNames or {}, ExpressionAttributeValues or {}
        key = _key(Key)
        old = self.tables[TableName].get(key)
        if ConditionExpression and not _holds(ConditionExpression, old or {}, names, values):
            self.units["write"] += 1  # a refused write is billed as well
            raise ConditionalCheckFailedException
        new = dict(Key) if old is None else dict(old)
        for word, clause in _clauses(UpdateExpression):
            _CLAUSES[word](new, clause, names, values)
        if set(names) - set(re.findall(r"#\w+", f"{UpdateExpression} {ConditionExpression}")):
            raise ValueError("a name that is not used")
        self._write(TableName, key, old, new)
        return {"Attributes": dict(new)} if ReturnValues == "ALL_NEW" else {}

    def get_paginator(self, name: str) -> _Pages:
        calls: dict[str, Callable[..., Item]] = {"query": self.query, "scan": self.scan}
        return _Pages(calls[name])

    def query(
        self, TableName: str, ExpressionAttributeValues: Item, IndexName: str = "", **more: Any
    ) -> Item:
        if IndexName:
            match = re.fullmatch(r"#?(node|todo) = (:\w+)", more["KeyConditionExpression"])
            if match is None or {"node": "statuses"}.get(match[1], match[1]) != IndexName:
                raise ValueError(f"unknown: {more['KeyConditionExpression']}")
            wanted = ExpressionAttributeValues[match[2]]
            items = [i for i in self.tables[TableName].values() if i.get(match[1]) == wanted]
        else:
            if more["KeyConditionExpression"] != "pk = :pk":
                raise ValueError(f"unknown: {more['KeyConditionExpression']}")
            items = list(self.rows[TableName].get(ExpressionAttributeValues[":pk"]["S"], {}).values())
        for item in items:
            self._read(item)
        return {"Items": [dict(item) for item in items]}

    def scan(
        self,
        TableName: str,
        FilterExpression: str = "",
        ExpressionAttributeValues: Item | None = None,
        IndexName: str = "",
        **_: Any,
    ) -> Item:
        self.units["scan"] += 1
        if IndexName:
            return {"Items": [dict(i) for i in self.tables[TableName].values() if "state" in i]}
        if FilterExpression != "begins_with(pk, :prefix)":
            raise ValueError(f"unknown: {FilterExpression}")
        prefix = (ExpressionAttributeValues or {})[":prefix"]["S"]
        group = self.groups[TableName].get(prefix[0], {})
        found = [i for (pk, _), i in group.items() if pk.startswith(prefix)]
        return {"Items": [dict(item) for item in found]}

    # --- accounts ----------------------------------------------------------------------------------

    def _write(self, table: str, key: Key, old: Item | None, new: Item) -> None:
        self.tables[table][key] = new
        self.groups[table].setdefault(key[0][0], {})[key] = new
        self.rows[table].setdefault(key[0], {})[key] = new
        self.units["write"] += max(1, -(-max(_size(new), _size(old or {})) // 1024))
        before = [(old or {}).get(name) for name in _INDEXED]
        after = [new.get(name) for name in _INDEXED]
        self.units["index"] += before != after and None not in after
        self.units["index"] += (old or {}).get("todo") != new.get("todo")

    def _read(self, item: Item | None) -> None:
        self.units["read"] += max(1, -(-_size(item or {}) // 4096))


class _Pages:
    def __init__(self, call: Callable[..., Item]) -> None:
        self.call = call

    def paginate(self, **arguments: Any) -> Iterator[Item]:
        yield self.call(**arguments)


def _key(item: Mapping[str, Any]) -> Key:
    return item["pk"]["S"], item["sk"]["S"]


def _size(item: Mapping[str, Any]) -> int:
    """Bytes as DynamoDB counts them, nearly: names and values."""
    return sum(len(name) + _value_size(value) for name, value in item.items())


def _value_size(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    if kind == "S":
        return len(content.encode())
    return sum(map(len, content)) if kind == "NS" else len(content) if kind in "BN" else 1


def _clauses(expression: str) -> Iterator[tuple[str, str]]:
    words = re.split(r"\b(SET|ADD|REMOVE) ", expression)
    if words[0]:
        raise ValueError(f"unknown: {expression}")
    yield from zip(words[1::2], map(str.strip, words[2::2]), strict=True)


def _set(item: Item, clause: str, names: Mapping[str, str], values: Mapping[str, Any]) -> None:
    for one in re.split(r", (?![^(]*\))", clause):
        match = _ASSIGNED.fullmatch(one)
        if match is None:
            raise ValueError(f"unknown: {one}")
        name, value, existing, default = match.groups()
        name = names.get(name, name)
        if value is not None:
            item[name] = values[value]
        else:
            item[name] = item.get(names.get(existing, existing), values[default])


def _add(item: Item, clause: str, names: Mapping[str, str], values: Mapping[str, Any]) -> None:
    name, value = clause.split(" ")
    ((kind, content),) = values[value].items()
    name = names.get(name, name)
    if kind == "N":
        item[name] = {"N": repr(int(item.get(name, {"N": "0"})["N"]) + int(content))}
    elif kind == "NS":
        item[name] = {"NS": sorted({*item.get(name, {"NS": []})["NS"], *content})}
    else:
        raise ValueError(f"unknown: {clause}")


def _remove(item: Item, clause: str, names: Mapping[str, str], values: Mapping[str, Any]) -> None:
    for name in clause.split(", "):
        item.pop(names.get(name, name), None)


_CLAUSES = {"SET": _set, "ADD": _add, "REMOVE": _remove}


def _holds(condition: str, item: Item, names: Mapping[str, str], values: Mapping[str, Any]) -> bool:
    return any(_one_holds(one, item, names, values) for one in condition.split(" OR "))


def _one_holds(condition: str, item: Item, names: Mapping[str, str], values: Mapping[str, Any]) -> bool:
    if match := re.fullmatch(r"attribute_not_exists\((\S+)\)", condition):
        return names.get(match[1], match[1]) not in item
    if match := re.fullmatch(r"(\S+) (=|<) (:\w+)", condition):
        name = names.get(match[1], match[1])
        if name not in item:
            return False
        have, want = (float(value["N"]) for value in (item[name], values[match[3]]))
        return have == want if match[2] == "=" else have < want
    raise ValueError(f"unknown: {condition}")
