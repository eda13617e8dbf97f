"""Environment -> where an application's ledger, events, metrics and the places of its code are.

The variables are Airflow's own form for a configuration section ``rheo``, so that they can be set on
MWAA as configuration options: ``rheo.table``, ``rheo.event_bus``, ``rheo.poll_seconds``, ``rheo.grace_seconds``.
"""

from __future__ import annotations

import json
import os
import threading
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rheo_airflow.diagnostics import Diagnostics
from rheo_runtime import executions, metrics
from rheo_runtime.dynamodb import DynamoLedger
from rheo_runtime.ledger import Ledger
from rheo_runtime.records import Document
from rheo_runtime.wire import resource_name

if TYPE_CHECKING:
    from rheo_runtime.ledger import Ledger


TABLE = "AIRFLOW__RHEO__TABLE"
EVENT_BUS = "AIRFLOW__RHEO__EVENT_BUS"
POLL = "AIRFLOW__RHEO__POLL_SECONDS"
GRACE = "AIRFLOW__RHEO__GRACE_SECONDS"

# How often a task asks whether a job has ended; in the environment, because a laptop wants it short.
POLL_SECONDS = float(os.environ.get(POLL, "10"))
# Airflow fails a task that is due again before the worker has reported that it went, and a worker may see that only at
# its next heartbeat ("Executor reports task instance finished (success) although the task says it's queued").
RESCHEDULED_SOONEST = 2 * float(os.environ.get("AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL", "5")) + 3
# How often a task looks that occupies no worker meanwhile: less often than one asks for a job that is known to run.
LOOK = max(POLL_SECONDS * 6, RESCHEDULED_SOONEST)
# How long the process of a task that somebody else has ended may still be there.
GRACE_SECONDS = float(os.environ.get(GRACE, "60"))


def ledger(app: str) -> Ledger:
    """Return the ledger of an application; ``{app}`` in the setting stands for its resource name."""
    template = os.environ.get(TABLE, "")
    return DynamoLedger(template.replace("{app}", resource_name(app)) or resource_name(app))


def event_bus() -> str:
    """Return the bus that signals are sent to."""
    return os.environ.get(EVENT_BUS, "default")


_MAKING = threading.Lock()


def client(service: str) -> Any:
    """Return this process's boto3 client, by the environment's own credentials.

    Threads share a client, and so its connections; but making one is not for several at a time
    (https://docs.aws.amazon.com/boto3/latest/guide/clients.html).
    """
    with _MAKING:
        return _client(service)


@cache
def _client(service: str) -> Any:
    import boto3

    return boto3.client(service)  # type: ignore[call-overload]


@cache
def account() -> str:
    """Return the number of the account that this process works in."""
    return str(client("sts").get_caller_identity()["Account"])


def role_arn(role: str) -> str:
    """Return the ARN of a role, given by path and name; ``{region}`` stands for the region."""
    import boto3

    region = boto3.Session().region_name or ""
    return f"arn:{client('sts').meta.partition}:iam::{account()}:role/{role.replace('{region}', region)}"


FILE = "metrics.json"


def diagnostics(folder: Path) -> Diagnostics:
    """Return the metrics that the application in ``folder`` declares; none when it has no `FILE`."""
    file = folder / FILE
    declared = json.loads(file.read_text("utf-8"))["metrics"] if file.exists() else {}
    return Diagnostics(declared, _put)


GRAPH = "graph.json"


def place(folder: Path, code: str) -> tuple[str, int] | None:
    """Return file and line of the application at which the code of a generated file begins.

    ``code`` is that file's path in ``folder``, the application's. None where `GRAPH` does not know it.
    """
    file = folder / GRAPH
    places = json.loads(file.read_text("utf-8")).get("places", {}) if file.exists() else {}
    if code not in places:
        return None
    name, _, line = places[code].rpartition(":")
    return name, int(line)


def ended(app: str, ledger: Ledger, document: Document, ok: bool, checked: str = "") -> None:
    """Send what a node's own metrics say of an execution that a run has ended."""
    send(app, measured(ledger, document, ok, checked))


def send(app: str, data: list[dict[str, Any]]) -> None:
    """Send what metrics say."""
    metrics.send(_put, app, data)


def measured(ledger: Ledger, document: Document, ok: bool, checked: str = "") -> list[dict[str, Any]]:
    """Return what a node's own metrics say of an execution that a run has ended."""
    where = document["node"], document["partition"]
    output = ledger.recent(*where) or ledger.output(*where, None)[0]
    execution = executions.find(output, document["id"])
    seconds = 0.0 if execution is None else time.time() - execution.fired
    return metrics.ended(document["node"], ok, seconds, checked)


def _put(**request: Any) -> None:
    client("cloudwatch").put_metric_data(**request)
