"""The footers of Parquet files -> the names of their columns, so that a query begins only over what is declared.

Athena reads a column that a file lacks as null, and leaves out one that the table lacks. Nothing in a worker of
Airflow reads Parquet, so the few bytes with the names are read here, as Thrift's compact protocol has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import rheo_formats
from rheo_formats import Format, FormatError

_END = 1 << 16  # bytes of a file that most footers fit in
_READERS = 16
_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _TEXT, _LIST, _SET, _MAP, _STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 11, 12
_SCHEMA, _NAME, _CHILDREN = 2, 4, 5  # of the metadata of a file; of an element of its schema


def check(s3: Any, found: Mapping[str, Sequence[str]], format: Format) -> None:
    """Raise FormatError for a file that has not the declared columns.

    Parameters
    ----------
    found
        The partitions' paths, each with the keys of its files.
    """

    def one(file: tuple[str, str]) -> None:
        bucket, key = file
        try:
            names = columns(_footer(s3, bucket, key))
        except IndexError:
            raise _no_parquet(bucket, key) from None
        rheo_formats.placed(names, format, f"s3://{bucket}/{key}")

    files = [
        (path.removeprefix("s3://").partition("/")[0], key) for path, keys in found.items() for key in keys
    ]
    with ThreadPoolExecutor(_READERS) as pool:
        list(pool.map(one, files))


def _footer(s3: Any, bucket: str, key: str) -> bytes:
    end, needed = b"", _END
    while len(end) < needed:
        answer = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes=-{needed}")
        end, whole = answer["Body"].read(), int(answer["ContentRange"].rpartition("/")[2])
        length = int.from_bytes(end[-8:-4], "little") + 8
        if end[-4:] != b"PAR1" or length > whole:
            raise _no_parquet(bucket, key)
        needed = length
    return end[-needed:-8]


def _no_parquet(bucket: str, key: str) -> FormatError:
    return FormatError(
        f"s3://{bucket}/{key} is no PARQUET file",
        "declare how the data is written, or which objects are data",
    )


def columns(footer: bytes) -> list[str]:
    """Return the names of the columns of a file, by its footer."""
    thrift, elements = _Thrift(footer), list[tuple[str, int]]()
    for id, kind in thrift.fields():
        if id != _SCHEMA:
            thrift.skip(kind)
            continue
        for _ in range(thrift.size()[0]):
            name, children = "", 0
            for of, of_kind in thrift.fields():
                if of == _NAME:
                    name = thrift.text()
                elif of == _CHILDREN:
                    children = thrift.number()
                else:
                    thrift.skip(of_kind)
            elements.append((name, children))
        break
    names, at = [], 1  # behind the root each column, with all that is in it
    while at < len(elements):
        names.append(elements[at][0])
        left = 1
        while left:
            left += elements[at][1] - 1
            at += 1
    return names


class _Thrift:
    """Bytes that are read from their beginning."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def _take(self, count: int) -> bytes:
        self._at += count
        if self._at > len(self._data):
            raise IndexError("the data ends before what it says that it holds")
        return self._data[self._at - count : self._at]

    def _byte(self) -> int:
        return self._take(1)[0]

    def _whole(self) -> int:
        found = shift = 0
        while True:
            byte = self._byte()
            found |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return found

    def number(self) -> int:
        """Read a number with a sign."""
        found = self._whole()
        return (found >> 1) ^ -(found & 1)

    def text(self) -> str:
        """Read a text."""
        return self._take(self._whole()).decode("utf-8", "replace")

    def size(self) -> tuple[int, int]:
        """Read how many elements a list has, and of which kind."""
        head = self._byte()
        return (head >> 4 if head >> 4 < 15 else self._whole()), head & 15

    def fields(self) -> Iterator[tuple[int, int]]:
        """Yield number and kind of each field of a struct, whose value has to be read before the next."""
        id = 0
        while (head := self._byte()) != _STOP:
            id = id + (head >> 4) if head >> 4 else self.number()
            yield id, head & 15

    def skip(self, kind: int, listed: bool = False) -> None:
        """Pass over a value; a truth value takes a byte in a list alone."""
        if kind == _TEXT:
            self.text()
        elif kind == _DOUBLE:
            self._take(8)
        elif kind in (_LIST, _SET):
            count, of = self.size()
            for _ in range(count):
                self.skip(of, listed=True)
        elif kind == _MAP:
            count = self._whole()
            kinds = self._byte() if count else 0
            for _ in range(count):
                self.skip(kinds >> 4, listed=True)
                self.skip(kinds & 15, listed=True)
        elif kind == _STRUCT:
            for _, of in self.fields():
                self.skip(of)
        elif kind == _BYTE or (kind in (_TRUE, _FALSE) and listed):
            self._byte()
        elif kind not in (_TRUE, _FALSE):
            self.number()
