"""Lines of the application stand in graph.json alone: a comment above it changes no other generated file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codegen.compiler import compile_graph, write
from codegen.dialects import DIALECTS
from codegen.graph_json import load_graph
from rheo_airflow.tasks import settings
from rheo_airflow.tasks.places import Places
from rheodsl.loading import load_app

APPLICATION = '''\
from rheodsl import (
    Application,
    BatchCompute,
    InlinedCompute,
    PrestoSQL,
    RouteCheckpoint,
    RouteExecutionHook,
    RoutePendingNodeHook,
    Sns,
    scala_script,
)


def work(input_map, output, params):
    """Say what is to be written."""
    print(output)


def tell(input_map, output, params):
    print(params)


app = Application("placed")
orders = app.s3("orders", "s3://shop/orders/{region}/{day:%Y-%m-%d}", schema="id long", dataset_format="CSV")
daily = app.add_timer("daily", "rate(1 day)", time_dimension_id="day")
app.create_metric("errors")
checked = app.create_data(
    "checked",
    inputs=[orders["*"][:-3].range_check(True)],
    compute_targets=[InlinedCompute(work), Sns("arn:aws:sns:us-east-1:123456789012:told", "{output}")],
    execution_hook=RouteExecutionHook(on_compute_failure=tell, on_success=tell, checkpoints=[RouteCheckpoint(60, tell)]),
    pending_node_hook=RoutePendingNodeHook(on_expiration=tell),
)
asked = app.create_data(
    "asked",
    inputs={"orders": orders["EU"], "day": daily},
    compute_targets=[
        PrestoSQL("""
            SELECT id
            FROM orders
        """)
    ],
)


def cheap(spark, orders):
    """Only what sells."""
    return orders.filter("price < 10")


app.create_data("in_spark", [orders["*"]], compute_targets=BatchCompute(cheap, schema="id long"))
app.create_data(
    "in_scala",
    [orders["*"]],
    compute_targets=BatchCompute(
        scala_script("""
            val cheap = orders.filter($"price" < 10)
            cheap.limit(5)
        """)
    ),
)
'''


def compiled(folder: Path, text: str, dialect: str) -> dict[str, str]:
    file = folder / "app.py"
    file.write_text(text, "utf-8")
    return compile_graph(load_app(file).graph(), dialect=dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_comment_on_top_changes_only_where_the_graph_says_that_things_are(
    tmp_path: Path, dialect: str
) -> None:
    before = compiled(tmp_path, APPLICATION, dialect)
    after = compiled(tmp_path, f"# What orders become.\n\n{APPLICATION}", dialect)
    assert {"inlined/checked_1.py", "sql/asked.sql", "checked__pending.py"} <= before.keys()
    assert {"glue/in_spark.py", "glue/in_scala.scala"} <= before.keys()
    assert [path for path in before if before[path] != after.get(path)] == ["MANIFEST.json", "graph.json"]
    assert before.keys() == after.keys()
    digests = [json.loads(found["MANIFEST.json"])["files"] for found in (before, after)]
    assert {path for path in digests[0] if digests[0][path] != digests[1][path]} == {"graph.json"}
    places = [node.where for text in (before, after) for node in load_graph(text["graph.json"]).nodes]
    lines = [place.line for place in places if place is not None]
    assert lines[4:] == [line + 2 for line in lines[:4]]


def test_a_task_finds_the_line_on_which_its_code_begins(tmp_path: Path) -> None:
    write(compiled(tmp_path, APPLICATION, "mwaa-3.3"), tmp_path / "placed")
    lines = APPLICATION.splitlines()
    assert settings.place(tmp_path / "placed", "inlined/checked_1.py") == (
        "app.py",
        lines.index("def work(input_map, output, params):") + 1,
    )
    query = settings.place(tmp_path / "placed", "sql/asked.sql")
    assert query is not None and lines[query[1]].strip() == "SELECT id"
    assert settings.place(tmp_path / "placed", "inlined/gone.py") is None
    assert settings.place(tmp_path, "inlined/checked_1.py") is None


@pytest.mark.parametrize(
    ("script", "code", "said", "told"),
    [
        (
            "glue/in_spark.py",
            'return orders.filter("price < 10")',
            "Failed Line Number: {}; no price",
            "{}: no price",
        ),
        ("glue/in_spark.py", "def cheap(spark, orders):", 'File "/tmp/in_spark.py", line {}', 'File "{}"'),
        ("glue/in_scala.scala", "cheap.limit(5)", "in_scala.scala:{}: error: bad", "{}: error: bad"),
        (
            "glue/in_scala.scala",
            'val cheap = orders.filter($"price" < 10)',
            "/x/in_scala.scala:{}: a",
            "{}: a",
        ),
    ],
)
def test_a_failure_names_the_line_of_the_application(
    tmp_path: Path, script: str, code: str, said: str, told: str
) -> None:
    write(compiled(tmp_path, APPLICATION, "mwaa-3.3"), tmp_path / "placed")
    generated, own = (
        (tmp_path / path).read_text("utf-8").splitlines() for path in (f"placed/{script}", "app.py")
    )
    (line,), (place,) = (
        [n for n, text in enumerate(lines, 1) if text.strip() == code] for lines in (generated, own)
    )
    shown = told.format(f"app.py:{place}").replace(f'"app.py:{place}"', f'"app.py", line {place}')
    places = Places(tmp_path / "placed", script)
    assert places.told(said.format(line)) == shown
    assert places.told(said.format(1)) == said.format(1), "a line that is not the user's"


def test_whatever_fails_of_a_query_is_told_by_its_place(tmp_path: Path) -> None:
    (tmp_path / "glue").mkdir()
    (tmp_path / "glue" / "sales.py").write_text('QUERY = r"""\nSELECT prize FROM orders\n"""\n')
    (tmp_path / "graph.json").write_text('{"places": {"glue/sales.py": "app.py:20"}}')
    told = Places(tmp_path, "glue/sales.py").told("Failed Line Number: 3. AnalysisException: no `prize`")
    assert told == "app.py:20: AnalysisException: no `prize`"
