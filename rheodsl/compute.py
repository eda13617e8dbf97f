"""What a node runs: compute targets and hooks, as frozen descriptions.

Compute targets that hand the work to a service of AWS: EMR Serverless, AWS Batch, Step Functions.
Messages as compute targets and hooks: mail, Slack, SNS.

Texts may hold ``{day}`` for a dimension of the output, ``{output}`` for its path, ``{inputs[orders]}`` for an
input's, ``{app}``, ``{node}`` and ``{execution}``.
Compute targets on SageMaker: training a model, and transforming data with one.
SQL: a query on Athena as a compute target, and the query that compacts a table with primary keys.
"""

from __future__ import annotations

import importlib.util
import inspect
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from rheodsl.errors import ComputeError, SourceLocation, did_you_mean, here, nearest
from rheodsl.glue_options import OPTIONS, glue_options
from rheodsl.words import declares, knows_its_words


class Lang(StrEnum):
    """The language of a batch compute."""

    PYTHON = "PYTHON"
    SCALA = "SCALA"
    SPARK_SQL = "SPARK_SQL"
    PRESTO_SQL = "PRESTO_SQL"


class ABI(StrEnum):
    """How batch code finds its inputs: as local variables of the script."""

    GLUE_EMBEDDED = "GLUE_EMBEDDED"


class GlueWorkerType(StrEnum):
    """Worker types of AWS Glue (StartJobRun, WorkerType)."""

    STANDARD = "Standard"
    G_1X = "G.1X"
    G_2X = "G.2X"
    G_4X = "G.4X"
    G_8X = "G.8X"
    G_12X = "G.12X"
    G_16X = "G.16X"
    G_025X = "G.025X"
    R_1X = "R.1X"
    R_2X = "R.2X"
    R_4X = "R.4X"
    R_8X = "R.8X"


@knows_its_words
@dataclass(frozen=True, slots=True)
class Permission:
    """Extra IAM permissions of a compute: actions on resources (ARNs)."""

    resource: Sequence[str]
    action: Sequence[str]

    def frozen(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return sorted resources and actions."""
        return tuple(sorted(self.resource)), tuple(sorted(self.action))


@dataclass(frozen=True, slots=True)
class Code:
    """User code: its text, where its first line stands, and how it is run.

    ``form`` is "text" (statements that assign ``output``), "function" (``entry`` is called with the
    inputs, ``dimensions``, ``args`` and ``spark`` that it names as parameters) or "module".
    """

    text: str
    form: str = "text"
    entry: str | None = None
    where: SourceLocation | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Compute:
    """A compute target: something that runs when a node's inputs are ready."""


@dataclass(frozen=True, slots=True)
class SparkCompute(Compute):
    """Spark code on AWS Glue. ``parameters`` go to the job, ``args`` to the script."""

    code: Code
    lang: Lang
    parameters: tuple[tuple[str, Any], ...] = ()
    args: tuple[tuple[str, str], ...] = ()
    permissions: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()
    libraries: tuple[str, ...] = ()
    retry_count: int = 0


@dataclass(frozen=True, slots=True)
class InlinedPython(Compute):
    """A Python function, or callable object, that runs in the Airflow worker."""

    code: Code
    retry_count: int = 0
    permissions: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()


# What may be a hook: an inlined compute or a message.
Hook = Compute


@dataclass(frozen=True, slots=True)
class _Module:
    path: str


@dataclass(frozen=True, slots=True)
class _Scala:
    text: str
    libraries: tuple[str, ...]


@declares()
def python_module(path: str) -> _Module:
    """Name a Python module whose source is the Spark code, ``package.module``."""
    return _Module(path)


@declares()
def scala_script(code: str, external_library_paths: Sequence[str] = ()) -> _Scala:
    """Wrap Scala code, with the jars it needs (s3 paths)."""
    return _Scala(code, tuple(external_library_paths))


class IInlinedCompute(ABC):
    """Base of the class form of an inlined compute: an object that is called with the signals."""

    @abstractmethod
    def __call__(self, input_map: Mapping[str, Any], output: Any, params: Mapping[str, Any]) -> Any:
        """Run for one execution."""


SparkCode = str | Callable[..., Any] | _Module | _Scala


def BatchCompute(
    code: SparkCode,
    lang: Lang = Lang.PYTHON,
    abi: ABI = ABI.GLUE_EMBEDDED,
    *,
    extra_permissions: Sequence[Permission] = (),
    retry_count: int = 0,
    **parameters: Any,
) -> SparkCompute:
    """Return a Spark compute target on AWS Glue.

    Parameters
    ----------
    code
        Statements that read the inputs by alias and assign ``output``; a function that returns it;
        `python_module` or `scala_script`.
    lang, abi
        The language; the calling convention (one).
    extra_permissions
        What the job may do beyond reading its inputs and writing its output.
    retry_count
        How often a failed run is retried.
    parameters
        Parameters of Glue's job (``GlueVersion``, ``WorkerType``, ``NumberOfWorkers``, ``Timeout`` in
        minutes, ...); any other is passed to the script in ``args``, as text. ``MaxCapacity`` becomes as many
        workers of ``G.1X``, as Glue takes no capacity since 2.0.

    Raises ComputeError.

    >>> BatchCompute("output = orders.limit(10)", Timeout=30, my_param="x").args
    (('my_param', 'x'),)
    """
    lang, abi = _one_of("lang", lang, Lang), _one_of("abi", abi, ABI)
    extra = {k: str(p) for k, p in parameters.items() if k not in OPTIONS}
    _check_own(extra, "Glue", OPTIONS)
    known = glue_options({k: getattr(p, "value", p) for k, p in parameters.items() if k in OPTIONS})
    libraries: tuple[str, ...] = ()
    if isinstance(code, _Scala):
        lang, libraries = Lang.SCALA, code.libraries
    return SparkCompute(
        code=read_code(code),
        lang=lang,
        parameters=tuple(sorted(known.items())),
        args=tuple(sorted(extra.items())),
        permissions=tuple(p.frozen() for p in extra_permissions),
        libraries=libraries,
        retry_count=retries(retry_count),
    )


E = TypeVar("E", bound=StrEnum)


def _one_of(name: str, given: str, known: type[E]) -> E:
    try:
        return known(given)
    except ValueError:
        choices = ", ".join(known)
        raise ComputeError(
            f"{name} is {given!r}", hint=did_you_mean(given.upper(), list(known), f"it is one of {choices}")
        ) from None


# What is said of a job beside its service's options: by names as Python has them.
_SAID = ("retry_count", "extra_permissions", "external_library_paths", "lang", "abi", "code")


def _check_own(others: Iterable[str], service: str, options: Iterable[str]) -> None:
    """Raise ComputeError for an argument of the script that is almost an option, or one of another system's."""
    plain = {_plain(name): name for name in (*options, *_SAID)}
    for name in others:
        near = nearest(_plain(name), plain, 0.85)
        known = "retry_count" if name in ("retries", "max_retries", "MaxRetries") else near and plain[near]
        if known is not None:
            raise ComputeError(
                f"{service} has no option {name!r}",
                hint=f"did you mean {known}? An argument of your own needs another name",
            )


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def retries(retry_count: int) -> int:
    """Return how often a failed run is retried; raises ComputeError."""
    if retry_count < 0:
        raise ComputeError(f"retry_count is {retry_count}", hint="use 0 or more")
    return retry_count


GlueBatchCompute = BatchCompute
Glue = BatchCompute


def SparkSQL(query: str, **parameters: Any) -> SparkCompute:
    """Return a Spark SQL query over the inputs, as views named by alias; its result is the output."""
    return BatchCompute(query, Lang.SPARK_SQL, **parameters)


@declares()
def InlinedCompute(
    code: Callable[..., Any], *, retry_count: int = 0, extra_permissions: Sequence[Permission] = ()
) -> InlinedPython:
    """Return a Python compute target that runs in the Airflow worker.

    ``code`` is called as ``code(input_map, output, params)``: a function, or an object of a class
    that can be made without arguments. Its source is written beside the DAG, so it must stand in a
    file and use nothing of its surroundings but imports. ``extra_permissions`` are what Airflow's role may do
    for it, beyond reading inputs and writing outputs.
    """
    return InlinedPython(
        code=_callable_code(code),
        retry_count=retry_count,
        permissions=tuple(p.frozen() for p in extra_permissions),
    )


def read_code(code: SparkCode) -> Code:
    """Return user code with its place; raises ComputeError when its source cannot be read."""
    if isinstance(code, str):
        if not code.strip():
            raise ComputeError("the code is empty", hint="assign the result to 'output'")
        return Code(textwrap.dedent(code), where=here())
    if isinstance(code, _Scala):
        return Code(textwrap.dedent(code.text), where=here())
    if isinstance(code, _Module):
        return _module_code(code.path)
    return _callable_code(code)


def _module_code(path: str) -> Code:
    try:
        spec = importlib.util.find_spec(path)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        raise ComputeError(
            f"module {path!r} is not found", hint="it must be importable where the application is compiled"
        )
    return Code(Path(spec.origin).read_text("utf-8"), form="module", where=SourceLocation(spec.origin, 1))


def _callable_code(code: Callable[..., Any]) -> Code:
    """The source of a function, or of the class of a callable object."""
    target = code if inspect.isfunction(code) or inspect.isclass(code) else type(code)
    name = getattr(target, "__name__", "")
    if name == "<lambda>":
        raise ComputeError("a lambda cannot be written into a task", hint="define a function with def")
    try:
        lines, first = inspect.getsourcelines(target)
        file = inspect.getsourcefile(target) or "?"
    except (OSError, TypeError):
        raise ComputeError(
            f"the source of {name or code!r} cannot be read", hint="define it in a file"
        ) from None
    form = "function" if inspect.isfunction(target) else "class"
    return Code(textwrap.dedent("".join(lines)), form, name, SourceLocation(file, first))


Pairs = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class EmrCompute(Compute):
    """PySpark code on EMR Serverless. ``parameters`` go to the job run, ``args`` to the script."""

    code: Code
    parameters: Pairs = ()
    args: tuple[tuple[str, str], ...] = ()
    permissions: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()
    libraries: tuple[str, ...] = ()
    retry_count: int = 0


@dataclass(frozen=True, slots=True)
class BatchJob(Compute):
    """A run of an AWS Batch job; ``request`` are fields of SubmitJob by their own names."""

    job_definition: str
    job_queue: str
    command: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    request: Pairs = ()
    retry_count: int = 0


@dataclass(frozen=True, slots=True)
class StateMachine(Compute):
    """An execution of a Step Functions state machine; ``input`` None for the execution itself."""

    arn: str
    input: Any = None
    retry_count: int = 0


# What EMR Serverless is told; any other parameter goes to the script.
_EMR_PARAMETERS = {"ReleaseLabel", "Timeout", "SparkSubmitParameters"}


def EMR(
    code: SparkCode,
    *,
    external_library_paths: Sequence[str] = (),
    extra_permissions: Sequence[Permission] = (),
    retry_count: int = 0,
    **parameters: Any,
) -> EmrCompute:
    """Return a PySpark compute target on EMR Serverless; the code is the same as for `BatchCompute`.

    Parameters
    ----------
    code
        A text, a function or a `python_module`.
    external_library_paths
        Jars (s3 paths).
    extra_permissions
        What the job may do beyond reading its inputs and writing its output.
    retry_count
        How often a failed run is retried.
    parameters
        ``ReleaseLabel``, ``Timeout`` (minutes), ``SparkSubmitParameters`` ("--conf spark.executor.memory=4g");
        any other is passed to the script in ``args``, as text.

    Raises ComputeError.

    >>> EMR("output = orders.limit(10)", Timeout=30, my_param="x").parameters
    (('Timeout', 30),)
    """
    _check_own(
        (name for name in parameters if name not in _EMR_PARAMETERS), "EMR Serverless", _EMR_PARAMETERS
    )
    for name in parameters:
        if name not in _EMR_PARAMETERS and name[:1].isupper():
            raise ComputeError(
                f"EMR Serverless has no option {name!r}",
                hint=did_you_mean(
                    name,
                    _EMR_PARAMETERS,
                    f"its options are {', '.join(sorted(_EMR_PARAMETERS))}; an argument of your own begins with a "
                    "small letter",
                ),
            )
    return EmrCompute(
        code=read_code(code),
        parameters=tuple(sorted((k, v) for k, v in parameters.items() if k in _EMR_PARAMETERS)),
        args=tuple(sorted((k, str(v)) for k, v in parameters.items() if k not in _EMR_PARAMETERS)),
        permissions=tuple(p.frozen() for p in extra_permissions),
        libraries=tuple(external_library_paths),
        retry_count=retries(retry_count),
    )


Spark = EMR


def AWSBatchJob(
    job_definition: str,
    job_queue: str,
    *,
    command: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    retry_count: int = 0,
    **request: Any,
) -> BatchJob:
    """Return a compute target that runs a job of AWS Batch.

    The container finds the execution in the variables ``RHEO_EXECUTION`` (JSON, or its s3 address) and
    ``RHEO_OUTPUT`` (the output's path).

    Parameters
    ----------
    job_definition, job_queue
        Their names or ARNs; both exist.
    command, environment
        What the container runs, and its variables; ``{day}`` in a text stands for a dimension of the
        output, ``{output}`` for its path, ``{inputs[orders]}`` for the path of an input.
    retry_count
        How often a failed job is run again.
    request
        Further fields of SubmitJob, by their own names: ``parameters``, ``timeout``, ``retryStrategy``, ...

    >>> AWSBatchJob("train:3", "gpu", command=["train.py", "{output}"]).command
    ('train.py', '{output}')
    """
    return BatchJob(
        job_definition,
        job_queue,
        tuple(command),
        tuple(sorted((environment or {}).items())),
        tuple(sorted(request.items())),
        retries(retry_count),
    )


@declares()
def StepFunctions(state_machine_arn: str, input: Any = None, *, retry_count: int = 0) -> StateMachine:
    """Return a compute target that runs a state machine to its end.

    Parameters
    ----------
    state_machine_arn
        A standard state machine, which exists.
    input
        JSON values for its input, with the same ``{...}`` as in `AWSBatchJob`; the whole execution (node,
        inputs with their paths, output) when left out.
    retry_count
        How often a failed execution is started again.

    Raises ComputeError.

    >>> StepFunctions("arn:aws:states:us-east-1:123456789012:stateMachine:report", {"day": "{day}"}).input
    {'day': '{day}'}
    """
    if ":stateMachine:" not in state_machine_arn:
        raise ComputeError(
            f"{state_machine_arn!r} is no state machine",
            hint="write its ARN: arn:aws:states:us-east-1:123456789012:stateMachine:name",
        )
    return StateMachine(state_machine_arn, input, retries(retry_count))


@dataclass(frozen=True, slots=True)
class EmailMessage(Compute):
    """A mail, sent by SES."""

    sender: str
    recipients: tuple[str, ...]
    subject: str
    body: str
    retry_count: int = 0


@dataclass(frozen=True, slots=True)
class SlackMessage(Compute):
    """A message to a Slack webhook that is kept in ``connection`` (Airflow) or ``secret`` (Secrets Manager)."""

    message: str
    connection: str | None
    secret: str | None = None
    retry_count: int = 0


@dataclass(frozen=True, slots=True)
class SnsMessage(Compute):
    """A message to an SNS topic."""

    topic: str
    message: str
    subject: str | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    retry_count: int = 0


@declares()
def Email(
    subject: str, body: str = "", *, sender: str, recipients: Sequence[str] | str, retry_count: int = 0
) -> EmailMessage:
    """Return a mail as a compute target or hook; SES must know the sender.

    >>> Email("{node} of {day}", sender="etl@example.com", recipients="me@example.com").recipients
    ('me@example.com',)
    """
    to = (recipients,) if isinstance(recipients, str) else tuple(recipients)
    if not to:
        raise ComputeError("Email needs a recipient", hint='recipients=["me@example.com"]')
    return EmailMessage(sender, to, subject, body, retries(retry_count))


@declares()
def Slack(
    message: str, *, connection: str | None = None, secret: str | None = None, retry_count: int = 0
) -> SlackMessage:
    """Return a Slack message as a compute target or hook.

    The webhook's address is a secret, so it is not written here: it is the password (or host) of an Airflow
    ``connection`` ("slack" when left out), or the text of a ``secret`` of Secrets Manager. Raises ComputeError.

    >>> Slack("{node} of {day} is ready", connection="team_slack").connection
    'team_slack'
    """
    if any(name is not None and "://" in name for name in (connection, secret)):
        raise ComputeError(
            "a webhook's address is a secret, and would stand in a generated file",
            hint='keep it in an Airflow connection, and name that: connection="slack"',
        )
    if connection is not None and secret is not None:
        raise ComputeError("the webhook is in a connection or in a secret", hint="give one of the two")
    if secret is None:
        connection = connection or "slack"
    return SlackMessage(message, connection, secret, retries(retry_count))


@declares()
def Sns(
    topic: str,
    message: str = "",
    *,
    subject: str | None = None,
    attributes: Mapping[str, str] | None = None,
    retry_count: int = 0,
) -> SnsMessage:
    """Return an SNS message as a compute target or hook; the execution, as JSON, when ``message`` is empty.

    >>> Sns("arn:aws:sns:us-east-1:123456789012:done", "{node} of {day}").subject is None
    True
    """
    if not topic.startswith("arn:") or ":sns:" not in topic:
        raise ComputeError(
            f"{topic!r} is no SNS topic", hint="write its ARN: arn:aws:sns:us-east-1:123456789012:name"
        )
    return SnsMessage(
        topic, message, subject, tuple(sorted((attributes or {}).items())), retries(retry_count)
    )


@dataclass(frozen=True, slots=True)
class TrainingJob(Compute):
    """``channels`` are pairs of a channel and an input's alias; ``request`` fields of CreateTrainingJob."""

    channels: tuple[tuple[str, str], ...] = ()
    request: tuple[tuple[str, Any], ...] = ()
    retry_count: int = 0


@dataclass(frozen=True, slots=True)
class TransformJob(Compute):
    """``input`` is the alias of what is transformed; ``request`` are fields of CreateTransformJob.

    ``model`` are fields of CreateModel, where the model is made for the job.
    """

    input: str | None = None
    model: tuple[tuple[str, Any], ...] = ()
    request: tuple[tuple[str, Any], ...] = ()
    retry_count: int = 0


def SageMakerTrainingJob(
    *, channels: Mapping[str, str] | None = None, retry_count: int = 0, **request: Any
) -> TrainingJob:
    """Return a compute target that trains a model; the output partition gets its ``model.tar.gz``.

    Parameters
    ----------
    channels
        Which input each channel reads, by alias: ``{"train": "features", "validation": "last_week"}``. Each
        input with data is a channel under its alias when left out.
    retry_count
        How often a failed job is run again.
    request
        Fields of CreateTrainingJob, by their own names: ``AlgorithmSpecification``, ``HyperParameters``,
        ``ResourceConfig``, ``StoppingCondition``, ``RoleArn`` (a name does) and others; texts may hold ``{day}``
        and the like, as in `AWSBatchJob`. The job's name, inputs and output are set for you.

    >>> SageMakerTrainingJob(channels={"train": "orders"}, HyperParameters={"day": "{day}"}).channels
    (('train', 'orders'),)
    """
    return TrainingJob(
        tuple(sorted((channels or {}).items())), tuple(sorted(request.items())), retries(retry_count)
    )


def SageMakerTransformJob(
    input: str | None = None,
    *,
    Model: Mapping[str, Any] | None = None,
    retry_count: int = 0,
    **request: Any,
) -> TransformJob:
    """Return a compute target that transforms an input with a model, into the output partition.

    Parameters
    ----------
    input
        The alias of what is transformed; the only input with data when left out.
    Model
        Fields of CreateModel for a model that is made for the job, such as ``{"PrimaryContainer": {"Image": ...,
        "ModelDataUrl": "{inputs[model]}/model.tar.gz"}}``; or name one that exists: ``ModelName="..."``.
    retry_count
        How often a failed job is run again.
    request
        Fields of CreateTransformJob, by their own names.

    >>> SageMakerTransformJob("orders", ModelName="prices", BatchStrategy="MultiRecord").input
    'orders'
    """
    return TransformJob(
        input, tuple(sorted((Model or {}).items())), tuple(sorted(request.items())), retries(retry_count)
    )


@dataclass(frozen=True, slots=True)
class AthenaQuery(Compute):
    """A query on Athena over the inputs, as tables named by alias; its result is the output."""

    code: Code
    workgroup: str = "primary"
    retry_count: int = 0


@declares()
def PrestoSQL(query: str, *, workgroup: str = "primary", retry_count: int = 0) -> AthenaQuery:
    """Return a query on Athena as a compute target; its result is the output.

    Parameters
    ----------
    query
        One SELECT, which may begin with WITH, over the inputs by alias. Inputs need a declared ``schema``, or
        are tables of the Glue Data Catalog.
    workgroup
        Athena's, which exists.
    retry_count
        How often a failed query is run again.

    Raises ComputeError.

    >>> PrestoSQL("SELECT region, count(*) AS n FROM orders GROUP BY region").workgroup
    'primary'
    """
    return AthenaQuery(read_code(query), workgroup, retries(retry_count))


Athena = PrestoSQL


def compact_table(
    provider: str,
    table_name: str,
    table_type: str = "REPLACE",
    partition_keys: Sequence[str] = (),
    all_partitions: Sequence[Sequence[str]] = (),
    primary_keys: Sequence[str] = (),
    *,
    version_column: str | None = None,
) -> str:
    """Return the Spark SQL query that reads a table of the catalog, each row once.

    Parameters
    ----------
    provider, table_name
        Database and table of the Glue Data Catalog.
    table_type
        "REPLACE" keeps the latest row of each primary key, "APPEND" all rows.
    partition_keys, all_partitions
        Names of the partition keys, and the partitions to read, each a value for every key; all partitions
        when there are none.
    primary_keys
        The columns that identify a row.
    version_column
        The latest row is the one with the greatest value of it. When left out, it is the one in the greatest
        partition, by the keys in their order.

    Raises ComputeError.

    >>> print(compact_table("sales", "orders", "APPEND", ["day"], [["2021-04-01"]]))
    SELECT * FROM `sales`.`orders`
    WHERE (`day` = '2021-04-01')
    """
    if table_type not in ("REPLACE", "APPEND"):
        raise ComputeError(f"table_type is {table_type!r}", hint='use "REPLACE" or "APPEND"')
    for partition in all_partitions:
        if len(partition) != len(partition_keys):
            raise ComputeError(
                f"the partition {tuple(partition)} has not one value for each of {', '.join(partition_keys) or 'no keys'}",
                hint="write a value for every partition key, in their order",
            )
    source = f"SELECT * FROM {quoted(provider)}.{quoted(table_name)}"
    if all_partitions:
        source += "\nWHERE " + "\n   OR ".join(equals(partition_keys, part) for part in all_partitions)
    order = [version_column] if version_column else list(partition_keys)
    return latest_rows(source, primary_keys, order) if table_type == "REPLACE" else source


def latest_rows(source: str, primary_keys: Sequence[str], order: Sequence[str]) -> str:
    """Return the query that keeps, of ``source``, the row with the greatest ``order`` of each primary key."""
    if not primary_keys:
        raise ComputeError(
            "a REPLACE table needs primary keys", hint='name them, or use "APPEND" to keep all rows'
        )
    row = f"max_by(struct(*), struct({', '.join(map(quoted, order))}))" if order else "first(struct(*))"
    inner = source.replace("SELECT *", f"SELECT {row} AS latest", 1)
    return f"SELECT latest.* FROM (\n{inner}\nGROUP BY {', '.join(map(quoted, primary_keys))}\n)"


def equals(keys: Sequence[str], values: Sequence[str]) -> str:
    """Return the condition that picks one partition."""
    texts = (str(value).replace("\\", "\\\\").replace("'", "\\'") for value in values)
    return "(" + " AND ".join(f"{quoted(k)} = '{t}'" for k, t in zip(keys, texts, strict=True)) + ")"


def quoted(name: str) -> str:
    """Return a name of Spark SQL.

    >>> quoted("ship day")
    '`ship day`'
    """
    return "`" + name.replace("`", "``") + "`"
