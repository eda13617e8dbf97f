"""Seconds to declare, resolve and write out large applications."""

from __future__ import annotations

import gc
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from codegen.compiler import compile_graph, write
from codegen.routes import route_table
from rheodsl import Application

SIZES = (1_000, 10_000)
WRITTEN = (1_000, 4_000, 10_000)
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
    results += linear()
    written, _ = seconds(lambda: compile_graph(declare(1_000).graph()))
    results.append(
        _result(
            "declare and write all files, 1,000 nodes",
            written,
            results[0]["value"],
            "baseline: declaring them",
        )
    )
    return results


def linear() -> list[Result]:
    """Return how the time to declare, check and write all files grows with the number of nodes."""
    results: list[Result] = []
    base = 0.0
    for size in WRITTEN:
        with TemporaryDirectory() as folder:
            whole, found = seconds(lambda size=size: compile_graph(declare(size).graph()))
            put, _ = seconds(lambda found=found, folder=folder: write(found, Path(folder)))
            again, changed = seconds(lambda found=found, folder=folder: write(found, Path(folder)))
        assert changed == [], "a compile that changes nothing writes nothing"
        base = base or (whole + put) / WRITTEN[0]
        note = "baseline: as many times the seconds of a node as with 1,000 nodes; at most 1.1"
        results.append(_result(f"declare and write, {size:,} nodes", whole + put, base * size, note))
        results.append(
            _result(f"compare what is written, {size:,} nodes", again, put, "baseline: writing it")
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
