"""No record that is stored, however broken, stops an event, a sweep or another node; what cannot be done is told."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from support.airflow import Airflow
from support.events import SWEEP, s3_event

from benchmarks._dynamodb import DynamoDB
from rheo_platforms.operations.audit import STUCK, audit
from rheo_runtime.airflow_client import Announcer
from rheo_runtime.dynamodb import DynamoLedger, create_table, encode
from rheo_runtime.engine import Engine
from rheo_runtime.ledger import Ledger
from rheo_runtime.listener import Listener
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.program import Program
from rheo_runtime.records import Reader, Refusal, Waiter
from rheodsl.application import Application

from .tables import Clock
from .test_fairness import START, table

TIME = "2026-11-28T00:00:00Z"
NODES = ("window", "updated", "lapsing", "rolled", "innocent")


@cache
def program() -> Program:
    """Nodes that leave records of every kind, and one that leaves little."""
    app = Application("shop")
    days = app.s3("days", "s3://lake/days/{region}/{day:%Y-%m-%d}")
    ships = app.s3("ships", "s3://lake/ships/{day:%Y-%m-%d}")
    late = app.s3("late", "s3://lake/late/{day:%Y-%m-%d}", settle=timedelta(minutes=5), completion=None)
    inputs: dict[str, Any] = {
        "window": [days["*"][:-2].range_check(True), ships],
        "updated": [days["*"][:-2]],
        "lapsing": [days, ships],
        "rolled": [days.rollup(region=["NA", "EU"]), ships],
        "innocent": [days],
        "settled": [late],
    }
    options: dict[str, Any] = {
        "updated": {"retrigger": "updated"},
        "lapsing": {"pending_ttl": timedelta(hours=1)},
    }
    for name, of in inputs.items():
        app.create_data(name, inputs=of, compute_targets="output = None", **options.get(name, {}))
    return Program(table(app))


class Running:
    """A listener on a ledger, and what it says."""

    def __init__(self, make: Callable[[Clock], Ledger]) -> None:
        self.clock = Clock(START)
        self.airflow = Airflow("shop", *NODES, "settled")
        self.lines: list[dict[str, Any]] = []
        self.ledger = make(self.clock)
        self.ledger.unreadable = lambda what: self.log("unreadable", record=what)
        self.listener = Listener(
            Engine(program(), self.ledger, self.clock),
            Announcer(self.airflow, "airflow").announce,
            lambda document: None,
            log=self.log,
        )
        self.sent = 0

    def log(self, what: str, /, **fields: Any) -> None:
        self.lines.append({"rheo": what, **fields})

    def put(self, *keys: str) -> list[str]:
        """Objects are written; return the messages that are to come again."""
        self.sent += 1
        records = [
            {"messageId": key, "body": json.dumps(s3_event("lake", key, etag=f"{self.sent}", time=TIME))}
            for key in keys
        ]
        answer = self.listener.handle({"Records": records}, lambda: 60_000)
        return [each["itemIdentifier"] for each in answer["batchItemFailures"]]

    def sweep(self) -> None:
        self.clock.time += 300
        self.listener.handle(SWEEP, lambda: 60_000)

    @property
    def taken(self) -> list[str]:
        return [told["id"] for run in self.airflow.runs for told in run.told]


def populate(running: Running) -> None:
    """Let every kind of record come to be."""
    done = "/_SUCCESS"
    for region in ("NA", "EU"):
        running.put(f"days/{region}/2024-01-02{done}", f"days/{region}/2024-01-02{done}")
    running.put("late/2024-01-01/part-0")
    running.clock.time += 7200
    running.sweep()
    running.put(f"days/NA/2024-01-02{done}", f"ships/2024-01-02{done}", f"days/NA/2024-01-04{done}")
    running.put("late/2024-01-02/part-0")
    running.ledger.refused(Refusal("a bucket", "s3:GetObject", running.clock()))


def goes_on(running: Running) -> None:
    """Events of everything, and sweeps: nothing raises, and the node that is not concerned runs."""
    for day in range(1, 6):
        running.put(*(f"{each}/2024-01-0{day}/_SUCCESS" for each in ("days/NA", "days/EU", "ships")))
    running.put("late/2024-01-05/part-0", "late/2024-01-02/part-1")
    for _ in range(2):
        running.sweep()
    assert "settled/2024-01-05#1" in running.taken
    for node in ("innocent", "updated", "window", "lapsing"):
        assert f"{node}/EU/2024-01-05#1" in running.taken, (node, running.lines)
    list(running.ledger.statuses())
    running.ledger.refusals(running.clock())
    running.listener.engine.pending()


def damaged(item: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Ways in which an item may be broken, each by one attribute."""
    for name, value in item.items():
        if name in ("pk", "sk", "ttl", "todo", "node", "p", "version", "n"):
            continue
        ((kind, _),) = value.items()
        if kind == "S":
            for text in ("", "{", "[]", "7", '[1,"a",null]', '[["a"],["b"],"window",[[1],[2],[3]]]'):
                yield f"{name}={text}", {**item, name: {"S": text}}
        elif kind == "B":
            for data in (b"junk", zlib.compress(b"[]"), zlib.compress(encode({"v": 99}).encode())):
                yield f"{name}={data!r}", {**item, name: {"B": data}}
        yield f"without {name}", {k: v for k, v in item.items() if k != name}


def items() -> list[dict[str, Any]]:
    running = Running(lambda clock: on_dynamodb(DynamoDB(), clock))
    populate(running)
    return [deepcopy(item) for item in running.ledger.client.tables["t"].values()]  # type: ignore[attr-defined]


def on_dynamodb(client: Any, clock: Clock) -> DynamoLedger:
    create_table("t", client)
    return DynamoLedger("t", client, clock)


def test_every_kind_of_record_is_broken_here() -> None:
    assert {item["pk"]["S"][0] for item in items()} == set("AOPWRDTLJ")


@pytest.mark.parametrize("kind", "AOPWRDTLJ")
def test_an_item_that_cannot_be_read_stops_nothing_else(kind: str) -> None:
    """Each item of a kind, broken in each way, in a ledger of its own."""
    told, left, seen = set(), items(), set[frozenset[str]]()
    for whole in left:
        pk = whole["pk"]["S"]
        like = frozenset(name[:2] for name in whole)
        if pk[0] != kind or like in seen:
            continue
        seen.add(like)
        for how, broken in damaged(whole):
            client: Any = DynamoDB()
            running = Running(lambda clock, client=client: on_dynamodb(client, clock))  # type: ignore[misc]
            for item in left:
                client.put_item(TableName="t", Item=deepcopy(broken if item is whole else item))
            running.clock.time += 7500
            try:
                goes_on(running)
                audit(program(), running.ledger, running.clock() + 86_400)
            except Exception as fault:
                raise AssertionError(f"{pk}: {how}: {type(fault).__name__}: {fault}") from fault
            told |= {line["rheo"] for line in running.lines} & {
                "unreadable",
                "failed",
                "fault",
                "sweep failed",
            }
    assert told or kind in "PR", "it is said; what exists and who reads is written anew"


def test_a_message_whose_record_cannot_be_read_comes_again_and_the_audit_tells_of_it() -> None:
    client: Any = DynamoDB()
    running = Running(lambda clock: on_dynamodb(client, clock))
    populate(running)
    (place,) = (key for key in client.tables["t"] if key[0] == "O|innocent|EU/2024-01-02")
    item = client.tables["t"][place]
    client.put_item(TableName="t", Item={**item, "body": {"B": b"junk"}})
    assert len(running.put("days/EU/2024-01-02/_SUCCESS", "days/EU/2024-01-09/_SUCCESS")) == 1
    assert "innocent/EU/2024-01-09#1" in running.taken
    (line,) = (line for line in running.lines if line["rheo"] == "failed")
    assert line["fault"].startswith("Unreadable: innocent: O|innocent|EU/2024-01-02 cannot be read: error:")
    found = audit(program(), running.ledger, running.clock())
    assert [v.what.split(":")[0] for v in found if v.promise == STUCK] == [
        "O|innocent|EU/2024-01-02 cannot be read"
    ]


@pytest.mark.parametrize("make", [lambda clock: MemoryLedger(), lambda clock: on_dynamodb(DynamoDB(), clock)])
@pytest.mark.parametrize(
    "binding",
    [(), ((),), (("NA", 1, 2), (3,)), ((None, None), (None,)), (("NA", 10**12), (10**12,)), (5, 6), 5],
)
def test_a_binding_that_is_none_stops_nothing(make: Callable[[Clock], Ledger], binding: Any) -> None:
    """Under the right meaning."""
    running = Running(make)
    populate(running)
    nodes = program().nodes
    rows = nodes["window"].checks[0].window.rows
    for day in range(738_886, 738_891):
        for region in ("NA", "EU"):
            place = (region, day)
            running.ledger.watch(Waiter(rows, place, "window", binding, START, nodes["window"].means.name))
            running.ledger.read(Reader("days", place, "updated", binding, nodes["updated"].means.name))
    goes_on(running)
    audit(program(), running.ledger, running.clock() + 86_400)
