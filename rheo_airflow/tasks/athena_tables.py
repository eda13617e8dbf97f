"""Inputs of an execution -> tables of the Glue catalog, and the statement that Athena runs over them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PARTITION = "rheo_partition"
KEY = "rheo_key_"  # and the number of a dimension: a key of partitions that no column has the name of
_HIVE = "org.apache.hadoop.hive"
_TEXT = ("org.apache.hadoop.mapred.TextInputFormat", f"{_HIVE}.ql.io.HiveIgnoreKeyTextOutputFormat")
# Input format, output format, and the class that reads a row.
FORMATS: Mapping[str, tuple[str, str, str]] = {
    "PARQUET": (
        f"{_HIVE}.ql.io.parquet.MapredParquetInputFormat",
        f"{_HIVE}.ql.io.parquet.MapredParquetOutputFormat",
        f"{_HIVE}.ql.io.parquet.serde.ParquetHiveSerDe",
    ),
    "ORC": (
        f"{_HIVE}.ql.io.orc.OrcInputFormat",
        f"{_HIVE}.ql.io.orc.OrcOutputFormat",
        f"{_HIVE}.ql.io.orc.OrcSerde",
    ),
    "JSON": (*_TEXT, "org.openx.data.jsonserde.JsonSerDe"),
    "CSV": (*_TEXT, f"{_HIVE}.serde2.OpenCSVSerde"),
}
# Stands in no text: OpenCSVSerde must have an escape that is not its quote.
_NO_ESCAPE = "\x01"


def table_name(run: str, alias: str) -> str:
    """Return the name of an input's table for one run.

    >>> table_name("n-EU-1-0a", "orders")
    'n_eu_1_0a_orders'
    """
    return re.sub(r"[^a-z0-9_]", "_", f"{run}_{alias}".lower())


@dataclass(frozen=True)
class Dimension:
    """A dimension of an input's partitions that is a column of it; ``number`` is its place among all of them."""

    number: int
    name: str
    type: str

    @property
    def key(self) -> tuple[str, str]:
        """Name and type of the table's key that has its value."""
        return f"{KEY}{self.number}", self.type


def dimensions(how: Mapping[str, Any]) -> list[Dimension]:
    """Return the dimensions that are columns of an input: those whose name none of its own columns has.

    >>> dimensions({"columns": [["day", "date"]], "dimensions": [["day", "DATETIME"], ["Shop", "LONG"]]})
    [Dimension(number=1, name='shop', type='bigint')]
    """
    have = {column for column, _ in how["columns"]}
    return [
        Dimension(number, name.lower(), "bigint" if kind == "LONG" else "string")
        for number, (name, kind) in enumerate(how.get("dimensions", ()))
        if name.lower() not in have
    ]


def located(dimensions: Sequence[Dimension], objects: Mapping[str, Sequence[str]] | None = None) -> list[str]:
    """Return the columns that say which partition a row is from, as SQL: of its keys, or of its object.

    ``objects`` are those that are partitions, each with the texts of its dimensions; none of an absent input.

    >>> located([Dimension(0, "day", "string")])
    ['"rheo_key_0" AS "day"']
    >>> print(*located([Dimension(0, "day", "string")], {"s3://lake/2.csv": ["2"]}))
    CAST(CASE "$path" WHEN 's3://lake/2.csv' THEN '2' END AS VARCHAR) AS "day"
    """
    found = []
    for each in dimensions:
        value = f'"{each.key[0]}"'
        if objects is not None:
            cases = " ".join(
                f"WHEN {quoted(path)} THEN {quoted(t[each.number])}" for path, t in objects.items()
            )
            value = f'CASE "$path" {cases} END' if cases else "NULL"
            value = f"CAST({value} AS {'BIGINT' if each.type == 'bigint' else 'VARCHAR'})"
        found.append(f"{value} AS {sql_name(each.name)}")
    return found


def table_input(
    table: str, how: Mapping[str, Any], location: str, keys: Sequence[tuple[str, str]] = ()
) -> dict[str, Any]:
    """Return the ``TableInput`` of a table that has a partition for each partition of an input.

    That of CSV is one of texts alone: see `rheo_airflow.tasks.athena_csv`. ``keys`` are name and type of what a
    partition is known by beside its number.
    """
    reads, writes, serde = FORMATS[how["format"]]
    parameters = {"EXTERNAL": "TRUE"}
    options: dict[str, str] = {}
    if how["format"] == "ORC":
        options = {"orc.column.index.access": "false"}  # by name: Athena reads ORC by position else
    if how["format"] == "CSV":
        options = {
            "separatorChar": how["delimiter"],
            "quoteChar": how.get("quote", '"'),
            "escapeChar": _NO_ESCAPE,
        }
        if how["header"]:
            parameters["skip.header.line.count"] = "1"
    return {
        "Name": table,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": parameters,
        "PartitionKeys": [{"Name": name, "Type": kind} for name, kind in [(PARTITION, "int"), *keys]],
        "StorageDescriptor": {
            "Columns": [{"Name": column, "Type": kind} for column, kind in how["columns"]],
            "Location": f"{location}/",
            "InputFormat": reads,
            "OutputFormat": writes,
            "SerdeInfo": {"SerializationLibrary": serde, "Parameters": options},
        },
    }


def quoted(text: str) -> str:
    """Return a text as SQL writes it.

    >>> quoted("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def sql_name(text: str) -> str:
    """Return a name as SQL writes it.

    >>> print(sql_name('5" pipe'))
    "5"" pipe"
    """
    return '"' + text.replace('"', '""') + '"'


def one_of(objects: Sequence[str]) -> str:
    """Return the condition that a row is of one of these objects of S3.

    >>> print(one_of(["s3://lake/in/a.csv"]))
    "$path" IN ('s3://lake/in/a.csv')
    """
    return f'"$path" IN ({", ".join(map(quoted, objects))})'


def from_catalog(paths: Sequence[str], named: str | None = None) -> str:
    """Return the query that reads partitions of a table, given as ``catalog://database/table/key=value``.

    Without any it reads no row of the table that is ``named``, as ``database/table``. Raises FileNotFoundError
    where none is.

    >>> from_catalog([], "sales/orders")
    'SELECT * FROM "sales"."orders" WHERE FALSE'

    >>> from_catalog(["catalog://sales/orders/day=2021-04-01", "catalog://sales/orders/day=2021-04-02"])
    'SELECT * FROM "sales"."orders" WHERE ("day" = \\'2021-04-01\\') OR ("day" = \\'2021-04-02\\')'
    """
    if not paths:
        if named is None:
            raise FileNotFoundError("a table of the catalog has no partition for this execution")
        database, _, table = named.partition("/")
        return f'SELECT * FROM "{database}"."{table}" WHERE FALSE'
    conditions = []
    for path in paths:
        database, table, *keys = path.partition("://")[2].split("/")
        pairs = (key.partition("=") for key in keys)
        tests = (f'"{k}" = {quoted(v)}' for k, _, v in pairs)
        conditions.append("(" + " AND ".join(tests) + ")")
    where = " WHERE " + " OR ".join(conditions) if conditions != ["()"] else ""
    return f'SELECT * FROM "{database}"."{table}"{where}'


def statement(query: str, tables: Mapping[str, str], target: str, result: Mapping[str, str]) -> str:
    """Return the UNLOAD of a query in which aliases stand for ``tables``; the query begins on its second line.

    >>> print(statement("SELECT 1", {"a": "SELECT * FROM t"}, "s3://b/x/", {"format": "PARQUET"}))
    UNLOAD (WITH "a" AS (SELECT * FROM t)
    SELECT 1
    ) TO 's3://b/x/' WITH (format = 'PARQUET')
    """
    inputs = ", ".join(f'"{alias}" AS ({source})' for alias, source in tables.items())
    text, more = query.rstrip().rstrip(";"), ""
    if found := re.match(r"(?is)(?:\s|--[^\n]*\n|/\*.*?\*/)*(with)\b", text):
        # Its own common tables follow ours; blanks keep each column where it was.
        text, more = text[: found.start(1)] + "    " + text[found.end(1) :], "," if inputs else ""
    before = f"WITH {inputs}{more}" if inputs else ("WITH" if more or found else "")
    properties = ", ".join(f"{key} = '{value}'" for key, value in result.items())
    return f"UNLOAD ({before}\n{text}\n) TO '{target}' WITH ({properties})"
