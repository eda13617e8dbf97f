"""An activation whose process dies anywhere: nothing runs that must not, and doing it again finishes it.

It dies before each call that changes something: to die after one is to die before the next.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rheo_platforms.lifecycle import record
from rheo_platforms.lifecycle.errors import DeployError
from rheodsl.lifecycle import ApplicationState as S

from .test_activate import schedules, trigger
from .test_switches import DAILY, HOURLY, timed
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
    runtime = json.loads(world.text(DAGS, "dags/shop/runtime.json"))["runtimes"][0]
    assert f"dags/_rheo/{runtime}/rheo.json" in dags
    assert runtime in world.text(DAGS, "dags/shop/new.py")
    nodes = [r["node"] for r in json.loads(world.text(DAGS, f"dags/{name}/routes.json"))["routes"]]
    assert "new" in nodes


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks of dead processes have expired."""
    monkeypatch.setattr(record, "SECONDS", -1.0)


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


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("call", "meanwhile", "then"), [("pause", S.PAUSING, S.PAUSED), ("resume", S.RESUMING, S.ACTIVE)]
)
def test_pausing_and_resuming_may_die_at_any_call(world: World, call: str, meanwhile: S, then: S) -> None:
    timed(world).activate()
    schedules(world)
    world.mwaa.paused = {DAILY: False, HOURLY: False}
    before = S.ACTIVE if call == "pause" else S.PAUSED
    died = 0
    while True:
        if call == "resume":
            timed(world).pause()
        world.calls.reset(died)
        try:
            getattr(timed(world), call)()
        except Crash:
            died += 1
        else:
            break
        world.calls.reset()
        assert timed(world).state in (before, meanwhile, then)
        getattr(timed(world), call)()
        assert timed(world).state is then
        assert world.mwaa.paused == {DAILY: False, HOURLY: call == "pause"}
        assert trigger(world) == ("Disabled" if call == "pause" else "Enabled")
        if call == "pause":
            timed(world).resume()
    assert died > 4, world.calls.changes


class Slow:
    """The client of Lambda, whose triggers take some looks until they are turned, and cannot be turned meanwhile."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.looks = 0

    def get_event_source_mapping(self, UUID: str) -> Any:
        self.looks -= 1
        state = self.states.setdefault(UUID, "Disabling")
        if self.looks <= 0:
            self.states[UUID] = {"Disabling": "Disabled", "Enabling": "Enabled"}.get(state, state)
        return {"State": self.states[UUID]}

    def update_event_source_mapping(self, UUID: str, Enabled: bool) -> Any:
        if self.states[UUID].endswith("ing"):
            message = "Cannot update the event source mapping because it is in use."
            response: Any = {"Error": {"Code": "ResourceInUseException", "Message": message}}
            raise ClientError(response, "UpdateEventSourceMapping")
        self.states[UUID], self.looks = ("Enabling" if Enabled else "Disabling"), 3


def test_triggers_that_are_being_turned_are_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt that died after it had turned a trigger leaves a minute in which AWS refuses a second one."""
    timed(world).activate()
    schedules(world)
    place = world.platform().place("shop")
    place.sleep = lambda _: None
    slow = Slow()
    real = world.session.client
    monkeypatch.setattr(
        world.session, "client", lambda name, **of: slow if name == "lambda" else real(name, **of)
    )
    slow.looks = 4
    place.pause()
    assert list(slow.states.values()) == ["Disabled", "Disabled"]
    place.resume()
    assert list(slow.states.values()) == ["Enabled", "Enabled"]


def test_what_aws_refuses_says_how_to_go_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    app = timed(world)
    app.activate()
    schedules(world)
    response: Any = {"Error": {"Code": "AccessDeniedException", "Message": "no"}}
    fault = ClientError(response, "UpdateSchedule")

    def refuse(**_: Any) -> None:
        raise fault

    life = app.platform.lifecycle("shop")  # type: ignore[union-attr]
    with monkeypatch.context() as patch:
        patch.setattr(life.place, "pause", refuse)
        with pytest.raises(
            DeployError, match=r"AWS did not pause shop, which is PAUSING now: .*AccessDenied"
        ) as raised:
            app.pause()
    assert raised.value.hint == "do it again: it goes on where it was"
    assert app.state is S.PAUSING
    app.pause()
    assert app.state is S.PAUSED
