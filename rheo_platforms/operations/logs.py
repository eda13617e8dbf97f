"""Logs of a deployed application: what the tasks and jobs of a run wrote, and what the listener says it refused."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from rheo_platforms.deployment import Deployment
from rheo_runtime.airflow_client import dag_id
from rheo_runtime.consumers import Node
from rheo_runtime.records import execution_place
from rheodsl.errors import StateError
from rheodsl.reports import ComputeLog, ComputeRecord, RefusedEvent

_EVENTS = 10_000  # of one stream: the end of a log that is longer


class _Task(NamedTuple):
    id: str
    state: str
    attempts: int


def logs_of(deployment: Deployment, record: ComputeRecord) -> list[ComputeLog]:
    """Return the logs of a record's run: of each task, in the order of their starts; then of Glue's jobs.

    Raises StateError when Airflow does not answer.
    """
    dag = dag_id(deployment.app, record.route_id)
    run = record.run_id or ""
    logs = [
        log
        for task in _tasks(deployment, dag, run)
        for attempt in range(1, task.attempts + 1)
        if (log := _task_log(deployment, dag, run, task, attempt)) is not None
    ]
    return [*logs, *_jobs(deployment, record)]


def _tasks(deployment: Deployment, dag: str, run: str) -> list[_Task]:
    """Ask for all of a run's tasks at once: MWAA takes no path that is long enough to name the run."""
    client = deployment.session.client("mwaa")
    call: dict[str, Any] = {
        "Name": deployment.environment,
        "Path": "/dags/~/dagRuns/~/taskInstances/list",
        "Method": "POST",
        "Body": {"dag_ids": [dag], "dag_run_ids": [run], "page_limit": 100},
    }
    try:
        answer: Mapping[str, Any] = client.invoke_rest_api(**call)["RestApiResponse"]
    except ClientError as fault:
        said = fault.response.get("RestApiResponse") or fault
        raise StateError(
            f"Airflow does not tell the tasks of {run}: {said}", hint="try again when it answers"
        ) from fault
    found = sorted(answer["task_instances"], key=lambda task: (task["start_date"] or "~", task["task_id"]))
    return [_Task(task["task_id"], str(task["state"] or "none"), int(task["try_number"])) for task in found]


def _task_log(deployment: Deployment, dag: str, run: str, task: _Task, attempt: int) -> ComputeLog | None:
    path = f"dag_id={dag}/run_id={run}/task_id={task.id}/attempt={attempt}.log"
    if deployment.task_logs is not None:
        file = deployment.task_logs / path
        if not file.exists():
            return None
        lines, source = file.read_text("utf-8", "replace").splitlines(), str(file)
    else:
        group = f"airflow-{deployment.environment}-Task"
        stream = path.replace(":", "_")  # streams have no colon in their names
        lines, source = list(_stream(deployment, group, stream)), f"{group}/{stream}"
    state = task.state if attempt == task.attempts else "ended"
    return ComputeLog(task.id, attempt, state, source, "\n".join(map(_plain, lines))) if lines else None


def _plain(line: str) -> str:
    """Airflow 3 writes each line as JSON; what people want of it is when, how bad, and what."""
    try:
        entry = json.loads(line)
        said = f"{entry['timestamp'][:19]}Z {entry.get('level', 'info').upper():<7} {entry['event']}"
    except (ValueError, KeyError, TypeError):
        return line
    faults = entry.get("error_detail") or []
    return "\n".join([said, *(f"  {f.get('exc_type')}: {f.get('exc_value')}" for f in faults)])


def _jobs(deployment: Deployment, record: ComputeRecord) -> Iterator[ComputeLog]:
    """The logs of the runs of Glue jobs whose argument is the execution; the earliest first."""
    glue = deployment.session.client("glue")
    for job in deployment.stack.get("glue_jobs", ()):
        if not any(record.path and _below(record.path, place) for place in job.get("writes", ())):
            continue
        runs: list[Any] = []
        for page in glue.get_paginator("get_job_runs").paginate(JobName=job["name"]):
            runs += [run for run in page["JobRuns"] if _is_of(run, record.execution_id)]
        runs.sort(key=lambda run: (run["StartedOn"], run["Id"]))
        for attempt, run in enumerate(runs, start=1):
            for name in ("output", "error"):
                group = f"{run.get('LogGroupName') or '/aws-glue/jobs'}/{name}"
                text = "\n".join(_stream(deployment, group, run["Id"]))
                said = run.get("ErrorMessage") if name == "error" else None
                text = "\n".join(filter(None, (text, said)))
                if text:
                    source = f"{group}/{run['Id']}"
                    yield ComputeLog(f"job {job['name']}", attempt, run["JobRunState"], source, text)


def _below(path: str, place: str) -> bool:
    return f"{path}/".startswith(f"{place.rstrip('/')}/")


def _is_of(run: Mapping[str, Any], execution: str) -> bool:
    """An execution is an argument as JSON; or, when it is large, as the place where it lies."""
    argument = run.get("Arguments", {}).get("--execution", "")
    if argument.startswith("s3://"):
        return bool(argument.endswith(f"/executions/{execution_place(execution)}.json"))
    try:
        return bool(json.loads(argument)["id"] == execution)
    except (ValueError, KeyError, TypeError):
        return False


def _stream(deployment: Deployment, group: str, stream: str) -> Iterator[str]:
    """The last lines of a log stream; none when there is no such stream."""
    client = deployment.session.client("logs")
    pages: list[list[str]] = []
    count, token = 0, None
    while count < _EVENTS:
        call: dict[str, Any] = {"nextToken": token} if token else {}
        try:
            answer = client.get_log_events(
                logGroupName=group, logStreamName=stream, startFromHead=False, **call
            )
        except client.exceptions.ResourceNotFoundException:
            return
        pages.append([event["message"].rstrip("\n") for event in answer["events"]])
        count += len(pages[-1])
        if answer["nextBackwardToken"] == token:  # CloudWatch's sign for the beginning
            break
        token = answer["nextBackwardToken"]
    for page in reversed(pages):
        yield from page


SPAN = 86400  # seconds that are looked back
MOST = 5  # events that are told of
_TAIL = 4_000_000  # bytes of a log file that are read, its end
_PAGES = 20  # of CloudWatch's answers


def refused(deployment: Deployment, node: Node) -> list[RefusedEvent]:
    """Return the latest events of a node's signals that were refused, or that the node could not use; the latest first."""
    signals = {source.signal for source in node.join.route.inputs}
    found: deque[RefusedEvent] = deque(maxlen=MOST)
    for moment, line in _lines(deployment):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if not isinstance(entry, dict) or entry.get("rheo") != "rejected":
            continue
        if entry["node"] == node.id or (entry["node"] is None and entry["signal"] in signals):
            when = None if moment is None else datetime.fromtimestamp(moment, UTC)
            found.append(RefusedEvent(entry["signal"], entry["what"], entry["reason"], when))
    return list(reversed(found))


def _lines(deployment: Deployment) -> Iterable[tuple[float | None, str]]:
    if deployment.listener_log is not None:
        return ((None, line) for line in _tail(deployment.listener_log) if '"rejected"' in line)
    return _of_cloudwatch(deployment.session.client("logs"), f"/aws/lambda/{deployment.table}")


def _tail(file: Path) -> Iterator[str]:
    if not file.exists():
        return
    with file.open("rb") as opened:
        opened.seek(max(0, os.fstat(opened.fileno()).st_size - _TAIL))
        for line in opened:
            yield line.decode("utf-8", "replace")


def _of_cloudwatch(logs: Any, group: str) -> Iterator[tuple[float | None, str]]:
    call: dict[str, Any] = {
        "logGroupName": group,
        "startTime": int((time.time() - SPAN) * 1000),
        "filterPattern": '{ $.rheo = "rejected" }',
    }
    for _ in range(_PAGES):
        try:
            answer = logs.filter_log_events(**call)
        except logs.exceptions.ResourceNotFoundException:
            return
        for event in answer["events"]:
            yield event["timestamp"] / 1000, event["message"]
        if "nextToken" not in answer:
            return
        call["nextToken"] = answer["nextToken"]
