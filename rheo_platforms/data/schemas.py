"""Declared columns -> the types that pandas has for them; the columns that somebody wants of those there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rheo_formats
from rheodsl.errors import UnknownNameError

# A declared type -> the one of pandas that can hold its nulls.
_PANDAS = {
    "string": "object", "boolean": "boolean", "byte": "Int8", "short": "Int16", "int": "Int32", "long": "Int64",
    "float": "float32", "double": "float64", "date": "datetime64[ns]", "timestamp": "datetime64[ns]",
}  # fmt: skip


# A type of pandas that has no nulls, and of pyarrow -> the one of pandas that has: else whole numbers become fractions.
NULLABLE = {
    **{f"int{bits}": f"Int{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"UInt{bits}" for bits in (8, 16, 32, 64)},
    "bool": "boolean",
}


def pandas_type(kind: str) -> str:
    """Return the pandas type of a column.

    >>> pandas_type("BIGINT"), pandas_type("decimal(10, 2)")
    ('Int64', 'object')
    """
    return _PANDAS.get(rheo_formats.simple(kind), "object")


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
