"""The pump: many executions of a node without a batch are announced in one call, each once."""

from __future__ import annotations

import json
from itertools import chain
from typing import Any

import pytest
from support.airflow import Airflow, Run, no_answer, refusal
from support.events import SWEEP, signal_event

from rheo_runtime import executions
from rheo_runtime.airflow_client import PUMPED, Announcer, Down, dag_id, pumpable
from rheo_runtime.engine import Engine
from rheo_runtime.listener import Listener
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.records import ANNOUNCED, READY
from rheo_runtime.sweep import Patience

from .tables import NUMBER, TEXT, route, signal, table, view

S, LONG, ONE = signal("s", x=NUMBER), signal("long", name=TEXT), signal("one")


class World:
    """A listener of nodes without a batch, and what it has asked of Airflow."""

    def __init__(self, *, assets: bool = True) -> None:
        self.time = 1e9
        self.gathered: list[str] = []
        self.ledger = MemoryLedger()
        routes = [
            route("node", [view(S)], signals=[S]),
            route("of_long", [view(LONG)], signals=[LONG]),
            route("whole", [view(ONE)], signals=[ONE]),
        ]
        self.engine = Engine(table([S, LONG, ONE], *routes), self.ledger, lambda: self.time)
        self.airflow = Airflow("app", "node", "of_long", "whole", assets=assets)
        self.announcer = Announcer(self.airflow, "airflow")
        self.listener = Listener(
            self.engine,
            self.announcer.announce,
            lambda document: None,
            patience=Patience(30, 60, 30, 100),
            log=lambda *_, **__: None,
            pump=self.announcer.pump,
        )

    def send(self, signal: str, *texts: str) -> dict[str, Any]:
        records = []
        for text in texts:
            body = json.dumps(signal_event(signal, *filter(None, [text]), id=f"e{text}"))
            records.append({"messageId": text, "body": body})
        return self.listener.handle({"Records": records}, lambda: 60_000)

    def hand_over(self) -> None:
        records = [{"messageId": str(n), "body": text} for n, text in enumerate(self.gathered)]
        self.gathered.clear()
        assert self.listener.handle({"Records": records}, lambda: 60_000) == {"batchItemFailures": []}

    def sweep(self, after: float = 0) -> None:
        self.time += after
        self.listener.handle(SWEEP, lambda: 60_000)

    def pumps(self) -> list[list[str]]:
        return [run.told[0]["keys"] for run in self.airflow.runs if run.told and "keys" in run.told[0]]

    def events(self) -> list[str]:
        return [run.key for run in self.airflow.runs if "keys" not in run.told[0]]

    def states(self) -> set[str]:
        return {o.active.state for o in self.ledger.outputs() if o.active}


def numbers(count: int) -> list[str]:
    return [str(n) for n in range(count)]


def test_a_few_are_announced_one_by_one_and_the_rest_in_one_call() -> None:
    world = World()
    assert world.send("s", *numbers(10)) == {"batchItemFailures": []}
    assert (world.pumps(), len(world.events())) == ([], 10)
    world = World()
    world.send("s", *numbers(60))
    assert world.events() == numbers(10), "live ones need not wait for a pump"
    assert world.pumps() == [numbers(60)[10:]]
    assert world.states() == {ANNOUNCED}


def test_a_pump_has_so_many_keys_and_no_more() -> None:
    world = World()
    world.send("s", *numbers(10 + 250))
    assert [len(keys) for keys in world.pumps()] == [PUMPED, PUMPED, 250 - 2 * PUMPED]
    assert {run.dag for run in world.airflow.runs if run.told[0].get("keys")} == {"app__rheo__pump"}
    assert dag_id("app", "rheo__pump") != "app__rheo__pump", "a node of that name has another DAG"


def test_what_comes_now_and_then_is_no_storm() -> None:
    world = World()
    for start in range(0, 30, 10):
        world.send("s", *numbers(30)[start : start + 10])
        world.time += 5
    assert world.pumps() == []
    world.send("s", *numbers(60)[30:40])
    world.time += 2  # ten calls of Airflow take their time
    world.send("s", *numbers(60)[40:50])
    assert world.pumps() == [numbers(60)[40:50]]


def test_executions_of_a_storm_wait_for_one_another() -> None:
    """Messages of ten objects each, as a queue brings them: a call for each pump, not one for each."""
    world = World()
    world.listener.gather = world.gathered.append
    for start in range(0, 250, 10):
        world.send("s", *numbers(250)[start : start + 10])
        world.time += 0.1
    assert world.pumps() == [] and world.events() == numbers(10)
    assert len(world.gathered) == 24 and world.states() == {ANNOUNCED}
    world.hand_over()
    assert [len(keys) for keys in world.pumps()] == [PUMPED, PUMPED], "the rest waits for more"
    world.hand_over()
    assert [len(keys) for keys in world.pumps()] == [PUMPED, PUMPED, 240 - 2 * PUMPED], "which do not come"
    assert sorted(chain(*world.pumps()), key=int) == numbers(250)[10:]
    # While it pumps, single events go the same way: many at once of one asset would lock one another out.
    world.time += 2
    world.send("s", "500")
    assert len(world.events()) == 10 and len(world.gathered) == 1
    world.hand_over()
    assert world.pumps()[-1] == ["500"]
    # One alone is no storm: the next has the way of its own.
    world.time += 5
    world.send("s", "501")
    assert world.events()[-1] == "501"


def test_what_cannot_wait_is_pumped_at_once_and_what_is_lost_by_the_sweep() -> None:
    world = World()

    def broken(text: str) -> None:
        raise OSError("no queue")

    world.listener.gather = broken
    world.send("s", *numbers(30))
    assert [len(keys) for keys in world.pumps()] == [20]
    world = World()
    world.listener.gather = lambda text: None  # the message never comes
    world.send("s", *numbers(30))
    assert world.pumps() == []
    world.sweep(61)
    assert sorted(chain(*world.pumps()), key=int) == numbers(30), "nobody has claimed one"


def test_a_message_of_gathered_executions_that_is_none_is_poison() -> None:
    world = World()
    letters: list[str] = []
    world.listener.dead_letters = lambda body, reason: letters.append(reason)
    for detail in ({}, None, {"executions": [{"node": "n"}]}, {"executions": 3}):
        body = json.dumps({"source": "rheo", "detail-type": "rheo.gathered", "detail": detail})
        world.listener.handle({"Records": [{"messageId": "1", "body": body}]}, lambda: 60_000)
    assert len(letters) == 4 and all(reason.startswith("no gathered executions") for reason in letters)


def test_where_there_is_no_pump_all_are_announced_one_by_one() -> None:
    """Airflow 3.0 knows no partition keys; an application that was compiled before has no pump."""
    world = World(assets=False)
    world.send("s", *numbers(30))
    assert world.pumps() == [] and len(world.airflow.runs) == 30
    assert world.states() == {ANNOUNCED}


def test_what_airflow_does_not_take_the_sweep_pumps() -> None:
    world = World()
    world.airflow.down = no_answer()
    answer = world.send("s", *numbers(30))
    assert len(answer["batchItemFailures"]) == 10, "the queue tries those again that were tried one by one"
    assert world.states() == {READY}
    world.airflow.down = None
    world.sweep(31)
    assert [len(keys) for keys in world.pumps()] == [30]
    assert world.states() == {ANNOUNCED}
    world.airflow.runs.clear()
    world.sweep(61)
    assert [len(keys) for keys in world.pumps()] == [30], "a pump that was lost is started again"


def test_a_fault_of_the_pump_leaves_all_to_the_sweep() -> None:
    world = World()

    def down(documents: object) -> bool:
        raise Down("busy")

    world.listener.pump = down
    assert world.send("s", *numbers(30)) == {"batchItemFailures": []}
    assert len(world.events()) == 10 and world.states() == {ANNOUNCED, READY}


def test_what_no_key_finds_again_is_announced_by_itself() -> None:
    world = World()
    texts = [f"{n}{'x' * 300}" for n in range(20)]
    world.send("long", *texts)
    world.send("one", *([""] * 3))
    assert world.pumps() == []
    assert not pumpable({"partition": "x" * 300, "node": "n"})
    assert not pumpable({"partition": "", "node": "n"})
    assert not pumpable({"partition": "a", "node": "n~pending"})
    assert pumpable({"partition": "a/1", "node": "n"})


def test_a_run_that_knows_its_key_alone_claims_what_is_announced_for_it() -> None:
    world = World()
    world.send("s", "1")
    find = lambda run: executions.claimable(world.ledger, "node", "1", run)  # noqa: E731
    assert find("r1") == ["node/1#1"]
    assert executions.claim(world.ledger, "node", "1", "node/1#1", "r1", 1.0) is not None
    assert executions.claim(world.ledger, "node", "1", *find("r2"), "r2", 1.0) is None, "another run has it"
    executions.fail(world.ledger, "node", "1", "node/1#1", "r1", 1.0)
    assert find("r1") == ["node/1#1"], "it was cleared"
    assert find("r2") == []
    assert executions.claimable(world.ledger, "node", "2", "r1") == []


@pytest.mark.parametrize("count", [11, 12])
def test_a_key_that_comes_twice_is_pumped_once(count: int) -> None:
    world = World()
    world.send("s", *numbers(count), *numbers(count))
    assert world.pumps() == [numbers(count)[10:]]


# --- a busy node: what was announced waits for its turn -----------------------------------------------


class Busy(Airflow):
    """An Airflow whose scheduler has made the runs of all events by the time that others come."""

    def joins(self) -> bool:
        return False


def busy(count: int, *, assets: bool = True) -> World:
    world = World(assets=assets)
    world.airflow = Busy("app", "node", "of_long", "whole", assets=assets)
    world.announcer.client = world.airflow
    world.listener.under_way = world.announcer.under_way
    world.listener.pump = None
    if count:
        world.send("s", *numbers(count))
    assert len(world.airflow.runs) == count
    return world


def asked(world: World) -> int:
    return sum(call["Method"] == "GET" and call["Path"].endswith("/dagRuns") for call in world.airflow.calls)


@pytest.mark.parametrize("assets", [True, False])
def test_what_waits_in_airflow_for_hours_is_not_announced_again(assets: bool) -> None:
    world = busy(30, assets=assets)
    for _ in range(10):
        world.sweep(after=3600)
    assert len(world.airflow.runs) == 30
    assert asked(world) == 2 * 10, "two calls tell it, each time"


@pytest.mark.parametrize("assets", [True, False])
def test_of_those_that_wait_what_airflow_has_lost_is_announced_again(assets: bool) -> None:
    world = busy(300, assets=assets)
    lost = [world.airflow.runs.pop(n) for n in (7, 150, 290)]
    world.sweep(after=3600)
    assert sorted(run.key or run.id for run in world.airflow.runs[-3:]) == sorted(r.key or r.id for r in lost)
    for _ in range(10):
        world.sweep(after=3600)
    assert len(world.airflow.runs) == 300


def test_what_waits_for_its_pump_is_not_announced_again() -> None:
    world = busy(0)
    world.listener.pump = world.announcer.pump
    world.send("s", *numbers(10 + 2 * PUMPED))
    first, second = world.pumps()
    world.sweep(after=3600)
    assert (world.pumps(), len(world.events())) == ([first, second], 10)
    world.airflow.runs.append(Run("app__rheo__pump", "manual__1"))  # somebody tries it
    runs = [run for run in world.airflow.runs if run.told and run.told[0].get("keys") == first]
    runs[0].state = "failed"  # before its task
    world.sweep(after=3600)
    assert [sorted(keys) for keys in world.pumps()] == [sorted(first), sorted(second), sorted(first)]


def test_a_run_that_is_over_and_has_claimed_nothing_is_followed_by_another() -> None:
    world = busy(3)
    world.airflow.runs[1].state = "failed"  # before its first task
    world.sweep(after=3600)
    assert world.events() == ["0", "1", "2", "1"]


def test_where_runs_may_not_be_asked_for_they_are_announced_as_before() -> None:
    world = busy(2)
    world.airflow.refuses = lambda call: refusal(403, "Forbidden") if call["Method"] == "GET" else None
    world.sweep(after=3600)
    assert world.events() == ["0", "1", "0", "1"]


def test_an_airflow_that_does_not_answer_is_told_nothing() -> None:
    world = busy(2)
    world.airflow.faults[""] = [no_answer()]
    world.sweep(after=3600)
    assert world.events() == ["0", "1"]
    world.airflow.runs.clear()
    world.sweep(after=60)
    assert sorted(world.events()) == ["0", "1"], "the next sweep asks again"
