"""CSV files of an input -> tables of texts for Athena, and the query that reads them by name and by type.

Athena reads CSV by position, and knows no types of texts. So the head of each file is read first: it says where
each declared column stands. Partitions of one order become one table of texts; the query takes the columns by their
names, reads each text as its type, and fails for a record that is none.
"""

from __future__ import annotations

import bz2
import gzip
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import rheo_formats
from rheo_airflow.tasks.athena_tables import Dimension, quoted, sql_name
from rheo_formats import Format, FormatError

_ELSEWHERE = "read it by SparkSQL or BatchCompute, or let it be written so, or as Parquet"
# Hive's names of types -> Trino's, where they differ.
_TRINO = {"int": "INTEGER", "float": "REAL", "string": "VARCHAR"}


@dataclass(frozen=True)
class Layout:
    """How the records of files are laid out.

    ``positions`` says where each declared column stands, None for one that lacks; ``named`` is how many fields have a
    name, ``width`` how many there are.
    """

    positions: tuple[int | None, ...]
    named: int
    width: int


def format_of(how: Mapping[str, Any]) -> Format:
    """Return the format of an input, as the generated file describes it.

    >>> format_of({"format": "CSV", "columns": [["id", "bigint"]], "delimiter": ";", "lenient": True}).strict
    False
    """
    given = {name: value for name, value in how.items() if name not in ("columns", "lenient")}
    schema = ", ".join(f"`{name.replace('`', '``')}` {kind}" for name, kind in how["columns"])
    columns = rheo_formats.LENIENT if how.get("lenient") else None
    return Format.of({**given, "schema": schema, "columns": columns})


def layouts(s3: Any, found: Mapping[str, Sequence[str]], format: Format) -> dict[Layout, list[str]]:
    """Return the partitions of each layout; those that hold no record are left out.

    Parameters
    ----------
    found
        The partitions' paths, each with the keys of its files.

    Raises FormatError for what Athena would read wrongly.
    """
    made: dict[Layout, list[str]] = {}
    for path, keys in found.items():
        bucket = path.removeprefix("s3://").partition("/")[0]
        first: tuple[Layout, str] | None = None
        for key in keys:
            file = f"s3://{bucket}/{key}"
            layout = layout_of(_head(s3, bucket, key), format, file)
            if layout is None:
                continue
            if first is not None and first[0] != layout:
                raise FormatError(
                    f"{file} has its columns in another order than {first[1]}, and Athena reads the files of one "
                    "partition by position",
                    _ELSEWHERE,
                )
            first = first or (layout, file)
        if first is not None:
            made.setdefault(first[0], []).append(path)
    return made


def _head(s3: Any, bucket: str, key: str) -> bytes:
    """The first bytes of a file, unpacked as Athena does, by its name."""
    body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    try:
        packed = body.read(rheo_formats.HEAD)
    finally:
        body.close()
    if key.endswith(".gz"):
        return _unpacked(gzip.GzipFile(fileobj=io.BytesIO(packed)))
    return _unpacked(bz2.BZ2File(io.BytesIO(packed))) if key.endswith(".bz2") else packed


def _unpacked(file: gzip.GzipFile | bz2.BZ2File) -> bytes:
    found = b""
    try:
        while len(found) < rheo_formats.HEAD and (more := file.read1(rheo_formats.HEAD)):
            found += more
    except EOFError:  # the rest was not fetched
        pass
    return found[: rheo_formats.HEAD]


def layout_of(head: bytes, format: Format, file: str) -> Layout | None:
    """Return how a file is laid out, by its first bytes; None for one without records.

    Raises FormatError for one that Athena would read wrongly.

    >>> layout_of(b"price,ID\\n5,007\\n", Format("CSV", schema="id string, price double"), "a.csv")
    Layout(positions=(1, 0), named=2, width=2)
    """
    encoding = rheo_formats.encoding_of(head, format, file)
    text = rheo_formats.decoded(head, format, file, whole=len(head) < rheo_formats.HEAD)
    if encoding.replace("_", "-").lower() not in ("utf-8", "utf8", "utf-8-sig", "ascii", "us-ascii"):
        raise FormatError(f"{file} is written in {encoding}, and Athena reads CSV in utf-8 alone", _ELSEWHERE)
    header = rheo_formats.header_of(head, format, file)
    if not header:
        return None
    for record in rheo_formats.records(
        io.StringIO(text, newline=""), format, file, cut=len(head) >= rheo_formats.HEAD
    ):
        if any("\n" in field or "\r" in field for field in record):
            raise FormatError(
                f"{file} has a line break within quotes, which Athena does not read", _ELSEWHERE
            )
    if (
        format.header
        and next(rheo_formats.records(re.split("\r\n|\n|\r", text)[:1], format, file, cut=True), []) != header
    ):
        raise FormatError(
            f"{file} does not begin with its header, which Athena skips as one line", _ELSEWHERE
        )
    columns = rheo_formats.layout(header, format, file)
    named = len(rheo_formats.names_of(header, file)) if format.header else min(len(columns), len(header))
    return Layout(tuple(at for _, at in columns), named, len(header))


def texts(layout: Layout) -> list[tuple[str, str]]:
    """Return the columns of the table of a layout: a text for each field, and some for what is too much.

    >>> texts(Layout((1, 0), 2, 2))[:3]
    [('c0', 'string'), ('c1', 'string'), ('c2', 'string')]
    """
    return [(f"c{number}", "string") for number in range(layout.width + rheo_formats.MORE)]


def select(table: str, layout: Layout, format: Format, only: str = "", located: Sequence[str] = ()) -> str:
    """Return the query that reads a table of texts as the declared columns.

    Parameters
    ----------
    table
        Its name, as SQL writes it.
    only
        The condition that a row is of the objects to read; all of the table's folders without one.
    located
        More columns, which say which partition a row is from.

    >>> query = select('"db"."t"', Layout((1,), 2, 2), Format("CSV", schema="id string", nulls=()))
    >>> query.partition(" WHEN")[0]
    'SELECT "c1" AS "id" FROM "db"."t" WHERE CASE'
    """
    columns = [
        f"{_column(name, kind, at, format)} AS {sql_name(name)}"
        for (name, kind), at in zip(format.declared, layout.positions, strict=True)
    ]
    last = f'"c{layout.named - 1}"'
    more = " || ".join(
        f"coalesce(\"c{n}\", '')" for n in range(layout.named, layout.width + rheo_formats.MORE)
    )
    few = (
        f" has a record of fewer than {layout.named} fields, an empty line, or a line break within quotes, "
        "which Athena does not read"
    )
    many = f" has a record of more than {layout.named} fields"
    return (
        f"SELECT {', '.join([*columns, *located])} FROM {table} WHERE CASE"
        f"{f' WHEN NOT ({only}) THEN FALSE' if only else ''}"
        f" WHEN {last} IS NULL THEN 0 = {_fault(quoted(few), 'BIGINT')}"
        f" WHEN trim({more}) <> '' THEN 0 = {_fault(quoted(many), 'BIGINT')}"
        " ELSE TRUE END"
    )


def nothing(format: Format, dimensions: Sequence[Dimension] = ()) -> str:
    """Return the query of an input without records: its columns, and no row.

    >>> nothing(Format("CSV", schema="id string, n bigint"))
    'SELECT CAST(NULL AS VARCHAR) AS "id", CAST(NULL AS BIGINT) AS "n" WHERE FALSE'
    """
    kinds = [*format.declared, *((each.name, each.type) for each in dimensions)]
    columns = (f"CAST(NULL AS {_type(name, kind)}) AS {sql_name(name)}" for name, kind in kinds)
    return f"SELECT {', '.join(columns)} WHERE FALSE"


def _column(name: str, kind: str, at: int | None, format: Format) -> str:
    type_ = _type(name, kind)
    if at is None:
        return f"CAST(NULL AS {type_})"
    text = f'"c{at}"'
    if at == 0 and not format.header:
        text = f"replace({text}, chr(65279), '')"  # a byte order mark
    if format.nulls:
        text = f"CASE WHEN {text} IN ({', '.join(map(quoted, format.nulls))}) THEN NULL ELSE {text} END"
    if rheo_formats.simple(kind) == "string":
        return text
    said, wrong = str(rheo_formats.unreadable("\0", kind, name, "")).split(repr("\0"))
    fault = _fault(f"{quoted(said + chr(39))}, {text}, {quoted(chr(39) + wrong)}", type_)
    parsed = f"coalesce(TRY_CAST({_parsed(f'trim({text})', kind, format)} AS {type_}), {fault})"
    return f"CASE WHEN ({text}) IS NULL THEN NULL ELSE {parsed} END"


def _parsed(text: str, kind: str, format: Format) -> str:
    """The text that a cast takes, NULL for one that is no value."""
    word = rheo_formats.simple(kind)
    if word in rheo_formats.INTEGERS:
        whole = f"regexp_extract({text}, '^([+-]?[0-9]+)([.]0*)?$', 1)"
        return f"CASE WHEN regexp_like({text}, '^[+-]?[0-9]+([.]0*)?$') THEN {whole} END"
    if word == "boolean":
        truths = ((rheo_formats.TRUE, "true"), (rheo_formats.FALSE, "false"))
        cases = (
            f"WHEN lower({text}) IN ({', '.join(map(quoted, texts))}) THEN '{to}'" for texts, to in truths
        )
        return f"CASE {' '.join(cases)} END"
    if word not in ("date", "timestamp", "timestamp_ntz"):
        return _only(word, text, text)
    written = format.date_format if word == "date" else format.timestamp_format
    if written is None:
        iso = f"replace(replace({text}, 'T', ' '), 'Z', '')"
        return _only(word, text, f"substr({text}, 1, 10)" if word == "date" else iso)
    pattern, iso = rheo_formats.time_pattern(written)
    pieces = []
    for number, piece in enumerate(re.split(r"\$(\d)", iso)):
        if number % 2 == 0:
            pieces += [quoted(piece)] if piece else []
            continue
        group = f"regexp_extract({text}, {quoted(pattern)}, {piece})"
        # Of month, day, hour and minute a zero may be left out; years and seconds are as they are.
        pieces.append(f"lpad({group}, 2, '0')" if 1 < number < 10 else group)
    return f"CASE WHEN regexp_like({text}, {quoted(pattern)}) THEN concat({', '.join(pieces)}) END"


def _only(word: str, text: str, parsed: str) -> str:
    """What a text says where it is one of a type, else NULL: a cast takes other texts, too."""
    if word not in rheo_formats.TEXTS:
        return text
    pattern = rheo_formats.TEXTS[word]
    if word.startswith("timestamp"):
        pattern = pattern.replace(f"|{rheo_formats.OFFSET}", "")  # which no cast to a timestamp takes
    return f"CASE WHEN regexp_like({text}, {quoted(f'^(?:{pattern})$')}) THEN {parsed} END"


def _type(name: str, kind: str) -> str:
    word = rheo_formats.simple(kind)
    if word in ("array", "map", "struct", "binary"):
        raise FormatError(f"the column {name!r} of CSV cannot be {kind}", "declare it as string")
    return "VARCHAR" if word == "string" else _TRINO.get(kind.lower(), kind.upper())


def _fault(said: str, type_: str) -> str:
    """An expression that fails, and says why: Athena has no other way for a query to fail than a cast."""
    return f'CAST(concat("$path", {said}) AS {type_})'
