"""graph.json: what it says, what it refuses, and that it holds the whole graph."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sample_apps import shop, timers

from codegen.graph_json import decode, encode, graph_file, load_graph
from rheodsl import Application
from rheodsl.errors import GraphError, SourceLocation, SpecError
from rheodsl.loading import load_app

EXAMPLES = Path(__file__).parents[2] / "examples"


def flights() -> Application:
    return load_app(EXAMPLES / "flights" / "app.py")


def alarms() -> Application:
    return load_app(EXAMPLES / "alarms" / "app.py")


@pytest.mark.parametrize("make", [shop, timers, flights, alarms])
def test_an_application_is_taken_up_as_it_was(make: Callable[[], Application]) -> None:
    app = make()
    other = Application(app.name)
    other._take(load_graph(graph_file(app.graph())))
    assert other.graph() == app.graph()
    assert graph_file(other.graph()) == graph_file(app.graph())


def test_an_application_that_is_taken_up_can_be_extended_and_changed() -> None:
    app = Application("flights")
    app._take(load_graph(graph_file(flights().graph())))
    app.create_data("monthly", app["delay_trend"], compute_targets="output = delay_trend")
    app.patch_data("flight_weather", max_active_runs=2)
    graph = app.graph()
    assert [i.signal for i in graph.node("monthly").inputs] == ["delay_trend"]
    assert graph.node("flight_weather").options.max_active_runs == 2
    assert graph.node("flight_weather").links == flights().graph().node("flight_weather").links


def test_an_id_that_is_taken_is_a_fault() -> None:
    app = Application("flights")
    app.s3("flights", "s3://other/flights/{day:%Y-%m-%d}")
    app._take(load_graph(graph_file(flights().graph())))
    with pytest.raises(GraphError, match="the id 'flights' is taken"):
        app.graph()


def test_lists_and_dicts_of_metadata_stay_what_they_are() -> None:
    value = {"is": "Place", "columns": ["a", ("b", 1.5, None)], "more": {"x": [1]}}
    assert decode(json.loads(json.dumps(encode(value)))) == value


def test_what_is_no_part_of_a_graph_is_not_written() -> None:
    with pytest.raises(TypeError, match="add its module to MODULES"):
        encode(object())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: text[:-9], "JSONDecodeError"),
        (lambda text: text.replace('"version": 1', '"version": 7'), "its version is 7, not 1"),
        (lambda text: text.replace('"is": "Node"', '"is": "Popen"'), "'Popen' is no class of a graph"),
        (lambda text: text.replace('"aliases"', '"x"').replace('"alias": ', '"alien": '), "alien|alias"),
        (lambda text: "[]", "TypeError"),
    ],
)
def test_another_file_is_refused(change: Callable[[str], str], why: str) -> None:
    with pytest.raises(SpecError, match=why) as raised:
        load_graph(change(graph_file(flights().graph())))
    assert raised.value.hint is not None


def test_a_file_of_an_older_version_is_read_by_the_names_that_it_uses() -> None:
    assert decode({"is": "Place", "file": "app.py", "line": 3}) == SourceLocation("app.py", 3)
    text = graph_file(flights().graph())
    assert load_graph(text.replace('"is": "SourceLocation"', '"is": "Place"')) == load_graph(text)
