"""The explorer itself, its share of the scenes, and some of the mutants."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import pytest

from .explorer import Process, Scheduler, Touch, explore, replay
from .mutants import MUTANTS, ROOT, run
from .scenes import all_scenes


class Counter:
    """Processes that add one to a number, by reading it first and writing it afterwards."""

    def __init__(self, apart: bool, processes: int = 2, safe: bool = False) -> None:
        self.scheduler, self.values, self.ends = Scheduler(), dict.fromkeys(range(processes), 0), set[int]()
        self.apart, self.safe, self.processes = apart, safe, list[Process]()
        for number in range(processes):
            process = Process(lambda number=number: self.add(number if apart else 0))  # type: ignore[misc]
            self.processes.append(process)
            self.scheduler.current = process
            process.go(crash=False)
        self.scheduler.current = None

    def add(self, at: int) -> None:
        self.scheduler.step(Touch(frozenset([str(at)]), writes=self.safe))
        seen = self.values[at]
        self.scheduler.learnt(seen)
        if not self.safe:
            self.scheduler.step(Touch(frozenset([str(at)])))
        self.values[at] = seen + 1

    def lose_answers(self, losing: bool) -> None:
        pass

    def state(self) -> object:
        return sorted(self.values.items())

    def check(self) -> None:
        done = len(self.processes) if self.apart else 1
        wanted = [1] * done if self.apart else [len(self.processes)]
        assert list(self.values.values())[:done] == wanted, "an addition is lost"


def test_a_lost_update_is_found_and_can_be_played_again() -> None:
    found = explore(lambda: Counter(apart=False), 0)
    assert found.fault is not None
    history, why = found.fault
    assert why.startswith("an addition is lost")
    assert (replay(lambda: Counter(apart=False), 0, history) or "").startswith("an addition is lost")
    assert replay(lambda: Counter(apart=False), 0, "0,0,1,1") is None


def test_what_cannot_be_divided_is_safe_in_every_order() -> None:
    found = explore(lambda: Counter(apart=False, safe=True, processes=4), 0)
    assert (found.fault, found.exhausted) == (None, True)


def test_of_what_is_apart_one_order_is_enough() -> None:
    found = explore(lambda: Counter(apart=True, processes=4), 0)
    assert (found.fault, found.histories) == (None, 1)
    assert found.states == 9, "eight steps of four processes, in one order"


def test_a_crash_is_tried_at_every_step() -> None:
    found = explore(lambda: Counter(apart=True, processes=1), 1)
    assert found.fault is not None, "a process that dies adds nothing"
    assert found.fault[0].endswith("x")


class Ends(Counter):
    """Processes that note the order in which they come to their ends."""

    seen: set[tuple[int, ...]]

    def add(self, at: int) -> None:
        super().add(at)
        self.scheduler.learnt(at)

    def check(self) -> None:
        self.seen.add(tuple(self.values.values()))


def test_reduction_leaves_no_result_out() -> None:
    """All results of three lost updates, by brute force over all orders of six steps."""
    found: set[tuple[int, ...]] = set()

    def make() -> Ends:
        scene = Ends(apart=False, processes=3)
        scene.seen = found
        return scene

    assert explore(make, 0).exhausted
    brute = set()
    for order in set(permutations([0, 0, 1, 1, 2, 2])):
        value, seen = 0, dict[int, int]()
        for process in order:
            if process in seen:
                value = seen[process] + 1
            else:
                seen[process] = value
        brute.add(value)
    assert {values[0] for values in found} == brute == {1, 2, 3}


# Of the join, those that CI plays to their ends, with a crash; `make explore` plays the main ones of all applications.
PART = 2000  # states of each other scene
TO_THE_END = (
    "two listeners and a sweep",
    "two listeners and a redeploy",
    "an owed signal and two sweeps",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, _ in all_scenes()])
def test_a_scene(name: str) -> None:
    whole = name.startswith(TO_THE_END) and name.endswith(("join; memory", "join; dynamodb"))
    found = explore(dict(all_scenes())[name], 1, lambda found: not whole and found.states >= PART)
    assert found.fault is None, f"python -m explore --crashes 1 --only {name!r} --replay {found.fault}"
    assert found.exhausted or (not whole and found.states >= PART and found.histories)


def test_the_text_of_each_mutant_stands_once() -> None:
    def wrong() -> Iterator[str]:
        for mutant in MUTANTS:
            text = (ROOT / "rheo_runtime" / f"{mutant.module}.py").read_text("utf-8")
            if text.count(mutant.old) != 1:
                yield f"{mutant.name}: {text.count(mutant.old)} times"

    assert list(wrong()) == []
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 20


@pytest.mark.slow
@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.quick], ids=lambda mutant: mutant.name)
def test_a_mutant_is_found(mutant: object) -> None:
    found, said = run(mutant, 60)  # type: ignore[arg-type]
    assert found, said
