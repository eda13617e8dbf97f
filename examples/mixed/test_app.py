"""How one tests this pipeline: a partition of the table starts the three nodes, each with its own language."""

from __future__ import annotations

import pytest

from rheodsl import Application
from rheodsl.testing import Simulator, load_dags, run_dag

pytestmark = pytest.mark.rheo_app("examples/mixed/app.py")


def test_a_partition_starts_the_three_nodes(rheo_app: Application, rheo_sim: Simulator) -> None:
    runs = rheo_sim.send(rheo_app["d_ad_orders_na"]["2021-01-14"])
    assert sorted(run.node for run in runs) == [
        "REPEAT_AD_ORDERS_IN_PYTHON", "REPEAT_AD_ORDERS_IN_SCALA", "REPEAT_AD_ORDERS_IN_SCALA_COMPLEX",
    ]  # fmt: skip
    for run in runs:
        assert run.output == {"order_day": "2021-01-14"}
        assert run.inputs["d_ad_orders_na"].paths == [
            "s3://dex-ml-catalog/d_ad_orders_na/order_day=2021-01-14"
        ]


def test_an_update_of_a_partition_runs_it_again(rheo_app: Application, rheo_sim: Simulator) -> None:
    table = rheo_app["d_ad_orders_na"]
    rheo_sim.send(table["2021-01-14"])
    again = rheo_sim.send(table["2021-01-14"])
    assert [run.generation for run in again] == [2, 2, 2]


def test_the_scala_job_gets_its_parameter(rheo_app: Application) -> None:
    run = run_dag(load_dags(rheo_app), "REPEAT_AD_ORDERS_IN_SCALA_COMPLEX", ["2021-01-14"])
    assert run.state == "success"
    assert run.submitted["compute"]["script_args"]["--my_param"] == "PARAM1"
