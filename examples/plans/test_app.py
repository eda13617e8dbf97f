"""How one tests this pipeline: what a fire of the timer leads to, what each node reads, and the generated DAGs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rheodsl import Application
from rheodsl.testing import Run, Simulator, load_dags, run_dag

pytestmark = pytest.mark.rheo_app("examples/plans/app.py")


def fired(app: Application, sim: Simulator) -> list[Run]:
    return sim.fire(app["daily_timer"], at=datetime(2021, 1, 16, tzinfo=UTC))


def test_one_fire_of_the_timer_makes_every_data_set_once(rheo_app: Application, rheo_sim: Simulator) -> None:
    runs = fired(rheo_app, rheo_sim)
    assert sorted(run.node for run in runs) == [
        "denorm_archive_ad", "dppi_df", "plans_df", "ramp", "slam_broadcast", "slam_data_transformed",
    ]  # fmt: skip
    assert {run.output["day"] for run in runs} == {"2021-01-16"}
    assert rheo_sim.pending() == []


def test_the_tables_past_and_future_are_read(rheo_app: Application, rheo_sim: Simulator) -> None:
    runs = {run.node: run for run in fired(rheo_app, rheo_sim)}
    low, high = (runs["dppi_df"].inputs[alias].paths for alias in ("dppi_low_range", "dppi_high_range"))
    assert (len(low), low[-1]) == (7, "s3://perfectmile/package_items/ship_day=2021-01-10")
    assert (len(high), high[-1]) == (14, "s3://perfectmile/package_items/ship_day=2021-01-29")


def test_new_data_of_a_table_that_is_read_by_reference_starts_nothing(
    rheo_app: Application, rheo_sim: Simulator
) -> None:
    assert rheo_sim.send(rheo_app["d_perfectmile_package_items_na"]["2021-01-16"]) == []


def test_a_failed_node_holds_back_what_needs_it(rheo_app: Application, rheo_sim: Simulator) -> None:
    rheo_sim.fail("slam_broadcast")
    runs = fired(rheo_app, rheo_sim)
    assert {"plans_df", "ramp"}.isdisjoint(run.node for run in runs)
    assert [waiting.node for waiting in rheo_sim.pending()] == ["plans_df", "ramp"]


def test_the_generated_dags(rheo_app: Application) -> None:
    dags = load_dags(rheo_app)
    assert sorted(dags) == sorted(node.id for node in rheo_app.graph().nodes)
    run = run_dag(dags, "plans_df", {"day": "2021-01-16"})
    assert (run.state, run.signals) == ("success", ["2021-01-16"])
    assert run.submitted["compute"]["job_name"] == "adpd-training-plans_df-553e2908"
    assert run.submitted["compute"]["run_job_kwargs"]["NumberOfWorkers"] == 150
