"""An audit: what a ledger holds, held against the promises of ``docs/reliability.md``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from rheo_runtime.airflow_client import NONE_UNDER_WAY, UnderWay, is_telling
from rheo_runtime.consumers import Node
from rheo_runtime.derivation import Undetermined
from rheo_runtime.engine import Storage
from rheo_runtime.executions import every
from rheo_runtime.join import firings_due
from rheo_runtime.ledger import Ledger, shown
from rheo_runtime.program import Program
from rheo_runtime.records import (
    ANNOUNCED,
    BROKEN,
    CLAIMED,
    READY,
    SUCCEEDED,
    Execution,
    Output,
    Waiter,
    execution_id,
)
from rheo_runtime.stale import binding_made, way_of
from rheo_runtime.sweep import Ask, AskAll, told_of
from rheo_runtime.values import BadValue, joined
from rheo_runtime.waiting import combinations, describe

DUE, TWICE, STUCK, GONE = "due and not run", "run twice", "stuck", "published and not there"


class Patience(NamedTuple):
    """How long, in seconds, a state may last before it is a violation: several sweeps, not one."""

    due: float = 600.0
    ready: float = 1_800.0
    announced: float = 7_200.0
    claimed: float = 3_600.0
    signal: float = 900.0


PATIENCE = Patience()


class Violation(NamedTuple):
    """A promise that was not kept: ``what`` happened to which output partition of a node, and since when."""

    promise: str
    node: str
    partition: str
    what: str
    since: float

    def __str__(self) -> str:
        where = f"{self.node}/{self.partition}".rstrip("/")
        return f"{self.promise}: {where}: {self.what}"


def audit(
    program: Program,
    ledger: Ledger,
    now: float,
    patience: Patience = PATIENCE,
    storage: Storage | None = None,
    ask: Ask | None = None,
    under_way: AskAll | None = None,
) -> list[Violation]:
    """Return every promise that the ledger shows as broken, in the order of nodes and partitions.

    Parameters
    ----------
    storage
        Asked whether what was published is there; without it, it is not asked.
    ask
        Asked for the state of runs that have held their executions for long; without it, they are not.
    under_way
        Asked which executions that nobody has taken have a run that waits for its turn; without it, none is known to have.
    """
    found: list[Violation] = []
    broken: list[str] = []
    ledger.unreadable = broken.append
    for node in program.nodes.values():
        found += _due(program, ledger, node, now - patience.due)
    batch_run = cache(ledger.batch_run)
    outputs = [shown(batch_run, output) for output in ledger.outputs() if not is_telling(output.node)]
    told = told_of(outputs)
    runs = cache(lambda node: under_way(program.table.app, node, told[node]) if under_way else NONE_UNDER_WAY)
    for output in outputs:
        found += _twice(program, ledger, output)
        _, wait = program.batches.get(output.node, (0, 0))
        found += _stuck(output, now, patience._replace(ready=patience.ready + wait), runs)
        if ask is not None:
            found += _over(program, output, now - patience.claimed, ask)
        if storage is not None:
            found += _gone(program, output, storage)
    found += _forgotten(program, ledger, now - patience.due)
    found += [Violation(STUCK, "", "", what, now) for what in dict.fromkeys(broken)]
    return sorted(found, key=lambda v: (v.node, v.partition, v.promise, v.what))


def _due(program: Program, ledger: Ledger, node: Node, before: float) -> Iterator[Violation]:
    """Complete combinations whose windows are there: an execution of them is due."""
    for combination in combinations(node, ledger):
        if not combination.complete or combination.since > before:
            continue
        waiting = describe(program, ledger, node, combination)
        if not waiting.missing:
            arrived = ", ".join(
                f"{alias} {joined(texts)}" for alias, texts in sorted(waiting.arrived.items())
            )
            what = f"all has come ({arrived}), and no execution was made"
            yield Violation(DUE, node.id, waiting.output or "", what, waiting.since)


def _twice(program: Program, ledger: Ledger, output: Output) -> Iterator[Violation]:
    """Two executions of the same events, two that one run holds, or two of which one began before the other had ended."""
    executions = every(output)
    seen: dict[tuple[str, object], Execution] = {}
    for execution in sorted(executions, key=lambda e: e.generation):
        for what, key in (("the same events", execution.events), ("one run", execution.run_id)):
            if not key:
                continue
            first = seen.setdefault((what, key), execution)
            if first is not execution and not (
                key is execution.events and _asked(program, ledger, execution)
            ):
                pair = f"#{first.generation} and #{execution.generation} are of {what}"
                yield Violation(TWICE, output.node, output.partition, pair, execution.fired)
    begun = sorted((e.claimed, e.generation, e) for e in executions if e.claimed is not None)
    for (_, _, first), (claimed, _, other) in pairwise(begun):
        ends = float("inf") if first is output.active else first.moved
        if claimed < ends:
            pair = f"#{other.generation} began while #{first.generation} was under way"
            yield Violation(TWICE, output.node, output.partition, pair, claimed)


def _asked(program: Program, ledger: Ledger, execution: Execution) -> bool:
    """Say whether a second execution may name the events of another one.

    Which of several events of one partition it names depends on the clocks of listeners, how often it runs does not; and
    what runs again by what it reads names the events that started it first.
    """
    way = way_of(program, execution.document)
    if way is None or way.updates:
        return way is not None
    try:
        binding, join = binding_made(way, execution.document), way.join
        if any(join.rolled):
            return False
        keys = [join.keys[i](join.values[i](partition))[0] for i, partition in enumerate(binding)]
    except (Undetermined, BadValue):
        return False
    came = way.came(ledger, binding[0])
    found = [ledger.arrived(*place, came) for place in zip(join.arrival_indexes, keys, binding, strict=True)]
    return firings_due(join.all, [0 if record is None else record.n for record in found], None) > 1


def _stuck(
    output: Output, now: float, patience: Patience, runs: Callable[[str], UnderWay]
) -> Iterator[Violation]:
    def violation(what: str, execution: Execution) -> Violation:
        return Violation(
            STUCK, output.node, output.partition, f"#{execution.generation} {what}", execution.moved
        )

    active = output.active
    if active is not None:
        longest = {READY: patience.ready, ANNOUNCED: patience.announced}.get(active.state)
        late = longest is not None and now - active.moved > longest
        if late and not (active.state == ANNOUNCED and runs(output.node).has(active)):
            yield violation(f"is {active.state}, and no run has taken it", active)
    if output.held is not None and active is None:
        yield violation("is held behind nothing", output.held)
    for execution in output.ended:
        if not execution.signalled and now - execution.moved > patience.signal:
            yield violation("has published, and its signal was never sent", execution)


def _over(program: Program, output: Output, before: float, ask: Ask) -> Iterator[Violation]:
    """Executions that are held by runs that are over."""
    active = output.active
    if active is None or active.state != CLAIMED or active.run_id is None or active.moved > before:
        return
    state = ask(program.table.app, output.node, active.run_id)
    if state in ("failed", "success", None):
        what = f"#{active.generation} is held by the run {active.run_id}, which is {state or 'gone'}"
        yield Violation(STUCK, output.node, output.partition, what, active.moved)


def _gone(program: Program, output: Output, storage: Storage) -> Iterator[Violation]:
    """Outputs whose last execution succeeded, and whose data is not there."""
    node, signal = program.nodes.get(output.node), program.signals.get(output.node)
    last = next(iter(output.ended), None)
    if node is None or signal is None or last is None or last.state != SUCCEEDED or output.active is not None:
        return
    texts = tuple(last.document["output"]["dimensions"].values())
    found, _, _ = program.matcher.named(program.table.app, output.node, texts)
    if found and not storage.exists(signal, found[0].partition):
        id = execution_id(output.node, output.partition, last.generation)
        what = f"{id} has succeeded, and {last.document['output']['path']} is not complete"
        yield Violation(GONE, output.node, output.partition, what, last.moved)


def _forgotten(program: Program, ledger: Ledger, before: float) -> Iterator[Violation]:
    """Bindings that wait for a partition that is there."""
    for waiter in ledger.watches():
        try:
            yield from _late_watch(program, ledger, waiter, before)
        except BROKEN as fault:
            what = f"a binding that waits cannot be read: {type(fault).__name__}: {fault}"
            yield Violation(STUCK, waiter.node, "", what, waiter.since)


def _late_watch(program: Program, ledger: Ledger, waiter: Waiter, before: float) -> Iterator[Violation]:
    node = program.way(waiter.node, waiter.means)
    if node is None or node.leaves_out(waiter.binding) or waiter.since > before:
        return
    window = next((c.window for c in node.checks if c.window.rows == waiter.signal), None)
    if window is not None and window.exists(ledger, waiter.partition):
        signal = program.signals[window.signal]
        what = f"waits for {signal.id} {joined(signal.texts(waiter.partition))}, which has come"
        text = node.output_text(node.output(waiter.binding))
        yield Violation(STUCK, waiter.node, text, what, waiter.since)
