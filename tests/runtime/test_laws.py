"""The laws of section 5 over random route tables and traces, against the naive evaluator of the contract."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import given, note
from hypothesis import strategies as st
from semantics import naive
from support.examples import examples

from rheo_runtime import expr as x
from rheo_runtime import wire
from rheo_runtime.memory import MemoryLedger

from .tables import NUMBER, Bench, Ref, route, signal, table

SIGNALS = [signal("s", x=NUMBER, y=NUMBER), signal("t", x=NUMBER), signal("u", y=NUMBER), signal("v")]
BY_ID = {s.id: s for s in SIGNALS}
MAP = ((0, 1), (1, 0), (2, 2))


@dataclass(frozen=True)
class Term:
    """A dimension of an input, moved or mapped."""

    alias: str
    dim: str
    how: str = "plain"

    def expr(self) -> x.Expr:
        ref = Ref(self.alias, self.dim)
        match self.how:
            case "next":
                return x.Shift(ref, 1)
            case "map":
                return x.MapValues(ref, MAP)
        return ref

    def value(self, dims: dict[str, tuple[str, ...]], tips: naive.Tips) -> Any:
        value = tips[self.alias][dims[self.alias].index(self.dim)]
        return value + 1 if self.how == "next" else dict(MAP)[value] if self.how == "map" else value


@dataclass(frozen=True)
class Case:
    """One node, as a route and as the naive evaluator has it."""

    route: wire.Route
    node: naive.Node


@st.composite
def cases(draw: st.DrawFn, name: str = "node") -> Case:
    count = draw(st.integers(1, 3))
    aliases = [f"i{n}" for n in range(count)]
    of = {alias: draw(st.sampled_from(SIGNALS)) for alias in aliases}
    dims = {alias: of[alias].dims for alias in aliases}
    terms = [Term(a, d) for a in aliases for d in dims[a]]

    links = []
    for _ in range(draw(st.integers(0, 3)) if terms else 0):
        left = draw(st.sampled_from(terms))
        right = draw(st.sampled_from(terms))
        how = draw(st.sampled_from(["plain", "plain", "next", "map"]))
        links.append((left, Term(right.alias, right.dim, how)))

    inputs, plain = [], []
    for alias in aliases:
        literal = draw(st.sampled_from([None, None, None, 1])) if dims[alias] else None
        window = draw(windows) if len(dims[alias]) - (literal is not None) > 0 else None
        mode = "range_check" if window else ""
        inputs.append(_input(alias, of[alias], literal, window, mode))
        plain.append(_plain(alias, of[alias], literal, window, mode))
    if terms and draw(st.booleans()):
        term = draw(st.sampled_from(terms))
        mode = draw(st.sampled_from(["range_check", "nearest"]))
        window = draw(windows) or (0, -2)
        inputs.append(_input("ref", BY_ID["t"], None, window, mode, (term.expr(),)))
        plain.append(_plain("ref", BY_ID["t"], None, window, mode, lambda tips: (term.value(dims, tips),)))

    outputs = draw(st.lists(st.sampled_from(terms), max_size=2, unique=True)) if terms else []
    retrigger = draw(st.sampled_from(["all", "any"]))
    built = route(
        name,
        inputs,
        [(a.expr(), b.expr()) for a, b in links],
        signals=SIGNALS,
        output={f"o{n}": term.expr() for n, term in enumerate(outputs)},
        retrigger=retrigger,
    )
    conditions: list[Callable[[naive.Tips], bool]] = [
        lambda tips, a=a, b=b: a.value(dims, tips) == b.value(dims, tips) for a, b in links
    ]
    node = naive.Node(plain, conditions, lambda tips: tuple(t.value(dims, tips) for t in outputs), retrigger)
    return Case(built, node)


Story = tuple[Case, list[naive.Event]]
windows = st.none() | st.tuples(st.integers(-1, 1), st.sampled_from([-2, -1, 1, 2]))


def _input(
    alias: str,
    of: wire.Signal,
    literal: int | None,
    window: tuple[int, int] | None,
    mode: str,
    tip: tuple[x.Expr, ...] | None = None,
) -> wire.Input:
    """The literal is of the first dimension, the window along the last."""
    rules = [wire.Rule(NUMBER) for _ in of.dims]
    if literal is not None:
        rules[0] = wire.Rule(NUMBER, value=literal)
    if window is not None:
        rules[-1] = wire.Rule(NUMBER, window=wire.Window(*window))
    return wire.Input(alias, of.id, (tuple(rules),), mode, tip)


def _plain(
    alias: str,
    of: wire.Signal,
    literal: int | None,
    window: tuple[int, int] | None,
    mode: str,
    follows: Callable[[naive.Tips], naive.Partition] | None = None,
) -> naive.Input:
    def around(tip: naive.Partition) -> list[naive.Partition]:
        if window is None:
            return [tip]
        return [(*tip[:-1], tip[-1] + offset) for offset in wire.Window(*window).offsets()]

    return naive.Input(
        alias,
        of.id,
        lambda partition: literal is None or partition[0] == literal,
        around,
        mode == "range_check",
        mode == "nearest",
        follows,
    )


@st.composite
def traces(draw: st.DrawFn, *of: Case) -> list[naive.Event]:
    """Events of the nodes' signals, with small values, so that they meet; some are delivered again."""
    used = sorted({i.signal for case in of for i in case.route.inputs})
    fresh = []
    for n in range(draw(st.integers(0, 16))):
        name = draw(st.sampled_from(used))
        partition = tuple(draw(st.integers(0, 2)) for _ in BY_ID[name].dims)
        fresh.append(naive.Event(name, partition, f"e{n}"))
    again = draw(st.lists(st.sampled_from(fresh), max_size=4)) if fresh else []
    return draw(st.permutations(fresh + again))


stories = cases().flatmap(lambda case: st.tuples(st.just(case), traces(case)))


def played(trace: list[naive.Event], *routes: wire.Route, bench: Bench | None = None) -> Counter[str]:
    """Count the firings by node and output partition."""
    bench = bench or Bench(table(SIGNALS, *routes))
    fired: Counter[str] = Counter()
    for event in trace:
        for id in bench.send(event.signal, *event.partition, id=event.id):
            fired[id.split("#")[0]] += 1
    return fired


def expected(case: Case, trace: list[naive.Event]) -> Counter[str]:
    return Counter(
        {
            "/".join([case.route.node, *map(str, partition)]): count
            for partition, count in naive.executions(case.node, trace).items()
            if count
        }
    )


@examples(400)
@given(stories)
def test_the_engine_agrees_with_the_contract_after_every_event(story: Story) -> None:
    case, trace = story
    bench = Bench(table(SIGNALS, case.route))
    fired: Counter[str] = Counter()
    for n, event in enumerate(trace):
        fired += played([event], bench=bench)
        note(f"{event} -> {dict(fired)}")
        assert fired == expected(case, trace[: n + 1])


@examples(150)
@given(stories, st.randoms(use_true_random=False))
def test_a_any_order_gives_the_same_executions(story: Story, random: Any) -> None:
    case, trace = story
    shuffled = list(trace)
    random.shuffle(shuffled)
    assert played(trace, case.route) == played(shuffled, case.route)


@examples(100)
@given(stories)
def test_b_a_redelivered_event_changes_nothing(story: Story) -> None:
    case, trace = story
    bench = Bench(table(SIGNALS, case.route))
    fired = played(trace, bench=bench)
    pending = bench.engine.pending()
    assert played(trace, bench=bench) == Counter()
    assert bench.engine.pending() == pending
    assert bench.engine.tick().fired == []
    assert fired == expected(case, trace)


@examples(100)
@given(cases("one"), cases("two"), st.data())
def test_c_nodes_do_not_affect_one_another(one: Case, two: Case, data: st.DataObject) -> None:
    trace = data.draw(traces(one, two))
    together = played(trace, one.route, two.route)
    assert together == played(trace, one.route) + played(trace, two.route)


@examples(100)
@given(stories, st.lists(st.integers(0, 15), max_size=3))
def test_a_restart_changes_nothing(story: Story, at: list[int]) -> None:
    """All state is in the ledger: a new engine goes on where the old one stopped."""
    case, trace = story
    ledger, fired = MemoryLedger(), Counter[str]()
    bench = Bench(table(SIGNALS, case.route), ledger)
    for n, event in enumerate(trace):
        if n in at:
            bench = Bench(table(SIGNALS, case.route), ledger)
        fired += played([event], bench=bench)
    assert fired == expected(case, trace)


@examples(100)
@given(stories)
def test_pending_is_what_the_contract_leaves_waiting(story: Story) -> None:
    """Nothing that waits has all that it needs; and what is shown as arrived did arrive."""
    case, trace = story
    bench = Bench(table(SIGNALS, case.route))
    played(trace, bench=bench)
    sent = {(e.signal, tuple(map(str, e.partition))) for e in trace}
    signals = {i.alias: i.signal for i in case.route.inputs}
    for waiting in bench.engine.pending():
        assert waiting.missing
        assert waiting.arrived
        for alias, texts in waiting.arrived.items():
            assert (signals[alias], texts) in sent
