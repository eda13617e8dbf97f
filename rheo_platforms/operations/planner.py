"""Output partitions that are wanted -> the executions that make them, ancestors first, and what is missing.

What an execution needs is what the contract asks of a binding before it runs: of a checked window every
partition, of a nearest input one, of any other trigger input one partition of its window; what a
reference reads is not awaited. A recursive plan also makes whatever a node can make of that, and more:
each partition of each window, if its own inputs are there.

A signal and a partition -> whether it is there, as far as storage or the ledger can tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from rheo_runtime import wire
from rheo_runtime.consumers import Node
from rheo_runtime.derivation import Undetermined, of_output
from rheo_runtime.documents import Draft
from rheo_runtime.engine import Storage
from rheo_runtime.ledger import Ledger
from rheo_runtime.program import Program
from rheo_runtime.records import SUCCEEDED
from rheo_runtime.values import BadValue, Partition, joined
from rheo_runtime.windows import enough, needed, reads, starts

Key = tuple[str, str]  # a node and the text of an output partition


class Exists(Protocol):
    """What is known of partitions."""

    def __call__(self, signal: str, partition: Partition) -> bool:
        """Say whether a partition is there."""


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


LONGEST_PAST = 2_000  # partitions of a node that reads its own past, made one after the other in one plan


class Planner:
    """Collects the steps of one plan.

    Parameters
    ----------
    exists
        What is known of partitions.
    ledger
        Tells what events told of inputs: how they spelled them, and of what there is that nothing else names.
    recursive
        Plan also what makes inputs that are missing.
    """

    def __init__(
        self, program: Program, exists: Exists, ledger: Ledger | None = None, *, recursive: bool = False
    ) -> None:
        self._program = program
        self._exists = exists
        self._ledger = ledger
        self._recursive = recursive
        self._steps: dict[Key, Step] = {}
        self._lacks: dict[tuple[str, Partition], tuple[Gap, ...]] = {}
        self._lacking: list[tuple[Key, tuple[Gap, ...]]] = []
        self._left_out: dict[Gap, None] = {}
        self._there: list[Key] = []

    def want(self, ways: Sequence[Node], output: Partition, *, again: bool) -> None:
        """Add an output partition of a node, by one of these alternatives: see `_make`.

        One that exists is made only when it is wanted ``again``.
        """
        node = ways[0]
        key = node.id, node.join.output_text(output)
        if not again and self._exists(node.id, output):
            self._there.append(key)
        elif lacks := self._make(ways, output, again):
            self._lacking.append((key, lacks))

    def want_draft(self, node: Node, draft: Draft) -> None:
        """Add an execution whose inputs are named."""
        if lacks := self._add(node, draft, again=True):
            self._lacking.append(((node.id, node.join.output_text(draft.output)), lacks))

    def cannot(self, node: Node, output: Partition, why: str) -> None:
        """Note an output partition that cannot be made, and why."""
        self._lacking.append(((node.id, node.join.output_text(output)), (self._gap(node.id, output, why),)))

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
            if self._exists(signal, partition) or self._key(signal, partition) in self._steps:
                self._lacks[place] = ()
            elif node is None:
                self._lacks[place] = (self._gap(signal, partition, "not there"),)
            elif not self._recursive:
                self._lacks[place] = (self._gap(signal, partition, "not made yet"),)
            else:
                self._lacks[place] = self._make(self._program.ways(node.id), partition, again=False)
        return self._lacks[place]

    def _make(self, ways: Sequence[Node], output: Partition, again: bool) -> tuple[Gap, ...]:
        """Plan an output by the first alternative whose data is there, else by the first whose data can be made.

        What keeps the first one from being made is returned, when none can be.
        """
        if len(ways) == 1:
            return self._make_by(ways[0], output, again)
        recursive = self._recursive
        first: tuple[Gap, ...] = ()
        for made in [False, True] if recursive else [False]:
            for way in ways:
                kept = dict(self._steps), dict(self._lacks), dict(self._left_out)
                self._recursive = made
                lacks = self._make_by(way, output, again)
                self._recursive = recursive
                if not lacks:
                    return ()
                first = first or lacks
                # Nothing of an alternative that is not taken is made.
                self._steps, self._lacks, self._left_out = kept
        return first

    def _make_by(self, node: Node, output: Partition, again: bool) -> tuple[Gap, ...]:
        try:
            return self._add(node, of_output(node, output, self.nearest, self._ledger), again)
        except (Undetermined, BadValue) as fault:
            return (self._gap(node.id, output, str(fault)),)

    def _add(self, node: Node, draft: Draft, again: bool) -> tuple[Gap, ...]:
        lacks: list[Gap] = []
        after: dict[Key, None] = {}
        tips: dict[Key, None] = {}  # to be made, and their events may start the node
        rest: dict[Key, None] = {}  # to be made, and the node would start without them
        for source, tip, partitions in _reads(node, draft):
            awaited = source.tip is None or (source.mode != "" and not source.optional)
            past = source.signal == node.id
            if source.signal in self._program.makers:
                keys = (self._key(source.signal, p) for p in partitions)
                after.update((key, None) for key in keys if key in self._steps)
            if (past or not self._recursive) and not awaited:
                continue
            if past and self._recursive:
                self._make_past(node, source, partitions)
            must = needed(source, tip)
            found = self._look(source, partitions, must)
            built = {p: self._key(source.signal, p) for p, gaps in found.items() if not gaps}
            built = {p: key for p, key in built.items() if key in self._steps}
            after.update(dict.fromkeys(built.values()))
            first = () if source.tip else starts(source, tip)
            tips.update((key, None) for p, key in built.items() if p in first)
            rest.update((key, None) for p, key in built.items() if source.mode == "" and p not in first)
            gaps = dict.fromkeys(gap for p in must for gap in found[p])
            if not gaps and awaited and not enough(source, tip, (p for p, each in found.items() if not each)):
                gaps = dict.fromkeys(gap for p in reads(source, tip) for gap in self._visit(source.signal, p))
            lacks += gaps
            others = (gap for each in found.values() for gap in each if gap not in gaps)
            self._left_out.update(dict.fromkeys(others))
        if lacks:
            return tuple(dict.fromkeys(lacks))
        for key in tips:
            self._defer(key, rest)
        if self._ledger is not None:
            draft = self._program.spelled(self._ledger, draft)
        text = node.join.output_text(draft.output)
        step = Step(node.id, text, draft, tuple(after), tuple(tips), again=again)
        self._steps[step.key] = step
        return ()

    def _make_past(self, node: Node, source: wire.Input, partitions: Sequence[Partition]) -> None:
        """Visit what a node reads of its own past, the earliest that lacks first: a chain may be long."""
        chain: list[Partition] = []
        waiting = list(partitions)
        while waiting and len(chain) < LONGEST_PAST:
            earlier = waiting.pop()
            if (node.id, earlier) in self._lacks or self._exists(node.id, earlier):
                continue
            chain.append(earlier)
            waiting += reads(source, earlier)
        if waiting:
            self._lacks[node.id, chain[-1]] = (
                self._gap(node.id, chain[-1], "its past has no beginning: min"),
            )
        for earlier in reversed(chain):
            self._visit(node.id, earlier)

    def _look(
        self, source: wire.Input, partitions: Sequence[Partition], must: Sequence[Partition]
    ) -> dict[Partition, tuple[Gap, ...]]:
        """Visit what an input needs and reads; where one partition is enough and is all that is asked for, one."""
        found = {partition: self._visit(source.signal, partition) for partition in must}
        brief = not self._recursive and source.mode == ""
        for partition in partitions:
            if brief and any(not gaps for gaps in found.values()):
                break
            found[partition] = self._visit(source.signal, partition)
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
    chosen = dict(draft.chosen)
    for source, tip in zip(join.route.inputs, join.tips_of(draft.binding), strict=True):
        if source.alias in chosen:
            yield source, tip, list(chosen[source.alias])
            continue
        signal = node.document_builder.signals[source.signal]
        yield source, tip, [p for p in reads(source, tip) if _is_partition(signal, p)]


def _is_partition(signal: wire.Signal, partition: Partition) -> bool:
    try:
        signal.texts(partition)
    except BadValue:
        return False  # a window that reaches out of the range of dates
    return True


_DATA = (wire.S3Events, wire.GlueEvents)


class DatedStorage(Storage, Protocol):
    """Where data is, and since when."""

    def written(self, signal: wire.Signal, partition: Partition) -> float | None:
        """Return when a partition was completed last, in seconds since 1970; None when it is not there."""


class Existing:
    """Asks about each partition once.

    Data is looked for in storage. Of what has no data, a timer or an alarm, nothing is to be looked for.
    Data that something else announces may lack a completion object, and of a partition whose case is
    folded only an event tells the path: what the ledger knows of these counts.
    """

    def __init__(self, program: Program, ledger: Ledger, storage: DatedStorage) -> None:
        self._program = program
        self._ledger = ledger
        self._storage = storage
        self._known: dict[tuple[str, Partition], bool] = {}

    def __call__(self, signal: str, partition: Partition) -> bool:
        """Say whether a partition is there; raises as boto3 does when AWS cannot tell."""
        place = signal, partition
        if place not in self._known:
            found = self._program.signals[signal]
            self._known[place] = (
                found.path is None
                or self._storage.exists(found, partition)
                or self._arrived(found, partition)
            )
        return self._known[place]

    def written(self, signal: wire.Signal, partition: Partition) -> float | None:
        """Return when a partition was written last, in seconds since 1970; None when it is not there.

        Of a node's output the ledger knows it. Of other data it is the latest of what storage says and of the
        times at which events of it came. Raises as boto3 does when AWS cannot tell.
        """
        if signal.id in self._program.makers:
            output, _ = self._ledger.output(signal.id, joined(signal.texts(partition)), None)
            made = [e.moved for e in ([] if output is None else output.ended) if e.state == SUCCEEDED]
            if made:
                return max(made)
        consumers = self._program.signal_sources[signal.id].consumers.find(partition)
        records = (consumer.record(self._ledger, partition) for consumer in consumers)
        times = [time for record in records if record is not None for time in record.times().values()]
        stored = self._storage.written(signal, partition)
        return max([*times, *([] if stored is None else [stored])], default=None)

    def _arrived(self, signal: wire.Signal, partition: Partition) -> bool:
        folds = any(rule.kind.insensitive for branch in signal.branches for rule in branch)
        announced = not any(isinstance(event, _DATA) for event in signal.events)
        if signal.id in self._program.nodes or not (announced or folds):
            return False  # an event may have come, but what it told of is gone
        return self._program.record(self._ledger, signal.id, partition) is not None
