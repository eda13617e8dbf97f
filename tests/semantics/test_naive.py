"""The naive evaluator gives the contract's own answers, so that it can be believed on random graphs."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from typing import Any

import pytest

from .naive import Event, Input, Node, Partition, executions


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
