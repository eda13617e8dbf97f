"""The DynamoDB calls that the ledger makes, in memory: a stand-in for soaks, where moto is too slow.

It knows the forms of expressions that the ledger writes and refuses all others. The tests of the ledger's
protocol run on it as they run on moto.

It counts what DynamoDB would bill, by the rules of its developer guide ("Capacity unit consumption for
operations", "Provisioned throughput considerations for global secondary indexes"). A write takes one unit for
each begun kB of the item, the larger one of before and after; one that its condition refuses takes as much.
A strongly consistent read takes one unit for each begun 4 kB, a query for those of all its items together, one
of nothing takes one unit, and an eventually consistent one half of that. An index takes a unit for each begun
kB of what it holds of an item, only where that changes: one to put, to take away or to change it, two where its
key changes. An item that is larger than DynamoDB's is refused. Expiry is free. The ledger makes no transactions, which would take twice as much.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

LARGEST = 400 * 1024  # bytes of an item: names and values ("Quotas in Amazon DynamoDB")
Item = dict[str, Any]
Key = tuple[str, str]
_ASSIGNED = re.compile(r"(\S+) = (?:(:\w+)|if_not_exists\((\S+), (:\w+)\))$")


class ConditionalCheckFailedException(Exception):
    """The condition of a write does not hold."""


class TooLarge(Exception):
    """DynamoDB takes no item as large as that."""


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
        self.indexes: dict[str, list[_Index]] = {}
        self.units: defaultdict[str, float] = defaultdict(int)
        self.largest: dict[str, int] = {}  # bytes of the largest item so far, by the first letter of pk

    # --- tables ------------------------------------------------------------------------------------

    def create_table(
        self, TableName: str, GlobalSecondaryIndexes: Sequence[Mapping[str, Any]] = (), **_: Any
    ) -> Item:
        if TableName in self.tables:
            raise ResourceInUseException
        self.indexes[TableName] = [_Index(one) for one in GlobalSecondaryIndexes]
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
        self._read([item or {}], ConsistentRead)
        return {} if item is None else {"Item": dict(item)}

    def batch_get_item(self, RequestItems: Mapping[str, Any]) -> Item:
        ((table, wanted),) = RequestItems.items()
        if len(wanted["Keys"]) > 100:
            raise ValueError("a batch has at most 100 keys")
        consistent = wanted.get("ConsistentRead", False)
        answers = [self.get_item(table, key, consistent) for key in wanted["Keys"]]
        return {"Responses": {table: [a["Item"] for a in answers if a]}, "UnprocessedKeys": {}}

    def put_item(self, TableName: str, Item: Item) -> Item:
        key = _key(Item)
        self._write(TableName, key, self.tables[TableName].get(key), dict(Item))
        return {}

    def delete_item(
        self,
        TableName: str,
        Key: Item,
        ConditionExpression: str | None = None,
        ExpressionAttributeValues: Mapping[str, Any] | None = None,
    ) -> Item:
        key = _key(Key)
        old = self.tables[TableName].get(key)
        if ConditionExpression and not _holds(
            ConditionExpression, old or {}, {}, ExpressionAttributeValues or {}
        ):
            self.units["write"] += _begun(_size(old or {}), 1024)  # a refused write is billed as well
            raise ConditionalCheckFailedException
        self.tables[TableName].pop(key, None)
        self._bill(TableName, old, None)
        if old is not None:
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
            self.units["write"] += _begun(_size(old or {}), 1024)  # a refused write is billed as well
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
        match = re.fullmatch(r"#?(\w+) = (:\w+)", more["KeyConditionExpression"])
        if match is None:
            raise ValueError(f"unknown: {more['KeyConditionExpression']}")
        wanted = ExpressionAttributeValues[match[2]]
        if IndexName:
            if more.get("ConsistentRead"):
                raise ValueError("an index is not read consistently")
            (index,) = (one for one in self.indexes[TableName] if one.name == IndexName)
            if match[1] != index.key:
                raise ValueError(f"{match[1]} is not the key of {IndexName}")
            found = (index.held(i) for i in self.tables[TableName].values() if i.get(match[1]) == wanted)
            items = [item for item in found if item is not None]
        else:
            if match[1] != "pk":
                raise ValueError(f"unknown: {more['KeyConditionExpression']}")
            items = [dict(i) for i in self.rows[TableName].get(wanted["S"], {}).values()]
        self._read(items, bool(more.get("ConsistentRead")))
        return {"Items": items}

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
            (index,) = (one for one in self.indexes[TableName] if one.name == IndexName)
            items = [index.held(item) for item in self.tables[TableName].values()]
            return {"Items": [item for item in items if item is not None]}
        values = dict(ExpressionAttributeValues or {})
        if FilterExpression != " OR ".join(f"begins_with(pk, {name})" for name in values):
            raise ValueError(f"unknown: {FilterExpression}")
        prefixes = tuple(value["S"] for value in values.values())
        groups = [self.groups[TableName].get(letter, {}) for letter in {prefix[0] for prefix in prefixes}]
        found = [i for group in groups for (pk, _), i in group.items() if pk.startswith(prefixes)]
        return {"Items": [dict(item) for item in found]}

    # --- accounts ----------------------------------------------------------------------------------

    def _write(self, table: str, key: Key, old: Item | None, new: Item) -> None:
        size = _size(new)
        if size > LARGEST:
            raise TooLarge(f"{key[0][:60]}: an item of {size:,} bytes")
        self.largest[key[0][0]] = max(self.largest.get(key[0][0], 0), size)
        self.tables[table][key] = new
        self.groups[table].setdefault(key[0][0], {})[key] = new
        self.rows[table].setdefault(key[0], {})[key] = new
        self._bill(table, old, new)

    def _bill(self, table: str, old: Item | None, new: Item | None) -> None:
        self.units["write"] += _begun(max(_size(new or {}), _size(old or {})), 1024)
        for index in self.indexes[table]:
            self.units["index"] += index.units(old, new)

    def _read(self, items: Sequence[Item], consistent: bool) -> None:
        self.units["read"] += _begun(sum(map(_size, items)), 4096) * (1 if consistent else 0.5)


class _Index:
    """A further index: what it holds of an item, and what a change of the item costs it."""

    def __init__(self, described: Mapping[str, Any]) -> None:
        self.name: str = described["IndexName"]
        (self.key,) = (part["AttributeName"] for part in described["KeySchema"])
        self.kept = {"pk", "sk", self.key, *described["Projection"].get("NonKeyAttributes", ())}

    def held(self, item: Item | None) -> Item | None:
        """What the index holds of an item; None where the item lacks the key."""
        if item is None or self.key not in item:
            return None
        return {name: value for name, value in item.items() if name in self.kept}

    def units(self, old: Item | None, new: Item | None) -> int:
        """What a change costs."""
        before, after = self.held(old), self.held(new)
        if before == after:
            return 0
        if before is not None and after is not None and before[self.key] == after[self.key]:
            return _begun(max(_size(before), _size(after)), 1024)
        return sum(_begun(_size(one), 1024) for one in (before, after) if one is not None)


class _Pages:
    def __init__(self, call: Callable[..., Item]) -> None:
        self.call = call

    def paginate(self, **arguments: Any) -> Iterator[Item]:
        yield self.call(**arguments)


def _key(item: Mapping[str, Any]) -> Key:
    return item["pk"]["S"], item["sk"]["S"]


def _begun(size: int, unit: int) -> int:
    """How many units a size has, the last one perhaps begun only: at least one."""
    return max(1, -(-size // unit))


def _size(item: Mapping[str, Any]) -> int:
    """Bytes as DynamoDB counts them: names and values."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    if kind == "S":
        return len(content.encode())
    if kind == "B":
        return len(content)
    if kind == "NS":
        return sum(map(_number_size, content))
    return _number_size(content) if kind == "N" else 1


def _number_size(text: str) -> int:
    """One byte for two significant digits, and one more."""
    return sum(c.isdigit() for c in text.strip("0.-")) // 2 + 2


def _clauses(expression: str) -> Iterator[tuple[str, str]]:
    words = re.split(r"\b(SET|ADD|REMOVE|DELETE) ", expression)
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


def _delete(item: Item, clause: str, names: Mapping[str, str], values: Mapping[str, Any]) -> None:
    name, value = clause.split(" ")
    name = names.get(name, name)
    left = [n for n in item.get(name, {"NS": []})["NS"] if n not in values[value]["NS"]]
    item.pop(name, None)
    if left:  # a set is never empty
        item[name] = {"NS": left}


_CLAUSES = {"SET": _set, "ADD": _add, "REMOVE": _remove, "DELETE": _delete}


def _holds(condition: str, item: Item, names: Mapping[str, str], values: Mapping[str, Any]) -> bool:
    if " AND " in condition:
        return all(_one_holds(one, item, names, values) for one in condition.split(" AND "))
    return any(_one_holds(one, item, names, values) for one in condition.split(" OR "))


def _one_holds(condition: str, item: Item, names: Mapping[str, str], values: Mapping[str, Any]) -> bool:
    if match := re.fullmatch(r"attribute_not_exists\((\S+)\)", condition):
        return names.get(match[1], match[1]) not in item
    if match := re.fullmatch(r"(\S+) (=|<|<=) (:\w+)", condition):
        name = names.get(match[1], match[1])
        if name not in item:
            return False
        if match[2] == "=" and "S" in values[match[3]]:
            return bool(item[name] == values[match[3]])
        have, want = (float(value["N"]) for value in (item[name], values[match[3]]))
        return {"=": have == want, "<": have < want, "<=": have <= want}[match[2]]
    raise ValueError(f"unknown: {condition}")
