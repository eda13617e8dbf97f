"""An activation whose process dies anywhere: nothing runs that must not, and doing it again finishes it.

It dies before each call that changes something: to die after one is to die before the next.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from platforms.lifecycle import lock
from rheodsl.lifecycle import ApplicationState as S

from .world import DAGS, Crash, World

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Tried to parse")]


def final(world: World, name: str) -> dict[str, Any]:
    """All that an activation brings out, but who did it and when."""
    bucket = world.bucket(name)
    active = {key: etag for key, etag in world.objects(bucket).items() if key.startswith("rheo/")}
    dags = {key: etag for key, etag in world.objects(DAGS).items() if key.startswith(f"dags/{name}/")}
    routes = [route["node"] for route in world.listener(name)["routes"]]
    return {"active": active, "dags": dags, "routes": routes, "state": world.record(name)["state"]}


def check_halfway(world: World, name: str, old: str) -> None:
    """At no moment does Airflow have a DAG whose script, support or route table is not there."""
    dags = world.objects(DAGS)
    if "dags/shop/new.py" not in dags:
        return
    assert "rheo/glue/new.py" in world.objects(world.bucket(name))
    assert "new" in [route["node"] for route in world.listener(name)["routes"]]
    assert "dags/rheo_runtime/rheo.json" in dags
    nodes = [r["node"] for r in json.loads(world.text(DAGS, f"dags/{name}/routes.json"))["routes"]]
    assert "new" in nodes


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks of dead processes have expired."""
    monkeypatch.setattr(lock, "SECONDS", -1.0)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("first", [True, False], ids=["first", "change"])
def test_it_may_die_at_any_call(world: World, first: bool) -> None:
    world.app("other").activate()  # the run time is there
    if not first:
        world.app("shop", "old").activate()
    expected: dict[str, Any] | None = None
    died = 0
    while True:
        world.calls.reset(died)
        try:
            world.app("shop", "new").activate()
        except Crash:
            died += 1
        else:
            break
        world.calls.reset()
        if world.bucket() in world.buckets() and "rheo-state/record.json" in world.objects(world.bucket()):
            assert world.app().state in (S.ACTIVATING, S.ACTIVE)
        check_halfway(world, "shop", "old")
        world.app("shop", "new").activate()
        found = final(world, "shop")
        expected = expected or found
        assert found == expected
        assert world.app("shop", "new").plan().empty
        if first:
            world.app().terminate()
            world.app().delete()
        else:
            world.app("shop", "old").activate()
    assert died > 15, world.calls.changes
    assert expected is not None and expected["routes"] == ["daily", "new"]
    assert expected["state"] == "ACTIVE"


@pytest.mark.usefixtures("impatient")
def test_terminating_may_die_at_any_call(world: World) -> None:
    died = 0
    while True:
        world.app().activate()
        world.calls.reset(died)
        try:
            world.app().terminate()
        except Crash:
            died += 1
        else:
            break
        world.calls.reset()
        assert world.app().state in (S.ACTIVE, S.TERMINATING, S.TERMINATED)
        world.app().terminate()
        assert world.app().state is S.TERMINATED
        assert world.objects(DAGS) == {}
    assert died > 4
