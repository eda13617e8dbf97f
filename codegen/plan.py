"""What is written for an application, as frozen types: one `DagPlan` for each node, and the stack beside it.

A plan holds plain values only (texts, numbers, tuples of them), so that an emitter needs to know
nothing of the language.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rheo_runtime.templates import ABOVE
from rheodsl.compute import Code as Code
from rheodsl.compute import InlinedPython
from rheodsl.errors import SourceLocation
from rheodsl.ir import Batch, Check, DataFormatSpec, Module, Signal

# --- when a DAG runs ---


@dataclass(frozen=True, slots=True)
class OnEvents:
    """For each event of the DAG's own trigger asset, which the listener sends."""

    asset: str


@dataclass(frozen=True, slots=True)
class OnCron:
    """At the times of a five-field cron expression, UTC.

    ``key_format`` is set when the fire time in this format is the output partition: runs then go by it.
    """

    expression: str
    written: str  # as the user wrote it
    key_format: str | None = None
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class ByHand:
    """When a person, or a program, asks for it."""


Schedule = OnEvents | OnCron | ByHand


# --- what it reads and writes ---


@dataclass(frozen=True, slots=True)
class Input:
    """One input: ``shown`` is the view as written, ``location`` the folder of its data, None without data.

    ``window`` says that it may have several partitions: ``path`` is then the template of their keys in a
    bucket, and ``dimensions`` the name and type of each place in it. Where a place is not simply a dimension's text,
    ``pattern`` is a regular expression of the keys, and ``texts`` how each dimension is put together of its
    groups; ``spelled`` are the formats of dates that this makes and those in which they are written. ``completion``
    are the objects that complete one.
    ``table`` is set where the Glue Data Catalog alone knows the data: database/table, and ``storage`` the folder that
    it names, if it was asked. Of rows with the same
    ``primary_keys`` the latest counts. ``alone`` says that it has one partition, which is ``location`` itself.
    """

    alias: str
    signal: str
    shown: str
    location: str | None
    format: DataFormatSpec
    completion: tuple[str, ...] = ()
    window: bool = False
    reference: bool = False
    table: str | None = None
    storage: str | None = None
    primary_keys: tuple[str, ...] = ()
    path: str | None = None
    dimensions: tuple[tuple[str, str], ...] = ()
    pattern: str | None = None
    texts: tuple[tuple[int | str, ...], ...] = ()
    spelled: tuple[tuple[str, str, str], ...] = ()
    alone: bool = False

    @property
    def marks(self) -> tuple[str, ...]:
        """The objects that complete one partition, as patterns: a marker above says nothing of one."""
        return tuple(re.sub(r"\{\d+\}", "*", c) for c in self.completion if not c.startswith(ABOVE))

    @property
    def where(self) -> dict[str, Any]:
        """How the dimensions of its partitions are read of their addresses, as `rheo_formats.addressed` takes it."""
        found: dict[str, Any] = {}
        if self.path is not None:
            found |= {"path": self.path, "dimensions": [list(pair) for pair in self.dimensions]}
        if self.pattern is not None:
            found |= {"pattern": self.pattern, "texts": [list(pieces) for pieces in self.texts]}
        if self.spelled:
            found["spelled"] = {dim: formats for dim, *formats in self.spelled}
        return found

    @property
    def readable(self) -> bool:
        """Whether there is data that Spark can read."""
        return self.location is not None or self.table is not None


@dataclass(frozen=True, slots=True)
class Param:
    """An output dimension, as the form for a manual run asks for it: JSON Schema's type and format."""

    name: str
    type: str
    format: str | None
    description: str


@dataclass(frozen=True, slots=True)
class Wait:
    """A task that waits for an input: for all partitions of its window, or for the tip (``whole`` False).

    For objects named ``completion`` (any object when there is no name), or for partitions of ``table``
    (database and name) of the Glue catalog; ``numbers`` are its keys that hold numbers. ``seconds`` is how
    long; None: as long as Airflow lets a sensor wait.
    """

    alias: str
    whole: bool
    seconds: int | None
    completion: tuple[str, ...] = ()
    table: tuple[str, str] | None = None
    numbers: tuple[str, ...] = ()


# --- what it runs ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a DAG runs between claim and publish, or as a hook; each compute target has a class of its own,
    which holds the target as it was declared.

    ``where`` is the place in the application that it is from; ``code`` the user's code, if it has any.
    ``writes`` says that it is the task that writes the node's output. ``timeout`` is how long one attempt may
    take, in seconds; None where only what it starts knows.
    """

    task_id: str
    where: SourceLocation | None = None
    code: Code | None = None
    retries: int = 0
    writes: bool = False
    timeout: int | None = None

    @property
    def title(self) -> str:
        """What it calls, as its author knows it: a function or class by its name; "" when it has none."""
        return (self.code and self.code.entry) or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptTask(Task):
    """Code of Spark in a script of its own: ``script`` is its file, ``lang`` PYTHON, SPARK_SQL or SCALA.

    ``metrics`` are those that its code may send, none when it sends none.
    """

    code: Code
    script: str
    lang: str
    args: tuple[tuple[str, str], ...]
    writes: bool = True
    metrics: tuple[Signal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SparkTask(ScriptTask):
    """A run of a Glue job."""

    job: str
    parameters: tuple[tuple[str, Any], ...]
    permissions: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    libraries: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonTask(Task):
    """Python code in the Airflow worker: ``file`` holds it."""

    compute: InlinedPython
    code: Code
    file: str


def writer_of(tasks: Sequence[Task]) -> Task | None:
    """Return the one of a node's computes that writes its output, as far as that can be known."""
    alone = tasks[0] if len(tasks) == 1 else None
    return next((task for task in tasks if task.writes), alone)


@dataclass(frozen=True, slots=True)
class Hook:
    """What is called at one moment of a node's life, such as ``on_success``; ``seconds`` of a checkpoint."""

    name: str
    tasks: tuple[Task, ...]
    seconds: int | None = None
    pending: bool = False


@dataclass(frozen=True, slots=True)
class DagPlan:
    """One node as a DAG: ``claim >> waits >> tasks >> publish``, and the hooks beside it.

    ``location`` is the folder of the output. ``links`` are the node's links, as one would write them.
    ``retention`` is after how many days the output's partitions are deleted; ``checks`` are made between
    compute and publish. Where there is a ``batch``, one run carries out several executions.
    ``modules`` are the user's own, for all code of the application.
    """

    app: str
    node: str
    dag_id: str
    file: str
    where: SourceLocation | None
    schedule: Schedule
    inputs: tuple[Input, ...]
    links: tuple[str, ...]
    dimensions: tuple[str, ...]
    location: str
    format: DataFormatSpec
    params: tuple[Param, ...]
    tasks: tuple[Task, ...]
    owner: str = "rheo"
    tags: tuple[str, ...] = ()
    pool: str | None = None
    max_active_runs: int = 16
    waits: tuple[Wait, ...] = ()
    hooks: tuple[Hook, ...] = ()
    retention: int | None = None
    checks: tuple[Check, ...] = ()
    batch: Batch | None = None
    modules: tuple[Module, ...] = ()

    @property
    def all_tasks(self) -> tuple[Task, ...]:
        """The computes, then the hooks."""
        return (*self.tasks, *(task for hook in self.hooks for task in hook.tasks))

    @property
    def writer(self) -> Task | None:
        """The compute that writes the output, None where that cannot be known."""
        return writer_of(self.tasks)

    @property
    def written(self) -> Input:
        """What a partition of the output holds, as an input that is read to check it."""
        format = replace(self.format, columns=None)
        return Input("output", self.node, shown=self.node, location=self.location, format=format)


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer that EventBridge Scheduler fires, because it is joined with data."""

    id: str
    schedule: str
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """An application: its DAGs, sorted by node, and what must exist around them.

    ``bucket`` is the application's own; ``buckets`` are those whose objects announce partitions.
    """

    app: str
    dialect: str
    bucket: str
    dags: tuple[DagPlan, ...]
    buckets: tuple[str, ...]
    timers: tuple[Timer, ...]
