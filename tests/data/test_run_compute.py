"""`run_compute`: the computes of nodes, really run over objects of a test."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import boto3
import pandas
import pytest
from moto import mock_aws
from support.worker import watched

from rheodsl import (
    DATETIME,
    EMR,
    ITSELF,
    Application,
    BatchCompute,
    CsvFormat,
    DimensionType,
    InlinedCompute,
    PrestoSQL,
    SparkSQL,
    in_range,
    no_rows,
    not_null,
    output,
    pandera,
    row_count,
    scala_script,
    unique,
)
from rheodsl.compute import AthenaQuery, InlinedPython
from rheodsl.errors import SpecError
from rheodsl.testing import ComputeRun, load_dags

pytestmark = pytest.mark.slow
Compute = Callable[..., ComputeRun]
FILES = {
    "s3://lake/orders/2024-01-02/a.csv": b"id,region,price\n007,NA,5\n008,EU,6\n",
    "s3://lake/orders/2024-01-02/_SUCCESS": b"",
    "s3://lake/orders/2024-01-01/a.csv": b"id,price\n009,7\n",
    "s3://lake/orders/2024-01-01/_SUCCESS": b"",
}
DAY = {"day": "2024-01-02"}


def shop(compute: Any, view: Callable[[Any], Any] = lambda orders: orders, **options: Any) -> Application:
    app = Application("shop")
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}", format="CSV", **options)
    app.create_data("daily", inputs=[view(orders)], compute_targets=compute)
    return app


def test_spark(rheo_compute: Compute) -> None:
    app = shop("output = orders.where(col('price') > 5).select('id', 'price')")
    run = rheo_compute(app, "daily", DAY, files=FILES)
    assert run.error is None
    assert run.rows == [{"id": "008", "price": 6}]
    assert run.columns == ["id", "price"]
    assert run.published
    assert "s3://rheo-shop/internal_data/daily/2024-01-02/_SUCCESS" in run.files


@pytest.mark.parametrize(
    ("version", "line"), [("5.0", "3.5."), ("5.1", "3.5."), ("6.0", "4.1."), ("4.0", "3.5.")]
)
def test_a_job_runs_on_the_spark_of_its_glue(rheo_compute: Compute, version: str, line: str) -> None:
    query = SparkSQL("SELECT count(*) AS orders, version() AS spark FROM orders", GlueVersion=version)
    run = rheo_compute(shop(query), "daily", DAY, files=FILES)
    assert run.error is None
    [row] = run.rows
    assert (row["orders"], row["spark"][:4]) == (2, line), "where its Spark is not, on this environment's"


def test_a_window_says_which_day_a_row_is_from(rheo_compute: Compute) -> None:
    app = shop("output = orders.orderBy('id')", lambda orders: orders[:-2])
    run = rheo_compute(app, "daily", DAY, files=FILES)
    assert run.error is None
    assert [(r["id"], r["region"], r["price"], r["day"]) for r in run.rows] == [
        ("007", "NA", 5, "2024-01-02"),
        ("008", "EU", 6, "2024-01-02"),
        ("009", None, 7, "2024-01-01"),
    ]


def test_sql(rheo_compute: Compute) -> None:
    run = rheo_compute(shop(SparkSQL("SELECT sum(price) AS total FROM orders")), "daily", DAY, files=FILES)
    assert (run.rows, run.error) == ([{"total": 11}], None)


def test_an_announced_day_without_data(rheo_compute: Compute) -> None:
    files = {"s3://lake/orders/2024-01-02/_SUCCESS": b""}
    app = shop("output = orders", schema="id string, price double")
    run = rheo_compute(app, "daily", DAY, files=files)
    assert (run.rows, run.error, run.published) == ([], None, True)
    for blank in ({}, {"s3://lake/orders/2024-01-02/a.csv": b"\n\n"}):
        run = rheo_compute(shop("output = orders"), "daily", DAY, files={**files, **blank})
        assert not run.published
        assert "announced, but empty" in str(run.error)
        assert "declare a schema" in str(run.error)


@pytest.mark.parametrize("format", ["CSV", "JSON", "PARQUET"])
def test_an_announced_day_without_data_on_athena(rheo_compute: Compute, format: str) -> None:
    app = Application("shop")
    path, schema = "s3://lake/orders/{day:%Y-%m-%d}", "id string, price double"
    orders = app.s3("orders", path, format=format, schema=schema)
    query = PrestoSQL("SELECT count(*) AS n, max(price) AS most, max(id) AS last FROM orders")
    app.create_data("daily", [orders], compute_targets=query)
    files = {"s3://lake/orders/2024-01-02/_SUCCESS": b"", "s3://lake/orders/2024-01-02/_temporary/a": b"?"}
    run = rheo_compute(app, "daily", DAY, files=files)
    assert (run.rows, run.error, run.published) == ([{"n": 0, "most": None, "last": None}], None, True)
    run = rheo_compute(app, "daily", DAY, files={"s3://lake/orders/2024-01-02/_temporary/a": b"?"})
    assert "no partition of 'orders' exists" in str(run.error)


@pytest.mark.parametrize("compute", [SparkSQL, PrestoSQL], ids=["spark", "athena"])
@pytest.mark.parametrize("format", ["json", "parquet"])
def test_what_completes_a_day_is_no_row_of_it(rheo_compute: Compute, compute: Any, format: str) -> None:
    app = Application("shop")
    path, names = "s3://lake/orders/{day:%Y-%m-%d}", ["READY", "*.done"]
    orders = app.s3("orders", path, completion=names, format=format.upper(), schema="id long")
    app.create_data("daily", [orders], compute_targets=compute("SELECT id FROM orders"))
    data = {"json": b'{"ID": 1}\n{"ID": 2}\n', "parquet": parquet([1, 2])}[format]
    files = {f"a.{format}": data, f"deep/b.{format}": data, "READY": b"yes", "x.done": b'{"id": 3}'}
    run = rheo_compute(
        app, "daily", DAY, files={f"s3://lake/orders/2024-01-02/{n}": d for n, d in files.items()}
    )
    assert (sorted(row["id"] for row in run.rows), run.error) == ([1, 1, 2, 2], None)


def test_a_failure_is_told_by_the_application_s_line(rheo_compute: Compute) -> None:
    app = shop(
        BatchCompute(
            """
            output = orders.select("prise")  # the line that fails
            """
        )
    )
    run = rheo_compute(app, "daily", DAY, files=FILES)
    assert not run.published
    assert str(run.error).startswith("test_run_compute.py:")
    assert "prise" in str(run.error)


def test_a_header_that_the_schema_does_not_know(rheo_compute: Compute) -> None:
    run = rheo_compute(shop("output = orders", schema="id string, price double"), "daily", DAY, files=FILES)
    assert "s3://lake/orders/2024-01-02/a.csv has the column 'region'" in str(run.error)
    assert run.files == {}


def test_a_record_that_spark_cannot_read_is_told_with_its_file(rheo_compute: Compute) -> None:
    good = b"id,note\n" + b'1,"b"\n' * 20_000
    files = {"a.csv": good, "b.csv": good + b'2,"a"b\n', "c.csv": good}
    run = rheo_compute(
        shop("output = orders.select('id')"), "daily", DAY,
        files={f"s3://lake/orders/2024-01-02/{name}": data for name, data in files.items()},
    )  # fmt: skip
    assert "s3://lake/orders/2024-01-02/b.csv: line 20002 has text behind the quote" in str(run.error)
    assert not run.published


def test_athena(rheo_compute: Compute) -> None:
    app = shop(
        PrestoSQL("SELECT count(*) AS n, max(id) AS last FROM orders"),
        schema="id string, region string, price double",
    )
    run = rheo_compute(app, "daily", DAY, files=FILES)
    assert (run.rows, run.error, run.published) == ([{"n": 2, "last": "008"}], None, True)


def parquet(ids: list[int]) -> bytes:
    buffer = io.BytesIO()
    pandas.DataFrame({"id": ids}).to_parquet(buffer, index=False)
    return buffer.getvalue()


def columnar(ids: list[int], format: str) -> bytes:
    """Ids as a file of a format."""
    frame, buffer = pandas.DataFrame({"id": ids}), io.BytesIO()
    match format:
        case "CSV":
            return frame.to_csv(index=False).encode()
        case "JSON":
            return frame.to_json(orient="records", lines=True).encode()
        case "ORC":
            frame.to_orc(buffer, index=False)
            return buffer.getvalue()
    return parquet(ids)


@pytest.mark.parametrize("compute", [SparkSQL, PrestoSQL], ids=["spark", "athena"])
@pytest.mark.parametrize(
    ("schema", "columns", "said"),
    [
        ("id long, price double", None, "has no column 'price'; its columns: id"),
        ("price double", "lenient", None),
        ("ID long", None, None),
    ],
)
def test_files_of_parquet_have_the_declared_columns(
    rheo_compute: Compute, compute: Any, schema: str, columns: Any, said: str | None
) -> None:
    app = Application("shop")
    path = "s3://lake/orders/{day:%Y-%m-%d}"
    orders = app.s3("orders", path, format="PARQUET", schema=schema, columns=columns)
    app.create_data("daily", [orders], compute_targets=compute("SELECT count(*) AS n FROM orders"))
    place = "s3://lake/orders/2024-01-02"
    run = rheo_compute(app, "daily", DAY, files={f"{place}/a.parquet": columnar([1, 2], "PARQUET")})
    if said is None:
        assert (run.error, run.rows) == (None, [{"n": 2}])
    else:
        assert said in str(run.error)
        assert place in str(run.error)


LAYOUTS = {
    "a format": ("{day:%d-%m-%Y}", "02-01-2024", "01-01-2024", "02-01-2024", "01-01-2024"),
    "parts": ("{day:%Y}/{day:%j}", "2024/002", "2024/001", "2024-01-02", "2024-01-01"),
    "the object": ("{day:%Y%m%d}.data", "20240102.data", "20240101.data", "20240102", "20240101"),
}


@pytest.mark.parametrize(
    ("compute", "format", "layout"),
    [
        (SparkSQL, "ORC", "parts"),
        (PrestoSQL, "CSV", "parts"),
        (PrestoSQL, "CSV", "the object"),
        (PrestoSQL, "JSON", "a format"),
        (PrestoSQL, "PARQUET", "the object"),
        (PrestoSQL, "ORC", "a format"),
    ],
)
def test_a_window_says_where_a_row_is_from_on_every_engine(
    rheo_compute: Compute, compute: Any, format: str, layout: str
) -> None:
    path, today, before, tip, other = LAYOUTS[layout]
    completion = ITSELF if layout == "the object" else "_SUCCESS"
    app = Application("shop")
    orders = app.s3(
        "orders", f"s3://lake/{{Shop:03d}}/{path}", completion=completion, format=format, schema="ID long"
    )
    app.create_data("daily", [orders[7][:-2]], compute_targets=compute("SELECT * FROM orders WHERE shop = 7"))
    files = {}
    for folder, ids in ((today, [2, 3]), (before, [1])):
        place = f"s3://lake/007/{folder}"
        if completion == ITSELF:
            files[place] = columnar(ids, format)
        else:
            files |= {f"{place}/a.{format.lower()}": columnar(ids, format), f"{place}/_SUCCESS": b""}
    run = rheo_compute(app, "daily", {"Shop": 7, "day": tip}, files=files)
    assert run.error is None
    assert [name.lower() for name in run.columns] == ["id", "shop", "day"]
    rows = sorted(tuple(row.values()) for row in run.rows)
    assert rows == [(1, 7, other), (2, 7, tip), (3, 7, tip)]


@pytest.mark.parametrize("compute", [SparkSQL, PrestoSQL])
@pytest.mark.parametrize("region", ["NA", "EU"])
def test_a_row_of_an_alternative_says_where_it_is_from(
    rheo_compute: Compute, compute: Any, region: str
) -> None:
    app = Application("shop")
    path = "s3://lake/{region}/{day:%Y-%m-%d}"
    ships = app.s3("ships", path, format="CSV", schema="id int")
    app.create_data(
        "daily",
        [ships["NA"] | ships["EU"]],
        output_dimension_spec={"day": {type: DimensionType.DATETIME, "format": "%Y-%m-%d"}},
        compute_targets=compute("SELECT * FROM ships"),
    )
    place = f"s3://lake/{region}/2024-01-02"
    files = {f"{place}/a.csv": b"id\n1\n", f"{place}/_SUCCESS": b""}
    run = rheo_compute(app, "daily", {"day": "2024-01-02"}, files=files)
    assert (run.error, run.rows) == (None, [{"id": 1, "region": region, "day": "2024-01-02"}])


# Of the same folder: another partition, and something that is none, with other columns.
OBJECTS = {
    "csv": {
        "20240101": b"id\n1\n",
        "20240102": b"id\n2\n3\n",
        "note": b"a,b,c,d\n",
    },
    "json": {"20240101": b'{"id": 1}\n', "20240102": b'{"id": 2}\n{"id": 3}\n'},
    "parquet": {"20240101": parquet([1]), "20240102": parquet([2, 3])},
}


@pytest.mark.parametrize("compute", [SparkSQL, PrestoSQL], ids=["spark", "athena"])
@pytest.mark.parametrize("format", OBJECTS)
@pytest.mark.parametrize(("window", "ids"), [(False, [2, 3]), (True, [1, 2, 3])], ids=["one", "window"])
def test_the_object_is_the_partition(
    rheo_compute: Compute, format: str, compute: Any, window: bool, ids: list[int]
) -> None:
    app = Application("shop")
    path = f"s3://lake/in/orders_{{day:%Y%m%d}}.{format}"
    orders = app.s3("orders", path, completion=ITSELF, format=format.upper(), schema="id long")
    view = orders[:-2] if window else orders
    app.create_data("daily", [view], compute_targets=compute("SELECT id FROM orders"))
    files = {f"s3://lake/in/orders_{name}.{format}": data for name, data in OBJECTS[format].items()}
    run = rheo_compute(app, "daily", DAY, files=files)
    assert (sorted(row["id"] for row in run.rows), run.error) == (ids, None)


def copy(input_map, output, params):  # type: ignore[no-untyped-def]
    s3 = params["AWS_BOTO_SESSION"].client("s3")
    bucket, _, key = output.get_materialized_resource_paths()[0].removeprefix("s3://").partition("/")
    s3.put_object(Bucket=bucket, Key=f"{key}/a.csv", Body=b"id\n1\n")


def test_inlined_code(rheo_compute: Compute) -> None:
    app = Application("shop")
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}", format="CSV")
    app.create_data("daily", [orders], compute_targets=InlinedCompute(copy), dataset_format=CsvFormat())
    run = rheo_compute(app, "daily", DAY, files=FILES)
    assert (run.rows, run.error, run.published) == ([{"id": 1}], None, True)


def test_files_are_objects_of_s3(rheo_compute: Compute) -> None:
    with pytest.raises(SpecError, match=r"'lake/a\.csv' is no address of an object"):
        rheo_compute(shop("output = orders"), "daily", DAY, files={"lake/a.csv": b""})


# --- checks: between compute and publish ---


def cheap(frame):  # type: ignore[no-untyped-def]
    """No price is above 100."""
    return frame.where(col("price") > 100)  # noqa: F821 - Spark's functions are there


def cheap_in_pandas(frame):  # type: ignore[no-untyped-def]
    """No price is above 100."""
    return frame[frame.price > 100]


def writes_orders(input_map, output, params):  # type: ignore[no-untyped-def]
    """Write the orders as Parquet where the output is to be."""
    import io

    import pandas

    s3 = params["AWS_BOTO_SESSION"].client("s3")
    file = s3.get_object(Bucket="lake", Key=f"orders/{output.dimensions['day']}/a.csv")["Body"]
    buffer = io.BytesIO()
    pandas.read_csv(file, dtype="Int64").to_parquet(buffer, index=False)
    bucket, _, key = output.get_materialized_resource_paths()[0].removeprefix("s3://").partition("/")
    s3.put_object(Bucket=bucket, Key=f"{key}/a.parquet", Body=buffer.getvalue())


def checked(*checks: Any, compute: Any = None, **options: Any) -> Application:
    """An application whose node copies orders, and checks them; a function is no check where SQL makes all."""
    app = Application("shop")
    by_sql = isinstance(compute, AthenaQuery)
    if isinstance(compute, InlinedPython):
        checks = tuple(cheap_in_pandas if check is cheap else check for check in checks)
    if by_sql:
        checks = tuple(check for check in checks if check is not cheap)
        options = {"schema": "id long, price long", **options}
    orders = app.s3(
        "orders",
        "s3://lake/orders/{day:%Y-%m-%d}",
        format="CSV",
        schema="id long, price long" if by_sql else None,
    )
    app.create_data(
        "daily",
        [orders],
        compute_targets=compute or BatchCompute("output = orders"),
        checks=list(checks),
        **options,
    )
    return app


# Each target whose output is checked.
ENGINES = pytest.mark.parametrize(
    "compute",
    [
        BatchCompute("output = orders"),
        BatchCompute("output = orders", GlueVersion="6.0"),
        SparkSQL("SELECT * FROM orders"),
        EMR("output = orders"),
        PrestoSQL("SELECT * FROM orders"),
        InlinedCompute(writes_orders),
    ],
    ids=["spark", "spark 4.1", "sql", "emr", "athena", "inlined"],
)


def day(*lines: str) -> dict[str, bytes]:
    return {"s3://lake/orders/2024-01-02/a.csv": "\n".join(["id,price", *lines, ""]).encode()}


@ENGINES
def test_every_check_passes(rheo_compute: Compute, compute: Any) -> None:
    app = checked(
        row_count(1, 10), not_null("id", "price"), unique("id"), in_range("price", 0, 100),
        "SELECT * FROM output WHERE price < 0", cheap, compute=compute,
    )  # fmt: skip
    run = rheo_compute(app, "daily", DAY, files=day("1,5", "2,6"))
    assert run.error is None
    names = ["row_count(1, 10)", "not_null(id, price)", "unique(id)", "in_range(price, 0, 100)"]
    names += ["sql('SELECT * FROM output WHERE price < 0')", "cheap"]
    assert [(c["check"].removesuffix("_in_pandas"), c["passed"]) for c in run.checks] == [
        (name, True) for name in names[: len(app.graph().node("daily").checks)]
    ]
    assert run.published


@ENGINES
def test_every_check_fails_and_the_old_partition_stays(rheo_compute: Compute, compute: Any) -> None:
    app = checked(
        row_count(10), not_null("id"), unique("price"), in_range("price", 0, 100),
        no_rows("SELECT * FROM output WHERE price < 0"), cheap, compute=compute,
    )  # fmt: skip
    old = {
        "s3://rheo-shop/internal_data/daily/2024-01-02/part-0.parquet": b"old",
        "s3://rheo-shop/internal_data/daily/2024-01-02/_SUCCESS": b"",
    }
    with mock_aws():
        run = rheo_compute(app, "daily", DAY, files={**day("1,-5", ",7", "3,101", "4,7"), **old})
        kept = boto3.client("s3").list_objects_v2(Bucket="rheo-shop", Prefix="staging/")["Contents"]
    assert not run.published
    count = len(app.graph().node("daily").checks)
    assert [(c["passed"], c["rows"]) for c in run.checks] == [(False, n) for n in (4, 1, 1, 2, 1, 1)[:count]]
    assert str(run.error).startswith("daily/2024-01-02#1 is not published: check row_count(10, None): 4 rows")
    assert "not_null(id): 1 row, such as id=None, price=7" in str(run.error)
    assert run.files == old
    assert any(entry["Key"].endswith(".parquet") for entry in kept), "kept aside"


def test_every_check_of_scala_passes_and_fails(rheo_compute: Compute) -> None:
    """In one run: it takes the compiler and a Spark of its own."""
    code = """
    orders.withColumn("code", when(col("id") === 3, "x").otherwise(col("id").cast("string")))
      .withColumn("void", lit(null).cast("int"))
    """
    good: list[Any] = [
        row_count(1, 10),
        not_null("code"),
        unique("id"),
        in_range("price", -5),
        in_range("void", 0, 1),
    ]
    good += [no_rows("SELECT output.id FROM output JOIN orders USING (id) WHERE output.code = 'it''s'")]
    bad: list[Any] = [
        row_count(10),
        not_null("void"),
        unique("price"),
        in_range("price", 0, 100),
        in_range("code", 0, 9),
    ]
    bad += [no_rows("SELECT id FROM output WHERE price < 0 -- wrong"), not_null("prise", severity="warn")]
    app = checked(*good, *bad, compute=BatchCompute(scala_script(code)), dataset_format="JSON")
    run = rheo_compute(app, "daily", DAY, files=day("1,-5", "2,7", "3,101", "4,7"))
    assert not run.published
    assert [(c["passed"], c["rows"]) for c in run.checks] == [
        *([(True, 0)] * 6),
        *[(False, n) for n in (4, 4, 1, 2, 1, 1, 1)],
    ], run.error
    whats = [c["what"] for c in run.checks[6:]]
    assert whats[0] == "4 rows"
    assert whats[1] == "4 rows, such as id=1, price=-5, code=1, void=None"
    assert whats[2] == "1 row, such as price=7, count=2"
    assert whats[4:6] == ["1 row, such as id=3, price=101, code=x, void=None", "1 row, such as id=1"]
    assert "AnalysisException: " in whats[6]
    assert "prise" in whats[6]
    assert [c["severity"] for c in run.checks[-2:]] == ["block", "warn"]


@ENGINES
def test_a_warning_does_not_hold_the_output(rheo_compute: Compute, compute: Any) -> None:
    dags = load_dags(checked(row_count(10, severity="warn"), compute=compute))
    # Of the others the stand-ins of services call AWS in the task, too.
    with watched() if isinstance(compute, InlinedPython) else nullcontext() as watch:
        run = rheo_compute(dags, "daily", DAY, files=day("1,5"))
    assert watch is None or watch.refused() == []
    assert run.published
    assert [(c["passed"], c["severity"], c["what"]) for c in run.checks] == [(False, "warn", "1 row")]


PRICED = """
import pandera.pandas as pa

prices = pa.DataFrameSchema({"price": pa.Column(int, pa.Check.ge(0)), "id": pa.Column(int)})
output = orders
"""


@pytest.mark.parametrize("target", [BatchCompute, EMR], ids=["glue", "emr"])
def test_a_schema_of_pandera_passes_and_fails(rheo_compute: Compute, target: Any) -> None:
    app = checked(pandera("prices"), compute=target(PRICED))
    run = rheo_compute(app, "daily", DAY, files=day("1,5", "2,6"))
    assert run.error is None
    assert (run.published, [(c["check"], c["passed"]) for c in run.checks]) == (True, [("prices", True)])
    run = rheo_compute(app, "daily", DAY, files=day("1,-5", "2,6", "3,-7"))
    assert not run.published
    assert "check prices: 2 rows, such as price=-5: greater_than_or_equal_to(0)" in str(run.error)
    other = PRICED.replace('"price"', '"prise"')
    run = rheo_compute(checked(pandera("prices"), compute=target(other)), "daily", DAY, files=day("1,5"))
    assert "prise" in str(run.error)


@pytest.mark.parametrize("format", ["CSV", "JSON", "PARQUET"])
def test_an_output_without_rows_is_checked_by_its_columns(rheo_compute: Compute, format: str) -> None:
    app = Application("shop")
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}", format="CSV")
    app.create_data(
        "daily",
        [orders],
        compute_targets="output = orders.where('price > 100')",
        dataset_format=format,
        checks=[not_null("id"), unique("id"), in_range("price", 0, 9)],
    )
    run = rheo_compute(app, "daily", DAY, files=FILES)
    assert (run.error, [c["passed"] for c in run.checks], run.published) == (None, [True] * 3, True)


def test_a_column_that_json_leaves_out_is_checked(rheo_compute: Compute) -> None:
    app = Application("shop")
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}", format="CSV")
    code = "output = orders.withColumn('note', lit(None).cast('int'))"
    app.create_data(
        "daily",
        [orders],
        compute_targets=code,
        dataset_format="JSON",
        checks=[in_range("note", 0, 9), not_null("note")],
    )
    run = rheo_compute(app, "daily", DAY, files=FILES)
    assert [(c["passed"], c["rows"]) for c in run.checks] == [(True, 0), (False, 2)]


def test_a_check_that_cannot_be_made_fails(rheo_compute: Compute) -> None:
    run = rheo_compute(checked(not_null("prise")), "daily", DAY, files=day("1,5"))
    assert not run.published
    assert "prise" in str(run.error)


@pytest.mark.parametrize("format", ["CSV", "JSON", "PARQUET"])
def test_athena_checks_each_format_by_the_types_of_its_columns(rheo_compute: Compute, format: str) -> None:
    app = Application("shop")
    orders = app.s3(
        "orders", "s3://lake/orders/{day:%Y-%m-%d}", format="CSV", schema="id string, at date, n int"
    )
    app.create_data(
        "daily",
        [orders],
        compute_targets=PrestoSQL("SELECT id, at, n AS count FROM orders WHERE n > 0"),
        dataset_format=CsvFormat(header=False) if format == "CSV" else format,
        schema="id string, At date, count int",
        checks=[
            in_range("id", 0, 9),  # a text that is no number is in no range
            in_range("at", "2024-01-01", "2024-01-31"),  # type: ignore[arg-type]
            unique("AT", "count"),
            no_rows("SELECT output.id FROM output JOIN orders ON orders.id = output.id WHERE n > 2"),
            no_rows("SELECT * FROM output WHERE cuont = 1", severity="warn"),  # fails alone
        ],
    )  # fmt: skip

    dags = load_dags(app)

    def ran(*lines: str) -> ComputeRun:
        text = "\n".join(["id,at,n", *lines, ""])
        return rheo_compute(dags, "daily", DAY, files={"s3://lake/orders/2024-01-02/a.csv": text})

    for good in (ran("5,2024-01-02,1", "6,2024-01-02,2", ",2024-01-03,2"), ran("x,2025-01-01,0")):
        assert good.published, good.error
        assert [c["passed"] for c in good.checks] == [True, True, True, True, False]
        assert "cuont" in good.checks[4]["what"]
    bad = ran("x,2024-01-02,1", "12,2023-12-31,2", "7,2024-01-02,1", "8,2024-01-05,3")
    assert not bad.published
    assert [(c["passed"], c["rows"]) for c in bad.checks] == [(False, n) for n in (2, 1, 1, 1, 1)]
    assert [c["example"] for c in bad.checks[1:4]] == [
        "id=12, at=2023-12-31, count=2", "at=2024-01-02, count=1, count_=2", "id=8"
    ]  # fmt: skip


def priced(compute: Any, **options: Any) -> Application:
    """Orders, with rates that may be absent."""
    app = Application("shop")
    orders = app.s3(
        "orders",
        "s3://lake/orders/{day:%Y-%m-%d}",
        format="CSV",
        schema="id string, region string, price int",
    )
    rates = app.s3(
        "rates", "s3://lake/rates/{day:%Y-%m-%d}", format="CSV", schema="region string, rate double"
    )
    app.create_data("daily", inputs=[orders, rates.optional()], compute_targets=compute, **options)
    return app


RATES = {
    "s3://lake/rates/2024-01-02/a.csv": b"region,rate\nNA,2.0\n",
    "s3://lake/rates/2024-01-02/_SUCCESS": b"",
}
JOINED = "SELECT o.id, r.rate FROM orders o LEFT JOIN rates r ON o.region = r.region"


@pytest.mark.parametrize("compute", [SparkSQL(JOINED), PrestoSQL(JOINED)], ids=["spark", "athena"])
def test_a_query_over_an_input_that_is_absent_reads_no_rows_of_it(
    rheo_compute: Compute, compute: Any
) -> None:
    app = priced(compute)
    run = rheo_compute(app, "daily", DAY, files={k: v for k, v in FILES.items() if DAY["day"] in k})
    assert run.error is None
    assert sorted((r["id"], r["rate"]) for r in run.rows) == [("007", None), ("008", None)]
    run = rheo_compute(app, "daily", DAY, files={**FILES, **RATES})
    assert run.error is None
    assert sorted((r["id"], r["rate"]) for r in run.rows) == [("007", 2.0), ("008", None)]


def names_rates(input_map: Any, output: Any, params: Any) -> None:
    """Fail with what the code sees of the rates."""
    raise ValueError(f"rates: {input_map['rates'] and input_map['rates'].paths}")


def test_python_in_airflow_sees_none_for_an_input_that_is_absent(rheo_compute: Compute) -> None:
    app = priced(InlinedCompute(names_rates))
    assert "rates: None" in str(rheo_compute(app, "daily", DAY, files=FILES).error)
    told = str(rheo_compute(app, "daily", DAY, files={**FILES, **RATES}).error)
    assert "rates: ('s3://lake/rates/2024-01-02',)" in told


BALANCE = """
output = orders.select("id", "price")
if balance is not None:
    output = output.union(balance.select("id", "price"))
"""


@pytest.mark.parametrize("first", [{}, {"min": "2024-01-02"}], ids=["not there", "the first"])
def test_a_past_that_is_not_there_is_none(rheo_compute: Compute, first: dict[str, str]) -> None:
    app = Application("shop")
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}", format="CSV")
    spec = {"day": {"type": DATETIME, "format": "%Y-%m-%d", **first}}
    app.create_data("balance", [orders, output[-1:].ref], compute_targets=BALANCE, output_dimension_spec=spec)
    run = rheo_compute(app, "balance", DAY, files=FILES)
    assert run.error is None
    assert sorted(row["id"] for row in run.rows) == ["007", "008"]
