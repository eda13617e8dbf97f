"""Output partitions that are wanted -> the executions that make them, ancestors first, and what is missing.

What an execution needs is what the contract asks of a binding before it runs: of a checked window every
partition, of a nearest input one, of any other trigger input one partition of its window; what a
reference reads is not awaited. A recursive plan also makes whatever a node can make of that, and more:
each partition of each window, if its own inputs are there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from rheo_runtime import wire
from rheo_runtime.backwards import Undetermined, of_output
from rheo_runtime.documents import Draft
from rheo_runtime.program import Node, Program
from rheo_runtime.texts import joined
from rheo_runtime.values import BadValue, Partition
from rheo_runtime.windows import expand

Key = tuple[str, str]  # a node and the text of an output partition


class Exists(Protocol):
    """What is known of partitions."""

    def __call__(self, signal: str, partition: Partition) -> bool:
        """Say whether a partition is there."""

    def texts(self, signal: str, partition: Partition) -> tuple[str, ...] | None:
        """Return how an event spelled a partition whose case is folded."""


class Gap(NamedTuple):
    """A partition that is needed and not there, where it would be, and why nothing can make it."""

    signal: str
    partition: str
    path: str | None
    why: str

    def __str__(self) -> str:
        place = f" ({self.path})" if self.path else ""
        return f"{self.signal} {self.partition}".rstrip() + f"{place}: {self.why}"


@dataclass(frozen=True, slots=True)
class Step:
    """One execution of a plan.

    ``after`` are the steps that must have succeeded before it; ``tips`` those among them whose events may
    start its node. Those of ``last`` should be over when it starts: what its event leads to reads them
    too, and does not wait for them. ``again`` says that it runs though its output may be there.
    """

    node: str
    partition: str
    draft: Draft
    after: tuple[Key, ...] = ()
    tips: tuple[Key, ...] = ()
    last: tuple[Key, ...] = ()
    again: bool = False

    @property
    def key(self) -> Key:
        """What names it in its plan."""
        return self.node, self.partition

    @property
    def path(self) -> str | None:
        """Where its output goes."""
        path: str | None = self.draft.document(0)["output"]["path"]
        return path

    def __str__(self) -> str:
        return f"{self.node} {self.partition}".rstrip()


@dataclass(frozen=True)
class Plan:
    """Executions in an order in which they can be made.

    ``lacking`` are wanted partitions that cannot be made, each with what it lacks; ``left_out`` what
    windows and references would have read and nothing can make; ``there`` the wanted partitions that
    exist already.
    """

    app: str
    steps: tuple[Step, ...]
    lacking: tuple[tuple[Key, tuple[Gap, ...]], ...] = ()
    left_out: tuple[Gap, ...] = ()
    there: tuple[Key, ...] = ()

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """All that is missing, each once."""
        return tuple(dict.fromkeys(gap for _, gaps in self.lacking for gap in gaps))

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def _lines(plan: Plan) -> Iterator[str]:
    yield f"{len(plan.steps)} executions" if len(plan.steps) != 1 else "1 execution"
    for number, step in enumerate(plan.steps, 1):
        after = ", ".join(" ".join(key).rstrip() for key in step.after)
        yield f"{number:>4}  {step}" + (f"  after {after}" if after else "")
    if plan.there:
        yield f"{len(plan.there)} there already"
    if plan.lacking:
        yield f"{len(plan.lacking)} cannot be made; missing:"
        yield from (f"      {gap}" for gap in plan.gaps)
    if plan.left_out:
        yield "not there either, but not needed:"
        yield from (f"      {gap}" for gap in plan.left_out)


class Planner:
    """Collects the steps of one plan.

    Parameters
    ----------
    exists
        What is known of partitions.
    recursive
        Plan also what makes inputs that are missing.
    """

    def __init__(self, program: Program, exists: Exists, *, recursive: bool = False) -> None:
        self._program = program
        self._exists = exists
        self._recursive = recursive
        self._steps: dict[Key, Step] = {}
        self._lacks: dict[tuple[str, Partition], tuple[Gap, ...]] = {}
        self._lacking: list[tuple[Key, tuple[Gap, ...]]] = []
        self._left_out: dict[Gap, None] = {}
        self._there: list[Key] = []

    def want(self, node: Node, output: Partition, *, again: bool) -> None:
        """Add an output partition; one that exists is made only when it is wanted ``again``."""
        key = node.id, node.join.output_text(output)
        if not again and self._exists(node.id, output):
            self._there.append(key)
        elif lacks := self._make(node, output, again):
            self._lacking.append((key, lacks))

    def want_draft(self, node: Node, draft: Draft) -> None:
        """Add an execution whose inputs are named."""
        if lacks := self._add(node, draft, again=True):
            self._lacking.append(((node.id, node.join.output_text(draft.output)), lacks))

    def plan(self) -> Plan:
        """Return what was collected."""
        for step in [*self._steps.values()][::-1]:  # what reads a step stands behind it
            step = self._steps[step.key]
            for tip in step.tips:
                self._defer(tip, step.last)
        return Plan(
            self._program.table.app,
            tuple(self._steps.values()),
            tuple(self._lacking),
            tuple(self._left_out),
            tuple(self._there),
        )

    def _visit(self, signal: str, partition: Partition) -> tuple[Gap, ...]:
        """Return what keeps a partition from being there when it is needed; nothing, when it will be."""
        place = signal, partition
        if place not in self._lacks:
            node = self._program.nodes.get(signal)
            if self._exists(signal, partition):
                self._lacks[place] = ()
            elif node is None:
                self._lacks[place] = (self._gap(signal, partition, "not there"),)
            elif not self._recursive:
                self._lacks[place] = (self._gap(signal, partition, "not made yet"),)
            else:
                self._lacks[place] = self._make(node, partition, again=False)
        return self._lacks[place]

    def _make(self, node: Node, output: Partition, again: bool) -> tuple[Gap, ...]:
        try:
            return self._add(node, of_output(node, output, self.nearest), again)
        except (Undetermined, BadValue) as fault:
            return (self._gap(node.id, output, str(fault)),)

    def _add(self, node: Node, draft: Draft, again: bool) -> tuple[Gap, ...]:
        lacks: list[Gap] = []
        after: dict[Key, None] = {}
        tips: dict[Key, None] = {}  # to be made, and their events may start the node
        rest: dict[Key, None] = {}  # to be made, and the node would start without them
        for source, tip, partitions in _reads(node, draft):
            awaited = source.tip is None or source.mode != ""
            if not self._recursive and not awaited:
                continue
            found = self._look(source, partitions)
            built = [self._key(source.signal, p) for p, gaps in found.items() if not gaps]
            built = [key for key in built if key in self._steps]
            after.update(dict.fromkeys(built))
            first = self._key(source.signal, tip)
            tips.update((key, None) for key in built if source.tip is None and key == first)
            rest.update((key, None) for key in built if source.mode == "" and (source.tip or key != first))
            gaps = [gap for each in found.values() for gap in each]
            if awaited and (source.mode == "range_check" or all(found.values())):
                lacks += gaps
            else:
                self._left_out.update(dict.fromkeys(gaps))
        if lacks:
            return tuple(dict.fromkeys(lacks))
        for key in tips:
            self._defer(key, rest)
        if node.spells:
            read = zip(node.join.triggers, draft.binding, strict=True)
            draft = draft._replace(spelled=tuple(self._exists.texts(i.signal, tip) for i, tip in read))
        text = node.join.output_text(draft.output)
        step = Step(node.id, text, draft, tuple(after), tuple(tips), again=again)
        self._steps[step.key] = step
        return ()

    def _look(self, source: wire.Input, partitions: Sequence[Partition]) -> dict[Partition, tuple[Gap, ...]]:
        """Visit what an input reads; where one partition is enough and is all that is asked for, one."""
        found = {}
        for partition in partitions:
            found[partition] = gaps = self._visit(source.signal, partition)
            if not gaps and not self._recursive and source.mode == "":
                break
        return found

    def nearest(self, source: wire.Input, candidates: Sequence[Partition]) -> Partition | None:
        """Return what a nearest input reads: what is there, else what can be made."""
        there = next((p for p in candidates if self._exists(source.signal, p)), None)
        if there is not None:
            return there
        return next((p for p in candidates if not self._visit(source.signal, p)), None)

    def _defer(self, key: Key, rest: Iterable[Key]) -> None:
        step = self._steps[key]
        last = dict.fromkeys((*step.last, *(other for other in rest if other != key)))
        self._steps[key] = replace(step, last=tuple(last))

    def _key(self, signal: str, partition: Partition) -> Key:
        return signal, joined(self._program.signals[signal].texts(partition))

    def _gap(self, signal: str, partition: Partition, why: str) -> Gap:
        found = self._program.signals[signal]
        return Gap(signal, joined(found.texts(partition)), found.address(partition), why)


def _reads(node: Node, draft: Draft) -> Iterator[tuple[wire.Input, Partition, list[Partition]]]:
    """Yield each input of an execution with its tip and the partitions that it reads."""
    join = node.join
    triggers, tips = iter(draft.binding), iter(join.tips)
    chosen = dict(draft.chosen)
    for source in join.route.inputs:
        tip = next(triggers) if source.tip is None else next(tips)(draft.binding)
        if source.alias in chosen:
            yield source, tip, [chosen[source.alias]]
            continue
        signal = node.recipe.signals[source.signal]
        yield source, tip, [p for p in expand(source.branches, tip) if _is_partition(signal, p)]


def _is_partition(signal: wire.Signal, partition: Partition) -> bool:
    try:
        signal.texts(partition)
    except BadValue:
        return False  # a window that reaches out of the range of dates
    return True
