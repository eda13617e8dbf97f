"""A DAG's folder and its executions -> the metrics that CloudWatch gets of them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from rheo_runtime import node_metrics
from rheo_runtime.diagnostics import Diagnostics
from rheo_runtime.ledger import Ledger
from rheo_runtime.records import Document
from rheo_runtime.tasks import settings

FILE = "metrics.json"


def diagnostics(folder: Path) -> Diagnostics:
    """Return the metrics that the application in ``folder`` declares; none when it has no `FILE`."""
    file = folder / FILE
    declared = json.loads(file.read_text("utf-8"))["metrics"] if file.exists() else {}
    return Diagnostics(declared, _put)


def ended(app: str, ledger: Ledger, document: Document, ok: bool) -> None:
    """Send what a node's own metrics say of an execution that a run has ended."""
    output, _ = ledger.output(document["node"], document["partition"], None)
    known = (output.active, *output.ended) if output else ()
    fired = [e.fired for e in known if e is not None and e.generation == document["generation"]]
    seconds = time.time() - fired[0] if fired else 0.0
    node_metrics.send(_put, app, node_metrics.ended(document["node"], ok, seconds))


def _put(**request: Any) -> None:
    settings.client("cloudwatch").put_metric_data(**request)
