"""Section 18: words that are not understood, and texts of computes that can never run."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rheodsl import (
    EMR,
    Application,
    Athena,
    CWAlarm,
    Glue,
    GlueBatchCompute,
    GlueTable,
    GraphError,
    PrestoSQL,
    QueryContext,
    RheoError,
    S3Dataset,
    Spark,
    SparkSQL,
)

from .helpers import daily, rejected

PATH = "s3://lake/orders/{day:%Y-%m-%d}"
SPEC = {"day": {"type": "DATETIME", "format": "%Y-%m-%d"}}


def s3(app: Any, **options: Any) -> Any:
    return app.s3("orders", PATH, **options)


def node(app: Any, **options: Any) -> Any:
    return app.create_data("daily", inputs=[daily(app, "orders")], **options)


def timer(app: Any, **options: Any) -> Any:
    return app.add_timer("nightly", "cron(0 3 * * ? *)", "day", **options)


def long_form(app: Any, **options: Any) -> Any:
    return app.marshal_external_data(
        S3Dataset("111122223333", "lake", "orders", "{}"), "orders", SPEC, **options
    )


def dataset(app: Any, **options: Any) -> Any:
    return S3Dataset("111122223333", "lake", "orders", "{}", **options)


def table(app: Any, **options: Any) -> Any:
    return app.glue_table("orders", "sales", "orders", SPEC, **options)


def table_object(app: Any, **options: Any) -> Any:
    return GlueTable("sales", "orders", **options)


def updated(app: Any, **options: Any) -> Any:
    node(app)
    return app.update_data("daily", inputs=[app["orders"]], **options)


def patched(app: Any, **options: Any) -> Any:
    node(app)
    return app.patch_data("daily", **options)


def alarm(app: Any, **options: Any) -> Any:
    return app.marshal_external_alarm(CWAlarm(name="cpu"), "cpu", **options)


MISSPELT: list[tuple[Callable[..., Any], dict[str, Any], str]] = [
    (s3, {"completition": "READY"}, "completion"),
    (s3, {"complete": "READY"}, "completion"),
    (s3, {"delimeter": "|"}, "delimiter"),
    (s3, {"headers": False}, "header"),
    (s3, {"dimension": {}}, "dimensions"),
    (s3, {"dimension_filters": {}}, "dimension_filter"),
    (s3, {"setle": timedelta(minutes=5)}, "settle"),
    (s3, {"accountid": "111122223333"}, "account_id"),
    (s3, {"shema": "id long"}, "schema"),
    (s3, {"reconsile": True}, "reconcile"),
    (dataset, {"delimeter": "|"}, "delimiter"),
    (dataset, {"dataset_fromat": "CSV"}, "dataset_format"),
    (long_form, {"protocoll": None}, "protocol"),
    (long_form, {"dimension_filtr": None}, "dimension_filter"),
    (table, {"primary_key": ["id"]}, "primary_keys"),
    (table, {"table_typ": "APPEND"}, "table_type"),
    (table_object, {"partition_key": ["day"]}, "partition_keys"),
    (timer, {"time_zone": "America/New_York"}, "timezone"),
    (timer, {"time_dimension_shft": -1}, "time_dimension_shift"),
    (node, {"retriger": "any"}, "retrigger"),
    (node, {"retrys": 3}, "retry_count"),
    (node, {"retry_counts": 3}, "retry_count"),
    (node, {"output_dim_link": []}, "output_dim_links"),
    (node, {"input_dim_link": []}, "input_dim_links"),
    (node, {"compute_target": "output = orders"}, "compute_targets"),
    (node, {"latest_win": True}, "latest_wins"),
    (node, {"pending_tll": 60}, "pending_ttl"),
    (node, {"auto_input_dim_linking_enable": False}, "auto_input_dim_linking_enabled"),
    (updated, {"retriger": "any"}, "retrigger"),
    (patched, {"retriger": "any"}, "retrigger"),
    (alarm, {"dedup": "x"}, "dedup"),
]


@pytest.mark.parametrize(
    ("declare", "options", "nearest"),
    MISSPELT,
    ids=[f"{declare.__name__}-{next(iter(options))}" for declare, options, _ in MISSPELT],
)
def test_a_keyword_that_a_declaration_does_not_know_is_an_error_with_the_nearest(
    app: Any, declare: Callable[..., Any], options: dict[str, Any], nearest: str
) -> None:
    word = next(iter(options))
    with pytest.raises(RheoError) as fault:
        declare(app, **options)
    assert word in str(fault.value), str(fault.value)
    assert nearest in str(fault.value), f"{nearest} is not offered: {fault.value}"
    assert fault.value.where is not None
    assert Path(fault.value.where.file).name == Path(__file__).name


@pytest.mark.parametrize("word", ["retries", "depends_on_past", "catchup", "schedule_interval"])
def test_words_of_other_systems_are_errors(app: Any, word: str) -> None:
    with rejected(word):
        app.create_data("daily", inputs=[daily(app, "orders")], **{word: 1})


def test_case_09_nothing_is_accepted_in_silence() -> None:
    accepted = []
    for declare, options, _ in MISSPELT:
        app: Any = Application("shop", strict=True)
        try:
            declare(app, **options)
            app.graph()
        except RheoError:
            continue
        accepted.append(f"{declare.__name__}({next(iter(options))}=)")
    assert accepted == []


@pytest.mark.parametrize("declare", [s3, long_form, table, node], ids=lambda f: f.__name__)
def test_data_of_the_users_own_goes_into_metadata(app: Any, declare: Callable[..., Any]) -> None:
    declare(app, metadata={"owner_team": "billing", "tier": 1})
    found = app.search_data("billing", context=QueryContext.DEV_CONTEXT)
    assert found, "it is found by search_data"


def test_metadata_that_is_no_json_is_an_error(app: Any) -> None:
    with rejected("metadata"):
        s3(app, metadata={"when": timedelta(days=1)})
        app.graph()


@pytest.mark.parametrize("metadata", ["team", ["team"], {1: 2}])
def test_metadata_is_a_mapping_of_names(app: Any, metadata: Any) -> None:
    with rejected("metadata"):
        s3(app, metadata=metadata)


# ── one name for one thing ────────────────────────────────────────────────────────────────────────────


def pictured(declare: Callable[[Any], Any]) -> Any:
    app: Any = Application("shop")
    declare(app)
    graph = app.graph()
    return graph.signals, graph.nodes


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda app: s3(app, format="CSV"), lambda app: s3(app, dataset_format="CSV")),
        (lambda app: node(app, dataset_format="CSV"), lambda app: node(app, format="CSV")),
        (
            lambda app: app.add_timer("t", "rate(1 day)", time_dimension_id="day"),
            lambda app: app.create_timer("t", "rate(1 day)", time_dimension_id="day"),
        ),
        (lambda app: s3(app, completion="READY"), lambda app: s3(app, completion_file="READY")),
    ],
    ids=["format of data", "format of a node", "timers", "completion"],
)
def test_two_spellings_of_one_thing_mean_the_same(
    one: Callable[[Any], Any], other: Callable[[Any], Any]
) -> None:
    def plain(found: Any) -> str:
        return re.sub(r"(Place|SourceLocation)\(.*?\)", "", str(found))  # the lines of this file differ

    assert plain(pictured(one)) == plain(pictured(other))


def test_two_spellings_at_once_are_an_error(app: Any) -> None:
    with pytest.raises(RheoError):
        s3(app, format="CSV", dataset_format="PARQUET")


# ── computes ──────────────────────────────────────────────────────────────────────────────────────────


def faults(app: Any) -> list[RheoError]:
    """What a check of the application reports."""
    with pytest.raises(GraphError) as told:
        app.graph()
    return list(told.value.faults)


PYTHON, SQL = "output = orders", "SELECT * FROM orders"
REFUSED: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "unknown option of Glue": (lambda: Glue(PYTHON, WorkerTyp="G.1X"), ["WorkerTyp", "WorkerType"]),
    "worker type": (lambda: Glue(PYTHON, WorkerType="G.99X"), ["WorkerType", "G.99X"]),
    "Glue version": (lambda: Glue(PYTHON, GlueVersion="7.5"), ["GlueVersion", "7.5"]),
    "number of workers as text": (lambda: Glue(PYTHON, NumberOfWorkers="ten"), ["NumberOfWorkers"]),
    "no workers": (lambda: Glue(PYTHON, NumberOfWorkers=0), ["NumberOfWorkers"]),
    "timeout": (lambda: Glue(PYTHON, Timeout=-5), ["Timeout"]),
    "capacity beside workers": (
        lambda: Glue(PYTHON, WorkerType="G.1X", NumberOfWorkers=2, MaxCapacity=10),
        ["MaxCapacity"],
    ),
    "capacity that is no number": (lambda: GlueBatchCompute(PYTHON, MaxCapacity="ten"), ["MaxCapacity"]),
    "Python that does not parse": (lambda: "output = orders.filter(", ["line 1"]),
    "Python that does not parse, further down": (lambda: "x = 1\noutput = = orders", ["line 2"]),
    "Python without an output": (lambda: "result = orders", ["output"]),
    "Python that reads an output": (lambda: "print(output)", ["output"]),
    "Python that only deletes an output": (lambda: "del output", ["output"]),
    "Python that only annotates an output": (lambda: "output: int", ["output"]),
    "Python that imports a module of that name": (lambda: "import output", ["output"]),
    "SQL with a word that is misspelt": (lambda: SparkSQL("SELECT *\nFORM orders"), ["FORM", "FROM", "line 2"]),
    "SQL with a join that is misspelt": (
        lambda: SparkSQL("SELECT * FROM orders LEFT JION p ON orders.a = p.a"),
        ["JION", "JOIN"],
    ),
    "SQL with two commas": (lambda: SparkSQL("SELECT a,, b FROM orders"), ["comma"]),
    "SQL of a function with a comma": (lambda: Athena("SELECT max(a,) FROM orders"), ["comma"]),
    "Athena's SQL with a word that is misspelt": (
        lambda: Athena("SELECT a FROM orders GRUOP BY a"),
        ["GRUOP", "GROUP"],
    ),
    "SQL that does not parse": (lambda: SparkSQL("SELEC * FROM orders"), ["SELEC"]),
    "SQL that ends early": (lambda: SparkSQL("SELECT * FROM (SELECT 1"), ["SQL"]),
    "Athena's SQL that does not parse": (lambda: Athena("SELECT FROM WHERE"), ["SQL"]),
    "Presto's SQL that does not parse": (lambda: PrestoSQL("SELEC 1"), ["SELEC"]),
    "unknown option of EMR": (lambda: EMR(PYTHON, InstanceCont=3), ["InstanceCont"]),
}  # fmt: skip


@pytest.mark.parametrize(("target", "words"), list(REFUSED.values()), ids=list(REFUSED))
def test_a_compute_that_can_never_run_is_an_error_of_the_check(
    app: Any, target: Callable[[], Any], words: list[str]
) -> None:
    try:
        node(app, compute_targets=target())
        told = faults(app)
    except RheoError as fault:
        told = [fault]
    said = [fault for fault in told if all(word in str(fault) for word in words)]
    assert said, f"{words} not said in: {told}"
    assert said[0].where is not None
    assert Path(said[0].where.file).name == Path(__file__).name, "it stands at the user's line"


def test_a_second_spark_target_that_assigns_the_output_is_an_error(app: Any) -> None:
    node(app, compute_targets=[Spark(PYTHON), Spark("output = orders.limit(1)")])
    assert any("output" in str(fault) for fault in faults(app))


def test_all_faults_of_computes_are_told_at_once(app: Any) -> None:
    orders = daily(app, "orders")
    app.create_data("a", inputs=[orders], compute_targets="output = (")
    app.create_data("b", inputs=[orders], compute_targets="result = orders")
    app.create_data("c", inputs=[orders], compute_targets=SparkSQL("SELEC 1"))
    told = "\n".join(map(str, faults(app)))
    assert all(f"{name}:" in told or f"{name} " in told for name in "abc"), told


@pytest.mark.parametrize(
    "target",
    [
        PYTHON,
        "output = spark.sql('select 1')",
        "if True:\n    output = orders\nelse:\n    output = orders.limit(1)",
        "def f():\n    return orders\noutput = f()",
        "output, rest = orders, None",
        "(output := orders)",
        "with open('x') as output:\n    pass",
        "for output in [orders]:\n    pass",
        "from module import output",
        "import module as output",
        "import output\noutput = output.frame",
        "output: object\noutput = orders",
        "global output\noutput = orders",
        "output: object = orders",
        "try:\n    output = orders\nexcept ValueError:\n    raise",
    ],
)
def test_a_text_that_assigns_the_output_in_any_way_is_accepted(app: Any, target: str) -> None:
    node(app, compute_targets=target)
    app.graph()


@pytest.mark.parametrize(
    "query",
    [
        SQL,
        "select day, count(*) from orders group by 1",
        "WITH a AS (SELECT 1 AS x) SELECT * FROM a",
        "SELECT transform(xs, x -> x + 1) FROM orders",
        "SELECT * FROM orders TABLESAMPLE (10 PERCENT)",
        "SELECT a.* EXCEPT (b) FROM orders a",
        "SELECT /*+ BROADCAST(orders) */ * FROM orders",
        # What the parser here does not know, and Spark does, passes.
        "SELECT window.start, count(*) FROM orders GROUP BY window(ts, '5 minutes')",
        "SELECT * FROM my_udtf(TABLE(orders) PARTITION BY a)",
        "MAP a, b USING 'x' AS c FROM orders",
        "REDUCE a, b USING 'x' AS c FROM orders",
        "FROM orders |> WHERE a > 1 |> SELECT form",
        "SELECT form, ordr, jion FROM orders AS wher",
        "SELECT {columns} FORM orders",
        "SELECT a:b.c FROM orders",
    ],
)
def test_sql_that_spark_reads_is_accepted(app: Any, query: str) -> None:
    node(app, compute_targets=SparkSQL(query))
    app.graph()


@pytest.mark.parametrize(
    "options",
    [
        {"WorkerType": "G.2X", "NumberOfWorkers": 10},
        {"Timeout": 60},
        {"GlueVersion": "5.0"},
        {"MaxCapacity": 10},
    ],
)
def test_options_that_glue_knows_are_accepted(app: Any, options: dict[str, Any]) -> None:
    node(app, compute_targets=Glue(PYTHON, **options))
    app.graph()
