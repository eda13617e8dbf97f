"""A file of user code and an execution -> the code's run, in the Airflow worker."""

from __future__ import annotations
import __future__

import linecache
from pathlib import Path
from typing import Any

from rheo_runtime.records import Document
from rheo_runtime.tasks import metrics, signals
from rheo_runtime.tasks.claim import HOOK, hold
from rheo_runtime.tasks.compat import BaseOperator


class AWSCommonParams:
    """Names of what ``params`` holds."""

    BOTO_SESSION = "AWS_BOTO_SESSION"
    ACCOUNT_ID = "ACCOUNT_ID"
    REGION = "REGION"


class PythonComputeOperator(BaseOperator):
    """Runs a function ``entry(input_map, output, params)`` of a file beside the DAG; a class is made first.

    Parameters
    ----------
    code
        The file, relative to the DAG's folder. Its first line says where the code is from.
    entry
        The function or class in it.
    """

    def __init__(self, *, code: str, entry: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.code = code
        self.entry = entry

    def execute(self, context: Any) -> None:
        """Run the code; what it raises fails the task."""
        document = hold(context)
        target = load(Path(context["dag"].fileloc).parent / self.code, self.entry, document)
        if isinstance(target, type):
            target = target()
        told = context[HOOK].params if HOOK in context else {}
        target(signals.inputs(document), signals.output(document), {**parameters(), **told})


def load(file: Path, entry: str, document: Document) -> Any:
    """Return ``entry`` of a file whose first line is ``# app.py:42``, the place of its second line.

    Tracebacks show the user's file and lines. Inputs are there under their aliases, and as ``input0``,
    ``input1``, ...
    """
    header, _, code = file.read_text("utf-8").partition("\n")
    name, _, line = header.removeprefix("# ").rpartition(":")
    padded = "\n" * (int(line) - 1) + code
    linecache.cache[name] = (len(padded), None, padded.splitlines(keepends=True), name)
    inputs = signals.inputs(document)
    names: dict[str, Any] = {
        "__name__": "compute",
        "Signal": signals.Signal,
        "IInlinedCompute": object,
        "AWSCommonParams": AWSCommonParams,
        "diagnostics": metrics.diagnostics(file.parent.parent),
        **{f"input{number}": signal for number, signal in enumerate(inputs.values())},
        **inputs,
    }
    # Annotations may name what does not exist here.
    exec(compile(padded, name, "exec", __future__.annotations.compiler_flag, dont_inherit=True), names)
    return names[entry]


def parameters() -> dict[str, Any]:
    """Return what the platform offers: a boto3 session, the account and the region."""
    import boto3

    session = boto3.Session()
    return {
        AWSCommonParams.BOTO_SESSION: session,
        AWSCommonParams.ACCOUNT_ID: session.client("sts").get_caller_identity()["Account"],
        AWSCommonParams.REGION: session.region_name,
    }
