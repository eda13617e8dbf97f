"""What we change of moto, so that it is sooner: how things are found, never what is found.

It is made for tests of a few items: a query of DynamoDB looks at a whole table, a list of S3 at a whole bucket, which takes
seconds where there are ten thousand. Here a query is given the items that have its key, a list the keys that it may show;
moto's own code decides, sorts, cuts into pages and answers as ever.
"""

from __future__ import annotations

import copy
import time
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from itertools import islice, takewhile
from typing import Any
from weakref import WeakKeyDictionary

from moto.core import responses  # noqa: TID253 - this module is for the process that runs moto
from moto.core.common_models import BaseModel  # noqa: TID253
from moto.core.model import StructureShape  # noqa: TID253
from moto.core.serialize import BaseJSONSerializer  # noqa: TID253
from moto.core.utils import method_names_from_class, unix_time_millis  # noqa: TID253
from moto.dynamodb.models.dynamo_type import DynamoType, Item  # noqa: TID253
from moto.dynamodb.models.table import Table  # noqa: TID253
from moto.s3 import models as s3  # noqa: TID253
from moto.s3.models import FakeDeleteMarker, S3Backend  # noqa: TID253
from moto.s3.utils import _VersionedKeyStore  # noqa: TID253
from moto.sqs import models as sqs  # noqa: TID253

Key = tuple[DynamoType, DynamoType | None]


def install() -> None:
    """Make the changes, in this process."""
    for owner, name, ours in CHANGES:
        setattr(owner, name, ours)


# --- DynamoDB ---


class Index:
    """Which items of a table have which text, for each attribute that was asked for.

    Each place where moto changes an item asks the table for it first: what was ``asked`` for since the last query is looked
    at anew. An item that has lost a text is found under it once more, and is forgotten there.
    """

    def __init__(self) -> None:
        self.asked: dict[Key, None] = {}
        self._keys: dict[str, dict[str, dict[Key, None]]] = {}  # attribute -> text -> keys of items

    def having(self, table: Table, attribute: str, text: str) -> dict[Any, Any]:
        """Return the items that have a text, as a table keeps its items."""
        self._note(table, self.asked, self._keys)
        self.asked.clear()
        if attribute not in self._keys:
            self._keys[attribute] = {}
            self._note(table, map(_key, _items(table)), (attribute,))
        keys = self._keys[attribute].get(text, {})
        found: dict[Any, Any] = {}
        for key in list(keys):
            item = _at(table, key)
            if item is None or _text(item.attrs.get(attribute)) != text:
                del keys[key]
            elif table.range_key_attr is None:
                found[key[0]] = item
            else:
                found.setdefault(key[0], {})[key[1]] = item
        return found

    def _note(self, table: Table, keys: Iterable[Key], attributes: Iterable[str]) -> None:
        for key in keys:
            item = _at(table, key)
            for attribute in () if item is None else attributes:
                if (text := _text(item.attrs.get(attribute))) is not None:
                    self._keys[attribute].setdefault(text, {})[key] = None


_indexes: WeakKeyDictionary[Table, Index] = WeakKeyDictionary()
_get_item, _put_item, _query = Table.get_item, Table.put_item, Table.query


def _get(self: Table, hash_key: DynamoType, range_key: DynamoType | None = None, *args: Any) -> Item | None:
    item = _get_item(self, hash_key, range_key, *args)
    if item is not None:
        _indexes.setdefault(self, Index()).asked[hash_key, range_key] = None
    return item


def _put(self: Table, *args: Any, **kwargs: Any) -> Item:
    item = _put_item(self, *args, **kwargs)
    _indexes.setdefault(self, Index()).asked[_key(item)] = None
    return item


def _query_part(self: Table, hash_key: DynamoType | None, *args: Any, **kwargs: Any) -> Any:
    part = copy.copy(self)
    conditions: Sequence[tuple[str, DynamoType]] = kwargs.get("hash_key_conditions") or ()
    if args[_INDEX_NAME]:
        if conditions and (text := _text(conditions[0][1])) is not None:
            part.items = _indexes.setdefault(self, Index()).having(self, conditions[0][0], text)  # type: ignore[assignment]
    elif hash_key is not None and hash_key.type == self.hash_key_type:
        part.items = {hash_key: self.items[hash_key]} if hash_key in self.items else {}  # type: ignore[assignment]
    return _query(part, hash_key, *args, **kwargs)


_INDEX_NAME = 6  # its place among the arguments behind the hash key


def _all_items(self: Table) -> list[Item]:
    """Sort as moto does, by values that are read once: types of keys do not differ."""
    return sorted(_items(self), key=lambda item: [key.cast_value for key in _key(item) if key is not None])


def _sorted_items(
    self: Table, hash_key_attrs: list[str], range_key_attrs: list[str | None], items: list[Item]
) -> list[Item]:
    names = self._generate_attr_to_sort_by(hash_key_attrs, range_key_attrs)
    items.sort(key=lambda item: [item.attrs[name].cast_value for name in names])
    return items


def _items(table: Table) -> Iterator[Any]:
    for found in table.items.values():
        if table.range_key_attr is None:
            yield found
        else:
            yield from found.values()


def _at(table: Table, key: Key) -> Any:
    found: Any = table.items.get(key[0])
    return found if table.range_key_attr is None or found is None else found.get(key[1])


def _key(item: Item) -> Key:
    return item.hash_key, item.range_key


def _text(value: DynamoType | None) -> str | None:
    """What a text is; None for all else."""
    return value.value if value is not None and value.type == "S" and isinstance(value.value, str) else None


# --- S3 ---


class SortedKeys(_VersionedKeyStore):
    """The objects of a bucket, and their names in order."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __setitem__(self, key: str, value: Any) -> None:
        self._add(key)
        super().__setitem__(key, value)

    def setlist(self, key: Any, list_: Any) -> None:
        self._add(key)
        super().setlist(key, list_)

    def pop(self, key: str) -> None:  # type: ignore[override]
        super().pop(key)
        del self.names[bisect_left(self.names, key)]

    def _add(self, key: str) -> None:
        if key not in self:
            insort(self.names, key)

    def among(self, prefix: str, after: str = "") -> Iterator[str]:
        """Yield the names that begin with a prefix, and come after another name."""
        begin = max(bisect_left(self.names, prefix), bisect_right(self.names, after) if after else 0)
        names = (self.names[place] for place in range(begin, len(self.names)))
        return takewhile(lambda name: name.startswith(prefix), names)


_list_objects, _list_objects_v2 = S3Backend.list_objects, S3Backend.list_objects_v2


def _list(self: S3Backend, bucket: Any, prefix: str | None, *args: Any, **kwargs: Any) -> Any:
    names = bucket.keys.among(prefix or "") if isinstance(bucket.keys, SortedKeys) else bucket.keys
    return _list_objects(self, _with_keys(bucket, names), prefix, *args, **kwargs)


def _list_v2(
    self: S3Backend,
    bucket: Any,
    prefix: str | None,
    delimiter: str | None,
    continuation_token: str | None,
    start_after: str | None,
    max_keys: int,
) -> Any:
    after = self._pagination_tokens.get(continuation_token) if continuation_token else start_after
    if not delimiter and (after or not continuation_token) and isinstance(bucket.keys, SortedKeys):
        shown = (n for n in bucket.keys.among(prefix or "", after or "") if not _deleted(bucket.keys[n]))
        bucket = _with_keys(bucket, islice(shown, max_keys + 1))  # one more says that there are more
    return _list_objects_v2(self, bucket, prefix, delimiter, continuation_token, start_after, max_keys)


def _with_keys(bucket: Any, names: Iterable[str]) -> Any:
    part = copy.copy(bucket)
    part.keys = {name: bucket.keys[name] for name in names}
    return part


def _deleted(key: Any) -> bool:
    return isinstance(key, FakeDeleteMarker)


def _untracked(cls: type[BaseModel], *_: Any, **__: Any) -> BaseModel:
    """Make an object that moto's dashboard does not know, for which it keeps each item and message there ever was."""
    made: BaseModel = object.__new__(cls)
    return made


# --- answers ---

_structure = BaseJSONSerializer._serialize_type_structure


def _serialize_structure(
    self: BaseJSONSerializer, serialized: Any, value: Any, shape: StructureShape, key: str
) -> None:
    """Write a value of DynamoDB by the member that it has; moto looks for each of the ten under several names."""
    known = shape.name == "AttributeValue" and type(value) is dict and value.keys() <= shape.members.keys()
    if not known or not key:
        _structure(self, serialized, value, shape, key)
        return
    found: dict[str, Any] = {}
    for name, member in value.items():
        if member is not None:
            self._serialize(found, member, shape.members[name], name)
    self._default_serialize(serialized, found, shape, key)


# --- SQS ---


def _milliseconds(moment: datetime | None = None) -> float:
    """Tell the time, as moto asks of each message in a queue whenever one is sent; its own way takes 20 times as long."""
    return time.time() * 1000 if moment is None else unix_time_millis(moment)


# Whose attribute, its name, and what it becomes.
CHANGES: tuple[tuple[Any, str, Any], ...] = (
    (Table, "get_item", _get),
    (Table, "put_item", _put),
    (Table, "query", _query_part),
    (Table, "all_items", _all_items),
    (Table, "sorted_items", _sorted_items),
    (S3Backend, "list_objects", _list),
    (S3Backend, "list_objects_v2", _list_v2),
    (s3, "_VersionedKeyStore", SortedKeys),
    (BaseModel, "__new__", _untracked),
    (BaseJSONSerializer, "_serialize_type_structure", _serialize_structure),
    (sqs, "unix_time_millis", _milliseconds),
    (responses, "method_names_from_class", cache(method_names_from_class)),
)
