"""A partition that is deleted exists no more: checked windows wait for it again."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest

from rheo_runtime.engine import Engine
from rheo_runtime.ledger import Ledger
from rheo_runtime.windows import Layout

from .tables import NUMBER, route, signal, table, view

MakeLedger = Callable[[Callable[[], float]], Ledger]


def event(key: str, kind: str, etag: str = "1", second: int = 0) -> dict[str, Any]:
    return {
        "source": "aws.s3",
        "detail-type": f"Object {kind}",
        "time": f"2024-01-01T00:00:{second:02}Z",
        "detail": {"bucket": {"name": "lake"}, "object": {"key": key, "etag": etag}},
    }


@pytest.mark.parametrize("completion", [("_SUCCESS",), ()], ids=["by name", "any object"])
def test_a_window_waits_again(make_ledger: MakeLedger, completion: tuple[str, ...]) -> None:
    orders = signal("orders", completion, x=NUMBER)
    window = view(orders, x=(0, -2), mode="range_check")
    engine = Engine(table([orders], route("node", [window], signals=[orders])), make_ledger(lambda: 1_000.0))
    engine.instant = True
    name = completion[0] if completion else "part-0"
    assert engine.on_event(event(f"orders/1/{name}", "Created")).fired == []
    gone = engine.on_event(event(f"orders/1/{name}", "Deleted"))
    assert (gone.fired, gone.rejected) == ([], [])
    ran = [d["partition"] for d in engine.on_event(event(f"orders/2/{name}", "Created")).fired]
    assert ran == ([] if completion else ["2"]), "any object: others may be there"
    back = [d["partition"] for d in engine.on_event(event(f"orders/1/{name}", "Created", "2")).fired]
    assert back == (["2"] if completion else [])


def test_what_was_written_before_the_deletion_says_nothing_after_it(make_ledger: MakeLedger) -> None:
    orders = signal("orders", x=NUMBER)
    window = view(orders, x=(0, -2), mode="range_check")
    engine = Engine(table([orders], route("node", [window], signals=[orders])), make_ledger(lambda: 1_000.0))
    engine.instant = True
    engine.on_event(event("orders/1/_SUCCESS", "Created", second=1))
    engine.on_event(event("orders/1/_SUCCESS", "Deleted", second=2))
    engine.on_event(event("orders/1/_SUCCESS", "Created", second=1))  # delivered again
    engine.on_event(event("orders/1/_SUCCESS", "Created", "of before", second=0))  # delivered late
    assert engine.on_event(event("orders/2/_SUCCESS", "Created", second=3)).fired == []
    ran = engine.on_event(event("orders/1/_SUCCESS", "Created", "new", second=4)).fired
    assert [d["partition"] for d in ran] == ["2"]


def test_another_object_of_the_folder_is_no_partition() -> None:
    orders = signal("orders", x=NUMBER)
    window = view(orders, x=(0, -2), mode="range_check")
    engine = Engine(table([orders], route("node", [window], signals=[orders])))
    engine.on_event(event("orders/1/_SUCCESS", "Created"))
    engine.on_event(event("orders/1/part-0", "Deleted"))
    assert [d["partition"] for d in engine.on_event(event("orders/2/_SUCCESS", "Created")).fired] == ["2"]


def test_what_is_taken_back_of_a_row_leaves_its_neighbours(make_ledger: MakeLedger) -> None:
    ledger = make_ledger(lambda: 1_000.0)
    assert Layout("orders", 0, 1).place((65,)) == ((0,), 65)
    for position in (64, 65, 130):
        ledger.see("orders", (0,), position)
    ledger.unsee("orders", (0,), 65, 9.0)
    ledger.unsee("orders", (0,), 66, 9.0)
    assert ledger.seen("orders", (0,), 64, 191) == 1 | 1 << 130 - 64
    ledger.unsee("orders", (0,), 64, 9.0)
    assert ledger.seen("orders", (0,), 64, 127) == 0
    ledger.see("orders", (0,), 64, 8.0)
    assert ledger.seen("orders", (0,), 64, 127) == 0, "it was written before it was deleted"
    ledger.see("orders", (0,), 64, 9.0)
    assert ledger.seen("orders", (0,), 64, 127) == 1
    ledger.unsee("orders", (0,), 64, 9.0)
    ledger.see("orders", (0,), 64)
    assert ledger.seen("orders", (0,), 64, 127) == 1, "storage has it"


HISTORY = [(10.0, True), (20.0, False), (30.0, True), (40.0, False), (50.0, True)]  # written, deleted, ...


@pytest.mark.parametrize("count", [2, 3, 4])
def test_law_what_exists_does_not_depend_on_the_order_of_events(make_ledger: MakeLedger, count: int) -> None:
    ledger = make_ledger(lambda: 1_000.0)
    for n, order in enumerate(permutations(HISTORY[:count])):
        for time, written in (*order, *order[:2]):  # some are delivered again
            (ledger.see if written else ledger.unsee)("orders", (n,), 5, time)
        assert ledger.seen("orders", (n,), 5, 5) == (HISTORY[count - 1][1] << 5), order


def test_a_deletion_that_is_older_says_so(make_ledger: MakeLedger) -> None:
    ledger = make_ledger(lambda: 1_000.0)
    ledger.see("orders", (0,), 1, 10.0)
    assert not ledger.unsee("orders", (0,), 1, 5.0)
    ledger.see("orders", (0,), 1, 7.0)
    assert not ledger.unsee("orders", (0,), 1, 8.0), "it was written at 10 still"
    assert ledger.unsee("orders", (0,), 1, 10.0), "of one time, the order of delivery counts"
    assert not ledger.unsee("orders", (0,), 1, 9.0)
    ledger.see("orders", (0,), 1, 9.5)
    assert ledger.seen("orders", (0,), 1, 1) == 0
    ledger.see("orders", (0,), 1)
    assert not ledger.unsee("orders", (0,), 1, 9.0), "storage has had it since"
    assert ledger.seen("orders", (0,), 1, 1) == 2


def test_a_deletion_that_is_delivered_late_ends_nothing(make_ledger: MakeLedger) -> None:
    orders = signal("orders", x=NUMBER)
    window = view(orders, x=(0, -2), mode="range_check")
    engine = Engine(table([orders], route("node", [window], signals=[orders])), make_ledger(lambda: 1_000.0))
    engine.instant = True
    engine.on_event(event("orders/1/_SUCCESS", "Created", second=10))
    late = engine.on_event(event("orders/1/_SUCCESS", "Deleted", second=5))
    assert late.unmatched == "orders 1 was written after it was deleted, or deleted again"
    ran = engine.on_event(event("orders/2/_SUCCESS", "Created", second=11)).fired
    assert [d["partition"] for d in ran] == ["2"]


def test_a_classic_notification_of_a_deletion_ends_existence(make_ledger: MakeLedger) -> None:
    orders = signal("orders", x=NUMBER)
    window = view(orders, x=(0, -2), mode="range_check")
    engine = Engine(table([orders], route("node", [window], signals=[orders])), make_ledger(lambda: 1_000.0))
    engine.instant = True
    engine.on_event(event("orders/1/_SUCCESS", "Created", second=1))
    removed = {
        "eventName": "ObjectRemoved:DeleteMarkerCreated",
        "eventTime": "2024-01-01T00:00:02.500Z",
        "s3": {"bucket": {"name": "lake"}, "object": {"key": "orders/1/_SUCCESS"}},
    }
    assert engine.on_event({"Records": [removed]}).unmatched == "orders 1 exists no more"
    assert engine.on_event(event("orders/2/_SUCCESS", "Created", second=3)).fired == []
