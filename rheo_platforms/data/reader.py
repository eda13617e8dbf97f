"""An application -> the data of its signals: the `Analysis` of every platform."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

import boto3
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from rheo_platforms.consoles import console, seen
from rheo_platforms.data import pandas_reader, row_reader, spark_reader
from rheo_platforms.data.errors import MissingDataError, ReadingError
from rheo_platforms.data.files import files
from rheo_platforms.data.places import Place, Places, Texts, existing, nearest, partitions, places_of
from rheodsl.analysis import DataFrameFormat, LoadedPartition, Loading
from rheodsl.signals import View

PANDAS, SPARK, ORIGINAL = DataFrameFormat.PANDAS, DataFrameFormat.SPARK, DataFrameFormat.ORIGINAL


class Reading:
    """Reads the data of one application, which need not be active.

    Parameters
    ----------
    session
        Makes clients of the account where the data is.
    bucket
        The application's own.
    """

    def __init__(self, session: boto3.Session, bucket: str) -> None:
        self.session = session
        self.bucket = bucket

    def load(self, view: View, values: Sequence[object] | None, wanted: Loading) -> Iterator[LoadedPartition]:
        """Yield the partitions of a view that exist; one that is empty has to have declared columns.

        Raises MissingDataError when none exists, ReadingError when none holds data, nor has declared columns.
        """
        places = places_of(view, self.session, self.bucket)
        asked = partitions(view, values)
        found = existing(places, asked)
        first = next(found, None)
        if first is None:
            raise _missing(places, view, asked)
        return self._load(view, first, found, wanted, wanted.format or best_format(wanted))

    def _load(
        self,
        view: View,
        first: tuple[Texts, Place],
        others: Iterator[tuple[Texts, Place]],
        wanted: Loading,
        format: DataFrameFormat,
    ) -> Iterator[LoadedPartition]:
        left, empty, some = wanted.limit, [], False
        for texts, place in chain([first], others):
            data = self._read(place, wanted, format, left)
            if data is None:
                empty.append(place.path)
                continue
            some = True
            dimensions = dict(zip(view.signal.dims, texts, strict=True))
            yield LoadedPartition(place.path, dimensions, data, format)
            if left is not None:
                left -= data.count() if format is SPARK else len(data)
                if left == 0:
                    return
        if not some:
            raise ReadingError(
                f"{view.id} is announced, but empty: {', '.join(empty)}",
                hint=f"declare a schema where {view.id} is declared, to read no rows with its columns: "
                'schema="id string, price double"',
            )

    def _read(self, place: Place, wanted: Loading, format: DataFrameFormat, left: int | None) -> Any:
        """The data of a place; None where there is none and nobody says which columns it would have."""
        others = files(place, self.session.client("s3"))
        first = next(others, None)
        if first is None and not place.spec.schema:
            return None
        found = chain([first] if first else [], others)
        if format is SPARK:
            return spark_reader.read_spark(spark_reader.session(wanted.spark), place, found, wanted, left)
        if format is ORIGINAL:
            return row_reader.read_rows(found, place.spec, wanted, left)
        if not _installed("pandas"):
            raise ReadingError(
                "pandas is not installed", hint="pip install pandas pyarrow, or load another format"
            )
        frame = pandas_reader.read_frame(found, place.spec, wanted, left)
        return frame if len(frame.columns) else None

    def merge(self, parts: Sequence[LoadedPartition]) -> Any:
        """Return the rows of all parts as one."""
        data = [part.data for part in parts]
        if len(data) == 1:
            return data[0]
        match parts[0].format:
            case DataFrameFormat.PANDAS:
                return pandas_reader.merge_frames(data)
            case DataFrameFormat.SPARK:
                return spark_reader.merge_spark(data)
        return [row for each in data for row in each]

    def show(self, data: Any, format: DataFrameFormat) -> None:
        """Print data as its own kind does; display it in a notebook."""
        if format is SPARK:
            data.show()
        elif (display := _notebook()) is not None:
            display(data)
        elif format is PANDAS:
            print(seen(data.to_string()))
        else:
            console().print(_table(data))


def best_format(wanted: Loading) -> DataFrameFormat:
    """Return what data becomes when nobody says: what is installed, pandas first."""
    if wanted.spark is not None:
        return SPARK
    if _installed("pandas") and _installed("pyarrow"):
        return PANDAS
    return SPARK if _installed("pyspark") else ORIGINAL


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _notebook() -> Callable[[Any], Any] | None:
    """Jupyter's own display, when this process is a notebook's."""
    shell = sys.modules.get("IPython")
    if shell is None or shell.get_ipython() is None:
        return None
    display: Callable[[Any], Any] = shell.display.display
    return display


def _table(found: Sequence[dict[str, Any]]) -> Table:
    names = list(dict.fromkeys(name for row in found for name in row))
    made = Table(*map(escape, names))
    for row in found:
        made.add_row(*(Text("" if row.get(name) is None else str(row[name])) for name in names))
    return made


def _missing(places: Places, view: View, asked: Sequence[Texts]) -> MissingDataError:
    if not asked:
        return MissingDataError(
            f"{view!r} has no partition", hint="its window reaches out of the range of dates"
        )
    at = places.name(asked[0])
    what = f"there is no data at {at}"
    if len(asked) > 1:
        what += f", nor at the {len(asked) - 1} other partitions of the window"
    near = nearest(places, view, asked[0])
    if near is None:
        return MissingDataError(what, hint=f"{view.id} has no partition at all yet")
    indexes = "".join(f"[{text!r}]" for text in near)
    return MissingDataError(what, hint=f"the nearest is {places.name(near)}: {view.id}{indexes}")
