"""Executions that end, bindings that wait -> the metrics of their nodes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rheo_runtime.wire import FAIL, PASS, WARN

NODE = "Node"
DATA = 500  # of one request


def metric_namespace(app: str) -> str:
    """Return the CloudWatch namespace of an application's own metrics.

    >>> metric_namespace("shop")
    'Rheo/shop'
    """
    return f"Rheo/{app}"


def ended(node: str, ok: bool, seconds: float, checked: str = "") -> list[dict[str, Any]]:
    """Return the data of an execution that ended ``seconds`` after it had fired, and of how its checks ended.

    >>> [datum["MetricName"] for datum in ended("daily", True, 12.5, "WARN")]
    ['exec_succeeded', 'latency', 'checks_warned']
    """
    if ok:
        data = [
            _datum(node, "exec_succeeded", 1.0, "Count"),
            _datum(node, "latency", max(0.0, seconds), "Seconds"),
        ]
    else:
        data = [_datum(node, "exec_failed", 1.0, "Count")]
    if checked:
        data.append(_datum(node, checks_metric(checked), 1.0, "Count"))
    return data


def checks_metric(checked: str) -> str:
    """Return the metric that counts how checks end.

    >>> checks_metric("FAIL")
    'checks_failed'
    """
    return {PASS: "checks_passed", WARN: "checks_warned", FAIL: "checks_failed"}[checked]


def pending(since: Iterable[tuple[str, float]], now: float) -> list[dict[str, Any]]:
    """Return the data of what waits, from the node and the oldest arrival of each waiting binding.

    >>> [datum["Value"] for datum in pending([("daily", 60.0), ("daily", 40.0)], 100.0)]
    [60.0]
    """
    oldest: dict[str, float] = {}
    for node, time in since:
        oldest[node] = min(time, oldest.get(node, time))
    return [
        _datum(node, "pending_age", max(0.0, now - time), "Seconds") for node, time in sorted(oldest.items())
    ]


def _datum(node: str, name: str, value: float, unit: str) -> dict[str, Any]:
    return {
        "MetricName": name,
        "Dimensions": [{"Name": NODE, "Value": node}],
        "Value": value,
        "Unit": unit,
    }


def send(put: Callable[..., Any], app: str, data: list[Mapping[str, Any]] | list[dict[str, Any]]) -> None:
    """Send data by ``put_metric_data``; what cannot be sent is reported, for the work goes on without it."""
    for first in range(0, len(data), DATA):
        try:
            put(Namespace=metric_namespace(app), MetricData=data[first : first + DATA])
        except Exception as fault:  # noqa: BLE001 - whatever the client raises
            print(f"metrics of {app} not sent: {fault}", file=sys.stderr, flush=True)
