"""Arrivals that were written with the output which they fired are found by a node that is declared otherwise."""

from __future__ import annotations

import time
from typing import Any

import pytest
from support.events import s3_event

from codegen.routes import route_table
from rheo_runtime.dynamodb import DynamoLedger
from rheo_runtime.engine import Engine
from rheo_runtime.events import parse
from rheodsl import Application

from .world import World

THIRD, ANY, SAME = "third", "any", "same"


def declare(app: Application, what: str) -> Application:
    orders, ships, news = (
        app.s3(name, f"s3://lake/{name}/{{day:%Y-%m-%d}}") for name in ("orders", "ships", "news")
    )
    inputs = [orders, ships, *([news] if what == THIRD else [])]
    options = {"retrigger": "any"} if what == ANY else {}
    app.create_data("daily", inputs=inputs, compute_targets="output = orders", **options)  # type: ignore[arg-type]
    app.create_data(
        "other", inputs=[news], compute_targets="output = news", retrigger="any" if what == SAME else "all"
    )
    return app


@pytest.mark.parametrize(("what", "fires"), [(THIRD, ["news"]), (ANY, ["orders"]), (SAME, [])])
def test_another_declaration_finds_them(world: World, what: str, fires: list[str]) -> None:
    declare(world.new(), "").activate()
    client: Any = world.session.real("dynamodb")

    def engine(of: str) -> Engine:
        ledger = DynamoLedger("rheo-shop", client)
        return Engine(route_table(declare(Application("shop"), of).graph()), ledger, time.time)

    def come(engine: Engine, *names: str) -> list[str]:
        raw = [s3_event("lake", f"{n}/2024-01-01/_SUCCESS", etag=f"{n}{time.time()}") for n in names]
        events = [one for each in raw for one in parse(each)]
        engine.together(events if len(events) > 1 else ())  # type: ignore[arg-type]
        fired = [d for e in events for d in engine.on_event(e).fired]  # type: ignore[arg-type]
        for document in fired:
            engine.complete(document, True)
        return [document["id"] for document in fired if document["node"] == "daily"]

    assert come(engine(""), "orders", "ships") == ["daily/2024-01-01#1"]

    def counted() -> int:
        found = client.scan(TableName="rheo-shop")["Items"]
        return sum(int(item["n"]["N"]) for item in found if item["pk"]["S"].startswith("A|daily|"))

    assert counted() == 0
    for _ in range(2):
        declare(world.new(), what).activate()
        assert counted() == (0 if what == SAME else 2)
    now = engine(what)
    waits = [missing.alias for waiting in now.pending("daily") for missing in waiting.missing]
    assert waits == (["news"] if what == THIRD else [])
    assert come(now, "news") == (["daily/2024-01-01#2"] if "news" in fires else [])
    assert come(now, "orders") == (["daily/2024-01-01#2"] if "orders" in fires else [])
