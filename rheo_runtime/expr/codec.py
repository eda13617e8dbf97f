"""Expression <-> JSON: lists ``[tag, field, ...]``."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any

from rheo_runtime.expr.nodes import FIELDS, NODES, TAGS, Expr, MapValues
from rheo_runtime.values import Kind


def to_json(expr: Expr) -> list[Any]:
    """Return ``expr`` as plain lists.

    >>> from rheo_runtime.expr import Fmt, Ref
    >>> to_json(Fmt(Ref("ships", "ship_day"), "%Y"))
    ['fmt', ['ref', 'ships', 'ship_day'], '%Y']
    """
    cls = type(expr)
    return [TAGS[cls], *(_field_to_json(getattr(expr, name)) for name in FIELDS[cls])]


def _field_to_json(value: Any) -> Any:
    if isinstance(value, Expr):
        return to_json(value)
    if isinstance(value, Kind):
        return kind_to_json(value)
    if isinstance(value, tuple):
        return [_field_to_json(x) for x in value]
    return value


def from_json(data: list[Any]) -> Expr:
    """Return the expression that `to_json` wrote."""
    cls = NODES[data[0]]
    arguments = [_field_from_json(x) for x in data[1:]]
    if cls is MapValues:
        arguments[1] = tuple((k, value) for k, value in data[2])
    return cls(*arguments)


def _field_from_json(value: Any) -> Any:
    if isinstance(value, list) and value and isinstance(value[0], str) and value[0] in NODES:
        return from_json(value)
    if isinstance(value, dict):
        return kind_from_json(value)
    return value


def kind_to_json(kind: Kind) -> dict[str, Any]:
    """Return a kind as a dict without its defaults."""
    return dict(_kind_json(kind))


@cache
def _kind_json(kind: Kind) -> dict[str, Any]:
    return {f.name: x for f in fields(kind) if (x := getattr(kind, f.name)) != f.default}


def kind_from_json(data: dict[str, Any]) -> Kind:
    """Return the kind that `kind_to_json` wrote."""
    return Kind(**data)
