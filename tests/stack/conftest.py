"""One local stack for all tests of this folder, each with an application of its own.

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

from codegen.compiler import compile_app, write
from platforms.deployment import Deployment
from platforms.local.platform import LocalPlatform
from rheo_runtime.trigger import dag_id
from rheodsl.application import Application

T = TypeVar("T")


class Lab:
    """The stack, and what tests do with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.platform = LocalPlatform(folder / ".rheo")
        self.local = self.platform.stack

    def start(self, app: Application) -> Deployment:
        """Let an application live on the stack, or take its changes over; wait until Airflow has its DAGs."""
        compiled = self.folder / "compiled" / app.name
        write(compile_app(app), compiled)
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

    def until(self, what: Callable[[], T], seconds: float = 120.0) -> T:
        """Wait until ``what()`` is true, and return it."""
        deadline = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < deadline, f"not within {seconds:g} seconds"
            time.sleep(0.3)
        return found


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The running stack."""
    lab = Lab(tmp_path_factory.mktemp("shared-stack"))
    try:
        lab.local.up(None)
        yield lab
    finally:
        lab.local.down()
