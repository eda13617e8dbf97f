"""Generated Spark scripts on real Spark: what they read, run, refuse and write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from codegen.compiler import compile_graph, files
from codegen.planning import build_plan
from rheo_airflow.tasks.places import Places
from rheo_platforms.local.aws_stand_in import without_aws
from rheo_platforms.local.spark import Outcome, SparkRun, SparkWorker
from rheodsl import AndesDataset, Application, Batch, BatchCompute, SparkSQL, compact_table
from rheodsl.errors import GraphError

pytestmark = pytest.mark.slow
HERE = Path(__file__)
AWSGLUE = HERE.parents[2] / "rheo_platforms" / "local" / "awsglue_lib"


@dataclass
class Lab:
    """A worker, a folder that stands for S3, and the application that is compiled."""

    worker: SparkWorker
    root: Path
    runs: int = 0

    def put(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def run(
        self, app: Application, inputs: dict[str, list[str]], *argv: str, task: str = "glue/n.py"
    ) -> Outcome:
        self.runs += 1
        for bucket in ("data", "rheo-a"):
            (self.root / bucket).mkdir(parents=True, exist_ok=True)
        compiled = files(build_plan(app.graph()))
        folder = self.root.parent / f"{self.root.name}-{self.runs}"
        for path in (task, *(path for path in compiled if path.startswith("lib/"))):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(compiled[path])
        script = folder / task
        return self.worker.run(
            SparkRun(
                id=f"{self.root.name}-{self.runs}",
                script=script,
                argv=("--JOB_NAME", "n", "--execution", json.dumps(document(inputs)), *argv),
                log=self.log,
                root=self.root,
                buckets=("data", "rheo-a"),
                timeout=60,
                python_path=(str(folder / "lib"), str(AWSGLUE)),
            )
        )

    @property
    def log(self) -> Path:
        return self.root.parent / f"{self.root.name}.log"

    def output(self) -> list[str]:
        """The header and lines of the output's files, and the names of its other objects."""
        folder = self.root / "rheo-a" / "internal_data" / "n" / "EU"
        parts = [f.read_text().splitlines() for f in sorted(folder.glob("part-*"))]
        headers = list(dict.fromkeys(part[0] for part in parts))
        lines = [line for part in parts for line in part[1:]]
        return headers + lines + sorted(f.name for f in folder.iterdir() if f.name.startswith("_"))


def document(inputs: dict[str, list[str]]) -> dict[str, Any]:
    return {
        "version": 1, "app": "a", "node": "n", "id": "n/EU#1", "partition": "EU", "generation": 1,
        "output": {"dimensions": {"region": "EU"}, "path": "s3://rheo-a/internal_data/n/EU"},
        "inputs": [
            {"alias": alias, "signal": alias, "dimensions": {"region": "EU"}, "paths": paths}
            for alias, paths in inputs.items()
        ],
    }  # fmt: skip


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkWorker]:
    worker = SparkWorker(tmp_path_factory.mktemp("worker"), without_aws())
    yield worker
    worker.close()


@pytest.fixture
def lab(worker: SparkWorker, tmp_path: Path) -> Lab:
    return Lab(worker, tmp_path / "s3")


def node(compute: Any, **signal: Any) -> Application:
    app = Application("a")
    data = app.s3("sales", "s3://data/sales/{region}", **{"format": "CSV", **signal})
    app.create_data("n", inputs=[data], compute_targets=compute, dataset_format="CSV")
    return app


def succeeded(outcome: Outcome) -> None:
    assert outcome.state == "SUCCEEDED", outcome


def test_text_code_has_inputs_functions_and_arguments(lab: Lab) -> None:
    lab.put("data/sales/EU/a.csv", "item,price\nx,1\ny,2\n")
    code = """
    total = sum([1, 2])  # Python's own, not Spark's
    output = sales.union(input0).select(
        lit(dimensions["region"]).alias("region"), (col("price") * lit(int(args["factor"]))).alias("price")
    ).where(lit(total) == 3)
    """
    succeeded(
        lab.run(node(BatchCompute(code, factor="10")), {"sales": ["s3://data/sales/EU"]}, "--factor", "10")
    )
    assert lab.output() == ["region,price", "EU,10", "EU,20", "EU,10", "EU,20"]


def halves(sales, args, spark):  # type: ignore[no-untyped-def]
    """Split prices in two."""
    return sales.selectExpr("item", "price / 2 AS price")


def test_a_function_gets_what_it_names(lab: Lab) -> None:
    lab.put("data/sales/EU/a.csv", "item,price\nx,1\n")
    succeeded(lab.run(node(BatchCompute(halves)), {"sales": ["s3://data/sales/EU"]}))
    assert lab.output() == ["item,price", "x,0.5"]


def test_sql_reads_inputs_by_alias(lab: Lab) -> None:
    lab.put("data/sales/EU/a.csv", "x|1\ny|5\n")
    app = node(
        SparkSQL("SELECT max(price) AS top FROM sales"),
        header=False,
        delimiter="|",
        schema="item string, price int",
    )
    succeeded(lab.run(app, {"sales": ["s3://data/sales/EU"]}))
    assert lab.output() == ["top", "5"]


@pytest.mark.parametrize("format", ["PARQUET", "JSON", "ORC"])
def test_other_formats(lab: Lab, format: str) -> None:
    app = Application("a")
    lab.put("data/raw/EU/a.csv", "item,price\nx,3\n")
    raw = app.s3("raw", "s3://data/raw/{region}", format="CSV")
    app.create_data("n", inputs=[raw], compute_targets=BatchCompute("output = raw"), dataset_format=format)
    succeeded(lab.run(app, {"raw": ["s3://data/raw/EU"]}))
    (lab.root / "rheo-a/internal_data/n/EU").rename(lab.root / "data" / "sales")
    again = node(BatchCompute("output = sales.selectExpr('price + 1 AS p')"), format=format)
    succeeded(lab.run(again, {"sales": ["s3://data/sales"]}))
    assert lab.output() == ["p", "4"]


def test_a_window_is_the_union_of_the_partitions_that_are_complete(lab: Lab) -> None:
    lab.put("data/sales/3/a.csv", "price\n3\n")  # the tip: announced, whatever stands beside it
    lab.put("data/sales/2/a.csv", "price\n2\n")
    lab.put("data/sales/2/_SUCCESS", "")
    lab.put("data/sales/1/a.csv", "price\n1\n")  # still being written
    paths = [f"s3://data/sales/{n}" for n in (3, 2, 1, 0)]
    succeeded(lab.run(node("output = sales.orderBy('price')"), {"sales": paths}))
    assert lab.output() == ["price", "2", "3"]


def test_no_partition_at_all_is_an_error(lab: Lab) -> None:
    lab.put("data/sales/1/_SUCCESS", "")
    outcome = lab.run(node("output = sales"), {"sales": ["s3://data/sales/2", "s3://data/sales/1"]})
    assert outcome.state == "FAILED"
    assert "no partition of 'sales' exists; looked for s3://data/sales/2, s3://data/sales/1" in str(
        outcome.error
    )


def test_a_rerun_replaces_the_partition_and_its_completion(lab: Lab) -> None:
    lab.put("data/sales/EU/a.csv", "price\n3\n")
    lab.put("rheo-a/internal_data/n/EU/_SUCCESS", "")
    lab.put("rheo-a/internal_data/n/EU/part-old.csv", "price\n9\n")
    succeeded(lab.run(node("output = sales"), {"sales": ["s3://data/sales/EU"]}))
    assert lab.output() == ["price", "3"]


def test_a_failing_code_shows_its_own_file_and_line(lab: Lab) -> None:
    lab.put("data/sales/EU/a.csv", "price\n3\n")
    app = node(
        BatchCompute(
            """
            x = 1
            output = sales.select("prise")  # the line that fails
            """
        )
    )
    outcome = lab.run(app, {"sales": ["s3://data/sales/EU"]})
    assert outcome.state == "FAILED"
    assert "prise" in str(outcome.error)
    folder = lab.root.parent / f"{lab.root.name}-{lab.runs}"
    (folder / "graph.json").write_text(compile_graph(app.graph())["graph.json"])
    places = Places(folder, "glue/n.py")
    line = (
        HERE.read_text()
        .splitlines()
        .index('            output = sales.select("prise")  # the line that fails')
        + 1
    )
    assert places.told(str(outcome.error)).startswith(f"test_spark_scripts.py:{line}: AnalysisException")
    told = places.told(str(outcome.traceback))
    assert f'File "test_spark_scripts.py", line {line}' in told
    assert '    output = sales.select("prise")  # the line that fails' in told


def test_an_output_that_is_missing_or_no_frame_is_an_error(lab: Lab) -> None:
    lab.put("data/sales/EU/a.csv", "price\n3\n")
    with pytest.raises(GraphError, match="n: the code assigns no 'output'"):
        lab.run(node("x = 1"), {"sales": ["s3://data/sales/EU"]})
    outcome = lab.run(node("output = 7"), {"sales": ["s3://data/sales/EU"]})
    assert outcome.state == "FAILED"
    assert "'output' is int, not a Spark DataFrame" in str(outcome.error)
    assert not (lab.root / "rheo-a/internal_data").exists()


def test_code_that_is_no_python_is_an_error_at_its_own_line() -> None:
    app = node(
        BatchCompute(
            """
            output = sales
            output = sales.(
            """
        )
    )
    with pytest.raises(GraphError, match="the code is no Python: invalid syntax") as found:
        app.graph()
    lines = HERE.read_text().splitlines()
    (fault,) = found.value.faults
    assert fault.where is not None
    assert lines[fault.where.line - 1].strip() == "output = sales.("


def test_a_timer_gives_its_value_and_no_frame(lab: Lab) -> None:
    app = Application("a")
    tick = app.add_timer("tick", "rate(1 day)", "region")
    app.create_data(
        "n",
        inputs=[tick],
        compute_targets=BatchCompute(
            "output = spark.range(1).select('id', lit(tick).alias('t'), lit(region).alias('r'))"
        ),
        dataset_format="CSV",
    )
    succeeded(lab.run(app, {"tick": []}))
    assert lab.output() == ["id,t,r", "0,EU,EU"]


def test_a_document_in_s3(lab: Lab) -> None:
    lab.put("data/sales/EU/a.csv", "price\n3\n")
    text = json.dumps(document({"sales": ["s3://data/sales/EU"]}), indent=1)
    lab.put("rheo-a/executions/n/EU/1.json", text)
    succeeded(lab.run(node("output = sales"), {}, "--execution", "s3://rheo-a/executions/n/EU/1.json"))
    assert lab.output() == ["price", "3"]


def test_only_the_first_spark_target_writes(lab: Lab) -> None:
    lab.put("data/sales/EU/a.csv", "price\n3\n")
    app = node([BatchCompute("output = sales"), BatchCompute("print(sales.count())")])
    succeeded(lab.run(app, {"sales": ["s3://data/sales/EU"]}, task="glue/n_2.py"))
    assert not (lab.root / "rheo-a/internal_data").exists()
    for second in (BatchCompute("output = sales"), SparkSQL("SELECT 1")):
        with pytest.raises(GraphError, match="only the first Spark compute of a node writes its output"):
            node([BatchCompute("output = sales"), second]).graph()


# --- tables of the catalog, and rows that take the place of others ---


def tables(lab: Lab, compute: Any, paths: list[str], **options: Any) -> Outcome:
    app = Application("a")
    spec = {"day": {"type": "STRING"}}
    options = {"primary_keys": ["id"], **options}
    users = app.marshal_external_data(AndesDataset("db", "users", ["ds"], **options), "users", spec)
    app.create_data("n", inputs=[users["*"]], compute_targets=compute, dataset_format="CSV")
    return lab.run(app, {"users": paths})


MAKE_TABLE = """
spark.sql("CREATE DATABASE IF NOT EXISTS db")
rows = spark.createDataFrame(
    [(1, "old", "1"), (2, "kept", "1"), (1, "new", "2"), (3, "other", "3")], "id int, name string, ds string"
)
rows.createOrReplaceTempView("rows")
spark.sql("CREATE TABLE IF NOT EXISTS db.users USING parquet PARTITIONED BY (ds) AS SELECT * FROM rows")
output = spark.range(0)
"""


def test_a_table_of_the_catalog_gives_each_keys_latest_row(lab: Lab) -> None:
    lab.put("data/sales/EU/a.csv", "price\n3\n")
    succeeded(lab.run(node(MAKE_TABLE), {"sales": ["s3://data/sales/EU"]}))
    paths = [f"catalog://db/users/ds={day}" for day in (2, 1)]
    query = "SELECT id, name, ds FROM users ORDER BY id"
    succeeded(tables(lab, SparkSQL(query), paths))
    assert lab.output() == ["id,name,ds", "1,new,2", "2,kept,1"]
    succeeded(tables(lab, SparkSQL(query), paths, table_type="APPEND"))
    assert len(lab.output()) == 4
    compacted = compact_table("db", "users", "REPLACE", ["ds"], [["1"], ["2"]], ["id"])
    code = f'output = spark.sql("""{compacted}""").select("id", "name").orderBy("id")'
    succeeded(tables(lab, BatchCompute(code), paths))
    assert lab.output() == ["id,name", "1,new", "2,kept"]
    everything = compact_table("db", "users", primary_keys=["id"], version_column="ds")
    code = f'output = spark.sql("""{everything}""").select("id", "name").orderBy("id")'
    succeeded(tables(lab, BatchCompute(code), paths))
    assert lab.output() == ["id,name", "1,new", "2,kept", "3,other"]


def test_files_of_a_table_give_each_keys_latest_row(lab: Lab) -> None:
    lab.put("data/users/ds=2/a.csv", "id,name\n1,new\n")
    lab.put("data/users/ds=1/a.csv", "id,name\n1,old\n2,kept\n")
    paths = [f"s3://data/users/ds={day}" for day in (2, 1)]
    where = {"location": "s3://data/users", "dataset_format": "CSV"}
    succeeded(tables(lab, BatchCompute("output = users.orderBy('id')"), paths, **where))
    assert lab.output() == ["id,name", "1,new", "2,kept"]


# --- a batch ---


@pytest.mark.parametrize("parallel", [1, 3])
def test_a_batch_runs_the_code_for_each_and_one_that_fails_fails_alone(lab: Lab, parallel: int) -> None:
    app = Application("a")
    sales = app.s3("sales", "s3://data/sales/{region}", format="CSV")
    code = BatchCompute(
        """
        region = rheo_job.dimensions["region"]
        sales.createOrReplaceTempView("mine")
        if spark.sql("select count(*) as n from mine where price = 'poison'").first().n:
            raise ValueError(f"poison in {region}")  # the line that fails
        output = spark.sql("select price * 2 as price from mine")
        """
    )
    app.create_data("n", [sales], compute_targets=code, dataset_format="CSV", batch=Batch(max=9))
    regions = {"EU": "1", "NA": "2", "XX": "poison", "FE": "4"}
    for region, price in regions.items():
        lab.put(f"data/sales/{region}/a.csv", f"price\n{price}\n")

    def one(region: str) -> dict[str, Any]:
        found = document({"sales": [f"s3://data/sales/{region}"]})
        place = {"dimensions": {"region": region}, "path": "s3://rheo-a/internal_data/n/" + region}
        found |= {"id": f"n/{region}#1", "partition": region, "output": place}
        found["output"]["staged"] = f"s3://rheo-a/staging/n/{region}/1"
        return {"execution": found, "result": f"s3://rheo-a/results/{region}"}

    told = {"batch": [one(region) for region in regions], "parallel": parallel, "attempts": 2}
    lab.put("rheo-a/work.json", json.dumps(told))
    succeeded(lab.run(app, {}, "--execution", "s3://rheo-a/work.json"))
    results = lab.root / "rheo-a" / "results"
    assert sorted(f.name for f in results.iterdir() if not f.name.startswith(".")) == [
        "EU.ok", "FE.ok", "NA.ok", "XX.failed",
    ]  # fmt: skip
    for region, price in {"EU": "2", "NA": "4", "FE": "8"}.items():
        staged = lab.root / "rheo-a" / "staging" / "n" / region / "1"
        (part,) = staged.glob("part-*")
        assert part.read_text().splitlines()[1:] == [f"{price}.0"] or part.read_text().splitlines()[1:] == [
            price
        ]
        assert (staged / "_SUCCESS").exists()
    folder = lab.root.parent / f"{lab.root.name}-{lab.runs}"
    (folder / "graph.json").write_text(compile_graph(app.graph())["graph.json"])
    error = Places(folder, "lib/rheo_node_n.py").told((results / "XX.failed").read_text())
    line = (
        HERE.read_text()
        .splitlines()
        .index('            raise ValueError(f"poison in {region}")  # the line that fails')
    )
    assert error.splitlines()[-1] == f"test_spark_scripts.py:{line + 1}: ValueError: poison in XX"
    assert lab.log.read_text().count("ValueError: poison in XX\n") >= 2, "each of its attempts"
