"""SQS queue -> the Lambda handler, called as Lambda's event source mapping calls it."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from rheo_platforms.local.aws_stand_in import ACCOUNT, REGION
from rheo_runtime.airflow_client import PUMPED

HANDLER = "rheo_runtime.listener:handler"
LISTENING = "listening on"  # what it writes when it is ready
Handler = Callable[[dict[str, Any], object], Mapping[str, Any] | None]
BATCH = 10
# As the template has it for the queue of executions that wait for others.
GATHERED, GATHER_SECONDS = PUMPED, 2.0
WAIT_SECONDS = 2
FUNCTION_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Context:
    """What Lambda tells a function about its invocation."""

    function_name: str
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    function_version: str = "$LATEST"
    memory_limit_in_mb: str = "256"
    deadline: float = field(default_factory=lambda: time.monotonic() + FUNCTION_SECONDS)

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.deadline - time.monotonic()) * 1000))


class Poller:
    """Takes batches from one queue until told to stop: of up to ``size``, after at most ``window`` seconds.

    Without a window a batch is what one call of the queue gives.
    """

    def __init__(
        self, sqs: Any, queue: str, handler: Handler, size: int = BATCH, window: float = 0.0
    ) -> None:
        self.sqs = sqs
        self.size = size
        self.window = window
        self.queue = queue
        self.handler = handler
        self.url: str = sqs.get_queue_url(QueueName=queue)["QueueUrl"]

    def poll(self) -> int:
        """Handle one batch, if there is one; return how many messages are done and deleted."""
        messages = self._receive()
        if not messages:
            return 0
        until = time.monotonic() + self.window
        while len(messages) < self.size and time.monotonic() < until:
            messages += self._receive()
        failed = self._call(messages)
        done = [message for message in messages if message["MessageId"] not in failed]
        entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(done)]
        for start in range(0, len(entries), BATCH):
            self.sqs.delete_message_batch(QueueUrl=self.url, Entries=entries[start : start + BATCH])
        return len(done)

    def _receive(self) -> list[Mapping[str, Any]]:
        answer = self.sqs.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=WAIT_SECONDS,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return list(answer.get("Messages", []))

    def until(self, stop: threading.Event) -> None:
        """Poll until told to stop; a batch that has begun is finished first."""
        while not stop.is_set():
            try:
                self.poll()
            except (BotoCoreError, ClientError) as error:
                print(f"the queue does not answer: {error}", file=sys.stderr, flush=True)
                stop.wait(1.0)

    def _call(self, messages: Iterable[Mapping[str, Any]]) -> set[str]:
        """Return the ids of the messages that must come again: all of them when the handler raises."""
        records = [self._record(message) for message in messages]
        everyone = {record["messageId"] for record in records}
        try:
            answer = self.handler({"Records": records}, Context(self.queue)) or {}
        except Exception:  # noqa: BLE001 - as in Lambda: the function's error costs the batch a retry
            traceback.print_exc()
            return everyone
        failed = {entry["itemIdentifier"] for entry in answer.get("batchItemFailures") or ()}
        # As in Lambda: an identifier that is none of the batch's makes the whole batch fail.
        return failed if failed <= everyone else everyone

    def _record(self, message: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": {
                name: {"stringValue": value.get("StringValue"), "dataType": value["DataType"]}
                for name, value in message.get("MessageAttributes", {}).items()
            },
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self.queue}",
            "awsRegion": REGION,
        }


def load(name: str) -> Handler:
    """Return the function of a name of the form ``package.module:function``."""
    module, _, function = name.partition(":")
    handler: Handler = getattr(import_module(module), function)
    return handler


def main() -> None:
    """Poll until SIGTERM; a batch that has begun is finished first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queue", required=True)
    parser.add_argument("--gather", required=True)
    parser.add_argument("--handler", default=HANDLER)
    options = parser.parse_args()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    sqs = boto3.client("sqs", config=Config(retries={"max_attempts": 0}))
    handler, one_at_a_time = load(options.handler), threading.Lock()

    def handle(event: dict[str, Any], context: object) -> Mapping[str, Any] | None:
        with one_at_a_time:
            return handler(event, context)

    poller = Poller(sqs, options.queue, handle)
    gather = Poller(sqs, options.gather, handle, GATHERED, GATHER_SECONDS)
    print(f"{LISTENING} {options.queue}", flush=True)
    beside = threading.Thread(target=gather.until, args=(stop,))
    beside.start()
    poller.until(stop)
    beside.join()


if __name__ == "__main__":
    main()
