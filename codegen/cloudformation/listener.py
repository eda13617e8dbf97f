"""The listener of an application: its zip, and as CloudFormation resources the function, its log, its trigger."""

from __future__ import annotations

import ast
import io
import tokenize
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from codegen import plan as p
from codegen.cloudformation.keys import LISTENER, Keys
from codegen.cloudformation.names import NO_VALUE, Resources, attribute, ref
from codegen.cloudformation.storage import TIMEOUT
from rheo_runtime.wire import resource_name

PACKAGE = "rheo_runtime"
_FOLDER = Path(__file__).parents[2] / PACKAGE
ROUTES = "routes.json"
HANDLER = "rheo_runtime.listener.handler"
RUNTIME = "python3.12"
BATCH = 10
# Executions of a storm are announced together: as many messages come at a time as a pump has keys, or what there is after two seconds.
GATHERED, GATHER_SECONDS = 112, 2
LOG_DAYS = 90
_MOMENT = (1980, 1, 1, 0, 0, 0)  # the first that a zip knows
_MODE = 0o100644 << 16


def lambda_zip(routes: str) -> bytes:
    """Return the zip of the listener: ``rheo_runtime``, the whole folder, and the route table.

    Docstrings are left out; boto3 is in Lambda's image.

    Parameters
    ----------
    routes
        The text of ``routes.json``.
    """
    return zipped({**_runtime(), ROUTES: routes})


@cache
def _runtime() -> dict[str, str]:
    """The text of each module, by its path."""
    return {
        f"{PACKAGE}/{file.relative_to(_FOLDER).as_posix()}": undocumented(file.read_text("utf-8"))
        for file in _FOLDER.rglob("*.py")
    }


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    """Return files, by their paths, as a zip: the same bytes for the same files.

    >>> zipped({"a.txt": "a", "b.txt": "b"}) == zipped({"b.txt": b"b", "a.txt": b"a"})
    True
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in sorted(files.items()):
            info = zipfile.ZipInfo(name, _MOMENT)
            info.external_attr = _MODE
            info.create_system = 3
            archive.writestr(info, content, zipfile.ZIP_DEFLATED, 9)
    return out.getvalue()


def undocumented(source: str) -> str:
    """Return a module without docstrings, comments and wide indents, each line at its number: tracebacks stay right.

    >>> undocumented("def f():\\n    'It returns 1.'\\n    return 1  # always\\n")
    'def f():\\n ""\\n return 1\\n'
    """
    lines = source.splitlines()
    within: set[int] = set()  # lines that begin within a text
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
        elif token.type == tokenize.STRING:
            within.update(range(token.start[0] + 1, token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Module() | ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                match node.body:
                    case [ast.Expr(ast.Constant(str()) as text), *_]:
                        _blank(lines, text)
    return "".join(f"{line if n in within else _narrow(line)}\n" for n, line in enumerate(lines, start=1))


def _narrow(line: str) -> str:
    """A line with one blank for each four of its indent."""
    code = line.lstrip(" ")
    return " " * ((len(line) - len(code)) // 4) + code


def _blank(lines: list[str], text: ast.Constant) -> None:
    first, last = text.lineno - 1, (text.end_lineno or text.lineno) - 1
    # A docstring may share its line with code; offsets count bytes.
    before = lines[first].encode()[: text.col_offset].decode()
    after = lines[last].encode()[text.end_col_offset :].decode()
    lines[first : last + 1] = [f'{before}""{after}', *[""] * (last - first)]


def function(plan: p.Plan, keys: Keys, pending: str) -> Resources:
    """Return the listener; ``pending`` are the nodes whose waiting it reports, joined by commas."""
    name = f"{resource_name(plan.app)}-listener"
    key = keys.of(LISTENER)
    variables = {
        "RHEO_TABLE": ref("Ledger"),
        "RHEO_MWAA_ENVIRONMENT": ref("MwaaEnvironment"),
        "RHEO_EVENT_BUS": ref("EventBus"),
        "RHEO_DEAD_LETTERS": ref("DeadLetters"),
        "RHEO_GATHER": ref("Gather"),
        "RHEO_LISTENERS": ref("MaximumConcurrency"),  # they share the calls that MWAA takes
        **({"RHEO_PENDING_METRICS": pending} if pending else {}),
    }
    return {
        "Listener": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "FunctionName": name,
                "Description": f"Joins events of {plan.app} and starts its DAGs.",
                "Runtime": RUNTIME,
                "Architectures": ["arm64"],
                "Handler": HANDLER,
                "Code": {"S3Bucket": ref("CodeBucket"), "S3Key": ref("CodeKey")},
                "MemorySize": 512,
                "Timeout": TIMEOUT,
                "Role": attribute("ListenerRole"),
                "Environment": {"Variables": variables},
                "KmsKeyArn": key or NO_VALUE,
                "LoggingConfig": {"LogGroup": ref("ListenerLog")},
            },
        },
        "ListenerLog": {
            "Type": "AWS::Logs::LogGroup",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {
                "LogGroupName": f"/aws/lambda/{name}",
                "RetentionInDays": LOG_DAYS,
                **({"KmsKeyId": key} if keys.own(LISTENER) else {}),
            },
        },
        "ListenerTrigger": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "FunctionName": ref("Listener"),
                "EventSourceArn": attribute("Queue"),
                "BatchSize": BATCH,
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                "ScalingConfig": {"MaximumConcurrency": ref("MaximumConcurrency")},
            },
        },
        "GatherTrigger": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "FunctionName": ref("Listener"),
                "EventSourceArn": attribute("Gather"),
                "BatchSize": GATHERED,
                "MaximumBatchingWindowInSeconds": GATHER_SECONDS,
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                "ScalingConfig": {"MaximumConcurrency": 2},
            },
        },
        # A sweep that fails is made good by the next one.
        "ListenerRetries": {
            "Type": "AWS::Lambda::EventInvokeConfig",
            "Properties": {
                "FunctionName": ref("Listener"),
                "Qualifier": "$LATEST",
                "MaximumEventAgeInSeconds": 60,
                "MaximumRetryAttempts": 0,
            },
        },
    }
