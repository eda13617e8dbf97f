"""Graph <-> ``graph.json``: the graph as data, for tools that show it, and to take it up again.

A record is an object that names its class in ``is``; fields that have their default are left out. A tuple is an
array, and lists and dicts (the user's metadata) are records too, so that what is read equals what was written.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from enum import Enum
from functools import cache, lru_cache, partial
from types import ModuleType
from typing import Any

from codegen.kept import KEPT
from rheo_runtime import values, wire
from rheo_runtime.expr import nodes
from rheodsl import compute, errors, ir, security
from rheodsl.cloudwatch import alarm_definitions, alarm_rule
from rheodsl.describe import describe_dims, describe_input, describe_node, describe_source
from rheodsl.errors import SourceLocation, SpecError
from rheodsl.expressions import show

# Where the classes of a graph are declared; of the wire format only what a graph shares with it.
MODULES: tuple[ModuleType, ...] = (
    alarm_definitions, alarm_rule, compute, errors, ir, nodes, security, values,
)  # fmt: skip
_FORMER = {"Place": "SourceLocation", "Warning_": "GraphWarning"}  # as files of older versions name them
_SHARED = (wire.Rollup, wire.Rule, wire.Window)
_PLAIN = frozenset({str, int, bool, float, type(None)})
_FIELDS: dict[type, tuple[tuple[str, Any], ...]] = {}


class BadRecord(ValueError):
    """JSON that is no record of a graph; the message says what it is."""


@cache
def _classes() -> dict[str, type]:
    declared = {
        each
        for module in MODULES
        for each in vars(module).values()
        if isinstance(each, type)
        and each.__module__ == module.__name__
        and (dataclasses.is_dataclass(each) or issubclass(each, Enum))
    }
    found = {each.__name__: each for each in (*declared, *_SHARED)}
    assert len(found) == len(declared) + len(_SHARED), "two classes of a graph have one name"
    return {**found, **{old: found[new] for old, new in _FORMER.items()}}


def _fields(kind: type) -> tuple[tuple[str, Any], ...]:
    """Each field's name and default; MISSING where it has none."""
    if kind in _FIELDS:
        return _FIELDS[kind]
    if _classes().get(kind.__name__) is not kind:
        raise TypeError(f"{kind.__qualname__} is no class of a graph: add its module to MODULES")
    found = _FIELDS[kind] = tuple(
        (f.name, f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default)
        for f in dataclasses.fields(kind)
    )
    return found


_basename = lru_cache(maxsize=64)(os.path.basename)


def encode(value: Any) -> Any:
    """Return the JSON value of a part of a graph; raises TypeError for what is no part of one.

    >>> encode(ir.DataFormatSpec("CSV", delimiter=";"))
    {'is': 'DataFormatSpec', 'format': 'CSV', 'delimiter': ';'}
    """
    kind = value.__class__
    if kind in _PLAIN:
        return value
    if kind is tuple:
        return [each if each.__class__ in _PLAIN else encode(each) for each in value]
    if kind is values.Kind:
        return _kind(value)
    if kind is SourceLocation:  # the same from whichever folder the compiler is started
        return {"is": "SourceLocation", "file": _basename(value.file), "line": value.line}
    if isinstance(value, Enum):
        return {"is": type(value).__name__, "value": value.value}
    if kind is list:
        return {"is": "list", "of": [encode(each) for each in value]}
    if kind is dict:
        return {"is": "dict", "of": [[encode(name), encode(each)] for name, each in value.items()]}
    return _record(value)


def _record(value: Any) -> dict[str, Any]:
    kind = value.__class__
    record = {"is": kind.__name__}
    for name, default in _fields(kind):
        part = getattr(value, name)
        if part is default:
            continue
        if part.__class__ is not default.__class__ or part != default:
            record[name] = part if part.__class__ in _PLAIN else encode(part)
    return record


_kind = lru_cache(maxsize=512)(_record)  # there are few, and each stands many times


def decode(data: Any) -> Any:
    """Return what `encode` has written; raises BadRecord.

    >>> decode({"is": "SourceLocation", "file": "app.py", "line": 3})
    SourceLocation(file='app.py', line=3)
    """
    if isinstance(data, list):
        return tuple(decode(each) for each in data)
    if not isinstance(data, dict):
        return data
    name = data.get("is")
    if name == "list":
        return [decode(each) for each in data["of"]]
    if name == "dict":
        return {decode(key): decode(each) for key, each in data["of"]}
    kind = _classes().get(name) if isinstance(name, str) else None
    if kind is None:
        raise BadRecord(f"{name!r} is no class of a graph")
    if issubclass(kind, Enum):
        return kind(data["value"])
    fields = dict(_fields(kind))
    if unknown := data.keys() - fields.keys() - {"is"}:
        raise BadRecord(f"{name} has no field {min(unknown)!r}")
    # What was valid when it was written is not checked again: some classes are made in another way.
    made = object.__new__(kind)
    for field, default in fields.items():
        part = decode(data[field]) if field in data else default
        if part is dataclasses.MISSING:
            raise BadRecord(f"{name} lacks {field!r}")
        object.__setattr__(made, field, part)
    return made


VERSION = 1
_PARTS = (
    "security",
    "upstreams",
    "downstreams",
    "modules",
    "activated_by",
)  # of a graph, most often without any


def graph_file(graph: ir.Graph, places: Mapping[str, SourceLocation] | None = None) -> str:
    """Return the graph as JSON text: one line for each signal and node, sorted by id.

    A line says what it shows in plain words, and holds the signal or node itself as ``record``.
    ``places`` are where the code of generated files begins, by their paths: no file but this one names lines.
    """
    signals = ",\n".join(KEPT.of("signal", (s,), partial(_signal_line, s)) for s in graph.signals)
    nodes = ",\n".join(KEPT.of("node", (n,), partial(_node_line, n)) for n in graph.nodes)
    more = "".join(f',\n"{name}": {_line(encode(part))}' for name in _PARTS if (part := getattr(graph, name)))
    return (
        f'{{"version": {VERSION}, "app": {json.dumps(graph.app)},\n"signals": [{signals}],\n'
        f'"nodes": [{nodes}],\n"dashboards": {_line(encode(graph.dashboards))}{more}{_places(places or {})}}}\n'
    )


def _places(places: Mapping[str, SourceLocation]) -> str:
    """The places as a part of the file, each ``app.py:42``; nothing where there are none."""
    texts = {path: f"{os.path.basename(place.file)}:{place.line}" for path, place in places.items()}
    return f',\n"places": {_line(texts)}' if texts else ""


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
            **{name: decode(data[name]) for name in _PARTS if name in data},
        )
    except (ValueError, KeyError, TypeError) as fault:
        raise SpecError(
            f"graph.json cannot be read ({type(fault).__name__}: {fault})",
            hint="compile and activate the application again, with this version of Rheo",
        ) from None


_line = json.JSONEncoder(sort_keys=True, ensure_ascii=False, check_circular=False).encode


def _signal_line(signal: ir.Signal) -> str:
    return _line(_signal(signal))


def _node_line(node: ir.Node) -> str:
    return _line(_node(node))


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
