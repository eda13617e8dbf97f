"""Laws of what is asked for: plans equal what runs, each partition runs once, and inputs are there before."""

from __future__ import annotations

import graphlib
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from rheo_platforms.operations.names import InputsMissingError
from rheo_platforms.operations.planner import Plan
from rheodsl import Application
from rheodsl.signals import View

from .lab import Lab

DAYS = [f"2020-03-{day:02}" for day in range(1, 13)]


@dataclass(frozen=True)
class Reading:
    """How a node reads an earlier signal: ``window`` partitions back, checked or not, as a reference or not."""

    signal: int
    window: int
    mode: str

    def view(self, app: Application) -> View:
        source: View = app[f"s{self.signal}"]
        view = source[: -self.window] if self.window > 1 else source
        view = view.range_check(True) if self.mode == "checked" else view
        return view.ref if self.mode == "reference" else view


@dataclass(frozen=True)
class Case:
    """External signals, then nodes that read what is before them; what of it is there already."""

    external: int
    nodes: tuple[tuple[Reading, ...], ...]
    there: frozenset[tuple[int, str]]

    @property
    def last(self) -> str:
        return f"s{self.external + len(self.nodes) - 1}"

    def lab(self) -> Lab:
        app = Application("laws")
        for i in range(self.external):
            app.s3(f"s{i}", f"s3://lake/s{i}/{{day:%Y-%m-%d}}")
        for i, readings in enumerate(self.nodes, self.external):
            app.create_data(f"s{i}", inputs=[r.view(app) for r in readings], compute_targets="output = 1")
        lab = Lab(app)
        for signal, day in self.there:
            lab.put(app[f"s{signal}"][day])
        return lab


@st.composite
def cases(
    draw: st.DrawFn, modes: tuple[str, ...] = ("", "checked", "reference"), whole: bool = False
) -> Case:
    external = draw(st.integers(1, 2))
    nodes = []
    for i in range(external, external + draw(st.integers(1, 4))):
        signals = draw(st.lists(st.integers(0, i - 1), min_size=1, max_size=2, unique=True))
        readings = [Reading(s, draw(st.integers(1, 3)), draw(st.sampled_from(modes))) for s in signals]
        if all(r.mode == "reference" for r in readings):  # something must start the node
            readings[0] = Reading(readings[0].signal, readings[0].window, "")
        readings.sort(key=lambda r: r.mode == "reference")
        nodes.append(tuple(readings))
    everything = [(s, day) for s in range(external) for day in DAYS]
    made = [(s, day) for s in range(external, external + len(nodes) - 1) for day in DAYS]
    there = (
        set(everything)
        if whole
        else draw(st.sets(st.sampled_from(everything)).map(lambda gone: set(everything) - gone))
    )
    there |= draw(st.sets(st.sampled_from(made), max_size=8)) if made else set()
    return Case(external, tuple(nodes), frozenset(there))


def planned(lab: Lab, day: str, node: str) -> Plan:
    plan: Any = lab.app.execute(lab.app[node][day], recursive=True, dry_run=True)
    assert isinstance(plan, Plan)
    return plan


def entangled(plan: Plan) -> bool:
    """Whether an event of the plan starts a node before something is made that the node reads unawaited.

    So it is when that something is itself made of what the event is of. The node runs once more then.
    """
    order = graphlib.TopologicalSorter({step.key: {*step.after, *step.last} for step in plan.steps})
    try:
        order.prepare()
    except graphlib.CycleError:
        return True
    return False


def outlived(case: Case) -> bool:
    """Whether something is there whose own input is not: made again, that input's event makes it again too."""
    return any(
        signal >= case.external
        and any(
            reading.mode != "reference" and (reading.signal, day) not in case.there
            for reading in case.nodes[signal - case.external]
        )
        for signal, day in case.there
    )


@examples(150)
@given(cases(), st.integers(1, 5))
def test_a_plan_is_what_runs_each_once_and_in_order(case: Case, slow: int) -> None:
    lab = case.lab()
    lab.workers.slow = slow
    plan = planned(lab, DAYS[-1], case.last)
    before = set(lab.storage.paths)
    if plan.lacking:
        try:
            lab.app.execute(lab.app[case.last][DAYS[-1]], recursive=True)
        except InputsMissingError:
            assert lab.airflow.runs == []
            return
        raise AssertionError("it ran without its inputs")
    lab.app.execute(lab.app[case.last][DAYS[-1]], recursive=True)
    lab.workers.settle()
    once = not entangled(plan) and not outlived(case)
    position = {e: i for i, e in enumerate(lab.workers.began)}
    for step in plan.steps:
        output, _ = lab.ledger.output(step.node, step.partition, None)
        assert output is not None and {e.state for e in output.ended} == {"SUCCEEDED"}
        assert output.generation == 1 or not once, "each partition once"
        # What runs is the plan's own execution, whoever has started it.
        latest = output.ended[0]
        assert latest.document == step.draft.document(latest.generation)
        for node, partition in step.after:
            ancestor, _ = lab.ledger.output(node, partition, None)
            assert ancestor is not None
            theirs, mine = ancestor.ended[0].document["id"], latest.document["id"]
            assert position[theirs] < position[mine], "ancestors first"
    # Everything else that runs follows from events of what was made, and was not there to be made.
    assert before <= lab.storage.paths


@examples(100)
@given(cases(whole=True))
def test_where_nothing_external_is_missing_nothing_lacks(case: Case) -> None:
    assert planned(case.lab(), DAYS[-1], case.last).lacking == ()


@examples(100)
@given(cases())
def test_planning_asks_of_each_partition_once_and_plans_no_partition_that_is_there(case: Case) -> None:
    lab = case.lab()
    plan = planned(lab, DAYS[-1], case.last)
    assert len(lab.storage.asked) == len(set(lab.storage.asked))
    root = (case.last, DAYS[-1])
    assert all(step.path not in lab.storage.paths for step in plan.steps if step.key != root)
    seen = set()
    for step in plan.steps:  # ancestors first
        assert set(step.after) <= seen
        seen.add(step.key)


@examples(100)
@given(cases(modes=("", "checked"), whole=True))
def test_what_is_executed_equals_what_events_execute(case: Case) -> None:
    """The document of an output that is asked for is that of the execution that events would start."""
    by_events = case.lab()
    for day in DAYS:
        for i in range(case.external):
            by_events.app.process(by_events.app[f"s{i}"][day])
        by_events.workers.settle()
    asked = case.lab()
    output = by_events.output(by_events.app[case.last][DAYS[-1]])
    assert output is not None
    plan = planned(asked, DAYS[-1], case.last)
    assert plan.steps[-1].draft.document(1) == {
        **output.ended[-1].document, "generation": 1, "id": f"{case.last}/{DAYS[-1]}#1"
    }  # fmt: skip
