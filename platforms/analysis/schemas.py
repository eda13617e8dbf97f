"""The text of a schema (Spark's DDL: ``id BIGINT, price DOUBLE``) -> names and types of columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rheodsl.errors import UnknownNameError

# Spark's type -> the one of pandas that can hold its nulls.
_PANDAS = {
    "string": "object", "varchar": "object", "char": "object", "boolean": "boolean",
    "byte": "Int8", "tinyint": "Int8", "short": "Int16", "smallint": "Int16", "int": "Int32", "integer": "Int32",
    "bigint": "Int64", "long": "Int64", "float": "float32", "real": "float32", "double": "float64",
}  # fmt: skip
_TIMES = ("date", "timestamp")


def columns_of(schema: str | None) -> list[tuple[str, str]]:
    """Return the name and the type, in lower case, of each column.

    >>> columns_of("`id` BIGINT NOT NULL, price DECIMAL(10, 2), tags: ARRAY<STRING>")
    [('id', 'bigint'), ('price', 'decimal'), ('tags', 'array')]
    """
    found = []
    for part in _split(schema or ""):
        name, _, type_ = re.sub(r"^(`[^`]+`|[^\s:]+)\s*:?\s*", r"\1 ", part.strip()).partition(" ")
        word = re.match(r"\w+", type_.strip())
        found.append((name.strip("`"), word[0].lower() if word else "string"))
    return found


def _split(schema: str) -> list[str]:
    parts, depth = [""], 0
    for letter in schema:
        depth += (letter in "(<") - (letter in ")>")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part for part in parts if part.strip()]


def pandas_types(schema: str | None) -> tuple[dict[str, str], list[str]]:
    """Return the pandas type of each column that has one, and the columns that are times."""
    columns = columns_of(schema)
    return (
        {name: _PANDAS[type_] for name, type_ in columns if type_ in _PANDAS},
        [name for name, type_ in columns if type_ in _TIMES],
    )


def chosen(known: Sequence[Any], wanted: int | Sequence[str] | None, where: str) -> list[Any]:
    """Return the columns that are wanted: all, the first ones, or those named. Raises UnknownNameError."""
    if wanted is None or isinstance(wanted, int):
        return list(known[:wanted])
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    for name in names:
        if name not in known:
            raise UnknownNameError(
                f"{where} has no column {name!r}", hint=f"its columns: {', '.join(map(str, known)) or 'none'}"
            )
    return names
