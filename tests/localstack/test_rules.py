"""The template's queues, rules and subscriptions on LocalStack, which nobody here has shaped: what S3, EventBridge, SNS
and SQS really send reaches the listener, whatever the key of an object is.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import pytest
from support.cloud import There
from support.iam import resolved

from codegen.cloudformation.stack import build_template
from codegen.planning import build_plan
from codegen.routes import route_table
from rheo_runtime.engine import Engine
from rheo_runtime.events import send_signal
from rheo_runtime.listener import Listener
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.records import Document
from rheodsl import SNS, Application

pytestmark = pytest.mark.slow

ACCOUNT, REGION, BUCKET = "000000000000", "us-east-1", "lake-of-tests"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:told"
SECONDS = 20.0
DAY = {"day": {"type": "DATETIME", "format": "%Y-%m-%d"}}


def upstream() -> Application:
    app = Application("joe")
    hive = app.s3("hive", f"s3://{BUCKET}/hive/day={{day:%Y-%m-%d}}")
    named = app.s3("named", f"s3://{BUCKET}/named/{{name}}")
    told = app.marshal_external_data(SNS(TOPIC), "told", DAY)
    for id, of in {"of_hive": hive, "of_named": named, "of_told": told}.items():
        app.create_data(id, [of], compute_targets="output = spark.range(1)")
    app.authorize_downstream("jane", ACCOUNT, REGION)
    return app


def downstream() -> Application:
    app = Application("jane", platform=There(upstream, "rheo-joe"))  # type: ignore[arg-type]
    remote = app.import_upstream("joe", ACCOUNT, REGION)
    app.create_data("etl", [remote["of_hive"]], compute_targets="output = of_hive")
    return app


@dataclass
class Deployed:
    """An application whose queues, rules and subscriptions are as its template says; its listener is fed from its queue."""

    app: Application
    client: Callable[[str], Any]
    announced: list[Document] = field(default_factory=list)

    def __post_init__(self) -> None:
        graph = self.app.graph()
        resources = build_template(build_plan(graph), graph)["Resources"]
        self.sqs = self.client("sqs")
        names = {"Queue": f"rheo-{graph.app}", "DeadLetters": f"rheo-{graph.app}-dlq"}
        self.urls = {id: self.sqs.create_queue(QueueName=name)["QueueUrl"] for id, name in names.items()}
        given = {
            "AWS::Partition": "aws", "AWS::Region": REGION, "AWS::AccountId": ACCOUNT, "EventBus": "default",
        }  # fmt: skip
        arns = {f"{id}.Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}" for id, name in names.items()}
        for id, policy in (("Queue", "QueuePolicy"), ("DeadLetters", "DeadLettersPolicy")):
            document = resolved(resources[policy]["Properties"]["PolicyDocument"], given, arns)
            self.sqs.set_queue_attributes(QueueUrl=self.urls[id], Attributes={"Policy": json.dumps(document)})
        for made in resources.values():
            told = resolved(made["Properties"], given, arns)
            if made["Type"] == "AWS::Events::Rule":
                events = self.client("events")
                bus = told.get("EventBusName", "default")
                pattern = json.dumps(told["EventPattern"])
                events.put_rule(Name=told["Name"], EventBusName=bus, EventPattern=pattern)
                answer = events.put_targets(Rule=told["Name"], EventBusName=bus, Targets=told["Targets"])
                assert answer["FailedEntryCount"] == 0, answer
            elif made["Type"] == "AWS::SNS::Subscription":
                redrive = {"RedrivePolicy": json.dumps(told["RedrivePolicy"])}
                self.client("sns").subscribe(
                    TopicArn=told["TopicArn"],
                    Protocol=told["Protocol"],
                    Endpoint=told["Endpoint"],
                    Attributes=redrive,
                )
        self.ledger = MemoryLedger()
        engine = Engine(route_table(graph), self.ledger)
        quiet: Callable[..., None] = lambda *_, **__: None  # noqa: E731
        self.listener = Listener(engine, self.announced.append, emit=lambda document: None, log=quiet)
        self.bodies: list[dict[str, Any]] = []

    def listen(self, node: str, partition: str) -> Document:
        """Feed the listener until it announces an execution of a partition."""
        deadline = time.monotonic() + SECONDS
        while True:
            for document in self.announced:
                if (document["node"], document["partition"]) == (node, partition):
                    return document
            assert time.monotonic() < deadline, (node, partition, self.bodies[-3:])
            self.receive()

    def receive(self) -> None:
        """Handle what is in the queue."""
        url = self.urls["Queue"]
        answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in answer.get("Messages", ()):
            record = {"messageId": message["MessageId"], "body": message["Body"], "attributes": {}}
            assert self.listener.handle({"Records": [record]}, lambda: 1e9) == {"batchItemFailures": []}
            self.bodies.append(json.loads(message["Body"]))
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def dead(self) -> list[Any]:
        """What could not be delivered, or read."""
        answer = self.sqs.receive_message(QueueUrl=self.urls["DeadLetters"], MaxNumberOfMessages=10)
        return list(answer.get("Messages", ()))


@pytest.fixture(scope="module")
def s3(localstack: Callable[[str], Any]) -> Any:
    made = localstack("s3")
    made.create_bucket(Bucket=BUCKET)
    made.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    return made


@pytest.fixture(scope="module")
def joe(localstack: Callable[[str], Any], s3: Any) -> Iterator[Deployed]:
    localstack("sns").create_topic(Name="told")
    made = Deployed(upstream(), localstack)
    yield made
    assert made.dead() == []


def put(s3: Any, key: str) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"")


def copied(s3: Any, key: str) -> None:
    put(s3, "elsewhere/mark")
    s3.copy_object(Bucket=BUCKET, Key=key, CopySource={"Bucket": BUCKET, "Key": "elsewhere/mark"})


def uploaded(s3: Any, key: str) -> None:
    """In parts."""
    id = s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    part = s3.upload_part(Bucket=BUCKET, Key=key, UploadId=id, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=id, MultipartUpload=parts)


@pytest.mark.parametrize("day, write", [("01", put), ("02", copied), ("03", uploaded)])
def test_an_object_however_written_completes_a_folder_of_hive(
    s3: Any, joe: Deployed, day: str, write: Callable[[Any, str], None]
) -> None:
    write(s3, f"hive/day=2024-01-{day}/_SUCCESS")
    document = joe.listen("of_hive", f"2024-01-{day}")
    assert document["inputs"][0]["paths"] == [f"s3://{BUCKET}/hive/day=2024-01-{day}"]


@pytest.mark.parametrize("name", ["a b", "a=b", "a+b", "grün", "a&b c", "50%"])
def test_the_key_of_an_event_is_percent_encoded(s3: Any, joe: Deployed, name: str) -> None:
    put(s3, f"named/{name}/_SUCCESS")
    key = _keys(joe, f"named/{name}/_SUCCESS")
    # LocalStack encodes, and moto does not: what A6 of docs/first-account.md asks of AWS.
    assert unquote(key) == f"named/{name}/_SUCCESS"
    assert key != f"named/{name}/_SUCCESS", "then A6 says what is no longer so"


def _keys(joe: Deployed, wanted: str) -> str:
    """The key of the event of an object, as it came."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        joe.receive()
        keys = [body["detail"]["object"]["key"] for body in joe.bodies if body.get("source") == "aws.s3"]
        for key in keys:
            if unquote(key) == wanted:
                return str(key)
    raise AssertionError(f"no event of {wanted}; {joe.bodies[-3:]}")


def test_a_deletion_reaches_the_listener(s3: Any, joe: Deployed) -> None:
    put(s3, "hive/day=2024-02-01/_SUCCESS")
    joe.listen("of_hive", "2024-02-01")
    s3.delete_object(Bucket=BUCKET, Key="hive/day=2024-02-01/_SUCCESS")
    deadline = time.monotonic() + SECONDS
    while not [body for body in joe.bodies if body["detail-type"] == "Object Deleted"]:
        assert time.monotonic() < deadline
        joe.receive()


def test_a_message_of_a_topic_reaches_the_listener(localstack: Callable[[str], Any], joe: Deployed) -> None:
    message = json.dumps({"signal": "told", "partition": {"day": "2024-01-05"}})
    localstack("sns").publish(TopicArn=TOPIC, Message=message)
    deadline = time.monotonic() + SECONDS
    while not [body for body in joe.bodies if body.get("TopicArn") == TOPIC]:
        assert time.monotonic() < deadline
        joe.receive()


def test_a_signal_of_one_application_reaches_the_other(
    localstack: Callable[[str], Any], s3: Any, joe: Deployed
) -> None:
    jane = Deployed(downstream(), localstack)
    put(s3, "hive/day=2024-03-01/_SUCCESS")
    document = joe.listen("of_hive", "2024-03-01")
    send_signal(document, localstack("events"))
    heard = jane.listen("etl", "2024-03-01")
    assert heard["inputs"][0]["paths"] == [document["output"]["path"]]
    assert {body["source"] for body in jane.bodies} == {"rheo"}, "and of nothing else that the other hears"
    assert jane.dead() == []
