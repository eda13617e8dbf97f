"""Arrivals that fire at once are written with their firing: it is one write, and all is as if each were counted by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.events import signal_event
from support.examples import examples

from benchmarks._dynamodb import DynamoDB
from rheo_platforms.operations.audit import audit
from rheo_runtime import wire
from rheo_runtime.dynamodb import DynamoLedger, create_table
from rheo_runtime.engine import Engine, Outcome
from rheo_runtime.events import parse
from rheo_runtime.explain import explained
from rheo_runtime.ledger import Ledger
from rheo_runtime.memory import MemoryLedger

from .tables import NUMBER, Ref, route, signal, table, view

A, B, C = (signal(name, x=NUMBER) for name in "abc")
TTL = 30 * 86400


def joined(*of: wire.Signal, node: str = "node", **options: Any) -> wire.Route:
    links = [(Ref(of[0].id, "x"), Ref(other.id, "x")) for other in of[1:]]
    return route(node, [view(one) for one in of], links, signals=of, **options)


TWO, THREE = joined(A, B), joined(A, B, C)
ANY = joined(B, C, node="any", retrigger="any")
Sent = tuple[str, int, str]  # signal, partition, id


class One:
    """An application on one ledger, and how it takes events."""

    def __init__(self, *routes: wire.Route, memory: bool = False) -> None:
        self.time, self.client = 1e9, DynamoDB()
        create_table("t", self.client)  # type: ignore[arg-type]
        self.memory = MemoryLedger() if memory else None
        self.told: list[str] = []
        self.use(*routes)

    def ledger(self) -> Ledger:
        """That of a process which begins."""
        return self.memory or DynamoLedger("t", self.client, lambda: self.time)  # type: ignore[arg-type]

    def use(self, *routes: wire.Route) -> None:
        self.table = table([A, B, C], *routes)
        self.engine = self.begun()

    def begun(self) -> Engine:
        return Engine(self.table, self.ledger(), lambda: self.time)

    def take(self, *sent: Sent, again: bool = False, ends: bool = True) -> list[Outcome]:
        """Take events that come at once; what they fire succeeds, unless it goes on."""
        events = [one for name, x, id in sent for one in parse(signal_event(name, str(x), id=id))]
        self.engine.together(events if len(events) > 1 else ())  # type: ignore[arg-type]
        found = []
        for event in events:
            found.append(self.engine.on_event(event, tells=True, again=again))  # type: ignore[arg-type]
            assert not found[-1].faults
        self.engine.together(())
        for outcome in found:
            self.told += [document["id"] for document in (*outcome.fired, *outcome.overdue)]
            left = outcome.fired if ends else []
            while left:
                left += self.engine.complete(left.pop(), True)
        return found

    def made(self) -> dict[str, int]:
        return {f"{o.node}/{o.partition}": o.generation for o in self.ledger().outputs()}

    def writes(self, act: Callable[[], object]) -> tuple[float, float]:
        """What it is billed for, besides what ends executions: writes and reads."""
        before = dict(self.client.units)
        act()
        return tuple(self.client.units[kind] - before.get(kind, 0) for kind in ("write", "read"))  # type: ignore[return-value]

    def says(self) -> object:
        """What people are shown of it."""
        engine = self.begun()
        accounts = [
            (account.waiting, account.forgotten, [(ran.id, ran.state) for ran in account.ran])
            for node in engine.program.makers
            for x in (0, 1, 2)
            for account in [explained(engine, node, (str(x),))]
        ]
        records = [
            sorted(
                (record.partition, record.n, sorted(record.times()))
                for record in engine.ledger.arrivals(index)
            )
            for node in engine.program.nodes.values()
            for index in node.join.arrival_indexes
        ]
        return [str(waiting) for waiting in engine.pending()], accounts, records


PAIR: tuple[Sent, ...] = (("a", 1, "a1"), ("b", 1, "b1"))


def test_arrivals_that_fire_at_once_are_one_write() -> None:
    one = One(TWO)
    assert one.writes(lambda: one.take(*PAIR, ends=False)) == (1, 0)
    assert {pk[0] for pk, _ in one.client.tables["t"]} == {"O"}
    (output,) = one.ledger().outputs()
    assert output.active is not None and output.active.events == ("a1", "b1")
    assert max(one.client.largest.values()) < 1024
    three = One(THREE)
    assert three.writes(lambda: three.take(*PAIR, ("c", 1, "c1"), ends=False)) == (1, 0)


def test_what_is_alone_or_more_is_counted_by_itself() -> None:
    for batch in (PAIR[:1], (*PAIR, ("a", 1, "a2")), (("a", 1, "a1"), ("b", 2, "b1"))):
        one = One(TWO)
        one.take(*batch)
        assert {pk[0] for pk, _ in one.client.tables["t"]} >= {"A"}
    one = One(TWO)
    one.take(*PAIR, PAIR[0], PAIR[1])
    assert {pk[0] for pk, _ in one.client.tables["t"]} == {"O"}, "the same one twice is one"
    assert one.made() == {"node/1": 1}


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("sent", [PAIR, PAIR[::-1], PAIR[:1], PAIR[1:], (*PAIR, ("a", 2, "other"))])
def test_what_comes_again_fires_nothing_and_airflow_is_told(sent: Sequence[Sent], again: bool) -> None:
    one = One(TWO)
    one.take(*PAIR, ends=False)
    one.use(TWO)
    found = one.take(*sent, again=again)
    assert not any(outcome.fired for outcome in found)
    assert not again or any(outcome.overdue for outcome in found)
    assert one.made() == {"node/1": 1}
    for event in (*PAIR, ("a", 1, "a2"), ("b", 1, "b1"), ("a", 1, "a1")):
        one.take(event)
    assert one.made() == {"node/1": 1}
    one.take(("b", 1, "b2"))
    for event in (*PAIR, ("a", 1, "a2"), ("b", 1, "b2")):
        one.take(event)
    assert one.made() == {"node/1": 2}


def test_a_batch_that_is_delivered_again_after_it_fired_half_way_tells_airflow_once() -> None:
    one = One(TWO)
    found = one.take(*PAIR, again=True, ends=False)
    assert [len(outcome.fired) + len(outcome.overdue) for outcome in found] == [1, 0]


def test_a_second_firing_counts_what_came_with_the_first() -> None:
    one = One(TWO)
    one.take(*PAIR)
    one.take(("a", 1, "a2"), ("b", 1, "b2"))
    assert one.made() == {"node/1": 2}
    (output,) = one.ledger().outputs()
    assert output.came is None
    assert output.ended[0].events == ("a2", "b2")
    for event in (*PAIR, ("a", 1, "a2"), ("b", 1, "b2"), ("a", 1, "a3")):
        one.take(event)
    assert one.made() == {"node/1": 2}
    one.take(("b", 1, "b3"))
    assert one.made() == {"node/1": 3}


def test_what_waits_is_not_taken_for_what_came_with_a_firing() -> None:
    """One of them was counted before, by itself, or the other one's partner was."""
    one = One(TWO)
    one.take(("a", 1, "a1"))
    one.take(*PAIR)
    one.take(("b", 1, "b2"))
    assert one.made() == {"node/1": 1}
    one.take(("a", 1, "a2"))
    assert one.made() == {"node/1": 2}
    other = One(TWO)
    other.take(("a", 1, "a0"))
    other.take(*PAIR)
    assert other.made() == {"node/1": 1}
    other.take(("b", 1, "b2"))
    assert other.made() == {"node/1": 2}


class Dies(Exception):
    """The process ends here."""


class Dying:
    """A client that dies before, or after, its n-th call."""

    def __init__(self, inner: Any, at: int, after: bool) -> None:
        self.inner, self.left, self.after, self.exceptions = inner, at, after, inner.exceptions

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.inner, name)

        def counted(**arguments: Any) -> Any:
            self.left -= 1
            if self.left == 0 and not self.after:
                raise Dies
            try:
                return call(**arguments)
            finally:
                if self.left == 0:
                    raise Dies

        return call if name == "get_paginator" else counted


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("before", [(), PAIR, PAIR[:1], (("a", 1, "a0"),)])
@pytest.mark.parametrize(
    "batch", [PAIR, (("a", 1, "a2"), ("b", 1, "b2")), (("a", 1, "a2"), ("b", 1, "b2"), ("b", 1, "b3"))]
)
def test_a_crash_at_every_call(batch: tuple[Sent, ...], before: tuple[Sent, ...], after: bool) -> None:
    """Whatever was done by then, the same events that come again do the rest, and no more."""
    wanted = (
        {f"node/{1}": n}
        if (n := min(len({*batch, *before} & {s for s in (*batch, *before) if s[0] == k}) for k in "ab"))
        else {}
    )
    for at in range(1, 100):
        one = One(TWO)
        if before:
            one.take(*before)
        client = one.client
        dying: Any = Dying(client, at, after)
        one.client = dying
        one.use(TWO)
        try:
            one.take(*batch, ends=False)
            died = False
        except Dies:
            died = True
        one.client = client
        one.use(TWO)
        one.take(*batch[::-1], again=True)
        for event in (*batch, *before):
            one.use(TWO)
            one.take(event, again=True)
        assert one.made() == wanted, at
        if not died:
            assert at > 1
            return
    raise AssertionError("it never ran through")


SENT = st.tuples(st.sampled_from("abc"), st.integers(0, 1), st.sampled_from(["e1", "e2", "e3"]))
BATCHES = st.lists(
    st.one_of(st.lists(SENT, min_size=1, max_size=6), st.sampled_from([[("a", 1, "e9"), ("b", 1, "e9")]])),
    max_size=8,
)
KINDS: dict[str, tuple[wire.Route, ...]] = {
    "two": (TWO,), "three": (THREE,), "any beside it": (TWO, ANY), "both": (joined(B, A), joined(A, B, C, node="other"))
}  # fmt: skip
ROUTES = st.sampled_from(list(KINDS))


@examples(100)
@given(BATCHES, ROUTES, st.booleans(), st.sampled_from([0.0, 1.0, TTL / 4]), st.randoms())
def test_both_ledgers_make_the_same_of_any_batches(
    batches: list[list[Sent]], kind: str, begins: bool, between: float, random: Any
) -> None:
    routes = KINDS[kind]
    two = [One(*routes, memory=memory) for memory in (True, False)]
    for number, batch in enumerate(batches):
        again = random.random() < 0.3
        for one in two:
            if begins:
                one.use(*routes)
            one.take(*batch, again=again)
            one.time += between
            if number % 3 == 2:
                one.engine.tick()
        assert two[0].made() == two[1].made()
        assert two[0].says() == two[1].says()
    for one in two:
        assert not audit(one.engine.program, one.ledger(), one.time + 1e6)


@examples(60)
@given(st.lists(SENT, min_size=2, max_size=14), ROUTES, st.randoms())
def test_however_messages_are_split_and_come_again_the_law_holds(
    sent: list[Sent], kind: str, random: Any
) -> None:
    """Several processes, each with its own batches, of which some end before they are done."""
    routes = KINDS[kind]
    one = One(*routes)
    queue, lost = list(sent) + random.sample(sent, len(sent) // 2), 6
    while queue:
        random.shuffle(queue)
        batch, queue = queue[:4], queue[4:]
        client = one.client
        if lost and random.random() < 0.5:
            lost -= 1
            one.client = Dying(client, random.randint(1, 8), random.random() < 0.5)  # type: ignore[assignment]
        one.use(*routes)
        try:
            one.take(*batch, again=random.random() < 0.3)
        except Dies:
            queue += batch
        one.client = client
    came = {(name, x): len({id for n, y, id in sent if (n, y) == (name, x)}) for name, x, _ in sent}
    for declared in routes:
        if declared.retrigger == "all":
            due = Counter(
                {
                    f"{declared.node}/{x}": min(came.get((i.signal, x), 0) for i in declared.inputs)
                    for x in (0, 1)
                }
            )
            assert {k: n for k, n in one.made().items() if k.startswith(f"{declared.node}/")} == dict(+due)
