"""Metrics that an application has without declaring them: its nodes' own, and those of what runs it."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from rheodsl import ir
from rheodsl.errors import UnknownNameError
from rheodsl.metrics import (
    NODE,
    NODE_METRICS,
    MetricNode,
    metric_namespace,
    metric_signal,
    read_metric_filter,
)

# What CloudWatch keeps of the resources that run an application: namespace, dimension, ending of the name.
RESOURCES: Final = {
    "listener": ("AWS/Lambda", "FunctionName", "-listener"),
    "queue": ("AWS/SQS", "QueueName", ""),
    "dead_letters": ("AWS/SQS", "QueueName", "-dlq"),
    "ledger": ("AWS/DynamoDB", "TableName", ""),
}


def resource_name(app: str) -> str:
    """Return what the names of an application's resources begin with.

    >>> resource_name("My_App")
    'rheo-my-app'
    """
    return "rheo-" + "".join(c if c.isalnum() or c == "-" else "-" for c in app.lower()).strip("-")


def resource_metric(app: str, part: str) -> MetricNode:
    """Return the metrics of one of `RESOURCES`.

    >>> resource_metric("shop", "queue")["ApproximateAgeOfOldestMessage"]["Maximum"].stat("a").dimensions
    (('QueueName', 'rheo-shop'),)
    """
    namespace, dimension, ending = RESOURCES[part]
    source = ir.MetricSource(namespace, True, ((dimension, resource_name(app) + ending),))
    return MetricNode(metric_signal(part, source, read_metric_filter(part, None)))


def node_metric(app: str, node: str, name: str) -> MetricNode:
    """Return one of `NODE_METRICS`; its first index is the statistic.

    >>> node_metric("shop", "daily", "exec_failed")["Sum"][300].stat("a").dimensions
    (('Node', 'daily'),)
    """
    id = f"{node}.{name}"
    source = ir.MetricSource(metric_namespace(app), False, ((NODE, node),))
    return MetricNode(metric_signal(id, source, read_metric_filter(id, {name: {}})), depth=1)


def platform_metric(
    app: str, name: str, nodes: Collection[str], declared: Collection[str] = ()
) -> MetricNode:
    """Return a metric by its name: ``daily.exec_failed``, ``listener``, ``listener.Errors``.

    ``declared`` are names that may have been meant. Raises UnknownNameError.
    """
    part, _, metric = name.rpartition(".")
    if part in nodes and metric in NODE_METRICS:
        return node_metric(app, part, metric)
    if name in RESOURCES:
        return resource_metric(app, name)
    if part in RESOURCES:
        group = resource_metric(app, part)
        signal = replace(group.signal, id=name, branches=read_metric_filter(name, {metric: {}}))
        return MetricNode(signal, depth=1)
    known = [*declared, *(f"{node}.{own}" for node in nodes for own in NODE_METRICS), *RESOURCES]
    near = difflib.get_close_matches(name, known, 1)
    raise UnknownNameError(
        f"{app} has no metric {name!r}",
        hint=f"did you mean {near[0]!r}?"
        if near
        else f"a declared metric, <node>.{{{', '.join(NODE_METRICS)}}}, or one of {', '.join(RESOURCES)}",
    )
