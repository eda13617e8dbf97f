"""``app.load_data(node[...])`` -> data: looking into partitions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class DataFrameFormat(StrEnum):
    """What data becomes: a data frame of pandas or of Spark, or plain rows.

    ORIGINAL is a list of dicts, one for each row; values of CSV files are texts, as they stand there.
    """

    PANDAS = "PANDAS"
    SPARK = "SPARK"
    ORIGINAL = "ORIGINAL"


@dataclass(frozen=True, slots=True)
class Loading:
    """What of the data is wanted, and as what.

    ``columns`` are names, or how many of the first ones; ``limit`` is how many rows in all. ``format``
    None leaves the choice to what is installed: pandas, then Spark, then rows.
    """

    limit: int | None = None
    columns: int | Sequence[str] | None = None
    format: DataFrameFormat | None = None
    spark: Any = None


@dataclass(frozen=True, slots=True)
class LoadedPartition:
    """The data of one partition: where it lies, its coordinates as texts, and what it became."""

    path: str
    dimensions: Mapping[str, str]
    data: Any
    format: DataFrameFormat


class LoadedData(Iterator[Any]):
    """Data, one partition at a time; ``partition`` is the one that was given last."""

    def __init__(self, parts: Iterator[LoadedPartition]) -> None:
        self._parts = parts
        self.partition: LoadedPartition | None = None

    def __next__(self) -> Any:
        self.partition = next(self._parts)
        return self.partition.data


def merged(
    merge: Callable[[Sequence[LoadedPartition]], Any], parts: Iterator[LoadedPartition]
) -> Iterator[LoadedPartition]:
    """Yield all parts as one, when it is asked for; ``merge`` returns the rows of several."""
    found = list(parts)
    first = found[0]
    yield (
        first
        if len(found) == 1
        else LoadedPartition(first.path, first.dimensions, merge(found), first.format)
    )
