"""A check that SQL makes -> what it counts in the output; for Athena, for Scala jobs, and for what Airflow's worker reads.

A check is a number of rows that must lie between two bounds: so all are made by one query, and told in one way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import rheo_formats
import rheo_spark
from codegen.spark_script import described_check
from rheodsl import ir


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one dialect writes in another way than the others.

    ``quote`` is that of names; ``apostrophe`` and ``backslash`` are what these become within a text. ``number`` is
    a value as a number, null for a text that is none, and ``text`` what ``typeof`` says of a text. ``nan`` says that
    a value is NaN, where that is not above all numbers.
    """

    quote: str
    apostrophe: str
    backslash: str
    number: str = "try_cast({} AS double)"
    text: str = "string"
    nan: str = ""

    def name(self, text: str) -> str:
        """Return a name as SQL writes it.

        >>> print(TRINO.name('5" pipe'), SPARK.name("5`"))
        "5"" pipe" `5```
        """
        return f"{self.quote}{text.replace(self.quote, self.quote * 2)}{self.quote}"

    def literal(self, text: str) -> str:
        """Return a text as SQL writes it.

        >>> print(TRINO.literal("it's"), SPARK.literal("it's"))
        'it''s' 'it\\'s'
        """
        return f"'{text.replace(chr(92), self.backslash).replace(chr(39), self.apostrophe)}'"


TRINO = Dialect('"', "''", "\\", nan="is_nan({})")
SPARK = Dialect("`", "\\'", "\\\\")
# Of a name in `"` that it does not know SQLite makes a text; `number` is a function of the task that asks it.
SQLITE = Dialect("`", "''", "\\", number="number({})", text="text")
OUTPUT = "output"  # the name under which queries read the output
# Kinds of checks that SQL makes.
KINDS = frozenset({"row_count", "not_null", "unique", "in_range", "sql"})


def counted(check: ir.Check, dialect: Dialect, types: Mapping[str, str]) -> dict[str, Any]:
    """Return a check as who makes it by SQL takes it: what it counts must lie between ``low`` and ``high``.

    It counts the rows for which ``where`` holds, or those of ``query``, or all. ``types`` are those of the output's
    columns, by their names in small letters, where they are declared.

    >>> counted(ir.Check("not_null", ("id",)), TRINO, {})
    {'check': 'not_null(id)', 'severity': 'block', 'low': None, 'high': 0, 'where': '"id" IS NULL'}
    """
    given = described_check(check)
    found = {"check": rheo_spark.check_name(given), "severity": check.severity, "low": None, "high": 0}
    match check.kind:
        case "row_count":
            return {**found, "low": check.low, "high": check.high}
        case "not_null":
            where = " OR ".join(f"{dialect.name(column)} IS NULL" for column in check.columns)
            return {**found, "where": where}
        case "in_range":
            return {**found, "where": _out_of_range(check, dialect, types)}
        case "sql":
            return {**found, "query": given["text"]}
    keys, counter = ", ".join(map(dialect.name, check.columns)), "count"
    while counter in map(str.lower, check.columns):
        counter += "_"
    query = f"SELECT {keys}, count(*) AS {counter} FROM {OUTPUT} GROUP BY {keys} HAVING count(*) > 1"
    return {**found, "query": query}


def types(schema: str | None) -> dict[str, str]:
    """Return the declared types of columns, in one spelling, by their names in small letters.

    >>> types("ID long, price decimal(10, 2)")
    {'id': 'long', 'price': 'decimal'}
    """
    return {name.lower(): rheo_formats.simple(kind) for name, kind in rheo_formats.columns_of(schema)}


def _out_of_range(check: ir.Check, dialect: Dialect, types: Mapping[str, str]) -> str:
    """What holds for a row that is wrong."""
    (column,) = check.columns
    name, kind = dialect.name(column), types.get(column.lower(), "")
    low, high = (_bound(bound, kind, dialect) for bound in (check.low, check.high))
    above = f" OR {dialect.nan}" if dialect.nan and high and kind in ("double", "float", "string") else ""
    plain = _outside(name, low, high)
    if not any(isinstance(bound, int | float) for bound in (check.low, check.high)):
        return plain
    # A text that is no number is in no range.
    number = dialect.number.format(name)
    plain += above.format(name)
    text = f"{_outside(number, low, high)}{above.format(number)} OR ({name} IS NOT NULL AND {number} IS NULL)"
    if kind:
        return text if kind == "string" else plain
    return f"CASE WHEN typeof({name}) = '{dialect.text}' THEN {text} ELSE {plain} END"


def _outside(value: str, low: str | None, high: str | None) -> str:
    tests = ([f"{value} < {low}"] if low else []) + ([f"{value} > {high}"] if high else [])
    return " OR ".join(tests)


def _bound(bound: Any, kind: str, dialect: Dialect) -> str | None:
    """A bound as a literal of the type that its column has."""
    if bound is None:
        return None
    if isinstance(bound, int | float):
        return repr(bound)
    word = {"date": "DATE ", "timestamp": "TIMESTAMP ", "timestamp_ntz": "TIMESTAMP "}.get(kind, "")
    return f"{word}{dialect.literal(str(bound))}"
