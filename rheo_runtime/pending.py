"""Ledger -> what waits: complete bindings that are not ready, and maximal combinations that lack an input.

For monitoring and expiry: it reads all arrivals of a node, so it is no part of handling an event.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from itertools import combinations as subsets
from typing import NamedTuple

from rheo_runtime import expr as x
from rheo_runtime.invert import Known, evaluate, solve
from rheo_runtime.join import Join
from rheo_runtime.ledger import Ledger
from rheo_runtime.program import Node, Program
from rheo_runtime.records import NEVER, Arrivals, Binding, Mark, Partial
from rheo_runtime.texts import joined
from rheo_runtime.usage import due, free
from rheo_runtime.values import BadValue, Partition, Value, render


class Missing(NamedTuple):
    """What a waiting combination lacks: an arrival, or a partition of a window."""

    alias: str
    signal: str
    what: str
    reason: str


class Waiting(NamedTuple):
    """A combination of arrivals that has not led to an execution.

    ``arrived`` gives, for each input that has something unused, the texts of its partition.
    ``output`` is the output partition when the arrivals determine it. ``since`` is the time of the
    oldest arrival that waits.
    """

    node: str
    arrived: dict[str, tuple[str, ...]]
    missing: tuple[Missing, ...]
    since: float
    output: str | None


class Combination(NamedTuple):
    """Arrivals that fit together, with gaps, and how many of each are unused; ``ready`` to be checked."""

    records: tuple[Arrivals | None, ...]
    left: tuple[int, ...]
    complete: bool
    since: float


def combinations(node: Node, ledger: Ledger, passed: Container[str] = ()) -> list[Combination]:
    """Return every combination of a node's arrivals that waits, in the order of their partitions.

    Complete ones of the output partitions in ``passed`` are left out: to look at each costs a read.
    """
    join = node.join
    groups = [
        sorted((r for r in ledger.arrivals(slot) if r.times()), key=lambda r: _sortable(r.partition))
        for slot in join.slots
    ]
    found: dict[Partial, Combination] = {}
    for records in _Search(join, groups).run():
        combination = _unused(node, ledger, records, passed)
        if combination is not None:
            key = tuple(
                [
                    r.partition if r is not None and n > 0 else None
                    for r, n in zip(records, combination.left, strict=True)
                ]
            )
            if combination.complete:
                key += ((),)  # its own entry, beside a partial one of the same arrivals
            found.setdefault(key, combination)
    return list(found.values())


def _sortable(partition: Partition) -> tuple[tuple[bool, Value], ...]:
    return tuple([(isinstance(v, str), v) for v in partition])


class _Search:
    """Depth first: at each input take an arrival that fits, or none; keep what cannot be extended."""

    def __init__(self, join: Join, groups: list[list[Arrivals]]) -> None:
        self._join = join
        self._groups = groups
        self._grouped: dict[tuple[int, tuple[int, ...]], dict[tuple[Value, ...], list[Arrivals]]] = {}

    def run(self) -> Iterator[tuple[Arrivals | None, ...]]:
        yield from self._visit((), {})

    def _visit(
        self, chosen: tuple[Arrivals | None, ...], known: dict[int, Value]
    ) -> Iterator[tuple[Arrivals | None, ...]]:
        join, i = self._join, len(chosen)
        if i == join.size:
            if any(chosen) and self._maximal(chosen, known) and self._holds(chosen):
                yield chosen
            return
        fitting = self._fitting(i, known)
        for record in fitting:
            mine = dict(zip(join.variables[i], join.values[i](record.partition), strict=True))
            yield from self._visit((*chosen, record), known | mine)
        if not (fitting and known.keys() >= set(join.variables[i])):
            yield from self._visit((*chosen, None), known)

    def _fitting(self, i: int, known: dict[int, Value]) -> list[Arrivals]:
        own = self._join.variables[i]
        shared = tuple(v for v in own if v in known)
        if (i, shared) not in self._grouped:
            grouped = self._grouped[i, shared] = {}
            for record in self._groups[i]:
                values = dict(zip(own, self._join.values[i](record.partition), strict=True))
                grouped.setdefault(tuple([values[v] for v in shared]), []).append(record)
        return self._grouped[i, shared].get(tuple([known[v] for v in shared]), [])

    def _maximal(self, chosen: tuple[Arrivals | None, ...], known: dict[int, Value]) -> bool:
        return not any(r is None and self._fitting(i, known) for i, r in enumerate(chosen))

    def _holds(self, chosen: tuple[Arrivals | None, ...]) -> bool:
        holds, binding = self._join.holds, tuple([r.partition for r in chosen if r is not None])
        return holds is None or len(binding) < self._join.size or holds(binding)


def _unused(
    node: Node, ledger: Ledger, records: tuple[Arrivals | None, ...], passed: Container[str]
) -> Combination | None:
    join = node.join
    partial = tuple([None if r is None else r.partition for r in records])
    lapses = lapses_of(ledger, node, partial) if node.expires else ()
    whole = tuple([r for r in records if r is not None])
    if len(whole) < join.size:
        left = [
            0 if r is None else min([r.unused(marks[i]) for marks in lapses], default=r.unused(NEVER))
            for i, r in enumerate(records)
        ]
        complete = False
    else:
        binding = tuple([r.partition for r in whole])
        try:
            text = join.output_text(join.output(binding))
        except BadValue:
            return None
        if text in passed:
            return None
        _, used = ledger.output(node.id, text, binding)
        left = free(whole, used, lapses)
        complete = due(join.all, left, used) > 0
        if not complete and not join.all:
            return None  # under "any" nothing is left over once it fired
    times = [list(r.times().values())[-n] for r, n in zip(records, left, strict=True) if r and n > 0]
    return Combination(records, tuple(left), complete, min(times)) if times else None


def lapses_of(ledger: Ledger, node: Node, partial: Partial) -> list[tuple[Mark, ...]]:
    """Return the marks of expired combinations that ``partial`` extends."""
    bound = [i for i, partition in enumerate(partial) if partition is not None]
    parts: list[Partial] = [
        tuple([p if i in chosen else None for i, p in enumerate(partial)])
        for size in range(1, len(bound) + 1)
        for chosen in subsets(bound, size)
    ]
    return list(ledger.lapses(node.id, parts))


def lapse(ledger: Ledger, node: Node, combination: Combination) -> None:
    """Use up the arrivals of a combination for every binding that extends it."""
    records = combination.records
    ledger.lapse(
        node.id,
        tuple([None if r is None else r.partition for r in records]),
        tuple([NEVER if r is None else (r.since, r.n) for r in records]),
    )


def describe(program: Program, ledger: Ledger, node: Node, combination: Combination) -> Waiting:
    """Return a combination in words."""
    return _Words(program, ledger, node, combination).waiting()


class _Words:
    def __init__(self, program: Program, ledger: Ledger, node: Node, combination: Combination) -> None:
        self._program = program
        self._ledger = ledger
        self._node = node
        self._combination = combination
        join = node.join
        self._known: Known = {
            (source.alias, dim): value
            for source, record in zip(join.triggers, combination.records, strict=True)
            if record is not None
            for dim, value in zip(join.scope.dims[source.alias], record.partition, strict=True)
        }
        self._solved = solve(join.links, self._known, join.scope.kind_of_ref)

    def waiting(self) -> Waiting:
        node, combination = self._node, self._combination
        arrived = {
            source.alias: self._texts(source.signal, record.partition)
            for source, record, n in zip(
                node.join.triggers, combination.records, combination.left, strict=True
            )
            if record is not None and n > 0
        }
        missing = self._gaps() if combination.complete else self._absent()
        return Waiting(node.id, arrived, tuple(missing), combination.since, self._output())

    def _texts(self, signal: str, partition: Partition) -> tuple[str, ...]:
        return self._program.signals[signal].texts(partition)

    def _absent(self) -> Iterator[Missing]:
        join, combination = self._node.join, self._combination
        for source, record, n in zip(join.triggers, combination.records, combination.left, strict=True):
            if n > 0:
                continue
            what = joined(self._expected(source.alias, source.signal))
            if record is None:
                reason = f"no {source.signal} {what} has arrived".replace("  ", " ")
            else:
                reason = f"{source.signal} {what} was used already; it must arrive again"
            yield Missing(source.alias, source.signal, what, reason)

    def _expected(self, alias: str, signal: str) -> tuple[str, ...]:
        """The texts of the partition that is awaited, ``*`` where any would do."""
        dims = self._node.join.scope.dims[alias]
        values = [self._solved.get((alias, dim)) for dim in dims]
        if None not in values:
            return self._texts(signal, tuple([v for v in values if v is not None]))
        branch = self._program.signals[signal].branches[0]
        return tuple(
            "*" if v is None else render(v, rule.kind) for v, rule in zip(values, branch, strict=True)
        )

    def _gaps(self) -> Iterator[Missing]:
        binding: Binding = tuple([r.partition for r in self._combination.records if r is not None])
        for check in self._node.checks:
            window = check.window
            tip = window.tip_of(check.tip(binding))
            gaps = window.all_missing(self._ledger, tip)
            if window.nearest and len(gaps) == len(window.candidates(tip)):
                texts = [joined(self._texts(window.signal, p)) for p in gaps]
                reason = f"none of the {len(gaps)} partitions of the window exists"
                yield Missing(window.alias, window.signal, f"{texts[0]} ... {texts[-1]}", reason)
            elif not window.nearest:
                for p in gaps:
                    what = joined(self._texts(window.signal, p))
                    yield Missing(window.alias, window.signal, what, "not there, and its window needs it")

    def _output(self) -> str | None:
        join = self._node.join
        if any((r.input, r.dim) not in self._solved for e in join.route.output.values for r in x.refs(e)):
            return None
        try:
            kind = join.scope.kind_of_ref
            values = [evaluate(e, self._solved, kind) for e in join.route.output.values]
            return join.output_text(tuple(values))
        except BadValue:
            return None
