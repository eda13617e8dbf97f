"""What a program declares, and what is active: `execute` activates the one over the other, or says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rheo_platforms.lifecycle.activation import Lifecycle
from rheo_platforms.lifecycle.errors import InactiveError
from rheo_platforms.lifecycle.record import Record
from rheodsl.lifecycle import ApplicationState as S

from .world import DAGS, World

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse")


def life(world: World) -> Lifecycle:
    return world.platform().lifecycle("shop")


def nodes(world: World) -> list[str]:
    return [node.id for node in life(world).active_graph().nodes]


def test_what_is_not_active_is_activated_and_shown(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    life(world).follow(world.app().graph(), activate=True)
    assert nodes(world) == ["daily"]
    said = capsys.readouterr().err
    assert said.startswith("nothing of shop is active: it is activated first\n")
    assert "files of DAGs are written\n" in said and said.endswith("shop is active\n")


def test_changed_code_is_activated_first(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.app().activate()
    app = world.app()
    app.patch_data("daily", compute_targets="output = ships")
    life(world).follow(app.graph(), activate=True)
    said = capsys.readouterr().err
    assert said.startswith(
        "this program declares something else than what is active of shop: it is activated first\n"
    )
    assert "output = ships" in world.text(world.bucket(), "rheo/glue/daily.py")
    world.calls.reset()
    life(world).follow(app.graph(), activate=True)
    assert world.calls.changes == [] and capsys.readouterr().err == ""


def test_what_is_active_runs_and_that_is_said(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.app().activate()
    world.calls.reset()
    life(world).follow(world.app("shop", "more").graph(), activate=False)
    assert capsys.readouterr().err == (
        "this program declares something else than what is active of shop, which is what runs: "
        "activate() takes it over\n"
    )
    assert world.calls.changes == [] and nodes(world) == ["daily"]


def test_a_line_that_moves_is_no_change(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.app().activate()
    app = world.new()

    def moved() -> Any:
        orders = app.s3("orders", "s3://shop-orders/orders/{day:%Y-%m-%d}")
        ships = app.s3("ships", "s3://shop-orders/ships/{day:%Y-%m-%d}")
        return app.create_data("daily", inputs=[orders, ships], compute_targets="output = orders")

    moved()
    world.calls.reset()
    life(world).follow(app.graph(), activate=True)
    assert world.calls.changes == [] and capsys.readouterr().err == ""


def test_one_at_a_time_stays_so(world: World) -> None:
    world.app().activate(allow_concurrent_executions=False)
    world.calls.reset()
    life(world).follow(world.app().graph(), activate=True)
    assert world.calls.changes == []
    life(world).follow(world.app("shop", "more").graph(), activate=True)
    assert "max_active_runs=1" in world.text(DAGS, "dags/shop/more.py")


def test_what_is_paused_is_not_woken(world: World) -> None:
    app = world.app()
    app.activate()
    life(world)._records.write(replace(life(world).record(), state=S.PAUSED))
    life(world).follow(world.app().graph(), activate=True)
    assert app.state is S.PAUSED
    with pytest.raises(
        InactiveError, match="something else than what is active of shop, and shop is PAUSED"
    ) as raised:
        life(world).follow(world.app("shop", "more").graph(), activate=True)
    assert raised.value.hint == "resume it first, or run what is active: activate=False"


def test_an_activation_that_was_interrupted_is_finished(world: World) -> None:
    app = world.app()
    app.activate()
    life(world)._records.write(Record(S.ACTIVATING))
    life(world).follow(app.graph(), activate=True)
    assert app.state is S.ACTIVE
