"""An execution that is ready -> a DAG run: what the listener tells Airflow, through MWAA's front door.

A node whose DAG waits for its own asset (``rheo://app/node``) gets an event of that asset, with the
output partition as key: Airflow makes one run of it. A node without such an asset gets a run under a
run id that follows from the execution, so that saying it twice makes one run. Either way the run's
claim task decides; an execution may be announced again at any time.

The front door takes ten calls a second of an environment, whoever makes them. Each listener keeps to its
share, and makes no call for a while after one could not be taken, so that no state has to be shared.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple, Protocol

from rheo_runtime.records import Document, Execution, Member

MWAA = 10.0  # calls a second that an environment takes
LEAST = 1.0  # calls a second of one process, however many share; throttling does the rest
SHORTEST, LONGEST = 1.0, 30.0  # seconds that nothing is called after a fault, doubled each time


def share(processes: int) -> float:
    """Return the calls a second that each of so many processes may make.

    >>> share(4), share(1000)
    (2.5, 1.0)
    """
    return max(LEAST, MWAA / max(1, processes))


class Closed(Exception):
    """No call is made now; the message says for how long."""


class RateLimiter:
    """A token bucket that holds one second's calls, with a door that faults close for a while.

    Parameters
    ----------
    rate
        Calls a second; see `share`.
    clock, sleep
        Seconds that only go forward, and how to wait for some.

    >>> pace, now = RateLimiter(2, clock=lambda: 0.0, sleep=lambda s: print(f"waits {s} s")), 0.0
    >>> for _ in range(3):
    ...     pace.enter()
    waits 0.5 s
    """

    def __init__(
        self,
        rate: float = MWAA / 2,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.rate = rate
        self.sleep = sleep
        self._clock = clock
        self._left = max(1.0, rate)
        self._then = clock()
        self._closed_until = float("-inf")
        self._pause = 0.0
        self._lock = threading.Lock()

    def enter(self) -> None:
        """Wait for one's turn; raises Closed after a fault, until its time is over."""
        with self._lock:
            now = self._clock()
            if now < self._closed_until:
                raise Closed(f"nothing is asked of Airflow for {self._closed_until - now:.0f} s more")
            self._left = min(max(1.0, self.rate), self._left + (now - self._then) * self.rate) - 1
            self._then = now
            wait = max(0.0, -self._left / self.rate)
        if wait:
            self.sleep(wait)

    def went_well(self) -> None:
        """A call was taken: the next fault closes the door for a short time again."""
        self._pause = 0.0

    def went_wrong(self) -> None:
        """A call could not be taken: make none for a while, each time for twice as long."""
        with self._lock:
            self._pause = min(max(SHORTEST, 2 * self._pause), LONGEST)
            self._closed_until = self._clock() + self._pause


MAX_DAG_ID = 48
MAX_KEY = 250
_PENDING = "~pending"  # no id of a node has a ~
PUMP = "rheo~pump"  # the DAG of an application that announces many executions
FEW = 10  # executions of one node that are announced one by one: the pump announces what is beyond
# Executions of one pump: Airflow stores their events in one transaction, for which other events wait.
PUMPED = 112
WHOLE = "all"  # the key of an output without dimensions: Airflow takes no empty one
TOLD = ("version", "app", "node", "id", "partition", "generation")
PAGE, PAGES = 100, 20  # runs or assets in one answer: the most that Airflow gives; how many are read
ALL_PAGES = 1000
NOT_OVER = ("queued", "running")  # the states of such a run
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


def pumpable(document: Document) -> bool:
    """Say whether the key of an execution's partition is its text: by a key alone no other finds it."""
    return partition_key(document["partition"]) == str(document["partition"]) and not is_telling(
        document["node"]
    )


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
    yield from _retried(first)


def batch_run_id(*names: object) -> str:
    """Return the id of the run of a batch, from what makes it another one than all others.

    >>> batch_run_id("listener", 1)
    'rheo~batch~e384a5a7c5d0df7d'
    """
    return f"rheo~batch~{_digest(repr(names))}"


def pump_run_ids(documents: Sequence[Document]) -> Iterator[str]:
    """Return run ids of a pump: the same for the same executions, in whatever order they come.

    Each is for the case that the run before it has ended without telling all of them.

    >>> ids = pump_run_ids([{"id": "daily/2013-01-01#1"}, {"id": "daily/2013-01-02#1"}])
    >>> next(ids), next(ids)
    ('rheo~pump~9e046297cff0b500', 'rheo~pump~9e046297cff0b500~r1')
    """
    yield from _retried(f"rheo~pump~{_digest(chr(10).join(sorted(d['id'] for d in documents)))}")


def _retried(first: str) -> Iterator[str]:
    yield first
    yield from (f"{first}~r{number}" for number in count(1))


def _first(run: str) -> str:
    """The id of the first run of what a run is for."""
    return re.sub(r"~r\d+$", "", run)


def dag_id(app: str, node: str) -> str:
    """Return the id of a node's DAG: short enough for MWAA's REST paths, and never that of another node.

    >>> dag_id("flights", "flight_weather")
    'flights__flight_weather'
    >>> dag_id("flights", "flight_weather~pending")  # the DAG of its pending hooks
    'flights__flight_weather__pending'
    >>> dag_id("a", "b__c") == dag_id("a__b", "c")
    False
    >>> len(dag_id("flights", "a" * 60))
    48
    """
    full = f"{app}__{node.replace('~', '__')}"
    # Read from the left and from the right it parts at the same place: no other names make this text, and
    # no node's own id ends as the DAG of pending hooks does.
    parted = f"{app}__{node.partition('~')[0]}"
    unique = parted.find("__") == parted.rfind("__")
    if unique and len(full) <= MAX_DAG_ID:
        return full
    digest = _digest(full if unique else f"{app}/{node}")[:7]
    return f"{full[: MAX_DAG_ID - 8]}_{digest}"


def told_as(node: str) -> str:
    """Return the name under which the ledger keeps what the pending hooks of a node are told.

    >>> told_as("daily")
    'daily~pending'
    """
    return node.removesuffix(_PENDING) + _PENDING  # a DAG compiled before names its node like this


def is_telling(node: str) -> bool:
    """Say whether a name of the ledger is one of `told_as`, and not a node."""
    return node.endswith(_PENDING)


def asset_uri(app: str, node: str) -> str:
    """Return the URI of a node's trigger asset.

    >>> asset_uri("flights", "flight_weather")
    'rheo://flights/flight_weather'
    >>> asset_uri("flights", told_as("flight_weather"))
    'rheo://flights/flight_weather/pending'
    """
    return f"rheo://{app}/{node.replace('~', '/')}"


def dag_file(node: str) -> str:
    """Return the name of the file of a node's DAG, of the DAG of its pending hooks, or of the pump.

    >>> dag_file("daily"), dag_file(told_as("daily")), dag_file(PUMP)
    ('daily.py', 'daily__pending.py', 'rheo__pump.py')
    """
    return f"{node.replace('~', '__')}.py"


class UnderWay(NamedTuple):
    """Runs of a node that are not over, or that a pump will make: their keys and ids; or ``all`` that there have to be."""

    keys: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()
    all: bool = False

    def has(self, execution: Execution) -> bool:
        """Say whether an announced execution has one of these runs, which may just wait for its turn."""
        document = execution.document
        run = execution.run_id or next(run_ids(document))  # that of a batch is known
        return self.all or _first(run) in self.ids or partition_key(document["partition"]) in self.keys


NONE_UNDER_WAY, ALL_UNDER_WAY = UnderWay(), UnderWay(all=True)


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

    def __init__(self, client: Mwaa, environment: str, rate_limiter: RateLimiter | None = None) -> None:
        self.client = client
        self.environment = environment
        self.rate_limiter = rate_limiter
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

    def announce_batch(self, app: str, node: str, version: int, members: Iterable[Member], run: str) -> None:
        """Start the run of a batch, unless it is there: executions of one node. Raises Unavailable, Refused."""
        told = {"version": version, "node": node, "batch": [list(member) for member in members]}
        body = {"dag_run_id": run, "logical_date": None, "conf": {"rheo": told}}
        try:
            self._call("POST", f"/dags/{dag_id(app, node)}/dagRuns", body, fine=409)
        except _NotFound as fault:
            raise Unavailable(f"Airflow has no DAG of {node} yet: {fault}") from None

    def pump(self, documents: Sequence[Document]) -> bool:
        """Start one run that announces several executions of one node; False where this Airflow has no such DAG.

        Raises Unavailable, Refused.
        """
        app, node = documents[0]["app"], documents[0]["node"]
        told = {"version": documents[0]["version"], "node": node}
        told["keys"] = [document["partition"] for document in documents]
        try:
            self._create(app, PUMP, pump_run_ids(documents), told)
        except _NotFound:
            return False
        return True

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

    def under_way(self, app: str, node: str, told: int) -> UnderWay:
        """Return which executions of a node have a run that is not over, or will have one.

        ``told`` is of how many Airflow was told that are not over: where there are as many runs, all of them have one.
        So two calls tell it of a busy node. Raises Unavailable, Refused.
        """
        path = f"/dags/{dag_id(app, node)}/dagRuns"
        try:
            counts = (self._call("GET", path, query={"state": state, "limit": 1}) for state in NOT_OVER)
            left = told - sum(answer["total_entries"] for answer in counts)
            pumped = self._being_pumped(app, node) if left > 0 else set()
            if left <= len(pumped):
                return ALL_UNDER_WAY
            runs = list(self._not_over(path))
        except _NotFound:
            return NONE_UNDER_WAY
        # An older Airflow knows no keys; its runs have ids of ours.
        keys = {key for run in runs if (key := run.get("partition_key"))}
        return UnderWay(frozenset(keys | pumped), frozenset(_first(run["dag_run_id"]) for run in runs))

    def _being_pumped(self, app: str, node: str) -> set[str]:
        """The keys of a node that a pump has yet to tell."""
        try:
            runs = list(self._not_over(f"/dags/{dag_id(app, PUMP)}/dagRuns"))
        except _NotFound:  # this Airflow has none
            return set()
        told = [
            (run.get("conf") or {}).get("rheo", {}) for run in runs
        ]  # nothing, of one that somebody started
        return {partition_key(key) for each in told if each.get("node") == node for key in each["keys"]}

    def _not_over(self, path: str) -> Iterator[Mapping[str, Any]]:
        for state in NOT_OVER:
            yield from self._pages(path, "dag_runs", ALL_PAGES, state=state)

    def dags(self, app: str) -> dict[str, bool]:
        """Return the DAGs whose id begins as an application's do, and whether each is paused.

        Also those whose files are gone: Airflow keeps their switch for the next file; and those of applications
        whose name begins as this one's. Raises Unavailable, Refused.
        """
        begin = f"{app}__"[: MAX_DAG_ID - 8]
        pages = self._pages("/dags", "dags", ALL_PAGES, dag_id_pattern=begin, exclude_stale=False)
        return {dag["dag_id"]: bool(dag["is_paused"]) for dag in pages if dag["dag_id"].startswith(begin)}

    def set_paused(self, dag: str, *, paused: bool) -> bool:
        """Pause a DAG, or let it go on; return whether Airflow knows it. Raises Unavailable, Refused."""
        try:
            self._call("PATCH", f"/dags/{dag}", {"is_paused": paused})
        except _NotFound:
            return False
        return True

    def _announce(self, uri: str, document: Document) -> None:
        if uri not in self._assets:
            self._assets[uri] = self._find(uri)
        asset = self._assets[uri]
        told = {name: document[name] for name in TOLD}
        if asset is None:
            self._run(document, told)
            return
        event = {"asset_id": asset, "partition_key": partition_key(document["partition"]), "extra": told}
        self._call("POST", "/assets/events", event)

    def _run(self, document: Document, told: Document) -> None:
        """Create a run, unless it is there; another one when it is over, as nothing has come of it."""
        self._create(document["app"], document["node"], run_ids(document), told)

    def _create(self, app: str, node: str, ids: Iterator[str], told: Document) -> str:
        path = f"/dags/{dag_id(app, node)}/dagRuns"
        run = next(ids)
        body = {"dag_run_id": run, "logical_date": None, "conf": {"rheo": told}}
        if self._call("POST", path, body, fine=409) is not _THERE:
            return run
        pages = self._pages(path, "dag_runs", run_id_pattern=run)
        states = {found["dag_run_id"]: found["state"] for found in pages}
        while run in states:
            if states[run] not in ("failed", "success"):
                return run
            run = next(ids)
        self._call("POST", path, {**body, "dag_run_id": run}, fine=409)
        return run

    def _find(self, uri: str) -> int | None:
        # The pattern also finds URIs that contain this one.
        assets = self._pages("/assets", "assets", uri_pattern=uri)
        return next((int(asset["id"]) for asset in assets if asset["uri"] == uri), None)

    def _pages(self, path: str, name: str, pages: int = PAGES, **query: Any) -> Iterator[Mapping[str, Any]]:
        seen = 0
        for _ in range(pages):
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
                if self.rate_limiter:
                    self.rate_limiter.enter()
                answer = self.client.invoke_rest_api(Name=self.environment, Path=path, Method=method, **call)
            except Closed as fault:
                raise Down(str(fault)) from None
            except Exception as error:  # noqa: BLE001 - whatever a client raises, it is explained and raised
                wait = next(waits, None)
                if wait is None or self.rate_limiter is None or _code(error) not in _THROTTLED:
                    return self._explained(error, f"{method} {path}", fine)
                self.rate_limiter.sleep(wait)
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
        if self.rate_limiter:
            (self.rate_limiter.went_well if well else self.rate_limiter.went_wrong)()


def _code(error: Exception) -> str:
    answer = getattr(error, "response", None)
    return str(answer.get("Error", {}).get("Code", "")) if isinstance(answer, Mapping) else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
