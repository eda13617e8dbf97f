"""An Airflow behind MWAA's front door, as far as executions go: assets, events, runs, and what goes wrong.

It is harsher than the real one: events of a paused DAG are lost, a call may time out after it was done,
ids of assets change, and a run may die before its first task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from rheo_runtime import executions
from rheo_runtime.ledger import Ledger
from rheo_runtime.records import SUCCEEDED, Document

Told = Mapping[str, Any]
CLAIM, COMPUTE, PUBLISH, SIGNAL = range(4)


def fault(code: str, status: int) -> ClientError:
    http = {"RestApiStatusCode": status} if code.startswith("RestApi") else {}
    error: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}, **http}
    return ClientError(error, "InvokeRestApi")


@dataclass
class Run:
    """A DAG run; ``told`` are the executions that its events or its configuration name, the latest first."""

    dag: str
    id: str
    key: str
    told: list[Told]
    state: str = "queued"
    stage: int = CLAIM
    claimed: Document | None = None


@dataclass
class Airflow:
    """All DAGs of one application. ``assets`` says whether they wait for their own assets (Airflow >= 3.2).

    ``fates`` decides what becomes of each call; ``step`` is called before and after it.
    """

    assets: bool = True
    step: Callable[[], None] = lambda: None
    fates: Iterator[int] = field(default_factory=lambda: iter(()))
    up: bool = True
    parsed: bool = True
    paused: bool = False
    era: int = 0  # how often the database was made anew: ids of assets differ
    runs: list[Run] = field(default_factory=list)
    _number: int = 0

    def invoke_rest_api(self, **call: Any) -> Mapping[str, Any]:
        """Answer as boto3's client does."""
        self.step()
        fate = next(self.fates, 0) % 12
        if not self.up or fate == 8:
            raise ReadTimeoutError(endpoint_url="https://airflow")
        if fate == 9:
            raise fault("ThrottlingException", 429)
        if fate == 10:
            raise fault("RestApiServerException", 503)
        answer = self._answer(call["Method"], call["Path"], call.get("Body"), call.get("QueryParameters"))
        self.step()
        if fate == 11:
            raise ReadTimeoutError(endpoint_url="https://airflow")
        return {"RestApiStatusCode": 200, "RestApiResponse": answer}

    def _answer(self, method: str, path: str, body: Any, query: Any) -> Mapping[str, Any]:
        match method, path.strip("/").split("/"):
            case "GET", ["assets"]:
                uri = query["uri_pattern"]
                found = [{"id": self._asset(uri), "uri": uri}] if self.assets and self.parsed else []
                return {"assets": found, "total_entries": len(found)}
            case "POST", ["assets", "events"]:
                if not self.parsed or body["asset_id"] != self._asset(f"rheo://app/{body['extra']['node']}"):
                    raise fault("RestApiClientException", 404)
                self._event(body["extra"]["node"], body["partition_key"], body["extra"])
            case "POST", ["dags", dag, "dagRuns"]:
                if not self.parsed:
                    raise fault("RestApiClientException", 404)
                if any(run.id == body["dag_run_id"] for run in self.runs):
                    raise fault("RestApiClientException", 409)
                self.runs.append(Run(dag, body["dag_run_id"], "", [body["conf"]["rheo"]]))
            case "GET", ["dags", _, "dagRuns"]:
                named = [r for r in self.runs if query["run_id_pattern"] in r.id]
                page = named[query.get("offset", 0) :][: query["limit"]]
                runs = [{"dag_run_id": r.id, "state": r.state} for r in page]
                return {"dag_runs": runs, "total_entries": len(named)}
        return {}

    def _asset(self, uri: str) -> int:
        return self.era * 1000 + sum(uri.encode()) % 1000

    def _event(self, node: str, key: str, told: Told) -> None:
        if self.paused:
            return  # nobody waits for the asset now
        waiting = [r for r in self.runs if (r.dag, r.key, r.state) == (node, key, "queued") and not r.stage]
        if waiting and next(self.fates, 0) % 2 == 0:  # else the scheduler has made its run already
            waiting[0].told.insert(0, told)
        else:
            self._number += 1
            self.runs.append(Run(node, f"asset~{node}~{self._number}", key, [told]))

    # --- what the runs do --------------------------------------------------------------------------

    def ready(self) -> list[Run]:
        """The runs that a scheduler would go on with."""
        going = [run for run in self.runs if run.state in ("queued", "running")]
        return [run for run in going if run.state == "running" or not self.paused] if self.up else []

    def carry_out(
        self,
        run: Run,
        ledger: Ledger,
        now: Callable[[], float],
        compute: Callable[[Run], None],
        emit: Callable[[Document], None],
        until: int = SIGNAL,
    ) -> None:
        """Run the tasks that are left, up to ``until``; each may crash, and is then done again from its start."""
        run.state = "running"
        if run.stage == CLAIM:
            for told in run.told:
                run.claimed = executions.claim(
                    ledger, told["node"], told["partition"], told["id"], run.id, now()
                )
                if run.claimed is not None:
                    break
            else:
                run.state = "success"  # everything after the claim is skipped
                return
            self.step()
            run.stage = COMPUTE
            if until < COMPUTE:
                return
        assert run.claimed is not None
        where = (ledger, run.claimed["node"], run.claimed["partition"], run.claimed["id"])
        if run.stage == COMPUTE:
            if executions.claim(*where, run.id, now()) is None:
                run.state = "failed"  # a later one took its place
                return
            compute(run)
            run.stage = PUBLISH
            if until < PUBLISH:
                return
        self.step()
        if not self._succeeded(run, ledger):
            if executions.claim(*where, run.id, now()) is None:
                run.state = "failed"
                return
            executions.succeed(*where, run.id, now())
        if until < SIGNAL:
            return  # it crashed between the two: all of the task is done again
        emit(run.claimed)
        executions.signalled(*where)
        run.state = "success"

    def _succeeded(self, run: Run, ledger: Ledger) -> bool:
        assert run.claimed is not None
        output, _ = ledger.output(run.claimed["node"], run.claimed["partition"], None)
        mine = (SUCCEEDED, run.id, run.claimed["generation"])
        return output is not None and mine in [(e.state, e.run_id, e.generation) for e in output.ended]
