"""Section 5 of the contract, on hand-written routes: when a node runs. Both ledgers."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import pytest

from benchmarks._dynamodb import DynamoDB
from rheo_runtime import expr as x
from rheo_runtime import wire
from rheo_runtime.dynamodb import DynamoLedger, create_table
from rheo_runtime.explain import explained
from rheo_runtime.join import Join
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.values import LONG, STRING, Kind

from .tables import COMPACT, DAY, DMY, HOUR, NUMBER, TEXT, Bench, Make, Ref, route, signal, table, view

D1, D2, D3 = "2020-03-18", "2020-03-19", "2020-03-20"


def same(a: str, b: str, *dims: str) -> list[tuple[x.Expr, x.Expr]]:
    return [(Ref(a, dim), Ref(b, dim)) for dim in dims]


def two_numbers(**options: Any) -> wire.RouteTable:
    i, s = signal("I", n=NUMBER), signal("S", n=NUMBER)
    return table([i, s], route("node", [view(i), view(s)], same("I", "S", "n"), signals=[i, s], **options))


def test_two_linked_numbers(bench: Make) -> None:
    """I1, I2, I1 (again, same id), S3, I3 -> 3; S1 -> 1; S2 -> 2; nothing pending after."""
    b = bench(two_numbers())
    assert b.send("I", 1, id="i1") == []
    assert b.send("I", 2) == []
    assert b.send("I", 1, id="i1") == []
    assert b.send("S", 3) == []
    assert b.send("I", 3) == ["node/3#1"]
    assert b.send("S", 1) == ["node/1#1"]
    assert b.send("S", 2) == ["node/2#1"]
    assert b.engine.pending() == []


@pytest.mark.parametrize("order", list(permutations(["C", "A1", "A2"])), ids="-".join)
def test_partly_linked(bench: Make, order: tuple[str, ...]) -> None:
    """C(d1), A(1,d1), A(2,d1), in any of the 6 orders -> exactly two executions, (1,d1) and (2,d1)."""
    a, c = signal("A", region=NUMBER, day=DAY), signal("C", day=DAY)
    b = bench(table([a, c], route("node", [view(a), view(c)], same("A", "C", "day"), signals=[a, c])))
    events = {"C": ("C", D1), "A1": ("A", 1, D1), "A2": ("A", 2, D1)}
    fired = [id for name in order for id in b.send(*events[name])]
    assert sorted(fired) == [f"node/1/{D1}#1", f"node/2/{D1}#1"]
    assert b.engine.pending() == []


@pytest.mark.parametrize(("retrigger", "again"), [("all", []), ("any", ["#2", "#2"])])
def test_a_dimensionless_input(bench: Make, retrigger: str, again: list[str]) -> None:
    """B, A(d1), A(d2) -> 2; B again -> none until A arrives anew, or 2 under "any"."""
    a, other = signal("A", day=DAY), signal("B")
    b = bench(
        table([a, other], route("node", [view(a), view(other)], signals=[a, other], retrigger=retrigger))
    )
    assert b.send("B") == []
    assert b.send("A", D1) == [f"node/{D1}#1"]
    assert b.send("A", D2) == [f"node/{D2}#1"]
    assert [id[-2:] for id in b.send("B")] == again
    if retrigger == "all":
        assert b.send("A", D1) == [f"node/{D1}#2"]


def test_unlinked_inputs(bench: Make) -> None:
    """C1, C2, then S3 -> two executions (C1,S3), (C2,S3)."""
    c, s = signal("C", n=NUMBER), signal("S", m=NUMBER)
    output = {"n": Ref("C", "n"), "m": Ref("S", "m")}
    b = bench(table([c, s], route("node", [view(c), view(s)], signals=[c, s], output=output)))
    assert b.send("C", 1) == []
    assert b.send("C", 2) == []
    assert sorted(b.send("S", 3)) == ["node/1/3#1", "node/2/3#1"]


def test_a_value_map(bench: Make) -> None:
    """ships NA, then orders 3 of that day -> nothing; orders 1 -> one, NA; an unmapped region is rejected."""
    orders, ships = signal("orders", region_id=NUMBER, day=DAY), signal("ships", region=TEXT, day=DAY)
    regions = x.MapValues(Ref("orders", "region_id"), ((1, "NA"), (2, "EU"), (3, "FE")))
    links = [(regions, Ref("ships", "region")), *same("orders", "ships", "day")]
    output = {"region": Ref("ships", "region"), "day": Ref("ships", "day")}
    b = bench(
        table(
            [orders, ships],
            route("node", [view(orders), view(ships)], links, signals=[orders, ships], output=output),
        )
    )
    assert b.send("ships", "NA", "2023-11-04") == []
    assert b.send("orders", 3, "2023-11-04") == []
    (rejected,) = b.outcome("orders", 9, "2023-11-04").rejected
    assert rejected == ("orders", "node", "'9' is not in the map", "9/2023-11-04")
    assert b.send("orders", 1, "2023-11-04") == ["node/NA/2023-11-04#1"]


def test_formats(bench: Make) -> None:
    """%Y%m%d and %Y-%m-%d days linked: 2020-03-18 on both fires."""
    a, c = signal("A", day=COMPACT), signal("C", day=DAY)
    b = bench(table([a, c], route("node", [view(a), view(c)], same("A", "C", "day"), signals=[a, c])))
    assert b.send("A", "20200318") == []
    assert b.send("C", "2020-03-18") == ["node/20200318#1"]


@pytest.mark.parametrize(
    ("kind", "texts", "link"),
    [
        (DMY, "17-03-2020", lambda day: x.Shift(day, -1)),
        (Kind(STRING), "18.03", lambda day: x.Fmt(day, "%d.%m")),
        (Kind(STRING), "2020-03-18", lambda day: day),  # in the date's own format
        (Kind(LONG), "3", lambda day: x.Part(Ref("A", "month_of"), "month")),
        (HOUR, "2020-03-18 00", lambda day: x.At(day, "HOUR")),
    ],
)
def test_links_by_computed_values(bench: Make, kind: Kind, texts: str, link: Any) -> None:
    a = signal("A", day=DAY, month_of=DAY)
    c = signal("C", value=kind)
    links = [(link(Ref("A", "day")), Ref("C", "value"))]
    b = bench(table([a, c], route("node", [view(a), view(c)], links, signals=[a, c])))
    assert b.send("C", texts) == []
    assert b.send("A", D2, D2.replace("03", "04")) == []
    assert b.send("A", D1, D1) == [f"node/{D1}/{D1}#1"]


def test_many_to_one(bench: Make) -> None:
    a = signal("A", day=DAY, hour=NUMBER)
    c = signal("C", at=HOUR)
    links = [(x.Offset(Ref("A", "day"), Ref("A", "hour"), "HOUR", 1), Ref("C", "at"))]
    b = bench(table([a, c], route("node", [view(c), view(a)], links, signals=[a, c])))
    b.send("A", D1, 5)
    assert b.send("C", f"{D1} 04") == []
    assert b.send("C", f"{D1} 05") == [f"node/{D1} 05#1"]


def test_a_link_across_two_inputs_at_once(bench: Make) -> None:
    """day of A plus hour of B is the time of C: no index serves it, so it is checked."""
    a, h, c = signal("A", day=DAY), signal("H", hour=NUMBER), signal("C", at=HOUR)
    links = [(x.Offset(Ref("A", "day"), Ref("H", "hour"), "HOUR", 1), Ref("C", "at"))]
    output = {"at": Ref("C", "at")}
    b = bench(
        table([a, h, c], route("node", [view(a), view(h), view(c)], links, signals=[a, h, c], output=output))
    )
    b.send("A", D1)
    b.send("A", D2)
    b.send("H", 5)
    assert b.send("C", f"{D1} 06") == []
    assert b.send("C", f"{D2} 05") == [f"node/{D2} 05#1"]
    assert b.send("H", 6) == [f"node/{D1} 06#1"]


def test_links_within_one_input_filter_it(bench: Make) -> None:
    a, c = signal("A", x=NUMBER, y=NUMBER), signal("C", x=NUMBER)
    links = [(Ref("A", "x"), Ref("C", "x")), (Ref("C", "x"), Ref("A", "y"))]
    b = bench(table([a, c], route("node", [view(a), view(c)], links, signals=[a, c])))
    b.send("C", 1)
    assert b.send("A", 1, 2) == []
    assert b.send("A", 1, 1) == ["node/1/1#1"]
    seven = [(Ref("A", "x"), x.Const(7, NUMBER)), *same("A", "C", "x")]
    b = Bench(table([a, c], route("node", [view(a), view(c)], seven, signals=[a, c])))
    b.send("C", 1)
    b.send("C", 7)
    assert b.send("A", 1, 1) == []
    assert b.send("A", 7, 1) == ["node/7/1#1"]


def test_case_does_not_count_where_one_side_folds_it(bench: Make) -> None:
    a, c = signal("A", origin=Kind(STRING, insensitive=True)), signal("C", origin=TEXT)
    b = bench(table([a, c], route("node", [view(a), view(c)], same("A", "C", "origin"), signals=[a, c])))
    b.send("A", "Ewr")
    outcome = b.outcome("C", "EWR")
    assert b.paths(outcome, "A") == ["s3://lake/A/Ewr"], "the path keeps the event's spelling"
    assert outcome.fired[0]["partition"] == "ewr"


def test_one_signal_at_two_inputs(bench: Make) -> None:
    a = signal("A", day=DAY)
    links = [(Ref("now", "day"), x.Shift(Ref("before", "day"), 1))]
    b = bench(table([a], route("node", [view(a, "now"), view(a, "before")], links, signals=[a])))
    assert b.send("A", D2) == []
    assert b.send("A", D1) == [f"node/{D2}#1"]
    assert b.send("A", D3) == [f"node/{D3}#1"]
    same_day = [(Ref("now", "day"), Ref("before", "day"))]
    b = Bench(table([a], route("node", [view(a, "now"), view(a, "before")], same_day, signals=[a])))
    assert b.send("A", D1) == [f"node/{D1}#1"]


CHAIN = [
    signal("A", x=NUMBER),
    signal("B", x=NUMBER, y=NUMBER),
    signal("C", y=NUMBER, z=NUMBER),
    signal("E", z=NUMBER),
]


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
def test_a_chain_of_four(order: tuple[int, ...]) -> None:
    links = [*same("A", "B", "x"), *same("B", "C", "y"), *same("C", "E", "z")]
    b = Bench(table(CHAIN, route("node", [view(s) for s in CHAIN], links, signals=CHAIN)))
    events = [("A", 1), ("B", 1, 2), ("C", 2, 3), ("E", 3)]
    noise = [("A", 9), ("B", 1, 9), ("C", 8, 3), ("E", 9)]
    fired = []
    for i in order:
        b.send(*noise[i])
        fired.append(b.send(*events[i]))
    assert fired == [[], [], [], ["node/1#1"]]


def test_all_and_any_over_every_short_trace() -> None:
    """The number of firings follows from the counts alone: min(n) or sum(n) - (k - 1)."""
    for retrigger, trace in product(("all", "any"), product("IS", repeat=6)):
        b = Bench(two_numbers(retrigger=retrigger))
        fired = sum(len(b.send(name, 1)) for name in trace)
        i, s = trace.count("I"), trace.count("S")
        assert fired == (min(i, s) if retrigger == "all" else i + s - 1 if i and s else 0)


def test_arrivals_that_one_binding_used_are_there_for_others(bench: Make) -> None:
    a, c = signal("A", region=NUMBER, day=DAY), signal("C", day=DAY)
    b = bench(table([a, c], route("node", [view(a), view(c)], same("A", "C", "day"), signals=[a, c])))
    b.send("C", D1)
    assert b.send("A", 1, D1) == [f"node/1/{D1}#1"]
    assert b.send("C", D1) == []
    assert b.send("A", 2, D1) == [f"node/2/{D1}#1"], "one firing: A has arrived once for this binding"
    assert b.send("A", 2, D1) == [f"node/2/{D1}#2"]
    assert b.send("A", 1, D1) == [f"node/1/{D1}#2"]
    assert b.send("A", 1, D1) == []


def test_a_literal_filter_lets_only_its_value_pass(bench: Make) -> None:
    a = signal("A", region=NUMBER, day=DAY)
    b = bench(
        table(
            [a],
            route("one", [view(a, region=1)], signals=[a]),
            route("two", [view(a, region=2)], signals=[a]),
            route("every", [view(a)], signals=[a]),
        )
    )
    assert b.send("A", 1, D1) == [f"one/1/{D1}#1", f"every/1/{D1}#1"]
    assert b.send("A", 3, D1) == [f"every/3/{D1}#1"]
    outcome = b.outcome("A", 2, D1)
    assert outcome.matches[0].inputs == (("two", "A"), ("every", "A"))


def test_an_event_that_no_input_takes_is_unmatched(bench: Make) -> None:
    a = signal("A", region=NUMBER, day=DAY)
    b = bench(table([a], route("one", [view(a, region=1)], signals=[a])))
    assert b.outcome("A", 2, D1).unmatched == f"no input takes A 2/{D1}"
    assert "'Z'" in b.outcome("Z").unmatched


# --- time --------------------------------------------------------------------------------------


def test_old_arrivals_are_forgotten(bench: Make) -> None:
    b = bench(two_numbers(arrival_ttl=1000))
    b.send("I", 1)
    b.time += 1001
    b.engine.tick()
    assert b.send("S", 1) == []
    assert b.send("I", 1) == ["node/1#1"]


def test_forgetting_never_loses_or_repeats_a_firing(bench: Make) -> None:
    """A binding that fires for years: each pair fires once, whatever was forgotten meanwhile."""
    b = bench(two_numbers(arrival_ttl=1000))
    for n in range(40):
        assert b.send("I", 1) == []
        b.time += 100
        assert b.send("S", 1) == [f"node/1#{n + 1}"]
        b.time += 100
        b.engine.tick()
    b.time += 5000
    b.engine.tick()
    assert b.send("S", 1) == []
    assert b.send("I", 1) == ["node/1#41"]


def test_a_waiting_combination_expires(bench: Make) -> None:
    b = bench(two_numbers(pending_ttl=100))
    b.send("I", 1)
    b.time += 99
    assert b.engine.tick().expired == []
    b.time += 2
    (expired,) = b.engine.tick().expired
    assert (expired.node, expired.arrived) == ("node", {"I": ("1",)})
    assert [m.alias for m in expired.missing] == ["S"]
    assert b.engine.tick().expired == []
    assert b.send("S", 1) == [], "later arrivals start afresh"
    assert b.send("I", 1) == ["node/1#1"]


def test_what_expired_is_used_for_its_own_combination_only(bench: Make) -> None:
    a, c, e = signal("A", n=NUMBER), signal("C", m=NUMBER), signal("E")
    output = {"n": Ref("A", "n"), "m": Ref("C", "m")}
    routes = table(
        [a, c, e],
        route("node", [view(a), view(c), view(e)], signals=[a, c, e], output=output, pending_ttl=100),
    )
    b = bench(routes)
    b.send("A", 1)
    b.send("C", 1)
    b.time += 101
    (expired,) = b.engine.tick().expired
    assert expired.arrived == {"A": ("1",), "C": ("1",)}
    b.send("C", 2)
    assert b.send("E") == ["node/1/2#1"], "A1 with C2 never expired; A1 with C1 did"


def test_a_surplus_expires_too(bench: Make) -> None:
    b = bench(two_numbers(pending_ttl=100))
    b.send("I", 1)
    assert b.send("S", 1) == ["node/1#1"]
    b.send("I", 1)
    assert len(b.engine.pending()) == 1
    b.time += 101
    assert len(b.engine.tick().expired) == 1
    assert b.engine.pending() == []
    assert b.send("S", 1) == []
    assert b.send("I", 1) == ["node/1#2"]


# --- looking in --------------------------------------------------------------------------------


def test_pending_says_what_arrived_and_what_is_missing(bench: Make) -> None:
    flights = signal("flights", origin=TEXT, day=DAY)
    weather = signal("weather", station=TEXT, date=DMY)
    links = [
        (Ref("flights", "origin"), Ref("weather", "station")),
        (x.Fmt(Ref("flights", "day"), "%d-%m-%Y"), x.Fmt(Ref("weather", "date"), "%d-%m-%Y")),
    ]
    b = bench(
        table(
            [flights, weather],
            route("node", [view(flights), view(weather)], links, signals=[flights, weather]),
        )
    )
    b.send("flights", "EWR", "2013-01-01")
    b.time += 60
    b.send("weather", "JFK", "02-01-2013")
    one, two = b.engine.pending("node")
    assert one.arrived == {"flights": ("EWR", "2013-01-01")}
    assert one.missing == (("weather", "weather", "EWR/01-01-2013", "no weather EWR/01-01-2013 has arrived"),)
    assert (one.output, one.since) == ("EWR/2013-01-01", 1e9)
    assert two.arrived == {"weather": ("JFK", "02-01-2013")}
    assert two.missing[0].what == "JFK/2013-01-02"
    assert (two.output, two.since) == ("JFK/2013-01-02", 1e9 + 60)


def test_pending_says_when_something_must_come_again(bench: Make) -> None:
    b = bench(two_numbers())
    for name in ("I", "S", "I", "I"):
        b.send(name, 1)
    (waiting,) = b.engine.pending()
    assert waiting.arrived == {"I": ("1",)}
    assert waiting.missing[0].reason == "S 1 was used already; it must arrive again"


def test_pending_leaves_unknown_what_any_partition_would_do(bench: Make) -> None:
    a, c = signal("A", region=NUMBER, day=DAY), signal("C", day=DAY)
    b = bench(table([a, c], route("node", [view(a), view(c)], same("A", "C", "day"), signals=[a, c])))
    b.send("C", D1)
    (waiting,) = b.engine.pending()
    assert waiting.missing[0].what == f"*/{D1}"
    assert waiting.output is None


def test_pending_lists_maximal_combinations_once(bench: Make) -> None:
    a, c, e = signal("A", n=NUMBER), signal("C", n=NUMBER), signal("E", n=NUMBER)
    links = [*same("A", "C", "n"), *same("C", "E", "n")]
    b = bench(table([a, c, e], route("node", [view(s) for s in (a, c, e)], links, signals=[a, c, e])))
    for name, n in (("A", 1), ("C", 1), ("A", 2), ("E", 2), ("E", 3)):
        b.send(name, n)
    assert [w.arrived for w in b.engine.pending()] == [
        {"A": ("1",), "C": ("1",)},
        {"A": ("2",), "E": ("2",)},
        {"E": ("3",)},
    ]


def test_explain(bench: Make) -> None:
    b = bench(two_numbers())
    b.send("I", 1, id="first")
    b.send("S", 1, id="second")
    b.send("I", 2, id="third")
    b.outcome("I", "x")
    ran = explained(b.engine, "node", ("1",))
    assert [(r.id, r.events) for r in ran.ran] == [("node/1#1", (("I", "1", "first"), ("S", "1", "second")))]
    waits = explained(b.engine, "node", ("2",))
    assert waits.ran == () and waits.waiting[0].missing[0].what == "2"
    never = explained(b.engine, "node", ("7",))
    assert (never.ran, never.waiting) == ((), ())
    assert never.near[0][1].reason == "'x' is no LONG"


# --- plans -------------------------------------------------------------------------------------


def join_of(routes: wire.RouteTable) -> Join:
    return Join(routes.routes[0], {s.id: s for s in routes.signals})


def test_a_fully_keyed_join_needs_one_index_and_the_partition_is_its_key() -> None:
    join = join_of(two_numbers())
    assert [arrival_index.exact for arrival_index in join.arrival_indexes] == [True, True]
    assert [len(arrival_index.indexes) for arrival_index in join.arrival_indexes] == [1, 1]


def test_equal_terms_are_one_variable() -> None:
    """A.n == B.n == C.n: each finds each by n, in one index each."""
    signals = [signal(name, n=NUMBER) for name in "ABC"]
    links = [*same("A", "B", "n"), *same("B", "C", "n")]
    join = join_of(table(signals, route("node", [view(s) for s in signals], links, signals=signals)))
    assert [arrival_index.exact for arrival_index in join.arrival_indexes] == [True] * 3
    assert {variable for variables in join.variables for variable in variables} == {0}


def test_the_most_tightly_linked_input_is_visited_first() -> None:
    links = [*same("A", "B", "x"), *same("B", "C", "y"), *same("C", "E", "z")]
    join = join_of(table(CHAIN, route("node", [view(s) for s in CHAIN], links, signals=CHAIN)))
    assert [[step.target for step in plan] for plan in join.plans] == [
        [1, 2, 3],
        [0, 2, 3],
        [1, 0, 3],
        [2, 1, 0],
    ]


def test_the_cost_of_an_event_does_not_grow_with_what_does_not_share_its_key() -> None:
    """Law (d), counted: look-ups and writes of one event with 10 and with 1,000 nodes and pending bindings."""

    class Counting(MemoryLedger):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0
            self.found = 0

        def arrive(self, *args: Any) -> Any:
            self.calls += 1
            return super().arrive(*args)

        def find(self, *args: Any) -> Any:
            self.calls += 1
            records = super().find(*args)
            self.found += len(records)
            return records

        def output(self, *args: Any) -> Any:
            self.calls += 1
            return super().output(*args)

        def save(self, *args: Any) -> Any:
            self.calls += 1
            return super().save(*args)

    counts = []
    for size in (10, 1000):
        signals, routes = [], []
        for n in range(size):
            a, c = signal(f"A{n}", region=NUMBER, day=DAY), signal(f"C{n}", day=DAY)
            signals += [a, c]
            routes.append(route(f"node{n}", [view(a), view(c)], same(a.id, c.id, "day"), signals=[a, c]))
        ledger = Counting()
        b = Bench(table(signals, *routes), ledger)
        for n in range(size):
            b.send("A5", n, D2)
            b.send(f"A{n}", 1, D1)
        ledger.calls = ledger.found = 0
        assert b.send("C5", D1) == [f"node5/{n}/{D1}#1" for n in (1,)]
        counts.append((ledger.calls, ledger.found))
    assert counts[0] == counts[1] == (4, 1)


class Calls:
    """A client whose calls are noted."""

    def __init__(self, client: Any) -> None:
        self.client, self.names = client, list[str]()

    def __getattr__(self, name: str) -> Any:
        self.names.append(name)
        return getattr(self.client, name)


def test_the_age_of_what_waits_costs_a_call_for_a_hundred_outputs() -> None:
    """Complete bindings, all of which have run and one of which waits again: their outputs must be looked at."""
    client: Any = Calls(DynamoDB())
    create_table("ledger", client)
    b = Bench(two_numbers(), DynamoLedger("ledger", client, lambda: 1e9))
    for n in range(250):
        b.send("I", n)
        b.send("S", n)
    b.send("I", 7)
    client.names.clear()
    assert [waiting.output for waiting in b.engine.pending("node")] == ["7"]
    assert client.names == [*["get_paginator"] * 2, *["batch_get_item"] * 3]
