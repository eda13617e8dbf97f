"""Parquet and ORC files -> what pyarrow reads of them."""

from __future__ import annotations

from typing import Any

from platforms.analysis.errors import ReadingError
from platforms.analysis.files import DataFile


def open_columnar(file: DataFile, format: str) -> tuple[Any, list[str]]:
    """Return an open Parquet or ORC file, and the names of its columns. Raises ReadingError."""
    try:
        import pyarrow  # type: ignore[import-untyped]
        from pyarrow import orc, parquet
    except ImportError:
        raise ReadingError(
            f"{format} files are read by pyarrow, which is not installed", hint="pip install pyarrow"
        ) from None
    try:
        opened = (orc.ORCFile if format == "ORC" else parquet.ParquetFile)(file.whole())
    except pyarrow.ArrowException as fault:
        raise ReadingError(f"{file.name} is no {format} file: {fault}", hint=_DECLARE) from None
    schema = opened.schema if format == "ORC" else opened.schema_arrow
    return opened, list(schema.names)


_DECLARE = "declare how the data is written: dataset_format=DataFormat.CSV, or what it is"


def read_table(opened: Any, format: str, names: list[str], left: int | None) -> Any:
    """Return columns of an open file as a table of pyarrow, at most ``left`` rows."""
    if format == "ORC":
        table = opened.read(columns=names)
        return table if left is None else table.slice(0, left)
    if left is None:
        return opened.read(columns=names)
    # A file's first rows need not all of it.
    from pyarrow import Table

    batch = next(opened.iter_batches(batch_size=max(left, 1), columns=names), None)
    schema = opened.schema_arrow
    empty = schema.empty_table().select(names)
    return empty if batch is None else Table.from_batches([batch]).slice(0, left)
