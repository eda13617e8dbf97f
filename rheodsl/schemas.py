"""``"id long, price double"`` -> whether each column has a name of its own and a type that Spark's DDL has.

What stands within a type is for Spark to read.
"""

from __future__ import annotations

import re

import rheo_formats
from rheodsl.errors import SpecError, did_you_mean

# Of Spark 3.3 to 4.1; the last line are spellings that the readers on this machine take, too.
_TYPES = frozenset(
    [
        "boolean",
        "tinyint",
        "byte",
        "smallint",
        "short",
        "int",
        "integer",
        "bigint",
        "long",
        "float",
        "real",
        "double",
        "decimal",
        "dec",
        "numeric",
        "date",
        "time",
        "timestamp",
        "timestamp_ntz",
        "timestamp_ltz",
        "string",
        "char",
        "character",
        "varchar",
        "binary",
        "void",
        "null",
        "interval",
        "array",
        "map",
        "struct",
        "variant",
        "geometry",
        "geography",
        "text",
        "datetime",
        "bool",
    ]
)
_COLUMN = re.compile(r"\s*(`(?:[^`]|``)+`|[^\s:`]+)\s*:?\s*(\w*)", re.DOTALL)
_HINT = 'write a name and a type for each: schema="id long, price double"'


def check_schema(schema: object) -> None:
    """Raise SpecError for a schema that no reader takes.

    >>> check_schema("`order id` BIGINT NOT NULL, price: DECIMAL(10, 2), tags array<struct<k: string, n: int>>")
    >>> try: check_schema("id lng")
    ... except SpecError as fault: print(fault.what, "-", fault.hint)
    the schema has no type 'lng' - did you mean 'long'?
    """
    if not isinstance(schema, str):
        raise SpecError(f"the schema is {schema!r}", hint=_HINT)
    names: set[str] = set()
    for part in rheo_formats.parts_of(schema):
        found = _COLUMN.match(part)
        name, kind = (found[1], found[2]) if found else (part.strip(), "")
        if not kind:
            raise SpecError(f"the schema gives {name!r} no type", hint=_HINT)
        if kind.lower() not in _TYPES:
            hint = did_you_mean(
                kind.lower(), _TYPES, "use a type of Spark's: long, double, string, date, timestamp"
            )
            raise SpecError(f"the schema has no type {kind!r}", hint=hint)
        if name in names:
            raise SpecError(f"the schema has two columns {name!r}", hint="give each a name of its own")
        names.add(name)
