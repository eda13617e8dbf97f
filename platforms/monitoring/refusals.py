"""The listener's log -> the events that it refused lately: why something that came had no effect."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from platforms.deployment import Deployment
from platforms.monitoring.records import at
from rheo_runtime.program import Node
from rheodsl.executions import RefusedEvent

SPAN = 86400  # seconds that are looked back
MOST = 5  # events that are told of
_TAIL = 4_000_000  # bytes of a log file that are read, its end
_PAGES = 20  # of CloudWatch's answers


def refused(deployment: Deployment, node: Node) -> list[RefusedEvent]:
    """Return the latest events of a node's signals that were refused, or that the node could not use; the latest first."""
    signals = {source.signal for source in node.join.route.inputs}
    found: deque[RefusedEvent] = deque(maxlen=MOST)
    for moment, line in _lines(deployment):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if not isinstance(entry, dict) or entry.get("rheo") != "rejected":
            continue
        if entry["node"] == node.id or (entry["node"] is None and entry["signal"] in signals):
            when = None if moment is None else at(moment)
            found.append(RefusedEvent(entry["signal"], entry["what"], entry["reason"], when))
    return list(reversed(found))


def _lines(deployment: Deployment) -> Iterable[tuple[float | None, str]]:
    if deployment.listener_log is not None:
        return ((None, line) for line in _tail(deployment.listener_log) if '"rejected"' in line)
    return _of_cloudwatch(deployment.session.client("logs"), f"/aws/lambda/{deployment.table}")


def _tail(file: Path) -> Iterator[str]:
    if not file.exists():
        return
    with file.open("rb") as opened:
        opened.seek(max(0, os.fstat(opened.fileno()).st_size - _TAIL))
        for line in opened:
            yield line.decode("utf-8", "replace")


def _of_cloudwatch(logs: Any, group: str) -> Iterator[tuple[float | None, str]]:
    call: dict[str, Any] = {
        "logGroupName": group,
        "startTime": int((time.time() - SPAN) * 1000),
        "filterPattern": '{ $.rheo = "rejected" }',
    }
    for _ in range(_PAGES):
        try:
            answer = logs.filter_log_events(**call)
        except logs.exceptions.ResourceNotFoundException:
            return
        for event in answer["events"]:
            yield event["timestamp"] / 1000, event["message"]
        if "nextToken" not in answer:
            return
        call["nextToken"] = answer["nextToken"]
