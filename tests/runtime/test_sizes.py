"""Every item that the ledger writes, and every message that the listener sends, at its bound: it fits where it goes.

DynamoDB takes 400 kB of an item, SQS and EventBridge 256 kB of a message. What the compiler lets pass, what the door for
values lets pass and what a run may say are brought to their ends, with texts that no compression makes smaller.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from benchmarks._dynamodb import LARGEST, DynamoDB, TooLarge
from rheo_runtime import executions, wire
from rheo_runtime.airflow_client import PUMPED, Announcer, RateLimiter
from rheo_runtime.batches import Filler, ripe
from rheo_runtime.dynamodb import DynamoLedger, create_table
from rheo_runtime.engine import Engine
from rheo_runtime.events import SignalEvent, signal_entry
from rheo_runtime.executions import CHECKS, OWING, bounded
from rheo_runtime.ledger import REMEMBERED
from rheo_runtime.listener import MAX_LETTER, MAX_REASON, RESERVE_MS, Gathered, Listener, _plain
from rheo_runtime.match import MAX_PARTITION
from rheo_runtime.records import (
    CHUNK,
    FAILED,
    Arrival,
    ArrivalIndex,
    CheckResult,
    Means,
    Output,
    Reader,
    Refusal,
    Stored,
    Touched,
    User,
    Waiter,
    checks_ended,
    execution_id,
)
from rheodsl.extent import MOST_INPUTS, MOST_PARTITIONS

from .tables import DAY, TEXT, route, signal, view

MESSAGE = 256 * 1024
NOW = 1_700_000_000.0
MEANS = Means("m" * 12, tuple(f"{n:012}" for n in range(MOST_INPUTS)))
RANDOM = Random(7)
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_."
WIDE = "\U0001f600"  # four bytes


def noise(length: int) -> str:
    return "".join(RANDOM.choices(LETTERS, k=length))


def longest() -> tuple[str, int]:
    """The longest partition that the door lets pass."""
    return noise(MAX_PARTITION - len("/2024-03-01")), 739_000


class Ledgers:
    """A ledger on a stand-in that refuses what is too large, and its clock."""

    def __init__(self) -> None:
        self.db: Any = DynamoDB()
        create_table("t", self.db)
        self.time = NOW
        self.ledger = DynamoLedger("t", self.db, lambda: self.time)

    @property
    def largest(self) -> dict[str, int]:
        found: dict[str, int] = self.db.largest
        return found


@pytest.fixture
def at() -> Ledgers:
    return Ledgers()


def test_the_stand_in_refuses_what_dynamodb_does(at: Ledgers) -> None:
    item = {"pk": {"S": "A"}, "sk": {"S": "."}, "x": {"S": "x" * (LARGEST - 7)}}
    at.db.put_item(TableName="t", Item=item)
    with pytest.raises(TooLarge):
        at.db.put_item(TableName="t", Item={**item, "x": {"S": item["x"]["S"] + "x"}})


# --- the ledger: each kind of item ---


def hot(at: Ledgers, events: int, together: int, ids: Callable[[int], str], ttl: int = 30 * 86400) -> None:
    """Let events of one partition arrive, so many at a time."""
    index, partition = ArrivalIndex("node", "a", ("aa", "bb"), False, ttl), longest()
    texts = (partition[0].upper(), "2024-03-01")
    keys = ((partition[0],), (partition[1],))
    for first in range(0, events, together):
        at.time += 60
        group = [Arrival(index, keys, partition, ids(n), texts) for n in range(first, first + together)]
        at.ledger.together([group], (), at.time)
        for arrival in group:
            at.ledger.arrive(*arrival[:4], at.time, texts)
    record = at.ledger.arrived(index, keys[0], partition)
    assert record is not None
    assert (record.n, len(record.times()) <= REMEMBERED + 50) == (events, True)


@pytest.mark.parametrize(
    "id", ["x" * 90, WIDE * 24, WIDE * 96, "x" * 2048], ids=["ascii", "wide", "wider", "long"]
)
def test_a_hot_partition_forgets_its_oldest_events(at: Ledgers, id: str) -> None:
    hot(at, 2_500, 50, lambda n: f"{n:06}{id}"[:2048])
    assert at.largest["A"] < LARGEST - 100_000


def test_events_that_count_no_more_leave_a_partition_that_many_come_to_together(at: Ledgers) -> None:
    hot(at, 1_500, 10, lambda n: f"{n:06}{'x' * 90}", ttl=1800)  # 300 of them count at a time
    assert at.largest["A"] < 60_000


def test_a_batch_of_many_outputs_notes_those_that_fit(at: Ledgers) -> None:
    names = [(f"{n:04}{noise(1000)}{WIDE}", "2024-03-01") for n in range(300)]
    at.ledger.together([], [(node, partition) for node, partition in names], at.time)
    for node, partition in names:
        at.ledger.save(
            None, executions.fire(None, node, partition, Stored({}).builder, {"id": "x"}, ("e",), NOW)[0]
        )
    indexed = sum("todo" in item for item in at.db.groups["t"]["O"].values())
    assert 0 < indexed < len(names), "the rest is found by the index"
    at.ledger.together([], [], at.time)
    assert len(list(at.ledger.unsettled(tidy=True))) == len(names)
    assert at.largest["J"] < LARGEST // 2


def fired(at: Ledgers, documents: int, document: Callable[[int], dict[str, Any]]) -> Output:
    """Fire, claim and end so many executions of one output; one more is claimed, one is held behind it."""
    node, partition = "node", "/".join(map(str, longest()))
    for n in range(documents + 1):
        _fire(at, node, partition, document(n))
        if n < documents:
            name = execution_id(node, partition, n + 1)
            assert executions.claim(at.ledger, node, partition, name, noise(250), at.time) is not None
            run = at.ledger.output(node, partition, None)[0].active.run_id  # type: ignore[union-attr]
            assert run is not None
            executions.fail(at.ledger, node, partition, name, run, at.time, noise(5_000))
    _fire(at, node, partition, document(documents + 1))
    output, _ = at.ledger.output(node, partition, None)
    assert output is not None
    return output


def _fire(at: Ledgers, node: str, partition: str, document: dict[str, Any]) -> None:
    at.time += 1
    before, _ = at.ledger.output(node, partition, None)
    stored = Stored(document)
    events = tuple(noise(96) for _ in range(MOST_INPUTS))
    after, _, _ = executions.fire(before, node, partition, stored.builder, document, events, at.time)
    used = (len(events), tuple((at.time + RANDOM.random(), 10**6) for _ in events))
    assert at.ledger.save(before, after, User(tuple(longest() for _ in events), MEANS), used)


@pytest.mark.slow
def test_an_output_of_the_widest_window_keeps_what_is_under_way(at: Ledgers) -> None:
    """Its paths are as long as S3 takes keys, and differ in the dimension of the window."""
    folder = noise(990)

    def document(n: int) -> dict[str, Any]:
        paths = [f"s3://lake/{folder}/{day + n:08}" for day in range(MOST_PARTITIONS)]
        return {"inputs": [{"alias": "a", "paths": paths}]}

    output = fired(at, 2, document)
    assert at.largest["O"] < LARGEST - 50_000
    assert output.active is not None
    assert output.held is not None
    assert (output.active.document, output.held.document) == (document(2), document(3))


def test_an_output_of_the_most_inputs_keeps_what_is_under_way(at: Ledgers) -> None:
    """Each of another partition, as long as partitions are."""

    def document(n: int) -> dict[str, Any]:
        inputs = []
        for _ in range(MOST_INPUTS):
            text = noise(MAX_PARTITION)
            inputs.append({"dimensions": {"region": text}, "paths": [f"s3://lake/orders/{text}"]})
        return {"inputs": inputs}

    output = fired(at, 5, document)
    assert at.largest["O"] < LARGEST - 20_000
    assert output.active is not None
    assert output.held is not None
    assert len(output.active.document["inputs"]) == MOST_INPUTS


def test_many_that_owe_a_signal_are_not_kept_for_ever(at: Ledgers) -> None:
    """The bus is down for days: what each would announce is the same partition."""
    for n in range(OWING + 5):
        _fire(at, "node", "p", {"n": n, "paths": noise(20_000)})
        name = execution_id("node", "p", n + 1)
        assert executions.claim(at.ledger, "node", "p", name, "run", at.time) is not None
        executions.succeed(at.ledger, "node", "p", name, "run", at.time, [CheckResult("a", True)])
    output, _ = at.ledger.output("node", "p", None)
    assert output is not None
    assert output.ended[0].generation == OWING + 5, "the latest owes still"
    assert not output.ended[0].signalled
    assert len(output.ended) <= OWING
    assert at.largest["O"] < LARGEST - 50_000


def test_what_many_members_of_a_coarser_partition_were_used_is_packed_and_moved(at: Ledgers) -> None:
    binding: Any = None
    for n in range(3):
        at.time += 1
        before, _ = at.ledger.output("node", "p", None)
        stored = Stored({"n": n})
        after, _, _ = executions.fire(before, "node", "p", stored.builder, {"n": n}, (), at.time)
        members = tuple(("a", (f"{n}", 739_000)) for n in range(MOST_PARTITIONS))
        binding, used = (
            User((longest(),), Means("m" * 12, ("a",)), members),
            (n + 1, tuple((NOW + RANDOM.random(), n) for _ in members)),
        )
        assert at.ledger.save(before, after, binding, used)
        assert at.ledger.output("node", "p", binding)[1] == used
    assert at.largest["O"] < LARGEST - 50_000


def test_what_a_run_says_is_bounded(at: Ledgers) -> None:
    said = [CheckResult(noise(1_000), n % 7 > 0, "warn", noise(1_000)) for n in range(300)]
    said[-1] = CheckResult("the last", False, "block", "it blocks")
    _fire(at, "node", "p", {})
    name = execution_id("node", "p", 1)
    executions.claim(at.ledger, "node", "p", name, "run", at.time)
    executions.fail(at.ledger, "node", "p", name, "run", at.time, noise(1_000_000), said)
    output, _ = at.ledger.output("node", "p", None)
    assert output is not None
    (over,) = output.ended
    assert over.state == FAILED
    assert over.note.endswith("... (998,000 more characters)")
    assert CheckResult("the last", False, "block", "it blocks") in over.checks
    assert over.checked == checks_ended(said)
    assert at.largest["O"] < 100_000


def test_checks_that_fit_are_kept_as_they_are() -> None:
    few = [CheckResult("a", True), CheckResult("b", False, "warn", "2 rows")]
    assert bounded(few) == tuple(few)
    many = [CheckResult(f"c{n}", True, "block", "x" * 500) for n in range(CHECKS)]
    found = bounded(many)
    assert found[-1] == CheckResult(f"{CHECKS - len(found) + 1:,} more checks", True, "warn", "")
    assert checks_ended(found) == checks_ended(many)


def test_every_other_item_at_its_bound(at: Ledgers) -> None:
    binding = tuple(longest() for _ in range(MOST_INPUTS))
    ledger, key = at.ledger, longest()
    for position in range(CHUNK):
        ledger.see("s" * 200, key, position, NOW)
        ledger.unsee("s" * 200, key, position, NOW + position)
        ledger.see("s" * 200, key, position, 2 * NOW)
    ledger.watch(Waiter("s" * 200, key, "n" * 200, binding, NOW, "m" * 100))
    ledger.read(Reader("s" * 200, key, "n" * 200, binding, "m" * 100))
    assert ledger.move("c" * 3_000, None, 10**12)
    ledger.refused(Refusal(noise(2_048), noise(2_048), NOW))
    assert ledger.touch(None, Touched("s" * 200, key, noise(2_048), NOW, NOW))
    members: Any = tuple((NOW + RANDOM.random(), 10**6) for _ in range(MOST_PARTITIONS))
    marks = (members, *[(NOW, 1)] * (MOST_INPUTS - 1))
    ledger.expire("n" * 200, (None, *binding[1:]), marks)
    assert len(list(ledger.expiries("n" * 200, (None, *binding[1:])))) == 1
    assert len(at.db.groups["t"]["L"]) == 1, "one item, however many inputs the combination has"
    hot(at, 50, 50, str)
    _fire(at, "node", "p", {})
    # What an item is follows from the first letter of its key: none is left out here.
    assert set(at.largest) == set("AOWPRCDTL")
    assert {kind: size for kind, size in at.largest.items() if size > LARGEST - 50_000} == {}


# --- what goes elsewhere ---


def engine(at: Ledgers, **options: Any) -> Engine:
    orders = signal("orders", region=TEXT, day=DAY)
    daily = route("daily", [view(orders)], signals=[orders], **options)
    return Engine(wire.RouteTable("app", (orders,), (daily,)), at.ledger, lambda: at.time)


def test_a_partition_that_is_longer_than_a_key_of_s3_is_refused(at: Ledgers) -> None:
    made = engine(at)
    fits, exceeds = noise(MAX_PARTITION - len("/2024-03-01")), WIDE * 254
    assert len(made.on_event(SignalEvent("app", "orders", (fits, "2024-03-01"), "x", NOW)).fired) == 1
    refused = made.on_event(SignalEvent("app", "orders", (exceeds, "2024-03-01"), "y", NOW))
    assert refused.fired == []
    (rejected,) = refused.rejected
    assert rejected.reason == "its texts have 1,027 bytes, and a partition at most 1,024"
    assert len(rejected.what) <= MAX_PARTITION


def documents(at: Ledgers, count: int) -> list[dict[str, Any]]:
    made = engine(at)
    found = []
    for n in range(count):
        texts = (noise(MAX_PARTITION - len("/2024-03-01")), "2024-03-01")
        found += made.on_event(SignalEvent("app", "orders", texts, f"e{n}", NOW)).fired
    return found


def test_messages_to_queues_and_buses_fit(at: Ledgers) -> None:
    made = documents(at, PUMPED)
    assert len(Gathered(made).text().encode()) < MESSAGE
    entry = signal_entry(made[0], "default", "FAIL")
    assert len(json.dumps(entry).encode()) < MESSAGE // 10
    reason = _plain(WIDE * 1_000)
    assert len(reason) == MAX_REASON
    assert MAX_LETTER + len("reasonString") + len(reason.encode()) <= MESSAGE


class Door:
    """Airflow's front door, which takes what comes."""

    def __init__(self) -> None:
        self.bodies: list[int] = []

    def invoke_rest_api(self, **call: Any) -> dict[str, Any]:
        self.bodies.append(len(json.dumps(call.get("Body")).encode()))
        return {"RestApiStatusCode": 200, "RestApiResponse": {"dag_runs": [], "total_entries": 0}}


def test_a_batch_of_1_000_executions_is_one_call(at: Ledgers) -> None:
    """MWAA says of answers that they have 6 MB at most ("Using the Apache Airflow REST API"), of requests nothing."""
    door = Door()
    announcer = Announcer(door, "prod", RateLimiter(1000))
    members = [(document["partition"], document["generation"]) for document in documents(at, 1_000)]
    announcer.announce_batch("app", "node", 1, members, "rheo~batch~1")
    assert max(door.bodies) < 6_000_000 // 2


def test_a_batch_is_full_when_its_names_are_long(at: Ledgers) -> None:
    """What it is started for is one item, whatever the names are: by the listener that fills it, and by a sweep."""
    batches = {"node": (1_000, 60)}
    filler, batch = Filler(batches, "listener"), documents(at, 1_000)
    node = batch[0]["node"]
    for document in batch:
        filler.give("node", document["id"], NOW)
        filler.fired([document])
    ready = [o._replace(node="node") for o in at.ledger.outputs(node)]
    found = [*filler.full(), *ripe(ready, batches, NOW + 60)]
    assert len(found) > 15 and sum(len(each.documents) for each in found) > 1_900
    for number, each in enumerate(found):
        members = frozenset((d["partition"], d["generation"]) for d in each.documents)
        assert at.ledger.start(f"r{number}", members) == members
    assert 60_000 < at.largest["B"] < 130_000


# --- work within a message ends in time ---


class World:
    """A listener whose every event takes five seconds."""

    def __init__(self, at: Ledgers) -> None:
        self.left = 60_000.0
        self.announced: list[str] = []
        self.dead: list[str] = []
        self.engine = engine(at)
        on_event = self.engine.on_event

        def slowly(*args: Any, **kwargs: Any) -> Any:
            self.left -= 5_000
            return on_event(*args, **kwargs)

        self.engine.on_event = slowly  # type: ignore[method-assign]
        self.listener = Listener(
            self.engine,
            lambda document: self.announced.append(document["partition"]),
            emit=lambda owed: None,
            dead_letters=lambda body, reason: self.dead.append(reason),
            log=lambda what, /, **fields: None,
        )

    def deliver(self, *bodies: str, delivery: int = 1) -> list[str]:
        self.left = 60_000.0
        attributes = {"ApproximateReceiveCount": str(delivery)}
        records = [
            {"messageId": f"m{n}", "body": body, "attributes": attributes} for n, body in enumerate(bodies)
        ]
        answer = self.listener.handle({"Records": records}, lambda: self.left)
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def put(*regions: str) -> str:
    """A notification of S3 itself, whose entries are many."""
    return json.dumps({"Records": [_entry(f"orders/{region}/2024-03-01/_SUCCESS") for region in regions]})


def _entry(key: str) -> dict[str, Any]:
    s3 = {"bucket": {"name": "lake"}, "object": {"key": key, "eTag": "x"}}
    return {"eventName": "ObjectCreated:Put", "eventTime": "2024-03-01T00:00:00Z", "s3": s3}


def test_a_message_of_many_entries_stops_in_time_and_goes_on(at: Ledgers) -> None:
    world = World(at)
    many = put(*(f"r{n}" for n in range(20)))
    assert world.deliver(many, put("innocent")) == ["m0"]
    assert world.announced[0] == "innocent/2024-03-01", "it waits for none of the twenty"
    assert 0 < world.left < RESERVE_MS
    done = len(world.announced)
    assert 1 < done < 20
    # The next delivery has more time, as counting again what is counted takes little: here as much.
    world.left, world.engine.on_event = 60_000.0, type(world.engine).on_event.__get__(world.engine)  # type: ignore[method-assign]
    assert world.deliver(many, delivery=2) == []
    regions = ["innocent", *(f"r{n}" for n in range(20))]
    assert set(world.announced) == {f"{region}/2024-03-01" for region in regions}


def test_a_bad_entry_is_set_aside_once_and_holds_no_good_one(at: Ledgers) -> None:
    world = World(at)
    good = [_entry(f"orders/r{n}/2024-03-01/_SUCCESS") for n in range(12)]
    body = json.dumps({"Records": [{"eventName": 7}, *good]})
    assert world.deliver(body) == ["m0"]
    assert world.dead == [], "the good ones are not done"
    world.engine.on_event = type(world.engine).on_event.__get__(world.engine)  # type: ignore[method-assign]
    assert world.deliver(body, delivery=2) == []
    assert len(set(world.announced)) == 12
    assert len(world.dead) == 1
