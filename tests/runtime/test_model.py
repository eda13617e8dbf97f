"""Everything that may go wrong, in any order, as one state machine; the law is checked when it is over.

The law: what the contract asks for is fired, neither more nor less; each execution is computed by one run and
succeeds once, or is merged into a later one of the same output; nothing is stuck. Only an execution
whose run somebody ended by hand may have failed.
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter

from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from semantics import naive
from support.airflow import CLAIM, COMPUTE, PUBLISH, SIGNAL, no_answer
from support.examples import examples

from benchmarks._dynamodb import DynamoDB
from rheo_platforms.operations.audit import audit
from rheo_runtime import wire
from rheo_runtime.executions import HISTORY
from rheo_runtime.program import Program
from rheo_runtime.records import FAILED, SKIPPED, SUCCEEDED

from .tables import Ref, route, table, view
from .test_faults import message
from .test_laws import BY_ID, SIGNALS, Case, cases, expected
from .world import World

numbers = st.lists(st.integers(0, 999), max_size=60)
S, T = (next(s for s in SIGNALS if s.id == name) for name in "st")


def plain(window: tuple[int, int] | None, *of: wire.Signal) -> Case:
    """A node whose inputs are linked by ``x``, the first with a checked window; many events meet in it."""
    rules = {} if window is None else {of[0].dims[-1]: window, "mode": "range_check"}
    inputs = [view(of[0], **rules), *map(view, of[1:])]
    links = [(Ref(of[0].id, "x"), Ref(other.id, "x")) for other in of[1:]]

    def around(tip: naive.Partition) -> list[naive.Partition]:
        offsets = [0] if window is None else wire.Window(*window).offsets()
        return [(*tip[:-1], tip[-1] + offset) for offset in offsets]

    of_naive = [naive.Input(of[0].id, of[0].id, window=around, range_check=window is not None)]
    of_naive += [naive.Input(other.id, other.id) for other in of[1:]]
    return Case(
        route("node", inputs, links, signals=SIGNALS, output={"o0": Ref(of[0].id, "x")}),
        naive.Node(
            of_naive,
            [lambda tips, b=b: tips[of[0].id][0] == tips[b.id][0] for b in of[1:]],
            lambda tips: (tips[of[0].id][0],),
        ),
    )


PLAIN = [plain(None, S), plain(None, T), plain(None, T, S), plain((0, -2), T), plain((0, 2), S, T)]


class Trouble(RuleBasedStateMachine):
    """One application, its listeners, its Airflow, and everybody who may touch them."""

    @initialize(
        case=st.sampled_from(PLAIN) | cases(),
        assets=st.booleans(),
        dynamo=st.booleans(),
        batch=st.sampled_from([(0, 0), (0, 0), (1, 0), (2, 60), (3, 0), (100, 60)]),
        few=st.sampled_from([0, 1, 10]),
        data=st.data(),
        names=numbers,
    )
    def start(
        self,
        case: Case,
        assets: bool,
        dynamo: bool,
        batch: tuple[int, int],
        few: int,
        data: st.DataObject,
        names: list[int],
    ) -> None:
        size, wait = batch
        case = dataclasses.replace(case, route=dataclasses.replace(case.route, batch=size, batch_wait=wait))
        self.case = case
        dynamodb = DynamoDB() if dynamo else None
        self.world = World(table(SIGNALS, case.route), assets=assets, dynamodb=dynamodb)
        self.world.few = few
        self.signals = sorted({source.signal for source in case.route.inputs})
        self.trace: list[naive.Event] = []
        self.send(data, names[:12])

    # --- the world outside -------------------------------------------------------------------------

    @rule(data=st.data(), names=st.lists(st.integers(0, 2), min_size=1, max_size=6))
    def send_more(self, data: st.DataObject, names: list[int]) -> None:
        self.send(data, names)

    def send(self, data: st.DataObject, names: list[int]) -> None:
        for name in (self.signals[number % len(self.signals)] for number in names):
            partition = tuple(data.draw(st.integers(0, 1)) for _ in BY_ID[name].dims)
            event = naive.Event(name, partition, f"e{len(self.trace)}")
            self.trace.append(event)
            self.world.queue.append(message(event))

    @precondition(lambda self: self.trace)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        self.world.queue.append(message(data.draw(st.sampled_from(self.trace))))

    @rule(seconds=st.sampled_from([1, 10, 100, 1000]))
    def wait(self, seconds: int) -> None:
        self.world.time += seconds

    # --- listeners and runs ------------------------------------------------------------------------

    @rule(schedule=numbers, fates=numbers, workers=st.integers(1, 4))
    def work(self, schedule: list[int], fates: list[int], workers: int) -> None:
        """Several listeners, sweeps and runs at once; some crash, some calls of Airflow go wrong."""
        self.world.lose = self.world.airflow.fates = iter(fates)
        self.world.at_once(iter(schedule), workers)

    @rule(fates=st.just([]) | numbers, poison=st.booleans())
    def work_on_a_batch(self, fates: list[int], poison: bool) -> None:
        """One listener takes all that there is, perhaps with something that nobody can read among it."""
        self.world.lose = self.world.airflow.fates = iter(fates)
        self.world.deliver(*self.world.queue[:5], *(["{"] if poison else []), *self.world.queue[5:10])

    @rule(fates=st.just([]) | numbers, until=st.sampled_from([SIGNAL, PUBLISH, COMPUTE, CLAIM]))
    def work_in_order(self, fates: list[int], until: int) -> None:
        """One after the other, so that things get on, up to one task of each run."""
        self.world.lose = self.world.airflow.fates = iter(fates)
        for body in list(self.world.queue):
            self.world.deliver(body)
        self.world.time += 60
        self.world.sweep()
        for run in self.world.airflow.ready():
            self.world.carry_out(run, until)

    @rule(turned=st.permutations(range(6)))
    def redeploy(self, turned: list[int]) -> None:
        """A new version has the inputs and the links in another order; what is under way goes on with the old one."""
        route = self.case.route
        inputs = tuple(route.inputs[i] for i in turned if i < len(route.inputs))
        links = tuple((right, left) for left, right in route.links[::-1])
        self.world.table = table(SIGNALS, dataclasses.replace(route, inputs=inputs, links=links))

    # --- Airflow -----------------------------------------------------------------------------------

    @rule(wrong=st.sampled_from(["nothing", "nothing", "down", "unparsed", "paused"]))
    def change(self, wrong: str) -> None:
        airflow = self.world.airflow
        airflow.down, airflow.parsed = no_answer() if wrong == "down" else None, wrong != "unparsed"
        airflow.pause(wrong == "paused")

    @rule()
    def make_anew(self) -> None:
        """Ids of assets are others, and all runs are gone."""
        self.world.airflow.forget()
        for run in list(self.world.airflow.runs):
            if run.state in ("queued", "running"):
                self.world.by_hand(run, "delete")

    @precondition(lambda self: any(run.claimed for run in self.world.airflow.ready()))
    @rule(data=st.data(), how=st.sampled_from(["failed", "success", "delete"]))
    def end_by_hand(self, data: st.DataObject, how: str) -> None:
        runs = [run for run in self.world.airflow.ready() if run.claimed]
        self.world.by_hand(runs[data.draw(st.integers(0, len(runs) - 1))], how)

    @rule(number=st.integers(0, 100))
    def die_early(self, number: int) -> None:
        """A worker dies before it claims."""
        runs = [run for run in self.world.airflow.ready() if not run.claimed]
        if runs:
            self.world.by_hand(runs[number % len(runs)], "failed")

    @precondition(lambda self: any(run.state == "failed" for run in self.world.airflow.runs))
    @rule(data=st.data(), how=st.sampled_from(["clear", "clear the compute"]))
    def clear(self, data: st.DataObject, how: str) -> None:
        failed = [run for run in self.world.airflow.runs if run.state == "failed"]
        self.world.by_hand(failed[data.draw(st.integers(0, len(failed) - 1))], how)

    # --- the law -----------------------------------------------------------------------------------

    @invariant()
    def never_too_much(self) -> None:
        due = expected(self.case, self.trace)
        for place, output in self.world.outputs().items():
            assert output.generation <= due["/".join(filter(None, place))]

    def teardown(self) -> None:
        if not hasattr(self, "case"):
            return
        world = self.world
        world.peace()
        outputs = world.outputs()
        fired = {"/".join(filter(None, place)): output.generation for place, output in outputs.items()}
        assert Counter(fired) == expected(self.case, self.trace)
        for (node, partition), output in outputs.items():
            assert output.active is None and output.held is None, "stuck"
            assert len(output.ended) == min(output.generation, HISTORY)
            for execution in output.ended:
                by_hand = execution.run_id in world.lost_runs
                assert execution.state in (SUCCEEDED, SKIPPED, *([FAILED] if by_hand else []))
                assert execution.signalled
            latest = next(e for e in output.ended if e.generation == output.generation)
            assert latest.state != SKIPPED, "the latest inputs win"
            assert (node, partition) == (output.node, output.partition)
        found = audit(Program(world.table), world.peaceful, world.time + 1_000_000.0)
        assert not found, f"the audit sees what is not: {found}"
        for execution, runs in world.run_of.items():
            kept = [run for run in runs if world.lost_runs.get(run) != "delete"]
            assert len(kept) <= 1, f"{execution} was computed by {runs}"


# `RHEO_MODEL=5000 pytest --hypothesis-profile=thorough tests/runtime/test_model.py` looks deeper.
Trouble.TestCase.settings = examples(
    int(os.environ.get("RHEO_MODEL", "40")),
    stateful_step_count=40,
    suppress_health_check=list(HealthCheck),
)
TestTrouble = Trouble.TestCase
