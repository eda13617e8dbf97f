"""What a plan holds, and what cannot be planned."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codegen import plan as p
from codegen import scala_script as scala
from codegen.compiler import files
from codegen.planning import build_plan
from codegen.targets import lower, permissions
from rheodsl import (
    EMR,
    AndesDataset,
    Application,
    AWSBatchJob,
    BatchCompute,
    CsvFormat,
    Email,
    InlinedCompute,
    JsonFormat,
    Lang,
    PrestoSQL,
    SageMakerTrainingJob,
    SageMakerTransformJob,
    Sns,
    SparkSQL,
    StepFunctions,
    compute,
    not_null,
    pandera,
    row_count,
    scala_script,
    unique,
)
from rheodsl.errors import ComputeError, GraphError, InvalidNameError, UnknownNameError

LIMIT = 3


def wrong_parameters(sales, weather):  # type: ignore[no-untyped-def]
    """Asks for an input that is not there."""
    return sales.join(weather)


def right_parameters(sales, input0, dimensions, args, spark, limit=3, *, deep=False):  # type: ignore[no-untyped-def]
    """Asks for what there is."""
    return sales


def does_nothing(input_map, output, params):  # type: ignore[no-untyped-def]
    """Writes nothing."""


def uses_surroundings(input_map, output, params):  # type: ignore[no-untyped-def]
    """Reads a module and a constant of this file."""
    return threading.active_count() > LIMIT


class UsesSurroundings:
    """The same, as a class with a helper."""

    def __call__(self, input_map, output, params):  # type: ignore[no-untyped-def]
        return self.helper([n * n for n in range(3)])

    def helper(self, numbers):  # type: ignore[no-untyped-def]
        return importlib.import_module("json").dumps(numbers)


def stands_alone(input_map: dict[str, Any], output: threading.Thread, params: Any) -> None:
    """Annotations are not evaluated, and inputs are there by name."""
    import json

    print(json.dumps(sales.paths), input0, Signal, [n * n for n in range(2)])  # type: ignore[name-defined] # noqa: F821


def planned(compute: Any) -> p.DagPlan:
    app = Application("a")
    sales = app.s3("sales", "s3://data/{region}")
    app.create_data("n", inputs=[sales], compute_targets=compute)
    return build_plan(app.graph()).dags[0]


@pytest.mark.parametrize(
    ("compute", "what"),
    [
        (BatchCompute(wrong_parameters), "wrong_parameters asks for weather"),
        (
            InlinedCompute(uses_surroundings),
            "uses_surroundings uses LIMIT, threading, which stand outside of it",
        ),
        (InlinedCompute(UsesSurroundings()), "UsesSurroundings uses importlib, which stands outside of it"),
        (BatchCompute("SELECT 1", lang=Lang.PRESTO_SQL), "PRESTO_SQL is the language of Athena"),
        (BatchCompute(right_parameters, lang=Lang.SCALA), "Scala code is a text"),
        (BatchCompute("output = sales", execution="x"), "'execution' cannot be an argument"),
        (BatchCompute("output = sales", **{"a b": "x"}), "'a b' cannot be an argument"),
    ],
)
def test_what_cannot_run_is_an_error_with_its_place(compute: Any, what: str) -> None:
    with pytest.raises(ComputeError, match=what) as error:
        planned(compute)
    assert error.value.where is not None
    assert error.value.where.file.endswith("test_planning.py")
    assert error.value.hint


@pytest.mark.parametrize("compute", [BatchCompute(right_parameters), InlinedCompute(stands_alone)])
def test_what_can_run_is_planned(compute: Any) -> None:
    assert len(planned(compute).tasks) == 1


def test_an_unknown_dialect_is_an_error() -> None:
    app = Application("a")
    with pytest.raises(UnknownNameError, match=r"mwaa-9\.9"):
        build_plan(app.graph(), dialect_name="mwaa-9.9")


@pytest.mark.parametrize(
    ("expression", "schedule"),
    [
        ("rate(1 minute)", "* * * * *"),
        ("rate(5 minutes)", "*/5 * * * *"),
        ("rate(60 minutes)", "0 * * * *"),
        ("rate(1 day)", "0 0 * * *"),
        ("rate(24 hours)", "0 0 * * *"),
        ("rate(7 days)", "0 0 * * 4"),
        # Airflow would count these from whenever it first sees the DAG: EventBridge alone is their clock.
        ("rate(7 minutes)", None),
        ("rate(5 hours)", None),
        ("rate(2 days)", None),
        ("rate(14 days)", None),
        ("cron(0 9 ? * MON-FRI *)", "0 9 * * 1-5"),
        ("cron(0 9 1W * ? *)", None),
    ],
)
def test_timers_become_timetables_that_fire_at_the_same_times(expression: str, schedule: Any) -> None:
    app = Application("a")
    app.create_data(
        "n", inputs=[app.add_timer("t", expression, "time")], compute_targets="output = spark.range(1)"
    )
    plan = build_plan(app.graph())
    match plan.dags[0].schedule:
        case p.OnCron(found):
            assert found == schedule
        case p.OnEvents():
            assert schedule is None
    # A timer that Airflow does not follow must be fired by somebody.
    assert [t.id for t in plan.timers] == (["t"] if schedule is None else [])


# --- targets on services ---

TRAINING = SageMakerTrainingJob(HyperParameters={})


@pytest.mark.parametrize(
    ("compute", "what"),
    [
        (Sns("arn:aws:sns:us-east-1:123456789012:t", "{day}"), "nothing fills in {day} in '{day}'"),
        (
            Sns("arn:aws:sns:us-east-1:123456789012:t", "{inputs[orders]}"),
            r"nothing fills in {inputs\[orders\]}",
        ),
        (Email("{", sender="a@b.c", recipients="a@b.c"), "no text that can be filled in"),
        (AWSBatchJob("j", "q", command=["{output.path}"]), "nothing fills in {output.path}"),
        (StepFunctions("arn:aws:states:us-east-1:1:stateMachine:m", {"a": ["{x}"]}), "nothing fills in {x}"),
        ([BatchCompute("output = sales"), PrestoSQL("SELECT 1")], "a query on Athena writes the output"),
        ([TRAINING, SageMakerTransformJob("sales", ModelName="m")], "a transform job writes the output"),
        (SageMakerTrainingJob(channels={"train": "weather"}), "'weather' is no input"),
        (SageMakerTrainingJob(channels={"a b": "sales"}), "'a b' is no name of a channel"),
        (SageMakerTrainingJob(TrainingJobName="mine"), "TrainingJobName is set by Rheo"),
        (SageMakerTransformJob("sales"), "a transform job needs one model"),
        (SageMakerTransformJob("sales", ModelName="m", Model={"A": 1}), "a transform job needs one model"),
        (EMR("output = sales", execution="x"), "'execution' cannot be an argument"),
    ],
)
def test_what_a_service_cannot_run_is_an_error_with_its_place(compute: Any, what: str) -> None:
    with pytest.raises(ComputeError, match=what) as error:
        planned(compute)
    assert error.value.where is not None
    assert error.value.where.file.endswith("test_planning.py")
    assert error.value.hint


def written(compute: Any, inputs: Callable[[Application], Any], **options: Any) -> dict[str, str]:
    app = Application("a")
    app.create_data("n", inputs=inputs(app), compute_targets=compute, **options)
    return files(build_plan(app.graph()))


def timer(app: Application) -> Any:
    return [app.add_timer("tick", "rate(1 day)", "day")]


def sales(app: Application, **options: Any) -> Any:
    return [app.s3("sales", "s3://data/{region}", **options)]


def latin(app: Application) -> Any:
    return sales(app, format=CsvFormat(schema="id string", encoding="latin-1"))


def strict(app: Application) -> Any:
    return sales(app, format=JsonFormat(schema="id string", columns="strict"))


@pytest.mark.parametrize(
    ("compute", "inputs", "options", "what"),
    [
        (PrestoSQL("SELECT 1"), sales, {}, "needs to know the columns of 'sales'"),
        (
            PrestoSQL("SELECT 1"),
            latin,
            {},
            "'sales' is written in latin-1, and Athena reads CSV in utf-8 alone",
        ),
        (
            PrestoSQL("SELECT 1"),
            strict,
            {},
            "'sales' is JSON with strict columns, to which Athena does not hold",
        ),
        (PrestoSQL("SELECT 1"), timer, {"dataset_format": "CSV"}, "CSV files without a header"),
        (SageMakerTransformJob(ModelName="m"), timer, {}, "not said which input is transformed"),
        (SageMakerTrainingJob(channels={"train": "tick"}), timer, {}, "'tick' has no files"),
    ],
)
def test_what_only_the_inputs_show_is_an_error_too(
    compute: Any, inputs: Any, options: Any, what: str
) -> None:
    with pytest.raises(ComputeError, match=what) as error:
        written(compute, inputs, **options)
    assert error.value.where is not None
    assert error.value.hint


NOT_KNOWN = "which of its 2 computes writes the output is not known"
BY_NONE = "its output is written by none of PySpark, SparkSQL, Scala, Athena, inlined Python, AWS Batch, "


@pytest.mark.parametrize(
    ("compute", "why"),
    [
        ([InlinedCompute(does_nothing), InlinedCompute(does_nothing)], NOT_KNOWN),
        ([AWSBatchJob("job:1", "queue"), AWSBatchJob("job:2", "queue")], NOT_KNOWN),
        (SageMakerTrainingJob(channels={"train": "sales"}), BY_NONE),
        (Sns("arn:aws:sns:us-east-1:1:t", "done"), BY_NONE),
    ],
    ids=["inlined twice", "batch twice", "training", "message"],
)
def test_checks_of_an_output_that_nothing_checks_are_an_error(compute: Any, why: str) -> None:
    with pytest.raises(ComputeError, match=f"n: nothing makes its checks: {why}") as error:
        written(compute, sales, checks=row_count(1))
    assert error.value.code == "RD111"
    assert error.value.where is not None
    assert error.value.where.file.endswith("test_planning.py")
    assert "check it in a node that reads it" in str(error.value)


def typed(app: Application) -> Any:
    return sales(app, format=CsvFormat(schema="item string"))


def cheap(frame):  # type: ignore[no-untyped-def]
    return frame.where(col("price") > limit)  # type: ignore[name-defined]  # noqa: F821


QUERY = PrestoSQL("SELECT item FROM sales")


@pytest.mark.parametrize(
    ("compute", "check", "what", "hint"),
    [
        (QUERY, cheap, "is written by Athena, which cannot make the check cheap", "no_rows(...)"),
        (
            BatchCompute(scala_script("sales")),
            cheap,
            "by Scala, which cannot make the check cheap",
            "no_rows(...)",
        ),
        (QUERY, pandera("prices"), "Athena, which cannot make the check prices", "no_rows(...)"),
        (
            SparkSQL("SELECT * FROM sales"),
            pandera("prices"),
            "SparkSQL, which cannot make the check prices",
            "write the output by PySpark, or check it by SQL, or a function",
        ),
        (
            InlinedCompute(does_nothing),
            pandera("prices"),
            "inlined Python, which cannot make the check prices",
            "let a function validate the frame by the schema",
        ),
        (
            InlinedCompute(does_nothing),
            cheap,
            "cheap uses col, limit, which stand outside of it",
            "it runs alone, in the Airflow worker",
        ),
        (QUERY, unique("itme"), r"the check unique\(itme\) names the column 'itme'", "did you mean 'item'?"),
        (
            SparkSQL("SELECT * FROM sales"),
            not_null("a"),
            "the column 'a', which its schema lacks",
            "name a column",
        ),
    ],
)
def test_a_check_that_its_engine_cannot_make_is_an_error(
    compute: Any, check: Any, what: str, hint: str
) -> None:
    with pytest.raises(ComputeError, match=what) as error:
        written(compute, typed, checks=check, schema="item string")
    assert error.value.code == "RD111"
    assert error.value.where is not None
    assert error.value.where.file.endswith("test_planning.py")
    assert hint in str(error.value.hint)


def test_checks_on_athena_need_the_columns_of_the_output() -> None:
    with pytest.raises(ComputeError, match="n: its checks on Athena need to know the columns") as error:
        written(QUERY, typed, checks=row_count(1))
    assert 'create_data(..., schema="id long' in str(error.value.hint)
    text = written(QUERY, typed, checks=row_count(1), schema="item string")["n.py"]
    assert "staged=True" in text


@pytest.mark.parametrize(
    "compute",
    [
        InlinedCompute(does_nothing),
        AWSBatchJob("job:1", "queue"),
        SageMakerTransformJob(ModelName="m", input="sales"),
    ],
    ids=["inlined", "batch", "transform"],
)
def test_functions_that_check_in_the_worker_have_a_file(compute: Any) -> None:
    def right(frame: Any) -> Any:
        """All is well."""
        return True

    made = written(compute, sales, checks=[right, row_count(1)])
    assert "def right(frame" in made["inlined/n.checks.py"]
    assert '"functions": "inlined/n.checks.py"' in made["n.py"]
    assert "staged=True" in made["n.py"]
    app = Application("a")
    app.create_data("n", sales(app), compute_targets=compute, checks=right)
    [dag] = build_plan(app.graph()).dags
    wanted = {"arn:${AWS::Partition}:s3:::rheo-a/staging/n/*", "arn:${AWS::Partition}:s3:::rheo-a/staging/*"}
    allowed = permissions(dag.tasks[0], dag)
    assert any("s3:PutObject" in each["Action"] and wanted & {*each["Resource"]} for each in allowed)
    assert "inlined/n.checks.py" not in written(compute, sales, checks=row_count(1))


SCHEMA_OF_PANDERA = "import pandera.pandas as pa\nprices = pa.DataFrameSchema({})\noutput = sales"


@pytest.mark.parametrize("compute", [BatchCompute, EMR], ids=["glue", "emr"])
@pytest.mark.parametrize(
    "code",
    [SCHEMA_OF_PANDERA, "from json import prices\noutput = sales", "from json import *\noutput = sales"],
)
def test_a_schema_of_pandera_stands_in_the_code_of_the_compute(compute: Any, code: str) -> None:
    assert "n.py" in written(compute(code), sales, checks=pandera("prices"))


@pytest.mark.parametrize(
    ("compute", "why"),
    [
        (BatchCompute("output = sales"), "and its code has no 'prices'"),
        (EMR("def f():\n    prices = 1\noutput = sales"), "and its code has no 'prices'"),
    ],
    ids=["no such name", "a name within a function"],
)
def test_a_schema_of_pandera_that_no_code_has_is_an_error(compute: Any, why: str) -> None:
    with pytest.raises(ComputeError, match=why) as error:
        written(compute, sales, checks=pandera("prices"))
    assert error.value.where is not None
    assert "define prices in that code" in str(error.value.hint)


@pytest.mark.parametrize(
    "compute", [SparkSQL("SELECT * FROM sales"), EMR("output = sales")], ids=["sql", "emr"]
)
def test_a_check_reads_what_the_script_gives_it(compute: Any) -> None:
    with pytest.raises(ComputeError, match="n: the code reads 'limit', which nothing gives it") as error:
        written(compute, sales, checks=cheap)
    assert error.value.where is not None
    assert "n.py" in written(BatchCompute("limit = 5\noutput = sales"), sales, checks=cheap)


def test_a_table_is_read_by_the_catalog_and_a_query_sees_it_as_it_is() -> None:
    def table(app: Application) -> Any:
        users = AndesDataset("db", "users", ["ds"], ["id"])
        return [app.marshal_external_data(users, "users", {"day": {"type": "DATETIME"}})]

    dag = written(PrestoSQL("SELECT * FROM users"), table)["n.py"]
    assert 'inputs={"users": {"table": "db/users"}}' in dag
    assert "| users | `users` | table `db.users` |" in dag
    script = written(BatchCompute("output = users"), table)["glue/n.py"]
    assert '"keys": ["id"]' in script


def test_scala_stands_as_it_is_and_ends_in_what_it_names_output() -> None:
    code = BatchCompute(scala_script("\n  val output =\n    sales.limit(1)\n"), n=1)
    script = written(code, sales)["glue/n.scala"]
    shown = "val output =\n  sales.limit(1)"
    assert f"{scala.BEGIN}\n{shown}\n{scala.END}\n    output\n  }}\n}}\n" in script
    assert Path(__file__).name not in script


def shown(sales):  # type: ignore[no-untyped-def]
    sales.show()


def kept(sales):  # type: ignore[no-untyped-def]
    return sales


@pytest.mark.parametrize(
    "second",
    [
        BatchCompute("output = sales"),
        BatchCompute(kept),
        EMR("output = sales"),
        SparkSQL("SELECT 1"),
        BatchCompute(scala_script("val output = sales")),
    ],
    ids=["text", "function", "emr", "sql", "scala"],
)
def test_a_second_spark_target_with_an_output_is_an_error(second: Any) -> None:
    first = BatchCompute("output = sales")
    assert "glue/n_2.py" in written([first, BatchCompute(shown)], sales)
    with pytest.raises(GraphError, match="only the first Spark compute of a node writes its output"):
        written([first, second], sales)


def test_every_compute_class_has_a_rule() -> None:
    modules = (compute, compute, compute, compute, compute)
    classes = [
        c for m in modules for c in vars(m).values() if isinstance(c, type) and issubclass(c, compute.Compute)
    ]
    for each in set(classes) - {compute.Compute}:
        assert lower.dispatch(each) is not lower.dispatch(object), each


def test_a_script_that_compacts_a_table_has_the_function_with_it(tmp_path: Path) -> None:
    code = 'output = spark.sql(compact_table("db", "t", primary_keys=["id"]))'
    found = written(BatchCompute(code), sales)
    script, copy = found["glue/n.py"], found["lib/rheo_compaction.py"]
    names: dict[str, Any] = {}
    exec(copy, names)
    arguments = ("db", "t", "REPLACE", ["ds"], [["1"]], ["id"])
    assert names["compact_table"](*arguments) == compute.compact_table(*arguments)
    with pytest.raises(ValueError, match="needs primary keys; name them"):
        names["compact_table"]("db", "t")
    assert "from rheo_compaction import compact_table\n" in script
    (tmp_path / "n.py").write_text(script)
    (tmp_path / "compaction.py").write_text(copy)
    ruff = [
        str(Path(sys.executable).with_name("ruff")),
        "format",
        "--isolated",
        "--no-cache",
        "--line-length=110",
    ]
    assert subprocess.run([*ruff, "--diff", str(tmp_path)], capture_output=True).returncode == 0
    assert "compact_table" not in written(BatchCompute("output = sales"), sales)["glue/n.py"]


@pytest.mark.parametrize("name", ["Rheo__pump", "rheo__pump"])
def test_no_node_has_the_file_of_the_pump(name: str) -> None:
    app = Application("shop")
    app.create_data(name, [app.s3("orders", "s3://shop/{day:%Y-%m-%d}")], compute_targets="output = orders")
    with pytest.raises(InvalidNameError, match="the DAG that announces many executions"):
        build_plan(app.graph())
