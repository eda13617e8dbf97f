"""Exactly once, whatever crashes: every firing of the contract becomes one execution, each runs once or
is merged into a later one of the same output, none is stuck."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from semantics import naive
from support.events import signal_event
from support.examples import examples

from rheo_runtime import wire
from rheo_runtime.dynamodb import DynamoLedger, create_table
from rheo_runtime.executions import HISTORY
from rheo_runtime.ledger import Ledger
from rheo_runtime.records import FAILED, SKIPPED, SUCCEEDED

from .conftest import TABLE
from .tables import NUMBER, Ref, route, signal, table, view
from .test_laws import SIGNALS, Story, expected, stories
from .world import World

seeds = st.integers(0, 10**6)


def message(event: naive.Event) -> str:
    return json.dumps(signal_event(event.signal, *map(str, event.partition), id=event.id))


def check(world: World, firings: Counter[str]) -> None:
    """Compare what the ledger holds at the end with the firings that the contract asks for."""
    outputs = world.outputs()
    generations = Counter(
        {"/".join(filter(None, place)): output.generation for place, output in outputs.items()}
    )
    assert generations == firings
    for output in outputs.values():
        assert output.active is None and output.held is None, "stuck"
        states = {e.generation: e.state for e in output.ended}
        assert len(states) == min(output.generation, HISTORY)
        assert set(states.values()) <= {SUCCEEDED, SKIPPED}
        assert states[output.generation] == SUCCEEDED, "the latest inputs win"
    assert all(len(runs) == 1 for runs in world.run_of.values()), "one run for each execution"


@examples(150)
@given(stories, seeds)
def test_crashes_races_and_losses(story: Story, seed: int) -> None:
    case, trace = story
    world = World(table(SIGNALS, case.route))
    world.queue = [message(event) for event in trace]
    world.trouble(seed, rounds=12)
    world.peace()
    check(world, expected(case, trace))


def pair(name: str, a: wire.Signal, b: wire.Signal, **options: Any) -> wire.Route:
    links = [(Ref(a.id, "x"), Ref(b.id, "x"))]
    return route(name, [view(a), view(b)], links, signals=[a, b], **options)


A, B = signal("a", x=NUMBER), signal("b", x=NUMBER)
FIRST = signal("first", x=NUMBER)
CHAIN = table([A, B, FIRST], pair("first", A, B), pair("second", FIRST, B))


@examples(100)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 1)), max_size=12), seeds)
def test_a_chain_of_nodes(sent: list[tuple[str, int]], seed: int) -> None:
    """Each success of the first node is one event of the second, also when its signal was lost or doubled."""
    world = World(CHAIN)
    events = [naive.Event(name, (n,), f"e{i}") for i, (name, n) in enumerate(sent)]
    world.queue = [message(event) for event in events]
    world.trouble(seed, rounds=20)
    world.peace()
    outputs = world.outputs()
    firings: Counter[str] = Counter()
    for n in (0, 1):
        a, b = (sum(e.signal == name and e.partition == (n,) for e in events) for name in "ab")
        firings[f"first/{n}"] = min(a, b)
        first = outputs.get(("first", str(n)))
        succeeded = sum(e.state == SUCCEEDED for e in first.ended) if first else 0
        firings[f"second/{n}"] = min(succeeded, b)
    check(world, +firings)


MANY = table([SIGNALS[0]], route("node", [view(SIGNALS[0])], signals=SIGNALS, output={"x": Ref("s", "x")}))


@examples(100)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2)), min_size=4, max_size=10), seeds)
def test_many_bindings_of_one_output(sent: list[tuple[int, int]], seed: int) -> None:
    """Every event fires its own binding, and they all want the same two outputs."""
    world = World(MANY)
    world.queue = [message(naive.Event("s", pair, f"e{i}")) for i, pair in enumerate(sent)]
    world.trouble(seed, rounds=15, workers=4)
    world.peace()
    check(world, Counter(f"node/{x}" for x, _ in sent))


WINDOW = table([B], route("node", [view(B, x=(0, -3), mode="range_check")], signals=[B]))


@examples(100)
@given(st.permutations(range(5)), seeds)
def test_windows_that_fill_in_a_race(order: list[int], seed: int) -> None:
    """The watch of a waiting binding and the event that it waits for meet: one sees the other."""
    world = World(WINDOW)
    world.queue = [message(naive.Event("b", (n,), f"e{n}")) for n in order]
    world.trouble(seed, rounds=8, workers=4)
    world.peace()
    check(world, Counter({f"node/{n}": 1 for n in (2, 3, 4)}))


BATCHED = table([A, B], pair("node", A, B, batch=3))


def race_of_pairs(world: World, sent: list[tuple[str, int]], seed: int) -> None:
    """Send events of a and b in trouble; each pair of one partition is one firing."""
    events = [naive.Event(name, (n,), f"e{i}") for i, (name, n) in enumerate(sent)]
    world.queue = [message(event) for event in events]
    world.trouble(seed, rounds=20, workers=4)
    world.peace()
    counts = {n: [sum(e.signal == s and e.partition == (n,) for e in events) for s in "ab"] for n in range(6)}
    check(world, +Counter({f"node/{n}": min(each) for n, each in counts.items()}))


@examples(150)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5)), min_size=4, max_size=24), seeds)
def test_batches_in_a_race(sent: list[tuple[str, int]], seed: int) -> None:
    """Listeners, sweeps and runs of several executions meet and die; each execution is made once, by one run."""
    world = World(BATCHED)
    race_of_pairs(world, sent, seed)


@examples(100)
@given(st.permutations(range(6)), st.integers(0, 5), seeds)
def test_one_poisoned_in_a_batch_fails_alone_until_it_is_cleared(
    order: list[int], poisoned: int, seed: int
) -> None:
    world = World(BATCHED)
    world.airflow.fails = lambda document: document["partition"] == str(poisoned)
    world.queue = [message(naive.Event(s, (n,), f"{s}{n}")) for n in order for s in "ab"]
    world.trouble(seed, rounds=15, workers=4)
    world.peace()

    def states() -> dict[str, list[str]]:
        return {place[1]: [e.state for e in output.ended] for place, output in world.outputs().items()}

    good = {str(n): [SUCCEEDED] for n in range(6)}
    assert states() == {**good, str(poisoned): [FAILED]}
    (of,) = [e.run_id for e in world.outputs()["node", str(poisoned)].ended]
    (run,) = [run for run in world.airflow.runs if run.id == of]
    assert run.state == "failed"
    world.airflow.fails = lambda _: False
    world.by_hand(run, "clear")
    world.run_of.clear()
    world.peace()
    assert states() == good
    assert list(world.run_of) == [f"node/{poisoned}#1"], "clearing computes only what had failed"


@examples(100)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5)), min_size=4, max_size=24), seeds)
def test_pumps_in_a_race(sent: list[tuple[str, int]], seed: int) -> None:
    """All is announced by pumps: listeners, pumps and runs meet and die, and each execution is made once."""
    world = World(table([A, B], pair("node", A, B)))
    world.few = 0
    race_of_pairs(world, sent, seed)


class CrashAt:
    """A step function that ends the process at its n-th call, once."""

    def __init__(self, n: int) -> None:
        self.left = n

    def __call__(self, what: object = None) -> None:
        self.left -= 1
        if self.left == -1:
            raise RuntimeError("the process ends here")


def test_a_crash_at_every_call() -> None:
    """One pair of events, the process ending at the n-th step, for every n until there is no such step."""
    events = [naive.Event(name, (1,), f"e{name}") for name in "ab"]
    for n in range(1000):
        world = World(table([A, B], pair("node", A, B)))
        world.queue = [message(event) for event in events]
        crash = CrashAt(n)
        world.stepper.step = crash  # type: ignore[method-assign]
        while world.queue or world.airflow.ready():
            try:
                for body in list(world.queue):
                    world.deliver(body)
                for run in world.airflow.ready():
                    world.carry_out(run)
                world.time += 100
                world.sweep()
            except RuntimeError:
                continue  # started again
        unused, crash.left = crash.left, 10**6
        world.peace()
        check(world, Counter({"node/1": 1}))
        assert world.run_of.keys() == {"node/1#1"}
        if unused >= 0:
            assert n > 20, "there were steps to crash at"
            return
    raise AssertionError("it never ran through")


def test_the_same_world_on_dynamodb(dynamodb: Any) -> None:
    """A few seeds only, since each costs hundreds of requests."""
    clock: list[World] = []

    def make() -> Ledger:
        return DynamoLedger(TABLE, dynamodb, lambda: clock[0].time if clock else 1e9)

    for seed in range(6):
        dynamodb.delete_table(TableName=TABLE)
        create_table(TABLE, dynamodb)
        clock.clear()
        world = World(table([A, B], pair("node", A, B)), make)
        clock.append(world)
        events = [naive.Event(name, (n % 2,), f"e{n}{name}") for n in range(4) for name in "ab"]
        world.queue = [message(event) for event in events + events[:2]]
        world.trouble(seed, rounds=10)
        world.peace()
        check(world, Counter({"node/0": 2, "node/1": 2}))
