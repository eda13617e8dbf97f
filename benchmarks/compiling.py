"""Seconds to declare, resolve and write out large applications."""

from __future__ import annotations

import gc
import time
from typing import Any

from codegen.compiler import compile_app
from codegen.routes import route_table
from rheodsl import Application

SIZES = (1_000, 10_000)
GOALS = {1_000: 0.5, 10_000: 5.0}
DAGSTER = {1_000: 1.6, 10_000: 16.9}  # seconds to define and load as many assets

Result = dict[str, Any]


def declare(nodes: int) -> Application:
    """A chain of joins: each node reads the one before it and a data set of its own."""
    app = Application("bench")
    first = before = app.s3("source", "s3://bucket/source/{region:int}/{day:%Y-%m-%d}")
    for n in range(nodes):
        other = app.s3(f"other{n}", f"s3://bucket/other{n}/{{region}}/{{day:%Y-%m-%d}}")
        node = app.create_data(
            f"node{n}",
            inputs=[before["*"][:-7], other["NA"]],
            input_dim_links=[before.region.map({1: "NA", 2: "EU"}) == other.region],
            compute_targets="output = 1",
        )
        before = node if n % 10 else first
    return app


def seconds(work: Any) -> tuple[float, Any]:
    """CPU seconds of a call, and its result."""
    gc.collect()
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def run() -> list[Result]:
    """Return the figures of all sizes."""
    results: list[Result] = []
    for size in SIZES:
        declared, app = seconds(lambda size=size: declare(size))
        checked, graph = seconds(app.graph)
        routed, _ = seconds(lambda graph=graph: route_table(graph).dumps())
        results += [
            _result(
                f"declare {size:,} nodes",
                declared,
                DAGSTER[size],
                "baseline: Dagster, define and load as many assets",
            ),
            _result(
                f"graph and route table, {size:,} nodes", checked + routed, GOALS[size], "baseline: the goal"
            ),
        ]
    written, _ = seconds(lambda: compile_app(declare(1_000)))
    results.append(
        _result(
            "declare and write all files, 1,000 nodes",
            written,
            results[0]["value"],
            "baseline: declaring them",
        )
    )
    return results


def _result(name: str, value: float, baseline: float, note: str) -> Result:
    ratio = round(value / baseline, 2)
    return {
        "name": name,
        "value": round(value, 3),
        "unit": "s",
        "baseline": baseline,
        "ratio": ratio,
        "note": note,
    }
