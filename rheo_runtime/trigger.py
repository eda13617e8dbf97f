"""An execution that is ready -> a DAG run: what the listener tells Airflow, through MWAA's front door.

A node whose DAG waits for its own asset (``rheo://app/node``) gets an event of that asset, with the
output partition as key: Airflow makes one run of it. A node without such an asset gets a run under a
run id that follows from the execution, so that saying it twice makes one run. Either way the run's
claim task decides; an execution may be announced again at any time.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, Protocol

from rheo_runtime.pace import Closed, Pace
from rheo_runtime.records import Document

MAX_DAG_ID = 48
MAX_KEY = 250
_PENDING = "~pending"  # no id of a node has a ~
WHOLE = "all"  # the key of an output without dimensions: Airflow takes no empty one
_TOLD = ("version", "app", "node", "id", "partition", "generation")
PAGE, PAGES = 100, 20  # runs or assets in one answer: the most that Airflow gives; how many are read
_THROTTLED = frozenset({"ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"})
_RETRYABLE = _THROTTLED | {
    "InternalServerException", "ServiceUnavailableException", "RestApiServerException", "RequestTimeout",
    "RequestTimeoutException",
}  # fmt: skip
_WAITS = (0.5, 1.0)  # seconds before a throttled call is made again
_THERE = object()  # what a call returns when its status is the one that is fine too


class Mwaa(Protocol):
    """The one call of boto3's mwaa client that is used."""

    def invoke_rest_api(self, **call: Any) -> Mapping[str, Any]:
        """Call the environment's REST API; raises as boto3 does."""


class Unavailable(Exception):
    """Airflow cannot take it now (busy, down, or its DAG is not there yet): try again later."""


class Down(Unavailable):
    """Airflow takes nothing at all now: it is busy or down."""


class Refused(Exception):
    """Airflow will not take it, now or later; the message says why."""


class _NotFound(Exception):
    """Airflow does not know the asset or the DAG."""


def partition_key(partition: str) -> str:
    """Return the key of an output partition: its text, as long as Airflow takes it.

    >>> partition_key("EWR/2013-01-01"), partition_key("")
    ('EWR/2013-01-01', 'all')
    >>> len(partition_key("x" * 1000))
    250
    """
    if len(partition) <= MAX_KEY:
        return partition if partition.strip() else WHOLE
    return f"{partition[: MAX_KEY - 17]}~{_digest(partition)}"


def run_ids(document: Document) -> Iterator[str]:
    """Return run ids of an execution: readable, of the characters that Airflow takes, and its own.

    Each is for the case that the run before it has ended without claiming the execution.

    >>> ids = run_ids({"partition": "EWR/2013-01-01", "generation": 2})
    >>> next(ids), next(ids)
    ('rheo~EWR~2013-01-01~2', 'rheo~EWR~2013-01-01~2~r1')
    """
    partition = document["partition"]
    plain = re.sub(r"[^A-Za-z0-9_.:+-]", "~", partition)
    if plain != partition.replace("/", "~") or "~" in partition or len(plain) > 200:
        # Not injective any more: the digest makes it so.
        plain = f"{plain[:180]}~{_digest(partition)}"
    first = f"rheo~{plain}~{document['generation']}"
    yield first
    yield from (f"{first}~r{number}" for number in count(1))


def dag_id(app: str, node: str) -> str:
    """Return the id of a node's DAG: short enough for MWAA's REST paths, and never that of another node.

    >>> dag_id("flights", "flight_weather")
    'flights__flight_weather'
    >>> dag_id("flights", "flight_weather~pending")  # the DAG of its pending hooks
    'flights__flight_weather__pending'
    >>> len(dag_id("flights", "a" * 60))
    48
    """
    full = f"{app}__{node.replace('~', '__')}"
    return full if len(full) <= MAX_DAG_ID else f"{full[: MAX_DAG_ID - 8]}_{_digest(full)[:7]}"


def told_as(node: str) -> str:
    """Return the name under which the ledger keeps what the pending hooks of a node are told.

    >>> told_as("daily")
    'daily~pending'
    """
    return node + _PENDING


def is_telling(node: str) -> bool:
    """Say whether a name of the ledger is one of `told_as`, and not a node."""
    return node.endswith(_PENDING)


def asset_uri(app: str, node: str) -> str:
    """Return the URI of a node's trigger asset.

    >>> asset_uri("flights", "flight_weather")
    'rheo://flights/flight_weather'
    """
    return f"rheo://{app}/{node}"


class Announcer:
    """Tells one Airflow of executions.

    Parameters
    ----------
    client
        boto3's mwaa client, or another of its form.
    environment
        The MWAA environment's name.
    pace
        How often it may be called; any time when left out.
    """

    def __init__(self, client: Mwaa, environment: str, pace: Pace | None = None) -> None:
        self.client = client
        self.environment = environment
        self.pace = pace
        self._assets: dict[str, int | None] = {}  # None: the DAG has no trigger asset

    def announce(self, document: Document) -> None:
        """Start a run of an execution.

        Raises Unavailable when it should be tried again, Refused when that would not help.
        """
        uri = asset_uri(document["app"], document["node"])
        known = uri in self._assets
        try:
            self._announce(uri, document)
        except _NotFound as fault:
            # Asset ids differ between environments and change when a database is made anew.
            self._assets.pop(uri, None)
            if not known:
                raise Unavailable(f"Airflow has no DAG of {document['node']} yet: {fault}") from None
            self.announce(document)

    def state(self, app: str, node: str, run: str) -> str | None:
        """Return the state of a run of a node's DAG, "success" or "failed" when it is over; None when gone.

        For executions that stay claimed: somebody may have failed or deleted their run by hand. Raises
        Unavailable, Refused.
        """
        path = f"/dags/{dag_id(app, node)}/dagRuns"
        try:
            # The pattern also finds run ids that contain this one.
            for found in self._pages(path, "dag_runs", run_id_pattern=run):
                if found["dag_run_id"] == run:
                    return str(found["state"])
        except _NotFound as fault:
            raise Unavailable(f"Airflow has no DAG of {node}: {fault}") from None
        return None

    def _announce(self, uri: str, document: Document) -> None:
        if uri not in self._assets:
            self._assets[uri] = self._find(uri)
        asset = self._assets[uri]
        told = {name: document[name] for name in _TOLD}
        if asset is None:
            self._run(document, told)
            return
        event = {"asset_id": asset, "partition_key": partition_key(document["partition"]), "extra": told}
        self._call("POST", "/assets/events", event)

    def _run(self, document: Document, told: Document) -> None:
        """Create a run, unless it is there; another one when it is over, as nothing has come of it."""
        app, node = document["app"], document["node"]
        path, ids = f"/dags/{dag_id(app, node)}/dagRuns", run_ids(document)
        run = next(ids)
        body = {"dag_run_id": run, "logical_date": None, "conf": {"rheo": told}}
        if self._call("POST", path, body, fine=409) is not _THERE:
            return
        pages = self._pages(path, "dag_runs", run_id_pattern=run)
        states = {found["dag_run_id"]: found["state"] for found in pages}
        while run in states:
            if states[run] not in ("failed", "success"):
                return
            run = next(ids)
        self._call("POST", path, {**body, "dag_run_id": run}, fine=409)

    def _find(self, uri: str) -> int | None:
        # The pattern also finds URIs that contain this one.
        assets = self._pages("/assets", "assets", uri_pattern=uri)
        return next((int(asset["id"]) for asset in assets if asset["uri"] == uri), None)

    def _pages(self, path: str, name: str, **query: Any) -> Iterator[Mapping[str, Any]]:
        seen = 0
        for _ in range(PAGES):
            more = {"offset": seen} if seen else {}
            answer = self._call("GET", path, query={**query, "limit": PAGE, **more})
            yield from answer[name]
            seen += len(answer[name])
            if not answer[name] or seen >= answer.get("total_entries", 0):
                return
        raise Unavailable(f"GET {path}: more than {seen} answers to {query}")

    def _call(
        self, method: str, path: str, body: object = None, query: object = None, fine: int | None = None
    ) -> Any:
        """Make one call, again after a short while when it is throttled.

        Raises Down, Refused, _NotFound; returns _THERE for the status ``fine``.
        """
        parts = {"Body": body, "QueryParameters": query}
        call = {name: part for name, part in parts.items() if part is not None}
        waits = iter(_WAITS)
        while True:
            try:
                if self.pace:
                    self.pace.enter()
                answer = self.client.invoke_rest_api(Name=self.environment, Path=path, Method=method, **call)
            except Closed as fault:
                raise Down(str(fault)) from None
            except Exception as error:  # noqa: BLE001 - whatever a client raises, it is explained and raised
                wait = next(waits, None)
                if wait is None or self.pace is None or _code(error) not in _THROTTLED:
                    return self._explained(error, f"{method} {path}", fine)
                self.pace.sleep(wait)
            else:
                self._went(well=True)
                return answer.get("RestApiResponse")

    def _explained(self, error: Exception, what: str, fine: int | None) -> object:
        """Raise the error as what it means for the execution; nothing when it is the ``fine`` status."""
        answer = getattr(error, "response", None)
        if not isinstance(answer, Mapping):  # no answer at all: the connection, or its time limit
            self._went(well=False)
            raise Down(f"{what}: {error}") from error
        code = _code(error)
        status = answer.get("RestApiStatusCode") or answer.get("ResponseMetadata", {}).get(
            "HTTPStatusCode", 0
        )
        said = f"{what}: {code} {status}: {answer.get('RestApiResponse') or error}"
        if code in _RETRYABLE or status == 429 or status >= 500:
            self._went(well=False)
            raise Down(said) from error
        self._went(well=True)  # it works: what it says is about this call
        if fine is not None and status == fine:
            return _THERE
        if code == "RestApiClientException" and status == 404:
            raise _NotFound(said) from error
        raise Refused(said) from error

    def _went(self, *, well: bool) -> None:
        if self.pace:
            (self.pace.went_well if well else self.pace.went_wrong)()


def _code(error: Exception) -> str:
    answer = getattr(error, "response", None)
    return str(answer.get("Error", {}).get("Code", "")) if isinstance(answer, Mapping) else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
