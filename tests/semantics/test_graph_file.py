"""A graph that is written to graph.json, read and declared anew is the same graph."""

from __future__ import annotations

from hypothesis import given

from codegen.graph_json import graph_file, load_graph
from rheodsl import Application

from . import strategies
from .graphs import Graph, declare


@given(strategies.graphs(max_nodes=3))
def test_a_graph_survives_its_file(graph: Graph) -> None:
    app, _ = declare(graph)
    written = app.graph()
    read = load_graph(graph_file(written))
    assert read == written
    assert graph_file(read) == graph_file(written)


@given(strategies.graphs(max_nodes=3))
def test_a_graph_that_is_taken_up_resolves_to_itself(graph: Graph) -> None:
    app, _ = declare(graph)
    other = Application(app.name)
    other._take(load_graph(graph_file(app.graph())))
    assert other.graph() == app.graph()
    for node in graph.nodes:  # changed in nothing, it is resolved anew
        other.patch_data(node.id)
    assert other.graph() == app.graph()
