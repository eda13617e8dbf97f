"""An application that is deployed -> how each of its parts is reached, on whichever platform."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3

from rheo_runtime.dynamo import DynamoLedger
from rheo_runtime.engine import Engine
from rheo_runtime.storage import AwsStorage
from rheo_runtime.trigger import Announcer
from rheo_runtime.wire import RouteTable

# Where the files of the active compile lie in the application's bucket, each by its path.
ACTIVE = "rheo/"


@dataclass(frozen=True)
class Deployment:
    """One deployed application.

    Parameters
    ----------
    app
        Its name.
    session
        Makes clients that reach the account where it lives.
    bucket, table
        Names of its bucket and of its ledger's table.
    queue, dead_letters
        Addresses (URLs) of the listener's queues.
    environment
        The name of the MWAA environment.
    event_bus
        The bus on which its signals are announced.
    task_logs
        The folder of Airflow's task logs; None where they are in CloudWatch Logs.
    listener_log
        The file of the listener's log; None where it is in CloudWatch Logs.
    """

    app: str
    session: boto3.Session
    bucket: str
    table: str
    queue: str
    dead_letters: str
    environment: str
    event_bus: str = "default"
    task_logs: Path | None = None
    listener_log: Path | None = None

    def file(self, path: str) -> str:
        """Return the text of a file of the active compile, such as ``graph.json``."""
        body = self.session.client("s3").get_object(Bucket=self.bucket, Key=ACTIVE + path)["Body"]
        return body.read().decode()

    @cached_property
    def ledger(self) -> DynamoLedger:
        """The application's ledger."""
        return DynamoLedger(self.table, self.session.client("dynamodb"))

    @cached_property
    def routes(self) -> RouteTable:
        """The active route table."""
        return RouteTable.loads(self.file("routes.json"))

    @cached_property
    def stack(self) -> dict[str, Any]:
        """The active ``stack.json``: names of DAGs, jobs, buckets."""
        found: dict[str, Any] = json.loads(self.file("stack.json"))
        return found

    @cached_property
    def airflow(self) -> Announcer:
        """The door to the application's Airflow."""
        return Announcer(self.session.client("mwaa"), self.environment)

    @cached_property
    def storage(self) -> AwsStorage:
        """Where the data is."""
        return AwsStorage(self.session.client("s3"), self.session.client("glue"))

    def engine(self) -> Engine:
        """Return an engine over the ledger: what the listener has, in this process."""
        return Engine(self.routes, self.ledger, time.time, self.storage)
