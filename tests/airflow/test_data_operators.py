"""Operators of EMR Serverless, SageMaker and Athena: what they ask for, and what becomes of the output."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from airflow.sdk import DAG
from compute_lab import BUCKET, REGION, document, objects, run
from support.worker import nobody

import rheo_formats
from rheo_airflow.tasks.compat import AirflowException
from rheo_airflow.tasks.idempotency import name

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("moto_aws", "watch")]

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
    given = json.loads(submit["entryPointArguments"][1])
    staged = given["output"].pop("staged")
    assert staged == f"s3://{BUCKET}/staging/on_emr/EU/2013-01-03/1", "written beside what is there"
    assert given == doc
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
        with nobody():
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
    monkeypatch.setattr("rheo_airflow.tasks.sagemaker.SAGEMAKER_ACTIVE", ("Completed",))
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
        with nobody():
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
    # A table of texts: a field for each column of the files' header, and some for what would be too much.
    names = [c["Name"] for c in table["StorageDescriptor"]["Columns"]]
    assert names == [f"c{n}" for n in range(4 + rheo_formats.MORE)]
    assert {c["Type"] for c in table["StorageDescriptor"]["Columns"]} == {"string"}
    assert table["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"].endswith(".OpenCSVSerde")
    assert table["Parameters"]["skip.header.line.count"] == "1"
    lines = query.splitlines()
    assert lines[0].startswith('UNLOAD (WITH "sales" AS (SELECT CASE WHEN "c0" IN (')
    # A window's rows say of which partition they are: its dimensions are keys of the table.
    assert [key["Name"] for key in table["PartitionKeys"]] == ["rheo_partition", "rheo_key_0", "rheo_key_1"]
    source = f'"rheo_key_0" AS "region", "rheo_key_1" AS "day" FROM "rheo_services"."{table["Name"]}"'
    assert f' AS "tags", {source} WHERE CASE WHEN "c3" IS NULL THEN ' in lines[0]
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
