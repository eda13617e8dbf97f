"""Section 5 as laws over random graphs and traces, and the simulator against the naive evaluator."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, assume, event, given, note
from hypothesis import strategies as st
from support.examples import examples

from rheodsl import Application, DataFormat, DimensionType, S3Dataset
from rheodsl.testing import Simulator

from .graphs import Graph, Node, declare, plainly, send, spell, windows
from .helpers import texts
from .naive import Event, executions
from .strategies import graphs, traces

EXAMPLES = 400
QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def law(share: float = 1.0) -> Any:
    return examples(int(EXAMPLES * share), suppress_health_check=QUIET)


graphs_and_traces = graphs().flatmap(lambda graph: st.tuples(st.just(graph), traces(graph)))


class Replay:
    """A simulator of a graph, and how often each output of each node has run."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        app, self.signals = declare(graph)
        self.sim = Simulator(app)
        self.ran: dict[str, dict[tuple[str, ...], int]] = {node.id: {} for node in graph.nodes}

    def send(self, delivery: Event) -> list[Any]:
        return self._note(self.sim.send(send(self.signals, self.graph, delivery), event_id=delivery.id))

    def check(self) -> list[Any]:
        return self._note(self.sim.tick())

    def _note(self, runs: list[Any]) -> list[Any]:
        for run in runs:
            fired = self.ran[run.node]
            fired[texts(run.output)] = fired.get(texts(run.output), 0) + 1
            assert run.generation == fired[texts(run.output)]
        return runs

    def send_all(self, trace: list[Event]) -> Replay:
        for delivery in trace:
            self.send(delivery)
        return self


@law()
@given(graphs_and_traces)
def test_the_simulator_agrees_with_the_naive_evaluator_after_every_event(
    given_: tuple[Graph, list[Event]],
) -> None:
    graph, trace = given_
    replay = Replay(graph)
    for count, delivery in enumerate(trace, start=1):
        note(f"{count}. {delivery}")
        replay.send(delivery)
        for node in graph.nodes:
            assert replay.ran[node.id] == executions(plainly(node), trace[:count]), node.id
    event("something runs" if any(replay.ran.values()) else "nothing runs")


@law()
@given(graphs_and_traces)
def test_every_run_reads_a_binding_that_the_links_allow(given_: tuple[Graph, list[Event]]) -> None:
    graph, trace = given_
    replay = Replay(graph)
    nodes = {node.id: node for node in graph.nodes}
    for count, delivery in enumerate(trace, start=1):
        for run in replay.send(delivery):
            check_run(nodes[run.node], run, trace[:count])


def check_run(node: Node, run: Any, trace: list[Event]) -> None:
    plain = plainly(node)
    seen = {(e.signal, e.partition) for e in trace}
    tips: dict[str, Any] = {}
    for input in node.inputs:
        if input.reference:
            continue
        tip = texts(run.inputs[input.name].tip)
        tips[input.name] = next(
            partition
            for signal, partition in seen
            if signal == input.signal.id and spelled(input, partition) == tip
        )
    assert all(link(tips) for link in plain.links)
    for input, simple in zip(node.inputs, plain.inputs, strict=True):
        if simple.follows is not None:
            tips[input.name] = simple.follows(tips)
            assert texts(run.inputs[input.name].tip) == spelled(input, tips[input.name])
        window = windows(input, tips[input.name])
        paths = run.inputs[input.name].paths
        if input.mode == "nearest":
            offsets = input.window.offsets if input.window else [0]
            distance = {
                path(input, partition): abs(offset)
                for partition, offset in zip(window, offsets, strict=True)
                if (input.signal.id, partition) in seen and simple.accepts(partition)
            }
            assert len(paths) == 1
            assert distance[paths[0]] == min(distance.values())
        else:
            assert list(paths) == [path(input, partition) for partition in window]
    assert texts(run.output) == plain.output(tips)


def spelled(input: Any, partition: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(spell(value, dim.code) for value, dim in zip(partition, input.signal.dims, strict=True))


def path(input: Any, partition: tuple[Any, ...]) -> str:
    return "/".join([f"s3://lake/{input.signal.id}", *spelled(input, partition)])


@law()
@given(graphs_and_traces, st.data())
def test_what_is_found_in_storage_counts_at_the_next_check(
    given_: tuple[Graph, list[Event]], data: st.DataObject
) -> None:
    graph, trace = given_
    # Every third delivery or so is no event: its partition appears in storage, and a later check finds it.
    quiet = data.draw(
        st.lists(st.sampled_from([True, False, False]), min_size=len(trace), max_size=len(trace))
    )
    replay = Replay(graph)
    for delivery, silently in zip(trace, quiet, strict=True):
        if silently:
            replay.sim.exists(send(replay.signals, graph, delivery))
        else:
            replay.send(delivery)
        if data.draw(st.booleans()):
            replay.check()
    replay.check()
    events = [delivery for delivery, silently in zip(trace, quiet, strict=True) if not silently]
    stored = frozenset((e.signal, e.partition) for e, silently in zip(trace, quiet, strict=True) if silently)
    for node in graph.nodes:
        assert replay.ran[node.id] == executions(plainly(node), events, stored), node.id


@law()
@given(graphs_and_traces, st.randoms(use_true_random=False))
def test_a_any_order_of_the_events_gives_the_same_executions(
    given_: tuple[Graph, list[Event]], random: Any
) -> None:
    graph, trace = given_
    shuffled = list(trace)
    random.shuffle(shuffled)
    assert Replay(graph).send_all(trace).ran == Replay(graph).send_all(shuffled).ran


@law(0.5)
@given(graphs_and_traces, st.data())
def test_b_a_redelivered_event_changes_nothing(
    given_: tuple[Graph, list[Event]], data: st.DataObject
) -> None:
    graph, trace = given_
    replay = Replay(graph)
    for count, delivery in enumerate(trace, start=1):
        replay.send(delivery)
        again = data.draw(st.sampled_from(trace[:count]))
        assert replay.send(again) == []


@law(0.5)
@given(graphs_and_traces)
def test_c_events_of_one_node_never_block_another(given_: tuple[Graph, list[Event]]) -> None:
    graph, trace = given_
    together = Replay(graph).send_all(trace).ran
    for node in graph.nodes:
        alone = Replay(Graph(graph.signals, (node,))).send_all(trace).ran
        assert alone[node.id] == together[node.id]


ZONES = ["UTC", "America/Los_Angeles", "Asia/Kolkata", "Australia/Lord_Howe"]
zones = st.sampled_from(ZONES)
# Hours that a zone's clock shows twice, or half-hour offsets, cannot be spelled to the hour.
instants = st.datetimes(datetime(2020, 1, 1), datetime(2020, 12, 31), timezones=st.just(UTC))


def minutes(app: Application, id: str, name: str, zone: str) -> Any:
    return app.marshal_external_data(
        S3Dataset("111122223333", "lake", id, "{}", dataset_format=DataFormat.CSV),
        id,
        {name: {"type": DimensionType.DATETIME, "format": "%Y-%m-%dT%H-%M", "timezone": zone}},
        {"*": {}},
    )


def shown(instant: datetime, zone: str) -> str | None:
    """What the clock of a zone shows, or None where it shows the same twice."""
    local = instant.astimezone(ZoneInfo(zone))
    if local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset():
        return None
    return local.strftime("%Y-%m-%dT%H-%M")


@law(0.5)
@given(instants, st.sampled_from([0, 1, -1, 60, 330, -480, -420, 660]), zones, zones)
def test_times_link_when_they_are_one_instant(instant: datetime, apart: int, left: str, right: str) -> None:
    other = instant + timedelta(minutes=apart)
    texts_of = shown(instant, left), shown(other, right)
    assume(all(texts_of))
    app = Application("zones")
    a, b = minutes(app, "a", "x", left), minutes(app, "b", "y", right)
    app.create_data("node", inputs=[a, b], input_dim_links=[a.x == b.y])
    sim = Simulator(app)
    assert sim.send(a[texts_of[0]]) == []
    assert len(sim.send(b[texts_of[1]])) == (apart == 0)
    same = shown(instant, right)
    if apart and same is not None:
        assert len(sim.send(b[same])) == 1
