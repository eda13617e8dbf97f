"""Activations -> numbered releases; and back to one of them, from wherever the process dies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rheo_platforms import airflow_files
from rheo_platforms.lifecycle import record
from rheo_platforms.lifecycle.errors import LockedError
from rheodsl.errors import RheoError, StateError
from rheodsl.lifecycle import ApplicationState as S
from tests.lifecycle.world import DAGS, Crash, World

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse")


def runs(world: World, name: str = "shop") -> dict[str, Any]:
    """All that is brought out: files in both buckets, the listener, and the version that DAGs import."""
    active = {key: etag for key, etag in world.objects(world.bucket(name)).items() if key.startswith("rheo/")}
    dags = world.objects(DAGS, f"dags/{name}/")
    runtime = json.loads(world.text(DAGS, f"dags/{name}/runtime.json"))["runtimes"][0]
    del dags[f"dags/{name}/runtime.json"]
    listens = world.session.real("cloudformation").describe_stacks(StackName=f"rheo-{name}")["Stacks"][0]
    code = next(p["ParameterValue"] for p in listens["Parameters"] if p["ParameterKey"] == "CodeKey")
    return {"active": active, "dags": dags, "runtime": runtime, "code": code}


def whole(world: World) -> None:
    """Every DAG file's version of Rheo is there, whole."""
    there = world.objects(DAGS)
    for key in there:
        if key.endswith("/runtime.json"):
            runtime = json.loads(world.text(DAGS, key))["runtimes"][0]
            assert f"dags/_rheo/{runtime}/rheo.json" in there


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Another version of Rheo's code, from the moment that this is called."""
    found = airflow_files.sources()

    def install() -> None:
        changed = {**found, "rheo_runtime/engine.py": found["rheo_runtime/engine.py"] + "\n# newer\n"}
        monkeypatch.setattr(airflow_files, "sources", lambda: changed)

    return install


def test_each_activation_that_changes_something_is_a_release(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_SHA", "0123abcd")
    world.app().activate()
    world.app().activate()
    world.app("shop", "more").activate()
    first, second = world.app().releases()
    assert (first.number, second.number) == (1, 2)
    assert (first.what, first.commit) == ("activate", "0123abcd")
    assert "+ daily" in first.plan
    assert list(second.plan) == ["+ more"]
    assert "123456789012" in second.by
    assert world.record()["release"] == 2


@pytest.mark.slow
def test_a_release_is_brought_out_as_it_was_with_the_runtime_that_it_had(world: World, newer: Any) -> None:
    world.app().activate()
    before = runs(world)
    newer()
    world.app("shop", "more").activate()
    after = runs(world)
    assert after["runtime"] != before["runtime"]
    world.app("shop", "more").rollback()
    assert runs(world) == before
    whole(world)
    assert [r.what for r in world.app().releases()] == ["activate", "activate", "roll back to 1"]
    world.app().rollback()
    assert runs(world) == after
    world.app().rollback(1)
    assert runs(world) == before
    with pytest.raises(RheoError, match="shop has no release 9"):
        world.app().rollback(9)
    world.app().terminate()
    assert world.objects(DAGS) == {}
    with pytest.raises(StateError, match="there is nothing to roll back"):
        world.app().rollback()


@pytest.mark.slow
def test_two_applications_stand_on_two_versions(world: World, newer: Any) -> None:
    world.app("one").activate()
    newer()
    world.app("two").activate()
    whole(world)
    one, two = runs(world, "one")["runtime"], runs(world, "two")["runtime"]
    assert one != two
    assert one in world.text(DAGS, "dags/one/daily.py")
    assert two in world.text(DAGS, "dags/two/daily.py")
    assert "# newer" in world.text(DAGS, f"dags/_rheo/{two}/rheo_runtime/engine.py")
    assert "# newer" not in world.text(DAGS, f"dags/_rheo/{one}/rheo_runtime/engine.py")
    world.app("one").activate()
    assert f"dags/_rheo/{one}/rheo.json" in world.objects(DAGS), "runs may be under way on it"
    world.app("one", "more").activate()
    world.app("one").terminate()
    assert f"dags/_rheo/{one}/rheo.json" not in world.objects(DAGS)
    whole(world)


@pytest.mark.slow
def test_what_the_version_before_has_activated_is_taken_up(world: World) -> None:
    """Its record names no release, and its DAG files import from the folder of DAGs itself."""
    world.app().activate()
    known = world.record()
    old = {key: known[key] for key in ("version", "state", "by", "at", "manifest", "app")}
    bucket = world.bucket()
    world.s3.put_object(Bucket=bucket, Key="rheo-state/record.json", Body=json.dumps(old).encode())
    for key in world.objects(bucket, "rheo-state/releases/"):
        world.s3.delete_object(Bucket=bucket, Key=key)
    for key in world.objects(DAGS):
        if key.startswith("dags/_rheo/") or key.endswith("runtime.json"):
            world.s3.delete_object(Bucket=DAGS, Key=key)
    world.s3.put_object(Bucket=DAGS, Key="dags/rheo_runtime/engine.py", Body=b"old")
    world.s3.put_object(Bucket=bucket, Key="internal_data/daily/2020-01-01/part", Body=b"data")
    assert world.app().state is S.ACTIVE
    world.app().activate()
    whole(world)
    assert "dags/rheo_runtime/engine.py" not in world.objects(DAGS), "nothing imports it any more"
    assert "internal_data/daily/2020-01-01/part" in world.objects(bucket)
    assert [r.number for r in world.app().releases()] == [1]


@pytest.mark.slow
def test_rolling_back_may_die_at_any_call(world: World, newer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "SECONDS", -1.0)  # locks of dead processes have expired
    world.app("shop", "old").activate()
    before = runs(world)
    newer()
    world.app("shop", "new").activate()
    after = runs(world)
    died, new = 0, 2
    while True:
        number = world.record()["release"]
        world.calls.reset(died)
        try:
            world.app().rollback()
        except Crash:
            died += 1
        else:
            break
        world.calls.reset()
        whole(world)
        world.app().rollback()
        assert runs(world) == before, "not taken back, at whichever call it died"
        assert world.app().state is S.ACTIVE
        assert world.record()["release"] == number + 1, "what was begun is finished, not begun anew"
        world.app().rollback(new)
        assert runs(world) == after
    assert died > 10


@pytest.mark.slow
def test_what_was_begun_is_left_for_what_was_active(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "SECONDS", -1.0)
    world.app("shop", "first").activate()
    world.app("shop", "second").activate()
    before = runs(world)
    world.calls.reset(5)
    with pytest.raises(Crash):
        world.app("shop", "third").activate()
    world.calls.reset()
    assert world.app().state is S.ACTIVATING
    world.app().rollback()
    assert runs(world) == before
    assert [r.what for r in world.app().releases()][2:] == ["activate", "roll back to 2"]


@pytest.mark.slow
def test_a_rollback_is_finished_also_without_the_lock_that_it_left(world: World) -> None:
    world.app("shop", "first").activate()
    before = runs(world)
    world.app("shop", "second").activate()
    world.calls.reset(4)
    with pytest.raises(Crash):
        world.app().rollback()
    world.calls.reset()
    assert world.app().state is S.ACTIVATING
    with pytest.raises(LockedError, match="is at it: roll back to 1"):
        world.app().rollback()
    world.s3.delete_object(Bucket=world.bucket(), Key=record.LOCK)
    world.app().rollback()
    assert runs(world) == before
    assert len(world.app().releases()) == 3
