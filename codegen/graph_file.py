"""Graph <-> ``graph.json``: the graph as data, for tools that show it, and to take it up again."""

from __future__ import annotations

import json
from typing import Any

from codegen.records import BadRecord, decode, encode
from rheodsl import ir
from rheodsl.describe import describe_dims, describe_input, describe_node, describe_source
from rheodsl.errors import SpecError
from rheodsl.expressions import show

VERSION = 1
_PARTS = ("security", "upstreams", "downstreams")  # of a graph, most often without any


def graph_file(graph: ir.Graph) -> str:
    """Return the graph as JSON text: one line for each signal and node, sorted by id.

    A line says what it shows in plain words, and holds the signal or node itself as ``record``.
    """
    signals = ",\n".join(_line(_signal(s)) for s in graph.signals)
    nodes = ",\n".join(_line(_node(n)) for n in graph.nodes)
    more = "".join(f',\n"{name}": {_line(encode(part))}' for name in _PARTS if (part := getattr(graph, name)))
    return (
        f'{{"version": {VERSION}, "app": {json.dumps(graph.app)},\n"signals": [{signals}],\n'
        f'"nodes": [{nodes}],\n"dashboards": {_line(encode(graph.dashboards))}{more}}}\n'
    )


def load_graph(text: str) -> ir.Graph:
    """Return the graph that `graph_file` has written, its warnings left out.

    Raises SpecError when the text is no such file.
    """
    try:
        data = json.loads(text)
        if data["version"] != VERSION:
            raise BadRecord(f"its version is {data['version']!r}, not {VERSION}")
        return ir.Graph(
            app=data["app"],
            signals=tuple(decode(each["record"]) for each in data["signals"]),
            nodes=tuple(decode(each["record"]) for each in data["nodes"]),
            dashboards=decode(data["dashboards"]),
            **{name: decode(data.get(name, [])) for name in _PARTS},
        )
    except (ValueError, KeyError, TypeError) as fault:
        raise SpecError(
            f"graph.json cannot be read ({type(fault).__name__}: {fault})",
            hint="compile and activate the application again, with this version of Rheo",
        ) from None


def _line(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _signal(signal: ir.Signal) -> dict[str, Any]:
    return {
        "id": signal.id,
        "type": type(signal.source).__name__.removesuffix("Source").lower(),
        "dimensions": [{"name": dim, "type": signal.kind(dim).type} for dim in signal.dims],
        "shown": f"({describe_dims(signal)})  {describe_source(signal.source)}",
        "metadata": dict(signal.metadata),
        "record": encode(signal),
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
        "record": encode(node),
    }
