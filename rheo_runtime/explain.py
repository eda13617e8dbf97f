"""Ledger -> facts: why an output partition ran, or what it waits for, or what came near it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rheo_runtime.consumers import Node
from rheo_runtime.derivation import Undetermined, first_of, of_output
from rheo_runtime.engine import Engine
from rheo_runtime.late import LateNow
from rheo_runtime.ledger import Ledger, shown
from rheo_runtime.match import Rejected
from rheo_runtime.program import Program
from rheo_runtime.records import Binding, CheckResult, Execution, execution_id
from rheo_runtime.stale import binding_made, way_of
from rheo_runtime.values import BadValue, Partition, joined
from rheo_runtime.waiting import Waiting, forgotten, forgotten_at

NEAR = 5  # events without effect that an account names


@dataclass(frozen=True, slots=True)
class Ran:
    """An execution, and the events that made it: alias, texts of the partition, event id.

    ``moved`` is when it came into its state, ``claimed`` when its run took it, which is named ``run``.
    """

    id: str
    state: str
    fired: float
    events: tuple[tuple[str, str, str], ...]
    note: str
    moved: float
    claimed: float | None
    run: str | None
    checks: tuple[CheckResult, ...]


class LateInput(NamedTuple):
    """Something that a partition of a node reads and that is late now: texts, and when it was due."""

    signal: str
    of: str
    partition: str
    missing: str
    due: float


class ForgottenInput(NamedTuple):
    """An arrival that a partition of a node is made from and that came too long ago to count; ``said`` in words."""

    alias: str
    signal: str
    partition: str
    came: float
    said: str


def late_input(program: Program, late: LateNow) -> LateInput:
    """Return something that is late now, as texts."""
    of = program.signals[late.late.events.of]
    return LateInput(
        late.late.signal.id,
        of.id,
        joined(late.late.signal.texts(late.partition)),
        joined(of.texts(late.missing)),
        late.due,
    )


def late_of(way: Node, binding: Binding | None, late: Iterable[LateNow]) -> Iterator[LateNow]:
    """Yield what is late of the inputs of a binding; where it is not known, of all partitions of the inputs."""
    try:
        tips = None if binding is None else way.join.tips_of(binding)
    except BadValue:
        tips = None
    for each in late:
        for i, source in enumerate(way.join.route.inputs):
            named = source.signal in (each.late.signal.id, each.late.events.of)
            if named and (tips is None or tips[i] == each.partition):
                yield each
                break


def binding_of(way: Node, partition: Partition) -> Binding:
    """Return what the trigger inputs of an output partition are, whatever `nearest` reads; raises Undetermined, BadValue."""
    return of_output(way, partition, first_of).binding


def binding_for(way: Node, partition: Partition) -> Binding | None:
    """Return the same; None where the partition does not tell."""
    try:
        return binding_of(way, partition)
    except (Undetermined, BadValue):
        return None


def forgotten_of(program: Program, ledger: Ledger, way: Node, binding: Binding) -> Iterator[ForgottenInput]:
    """Yield what the trigger inputs of a binding had that is too old to count."""
    for i in way.join.positions.values():
        source = way.join.triggers[i]
        signal = program.signals[source.signal]
        for found, came in forgotten_at(ledger, way, i, binding[i]):
            text = joined(signal.texts(found))
            yield ForgottenInput(source.alias, signal.id, text, came, forgotten(signal.id, text, came, way))


def expected_of(program: Program, way: Node, binding: Binding) -> dict[str, str]:
    """Return the partition of each trigger input that a binding is of, as text, by alias."""
    return {
        source.alias: joined(source.texts(program.signals[source.signal], partition))
        for source, partition in zip(way.join.triggers, binding, strict=True)
    }


def concerns(waiting: Waiting, partition: str, expected: Sequence[Mapping[str, str] | None]) -> bool:
    """Say whether what waits could become an output partition.

    ``expected`` are, for each way to it, the partitions that it is made from, None where it does not tell.
    """
    if waiting.output is not None:
        return waiting.output == partition
    arrived = {alias: joined(texts) for alias, texts in waiting.arrived.items()}
    return any(ways is None or all(ways.get(a) == p for a, p in arrived.items()) for ways in expected)


@dataclass(frozen=True, slots=True)
class Account:
    """Why one output partition of a node ran, or did not.

    ``ran`` are its executions, the first one first; ``waiting`` what could still become one; ``near``
    the latest events that came to the node's signals, or to none, without effect. ``late`` is what it reads that
    should be there by now and is not, ``forgotten`` what came too long ago to count. ``values`` are those of the
    partition, None where its texts give none: ``unknown`` says why.
    """

    node: str
    partition: str
    ran: tuple[Ran, ...]
    waiting: tuple[Waiting, ...]
    near: tuple[tuple[float, Rejected], ...]
    late: tuple[LateInput, ...] = ()
    forgotten: tuple[ForgottenInput, ...] = ()
    values: Partition | None = None
    unknown: str = ""


def explained(engine: Engine, node: str, texts: tuple[str, ...]) -> Account:
    """Return the account of one output partition, given by its texts, as an engine knows it."""
    waiting, recent, late = engine.pending(node), engine.recent, engine.late()
    return explain(engine.program, engine.ledger, node, texts, waiting, recent, late)


def explain(
    program: Program,
    ledger: Ledger,
    node: str,
    texts: tuple[str, ...],
    waiting: Iterable[Waiting],
    recent: Iterable[tuple[float, Rejected]],
    late: Sequence[LateNow] = (),
) -> Account:
    """Return the account of one output partition, given by its texts."""
    partition = joined(texts)
    output, _ = ledger.output(node, partition, None)
    found: list[Execution] = []
    if output is not None:
        output = shown(ledger.batch_run, output)
        found = [*reversed(output.ended), *(e for e in (output.active, output.held) if e is not None)]
    ways = program.ways(node)
    signals = {source.signal for way in ways for source in way.join.route.inputs}
    near = [
        (at, event)
        for at, event in recent
        if event.node == node or (event.node is None and (event.signal is None or event.signal in signals))
    ]
    dims = program.makers[node].join.route.output.dims if node in program.makers else ()
    if len(texts) != len(dims):  # all of them in one text
        texts = tuple(partition.split("/")) if dims else ()
    named, rejected, _ = program.matcher.named(program.table.app, node, texts)
    partitions = [f.partition for f in named]
    held: dict[LateInput, None] = {}
    expected: list[dict[str, str] | None] = []
    gone: dict[ForgottenInput, None] = {}
    for way in ways if partitions else []:
        binding = binding_for(way, partitions[0])
        held |= dict.fromkeys(late_input(program, each) for each in late_of(way, binding, late))
        expected.append(None if binding is None else expected_of(program, way, binding))
        gone |= dict.fromkeys(() if binding is None else forgotten_of(program, ledger, way, binding))
    return Account(
        node,
        partition,
        tuple(_ran(program, node, partition, e) for e in sorted(found, key=lambda e: e.generation)),
        tuple(w for w in waiting if concerns(w, partition, expected)),
        tuple(reversed(near[-NEAR:])),
        tuple(held),
        tuple(gone),
        partitions[0] if partitions else None,
        "" if partitions or not rejected else rejected[0].reason,
    )


def events_of(program: Program, execution: Execution) -> list[tuple[str, str, str]]:
    """Return the events that made an execution: alias, texts of the partition that it named, its id.

    Of a complete rollup that is one for each member. A run that was started by hand has none; nor is it told of one
    whose inputs have changed since.
    """
    document = execution.document
    way = way_of(program, document)
    if way is None or not execution.events:
        return []
    try:
        binding = binding_made(way, document)
    except Undetermined:
        return []
    texts = {entry["alias"]: joined(tuple(entry["dimensions"].values())) for entry in document["inputs"]}
    named: list[tuple[str, str]] = []
    for source, members, partition in zip(way.join.triggers, way.join.rolled, binding, strict=True):
        if members is None:
            named.append((source.alias, texts[source.alias]))
        else:
            signal = program.signals[source.signal]
            named += [(source.alias, joined(signal.texts(each))) for each in members.members(partition)]
    if len(named) != len(execution.events):
        return []
    found = [(alias, text, event) for (alias, text), event in zip(named, execution.events, strict=True)]
    declared = list(way.join.positions)
    return sorted(found, key=lambda one: declared.index(one[0]))


def _ran(program: Program, node: str, partition: str, execution: Execution) -> Ran:
    return Ran(
        execution_id(node, partition, execution.generation),
        execution.state,
        execution.fired,
        tuple(events_of(program, execution)),
        execution.note,
        execution.moved,
        execution.claimed,
        execution.run_id,
        execution.checks,
    )
