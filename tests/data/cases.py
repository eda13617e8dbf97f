"""Files as people have them, how they are declared, and the one right reading of them.

A value is written as text, as a reader of rows has it; ``None`` is no value. A reader with types must give the
same texts back, numbers spelled as numbers.
"""

from __future__ import annotations

import bz2
import gzip
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, str | None]


@dataclass(frozen=True)
class Case:
    """Objects of one partition, by their names; the rows that they hold, or what the error says."""

    name: str
    files: dict[str, bytes]
    rows: list[Row] | None = None
    error: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    completion: tuple[str, ...] = ("_SUCCESS",)


SCHEMA = "id string, price double"


def one(name: str, data: bytes, rows: list[Row] | None = None, error: str = "", **options: Any) -> Case:
    return Case(name, {"a.csv": data}, rows, error, options)


def packed(data: bytes, mtime: int = 0) -> bytes:
    """Packed data: of a time that is always the same, which is a part of it."""
    return gzip.compress(data, mtime=mtime)


CASES = (
    one("plain", b"id,price\n7,5\n", [{"id": "7", "price": "5"}]),
    one(
        "leading zeros stay",
        b"id,price\n007,5\n8,6\n",
        [{"id": "007", "price": "5"}, {"id": "8", "price": "6"}],
    ),
    one("quoted line breaks", b'id,note\n1,"two\nlines"\n', [{"id": "1", "note": "two\nlines"}]),
    one("doubled quotes", b'id,note\n1,"say ""hi"", please"\n', [{"id": "1", "note": 'say "hi", please'}]),
    one(
        "a spreadsheet's line ends",
        b'id,note\r\n1,"a\nb"\r\n2,c\r\n',
        [{"id": "1", "note": "a\nb"}, {"id": "2", "note": "c"}],
    ),
    one("a backslash is a character", b"id,path\n1,C:\\new\n", [{"id": "1", "path": "C:\\new"}]),
    one(
        "trailing delimiters",
        b"id,price,\n1,5,\n2,6,\n",
        [{"id": "1", "price": "5"}, {"id": "2", "price": "6"}],
    ),
    one("trailing delimiters without a name", b"id,price\n1,5,\n", [{"id": "1", "price": "5"}]),
    one("more fields than columns", b"id,price\n1,5,9\n", error="a record of more than 2 fields"),
    one(
        "characters that end no line",
        "id,a\u2028b\x0cc\x85d\n1,2\n".encode(),
        [{"id": "1", "a\u2028b\x0cc\x85d": "2"}],
    ),
    one(
        "a field too many behind an empty one",
        b"id,street\n1,Main St,,Springfield\n",
        error="a record of more than 2 fields",
    ),
    one(
        "a value below a column without a name",
        b"id,price,\n1,5,9\n",
        schema=SCHEMA,
        error="a record of more than 2 fields",
    ),
    one(
        "a value behind the declared columns",
        b"1,5,\n2,6,9\n",
        error="a record of more than 2 fields",
        header=False,
        schema=SCHEMA,
    ),
    one("a byte order mark", b"\xef\xbb\xbfid,city\n1,Z\xc3\xbcrich\n", [{"id": "1", "city": "Zürich"}]),
    one(
        "latin-1 as declared", b"id,city\n1,Z\xfcrich\n", [{"id": "1", "city": "Zürich"}], encoding="latin-1"
    ),
    one("latin-1 undeclared", b"id,city\n1,Z\xfcrich\n", error="is not written in utf-8"),
    one("utf-16 by its mark", "id,city\n1,Zürich\n".encode("utf-16"), [{"id": "1", "city": "Zürich"}]),
    one("windows", "id,sum\n1,5 €\n".encode("cp1252"), [{"id": "1", "sum": "5 €"}], encoding="cp1252"),
    one(
        "empty is no value", b'id,note\n1,\n2,""\n3,\\N\n', [{"id": str(n), "note": None} for n in (1, 2, 3)]
    ),
    one("other null texts", b"id,note\n1,n/a\n", [{"id": "1", "note": None}], nulls=["", "n/a"]),
    one(
        "an empty text that is a value",
        b'id,note\n1,\n2,""\n3,NA\n',
        [{"id": "1", "note": ""}, {"id": "2", "note": ""}, {"id": "3", "note": None}],
        nulls=["NA"],
    ),
    one(
        "another encoding behind the head",
        b"id,city\n" + b"1,Bern\n" * 20_000 + b"1,Z\xfcrich\n",
        error="is not written in utf-8",
    ),
    one("blank lines", b"id,price\n\n1,5\n\n", [{"id": "1", "price": "5"}]),
    one("semicolons", b"id;price\n1;5\n", [{"id": "1", "price": "5"}], delimiter=";"),
    one("by name, whatever the order", b"price,id\n5,007\n", [{"id": "007", "price": "5"}], schema=SCHEMA),
    one("names without regard to case", b"ID, Price\n007,5\n", [{"id": "007", "price": "5"}], schema=SCHEMA),
    one("a missing column", b"id\n1\n", error="has no column 'price'; its columns: id", schema=SCHEMA),
    one("an unknown column", b"id,price,tax\n1,5,2\n", error="has the column 'tax'", schema=SCHEMA),
    one(
        "a missing column, lenient",
        b"id\n1\n",
        [{"id": "1", "price": None}],
        schema=SCHEMA,
        columns="lenient",
    ),
    one(
        "an unknown column, lenient",
        b"tax,id,price\n2,1,5\n",
        [{"id": "1", "price": "5"}],
        schema=SCHEMA,
        columns="lenient",
    ),
    one("a name twice", b"id,id\n1,2\n", error="has the column 'id' twice"),
    one("no header", b"1;5\n", [{"id": "1", "price": "5"}], header=False, delimiter=";", schema=SCHEMA),
    one(
        "no header, too few columns",
        b"1\n",
        error="has 1 columns, and the schema declares 2",
        header=False,
        schema=SCHEMA,
    ),
    Case("packed", {"a.csv.gz": packed(b"id,price\n1,5\n")}, [{"id": "1", "price": "5"}]),
    Case(
        "files of other headers",
        {"a.csv": b"id,region,price\n1,NA,5\n", "b.csv": b"id,price\n2,7\n"},
        [{"id": "1", "region": "NA", "price": "5"}, {"id": "2", "region": None, "price": "7"}],
    ),
    Case(
        "an empty packed file beside",
        {"a.csv": b"id,price\n1,5\n", "b.csv.gz": packed(b"")},
        [{"id": "1", "price": "5"}],
        options={"schema": SCHEMA},
    ),
    one(
        "signs in names",
        b"a.b,c d,e`f\n1,2,3\n",
        [{"a.b": "1", "c d": "2", "e`f": "3"}],
        schema="`a.b` string, `c d` string, `e``f` string",
    ),
    Case("an empty file beside", {"a.csv": b"id\n1\n", "b.csv": b""}, [{"id": "1"}]),
    one(
        "an escape within quotes, before a quote or itself",
        b'id,note\n1,"say \\"hi\\", x"\n2,"a\\\\"\n3,"C:\\new\\\\x"\n4,"\\\\\\"q"\n',
        [
            {"id": "1", "note": 'say "hi", x'},
            {"id": "2", "note": "a\\"},
            {"id": "3", "note": "C:\\new\\x"},
            {"id": "4", "note": '\\"q'},
        ],
        escape="\\",
    ),
    one(
        "elsewhere an escape is a character",
        b'id,note\n1,C:\\new\n2,a\\"b\n3,\\"x\\"\n4,x\\\\y\n5,"C:\\new"\n6,\\N\n7,"\\N"\n8,a\\\n',
        [
            {"id": str(n), "note": note}
            for n, note in enumerate(
                ["C:\\new", 'a\\"b', '\\"x\\"', "x\\\\y", "C:\\new", None, None, "a\\"], 1
            )
        ],
        escape="\\",
    ),
    one(
        "a doubled quote beside an escape",
        b'id,note\n1,"a""b"\n',
        error="quote",
        escape="\\",
    ),
    one("text behind a quotation", b'id,note\n1,"a"b\n', error="quote"),
    one(
        "text behind a quotation, behind the head",
        b"id,note\n" + b'1,"b"\n' * 20_000 + b'1,"a"b\n2,c\n',
        error="line 20002 has text behind the quote that ends a quotation",
    ),
    one(
        "the same, of a file that may be split",
        b"id,note\n" + b'1,"b"\n' * 20_000 + b'1,"a"b\n2,c\n',
        error="has text behind the quote that ends a quotation",
        multiline=False,
    ),
    one(
        "line breaks as the file has them",
        b'id,note\r\n1,"a\r\nb"\r\n2,c\r\n',
        [{"id": "1", "note": "a\nb"}, {"id": "2", "note": "c"}],
    ),
    one(
        "a line break where there may be none", b'id,note\n1,"a\nb"\n', error="within quotes", multiline=False
    ),
    one(
        "a number of many digits stays a text", b"id\n1234567890123456789\n", [{"id": "1234567890123456789"}]
    ),
    one(
        "nor may a fraction beside it cost digits",
        b"id\n1234567890123456\n1.5\n",
        [{"id": "1234567890123456"}, {"id": "1.5"}],
    ),
    one("old line ends", b"id,note\r1,a\r2,b\r", [{"id": "1", "note": "a"}, {"id": "2", "note": "b"}]),
    one("a quote within a text", b'id,note\n1,5" pipe\n', [{"id": "1", "note": '5" pipe'}]),
    one(
        "a backslash ends a text",
        b'id,note\n1,"C:\\"\n2,"d"\n',
        [{"id": "1", "note": "C:\\"}, {"id": "2", "note": "d"}],
    ),
    one("a comma as the decimal point", b"n;m\n1,5;x\n", [{"n": "1,5", "m": "x"}], delimiter=";"),
    one("a sign that begins comments elsewhere", b"#id,note\n#1,a\n", [{"#id": "#1", "note": "a"}]),
    one(
        "a mark and no header", b"\xef\xbb\xbf1,5\n", [{"id": "1", "price": "5"}], header=False, schema=SCHEMA
    ),
    one(
        "utf-16 as declared",
        "id,city\n1,Zürich\n".encode("utf-16-le"),
        [{"id": "1", "city": "Zürich"}],
        encoding="utf-16-le",
    ),
    Case(
        "two packed parts",
        {"a.csv.gz": packed(b"id\n1\n") + packed(b"2\n")},
        [{"id": "1"}, {"id": "2"}],
    ),
    Case("packed otherwise", {"a.csv.bz2": bz2.compress(b"id\n1\n")}, [{"id": "1"}]),
    # With a byte that ends a line, and without: then all of it is the header.
    Case("packed, and not named so", {"a.csv": packed(b"id\n1\n")}, error="is not written in utf-8"),
    Case("the same, at another time", {"a.csv": packed(b"id\n1\n", 10)}, error="is not written in utf-8"),
    Case(
        "hidden objects are no data",
        {
            "a.csv": b"id\n1\n",
            "_temporary/0/a.csv": b"id\n2\n",
            ".a.csv": b"id\n3\n",
            "c=US/_a.csv": b"id\n4\n",
            "_SUCCESS": b"id\n5\n",
            "x_$folder$": b"id\n6\n",
        },
        [{"id": "1"}],
        completion=("_SUCCESS", "*_DONE"),
    ),
    Case(
        "an object that completes a partition is no data",
        {"a.csv": b"id\n1\n", "READY": b"id\n2\n", "orders_1.done": b"id\n3\n"},
        [{"id": "1"}],
        completion=("READY", "*.done"),
    ),
    Case(
        "but where it is named as data",
        {"a.csv": b"id\n1\n", "b.csv": b"id\n2\n"},
        [{"id": "1"}, {"id": "2"}],
        completion=("*.csv",),
    ),
    Case("a file that completes itself", {"a.csv": b"id\n1\n"}, [{"id": "1"}], completion=("a.csv",)),
)
# What only a reader with types can refuse.
TYPED = (
    one("no number", b"id,price\n1,abc\n", error="'abc' of the column 'price' is no double", schema=SCHEMA),
    one("a whole number as a spreadsheet has it", b"n\n1.0\n", [{"n": "1"}], schema="n int"),
    one(
        "a date as it is declared",
        b"d\n31.12.2024\n",
        [{"d": "2024-12-31"}],
        schema="d date",
        date_format="%d.%m.%Y",
    ),
    one(
        "a number as it is, blanks around it",
        b"n\n 1.50  \n-2e1\n",
        [{"n": "1.5"}, {"n": "-20"}],
        schema="n double",
    ),
    one(
        "digits beyond a decimal's are rounded",
        b"n\n5.675\n-1.255\n",
        [{"n": "5.68"}, {"n": "-1.26"}],
        schema="n decimal(10,2)",
    ),
    one(
        "times",
        b"t\n2024-01-02T03:04:05.123456Z\n2024-01-02 03:04\n",
        [{"t": "2024-01-02 03:04:05.123456"}, {"t": "2024-01-02 03:04:00"}],
        schema="t timestamp",
    ),
    *(
        one(f"{text} is no {kind}", b"v\n" + text.encode() + b"\n", error=f"is no {kind}", schema=f"v {kind}")
        for kind, listed in {
            "double": ["12D", "1.5f", "1_000", "\u0661"],
            "decimal(5,2)": ["12345.67", "1_0", "1D"],
            "date": ["45292", "2024", "2024-02", "2024-01-02garbage", "2024-02-30"],
            "timestamp": ["12:30", "2024", "2024-01-02 25:00:00"],
            "int": ["3000000000", "1_0", "\u0661"],
        }.items()
        for text in listed
    ),
    one(
        "a day far away",
        b"d\n9999-12-31\n2024-01-02\n",
        [{"d": "9999-12-31"}, {"d": "2024-01-02"}],
        schema="d date",
    ),
    one(
        "a comma is no decimal point",
        b"n;m\n1,5;2\n",
        error="'1,5' of the column 'n' is no double",
        delimiter=";",
        schema="n double, m int",
    ),
    one("a sign of thousands", b'n\n"1,234"\n', error="'1,234' of the column 'n' is no int", schema="n int"),
    one(
        "truth values",
        b"b\nTRUE\nyes\n1\nF\nno\n",
        [{"b": b} for b in ("True", "True", "True", "False", "False")],
        schema="b boolean",
    ),
    one(
        "a time with a zone",
        b"t\n2024-01-02T03:04:05+02:00\n",
        [{"t": "2024-01-02 01:04:05"}],
        schema="t timestamp",
    ),
    one(
        "a date of another land",
        b"d\n1/2/24\n",
        [{"d": "2024-01-02"}],
        schema="d date",
        date_format="%m/%d/%y",
    ),
    one("a decimal with an exponent", b"n\n1.55e1\n", [{"n": "15.5"}], schema="n decimal(5,1)"),
    one("no byte", b"n\n128\n", error="'128' of the column 'n' is no byte", schema="n byte"),
    one("another date", b"d\n2024-12-31\n", error="is no date", schema="d date", date_format="%d.%m.%Y"),
)


def texts(rows: list[dict[str, Any]]) -> list[Row]:
    """Rows with every value as text: a whole number without its fraction, no value as None."""

    def text(value: Any) -> str | None:
        if value is None or value != value or str(value) in ("NaT", "<NA>"):
            return None
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        return str(value).removesuffix(" 00:00:00")

    made = [{name: text(value) for name, value in row.items()} for row in rows]
    return sorted(made, key=lambda row: str(sorted(row.items(), key=str)))


def wanted(case: Any) -> list[Row]:
    """The right rows, every one with all columns of the case."""
    assert case.rows is not None
    names = {name: None for row in case.rows for name in row}
    return texts([{**names, **row} for row in case.rows])
