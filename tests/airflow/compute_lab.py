"""The generated DAGs of an application that uses every service, and AWS as moto plays it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from airflow.sdk import DAG
from support.aws import empty_account
from support.worker import worker

sys.path.insert(0, str(Path(__file__).parents[1] / "codegen"))

from service_app import services

from codegen.compiler import compile_graph
from rheo_airflow.tasks.claim import HOOK
from rheo_airflow.tasks.compat import execute
from rheo_airflow.tasks.hooks import Told

REGION = "us-east-1"
BUCKET = "rheo-services"


@contextmanager
def pretended_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AWS with what the applications read."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://")
    for waited in ("POLL_SECONDS", "GRACE_SECONDS"):
        monkeypatch.setattr(f"rheo_airflow.tasks.settings.{waited}", 0.01)
    config = {"batch": {"use_docker": False}, "stepfunctions": {"execute_state_machine": True}}
    with empty_account(monkeypatch, REGION, config=config):
        s3 = boto3.client("s3")
        for bucket in ("data", BUCKET):
            s3.create_bucket(Bucket=bucket)
        for day in ("2013-01-03", "2013-01-02", "2013-01-01"):
            s3.put_object(Bucket="data", Key=f"sales/EU/{day}/a.csv", Body=b"item,price,at,tags\nx,1,,\n")
        for day in ("2013-01-03", "2013-01-02"):  # the first is still being written
            s3.put_object(Bucket="data", Key=f"sales/EU/{day}/_SUCCESS", Body=b"")
        yield


def generated_dags(folder: Path) -> dict[str, DAG]:
    """The generated DAGs, each loaded from its file."""
    texts = compile_graph(services().graph())
    for path, text in texts.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    found = {}
    for path in folder.glob("*.py"):
        names: dict[str, Any] = {"__file__": str(path)}
        code = path.read_text().replace("is_paused_upon_creation=False", "is_paused_upon_creation=True")
        exec(compile(code.replace("\n):\n", "\n) as dag:\n", 1), str(path), "exec"), names)
        names["dag"].fileloc = str(path)
        found[path.stem] = names["dag"]
    return found


def document(node: str, **inputs: list[str]) -> dict[str, Any]:
    days = ["2013-01-03", "2013-01-02", "2013-01-01"]
    default = {"sales": [f"s3://data/sales/EU/{day}" for day in days]}
    return {
        "version": 1, "app": "services", "node": node, "id": f"{node}/EU/2013-01-03#1",
        "partition": "EU/2013-01-03", "generation": 1,
        "output": {
            "dimensions": {"region": "EU", "day": "2013-01-03"},
            "path": f"s3://{BUCKET}/internal_data/{node}/EU/2013-01-03",
        },
        "inputs": [
            {"alias": alias, "signal": alias, "dimensions": {"region": "EU", "day": "2013-01-03"}, "paths": paths}
            for alias, paths in (inputs or default).items()
        ],
    }  # fmt: skip


@dataclass
class TaskInstance:
    """What operators ask a task instance for."""

    try_number: int = 1
    dag_id: str = "services"
    task_id: str = "compute"
    run_id: str = "test"
    pushed: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any, **_: Any) -> None:
        self.pushed[key] = value

    def xcom_pull(self, key: str, **_: Any) -> Any:
        return self.pushed.get(key)


def run(dag: DAG, task: str, doc: dict[str, Any], attempt: int = 1) -> Any:
    operator = dag.get_task(task).prepare_for_execution()  # a copy: runs share nothing
    context = {
        "ti": TaskInstance(attempt),
        "task_instance": TaskInstance(attempt),
        "dag": dag,
        HOOK: Told(doc),
    }
    with worker(dag):
        return execute(operator, context)


def objects(prefix: str) -> dict[str, bytes]:
    s3 = boto3.client("s3")
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return {o["Key"]: s3.get_object(Bucket=BUCKET, Key=o["Key"])["Body"].read() for o in found}
