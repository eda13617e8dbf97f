"""Executions whose runs came to an end without a word, and calls of Airflow at a pace."""

from __future__ import annotations

from typing import Any

import pytest
from support.airflow import Airflow, fault
from support.events import SWEEP

from rheo_runtime import executions
from rheo_runtime.airflow_client import LONGEST, Announcer, Closed, Down, RateLimiter
from rheo_runtime.engine import Engine
from rheo_runtime.listener import Listener
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.records import ANNOUNCED, CLAIMED, FAILED, Document, Stored
from rheo_runtime.sweep import CHECKS, Patience, claimed_for, reconcile
from rheo_runtime.waiting import in_turn

from .tables import NUMBER, route, signal, table, view

A = signal("a", x=NUMBER)
ROUTES = table([A], route("node", [view(A)], signals=[A]))


class Bench:
    """A listener; the states of runs are given, and what it does is written down."""

    def __init__(self, number: int = 1) -> None:
        self.time = 1e9
        self.ledger = MemoryLedger()
        self.states: dict[str, str | None] = {}
        self.asked: list[str] = []
        self.announced: list[str] = []
        self.lines: list[tuple[str, dict[str, Any]]] = []
        self.remaining = 60_000.0
        self.listener = Listener(
            Engine(ROUTES, self.ledger, lambda: self.time),
            lambda document: self.announced.append(document["id"]),
            lambda document: None,
            patience=Patience(30, 180, 60, 600),
            log=lambda what, /, **fields: self.lines.append((what, fields)),
            ask=self.ask,
        )
        for n in range(number):
            self.listener.engine.on_named("app", "a", (str(n),), f"e{n}")
            self.claim(n, f"run{n}")

    def claim(self, n: int, run: str, generation: int = 1) -> Document | None:
        return executions.claim(self.ledger, "node", str(n), f"node/{n}#{generation}", run, self.time)

    def ended(self, n: int) -> str:
        """Somebody sees that nothing of the run before writes any more; return which run that was."""
        output, _ = self.ledger.output("node", str(n), None)
        assert output is not None and output.writer is not None
        executions.writes_no_more(self.ledger, "node", str(n), output.writer)
        return output.writer.run_id

    def ask(self, app: str, node: str, run: str) -> str | None:
        self.asked.append(run)
        return self.states.get(run, "running")

    def sweep(self) -> None:
        self.listener.handle(SWEEP, lambda: self.remaining)

    def state(self, n: int = 0) -> tuple[str, str]:
        output, _ = self.ledger.output("node", str(n), None)
        assert output is not None
        execution = output.active or output.ended[0]
        return execution.state, execution.note


def test_a_run_is_asked_about_only_after_a_while() -> None:
    bench = Bench()
    bench.sweep()
    assert bench.asked == []
    bench.time += 601
    bench.sweep()
    assert (bench.asked, bench.state()) == (["run0"], (CLAIMED, ""))


@pytest.mark.parametrize(
    ("run", "state", "note"),
    [
        ("failed", FAILED, "its run failed"),
        ("success", FAILED, "its run was marked a success without having published"),
    ],
)
def test_a_run_that_is_over_ends_its_execution(run: str, state: str, note: str) -> None:
    bench = Bench()
    bench.states["run0"] = run
    bench.time += 601
    bench.sweep()
    assert bench.state() == (state, note)
    assert bench.announced == []
    assert [w for w, _ in bench.lines] == ["reconciled"]
    bench.sweep()
    assert len(bench.asked) == 1


def test_a_run_that_is_gone_leaves_its_execution_to_another() -> None:
    bench = Bench()
    bench.states["run0"] = None
    bench.time += 601
    bench.sweep()
    assert bench.announced == ["node/0#1"]
    assert bench.state()[0] == ANNOUNCED
    with pytest.raises(executions.StillWriting, match="node/0#1, of run run0, may still be writing"):
        bench.claim(0, "another")
    assert bench.ended(0) == "run0"
    assert bench.claim(0, "another") is not None
    assert bench.claim(0, "run0") is None, "the old one has lost it"


def test_what_was_held_behind_a_dead_run_starts() -> None:
    bench = Bench()
    bench.listener.engine.on_named("app", "a", ("0",), "more")
    bench.states["run0"] = "failed"
    bench.time += 601
    bench.sweep()
    assert bench.announced == ["node/0#2"]
    with pytest.raises(executions.StillWriting):
        bench.claim(0, "another", 2)
    assert bench.ended(0) == "run0"
    assert bench.claim(0, "another", 2) is not None


def test_a_run_started_by_hand_and_deleted_does_not_come_again() -> None:
    ledger = MemoryLedger()
    source = Stored({"id": "node/7#1", "app": "app", "node": "node", "partition": "7"})
    executions.adopt(ledger, "node", "7", source, "by hand", 0.0)
    output, _ = ledger.output("node", "7", None)
    assert output is not None
    finding = reconcile(ledger, lambda *_: None, output, 1e9)
    assert finding is not None and (finding.became, finding.ready) == (FAILED, None)


def test_a_run_that_publishes_while_it_is_asked_about_keeps_its_success() -> None:
    bench = Bench()
    output, _ = bench.ledger.output("node", "0", None)
    assert output is not None

    def ask(*_: str) -> str:
        executions.succeed(bench.ledger, "node", "0", "node/0#1", "run0", bench.time)
        return "success"

    finding = reconcile(bench.ledger, ask, output, bench.time)
    assert finding is not None and finding.became == CLAIMED
    assert bench.state()[0] == "SUCCEEDED"


def test_one_sweep_asks_about_some_runs_and_a_few_about_all() -> None:
    bench = Bench(3 * CHECKS)
    bench.time += 601
    for sweeps in (1, 2, 3):
        bench.sweep()
        assert len(bench.asked) == sweeps * CHECKS
        bench.time += 60
    assert len(set(bench.asked)) == 3 * CHECKS


def test_a_sweep_stops_asking_an_airflow_that_is_down_and_when_time_is_up() -> None:
    bench = Bench(3)
    bench.time += 601

    def down(*_: str) -> None:
        bench.asked.append("")
        raise Down("503")

    bench.listener.ask = down
    bench.sweep()
    assert len(bench.asked) == 1
    bench.remaining = 1_000
    bench.sweep()
    assert len(bench.asked) == 1


def test_turns_leave_nobody_out() -> None:
    items = list(range(7))
    assert {x for turn in range(4) for x in in_turn(items, 2, turn)} == set(items)
    assert len({in_turn(items, 7, 60 * minute)[0] for minute in range(7)}) == 7
    assert all(set(in_turn(items, 7, turn)) == set(items) for turn in range(7))
    assert in_turn([], 5, 3) == [] == claimed_for([], 1, 1)


class Time:
    """A clock that sleeping moves on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_calls_keep_to_their_pace() -> None:
    time = Time()
    rate_limiter = RateLimiter(5.0, time, time.sleep)
    for _ in range(55):
        rate_limiter.enter()
    assert time.now == pytest.approx(10.0), "five at once, the others five a second"


def test_after_faults_nothing_is_called_for_longer_and_longer() -> None:
    time = Time()
    rate_limiter = RateLimiter(5.0, time, time.sleep)
    pauses = []
    for _ in range(7):
        rate_limiter.went_wrong()
        start = time.now
        while True:
            try:
                rate_limiter.enter()
                break
            except Closed:
                time.now += 0.5
        pauses.append(time.now - start)
    assert pauses == [1, 2, 4, 8, 16, LONGEST, LONGEST]
    rate_limiter.went_well()
    rate_limiter.went_wrong()
    time.now += 1
    rate_limiter.enter()


DOCUMENT = {"version": 1, "app": "app", "node": "node", "id": "node/0#1", "partition": "0", "generation": 1}


def test_a_throttled_call_is_made_again_at_once_and_then_left() -> None:
    time, airflow = Time(), Airflow("app", "node")
    announcer = Announcer(airflow, "env", RateLimiter(5.0, time, time.sleep))
    airflow.faults[""] = [fault("ThrottlingException", 429)] * 2
    announcer.announce(DOCUMENT)
    assert len(airflow.runs) == 1 and time.now == pytest.approx(1.5)
    airflow.faults[""] = [fault("ThrottlingException", 429)] * 9
    with pytest.raises(Down, match="Throttling"):
        announcer.announce(DOCUMENT)
    assert len(airflow.faults[""]) == 6
    with pytest.raises(Down, match="nothing is asked"):
        announcer.announce(DOCUMENT)
    assert len(airflow.faults[""]) == 6, "not even called"


def test_a_run_that_died_before_it_claimed_is_followed_by_another() -> None:
    airflow = Airflow("app", "node", assets=False)
    announcer = Announcer(airflow, "env")
    announcer.announce(DOCUMENT)
    announcer.announce(DOCUMENT)
    assert [run.id for run in airflow.runs] == ["rheo~0~1"], "it may still claim"
    for number in (1, 2):
        airflow.runs[-1].state = "failed"
        announcer.announce(DOCUMENT)
        announcer.announce(DOCUMENT)
        assert airflow.runs[-1].id == f"rheo~0~1~r{number}"
        assert len(airflow.runs) == 1 + number


def test_a_run_is_found_behind_many_that_are_named_alike() -> None:
    airflow = Airflow("app", "node", assets=False)
    announcer = Announcer(airflow, "env")
    for generation in range(10, 350):
        announcer.announce({**DOCUMENT, "generation": generation})
    assert announcer.state("app", "node", "rheo~0~349") == "queued"
    airflow.calls.clear()
    assert announcer.state("app", "node", "rheo~0~1") is None
    assert len(airflow.calls) == 2, "110 ids contain it, and a page has a hundred"
