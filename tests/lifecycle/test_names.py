"""Applications whose names make the same names of resources: the second is refused, at every step."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from codegen.targets.glue import job_name
from rheo_platforms.lifecycle.errors import NameTakenError
from rheo_runtime.airflow_client import MAX_DAG_ID, dag_id
from rheodsl import Application
from rheodsl.errors import RheoError, StateError
from rheodsl.lifecycle import ApplicationState as S

from .world import World

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse")

STEPS: dict[str, Callable[[Any], Any]] = {
    "activate": lambda app: app.activate(),
    "plan": lambda app: app.plan(),
    "state": lambda app: app.state,
    "attach": lambda app: app.attach(),
    "pause": lambda app: app.pause(),
    "resume": lambda app: app.resume(),
    "terminate": lambda app: app.terminate(),
    "delete": lambda app: app.delete(),
    "save_dev_state": lambda app: app.save_dev_state(),
    "load_dev_state": lambda app: app.load_dev_state(),
}


def made(world: World, name: str) -> Application:
    app = world.new(name)
    orders = app.s3("orders", "s3://shop-orders/orders/{day:%Y-%m-%d}")
    app.create_data("payroll", inputs=[orders], compute_targets="output = orders")
    return app


@pytest.mark.parametrize("other", ["My-App", "my-app", "my.app"])
def test_the_second_is_refused_and_the_first_keeps_its_data(world: World, other: str) -> None:
    made(world, "my_app").activate()
    bucket = world.bucket("my-app")
    world.s3.put_object(Bucket=bucket, Key="internal_data/payroll/2026-11-28/part-0", Body=b"precious")
    second = made(world, other)
    for name, step in STEPS.items():
        with pytest.raises(NameTakenError, match="belongs to the application my_app, not to") as raised:
            step(second)
        assert "choose a name that differs" in str(raised.value), name
    assert made(world, "my_app").state is S.ACTIVE
    assert "internal_data/payroll/2026-11-28/part-0" in world.objects(bucket)
    with pytest.raises(StateError, match="belongs to the application my_app"):
        world.platform().deployment(other).routes  # noqa: B018 - reading it raises


def test_the_name_is_taken_until_its_data_is_deleted(world: World) -> None:
    first, second = made(world, "my_app"), made(world, "my-app")
    first.activate()
    first.terminate()
    with pytest.raises(NameTakenError):
        second.activate()
    first.delete()
    second.activate()
    assert second.state is S.ACTIVE


def test_the_tag_tells_where_an_older_version_wrote_no_name(world: World) -> None:
    made(world, "my_app").activate()
    record = world.record("my-app")
    del record["app"]
    world.s3.put_object(
        Bucket=world.bucket("my-app"), Key="rheo-state/record.json", Body=json.dumps(record).encode()
    )
    assert made(world, "my_app").state is S.ACTIVE
    with pytest.raises(NameTakenError):
        made(world, "My_App").activate()


@pytest.mark.parametrize("name", ["rheo_runtime", "rheo_airflow", "Rheo_Airflow"])
def test_names_of_our_own_folders_are_refused(name: str) -> None:
    with pytest.raises(RheoError, match="Rheo's own files in Airflow's folder have it"):
        Application(name)


NAMES = ("a", "b", "a__b", "b__c", "c", "a_", "_b", "a__", "a-b", "b-c", "a.b", "x" * 39, "x" * 40)


def test_no_two_nodes_have_one_dag_or_job() -> None:
    nodes = [*NAMES, "a__pending", "a~pending", "b~pending", "x" * 60]
    pairs = [(app, node) for app in NAMES for node in nodes]
    dags = [dag_id(app, node) for app, node in pairs]
    assert len(set(dags)) == len(pairs)
    assert max(map(len, dags)) <= MAX_DAG_ID
    places = [(app, node, suffix) for app, node in pairs for suffix in ("", "_2") if "~" not in node]
    assert len({job_name(*place) for place in places}) == len(places)
