"""Files of data -> a pandas data frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from platforms.analysis.columnar import open_columnar, read_table
from platforms.analysis.files import DataFile
from platforms.analysis.rows import rows_of
from platforms.analysis.schemas import chosen, columns_of, pandas_types
from rheodsl import ir
from rheodsl.analysis import Loading

if TYPE_CHECKING:
    import pandas as pd


def read_frame(
    found: Iterator[DataFile], spec: ir.DataFormatSpec, wanted: Loading, left: int | None
) -> pd.DataFrame:
    """Return the rows of files, at most ``left``, with the columns that are wanted."""
    frames: list[pd.DataFrame] = []
    count = 0
    for file in found:
        if left is not None and count >= left:
            break
        frame = _frame(file, spec, wanted, None if left is None else left - count)
        if not len(frame.columns):
            continue  # an empty file
        frames.append(frame[chosen(list(frame.columns), wanted.columns, file.name)])
        count += len(frame)
    return merge_frames(frames)


def merge_frames(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of all frames as one."""
    import pandas as pd

    filled = [frame for frame in frames if len(frame.columns)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()


def _frame(file: DataFile, spec: ir.DataFormatSpec, wanted: Loading, left: int | None) -> pd.DataFrame:
    import pandas as pd

    match spec.format:
        case "CSV":
            return _csv(file, spec, left)
        case "JSON":
            return pd.DataFrame(list(rows_of(file, spec, left)))
    opened, known = open_columnar(file, spec.format)
    names = chosen(known, wanted.columns, file.name)
    frame: pd.DataFrame = read_table(opened, spec.format, names, left).to_pandas()
    return frame


def _csv(file: DataFile, spec: ir.DataFormatSpec, left: int | None) -> pd.DataFrame:
    import pandas as pd

    names = [name for name, _ in columns_of(spec.schema)]
    types, times = pandas_types(spec.schema)
    how: dict[str, Any] = {"names": names} if names else {}
    try:
        frame: pd.DataFrame = pd.read_csv(
            file.stream(),
            sep=spec.delimiter,
            header=0 if spec.header else None,
            nrows=left,
            escapechar="\\",
            encoding="utf-8-sig",
            dtype=types or None,
            parse_dates=times or False,
            **how,
        )
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    # Columns without a name are called as Spark calls them.
    return frame if names or spec.header else frame.rename(columns=lambda number: f"_c{number}")
