"""One local stack for all tests of this folder, each module with applications of its own, which end with it.

A test module declares an application and starts it on the stack, beside those of other modules::

    from .conftest import Lab

    pytestmark = pytest.mark.slow

    def test_it_runs(stack: Lab) -> None:
        app = Application("my-unique-name", platform=stack.platform)
        orders = app.s3("orders", "s3://my-unique-bucket/orders/{day:%Y-%m-%d}")
        app.create_data("daily", inputs=[orders], compute_targets=some_function)
        deployment = stack.start(app)          # compiled, added to the stack; Airflow has its DAGs
        stack.put("s3://my-unique-bucket/orders/2020-01-01/_SUCCESS")
        stack.until(lambda: stack.runs("my-unique-name", "daily", "success"))

Names of applications and buckets must be unique among the modules. Functions as compute targets run within
a second; Spark takes ten: use it where it matters. The stack ends after the last test of the session.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from codegen.compiler import compile_graph, write
from rheo_platforms.deployment import Deployment
from rheo_platforms.local.platform import LocalPlatform
from rheo_platforms.local.processes import tail
from rheo_runtime.airflow_client import dag_id
from rheodsl.application import Application

T = TypeVar("T")


class Lab:
    """The stack, and what tests do with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.platform = LocalPlatform(folder / ".rheo")
        self.local = self.platform.stack
        self.started: set[str] = set()

    def start(self, app: Application) -> Deployment:
        """Let an application live on the stack, or take its changes over; wait until Airflow has its DAGs."""
        compiled = self.folder / "compiled" / app.name
        write(compile_graph(app.graph()), compiled)
        self.started.add(app.name)
        self.local.up(compiled)
        return self.platform.deployment(app.name)

    def client(self, service: str) -> Any:
        """A boto3 client of the stack."""
        return self.local.session().client(service)

    def put(self, uri: str, text: str = "") -> None:
        """Write an object, ``s3://bucket/key``: an event."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        self.client("s3").put_object(Bucket=bucket, Key=key, Body=text.encode())

    def read(self, uri: str) -> str:
        """The text of an object."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return str(self.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode())

    def runs(self, app: str, node: str, state: str | None = None) -> list[dict[str, Any]]:
        """The DAG runs of a node, as Airflow tells them; only those in ``state`` when given."""
        path = f"/dags/{dag_id(app, node)}/dagRuns?limit=100"
        found = self.local.airflow.call("GET", path)["dag_runs"]
        return [run for run in found if state in (None, run["state"])]

    def until(self, what: Callable[[], T], seconds: float = 300.0) -> T:
        """Wait until ``what()`` is true, and return it."""
        deadline = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < deadline, f"not within {seconds:g} seconds\n{self.account()}"
            time.sleep(0.6)
        return found

    def account(self) -> str:
        """What the stack is about, for somebody who asks why something did not come."""
        path = "/dags/~/dagRuns/~/taskInstances?limit=100&order_by=-start_date"
        tasks = self.local.airflow.call("GET", path)["task_instances"]
        lines = ["tasks that Airflow has, the last one first:"]
        lines += [
            f"  {ti['dag_id']} {ti['dag_run_id']} {ti['task_id']}: {ti['state']}, from {ti['start_date']}"
            for ti in tasks
        ]
        logs = {app: self.local.log("listener", app) for app in sorted(self.started)}
        logs["Airflow"] = self.local.folder / "logs" / "airflow.log"
        for name, log in logs.items():
            lines += [f"the log of {name} ends:", tail(log, 40)]
        return "\n".join(lines)


@pytest.fixture(scope="package")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The running stack, for the tests of this folder alone: others have stacks of their own."""
    lab = Lab(tmp_path_factory.mktemp("shared-stack"))
    try:
        lab.local.up(None)
        yield lab
    finally:
        lab.local.down()


@pytest.fixture(scope="module")
def stack(shared_stack: Lab) -> Iterator[Lab]:
    """The stack; what a module started there ends with it, so that none works on beside the next."""
    yield shared_stack
    while shared_stack.started:
        shared_stack.local.remove(shared_stack.started.pop())
