"""Application -> the same, deployed into moto in this process, without an Airflow: what a platform's parts act on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from codegen.compiler import compile_graph, write
from rheo_platforms import sessions
from rheo_platforms.data.reader import Reading
from rheo_platforms.deployment import Deployment, Remote
from rheo_platforms.local.provision import provision
from rheo_platforms.local.specification import read_specification
from rheo_platforms.operations.monitoring import Monitoring
from rheo_runtime import executions
from rheo_runtime.engine import Engine
from rheo_runtime.records import Document
from rheo_runtime.wire import resource_name
from rheodsl import Application, ir

from .airflow import Airflow
from .aws import empty_account


class Session(sessions.Session):
    """A session with an MWAA: moto has none."""

    def __init__(self, airflow: Airflow) -> None:
        super().__init__(region_name="us-east-1")
        self.airflow = airflow

    def client(self, service_name: Any, *args: Any, **options: Any) -> Any:
        return self.airflow if service_name == "mwaa" else super().client(service_name, *args, **options)


class Cloud:
    """A platform with at most one application of each name, and what happens to those."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.airflow = Airflow()
        self.session = Session(self.airflow)
        self.deployments: dict[str, Deployment] = {}

    def activate(self, app: Application) -> Deployment:
        """Make an application's resources and files; buckets of its external data too."""
        folder = self.folder / app.name
        graph = app.graph()
        write(compile_graph(graph), folder)
        found = read_specification(folder)
        provision(found, self.session)
        self.airflow.parse(app.name, *(node.id for node in graph.nodes))
        url = self.session.client("sqs").get_queue_url(QueueName=found.queue)["QueueUrl"]
        self.deployments[app.name] = Deployment(
            found.app, self.session, found.bucket, found.table, url, url, "airflow-of-tests"
        )
        return self.deployments[app.name]

    def put(self, uri: str, body: str | bytes = b"") -> None:
        """Write an object, ``s3://bucket/key``."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        self.session.client("s3").put_object(Bucket=bucket, Key=key, Body=body)

    def run(self, engine: Engine, document: Document, run_id: str, end: str | None = "SUCCEEDED") -> None:
        """Claim an execution as a DAG run would, and end it, unless ``end`` is None."""
        where = (engine.ledger, document["node"], document["partition"], document["id"], run_id, engine.now())
        assert executions.claim(*where) is not None
        if end == "SUCCEEDED":
            executions.succeed(*where)
            executions.signalled(*where[:4])
        elif end == "FAILED":
            executions.fail(*where, "the task compute failed")

    # --- what a platform offers ---

    def deployment(self, app: str) -> Deployment:
        return self.deployments[app]

    def active_graph(self, app: str) -> ir.Graph | None:
        return self.deployments[app].graph() if app in self.deployments else None

    def monitoring(self, app: str) -> Monitoring:
        return Monitoring(self.deployments[app])

    def upstream(self, partner: ir.Partner) -> Remote:
        return Remote(self.session.client("s3"), resource_name(partner.app))

    def analysis(self, app: str) -> Reading:
        return Reading(self.session, resource_name(app))


class There:
    """A platform on which an upstream application is active.

    Parameters
    ----------
    declare
        Declares the application, whenever it is asked for.
    """

    def __init__(self, declare: Callable[[], Application], bucket: str) -> None:
        self.declare, self.bucket = declare, bucket

    def upstream(self, partner: ir.Partner) -> There:
        return self

    def graph(self) -> ir.Graph:
        return self.declare().graph()


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """An empty platform."""
    with empty_account(monkeypatch, "us-east-1"):
        yield Cloud(tmp_path)
