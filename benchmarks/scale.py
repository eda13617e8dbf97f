"""What carries ten thousand partitions: runs and calls for them, the ledger's units, and the compile of as many nodes.

Every row is measured in this run; some of the partitions are carried out on a local stack.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks._dynamodb import DynamoDB
from benchmarks._stack import MANY, PUMPED, SINGLE, carry
from benchmarks.compiling import seconds
from benchmarks.ledger import FULL, billed, kinds, quiet
from benchmarks.match_join import DAY, TEXT, dataset, route, view
from benchmarks.soak import _batches, _created
from codegen.cloudformation.listener import GATHER_SECONDS, GATHERED
from codegen.compiler import compile_graph, write
from rheo_platforms.operations.prices import Prices
from rheo_runtime import wire
from rheo_runtime.airflow_client import Announcer
from rheo_runtime.dynamodb import DynamoLedger, create_table
from rheo_runtime.engine import Engine
from rheo_runtime.listener import Listener
from rheo_runtime.records import execution_id
from rheodsl.loading import load_app

BY_NAME = True

# The same rows of this benchmark before the ledger worked on whole batches, and before compiles were kept.
WRITE, INDEX, READ, DOLLARS = 3.5, 3.0, 5.5, 4.75
COMPILED = {1_000: 2.6, 10_000: 28.7}
CHANGED = 17.4
PARTITIONS = 10_000
AN_INVOCATION = 0.1  # seconds that the listener takes for ten events, in full flood
APP = "from benchmarks.compiling import declare\napp = declare({size})\n"

Result = dict[str, Any]


def run() -> list[Result]:
    """Measure every row."""
    quiet()
    return [*_partitions(), *_ledger(), *_compile()]


def _partitions() -> list[Result]:
    """Announce ten thousand partitions, in batches and one by one; and carry some out on a real Airflow."""
    runs, announced = announce(batch=500)
    assert announced == PARTITIONS, f"{announced:,} executions were announced"
    calls, announced = announce(batch=0)
    assert announced == PARTITIONS, f"{announced:,} executions were announced"
    carried = carry()
    told = f"on a local stack, {MANY} partitions of a small Spark node in a batch and {SINGLE} one by one, {PARTITIONS:,} by these"
    return [
        _result(
            "runs for 10,000 partitions",
            runs,
            "runs",
            PARTITIONS,
            "Batch(max=500): runs that the listener starts",
        ),
        _result(
            "wall time against one run each",
            carried.batched * PARTITIONS,
            "s",
            carried.single * PARTITIONS,
            told,
        ),
        _result(
            "calls to announce 10,000",
            calls,
            "calls",
            PARTITIONS,
            "a node without batch: calls of Airflow's API",
        ),
        _result(
            "median event to run meanwhile",
            carried.meanwhile,
            "s",
            None,
            f"on the same stack, while {PUMPED} partitions of another node are pumped and run",
        ),
    ]


class FrontDoor:
    """What MWAA is asked for: counts what starts a run, and tells what it starts."""

    def __init__(self) -> None:
        self.calls = 0
        self.executions: Counter[str] = Counter()

    def invoke_rest_api(self, **call: Any) -> dict[str, Any]:
        """Answer as boto3's mwaa client does."""
        if call["Method"] == "GET":
            uri = call["QueryParameters"]["uri_pattern"]
            return {"RestApiResponse": {"assets": [{"id": 1, "uri": uri}], "total_entries": 1}}
        self.calls += 1
        body = call["Body"]
        told = body["extra"] if "extra" in body else body["conf"]["rheo"]
        pairs = told.get("batch", [(key, 1) for key in told.get("keys", ())])
        self.executions.update([execution_id(told["node"], *one) for one in pairs] or [told["id"]])
        return {"RestApiResponse": {}}


def announce(batch: int) -> tuple[int, int]:
    """Send an event for each partition through the listener; return the calls that start runs, and the executions."""
    source = dataset("source", region=TEXT, day=DAY)
    one = replace(route("copied", [view(source)], []), batch=batch, batch_wait=60 if batch else 0)
    clock = [1.7e9]
    db: Any = DynamoDB()
    create_table("t", db)
    door, ledger, gathered = FrontDoor(), DynamoLedger("t", db, lambda: clock[0]), list[str]()
    announcer = Announcer(door, "env")
    listener = Listener(
        Engine(wire.RouteTable("bench", (source,), (one,)), ledger, lambda: clock[0]),
        announcer.announce,
        lambda _: None,
        log=lambda *_, **__: None,
        announce_batch=announcer.announce_batch,
        pump=announcer.pump,
        gather=gathered.append,
    )
    days = [(date(2020, 1, 1) + timedelta(n)).isoformat() for n in range(PARTITIONS // 10)]
    keys = [f"source/R{region}/{day}/_SUCCESS" for day in days for region in range(10)]
    window = 0.0
    for records in _batches([_created(key, n) for n, key in enumerate(keys)]):
        assert listener.handle({"Records": records}, lambda: 60_000) == {"batchItemFailures": []}
        clock[0] += AN_INVOCATION
        window += AN_INVOCATION
        if window >= GATHER_SECONDS:
            _hand_over(listener, gathered)
            window = 0.0
    while gathered:
        _hand_over(listener, gathered)
    clock[0] += 91 if batch else 61
    listener.handle({"source": "rheo", "detail-type": "rheo.sweep", "detail": {}}, lambda: 60_000)
    assert set(door.executions.values()) == {1}, "each once"
    return door.calls, len(door.executions)


def _hand_over(listener: Listener, gathered: list[str]) -> None:
    """Bring what has gathered to the listener, as the queue does."""
    texts, gathered[:] = list(gathered), []
    for start in range(0, len(texts), GATHERED):
        records = [
            {"messageId": str(n), "body": text} for n, text in enumerate(texts[start : start + GATHERED])
        ]
        listener.handle({"Records": records}, lambda: 60_000)


def _ledger() -> list[Result]:
    prices = Prices.read()
    (kind,) = (kind for kind in kinds() if kind.name == "two-input join in full batches")
    units = billed(kind.table, kind.keys)
    note = f"{units.events:,} events, batches of {FULL}, {units.executions:,} executions from event to signal"
    dollars = units.dollars_per_million(prices)
    return [
        _result("write units an event", units.an_event("write"), "units", WRITE, f"two-input join, {note}"),
        _result("index units an event", units.an_event("index"), "units", INDEX, "of the same"),
        _result("read units an event", units.an_event("read"), "units", READ, "of the same"),
        _result("dollars per million events", dollars, "USD", DOLLARS, f"prices of {prices.as_of}"),
    ]


def _compile() -> list[Result]:
    results = []
    note = "CPU seconds: declare, check, and write all files"
    # One folder for both: files are made slowly where many have just been deleted.
    with TemporaryDirectory() as name:
        for size in (1_000, 10_000):
            folder = Path(name, str(size))
            folder.mkdir()
            (folder / "app.py").write_text(APP.format(size=size), "utf-8")
            declared, app = seconds(lambda folder=folder: load_app(folder / "app.py"))
            folder /= "out"
            made, _ = seconds(lambda app=app, folder=folder: write(compile_graph(app.graph()), folder))
            value = declared + made
            results.insert(0, _result(f"compile {size:,} nodes", value, "s", COMPILED[size], note))
            if size == 10_000:
                assert write(compile_graph(app.graph()), folder) == [], "no change writes nothing"
                app.patch_data("node5000", max_active_runs=3)
                again, changed = seconds(
                    lambda app=app, folder=folder: write(compile_graph(app.graph()), folder)
                )
                assert "node5000.py" in changed and len(changed) <= 4, changed
                told = f"CPU seconds, in one process: {len(changed)} files written"
                results.append(_result("compile 10,000 nodes, one changed", again, "s", CHANGED, told))
    return results


def _result(name: str, value: float, unit: str, baseline: float | None, note: str) -> Result:
    return {
        "name": name,
        "value": round(value, 2),
        "unit": unit,
        "baseline": baseline,
        "ratio": None if not baseline else round(value / baseline, 2),
        "note": note,
    }
