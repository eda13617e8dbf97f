"""The ledger in DynamoDB: every method is one conditional write, or one strongly consistent read, but `glance` and a sweep's.

One table with string keys ``pk`` and ``sk`` and a time to live in ``ttl``. What an item is follows from
the first letter of ``pk``: A arrivals, O outputs, J journals, B runs of batches, P which partitions exist, W watches, R readers, C cursors,
D refusals (denied), T what was written to partitions that something else announces, L expiries. A
partition in a key is its JSON. Nothing is locked, and nothing is a transaction.

An output that is not settled is found by the index of what there is to do, or by a journal: one item for all outputs
that a batch of events may fire, written before them. A process goes on with its journal from batch to batch; while it is
open, it stays.

An output's executions are compressed JSON: windows repeat themselves. Statuses are read from an index, as outputs are a
hundred times as much to read; it lags the table by moments.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from rheo_runtime.ledger import FORGOTTEN, REFUSED, REMEMBERED, shown
from rheo_runtime.records import (
    ANNOUNCED,
    BROKEN,
    CAME,
    CHUNK,
    CLAIMED,
    NEVER,
    READY,
    Arrival,
    ArrivalIndex,
    Arrivals,
    BatchRun,
    Came,
    CheckResult,
    ConsumedMark,
    Execution,
    Key,
    Member,
    Output,
    OutputId,
    Partial,
    Reader,
    Refusal,
    Status,
    Stored,
    Touched,
    Unreadable,
    Used,
    User,
    Waiter,
    Writer,
    carried,
    digest,
    event_name,
    first_bound,
    is_given,
    status_of,
    unsettled,
)
from rheo_runtime.values import Partition

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


RUN = "run"  # attribute of an output item whose execution was given to the run of a batch: its id
RECORD = "at"  # attribute of an item of a further index: the key of the record that it stands for
EVENT = "e:"  # attributes of an arrival item: one for each event, its time
USED = "u:"  # attributes of an output item: one for each binding
VERSION = 1
TOUCHED = 90 * 86400  # seconds that the record of what was written to a partition is kept
PRUNED = 100  # event ids of one partition that count no more, before they are removed
# DynamoDB takes 400 kB of an item, names of attributes included ("Quotas in Amazon DynamoDB": an item's size). An
# output's executions may have so much of it, compressed; the rest is for what its bindings have used.
LARGEST_BODY = 250_000
LARGEST_USES = 50_000  # bytes of what bindings used, beside them; beyond, each has an item of its own
PACKED = 4_000  # characters of what one binding used, or was to use, from which they are compressed


def encode(value: object) -> str:
    """Return values as JSON without blanks: tuples become lists.

    >>> encode(("EU", 737502))
    '["EU",737502]'
    """
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


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


def expired_of(item: Item, oldest: float) -> list[str]:
    """Return the ids of the events of an arrival item that count no more."""
    return [
        name.removeprefix(EVENT)
        for name in item
        if name.startswith(EVENT) and float(item[name]["N"]) <= oldest
    ]


def packed(value: object) -> dict[str, Any]:
    """Return values as an attribute: compressed, where there are many, as of the members of a coarser partition."""
    text = encode(value)
    return {"S": text} if len(text) <= PACKED else {"B": zlib.compress(text.encode(), 9)}


def unpacked(value: Mapping[str, Any]) -> Any:
    """Return what `packed` wrote."""
    return json.loads(value["S"] if "S" in value else zlib.decompress(bytes(value["B"])))


def used_of(value: Mapping[str, Any]) -> tuple[Sequence[str], Used]:
    """Return what a binding used, of an attribute: the short name of each that there is a mark of, and the marks.

    Of the first edition there are no names.
    """
    fired, marks, *names = unpacked(value)
    return names[0] if names else (), (fired, tuple((since, n) for since, n in marks))


def short_names(user: User) -> list[str]:
    """Return a short name of each that a binding has a mark of: 48 bits of its hash."""
    return [digest(encode(each), 6) for each in user.named]


def use_name(user: User) -> str:
    """Return the attribute in which stands what a binding used."""
    return f"{USED}{user.means.name}:{digest(encode(user.binding))}"


def first_edition_use(user: User) -> str:
    """Return the attribute in which that stood in the first edition: of partitions in declared order, whatever they were."""
    return USED + digest(encode([user.binding[i] for i in user.means.order]))


def used_by(item: Item, user: User, spilled: Callable[[str], Mapping[str, Any] | None]) -> Used | None:
    """Return what a binding has used, as `Ledger.output` says; ``spilled`` reads what has an item of its own."""
    apart = item.get("spilled", {})
    for name, has_more in ((use_name(user), apart), (first_edition_use(user), "BOOL" in apart)):
        value = item.get(name) or (spilled(name) if has_more else None)
        if value is None:
            continue
        names, used = used_of(value)
        if not names:
            if len(used[1]) != len(user.binding):
                return None
            marks = {i: used[1][place] for place, i in enumerate(user.means.order)}
            return used[0], tuple(marks[i] for i in range(len(marks)))
        return carried(short_names(user), [(names, used)], user.means.updates)
    others = [
        used_of(value)
        for name, value in item.items()
        if name.startswith(USED) and ":" in (means := name[len(USED) :])
        and means.partition(":")[0] not in user.means.now
    ]  # fmt: skip
    return carried(short_names(user), others) if others else None


def fitted(output: Output) -> tuple[Output, bytes]:
    """Return an output as it is stored, and its executions compressed: where they do not fit, without the oldest ended.

    What it is shown as stays. Those that owe a signal go last, but for the latest: what it announces is the same.
    """
    body = _body(output)
    while len(body) > LARGEST_BODY:
        past = output.ended if output.active is not None else output.ended[1:]
        owing = [e for e in past if not e.signalled]
        gone = next((e for e in reversed(past) if e.signalled), owing[-1] if len(owing) > 1 else None)
        if gone is None:
            break
        output = output._replace(ended=tuple([e for e in output.ended if e is not gone]))
        body = _body(output)
    return output, body


def _body(output: Output) -> bytes:
    data: dict[str, Any] = {
        "v": VERSION,
        "g": output.generation,
        "active": _to_json(output.active),
        "held": _to_json(output.held),
        "ended": [_to_json(e) for e in output.ended],
    }
    if output.active is not None and output.active.jobs:
        data["jobs"] = output.active.jobs
    if output.writer is not None:
        data["writer"] = output.writer
    if output.came is not None:
        data["came"] = output.came
    return zlib.compress(encode(data).encode(), 6)


def output_of(item: Item) -> Output:
    """Return the output in an item."""
    data = json.loads(zlib.decompress(bytes(item["body"]["B"])))
    if data["v"] != VERSION:
        raise ValueError(f"an output record of version {data['v']!r}; this code reads {VERSION}")
    active, writer, came = _from_json(data["active"]), data.get("writer"), data.get("came")
    return Output(
        node_of(item),
        item["p"]["S"],
        int(item["version"]["N"]),
        data["g"],
        None if active is None else active._replace(jobs=tuple(data.get("jobs", ()))),
        _from_json(data["held"]),
        tuple(e for x in data["ended"] if (e := _from_json(x)) is not None),
        None if writer is None else Writer(*_tuples(writer)),
        None if came is None else Came(*_tuples(came)),
    )


def _to_json(execution: Execution | None) -> list[Any] | None:
    if execution is None:
        return None
    generation, state, _, _, events, fired, moved, run_id, note, signalled, claimed, checks, _ = execution
    more: list[Any] = [] if claimed is None else [claimed, checks]
    return [generation, state, execution.document, events, fired, moved, run_id, note, signalled, *more]


def _from_json(data: list[Any] | None) -> Execution | None:
    if data is None:
        return None
    generation, state, document, events, fired, moved, run_id, note, signalled, *more = data
    claimed, checks = more or (None, ())  # no run has taken it
    builder = Stored(document).builder
    found = tuple([CheckResult(*each) for each in checks])
    return Execution(
        generation,
        state,
        builder,
        document,
        tuple(events),
        fired,
        moved,
        run_id,
        note,
        signalled,
        claimed,
        found,
    )


def watch_of(item: Item) -> Waiter:
    """Return the watch in an item."""
    signal, partition, node, binding, *means = _tuples(from_item(item, "watch"))
    _hold(isinstance(binding, tuple) and all(isinstance(p, tuple) for p in binding))
    return Waiter(signal, partition, node, binding, float(item["since"]["N"]), *means)


def status_in(item: Item) -> Status:
    stage = item["stage"] if "stage" in item else item["state"]  # an older version wrote the state alone
    return Status(node_of(item), item["p"]["S"], stage["S"])


def reader_of(item: Item) -> Reader:
    reader = Reader(*_tuples(from_item(item, "reader")))
    _hold(isinstance(reader.binding, tuple) and all(isinstance(p, tuple) for p in reader.binding))
    return reader


def refusal_of(item: Item) -> Refusal:
    what, permission, time = from_item(item, "refusal")
    return Refusal(str(what), str(permission), float(time))


def expiry_of(item: Item, of: Partial) -> tuple[Partial, tuple[ConsumedMark, ...]]:
    partial, marks = _tuples(from_item(item, "partial")), _tuples(unpacked(item["marks"]))
    _hold(len(partial) == len(marks) == len(of) and all(isinstance(mark, tuple) for mark in marks))
    return partial, marks


def _hold(well: bool) -> None:
    if not well:
        raise ValueError("it is not as it is written")


def number(value: float) -> dict[str, str]:
    return {"N": repr(value)}


def sort_key(text: str) -> str:
    """A sort key has at most 1,024 bytes."""
    return text if len(text.encode()) <= 1000 else "#" + digest(text)


def partition_key(text: str) -> str:
    """A partition key has at most 2,048 bytes."""
    return text if len(text.encode()) <= 2000 else text[:400] + "#" + digest(text)


def arrivals_pk(arrival_index: ArrivalIndex, index: int, key: Key) -> str:
    return partition_key(
        f"A|{arrival_index.node}|{arrival_index.alias}|{arrival_index.indexes[index]}|{encode(key)}"
    )


def node_of(item: Item) -> str:
    """Return the node of an output by its key: the index of statuses is not told of it before it has ended once."""
    return str(item["pk"]["S"].split("|", 2)[1])


def output_key(node: str, partition: str) -> dict[str, Any]:
    return {"pk": {"S": partition_key(f"O|{node}|{partition}")}, "sk": {"S": "."}}


def spilled_key(node: str, partition: str, name: str) -> dict[str, Any]:
    return {"pk": {"S": partition_key(f"O|{node}|{partition}")}, "sk": {"S": name}}


def batch_key(run: str, part: str) -> dict[str, Any]:
    return {"pk": {"S": partition_key(f"B|{run}")}, "sk": {"S": part}}


def batch_run_with(known: BatchRun, item: Item) -> BatchRun:
    """Return what is known of the run of a batch, with what one of its items says."""
    if item["sk"]["S"] == "members":
        members = _tuples(unpacked(item["members"]))
        _hold(all(isinstance(p, str) and isinstance(g, int) for p, g in members))
        return known._replace(members=frozenset(members))
    jobs = _tuples(from_item(item, "jobs"))
    _hold(all(isinstance(job, str) for job in jobs))
    return known._replace(began=float(item["began"]["N"]), jobs=jobs)


def row_key(signal: str, row: Key, chunk: int) -> dict[str, Any]:
    return {"pk": {"S": partition_key(f"P|{signal}|{encode(row)}")}, "sk": {"S": str(chunk)}}


def arrival_key(arrival_index: ArrivalIndex, partition: Partition) -> dict[str, Any]:
    """The key of a partition's arrivals, where the partition is its own key."""
    pk = arrivals_pk(arrival_index, 0, partition)
    return {"pk": {"S": pk}, "sk": {"S": sort_key(encode(partition))}}


def reader_pk(signal: str, partition: Partition) -> str:
    return partition_key(f"R|{signal}|{encode(partition)}")


def _binding_key(left: Waiter | Reader) -> str:
    """The name of a binding: what it means stands in it, where that is written (the first edition did not)."""
    means = f"{left.means}|" if left.means else ""
    return f"{left.node}|{means}{encode(left.binding)}"


def reader_key(reader: Reader) -> dict[str, Any]:
    sk = sort_key(_binding_key(reader))
    return {"pk": {"S": reader_pk(reader.signal, reader.partition)}, "sk": {"S": sk}}


def cursor_key(name: str) -> dict[str, Any]:
    return {"pk": {"S": partition_key(f"C|{name}")}, "sk": {"S": "."}}


def watch_pk(signal: str, partition: Partition) -> str:
    return partition_key(f"W|{signal}|{encode(partition)}")


def watch_key(watch: Waiter) -> dict[str, Any]:
    sk = sort_key(_binding_key(watch))
    return {"pk": {"S": watch_pk(watch.signal, watch.partition)}, "sk": {"S": sk}}


REFUSALS = "D"


def touched_pk(signal: str) -> str:
    return partition_key(f"T/{signal}")


def touched_key(signal: str, partition: Partition) -> dict[str, Any]:
    return {"pk": {"S": touched_pk(signal)}, "sk": {"S": sort_key(encode(partition))}}


def touched_of(item: Item) -> Touched:
    return Touched(*_tuples(json.loads(item["touched"]["S"])))


def expiry_pk(node: str, position: int, partition: Partition) -> str:
    return partition_key(f"L|{node}|{position}|{encode(partition)}")


def expiry_key(node: str, partial: Partial) -> dict[str, Any]:
    pk = expiry_pk(node, *first_bound(partial))
    return {"pk": {"S": pk}, "sk": {"S": sort_key(encode(partial))}}


# The index of outputs by node, which holds how each has ended last, and of nothing that is under way for the first time.
STATUSES = "statuses"
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


OUTPUTS, WATCHES = "O", "W"  # the kinds of what the sweeper may have to act on
SHARDS = 8  # keys of the index of what there is to do, for each kind: one alone would be hot
UNDERWAY = (READY, ANNOUNCED, CLAIMED)  # what the index of statuses is not told of
JOURNALS = "J"  # what stands in the index of what there is to do for the outputs of a batch: one item for all
FEWEST = 2  # outputs that are worth one: it is written, closed and dropped
LONGEST_JOURNAL = 100_000  # bytes of the names in one; outputs beyond go by the index
ABANDONED = (
    600  # seconds after which a journal that is still open is tidied: a listener has a minute for a call
)


def todo_key(kind: str, key: Mapping[str, Any]) -> dict[str, str]:
    """Return under which key of the index an item stands: always the same one."""
    return {"S": f"{kind}{zlib.crc32(key['pk']['S'].encode()) % SHARDS}"}


def journal_key(name: str) -> dict[str, Any]:
    return {"pk": {"S": f"{JOURNALS}|{zlib.crc32(name.encode()) % SHARDS}"}, "sk": {"S": name}}


TOGETHER = 50  # events of one partition that are counted in one write
RECENT, RECENT_SECONDS = 1_000, 60.0  # outputs that are remembered as this process has last seen them
SPILL = 16  # bindings whose use is kept in the item of their output; beyond, each has its own item
KEEP = 400 * 86400  # seconds that a spilled item outlives its last firing: longer than any arrival counts
SLACK = 86400  # DynamoDB may take that long to delete an expired item, and may not be early

Item = Mapping[str, Any]
T = TypeVar("T")


class Journal(NamedTuple):
    """Outputs of a process's batches of events; ``open`` while that goes on with it, and may fire some of them yet.

    Each comes with the version that its firing made: of all those that were fired, once the journal is closed.
    """

    key: Mapping[str, Any]
    since: float
    open: bool
    places: Mapping[OutputId, int | None]

    @classmethod
    def of(cls, item: Item) -> Journal:
        """Return the journal in an item."""
        places = _tuples(unpacked(item["outputs"]))
        _hold(isinstance(places, tuple) and all(isinstance(p, tuple) and len(p) == 2 for p in places))
        # An older version wrote none.
        versions = unpacked(item["versions"]) if "versions" in item else [None] * len(places)
        _hold(all(version is None or isinstance(version, int) for version in versions))
        key = {"pk": item["pk"], "sk": item["sk"]}
        listed = dict(zip(places, versions, strict=True))
        return cls(key, float(item["since"]["N"]), "closed" not in item, listed)


def _may_lag(item: Item | None, version: int | None) -> bool:
    """Say whether an item, as it was a moment ago, may be older than the firing that made a version of its output."""
    return version is None or item is None or int(item.get("version", {"N": "0"})["N"]) < version


class Move(NamedTuple):
    """Arrivals of one index become those of another, where ``keys`` gives a partition's keys."""

    old: ArrivalIndex
    new: ArrivalIndex
    keys: Callable[[Partition], tuple[Key, ...]]


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

    unreadable: Callable[[str], None] = staticmethod(lambda _: None)
    full = 900  # bytes of outputs and versions, from which on a journal is closed: it takes one unit to write

    def __init__(
        self, table: str, client: DynamoDBClient | None = None, now: Callable[[], float] = time.time
    ) -> None:
        self.table = table
        self.client = make_client() if client is None else client
        self.now = now
        self._recent: dict[OutputId, tuple[float, Output]] = {}
        self._together: dict[tuple[str, tuple[Key, ...], Partition, str], Arrivals] = {}
        self._journal: Journal | None = None  # the open one of this process
        # Those of its outputs that were fired, and are found by it alone: their versions.
        self._covered: dict[OutputId, int] = {}

    # --- arrivals ------------------------------------------------------------------------------

    def arrive(
        self,
        arrival_index: ArrivalIndex,
        keys: tuple[Key, ...],
        partition: Partition,
        event_id: str,
        now: float,
        texts: tuple[str, ...] | None = None,
    ) -> Arrivals:
        """Write the record, in the first index; what stands in the others says where it is.

        So an arrival is one record, whichever way it is found: what was used of it is used. The record comes
        first: a listener that dies in between has not done its event, which comes again.
        """
        known = self._together.get((arrival_index.name, keys, partition, event_id))
        if known is not None:
            return copy(known)
        pk = arrivals_pk(arrival_index, 0, keys[0])
        record = self._arrive(pk, arrival_index, partition, event_id, now, texts)
        self._stand(pk, arrival_index, keys, partition, now)
        return record

    def together(
        self, arrivals: Sequence[Sequence[Arrival]], outputs: Iterable[OutputId], now: float
    ) -> None:
        self._together.clear()
        self._note(outputs, now)
        for group in arrivals:
            index, keys, partition, _, _ = group[-1]
            texts = group[-1].texts  # those of the last event count
            ids = list(dict.fromkeys(arrival.event_id for arrival in group))
            for events in (ids[start : start + TOGETHER] for start in range(0, len(ids), TOGETHER)):
                pk = arrivals_pk(index, 0, keys[0])
                key = {"pk": {"S": pk}, "sk": {"S": sort_key(encode(partition))}}
                item = self._count(key, index, partition, events, now, texts) if len(events) > 1 else None
                record = self._record(item, self.now() - index.ttl)
                if record is None or len(record.times()) > REMEMBERED:
                    continue  # some of them are counted already: `arrive` looks at each
                assert item is not None
                self._tidy(key, item, index)
                self._stand(pk, index, keys, partition, now)
                for event in events:
                    self._together[index.name, keys, partition, event] = record

    def _stand(
        self,
        pk: str,
        arrival_index: ArrivalIndex,
        keys: tuple[Key, ...],
        partition: Partition,
        now: float,
    ) -> None:
        """Let a record be found in the further indexes."""
        for index, key in enumerate(keys[1:], 1):
            item: Item = {
                "pk": {"S": arrivals_pk(arrival_index, index, key)},
                "sk": {"S": sort_key(encode(partition))},
                RECORD: {"S": pk},
                "ttl": number(int(now + arrival_index.ttl + SLACK)),
            }
            self.client.put_item(TableName=self.table, Item=item)

    def _count(
        self,
        key: Mapping[str, Any],
        arrival_index: ArrivalIndex,
        partition: Partition,
        events: Sequence[str],
        now: float,
        texts: tuple[str, ...] | None,
    ) -> Item | None:
        """One write for new events, whether or not their partition is new; None when one of them is counted."""
        names = {f"#e{n}": EVENT + event_name(event) for n, event in enumerate(events)}
        sets = [*(f"{name} = :now" for name in names), "since = if_not_exists(since, :now)"]
        sets += ["#p = :p", "#ttl = :ttl"]
        values = {
            ":now": number(now),
            ":p": {"S": encode(partition)},
            ":ttl": number(int(max(now, self.now()) + arrival_index.ttl + SLACK)),
            ":count": number(len(events)),
        }
        if texts is not None:
            sets.append("texts = :texts")
            values[":texts"] = {"S": encode(texts)}
        try:
            return self.client.update_item(
                TableName=self.table,
                Key=key,
                UpdateExpression=f"SET {', '.join(sets)} ADD n :count",
                ConditionExpression=" AND ".join(f"attribute_not_exists({name})" for name in names),
                ExpressionAttributeNames={**names, "#p": "p", "#ttl": "ttl"},
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
            )["Attributes"]
        except self.client.exceptions.ConditionalCheckFailedException:
            return None

    def _arrive(
        self,
        pk: str,
        arrival_index: ArrivalIndex,
        partition: Partition,
        event_id: str,
        now: float,
        texts: tuple[str, ...] | None,
    ) -> Arrivals:
        """Count one event, unless it is counted."""
        key = {"pk": {"S": pk}, "sk": {"S": sort_key(encode(partition))}}
        item = self._count(key, arrival_index, partition, [event_id], now, texts)
        if item is None:
            item = self._get(key) or {}
        record = self._record(item, self.now() - arrival_index.ttl)
        if record is None:  # delivered again after its time to live: it counts no more
            record = Arrivals(partition, event_id, now, texts)
            record.ids = {}
            return record
        if isinstance(record.ids, dict) and len(record.ids) > REMEMBERED:
            self._prune(key, list(record.ids)[: len(record.ids) // 2])
        else:
            self._tidy(key, item, arrival_index)
        return record

    def _tidy(self, key: dict[str, Any], item: Item, arrival_index: ArrivalIndex) -> None:
        """Drop the event ids of one partition that count no more, once they are many."""
        if len(expired := expired_of(item, self.now() - arrival_index.ttl)) > PRUNED:
            self._prune(key, expired)

    def _prune(self, key: dict[str, Any], events: list[str]) -> None:
        """Drop event ids of one partition; their count stays."""
        oldest = [EVENT + event for event in events]
        for start in range(0, len(oldest), 100):
            names = {f"#e{i}": name for i, name in enumerate(oldest[start : start + 100])}
            self.client.update_item(
                TableName=self.table,
                Key=key,
                UpdateExpression=f"REMOVE {', '.join(names)}",
                ExpressionAttributeNames=names,
            )

    def recount(
        self, arrival_index: ArrivalIndex, keys: tuple[Key, ...], partition: Partition, came: Came
    ) -> bool:
        event = came.event(arrival_index, partition)
        if event is None or came.since <= self.now() - arrival_index.ttl:
            return False
        pk = arrivals_pk(arrival_index, 0, keys[0])
        key = {"pk": {"S": pk}, "sk": {"S": sort_key(encode(partition))}}
        new = self._count(key, arrival_index, partition, [event], came.since, None) is not None
        if not new:  # it was delivered again: it is no older for that
            self.client.update_item(
                TableName=self.table,
                Key=key,
                UpdateExpression="SET #e = :since",
                ExpressionAttributeNames={"#e": EVENT + event},
                ExpressionAttributeValues={":since": number(came.since)},
            )
        self._stand(pk, arrival_index, keys, partition, self.now())
        return new

    def find(self, arrival_index: ArrivalIndex, index: int, key: Key) -> Sequence[Arrivals]:
        if arrival_index.exact:
            record = self.arrived(arrival_index, key, key)
            return () if record is None else (record,)
        oldest = self.now() - arrival_index.ttl
        items: Iterable[Item] = self._query(arrivals_pk(arrival_index, index, key))
        if index:
            places = [{"pk": item[RECORD], "sk": item["sk"]} for item in items]
            known = {item["sk"]["S"]: item for item in self._get_many(places)} if places else {}
            items = [known[place["sk"]["S"]] for place in places if place["sk"]["S"] in known]
        return self._records(items, oldest)

    def arrived(
        self, arrival_index: ArrivalIndex, key: Key, partition: Partition, came: Came | None = None
    ) -> Arrivals | None:
        pk, sk = arrivals_pk(arrival_index, 0, key), sort_key(encode(partition))
        item, oldest = self._get({"pk": {"S": pk}, "sk": {"S": sk}}), self.now() - arrival_index.ttl
        record = self._record(item, oldest)
        return record if came is None else came.record(arrival_index, partition, record, oldest)

    def forgotten(
        self, arrival_index: ArrivalIndex, key: Key, came: Came | None = None
    ) -> Sequence[tuple[Partition, float]]:
        now, oldest = self.now(), self.now() - arrival_index.ttl

        def last(item: Item) -> tuple[Partition, float]:
            return _tuples(from_item(item, "p")), max(
                (float(v["N"]) for k, v in item.items() if k.startswith(EVENT)), default=float("inf")
            )

        found = dict(self._readable(last, self._query(arrivals_pk(arrival_index, 0, key))))
        if (
            came is not None
            and came.event(arrival_index, came.partition)
            and now - came.since < (arrival_index.ttl + FORGOTTEN)
        ):
            found[came.partition] = max(came.since, found.get(came.partition, came.since))
        return [each for each in found.items() if each[1] <= oldest]

    def arrivals(self, arrival_index: ArrivalIndex) -> Iterable[Arrivals]:
        oldest, prefix = self.now() - arrival_index.ttl, f"A|{arrival_index.first}|"
        if not arrival_index.exact:
            return self._records(self._scan(prefix), oldest)
        items = {True: list[Item](), False: list[Item]()}
        for item in self._scan(prefix, f"O|{arrival_index.node}|"):
            items[item["pk"]["S"].startswith("A")].append(item)
        found = {record.partition: record for record in self._records(items[True], oldest)}
        for output in self._readable(output_of, (item for item in items[False] if "version" in item)):
            if (came := output.came) is not None:
                record = came.record(arrival_index, came.partition, found.get(came.partition), oldest)
                if record is not None:
                    found[came.partition] = record
        return list(found.values())

    def rename(self, moves: Sequence[Move]) -> Iterator[tuple[Move, Arrivals]]:
        """Let what stands under other names stand in its index too, and yield it: when, how often, all of it the same.

        What has come there by itself stays as it is. One scan of the table, however many moves.
        """
        known = {move.old.first: move for move in moves}
        for item in self._scan("A|"):
            move = known.get("|".join(item["pk"]["S"].split("|", 4)[1:4]))
            records = [] if move is None else self._records([item], self.now() - move.new.ttl)
            if move is None or not records:
                continue
            (record,) = records
            keys = move.keys(record.partition)
            pk = arrivals_pk(move.new, 0, keys[0])
            try:
                self.client.put_item(
                    TableName=self.table,
                    Item={**item, "pk": {"S": pk}},
                    ConditionExpression="attribute_not_exists(pk)",
                )
            except self.client.exceptions.ConditionalCheckFailedException:
                record = self.arrived(move.new, keys[0], record.partition) or record
            self._stand(pk, move.new, keys, record.partition, self.now())
            yield move, record

    def forget(self, arrival_index: ArrivalIndex, now: float) -> None:
        """Nothing to do: DynamoDB deletes expired items, and `find` overlooks those that it has not yet."""

    # --- outputs -------------------------------------------------------------------------------

    def output(self, node: str, partition: str, user: User | None) -> tuple[Output | None, Used | None]:
        item = self._get(output_key(node, partition))
        if item is None:
            self._recent.pop((node, partition), None)
            return None, None
        return self._use(item, user)

    def _use(self, item: Item, user: User | None) -> tuple[Output, Used | None]:
        output = self._remember(self._read(output_of, item))
        if user is None:
            return output, None

        def spilled(name: str) -> Mapping[str, Any] | None:
            found = self._get(spilled_key(output.node, output.partition, name))
            return None if found is None else found["used"]

        return output, self._read(lambda item: used_by(item, user, spilled), item)

    def uses(
        self, node: str, asked: Iterable[tuple[str, User]]
    ) -> Sequence[tuple[Output | None, Used | None] | None]:
        places = [(output_key(node, partition), user) for partition, user in asked]
        keys = {key["pk"]["S"]: key for key, _ in places}
        items = {item["pk"]["S"]: item for item in self._get_many(list(keys.values()))}
        found: list[tuple[Output | None, Used | None] | None] = []
        for key, user in places:
            item = items.get(key["pk"]["S"])
            try:
                found.append((None, None) if item is None else self._use(item, user))
            except Unreadable as fault:
                self.unreadable(str(fault))
                found.append(None)
        return found

    def several(self, node: str, partitions: Iterable[str], *, now: bool = True) -> Mapping[str, Output]:
        keys = [output_key(node, partition) for partition in dict.fromkeys(partitions)]
        items = self._get_many(keys, now=now)
        return {o.partition: self._remember(o) for o in self._readable(output_of, items)}

    def recent(self, node: str, partition: str) -> Output | None:
        seen, output = self._recent.get((node, partition), (0.0, None))
        return output if self.now() - seen <= RECENT_SECONDS else None

    def glance(self, node: str, partition: str) -> Output | None:
        if (known := self.recent(node, partition)) is not None:
            return known
        item = self._get(output_key(node, partition), now=False)
        return None if item is None else self._remember(self._read(output_of, item))

    def _remember(self, output: Output) -> Output:
        self._recent.pop((output.node, output.partition), None)
        self._recent[output.node, output.partition] = self.now(), output
        if len(self._recent) > RECENT:
            # Taken in one step: tasks of a batch work in threads.
            self._recent.pop(tuple(self._recent)[0], None)  # noqa: RUF015
        return output

    def save(
        self, old: Output | None, new: Output, user: User | None = None, used: Used | None = None
    ) -> bool:
        new, body = fitted(new)
        names = {"#version": "version", "#body": "body", "#at": "at", "#p": "p"}
        values: dict[str, Any] = {
            ":version": number(new.version),
            ":body": {"B": body},
            ":at": number(self.now()),
            ":p": {"S": new.partition},
        }
        sets = ["#version = :version", "#body = :body", "#at = :at", "#p = :p"]
        key, state = output_key(new.node, new.partition), status_of(new).state
        values[":stage"] = {"S": state}
        sets.append("stage = :stage")
        if state not in UNDERWAY:  # the index need not follow an execution: it is told of its end
            names |= {"#node": "node", "#state": "state"}
            values |= {":node": {"S": new.node}, ":state": {"S": state}}
            sets += ["#node = :node", "#state = :state"]
        removes = []
        if new.active is not None and is_given(new.active):
            names["#run"], values[":run"] = RUN, {"S": str(new.active.run_id)}
            sets.append("#run = :run")
        elif old is not None and old.active is not None and is_given(old.active):
            names["#run"] = RUN
            removes.append("#run")
        if not unsettled(new):
            names["#todo"] = TODO
            removes.append("#todo")
        elif old is None or not unsettled(old):  # else it is found already
            if self._lists(place := (new.node, new.partition)):
                self._covered[place] = new.version
            else:
                names["#todo"], values[":todo"] = TODO, todo_key(OUTPUTS, key)
                sets.append("#todo = :todo")
        if user is not None and used is not None:
            names["#used"] = use_name(user)
            values[":used"] = packed((*used, short_names(user)))
            sets.append("#used = :used")
        if old is None:
            condition = "attribute_not_exists(#version)"
        else:
            condition, values[":old"] = "#version = :old", number(old.version)
        expression = f"SET {', '.join(sets)}" + (f" REMOVE {', '.join(removes)}" if removes else "")
        try:
            item = self.client.update_item(
                TableName=self.table,
                Key=key,
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
            )["Attributes"]
        except self.client.exceptions.ConditionalCheckFailedException:
            self._recent.pop((new.node, new.partition), None)
            return False
        self._remember(new)
        self._spill(new, item)
        return True

    def create(self, new: Output, user: User, came: Sequence[Arrival], now: float) -> bool:
        # They stand in no record, so that all in a record is unused but for their events.
        inputs = tuple([(a.arrival_index.first, event_name(a.event_id), a.texts) for a in came])
        counted = new._replace(came=Came(now, came[0].partition, inputs))
        return self.save(None, counted, user, (1, (NEVER,) * len(came)))

    def _spill(self, output: Output, item: Item) -> None:
        """Move what many bindings used to items of their own, so that the output's stays small.

        First the copies are written, then the originals removed, if the output is still the same: a
        reader finds one or the other. A late copy never replaces a newer one.
        """
        names = [name for name in item if name.startswith(USED)]
        size = sum(len(value) for name in names for value in item[name].values())
        if len(names) <= SPILL and (size <= LARGEST_USES or len(names) == 1):
            return
        for name in names:
            self._conditionally(
                Key=spilled_key(output.node, output.partition, name),
                UpdateExpression="SET used = :used, fired = :fired, #ttl = :ttl",
                ConditionExpression="attribute_not_exists(fired) OR fired < :fired",
                ExpressionAttributeNames={"#ttl": "ttl"},
                ExpressionAttributeValues={
                    ":used": item[name],
                    ":fired": number(used_of(item[name])[1][0]),
                    ":ttl": number(int(self.now() + KEEP)),
                },
            )
        originals = {f"#u{i}": name for i, name in enumerate(names)}
        self._conditionally(
            Key=output_key(output.node, output.partition),
            UpdateExpression=f"SET spilled = if_not_exists(spilled, :named) REMOVE {', '.join(originals)}",
            ConditionExpression="#version = :version",
            ExpressionAttributeNames={"#version": "version", **originals},
            ExpressionAttributeValues={":named": {"S": "by name"}, ":version": number(output.version)},
        )

    def outputs(self, node: str | None = None) -> Iterable[Output]:
        prefix = "O|" if node is None else f"O|{node}|"
        return list(self._readable(output_of, (item for item in self._scan(prefix) if "version" in item)))

    def statuses(self, node: str | None = None) -> Iterable[Status]:
        # What is under way first: what ends in between is in the index by then.
        keys, _ = self._unsettled(node)
        found = self._under_way(self._get_many(keys))
        pages: Iterable[Mapping[str, Any]]
        if node is None:
            pages = self.client.get_paginator("scan").paginate(TableName=self.table, IndexName=STATUSES)
        else:
            pages = self.client.get_paginator("query").paginate(
                TableName=self.table,
                IndexName=STATUSES,
                KeyConditionExpression="#node = :node",
                ExpressionAttributeNames={"#node": "node"},
                ExpressionAttributeValues={":node": {"S": node}},
            )
        for page in pages:
            for item in page["Items"]:
                for status in self._readable(status_in, [item]):
                    found.setdefault(status[:2], status)
        return list(found.values())

    def _under_way(self, items: Iterable[Item]) -> dict[tuple[str, ...], Status]:
        """The statuses in items, as `ledger.shown` says."""
        batch_run = cache(self.batch_run)

        def status(item: Item) -> Status:
            return status_of(shown(batch_run, output_of(item))) if RUN in item else status_in(item)

        return {status[:2]: status for status in self._readable(status, items)}

    # --- runs of batches -------------------------------------------------------------------------

    def start(self, run: str, members: frozenset[Member]) -> frozenset[Member]:
        written = self._conditionally(
            Key=batch_key(run, "members"),
            UpdateExpression="SET members = :members, #ttl = :ttl",
            ConditionExpression="attribute_not_exists(members)",
            ExpressionAttributeNames={"#ttl": "ttl"},
            ExpressionAttributeValues={
                ":members": packed(sorted(members)),
                ":ttl": number(int(self.now() + KEEP)),
            },
        )
        return members if written else self.batch_run(run).members or members

    def begin(self, run: str, now: float, jobs: tuple[str, ...]) -> None:
        self.client.update_item(
            TableName=self.table,
            Key=batch_key(run, "began"),
            UpdateExpression="SET began = if_not_exists(began, :now), jobs = :jobs, #ttl = :ttl",
            ExpressionAttributeNames={"#ttl": "ttl"},
            ExpressionAttributeValues={
                ":now": number(now),
                ":jobs": {"S": encode(jobs)},
                ":ttl": number(int(self.now() + KEEP)),
            },
        )

    def batch_run(self, run: str) -> BatchRun:
        found = BatchRun()
        for item in self._query(batch_key(run, "")["pk"]["S"]):
            found = self._read(lambda item: batch_run_with(found, item), item)  # noqa: B023 - called here
        return found

    def unsettled(self, *, tidy: bool = False) -> Iterable[Output]:
        keys, journals = self._unsettled(now=not tidy)
        # Its writer may fire what it has not fired yet, while one is open; and may have fired more than it says.
        over = [j for j in journals if tidy and (not j.open or self.now() - j.since >= ABANDONED)]
        unsaid = {
            output_key(*place)["pk"]["S"] for journal in over if journal.open for place in journal.places
        }
        glanced = [key for key in keys if key["pk"]["S"] not in unsaid]
        items = {item["pk"]["S"]: item for item in self._get_many(glanced, now=not tidy)}
        doubtful = {
            key["pk"]["S"]: key
            for journal in over
            for place, version in journal.places.items()
            for key in (output_key(*place),)
            if key["pk"]["S"] in unsaid or _may_lag(items.get(key["pk"]["S"]), version)
        }
        items |= {item["pk"]["S"]: item for item in self._get_many(list(doubtful.values()))}
        read = list(self._readable(output_of, items.values()))
        settled = {output_key(o.node, o.partition)["pk"]["S"] for o in read if not unsettled(o)}
        self._tidy_journals(over, items.keys() - settled)
        return [output for output in read if unsettled(output)]

    def _unsettled(
        self, node: str | None = None, *, now: bool = True
    ) -> tuple[list[dict[str, Any]], list[Journal]]:
        """Return the keys of the outputs (of a node) that may be unsettled, and the journals that were read for them."""
        stored = (item for n in range(SHARDS) for item in self._query(f"{JOURNALS}|{n}", now=now))
        journals = list(self._readable(Journal.of, stored))
        listed = (output_key(*place) for journal in journals for place in journal.places)
        keys = {key["pk"]["S"]: key for key in (*self._todo_keys(OUTPUTS), *listed)}
        return [key for key in keys.values() if node in (None, node_of(key))], journals

    # --- journals ------------------------------------------------------------------------------

    def _note(self, outputs: Iterable[OutputId], now: float) -> None:
        """Write which outputs may be fired next: what of them is fired need not be in the index.

        They take their places in the journal of this process beside what it has fired, until that is full.
        """
        places: list[OutputId] = []
        size = 0
        for place in sorted(set(outputs)):
            size += sum(len(text.encode()) for text in place)
            if size > LONGEST_JOURNAL:
                break
            places.append(place)
        if all(map(self._lists, places)):
            return
        # What is written when an answer is lost nobody knows: then it is no more this process's.
        journal, covered, self._journal, self._covered = self._journal, self._covered, None, {}
        if journal is not None:
            listed = dict.fromkeys(places) | covered
            if covered and len(encode((list(listed), list(listed.values()))).encode()) > self.full:
                self._shorten(journal, covered)
            elif self._write(
                journal.key, listed, now, "since = :was AND attribute_not_exists(closed)", journal.since
            ):
                self._journal, self._covered = Journal(journal.key, now, True, listed), covered
                return
        for turn in (
            count() if len(places) >= FEWEST else ()
        ):  # another process may have the same batch, at the same time
            key, listed = journal_key(digest(encode((places, now, turn)))), dict.fromkeys(places)
            if self._write(key, listed, now, "attribute_not_exists(since)"):
                self._journal = Journal(key, now, True, listed)
                return

    def _write(
        self,
        key: Mapping[str, Any],
        places: Mapping[OutputId, int | None],
        now: float,
        condition: str,
        was: float | None = None,
    ) -> bool:
        """Write an open journal; False where it is another one than it was."""
        values = {
            ":outputs": packed(list(places)),
            ":versions": packed(list(places.values())),
            ":since": number(now),
        }
        return self._conditionally(
            Key=key,
            UpdateExpression="SET outputs = :outputs, versions = :versions, since = :since",
            ConditionExpression=condition,
            ExpressionAttributeValues=values if was is None else {**values, ":was": number(was)},
        )

    def _lists(self, place: OutputId) -> bool:
        """Say whether the open journal of this process lists an output, and no sweep takes it for abandoned soon."""
        journal = self._journal
        return journal is not None and place in journal.places and self.now() - journal.since < ABANDONED // 2

    def _tidy_journals(self, journals: Iterable[Journal], left: set[str]) -> None:
        """Drop the journals of which nothing is ``left`` that is unsettled or unreadable; shorten those of which little is.

        The journals were read before their outputs. What was settled since a journal was closed is found otherwise
        where it is unsettled again.
        """
        for journal in journals:
            kept = {p: version for p, version in journal.places.items() if output_key(*p)["pk"]["S"] in left}
            if len(kept) <= len(journal.places) // 2:
                self._shorten(journal, kept)

    def _shorten(self, journal: Journal, places: Mapping[OutputId, int | None]) -> None:
        """Close a journal that is to hold these outputs, each with its version; drop it where there are none.

        Unless its process has written it since it was read.
        """
        if places:
            self._conditionally(
                Key=journal.key,
                UpdateExpression="SET outputs = :outputs, versions = :versions, closed = :yes",
                ConditionExpression="since = :since",
                ExpressionAttributeValues={
                    ":outputs": packed(listed := sorted(places)),
                    ":versions": packed([places[place] for place in listed]),
                    ":since": number(journal.since),
                    ":yes": {"BOOL": True},
                },
            )
            return
        with suppress(self.client.exceptions.ConditionalCheckFailedException):
            self.client.delete_item(
                TableName=self.table,
                Key=journal.key,
                ConditionExpression="since = :since",
                ExpressionAttributeValues={":since": number(journal.since)},
            )

    # --- existence -----------------------------------------------------------------------------

    # When each was written or deleted last stands beside them, of older versions when it was deleted.
    def see(self, signal: str, row: Key, position: int, time: float | None = None) -> None:
        self._exists("ADD", signal, row, position, time)

    def unsee(self, signal: str, row: Key, position: int, time: float) -> bool:
        return self._exists("DELETE", signal, row, position, time)

    def _exists(self, verb: str, signal: str, row: Key, position: int, time: float | None) -> bool:
        values: dict[str, Any] = {":position": {"NS": [str(position % CHUNK)]}}
        update: dict[str, Any] = {"UpdateExpression": f"{verb} seen :position"}
        if time is not None:
            changed = f"gone{position % CHUNK}"
            values[":time"] = number(time)
            update["UpdateExpression"] += f" SET {changed} = :time"
            update["ConditionExpression"] = f"attribute_not_exists({changed}) OR {changed} <= :time"
        key = row_key(signal, row, position // CHUNK)
        return self._conditionally(Key=key, ExpressionAttributeValues=values, **update)

    def seen(self, signal: str, row: Key, first: int, last: int) -> int:
        low = first // CHUNK
        places = [(signal, row, chunk) for chunk in range(low, last // CHUNK + 1)]
        bits = 0
        for item in self._get_many([row_key(*place) for place in places]):
            chunk = int(item["sk"]["S"])
            found = sum(1 << int(position) for position in item.get("seen", {"NS": ()})["NS"])
            bits |= found << (chunk - low) * CHUNK
        return bits

    # --- watches and expiries ------------------------------------------------------------------------

    def watch(self, watch: Waiter) -> None:
        key = watch_key(watch)
        self.client.update_item(
            TableName=self.table,
            Key=key,
            UpdateExpression="SET since = if_not_exists(since, :since), watch = :watch, todo = :todo",
            ExpressionAttributeValues={
                ":todo": todo_key(WATCHES, key),
                ":since": number(watch.since),
                ":watch": {"S": encode((*watch[:4], watch.means))},
            },
        )

    def unwatch(self, watch: Waiter) -> None:
        self.client.delete_item(TableName=self.table, Key=watch_key(watch))

    def waiters(self, signal: str, partition: Partition) -> Sequence[Waiter]:
        return list(self._readable(watch_of, self._query(watch_pk(signal, partition))))

    def watches(self) -> Iterable[Waiter]:
        return list(self._readable(watch_of, self._get_many(self._todo_keys(WATCHES))))

    def versions(
        self, arrival_index: ArrivalIndex, partitions: Sequence[Partition]
    ) -> Sequence[Arrivals | None]:
        keys = {p: arrival_key(arrival_index, p) for p in partitions}
        oldest, found = self.now() - arrival_index.ttl, dict[tuple[str, str], Arrivals]()
        for item in self._get_many(list(keys.values())):
            for record in self._records([item], oldest):
                found[item["pk"]["S"], item["sk"]["S"]] = record
        return [found.get((keys[p]["pk"]["S"], keys[p]["sk"]["S"])) for p in partitions]

    def read(self, reader: Reader) -> None:
        item = {"reader": {"S": encode(reader)}, "ttl": number(int(self.now() + KEEP))}
        self.client.put_item(TableName=self.table, Item={**reader_key(reader), **item})

    def unread(self, reader: Reader) -> None:
        self.client.delete_item(TableName=self.table, Key=reader_key(reader))

    def readers(self, signal: str, partition: Partition) -> Sequence[Reader]:
        return list(self._readable(reader_of, self._query(reader_pk(signal, partition))))

    def cursor(self, name: str) -> int | None:
        item = self._get(cursor_key(name))
        return None if item is None else int(item["value"]["N"])

    def move(self, name: str, old: int | None, new: int) -> bool:
        values = {":new": number(new)} if old is None else {":new": number(new), ":old": number(old)}
        try:
            self.client.update_item(
                TableName=self.table,
                Key=cursor_key(name),
                UpdateExpression="SET #value = :new",
                ConditionExpression="attribute_not_exists(#value)" if old is None else "#value = :old",
                ExpressionAttributeNames={"#value": "value"},
                ExpressionAttributeValues=values,
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def refused(self, refusal: Refusal) -> None:
        self.client.put_item(
            TableName=self.table,
            Item={
                "pk": {"S": REFUSALS},
                "sk": {"S": sort_key(refusal.permission)},
                "refusal": {"S": encode(refusal)},
                "ttl": number(int(refusal.time + REFUSED)),
            },
        )

    def refusals(self, now: float) -> Sequence[Refusal]:
        found = self._readable(refusal_of, self._query(REFUSALS))
        return [each for each in found if each.time > now - REFUSED]

    def touched(self, signal: str, partition: Partition) -> Touched | None:
        item = self._get(touched_key(signal, partition))
        return None if item is None else self._read(touched_of, item)

    def touches(self, signal: str) -> Iterable[Touched]:
        return list(self._readable(touched_of, self._query(touched_pk(signal))))

    def touch(self, old: Touched | None, new: Touched) -> bool:
        written = {":new": {"S": encode(new)}}
        update = "SET touched = :new REMOVE #ttl"
        if not new.signal.endswith(CAME):
            written[":ttl"] = number(new.seen + TOUCHED)
            update = "SET touched = :new, #ttl = :ttl"
        condition = "attribute_not_exists(touched)" if old is None else "touched = :old"
        try:
            self.client.update_item(
                TableName=self.table,
                Key=touched_key(new.signal, new.partition),
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeNames={"#ttl": "ttl"},
                ExpressionAttributeValues=written if old is None else {**written, ":old": {"S": encode(old)}},
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def expire(self, node: str, partial: Partial, marks: tuple[ConsumedMark, ...]) -> None:
        item: Item = {
            **expiry_key(node, partial),
            "partial": {"S": encode(partial)},
            "marks": packed(marks),
            "ttl": number(int(self.now() + KEEP)),
        }
        self.client.put_item(TableName=self.table, Item=item)

    def expiries(self, node: str, partial: Partial) -> Iterable[tuple[Partial, tuple[ConsumedMark, ...]]]:
        for position, partition in enumerate(partial):
            if partition is not None:
                items = self._query(expiry_pk(node, position, partition))
                yield from self._readable(lambda item: expiry_of(item, partial), items)

    # --- DynamoDB ------------------------------------------------------------------------------

    def _read(self, parse: Callable[[Item], T], item: Item) -> T:
        """Return the record in an item; raises Unreadable."""
        try:
            return parse(item)
        except (*BROKEN, zlib.error) as fault:
            place = item["pk"]["S"] + ("" if item["sk"]["S"] == "." else f" {item['sk']['S']}")
            raise Unreadable(f"{place} cannot be read: {type(fault).__name__}: {fault}") from fault

    def _readable(self, parse: Callable[[Item], T], items: Iterable[Item]) -> Iterator[T]:
        """Yield the records in items; those that cannot be read are told of, and left out."""
        for item in items:
            try:
                record = self._read(parse, item)
            except Unreadable as fault:
                self.unreadable(str(fault))
                continue
            yield record

    def _record(self, item: Item | None, oldest: float) -> Arrivals | None:
        """Return the arrivals in an item, those that count; raises Unreadable."""
        return self._read(lambda item: arrivals_of(item, oldest), item) if item else None

    def _records(self, items: Iterable[Item], oldest: float) -> list[Arrivals]:
        found = self._readable(lambda item: arrivals_of(item, oldest), items)
        return [record for record in found if record is not None]

    def _get(self, key: Mapping[str, Any], *, now: bool = True) -> Item | None:
        return self.client.get_item(TableName=self.table, Key=key, ConsistentRead=now).get("Item")

    def _get_many(self, keys: Sequence[dict[str, Any]], *, now: bool = True) -> Iterator[Item]:
        """Yield the items of many keys, as they are ``now``, or were a moment ago, which is half as dear."""
        if len(keys) == 1:
            item = self._get(keys[0], now=now)
            yield from () if item is None else (item,)
            return
        for start in range(0, len(keys), 100):
            wanted: Any = {self.table: {"Keys": list(keys[start : start + 100]), "ConsistentRead": now}}
            while wanted:
                answer = self.client.batch_get_item(RequestItems=wanted)
                yield from answer["Responses"].get(self.table, [])
                wanted = answer.get("UnprocessedKeys")

    def _query(self, pk: str, *, now: bool = True) -> Iterator[Item]:
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": pk}},
            ConsistentRead=now,
        )
        for page in pages:
            yield from page["Items"]

    def _todo_keys(self, kind: str) -> list[dict[str, Any]]:
        """Return the keys of what the sweeper may have to act on, by the index, which may lag: to be read as it is now."""
        found = []
        for key in (
            kind,
            *(f"{kind}{shard}" for shard in range(SHARDS)),
        ):  # an older version wrote the kind alone
            pages = self.client.get_paginator("query").paginate(
                TableName=self.table,
                IndexName=TODO,
                KeyConditionExpression="todo = :todo",
                ExpressionAttributeValues={":todo": {"S": key}},
            )
            found += [{"pk": item["pk"], "sk": item["sk"]} for page in pages for item in page["Items"]]
        return found

    def _scan(self, *prefixes: str) -> Iterator[Item]:
        values = {f":prefix{n}": {"S": prefix} for n, prefix in enumerate(prefixes)}
        pages = self.client.get_paginator("scan").paginate(
            TableName=self.table,
            FilterExpression=" OR ".join(f"begins_with(pk, {name})" for name in values),
            ExpressionAttributeValues=values,
            ConsistentRead=True,
        )
        for page in pages:
            yield from page["Items"]

    def _conditionally(self, **update: Any) -> bool:
        try:
            self.client.update_item(TableName=self.table, **update)
        except self.client.exceptions.ConditionalCheckFailedException:
            return False  # something newer stands there
        return True
