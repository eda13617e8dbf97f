"""Batches on a real Airflow and a real Spark: few runs, each partition by itself, and one that is poisoned."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from benchmarks._stack import message
from rheo_runtime.records import FAILED, SUCCEEDED
from rheodsl import Application, Batch, BatchCompute, InlinedCompute, PrestoSQL

from .conftest import Lab

pytestmark = pytest.mark.slow

APP, DATA, PUMPED = "batches-lab", "batches-lab-data", "pump-lab"
MANY = 40
POISONED = "p07"


def tell(input_map: Any, output: Any, params: Any) -> None:
    """Leave an object for each call."""
    import uuid

    s3 = params["AWS_BOTO_SESSION"].client("s3")
    s3.put_object(Bucket="batches-lab-data", Key=f"told/{output.dimensions['part']}/{uuid.uuid4()}", Body=b"")


def nothing(input_map: Any, output: Any, params: Any) -> None:
    """Do nothing."""


def application(stack: Lab) -> Application:
    app = Application(APP, platform=stack.platform)
    sales = app.s3("sales", f"s3://{DATA}/sales/{{part}}", format="CSV", schema="price long")
    batch = Batch(max=100, wait=10, parallel=2)
    code = """
        if sales.where("price < 0").count():
            raise ValueError("a price below 0")
        output = sales.selectExpr("price * 2 AS price")
    """
    options: dict[str, Any] = {"dataset_format": "CSV", "schema": "price long"}
    doubled = app.create_data("doubled", [sales], compute_targets=BatchCompute(code), batch=batch, **options)
    app.create_data("told", [doubled], compute_targets=InlinedCompute(tell), batch=batch)
    app.create_data(
        "queried",
        [doubled],
        compute_targets=PrestoSQL("SELECT price + 1 AS more FROM doubled"),
        batch=batch,
        dataset_format="PARQUET",
    )
    return app


def arrive(stack: Lab, app: str, bucket: str, keys: list[str]) -> None:
    """Tell of all in one message: the stack's own events come one after the other, some a second."""
    queue = stack.platform.deployment(app).queue
    stack.client("sqs").send_message(QueueUrl=queue, MessageBody=message(bucket, keys))


def states(stack: Lab, node: str) -> Counter[str]:
    ledger = stack.platform.deployment(APP).ledger
    found = (output.ended for output in ledger.outputs(node) if output.active is None)
    return Counter(ended[0].state for ended in found if ended)


def over(stack: Lab, node: str, *, failed: int) -> bool:
    return states(stack, node) == +Counter({SUCCEEDED: MANY - failed, FAILED: failed})


def written(stack: Lab) -> dict[str, str]:
    pages = (
        stack.client("s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=f"rheo-{APP}", Prefix="internal_data/doubled/")
    )
    return {o["Key"]: str(o["LastModified"]) for page in pages for o in page.get("Contents", ())}


def test_many_partitions_are_made_by_few_runs_each_by_itself(stack: Lab) -> None:
    stack.client("s3").create_bucket(Bucket=DATA)
    stack.start(application(stack))
    parts = [f"p{n:02}" for n in range(MANY)]
    for n, part in enumerate(parts):
        stack.put(f"s3://{DATA}/sales/{part}/a.csv", f"price\n{-1 if part == POISONED else n}\n")
    arrive(stack, APP, DATA, [f"sales/{part}/_SUCCESS" for part in parts])
    stack.until(lambda: over(stack, "doubled", failed=1), 400)

    runs = stack.runs(APP, "doubled")
    assert len(runs) <= 4, "batches, not a run for each"
    ledger = stack.platform.deployment(APP).ledger
    output, _ = ledger.output("doubled", POISONED, None)
    assert output is not None
    assert output.ended[0].note.startswith("test_batches.py:"), "told by the application's own line"
    assert output.ended[0].note.endswith("ValueError: a price below 0")
    (failed,) = stack.until(lambda: stack.runs(APP, "doubled", "failed"))
    assert failed["dag_run_id"] == output.ended[0].run_id

    # What succeeded has gone on meanwhile, to nodes with batches of their own.
    told = f"told/{POISONED}"
    stack.until(lambda: states(stack, "told")[SUCCEEDED] == MANY - 1, 200)
    stack.until(lambda: states(stack, "queried")[SUCCEEDED] == MANY - 1, 300)
    assert stack.client("s3").list_objects_v2(Bucket=DATA, Prefix=told)["KeyCount"] == 0
    keys = stack.client("s3").list_objects_v2(Bucket=DATA, Prefix="told/")["Contents"]
    assert Counter(o["Key"].split("/")[1] for o in keys) == Counter(p for p in parts if p != POISONED)

    # Clearing what failed makes the poisoned one, and touches none of the others.
    before = written(stack)
    assert len([key for key in before if key.endswith("/_SUCCESS")]) == MANY - 1
    stack.put(f"s3://{DATA}/sales/{POISONED}/a.csv", "price\n7\n")
    body = {
        "dry_run": False, "dag_run_id": failed["dag_run_id"], "only_failed": True, "reset_dag_runs": True,
    }  # fmt: skip
    stack.local.airflow.call("POST", f"/dags/{failed['dag_id']}/clearTaskInstances", body)
    stack.until(lambda: over(stack, "doubled", failed=0), 200)
    after = written(stack)
    assert {key: after[key] for key in before} == before
    assert {key.split("/")[2] for key in after.keys() - before.keys()} == {POISONED}
    stack.until(lambda: over(stack, "told", failed=0) and over(stack, "queried", failed=0), 200)


def test_many_of_a_node_without_batch_are_announced_by_a_pump(stack: Lab) -> None:
    """One message of forty objects: ten are announced one by one, the rest in one call; each has a run of its own."""
    app = Application(PUMPED, platform=stack.platform)
    sales = app.s3("sales", f"s3://{PUMPED}/sales/{{part}}")
    app.create_data("plain", [sales], compute_targets=InlinedCompute(nothing))
    deployment = stack.start(app)
    names = [f"q{n:02}" for n in range(MANY)]
    arrive(stack, PUMPED, PUMPED, [f"sales/{name}/_SUCCESS" for name in names])

    def ended() -> list[str]:
        found = [o for o in deployment.ledger.outputs("plain") if o.partition in names and o.active is None]
        return [o.partition for o in found if o.ended and o.ended[0].state == SUCCEEDED]

    waiting = stack.until(lambda: deployment.airflow.under_way(PUMPED, "plain", told=10**6).keys, 200)
    assert waiting <= set(names), "a sweep finds that they have their runs"
    stack.until(lambda: len(ended()) == MANY, 600)
    runs = Counter(run["partition_key"] for run in stack.runs(PUMPED, "plain"))
    assert runs == Counter(names), "one each, however long it waits"
    outputs = [o for o in deployment.ledger.outputs("plain") if o.partition in names]
    assert {(o.generation, len(o.ended)) for o in outputs} == {(1, 1)}
    pumps = stack.runs(PUMPED, "rheo~pump")
    assert pumps and {pump["state"] for pump in pumps} == {"success"}
