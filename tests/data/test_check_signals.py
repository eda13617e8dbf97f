"""Publish tells how checks ended: whatever call of it fails, once, and in a batch for each by itself."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.amazon.aws.operators.athena import AthenaOperator
from airflow.providers.amazon.aws.operators.sagemaker import SageMakerTransformOperator
from support.worker import nobody

from codegen.routes import route_table
from rheo_airflow.tasks import publish, settings
from rheo_airflow.tasks.batch import BatchComputeOperator
from rheo_airflow.tasks.sagemaker import SageMakerTransformComputeOperator
from rheo_platforms.local.athena import unload
from rheo_runtime import executions
from rheo_runtime.airflow_client import batch_run_id
from rheo_runtime.engine import Engine
from rheo_runtime.events import send_signal
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.records import FAILED, SUCCEEDED, Execution
from rheo_runtime.sweep import Sweeper
from rheodsl import (
    Application,
    AWSBatchJob,
    Batch,
    InlinedCompute,
    PrestoSQL,
    SageMakerTransformJob,
    not_null,
    row_count,
)
from rheodsl.testing.dags import DagRun, Dags, Run, load_dags, surroundings

pytestmark = pytest.mark.slow

RESULTS = {
    "PASS": {"check": "row_count(1, None)", "severity": "block", "passed": True, "what": ""},
    "WARN": {"check": "row_count(1, None)", "severity": "warn", "passed": False, "what": "0 rows"},
    "FAIL": {"check": "row_count(1, None)", "severity": "block", "passed": False, "what": "0 rows"},
}


def application() -> Application:
    app = Application("shop")
    orders = app.s3("orders", "s3://lake/orders/{region}", format="CSV", schema="id long")
    checks = row_count(1)
    app.create_data("one", [orders], compute_targets="output = orders", checks=checks)
    app.create_data("many", [orders], compute_targets="output = orders", checks=checks, batch=Batch(max=10))
    app.create_data(
        "coded",
        [orders],
        compute_targets=InlinedCompute(written),
        checks=[not_null("id"), has_ids],
        dataset_format="JSON",
        batch=Batch(max=10, parallel=2),
    )
    for id, target in (
        ("job", AWSBatchJob("job:1", "queue")),
        ("scored", SageMakerTransformJob(ModelName="m", input="orders")),
    ):
        app.create_data(
            id, [orders], compute_targets=target, checks=[not_null("id"), has_ids], dataset_format="JSON"
        )
    app.create_data(
        "asked",
        [orders],
        compute_targets=PrestoSQL("SELECT id FROM orders"),
        checks=not_null("id"),
        schema="id long",
        batch=Batch(max=10),
    )
    return app


def written(input_map, output, params):  # type: ignore[no-untyped-def]
    """Write a number for the region where the output is to be; none for one of them."""
    region = output.dimensions["region"]
    bucket, _, key = output.get_materialized_resource_paths()[0].removeprefix("s3://").partition("/")
    body = b'{"id": null}' if region == "NA" else b'{"id": 1}'
    params["AWS_BOTO_SESSION"].client("s3").put_object(Bucket=bucket, Key=f"{key}/result.json", Body=body)


def has_ids(frame):  # type: ignore[no-untyped-def]
    return frame.id.notna().all()


class Crash(BaseException):
    """The machine is gone."""


class Lab:
    """The DAGs on moto, with what their jobs write made up."""

    def __init__(self, dags: Dags, ledger: MemoryLedger) -> None:
        self.dags, self.ledger = dags, ledger
        self.engine = Engine(route_table(application().graph()), ledger)
        self.sent: list[tuple[str, list[str]]] = []
        self.results: dict[str, str] = {}
        self.broken = False

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        if self.broken:
            return {"FailedEntryCount": len(Entries), "Entries": [{"ErrorCode": "InternalFailure"}]}
        details = [json.loads(entry["Detail"]) for entry in Entries]
        self.sent += [(detail["signal"], detail["partition"]) for detail in details]
        return {"FailedEntryCount": 0, "Entries": [{} for _ in Entries]}

    def run(self, node: str, *regions: str) -> Run:
        """A run before its first task; its job leaves for each region what its checks said."""
        fired = [
            d
            for n, region in enumerate(regions)
            for d in self.engine.on_named("shop", "orders", (region,), f"e{n}").fired
            if d["node"] == node
        ]
        made_up = {"compute": lambda given: self.job(node)} if node in ("one", "many") else {}
        run = Run(self.dags[node], made_up, DagRun(node))
        run.dag_run.run_id = batch_run_id(*(d["id"] for d in fired))
        listed = [[d["partition"], d["generation"]] for d in fired]
        run.dag_run.conf = {"rheo": {"version": 1, "node": node, "batch": listed}}
        return run

    def job(self, node: str) -> str:
        """Return a result, as a compute does whose job has ended: nothing of it writes any more."""
        s3 = settings.client("s3")
        for region, result in self.results.items():
            folder = f"staging/{node}/{region}/1"
            for name, body in {
                "part-0": region.encode(),
                "_checks.json": json.dumps([RESULTS[result]]).encode(),
                "_SUCCESS": b"",
            }.items():
                s3.put_object(Bucket="rheo-shop", Key=f"{folder}/{name}", Body=body)
        return "ended"

    def again(self, run: Run, *tasks: str) -> None:
        """Tasks that a dying worker left are tried again."""
        for task in run.dag.topological_sort():
            if task.task_id in tasks:
                run.result.tasks[task.task_id] = run._state(task, {})

    def ended(self, node: str, region: str) -> Execution:
        output, _ = self.ledger.output(node, region, None)
        assert output is not None
        assert output.active is None
        return output.ended[0]

    def data(self, node: str, region: str) -> list[str]:
        prefix = f"internal_data/{node}/{region}/"
        found = settings.client("s3").list_objects_v2(Bucket="rheo-shop", Prefix=prefix).get("Contents", [])
        return [entry["Key"].removeprefix(prefix) for entry in found]


@pytest.fixture(scope="module")
def made() -> Dags:
    return load_dags(application())


@pytest.fixture
def lab(made: Dags, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    found = Lab(made, MemoryLedger())
    # What is patched within the surroundings is taken back before they are.
    with surroundings(made, Run(made["one"], {}, DagRun("one"))), monkeypatch.context() as patch:
        patch.setattr(settings, "ledger", lambda app: found.ledger)
        client = settings.client
        patch.setattr(settings, "client", lambda s: found if s == "events" else client(s))
        yield found


SIGNALS = {
    "PASS": [("one", ["EU"]), ("one.checks", ["PASS", "EU"])],
    "WARN": [("one", ["EU"]), ("one.checks", ["WARN", "EU"])],
    "FAIL": [("one.checks", ["FAIL", "EU"])],
}


@pytest.mark.parametrize("result", SIGNALS)
def test_the_output_and_its_checks_are_announced(lab: Lab, result: str) -> None:
    lab.results = {"EU": result}
    run = lab.run("one", "EU")
    run.all({})
    failed = result == "FAIL"
    assert run.result.state == ("failed" if failed else "success"), run.result.errors
    assert lab.sent == SIGNALS[result]
    over = lab.ended("one", "EU")
    assert (over.state, over.checked, over.signalled) == (FAILED if failed else SUCCEEDED, result, True)
    assert over.note == ("check row_count(1, None): 0 rows" if failed else "")
    assert lab.data("one", "EU") == ([] if failed else ["_SUCCESS", "part-0"])


STEPS = ["partitions.take_over", "send_signal", "executions.end"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("result", SIGNALS)
def test_a_crash_anywhere_loses_no_result(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, result: str, step: str, after: bool
) -> None:
    failed = result == "FAIL"
    if failed and step == STEPS[0]:
        pytest.skip("what fails is not taken over")
    where: Any = {"partitions": publish.partitions, "executions": executions}.get(
        step.partition(".")[0], publish
    )
    name = {"end": "fail" if failed else "succeed"}.get(step.rpartition(".")[2], step.rpartition(".")[2])
    real = getattr(where, name)

    def broken(*args: Any, **named: Any) -> Any:
        if after:
            real(*args, **named)
        raise Crash

    lab.results = {"EU": result}
    run = lab.run("one", "EU")
    with monkeypatch.context() as patch:
        patch.setattr(where, name, broken)
        with pytest.raises(Crash):
            run.all({})
    lab.again(run, "publish")
    assert run.result.tasks["publish"] == ("failed" if failed else "success")
    assert sorted({str(each) for each in lab.sent}) == sorted(map(str, SIGNALS[result])), "the same, if twice"
    over = lab.ended("one", "EU")
    assert (over.state, over.checked, over.signalled) == (FAILED if failed else SUCCEEDED, result, True)


@pytest.mark.parametrize("result", SIGNALS)
def test_the_sweeper_sends_what_is_owed(lab: Lab, result: str) -> None:
    lab.results, lab.broken = {"EU": result}, True
    lab.run("one", "EU").all({})
    assert not lab.ended("one", "EU").signalled
    lab.broken = False
    later = Engine(lab.engine.program, lab.ledger, lambda: lab.ended("one", "EU").moved + 61)
    quiet: Any = lambda *_, **__: None  # noqa: E731
    Sweeper(later, quiet, lambda owed: send_signal(owed.document, lab, checked=owed.checked), quiet).sweep()
    assert lab.sent == SIGNALS[result]
    assert lab.ended("one", "EU").signalled


def test_in_a_batch_each_has_its_own(lab: Lab) -> None:
    lab.results = {"EU": "PASS", "NA": "FAIL", "XX": "WARN"}
    run = lab.run("many", *lab.results)
    run.all({})
    assert "1 of 3 executions failed:\n  many/NA#1: check row_count(1, None): 0 rows" in str(
        run.result.errors["publish"]
    )
    wanted = [("many", ["EU"]), ("many", ["XX"])]
    wanted += [("many.checks", [result, region]) for region, result in lab.results.items()]
    assert sorted(lab.sent) == sorted(wanted)
    assert [lab.ended("many", region).checked for region in lab.results] == list(lab.results.values())


@pytest.mark.usefixtures("watch")
@pytest.mark.parametrize(("node", "file"), [("asked", "result.parquet"), ("coded", "result.json")])
def test_in_a_batch_each_is_checked_by_itself(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, node: str, file: str
) -> None:
    s3, glue = settings.client("s3"), settings.client("glue")
    s3.create_bucket(Bucket="lake")
    glue.create_database(DatabaseInput={"Name": "rheo_shop"})
    for region, line in {"EU": "1", "NA": '""', "XX": "3"}.items():
        s3.put_object(Bucket="lake", Key=f"orders/{region}/a.csv", Body=f"id\n{line}\n".encode())
        s3.put_object(Bucket="lake", Key=f"orders/{region}/_SUCCESS", Body=b"")
    numbers = itertools.count()

    def execute(operator: Any, context: Any) -> str:
        with nobody():
            unload(operator.query, "result", tmp_path / str(next(numbers)), s3, glue)
        return "result"

    with monkeypatch.context() as patch:
        patch.setattr(AthenaOperator, "execute", execute)
        run = lab.run(node, "EU", "NA", "XX")
        patch.setattr(run, "perform", lambda task, context: task.execute(context))
        run.all({})
    said = str(run.result.errors["publish"])
    assert f"1 of 3 executions failed:\n  {node}/NA#1: check not_null(id): 1 row, such as id=None" in said
    assert [lab.ended(node, region).checked for region in ("EU", "NA", "XX")] == ["PASS", "FAIL", "PASS"]
    assert lab.data(node, "EU") == ["_SUCCESS", file]
    assert lab.data(node, "NA") == []
    aside = s3.list_objects_v2(Bucket="rheo-shop", Prefix="staging/")["Contents"]
    assert [e["Key"] for e in aside if e["Key"].endswith(file)] == [f"staging/{node}/NA/1/{file}"]


class Service:
    """AWS Batch and SageMaker, whose jobs write one file at once, and are over."""

    def __init__(self, text: str) -> None:
        self.text, self.jobs = text, 0

    def write(self, folder: str) -> None:
        self.jobs += 1
        bucket, _, key = folder.removeprefix("s3://").partition("/")
        with nobody():
            settings.client("s3").put_object(Bucket=bucket, Key=f"{key}/a.csv.out", Body=self.text.encode())

    def list_jobs(self, **_: Any) -> Any:
        return {"jobSummaryList": []}

    def submit_job(self, containerOverrides: Any, **_: Any) -> Any:
        told = {each["name"]: each["value"] for each in containerOverrides["environment"]}
        assert json.loads(told["RHEO_EXECUTION"])["output"]["path"] == told["RHEO_OUTPUT"]
        self.write(told["RHEO_OUTPUT"])
        return {"jobId": "j"}

    def describe_jobs(self, **_: Any) -> Any:
        return {"jobs": [{"jobId": "j", "status": "SUCCEEDED"}]}

    def describe(self, operator: Any, job: str) -> Any:
        return {"TransformJobStatus": "Completed"} if self.jobs else None

    def transform(self, operator: Any, context: Any) -> None:
        self.write(operator.config["TransformOutput"]["S3OutputPath"])


@pytest.mark.usefixtures("watch")
@pytest.mark.parametrize("node", ["job", "scored"])
@pytest.mark.parametrize("good", [True, False], ids=["pass", "fail"])
def test_what_a_service_writes_is_checked_aside(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, node: str, good: bool
) -> None:
    s3 = settings.client("s3")
    s3.create_bucket(Bucket="lake")
    s3.put_object(Bucket="lake", Key="orders/EU/a.csv", Body=b"id\n1\n")
    for name in ("old", "_SUCCESS"):
        s3.put_object(Bucket="rheo-shop", Key=f"internal_data/{node}/EU/{name}", Body=b"")
    s3.put_object(Bucket="rheo-shop", Key="staging/job/EU/1/left.json", Body=b"{}")  # of an earlier try
    service = Service('{"id": 1}\n' if good else '{"id": null}\n')
    with monkeypatch.context() as patch:
        patch.setattr(BatchComputeOperator, "_batch", service)
        patch.setattr(SageMakerTransformComputeOperator, "_describe", lambda *each: service.describe(*each))
        patch.setattr(SageMakerTransformOperator, "execute", lambda *each: service.transform(*each))
        run = lab.run(node, "EU")
        patch.setattr(run, "perform", lambda task, context: task.execute(context))
        run.all({})
    assert service.jobs == 1, run.result.errors
    assert lab.ended(node, "EU").checked == ("PASS" if good else "FAIL")
    assert lab.data(node, "EU") == (["_SUCCESS", "a.csv.out"] if good else ["_SUCCESS", "old"])
    note = "check not_null(id): 1 row, such as id=None; has_ids: it returns "
    assert lab.ended(node, "EU").note.startswith("" if good else note)


def test_what_a_batch_owes_is_sent_when_publish_is_tried_again(lab: Lab) -> None:
    lab.results, lab.broken = {"EU": "PASS", "NA": "FAIL"}, True
    run = lab.run("many", *lab.results)
    run.all({})
    lab.broken = False
    lab.again(run, "publish")
    wanted = [("many", ["EU"]), ("many.checks", ["FAIL", "NA"]), ("many.checks", ["PASS", "EU"])]
    assert sorted(lab.sent) == wanted
    assert all(lab.ended("many", region).signalled for region in lab.results)
