"""What checks find in a frame of Spark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

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
