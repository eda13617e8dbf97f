"""Section 7: executions."""

from __future__ import annotations

from typing import Any

from rheodsl import Application, DimensionType
from rheodsl.testing import Simulator

from .helpers import daily, outputs, regional

DAY: dict[str, Any] = {"day": {"type": DimensionType.DATETIME, "format": "%Y-%m-%d"}}


def manual(app: Application) -> Simulator:
    sim = Simulator(app)
    sim.auto_complete = False
    return sim


def test_a_firing_during_an_active_execution_is_held_and_started_once(app: Application) -> None:
    days = daily(app)
    app.create_data("node", inputs=[days])
    sim = manual(app)
    first = sim.send(days["2020-03-18"])
    assert outputs(first) == [("2020-03-18",)]
    assert sim.send(days["2020-03-18"]) == []
    second = sim.complete(first[0], ok=True)
    assert outputs(second) == [("2020-03-18",)]
    assert sim.complete(second[0], ok=True) == []


def test_several_held_firings_merge(app: Application) -> None:
    days = daily(app)
    app.create_data("node", inputs=[days])
    sim = manual(app)
    first = sim.send(days["2020-03-18"])
    for _ in range(3):
        assert sim.send(days["2020-03-18"]) == []
    second = sim.complete(first[0], ok=True)
    assert len(second) == 1
    assert sim.complete(second[0], ok=True) == []
    assert len(sim.send(days["2020-03-18"])) == 1


def by_day(app: Application) -> Any:
    orders = regional(app)
    app.create_data("node", inputs=[orders], output_dimension_spec=DAY)
    return orders


def test_the_latest_inputs_win(app: Application) -> None:
    orders = by_day(app)
    sim = manual(app)
    first = sim.send(orders[1]["2020-03-18"])
    assert sim.send(orders[2]["2020-03-18"]) == []
    assert sim.send(orders[3]["2020-03-18"]) == []
    second = sim.complete(first[0], ok=True)
    assert [run.inputs["orders"].tip["region_id"] for run in first + second] == [1, 3]


def test_bindings_of_one_output_never_run_together(app: Application) -> None:
    orders = by_day(app)
    sim = manual(app)
    first = sim.send(orders[1]["2020-03-18"])
    assert len(first) == 1
    assert sim.send(orders[2]["2020-03-18"]) == []
    assert len(sim.complete(first[0], ok=True)) == 1


def test_other_outputs_and_other_nodes_are_not_held(app: Application) -> None:
    days = daily(app)
    app.create_data("node", inputs=[days])
    app.create_data("other", inputs=[days[-1:]])
    sim = manual(app)
    assert sorted(run.node for run in sim.send(days["2020-03-18"])) == ["node", "other"]
    assert sorted(run.node for run in sim.send(days["2020-03-19"])) == ["node", "other"]


def test_a_held_firing_starts_after_a_failure_too(app: Application) -> None:
    days = daily(app)
    app.create_data("node", inputs=[days])
    sim = manual(app)
    first = sim.send(days["2020-03-18"])
    sim.send(days["2020-03-18"])
    assert len(sim.complete(first[0], ok=False)) == 1


def test_one_firing_delivered_twice_starts_one_run(app: Application) -> None:
    days = daily(app)
    app.create_data("node", inputs=[days])
    sim = manual(app)
    first = sim.send(days["2020-03-18"], event_id="e")
    assert len(first) == 1
    assert sim.send(days["2020-03-18"], event_id="e") == []
    assert sim.complete(first[0], ok=True) == []
    assert sim.send(days["2020-03-18"], event_id="e") == []


def test_without_overlap_each_firing_of_one_event_runs(app: Application) -> None:
    """An execution succeeds at once, so the three firings of the last event do not overlap: law (a)."""
    for order in (["c", "1", "2", "3"], ["1", "2", "3", "c"]):
        app = Application("shop")
        orders, closed = regional(app), daily(app, "closed")
        app.create_data("node", inputs=[orders, closed], output_dimension_spec=DAY)
        sim = Simulator(app)
        tips = {"c": closed["2020-03-18"]} | {str(n): orders[n]["2020-03-18"] for n in (1, 2, 3)}
        runs = [run for name in order for run in sim.send(tips[name])]
        assert outputs(runs) == [("2020-03-18",)] * 3, order


# ── outputs are signals ───────────────────────────────────────────────────────────────────────────────


def test_a_success_emits_the_output(app: Application) -> None:
    orders = regional(app)
    cleaned = app.create_data("cleaned", inputs=[orders])
    app.create_data("na_report", inputs=[cleaned[1]])
    sim = Simulator(app)
    assert [run.node for run in sim.send(orders[1]["2020-03-18"])] == ["cleaned", "na_report"]
    assert [run.node for run in sim.send(orders[2]["2020-03-18"])] == ["cleaned"]


def test_nothing_is_emitted_before_completion(app: Application) -> None:
    days = daily(app)
    cleaned = app.create_data("cleaned", inputs=[days])
    app.create_data("report", inputs=[cleaned])
    sim = manual(app)
    first = sim.send(days["2020-03-18"])
    assert [run.node for run in first] == ["cleaned"]
    assert [run.node for run in sim.complete(first[0], ok=True)] == ["report"]


def test_on_failure_nothing_is_emitted(app: Application) -> None:
    days = daily(app)
    cleaned = app.create_data("cleaned", inputs=[days])
    app.create_data("report", inputs=[cleaned])
    sim = manual(app)
    first = sim.send(days["2020-03-18"])
    assert sim.complete(first[0], ok=False) == []
    again = sim.send(days["2020-03-18"])
    assert [run.node for run in again] == ["cleaned"]
    assert [run.node for run in sim.complete(again[0], ok=True)] == ["report"]


def test_a_node_made_to_fail_emits_nothing(app: Application) -> None:
    days = daily(app)
    cleaned = app.create_data("cleaned", inputs=[days])
    app.create_data("report", inputs=[cleaned])
    sim = Simulator(app)
    sim.fail("cleaned")
    assert [run.node for run in sim.send(days["2020-03-18"])] == ["cleaned"]


def test_the_outputs_of_two_branches_join_again(app: Application) -> None:
    days = daily(app)
    left = app.create_data("left", inputs=[days])
    right = app.create_data("right", inputs=[days])
    app.create_data("both", inputs=[left, right])
    runs = Simulator(app).send(days["2020-03-18"])
    assert sorted(run.node for run in runs) == ["both", "left", "right"]
    assert runs[-1].node == "both"


def test_a_completed_output_exists(app: Application) -> None:
    days = daily(app)
    cleaned = app.create_data("cleaned", inputs=[days])
    app.create_data("windowed", inputs=[cleaned[:-2].range_check(True)])
    sim = Simulator(app)
    sim.send(days["2020-03-17"])
    assert outputs(sim.send(days["2020-03-18"]), "windowed") == [("2020-03-18",)]


def test_every_firing_raises_the_generation(app: Application) -> None:
    days = daily(app)
    app.create_data("node", inputs=[days])
    sim = Simulator(app)
    runs = [run for _ in range(3) for run in sim.send(days["2020-03-18"])]
    assert [run.generation for run in runs] == [1, 2, 3]
    assert [run.generation for run in sim.send(days["2020-03-19"])] == [1]
