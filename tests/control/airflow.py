"""An Airflow in this process, behind the one call of MWAA's client: its runs claim, compute and publish."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from rheo_runtime import executions
from rheo_runtime.ledger import Ledger
from rheo_runtime.records import Document
from rheo_runtime.trigger import asset_uri, dag_id

LONGEST_PATH = 64
QUEUED, RUNNING, SUCCESS, FAILED = "queued", "running", "success", "failed"


@dataclass
class DagRun:
    """One run; ``told`` is what its event or its configuration says."""

    id: str
    node: str
    told: Mapping[str, Any]
    state: str = QUEUED
    document: Document | None = None
    left: int = 0


class FakeAirflow:
    """Runs of one application.

    A run that `step` starts claims its execution; ``slow`` steps later it writes and publishes, or fails.

    Parameters
    ----------
    publish
        Is called with each document whose output is written, before the execution succeeds, and after it.
    fails
        Says of a document whether its compute fails.
    modern
        Whether runs can be ended by a body that names them, as Airflow 3.3 has it.
    """

    def __init__(
        self,
        app: str,
        nodes: list[str],
        ledger: Ledger,
        now: Callable[[], float],
        write: Callable[[Document], None],
        emit: Callable[[Document], None],
    ) -> None:
        self.app = app
        self.ledger = ledger
        self.now = now
        self.write = write
        self.emit = emit
        self.assets = {node: number for number, node in enumerate(nodes, 1)}
        self.dags = {dag_id(app, node): node for node in nodes}
        self.runs: dict[str, DagRun] = {}
        self.fails: Callable[[Document], bool] = lambda _: False
        self.slow = 1
        self.modern = True
        self.down = False
        self.calls: list[str] = []
        self.most: dict[str, int] = {}  # runs of a node that were at work at once
        self.began: list[str] = []  # executions, as their runs began to compute
        self._numbers = itertools.count(1)

    # --- its REST API --------------------------------------------------------------------------

    def invoke_rest_api(self, **call: Any) -> Mapping[str, Any]:
        """MWAA's one call."""
        method, path, body = call["Method"], call["Path"], call.get("Body")
        self.calls.append(f"{method} {path}")
        assert len(path) <= LONGEST_PATH, path
        if self.down:
            raise _fault(503)
        return {"RestApiStatusCode": 200, "RestApiResponse": self._answer(method, path, body, call)}

    def _answer(self, method: str, path: str, body: Any, call: Mapping[str, Any]) -> Any:
        match method, path.strip("/").split("/"):
            case "GET", ["assets"]:
                wanted = call["QueryParameters"]["uri_pattern"]
                found = [{"id": i, "uri": asset_uri(self.app, n)} for n, i in self.assets.items()]
                return {"assets": [asset for asset in found if wanted in asset["uri"]]}
            case "POST", ["assets", "events"]:
                node = {number: node for node, number in self.assets.items()}[body["asset_id"]]
                run = f"asset_triggered__2026-01-01T00:00:00.000000+00:00_{next(self._numbers)}"
                self.runs[run] = DagRun(run, node, body["extra"])
                return {}
            case "POST", ["dags", dag, "dagRuns"]:
                if body["dag_run_id"] in self.runs:
                    raise _fault(409)
                self.runs[body["dag_run_id"]] = DagRun(
                    body["dag_run_id"], self.dags[dag], body["conf"]["rheo"]
                )
                return {}
            case "GET", ["dags", dag, "dagRuns"]:
                mine = [run for run in self.runs.values() if run.node == self.dags[dag]]
                return {"dag_runs": [{"dag_run_id": run.id, "state": run.state} for run in mine]}
            case "PATCH", ["dags", dag, "dagRuns"] if self.modern:
                (action,) = body["actions"]
                (entity,) = action["entities"]
                known = self.runs.get(entity["dag_run_id"])
                if known is not None and known.node == self.dags[dag]:
                    self._set(known, entity["state"])
                    return {"update": {"success": [f"{dag}.{known.id}"], "errors": []}}
                assert action["action_on_non_existence"] == "skip"
                return {"update": {"success": [], "errors": []}}
            case "PATCH", ["dags", _, "dagRuns", run] if run in self.runs:
                self._set(self.runs[run], body["state"])
                return {}
            case "PATCH", ["dags", _, "dagRuns"]:
                raise _fault(405)
        raise _fault(404)

    def _set(self, run: DagRun, state: str) -> None:
        assert state == FAILED
        run.state = FAILED

    # --- its scheduler and workers -------------------------------------------------------------

    def step(self) -> None:
        """Let every run go on by one step."""
        for run in list(self.runs.values()):
            if run.state == RUNNING:
                run.left -= 1
                if run.left <= 0:
                    self._finish(run)
        for run in list(self.runs.values()):
            if run.state == QUEUED:
                self._claim(run)
        for node in self.assets:
            at_work = sum(run.state == RUNNING and run.node == node for run in self.runs.values())
            self.most = {**self.most, node: max(self.most.get(node, 0), at_work)}

    def settle(self) -> None:
        """Let everything that is under way come to its end."""
        while any(run.state in (QUEUED, RUNNING) for run in self.runs.values()):
            self.step()

    def _claim(self, run: DagRun) -> None:
        partition, execution = run.told["partition"], run.told["id"]
        run.document = executions.claim(self.ledger, run.node, partition, execution, run.id, self.now())
        if run.document is None:
            run.state = SUCCESS  # everything is skipped
            return
        run.state, run.left = RUNNING, self.slow
        self.began.append(run.document["id"])

    def _finish(self, run: DagRun) -> None:
        document = run.document
        assert document is not None
        where = (self.ledger, run.node, document["partition"], document["id"], run.id, self.now())
        if self.fails(document):
            run.state = FAILED
            released = executions.fail(*where, note="compute failed")
        else:
            self.write(document)
            released = executions.succeed(*where)
            run.state = SUCCESS
            self.emit(document)
            executions.signalled(self.ledger, run.node, document["partition"], document["id"])
        if released is not None:  # as the sweep does, that finds it READY
            self.invoke_rest_api(
                Method="POST",
                Path="/assets/events",
                Body={
                    "asset_id": self.assets[run.node],
                    "extra": {k: released[k] for k in ("partition", "id")},
                },
            )


def _fault(status: int) -> ClientError:
    kind = "RestApiServerException" if status >= 500 else "RestApiClientException"
    answer: Any = {
        "Error": {"Code": kind}, "RestApiStatusCode": status, "RestApiResponse": {"detail": f"status {status}"},
    }  # fmt: skip
    return ClientError(answer, "InvokeRestApi")
