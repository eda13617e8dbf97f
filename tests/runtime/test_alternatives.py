"""Alternatives of one node over every ledger: marks, waiters and documents of each stand apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rheo_runtime import wire
from rheo_runtime.engine import Engine
from rheo_runtime.values import datetime_kind

from .tables import signal

DAY = datetime_kind("%Y-%m-%d")
ANY = ((wire.Rule(DAY),),)
TWO = ((wire.Rule(DAY, None, wire.Window(0, -2)),),)


def _route(number: int, fires: wire.Input, other: str) -> wire.Route:
    tip = (wire.x.Ref(fires.alias, "day"),)
    inputs = (fires, wire.Input(other, other, ANY, tip=tip, optional=True))
    return wire.Route("news", inputs, (), wire.Output(("day",), (DAY,), tip, None), alternative=number)


TABLE = wire.RouteTable(
    "shop",
    (signal("shop", day=DAY), signal("web", day=DAY)),
    (
        _route(0, wire.Input("web", "web", TWO, "range_check"), "shop"),
        _route(1, wire.Input("shop", "shop", ANY), "web"),
    ),
)


def test_each_alternative_waits_and_fires_for_itself(make_ledger: Callable[..., Any]) -> None:
    engine = Engine(wire.RouteTable.loads(TABLE.dumps()), make_ledger(lambda: 1000.0), lambda: 1000.0)
    engine.instant = True

    def send(id: str, day: int, event: str) -> list[tuple[str, int]]:
        fired = engine.on_signal(id, (738000 + day,), event).fired
        return [(document["id"].rpartition("#")[2], document.get("alternative", 0)) for document in fired]

    assert send("web", 2, "e1") == [], "its window lacks a day"
    assert [waiting.node for waiting in engine.pending("news")] == ["news"]
    assert send("shop", 2, "e2") == [("1", 1)]
    assert send("shop", 2, "e2") == []
    assert send("web", 1, "e3") == [("2", 0)], "the first alternative has not used anything yet"
    assert send("web", 1, "e3") == []
    assert send("shop", 2, "e4") == [("3", 1)]
