"""Files that know their columns, as they read into rows and pandas."""

from __future__ import annotations

from typing import Any

import boto3
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from moto import mock_aws

from data.cases import wanted
from data.pandas_cases import Store, read_typed
from data.typed_cases import EVERY, FAR, TYPED_CASES, TypedCase, written
from rheo_airflow.rows import DataFile
from rheo_airflow.tasks import athena_parquet
from rheo_formats import Format, FormatError
from rheo_platforms.data.errors import ReadingError
from rheo_platforms.data.pandas_reader import read_frame
from rheo_platforms.data.row_reader import read_rows
from rheodsl.analysis import Loading
from rheodsl.external import make_data


@pytest.mark.parametrize("case", TYPED_CASES, ids=lambda case: case.name)
def test_pandas_has_the_declared_types(case: TypedCase) -> None:
    found = read_typed(case)
    if case.error:
        assert case.error in found
        assert case.name.endswith("is no JSON") or f"s3://lake/0/a.{case.format.lower()}" in found
        return
    assert found == wanted(case)


def frame(data: bytes, format: str, left: int | None = None, **options: Any) -> Any:
    found = iter([DataFile("lake", "a", Store({"a": data}))])
    return read_frame(found, make_data(format, **options), Loading(), left)


def rows(data: bytes, format: str, **options: Any) -> list[dict[str, Any]]:
    found = iter([DataFile("lake", "a", Store({"a": data}))])
    return read_rows(found, make_data(format, **options), Loading(), None)


@pytest.mark.parametrize("format", ["PARQUET", "ORC"])
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


def test_the_names_of_parquet_are_read_of_its_footer_without_a_library() -> None:
    wide = pa.table({**EVERY, **{f"a column with a long name {n}": [1, 2] for n in range(1000)}})
    nested = pa.table({"r": [{"a": {"b": [1], "c": 2}}], "ü": [1]})
    files = {"wide": written(wide, "PARQUET"), "nested": written(nested, "PARQUET"), "x": b"PAR1" * 9}
    # A list of more numbers than the file has bytes, by far.
    footer = b"\x19\xf7" + b"\xff" * 8 + b"\x7f"
    files["more"] = footer + len(footer).to_bytes(4, "little") + b"PAR1"
    schemas = {
        "wide": ", ".join(f"`{name}` string" for name in wide.column_names),
        "nested": "r string, `ü` int",
    }
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="lake")
        for name, data in files.items():
            s3.put_object(Bucket="lake", Key=name, Body=data)
        assert len(files["wide"]) > 3 << 16
        for name, schema in schemas.items():
            athena_parquet.check(s3, {"s3://lake/d": [name]}, Format(schema=schema))
            with pytest.raises(FormatError, match=f"s3://lake/{name} has no column 'more'"):
                athena_parquet.check(s3, {"s3://lake/d": [name]}, Format(schema=f"{schema}, more int"))
        for name in ("x", "more"):
            with pytest.raises(FormatError, match=f"s3://lake/{name} is no PARQUET file"):
                athena_parquet.check(s3, {"s3://lake/d": [name]}, Format(schema="id int"))


def test_what_pyarrow_cannot_read_is_an_error_that_names_the_file() -> None:
    with pytest.raises(ReadingError, match=r"s3://lake/a cannot be read: .*out of range"):
        rows(written(FAR, "ORC"), "ORC")
