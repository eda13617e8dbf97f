"""Rollups on hand-written routes: members of a group, in every order, twice, expired. All ledgers."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from rheo_runtime import wire
from rheo_runtime.events import S3Event
from rheo_runtime.rollup import members_of

from .tables import DAY, TEXT, Make, Ref, signal, table, view

REGIONS = ("NA", "EU", "FE")
D1, D2 = "2020-03-18", "2020-03-19"


def world(complete: bool = True, other: bool = False, known: bool = True, **options: Any) -> wire.RouteTable:
    """Orders of all regions of a day, alone or joined with the rates of the day."""
    orders, rates = signal("orders", region=TEXT, day=DAY), signal("rates", day=DAY)
    fine = tuple((wire.Rule(TEXT, region if known else None), wire.Rule(DAY)) for region in REGIONS)
    rolled = wire.Input(
        "orders", "orders", ((wire.Rule(DAY),),),
        rollup=wire.Rollup(("region", "day"), ("", None), fine if known else fine[:1], complete),
    )  # fmt: skip
    inputs = (rolled, view(rates)) if other else (rolled,)
    links = ((Ref("orders", "day"), Ref("rates", "day")),) if other else ()
    output = wire.Output(("day",), (DAY,), (Ref("orders", "day"),), "s3://app/world/{}")
    return table([orders, rates], wire.Route("world", inputs, links, output, **options))


@pytest.mark.parametrize("order", list(permutations([*REGIONS, "rates"])), ids="-".join)
def test_members_and_another_input_in_every_order(bench: Make, order: tuple[str, ...]) -> None:
    b = bench(world(other=True))

    def send(name: str, id: str) -> list[str]:
        return b.send("rates", D1, id=id) if name == "rates" else b.send("orders", name, D1, id=id)

    assert [send(name, name) for name in order] == [[], [], [], [f"world/{D1}#1"]]
    assert [send(name, name) for name in order] == [[]] * 4, "delivered again"
    assert [send(name, f"{name} again") for name in order] == [[], [], [], [f"world/{D1}#2"]]
    assert b.engine.pending() == []


def test_members_are_read_as_their_events_spelled_them(bench: Make) -> None:
    orders = replace(
        signal("orders", region=TEXT, day=DAY),
        events=(wire.S3Events("lake", "orders/r={}/{}", ("_SUCCESS",)),),
        path="s3://lake/orders/r={}/{}",
    )
    fine = tuple((wire.Rule(TEXT, region), wire.Rule(DAY)) for region in ("a:b", "NA"))
    rolled = wire.Input(
        "orders",
        "orders",
        ((wire.Rule(DAY),),),
        rollup=wire.Rollup(("region", "day"), ("", None), fine, True),
    )
    output = wire.Output(("day",), (DAY,), (Ref("orders", "day"),), "s3://app/world/{}")
    engine = bench(table([orders], wire.Route("world", (rolled,), (), output))).engine
    folders = [f"orders/r={region}/{D1}" for region in ("NA", "a%3Ab")]
    fired = [engine.on_event(S3Event("lake", f"{f}/_SUCCESS", f, 1.0)).fired for f in reversed(folders)]
    assert fired[0] == []
    assert fired[1][0]["inputs"][0]["paths"] == [f"s3://lake/{folder}" for folder in folders]


def test_members_of_two_days_do_not_mix(bench: Make) -> None:
    b = bench(world())
    for region in REGIONS[:2]:
        assert b.send("orders", region, D1) == []
    assert b.send("orders", "FE", D2) == []
    assert b.send("orders", "FE", D1) == [f"world/{D1}#1"]


def test_what_lacks_is_told(bench: Make) -> None:
    b = bench(world())
    b.send("orders", "NA", D1)
    [waiting] = b.engine.pending()
    assert waiting.output == D1
    assert [missing.what for missing in waiting.missing] == [f"EU/{D1}", f"FE/{D1}"]


def test_any_member_runs_it_again(bench: Make) -> None:
    b = bench(world(retrigger="any"))
    sent = [len(b.send("orders", region, D1)) for region in (*REGIONS, "EU", "EU", "NA")]
    assert sent == [0, 0, 1, 1, 1, 1]


def test_members_that_wait_expire(bench: Make) -> None:
    b = bench(world(pending_ttl=100))
    b.send("orders", "NA", D1)
    b.send("orders", "EU", D1)
    b.time += 101
    assert len(b.engine.tick().expired) == 1
    assert b.send("orders", "FE", D1) == [], "those that expired count no more"
    assert b.send("orders", "NA", D1) == []
    assert b.send("orders", "EU", D1) == [f"world/{D1}#1"]


def test_members_without_known_values_are_those_that_came(bench: Make) -> None:
    b = bench(world(complete=False, known=False))
    first = b.outcome("orders", "JP", D1)
    second = b.outcome("orders", "NA", D1)
    assert [len(b.paths(outcome, "orders")) for outcome in (first, second)] == [1, 2]
    assert b.send("orders", "JP", D1, id="1") != []
    assert b.send("orders", "JP", D1, id="1") == [], "delivered again"


def test_a_table_with_a_rollup_is_read_as_it_was_written() -> None:
    routes = world()
    [route] = routes.routes
    odd = replace(route, inputs=(replace(route.inputs[0], at_least=2, optional=True),))
    written = replace(routes, routes=(odd,))
    assert wire.RouteTable.loads(written.dumps()) == written


def test_members_are_in_ascending_order() -> None:
    members = members_of(world().routes[0].inputs[0])
    assert members is not None
    assert members.members((737502,)) == (("EU", 737502), ("FE", 737502), ("NA", 737502))
    assert members.coarse(("EU", 737502)) == (737502,)
    assert members.coarse(("JP", 737502)) is None
