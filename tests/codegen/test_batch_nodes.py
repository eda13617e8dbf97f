"""Nodes with a batch: what takes one, and what becomes of it in the plan, the route table and ``graph.json``."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sample_apps import Reactor, batches, shop

from codegen.compiler import compile_graph
from codegen.dialects import DIALECTS
from codegen.graph_json import load_graph
from codegen.planning import build_plan
from codegen.routes import route_table
from rheo_runtime.wire import RouteTable
from rheodsl import (
    Application,
    Batch,
    BatchCompute,
    InlinedCompute,
    Sns,
    scala_script,
)
from rheodsl.errors import ComputeError


def test_what_is_compiled_is_read_back() -> None:
    graph = batches().graph()
    assert graph.node("worth").options.batch == Batch(max=200, wait=30, parallel=4)
    read = load_graph(compile_graph(graph)["graph.json"])
    assert read.node("worth").options == graph.node("worth").options
    table = RouteTable.loads(route_table(graph).dumps())
    assert [(r.node, r.batch, r.batch_wait) for r in table.routes] == [
        ("lines", 500, 60), ("queried", 50, 60), ("worth", 200, 30),
    ]  # fmt: skip
    assert table == route_table(graph)


def test_a_node_without_batch_says_nothing_of_it() -> None:
    found = compile_graph(shop().graph())
    assert not [path for path in found if "batch" in found[path].lower() and not path.startswith("lib/")]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_its_dag_has_no_schedule_in_any_airflow(dialect: str) -> None:
    found = compile_graph(batches().graph(), dialect=dialect)
    for node in ("lines", "queried", "worth"):
        assert "schedule=None," in found[f"{node}.py"]


def test_the_node_s_own_script_is_the_one_without_a_batch() -> None:
    alone = Application("batches")
    orders = alone.s3("orders", "s3://data/orders/{region}", schema="id long")
    alone.create_data("n", [orders], compute_targets="output = orders.limit(1)")
    before = compile_graph(alone.graph())["glue/n.py"]
    alone.patch_data("n", batch=Batch())
    after = compile_graph(alone.graph())
    assert after["lib/rheo_node_n.py"] == before
    job = json.loads(after["stack.json"])["glue_jobs"][0]
    assert job["script"] == "glue/n.py"
    assert "/lib/rheo_node_n.py" in job["arguments"]["--extra-py-files"]
    alone.patch_data("n", batch=None)
    assert compile_graph(alone.graph())["glue/n.py"] == before


def test_batch_waits_in_seconds_or_a_timedelta() -> None:
    assert Batch(wait=timedelta(minutes=2)).seconds == Batch(wait=120).seconds == 120


REFUSED: list[tuple[Callable[[Application, Any], Any], str, str]] = [
    (
        lambda app, orders: app.create_data(
            "n",
            [app.add_timer("t", "rate(1 day)", "day")],
            compute_targets=InlinedCompute(Reactor()),
            batch=Batch(),
        ),
        "n: Airflow's own clock starts each of its runs, so none can be batched",
        "leave batch out, or join the timer with data",
    ),
    (
        lambda app, orders: app.create_data(
            "n", [orders], compute_targets=["output = orders", InlinedCompute(Reactor())], batch=Batch()
        ),
        "n: a batch is carried out by one compute target, and it has 2",
        "give each target a node of its own",
    ),
    (
        lambda app, orders: app.create_data(
            "n", [orders], compute_targets=Sns("arn:aws:sns:us-east-1:123456789012:t", "x"), batch=Batch()
        ),
        "n: SnsMessage starts one job for each execution, so it takes no batch",
        "PySpark, SparkSQL, PrestoSQL and inlined Python do; leave batch out for others",
    ),
    (
        lambda app, orders: app.create_data(
            "n", [orders], compute_targets=BatchCompute(scala_script("orders")), batch=Batch()
        ),
        "n: SparkCompute starts one job for each execution, so it takes no batch",
        "PySpark, SparkSQL, PrestoSQL and inlined Python do; leave batch out for others",
    ),
]


@pytest.mark.parametrize(("declare", "what", "hint"), REFUSED)
def test_what_takes_no_batch_says_so(
    declare: Callable[[Application, Any], Any], what: str, hint: str
) -> None:
    app = Application("a")
    declare(app, app.s3("orders", "s3://data/orders/{region}"))
    with pytest.raises(ComputeError) as fault:
        build_plan(app.graph())
    assert what in str(fault.value) and hint in str(fault.value)
    assert "test_batch_nodes.py:" in str(fault.value)


def test_a_batch_may_have_one_spark_job_by_any_form_of_python_or_sql() -> None:
    app = Application("a")
    orders = app.s3("orders", "s3://data/orders/{region}")
    app.create_data("n", [orders], compute_targets=BatchCompute("output = orders"), batch=Batch())
    (dag,) = build_plan(app.graph()).dags
    assert dag.batch == Batch(max=500, wait=60, parallel=1)
