"""Sensor mode: what is generated, what the sensors ask of AWS (played by moto), what the simulator does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import TaskDeferred
from sensed_app import application
from support.aws import empty_account
from support.worker import worker

from codegen.cloudformation.stack import build_template
from codegen.compiler import compile_graph, write
from codegen.planning import build_plan
from rheo_airflow.tasks import settings
from rheo_airflow.tasks.compat import execute
from rheo_airflow.tasks.run_request import by_time, read_program
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.wire import RouteTable
from rheodsl import Application, GlueTable
from rheodsl.errors import SpecError
from rheodsl.testing import Simulator

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("watch")]

FIRE = datetime(2020, 3, 19, tzinfo=UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dags")
    write(compile_graph(application().graph()), folder)
    return folder


@pytest.fixture(scope="module")
def dags(folder: Path) -> Any:
    bag = DagBag(str(folder))
    assert bag.import_errors == {}
    for task in (t for dag in bag.dags.values() for t in dag.tasks if t.task_id.startswith("wait_")):
        task.aws_conn_id = None  # boto3's own credentials: there is no connection here
    return bag.dags


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    ledger = MemoryLedger()
    monkeypatch.setattr(settings, "ledger", lambda app: ledger)
    with empty_account(monkeypatch, "us-east-1"):
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="sensed-data")
        yield s3


def context(dags: Any, folder: Path) -> dict[str, Any]:
    """A task's context in the run of 19 March, which is of the day before."""
    document = by_time(read_program(folder), "both", FIRE).document(1)
    return {"ti": Ti(document), "dag": dags["sensed__both"]}


@dataclass
class Ti:
    document: dict[str, Any]

    def xcom_pull(self, task_ids: str) -> dict[str, Any]:
        return self.document

    def get_first_reschedule_date(self, context: Any) -> None:
        """It has not been rescheduled."""


def looks(sensor: Any, context: dict[str, Any]) -> bool:
    """Execute a sensor until its first look."""
    seen: list[bool] = []

    def once(context: Any) -> bool:
        seen.append(type(sensor).poke(sensor, context))
        return True

    sensor.poke = once
    try:
        with worker(context["dag"]):
            execute(sensor, context)
    finally:
        del sensor.poke
    return seen[0]


def put(s3: Any, *keys: str) -> None:
    for key in keys:
        s3.put_object(Bucket="sensed-data", Key=key, Body=b"x")


def test_the_dag_waits_for_each_input_that_would_start_it(dags: Any) -> None:
    dag = dags["sensed__both"]
    waits = {"wait_orders", "wait_views", "wait_ships"}
    assert dag.get_task("claim").downstream_task_ids == waits
    for compute in ("compute_1", "compute_2"):
        assert dag.get_task(compute).upstream_task_ids == waits
    assert {dag.get_task(wait).timeout for wait in waits} == {6 * 3600}
    assert {dag.get_task(wait).mode for wait in waits} == {"reschedule"}
    assert type(dag.timetable).__name__ == "CronTriggerTimetable"
    assert not dag.catchup
    # Events start no such node: a checked window of the other is looked at once more.
    assert dags["sensed__checked"].get_task("wait_orders").downstream_task_ids == {"compute"}


def test_any_of_several_completion_objects_is_enough(dags: Any, folder: Path, aws: Any) -> None:
    sensor = dags["sensed__both"].get_task("wait_orders")
    here = context(dags, folder)
    put(aws, "orders/NA/2020-03-17/_SUCCESS", "orders/EU/2020-03-18/_SUCCESS", "orders/NA/2020-03-18/part-0")
    assert not looks(sensor, here)
    put(aws, "orders/NA/2020-03-18/_SUCCESS")
    assert looks(sensor, here)


def test_a_checked_window_has_to_be_whole(dags: Any, folder: Path, aws: Any) -> None:
    sensor = dags["sensed__both"].get_task("wait_views")
    put(aws, "views/18-03-2020/part-0")
    assert not looks(sensor, context(dags, folder))
    put(aws, "views/17-03-2020/part-0")
    assert looks(sensor, context(dags, folder))


def test_partitions_of_a_table_are_asked_for_by_their_keys(dags: Any, folder: Path, aws: Any) -> None:
    glue = boto3.client("glue")
    glue.create_database(DatabaseInput={"Name": "lake"})
    keys = [{"Name": "number", "Type": "int"}, {"Name": "ship_day", "Type": "string"}]
    glue.create_table(DatabaseName="lake", TableInput={"Name": "ships", "PartitionKeys": keys})
    sensor = dags["sensed__both"].get_task("wait_ships")

    def add(*values: str) -> None:
        partition = {"Values": list(values), "StorageDescriptor": {"Location": "s3://sensed-data/ships"}}
        glue.create_partition(DatabaseName="lake", TableName="ships", PartitionInput=partition)

    add("7", "2020-03-18")
    add("8", "2020-03-17")
    assert not looks(sensor, context(dags, folder))
    add("7", "2020-03-17")
    assert looks(sensor, context(dags, folder))
    assert sensor.expression == "number=7 AND ship_day='2020-03-17'"


def test_a_sensor_can_wait_in_the_triggerer(dags: Any, folder: Path, aws: Any) -> None:
    sensor = dags["sensed__both"].get_task("wait_views")
    sensor.deferrable = True
    try:
        with pytest.raises(TaskDeferred) as deferred:
            execute(sensor, context(dags, folder))
        path, arguments = deferred.value.trigger.serialize()
        assert path == "airflow.providers.amazon.aws.triggers.s3.S3KeyTrigger"
        assert arguments["bucket_key"] == [f"s3://sensed-data/views/{day}-03-2020/*" for day in (18, 17)]
        assert arguments["wildcard_match"]
    finally:
        sensor.deferrable = False
    # One of several names is enough, which a trigger cannot be told.
    sensor = dags["sensed__both"].get_task("wait_orders")
    assert not sensor.deferrable


def test_airflow_may_look_for_what_its_sensors_wait_for() -> None:
    def asks(app: Application) -> set[str]:
        graph = app.graph()
        template = build_template(build_plan(graph), graph)
        found = [r for name, r in template["Resources"].items() if name.startswith("Airflow")]
        return {action for action in ("glue:GetPartitions", "s3:GetObject") if action in json.dumps(found)}

    assert asks(application()) == {"glue:GetPartitions", "s3:GetObject"}
    app = Application("plain")
    table = app.marshal_external_data(GlueTable("lake", "ships"), "ships", {"day": {"type": "DATETIME"}})
    app.create_data("n", [table], compute_targets="output = ships")
    assert asks(app) == {"s3:GetObject"}


def test_the_listener_leaves_such_nodes_alone(folder: Path) -> None:
    table = RouteTable.loads((folder / "routes.json").read_text())
    assert [(route.node, route.native) for route in table.routes] == [("both", True), ("checked", False)]
    assert [route.node for route in table.routes if not route.native] == ["checked"]


def test_the_simulator_waits_as_the_sensors_do() -> None:
    app = application()
    sim = Simulator(app, now=FIRE - timedelta(hours=1))
    sim.exists(app["views"]["2020-03-17"])
    sim.exists(app["views"]["2020-03-18"])
    sim.send(app["ships"][7]["2020-03-17"])
    sim.send(app["ships"][7]["2020-03-18"])
    assert sim.advance(timedelta(hours=2)) == []
    (run,) = sim.send(app["orders"]["NA"]["2020-03-18"])
    assert (run.node, run.output) == ("both", {"day": "2020-03-18"})


def test_a_timer_that_airflow_cannot_follow_starts_no_sensor() -> None:
    app = Application("sensed")
    timer = app.add_timer("first", "cron(0 9 1W * ? *)", "day")
    app.create_data("n", [timer, app.s3("s", "s3://sensed-data/{day:%Y-%m-%d}")], trigger="sensor")
    with pytest.raises(SpecError, match="Airflow cannot follow its timer"):
        build_plan(app.graph())


def test_a_window_of_a_table_without_a_location_cannot_be_sensed() -> None:
    app = Application("sensed")
    timer = app.add_timer("daily", "rate(1 day)", "day")
    table = app.marshal_external_data(
        GlueTable("lake", "ships"), "ships", {"day": {"type": "DATETIME", "format": "%Y-%m-%d"}}
    )
    app.create_data("n", [timer, table[:-2].range_check(True)], trigger="sensor")
    with pytest.raises(SpecError, match="ships has no location"):
        build_plan(app.graph())
    app.patch_data("n", inputs=[timer, table])
    assert build_plan(app.graph()).dags[0].waits[0].table == ("lake", "ships")
