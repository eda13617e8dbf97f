"""A law: the order of declarations carries no meaning, so every order gives the same bytes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from codegen.compiler import compile_graph
from rheodsl import (
    AlarmComparisonOperator,
    Application,
    InlinedCompute,
    MetricPeriod,
    MetricStatistic,
    RouteExecutionHook,
    RoutePendingNodeHook,
    SparkSQL,
)


def tell(input_map, output, params):  # type: ignore[no-untyped-def]
    """Say nothing."""


Step = Callable[[Application], object]
# What is declared, and what must be declared before it.
STEPS: dict[str, tuple[Step, tuple[str, ...]]] = {
    "orders": (lambda app: app.s3("orders", "s3://shop-data/orders/{region}/{day:%Y-%m-%d}"), ()),
    "ships": (lambda app: app.s3("ships", "s3://shop-data/ships/{region}/{day:%Y-%m-%d}"), ()),
    "timer": (lambda app: app.add_timer("timer", "rate(1 day)", "day"), ()),
    "errors": (lambda app: app.create_metric("errors", {"Error": {}}), ()),
    "daily": (
        lambda app: app.create_data(
            "daily",
            [app["orders"], app["ships"]["*"][:-2].ref],
            compute_targets=["output = orders", InlinedCompute(tell)],
            execution_hook=RouteExecutionHook(on_failure=tell),
            tags=["b", "a"],
        ),
        ("orders", "ships"),
    ),
    "total": (
        lambda app: app.create_data(
            "total", [app["daily"]["*"][:-7].range_check(True)], compute_targets=SparkSQL("SELECT 1 AS n")
        ),
        ("daily",),
    ),
    "joined": (
        lambda app: app.create_data(
            "joined",
            [app["timer"], app["ships"]["NA"]],
            compute_targets="output = ships",
            pending_node_hook=RoutePendingNodeHook(on_pending_node_created=tell),
        ),
        ("timer", "ships"),
    ),
    "alone": (lambda app: app.create_data("alone", [app["timer"]], compute_targets=tell), ("timer",)),
    "alarm": (
        lambda app: app.create_alarm(
            id="alarm",
            target_metric_or_expression=app["errors"]["Error"][MetricStatistic.SUM][MetricPeriod.MINUTES(5)],
            number_of_evaluation_periods=1,
            number_of_datapoint_periods=1,
            comparison_operator=AlarmComparisonOperator.GreaterThanOrEqualToThreshold,
            threshold=1,
        ),
        ("errors",),
    ),
}


def compiled(order: list[str]) -> dict[str, str]:
    """Declare in this order, each after what it needs."""
    app, done = Application("shop"), set[str]()

    def declare(name: str) -> None:
        if name not in done:
            step, needed = STEPS[name]
            for other in needed:
                declare(other)
            done.add(name)
            step(app)

    for name in order:
        declare(name)
    return compile_graph(app.graph())


AGREED = compiled(list(STEPS))


@examples(25)
@given(st.permutations(list(STEPS)))
def test_every_order_gives_the_same_bytes(order: list[str]) -> None:
    assert compiled(order) == AGREED


def test_the_order_of_inputs_does_carry_a_meaning() -> None:
    """The first is input0: this is what makes the law above worth stating."""

    def files(*names: str) -> dict[str, str]:
        app = Application("shop")
        for name in ("orders", "ships"):
            app.s3(name, "s3://shop-data/" + name + "/{day:%Y-%m-%d}")
        app.create_data("n", [app[name] for name in names], compute_targets="output = input0")
        return compile_graph(app.graph())

    assert files("orders", "ships")["routes.json"] != files("ships", "orders")["routes.json"]


def test_imports_of_generated_files_are_in_the_order_of_isort() -> None:
    root = Path(__file__).parents[2]
    folders = [str(root / "dags_out"), str(root / "tests" / "golden" / "mwaa-3.3")]
    words = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--line-length=110",
        "--no-cache",
        "--select",
        "I",
        *folders,
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert "No Python files" not in done.stdout + done.stderr
