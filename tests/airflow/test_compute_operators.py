"""Operators of generated DAGs on AWS as moto plays it: what they ask for, and what becomes of the answer."""

from __future__ import annotations

import json
import sys
import time
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
    with mock_aws(config={"batch": {"use_docker": False}, "stepfunctions": {"execute_state_machine": True}}):
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
    operator = dag.get_task(task).prepare_for_execution()  # a copy: runs share nothing
    context = {
        "ti": TaskInstance(attempt),
        "task_instance": TaskInstance(attempt),
        "dag": dag,
        HOOK: Told(doc),
    }
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


def test_a_retry_joins_an_execution_that_still_runs(dags: dict[str, DAG]) -> None:
    client, doc = machine(seconds=1), document("everything")
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


# --- EMR Serverless ---


@pytest.fixture
def emr(monkeypatch: pytest.MonkeyPatch) -> Any:
    client: Any = boto3.client("emr-serverless")
    app = client.create_application(name="rheo-services-emr-7-5-0", releaseLabel="emr-7.5.0", type="SPARK")
    # moto lists runs only of an application that has had one.
    client.start_job_run(
        applicationId=app["applicationId"],
        clientToken="t",
        executionRoleArn="arn:aws:iam::123456789012:role/x",
        name="other",
    )
    return client


def test_a_job_run_of_emr(dags: dict[str, DAG], emr: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moto.emrserverless.models.JOB_STATUS", "SUCCESS")
    doc = document("on_emr")
    id = run(dags["on_emr"], "compute", doc)
    app = emr.list_applications()["applications"][0]["id"]
    job = emr.get_job_run(applicationId=app, jobRunId=id)["jobRun"]
    assert job["name"] == name(doc, 0)
    assert (
        job["executionRole"]
        == "arn:aws:iam::123456789012:role/rheo/services/rheo-services-emr-serverless-us-east-1"
    )
    assert job["executionTimeoutMinutes"] == 30
    submit = job["jobDriver"]["sparkSubmit"]
    assert submit["entryPoint"] == f"s3://{BUCKET}/rheo/emr/on_emr.py"
    assert submit["entryPointArguments"][::2] == ["--execution", "--limit"]
    assert json.loads(submit["entryPointArguments"][1]) == doc
    assert "--conf spark.executor.memory=4g" in submit["sparkSubmitParameters"]


def test_a_job_run_of_emr_that_fails_says_its_state(
    dags: dict[str, DAG], emr: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moto.emrserverless.models.JOB_STATUS", "FAILED")
    with pytest.raises(AirflowException, match=r"job run \w+ FAILED"):
        run(dags["on_emr"], "compute", document("on_emr"))


def test_a_retry_joins_a_job_run_of_emr_that_still_runs(dags: dict[str, DAG], emr: Any) -> None:
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.emrserverless import emrserverless_backends

    doc = document("on_emr")
    app = emr.list_applications()["applications"][0]["id"]
    role = "arn:aws:iam::123456789012:role/x"
    first = emr.start_job_run(applicationId=app, clientToken="u", executionRoleArn=role, name=name(doc, 0))[
        "jobRunId"
    ]
    backend = emrserverless_backends[DEFAULT_ACCOUNT_ID][REGION]
    operator: Any = dags["on_emr"].get_task("compute").prepare_for_execution()
    operator.application_id, operator.name = app, name(doc, 0)
    (job,) = (j for j in backend.job_runs[app] if j.id == first)
    job.state = "RUNNING"
    assert operator._active() == first
    job.state = "SUCCESS"
    assert operator._active() is None
    assert operator._wait(first) == first


# --- SageMaker ---


def train(
    dags: dict[str, DAG], monkeypatch: pytest.MonkeyPatch, doc: dict[str, Any], attempt: int = 1
) -> Any:
    """Run the training node; SageMaker's part, which moto leaves out, is the model that appears."""
    from moto.sagemaker.models import SageMakerModelBackend

    create = SageMakerModelBackend.create_training_job

    def and_write(self: Any, *args: Any, **kwargs: Any) -> Any:
        made = create(self, *args, **kwargs)
        bucket, _, key = made.model_artifacts["S3ModelArtifacts"].removeprefix("s3://").partition("/")
        boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=b"model")
        return made

    monkeypatch.setattr(SageMakerModelBackend, "create_training_job", and_write)
    return run(dags["model"], "compute", doc, attempt)


def features() -> dict[str, Any]:
    days = [f"s3://data/sales/EU/2013-01-0{n}" for n in (3, 2, 1)]
    return document("model", features=days, checks=days[:1])


def test_a_training_job_reads_channels_and_its_model_is_the_output(
    dags: dict[str, DAG], monkeypatch: pytest.MonkeyPatch
) -> None:
    doc = features()
    old = "internal_data/model/EU/2013-01-03/old"
    boto3.client("s3").put_object(Bucket=BUCKET, Key=old, Body=b"")
    assert train(dags, monkeypatch, doc) == {"TrainingJobName": name(doc, 1)}
    job = boto3.client("sagemaker").describe_training_job(TrainingJobName=name(doc, 1))
    assert job["RoleArn"] == "arn:aws:iam::123456789012:role/rheo/services/rheo-services-sagemaker-us-east-1"
    assert job["HyperParameters"] == {"num_round": "10", "day": "2013-01-03"}
    channels = {c["ChannelName"]: c for c in job["InputDataConfig"]}
    assert channels["train"]["ContentType"] == "text/csv"
    staged = f"staging/{name(doc, 1)}"
    assert (
        channels["train"]["DataSource"]["S3DataSource"]["S3Uri"]
        == f"s3://{BUCKET}/{staged}/_features.manifest"
    )
    prefix = {"prefix": "s3://data/"}
    # The day that is not complete is left out, and so are the marks.
    expected = [prefix, "sales/EU/2013-01-03/a.csv", "sales/EU/2013-01-02/a.csv"]
    assert json.loads(objects(staged)[f"{staged}/_features.manifest"]) == expected
    assert json.loads(objects(staged)[f"{staged}/_checks.manifest"]) == expected[:2]
    assert objects("internal_data/model/") == {"internal_data/model/EU/2013-01-03/model.tar.gz": b"model"}


def test_a_training_job_that_fails_says_why_and_leaves_the_output(
    dags: dict[str, DAG], monkeypatch: pytest.MonkeyPatch
) -> None:
    from moto.sagemaker.models import FakeTrainingJob

    make = FakeTrainingJob.__init__

    def failing(self: Any, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        self.training_job_status, self.failure_reason = "Failed", "AlgorithmError: no rows"

    monkeypatch.setattr(FakeTrainingJob, "__init__", failing)
    old = "internal_data/model/EU/2013-01-03/model.tar.gz"
    boto3.client("s3").put_object(Bucket=BUCKET, Key=old, Body=b"old")
    with pytest.raises(AirflowException, match="Failed: AlgorithmError: no rows"):
        train(dags, monkeypatch, features())
    assert objects("internal_data/model/") == {old: b"old"}


def test_a_training_job_without_a_model_leaves_the_output(dags: dict[str, DAG]) -> None:
    old = "internal_data/model/EU/2013-01-03/model.tar.gz"
    boto3.client("s3").put_object(Bucket=BUCKET, Key=old, Body=b"old")
    with pytest.raises(AirflowException, match="left no model"):
        run(dags["model"], "compute", features())
    assert objects("internal_data/model/") == {old: b"old"}


def test_a_retry_joins_a_training_job_that_still_runs(
    dags: dict[str, DAG], monkeypatch: pytest.MonkeyPatch
) -> None:
    doc = features()
    train(dags, monkeypatch, doc)
    operator: Any = dags["model"].get_task("compute").prepare_for_execution()
    assert operator._joined(doc, 2) is None  # the first has ended
    monkeypatch.setattr("rheo_runtime.tasks.sagemaker.ACTIVE", ("Completed",))
    assert operator._joined(doc, 2) == name(doc, 1)


def test_a_transform_job_makes_its_model_and_fills_the_output(
    dags: dict[str, DAG], monkeypatch: pytest.MonkeyPatch
) -> None:
    doc = document("predictions", model=["s3://models/EU"], sales=["s3://data/sales/EU/2013-01-03"])
    staged = f"staging/{name(doc, 1)}"
    boto3.client("s3").put_object(Bucket=BUCKET, Key=f"{staged}/a.csv.out", Body=b"7")
    run(dags["predictions"], "compute", doc)
    client = boto3.client("sagemaker")
    job = client.describe_transform_job(TransformJobName=name(doc, 1))
    assert job["TransformInput"]["SplitType"] == "Line"
    model = client.describe_model(ModelName=job["ModelName"])
    assert model["PrimaryContainer"]["ModelDataUrl"] == "s3://models/EU/model.tar.gz"
    assert model["ExecutionRoleArn"].endswith("role/rheo/services/rheo-services-sagemaker-us-east-1")
    assert objects("internal_data/predictions/") == {
        "internal_data/predictions/EU/2013-01-03/a.csv.out": b"7"
    }


# --- Athena ---


def ask(
    dags: dict[str, DAG], monkeypatch: pytest.MonkeyPatch, **ends: str
) -> tuple[str, dict[str, Any], str]:
    """Run the query; return it, the table that stood for its input, and its token."""
    from moto.athena.models import AthenaBackend

    glue = boto3.client("glue")
    glue.create_database(DatabaseInput={"Name": "rheo_services"})
    start, seen = AthenaBackend.start_query_execution, {}

    def and_unload(self: Any, query: str, *args: Any, **kwargs: Any) -> Any:
        (table,) = glue.get_tables(DatabaseName="rheo_services")["TableList"]
        parts = glue.get_partitions(DatabaseName="rheo_services", TableName=table["Name"])["Partitions"]
        seen.update(query=query, table=table, parts=[p["StorageDescriptor"]["Location"] for p in parts])
        key = query.partition(") TO 's3://rheo-services/")[2].partition("'")[0]
        boto3.client("s3").put_object(Bucket=BUCKET, Key=f"{key}part-0.parquet", Body=b"rows")
        id = start(self, query, *args, **kwargs)
        for field_, value in ends.items():
            setattr(self.executions[id], field_, value)
        return id

    monkeypatch.setattr(AthenaBackend, "start_query_execution", and_unload)
    try:
        run(dags["on_athena"], "compute", document("on_athena"))
    finally:
        assert glue.get_tables(DatabaseName="rheo_services")["TableList"] == []
    return seen["query"], seen["table"], seen["parts"]


def test_a_query_reads_the_partitions_that_exist_and_its_result_is_the_output(
    dags: dict[str, DAG], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = "internal_data/on_athena/EU/2013-01-03/old.parquet"
    boto3.client("s3").put_object(Bucket=BUCKET, Key=old, Body=b"")
    query, table, parts = ask(dags, monkeypatch)
    assert parts == ["s3://data/sales/EU/2013-01-03/", "s3://data/sales/EU/2013-01-02/"]
    assert [c["Type"] for c in table["StorageDescriptor"]["Columns"]] == [
        "string",
        "double",
        "timestamp",
        "array<string>",
    ]
    assert table["Parameters"]["skip.header.line.count"] == "1"
    lines = query.splitlines()
    assert (
        lines[0]
        == f'UNLOAD (WITH "sales" AS (SELECT "item", "price", "at", "tags" FROM "rheo_services"."{table["Name"]}"),'
    )
    assert lines[2] == "     dear AS (SELECT item, price FROM sales WHERE price > 10)"
    assert lines[-1].endswith("WITH (format = 'PARQUET')")
    assert objects("internal_data/on_athena/") == {
        "internal_data/on_athena/EU/2013-01-03/part-0.parquet": b"rows"
    }
    assert objects("staging/") == {}


def test_a_query_that_fails_points_at_the_line_of_its_author(
    dags: dict[str, DAG], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = "internal_data/on_athena/EU/2013-01-03/old.parquet"
    boto3.client("s3").put_object(Bucket=BUCKET, Key=old, Body=b"")
    source = (Path(__file__).parents[1] / "codegen" / "service_app.py").read_text().splitlines()
    line = next(n for n, text in enumerate(source, start=1) if "WITH dear AS" in text)
    monkeypatch.setattr(
        "airflow.providers.amazon.aws.hooks.athena.AthenaHook.get_state_change_reason",
        lambda self, id: "COLUMN_NOT_FOUND: line 3:23: Column 'prise' cannot be resolved",
    )
    with pytest.raises(AirflowException, match=rf"service_app\.py:{line}:23: Column 'prise'"):
        ask(dags, monkeypatch, status="FAILED")
    assert list(objects("internal_data/on_athena/")) == [old]


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
