"""Athena's HTTP protocol -> queries that DuckDB runs over the same partitions; all else goes on to moto."""

from __future__ import annotations

import bz2
import gzip
import json
import queue
import re
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import rheo_formats
from rheo_platforms.local.http import HttpReply, HttpRequest
from rheo_runtime.wire import S3Address

if TYPE_CHECKING:
    import duckdb


_UNLOAD = re.compile(
    r"(?is)\s*UNLOAD\s*\((?P<query>.*)\)\s*TO\s*'s3://(?P<target>[^']*)'\s*WITH\s*\((?P<how>[^()]*)\)\s*;?\s*"
)
_PROPERTY = re.compile(r"(\w+)\s*=\s*'([^']*)'")
PATH = '"$path"'  # the object of a row, a column that Athena has where a query asks for it
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
                    connection,
                    glue.get_table(DatabaseName=database, Name=table)["Table"],
                    folder,
                    s3,
                    glue,
                    query,
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
    connection: duckdb.DuckDBPyConnection,
    table: dict[str, Any],
    folder: Path,
    s3: Any,
    glue: Any,
    query: str,
) -> None:
    """Make a view of a table that a query reads: a union of its partitions, each with its keys as columns."""
    paths = PATH in query
    pages = glue.get_paginator("get_partitions").paginate(
        DatabaseName=table["DatabaseName"], TableName=table["Name"]
    )
    partitions = [part for page in pages for part in page["Partitions"]]
    keys = table.get("PartitionKeys", [])
    selects = []
    for number, part in enumerate(partitions or ([] if keys else [{"Values": []}])):
        place = part.get("StorageDescriptor", {}).get("Location") or table["StorageDescriptor"]["Location"]
        home = folder / table["DatabaseName"] / table["Name"] / str(number)
        files = _fetch(s3, place, home, _left_out(query))
        if files:
            values = [
                f"CAST({_text(value)} AS {duckdb_type(key['Type'])}) AS {_name(key['Name'])}"
                for key, value in zip(keys, part["Values"], strict=True)
            ]
            selects.append(f"SELECT {', '.join(['*', *values])} FROM {_read(table, files, place, paths)}")
    columns = [*table["StorageDescriptor"]["Columns"], *keys]
    if paths:
        columns.append({"Name": "$path", "Type": "string"})
    empty = ", ".join(f"CAST(NULL AS {duckdb_type(c['Type'])}) AS {_name(c['Name'])}" for c in columns)
    body = " UNION ALL BY NAME ".join(selects) or f"SELECT {empty} WHERE false"
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_name(table['DatabaseName'])}")
    connection.execute(f"CREATE VIEW {_name(table['DatabaseName'])}.{_name(table['Name'])} AS {body}")


def _left_out(query: str) -> frozenset[str]:
    """The objects that a query does not take: Athena opens none of these."""
    listed = re.findall(r'NOT "\$path" IN \(([^()]*)\)', query)
    return frozenset(
        text.replace("''", "'") for each in listed for text in re.findall(r"'((?:[^']|'')*)'", each)
    )


def _fetch(s3: Any, place: str, folder: Path, without: frozenset[str]) -> list[Path]:
    bucket, prefix = S3Address.of(place)
    start = f"{prefix.rstrip('/')}/"
    folder.mkdir(parents=True)
    files: list[Path] = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=start):
        for entry in page.get("Contents", ()):
            inside = entry["Key"].removeprefix(start)
            left_out = f"s3://{bucket}/{entry['Key']}" in without
            # Athena, too, leaves out what is hidden.
            if rheo_formats.is_data(inside, entry["Size"]) and not left_out:
                file = folder / f"{len(files)}-{quote(inside, safe='')}"
                file.write_bytes(s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read())
                files.append(file)
    return files


def _read(table: dict[str, Any], files: Sequence[Path], place: str, paths: bool) -> str:
    """What reads files of the table's format, below a place, with its columns."""
    storage = table["StorageDescriptor"]
    serde = storage["SerdeInfo"]["SerializationLibrary"].rpartition(".")[2]
    listed = "[" + ", ".join(_text(str(file)) for file in files) + "]"
    types = {c["Name"]: duckdb_type(c["Type"]) for c in storage["Columns"]}
    columns = "{" + ", ".join(f"{_text(name)}: {_text(kind)}" for name, kind in types.items()) + "}"
    path = f", {_text(_object(place, files[0]))} AS {PATH}" if paths else ""
    match serde:
        case "ParquetHiveSerDe" | "OrcSerde" | "JsonSerDe" if paths and len(files) > 1:
            return (
                f"({' UNION ALL '.join(f'SELECT * FROM {_read(table, [f], place, paths)}' for f in files)})"
            )
        case "ParquetHiveSerDe" | "OrcSerde":
            made = [_as_parquet(file, serde) for file in files]
            listed = "[" + ", ".join(_text(str(file)) for file, _ in made) + "]"
            have = {name.lower() for _, names in made for name in names}
            casts = ", ".join(
                f"CAST({_name(n) if n.lower() in have else 'NULL'} AS {kind}) AS {_name(n)}"
                for n, kind in types.items()
            )
            return f"(SELECT {casts}{path} FROM read_parquet({listed}, union_by_name = true))"
        case "JsonSerDe":
            return f"({' UNION ALL '.join(f'SELECT *{path} FROM {_json(file, types)}' for file in files)})"
        case "LazySimpleSerDe":
            header = "skip.header.line.count" in table.get("Parameters", {})
            delimiter = storage["SerdeInfo"].get("Parameters", {}).get("field.delim", ",")
            return (
                f"read_csv({listed}, columns = {columns}, auto_detect = false, "
                f"header = {str(header).lower()}, delim = {_text(delimiter)})"
            )
        case "OpenCSVSerde":
            return _texts(table, files, place, paths)
    raise QueryFault(f"files of {serde} are not read on this machine: PARQUET, ORC, JSON and CSV are")


def _as_parquet(file: Path, serde: str) -> tuple[Path, list[str]]:
    """A file as Parquet, and the names of its columns: DuckDB reads no ORC."""
    import pyarrow  # type: ignore[import-untyped]
    from pyarrow import orc, parquet

    try:
        if serde == "OrcSerde":
            table = orc.read_table(str(file))
            file = file.with_name(f"{file.name}.parquet")
            parquet.write_table(table, file)
        return file, list(parquet.read_schema(file).names)
    except (pyarrow.ArrowException, OSError) as fault:
        raise QueryFault(f"HIVE_CANNOT_OPEN_SPLIT: {unquote(file.name.partition('-')[2])}: {fault}") from None


def _texts(table: dict[str, Any], files: Sequence[Path], place: str, paths: bool) -> str:
    """The rows of CSV as OpenCSVSerde reads them, all texts.

    Where the query asks for ``"$path"``, the object that each is from is a column of that name.
    """
    storage, skip = table["StorageDescriptor"], int(table["Parameters"].get("skip.header.line.count", 0))
    options = storage["SerdeInfo"].get("Parameters", {})
    how = (options.get("separatorChar", ","), options.get("quoteChar", '"'), options.get("escapeChar", "\\"))
    names = [column["Name"] for column in storage["Columns"]]
    selects = []
    for file in files:
        rows = file.with_suffix(".rows.json")
        with rows.open("w", encoding="utf-8") as target:
            *lines, rest = re.split("\r\n|\n|\r", _unpacked(file).decode("utf-8", "replace"))
            for line in [*lines, *([rest] if rest else [])][skip:]:
                fields = open_csv_fields(line, *how)
                json.dump(
                    {name: fields[n] if n < len(fields) else None for n, name in enumerate(names)}, target
                )
                target.write("\n")
        columns = ", ".join(f"{_text(name)}: 'VARCHAR'" for name in names)
        path = f", {_text(_object(place, file))} AS {PATH}" if paths else ""
        read = f"read_json({_text(str(rows))}, columns = {{{columns}}}, format = 'newline_delimited')"
        selects.append(f"SELECT *{path} FROM {read}")
    return f"({' UNION ALL '.join(selects)})"


def _json(file: Path, types: Mapping[str, str]) -> str:
    """The rows of JSON as OpenX's SerDe reads them: an object a line, names without regard to case."""
    rows = file.with_suffix(".rows.json")
    text = _unpacked(file).decode("utf-8-sig", "replace")
    rows.write_text(text, "utf-8")
    spelled: dict[str, dict[str, None]] = {name.lower(): {} for name in types}
    for line in filter(str.strip, text.split("\n")):
        try:
            names = json.loads(line, object_pairs_hook=list)
        except ValueError:
            names = None
        if not isinstance(names, list) or not line.lstrip().startswith("{"):
            raise QueryFault(f"HIVE_CURSOR_ERROR: Row is not a valid JSON Object: {line[:80]}")
        folded = [name.lower() for name, _ in names]
        if len(set(folded)) < len(folded):
            twice = next(name for name in folded if folded.count(name) > 1)
            raise QueryFault(
                f'HIVE_CURSOR_ERROR: Row is not a valid JSON Object - JSONException: Duplicate key "{twice}"'
            )
        for name, _ in names:
            spelled.get(name.lower(), {})[name] = None

    def value(name: str, kind: str) -> str:
        found = [f"row ->> {_text(_pointer(each))}" for each in spelled[name.lower()]]
        if kind.startswith("TIMESTAMP"):  # one with an offset is that time in UTC
            found = [
                f"CASE WHEN regexp_matches({each}, '[+-]\\d\\d:\\d\\d$') "
                f"THEN make_timestamp(epoch_us(CAST({each} AS TIMESTAMPTZ))) ELSE CAST({each} AS {kind}) END"
                for each in found
            ]
        elif kind not in ("TEXT", "VARCHAR"):
            found = [f"CAST({each.replace('->>', '->')} AS {kind})" for each in found]
        return f"coalesce({', '.join([*found, f'CAST(NULL AS {kind})'])}) AS {_name(name)}"

    values = ", ".join(value(name, kind) for name, kind in types.items())
    read = f"read_json({_text(str(rows))}, columns = {{row: 'JSON'}}, format = 'newline_delimited', records = false)"
    return f"(SELECT {values} FROM {read})"


def _pointer(name: str) -> str:
    """The place of a name in an object, as JSON Pointer writes it."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _object(place: str, file: Path) -> str:
    """The object below a place that a file is a copy of."""
    return f"s3://{'/'.join(S3Address.of(place)).rstrip('/')}/{unquote(file.name.partition('-')[2])}"


def _unpacked(file: Path) -> bytes:
    data = file.read_bytes()
    if file.suffix == ".gz":
        return gzip.decompress(data)
    return bz2.decompress(data) if file.suffix == ".bz2" else data


def open_csv_fields(line: str, separator: str, quote: str, escape: str) -> list[str]:
    """Return the fields of a line as OpenCSVSerde tells them apart; the text of a quotation that does not end is lost.

    A quote within a text that is not quoted begins a quotation, as it does there.

    >>> open_csv_fields('1,"say ""hi"", please",x', ",", '"', "\\x01")
    ['1', 'say "hi", please', 'x']
    >>> open_csv_fields('1,"two', ",", '"', "\\x01"), open_csv_fields("", ",", '"', "\\x01")
    (['1'], [])
    """
    if not line:
        return []
    fields, text = [], ""
    quoted = inside = False
    at = 0
    while at < len(line):
        here, after = line[at], line[at + 1 : at + 2]
        if here == escape:
            if (quoted or inside) and after and after in (quote, escape):
                text, at = text + after, at + 1
        elif here == quote:
            if (quoted or inside) and after == quote:
                text, at = text + after, at + 1
            else:
                if at > 2 and line[at - 1] != separator and after and after != separator:
                    text = "" if text and not text.strip() else text + here
                quoted = not quoted
            inside = not inside
        elif here == separator and not quoted:
            fields.append(text)
            text, inside = "", False
        else:
            text, inside = text + here, True
        at += 1
    return fields if quoted else [*fields, text]


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


Json = dict[str, Any]
JSON = {"Content-Type": "application/x-amz-json-1.1"}
ACTIVE = ("QUEUED", "RUNNING")


@dataclass(slots=True)
class Query:
    """One execution: what Athena says about it."""

    id: str
    token: str
    text: str
    output: str
    context: Json
    workgroup: str
    state: str = "QUEUED"
    reason: str | None = None
    asked: float = field(default_factory=time.time)
    done: float | None = None

    def describe(self) -> Json:
        """The ``QueryExecution`` of Athena's model."""
        status: Json = {"State": self.state, "SubmissionDateTime": self.asked}
        if self.reason is not None:
            status |= {
                "StateChangeReason": self.reason,
                "AthenaError": {"ErrorCategory": 2, "ErrorMessage": self.reason},
            }
        if self.done is not None:
            status["CompletionDateTime"] = self.done
        return {
            "QueryExecutionId": self.id,
            "Query": self.text,
            "StatementType": "DML",
            "ResultConfiguration": {"OutputLocation": f"{self.output.rstrip('/')}/{self.id}"},
            "QueryExecutionContext": self.context,
            "Status": status,
            "WorkGroup": self.workgroup,
        }


class Athena:
    """The service: one query after another.

    Parameters
    ----------
    folder
        The files of the current query.
    s3, glue
        Clients: the data, and the catalog.
    """

    def __init__(self, folder: Path, s3: Any, glue: Any) -> None:
        self.folder, self.s3, self.glue = folder, s3, glue
        self._queries: dict[str, Query] = {}
        self._lock = threading.Lock()
        self._waiting: queue.SimpleQueue[Query] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._calls: dict[str, Callable[[Json], Json]] = {
            "StartQueryExecution": self._start,
            "GetQueryExecution": lambda call: {"QueryExecution": self._query(call).describe()},
            "StopQueryExecution": self._stop,
            "ListQueryExecutions": self._list,
            "BatchGetQueryExecution": lambda call: {
                "QueryExecutions": [self._queries[id].describe() for id in call["QueryExecutionIds"]]
            },
        }

    def answer(self, request: HttpRequest) -> HttpReply | None:
        """Answer a call about queries, None for any other."""
        service, _, action = request.headers.get("x-amz-target", "").partition(".")
        if service != "AmazonAthena" or action not in self._calls:
            return None
        try:
            content = self._calls[action](json.loads(request.body or b"{}"))
        except KeyError as missing:
            message = {
                "__type": "InvalidRequestException",
                "Message": f"QueryExecution {missing} was not found",
            }
            return HttpReply.of(400, message, JSON)
        return HttpReply.of(200, content, JSON)

    def _start(self, call: Json) -> Json:
        with self._lock:
            token = call.get("ClientRequestToken") or uuid.uuid4().hex
            for query in self._queries.values():
                if query.token == token:
                    return {"QueryExecutionId": query.id}
            query = Query(
                id=str(uuid.uuid4()),
                token=token,
                text=call["QueryString"],
                output=call.get("ResultConfiguration", {}).get("OutputLocation", ""),
                context=call.get("QueryExecutionContext", {}),
                workgroup=call.get("WorkGroup", "primary"),
            )
            self._queries[query.id] = query
            if self._thread is None:  # an application without queries needs none
                self._thread = threading.Thread(target=self._work, name="athena", daemon=True)
                self._thread.start()
        self._waiting.put(query)
        return {"QueryExecutionId": query.id}

    def _query(self, call: Json) -> Query:
        return self._queries[call["QueryExecutionId"]]

    def _stop(self, call: Json) -> Json:
        query = self._query(call)
        if query.state in ACTIVE:  # one that runs goes on to its end, and its result is of no interest
            query.state, query.done = "CANCELLED", time.time()
        return {}

    def _list(self, call: Json) -> Json:
        ids = [
            id for id, query in self._queries.items() if query.workgroup == call.get("WorkGroup", "primary")
        ]
        return {"QueryExecutionIds": ids[:-51:-1]}  # the latest first, as many as a page has

    def _work(self) -> None:
        while True:
            query = self._waiting.get()
            if query.state != "QUEUED":
                continue
            query.state = "RUNNING"
            reason: str | None = None
            try:
                unload(query.text, query.id, self.folder / query.id, self.s3, self.glue)
            except QueryFault as fault:
                reason = str(fault)
            except Exception as fault:  # noqa: BLE001 - a query always ends, and says why
                reason = f"{type(fault).__name__}: {fault}"
            if query.state == "RUNNING":
                query.reason, query.state = reason, "FAILED" if reason else "SUCCEEDED"
                query.done = time.time()
