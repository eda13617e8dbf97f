"""Files of data -> rows: dicts, without pandas and without Spark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from rheo_airflow import rows
from rheo_airflow.rows import DataFile, Row
from rheo_formats import Format
from rheo_platforms.data.errors import told
from rheo_platforms.data.schemas import chosen
from rheodsl import ir
from rheodsl.analysis import Loading


def read_rows(
    found: Iterator[DataFile], spec: ir.DataFormatSpec, wanted: Loading, left: int | None
) -> list[Row]:
    """Return the rows of files, at most ``left``, with the columns that are wanted."""
    made: list[Row] = []
    for file in found:
        if left is not None and len(made) >= left:
            break
        more = rows_of(file, spec, None if left is None else left - len(made))
        made += _selected(more, wanted.columns, file.name)
    return made


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
        yield from rows.rows_of(file, Format.of(spec), left, exact=exact)
