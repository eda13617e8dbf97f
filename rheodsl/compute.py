"""What a node runs: compute targets and hooks, as frozen descriptions."""

from __future__ import annotations

import importlib.util
import inspect
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from rheodsl.errors import ComputeError, Place, here


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
    G_025X = "G.025X"


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
    where: Place | None = field(default=None, compare=False)


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


# What may be a hook: an inlined compute or a message.
Hook = Compute

# Parameters of Glue's StartJobRun and CreateJob that a user may give; all else goes to the script.
_GLUE_PARAMETERS = {
    "GlueVersion", "WorkerType", "NumberOfWorkers", "Timeout", "MaxCapacity", "ExecutionClass",
    "SecurityConfiguration", "NotificationProperty",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Module:
    path: str


@dataclass(frozen=True, slots=True)
class _Scala:
    text: str
    libraries: tuple[str, ...]


def python_module(path: str) -> _Module:
    """Name a Python module whose source is the Spark code, ``package.module``."""
    return _Module(path)


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
        minutes, ...); any other is passed to the script in ``args``, as text.

    Raises ComputeError.

    >>> BatchCompute("output = orders.limit(10)", Timeout=30, my_param="x").args
    (('my_param', 'x'),)
    """
    known = {k: getattr(p, "value", p) for k, p in parameters.items() if k in _GLUE_PARAMETERS}
    extra = {k: str(p) for k, p in parameters.items() if k not in _GLUE_PARAMETERS}
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


def InlinedCompute(code: Callable[..., Any], *, retry_count: int = 0) -> InlinedPython:
    """Return a Python compute target that runs in the Airflow worker.

    ``code`` is called as ``code(input_map, output, params)``: a function, or an object of a class
    that can be made without arguments. Its source is written beside the DAG, so it must stand in a
    file and use nothing of its surroundings but imports.
    """
    return InlinedPython(code=_callable_code(code), retry_count=retry_count)


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
    return Code(Path(spec.origin).read_text("utf-8"), form="module", where=Place(spec.origin, 1))


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
    return Code(textwrap.dedent("".join(lines)), form, name, Place(file, first))
