"""Files that know their columns, as they read into rows and pandas."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from pyarrow import orc, parquet  # type: ignore[import-untyped]

from data.pandas_cases import Store
from rheo_platforms.data.files import DataFile
from rheo_platforms.data.pandas_reader import read_frame
from rheo_platforms.data.row_reader import read_rows
from rheodsl.analysis import Loading
from rheodsl.external import make_data

WRITERS: dict[str, Callable[..., None]] = {"PARQUET": parquet.write_table, "ORC": orc.write_table}


def written(table: pa.Table, format: str) -> bytes:
    target = io.BytesIO()
    WRITERS[format](table, target)
    return target.getvalue()


def frame(data: bytes, format: str, left: int | None = None, **options: Any) -> Any:
    found = iter([DataFile("lake", "a", Store({"a": data}))])
    return read_frame(found, make_data(format, **options), Loading(), left)


def rows(data: bytes, format: str, **options: Any) -> list[dict[str, Any]]:
    found = iter([DataFile("lake", "a", Store({"a": data}))])
    return read_rows(found, make_data(format, **options), Loading(), None)


@pytest.mark.parametrize("format", WRITERS)
@pytest.mark.parametrize("left", [None, 1])
def test_columns_are_found_by_name_whatever_the_order_of_the_file(format: str, left: int | None) -> None:
    data = written(pa.table({"price": [5.5], "ID": ["007"]}), format)
    schema = "id string, price double"
    assert frame(data, format, left, schema=schema).to_dict("records") == [{"id": "007", "price": 5.5}]
    assert rows(data, format, schema=schema) == [{"id": "007", "price": 5.5}]


def test_an_index_of_pandas_is_a_column_as_it_is_for_every_other_reader() -> None:
    table = pa.Table.from_pandas(pd.DataFrame({"price": [5.5]}, index=pd.Index(["007"], name="id")))
    data = written(table, "PARQUET")
    assert frame(data, "PARQUET").to_dict("records") == [{"price": 5.5, "id": "007"}]
    assert rows(data, "PARQUET") == [{"price": 5.5, "id": "007"}]
