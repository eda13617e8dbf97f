"""The specification of an application: what must exist around it, as its ``stack.json`` says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rheodsl.errors import RheoError

FILE = "stack.json"
SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"


class StackFileError(RheoError, ValueError):
    """The compiled application does not say what the stack must provide."""

    code = "RD503"


@dataclass(frozen=True, slots=True)
class GlueJob:
    """A Spark job; ``script`` is a file of the compiled application, ``timeout`` in minutes.

    ``parameters`` are further ones of Glue's ``CreateJob``, by Glue's names.
    """

    name: str
    script: str
    arguments: Mapping[str, str]
    glue_version: str
    worker_type: str | None
    workers: int | None
    timeout: int
    concurrent: int
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TimerSchedule:
    """An EventBridge schedule; ``input`` is the text it sends, with the placeholder for its time."""

    id: str
    expression: str
    input: str
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class Specification:
    """Everything that ``stack.json`` says."""

    folder: Path
    app: str
    bucket: str
    buckets: tuple[str, ...]
    table: str
    queue: str
    dead_letters: str
    gather: str
    dags: tuple[str, ...]
    glue_jobs: tuple[GlueJob, ...]
    schedules: tuple[TimerSchedule, ...]
    services: Mapping[str, Any]  # what else tasks need, as it is listed

    @property
    def routes(self) -> Path:
        """The route table of the listener."""
        return self.folder / "routes.json"


def read_specification(folder: Path) -> Specification:
    """Read ``stack.json`` in the folder of a compiled application.

    Raises
    ------
    StackFileError
        When it is missing, or lacks something.
    """
    file = folder / FILE
    try:
        data = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise StackFileError(
            f"{folder} has no {FILE}", hint="compile the application: rheo compile"
        ) from None
    except ValueError as error:
        raise StackFileError(f"{file} is not JSON: {error}") from None
    try:
        return _specification(folder.resolve(), data)
    except KeyError as error:
        raise StackFileError(f"{file} lacks {error}", hint="compile the application again") from None


def _specification(folder: Path, data: Mapping[str, Any]) -> Specification:
    app: str = data["app"]
    queue: str = data.get("queue", f"rheo-{app}")
    return Specification(
        folder=folder,
        app=app,
        bucket=data["bucket"],
        buckets=tuple(data["buckets"]),
        table=data.get("table", f"rheo-{app}"),
        queue=queue,
        dead_letters=f"{queue}-dlq",
        gather=f"{queue}-gather",
        dags=tuple(data.get("dags", ())),
        glue_jobs=tuple(_job(job) for job in data.get("glue_jobs", ())),
        schedules=tuple(_schedule(app, schedule) for schedule in data.get("schedules", ())),
        services=data,
    )


def _job(data: Mapping[str, Any]) -> GlueJob:
    parameters = data.get("parameters", {})
    # Glue takes a capacity, or both type and number of workers.
    default = (None, None) if "MaxCapacity" in parameters else ("G.1X", 2)
    return GlueJob(
        name=data["name"],
        script=data["script"],
        arguments=data.get("arguments", {}),
        glue_version=data.get("glue_version", "5.0"),
        worker_type=data.get("worker_type", default[0]),
        workers=data.get("workers", default[1]),
        timeout=data.get("timeout", 480),
        concurrent=data.get("concurrent", 100),
        parameters=parameters,
    )


def _schedule(app: str, data: Mapping[str, Any]) -> TimerSchedule:
    timer = {
        "source": "rheo",
        "detail-type": "rheo.timer",
        "detail": {"app": app, "timer": data["id"], "time": SCHEDULED_TIME},
    }
    content = data.get("input", timer)
    return TimerSchedule(
        id=data["id"],
        expression=data["expression"],
        input=content if isinstance(content, str) else json.dumps(content),
        timezone=data.get("timezone"),
    )
