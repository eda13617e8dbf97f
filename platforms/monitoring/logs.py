"""One run of an execution -> what its tasks wrote, and the jobs that they started."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from platforms.deployment import Deployment
from rheo_runtime.trigger import dag_id
from rheodsl.errors import StateError
from rheodsl.executions import ComputeLog, ComputeRecord

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
        return bool(argument.endswith(f"/executions/{execution.replace('#', '/')}.json"))
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
