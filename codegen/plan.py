"""What is written for an application, as frozen types: one `DagPlan` for each node, and the stack beside it.

A plan holds plain values only (texts, numbers, tuples of them), so that an emitter needs to know
nothing of the language.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rheodsl.errors import Place

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


@dataclass(frozen=True, slots=True)
class OnDelta:
    """Every so many seconds."""

    seconds: int
    written: str


@dataclass(frozen=True, slots=True)
class ByHand:
    """When a person, or a program, asks for it."""


Schedule = OnEvents | OnCron | OnDelta | ByHand


# --- what it reads and writes ---


@dataclass(frozen=True, slots=True)
class Format:
    """How the files of a partition read."""

    format: str = "PARQUET"
    header: bool = True
    delimiter: str = ","
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class Input:
    """One input: ``shown`` is the view as written, ``location`` the folder of its data, None without data.

    ``window`` says that it may have several partitions; ``completion`` are the objects that complete one.
    ``table`` is set where the Glue Data Catalog alone knows the data: database/table. Of rows with the same
    ``primary_keys`` the latest counts.
    """

    alias: str
    signal: str
    shown: str
    location: str | None
    format: Format
    completion: tuple[str, ...] = ()
    window: bool = False
    reference: bool = False
    table: str | None = None
    primary_keys: tuple[str, ...] = ()

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


@dataclass(frozen=True, slots=True)
class Code:
    """User code; ``form`` is "text", "function", "class" or "module", ``entry`` what is called."""

    text: str
    form: str
    entry: str | None
    where: Place | None


@dataclass(frozen=True, slots=True)
class Emitted:
    """A metric that code of the application sends; ``names`` None for any."""

    id: str
    namespace: str
    dimensions: tuple[tuple[str, str], ...]
    names: tuple[str, ...] | None
    resolution: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a DAG runs between claim and publish, or as a hook; each compute target has a class of its own.

    ``where`` is the place in the application that it is from; ``code`` the user's code, if it has any.
    ``writes`` says that it is the task that writes the node's output.
    """

    task_id: str
    where: Place | None = None
    code: Code | None = None
    retries: int = 0
    writes: bool = False


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
    metrics: tuple[Emitted, ...] = ()


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

    code: Code
    file: str


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
    ``retention`` is after how many days the output's partitions are deleted.
    """

    app: str
    node: str
    dag_id: str
    file: str
    where: Place | None
    schedule: Schedule
    inputs: tuple[Input, ...]
    links: tuple[str, ...]
    dimensions: tuple[str, ...]
    location: str
    format: Format
    params: tuple[Param, ...]
    tasks: tuple[Task, ...]
    owner: str = "rheo"
    tags: tuple[str, ...] = ()
    pool: str | None = None
    max_active_runs: int = 16
    waits: tuple[Wait, ...] = ()
    hooks: tuple[Hook, ...] = ()
    retention: int | None = None

    @property
    def all_tasks(self) -> tuple[Task, ...]:
        """The computes, then the hooks."""
        return (*self.tasks, *(task for hook in self.hooks for task in hook.tasks))


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer that EventBridge Scheduler fires, because it is joined with data."""

    id: str
    schedule: str


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
