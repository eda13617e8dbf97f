"""Stand-ins of what an application's tasks expect: made once, and usable."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from rheo_platforms.local.glue import TRAIN, TRANSFORM, simulate
from rheo_platforms.local.provision import make_services

pytestmark = pytest.mark.slow

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:report"
SERVICES = {
    "databases": [{"name": "rheo_a"}],
    "state_machines": [{"arn": MACHINE}],
    "batch_jobs": [
        {"definition": "crunch:3", "queue": "arn:aws:batch:us-east-1:123456789012:job-queue/cheap"}
    ],
    "topics": [{"arn": "arn:aws:sns:us-east-1:123456789012:done"}],
    "senders": [{"address": "etl@example.com"}],
    "what others add": [{"is": "left alone"}],
}


def test_all_are_made_once_and_work(client: Callable[..., Any]) -> None:
    for _ in range(2):
        make_services(SERVICES, boto3.Session())
    assert [d["Name"] for d in client("glue").get_databases()["DatabaseList"]] == ["rheo_a"]
    (queue,) = client("batch").describe_job_queues()["jobQueues"]
    definitions = client("batch").describe_job_definitions(jobDefinitionName="crunch")["jobDefinitions"]
    assert sorted(d["revision"] for d in definitions) == [1, 2, 3]
    job = client("batch").submit_job(jobName="j", jobQueue=queue["jobQueueName"], jobDefinition="crunch:3")
    (found,) = client("batch").describe_jobs(jobs=[job["jobId"]])["jobs"]
    assert found["status"] == "SUCCEEDED"
    machines = client("stepfunctions")
    run = machines.start_execution(stateMachineArn=MACHINE, input=json.dumps({"day": 1}))["executionArn"]
    deadline = time.monotonic() + 20
    while (state := machines.describe_execution(executionArn=run))["status"] == "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (state["status"], json.loads(state["output"])) == ("SUCCEEDED", {"day": 1})
    assert len(client("sns").list_topics()["Topics"]) == 1
    mail = {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "b"}}}
    client("ses").send_email(
        Source="etl@example.com", Destination={"ToAddresses": ["a@example.com"]}, Message=mail
    )


def test_nothing_is_made_for_an_application_that_needs_nothing(client: Callable[..., Any]) -> None:
    make_services({"dags": ["a__n"]}, boto3.Session())


def test_what_a_simulated_job_writes(
    client: Callable[..., Any], put: Callable[..., None], listing: Callable[[str], list[str]]
) -> None:
    put("s3://app")
    put("s3://lake/in/a.csv", "1\n")
    put("s3://app/staging/j/_in.manifest", json.dumps([{"prefix": "s3://lake/"}, "in/a.csv"]))
    train = {"TrainingJobName": "j", "OutputDataConfig": {"S3OutputPath": "s3://app/staging/j"}}
    simulate(TRAIN, json.dumps(train).encode(), client("s3"))
    source = {"S3DataType": "ManifestFile", "S3Uri": "s3://app/staging/j/_in.manifest"}
    transform = {
        "TransformJobName": "j",
        "TransformOutput": {"S3OutputPath": "s3://app/staging/k"},
        "TransformInput": {"DataSource": {"S3DataSource": source}},
    }
    simulate(TRANSFORM, json.dumps(transform).encode(), client("s3"))
    assert listing("s3://app/staging/") == [
        "staging/j/_in.manifest",
        "staging/j/j/output/model.tar.gz",
        "staging/k/a.csv.out",
    ]
    simulate("SageMaker.DescribeTrainingJob", b"{}", client("s3"))  # nothing to write
