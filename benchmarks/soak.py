"""Many events through the handler, with DynamoDB's stand-in in a process of its own: counts, memory, cost.

Of 100,000 messages 1% are poison and 5% come twice; they come out of order, in batches of ten. One node
joins two datasets, another waits until a window of one is complete. What must come of it is known
beforehand, and is compared number by number.

And one partition to which a million events come: what the ledger keeps of it, and bills for it, does not grow.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from multiprocessing.connection import Connection
from random import Random
from typing import Any, NamedTuple

from benchmarks import _dynamodb
from benchmarks.match_join import DAY, TEXT, dataset, equal, route, view
from rheo_runtime import wire
from rheo_runtime.airflow_client import Announcer
from rheo_runtime.dynamodb import DynamoLedger, create_table
from rheo_runtime.engine import Engine
from rheo_runtime.ledger import Arrival
from rheo_runtime.listener import Listener
from rheo_runtime.records import ArrivalIndex

EVENTS = 100_000
POISON, TWICE = 0.01, 0.05
BATCH = 10
REORDERED = 1_000  # messages among which any order is possible
WINDOW = 3
ORIGINS = 20
FLAT = (
    1.10  # how much the listener, and what a hot partition costs, may grow from a fifth of the way to the end
)
HOT, TOGETHER = 1_000_000, 50  # events of one partition, and how many of them come at a time

Result = dict[str, Any]


def routes() -> wire.RouteTable:
    """``joined`` of orders and ships; ``smooth`` of three days of orders, when all are there."""
    orders, ships = dataset("orders", region=TEXT, day=DAY), dataset("ships", region=TEXT, day=DAY)
    return wire.RouteTable(
        "soak",
        (orders, ships),
        (
            route("joined", [view(orders), view(ships)], equal(orders, ships, "region", "day")),
            route("smooth", [view(orders, WINDOW, "range_check")], []),
        ),
    )


def messages(number: int, random: Random) -> tuple[list[str], Counter[str]]:
    """Return the bodies of the messages, and what must come of them: executions by node, poison, events."""
    poison, twice = round(number * POISON), round(number * TWICE)
    fresh = number - poison - twice
    keys, days = [], Counter[str]()
    for n in range(fresh):
        pair, side = divmod(n, 2)
        day, origin = divmod(pair, ORIGINS)
        signal = ("orders", "ships")[side]
        days[f"{signal} {origin}"] += 1
        keys.append(f"{signal}/R{origin}/{date(2000, 1, 1) + timedelta(day)}/_SUCCESS")
    bodies = [_created(key, n) for n, key in enumerate(keys)]
    bodies += random.choices(bodies, k=twice)
    broken = {"source": "aws.s3", "detail-type": "Object Created"}
    bodies += [json.dumps({**broken, "n": n}) for n in range(poison)]
    random.shuffle(bodies)
    bodies.sort(key=lambda body: _place(body, number, random))
    expected = Counter(
        joined=fresh // 2,
        smooth=sum(max(0, n - WINDOW + 1) for name, n in days.items() if name.startswith("orders")),
        poison=poison,
        events=fresh + twice,
    )
    return bodies, expected


def _created(key: str, n: int) -> str:
    detail = {"bucket": {"name": "lake"}, "object": {"key": key, "etag": f"{n:032x}"}}
    return json.dumps(
        {
            "source": "aws.s3",
            "detail-type": "Object Created",
            "time": "2024-01-01T00:00:00Z",
            "detail": detail,
        }
    )


def _place(body: str, number: int, random: Random) -> int:
    """The block that a message comes in: blocks keep their order, messages of one do not."""
    etag = json.loads(body).get("detail", {}).get("object", {}).get("etag")
    place = random.randrange(number) if etag is None else int(etag, 16)
    return (place + random.randrange(REORDERED)) // REORDERED


class Airflow:
    """Takes everything; ``count`` is told the id of each execution."""

    def __init__(self, count: Callable[[str], None] = lambda _: None) -> None:
        self.count = count

    def invoke_rest_api(self, **call: Any) -> Mapping[str, Any]:
        """Answer as boto3's mwaa client does."""
        if call["Method"] == "GET":
            uri = call["QueryParameters"]["uri_pattern"]
            return {"RestApiResponse": {"assets": [{"id": 1, "uri": uri}], "total_entries": 1}}
        self.count(call["Body"]["extra"]["id"])
        return {"RestApiResponse": {}}


class Remote:
    """The stand-in behind a pipe, as a client has DynamoDB behind a connection."""

    exceptions = _dynamodb.DynamoDB.exceptions

    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            self.pipe.send((name, arguments))
            fault, answer = self.pipe.recv()
            if fault:
                raise getattr(self.exceptions, answer)
            return answer

        return call

    def get_paginator(self, name: str) -> Any:
        """Pages are whole answers here."""
        return _dynamodb._Pages(getattr(self, name))


def _serve(pipe: Connection) -> None:
    db, told = _dynamodb.DynamoDB(), Counter[str]()
    while True:
        try:
            name, arguments = pipe.recv()
        except EOFError:
            return
        if name == "count":  # here, so that the listener's memory is its own
            told[arguments["id"]] += 1
            pipe.send((False, None))
            continue
        if name == "counted":
            pipe.send((False, (dict(db.units), dict(told))))
            continue
        try:
            pipe.send((False, getattr(db, name)(**arguments)))
        except (_dynamodb.ConditionalCheckFailedException, _dynamodb.ResourceInUseException) as fault:
            pipe.send((True, type(fault).__name__))


def memory() -> float:
    """MiB that this process has in memory now."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize() / 2**20
    except OSError:  # no Linux: the most that it ever had
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** (
            20 if sys.platform == "darwin" else 10
        )


def soak(number: int, seed: int = 7) -> dict[str, Any]:
    """Send ``number`` messages through a listener; return what came of them beside what had to."""
    bodies, expected = messages(number, Random(seed))
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(there,), daemon=True)
    server.start()
    there.close()
    try:
        client: Any = Remote(here)
        create_table("t", client)
        dead: Counter[str] = Counter()
        airflow, lines = Airflow(lambda id: client.count(id=id)), Counter[str]()
        engine = Engine(routes(), DynamoLedger("t", client, lambda: 1.7e9), lambda: 1.7e9)
        listener = Listener(
            engine,
            Announcer(airflow, "env").announce,
            lambda document: None,
            lambda body, reason: dead.update([reason]),
            log=lambda what, /, **fields: lines.update([what]),
        )
        sizes, start = [], time.perf_counter()
        for batch in _batches(bodies):
            answer = listener.handle({"Records": batch}, lambda: 60_000)
            assert answer == {"batchItemFailures": []}, answer
            if int(batch[0]["messageId"]) % (number // 10) < BATCH:
                sizes.append(memory())
        seconds = time.perf_counter() - start
        sizes.append(memory())
        units, told = client.counted()
        done = Counter(f"{o.node} {o.generation}" for o in engine.ledger.outputs())
    finally:
        here.close()
        server.join(10)
    by_node = Counter(id.split("/")[0] for id in told)
    return {
        "expected": expected,
        "found": Counter(
            joined=done["joined 1"], smooth=done["smooth 1"], poison=sum(dead.values()),
            events=listener.counts["events"],
        ),
        "others": {key: n for key, n in done.items() if key not in ("joined 1", "smooth 1")},
        "announced": {"joined": by_node["joined"], "smooth": by_node["smooth"]},
        "announced twice": sum(n > 1 for n in told.values()),
        "failed": listener.counts.get("failed", 0),
        "memory": sizes,
        "seconds": seconds,
        "units": units,
    }  # fmt: skip


def _batches(bodies: list[str]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(bodies), BATCH):
        yield [
            {"messageId": str(start + n), "body": body, "attributes": {"ApproximateReceiveCount": "1"}}
            for n, body in enumerate(bodies[start : start + BATCH])
        ]


def right(result: dict[str, Any]) -> list[str]:
    """Return what is wrong with the counts of a soak; nothing when all are exact."""
    expected, found = result["expected"], result["found"]
    faults = [f"{name}: {found[name]}, not {n}" for name, n in expected.items() if found[name] != n]
    faults += [f"{name} announced: {n}" for name, n in result["announced"].items() if n != expected[name]]
    for what in ("others", "announced twice", "failed"):
        if result[what]:
            faults.append(f"{what}: {result[what]}")
    return faults


class Hot(NamedTuple):
    """What a tenth of the events of one partition was billed, and how large its item was by then."""

    write: float
    read: float
    largest: int


def hot(events: int) -> list[Hot]:
    """Let so many events of one partition arrive, some at a time, a minute apart; return each tenth of them."""
    db: Any = _dynamodb.DynamoDB()
    create_table("t", db)
    now = 1.7e9
    ledger = DynamoLedger("t", db, lambda: now)
    index, partition = ArrivalIndex("node", "orders", ("region", "day"), False, 90 * 86400), ("EU", 19_000)
    keys, texts = ((partition[0],), (partition[1],)), ("EU", "2022-01-08")
    found: list[Hot] = []
    for tenth in range(10):
        db.units.clear()
        for first in range(tenth * events // 10, (tenth + 1) * events // 10, TOGETHER):
            now += 60
            group = [
                Arrival(index, keys, partition, f"{n:032x}", texts) for n in range(first, first + TOGETHER)
            ]
            ledger.together([group], (), now)
            for arrival in group:
                ledger.arrive(*arrival[:4], now, texts)
        per_event = (db.units[kind] / (events / 10) for kind in ("write", "read"))
        found.append(Hot(*per_event, max(db.largest.values())))
    record = ledger.arrived(index, keys[0], partition)
    if record is None or record.n != events:
        raise SystemExit(f"{record and record.n} of {events} events of a hot partition are counted")
    return found


Row = tuple[str, float, str, float | None, float | None, str]  # name, value, unit, baseline, ratio, note


def _hot() -> list[Row]:
    """Say what a partition with very many events costs, at first and at last."""
    tenths = hot(HOT)
    first, last = tenths[1], tenths[-1]
    told = f"the last tenth of {HOT:,} events, {TOGETHER} at a time; the baseline is the second tenth"
    rows = [
        ("write units an event of a hot partition", round(last.write, 2), "", round(first.write, 2)),
        ("read units an event of a hot partition", round(last.read, 2), "", round(first.read, 2)),
        ("item of a hot partition", last.largest, "bytes", first.largest),
    ]
    for name, value, _, baseline in rows:
        if value > FLAT * baseline:
            raise SystemExit(f"{name}: {value} at last, {baseline} at first")
    return [
        (name, value, unit, baseline, round(value / baseline, 3), told)
        for name, value, unit, baseline in rows
    ]


def run() -> list[Result]:
    """Soak, and say what came of it."""
    result = soak(EVENTS)
    faults = right(result)
    if faults:
        raise SystemExit("\n".join(faults))
    sizes, units = result["memory"], result["units"]
    growth = sizes[-1] / sizes[2]
    if growth > FLAT:
        raise SystemExit(f"memory grows: {sizes}")
    expected = result["expected"]
    rows: list[Row] = [(f"{name}, exactly", n, "", None, None, "") for name, n in expected.items()]
    rows += [
        (
            "messages",
            round(EVENTS / result["seconds"]),
            "/s",
            None,
            None,
            "one listener, ledger behind a pipe",
        ),
        ("memory after a fifth", round(sizes[2], 1), "MiB", None, None, ""),
        ("memory at the end", round(sizes[-1], 1), "MiB", None, round(growth, 3), f"at most {FLAT}"),
        *(
            (f"{kind} units a message", round(units.get(kind, 0) / EVENTS, 2), "", None, None, note)
            for kind, note in (
                ("write", "of the table: arrivals, executions, existence, watches, announcements"),
                ("index", "of the index of statuses"),
                ("read", "strongly consistent"),
            )
        ),
    ]
    return [
        {"name": name, "value": value, "unit": unit, "baseline": baseline, "ratio": ratio, "note": note}
        for name, value, unit, baseline, ratio, note in (*rows, *_hot())
    ]
