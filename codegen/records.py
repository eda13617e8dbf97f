"""The frozen types of a graph <-> JSON: a record is an object that names its class in ``is``.

Fields that have their default are left out; a tuple is an array, and lists and dicts (the user's
metadata) are records too, so that what is read equals what was written.
"""

from __future__ import annotations

import dataclasses
import os
from enum import Enum
from functools import cache
from types import ModuleType
from typing import Any

from rheo_runtime import values, wire
from rheo_runtime.expr import nodes
from rheodsl import (
    alarm_actions,
    alarm_definitions,
    alarm_rule_nodes,
    alarm_rules,
    compute,
    compute_jobs,
    compute_messages,
    compute_sagemaker,
    compute_sql,
    dashboards,
    errors,
    ir,
    metric_math,
    metrics,
    security,
)
from rheodsl.errors import Place

# Where the classes of a graph are declared; of the wire format only what a graph shares with it.
MODULES: tuple[ModuleType, ...] = (
    alarm_actions, alarm_definitions, alarm_rule_nodes, alarm_rules, compute, compute_jobs,
    compute_messages, compute_sagemaker, compute_sql, dashboards, errors, ir,
    metric_math, metrics, nodes, security, values,
)  # fmt: skip
_SHARED = (wire.Rule, wire.Window)
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
    return found


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


def encode(value: Any) -> Any:
    """Return the JSON value of a part of a graph; raises TypeError for what is no part of one.

    >>> encode(ir.DataFormatSpec("CSV", delimiter=";"))
    {'is': 'DataFormatSpec', 'format': 'CSV', 'delimiter': ';'}
    """
    if value is None or value.__class__ in (str, int, bool, float):
        return value
    if value.__class__ is tuple:
        return [encode(each) for each in value]
    if isinstance(value, Place):  # the same from whichever folder the compiler is started
        return {"is": "Place", "file": os.path.basename(value.file), "line": value.line}
    if isinstance(value, Enum):
        return {"is": type(value).__name__, "value": value.value}
    if value.__class__ is list:
        return {"is": "list", "of": [encode(each) for each in value]}
    if value.__class__ is dict:
        return {"is": "dict", "of": [[encode(name), encode(each)] for name, each in value.items()]}
    record = {"is": type(value).__name__}
    for name, default in _fields(type(value)):
        part = getattr(value, name)
        if default is dataclasses.MISSING or part != default or type(part) is not type(default):
            record[name] = encode(part)
    return record


def decode(data: Any) -> Any:
    """Return what `encode` has written; raises BadRecord.

    >>> decode({"is": "Place", "file": "app.py", "line": 3})
    Place(file='app.py', line=3)
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
