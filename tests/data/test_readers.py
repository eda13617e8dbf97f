"""Every reader, held to the same table of files."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.cloud import Cloud

from codegen import scala_script as scala
from codegen.planning import build_plan
from codegen.spark_script import reading
from codegen.targets.base import operator
from data.cases import CASES, SCHEMA, TYPED, Case, texts, wanted
from data.conftest import SPARK_4_1
from data.typed_cases import TYPED_CASES, TypedCase
from rheo_airflow.tasks import partitions
from rheo_airflow.tasks.athena import AthenaComputeOperator, Try
from rheo_airflow.tasks.athena_tables import statement
from rheo_airflow.tasks.compat import AirflowFailException
from rheo_platforms.data.errors import MissingDataError, ReadingError
from rheo_platforms.local.athena import QueryFault, unload
from rheo_platforms.local.aws_stand_in import without_aws
from rheo_platforms.local.scala import ScalaRunner
from rheo_platforms.local.spark import SparkRun, SparkWorkers
from rheodsl import Application, BatchCompute, CsvFormat, PrestoSQL, scala_script
from rheodsl.errors import ComputeError
from rheodsl.external import make_data


@pytest.fixture
def app(cloud: Cloud) -> Application:
    cloud.session.client("s3").create_bucket(Bucket="lake")
    return Application("shop", platform=cloud)  # type: ignore[arg-type]


def load(app: Application, cloud: Cloud, case: Case, format: str) -> Any:
    """The data of a case as a format has it."""
    for name, data in case.files.items():
        cloud.session.client("s3").put_object(Bucket="lake", Key=f"orders/2024-01-01/{name}", Body=data)
    path, described = "s3://lake/orders/{day:%Y-%m-%d}", CsvFormat(**case.options)
    orders = app.s3("orders", path, completion=case.completion, format=described)
    return next(app.load_data(orders["2024-01-01"], format=format))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_rows(app: Application, cloud: Cloud, case: Case) -> None:
    if case.error:
        with pytest.raises(ReadingError) as fault:
            load(app, cloud, case, "ORIGINAL")
        assert case.error in fault.value.what
        assert "s3://lake/orders/2024-01-01/a.csv" in fault.value.what
        assert fault.value.hint
        return
    rows = load(app, cloud, case, "ORIGINAL")
    names = {name: None for row in rows for name in row}
    assert texts([{**names, **row} for row in rows]) == wanted(case)


@pytest.mark.parametrize("case", [*CASES, *TYPED], ids=lambda case: case.name)
def test_pandas(app: Application, cloud: Cloud, case: Case) -> None:
    if case.error:
        with pytest.raises(ReadingError) as fault:
            load(app, cloud, case, "PANDAS")
        assert case.error in fault.value.what
        assert fault.value.hint
        return
    frame: pd.DataFrame = load(app, cloud, case, "PANDAS")
    assert texts(frame.astype(object).to_dict("records")) == wanted(case)  # type: ignore[arg-type]


@pytest.mark.slow
def test_pandas_3() -> None:
    """As Airflow 3.3 has it; it cannot be where Spark 3.5 is."""
    assert SPARK_4_1.exists(), "install it beside this environment: make .venv-spark-4.1/.ready"
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here.parents[1]), str(here.parent)])
    environment = {**os.environ, "PYTHONPATH": paths}
    made = subprocess.run(
        [SPARK_4_1, here / "pandas_cases.py"], env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    told = json.loads(made.stdout)
    assert told["pandas"].startswith("3.")
    assert told["wrong"] == []


def test_what_a_job_that_has_not_ended_left_is_no_partition(app: Application, cloud: Cloud) -> None:
    case = Case("left", {"_temporary/0/a.csv": b"id\n1\n", ".x.csv": b"id\n"}, options={"schema": "id int"})
    with pytest.raises(MissingDataError, match="there is no data at s3://lake/orders/2024-01-01"):
        load(app, cloud, case, "PANDAS")
    frame = load(app, cloud, replace(case, files={"_SUCCESS": b""}), "PANDAS")
    assert (list(frame.columns), len(frame)) == (["id"], 0), "announced, and empty"


def test_without_a_schema_only_what_is_a_number_throughout_becomes_one(
    app: Application, cloud: Cloud
) -> None:
    case = Case("types", {"a.csv": b"a,b,c,d\n1,1.5,true,01\n2,2,false,2\n"})
    frame = load(app, cloud, case, "PANDAS")
    assert [str(kind) for kind in frame.dtypes] == ["int64", "float64", "bool", "object"]


# --- Spark: what every script reads by ---


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    from rheo_platforms.data import spark_reader

    session = spark_reader.session(None)
    yield session
    session.stop()


@pytest.mark.slow
@pytest.mark.parametrize(("glue", "spark"), [("5.0", "3.5"), ("6.0", "4.1")])
def test_spark(tmp_path: Path, glue: str, spark: str) -> None:
    assert SPARK_4_1.exists(), "install Spark 4.1 beside this environment: make .venv-spark-4.1/.ready"
    here = Path(__file__).parent
    workers = SparkWorkers(tmp_path, without_aws())
    try:
        worker, note = workers.of(glue)
        assert note == ""
        files = tmp_path / "files"
        files.mkdir()
        outcome = worker.run(
            SparkRun(
                id="cases",
                script=here / "spark_cases.py",
                argv=(str(files),),
                log=tmp_path / "log",
                root=tmp_path,
                buckets=(),
                timeout=300.0,
                python_path=(str(here.parents[1]), str(here.parent)),
            )
        )
        assert outcome.error is None
        told = json.loads((files / "told.json").read_text())
    finally:
        workers.close()
    assert told["spark"].startswith(spark)
    assert told["wrong"] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "folder", "day"),
    [
        ("{day:%Y}/{day:%m}/{day:%d}", "2024/02/29", "2024-02-29"),
        ("{day:%Y}/{day:%j}", "2024/060", "2024-02-29"),
        ("y={day:%Y}/m={day:%-m}/d={day:%-d}", "y=2024/m=3/d=1", "2024-03-01"),
        ("{day:%Y}/{day:%b}/{day:%d}", "2024/Feb/29", "2024-02-29"),
        ("{day:%y}/{day:%m-%d}", "24/02-29", "2024-02-29"),
        ("{day:%d%b%Y}", "29Feb2024", "29Feb2024"),
        ("{day:%Y-%j}", "2024-060", "2024-060"),
    ],
)
def test_a_date_that_is_laid_out_is_a_column_as_it_is_written(
    spark: Any, path: str, folder: str, day: str
) -> None:
    from rheo_spark import _FILE, Source

    app = Application("shop")
    data = app.s3("orders", f"s3://lake/orders/{path}", format="CSV")
    app.create_data("node", inputs=[data[:-2]], compute_targets="output = orders")
    [described] = [reading(i) for i in build_plan(app.graph()).dags[0].inputs]
    frame = spark.createDataFrame([(f"s3://lake/orders/{folder}/a.csv",)], [_FILE])
    [row] = Source(spark, "orders", described)._located(frame).collect()
    assert row["day"] == day


@pytest.mark.slow
@pytest.mark.parametrize("text", ["New York", "C#", "a+b", "100%", "Zürich", "[x]", "{1,2}", "*", "a=b"])
def test_spark_reads_files_of_any_name_and_knows_which_a_row_is_from(
    spark: Any, tmp_path: Path, text: str
) -> None:
    from rheo_spark import _FILE, Source

    names = ["a [1] ü(2)%20.csv", "b{1}.csv"]
    (tmp_path / text).mkdir()
    for name in names:
        (tmp_path / text / name).write_bytes(b"id\n1\n")
    source = Source(spark, "orders", {"format": "CSV", "schema": "id int"})
    found = source._existing([f"file://{tmp_path / text}"])
    rows = [row for files in found.values() for row in source._csv(files).collect()]
    assert sorted((row["id"], row[_FILE]) for row in rows) == [
        (1, f"file:{tmp_path / text / n}") for n in names
    ]


@pytest.mark.slow
def test_spark_finds_names_of_json_in_any_case(spark: Any, tmp_path: Path) -> None:
    from rheo_formats import FormatError
    from rheo_spark import Source

    (tmp_path / "a.json").write_text('{"ID": 1, "more": {"PRICE": 2}}\n{"price": 5.5}\n')
    (tmp_path / "b.json").write_text('[{"Id": 2,\n "Price": 7.5}]')
    source = Source(spark, "orders", {"format": "JSON", "schema": "id int, price double"})
    frame = source.read([f"file://{tmp_path}"])
    assert frame.columns == ["id", "price"]
    assert sorted(map(tuple, frame.fillna(0).collect())) == [(0, 5.5), (1, 0), (2, 7.5)]
    (tmp_path / "c.json").write_text('{"ID": 3}\n{"id": 4}\n')
    with pytest.raises(FormatError, match=r"c\.json spells the column 'id' in several ways: ID, id"):
        source.read([f"file://{tmp_path}"])


@pytest.mark.slow
def test_spark_says_that_it_reads_no_nanoseconds(spark: Any, tmp_path: Path) -> None:
    from rheo_formats import FormatError
    from rheo_spark import Source

    for name in ("a", "b"):
        pd.DataFrame({"t": pd.to_datetime(["2024-01-02"])}).to_parquet(tmp_path / f"{name}.parquet")
    with pytest.raises(FormatError, match=r"a\.parquet has times in nanoseconds.*coerce_timestamps='us'"):
        Source(spark, "orders", {"format": "PARQUET"}).read([f"file://{tmp_path}"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"format": "CSV"},
        {"format": "CSV", "nulls": ["NA"]},
        {"format": "CSV", "delimiter": ";", "quote": "'"},
        {"format": "JSON"},
    ],
    ids=str,
)
def test_what_a_node_writes_reads_back(spark: Any, tmp_path: Path, options: dict[str, Any]) -> None:
    from rheo_formats import Format
    from rheo_spark import Source, writing

    rows = [(" a ", datetime(2024, 1, 2, 3, 4, 5, 678901)), ("", None), (None, None), ("b;,\"'\\", None)]
    declared = {**options, "schema": "id string, at timestamp"}
    folder, format = f"file://{tmp_path / 'out'}", Format.of(declared)
    made = spark.createDataFrame(rows, declared["schema"])
    made.write.format(format.format.lower()).options(**writing(format)).save(folder)
    read = [tuple(row) for row in Source(spark, "out", declared).read([folder]).collect()]
    empty_is_null = format.format == "CSV" and "" in format.nulls
    wanted = [(None if not text and empty_is_null else text, at) for text, at in rows]
    assert sorted(read, key=str) == sorted(wanted, key=str)


FRAMES = [
    "ORIGINAL",
    "PANDAS",
    pytest.param("SPARK", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("format", FRAMES)
def test_an_announced_partition_without_data_has_declared_columns_or_is_an_error(
    app: Application, cloud: Cloud, format: str
) -> None:
    case = Case("empty", {"_SUCCESS": b"", "a.csv": b""})
    with pytest.raises(ReadingError) as fault:
        load(app, cloud, case, format)
    assert fault.value.what == "orders is announced, but empty: s3://lake/orders/2024-01-01"
    assert str(fault.value.hint).startswith("declare a schema where orders is declared")
    found = load(
        Application("other", platform=cloud), cloud, replace(case, options={"schema": SCHEMA}), format
    )  # type: ignore[arg-type]
    if format == "ORIGINAL":
        assert found == []
        return
    assert (list(found.columns), found.count() if format == "SPARK" else len(found)) == (["id", "price"], 0)


@pytest.mark.parametrize("format", FRAMES)
def test_an_empty_day_of_a_window_is_no_rows_of_it(app: Application, cloud: Cloud, format: str) -> None:
    files = {
        "2024-01-01/a.csv": b"id\n1\n",
        "2024-01-01/_SUCCESS": b"",
        "2024-01-02/_SUCCESS": b"",
        "2024-01-03/a.csv": b"\n",
    }
    for name, data in files.items():
        cloud.session.client("s3").put_object(Bucket="lake", Key=f"orders/{name}", Body=data)
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}", format=CsvFormat())
    found = next(app.load_data(orders["2024-01-03"][:-3], format=format))
    assert len(found.collect() if format == "SPARK" else found) == 1
    if format != "ORIGINAL":
        with pytest.raises(ReadingError, match=r"announced, but empty: \S+-03, \S+-02"):
            next(app.load_data(orders["2024-01-03"][:-2], format=format))


@pytest.mark.slow
def test_load_data_gives_spark_files_of_any_name(spark: Any, app: Application, cloud: Cloud) -> None:
    for name in ("a [1] ü(2)%20.csv", "b#{1}+.csv"):
        key = f"orders/2024-01-01/{name}"
        cloud.session.client("s3").put_object(Bucket="lake", Key=key, Body=b"id,a.b`c\n1,2\n")
    orders = app.s3(
        "orders", "s3://lake/orders/{day:%Y-%m-%d}", format=CsvFormat(schema="id int, `a.b``c` int")
    )
    found = next(app.load_data(orders["2024-01-01"], format="SPARK"))
    assert [tuple(row) for row in found.collect()] == [(1, 2), (1, 2)]
    cloud.session.client("s3").put_object(Bucket="lake", Key="orders/2024-01-01/c.csv", Body=b"id\n")
    with pytest.raises(ReadingError, match=r"s3://lake/orders/2024-01-01/c\.csv has no column"):
        next(app.load_data(orders["2024-01-01"], format="SPARK"))


# --- Scala: by its generated script, compiled and run as Glue does ---

DRIVER = """
object GlueApp {
  def main(words: Array[String]): Unit = {
    val told = for (alias <- Reader.sources.keys.toSeq) yield try {
      val frame = Reader.read(alias, Seq(s"${words(0)}/$alias"))
      val types = frame.dtypes.map { case (name, kind) => s"$name=$kind" }.mkString(",")
      val texts = frame.select(frame.columns.map(n => col("`" + n.replace("`", "``") + "`").cast("string").as(n)): _*)
      val rows = texts.select(to_json(struct(col("*")), Map("ignoreNullFields" -> "false").asJava)).collect.map(_.getString(0))
      (Seq(alias, types) ++ rows).mkString("\u001d")
    } catch { case fault: Throwable =>
      val causes = Iterator.iterate(Reader.named(fault))(_.getCause).takeWhile(_ != null).map(_.getMessage).mkString(" <- ")
      Seq(alias, "error", causes).mkString("\u001d")
    }
    java.nio.file.Files.write(java.nio.file.Paths.get(words(1)), told.mkString("\u001e").getBytes("UTF-8"))
  }
}
"""


def _flat(case: TypedCase) -> bool:
    """Whether a case is one partition of one format for Scala, without what is nested, or stands on several lines."""
    if case.format == "ORC" or any(name.startswith("1/") for name in case.files):
        return False
    nested = any(isinstance(value, list | dict) for row in case.rows or () for value in row.values())
    return not nested and case.name not in ("JSON: a list", "JSON: an object over lines")


@pytest.mark.slow
def test_scala(tmp_path: Path) -> None:
    app, read = Application("shop"), dict[str, Any]()
    for case in (*CASES, *TYPED, *filter(_flat, TYPED_CASES)):
        alias = f"c{len(read)}"
        read[alias] = case
        typed = isinstance(case, TypedCase)
        format = make_data(case.format, **case.options) if typed else CsvFormat(**case.options)
        completion = "_SUCCESS" if typed else case.completion
        orders = app.s3(alias, f"s3://lake/{alias}", completion=completion, format=format)
        app.create_data(f"n{alias}", [orders], compute_targets=BatchCompute(scala_script(alias)))
        for name, data in case.files.items():
            file = tmp_path / "files" / alias / name.removeprefix("0/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
    first, *others = build_plan(app.graph()).dags
    every = replace(first, inputs=tuple(dag.inputs[0] for dag in (first, *others)))
    text = scala.scala_script(first, first.tasks[0])  # type: ignore[arg-type]
    text = text.replace(scala._sources(first), scala._sources(every)).replace(
        "object GlueApp", "object Reader"
    )
    (tmp_path / "cases.scala").write_text(text + DRIVER)
    told = tmp_path / "told"
    run = SparkRun(
        id="cases",
        script=tmp_path / "cases.scala",
        argv=((tmp_path / "files").as_uri(), str(told)),
        log=tmp_path / "log",
        root=tmp_path / "root",
        buckets=(),
        timeout=500.0,
    )
    outcome = ScalaRunner().run(run)
    assert outcome.error is None, outcome.traceback
    wrong = []
    for each in told.read_text("utf-8").split("\x1e"):
        alias, types, *rows = each.split("\x1d")
        case = read.pop(alias)
        if case.error:
            fault = rows[0] if types == "error" else ""
            if not (case.error in fault and "a." in fault) and "a.json is no JSON" not in fault:
                wrong.append((case.name, types, rows))
            continue
        made = [json.loads(row) for row in rows] if types != "error" else []
        doubles = [of.partition("=")[0] for of in types.split(",") if of.endswith("=DoubleType")]
        for row in made:
            row.update({name: float(row[name]) for name in doubles if row[name] is not None})
            row.update({name: text.capitalize() for name, text in row.items() if text in ("true", "false")})
        if texts(made) != wanted(case):
            wrong.append((case.name, types, rows))
    assert (wrong, read) == ([], {})


# --- Athena: by the tables and the query that its task makes, run by the stand-in ---

# What Athena's own reader of CSV cannot do is an error that says so.
NOT_BY_ATHENA = {
    "quoted line breaks": "has a line break within quotes, which Athena does not read",
    "a spreadsheet's line ends": "has a line break within quotes, which Athena does not read",
    "latin-1 as declared": "Athena reads CSV in utf-8 alone",
    "utf-16 by its mark": "Athena reads CSV in utf-8 alone",
    "windows": "Athena reads CSV in utf-8 alone",
    "blank lines": "an empty line",  # which looks like what a line break within quotes leaves
    "files of other headers": "has no column 'region'",  # with a schema, which Athena needs
    "an escape within quotes, before a quote or itself": "quotes of 'orders' are escaped",
    "elsewhere an escape is a character": "quotes of 'orders' are escaped",
    "a doubled quote beside an escape": "quotes of 'orders' are escaped",
    "line breaks as the file has them": "has a line break within quotes",
    "utf-16 as declared": "Athena reads CSV in utf-8 alone",
    "a time with a zone": "is no timestamp",
    "a quote within a text": "a record of fewer than 2 fields",
    "no byte": "'128' of the column 'n' is no tinyint",
}


@pytest.fixture
def query(cloud: Cloud, tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """Asks for all rows of some files, by their paths below the bucket."""
    s3, glue = cloud.session.client("s3"), cloud.session.client("glue")
    s3.create_bucket(Bucket="lake")
    glue.create_database(DatabaseInput={"Name": "db"})
    numbers = itertools.count()

    def ask(
        files: Mapping[str, bytes],
        schema: str,
        completion: Sequence[str] | None = ("_SUCCESS",),
        **options: Any,
    ) -> list[dict[str, Any]]:
        number = next(numbers)
        for path, data in files.items():
            s3.put_object(Bucket="lake", Key=f"{number}/{path}", Body=data)
        folders = dict.fromkeys(f"s3://lake/{number}/{path.partition('/')[0]}" for path in files)
        app = Application("shop")
        orders = app.s3(
            "orders", "s3://lake/{day}", completion=completion, format=CsvFormat(schema=schema, **options)
        )
        app.create_data(
            "n", [orders], compute_targets=PrestoSQL("SELECT * FROM orders"), dataset_format="JSON"
        )
        [dag] = build_plan(app.graph()).dags
        how: Any = operator(dag.tasks[0], dag).arguments["inputs"]
        task = AthenaComputeOperator(task_id="compute", code="", inputs=how, result={}, database="db")
        document: Any = {"output": {"path": "s3://lake/out"}}
        found = partitions.existing(s3, list(folders), how["orders"]["completion"], "CSV")
        with ExitStack() as stack:
            made = Try(document, f"t{number}", s3, stack)
            select = task.table(made, "orders", how["orders"], found)
            text = statement(
                "SELECT * FROM orders", {"orders": select}, f"s3://lake/out/{number}/", {"format": "JSON"}
            )
            unload(text, "rows", tmp_path / str(number), s3, glue)
        body = s3.get_object(Bucket="lake", Key=f"out/{number}/rows.json")["Body"].read()
        return [json.loads(line) for line in body.splitlines()]

    return ask


# Behind the head it is no error for Athena, which nobody can tell so.
UNSEEN = (
    "another encoding behind the head",
    "text behind a quotation, behind the head",
    "the same, of a file that may be split",
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", [case for case in (*CASES, *TYPED) if case.name not in UNSEEN], ids=lambda case: case.name
)
def test_athena(query: Callable[..., list[dict[str, Any]]], case: Case) -> None:
    options = dict(case.options)
    names = (
        [*case.rows[0]]
        if case.rows
        else next(iter(case.files.values())).decode("latin-1").split()[0].split(",")
    )
    schema = options.pop("schema", None) or ", ".join(f"`{name}` string" for name in dict.fromkeys(names))
    files = {f"2024-01-01/{name}": data for name, data in case.files.items()}
    error = NOT_BY_ATHENA.get(case.name, case.error)
    if not error:
        assert texts(query(files, schema, case.completion, **options)) == wanted(case)
        return
    with pytest.raises((AirflowFailException, QueryFault, ComputeError)) as fault:
        query(files, schema, case.completion, **options)
    assert error in str(fault.value)
    assert (
        "a.csv" in str(fault.value)
        or case.name == "files of other headers"
        or isinstance(fault.value, ComputeError)
    )


@pytest.mark.slow
def test_athena_reads_partitions_of_other_orders_by_name(query: Callable[..., list[dict[str, Any]]]) -> None:
    files = {
        "1/a.csv": b"id,price\n007,5\n",
        "2/a.csv": b"price,id\n6,008\n",
        "3/a.csv": b"id,price\n009,7\n",
        "4/a.csv": b"id,price,\n",
    }
    assert texts(query(files, "id string, price double", None)) == texts(
        [{"id": "007", "price": "5"}, {"id": "008", "price": "6"}, {"id": "009", "price": "7"}]
    )
    assert query({"1/a.csv": b""}, "id string, price double") == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"1/a.csv": b"id,price\n1,5\n", "1/b.csv": b"price,id\n6,2\n"},
            "b.csv has its columns in another order",
        ),
        ({"1/a.csv": b"\nid,price\n1,5\n"}, "a.csv does not begin with its header"),
        # Behind what was looked at, the query finds it.
        (
            {"1/a.csv": b"id,price\n" + b"1,5\n" * 20_000 + b'2,"5\n"\n'},
            "a.csv has a record of fewer than 2 fields",
        ),
        (
            {"1/a.csv": b"id,price\n" + b"1,5\n" * 20_000 + b'"2\n2",5\n'},
            "a.csv has a record of fewer than 2 fields",
        ),
        (
            {"1/a.csv": b"id\n" + b"1\n" * 40_000 + b'"2\n2"\n'},
            "a.csv has a record of fewer than 1 fields",
        ),
        (
            {"1/a.csv": b"id,price\n" + b"1,5\n" * 20_000 + b"2,5,9\n"},
            "a.csv has a record of more than 2 fields",
        ),
    ],
    ids=[
        "two orders",
        "a blank line first",
        "a line break at the end",
        "a line break",
        "one column",
        "too much",
    ],
)
def test_athena_refuses_what_it_would_read_wrongly(
    query: Callable[..., list[dict[str, Any]]], files: dict[str, bytes], said: str
) -> None:
    with pytest.raises((AirflowFailException, QueryFault)) as fault:
        query(files, "id string" if b"price" not in files["1/a.csv"] else "id string, price double")
    assert said in str(fault.value)
