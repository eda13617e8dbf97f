"""``app.load_data(node[...])`` -> data: looking into partitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from rheodsl.platform import OnPlatform
from rheodsl.views import View


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


class Analysis(Protocol):
    """What a platform reads of an application's signals, of external data and of its own."""

    def load(self, view: View, values: Sequence[object] | None, wanted: Loading) -> Iterator[LoadedPartition]:
        """Yield the partitions of a view that exist, in the order of reading, each when it is asked for."""

    def merge(self, parts: Sequence[LoadedPartition]) -> Any:
        """Return the rows of all parts, of which there is at least one, as one."""

    def show(self, data: Any, format: DataFrameFormat) -> None:
        """Print data; display it in a notebook."""


class LoadedData(Iterator[Any]):
    """Data, one partition at a time; ``partition`` is the one that was given last."""

    def __init__(self, parts: Iterator[LoadedPartition]) -> None:
        self._parts = parts
        self.partition: LoadedPartition | None = None

    def __next__(self) -> Any:
        self.partition = next(self._parts)
        return self.partition.data


class AnalysisMethods(OnPlatform):
    """The part of an application that reads data. Raises StateError without a platform."""

    def preview_data(
        self,
        output: View,
        limit: int = 10,
        columns: int | Sequence[str] | None = None,
        *,
        values: Sequence[object] | None = None,
    ) -> tuple[Any, DataFrameFormat]:
        """Print the first rows of a partition, or of a window; return them, and what they are.

        Parameters
        ----------
        output
            The partition: ``daily[1]["2020-03-18"]``.
        limit
            How many rows.
        columns
            Names of columns, or how many of the first ones; all when left out.
        values
            As for `load_data`.

        Raises as `load_data` does.
        """
        analysis = self._at().analysis(self.name)
        parts = list(analysis.load(output, values, Loading(limit, columns)))
        data, format = analysis.merge(parts), parts[0].format
        analysis.show(data, format)
        return data, format

    def load_data(
        self,
        output: View,
        limit: int | None = None,
        format: DataFrameFormat | str | None = None,
        spark: Any = None,
        iterate: bool = False,
        *,
        columns: int | Sequence[str] | None = None,
        values: Sequence[object] | None = None,
    ) -> LoadedData:
        """Return an iterator over data: one partition at a time, or all as one.

        Parameters
        ----------
        output
            A partition, ``daily[1]["2020-03-18"]``, or a window of which those that exist are read, the
            tip first.
        limit
            How many rows, in all.
        format
            What it becomes; when left out, a pandas data frame, or one of Spark where pandas is not
            installed, or rows where neither is.
        spark
            The session for data frames of Spark; the active one, or a new one, when left out.
        iterate
            Give each partition by itself, when it is asked for. The iterator's ``partition`` says which.
        columns
            Names of columns, or how many of the first ones; all when left out.
        values
            What the view leaves open: a value for each dimension, or for each open one.
            ``app.load_data(daily[1][:-7], values=["2020-03-18"])`` are seven days. A window without a
            tip ends now.

        Raises MissingDataError when no such partition exists, FilterError when the view leaves something
        open, ValueError for no format.
        """
        wanted = Loading(limit, columns, DataFrameFormat(format) if format is not None else None, spark)
        analysis = self._at().analysis(self.name)
        parts = analysis.load(output, values, wanted)
        return LoadedData(parts if iterate else _merged(analysis, parts))


def _merged(analysis: Analysis, parts: Iterator[LoadedPartition]) -> Iterator[LoadedPartition]:
    found = list(parts)
    first = found[0]
    yield (
        first
        if len(found) == 1
        else LoadedPartition(first.path, first.dimensions, analysis.merge(found), first.format)
    )
