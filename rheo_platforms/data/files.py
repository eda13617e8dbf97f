"""A place -> the files of data in it.

Parquet and ORC files -> what pyarrow reads of them.
"""

from __future__ import annotations

import bz2
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import rheo_formats
from rheo_platforms.data.errors import ReadingError
from rheo_platforms.data.places import Place


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


def files(place: Place, s3: Any) -> Iterator[DataFile]:
    """Yield the files of a place in the order of their keys; markers and hidden ones are none."""
    markers = rheo_formats.markers(place.markers, place.spec.format)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=place.prefix):
        for entry in page.get("Contents", ()):
            if place.whole:
                if entry["Key"] == place.prefix:
                    yield DataFile(place.bucket, entry["Key"], s3)
                continue
            inside = entry["Key"][len(place.prefix) :]
            if rheo_formats.is_data(inside, entry["Size"], markers):
                yield DataFile(place.bucket, entry["Key"], s3)


def open_columnar(file: DataFile, format: str) -> tuple[Any, list[str]]:
    """Return an open Parquet or ORC file, and the names of its columns. Raises ReadingError."""
    try:
        import pyarrow  # type: ignore[import-untyped]
        from pyarrow import orc, parquet
    except ImportError:
        raise ReadingError(
            f"{format} files are read by pyarrow, which is not installed", hint="pip install pyarrow"
        ) from None
    content = file.whole()
    try:
        opened = (orc.ORCFile if format == "ORC" else parquet.ParquetFile)(content)
    except (pyarrow.ArrowException, OSError) as fault:
        raise ReadingError(f"{file.name} is no {format} file: {fault}", hint=DECLARE) from None
    schema = opened.schema if format == "ORC" else opened.schema_arrow
    return opened, list(schema.names)


DECLARE = "declare how the data is written: dataset_format=DataFormat.CSV, or what it is"


def objects(values: Any) -> list[Any]:
    """Return a table or a column of pyarrow as objects of Python, maps as dicts."""
    found: list[Any] = values.to_pylist(maps_as_pydicts="strict")
    return found


def read_table(opened: Any, file: DataFile, format: str, names: list[str], left: int | None) -> Any:
    """Return columns of an open file as a table of pyarrow, in the order of ``names``, at most ``left`` rows.

    Raises ReadingError for what is no file of the format, or cannot be had here.
    """
    import pyarrow

    try:
        return _read(opened, format, names, left)
    except (pyarrow.ArrowException, OSError) as fault:
        raise ReadingError(f"{file.name} cannot be read: {fault}", hint="read it by Spark") from None


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
