"""What a compiled application needs around it, on moto."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import copy
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from rheo_platforms.local.provision import provision
from rheo_platforms.local.specification import (
    SCHEDULED_TIME,
    Specification,
    StackFileError,
    read_specification,
)

pytestmark = pytest.mark.slow

APP = Path(__file__).parent / "app"


@pytest.fixture(scope="module")
def stack(aws: dict[str, str]) -> Specification:
    """The application of this folder, provided for; twice, since that must be harmless."""
    found = read_specification(APP)
    provision(found, boto3.Session())
    provision(found, boto3.Session())
    return found


@pytest.fixture
def receive(stack: Specification, client: Callable[..., Any]) -> Callable[[], list[dict[str, Any]]]:
    """``receive()`` -> what has come into the application's queue since the last time."""
    sqs = client("sqs")
    url = sqs.get_queue_url(QueueName=stack.queue)["QueueUrl"]

    def take() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(message["Body"]))
        return found

    take()
    return take


def test_objects_signals_and_alarms_reach_the_queue(
    receive: Callable[[], list[dict[str, Any]]], put: Callable[..., None], client: Callable[..., Any]
) -> None:
    put("s3://local-test-nyc/flights/EWR/_SUCCESS")
    put("s3://local-test-nyc/flights/EWR/part-1")
    put("s3://local-test-app/out/_SUCCESS")  # of an output its signal tells
    put("s3://somebody-else/flights/_SUCCESS")
    entries = [
        ("rheo", "rheo.signal", {"app": "local-test", "signal": "flights", "partition": ["1"], "id": "x"}),
        ("rheo", "rheo.signal", {"app": "local-test", "signal": "delays", "partition": ["1"], "id": "x"}),
        ("rheo", "rheo.signal", {"app": "another", "signal": "flights", "partition": ["1"], "id": "x"}),
        (
            "aws.cloudwatch",
            "CloudWatch Alarm State Change",
            {"alarmName": "late", "state": {"value": "ALARM"}},
        ),
        ("aws.glue", "Glue Data Catalog Table State Change", {"databaseName": "d", "tableName": "t"}),
        ("rheo", "something.else", {}),
        ("other", "rheo.signal", {}),
    ]
    client("events").put_events(
        Entries=[{"Source": s, "DetailType": t, "Detail": json.dumps(d)} for s, t, d in entries]
    )
    events = receive()
    assert sorted((e["source"], e["detail-type"]) for e in events) == [
        ("aws.cloudwatch", "CloudWatch Alarm State Change"),
        ("aws.glue", "Glue Data Catalog Table State Change"),
        ("aws.s3", "Object Created"),
        ("rheo", "rheo.signal"),
    ]
    keys = {
        (e["detail"]["bucket"]["name"], e["detail"]["object"]["key"])
        for e in events
        if e["source"] == "aws.s3"
    }
    assert keys == {("local-test-nyc", "flights/EWR/_SUCCESS")}, "as on AWS"
    (told,) = (e["detail"] for e in events if e["source"] == "rheo")
    assert (told["app"], told["signal"]) == ("local-test", "flights"), "what something reads"


def test_what_cannot_be_handled_goes_to_the_dead_letter_queue(
    stack: Specification, client: Callable[..., Any]
) -> None:
    sqs = client("sqs")
    url = sqs.get_queue_url(QueueName=stack.queue)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    redrive = json.loads(attributes["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"].endswith(f":{stack.queue}-dlq")
    assert attributes["VisibilityTimeout"] == "10"
    fast = {"VisibilityTimeout": "0", "RedrivePolicy": json.dumps({**redrive, "maxReceiveCount": 2})}
    sqs.set_queue_attributes(QueueUrl=url, Attributes=fast)
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    deadline = time.monotonic() + 10
    dead = sqs.get_queue_url(QueueName=f"{stack.queue}-dlq")["QueueUrl"]
    while not (found := sqs.receive_message(QueueUrl=dead).get("Messages")):
        sqs.receive_message(QueueUrl=url)
        assert time.monotonic() < deadline
    assert [message["Body"] for message in found] == ["poison"]
    provision(stack, boto3.Session())
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert json.loads(attributes["RedrivePolicy"])["maxReceiveCount"] == 100


def test_the_ledgers_table(stack: Specification, client: Callable[..., Any]) -> None:
    dynamodb = client("dynamodb")
    table = dynamodb.describe_table(TableName=stack.table)["Table"]
    assert [(key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]] == [
        ("pk", "HASH"),
        ("sk", "RANGE"),
    ]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    ttl = dynamodb.describe_time_to_live(TableName=stack.table)["TimeToLiveDescription"]
    assert (ttl["TimeToLiveStatus"], ttl["AttributeName"]) == ("ENABLED", "ttl")
    item = {"pk": {"S": "a"}, "sk": {"S": "b"}}
    dynamodb.put_item(TableName=stack.table, Item=item, ConditionExpression="attribute_not_exists(pk)")
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        dynamodb.put_item(TableName=stack.table, Item=item, ConditionExpression="attribute_not_exists(pk)")


def test_scripts_and_jobs_follow_the_compiled_files(
    stack: Specification, client: Callable[..., Any], tmp_path: Path
) -> None:
    glue, s3 = client("glue"), client("s3")
    job = glue.get_job(JobName="local-test-delays")["Job"]
    assert job["DefaultArguments"] == {"--unit": "minutes"}
    location = job["Command"]["ScriptLocation"]
    assert location == "s3://local-test-app/rheo/glue/delays.py"
    body = s3.get_object(Bucket="local-test-app", Key="rheo/glue/delays.py")["Body"].read()
    assert body == (APP / "glue" / "delays.py").read_bytes()
    (tmp_path / "glue").mkdir()
    (tmp_path / "glue" / "delays.py").write_text("repaired")
    copy(stack.routes, tmp_path)
    longer = replace(stack.glue_jobs[0], timeout=7)
    provision(replace(stack, folder=tmp_path, glue_jobs=(longer,)), boto3.Session())
    assert s3.get_object(Bucket="local-test-app", Key="rheo/glue/delays.py")["Body"].read() == b"repaired"
    assert glue.get_job(JobName="local-test-delays")["Job"]["Timeout"] == 7


def test_a_jobs_size_is_a_capacity_or_workers(tmp_path: Path, client: Callable[..., Any]) -> None:
    jobs = [
        {"name": "by-capacity", "script": "glue/a.py", "parameters": {"MaxCapacity": 2.0, "MaxRetries": 1}},
        {"name": "by-workers", "script": "glue/a.py", "worker_type": "G.2X", "workers": 5},
        {"name": "by-default", "script": "glue/a.py"},
    ]
    data = {"app": "sizes", "bucket": "sizes-app", "buckets": [], "glue_jobs": jobs}
    (tmp_path / "stack.json").write_text(json.dumps(data))
    copy(APP / "routes.json", tmp_path)
    provision(read_specification(tmp_path), boto3.Session())
    names = ("MaxCapacity", "MaxRetries", "WorkerType", "NumberOfWorkers")
    glue = client("glue")
    sizes = [glue.get_job(JobName=job["name"])["Job"] for job in jobs]
    assert [tuple(job.get(name) for name in names) for job in sizes] == [
        (2.0, 1, None, None), (None, None, "G.2X", 5), (None, None, "G.1X", 2),
    ]  # fmt: skip


def test_a_schedule_sends_its_input_or_a_timer_event(tmp_path: Path) -> None:
    data = {"app": "a", "bucket": "b", "buckets": [], "schedules": [
        {"id": "daily", "expression": "rate(1 day)"},
        {"id": "own", "expression": "rate(1 day)", "input": {"x": 1}},
    ]}  # fmt: skip
    (tmp_path / "stack.json").write_text(json.dumps(data))
    daily, own = read_specification(tmp_path).schedules
    assert json.loads(daily.input) == {
        "source": "rheo", "detail-type": "rheo.timer",
        "detail": {"app": "a", "timer": "daily", "time": SCHEDULED_TIME},
    }  # fmt: skip
    assert json.loads(own.input) == {"x": 1}


@pytest.mark.parametrize(
    ("text", "error"),
    [(None, "has no stack.json"), ("{", "is not JSON"), ('{"app": "a"}', "lacks 'bucket'")],
)
def test_an_incomplete_application_is_refused(text: str | None, error: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "stack.json").write_text(text)
    with pytest.raises(StackFileError, match=error):
        read_specification(tmp_path)
