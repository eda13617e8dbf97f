"""A chain that a clock starts, on Airflow's own scheduler with a moved clock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from codegen.compiler import compile_graph, write
from rheodsl import Application
from rheodsl.testing import Simulator

pytestmark = pytest.mark.slow


def weekly() -> Application:
    """Two nodes that one timer starts, and one that joins them."""
    app = Application("shop")
    timer = app.add_timer("weekly", "rate(7 days)", "day")
    first = app.create_data("first", inputs=[timer], compute_targets="output = 1")
    second = app.create_data("second", inputs=[timer], compute_targets="output = 1")
    app.create_data("both", inputs=[first, second], compute_targets="output = first")
    return app


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of an Airflow with an empty database."""
    home = tmp_path_factory.mktemp("clock")
    environment = {**os.environ, "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{home}/airflow.db"
    subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return environment


def test_two_nodes_of_one_week_meet_whenever_they_are_first_seen(
    airflow: dict[str, str], tmp_path: Path
) -> None:
    """`rate(7 days)` counts from 1970, a Thursday: one is first seen before midnight, the other one after it."""
    write(compile_graph(weekly().graph()), tmp_path / "dags")
    seen = {"first": "2024-05-01T23:59:30+00:00", "second": "2024-05-02T00:00:30+00:00"}
    asked = {
        "first_seen": {str(tmp_path / "dags" / f"{node}.py"): moment for node, moment in seen.items()},
        "end": "2024-05-24T00:00:00+00:00",
    }
    script = Path(__file__).with_name("moved_clock.py")
    answer = tmp_path / "answer.json"
    subprocess.run([sys.executable, str(script), json.dumps(asked), str(answer)], env=airflow, check=True)
    found = json.loads(answer.read_text())
    assert found["shop__first"] == ["2024-05-02", "2024-05-09", "2024-05-16", "2024-05-23"]
    assert found["shop__second"] == found["shop__first"]
    # What these runs publish meets in the node that joins them.
    app = weekly()
    simulator = Simulator(app, now=datetime(2024, 5, 1, tzinfo=UTC))
    made = [simulator.send(app[node][day]) for day in found["shop__first"] for node in ("first", "second")]
    assert [run.id for runs in made for run in runs] == [f"both/{day}#1" for day in found["shop__first"]]
