"""Schemas as Spark's DDL takes them, none of which may be refused."""

from __future__ import annotations

import pytest

from rheodsl.errors import SpecError
from rheodsl.schemas import check_schema


@pytest.mark.parametrize(
    "schema",
    [
        "id long",
        "id: long, price: double",
        "id:long,price:double",
        "ID BIGINT NOT NULL, Price DECIMAL(10, 2)",
        "`order id` string, `a,b` int, `c``d` date",
        "a array<string>, m map<string, array<int>>, s struct<k: string, n: struct<x: int, y: double>>",
        "a ARRAY < STRING >, n decimal (38,18)",
        "at timestamp_ntz, b binary, c char(3), v varchar(10), f float, t tinyint",
        "i interval day to second, y interval year to month, j interval",
        "v variant, n void, s string collate UNICODE",
        "id long comment 'the, id', price double comment \"it's\"",
        "id long, ID string",
        "größe double, 数 int, _a int, a1 int",
        "id long,\n  price double\n",
    ],
)
def test_what_spark_takes(schema: str) -> None:
    check_schema(schema)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ("id", "gives 'id' no type"),
        ("id long, price", "gives 'price' no type"),
        ("id lng", "no type 'lng'"),
        ("id long, id long", "two columns 'id'"),
        (5, "the schema is 5"),
    ],
)
def test_what_nothing_takes(schema: object, said: str) -> None:
    with pytest.raises(SpecError) as raised:
        check_schema(schema)
    assert said in raised.value.what
