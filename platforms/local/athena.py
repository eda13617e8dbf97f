"""Athena's HTTP protocol -> queries that DuckDB runs over the same partitions; all else goes on to moto."""

from __future__ import annotations

import json
import queue
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platforms.local.athena_query import QueryFault, unload
from platforms.local.http import HttpReply, HttpRequest

Json = dict[str, Any]
JSON = {"Content-Type": "application/x-amz-json-1.1"}
ACTIVE = ("QUEUED", "RUNNING")


@dataclass(slots=True)
class Query:
    """One execution: what Athena says about it."""

    id: str
    token: str
    text: str
    output: str
    context: Json
    workgroup: str
    state: str = "QUEUED"
    reason: str | None = None
    asked: float = field(default_factory=time.time)
    done: float | None = None

    def describe(self) -> Json:
        """The ``QueryExecution`` of Athena's model."""
        status: Json = {"State": self.state, "SubmissionDateTime": self.asked}
        if self.reason is not None:
            status |= {
                "StateChangeReason": self.reason,
                "AthenaError": {"ErrorCategory": 2, "ErrorMessage": self.reason},
            }
        if self.done is not None:
            status["CompletionDateTime"] = self.done
        return {
            "QueryExecutionId": self.id,
            "Query": self.text,
            "StatementType": "DML",
            "ResultConfiguration": {"OutputLocation": f"{self.output.rstrip('/')}/{self.id}"},
            "QueryExecutionContext": self.context,
            "Status": status,
            "WorkGroup": self.workgroup,
        }


class Athena:
    """The service: one query after another.

    Parameters
    ----------
    folder
        The files of the current query.
    s3, glue
        Clients: the data, and the catalog.
    """

    def __init__(self, folder: Path, s3: Any, glue: Any) -> None:
        self.folder, self.s3, self.glue = folder, s3, glue
        self._queries: dict[str, Query] = {}
        self._lock = threading.Lock()
        self._waiting: queue.SimpleQueue[Query] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._calls = {
            "StartQueryExecution": self._start,
            "GetQueryExecution": lambda call: {"QueryExecution": self._query(call).describe()},
            "StopQueryExecution": self._stop,
        }

    def answer(self, request: HttpRequest) -> HttpReply | None:
        """Answer a call about queries, None for any other."""
        service, _, action = request.headers.get("x-amz-target", "").partition(".")
        if service != "AmazonAthena" or action not in self._calls:
            return None
        try:
            content = self._calls[action](json.loads(request.body or b"{}"))
        except KeyError as missing:
            message = {
                "__type": "InvalidRequestException",
                "Message": f"QueryExecution {missing} was not found",
            }
            return HttpReply.of(400, message, JSON)
        return HttpReply.of(200, content, JSON)

    def _start(self, call: Json) -> Json:
        with self._lock:
            token = call.get("ClientRequestToken") or uuid.uuid4().hex
            for query in self._queries.values():
                if query.token == token:
                    return {"QueryExecutionId": query.id}
            query = Query(
                id=str(uuid.uuid4()),
                token=token,
                text=call["QueryString"],
                output=call.get("ResultConfiguration", {}).get("OutputLocation", ""),
                context=call.get("QueryExecutionContext", {}),
                workgroup=call.get("WorkGroup", "primary"),
            )
            self._queries[query.id] = query
            if self._thread is None:  # an application without queries needs none
                self._thread = threading.Thread(target=self._work, name="athena", daemon=True)
                self._thread.start()
        self._waiting.put(query)
        return {"QueryExecutionId": query.id}

    def _query(self, call: Json) -> Query:
        return self._queries[call["QueryExecutionId"]]

    def _stop(self, call: Json) -> Json:
        query = self._query(call)
        if query.state in ACTIVE:  # one that runs goes on to its end, and its result is of no interest
            query.state, query.done = "CANCELLED", time.time()
        return {}

    def _work(self) -> None:
        while True:
            query = self._waiting.get()
            if query.state != "QUEUED":
                continue
            query.state = "RUNNING"
            reason: str | None = None
            try:
                unload(query.text, query.id, self.folder / query.id, self.s3, self.glue)
            except QueryFault as fault:
                reason = str(fault)
            except Exception as fault:  # noqa: BLE001 - a query always ends, and says why
                reason = f"{type(fault).__name__}: {fault}"
            if query.state == "RUNNING":
                query.reason, query.state = reason, "FAILED" if reason else "SUCCEEDED"
                query.done = time.time()
