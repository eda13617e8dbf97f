"""Tables of the catalog that a run is to read -> the statements that make them known to a fresh Spark session.

Spark on AWS asks the Glue Data Catalog itself. Here each partition becomes a table over its folder, and the
table a view of them all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from rheo_platforms.local.mirror import Location

_TABLE = re.compile(r"catalog://([^/\"]+)/([^/\"]+)")
_FORMATS = {
    "ParquetHiveSerDe": "parquet",
    "OrcSerde": "orc",
    "JsonSerDe": "json",
    "LazySimpleSerDe": "csv",
    "OpenCSVSerde": "csv",
}


def named(arguments: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return database and name of each table that a job's arguments name.

    >>> named({"--execution": '{"paths": ["catalog://sales/users/day=1", "catalog://sales/users/day=2"]}'})
    [('sales', 'users')]
    """
    return sorted({found for value in arguments.values() for found in _TABLE.findall(value)})


def tables(arguments: Mapping[str, str], glue: Any) -> tuple[list[str], list[Location]]:
    """Return the statements for all tables that arguments name, and where their data lies.

    A table that the catalog does not have is left out: the script will miss it.
    """
    statements: list[str] = []
    places: list[Location] = []
    for database, name in named(arguments):
        try:
            table = glue.get_table(DatabaseName=database, Name=name)["Table"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "EntityNotFoundException":
                raise
            continue
        pages = glue.get_paginator("get_partitions").paginate(DatabaseName=database, TableName=name)
        partitions = [
            (p["Values"], p["StorageDescriptor"]["Location"]) for page in pages for p in page["Partitions"]
        ]
        if not table.get("PartitionKeys"):
            partitions = [([], table["StorageDescriptor"]["Location"])]
        statements += _statements(database, name, table, partitions)
        places += [Location.parse(place) for _, place in partitions]
    return statements, places


def _statements(
    database: str, name: str, table: dict[str, Any], partitions: list[tuple[list[str], str]]
) -> list[str]:
    storage = table["StorageDescriptor"]
    serde = storage.get("SerdeInfo", {}).get("SerializationLibrary", "").rpartition(".")[2]
    columns = ", ".join(f"{_name(c['Name'])} {c['Type']}" for c in storage["Columns"])
    how = f"USING {_FORMATS.get(serde, 'parquet')}{_options(table)}"
    found = [f"CREATE DATABASE IF NOT EXISTS {_name(database)}"]
    selects = []
    for number, (values, place) in enumerate(partitions):
        part = f"{_name(database)}.{_name(f'{name}__{number}')}"
        found.append(f"DROP TABLE IF EXISTS {part}")
        found.append(f"CREATE TABLE {part} ({columns}) {how} LOCATION {_text(place.rstrip('/'))}")
        keys = [
            f"CAST({_text(value)} AS {key['Type']}) AS {_name(key['Name'])}"
            for key, value in zip(table.get("PartitionKeys", ()), values, strict=True)
        ]
        selects.append(f"SELECT {', '.join(['*', *keys])} FROM {part}")
    if selects:
        whole = f"{_name(database)}.{_name(name)}"
        found.append(f"CREATE OR REPLACE VIEW {whole} AS {' UNION ALL '.join(selects)}")
    return found


def _options(table: dict[str, Any]) -> str:
    parameters = table["StorageDescriptor"].get("SerdeInfo", {}).get("Parameters", {})
    options = {}
    if delimiter := parameters.get("field.delim") or parameters.get("separatorChar"):
        options["sep"] = delimiter
    if "skip.header.line.count" in table.get("Parameters", {}):
        options["header"] = "true"
    return f" OPTIONS ({', '.join(f'{k} {_text(v)}' for k, v in options.items())})" if options else ""


def _name(text: str) -> str:
    return "`" + text.replace("`", "``") + "`"


def _text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
