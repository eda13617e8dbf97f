"""Files of data -> rows: dicts, without pandas and without Spark."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import chain, islice
from typing import Any

import rheo_formats
from rheo_formats import Format
from rheo_platforms.data.errors import told
from rheo_platforms.data.files import DECLARE, DataFile, objects, open_columnar, read_table
from rheo_platforms.data.schemas import chosen
from rheodsl import ir
from rheodsl.analysis import Loading

Row = dict[str, Any]


def read_rows(
    found: Iterator[DataFile], spec: ir.DataFormatSpec, wanted: Loading, left: int | None
) -> list[Row]:
    """Return the rows of files, at most ``left``, with the columns that are wanted."""
    rows: list[Row] = []
    for file in found:
        if left is not None and len(rows) >= left:
            break
        more = rows_of(file, spec, None if left is None else left - len(rows))
        rows += _selected(more, wanted.columns, file.name)
    return rows


def _selected(rows: Iterator[Row], columns: int | Sequence[str] | None, where: str) -> Iterator[Row]:
    """The rows with the columns that are wanted; a row of JSON may lack what the one before it has."""
    first = next(rows, None)
    if first is not None:
        names = chosen(list(first), columns, where)
        for row in chain([first], rows):
            yield row if columns is None else {name: row.get(name) for name in names}


def rows_of(
    file: DataFile, spec: ir.DataFormatSpec, left: int | None, *, exact: bool = False
) -> Iterator[Row]:
    """Yield the rows of a file, at most ``left``; those of CSV are texts. Raises ReadingError.

    With ``exact`` a fraction of JSON is a Decimal, which keeps its digits.
    """
    with told():
        yield from islice(_rows(file, Format.of(spec), left, exact), left)


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
        if isinstance(fault, rheo_formats.FormatError):
            raise
        raise rheo_formats.FormatError(f"{file.name} is no JSON: {fault}", DECLARE) from None


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
