"""A node of the active graph -> its entry in the routing table."""

from __future__ import annotations

from rheodsl import ir
from rheodsl.describe import describe_input, describe_output
from rheodsl.executions import Route
from rheodsl.notation import show


def route_of(node: ir.Node) -> Route:
    """Return a node as its route."""
    return Route(
        id=node.id,
        inputs=tuple(map(describe_input, node.inputs)),
        links=tuple(f"{show(link.left)} == {show(link.right)}" for link in node.written),
        output=describe_output(node),
    )
