"""Files of data -> a pandas data frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import rheo_formats
from rheo_formats import Format
from rheo_platforms.data.errors import told
from rheo_platforms.data.files import DataFile, open_columnar, read_table
from rheo_platforms.data.row_reader import rows_of
from rheo_platforms.data.schemas import chosen, pandas_type
from rheodsl import ir
from rheodsl.analysis import Loading

if TYPE_CHECKING:
    import pandas as pd


def read_frame(
    found: Iterator[DataFile], spec: ir.DataFormatSpec, wanted: Loading, left: int | None
) -> pd.DataFrame:
    """Return the rows of files, at most ``left``, with the columns that are wanted. Raises ReadingError."""
    frames: list[pd.DataFrame] = []
    count, format, name = 0, Format.of(spec), "the partition"
    for file in found:
        if left is not None and count >= left:
            break
        name = file.name
        with told():
            frame = _frame(file, spec, format, wanted, None if left is None else left - count)
        if not len(frame.columns):
            continue  # an empty file
        if format.format != "CSV":
            frame = frame[chosen(list(frame.columns), wanted.columns, file.name)]
        frames.append(frame)
        count += len(frame)
    if not frames:
        return _empty(format)
    merged = merge_frames(frames)
    if format.format != "CSV":
        return merged
    if not format.declared:
        merged = _inferred(merged)
    return merged[chosen(list(merged.columns), wanted.columns, name)]


def merge_frames(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of all frames as one."""
    import pandas as pd

    filled = [frame for frame in frames if len(frame.columns)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()


def _empty(format: Format) -> pd.DataFrame:
    """No rows, with the declared columns."""
    import pandas as pd

    columns: dict[str, Any] = {name: pd.Series([], dtype=pandas_type(kind)) for name, kind in format.declared}
    return pd.DataFrame(columns)


def _frame(
    file: DataFile, spec: ir.DataFormatSpec, format: Format, wanted: Loading, left: int | None
) -> pd.DataFrame:
    import pandas as pd

    match format.format:
        case "CSV":
            return _csv(file, spec, format, left)
        case "JSON":
            return pd.DataFrame(list(rows_of(file, spec, left)))
    opened, known = open_columnar(file, format.format)
    if format.declared:
        placed = rheo_formats.placed(known, format, file.name)
        names = [known[at] for _, at in placed if at is not None]
        frame: pd.DataFrame = read_table(opened, format.format, names, left).to_pandas(ignore_metadata=True)
        frame.columns = pd.Index([name for name, at in placed if at is not None])
        return frame.reindex(columns=[name for name, _ in placed])
    names = chosen(known, wanted.columns, file.name)
    table: pd.DataFrame = read_table(opened, format.format, names, left).to_pandas(ignore_metadata=True)
    return table


def _csv(file: DataFile, spec: ir.DataFormatSpec, format: Format, left: int | None) -> pd.DataFrame:
    """Texts by name, in their types where those are declared."""
    import pandas as pd

    header = rheo_formats.header_of(file.head(), format, file.name)
    names = [name for name, _ in rheo_formats.layout(header, format, file.name)] if header else []
    texts = pd.DataFrame(list(rows_of(file, spec, left)), columns=names, dtype="object")
    for name, kind in format.declared:
        if header:
            texts[name] = _typed(texts[name], name, kind, format, file.name)
    return texts


def _typed(column: pd.Series[Any], name: str, kind: str, format: Format, file: str) -> pd.Series[Any]:
    """Texts as values of a type; raises FormatError for one that is none."""
    import pandas as pd

    if rheo_formats.simple(kind) == "string":
        return column
    values = []
    for text in column:
        try:
            values.append(None if text is None else rheo_formats.converted(text, kind, format))
        except (ValueError, ArithmeticError):
            raise rheo_formats.unreadable(text, kind, name, file) from None
    try:
        return pd.Series(values, index=column.index, dtype=pandas_type(kind))
    except pd.errors.OutOfBoundsDatetime:  # nanoseconds end in 2262
        return pd.Series(values, index=column.index, dtype="datetime64[us]")


def _inferred(frame: pd.DataFrame) -> pd.DataFrame:
    """Texts as numbers and truth values where all of a column are some; none with a leading zero is."""
    kinds = {
        name: rheo_formats.inferred(frame[name].where(frame[name].notna(), None)) for name in frame.columns
    }
    for name, kind in kinds.items():
        if kind == "string":
            continue
        column = frame[name]
        if kind == "boolean":
            column = column.map(
                lambda text: None if text is None else text.lower() == "true", na_action="ignore"
            )
        lacks = bool(column.isna().any())
        whole = {"long": "Int64" if lacks else "int64", "boolean": "boolean" if lacks else "bool"}
        if kind == "long":
            column = column.map(int, na_action="ignore")
        frame[name] = column.astype(whole.get(kind, "float64"))  # type: ignore[call-overload]
    return frame
