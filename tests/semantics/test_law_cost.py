"""Law (d) of section 5: what an event costs does not grow with nodes, nor with bindings of other keys."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from rheo_runtime.engine import Engine
from rheo_runtime.memory import MemoryLedger
from rheodsl import Application
from rheodsl.testing import Simulator

from .helpers import daily, numbered, regional, s3_event


class Counting:
    """A ledger that counts its calls, and the records that they return."""

    def __init__(self) -> None:
        self.ledger = MemoryLedger()
        self.cost = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.ledger, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            result = method(*args, **kwargs)
            self.cost += 1 + (len(result) if isinstance(result, list | tuple) else 0)
            return result

        return counted


class Meter:
    """An engine over an application, and what its events cost."""

    def __init__(self, app: Application) -> None:
        self.ledger = Counting()
        self.engine = Engine(Simulator(app).table, ledger=self.ledger)  # type: ignore[arg-type]
        self.engine.instant = True
        self.sent = 0

    def send(self, *path: object) -> tuple[int, int]:
        """Send the completion of ``lake/path``; return how many executions fired, and the cost."""
        self.sent += 1
        before = self.ledger.cost
        key = "/".join(map(str, path))
        outcome = self.engine.on_event(s3_event("lake", f"{key}/_SUCCESS", etag=str(self.sent)))
        return len(outcome.fired), self.ledger.cost - before


def days(count: int) -> list[str]:
    return [(date(2021, 1, 1) + timedelta(days=n)).isoformat() for n in range(count)]


DAY = "2020-06-15"


def join(app: Application) -> None:
    app.create_data("joined", inputs=[daily(app, "a"), daily(app, "b")])


def windowed(app: Application) -> None:
    app.create_data("joined", inputs=[daily(app, "a")[:-3].range_check(True), daily(app, "b")])


def mapped(app: Application) -> None:
    a, b = daily(app, "a"), app.s3("b", "s3://lake/b/{text}")
    app.create_data("joined", inputs=[a, b], input_dim_links=[a.day.fmt("%Y-%m-%d") == b.text])


@pytest.mark.parametrize("declare", [join, windowed, mapped])
@pytest.mark.parametrize("retrigger", ["all", "any"])
def test_pending_bindings_of_other_keys_cost_nothing(declare: Any, retrigger: str) -> None:
    def cost(pending: int) -> list[tuple[int, int]]:
        app = Application("shop")
        declare(app)
        app.patch_data("joined", retrigger=retrigger)
        meter = Meter(app)
        for day in days(pending):
            meter.send("a", day)
        story = [("a", "2020-06-14"), ("a", "2020-06-13"), ("a", DAY), ("b", DAY), ("b", DAY), ("a", DAY)]
        return [meter.send(*path) for path in story]

    few, many = cost(1), cost(400)
    assert sum(fired for fired, _ in few) >= 2
    assert many == few


def test_other_nodes_cost_nothing() -> None:
    def cost(nodes: int) -> list[tuple[int, int]]:
        app = Application("shop")
        join(app)
        orders = regional(app)
        for n in range(nodes):
            other = numbered(app, f"other{n}")
            app.create_data(f"node{n}", inputs=[orders[n + 1], daily(app, f"days{n}")])
            app.create_data(f"more{n}", inputs=[other, orders[n + 1].ref["2020-06-15"]])
        meter = Meter(app)
        for n in range(nodes):
            meter.send("orders", n + 1, "2020-06-14")
        story = [
            ("a", DAY),
            ("b", DAY),
            ("orders", 1, DAY),
            ("days0", DAY),
            ("orders", 10**6, DAY),
            ("nothing", DAY),
        ]
        return [meter.send(*path) for path in story]

    few, many = cost(1), cost(150)
    assert [fired for fired, _ in few] == [0, 1, 0, 1, 0, 0]
    assert many == few


def test_a_redelivered_event_costs_no_more_with_more_pending() -> None:
    def cost(pending: int) -> int:
        app = Application("shop")
        join(app)
        meter = Meter(app)
        for day in days(pending):
            meter.send("b", day)
        event = s3_event("lake", f"a/{DAY}/_SUCCESS")
        meter.engine.on_event(event)
        before = meter.ledger.cost
        assert not meter.engine.on_event(event).fired
        return meter.ledger.cost - before

    assert cost(400) == cost(1)
