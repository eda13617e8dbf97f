"""Where the vertices of a graph stand."""

from __future__ import annotations

import time
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rheo_airflow.page.layout import arrange

NAMES = [f"v{n:02}" for n in range(14)]
graphs = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=40)


def forward(edges: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(a, b) for a, b in edges if a < b]


@given(graphs)
def test_every_edge_leads_to_the_right(edges: list[tuple[str, str]]) -> None:
    places = arrange(NAMES, forward(edges)).places
    assert all(places[a][0] < places[b][0] for a, b in forward(edges))


@given(graphs)
def test_no_two_vertices_overlap_circles_included(edges: list[tuple[str, str]]) -> None:
    places = arrange(NAMES, edges).places
    assert places.keys() == set(NAMES)
    rows: dict[float, list[float]] = {}
    for x, y in places.values():
        rows.setdefault(x, []).append(y)
    assert all(b - a > 0.99 for row in rows.values() for a, b in pairwise(sorted(row)))


@given(graphs)
def test_edges_bend_in_each_layer_that_they_pass(edges: list[tuple[str, str]]) -> None:
    layout = arrange(NAMES, forward(edges))
    for (a, b), bends in layout.bends.items():
        first, last = layout.places[a][0], layout.places[b][0]
        assert [x for x, _ in bends] == list(range(int(first) + 1, int(last)))


@given(graphs, st.randoms())
def test_the_order_of_edges_changes_nothing(edges: list[tuple[str, str]], random: object) -> None:
    shuffled = list(edges)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert arrange(NAMES, edges) == arrange(NAMES, shuffled)


def test_crossings_are_undone() -> None:
    places = arrange(["a", "b", "x", "y"], [("a", "y"), ("b", "x")]).places
    assert (places["a"][1] < places["b"][1]) == (places["y"][1] < places["x"][1])


def test_a_source_stands_right_before_what_needs_it_first() -> None:
    places = arrange(["a", "b", "c", "late"], [("a", "b"), ("b", "c"), ("late", "c")]).places
    assert places["late"][0] == 1


def test_what_has_no_edge_stands_below() -> None:
    places = arrange(["a", "alone", "b"], [("a", "b")]).places
    assert places["alone"][1] > max(places["a"][1], places["b"][1])


def test_hundreds_are_placed_in_a_moment() -> None:
    names = [f"n{n}" for n in range(400)]
    edges = [(names[n * 31 % max(1, m)], names[m]) for m in range(1, 400) for n in range(3)]
    start = time.perf_counter()
    arrange(names, edges)
    assert time.perf_counter() - start < 5
