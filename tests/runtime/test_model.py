"""Everything that may go wrong, in any order, as one state machine; the law is checked when it is over.

The law: what the contract asks for is fired, neither more nor less; each execution is computed by one run and
succeeds once, or is merged into a later one of the same output; nothing is stuck. Only an execution
whose run somebody ended by hand may have failed.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random

from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from semantics import naive
from semantics.helpers import catalog_event
from support.airflow import CLAIM, COMPUTE, PUBLISH, SIGNAL, no_answer
from support.examples import examples
from support.lagging import Lagging

from rheo_platforms.operations.audit import audit
from rheo_runtime import wire
from rheo_runtime.comparison import Listed
from rheo_runtime.events import GlueEvent
from rheo_runtime.executions import HISTORY
from rheo_runtime.program import Program
from rheo_runtime.records import FAILED, SKIPPED, SUCCEEDED

from .tables import NUMBER, TEXT, Ref, route, signal, table, view
from .test_faults import message
from .test_laws import SIGNALS, Case, cases, expected
from .world import World

numbers = st.lists(st.integers(0, 999), max_size=60)
S, T = (next(s for s in SIGNALS if s.id == name) for name in "st")


# What a text may be, and what it never is, whatever brought it.
ODD = ("a b", "ü#|~", "'; drop table", "${HOME}", "x" * 300)
REFUSED = ("..", ".", "", "a/b", "a\x00b", "\x1b[31m", "__HIVE_DEFAULT_PARTITION__")
NAMED, ALSO = signal("named", x=TEXT), signal("also", x=TEXT)
LISTED = wire.Signal("listed", ("x",), ((wire.Rule(NUMBER),),), (wire.GlueEvents("db", "t", reconcile=True),))
ALL = [*SIGNALS, NAMED, ALSO, LISTED]
KINDS = {s.id: [rule.kind for rule in s.branches[0]] for s in ALL}
WIDE = (0, -70)  # a window that is kept in several items


class Catalog:
    """The partitions of `LISTED` that are there, and when each was written."""

    def __init__(self) -> None:
        self.times: dict[int, float] = {}

    def exists(self, signal: wire.Signal, partition: naive.Partition) -> bool:
        return False

    def gone(self, signal: wire.Signal, partition: naive.Partition) -> bool:
        return partition[0] not in self.times

    def listed(self, signal: wire.Signal, after: str) -> Iterator[Listed]:
        if signal.id != LISTED.id:
            return
        for number, time in sorted(self.times.items()):
            if f"{number:04}" > after:
                yield Listed(GlueEvent("db", "t", (str(number),), "", time), f"{number:04}")


def plain(window: tuple[int, int] | None, *of: wire.Signal) -> Case:
    """A node whose inputs are linked by ``x``, the first with a checked window; many events meet in it."""
    rules = {} if window is None else {of[0].dims[-1]: window, "mode": "range_check"}
    inputs = [view(of[0], **rules), *map(view, of[1:])]
    links = [(Ref(of[0].id, "x"), Ref(other.id, "x")) for other in of[1:]]

    def around(tip: naive.Partition) -> list[naive.Partition]:
        if window is None:
            return [tip]
        return [(*tip[:-1], tip[-1] + offset) for offset in wire.Window(*window).offsets()]

    of_naive = [naive.Input(of[0].id, of[0].id, window=around, range_check=window is not None)]
    of_naive += [naive.Input(other.id, other.id) for other in of[1:]]
    return Case(
        route("node", inputs, links, signals=ALL, output={"o0": Ref(of[0].id, "x")}),
        naive.Node(
            of_naive,
            [lambda tips, b=b: tips[of[0].id][0] == tips[b.id][0] for b in of[1:]],
            lambda tips: (tips[of[0].id][0],),
        ),
    )


PLAIN = [
    plain(None, S), plain(None, T), plain(None, T, S), plain((0, -2), T), plain((0, 2), S, T),
    plain(WIDE, T, S), plain(None, LISTED), plain(None, LISTED, T), *[plain(None, NAMED), plain(None, NAMED, ALSO)] * 2,
]  # fmt: skip


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
        random = Random(7)
        dynamodb = Lagging(lambda: random.random() < 0.3) if dynamo else None
        self.world = World(table(ALL, case.route), assets=assets, dynamodb=dynamodb)
        self.world.few = few
        self.world.storage = self.catalog = Catalog()
        self.world.sweep()  # what is written from now on is compared with what has come
        self.signals = sorted({source.signal for source in case.route.inputs})
        self.trace: list[naive.Event] = []
        self.bodies: list[str] = []
        rules = [rule for source in case.route.inputs for rule in source.branches[0]]
        self.wide = any(rule.window == wire.Window(*WIDE) for rule in rules)
        for number in range(WIDE[1] + 1, 0) if self.wide else ():
            self.come("t", (number,))
        while self.wide and self.world.queue:
            self.world.deliver(*self.world.queue[:10])
        self.send(data, names[:12])

    # --- the world outside -------------------------------------------------------------------------

    @rule(data=st.data(), names=st.lists(st.integers(0, 2), min_size=1, max_size=6))
    def send_more(self, data: st.DataObject, names: list[int]) -> None:
        self.send(data, names)

    def send(self, data: st.DataObject, names: list[int]) -> None:
        for name in (self.signals[number % len(self.signals)] for number in names):
            if name == LISTED.id:
                self.write(lost=data.draw(st.booleans()))
            else:
                drawn = {NUMBER: st.integers(0, 1), TEXT: st.sampled_from(ODD)}
                self.come(name, tuple(data.draw(drawn[kind]) for kind in KINDS[name]))

    def come(self, name: str, partition: naive.Partition) -> None:
        event = naive.Event(name, partition, f"e{len(self.trace)}")
        self.trace.append(event)
        self.bodies.append(message(event))
        self.world.queue.append(self.bodies[-1])

    def write(self, *, lost: bool) -> None:
        """A partition comes into the catalog, whose event may be lost."""
        number, time = len(self.catalog.times), self.world.time
        self.catalog.times[number] = time
        event = naive.Event(LISTED.id, (number,), f"e{len(self.trace)}")
        self.trace.append(event)
        told = catalog_event("db", "t", f"[{number}]", id=event.id)
        self.bodies.append(json.dumps({**told, "time": datetime.fromtimestamp(time, UTC).isoformat()}))
        if not lost:
            self.world.queue.append(self.bodies[-1])

    @precondition(lambda self: NAMED.id in self.signals)
    @rule()
    def send_what_is_no_value(self) -> None:
        """Nothing is made of it, and it stands in nothing's way."""
        self.world.queue += [message(naive.Event(NAMED.id, (text,), f"no {text!r}")) for text in REFUSED]

    @precondition(lambda self: self.trace)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        """An event comes once more, or late, after it was believed to be lost."""
        self.world.queue.append(data.draw(st.sampled_from(self.bodies)))

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
        self.world.table = table(ALL, dataclasses.replace(route, inputs=inputs, links=links))

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
        if self.wide:
            return  # the naive evaluator takes long for it: at the end it is enough
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
