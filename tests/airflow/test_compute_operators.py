"""Operators of messages, Step Functions and AWS Batch: what they ask for, and what becomes of the answer."""

from __future__ import annotations

import json
import time
from typing import Any

import boto3
import pytest
from airflow.sdk import DAG
from compute_lab import BUCKET, REGION, document, run
from service_app import MACHINE, TOPIC

from rheo_airflow.tasks.compat import AirflowException
from rheo_airflow.tasks.idempotency import name, token

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("moto_aws", "watch")]

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
    ((_, message, subject, attributes, *_),) = (
        sns_backends[DEFAULT_ACCOUNT_ID][REGION].topics[topic].sent_notifications
    )
    assert (message, subject) == ("everything/EU/2013-01-03#1", "everything")
    assert {k: a["Value"] for k, a in attributes.items()} == {
        "app": "services",
        "node": "everything",
        "day": "2013-01-03",
    }


def test_slack_from_a_secret_and_from_a_connection(
    dags: dict[str, DAG], monkeypatch: pytest.MonkeyPatch
) -> None:
    import io
    import urllib.request

    sent = []

    def answer(request: urllib.request.Request, timeout: float) -> io.BytesIO:
        sent.append((request.full_url, json.loads(request.data or b"")))  # type: ignore[arg-type]
        return io.BytesIO(b"ok")

    monkeypatch.setattr("urllib.request.urlopen", answer)
    monkeypatch.setenv(
        "AIRFLOW_CONN_TEAM", json.dumps({"conn_type": "http", "password": "https://hooks.test/T/1"})
    )
    boto3.client("secretsmanager").create_secret(Name="slack-webhook", SecretString="https://hooks.test/T/2")
    run(dags["everything"], "compute_7", document("everything"))
    run(dags["everything"], "compute_8", document("everything"))
    assert sent == [
        ("https://hooks.test/T/1", {"text": "everything of 2013-01-03: {ready}"}),
        ("https://hooks.test/T/2", {"text": "everything of 2013-01-03"}),
    ]


# --- Step Functions, which moto really executes ---


def machine(seconds: int = 0, fails: bool = False) -> Any:
    """A state machine that waits and returns its input, or fails."""
    end: dict[str, Any] = (
        {"Type": "Fail", "Error": "Broken", "Cause": "no luck"} if fails else {"Type": "Succeed"}
    )
    states = {"Wait": {"Type": "Wait", "Seconds": seconds, "Next": "End"}, "End": end}
    client = boto3.client("stepfunctions")
    role = "arn:aws:iam::123456789012:role/any"
    client.create_state_machine(
        name="report", definition=json.dumps({"StartAt": "Wait", "States": states}), roleArn=role
    )
    return client


def test_a_state_machine_gets_what_is_said(dags: dict[str, DAG]) -> None:
    client, doc = machine(), document("everything")
    arn = run(dags["everything"], "compute_3", doc)
    assert arn == f"{MACHINE.replace('stateMachine', 'execution')}:{name(doc, 1)}"
    found = client.describe_execution(executionArn=arn)
    assert json.loads(found["input"]) == {"day": "2013-01-03", "from": ["s3://data/sales/EU/2013-01-03"]}


def test_a_state_machine_gets_the_execution_when_nothing_is_said(dags: dict[str, DAG]) -> None:
    client, doc = machine(), document("everything")
    found = client.describe_execution(executionArn=run(dags["everything"], "compute_4", doc))
    assert json.loads(found["input"]) == doc


def test_a_state_machine_that_fails_says_why(dags: dict[str, DAG]) -> None:
    machine(fails=True)
    with pytest.raises(AirflowException, match="FAILED: Broken: no luck"):
        run(dags["everything"], "compute_4", document("everything"))


def test_a_retry_joins_an_execution_that_still_runs(
    dags: dict[str, DAG], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rheo_airflow.tasks.settings.POLL_SECONDS", 0.5)
    client, doc = machine(seconds=12), document("everything")  # longer than a slow machine takes to look
    started = client.start_execution(stateMachineArn=MACHINE, name=name(doc, 1), input="{}")["executionArn"]
    assert run(dags["everything"], "compute_4", doc, attempt=2) == started
    again = run(dags["everything"], "compute_4", doc, attempt=2)
    assert again.endswith(name(doc, 2))


def test_a_task_that_is_stopped_stops_its_execution(dags: dict[str, DAG]) -> None:
    client, doc = machine(seconds=30), document("everything")
    operator: Any = dags["everything"].get_task("compute_4").prepare_for_execution()
    arn = client.start_execution(stateMachineArn=MACHINE, name=name(doc, 1), input="{}")["executionArn"]
    operator._running = arn
    operator.on_kill()
    for _ in range(100):  # moto ends it in a thread of its own
        if (state := client.describe_execution(executionArn=arn)["status"]) != "RUNNING":
            break
        time.sleep(0.05)
    assert state == "ABORTED"


# --- AWS Batch ---


@pytest.fixture
def batch() -> Any:
    client: Any = boto3.client("batch")
    role = boto3.client("iam").create_role(RoleName="batch", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    client.create_compute_environment(
        computeEnvironmentName="machines", type="UNMANAGED", state="ENABLED", serviceRole=role
    )
    order = [{"order": 1, "computeEnvironment": "machines"}]
    client.create_job_queue(jobQueueName="cheap", state="ENABLED", priority=1, computeEnvironmentOrder=order)
    container = {"image": "busybox", "vcpus": 1, "memory": 128}
    client.register_job_definition(
        jobDefinitionName="crunch", type="container", containerProperties=container
    )
    return client


def test_a_job_of_batch(dags: dict[str, DAG], batch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    doc = document("everything")
    asked: dict[str, Any] = {}
    operator: Any = dags["everything"].get_task("compute_2").prepare_for_execution()
    asked = operator._submission(doc) | {"name": name(doc, 0, 128)}
    id = run(dags["everything"], "compute_2", doc)
    (job,) = batch.describe_jobs(jobs=[id])["jobs"]
    assert (job["jobName"], job["status"]) == (name(doc, 0, 128), "SUCCEEDED")
    output = doc["output"]["path"]
    assert asked["containerOverrides"]["command"] == [
        "crunch",
        "--day",
        "2013-01-03",
        "s3://data/sales/EU/2013-01-03",
        output,
    ]
    variables = {e["name"]: e["value"] for e in asked["containerOverrides"]["environment"]}
    assert json.loads(variables.pop("RHEO_EXECUTION")) == doc
    assert variables == {"RHEO_OUTPUT": output, "REGION": "EU"}
    assert asked["timeout"] == {"attemptDurationSeconds": 600}


def test_a_job_of_batch_that_fails_says_why(
    dags: dict[str, DAG], batch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moto.batch_simple.models import BatchSimpleBackend

    submit = BatchSimpleBackend.submit_job

    def fail(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = submit(self, *args, **kwargs)
        self.get_job_by_id(found[1]).status = "FAILED"
        self.get_job_by_id(found[1]).job_stopped_reason = "out of memory"
        return found

    monkeypatch.setattr(BatchSimpleBackend, "submit_job", fail)
    with pytest.raises(AirflowException, match="FAILED: out of memory"):
        run(dags["everything"], "compute_2", document("everything"))


def test_a_document_that_is_too_large_for_a_variable_lies_in_s3(dags: dict[str, DAG], batch: Any) -> None:
    doc = document("everything", sales=[f"s3://data/sales/EU/{n:0100}" for n in range(50)])
    operator: Any = dags["everything"].get_task("compute_2").prepare_for_execution()
    variables = {
        e["name"]: e["value"] for e in operator._submission(doc)["containerOverrides"]["environment"]
    }
    bucket, _, key = variables["RHEO_EXECUTION"].removeprefix("s3://").partition("/")
    assert json.loads(boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()) == doc


# --- all ---


def test_names_are_short_and_unlike() -> None:
    doc = document("n" * 80)
    assert len(name(doc, 1)) == 63
    assert (
        len({name(doc, 1), name(doc, 2), name({**doc, "id": "other#1"}, 1), name({**doc, "app": "b"}, 1)})
        == 4
    )
    assert token(doc, 1) != token(doc, 2)


@pytest.mark.parametrize(("node", "task"), [("on_emr", "compute"), ("on_athena", "compute"), ("everything", "compute_2"), ("everything", "compute_4"), ("model", "compute")])  # fmt: skip
def test_stopping_a_task_that_has_started_nothing_does_nothing(
    dags: dict[str, DAG], node: str, task: str
) -> None:
    operator: Any = dags[node].get_task(task).prepare_for_execution()
    operator.on_kill()
