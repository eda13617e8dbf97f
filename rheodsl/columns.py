"""A node -> which columns of its inputs its code names, as far as its text tells.

SQL names what it reads, but for ``*``. Other code may take a column without naming it: a frame is passed on whole.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import rheo_formats
from rheodsl import ir
from rheodsl.compute import (
    AthenaQuery,
    Compute,
    EmailMessage,
    EmrCompute,
    InlinedPython,
    Lang,
    SlackMessage,
    SnsMessage,
    SparkCompute,
)
from rheodsl.texts import sql_tokens

_MESSAGES = (EmailMessage, SlackMessage, SnsMessage)
_WORD = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class Reading:
    """That a node reads a column of an input: ``sure`` when its code names it, and ``how`` that is known."""

    node: str
    sure: bool
    how: str


def readers(graph: ir.Graph, signal: str, column: str) -> list[Reading]:
    """Return the nodes that read a column of a signal's data, or may.

    >>> from rheodsl import *
    >>> app = Application("shop")
    >>> orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}", format="CSV", schema="id string, price double")
    >>> total = app.create_data("total", orders, compute_targets=SparkSQL("SELECT sum(price) AS total FROM orders"))
    >>> kept = app.create_data("kept", orders, compute_targets="output = orders")
    >>> for each in readers(app.graph(), "orders", "price") + readers(app.graph(), "orders", "id"):
    ...     print(each.node, each.how)
    kept its code takes the whole frame
    total its query names it
    kept its code takes the whole frame
    """
    return [reading for node in graph.nodes if (reading := _reading(graph, node, signal, column)) is not None]


def checked(node: ir.Node, column: str) -> bool:
    """Say whether a check of a node's output names one of its columns."""
    wanted = column.lower()
    return any(
        wanted in map(str.lower, check.columns)
        or (check.code is not None and wanted in _named(check.code.text, check.kind == "sql").names)
        for check in node.checks
    )


def _reading(graph: ir.Graph, node: ir.Node, signal: str, column: str) -> Reading | None:
    inputs = [*node.inputs, *(i for way in node.alternatives for i in way.inputs)]
    if all(i.signal != signal for i in inputs):
        return None
    others = [graph.signal(i.signal).data for i in inputs if i.signal != signal]
    alone = all(
        data.schema is not None
        and column.lower() not in map(str.lower, dict(rheo_formats.columns_of(data.schema)))
        for data in others
    )
    found = [reading for each in node.computes if (reading := _of(node.id, each, column.lower(), alone))]
    return min(found, key=lambda reading: not reading.sure, default=None)


def _of(node: str, compute: Compute, column: str, alone: bool) -> Reading | None:
    if isinstance(compute, _MESSAGES):
        return None
    if not isinstance(compute, SparkCompute | EmrCompute | InlinedPython | AthenaQuery):
        return Reading(node, False, "what it reads is not known")
    sql = isinstance(compute, AthenaQuery) or getattr(compute, "lang", None) is Lang.SPARK_SQL
    named, what = _named(compute.code.text, sql), "query" if sql else "code"
    if column in named.names:
        if alone or not sql:
            return Reading(node, True, f"its {what} names it")
        return Reading(node, False, f"its {what} names a column of that name, of this input or of another")
    if not sql:
        return Reading(node, False, "its code takes the whole frame")
    return Reading(node, False, "its query takes all columns (*)") if named.all else None


@dataclass(frozen=True, slots=True)
class _Named:
    names: frozenset[str]
    all: bool


@lru_cache(maxsize=1_000)
def _named(text: str, sql: bool) -> _Named:
    """The names that a text holds, in small letters; of SQL, also whether it takes all columns of something."""
    if not sql:
        return _Named(frozenset(_words(text)), True)
    tokens = sql_tokens(text)
    names = {text.strip('`"').lower() for kind, text in tokens if kind == "word" or text[:1] in '`"'}
    stars = any(
        here == "*" and before in ("SELECT", "DISTINCT", "ALL", ".", ",")
        for (_, before), (_, here) in zip([("", ""), *tokens], tokens, strict=False)
    )
    return _Named(frozenset(names), stars)


def _words(text: str) -> Iterator[str]:
    """Names, attributes and the words of texts, of Python; the words of what is not Python."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        yield from (word.lower() for word in _WORD.findall(text))
        return
    for part in ast.walk(tree):
        match part:
            case ast.Name(name) | ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
                yield name.lower()
            case ast.Constant(str(said)):
                yield said.lower()
                yield from (word.lower() for word in _WORD.findall(said))
