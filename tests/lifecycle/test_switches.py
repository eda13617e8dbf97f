"""DAGs that are paused in Airflow: by whom, and who lets them go on."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from support.airflow import refusal

from rheo_platforms.lifecycle.errors import DeployError
from rheo_platforms.lifecycle.switches import DagSwitches, PausedBy
from rheo_runtime.airflow_client import RateLimiter
from rheodsl.lifecycle import ApplicationState as S

from .test_activate import schedules
from .world import World

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse")

DAILY, HOURLY = "shop__daily", "shop__hourly"


def timed(world: World) -> Any:
    app = world.app()
    app.add_timer("often", "rate(1 hour)", time_dimension_id="hour")
    app.create_data("hourly", inputs=[app["often"]], compute_targets="output = spark.range(1)")
    return app


def switches(world: World) -> DagSwitches:
    return DagSwitches(world.platform().deployment("shop"))


def test_dags_that_airflow_paused_when_they_were_new_go_on(world: World) -> None:
    world.mwaa.paused = {DAILY: True, HOURLY: False, "shop2__daily": True}
    timed(world).activate()
    assert world.mwaa.paused == {DAILY: False, HOURLY: False, "shop2__daily": True}


def test_a_dag_that_a_person_paused_stays_paused(world: World, caplog: pytest.LogCaptureFixture) -> None:
    app = timed(world)
    app.activate()  # Airflow has not seen the files yet: they say that their DAGs are not paused
    schedules(world)
    world.mwaa.paused = {DAILY: True, HOURLY: False}
    assert switches(world).paused([DAILY, HOURLY]) == {DAILY: PausedBy.PERSON}
    caplog.set_level(logging.INFO, "rheo")
    app.activate()
    assert "shop__daily is PAUSED by a person, and stays so: unpause it in Airflow" in caplog.text
    app.pause()
    assert world.mwaa.paused == {DAILY: True, HOURLY: True}
    assert switches(world).paused([DAILY, HOURLY]) == {DAILY: PausedBy.PERSON, HOURLY: PausedBy.RHEO}
    app.resume()
    assert world.mwaa.paused == {DAILY: True, HOURLY: False}
    world.mwaa.paused[DAILY] = False
    app.activate()
    assert switches(world).paused([DAILY, HOURLY]) == {}


def test_a_clock_that_a_person_paused_before_is_not_resumed(world: World) -> None:
    app = timed(world)
    app.activate()
    schedules(world)
    world.mwaa.paused = {DAILY: False, HOURLY: True}
    app.pause()
    app.pause()
    assert switches(world).paused([DAILY, HOURLY]) == {HOURLY: PausedBy.PERSON}
    app.resume()
    assert world.mwaa.paused == {DAILY: False, HOURLY: True}


def test_pausing_says_which_clocks_airflow_has_not_seen(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    app = timed(world)
    app.activate()
    schedules(world)
    caplog.set_level(logging.INFO, "rheo")
    app.pause()
    assert "Airflow has not seen shop__hourly yet, and will not find it paused" in caplog.text


def test_an_application_that_ended_paused_goes_on_when_it_is_activated_again(world: World) -> None:
    app = timed(world)
    app.activate()
    schedules(world)
    world.mwaa.paused = {DAILY: False, HOURLY: False}
    app.terminate(wait_for_active_routes=True)
    assert world.mwaa.paused == {DAILY: False, HOURLY: True}, "Airflow keeps the switch of a DAG that is gone"
    app.activate()
    assert world.mwaa.paused == {DAILY: False, HOURLY: False}


def test_more_dags_than_one_answer_holds_are_all_switched(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(
        "rheo_platforms.lifecycle.switches.RateLimiter", lambda: RateLimiter(sleep=waits.append)
    )
    nodes = [f"n{number:03}" for number in range(120)]
    world.mwaa.paused = {f"shop__{node}": True for node in nodes}
    world.app("shop", *nodes).activate()
    assert set(world.mwaa.paused.values()) == {False}
    assert max(waits) > 5, "no more a second than Airflow takes"


@pytest.mark.parametrize("call", ["pause", "resume"])
def test_what_failed_half_way_says_so_and_can_be_repeated(world: World, call: str) -> None:
    app = timed(world)
    app.activate()
    schedules(world)
    world.mwaa.paused = {DAILY: False, HOURLY: False}
    if call == "resume":
        app.pause()
    world.mwaa.down = refusal(503, "no healthy upstream")
    with pytest.raises(DeployError, match="Airflow does not say which DAGs are paused"):
        getattr(app, call)()
    assert app.state is (S.PAUSING if call == "pause" else S.RESUMING)
    world.mwaa.down = None
    getattr(app, call)()
    assert app.state is (S.PAUSED if call == "pause" else S.ACTIVE)
    assert world.mwaa.paused == {DAILY: False, HOURLY: call == "pause"}
    app.activate()
    assert app.state is S.ACTIVE
