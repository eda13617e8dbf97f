"""A deployed application -> the graph that is active."""

from __future__ import annotations

from botocore.exceptions import ClientError

from codegen.graph_file import load_graph
from platforms.deployment import Deployment
from rheodsl import ir

_NOT_THERE = frozenset({"NoSuchKey", "NoSuchBucket", "404"})


def graph_of(deployment: Deployment) -> ir.Graph | None:
    """Return the active graph; None when nothing is active. Raises as boto3 does when AWS cannot tell."""
    try:
        return load_graph(deployment.file("graph.json"))
    except ClientError as fault:
        if fault.response["Error"]["Code"] in _NOT_THERE:
            return None
        raise
