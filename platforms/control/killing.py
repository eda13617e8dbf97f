"""An execution -> ended: its DAG run first, then its entry in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from platforms.control.errors import AskedError
from platforms.control.processing import Processor
from platforms.deployment import Deployment
from rheo_runtime import asking
from rheo_runtime.executions import KILLED
from rheo_runtime.records import CLAIMED, Execution, Output, execution_id
from rheo_runtime.trigger import dag_id

LONGEST_PATH = 64  # of MWAA's REST calls


def kill(deployment: Deployment, processor: Processor, output: Output, execution: Execution) -> bool:
    """End an execution that is not over; say whether it was this that ended it.

    The run is ended first: the one that is held may start only when nothing writes its output any more.
    Doing it again finishes what was interrupted. Raises AskedError when Airflow cannot end the run.
    """
    id = execution_id(output.node, output.partition, execution.generation)
    if execution.state == CLAIMED and execution.run_id is not None:
        fail_run(deployment, output.node, execution.run_id)
    ended = asking.stop(
        processor.engine.ledger, output.node, output.partition, id, processor.engine.now(), KILLED
    )
    if ended is None:
        return False
    if ended.released is not None:
        processor.tell(ended.released)
    return True


def fail_run(deployment: Deployment, node: str, run: str) -> None:
    """Let a DAG run have failed: Airflow ends its tasks. Nothing happens when there is no such run.

    Run ids are longer than a path of MWAA's may be, so the run is named in the body, where Airflow takes
    that: 3.0 does not. Raises AskedError.
    """
    runs = f"/dags/{dag_id(deployment.app, node)}/dagRuns"
    entity = {"dag_run_id": run, "state": "failed", "note": "killed by rheo"}
    action = {"action": "update", "entities": [entity], "action_on_non_existence": "skip"}
    try:
        answer = _patch(deployment, runs, {"actions": [action]})
    except Exception as fault:
        status = _status(fault)
        if status == 405 and len(path := f"{runs}/{run}") <= LONGEST_PATH:
            try:
                _patch(deployment, path, {"state": "failed"})
            except Exception as second:
                if _status(second) != 404:
                    raise _refused(run, second) from second
            return
        if status == 405:
            raise AskedError(
                f"this Airflow cannot be told to end run {run}: MWAA takes no path of {len(path)} characters",
                hint="mark the run as failed in Airflow's page; its execution fails with it",
            ) from fault
        raise _refused(run, fault) from fault
    errors = (answer.get("update") or {}).get("errors") or []
    if errors:
        raise _refused(run, errors[0])


def _patch(deployment: Deployment, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    airflow = deployment.airflow
    answer = airflow.client.invoke_rest_api(
        Name=airflow.environment, Path=path, Method="PATCH", Body=dict(body)
    )
    found: Mapping[str, Any] = answer.get("RestApiResponse") or {}
    return found


def _status(fault: Exception) -> int:
    answer = getattr(fault, "response", None)
    return int(answer.get("RestApiStatusCode") or 0) if isinstance(answer, Mapping) else 0


def _refused(run: str, why: object) -> AskedError:
    said = getattr(why, "response", None)
    detail = said.get("RestApiResponse") if isinstance(said, Mapping) else None
    return AskedError(
        f"Airflow did not end run {run}: {detail or why}", hint="try again, or end it in its page"
    )
