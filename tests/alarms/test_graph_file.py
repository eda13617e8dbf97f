"""Alarms, metrics, actions and dashboards in graph.json."""

from __future__ import annotations

from codegen.graph_json import graph_file, load_graph
from rheodsl import Application

from .graphs import everything


def test_all_that_alarms_are_made_of_survives_its_file() -> None:
    app = everything()
    other = Application(app.name)
    other._take(load_graph(graph_file(app.graph())))
    assert other.graph() == app.graph()
