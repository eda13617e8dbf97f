"""What is written anew makes again what has read it: once, whatever crashes, and in both ledgers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest

from rheo_runtime import executions, wire
from rheo_runtime.dynamodb import DynamoLedger, encode, reader_key
from rheo_runtime.engine import Engine
from rheo_runtime.ledger import Ledger
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.records import SKIPPED, SUCCEEDED, Reader, Stored

from .conftest import TABLE
from .tables import NUMBER, Ref, route, signal, table, view

MakeLedger = Callable[[Callable[[], float]], Ledger]
ORDERS, RATES = signal("orders", x=NUMBER), signal("rates", x=NUMBER)


def reading(retrigger: str, **options: Any) -> wire.RouteTable:
    """A window of three orders, and a reference to the rates of its tip."""
    inputs = [
        view(ORDERS, x=(0, -3), mode="range_check"),
        view(RATES, tip=(Ref("orders", "x"),)),
    ]
    made = route("node", inputs, signals=[ORDERS, RATES], retrigger=retrigger, **options)
    return table([ORDERS, RATES], made)


def generations(ledger: Ledger) -> dict[str, int]:
    return {output.partition: output.generation for output in ledger.outputs("node")}


def ready(table: wire.RouteTable, ledger: Ledger) -> Engine:
    engine = Engine(table, ledger, now=lambda: 1_000.0)
    engine.instant = True
    return engine


def test_what_is_read_is_remembered_with_its_version(make_ledger: MakeLedger) -> None:
    ledger = make_ledger(lambda: 1_000.0)
    engine = ready(reading("updated"), ledger)
    for n in (1, 2, 3, 4):
        engine.on_named("app", "orders", (str(n),), f"o{n}")
    assert generations(ledger) == {"3": 1, "4": 1}
    assert {(r.node, r.binding) for r in ledger.readers("orders", (2,))} == {
        ("node", ((3,),)),
        ("node", ((4,),)),
    }
    engine.on_named("app", "orders", ("2",), "again")
    assert generations(ledger) == {"3": 2, "4": 2}
    engine.on_named("app", "orders", ("2",), "again")
    assert generations(ledger) == {"3": 2, "4": 2}, "delivered again"
    engine.on_named("app", "rates", ("4",), "r4")
    assert generations(ledger) == {"3": 2, "4": 3}, "it was missing"
    engine.on_named("app", "rates", ("5",), "r5")
    assert generations(ledger) == {"3": 2, "4": 3}, "nobody read it"


@pytest.mark.parametrize("order", list(permutations(["o1", "o2", "o3", "r3"])), ids="-".join)
def test_the_last_run_has_read_everything_in_every_order(order: tuple[str, ...]) -> None:
    ledger = MemoryLedger()
    engine = ready(reading("updated"), ledger)
    for name in order:
        engine.on_named("app", {"o": "orders", "r": "rates"}[name[0]], (name[1],), name)
    assert generations(ledger) == {"3": 1 + (order[-1] == "r3")}


class Crash(RuntimeError):
    """The process dies here."""


class Dying:
    """A ledger that fails once, before or after its write number ``at``."""

    WRITES = ("arrive", "save", "read", "see", "watch", "unwatch", "unread")

    def __init__(self, ledger: Ledger, at: int, *, after: bool, writes: tuple[str, ...] = WRITES) -> None:
        self._ledger = ledger
        self._left = at
        self._after = after
        self._writes = writes

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._ledger, name)
        if name not in self._writes:
            return method

        def write(*arguments: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise Crash
            result = method(*arguments, **options)
            if self._left == 0:
                raise Crash
            return result

        return write


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("retrigger", ["updated", "never"])
def test_a_crash_at_any_write_is_made_good_by_the_next_delivery(retrigger: str, after: bool) -> None:
    events = [
        ("orders", "1"),
        ("orders", "2"),
        ("orders", "3"),
        ("rates", "3"),
        ("orders", "1"),
        ("orders", "3"),
    ]

    def run(at: int) -> tuple[bool, dict[str, int]]:
        ledger, crashed = MemoryLedger(), False
        dying = Dying(ledger, at, after=after)
        for number, (name, x) in enumerate(events):
            for _ in range(2):  # what fails is delivered again, and so is what does not
                try:
                    ready(reading(retrigger), dying).on_named("app", name, (x,), f"e{number}")  # type: ignore[arg-type]
                except Crash:
                    crashed = True
        ready(reading(retrigger), ledger).tick()
        return crashed, generations(ledger)

    crashed, agreed = run(10_000)
    assert not crashed
    assert agreed == {"3": 4 if retrigger == "updated" else 2}
    at = 0
    while crashed or at == 0:
        at += 1
        crashed, found = run(at)
        assert found == agreed, f"a crash at write {at}"
    assert at > 20


def test_never_again_is_recorded(make_ledger: MakeLedger) -> None:
    ledger = make_ledger(lambda: 1_000.0)
    only = table([ORDERS], route("node", [view(ORDERS)], signals=[ORDERS], retrigger="never"))
    engine = ready(only, ledger)
    engine.on_named("app", "orders", ("1",), "a")
    skipped = engine.on_named("app", "orders", ("1",), "b").skipped
    assert [document["id"] for document in skipped] == ["node/1#2"]
    assert engine.on_named("app", "orders", ("1",), "b").skipped == [], "delivered again"
    (output,) = ledger.outputs("node")
    assert [(e.generation, e.state) for e in output.ended] == [(1, "SUCCEEDED"), (2, SKIPPED)]
    assert engine.pending() == []


def test_what_failed_is_not_made(make_ledger: MakeLedger) -> None:
    ledger = make_ledger(lambda: 1_000.0)
    only = table([ORDERS], route("node", [view(ORDERS)], signals=[ORDERS], retrigger="never"))
    engine = Engine(only, ledger, now=lambda: 1_000.0)
    (document,) = engine.on_named("app", "orders", ("1",), "a").fired
    engine.complete(document, False)
    assert [d["id"] for d in engine.on_named("app", "orders", ("1",), "b").fired] == ["node/1#2"]


@pytest.mark.parametrize("ok", [True, False])
def test_what_comes_while_it_is_made_is_held(make_ledger: MakeLedger, ok: bool) -> None:
    ledger = make_ledger(lambda: 1_000.0)
    only = table([ORDERS], route("node", [view(ORDERS)], signals=[ORDERS], retrigger="never"))
    engine = Engine(only, ledger, now=lambda: 1_000.0)
    (first,) = engine.on_named("app", "orders", ("1",), "a").fired
    second = engine.on_named("app", "orders", ("1",), "b")
    third = engine.on_named("app", "orders", ("1",), "c")
    assert ([d["id"] for d in second.held], second.skipped) == (["node/1#2"], [])
    assert ([d["id"] for d in third.held], [d["id"] for d in third.skipped]) == (["node/1#3"], ["node/1#2"])
    assert not engine.on_named("app", "orders", ("1",), "c").held, "delivered again"
    assert [d["id"] for d in engine.complete(first, ok)] == ([] if ok else ["node/1#3"])
    (output,) = ledger.outputs("node")
    if ok:
        assert [(e.generation, e.state, e.note) for e in output.ended[:2]] == [
            (1, SUCCEEDED, ""),
            (3, SKIPPED, executions.MADE),
        ]
        assert engine.on_named("app", "orders", ("1",), "d").skipped
    else:
        assert output.active is not None and not output.active.note
        engine.complete(output.active.document, True)
        assert engine.on_named("app", "orders", ("1",), "d").skipped


def test_what_somebody_asked_for_is_made_however_often(make_ledger: MakeLedger) -> None:
    ledger = make_ledger(lambda: 1_000.0)
    only = table([ORDERS], route("node", [view(ORDERS)], signals=[ORDERS], retrigger="never"))
    engine = Engine(only, ledger, now=lambda: 1_000.0)
    (first,) = engine.on_named("app", "orders", ("1",), "a").fired
    output, _ = ledger.output("node", "1", None)
    assert executions.order(ledger, output, "node", "1", Stored(first), 1_000.0)
    engine.on_named("app", "orders", ("1",), "b")
    assert [d["id"] for d in engine.complete(first, True)] == ["node/1#3"]


def test_a_reader_is_kept_once(make_ledger: MakeLedger) -> None:
    ledger = make_ledger(lambda: 1_000.0)
    reader = Reader("orders", ("EU", 7), "node", (("EU", 8), ()))
    for _ in range(2):
        ledger.read(reader)
    ledger.read(reader._replace(node="other"))
    assert sorted(ledger.readers("orders", ("EU", 7))) == [reader, reader._replace(node="other")]
    assert list(ledger.readers("orders", ("EU", 8))) == []


def test_a_reader_is_taken_back_unless_it_was_recorded_anew(make_ledger: MakeLedger) -> None:
    ledger = make_ledger(lambda: 1_000.0)
    reader = Reader("orders", ("EU", 7), "node", (("EU", 8), ()), "old")
    ledger.read(reader._replace(means="new"))
    ledger.unread(reader)
    assert list(ledger.readers("orders", ("EU", 7))) == [reader._replace(means="new")]
    ledger.unread(reader._replace(means="new"))
    ledger.unread(reader._replace(means="new"))
    assert list(ledger.readers("orders", ("EU", 7))) == []


def test_a_reader_of_an_older_version_has_no_meaning(dynamodb: Any) -> None:
    ledger = DynamoLedger(TABLE, dynamodb, lambda: 1_000.0)
    reader = Reader("orders", ("EU", 7), "node", (("EU", 8), ()))
    item = {"reader": {"S": encode(reader[:4])}}
    dynamodb.put_item(TableName=TABLE, Item={**reader_key(reader), **item})
    assert list(ledger.readers("orders", ("EU", 7))) == [reader]
    ledger.unread(reader)
    assert list(ledger.readers("orders", ("EU", 7))) == []
