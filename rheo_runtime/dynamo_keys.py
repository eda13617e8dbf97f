"""What an item is about -> its key in the ledger's table; see `rheo_runtime.dynamo`."""

from __future__ import annotations

from typing import Any

from rheo_runtime.dynamo_items import digest, encode
from rheo_runtime.records import Key, Partial, Slot, Watch
from rheo_runtime.values import Partition


def number(value: float) -> dict[str, str]:
    return {"N": repr(value)}


def sort_key(text: str) -> str:
    """A sort key has at most 1,024 bytes."""
    return text if len(text.encode()) <= 1000 else "#" + digest(text)


def partition_key(text: str) -> str:
    """A partition key has at most 2,048 bytes."""
    return text if len(text.encode()) <= 2000 else text[:400] + "#" + digest(text)


def arrivals_pk(slot: Slot, index: int, key: Key) -> str:
    return partition_key(f"A|{slot.node}|{slot.alias}|{slot.indexes[index]}|{encode(key)}")


def output_key(node: str, partition: str) -> dict[str, Any]:
    return {"pk": {"S": partition_key(f"O|{node}|{partition}")}, "sk": {"S": "."}}


def spilled_key(node: str, partition: str, name: str) -> dict[str, Any]:
    return {"pk": {"S": partition_key(f"O|{node}|{partition}")}, "sk": {"S": name}}


def row_key(signal: str, row: Key, chunk: int) -> dict[str, Any]:
    return {"pk": {"S": partition_key(f"P|{signal}|{encode(row)}")}, "sk": {"S": str(chunk)}}


def watch_pk(signal: str, partition: Partition) -> str:
    return partition_key(f"W|{signal}|{encode(partition)}")


def watch_key(watch: Watch) -> dict[str, Any]:
    sk = sort_key(f"{watch.node}|{encode(watch.binding)}")
    return {"pk": {"S": watch_pk(watch.signal, watch.partition)}, "sk": {"S": sk}}


def lapse_key(node: str, partial: Partial) -> dict[str, Any]:
    return {"pk": {"S": partition_key(f"L|{node}|{encode(partial)}")}, "sk": {"S": "."}}
