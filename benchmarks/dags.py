"""Seconds to build and serialize a generated DAG of ten tasks, beside the same DAG written by hand."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from codegen.compiler import compile_graph, write
from rheodsl import Application, BatchCompute

ROUNDS = 60
FILES = 1_000

# What a careful engineer writes who has no Rheo: the provider's operator for each job, Python around them.
_BY_HAND = '''\
"""**wide** of the application **bench**."""

from airflow.providers.amazon.aws.operators.glue import GlueJobOperator
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG, Asset, Param, PartitionedAssetTimetable

READY = Asset("bench://wide")


def claim_execution(**context):
    return context["triggering_asset_events"]


def publish_output(**context):
    return None


with DAG(
    dag_id="{dag_id}",
    description="source -> wide",
    doc_md=__doc__,
    schedule=PartitionedAssetTimetable(assets=READY),
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=16,
    default_args={{"owner": "bench"}},
    tags=["bench"],
    params={{
        "region": Param(default=None, type=["null", "integer"]),
        "day": Param(default=None, type=["null", "string"], format="date"),
    }},
):
    claim = PythonOperator(task_id="claim", python_callable=claim_execution, inlets=[Asset("s3://bucket/source")])
    computes = [
        GlueJobOperator(
            task_id=f"compute_{{n}}",
            job_name=f"bench-wide-{{n}}",
            script_args={{"--execution": "{{{{ ti.xcom_pull('claim') }}}}", "--part": f"{{n}}"}},
            run_job_kwargs={{"NumberOfWorkers": 2, "WorkerType": "G.1X"}},
        )
        for n in range(1, 9)
    ]
    publish = PythonOperator(
        task_id="publish", python_callable=publish_output, trigger_rule="all_done", outlets=[Asset("s3://bench/wide")]
    )

    claim >> computes >> publish
'''


def application(nodes: int = 1) -> Application:
    """Each node has eight Glue jobs in parallel: with claim and publish, ten tasks."""
    app = Application("bench")
    source = app.s3("source", "s3://bucket/source/{region:int}/{day:%Y-%m-%d}")
    for number in range(nodes):
        app.create_data(
            f"wide{number}",
            source,
            compute_targets=[
                # One of them writes the output.
                BatchCompute(code, WorkerType="G.1X", NumberOfWorkers=2, part=str(n))
                for n, code in enumerate(["output = source", *["source.count()"] * 7], start=1)
            ],
        )
    return app


def run() -> list[dict[str, Any]]:
    """Return the figures of one DAG, and of a folder of files as the DAG processor reads it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ.setdefault("AIRFLOW_HOME", str(folder / "home"))
        os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "ERROR")
        return [_one(folder / "one"), _many(folder / "many")]


def _one(folder: Path) -> dict[str, Any]:
    from airflow.serialization.serialized_objects import DagSerialization

    write(compile_graph(application().graph()), folder)
    hand = folder / "hand.py"
    hand.write_text(_BY_HAND.format(dag_id="bench__wide"))

    def serialized(file: Path) -> None:
        names: dict[str, Any] = {"__name__": "dags", "__file__": str(file)}
        exec(compile(file.read_text(), str(file), "exec"), names)
        dag = names["claim"].dag
        dag.fileloc = str(file)
        assert len(DagSerialization.to_dict(dag)["dag"]["tasks"]) == 10

    return _compared(
        "build and serialize a DAG of 10 tasks",
        lambda: serialized(folder / "wide0.py"),
        lambda: serialized(hand),
        ROUNDS,
    )


def _many(folder: Path) -> dict[str, Any]:
    from airflow.dag_processing.dagbag import DagBag

    write(compile_graph(application(FILES).graph()), folder / "ours")
    (folder / "hand").mkdir()
    for number in range(FILES):
        (folder / "hand" / f"wide{number}.py").write_text(_BY_HAND.format(dag_id=f"bench__wide{number}"))

    def bag(kind: str) -> None:
        found = DagBag(str(folder / kind))
        pumps = 1 if kind == "ours" else 0
        assert (len(found.dags), found.import_errors) == (FILES + pumps, {})

    return _compared(f"parse {FILES:,} files", lambda: bag("ours"), lambda: bag("hand"), 3)


def _compared(
    name: str, ours: Callable[[], None], by_hand: Callable[[], None], rounds: int
) -> dict[str, Any]:
    """The medians of both, run in turns so that noise falls on both; the imports are made before."""
    ours(), by_hand()
    pairs = [(_seconds(ours), _seconds(by_hand)) for _ in range(rounds)]
    mine, theirs = (statistics.median(pair[i] for pair in pairs) for i in (0, 1))
    ratio = statistics.median(a / b for a, b in pairs)
    return {
        "name": name, "value": round(mine, 5), "unit": "s", "baseline": round(theirs, 5),
        "ratio": round(ratio, 3), "note": "baseline: written by hand; goal: a ratio of 0.8 at most",
    }  # fmt: skip


def _seconds(work: Callable[[], None]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start
