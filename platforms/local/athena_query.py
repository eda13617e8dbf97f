"""The text of an UNLOAD, and tables of the catalog -> DuckDB's result as files in S3."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

_UNLOAD = re.compile(
    r"(?is)\s*UNLOAD\s*\((?P<query>.*)\)\s*TO\s*'s3://(?P<target>[^']*)'\s*WITH\s*\((?P<how>[^()]*)\)\s*;?\s*"
)
_PROPERTY = re.compile(r"(\w+)\s*=\s*'([^']*)'")
_UNKNOWN = re.compile(r'(?i)(?:column|function with name|table with name) "?([\w.]+)"?')


class QueryFault(Exception):
    """A query that Athena would refuse, or that DuckDB cannot run; the message has the place."""


def unload(text: str, name: str, folder: Path, s3: Any, glue: Any) -> None:
    """Run an UNLOAD; its result is one object ``name`` below the target.

    Raises QueryFault.
    """
    import duckdb

    found = _UNLOAD.fullmatch(text)
    if found is None:
        raise QueryFault("only UNLOAD (...) TO 's3://...' WITH (...) is run here")
    how = {key.lower(): value for key, value in _PROPERTY.findall(found["how"])}
    query, tables = translated(found["query"])
    bucket, _, prefix = found["target"].partition("/")
    if s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("Contents"):
        raise QueryFault(
            f"HIVE_PATH_ALREADY_EXISTS: Target directory for table s3://{found['target']} already exists"
        )
    folder.mkdir(parents=True)
    try:
        with duckdb.connect() as connection:
            for database, table in sorted(tables):
                _define(
                    connection, glue.get_table(DatabaseName=database, Name=table)["Table"], folder, s3, glue
                )
            options, suffix = _target(how)
            file = folder / f"result.{suffix}"
            try:
                connection.execute(f"COPY ({query}) TO '{file}' ({options})")
            except duckdb.Error as error:
                raise QueryFault(_placed(str(error), text)) from None
        with file.open("rb") as body:
            s3.put_object(Bucket=bucket, Key=f"{prefix}{name}.{suffix}", Body=body)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def translated(query: str) -> tuple[str, set[tuple[str, str]]]:
    """Return a query in DuckDB's dialect, and the tables of the catalog that it reads.

    Raises QueryFault when it is no query.

    >>> translated("SELECT approx_distinct(a) FROM db.t")
    ('SELECT APPROX_COUNT_DISTINCT(a) FROM db.t', {('db', 't')})
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        tree = sqlglot.parse_one(query, read="trino")
        tables = {(t.db, t.name) for t in tree.find_all(exp.Table) if t.db}
        return tree.sql("duckdb"), tables
    except SqlglotError as error:
        (first, *_) = getattr(error, "errors", None) or [{}]
        place = f"line {first['line']}:{first['col']}: " if first.get("line") else ""
        raise QueryFault(f"SYNTAX_ERROR: {place}{first.get('description') or error}") from None


def duckdb_type(kind: str) -> str:
    """Return DuckDB's name of a type of Hive.

    >>> duckdb_type("array<struct<k:string,n:bigint>>"), duckdb_type("decimal(10,2)")
    ('STRUCT(k TEXT, n BIGINT)[]', 'DECIMAL(10, 2)')
    """
    from sqlglot import exp

    return exp.DataType.build(kind, dialect="hive").sql("duckdb")


def _define(
    connection: duckdb.DuckDBPyConnection, table: dict[str, Any], folder: Path, s3: Any, glue: Any
) -> None:
    """Make a view of a table: a union of its partitions, each with its keys as columns."""
    pages = glue.get_paginator("get_partitions").paginate(
        DatabaseName=table["DatabaseName"], TableName=table["Name"]
    )
    partitions = [part for page in pages for part in page["Partitions"]]
    keys = table.get("PartitionKeys", [])
    selects = []
    for number, part in enumerate(partitions or ([] if keys else [{"Values": []}])):
        place = part.get("StorageDescriptor", {}).get("Location") or table["StorageDescriptor"]["Location"]
        files = _fetch(s3, place, folder / table["DatabaseName"] / table["Name"] / str(number))
        if files:
            values = [
                f"CAST({_text(value)} AS {duckdb_type(key['Type'])}) AS {_name(key['Name'])}"
                for key, value in zip(keys, part["Values"], strict=True)
            ]
            selects.append(f"SELECT {', '.join(['*', *values])} FROM {_read(table, files)}")
    columns = [*table["StorageDescriptor"]["Columns"], *keys]
    empty = ", ".join(f"CAST(NULL AS {duckdb_type(c['Type'])}) AS {_name(c['Name'])}" for c in columns)
    body = " UNION ALL BY NAME ".join(selects) or f"SELECT {empty} WHERE false"
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_name(table['DatabaseName'])}")
    connection.execute(f"CREATE VIEW {_name(table['DatabaseName'])}.{_name(table['Name'])} AS {body}")


def _fetch(s3: Any, place: str, folder: Path) -> list[Path]:
    bucket, _, prefix = place.removeprefix("s3://").partition("/")
    folder.mkdir(parents=True)
    files: list[Path] = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix.rstrip('/')}/"):
        for entry in page.get("Contents", ()):
            name = entry["Key"].rpartition("/")[2]
            if name and not name.startswith(("_", ".")):  # Athena leaves these out, too
                file = folder / f"{len(files)}-{name}"
                file.write_bytes(s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read())
                files.append(file)
    return files


def _read(table: dict[str, Any], files: Sequence[Path]) -> str:
    """A table function that reads files of the table's format, with its columns."""
    storage = table["StorageDescriptor"]
    serde = storage["SerdeInfo"]["SerializationLibrary"].rpartition(".")[2]
    listed = "[" + ", ".join(_text(str(file)) for file in files) + "]"
    types = {c["Name"]: duckdb_type(c["Type"]) for c in storage["Columns"]}
    columns = "{" + ", ".join(f"{_text(name)}: {_text(kind)}" for name, kind in types.items()) + "}"
    match serde:
        case "ParquetHiveSerDe":
            casts = ", ".join(f"CAST({_name(n)} AS {kind}) AS {_name(n)}" for n, kind in types.items())
            return f"(SELECT {casts} FROM read_parquet({listed}, union_by_name = true))"
        case "JsonSerDe":
            return f"read_json({listed}, columns = {columns}, format = 'newline_delimited')"
        case "LazySimpleSerDe":
            header = "skip.header.line.count" in table.get("Parameters", {})
            delimiter = storage["SerdeInfo"].get("Parameters", {}).get("field.delim", ",")
            return (
                f"read_csv({listed}, columns = {columns}, auto_detect = false, "
                f"header = {str(header).lower()}, delim = {_text(delimiter)})"
            )
    raise QueryFault(f"files of {serde} are not read on this machine: PARQUET, JSON and CSV are")


def _target(how: dict[str, str]) -> tuple[str, str]:
    """DuckDB's options for an UNLOAD's, and the suffix of the file."""
    match how.get("format", "PARQUET").upper():
        case "PARQUET":
            return "FORMAT parquet", "parquet"
        case "JSON":
            return "FORMAT json", "json"
        case "TEXTFILE":
            return f"FORMAT csv, HEADER false, DELIMITER {_text(how.get('field_delimiter', ','))}", "csv"
        case other:
            raise QueryFault(f"{other} is not written on this machine: PARQUET, JSON and CSV are")


def _placed(message: str, text: str) -> str:
    """DuckDB's message, with the place in the statement of the name that it does not know."""
    first = message.splitlines()[0]
    if found := _UNKNOWN.search(first):
        for number, line in enumerate(text.splitlines(), start=1):
            if number > 1 and (at := re.search(rf"\b{re.escape(found[1])}\b", line)):
                return f"line {number}:{at.start() + 1}: {first}"
    return first


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
