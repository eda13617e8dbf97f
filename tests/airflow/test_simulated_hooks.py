"""What the simulator says of hooks."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sensed_app
from hooked_app import application

from codegen.compiler import compile_graph
from codegen.graph_json import graph_file, load_graph
from rheodsl import Application
from rheodsl.testing import Simulator, load_dags, run_dag

pytestmark = pytest.mark.slow


def names(sim: Simulator) -> list[str]:
    found = [call.name for call in sim.hooks]
    sim.hooks.clear()
    return found


def both(sim: Simulator) -> list[str]:
    """One output partition's inputs arrive."""
    app = sim.app
    runs = sim.send(app["orders"]["NA"]["2020-03-18"]) + sim.send(app["ships"]["NA"]["2020-03-18"])
    return [run.id for run in runs]


def test_a_run_calls_its_hooks() -> None:
    sim = Simulator(application())
    both(sim)
    assert names(sim) == ["on_exec_begin", "on_compute_success", "on_success"]
    sim.fail("both")
    both(sim)
    assert names(sim) == ["on_exec_begin", "on_compute_failure", "on_failure"]
    assert [call.name for call in sim.runs[-1].hooks] == ["on_exec_begin", "on_compute_failure", "on_failure"]
    assert {call.id for call in sim.runs[-1].hooks} == {sim.runs[-1].id}
    assert len(sim.runs[0].hooks[2].called) == 2


def test_merged_executions_and_checkpoints() -> None:
    sim = Simulator(application())
    sim.auto_complete = False
    both(sim), both(sim), both(sim)
    assert [(c.name, c.id) for c in sim.hooks][1:] == [("on_exec_skipped", "both/NA/2020-03-18#2")]
    sim.hooks.clear()
    sim.advance(timedelta(seconds=59))
    assert names(sim) == []
    sim.advance(timedelta(seconds=1))
    sim.advance(timedelta(hours=1))
    assert names(sim) == ["on_checkpoint_60"]
    sim.complete(sim.runs[0])
    assert names(sim) == ["on_compute_success", "on_success", "on_exec_begin"]


def test_inputs_that_wait() -> None:
    sim = Simulator(application())
    sim.send(sim.app["orders"]["NA"]["2020-03-18"])
    for _ in range(3):
        sim.advance(timedelta(minutes=30))
    assert [(c.name, c.node) for c in sim.hooks] == [
        ("on_pending_node_created", "both"), ("on_pending_checkpoint_600", "both"), ("on_expiration", "both"),
    ]  # fmt: skip
    assert {call.id for call in sim.hooks} == {"NA/2020-03-18@2024-01-01T00:00:00.000Z"}


def test_a_dag_that_is_run_calls_its_hooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    dags = load_dags(application())
    run = run_dag(dags, "both", ["NA", "2020-03-18"])
    assert run.state == "success"  # though one of its hooks fails
    assert {name: state for name, state in run.tasks.items() if name.startswith("on_")} == {
        "on_exec_begin": "success", "on_exec_skipped": "skipped", "on_checkpoint_60": "skipped",
        "on_success": "failed", "on_failure": "skipped",
    }  # fmt: skip
    told = [json.loads(line)["HOOK_TYPE_PARAM"] for line in (tmp_path / "seen").read_text().splitlines()]
    assert sorted(told) == ["on_compute_success", "on_exec_begin", "on_success"]
    monkeypatch.setenv("FAIL_HERE", "1")
    assert run_dag(dags, "both", ["NA", "2020-03-18"]).state == "failed"


@pytest.mark.parametrize("made", [application, sensed_app.application], ids=["hooked", "sensed"])
def test_a_graph_is_taken_up_with_its_hooks_and_sensors(made: Callable[[], Application]) -> None:
    graph = made().graph()
    assert load_graph(graph_file(graph)) == graph
    again = Application(graph.app)
    again._take(graph)
    assert again.graph() == graph
    assert compile_graph(again.graph()) == compile_graph(made().graph())
