"""Random graphs that mix old and new operators: the simulator against the naive evaluator, event by event."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, date
from typing import Any

import pytest
from hypothesis import HealthCheck, currently_in_test_context, event, given, note, settings
from hypothesis import strategies as st

from rheodsl.testing import Simulator

from . import mixed_strategies as strategies
from .mixed import SMALLEST, Mixed, Use, declare, is_built, late, path, plan, raw, shown, shown_by
from .mixed_strategies import Advance, Step
from .naive import Deletion, Event, Machine, Run

PROFILE = os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
EXAMPLES = {"dev": 25, "ci": 200}.get(PROFILE, 25)
QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

graphs_and_traces = strategies.graphs().flatmap(
    lambda mixed: st.tuples(st.just(mixed), strategies.traces(mixed))
)


class Both:
    """The simulator and the naive evaluator, step by step beside one another."""

    def __init__(self, mixed: Mixed) -> None:
        self.mixed = mixed
        self.sim = Simulator(declare(mixed), now=mixed.start.replace(tzinfo=UTC))
        self.machine = Machine(plan(mixed))
        self.late = late(mixed)
        self.taken: list[Step] = []

    def take(self, step: Step) -> tuple[list[Any], list[Run]]:
        if not isinstance(step, Advance):
            # What is delivered again is as old as it was; a second deletion is one of its own.
            known = isinstance(step, Event) and step in self.taken
            second = self.taken.index(step) if known else len(self.taken)
            self.taken.append(step)
            return self.sim.send(raw(self.mixed, step, second)), self.machine.take(step)
        before = self.sim.now
        ran = self.sim.advance(step.by)
        told = [] if self.late is None else self.late.told(self.machine, before, self.sim.now)
        return ran, [run for one in told for run in self.machine.take(one)]

    def shown_by_the_simulator(self, runs: list[Any]) -> Counter[Any]:
        return Counter((shown_by(run), self._reads(run)) for run in runs)

    def shown_by_the_machine(self, runs: list[Run]) -> Counter[Any]:
        return Counter((shown(self.mixed, run.output), self._paths(dict(run.reads))) for run in runs)

    def _reads(self, run: Any) -> tuple[tuple[str, ...], ...]:
        found = []
        for use in self.mixed.uses:
            paths = [text.rstrip("/") for text in run.inputs[use.name].paths]
            found.append(tuple(self._ordered(use, paths)))
        return tuple(found)

    def _paths(self, reads: dict[str, Any]) -> tuple[tuple[str, ...], ...]:
        return tuple(
            tuple(self._ordered(use, [path(self.mixed, use, partition) for partition in reads[use.name]]))
            for use in self.mixed.uses
        )

    def _ordered(self, use: Use, paths: list[str]) -> list[str]:
        # Of members in two dimensions the contract says no order.
        return sorted(paths) if self.mixed.gone and use.regional else paths


def compare(mixed: Mixed, trace: list[Step]) -> int:
    """Hold both beside one another at every step; return how many ran."""
    both, total = Both(mixed), 0
    for count, step in enumerate(trace, start=1):
        if currently_in_test_context():
            note(f"{count}. {step}")
        simulated, naive = both.take(step)
        expected, found = both.shown_by_the_machine(naive), both.shown_by_the_simulator(simulated)
        assert found == expected, (
            f"step {count}, {step}: the contract asks for {sorted(expected.elements())}, "
            f"the simulator ran {sorted(found.elements())}"
        )
        total += len(naive)
    return total


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=QUIET)
@given(graphs_and_traces)
def test_the_simulator_runs_what_the_contract_asks_for(given_: tuple[Mixed, list[Step]]) -> None:
    mixed, trace = given_
    event("something runs" if compare(mixed, trace) else "nothing runs")
    event(f"grid: {mixed.grid}")


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=QUIET)
@given(graphs_and_traces)
def test_the_simulator_runs_what_the_contract_asks_for_on_many_graphs(
    given_: tuple[Mixed, list[Step]],
) -> None:
    compare(*given_)


def test_what_is_delivered_again_after_a_deletion_brings_nothing_back() -> None:
    """Found by chance: the redelivered event of a deleted partition made it exist again."""
    checked, opened = Use(0, False, mode="checked"), Use(1, False)
    mixed = Mixed("days", (False, False), ((checked, opened),))
    leap, again = (date(2024, 2, 28),), Event("s0", (date(2024, 2, 28),), "e0")
    trace: list[Step] = [again, Deletion("s0", leap), Event("s1", leap, "e3"), again]
    assert compare(mixed, trace) == 0
    assert compare(mixed, [*trace, Event("s0", leap, "e4")]) == 1


@pytest.mark.parametrize("feature", SMALLEST)
def test_every_operator_is_drawn(feature: str) -> None:
    """What is not built is left out of the random graphs: nothing may be left out in the end."""
    assert is_built(feature), f"{feature} is drawn in no graph"
