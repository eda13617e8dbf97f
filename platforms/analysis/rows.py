"""Files of data -> rows: dicts, without pandas and without Spark."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any

from platforms.analysis.columnar import open_columnar, read_table
from platforms.analysis.files import DataFile
from platforms.analysis.schemas import chosen, columns_of
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


def rows_of(file: DataFile, spec: ir.DataFormatSpec, left: int | None) -> Iterator[Row]:
    """Yield the rows of a file, at most ``left``."""
    return islice(_rows(file, spec, left), left)


def _rows(file: DataFile, spec: ir.DataFormatSpec, left: int | None) -> Iterator[Row]:
    match spec.format:
        case "CSV":
            return _csv(file, spec)
        case "JSON":
            return _json(file)
    return _columnar(file, spec.format, left)


def _csv(file: DataFile, spec: ir.DataFormatSpec) -> Iterator[Row]:
    text = io.TextIOWrapper(file.stream(), encoding="utf-8-sig", newline="")
    lines = csv.reader(text, delimiter=spec.delimiter, escapechar="\\")
    names = [name for name, _ in columns_of(spec.schema)]
    if spec.header:
        written = next(lines, [])
        names = names or written
    for line in lines:
        yield dict(zip(names or [f"_c{i}" for i in range(len(line))], line, strict=False))


def _json(file: DataFile) -> Iterator[Row]:
    """Objects, one a line, as Spark writes them; or one list of them."""
    text = io.TextIOWrapper(file.stream(), encoding="utf-8-sig")
    for line in text:
        if line.lstrip().startswith("["):
            yield from json.loads(line + text.read())
            return
        if line.strip():
            yield json.loads(line)


def _columnar(file: DataFile, format: str, left: int | None) -> Iterator[Row]:
    opened, names = open_columnar(file, format)
    yield from read_table(opened, format, names, left).to_pylist()
