"""What Airflow's execution role may do is what tasks do: each permission of a template has a call that needs it.

That no task calls more than its application's policy allows, the fixture ``watch`` holds in every test that has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
import pytest
from airflow.sdk import DAG
from airflow.sdk.bases.operator import ExecutorSafeguard
from botocore.exceptions import ClientError
from compute_lab import BUCKET, document, run
from moto.glue.models import FakeJobRun
from support.iam import takes_arn
from support.worker import Watch, Who, nobody, worker
from test_compute_operators import batch as batch
from test_compute_operators import machine
from test_data_operators import ask, features, train
from test_data_operators import emr as emr

from codegen.cloudformation.policies import LEDGER
from rheo_airflow.page.files import GRAPH, ROUTES, BucketFiles
from rheo_airflow.tasks import claim, jobs, writers
from rheo_airflow.tasks.compat import AirflowException
from rheo_airflow.tasks.idempotency import name
from rheo_runtime.dynamodb import create_table
from rheo_runtime.records import Writer
from rheodsl.testing.dags import DagRun, Run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("moto_aws")]

DAY = {"region": "EU", "day": "2013-01-03"}
# What Athena does by the role of whoever asks it: it looks where a bucket is, reads tables, and writes in parts.
BY_ATHENA = {
    "glue:GetDatabase", "glue:GetPartitions", "glue:GetTable", "s3:AbortMultipartUpload", "s3:GetBucketLocation",
    "s3:ListBucketMultipartUploads", "s3:ListMultipartUploadParts",
}  # fmt: skip


def stopped(dag: DAG, task: str, **started: Any) -> None:
    """Stop a task that has started something."""
    operator: Any = dag.get_task(task).prepare_for_execution()
    for attribute, value in started.items():
        setattr(operator, attribute, value)
    with worker(dag), suppress(ClientError, NotImplementedError):  # it has ended, or moto does not know it
        operator.on_kill()


def computes(dags: dict[str, DAG], emr: Any, batch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a task of every service, and stop one."""
    monkeypatch.setattr("moto.emrserverless.models.JOB_STATUS", "SUCCESS")
    everything, doc = dags["everything"], document("everything")
    app = emr.list_applications()["applications"][0]["id"]
    emr.stop_application(applicationId=app)  # as it is when nothing has run for a while
    job = run(dags["on_emr"], "compute", document("on_emr"))
    stopped(dags["on_emr"], "compute", job_id=job, application_id=app)

    train(dags, monkeypatch, features())
    stopped(dags["model"], "compute", _job_name=name(features(), 1))
    sales = document("predictions", model=["s3://models/EU"], sales=["s3://data/sales/EU/2013-01-03"])
    run(dags["predictions"], "compute", sales)
    stopped(dags["predictions"], "compute", _job_name=name(sales, 1))

    old = "internal_data/on_athena/EU/2013-01-03/old.parquet"
    boto3.client("s3").put_object(Bucket=BUCKET, Key=old, Body=b"")
    ask(dags, monkeypatch)
    query = boto3.client("athena").list_query_executions()["QueryExecutionIds"][0]
    stopped(dags["on_athena"], "compute", query_execution_id=query)

    machine()
    stopped(everything, "compute_3", _running=run(everything, "compute_3", doc))
    stopped(everything, "compute_2", job_id=run(everything, "compute_2", doc))

    boto3.client("ses").verify_email_identity(EmailAddress="etl@example.com")
    boto3.client("sns").create_topic(Name="done")
    boto3.client("secretsmanager").create_secret(Name="slack-webhook", SecretString="https://hooks.test/T/2")
    monkeypatch.setattr("urllib.request.urlopen", mock.Mock())
    for task in ("compute_6", "compute_8", "compute_9"):
        run(everything, task, doc)


def in_the_group_of_glue(as_dict: Any) -> Any:
    """A job's log lies below /aws-glue/ (AWS Glue developer guide, "Logging for AWS Glue jobs"); moto says test/log."""
    return lambda self: {**as_dict(self), "LogGroupName": "/aws-glue/jobs"}


def glue_jobs(dags: dict[str, DAG]) -> None:
    """Run a job on Glue that succeeds, and one that fails."""
    dag = dags["in_scala"]
    glue: Any = boto3.client("glue")
    script = {"Name": "glueetl", "ScriptLocation": "s3://x/y.py"}
    glue.create_job(Name=dag.get_task("compute").job_name, Role="r", Command=script)
    id = run(dag, "compute", document("in_scala"))
    stopped(dag, "compute", _job_run_id=id)
    with (
        mock.patch.object(FakeJobRun, "as_dict", in_the_group_of_glue(FakeJobRun.as_dict)),
        mock.patch("rheo_airflow.tasks.glue._Hook.get_job_state", lambda self, job, id: "FAILED"),
        pytest.raises(AirflowException),
    ):
        run(dag, "compute", document("in_scala"))


def writers_before(dags: dict[str, DAG]) -> None:
    """Ask every service whether jobs of a run before have ended."""
    for node, dag in dags.items():
        for place in writers.places({"dag": dag}):
            with worker(dag), suppress(jobs.CannotSee, NotImplementedError):  # moto does not know some
                jobs.of_writer("services", node, "EU/2013-01-03", Writer(1, "r", (place,), 0.0))


def played(dag: DAG, *, put: Mapping[str, bytes], fails: bool = False) -> DagRun:
    """Run a whole DAG on a ledger in DynamoDB, its job played: what it would leave is put. Return how it ended."""

    def job(given: Any) -> None:
        if fails:
            raise ValueError("no luck")
        with nobody():
            for key, body in put.items():
                boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=body)

    app = dag.dag_id.partition("__")[0]
    bucket = f"rheo-{app}"
    made = Run(dag, {"compute": job}, DagRun(dag.dag_id))
    made.dag_run.run_id = f"{dag.dag_id}-{fails}"
    made.all(DAY)
    return made.result


def whole_runs(dags: dict[str, DAG]) -> None:
    """Claim, compute and publish, by hand; a run that fails; the page, which reads the application's files."""
    s3 = boto3.client("s3")
    s3.put_object(Bucket=BUCKET, Key="internal_data/on_emr/EU/2013-01-03/old", Body=b"")
    large = b"x" * (9 << 20)  # copied in parts
    staged = {"part-0": large, "_SUCCESS": b"", "_checks.json": b"[]"}
    put = {f"staging/on_emr/EU/2013-01-03/1/{name}": body for name, body in staged.items()}
    well = played(dags["on_emr"], put=put)
    assert well.state == "success", well.errors
    assert played(dags["on_emr"], put={}, fails=True).state == "failed"
    with worker(dags["on_emr"]):
        claim.stored(document("on_emr"), "{}")
        # What the code of an inlined compute is for.
        s3.get_object(Bucket="data", Key="sales/EU/2013-01-03/a.csv")
        s3.get_object(Bucket=BUCKET, Key="internal_data/on_emr/EU/2013-01-03/part-0")
        BucketFiles(BUCKET, s3).version()
        # S3 is out of order while an object is copied in parts.
        uploaded = s3.create_multipart_upload(Bucket=BUCKET, Key="internal_data/on_emr/x")["UploadId"]
        s3.abort_multipart_upload(Bucket=BUCKET, Key="internal_data/on_emr/x", UploadId=uploaded)


@pytest.fixture
def done(dags: dict[str, DAG], emr: Any, batch: Any, monkeypatch: pytest.MonkeyPatch, watch: Watch) -> Watch:
    """Everything that tasks do is done."""
    monkeypatch.setattr(ExecutorSafeguard, "test_mode", True)
    create_table("rheo-services", boto3.client("dynamodb"))
    for file in (GRAPH, ROUTES):
        boto3.client("s3").put_object(Bucket=BUCKET, Key=f"rheo/{file}", Body=b"{}")
    computes(dags, emr, batch, monkeypatch)
    glue_jobs(dags)
    writers_before(dags)
    whole_runs(dags)
    return watch


def idle(watch: Watch) -> dict[str, set[str]]:
    """The permissions that no call has needed: resources by action."""
    found: dict[str, set[str]] = {}
    used = watch.calls()
    for grant in (grant for who in watch.known.values() for grant in who.grants()):
        if not any(grant.allows(call) for call in used):
            found.setdefault(grant.action, set()).add(grant.resource)
    return found


def test_every_permission_of_the_worker_is_one_that_a_task_needs(done: Watch) -> None:
    left = {action: where for action, where in idle(done).items() if action not in {*LEDGER, *BY_ATHENA}}
    assert left == {}


def test_a_star_stands_where_aws_knows_no_resource(dags: dict[str, DAG]) -> None:
    allowed = Who(Path(dags["on_emr"].fileloc).parent).grants()
    stars = {grant.action for grant in allowed if grant.resource == "*"}
    assert sorted(action for action in stars if takes_arn(action)) == []
