"""A file of user code and an execution -> the code's run, in the Airflow worker, with inputs as the guide shows them."""

from __future__ import annotations
import __future__

import linecache
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rheo_airflow.tasks import partitions, settings, worker_checks
from rheo_airflow.tasks.claim import HOOK, hold
from rheo_airflow.tasks.compat import BaseOperator
from rheo_airflow.tasks.failures import says_why
from rheo_runtime.records import Document
from rheo_runtime.wire import AWSCommonParams

LIBRARY = "lib"  # the folder of an application's modules


@dataclass(frozen=True, slots=True)
class Signal:
    """An input, or the output, of a running execution.

    ``dimensions`` are the texts of its partition (of the tip, where it has a window). ``absent`` says that there is
    none yet: of a node's own past, at its first partition.
    """

    alias: str
    id: str
    dimensions: Mapping[str, str]
    paths: tuple[str, ...]
    absent: bool = False

    def get_materialized_resource_paths(self) -> list[str]:
        """Return the paths of its partitions, the tip first; none where it is absent.

        A signal without data, such as a timer, has its name and partition for a path.

        >>> Signal("t", "daily", {"day": "2013-01-01"}, ()).get_materialized_resource_paths()
        ['daily/2013-01-01']
        """
        if self.paths or self.absent:
            return list(self.paths)
        return ["/".join([self.id, *self.dimensions.values()])]


def inputs(document: Document) -> dict[str, Signal | None]:
    """Return the inputs by alias, in declared order; None for one that is optional and absent.

    >>> entry = {"alias": "a", "signal": "a", "dimensions": {}, "paths": [], "absent": True}
    >>> inputs({"inputs": [entry]})
    {'a': None}
    """
    return {
        entry["alias"]: None
        if entry.get("absent") is True
        else Signal(
            entry["alias"], entry["signal"], entry["dimensions"], tuple(entry["paths"]), "absent" in entry
        )
        for entry in document["inputs"]
    }


def output(document: Document) -> Signal:
    """Return the output."""
    entry = document["output"]
    paths = () if entry["path"] is None else (entry["path"],)
    return Signal("output", document["node"], entry["dimensions"], paths)


class PythonComputeOperator(BaseOperator):
    """Runs a function ``entry(input_map, output, params)`` of a file beside the DAG; a class is made first.

    Parameters
    ----------
    code
        The file, relative to the DAG's folder; ``graph.json`` there says where its code is from.
    entry
        The function or class in it.
    checks
        What the output must be: see `check`. The code is given a folder beside the output, which publish takes over.
    """

    def __init__(
        self,
        *,
        code: str,
        entry: str,
        checks: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.code = code
        self.entry = entry
        self.checks = dict(checks or {})

    @says_why
    def execute(self, context: Any) -> str:
        """Run the code; what it raises fails the task. Returns the execution: that it has come to its end."""
        document = hold(context)
        folder = Path(context["dag"].fileloc).parent
        target = load(folder, self.code, self.entry, document)
        if isinstance(target, type):
            target = target()
        told = context[HOOK].params if HOOK in context else {}
        place = prepared(document) if self.checks else document
        target(inputs(document), output(place), {**parameters(), **told})
        if self.checks:
            check(self.checks, place, folder)
        return str(document["id"])


def prepared(document: Document) -> Document:
    """Return an execution for what writes aside: its output is the folder that publish takes over, which is empty."""
    place = partitions.aside(document)
    partitions.clear(settings.client("s3"), place["output"]["path"])  # of an earlier try
    return place


def check(checks: Mapping[str, Any], place: Document, folder: Path) -> None:
    """Make checks of what lies aside, and leave their results there.

    Parameters
    ----------
    checks
        As `rheo_airflow.tasks.worker_checks.check` takes them; ``functions`` is the file of those that are checks.
    place
        The execution, as `prepared` returns it.
    folder
        The application's.
    """

    def function(entry: str) -> Any:
        return load(folder, checks["functions"], entry, place)

    worker_checks.check(settings.client("s3"), place["output"]["path"], checks, function)


def load(folder: Path, file: str, entry: str, document: Document) -> Any:
    """Return ``entry`` of a file in an application's folder.

    Tracebacks show the user's own file and lines, where ``graph.json`` knows them. Inputs are there under
    their aliases, and as ``input0``, ``input1``, ...
    """
    offer(folder / LIBRARY)
    name, line = settings.place(folder, file) or (file, 1)
    padded = "\n" * (line - 1) + (folder / file).read_text("utf-8")
    linecache.cache[name] = (len(padded), None, padded.splitlines(keepends=True), name)
    signals = inputs(document)
    names: dict[str, Any] = {
        "__name__": "compute",
        "Signal": Signal,
        "IInlinedCompute": object,
        "AWSCommonParams": AWSCommonParams,
        "diagnostics": settings.diagnostics(folder),
        **{f"input{number}": signal for number, signal in enumerate(signals.values())},
        **signals,
    }
    # Annotations may name what does not exist here.
    exec(compile(padded, name, "exec", __future__.annotations.compiler_flag, dont_inherit=True), names)
    return names[entry]


_offered: list[str] = []  # the folder whose modules this process imports


_offering = threading.RLock()  # executions of a batch may be computed side by side


def offer(library: Path) -> None:
    """Let code import the modules of its application, and of no other one's that ran in this process."""
    path = str(library)
    with _offering:
        if path in _offered or not library.is_dir():
            return
        for other in _offered:
            if other in sys.path:
                sys.path.remove(other)
            known = sys.modules.copy()  # one that is asked for its file may import others
            files = {name: getattr(module, "__file__", None) or "" for name, module in known.items()}
            for top in [name for name, file in files.items() if file.startswith(f"{other}/")]:
                for part in [name for name in files if name == top or name.startswith(f"{top}.")]:
                    sys.modules.pop(part, None)
                sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != top]
        _offered[:] = [path]
        sys.path.insert(0, path)


def parameters() -> dict[str, Any]:
    """Return what the platform offers: a boto3 session, the account and the region."""
    import boto3

    session = boto3.Session()
    return {
        AWSCommonParams.BOTO_SESSION: session,
        AWSCommonParams.ACCOUNT_ID: settings.account(),
        AWSCommonParams.REGION: session.region_name,
    }
