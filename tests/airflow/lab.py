"""A running stack with the trial application, and short ways to ask it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from trial_app import CONTROL, app

from codegen.compiler import compile_graph, write
from rheo_platforms.local.stack import LocalStack
from rheo_runtime.airflow_client import Announcer
from rheo_runtime.dynamodb import DynamoLedger
from rheo_runtime.records import Execution

BUCKET = "rheo-trial"
BURST = 50  # partitions that come at once
T = TypeVar("T")


@contextmanager
def running(folder: Path, dialect: str, **options: Any) -> Iterator[Lab]:
    """A stack of its own, with the application compiled for that dialect."""
    write(compile_graph(app.graph(), dialect=dialect), folder / "dags")
    stack = LocalStack(folder / "stack", **options)
    try:
        stack.up(folder / "dags")
        stack.session().client("s3").create_bucket(Bucket=CONTROL)
        yield Lab(stack)
    finally:
        stack.down()


@dataclass
class Lab:
    """The running stack, and short ways to ask it."""

    stack: LocalStack

    def __post_init__(self) -> None:
        session = self.stack.session()
        self.s3 = session.client("s3")
        self.ledger = DynamoLedger("rheo-trial", session.client("dynamodb"))
        self.announcer = Announcer(session.client("mwaa"), self.stack.state.mwaa_environment)

    def arrive(self, partition: str) -> None:
        """A partition of the source is complete."""
        self.s3.put_object(Bucket="trial-source", Key=f"{partition}/data.csv", Body=b"n\n1\n")
        self.s3.put_object(Bucket="trial-source", Key=f"{partition}/_SUCCESS", Body=b"")

    def tell(self, what: str, partition: str) -> None:
        self.s3.put_object(Bucket=CONTROL, Key=f"{what}/{partition}", Body=b"")

    def untell(self, what: str, partition: str) -> None:
        self.s3.delete_object(Bucket=CONTROL, Key=f"{what}/{partition}")

    def count(self, bucket: str, prefix: str) -> int:
        count: int = self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["KeyCount"]
        return count

    def call(self, method: str, path: str, content: object = None) -> Any:
        return self.stack.airflow.call(method, path, content)

    def runs(self, node: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            page = self.call(
                "GET", f"/dags/trial__{node}/dagRuns?limit=100&offset={len(found)}&order_by=run_after"
            )
            found += page["dag_runs"]
            if not page["dag_runs"] or len(found) >= page["total_entries"]:
                return found

    def of(self, node: str, partition: str) -> list[dict[str, Any]]:
        return [run for run in self.runs(node) if run["partition_key"] == partition]

    def tasks(self, node: str, run: dict[str, Any]) -> dict[str, str]:
        path = f"/dags/trial__{node}/dagRuns/{run['dag_run_id']}/taskInstances"
        return {t["task_id"]: t["state"] for t in self.call("GET", path)["task_instances"]}

    def log(self, node: str, run: dict[str, Any], task: str, attempt: int) -> str:
        path = f"/dags/trial__{node}/dagRuns/{run['dag_run_id']}/taskInstances/{task}/logs/{attempt}"
        return str(self.call("GET", path))

    def clear(self, node: str, run: dict[str, Any], task: str) -> None:
        body = {
            "dry_run": False, "dag_run_id": run["dag_run_id"], "task_ids": [task], "include_downstream": True,
            "only_failed": False, "reset_dag_runs": True,
        }  # fmt: skip
        self.call("POST", f"/dags/trial__{node}/clearTaskInstances", body)

    def ended(self, node: str, partition: str) -> tuple[Execution, ...]:
        output, _ = self.ledger.output(node, partition, None)
        return output.ended if output and output.active is None else ()

    def finished(self, node: str, partition: str, runs: int = 1) -> list[dict[str, Any]]:
        """Wait until that many runs of a partition are over; return them."""

        def over() -> list[dict[str, Any]]:
            found = self.of(node, partition)
            done = [run for run in found if run["state"] in ("success", "failed")]
            return done if len(done) >= runs and len(done) == len(found) else []

        return until(over, 120)


def until(check: Callable[[], T], seconds: float) -> T:
    """Return the first result of ``check`` that is true."""
    deadline = time.monotonic() + seconds
    while not (result := check()):
        assert time.monotonic() < deadline, f"{check.__name__} has not come true in {seconds:g} seconds"
        time.sleep(0.5)
    return result
