"""The Airflow of all tests that start no real one: its REST API behind MWAA's door, and what may go wrong with it.

It answers as Airflow 3.3 does, from which its statuses, error bodies and pages are; `Airflow` says which knobs turn it.
Its runs do nothing by themselves: `support.runs` carries out their tasks.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from rheo_runtime.airflow_client import PUMP, asset_uri, dag_id
from rheo_runtime.records import Document

Told = Mapping[str, Any]
QUEUED, RUNNING, SUCCESS, FAILED = "queued", "running", "success", "failed"
CLAIM, COMPUTE, PUBLISH, SIGNAL = range(4)  # the stages of a run
LONGEST_PATH = 64  # MWAA takes no longer one
PAGE, LONGEST_PAGE = 50, 100  # entries in one answer: when nobody says how many, and at the most


def fault(code: str, status: int, detail: object = "why") -> ClientError:
    """What boto3 raises: MWAA's own refusal, or with a code ``RestApi...`` that of Airflow behind it."""
    answer: Any = {
        "Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status},
    }  # fmt: skip
    if code.startswith("RestApi"):
        answer["ResponseMetadata"] = {"HTTPStatusCode": 400}
        answer |= {"RestApiStatusCode": status, "RestApiResponse": {"detail": detail}}
    return ClientError(answer, "InvokeRestApi")


def refusal(status: int, detail: object = "why") -> ClientError:
    """What boto3 raises when Airflow answers with this status."""
    return fault("RestApiServerException" if status >= 500 else "RestApiClientException", status, detail)


def no_answer() -> ReadTimeoutError:
    """What boto3 raises when nobody answers in time."""
    return ReadTimeoutError(endpoint_url="https://airflow")


@dataclass
class Run:
    """A DAG run; ``told`` are what its events or its configuration say, the latest first."""

    dag: str
    id: str
    told: list[Told] = field(default_factory=list)
    key: str = ""
    state: str = QUEUED
    # How far its tasks are, and with what (`support.runs`).
    stage: int = CLAIM
    claimed: Document | None = None
    # Of a batch: what the run works on, and what of it is computed; ``claimed`` is then the one at work.
    batch: list[Document] = field(default_factory=list)
    computed: set[str] = field(default_factory=set)


class Airflow:
    """An Airflow that has parsed the DAGs of an application, behind MWAA's client.

    Parameters
    ----------
    app, nodes
        The application, and the nodes of it that have DAGs.
    assets
        Whether their DAGs wait for assets of their own, as they do from Airflow 3.2 on.

    Attributes
    ----------
    paused
        The DAGs that it knows, and whether each is paused.
    assets
        The trigger assets that it knows, by URI, and the id of each.
    tasks
        The task instances of a run, by its id.
    calls
        What it was asked, as boto3 was.
    parsed
        Whether it has read the DAG files: it knows no DAG and no asset until then.
    modern
        Whether runs can be ended by a body that names them: Airflow 3.0 cannot.
    down
        What every call raises meanwhile.
    refuses
        What a call raises, if anything.
    faults
        What the next calls raise, one each, by method and path, such as ``POST /assets/events``; under "" any call.
    fails
        Whether the compute of an execution fails.
    """

    def __init__(self, app: str = "app", *nodes: str, assets: bool = True) -> None:
        self.app = app
        self.paused: dict[str, bool] = {}
        self.assets: dict[str, int] = {}
        self.runs: list[Run] = []
        self.tasks: dict[str, list[Mapping[str, Any]]] = {}
        self.calls: list[Mapping[str, Any]] = []
        self.parsed = self.modern = True
        self.down: Exception | None = None
        self.refuses: Callable[[Mapping[str, Any]], Exception | None] = lambda _: None
        self.faults: defaultdict[str, list[Exception]] = defaultdict(list)
        self.fails: Callable[[Document], bool] = lambda _: False
        self.at_work: set[str] = set()  # runs whose tasks have a process
        self._dags: dict[str, str] = {}  # of each asset, by its URI
        self._numbers = itertools.count(1)
        self._ids = itertools.count(1)
        self.parse(app, *nodes, assets=assets)

    def parse(self, app: str, *nodes: str, assets: bool = True) -> None:
        """Read the DAG files of an application: where DAGs have assets, it has a pump too."""
        for node in (*nodes, PUMP) if assets and nodes else nodes:
            self.paused.setdefault(dag_id(app, node), False)
        for node in nodes if assets else ():
            self._dags[uri := asset_uri(app, node)] = dag_id(app, node)
            self.assets.setdefault(uri, next(self._ids))

    def pause(self, paused: bool = True) -> None:
        """Pause all DAGs, or let them go on."""
        self.paused = dict.fromkeys(self.paused, paused)

    def forget(self) -> None:
        """Lose the database, and parse all files again: ids of assets are others now."""
        self.assets = {uri: next(self._ids) for uri in self.assets}

    def ready(self) -> list[Run]:
        """The runs that a scheduler would go on with."""
        going = [run for run in self.runs if run.state in (QUEUED, RUNNING)]
        return [] if self.down else [r for r in going if r.state == RUNNING or not self.paused.get(r.dag)]

    def event(self, uri: str, key: str, told: Told) -> None:
        """An event of an asset comes: a run is made, unless one waits for the key. A paused DAG hears nothing."""
        if self.paused[dag := self._dags[uri]]:
            return
        waiting = [r for r in self.runs if (r.dag, r.key, r.state) == (dag, key, QUEUED) and r.stage == CLAIM]
        if waiting and self.joins():
            waiting[0].told.insert(0, told)
        else:
            number = next(self._numbers)
            run = f"asset_triggered__2026-01-01T00:00:00.000000+00:00_{number}"
            self.runs.append(Run(dag, run, [told], key))

    def joins(self) -> bool:
        """Whether an event is in time for the run that waits for its key: the scheduler has not made it yet."""
        return True

    # --- its REST API ------------------------------------------------------------------------------

    def invoke_rest_api(self, **call: Any) -> Mapping[str, Any]:
        """Answer as boto3's client does."""
        method, path = call["Method"], call["Path"]
        assert len(path) <= LONGEST_PATH, f"MWAA takes no path of {len(path)} characters: {path}"
        self.calls.append(call)
        if (error := self.down or self.refuses(call)) is not None:
            raise error
        if faults := self.faults[f"{method} {path}"] or self.faults[""]:
            raise faults.pop(0)
        answer = self._answer(method, path, call.get("Body") or {}, call.get("QueryParameters") or {})
        return {"RestApiStatusCode": 200, "RestApiResponse": answer}

    def _answer(
        self, method: str, path: str, body: Mapping[str, Any], query: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        match method, path.strip("/").split("/"):
            case "GET", ["dags"]:
                known = sorted(self.paused.items()) if self.parsed else []
                dags = [{"dag_id": dag, "is_paused": paused} for dag, paused in known]
                return _page("dags", dags, query, "dag_id_pattern", "dag_id")
            case "PATCH", ["dags", dag]:
                self._know(dag, f"Dag with id: {dag} was not found")
                self.paused[dag] = body["is_paused"]
                return {"dag_id": dag, "is_paused": body["is_paused"]}
            case "GET", ["assets"]:
                assets = [{"id": id, "uri": uri} for uri, id in self.assets.items() if self.parsed]
                return _page("assets", assets, query, "uri_pattern", "uri")
            case "POST", ["assets", "events"]:
                return self._take_event(body)
            case "GET", ["dags", dag, "dagRuns"]:
                self._know(dag, f"The Dag with ID: `{dag}` was not found")
                runs = [
                    {
                        "dag_run_id": run.id,
                        "state": run.state,
                        "partition_key": run.key or None,
                        "conf": {"rheo": run.told[0]} if run.told and not run.key else {},
                    }
                    for run in self.runs
                    if run.dag == dag and query.get("state", run.state) == run.state
                ]
                return _page("dag_runs", runs, query, "run_id_pattern", "dag_run_id")
            case "POST", ["dags", dag, "dagRuns"]:
                self._know(dag, f"Dag with dag_id: '{dag}' not found")
                return self._start(dag, body)
            case "PATCH", ["dags", dag, "dagRuns"]:
                if not self.modern:
                    raise refusal(405, "Method Not Allowed")
                done = [f"{dag}.{run}" for action in body["actions"] for run in self._update(dag, action)]
                return {"update": {"success": done, "errors": []}}
            case "PATCH", ["dags", dag, "dagRuns", id]:
                if (run := self.run(dag, id)) is None:
                    raise refusal(404, f"The DagRun with dag_id: `{dag}` and run_id: `{id}` was not found")
                run.state = body["state"]
                return {"dag_run_id": id, "state": run.state}
            case "POST", ["dags", "~", "dagRuns", "~", "taskInstances", "list"]:
                tasks = [task for run in body["dag_run_ids"] for task in self.tasks.get(run, ())]
                return _page("task_instances", tasks, {"limit": body["page_limit"]})
        raise refusal(404, "Not Found")

    def run(self, dag: str, id: str) -> Run | None:
        """The run of a DAG by its id."""
        return next((run for run in self.runs if (run.dag, run.id) == (dag, id)), None)

    def _know(self, dag: str, detail: str) -> None:
        if not self.parsed or dag not in self.paused:
            raise refusal(404, detail)

    def _take_event(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        asset = body["asset_id"]
        uri = next((uri for uri, id in self.assets.items() if id == asset and self.parsed), None)
        if uri is None:
            raise refusal(404, f"Asset with ID: `{asset}` was not found")
        self.event(uri, body["partition_key"], body["extra"])
        return {"asset_id": asset, "uri": uri, "extra": body["extra"]}

    def _start(self, dag: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        if "logical_date" not in body:
            missing = {"type": "missing", "loc": ["body", "logical_date"], "msg": "Field required"}
            raise refusal(422, [missing])
        if self.run(dag, body["dag_run_id"]) is not None:
            hidden = {"statement": "hidden", "orig_error": "hidden"}
            raise refusal(409, {"reason": "Unique constraint violation", **hidden})
        self.runs.append(Run(dag, body["dag_run_id"], [body["conf"]["rheo"]]))
        return {"dag_id": dag, "dag_run_id": body["dag_run_id"], "state": QUEUED}

    def _update(self, dag: str, action: Mapping[str, Any]) -> list[str]:
        """Change runs that a body names; those that are not there are left out, if it says so."""
        named = {entity["dag_run_id"]: entity["state"] for entity in action["entities"]}
        there = [run for run in self.runs if run.dag == dag and run.id in named]
        assert action["action_on_non_existence"] == "skip", "nothing asks for the other answers"
        for run in there:
            run.state = named[run.id]
        return [run.id for run in there]


def _page(
    name: str, found: Sequence[Mapping[str, Any]], query: Mapping[str, Any], pattern: str = "", of: str = ""
) -> Mapping[str, Any]:
    """One page of what was found, of which ``of`` contains what the query has as its ``pattern``."""
    named = [each for each in found if query.get(pattern, "") in each[of]] if pattern else found
    at, limit = query.get("offset", 0), min(query.get("limit", PAGE), LONGEST_PAGE)
    return {name: named[at : at + limit], "total_entries": len(named)}
