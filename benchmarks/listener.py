"""The listener as Lambda gets it: the size of its zip, what it imports, how long it takes to start, what an event costs.

Start-up is measured in fresh processes, on what is in the zip and nothing else of ours, beside a process
that makes the same boto3 clients: the difference is ours.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from benchmarks._dynamodb import DynamoDB
from benchmarks.soak import Airflow, _batches, _created, routes
from codegen.cloudformation.listener import lambda_zip
from rheo_runtime.airflow_client import Announcer
from rheo_runtime.dynamodb import DynamoLedger, create_table
from rheo_runtime.engine import Engine
from rheo_runtime.listener import Listener
from rheo_runtime.wire import RouteTable

ZIP_LIMIT = 136_000  # bytes
START_GOAL = 50  # milliseconds of our own
ROUNDS = 9

Result = dict[str, Any]

_CLIENTS = """
import boto3
from botocore.config import Config
config = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "max_attempts": 4})
boto3.client("dynamodb", config=config)
boto3.client("mwaa", config=Config(connect_timeout=2, read_timeout=12, retries={"max_attempts": 0}))
"""
_START = """
from rheo_runtime.listener import from_environment
from_environment({"RHEO_TABLE": "t", "RHEO_MWAA_ENVIRONMENT": "e"})
"""
_MODULES = """
import sys
before = set(sys.modules)
{code}
ours = sorted(m for m in sys.modules if m.startswith("rheo"))
print(len(ours), len(set(sys.modules) - before), *ours)
"""


def seconds(code: str, folder: Path, *, compiled: bool = True) -> float:
    """Return the processor's seconds of a fresh process, the least of several.

    Without ``compiled`` our own modules are compiled anew each time, as in Lambda, which keeps nothing.
    """
    best = float("inf")
    for _ in range(ROUNDS):
        if not compiled:
            for cache in folder.rglob("__pycache__"):
                shutil.rmtree(cache)
        before = os.times()
        _python(code, folder)
        after = os.times()
        used = after.children_user + after.children_system - before.children_user - before.children_system
        best = min(best, used)
    return best


def modules(folder: Path) -> tuple[list[str], int]:
    """Return the names of our own modules that a start imports, and how many modules there are in all."""
    words = _python(_MODULES.format(code=_START), folder).split()
    return words[2:], int(words[1])


def _python(code: str, folder: Path) -> str:
    environment = {
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_EC2_METADATA_DISABLED": "true", "PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def unpacked(folder: Path) -> int:
    """Unpack the zip of a small application into a folder; return its size in bytes."""
    data = lambda_zip(routes().dumps())
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(folder)
    return len(data)


def units(table: RouteTable, keys: list[str]) -> dict[str, float]:
    """Return what DynamoDB bills for events of these objects."""
    db: Any = DynamoDB()
    create_table("t", db)
    engine = Engine(table, DynamoLedger("t", db, lambda: 1.7e9), lambda: 1.7e9)
    announce = Announcer(Airflow(), "env").announce
    listener = Listener(engine, announce, lambda _: None, log=lambda *_, **__: None)
    for batch in _batches([_created(key, n) for n, key in enumerate(keys)]):
        listener.handle({"Records": batch}, lambda: 60_000)
    counted: dict[str, float] = db.units
    return counted


def keyed_join(pairs: int) -> dict[str, float]:
    """The units of a fully keyed join of two inputs, each with ``pairs`` partitions."""
    table = routes()
    joined = RouteTable(table.app, table.signals, tuple(r for r in table.routes if r.node == "joined"))
    days = [f"2024-{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 29)][:pairs]
    return units(joined, [f"{side}/EU/{day}/_SUCCESS" for day in days for side in ("orders", "ships")])


def run() -> list[Result]:
    """Measure everything."""
    with tempfile.TemporaryDirectory(prefix="rheo-listener-") as name:
        folder = Path(name)
        size = unpacked(folder)
        ours, everything = modules(folder)
        clients, start = seconds(_CLIENTS, folder), seconds(_START, folder)
        fresh = seconds(_START, folder, compiled=False)
    cost, pairs = keyed_join(100), 100
    own, first = round((start - clients) * 1000), round((fresh - clients) * 1000)
    rows: list[tuple[str, object, str, object, str]] = [
        ("zip", size, "bytes", None, f"at most {ZIP_LIMIT:,}; boto3 is in Lambda's image"),
        ("modules of ours", len(ours), "", None, f"of {everything:,} that a start imports with boto3"),
        ("start of our own", own, "ms", round(clients * 1000), f"goal {START_GOAL}; baseline: boto3's own"),
        ("the same, compiling its modules", first, "ms", None, "as in Lambda, at each cold start"),
        *(
            (f"{kind} units an event, keyed join", cost[kind] / pairs / 2, "", None, note)
            for kind, note in (
                ("write", "arrival, execution, announcement"),
                ("index", "of the index of statuses"),
                ("read", "strongly consistent"),
            )
        ),
    ]
    return [
        {"name": name, "value": value, "unit": unit, "baseline": baseline, "ratio": None, "note": note}
        for name, value, unit, baseline, note in rows
    ]
