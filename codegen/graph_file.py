"""Graph -> ``graph.json``: the graph as data, for pages and tools that show it."""

from __future__ import annotations

import json
from typing import Any

from rheodsl import ir
from rheodsl.describe import describe_dims, describe_input, describe_node, describe_source
from rheodsl.expressions import show

VERSION = 1


def graph_file(graph: ir.Graph) -> str:
    """Return the graph as JSON text: one line for each signal and node, sorted by id."""
    signals = ",\n".join(_line(_signal(s)) for s in graph.signals)
    nodes = ",\n".join(_line(_node(n)) for n in graph.nodes)
    return f'{{"version": {VERSION}, "app": {json.dumps(graph.app)},\n"signals": [{signals}],\n"nodes": [{nodes}]}}\n'


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _signal(signal: ir.Signal) -> dict[str, Any]:
    return {
        "id": signal.id,
        "type": type(signal.source).__name__.removesuffix("Source").lower(),
        "dimensions": [{"name": dim, "type": signal.kind(dim).type} for dim in signal.dims],
        "shown": f"({describe_dims(signal)})  {describe_source(signal.source)}",
        "metadata": dict(signal.metadata),
    }


def _node(node: ir.Node) -> dict[str, Any]:
    return {
        "id": node.id,
        "inputs": [
            {
                "alias": i.alias,
                "signal": i.signal,
                "reference": i.reference,
                "mode": i.mode,
                "shown": describe_input(i),
            }
            for i in node.inputs
        ],
        "links": [
            {"left": show(link.left), "right": show(link.right), "default": link.default}
            for link in node.written
        ],
        "output": [name for name, _ in node.output],
        "shown": list(describe_node(node)),
    }
