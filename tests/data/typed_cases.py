"""Files that know the types of their values, and what each reader with types makes of them."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
from pyarrow import orc, parquet


@dataclass(frozen=True)
class TypedCase:
    """Files of partitions, by folder and name; the rows of all as texts, or what the error of pandas says."""

    name: str
    format: str
    files: dict[str, bytes]
    rows: list[dict[str, Any]] | None = None
    error: str = ""
    options: dict[str, Any] = field(default_factory=dict)


def written(table: Any, format: str) -> bytes:
    target = io.BytesIO()
    {"PARQUET": parquet.write_table, "ORC": orc.write_table}[format](table, target)
    return target.getvalue()


def columnar(name: str, *columns: dict[str, Any], rows: Any = None, error: str = "", **options: Any) -> Any:
    """A case in Parquet and one in ORC, a partition for each table."""
    for format in ("PARQUET", "ORC"):
        files = {
            f"{n}/a.{format.lower()}": written(pa.table(table), format) for n, table in enumerate(columns)
        }
        yield TypedCase(f"{format}: {name}", format, files, rows, error, options)


def lines(name: str, *texts: str, rows: Any = None, error: str = "", **options: Any) -> TypedCase:
    return TypedCase(f"JSON: {name}", "JSON", {"0/a.json": "\n".join(texts).encode()}, rows, error, options)


EVERY = {
    "i": pa.array([1, None], pa.int64()),
    "n": pa.array([None, 2], pa.int32()),
    "big": pa.array([2**63 - 1, None]),
    "b": pa.array([True, None]),
    "s": pa.array(["x", None]),
    "d": pa.array([date(2024, 1, 2), None]),
    "t": pa.array([datetime(2024, 1, 2, 3, 4, 5, 123456), None], pa.timestamp("us")),
    "c": pa.array([Decimal("1.50"), None], pa.decimal128(10, 2)),
    "f": pa.array([1.5, None], pa.float32()),
    "l": pa.array([[1, None], None], pa.list_(pa.int64())),
    "m": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
    "r": pa.array([{"a": 1}, None], pa.struct([("a", pa.int64())])),
}
ROWS = [
    {"i": 1, "n": None, "big": 2**63 - 1, "b": True, "s": "x", "d": date(2024, 1, 2),
     "t": datetime(2024, 1, 2, 3, 4, 5, 123456), "c": Decimal("1.50"), "f": 1.5, "l": [1, None], "m": {"a": 1},
     "r": {"a": 1}},
    {**dict.fromkeys(EVERY), "n": 2},
]  # fmt: skip
SCHEMA = (
    "i long, n int, big bigint, b boolean, s string, d date, t timestamp, c decimal(10,2), f float, l array<long>, "
    "m map<string,long>, r struct<a:long>"
)
FAR = pa.table({"t": pa.array([datetime(2500, 1, 1)], pa.timestamp("us"))})
TYPED_CASES: tuple[TypedCase, ...] = (
    *columnar("every type, as declared", EVERY, rows=ROWS, schema=SCHEMA),
    *columnar("every type, as it is", EVERY, rows=ROWS),
    *columnar("a number as text", {"i": [7, 8]}, rows=[{"i": "7"}, {"i": "8"}], schema="i string"),
    *columnar("a whole fraction as a number", {"i": [7.0, None]}, rows=[{"i": 7}, {"i": None}], schema="i int"),
    *columnar("a fraction is no int", {"i": [7.0, 8.5]}, error="'8.5' of the column 'i' is no int", schema="i int"),
    *columnar("too large", {"i": [7, 2**40]}, error="'1099511627776' of the column 'i' is no int", schema="i int"),
    *columnar("a text is no int", {"i": ["7", "x"]}, error="'x' of the column 'i' is no int", schema="i int"),
    *columnar(
        "a decimal with too many digits",
        {"c": pa.array([Decimal("12345.5")], pa.decimal128(10, 2))},
        error="of the column 'c' is no decimal(5,2)",
        schema="c decimal(5,2)",
    ),
    *columnar(
        "types that widen, and a column that is new",
        {"i": pa.array([1], pa.int32())},
        {"i": pa.array([2**40], pa.int64()), "k": pa.array([5], pa.int64())},
        rows=[{"i": 1, "k": None}, {"i": 2**40, "k": 5}],
        schema="i long, k int",
        columns="lenient",
    ),
    *columnar(
        "names in another case", {"ID": [1], "n": [5]}, {"id": [2], "N": [6]}, rows=[{"ID": 1, "n": 5}, {"ID": 2, "n": 6}]
    ),
    *columnar(
        "a column that is new stays whole",
        {"i": pa.array([1], pa.int64())},
        {"i": pa.array([2], pa.int64()), "k": pa.array([2**53 + 1], pa.int64())},
        rows=[{"i": 1, "k": None}, {"i": 2, "k": 2**53 + 1}],
    ),
    *(
        TypedCase(
            f"PARQUET: types that widen within a partition{', declared' if options else ''}",
            "PARQUET",
            {
                "0/a.parquet": written(pa.table({"i": pa.array([1], pa.int32())}), "PARQUET"),
                "0/b.parquet": written(pa.table({"i": pa.array([2**40], pa.int64())}), "PARQUET"),
            },
            [{"i": 1}, {"i": 2**40}],
            options=options,
        )
        for options in ({}, {"schema": "i long"})
    ),
    TypedCase(
        "PARQUET: far away",
        "PARQUET",
        {"0/a.parquet": written(FAR, "PARQUET")},
        [{"t": "2500-01-01"}],
        options={"schema": "t timestamp"},
    ),
    TypedCase(
        "PARQUET: a time with a zone is that time in UTC",
        "PARQUET",
        {"0/a.parquet": written(pa.table({"z": pa.array([datetime(2024, 1, 2, 3, tzinfo=UTC)],
                                                       pa.timestamp("us", tz="Europe/Zurich"))}), "PARQUET")},
        [{"z": "2024-01-02 03:00:00"}],
        options={"schema": "z timestamp"},
    ),
    lines(
        "types as declared",
        '{"i":1,"n":null,"b":true,"s":"x","d":"2024-01-02","t":"2024-01-02T03:04:05Z","c":1.5,"l":[1],"r":{"a":1}}',
        '{"n":2,"s":5}',
        rows=[
            {"i": 1, "n": None, "b": True, "s": "x", "d": "2024-01-02", "t": "2024-01-02 03:04:05", "c": "1.50",
             "l": [1], "r": {"a": 1}},
            {"i": None, "n": 2, "b": None, "s": "5", "d": None, "t": None, "c": None, "l": None, "r": None},
        ],
        schema="i long, n int, b boolean, s string, d date, t timestamp, c decimal(10,2), l array<long>, r struct<a:long>",
    ),
    lines("types as they are", '{"i":9007199254740993,"s":"x"}', '{"i":null,"b":true}',
          rows=[{"i": 9007199254740993, "s": "x", "b": None}, {"i": None, "s": None, "b": True}]),
    lines("digits of a decimal", '{"c":12345678901234567.89}', rows=[{"c": "12345678901234567.89"}],
          schema="c decimal(20,2)"),
    *(
        lines(f"{text} is no {kind}", f'{{"i":{text}}}', error=f"of the column 'i' is no {kind}", schema=f"i {kind}")
        for kind, text in [
            ("int", '"x"'), ("int", "7.5"), ("int", "true"), ("int", "3000000000"), ("long", "12345678901234567890"),
            ("boolean", "1"), ("date", '"02.01.2024"'), ("timestamp", '"noon"'),
        ]
    ),
    lines("a list", '[{"i":1},', '{"i":2}]', rows=[{"i": 1}, {"i": 2}], schema="i int"),
    lines("an object over lines", "{", ' "i": 1', "}", rows=[{"i": 1}], schema="i int"),
    lines("a mark, and empty lines", "\ufeff", '{"i":1}', "", rows=[{"i": 1}], schema="i int"),
    lines("a nested name in another case", '{"O":{"a":[{"K":1}]}}', error="a.json spells 'o.a.k' as 'O.a.K'",
          schema="o struct<a:array<struct<k:int>>>"),
    lines("nested names of a column in another case", '{"O":{"a":1}}', rows=[{"o": {"a": 1}}], schema="o struct<a:int>"),
    lines("no object", "5", '{"i":1}', error="5 is no object", schema="i int"),
    TypedCase(
        "JSON: half an object, behind the head",
        "JSON",
        {"0/0.json": b'{"i":1}\n', "0/a.json": b'{"i":1}\n' * 20_000 + b'{"i":\n', "0/b.json": b'{"i":1}\n'},
        error="is no JSON",
        options={"schema": "i int"},
    ),
    *(
        TypedCase(f"{format}: no such file", format, {f"0/a.{format.lower()}": b"no such file"}, error=f"a.{format.lower()}")
        for format in ("PARQUET", "ORC")
    ),
    lines("half an object", '{"i":1}', '{"i":', error="is no JSON", schema="i int"),
)  # fmt: skip
