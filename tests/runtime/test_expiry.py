"""What the ledger forgets by itself, and what it must never forget: times to live, item by item."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from rheo_runtime.dynamodb import KEEP, SLACK, SPILL, DynamoLedger
from rheo_runtime.engine import Engine
from rheo_runtime.ledger import Ledger
from rheodsl.declaration import LONGEST_ARRIVAL

from .conftest import TABLE
from .tables import NUMBER, Ref, route, signal, table, view

T = 1e9
Make = Callable[[Callable[[], float]], Ledger]
DAY = 86_400
A, B = signal("a", x=NUMBER), signal("b", x=NUMBER, y=NUMBER)
JOIN = table(
    [A, B],
    route("join", [view(A), view(B)], [(Ref("a", "x"), Ref("b", "x"))], signals=[A, B], arrival_ttl=DAY,
          output={"x": Ref("a", "x")}),
    route("window", [view(A, x=(0, -3), mode="range_check")], signals=[A], arrival_ttl=DAY),
    route("patient", [view(A), view(B)], [(Ref("a", "x"), Ref("b", "x"))], signals=[A, B],
          arrival_ttl=DAY, pending_ttl=600),
)  # fmt: skip


def items(client: Any) -> dict[str, list[dict[str, Any]]]:
    """All items of the table, by what they are: the first letter of their key."""
    found: dict[str, list[dict[str, Any]]] = {}
    for page in client.get_paginator("scan").paginate(TableName=TABLE):
        for item in page["Items"]:
            found.setdefault(item["pk"]["S"][0], []).append(item)
    return found


def test_what_may_go_has_a_time_to_live_and_what_must_stay_has_none(dynamodb: Any) -> None:
    time = [T]
    engine = Engine(JOIN, DynamoLedger(TABLE, dynamodb, lambda: time[0]), lambda: time[0])
    engine.on_named("app", "a", ("7",), "e")
    for y in range(SPILL + 2):
        engine.on_named("app", "b", ("7", str(y)), f"e{y}")
    engine.on_named("app", "b", ("8", "0"), "lonely")
    time[0] = T + 700
    assert len(engine.tick().expired) == 1
    found = items(dynamodb)
    assert found.keys() == set("AOPWL")
    for arrival in found["A"]:
        assert int(arrival["ttl"]["N"]) == int(T + DAY + SLACK)
    outputs = [item for item in found["O"] if "version" in item]
    spilled = [item for item in found["O"] if "version" not in item]
    assert outputs and spilled
    assert not [item for item in outputs + found["P"] + found["W"] if "ttl" in item]
    for item in spilled + found["L"]:
        assert int(item["ttl"]["N"]) >= int(T + KEEP)


def test_what_was_used_is_remembered_longer_than_what_used_it() -> None:
    """Else an arrival that counts still would be used again."""
    assert KEEP > LONGEST_ARRIVAL + SLACK


def test_a_later_arrival_lengthens_the_life_of_its_record(dynamodb: Any) -> None:
    time = [T]
    engine = Engine(JOIN, DynamoLedger(TABLE, dynamodb, lambda: time[0]), lambda: time[0])
    engine.on_named("app", "a", ("7",), "e")
    time[0] = T + 3600
    engine.on_named("app", "a", ("7",), "e")
    (ttl,) = {int(item["ttl"]["N"]) for item in items(dynamodb)["A"]}
    assert ttl == int(T + DAY + SLACK), "a redelivery lengthens nothing"
    engine.on_named("app", "a", ("7",), "more")
    (ttl,) = {int(item["ttl"]["N"]) for item in items(dynamodb)["A"]}
    assert ttl == int(T + 3600 + DAY + SLACK)


def test_a_window_that_never_fills_is_forgotten_with_its_arrival(make_ledger: Make) -> None:
    """Its watch has no time to live: the tick takes it back when the arrivals are gone."""
    time = [T]
    ledger = make_ledger(lambda: time[0])
    engine = Engine(JOIN, ledger, lambda: time[0])
    engine.on_named("app", "a", ("7",), "e")
    assert list(ledger.watches())
    time[0] = T + DAY - 1
    engine.tick()
    assert list(ledger.watches())
    time[0] = T + DAY + 1
    engine.tick()  # the memory forgets arrivals here
    engine.tick()
    assert not list(ledger.watches())
    assert not any(
        list(ledger.arrivals(arrival_index))
        for arrival_index in engine.program.nodes["join"].join.arrival_indexes
    )


def test_a_forgotten_arrival_pairs_with_nothing(make_ledger: Make) -> None:
    time = [T]
    ledger = make_ledger(lambda: time[0])
    engine = Engine(JOIN, ledger, lambda: time[0])
    engine.on_named("app", "a", ("7",), "e")
    time[0] = T + DAY + 1
    engine.tick()
    outcome = engine.on_named("app", "b", ("7", "0"), "e")
    assert json.dumps([d["id"] for d in outcome.fired]) == "[]"
    assert len(engine.on_named("app", "a", ("7",), "later").fired) >= 1
