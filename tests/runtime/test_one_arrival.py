"""With three inputs an arrival is found in several ways, and is one: no crash makes it count twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks._dynamodb import DynamoDB
from rheo_runtime.dynamodb import DynamoLedger, create_table
from rheo_runtime.engine import Engine
from rheo_runtime.ledger import Ledger
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.wire import RouteTable

from .tables import DAY, TEXT, Ref, route, signal, table, view

X, Y, Z = signal("x", region=TEXT, day=DAY), signal("y", region=TEXT), signal("z", day=DAY)
LINKS = [
    (Ref("x", "region"), Ref("y", "region")),
    (Ref("x", "day"), Ref("z", "day")),
]
PARTITIONS = {"x": ("EU", "2026-11-28"), "y": ("EU",), "z": ("2026-11-28",)}


def routes(retrigger: str) -> RouteTable:
    return table(
        [X, Y, Z], route("n", [view(X), view(Y), view(Z)], LINKS, signals=[X, Y, Z], retrigger=retrigger)
    )


class Crash(Exception):
    """The process dies."""


class Crashing:
    """A client that dies before its n-th write (0: never)."""

    def __init__(self, inner: Any, at: int) -> None:
        self.inner, self.left, self.exceptions = inner, at, inner.exceptions

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.inner, name)
        if name not in ("update_item", "put_item"):
            return call

        def counted(**arguments: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                raise Crash
            return call(**arguments)

        return counted


class World:
    """Listeners over one ledger; every delivery is one process."""

    def __init__(self, retrigger: str, ledger: Ledger | None = None) -> None:
        self.table, self.ledger, self.time = routes(retrigger), ledger, 1e9
        self.client = DynamoDB()
        create_table("t", self.client)
        self.ran: list[str] = []

    def deliver(self, event: tuple[str, int], crash: int = 0) -> bool:
        """Take an event; False when the process died, and the event comes again."""
        client: Any = Crashing(self.client, crash)
        engine = Engine(
            self.table, self.ledger or DynamoLedger("t", client, lambda: self.time), lambda: self.time
        )
        engine.instant = True
        self.time += 1
        try:
            engine.on_named("app", event[0], PARTITIONS[event[0]], f"{event[0]}{event[1]}")
        except Crash:
            return False
        return True

    def outputs(self) -> list[tuple[str, int]]:
        ledger = self.ledger or DynamoLedger("t", self.client, lambda: self.time)
        return sorted((output.partition, output.generation) for output in ledger.outputs("n"))


events = st.tuples(st.sampled_from("xyz"), st.integers(1, 3))


@pytest.mark.parametrize("retrigger", ["all", "any"])
@settings(max_examples=40, deadline=None)
@given(
    schedule=st.lists(st.tuples(events, st.integers(0, 4)), min_size=4, max_size=12), redelivered=st.randoms()
)
def test_no_schedule_gives_a_run_that_no_event_justifies(
    retrigger: str, schedule: list[tuple[tuple[str, int], int]], redelivered: Any
) -> None:
    law, world = World(retrigger, MemoryLedger()), World(retrigger)
    for event in dict.fromkeys(event for event, _ in schedule):
        law.deliver(event)
    queue = list(schedule)
    while queue:  # a message that was not done comes again, sooner or later
        event, crash = queue.pop(0)
        world.time += 360
        if not world.deliver(event, crash):
            queue.insert(redelivered.randint(0, len(queue)), (event, 0))
    assert world.outputs() == law.outputs()


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_crash_between_the_indexes_makes_no_second_arrival(at: int) -> None:
    world = World("all")
    world.deliver(("x", 1), at)
    world.time += 360
    for event in (("x", 1), ("y", 2), ("z", 3), ("z", 4), ("y", 5)):
        world.deliver(event)
    assert world.outputs() == [("EU/2026-11-28", 1)], "x has come once"


def test_a_record_that_is_gone_is_found_nowhere() -> None:
    """Time to live ends the record, and what stands for it a moment later: it does not count in between."""
    world = World("all")
    world.deliver(("x", 1))
    items = list(world.client.tables["t"].values())
    (record,) = [item for item in items if item["pk"]["S"].startswith("A|n|x") and "at" not in item]
    world.client.delete_item(TableName="t", Key={"pk": record["pk"], "sk": record["sk"]})
    for event in (("y", 1), ("z", 1)):
        world.deliver(event)
    assert world.outputs() == []
    for event in (("x", 2), ("z", 2), ("y", 2)):
        world.deliver(event)
    assert world.outputs() == [("EU/2026-11-28", 1)], "x has come once since"
