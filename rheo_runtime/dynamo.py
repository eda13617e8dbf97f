"""The ledger in DynamoDB: every method is one conditional write, or one strongly consistent read.

One table with string keys ``pk`` and ``sk`` and a time to live in ``ttl``. What an item is follows from
the first letter of ``pk``: A arrivals, O outputs, P which partitions exist, W watches, L lapses. A
partition in a key is its JSON. Nothing is locked, and nothing is a transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rheo_runtime.dynamo_items import (
    EVENT,
    USED,
    arrivals_of,
    digest,
    encode,
    event_name,
    from_item,
    output_body,
    output_of,
    used_of,
    used_text,
    watch_of,
)
from rheo_runtime.dynamo_keys import (
    arrivals_pk,
    lapse_key,
    number,
    output_key,
    row_key,
    sort_key,
    spilled_key,
    watch_key,
    watch_pk,
)
from rheo_runtime.dynamo_statuses import read_statuses
from rheo_runtime.dynamo_table import TODO, make_client
from rheo_runtime.ledger import REMEMBERED
from rheo_runtime.records import (
    CHUNK,
    Arrivals,
    Binding,
    Key,
    Mark,
    Output,
    Partial,
    Slot,
    Used,
    Watch,
    unsettled,
)
from rheo_runtime.status import Status, status_of
from rheo_runtime.values import Partition

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

OUTPUTS, WATCHES = "O", "W"  # the kinds of what the sweeper may have to act on
SPILL = 16  # bindings whose use is kept in the item of their output; beyond, each has its own item
KEEP = 400 * 86400  # seconds that a spilled item outlives its last firing: longer than any arrival counts
SLACK = 86400  # DynamoDB may take that long to delete an expired item, and may not be early

Item = Mapping[str, Any]


class DynamoLedger:
    """A ledger in a DynamoDB table.

    Parameters
    ----------
    table
        The table's name.
    client
        boto3's client; made from the environment when left out.
    now
        The clock, in seconds since 1970.
    """

    def __init__(
        self, table: str, client: DynamoDBClient | None = None, now: Callable[[], float] = time.time
    ) -> None:
        self.table = table
        self.client = make_client() if client is None else client
        self.now = now
        self._seen: dict[tuple[str, Key, int], int] = {}  # existence never ends, so it may be remembered

    # --- arrivals ------------------------------------------------------------------------------

    def arrive(
        self,
        slot: Slot,
        keys: tuple[Key, ...],
        partition: Partition,
        event_id: str,
        now: float,
        texts: tuple[str, ...] | None = None,
    ) -> Arrivals:
        first: Arrivals | None = None
        for index, key in enumerate(keys):
            record = self._arrive(arrivals_pk(slot, index, key), slot, partition, event_id, now, texts)
            first = first or record
        assert first is not None
        return first

    def _arrive(
        self,
        pk: str,
        slot: Slot,
        partition: Partition,
        event_id: str,
        now: float,
        texts: tuple[str, ...] | None,
    ) -> Arrivals:
        """One write for a new event, whether or not its partition is new."""
        sets = ["#e = :now", "since = if_not_exists(since, :now)", "#p = :p", "#ttl = :ttl"]
        values = {
            ":now": number(now),
            ":p": {"S": encode(partition)},
            ":ttl": number(int(now + slot.ttl + SLACK)),
            ":one": number(1),
        }
        if texts is not None:
            sets.append("texts = :texts")
            values[":texts"] = {"S": encode(texts)}
        name = EVENT + event_name(event_id)
        key = {"pk": {"S": pk}, "sk": {"S": sort_key(encode(partition))}}
        try:
            item: Item = self.client.update_item(
                TableName=self.table,
                Key=key,
                UpdateExpression=f"SET {', '.join(sets)} ADD n :one",
                ConditionExpression="attribute_not_exists(#e)",
                ExpressionAttributeNames={"#e": name, "#p": "p", "#ttl": "ttl"},
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
            )["Attributes"]
        except self.client.exceptions.ConditionalCheckFailedException:
            item = self._get(key) or {}
        record = arrivals_of(item, self.now() - slot.ttl) if item else None
        if record is None:  # delivered again after its time to live: it counts no more
            record = Arrivals(partition, event_id, now, texts)
            record.ids = {}
            return record
        if len(record.ids) > REMEMBERED and isinstance(record.ids, dict):
            self._prune(key, record.ids)
        return record

    def _prune(self, key: dict[str, Any], ids: dict[str, float]) -> None:
        """Drop the older half of the event ids of one partition; their count stays."""
        oldest = [EVENT + event for event in list(ids)[: len(ids) // 2]]
        for start in range(0, len(oldest), 100):
            names = {f"#e{i}": name for i, name in enumerate(oldest[start : start + 100])}
            self.client.update_item(
                TableName=self.table,
                Key=key,
                UpdateExpression=f"REMOVE {', '.join(names)}",
                ExpressionAttributeNames=names,
            )

    def find(self, slot: Slot, index: int, key: Key) -> Sequence[Arrivals]:
        if slot.exact:
            record = self.arrived(slot, key, key)
            return () if record is None else (record,)
        oldest, items = self.now() - slot.ttl, self._query(arrivals_pk(slot, index, key))
        return [record for item in items if (record := arrivals_of(item, oldest)) is not None]

    def arrived(self, slot: Slot, key: Key, partition: Partition) -> Arrivals | None:
        pk, sk = arrivals_pk(slot, 0, key), sort_key(encode(partition))
        item = self._get({"pk": {"S": pk}, "sk": {"S": sk}})
        return None if item is None else arrivals_of(item, self.now() - slot.ttl)

    def arrivals(self, slot: Slot) -> Iterable[Arrivals]:
        oldest = self.now() - slot.ttl
        items = self._scan(f"A|{slot.node}|{slot.alias}|{slot.indexes[0]}|")
        return [record for item in items if (record := arrivals_of(item, oldest)) is not None]

    def forget(self, slot: Slot, now: float) -> None:
        """Nothing to do: DynamoDB deletes expired items, and `find` overlooks those that it has not yet."""

    # --- outputs -------------------------------------------------------------------------------

    def output(self, node: str, partition: str, binding: Binding | None) -> tuple[Output | None, Used | None]:
        item = self._get(output_key(node, partition))
        if item is None:
            return None, None
        if binding is None:
            return output_of(item), None
        name = USED + digest(encode(binding))
        used = item.get(name)
        if used is None and "spilled" in item:
            spilled = self._get(spilled_key(node, partition, name))
            used = None if spilled is None else spilled["used"]
        return output_of(item), None if used is None else used_of(used["S"])

    def save(
        self, old: Output | None, new: Output, binding: Binding | None = None, used: Used | None = None
    ) -> bool:
        names = {"#version": "version", "#body": "body", "#at": "at", "#node": "node", "#p": "p"}
        values: dict[str, Any] = {
            ":version": number(new.version),
            ":body": {"B": output_body(new)},
            ":at": number(self.now()),
            ":node": {"S": new.node},
            ":p": {"S": new.partition},
        }
        sets = ["#version = :version", "#body = :body", "#at = :at", "#node = :node", "#p = :p"]
        names["#state"], values[":state"] = "state", {"S": status_of(new).state}
        sets.append("#state = :state")
        removes = []
        names["#todo"] = "todo"
        if unsettled(new):
            values[":todo"] = {"S": OUTPUTS}
            sets.append("#todo = :todo")
        else:
            removes.append("#todo")
        if binding is not None and used is not None:
            names["#used"] = USED + digest(encode(binding))
            values[":used"] = {"S": used_text(used)}
            sets.append("#used = :used")
        if old is None:
            condition = "attribute_not_exists(#version)"
        else:
            condition, values[":old"] = "#version = :old", number(old.version)
        expression = f"SET {', '.join(sets)}" + (f" REMOVE {', '.join(removes)}" if removes else "")
        try:
            item = self.client.update_item(
                TableName=self.table,
                Key=output_key(new.node, new.partition),
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
            )["Attributes"]
        except self.client.exceptions.ConditionalCheckFailedException:
            return False
        self._spill(new, item)
        return True

    def _spill(self, output: Output, item: Item) -> None:
        """Move what many bindings used to items of their own, so that the output's stays small.

        First the copies are written, then the originals removed, if the output is still the same: a
        reader finds one or the other. A late copy never replaces a newer one.
        """
        names = [name for name in item if name.startswith(USED)]
        if len(names) <= SPILL:
            return
        for name in names:
            text = item[name]["S"]
            self._conditionally(
                Key=spilled_key(output.node, output.partition, name),
                UpdateExpression="SET used = :used, fired = :fired, #ttl = :ttl",
                ConditionExpression="attribute_not_exists(fired) OR fired < :fired",
                ExpressionAttributeNames={"#ttl": "ttl"},
                ExpressionAttributeValues={
                    ":used": {"S": text},
                    ":fired": number(used_of(text)[0]),
                    ":ttl": number(int(self.now() + KEEP)),
                },
            )
        originals = {f"#u{i}": name for i, name in enumerate(names)}
        self._conditionally(
            Key=output_key(output.node, output.partition),
            UpdateExpression=f"SET spilled = :yes REMOVE {', '.join(originals)}",
            ConditionExpression="#version = :version",
            ExpressionAttributeNames={"#version": "version", **originals},
            ExpressionAttributeValues={":yes": {"BOOL": True}, ":version": number(output.version)},
        )

    def outputs(self, node: str | None = None) -> Iterable[Output]:
        prefix = "O|" if node is None else f"O|{node}|"
        return [output_of(item) for item in self._scan(prefix) if "version" in item]

    def statuses(self, node: str | None = None) -> Iterable[Status]:
        return read_statuses(self.client, self.table, node)

    def unsettled(self) -> Iterable[Output]:
        return [output for item in self._todo(OUTPUTS) if unsettled(output := output_of(item))]

    # --- existence -----------------------------------------------------------------------------

    def see(self, signal: str, row: Key, position: int) -> None:
        place = (signal, row, position // CHUNK)
        bit = 1 << position % CHUNK
        if self._seen.get(place, 0) & bit:
            return
        self.client.update_item(
            TableName=self.table,
            Key=row_key(*place),
            UpdateExpression="ADD seen :position",
            ExpressionAttributeValues={":position": {"NS": [str(position % CHUNK)]}},
        )
        if len(self._seen) >= 10_000:
            self._seen.clear()
        self._seen[place] = self._seen.get(place, 0) | bit

    def seen(self, signal: str, row: Key, first: int, last: int) -> int:
        low = first // CHUNK
        places = [(signal, row, chunk) for chunk in range(low, last // CHUNK + 1)]
        bits = 0
        for item in self._get_many([row_key(*place) for place in places]):
            chunk = int(item["sk"]["S"])
            found = sum(1 << int(position) for position in item["seen"]["NS"])
            bits |= found << (chunk - low) * CHUNK
        return bits

    # --- watches and lapses ------------------------------------------------------------------------

    def watch(self, watch: Watch) -> None:
        self.client.update_item(
            TableName=self.table,
            Key=watch_key(watch),
            UpdateExpression="SET since = if_not_exists(since, :since), watch = :watch, todo = :todo",
            ExpressionAttributeValues={
                ":todo": {"S": WATCHES},
                ":since": number(watch.since),
                ":watch": {"S": encode((watch.signal, watch.partition, watch.node, watch.binding))},
            },
        )

    def unwatch(self, watch: Watch) -> None:
        self.client.delete_item(TableName=self.table, Key=watch_key(watch))

    def watchers(self, signal: str, partition: Partition) -> Sequence[Watch]:
        return [watch_of(item) for item in self._query(watch_pk(signal, partition))]

    def watches(self) -> Iterable[Watch]:
        return [watch_of(item) for item in self._todo(WATCHES)]

    def lapse(self, node: str, partial: Partial, marks: tuple[Mark, ...]) -> None:
        key = lapse_key(node, partial)
        marks_text = {"S": encode(marks)}
        ttl = number(int(self.now() + KEEP))
        self.client.put_item(TableName=self.table, Item={**key, "marks": marks_text, "ttl": ttl})

    def lapses(self, node: str, partials: Sequence[Partial]) -> Iterable[tuple[Mark, ...]]:
        items = self._get_many([lapse_key(node, partial) for partial in partials])
        return [tuple((since, n) for since, n in from_item(item, "marks")) for item in items]

    # --- DynamoDB ------------------------------------------------------------------------------

    def _get(self, key: Mapping[str, Any]) -> Item | None:
        return self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True).get("Item")

    def _get_many(self, keys: Sequence[dict[str, Any]]) -> Iterator[Item]:
        if len(keys) == 1:
            item = self._get(keys[0])
            yield from () if item is None else (item,)
            return
        for start in range(0, len(keys), 100):
            wanted: Any = {self.table: {"Keys": list(keys[start : start + 100]), "ConsistentRead": True}}
            while wanted:
                answer = self.client.batch_get_item(RequestItems=wanted)
                yield from answer["Responses"].get(self.table, [])
                wanted = answer.get("UnprocessedKeys")

    def _query(self, pk: str) -> Iterator[Item]:
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": pk}},
            ConsistentRead=True,
        )
        for page in pages:
            yield from page["Items"]

    def _todo(self, kind: str) -> Iterator[Item]:
        """Read what the sweeper may have to act on: found by the index, which may lag, read as it is now."""
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table,
            IndexName=TODO,
            KeyConditionExpression="todo = :todo",
            ExpressionAttributeValues={":todo": {"S": kind}},
        )
        for page in pages:
            yield from self._get_many([{"pk": item["pk"], "sk": item["sk"]} for item in page["Items"]])

    def _scan(self, prefix: str) -> Iterator[Item]:
        pages = self.client.get_paginator("scan").paginate(
            TableName=self.table,
            FilterExpression="begins_with(pk, :prefix)",
            ExpressionAttributeValues={":prefix": {"S": prefix}},
            ConsistentRead=True,
        )
        for page in pages:
            yield from page["Items"]

    def _conditionally(self, **update: Any) -> None:
        try:
            self.client.update_item(TableName=self.table, **update)
        except self.client.exceptions.ConditionalCheckFailedException:
            return  # something newer stands there
