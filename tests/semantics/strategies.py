"""Random graphs of `graphs`, and random traces of events for them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from .graphs import CODES, SHIFTED, Dim, Graph, Input, Link, Node, Signal, Window, lift
from .naive import Event

START = date(2020, 2, 28)  # a leap year: windows and shifts cross February 29


def values(code: str) -> st.SearchStrategy[Any]:
    """Few values, so that events meet."""
    days = st.integers(0, 3).map(lambda n: START + timedelta(days=n))
    match code:
        case "int":
            return st.integers(1, 3)
        case "name":
            return st.sampled_from(["NA", "EU"])
        case "lower":
            return st.sampled_from(["na", "eu"])
        case "hour":
            return st.tuples(days, st.sampled_from([0, 1])).map(
                lambda t: datetime(t[0].year, t[0].month, t[0].day, t[1])
            )
        case "month":
            return st.sampled_from([date(2020, 2, 1), date(2020, 3, 1)])
        case "text":
            return days.map(lambda day: day.strftime("%d.%m.%Y"))
        case _:
            return days


def codes(axis: str) -> list[str]:
    return [name for name, code in CODES.items() if code.axis == axis]


@st.composite
def signals(draw: st.DrawFn, number: int, *, same_names: bool) -> Signal:
    """A signal on a random part of the axes."""
    axes = draw(st.sampled_from([("region", "time"), ("time", "region"), ("time",), ("region",), ()]))
    if same_names:
        by_name = {"region": Dim("region_id", "int"), "time": Dim("day", "ymd")}
        return Signal(f"s{number}", tuple(by_name[axis] for axis in axes))
    return Signal(
        f"s{number}", tuple(Dim(f"{axis[0]}{number}", draw(st.sampled_from(codes(axis)))) for axis in axes)
    )


@st.composite
def windowed(draw: st.DrawFn, signal: Signal) -> Window | None:
    at = [i for i, dim in enumerate(signal.dims) if dim.of.windowed]
    if not at or draw(st.booleans()):
        return None
    start = draw(st.sampled_from([0, 0, 0, -1, 1]))
    count = draw(st.sampled_from([-2, -3, 2] if start == 0 else [None, -2, 2]))
    return Window(draw(st.sampled_from(at)), start, count)


@st.composite
def nodes(draw: st.DrawFn, id: str, pool: tuple[Signal, ...], *, same_names: bool) -> Node:
    """A node over some signals of the pool: a tree of links on each axis, references that follow."""
    chosen = draw(st.lists(st.sampled_from(pool), min_size=2, max_size=4, unique_by=lambda s: s.id))
    # Perhaps one signal is an input twice; then the two are linked on every dimension, for they share names.
    twin = len(chosen) if len(chosen) < 4 and draw(st.integers(0, 3)) == 0 else None
    if twin is not None:
        chosen.append(chosen[0])
    triggers: list[Input] = []
    references: list[Input] = []
    links: list[Link] = []
    for i, signal in enumerate(chosen):
        window = draw(windowed(signal))
        modes = ["plain", "plain", "range_check"] + (["nearest"] if window else [])
        mode = draw(st.sampled_from(modes))
        partners = triggers[:1] if i == twin and not same_names else triggers
        sources = _sources(signal, partners)
        reference = i > 0 and sources is not None and draw(st.booleans())
        input = Input(f"i{i}", signal, reference, (), window, mode)
        if reference and sources is not None:
            # A reference hangs on one trigger for each axis; without links written, on all of them.
            for axis, parents in sources.items():
                chosen_parents = parents if same_names else [draw(st.sampled_from(parents))]
                links += [draw(_links(input, parent, axis, same_names)) for parent in chosen_parents]
            references.append(input)
        else:
            links += draw(_trigger_links(input, partners, same_names, always=i == twin))
            triggers.append(input)
    triggers, links = draw(_with_a_value(triggers, links))
    return Node(
        id,
        tuple(draw(st.permutations(triggers + references))),
        tuple(links),
        draw(st.sampled_from(["all", "any"])),
        draw(_projection(triggers)),
    )


def _sources(signal: Signal, triggers: list[Input]) -> dict[str, list[Input]] | None:
    """For each axis the triggers from which a reference follows; None where one lacks."""
    found = {dim.of.axis: [t for t in triggers if _levels(dim, t, dim.of.axis)] for dim in signal.dims}
    return found if all(found.values()) else None


def _levels(dim: Dim, trigger: Input, axis: str) -> list[str]:
    """Levels that the trigger reaches and from which the reference's own value follows."""
    at = trigger.signal.at(axis)
    if at is None:
        return []
    return [level for level in dim.of.from_levels if level in trigger.signal.dims[at].of.levels]


@st.composite
def _links(draw: st.DrawFn, left: Input, right: Input, axis: str, same_names: bool) -> Link:
    at = left.signal.at(axis)
    other = right.signal.at(axis)
    assert at is not None
    assert other is not None
    if same_names:
        return Link(left, right, axis, CODES["int" if axis == "region" else "ymd"].level, 0, "default")
    mine, theirs = left.signal.dims[at], right.signal.dims[other]
    if left.reference:
        options = _levels(mine, right, axis)
    else:
        options = [level for level in mine.of.levels if level in theirs.of.levels]
    level = draw(st.sampled_from(options))
    shift = draw(st.sampled_from([0, 0, 1, -1])) if level in SHIFTED else 0
    # The guide's form computes one side only: the target is the right dimension as it is.
    guide = theirs.of.level == level and not left.reference and draw(st.booleans())
    return Link(left, right, axis, level, shift, "guide" if guide else "operator")


@st.composite
def _trigger_links(
    draw: st.DrawFn, input: Input, triggers: list[Input], same_names: bool, *, always: bool
) -> list[Link]:
    links = []
    for axis in ("region", "time"):
        at = input.signal.at(axis)
        if at is None:
            continue
        mine = input.signal.dims[at]
        partners = [
            t
            for t in triggers
            if (i := t.signal.at(axis)) is not None and set(t.signal.dims[i].of.levels) & set(mine.of.levels)
        ]
        if same_names:
            links += [draw(_links(input, partner, axis, True)) for partner in partners]
        elif partners and (always or draw(st.integers(0, 4))):  # one pair in five shares no link
            links.append(draw(_links(input, draw(st.sampled_from(partners)), axis, False)))
    return links


@st.composite
def _with_a_value(
    draw: st.DrawFn, triggers: list[Input], links: list[Link]
) -> tuple[list[Input], list[Link]]:
    """Perhaps one trigger selects one value: with two, links could be unsatisfiable."""
    free = [
        (n, i)
        for n, input in enumerate(triggers)
        for i in range(len(input.signal.dims))
        if input.window is None or input.window.dim != i
    ]
    if not free or draw(st.integers(0, 2)):
        return triggers, links
    n, i = draw(st.sampled_from(free))
    old = triggers[n]
    code = old.signal.dims[i].code
    value = draw(st.integers(1, 2) if code == "int" else values(code))
    new = Input(old.name, old.signal, old.reference, ((i, value),), old.window, old.mode)

    def renewed(input: Input) -> Input:
        return new if input == old else input

    links = [Link(renewed(k.left), renewed(k.right), k.axis, k.level, k.shift, k.form) for k in links]
    return [renewed(input) for input in triggers], links


@st.composite
def _projection(draw: st.DrawFn, triggers: list[Input]) -> tuple[tuple[str, str, str], ...]:
    parts = [(input.name, dim.of.axis, dim.of) for input in triggers for dim in input.signal.dims]
    if not parts or draw(st.booleans()):
        return ()
    chosen = draw(st.lists(st.sampled_from(parts), min_size=1, max_size=3, unique_by=lambda part: part[:2]))
    # Region 3 has no name: outputs keep numbers as they are.
    return tuple(
        (name, axis, code.level if code.level == "int" else draw(st.sampled_from(code.levels)))
        for name, axis, code in chosen
    )


@st.composite
def graphs(draw: st.DrawFn, max_nodes: int = 2) -> Graph:
    """Up to four signals and two nodes over them."""
    same_names = draw(st.integers(0, 3)) == 0
    pool = tuple(draw(signals(number, same_names=same_names)) for number in range(draw(st.integers(2, 4))))
    count = draw(st.integers(1, max_nodes))
    return Graph(pool, tuple(draw(nodes(f"n{i}", pool, same_names=same_names)) for i in range(count)))


def at_moment(code: str, region: int, moment: datetime) -> Any:
    """The value of a dimension at one point of both axes, so that events of several signals can meet."""
    own = CODES[code]
    if own.axis == "region":
        return region if code == "int" else lift(min(region, 2), "int", own.level)
    return lift(moment, "hour", own.level)


moments = st.tuples(st.sampled_from([1, 2, 1, 2, 3]), values("hour"))


@st.composite
def traces(draw: st.DrawFn, graph: Graph, max_size: int = 12) -> list[Event]:
    """Events in any order, some of them delivered again, some partitions announced again."""
    signal = st.sampled_from(graph.signals)
    anywhere = signal.flatmap(
        lambda s: st.tuples(st.just(s.id), st.tuples(*(values(dim.code) for dim in s.dims)))
    )
    scattered = draw(st.lists(anywhere, min_size=1, max_size=max_size))
    together = [
        (signal.id, tuple(at_moment(dim.code, *moment) for dim in signal.dims))
        for moment in draw(st.lists(moments, min_size=1, max_size=3))
        for signal in graph.signals
    ]
    events = [Event(id, partition, f"e{i}") for i, (id, partition) in enumerate(scattered + together)]
    again = draw(st.lists(st.sampled_from(events), max_size=4))
    return list(draw(st.permutations(events + again)))
