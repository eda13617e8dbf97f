"""What checks find in a frame of Spark, and in what lies staged when the worker of Airflow checks it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import boto3
import pandas
import pytest
from support.aws import empty_account

from codegen.check_sql import SQLITE, counted
from rheo_airflow.tasks import worker_checks
from rheo_formats import FormatError
from rheodsl import in_range, ir, no_rows, not_null, row_count, unique

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    from rheo_platforms.data import spark_reader

    session = spark_reader.session(None)
    yield session
    session.stop()


def found(
    spark: Any, rows: list[Any], schema: str, check: dict[str, Any], **functions: Callable[..., Any]
) -> Any:
    from rheo_spark import result

    return result(spark, spark.createDataFrame(rows, schema), check, functions)


def test_a_column_may_be_called_count(spark: Any) -> None:
    check = {"kind": "unique", "columns": ["count"]}
    assert found(spark, [(1,), (2,)], "count int", check)["passed"]
    assert found(spark, [(1,), (1,)], "count int", check)["what"] == "1 row, such as count=1, count_=2"


def test_a_text_that_is_no_number_is_in_no_range(spark: Any) -> None:
    check = {"kind": "in_range", "columns": ["p"], "low": 0, "high": 10}
    assert found(spark, [("5",), (None,)], "p string", check)["passed"]
    assert found(spark, [("5",), ("abc",)], "p string", check)["what"] == "1 row, such as p=abc"
    assert found(spark, [("12",), ("5",)], "p string", check)["what"] == "1 row, such as p=12"


def test_a_check_that_raises_without_a_word_fails(spark: Any) -> None:
    def bad(frame: Any) -> None:
        raise ValueError

    check = {"kind": "function", "entry": "bad"}
    assert found(spark, [(1,)], "id int", check, bad=bad)["what"] == "ValueError: without a word"


# --- in the worker ---


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with empty_account(monkeypatch, "us-east-1"):
        client = boto3.client("s3")
        client.create_bucket(Bucket="lake")
        yield client


def in_worker(
    s3: Any,
    format: dict[str, Any],
    files: dict[str, bytes],
    *checks: ir.Check | Callable[..., Any],
) -> list[dict[str, Any]]:
    """The results of checks of some files."""
    for name, data in files.items():
        s3.put_object(Bucket="lake", Key=f"staging/n/1/{name}", Body=data)
    functions = {check.__name__: check for check in checks if not isinstance(check, ir.Check)}
    described = [
        counted(check, SQLITE, {})
        if isinstance(check, ir.Check)
        else {"check": check.__name__, "severity": "block", "entry": check.__name__}
        for check in checks
    ]
    worker_checks.check(
        s3, "s3://lake/staging/n/1", {"made": described, "written": format}, functions.__getitem__
    )
    keys = [e["Key"] for e in s3.list_objects_v2(Bucket="lake", Prefix="staging/n/1/_")["Contents"]]
    assert keys == ["staging/n/1/_SUCCESS", "staging/n/1/_checks.json"]
    found: list[dict[str, Any]] = json.loads(
        s3.get_object(Bucket="lake", Key="staging/n/1/_checks.json")["Body"].read()
    )
    return found


def whats(results: list[dict[str, Any]]) -> list[str]:
    return [each["what"] for each in results]


def test_the_worker_takes_texts_of_csv_as_the_other_readers_do(s3: Any) -> None:
    files = {
        "a.csv": b"id,price,at\n007,5,2024-01-02\n7,,2024-01-31\n",
        "b.csv": b"id,price,at\nx,12,2023-12-31\n",
    }
    dates: Any = ("2024-01-01", "2024-01-31")
    found = in_worker(
        s3, {"format": "CSV"}, files,
        unique("ID"), in_range("id", 0, 10), in_range("price", 0, 10), in_range("at", *dates), not_null("price"),
        not_null("price"), not_null("prise"), no_rows("SELECT id FROM output WHERE typeof(price) = 'text'"),
    )  # fmt: skip
    assert whats(found) == [
        "",
        "1 row, such as id=x, price=12, at=2023-12-31",
        "1 row, such as id=x, price=12, at=2023-12-31",
        "1 row, such as id=x, price=12, at=2023-12-31",
        "1 row, such as id=7, price=None, at=2024-01-31",
        "1 row, such as id=7, price=None, at=2024-01-31",
        "no such column: prise",
        "",
    ]
    with pytest.raises(FormatError, match="s3://lake/staging/n/1: 'x' of the column 'id' is no long"):
        in_worker(s3, {"format": "CSV", "schema": "id long, price int, at date"}, {}, row_count(1))


def test_the_worker_reads_each_format_and_keeps_the_digits(s3: Any) -> None:
    buffer = io.BytesIO()
    prices = [Decimal("0.10"), Decimal("12345678901234567.89"), Decimal("12345678901234567.90")]
    frame = {"p": prices, "at": pandas.to_datetime(["2024-01-02 10:00:00"] * 3), "tags": [["a"], ["a"], None]}
    pandas.DataFrame(frame).to_parquet(buffer, index=False)
    found = in_worker(
        s3, {"format": "PARQUET"}, {"a.parquet": buffer.getvalue()},
        unique("p"), unique("tags"), in_range("at", "2024-01-02", "2024-01-02 09:00:00"), row_count(4),  # type: ignore[arg-type]
    )  # fmt: skip
    assert [(each["passed"], each["rows"]) for each in found] == [
        (True, 0),
        (False, 1),
        (False, 3),
        (False, 3),
    ]
    assert found[1]["example"] == 'tags=["a"], count=2'
    lines = b'{"id": 1, "on": true}\n{"ID": 1, "on": null}\n{"id": 18446744073709551616}\n'
    s3.delete_object(Bucket="lake", Key="staging/n/1/a.parquet")
    found = in_worker(
        s3, {"format": "JSON"}, {"a.json": lines}, unique("id"), not_null("on"), in_range("id", 0, 5)
    )
    assert whats(found) == [
        "1 row, such as id=1, count=2",
        "2 rows, such as id=1, on=None",
        "1 row, such as id=18446744073709551616, on=None",
    ]


@pytest.mark.parametrize("files", [{}, {"a.csv": b"id,price\n"}], ids=["no files", "no rows"])
def test_the_worker_checks_an_output_without_rows(s3: Any, files: dict[str, bytes]) -> None:
    checks = [row_count(1), not_null("id"), unique("id"), in_range("price", 0, 9)]
    found = in_worker(s3, {"format": "CSV"}, files, *checks, lambda frame: len(frame) == 0)
    assert whats(found) == ["0 rows", "", "", "", ""]


def test_the_worker_gives_functions_a_frame(s3: Any) -> None:
    def wrong(frame: Any) -> Any:
        return frame[frame["n"].isna()]

    def whole(frame: Any) -> Any:
        return str(frame["n"].dtype) == "Int64"

    def false(frame: Any) -> Any:
        return bool(frame["n"].sum() == 0)

    def asserts(frame: Any) -> None:
        assert frame["n"].notna().all(), "some are null"

    def says_nothing(frame: Any) -> None:
        assert len(frame) == 2

    def bad(frame: Any) -> None:
        raise ValueError

    found = in_worker(
        s3, {"format": "CSV"}, {"a.csv": b"id,n\na,1\nb,\n"},
        wrong, whole, false, asserts, says_nothing, bad, row_count(2),
    )  # fmt: skip
    assert [each["check"] for each in found][-2:] == ["bad", "row_count(2, None)"]
    first, *others, asserted, nothing, raised, count = whats(found)
    assert (first, others) == ("1 row, such as id=b, n=<NA>", ["", "it returns False"])
    assert asserted.startswith("some are null")
    assert (nothing, raised, count) == ("", "ValueError: without a word", "")
