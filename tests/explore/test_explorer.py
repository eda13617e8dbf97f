"""The explorer itself, its share of the scenes, and some of the mutants."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from random import Random

import pytest

from .explorer import Choice, Play, Process, Scene, Scheduler, Touch, Touchers, explore, replay
from .mutants import MUTANTS, ROOT, run
from .scenes import all_scenes, explored, summaries


class Counter:
    """Processes that add one to a number, by reading it first and writing it afterwards."""

    def __init__(self, apart: bool, processes: int = 2, safe: bool = False) -> None:
        self.scheduler, self.values, self.ends = Scheduler(), dict.fromkeys(range(processes), 0), set[int]()
        self.apart, self.safe, self.processes = apart, safe, list[Process]()
        for number in range(processes):
            process = Process(lambda number=number: self.add(number if apart else 0))  # type: ignore[misc]
            self.processes.append(process)
            self.scheduler.let(process)

    def add(self, at: int) -> None:
        self.scheduler.step(Touch(frozenset([str(at)]), writes=self.safe))
        seen = self.values[at]
        self.scheduler.learnt(seen)
        if not self.safe:
            self.scheduler.step(Touch(frozenset([str(at)])))
        self.values[at] = seen + 1

    def fail(self, how: str) -> None:
        pass

    def state(self) -> object:
        return sorted(self.values.items())

    def past(self) -> object:
        return None

    def is_now(self, of: str, version: int) -> bool:
        return self.values[int(of)] == version

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


class Swaps(Counter):
    """Processes that add one by comparing: what was read is there still, or they begin anew."""

    sums, tries = True, 9

    def add(self, at: int) -> None:
        if self.sums:
            self.scheduler.summed(lambda: self.swap(at), str, again=True)
        else:
            self.swap(at)

    def swap(self, at: int) -> None:
        for _ in range(self.tries):
            self.scheduler.step(Touch(frozenset([str(at)]), writes=False))
            seen = self.values[at]
            self.scheduler.learnt(seen, {str(at): seen})
            self.scheduler.step(Touch(frozenset([str(at)])), (str(at), seen))
            if self.values[at] == seen:
                self.values[at] = seen + 1
                self.scheduler.learnt("done")
                return
            self.scheduler.refused()


class Whole(Swaps):
    """The same, as one step each that cannot be told from others: what all orders come to."""

    sums = False


class Once(Swaps):
    """The same, tried once."""

    tries = 1


def test_what_begins_anew_when_it_is_refused_is_played_in_fewer_states() -> None:
    found, whole = (explore(lambda of=of: of(apart=False, processes=4), 0) for of in (Swaps, Whole))  # type: ignore[misc]
    assert (found.fault, found.exhausted, whole.fault, whole.exhausted) == (None, True, None, True)
    assert found.states < whole.states / 2
    lost = explore(lambda: Once(apart=False), 0)
    assert lost.fault is not None
    assert lost.fault[1].startswith("an addition is lost")


def test_a_crash_is_one_choice_for_each_of_what_it_leaves() -> None:
    """Before the first call, and after each that changes something."""
    found = explore(lambda: Counter(apart=False, processes=1), 1)
    assert found.fault is not None
    play = Play(Counter(apart=False, processes=1), 1, Touchers())
    assert list(map(str, play.choices())) == ["0", "0x"]
    play.take(Choice(0))
    assert list(map(str, play.choices())) == ["0"], "it has read only"
    play.end()


# --- what the reduction rests on -----------------------------------------------------------------------------------


def reached(make: Callable[[], Scene], crashes: int, path: Sequence[Choice]) -> Play:
    play = Play(make(), crashes, Touchers())
    for choice in path:
        play.choices(all_of_them=True)
        play.take(choice)
    return play


PAIRS = 6


def compare(make: Callable[[], Scene], crashes: int) -> tuple[int, int]:
    """Play histories at random: those that come to one state go on alike, and steps that may change places do.

    Returns how many pairs were compared of each, `PAIRS` where there are so many.
    """
    random, known, alike, places = Random(1), dict[bytes, tuple[Choice, ...]](), 0, 0
    for _ in range(200):
        if min(alike, places) == PAIRS:
            break
        play = Play(make(), crashes, Touchers())
        while choices := play.choices(all_of_them=True):
            path = tuple(play.path)
            other = known.setdefault(play.state(), path)
            if other != path and alike < PAIRS and random.random() < 0.2:
                alike += 1
                go_on_alike(reached(make, crashes, path), reached(make, crashes, other), random)
            one, another = random.choice(choices), random.choice(choices)
            if places < PAIRS and random.random() < 0.2 and play.commute(one, another):
                places += 1
                ends = [reached(make, crashes, (*path, *pair)) for pair in ((one, another), (another, one))]
                assert ends[0].state() == ends[1].state(), (
                    f"{one} and {another} do not change places after {path}"
                )
                for end in ends:
                    end.end()
            going = [choice for choice in choices if not choice.how]
            play.take(random.choice(going if random.random() < 0.9 else choices))
        play.end()
    return alike, places


def go_on_alike(one: Play, other: Play, random: Random) -> None:
    """Go on with two histories by the same choices, to their ends."""
    begun = [",".join(map(str, play.path)) for play in (one, other)]
    while True:
        choices = one.choices(all_of_them=True)
        same = choices == other.choices(all_of_them=True) and one.state() == other.state()
        assert same, f"{begun} were taken for one state, and differ after {one.path}"
        if not choices:
            break
        choice = random.choice(choices)
        one.take(choice)
        other.take(choice)
    one.end()
    other.end()


class Hidden(Counter):
    """Processes that keep what they have read from the explorer."""

    def add(self, at: int) -> None:
        self.scheduler.step(Touch(frozenset(["0"]), writes=False))
        seen = self.values[0]
        self.scheduler.step(Touch(frozenset(["0"])))
        self.values[0] = (self.values[0] + 1) % 2 if seen else 1


class Mistaken(Counter):
    """Processes that say that they touch other things than they do."""

    def add(self, at: int) -> None:
        self.scheduler.step(Touch(frozenset([str(at), str(len(self.processes))])))
        self.values[0] = 2 * self.values[0] + len(self.values)
        self.scheduler.step(Touch(frozenset([f"own {id(self.processes)} {self.scheduler.current}"])))
        self.values[0] = 3 * self.values[0] + self.processes.index(self.scheduler.current)  # type: ignore[arg-type]


def test_what_is_hidden_from_the_explorer_is_found() -> None:
    with pytest.raises(AssertionError, match="were taken for one state"):
        compare(lambda: Hidden(apart=False, processes=3), 0)


def test_steps_that_are_said_to_change_places_and_do_not_are_found() -> None:
    with pytest.raises(AssertionError, match="do not change places"):
        compare(lambda: Mistaken(apart=True, processes=3), 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, _ in all_scenes() if "three inputs" not in name])
def test_histories_of_one_state_go_on_alike(name: str) -> None:
    with summaries():
        alike, places = compare(dict(all_scenes())[name], 2)
    assert min(alike, places) == PAIRS


# Of the join, those that CI plays to their ends, with a crash; `make explore` plays the main ones of all applications.
PART = 300  # states of each other scene
TO_THE_END = (
    "two listeners and a sweep",
    "two listeners and a redeploy",
    "listener, run and sweep; join; memory",
    "publish and a sweep",
    "an owed signal and two sweeps",
    "a run that is killed",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, _ in all_scenes()])
def test_a_scene(name: str) -> None:
    whole = name.startswith(TO_THE_END) and name.endswith(("join; memory", "join; dynamodb"))
    found = explored(name, 1, lambda found: not whole and found.states >= PART)
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
