"""Operators of generated DAGs on AWS as moto plays it: what they ask for, and what becomes of the answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from airflow.sdk import DAG
from moto import mock_aws

sys.path.insert(0, str(Path(__file__).parents[1] / "codegen"))

from service_app import MACHINE, TOPIC, services

from codegen.bundle import files
from codegen.planning import build_plan
from rheo_runtime.tasks.claim import HOOK
from rheo_runtime.tasks.compat import AirflowException, execute
from rheo_runtime.tasks.hooks import Told
from rheo_runtime.tasks.natural import name, token

REGION = "us-east-1"
BUCKET = "rheo-services"


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(key, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr("rheo_runtime.tasks.settings.POLL_SECONDS", 0.01)
    with mock_aws(config={"batch": {"use_docker": False}}):
        s3 = boto3.client("s3")
        for bucket in ("data", BUCKET):
            s3.create_bucket(Bucket=bucket)
        for day in ("2013-01-03", "2013-01-02", "2013-01-01"):
            s3.put_object(Bucket="data", Key=f"sales/EU/{day}/a.csv", Body=b"item,price\nx,1\n")
        for day in ("2013-01-03", "2013-01-02"):  # the first is still being written
            s3.put_object(Bucket="data", Key=f"sales/EU/{day}/_SUCCESS", Body=b"")
        yield


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DAG]:
    """The generated DAGs, each loaded from its file."""
    folder = tmp_path_factory.mktemp("dags")
    texts = files(build_plan(services().graph()))
    for path, text in texts.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    found = {}
    for path in folder.glob("*.py"):
        names: dict[str, Any] = {"__file__": str(path)}
        code = path.read_text().replace("\nwith DAG(", "\nwith DAG(\n    is_paused_upon_creation=True,")
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
    pushed: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any, **_: Any) -> None:
        self.pushed[key] = value


def run(dag: DAG, task: str, doc: dict[str, Any], attempt: int = 1) -> Any:
    operator = dag.get_task(task)
    context = {"ti": TaskInstance(attempt), "task_instance": TaskInstance(attempt), "dag": dag, HOOK: Told(doc)}
    return execute(operator, context)


def objects(prefix: str) -> dict[str, bytes]:
    s3 = boto3.client("s3")
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return {o["Key"]: s3.get_object(Bucket=BUCKET, Key=o["Key"])["Body"].read() for o in found}


# --- messages ---


def test_a_mail(dags: dict[str, DAG]) -> None:
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.ses import ses_backends

    boto3.client("ses").verify_email_identity(EmailAddress="etl@example.com")
    run(dags["everything"], "compute_6", document("everything"))
    (sent,) = ses_backends[DEFAULT_ACCOUNT_ID][REGION].sent_messages
    assert sent.subject == "everything of 2013-01-03"
    assert sent.body == f"It is in s3://{BUCKET}/internal_data/everything/EU/2013-01-03."
    assert sent.destinations == {"ToAddresses": ["me@example.com"]}


def test_a_message_to_a_topic(dags: dict[str, DAG]) -> None:
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.sns import sns_backends

    topic = TOPIC.replace("123456789012", DEFAULT_ACCOUNT_ID)
    boto3.client("sns").create_topic(Name="done")
    run(dags["everything"], "compute_9", document("everything"))
    ((_, message, subject, attributes, *_),) = sns_backends[DEFAULT_ACCOUNT_ID][REGION].topics[topic].sent_notifications
    assert (message, subject) == ("everything/EU/2013-01-03#1", "everything")
    assert {k: a["Value"] for k, a in attributes.items()} == {"app": "services", "node": "everything", "day": "2013-01-03"}


def test_slack_from_a_secret_and_from_a_connection(dags: dict[str, DAG], monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import urllib.request

    sent = []

    def answer(request: urllib.request.Request, timeout: float) -> io.BytesIO:
        sent.append((request.full_url, json.loads(request.data or b"")))  # type: ignore[arg-type]
        return io.BytesIO(b"ok")

    monkeypatch.setattr("urllib.request.urlopen", answer)
    monkeypatch.setenv("AIRFLOW_CONN_TEAM", json.dumps({"conn_type": "http", "password": "https://hooks.test/T/1"}))
    boto3.client("secretsmanager").create_secret(Name="slack-webhook", SecretString="https://hooks.test/T/2")
    run(dags["everything"], "compute_7", document("everything"))
    run(dags["everything"], "compute_8", document("everything"))
    assert sent == [
        ("https://hooks.test/T/1", {"text": "everything of 2013-01-03: {ready}"}),
        ("https://hooks.test/T/2", {"text": "everything of 2013-01-03"}),
    ]


# --- Step Functions ---


def machine(monkeypatch: pytest.MonkeyPatch, outcome: str = "SUCCESS") -> Any:
    """A state machine whose executions end at once."""
    client = boto3.client("stepfunctions")
    role = "arn:aws:iam::123456789012:role/any"
    client.create_state_machine(name="report", definition=json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}), roleArn=role)
    return client


def test_a_state_machine_gets_what_is_said(dags: dict[str, DAG], monkeypatch: pytest.MonkeyPatch) -> None:
    client = machine(monkeypatch)
    doc = document("everything")
    arn = run(dags["everything"], "compute_3", doc)
    print(arn, client.describe_execution(executionArn=arn))
    assert 0


# --- AWS Batch ---

def test_batch(dags: dict[str, DAG]) -> None:
    batch = boto3.client("batch")
    iam = boto3.client("iam")
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    env = batch.create_compute_environment(computeEnvironmentName="e", type="UNMANAGED", state="ENABLED", serviceRole=role)["computeEnvironmentArn"]
    batch.create_job_queue(jobQueueName="cheap", state="ENABLED", priority=1, computeEnvironmentOrder=[{"order": 1, "computeEnvironment": env}])
    batch.register_job_definition(jobDefinitionName="crunch", type="container", containerProperties={"image": "x", "vcpus": 1, "memory": 1})
    id = run(dags["everything"], "compute_2", document("everything"))
    print(batch.describe_jobs(jobs=[id])["jobs"])
    assert 0


def test_emr(dags: dict[str, DAG]) -> None:
    emr = boto3.client("emr-serverless")
    emr.create_application(name="rheo-services-emr-7-5-0", releaseLabel="emr-7.5.0", type="SPARK")
    print(emr.list_applications())
    import threading, time
    id = run(dags["on_emr"], "compute", document("on_emr"))
    assert 0

def test_train(dags: dict[str, DAG]) -> None:
    doc = document("model", features=[f"s3://data/sales/EU/2013-01-0{n}" for n in (3,2,1)], checks=["s3://data/sales/EU/2013-01-03"])
    id = run(dags["model"], "compute", doc)
    assert 0

def test_transform(dags: dict[str, DAG]) -> None:
    doc = document("predictions", model=["s3://data/model"], sales=["s3://data/sales/EU/2013-01-03"])
    id = run(dags["predictions"], "compute", doc)
    assert 0

def test_athena(dags: dict[str, DAG]) -> None:
    boto3.client("glue").create_database(DatabaseInput={"Name": "rheo_services"})
    id = run(dags["on_athena"], "compute", document("on_athena"))
    print(boto3.client("athena").get_query_execution(QueryExecutionId=id))
    assert 0
