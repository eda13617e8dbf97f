"""Files of data -> a pandas data frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import rheo_formats
from rheo_airflow.rows import DataFile, nullable, objects, open_columnar, read_table
from rheo_formats import Format
from rheo_platforms.data.errors import told
from rheo_platforms.data.row_reader import rows_of
from rheo_platforms.data.schemas import NULLABLE, chosen, pandas_type
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
        nothing = _empty(format)
        return nothing[chosen(list(nothing.columns), wanted.columns, name)] if format.declared else nothing
    merged = merge_frames(frames)
    if format.format != "CSV":
        return merged
    if not format.declared:
        merged = _inferred(merged)
    return merged[chosen(list(merged.columns), wanted.columns, name)]


def merge_frames(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of all frames as one; a column is the same in any case, and has the name that came first."""
    import pandas as pd

    filled = [frame for frame in frames if len(frame.columns)]
    if not filled:
        return pd.DataFrame()
    known: dict[str, str] = {}
    for number, frame in enumerate(filled):
        names = {name: known.setdefault(name.lower(), name) for name in frame.columns}
        if len(set(names.values())) == len(names):  # a file that has both of two spellings keeps them
            filled[number] = frame.rename(columns=names)
    everywhere = set.intersection(*(set(frame.columns) for frame in filled))
    return pd.concat([_lacking(frame, everywhere) for frame in filled], ignore_index=True)


def _lacking(frame: pd.DataFrame, everywhere: set[Any]) -> pd.DataFrame:
    """A frame whose whole numbers and truth values stay such beside frames that lack the column."""
    wanted = {
        name: NULLABLE[str(kind)]
        for name, kind in frame.dtypes.items()
        if name not in everywhere and str(kind) in NULLABLE
    }
    return frame.astype(wanted)


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
            return _json(file, spec, format, left)
    opened, known = open_columnar(file, format.format)
    if not format.declared:
        table = read_table(opened, file, format.format, chosen(known, wanted.columns, file.name), left)
        columns = {name: _plain(table.column(name)) for name in table.column_names}
        return pd.DataFrame(columns, index=range(table.num_rows))
    placed = rheo_formats.placed(known, format, file.name)
    table = read_table(opened, file, format.format, [known[at] for _, at in placed if at is not None], left)
    kinds, made = dict(format.declared), {}
    for name, at in placed:
        values = None if at is None else table.column(known[at])
        quick = None if values is None else _cast(values, kinds[name])
        if quick is None:
            given = [None] * table.num_rows if values is None else objects(values)
            quick = _declared(given, name, kinds[name], format, file.name)
        made[name] = quick
    return pd.DataFrame(made, index=range(table.num_rows))


def _json(file: DataFile, spec: ir.DataFormatSpec, format: Format, left: int | None) -> pd.DataFrame:
    import pandas as pd

    rows = list(rows_of(file, spec, left, exact=bool(format.declared)))
    names = dict.fromkeys(name for row in rows for name in row)
    columns: dict[str, Any] = {name: [row.get(name) for row in rows] for name in names}
    for name, values in columns.items():
        kind = dict(format.declared).get(name)
        if kind is not None:
            columns[name] = _declared(values, name, kind, format, file.name)
        elif None in values and (whole := nullable(values)):
            columns[name] = pd.Series(values, dtype=whole)
    return pd.DataFrame(columns, index=range(len(rows)))


def _declared(values: list[Any], name: str, kind: str, format: Format, file: str) -> pd.Series[Any]:
    """Values of a file that knows types, as the declared one; raises FormatError for one that is none."""
    made = []
    for value in values:
        try:
            made.append(rheo_formats.as_kind(value, kind, format))
        except (ValueError, ArithmeticError):
            raise rheo_formats.unreadable(str(value), kind, name, file) from None
    return _series(made, kind)


def _cast(values: Any, kind: str) -> pd.Series[Any] | None:
    """A column of pyarrow as a declared type; None where it is not simply one."""
    import pandas as pd
    import pyarrow as pa  # type: ignore[import-untyped]

    types, target = pa.types, pandas_type(kind)
    if target.startswith("Int") and types.is_integer(values.type):
        to = getattr(pa, target.lower())()
    elif target.startswith("float") and (types.is_integer(values.type) or types.is_floating(values.type)):
        return pd.Series(values.cast(getattr(pa, target)(), safe=False).to_pandas())
    elif target == "boolean" and types.is_boolean(values.type):
        to = pa.bool_()
    else:
        return None
    try:
        cast = values.cast(to)
    except pa.ArrowInvalid:  # a number that is too large
        return None
    mapper = {to: pd.api.types.pandas_dtype(target)}
    made: pd.Series[Any] = cast.to_pandas(types_mapper=mapper.get)
    return made


def _plain(values: Any) -> pd.Series[Any]:
    """A column of pyarrow in its own type: with nulls whole numbers stay whole, what is nested stays as it is."""
    import pandas as pd
    import pyarrow as pa

    if pa.types.is_nested(values.type):
        return pd.Series(objects(values), dtype="object")
    if values.null_count and str(values.type) in NULLABLE:
        dtype = pd.api.types.pandas_dtype(NULLABLE[str(values.type)])
        made: pd.Series[Any] = values.to_pandas(types_mapper=lambda _: dtype)
        return made
    return pd.Series(values.to_pandas())


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
    if rheo_formats.simple(kind) == "string":
        return column
    values = []
    for text in column:
        try:
            values.append(None if text is None else rheo_formats.converted(text, kind, format))
        except (ValueError, ArithmeticError):
            raise rheo_formats.unreadable(text, kind, name, file) from None
    return _series(values, kind)


def _series(values: list[Any], kind: str) -> pd.Series[Any]:
    """Values as the type of pandas that a declared one has."""
    import pandas as pd

    try:
        return pd.Series(values, dtype=pandas_type(kind))
    except pd.errors.OutOfBoundsDatetime:  # nanoseconds end in 2262
        return pd.Series(values, dtype="datetime64[us]")


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
