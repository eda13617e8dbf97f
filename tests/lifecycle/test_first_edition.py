"""What an application of the first edition has left waiting goes on when this edition is activated after it.

`first_edition.json` is what that edition itself wrote: its route table, and the items of its ledger, for the program below.
Orders of the 20th to the 22nd with ships of the 22nd ran; orders of the 23rd came twice and wait for ships, ships of the
24th for orders; of the 25th, in another region, both came: `daily` ran, `trend` waits for the day before.
"""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest

from codegen.routes import route_table
from rheo_platforms.deployment import ACTIVE
from rheo_platforms.lifecycle.first_edition import take_up
from rheo_platforms.lifecycle.record import RECORD
from rheo_runtime.dynamodb import DynamoLedger, create_table
from rheo_runtime.engine import Engine
from rheo_runtime.program import Program
from rheo_runtime.wire import RouteTable
from rheodsl import Application

from .world import World

LEFT = json.loads(Path(__file__).with_name("first_edition.json").read_text())
BEFORE = Program(RouteTable.loads(LEFT["routes"]))


def declare(app: Application, day: str = "{day:%Y-%m-%d}") -> Application:
    orders = app.s3("orders", f"s3://lake/orders/{{region}}/{day}")
    ships = app.s3("ships", "s3://lake/ships/{ship_day:%d-%m-%Y}")
    links, compute = [orders.day == ships.ship_day], "output = orders"
    app.create_data("daily", inputs=[orders, ships], input_dim_links=links, compute_targets=compute)
    trend = orders["*"][:-2].range_check(True)
    app.create_data("trend", inputs=[trend, ships], input_dim_links=links, compute_targets=compute)
    return app


def fill(client: Any, table: str, later: float = 0.0) -> None:
    """Put it into a ledger; events came ``later`` than they did."""
    for item in LEFT["items"]:
        real = {k: {"B": base64.b64decode(v["B"])} if "B" in v else v for k, v in item.items()}
        real |= {k: {"N": repr(float(v["N"]) + later)} for k, v in item.items() if k.startswith("e:")}
        client.put_item(TableName=table, Item=real)


def engine_of(app: Application, ledger: DynamoLedger) -> Engine:
    ledger.now = lambda: LEFT["now"] + 3600.0
    return Engine(route_table(app.graph()), ledger, ledger.now)


@pytest.fixture
def ledger(world: World) -> DynamoLedger:
    client = world.session.real("dynamodb")
    create_table("rheo-shop", client)
    fill(client, "rheo-shop")
    return DynamoLedger("rheo-shop", client)


def waits(engine: Engine) -> list[str]:
    return sorted(f"{each.node}: {each}" for each in engine.pending())


def come(engine: Engine, signal: str, *texts: str) -> list[str]:
    return [fired["id"] for fired in engine.on_named("shop", signal, texts, f"{signal}/{texts}").fired]


def test_what_waits_meets_what_comes(ledger: DynamoLedger) -> None:
    engine = engine_of(declare(Application("shop")), ledger)
    assert engine.pending() == [], "nothing looks where the first edition has put it"
    assert take_up(BEFORE, engine, ledger) == 16
    assert {o.node + "/" + o.partition for o in ledger.outputs()} == {
        "daily/EU/2025-11-22", "trend/EU/2025-11-22", "daily/NA/2025-11-25"
    }, "what has run does not run again"  # fmt: skip
    assert come(engine, "orders", "NA", "2025-11-24") == ["daily/NA/2025-11-24#1", "trend/NA/2025-11-25#1"]
    assert come(engine, "ships", "23-11-2025") == ["daily/EU/2025-11-23#1", "trend/EU/2025-11-23#1"]
    again = engine.on_named("shop", "ships", ("23-11-2025",), "again").held
    assert [held["id"] for held in again] == ["daily/EU/2025-11-23#2", "trend/EU/2025-11-23#2"], (
        "the order that came twice counts twice"
    )


def test_what_came_between_the_two_is_joined(ledger: DynamoLedger) -> None:
    """The listener is of this edition before what waits is taken up."""
    engine = engine_of(declare(Application("shop")), ledger)
    assert come(engine, "ships", "23-11-2025") == []
    assert take_up(BEFORE, engine, ledger) == 16
    active = {o.node + "/" + o.partition for o in ledger.outputs() if o.active}
    assert {"daily/EU/2025-11-23", "trend/EU/2025-11-23"} <= active
    assert take_up(BEFORE, engine, ledger) == 16, "done again, it changes nothing"
    assert {o.generation for o in ledger.outputs()} == {1}


def test_what_means_something_else_now_is_left(ledger: DynamoLedger) -> None:
    engine = engine_of(declare(Application("shop"), "{day:%Y%m%d}"), ledger)
    assert take_up(BEFORE, engine, ledger) == 6, "ships alone"


def test_activating_takes_it_up(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "rheo")
    declare(world.new()).activate()
    bucket, s3 = world.bucket(), world.session.real("s3")
    # As the first edition has left it: its record knows no digest of a release, its routes and its ledger are its own.
    record = json.dumps({**world.record(), "digest": "", "runtime": ""})
    s3.put_object(Bucket=bucket, Key=RECORD, Body=record)
    s3.put_object(Bucket=bucket, Key=f"{ACTIVE}routes.json", Body=LEFT["routes"])
    fill(world.session.real("dynamodb"), "rheo-shop", time.time() - LEFT["now"])
    declare(world.new()).activate()
    assert "16 arrivals that wait are taken up" in caplog.messages
    caplog.clear()
    declare(world.new(), "{day:%Y%m%d}").activate()
    assert not [line for line in caplog.messages if "taken up" in line], "once"
