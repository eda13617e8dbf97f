"""Ledger records <-> DynamoDB items. An output's executions are compressed JSON: windows repeat themselves."""

from __future__ import annotations

import json
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from rheo_runtime.records import Arrivals, Execution, Output, Stored, Used, Watch

EVENT = "e:"  # attributes of an arrival item: one for each event, its time
USED = "u:"  # attributes of an output item: one for each binding
VERSION = 1

Item = Mapping[str, Any]


def encode(value: object) -> str:
    """Return values as JSON without blanks: tuples become lists.

    >>> encode(("EU", 737502))
    '["EU",737502]'
    """
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def digest(text: str) -> str:
    """Return a short name of a long text: 128 bits of its hash."""
    return urlsafe_b64encode(blake2b(text.encode(), digest_size=16).digest()).decode().rstrip("=")


def event_name(event_id: str) -> str:
    """Return an event id that is short enough to be an attribute's name many times over."""
    return event_id if len(event_id) <= 96 else digest(event_id)


def from_item(item: Item, name: str) -> Any:
    """Return the JSON in a text attribute."""
    return json.loads(item[name]["S"])


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def arrivals_of(item: Item, oldest: float) -> Arrivals | None:
    """Return the arrivals of one partition; None when all are older than ``oldest``."""
    times = sorted((float(v["N"]), k[len(EVENT) :]) for k, v in item.items() if k.startswith(EVENT))
    live = {event: time for time, event in times if time > oldest}
    if not live:
        return None
    texts = tuple(from_item(item, "texts")) if "texts" in item else None
    record = Arrivals(tuple(from_item(item, "p")), next(iter(live)), float(item["since"]["N"]), texts)
    record.n = int(item["n"]["N"])
    if len(live) > 1 or record.n > 1:
        record.ids = live
    return record


def used_text(used: Used) -> str:
    """Return what a binding used, as text."""
    return encode(used)


def used_of(text: str) -> Used:
    """Return what `used_text` wrote."""
    fired, marks = json.loads(text)
    return fired, tuple((since, n) for since, n in marks)


def output_body(output: Output) -> bytes:
    """Return all executions of an output, compressed."""
    data = {
        "v": VERSION,
        "g": output.generation,
        "active": _to_json(output.active),
        "held": _to_json(output.held),
        "ended": [_to_json(e) for e in output.ended],
    }
    return zlib.compress(encode(data).encode(), 6)


def output_of(item: Item) -> Output:
    """Return the output in an item."""
    data = json.loads(zlib.decompress(bytes(item["body"]["B"])))
    if data["v"] != VERSION:
        raise ValueError(f"an output record of version {data['v']!r}; this code reads {VERSION}")
    return Output(
        item["node"]["S"],
        item["p"]["S"],
        int(item["version"]["N"]),
        data["g"],
        _from_json(data["active"]),
        _from_json(data["held"]),
        tuple(e for x in data["ended"] if (e := _from_json(x)) is not None),
    )


def _to_json(execution: Execution | None) -> list[Any] | None:
    if execution is None:
        return None
    generation, state, _, _, events, fired, moved, run_id, note, signalled = execution
    return [generation, state, execution.document, events, fired, moved, run_id, note, signalled]


def _from_json(data: list[Any] | None) -> Execution | None:
    if data is None:
        return None
    generation, state, document, events, fired, moved, run_id, note, signalled = data
    maker = Stored(document).maker
    return Execution(generation, state, maker, document, tuple(events), fired, moved, run_id, note, signalled)


def watch_of(item: Item) -> Watch:
    """Return the watch in an item."""
    signal, partition, node, binding = _tuples(from_item(item, "watch"))
    return Watch(signal, partition, node, binding, float(item["since"]["N"]))
