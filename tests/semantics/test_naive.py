"""The naive evaluator gives the contract's own answers, so that it can be believed on random graphs."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime
from itertools import permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from . import mixed_strategies
from .grids import GRIDS, Grid
from .mixed import SMALLEST, plan
from .naive import (
    Deletion,
    Event,
    Input,
    Late,
    Machine,
    Node,
    Partition,
    Plan,
    Source,
    executions,
)


def trace(*events: tuple[str, Partition]) -> list[Event]:
    return [Event(signal, partition, f"e{i}") for i, (signal, partition) in enumerate(events)]


def node(*names: str, links: Any = (), output: Any = None, retrigger: str = "all") -> Node:
    return Node(
        [Input(name, name) for name in names], links, output or (lambda tips: tips[names[0]]), retrigger
    )


def test_two_linked_numbers() -> None:
    linked = node("i", "s", links=[lambda tips: tips["i"] == tips["s"]])
    events = trace(("i", (1,)), ("i", (2,)), ("s", (3,)), ("i", (3,)))
    assert executions(linked, [*events, events[0]]) == {(3,): 1}
    assert executions(linked, [*events, *trace(("s", (1,)), ("s", (2,)))]) == {(3,): 1, (1,): 1, (2,): 1}


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_partly_linked(order: tuple[int, ...]) -> None:
    linked = node("a", "c", links=[lambda tips: tips["a"][1] == tips["c"][0]])
    events = trace(("c", ("d1",)), ("a", (1, "d1")), ("a", (2, "d1")))
    assert executions(linked, [events[i] for i in order]) == {(1, "d1"): 1, (2, "d1"): 1}


@pytest.mark.parametrize(("retrigger", "runs"), [("all", 1), ("any", 2)])
def test_a_dimensionless_input(retrigger: str, runs: int) -> None:
    loose = node("a", "b", retrigger=retrigger)
    events = trace(("b", ()), ("a", ("d1",)), ("a", ("d2",)), ("b", ()))
    assert executions(loose, events[:3]) == {("d1",): 1, ("d2",): 1}
    assert executions(loose, events) == {("d1",): runs, ("d2",): runs}


def test_unlinked_inputs() -> None:
    cross = node("c", "s", output=lambda tips: tips["c"] + tips["s"])
    assert executions(cross, trace(("c", (1,)), ("c", (2,)), ("s", (3,)))) == {(1, 3): 1, (2, 3): 1}


def test_a_key_that_a_map_lacks() -> None:
    linked = node("o", "s", links=[lambda tips: {1: "NA"}[tips["o"][0]] == tips["s"][0]])
    assert executions(linked, trace(("s", ("NA",)), ("o", (3,)), ("o", (1,)))) == {(1,): 1}


@pytest.mark.parametrize("order", list(permutations([18, 17, 16])), ids=str)
def test_range_check(order: tuple[int, ...]) -> None:
    window = Input("d", "d", window=lambda tip: [(tip[0] - i,) for i in range(3)], range_check=True)
    checked = Node([window], [], lambda tips: tips["d"])
    assert executions(checked, trace(*(("d", (day,)) for day in order[:2]))) == Counter()
    assert executions(checked, trace(*(("d", (day,)) for day in order))) == {(18,): 1}


def test_a_nearest_reference_waits_for_one() -> None:
    rates = Input(
        "r",
        "r",
        window=lambda tip: [(tip[0] - i,) for i in range(3)],
        nearest=True,
        follows=lambda tips: tips["d"],
    )
    chosen = Node([Input("d", "d"), rates], [], lambda tips: tips["d"])
    assert executions(chosen, trace(("d", (18,)), ("r", (15,)))) == Counter()
    assert executions(chosen, trace(("d", (18,)), ("r", (15,)), ("r", (17,)))) == {(18,): 1}


# ── the second edition ────────────────────────────────────────────────────────────────────────────────

DAYS, LA_BACK = GRIDS["days"], GRIDS["hours when the clock goes back"]


def source(name: str, grid: Grid = DAYS, back: int = 1, **options: Any) -> Source:
    return Source(
        name,
        name,
        ("t",),
        window=lambda tip: [(grid.near(tip[0], -n),) for n in range(back)],
        **options,
    )


def monthly(name: str, **options: Any) -> Source:
    return Source(
        name,
        name,
        ("t",),
        rolled=lambda p: (DAYS.coarser["month"](p[0]),),
        members=lambda tip: [(day,) for day in DAYS.members("month", tip[0])],
        is_rollup=True,
        **options,
    )


def ran(machine: Machine, *events: Event | Deletion) -> list[list[Partition]]:
    """The outputs that each event starts."""
    return [[run.output for run in machine.take(event)] for event in events]


def day(n: int, name: str = "d", id: str = "", month: int = 1) -> Event:
    return Event(name, (date(2024, month, n),), id or f"{name}{month}-{n}")


def tips(*days: int) -> list[Partition]:
    return [(date(2024, 1, n),) for n in days]


def test_a_month_of_days() -> None:
    machine = Machine(Plan("m", [[monthly("d")]], ("t",)))
    started = ran(machine, *(day(n, month=2) for n in range(1, 30)))
    assert started == [[]] * 28 + [[("2024-02",)]]


def test_a_month_to_date_reads_what_exists() -> None:
    machine = Machine(Plan("m", [[monthly("d", complete=False)]], ("t",)))
    [first], [second] = machine.take(day(1)), machine.take(day(3))
    assert [len(dict(run.reads)["d"]) for run in (first, second)] == [1, 2]


def test_either_of_two() -> None:
    machine = Machine(Plan("n", [[source("web")], [source("shop")]], ("t",)))
    [first], [second] = machine.take(day(1, "web")), machine.take(day(1, "shop"))
    assert dict(first.reads) == {"web": tuple(tips(1)), "shop": ()}
    assert dict(second.reads) == {"web": tuple(tips(1)), "shop": tuple(tips(1))}


@pytest.mark.parametrize("order", list(permutations([16, 17, 18])), ids=str)
def test_at_least(order: tuple[int, ...]) -> None:
    machine = Machine(Plan("n", [[source("d", back=3, at_least=2)]], ("t",)))
    started = [output for one in ran(machine, *map(day, order)) for output in one]
    assert sorted(started) == tips(17, 18)


def test_an_update_of_a_window() -> None:
    machine = Machine(Plan("n", [[source("d", back=3, range_check=True)]], ("t",), "updated"))
    assert ran(machine, *map(day, range(1, 5))) == [[], [], tips(3), tips(4)]
    assert sorted(ran(machine, day(2, id="again"))[0]) == tips(3, 4)
    assert ran(machine, day(2, id="again")) == [[]]


def test_never_again() -> None:
    machine = Machine(Plan("n", [[source("d")]], ("t",), "never"))
    assert ran(machine, day(1), day(1, id="again"), day(2)) == [tips(1), [], tips(2)]


@pytest.mark.parametrize("order", list(permutations([1, 2, 3])), ids=str)
def test_its_own_past(order: tuple[int, ...]) -> None:
    own = Source(
        "own",
        "n",
        ("t",),
        window=lambda tip: [(DAYS.near(tip[0], -1),)],
        trigger=False,
        range_check=True,
        awaited=lambda p: p[0] >= date(2024, 1, 1),
    )
    machine = Machine(Plan("n", [[source("d"), own]], ("t",)))
    assert [output for one in ran(machine, *map(day, order)) for output in one] == tips(1, 2, 3)


def test_a_deletion_ends_a_checked_window() -> None:
    machine = Machine(Plan("n", [[source("d", back=2, range_check=True)]], ("t",)))
    started = ran(machine, day(1), Deletion("d", tips(1)[0]), day(2), day(1, id="again"))
    assert started == [[], [], [], tips(2)]


def test_an_hour_that_happens_twice_is_one_label() -> None:
    back = source("d", LA_BACK, 4, range_check=True)
    machine = Machine(Plan("n", [[back]], ("t",)))
    hours = [(datetime(2024, 11, 3, n),) for n in range(4)]
    assert back.window(hours[3]) == hours[::-1]
    started = ran(machine, *(Event("d", hour, str(n)) for n, hour in enumerate(hours)))
    assert started == [[], [], [], [hours[3]]]


def test_a_day_has_the_hours_that_its_zone_has() -> None:
    assert len(LA_BACK.members("day", "2024-11-03")) == 24
    assert len(GRIDS["hours when the clock goes forth"].members("day", "2024-03-10")) == 23


def test_what_is_late_is_told_when_it_is_not_complete() -> None:
    watched = source("d")
    machine = Machine(Plan("n", [[source("d_late")]], ("t",)))
    late = Late("d_late", watched, [(tip, n) for n, tip in enumerate(tips(1, 2), start=10)])
    machine.take(day(1))
    assert late.told(machine, 0, 10) == []
    assert [event.partition for event in late.told(machine, 10, 11)] == tips(2)


def test_the_grids_are_what_their_names_say() -> None:
    trading = GRIDS["trading days"]
    assert trading.near(date(2024, 2, 29), -1) == date(2024, 2, 27)
    assert GRIDS["quarters"].near(date(2024, 1, 1), -1) == date(2023, 10, 1)
    assert [GRIDS["weeks"].spell(week) for week in GRIDS["weeks"].few] == [
        "2023-W51", "2023-W52", "2024-W01", "2024-W02",
    ]  # fmt: skip
    for grid in GRIDS.values():
        assert list(grid.values) == sorted(set(grid.values))
        assert set(grid.few) <= set(grid.values)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    mixed_strategies.graphs(frozenset(SMALLEST)).flatmap(
        lambda mixed: st.tuples(
            st.just(mixed),
            mixed_strategies.traces(mixed, frozenset(SMALLEST)),
            st.randoms(use_true_random=False),
        )
    )
)
def test_any_order_of_the_events_gives_the_same_executions(given_: Any) -> None:
    mixed, trace, random = given_
    events = [step for step in trace if isinstance(step, Event)]
    assume(mixed.retrigger in ("all", "any"))
    shuffled = list(events)
    random.shuffle(shuffled)
    one, other = Machine(plan(mixed)), Machine(plan(mixed))
    assert Counter(run.output for event in events for run in one.take(event)) == Counter(
        run.output for event in shuffled for run in other.take(event)
    )
