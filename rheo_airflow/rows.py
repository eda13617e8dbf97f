"""Files of data in S3 -> rows: dicts, without pandas and without Spark. Airflow's tasks read by it, and `load_data`.

Parquet and ORC are what pyarrow reads of them, where that is installed.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

import rheo_formats
from rheo_formats import Format, FormatError

Row = dict[str, Any]
DECLARE = "declare how the data is written: dataset_format=DataFormat.CSV, or what it is"


@dataclass(frozen=True)
class DataFile:
    """An object of S3."""

    bucket: str
    key: str
    s3: Any

    @property
    def name(self) -> str:
        """Its address."""
        return f"s3://{self.bucket}/{self.key}"

    def stream(self) -> IO[bytes]:
        """Open it to be read once, from its beginning; it is unpacked when its name says that it is packed."""
        body = cast("IO[bytes]", io.BufferedReader(_Raw(self._body())))
        if self.key.endswith(".gz"):
            return cast("IO[bytes]", gzip.GzipFile(fileobj=body))
        return cast("IO[bytes]", bz2.BZ2File(body)) if self.key.endswith(".bz2") else body

    def head(self) -> bytes:
        """Return its first bytes, unpacked: what its header is known by."""
        return self.stream().read(rheo_formats.HEAD)

    def whole(self) -> IO[bytes]:
        """Read all of it, so that it can be read anywhere."""
        return io.BytesIO(self._body().read())

    def save(self, folder: Path) -> Path:
        """Copy it into a new folder, under its own name: what it is packed with follows from that."""
        folder.mkdir()
        target = folder / self.key.rsplit("/", 1)[-1]
        self.s3.download_file(self.bucket, self.key, str(target))
        return target

    def _body(self) -> Any:
        return self.s3.get_object(Bucket=self.bucket, Key=self.key)["Body"]


class _Raw(io.RawIOBase):
    """What botocore gives, as Python's own readers want it."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._body.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def rows_of(file: DataFile, format: Format, left: int | None = None, *, exact: bool = False) -> Iterator[Row]:
    """Yield the rows of a file, at most ``left``; those of CSV are texts. Raises FormatError.

    With ``exact`` a fraction of JSON is a Decimal, which keeps its digits.
    """
    return islice(_rows(file, format, left, exact), left)


def _rows(file: DataFile, format: Format, left: int | None, exact: bool) -> Iterator[Row]:
    match format.format:
        case "CSV":
            return _csv(file, format)
        case "JSON":
            return _json(file, format, exact)
    return _columnar(file, format, left)


def _csv(file: DataFile, format: Format) -> Iterator[Row]:
    head = file.head()
    header = rheo_formats.header_of(head, format, file.name)
    if not header:
        return
    columns = rheo_formats.layout(header, format, file.name)
    encoding = rheo_formats.encoding_of(head, format, file.name)
    ends = rheo_formats.line_end(rheo_formats.decoded(head, format, file.name))
    lines = rheo_formats.records(
        io.TextIOWrapper(file.stream(), encoding=encoding, newline=""), format, file.name
    )
    width = rheo_formats.named(header, format, file.name)
    try:
        for number, line in enumerate(lines):
            if format.header and not number:
                continue
            if any(field.strip() for field in line[width:]):
                raise rheo_formats.too_long(file.name, width)
            yield {name: _field(line, at, format, ends) for name, at in columns}
    except UnicodeDecodeError as fault:
        raise rheo_formats.undecodable(file.name, format, fault) from None


def _field(line: list[str], at: int | None, format: Format, ends: str) -> str | None:
    text = line[at] if at is not None and at < len(line) else None
    return None if text is None or text in format.nulls else text.replace(ends, "\n")


def _json(file: DataFile, format: Format, exact: bool) -> Iterator[Row]:
    """Objects, one a line, as Spark writes them; or lists of them, or objects over several lines."""
    head = file.head()
    encoding = rheo_formats.encoding_of(head, format, file.name)
    begin = rheo_formats.decoded(head, format, file.name)
    lines = rheo_formats.json_is_lines(begin)
    rheo_formats.same_case(format, begin, file.name)
    text = io.TextIOWrapper(file.stream(), encoding="utf-8-sig" if encoding == "utf-8" else encoding)
    try:
        for row in _objects(text, lines, Decimal if exact else None):
            if not isinstance(row, dict):
                raise ValueError(f"{str(row)[:80]} is no object")
            yield _declared(row, format, file.name)
    except UnicodeDecodeError as fault:
        raise rheo_formats.undecodable(file.name, format, fault) from None
    except ValueError as fault:
        if isinstance(fault, FormatError):
            raise
        raise FormatError(f"{file.name} is no JSON: {fault}", DECLARE) from None


def _objects(text: io.TextIOWrapper, lines: bool, fraction: Callable[[str], Any] | None) -> Iterator[Any]:
    if lines:
        yield from (json.loads(line, parse_float=fraction) for line in text if line.strip())
        return
    decoder, rest = json.JSONDecoder(parse_float=fraction), text.read().strip()
    while rest:
        found, end = decoder.raw_decode(rest)
        yield from found if isinstance(found, list) else [found]
        rest = rest[end:].lstrip()


def _declared(row: Row, format: Format, file: str) -> Row:
    """A row with the declared columns."""
    if not format.declared:
        return row
    names = list(row)
    return {n: None if at is None else row[names[at]] for n, at in rheo_formats.placed(names, format, file)}


def _columnar(file: DataFile, format: Format, left: int | None) -> Iterator[Row]:
    opened, names = open_columnar(file, format.format)
    for row in objects(read_table(opened, file, format.format, names, left)):
        yield _declared(row, format, file.name)


def columns_of(file: DataFile, format: Format) -> list[str]:
    """Return the columns of a file, as far as it names them where it has no rows. Raises FormatError."""
    if format.declared:
        return [name for name, _ in format.declared]
    if format.format == "CSV":
        header = rheo_formats.header_of(file.head(), format, file.name)
        return [name for name, _ in rheo_formats.layout(header, format, file.name)] if header else []
    return [] if format.format == "JSON" else open_columnar(file, format.format)[1]


def nullable(values: list[Any]) -> str | None:
    """Return the type of pandas for whole numbers or truth values of which some lack, which become fractions without it."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return "boolean"
    whole = kinds == {int} and all(value is None or -(1 << 63) <= value < 1 << 63 for value in values)
    return "Int64" if whole else None


def typed(rows: list[Row], format: Format, where: str) -> list[Row]:
    """Return rows, texts of CSV in the types that they are declared to have, or that all of a column have.

    ``where`` they are from. Raises FormatError for a text that is none of its type.
    """
    if format.format != "CSV":
        return rows
    names = dict.fromkeys(name for row in rows for name in row)
    kinds = dict(format.declared) or {n: rheo_formats.inferred(row.get(n) for row in rows) for n in names}
    return _each(rows, kinds, rheo_formats.converted, format, where)


def declared(rows: list[Row], format: Format, where: str) -> list[Row]:
    """Return rows as `typed` does, and those of other formats in the types that they are declared to have."""
    if format.format == "CSV" or not format.declared:
        return typed(rows, format, where)
    return _each(rows, dict(format.declared), rheo_formats.as_kind, format, where)


def _each(
    rows: list[Row],
    kinds: Mapping[str, str],
    convert: Callable[[Any, str, Format], Any],
    format: Format,
    where: str,
) -> list[Row]:
    def one(name: str, value: Any) -> Any:
        kind = kinds.get(name, "string")
        try:
            return None if value is None else convert(value, kind, format)
        except (ValueError, ArithmeticError):
            raise rheo_formats.unreadable(str(value), kind, name, where) from None

    return [{name: one(name, value) for name, value in row.items()} for row in rows]


def open_columnar(file: DataFile, format: str) -> tuple[Any, list[str]]:
    """Return an open Parquet or ORC file, and the names of its columns. Raises FormatError."""
    try:
        import pyarrow  # type: ignore[import-untyped]
        from pyarrow import orc, parquet
    except ImportError:
        raise FormatError(
            f"{format} files are read by pyarrow, which is not installed", "pip install pyarrow"
        ) from None
    content = file.whole()
    try:
        opened = (orc.ORCFile if format == "ORC" else parquet.ParquetFile)(content)
    except (pyarrow.ArrowException, OSError) as fault:
        raise FormatError(f"{file.name} is no {format} file: {fault}", DECLARE) from None
    schema = opened.schema if format == "ORC" else opened.schema_arrow
    return opened, list(schema.names)


def objects(values: Any) -> list[Any]:
    """Return a table or a column of pyarrow as objects of Python, maps as dicts."""
    found: list[Any] = values.to_pylist(maps_as_pydicts="strict")
    return found


def read_table(opened: Any, file: DataFile, format: str, names: list[str], left: int | None) -> Any:
    """Return columns of an open file as a table of pyarrow, in the order of ``names``, at most ``left`` rows.

    Raises FormatError for what is no file of the format, or cannot be had here.
    """
    import pyarrow

    try:
        return _read(opened, format, names, left)
    except (pyarrow.ArrowException, OSError) as fault:
        raise FormatError(f"{file.name} cannot be read: {fault}", "read it by Spark") from None


def _read(opened: Any, format: str, names: list[str], left: int | None) -> Any:
    if format == "ORC":
        table = opened.read(columns=names).select(names)  # it answers in the file's order
        return table if left is None else table.slice(0, left)
    if left is None:
        return opened.read(columns=names).select(names)
    # A file's first rows need not all of it.
    from pyarrow import Table

    batch = next(opened.iter_batches(batch_size=max(left, 1), columns=names), None)
    schema = opened.schema_arrow
    empty = schema.empty_table().select(names)
    return empty if batch is None else Table.from_batches([batch]).select(names).slice(0, left)
