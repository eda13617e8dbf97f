"""A deployed application: how each of its parts is reached, on whichever platform."""

from __future__ import annotations

import json
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from codegen.graph_json import load_graph
from rheo_runtime.airflow_client import Announcer
from rheo_runtime.answers import is_absent, is_refusal
from rheo_runtime.dynamodb import DynamoLedger
from rheo_runtime.engine import Engine
from rheo_runtime.storage import AwsStorage
from rheo_runtime.wire import RouteTable
from rheodsl import ir
from rheodsl.errors import StateError

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

# Where the files of the active compile lie in the application's bucket, each by its path.
ACTIVE = "rheo/"


class Snapshot(DynamoLedger):
    """What a ledger held when this was made; it is only read.

    What waits for a node is found from all arrivals of all its inputs. Asked of the table, each input
    costs a scan of everything.
    """

    def __init__(self, table: str, client: DynamoDBClient) -> None:
        super().__init__(table, client)
        self._items: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
            for item in page["Items"]:
                self._items[item["pk"]["S"]].append(item)
        self._keys = sorted(self._items)

    def _get(self, key: Mapping[str, Any], *, now: bool = True) -> Mapping[str, Any] | None:
        return next((item for item in self._items.get(key["pk"]["S"], ()) if item["sk"] == key["sk"]), None)

    def _get_many(self, keys: Sequence[dict[str, Any]], *, now: bool = True) -> Iterator[Mapping[str, Any]]:
        return (item for key in keys if (item := self._get(key)) is not None)

    def _query(self, pk: str, *, now: bool = True) -> Iterator[Mapping[str, Any]]:
        return iter(sorted(self._items.get(pk, ()), key=lambda item: str(item["sk"]["S"])))

    def _todo_keys(self, kind: str) -> list[dict[str, Any]]:
        return [
            {"pk": item["pk"], "sk": item["sk"]}
            for pk in self._keys
            for item in self._items[pk]
            if item.get("todo", {"S": ""})["S"].startswith(kind)
        ]

    def _scan(self, *prefixes: str) -> Iterator[Mapping[str, Any]]:
        for prefix in prefixes:
            for pk in islice(self._keys, bisect_left(self._keys, prefix), None):
                if not pk.startswith(prefix):
                    break
                yield from self._items[pk]


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

    def graph(self) -> ir.Graph | None:
        """Return the active graph; None when nothing is active. Raises as boto3 does when AWS cannot tell."""
        try:
            return load_graph(self.file("graph.json"))
        except ClientError as fault:
            if is_absent(fault):
                return None
            raise

    @cached_property
    def ledger(self) -> DynamoLedger:
        """The application's ledger."""
        return DynamoLedger(self.table, self.session.client("dynamodb"))

    def snapshot(self) -> Snapshot:
        """Return what the ledger holds now."""
        return Snapshot(self.table, self.session.client("dynamodb"))

    @cached_property
    def routes(self) -> RouteTable:
        """The active route table. Raises StateError when it is another application's."""
        table = RouteTable.loads(self.file("routes.json"))
        if table.app != self.app:  # several names may have one bucket
            raise StateError(f"{self.bucket} belongs to the application {table.app}, not to {self.app}")
        return table

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


class Remote:
    """Another application, in whichever account, of which this one reads what is active.

    Parameters
    ----------
    s3
        A client of the region where it lives.
    bucket
        Its bucket.
    """

    def __init__(self, s3: Any, bucket: str) -> None:
        self.s3 = s3
        self.bucket = bucket

    def graph(self) -> ir.Graph | None:
        """Return what is active there; None when nothing is, or it may not be read. Raises as boto3 does."""
        try:
            body = self.s3.get_object(Bucket=self.bucket, Key=f"{ACTIVE}graph.json")["Body"]
        except ClientError as fault:
            # A bucket that does not know the reader says 403, whether there is something or not.
            if is_absent(fault) or is_refusal(fault):
                return None
            raise
        return load_graph(body.read().decode())
