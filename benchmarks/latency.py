"""On the local stack, with a real Airflow: from an event to its DAG run, and a burst of partitions.

Not run by ``python -m benchmarks`` without names: it takes two minutes and the whole machine.
"""

from __future__ import annotations

import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from codegen.compiler import compile_graph, write
from rheo_platforms.local.stack import LocalStack
from rheo_runtime.airflow_client import dag_id
from rheodsl import Application

EVENTS = 20  # one after the other
BURST = 200  # at once
BURST_SECONDS = 100
GOAL = 2.0  # seconds at the median
APP, NODE = "latency", "copy"
BY_NAME = True

Result = dict[str, Any]


def copy(input_map: Any, output: Any, params: Any) -> None:
    """Compute nothing: the way there is what is measured."""


def runs(stack: LocalStack) -> dict[str, datetime]:
    """Return when each partition's DAG run was made."""
    found: dict[str, datetime] = {}
    while True:
        path = f"/dags/{dag_id(APP, NODE)}/dagRuns?limit=100&offset={len(found)}"
        answer = stack.airflow.call("GET", path)
        found |= {
            run["partition_key"]: datetime.fromisoformat(run["queued_at"]) for run in answer["dag_runs"]
        }
        if not answer["dag_runs"] or len(found) >= answer["total_entries"]:
            return found


def until(what: Callable[[], bool], seconds: float) -> bool:
    """Wait until something is so; say whether it came so within the time."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def run() -> list[Result]:
    """Measure; ends the stack that it starts, also when it is told to end itself."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended before its time"))
    with tempfile.TemporaryDirectory(prefix="rheo-latency-") as folder:
        app = Application(APP)
        source = app.s3("source", "s3://latency-in/source/{x:int}")
        app.create_data(NODE, inputs=[source], compute_targets=copy)
        write(compile_graph(app.graph()), Path(folder) / "compiled")
        stack = LocalStack(Path(folder) / "stack")
        try:
            stack.up(Path(folder) / "compiled")
            return _measured(stack)
        finally:
            stack.down()


def _measured(stack: LocalStack) -> list[Result]:
    s3, sent = stack.session().client("s3"), dict[str, float]()

    def send(x: int) -> None:
        s3.put_object(Bucket="latency-in", Key=f"source/{x}/_SUCCESS", Body=b"")
        sent[str(x)] = time.time()

    send(0)  # what is made at first: connections, the asset's id
    until(lambda: "0" in runs(stack), 60)
    for x in range(1, EVENTS + 1):
        send(x)
        time.sleep(1.5)
    if not until(lambda: len(runs(stack)) == EVENTS + 1, 60):
        raise SystemExit(f"{len(runs(stack))} runs of {EVENTS + 1} events")
    made = runs(stack)
    waits = sorted(made[str(x)].timestamp() - sent[str(x)] for x in range(1, EVENTS + 1))
    start = time.time()
    for x in range(1000, 1000 + BURST):
        send(x)
    all_sent = time.time() - start
    until(lambda: len(runs(stack)) == EVENTS + 1 + BURST, BURST_SECONDS)
    times = sorted(moment.timestamp() - start for key, moment in runs(stack).items() if int(key) >= 1000)
    rows: list[tuple[str, float, str]] = [
        ("event to DAG run, median", statistics.median(waits), f"goal {GOAL:g} s; {EVENTS} events"),
        ("event to DAG run, p95", waits[int(0.95 * len(waits))], ""),
        (f"burst of {BURST} partitions: sent", all_sent, "objects written"),
        ("half of their runs made", times[len(times) // 2], "MWAA takes ten calls a second"),
        (f"{len(times)} of {BURST} runs made", times[-1], f"within {BURST_SECONDS} s at most"),
    ]
    return [
        {"name": name, "value": round(value, 2), "unit": "s", "baseline": None, "ratio": None, "note": note}
        for name, value, note in rows
    ]
