"""Ledger -> the outputs that are older than what they read, ancestors first.

An output is stale when a partition that its latest execution reads, or would have read had it been there, was
written after that execution fired, or is stale itself: once that one is made again, it is older too. When data was
written is for others to say: storage knows, or a simulator. This reads the whole ledger of a node, so it is no part
of handling an event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from rheo_runtime import executions, wire
from rheo_runtime.consumers import Node
from rheo_runtime.derivation import Undetermined, first_of, of_output
from rheo_runtime.ledger import Ledger
from rheo_runtime.program import Program
from rheo_runtime.records import SUCCEEDED, Binding, Document, Execution, Output, execution_id
from rheo_runtime.values import BadValue, Partition, joined, partition_parser

# When the data of a partition was written last, in seconds since 1970; None when it is not there.
Written = Callable[[wire.Signal, Partition], float | None]
Fired = Callable[
    [str, Execution], float
]  # the id of an execution, and it -> when it fired, on the same clock


class Newer(NamedTuple):
    """A partition that is newer than an output that reads it: when it was written; None when it is stale itself."""

    alias: str
    signal: str
    partition: str
    written: float | None


class Stale(NamedTuple):
    """An output that is older than what it reads.

    ``execution`` is the id of the execution that made it, ``fired`` when that one fired. ``way`` and ``binding``
    are what makes it again: its alternative, and a partition for each trigger input there.
    """

    node: str
    output: Partition
    partition: str
    execution: str
    fired: float
    newer: tuple[Newer, ...]
    way: Node
    binding: Binding


def stale(
    program: Program,
    ledger: Ledger,
    written: Written,
    nodes: Iterable[str] | None = None,
    fired: Fired | None = None,
) -> list[Stale]:
    """Return the stale outputs of these nodes and of all that they read, or of all nodes, ancestors first."""
    search = _Search(program, ledger, written, fired or _fired)
    for node in in_order(program, program.makers if nodes is None else nodes):
        search.look(node)
    return list(search.found.values())


def needed(found: Iterable[Stale], node: str, inside: Callable[[Partition], bool]) -> list[Stale]:
    """Return the stale outputs of a node that are inside of a range, and those that they are made from."""
    every = {(each.node, each.partition): each for each in found}
    waiting = [each for each in every.values() if each.node == node and inside(each.output)]
    wanted: set[tuple[str, str]] = set()
    while waiting:
        each = waiting.pop()
        wanted.add((each.node, each.partition))
        read = (every.get((newer.signal, newer.partition)) for newer in each.newer if newer.written is None)
        waiting += [r for r in read if r is not None and (r.node, r.partition) not in wanted]
    return [each for key, each in every.items() if key in wanted]


def in_order(program: Program, nodes: Iterable[str]) -> list[str]:
    """Return nodes and all that they read of other nodes, ancestors first."""
    order: dict[str, None] = {}
    open_: set[str] = set()
    waiting = [(node, False) for node in sorted(nodes, reverse=True)]
    while waiting:
        node, done = waiting.pop()
        if done:
            order[node] = None
        elif node not in open_:
            open_.add(node)
            waiting.append((node, True))
            read = {source.signal for way in program.ways(node) for source in way.join.route.inputs}
            waiting += [(each, False) for each in sorted(read, reverse=True) if each in program.makers]
    return list(order)


def made_by(output: Output) -> Execution | None:
    """Return the execution whose work stands in an output, or will: one that is under way, else the last success."""
    alive = executions.current(output)
    if alive:
        return alive[-1]
    return next((each for each in output.ended if each.state == SUCCEEDED), None)


def way_of(program: Program, document: Document) -> Node | None:
    """Return the alternative of a node that a document is of; None when there is none now."""
    if way := document.get("way"):
        return program.way(document["node"], way)
    return program.nodes.get(document["node"])


def binding_made(way: Node, document: Document) -> Binding:
    """Return the partitions that the trigger inputs of an execution named; raises Undetermined."""
    read = {entry["alias"]: tuple(entry["dimensions"].values()) for entry in document["inputs"]}
    found = []
    for source in way.join.triggers:
        if source.alias not in read:
            raise Undetermined(f"{way.id} had no input {source.alias} then")
        found.append(_parsed(way, source, read[source.alias]))
    return tuple(found)


def _parsed(way: Node, source: wire.Input, texts: tuple[str, ...]) -> Partition:
    signal = way.document_builder.signals[source.signal]
    branches = signal.branches if source.rollup is None else source.branches
    why = "its dimensions have changed"
    for branch in branches:
        if len(branch) != len(texts):
            continue
        try:
            partition = partition_parser(tuple(rule.kind for rule in branch))(texts)
        except (BadValue, ValueError) as fault:
            why = str(fault)
            continue
        if all(r.value in (None, value) for r, value in zip(branch, partition, strict=True)):
            return partition
    raise Undetermined(f"{source.alias} of {way.id} was {joined(texts)}: {why}")


def _fired(_: str, execution: Execution) -> float:
    return execution.fired


class _Search:
    def __init__(self, program: Program, ledger: Ledger, written: Written, fired: Fired) -> None:
        self._program = program
        self._ledger = ledger
        self._written = written
        self._fired = fired
        self._times: dict[tuple[str, Partition], float | None] = {}
        self.found: dict[tuple[str, Partition], Stale] = {}

    def look(self, node: str) -> None:
        """Look at every output of a node; what it reads of other nodes was looked at before."""
        made = [(o, e) for o in self._ledger.outputs(node) if (e := made_by(o)) is not None]
        outputs = [(o, e, p) for o, e in made if (p := self._partition(e)) is not None]
        # Of what reads its own past, the earlier ones first.
        for output, execution, partition in sorted(outputs, key=lambda each: _sortable(each[2])):
            found = self._look_at(output, partition, execution)
            if found is not None:
                self.found[node, partition] = found

    def _partition(self, execution: Execution) -> Partition | None:
        document = execution.document
        texts = tuple(document["output"]["dimensions"].values())
        found = self._program.matcher.named(self._program.table.app, document["node"], texts)[0]
        return found[0].partition if found else None

    def _look_at(self, output: Output, partition: Partition, execution: Execution) -> Stale | None:
        document = execution.document
        way = way_of(self._program, document) or self._program.makers[output.node]
        try:
            binding = binding_made(way, document)
        except Undetermined:  # its inputs have changed since it was made
            try:
                binding = of_output(way, partition, first_of).binding
            except (Undetermined, BadValue):
                return None
        id = execution_id(output.node, output.partition, execution.generation)
        fired = self._fired(id, execution)
        try:
            newer = tuple(self._newer(way, binding, document, fired))
        except BadValue:
            return None  # a reference that no partition of the inputs determines any more
        return (
            Stale(output.node, partition, output.partition, id, fired, newer, way, binding) if newer else None
        )

    def _newer(self, way: Node, binding: Binding, document: Document, fired: float) -> Iterator[Newer]:
        chosen = {entry["alias"]: set(entry["paths"]) for entry in document["inputs"]}
        for read in way.reads(binding, self._ledger):
            signal = self._program.signals[read.signal]
            if not has_data(signal):
                continue
            if read.nearest and signal.address(read.partition) not in chosen.get(read.alias, ()):
                continue
            again = (read.signal, read.partition) in self.found
            written = None if again else self._time(signal, read.partition)
            if again or (written is not None and written > fired):
                yield Newer(read.alias, read.signal, joined(signal.texts(read.partition)), written)

    def _time(self, signal: wire.Signal, partition: Partition) -> float | None:
        place = signal.id, partition
        if place not in self._times:
            try:
                self._times[place] = self._written(signal, partition)
            except BadValue:  # a window that reaches out of the range of dates
                self._times[place] = None
        return self._times[place]


def has_data(signal: wire.Signal) -> bool:
    """Say whether a signal has data: a timer or an alarm has none."""
    return signal.path is not None or any(isinstance(e, wire.GlueEvents) for e in signal.events)


def _sortable(partition: Partition) -> tuple[tuple[bool, str | int], ...]:
    return tuple((isinstance(value, str), value) for value in partition)
