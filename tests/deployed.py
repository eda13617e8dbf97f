"""Application -> the same, deployed into moto in this process, without an Airflow: what a platform's parts act on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from codegen.compiler import compile_app, write
from codegen.routes import app_bucket
from platforms.analysis.reading import Reading
from platforms.deployment import Deployment
from platforms.local.provision import provision
from platforms.local.specification import read_specification
from platforms.monitoring.active import graph_of
from platforms.monitoring.watch import Watch
from platforms.sharing import Remote
from rheo_runtime import executions
from rheo_runtime.engine import Engine
from rheo_runtime.records import Document
from rheodsl import Application, ir


class Airflow:
    """MWAA's door to an Airflow that has these runs and tasks, and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.runs: dict[str, str] = {}
        self.tasks: list[dict[str, Any]] = []

    def invoke_rest_api(self, **call: Any) -> dict[str, Any]:
        assert len(call["Path"]) <= 64, "MWAA takes no longer path"
        self.calls.append(call)
        return {"RestApiStatusCode": 200, "RestApiResponse": self._answer(call["Path"])}

    def _answer(self, path: str) -> dict[str, Any]:
        if path.endswith("/taskInstances/list"):
            return {"task_instances": self.tasks, "total_entries": len(self.tasks)}
        if path.endswith("/dagRuns"):
            runs = [{"dag_run_id": run, "state": state} for run, state in self.runs.items()]
            return {"dag_runs": runs, "total_entries": len(runs)}
        if path == "/assets":
            return {"assets": [{"id": 7, "uri": "rheo://shop/daily"}], "total_entries": 1}
        return {}


class Session(boto3.Session):
    """A session whose MWAA is the one above: moto has none."""

    def __init__(self, airflow: Airflow) -> None:
        super().__init__(region_name="us-east-1")
        self.airflow = airflow

    def client(self, service_name: str, **options: Any) -> Any:  # type: ignore[override]
        return self.airflow if service_name == "mwaa" else super().client(service_name, **options)  # type: ignore[call-overload]


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
        write(compile_app(app), folder)
        found = read_specification(folder)
        provision(found, self.session)
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
        return graph_of(self.deployments[app]) if app in self.deployments else None

    def monitoring(self, app: str) -> Watch:
        return Watch(self.deployments[app])

    def upstream(self, partner: ir.Partner) -> Remote:
        return Remote(self.session.client("s3"), app_bucket(partner.app))

    def analysis(self, app: str) -> Reading:
        return Reading(self.session, app_bucket(app))


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """An empty platform."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        yield Cloud(tmp_path)
