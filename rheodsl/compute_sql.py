"""SQL: a query on Athena as a compute target, and the query that compacts a table with primary keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rheodsl.compute import Code, Compute, read_code, retries
from rheodsl.errors import ComputeError


@dataclass(frozen=True, slots=True)
class AthenaQuery(Compute):
    """A query on Athena over the inputs, as tables named by alias; its result is the output."""

    code: Code
    workgroup: str = "primary"
    retry_count: int = 0


def PrestoSQL(query: str, *, workgroup: str = "primary", retry_count: int = 0) -> AthenaQuery:
    """Return a query on Athena as a compute target; its result is the output.

    Parameters
    ----------
    query
        One SELECT, which may begin with WITH, over the inputs by alias. Inputs need a declared ``schema``, or
        are tables of the Glue Data Catalog.
    workgroup
        Athena's, which exists.
    retry_count
        How often a failed query is run again.

    Raises ComputeError.

    >>> PrestoSQL("SELECT region, count(*) AS n FROM orders GROUP BY region").workgroup
    'primary'
    """
    return AthenaQuery(read_code(query), workgroup, retries(retry_count))


Athena = PrestoSQL


def compact_table(
    provider: str,
    table_name: str,
    table_type: str = "REPLACE",
    partition_keys: Sequence[str] = (),
    all_partitions: Sequence[Sequence[str]] = (),
    primary_keys: Sequence[str] = (),
    *,
    version_column: str | None = None,
) -> str:
    """Return the Spark SQL query that reads a table of the catalog, each row once.

    Parameters
    ----------
    provider, table_name
        Database and table of the Glue Data Catalog.
    table_type
        "REPLACE" keeps the latest row of each primary key, "APPEND" all rows.
    partition_keys, all_partitions
        Names of the partition keys, and the partitions to read, each a value for every key; all partitions
        when there are none.
    primary_keys
        The columns that identify a row.
    version_column
        The latest row is the one with the greatest value of it. When left out, it is the one in the greatest
        partition, by the keys in their order.

    Raises ComputeError.

    >>> print(compact_table("sales", "orders", "APPEND", ["day"], [["2021-04-01"]]))
    SELECT * FROM `sales`.`orders`
    WHERE (`day` = '2021-04-01')
    """
    if table_type not in ("REPLACE", "APPEND"):
        raise ComputeError(f"table_type is {table_type!r}", hint='use "REPLACE" or "APPEND"')
    for partition in all_partitions:
        if len(partition) != len(partition_keys):
            raise ComputeError(
                f"the partition {tuple(partition)} has not one value for each of {', '.join(partition_keys) or 'no keys'}",
                hint="write a value for every partition key, in their order",
            )
    source = f"SELECT * FROM {quoted(provider)}.{quoted(table_name)}"
    if all_partitions:
        source += "\nWHERE " + "\n   OR ".join(equals(partition_keys, part) for part in all_partitions)
    order = [version_column] if version_column else list(partition_keys)
    return latest_rows(source, primary_keys, order) if table_type == "REPLACE" else source


def latest_rows(source: str, primary_keys: Sequence[str], order: Sequence[str]) -> str:
    """Return the query that keeps, of ``source``, the row with the greatest ``order`` of each primary key."""
    if not primary_keys:
        raise ComputeError(
            "a REPLACE table needs primary keys", hint='name them, or use "APPEND" to keep all rows'
        )
    row = f"max_by(struct(*), struct({', '.join(map(quoted, order))}))" if order else "first(struct(*))"
    inner = source.replace("SELECT *", f"SELECT {row} AS latest", 1)
    return f"SELECT latest.* FROM (\n{inner}\nGROUP BY {', '.join(map(quoted, primary_keys))}\n)"


def equals(keys: Sequence[str], values: Sequence[str]) -> str:
    """Return the condition that picks one partition."""
    texts = (str(value).replace("\\", "\\\\").replace("'", "\\'") for value in values)
    return "(" + " AND ".join(f"{quoted(k)} = '{t}'" for k, t in zip(keys, texts, strict=True)) + ")"


def quoted(name: str) -> str:
    """Return a name of Spark SQL.

    >>> quoted("ship day")
    '`ship day`'
    """
    return "`" + name.replace("`", "``") + "`"
