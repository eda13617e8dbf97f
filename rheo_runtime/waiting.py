"""Many items and the number of a turn -> those whose turn it is; no state has to be kept for it.

Ledger -> what waits: complete bindings that are not ready, and maximal combinations that lack an input.

For monitoring and expiry: it reads all arrivals of a node, so it is no part of handling an event.
Inputs that wait -> documents for the hooks that are to be told of it, each made exactly once.

A notification is an execution of its own: of a name beside the node (`told_as`), of an output partition that says
what waits, since when, and which hook is meant. So it has the ledger's guarantees: it is created once,
announced until a run claims it, and claimed by one run.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from rheo_runtime import executions, wire
from rheo_runtime import expr as x
from rheo_runtime.airflow_client import told_as
from rheo_runtime.consumers import Node
from rheo_runtime.derivation import Known, evaluate, of_others, solve
from rheo_runtime.documents import VERSION
from rheo_runtime.executions import made
from rheo_runtime.join import Join, firings_due, free, used_with
from rheo_runtime.ledger import Ledger
from rheo_runtime.program import Program
from rheo_runtime.records import (
    NEVER,
    Arrivals,
    Binding,
    ConsumedMark,
    Document,
    Execution,
    Group,
    Output,
    Partial,
    Stored,
    Unreadable,
    Used,
    User,
    execution_id,
)
from rheo_runtime.rollup import Members
from rheo_runtime.templates import template
from rheo_runtime.values import BadValue, Kind, Partition, Value, admit, joined, partition_parser, render

T = TypeVar("T")
Fit = tuple[Arrivals | Group | None, ...]  # of each input an arrival, or none, that fit together
AT_ONCE = 100  # combinations whose outputs are read in one call
STRIDE = 7_919  # a prime: turns that are a minute apart begin far apart too


def in_turn(items: list[T], most: int, turn: int) -> list[T]:
    """Return ``most`` of the items, beginning elsewhere at each turn.

    >>> [in_turn(["a", "b", "c"], 2, turn) for turn in (0, 1, 2)]
    [['a', 'b'], ['c', 'a'], ['b', 'c']]
    """
    if not items:
        return []
    most = min(most, len(items))
    start = turn * most % len(items) if most < len(items) else turn * STRIDE % len(items)
    return (items * 2)[start : start + most]


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

    def __str__(self) -> str:
        name = f"{self.node} {self.output or ''}".rstrip()
        since = datetime.fromtimestamp(self.since, UTC).isoformat(timespec="seconds")
        lines = [f"{name} is waiting since {since}"]
        lines += [f"  arrived: {a} {joined(texts)}".rstrip() for a, texts in self.arrived.items()]
        lines += [f"  missing: {m.alias} {m.what}: {m.reason}" for m in self.missing]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


class Combination(NamedTuple):
    """Arrivals that fit together, with gaps, and how many of each are unused; ``complete`` to be checked.

    ``fresh`` says of each input how many of each member are unused: an input that is not rolled up is its only
    member.
    """

    records: Fit
    left: tuple[int, ...]
    fresh: tuple[tuple[int, ...], ...]
    complete: bool
    since: float


def combinations(node: Node, ledger: Ledger, passed: Container[str] = ()) -> list[Combination]:
    """Return every combination of a node's arrivals that waits, in the order of their partitions.

    Complete ones of the output partitions in ``passed`` are left out: to look at each costs a read unit.
    """
    join = node.join
    groups: list[list[Arrivals | Group]] = []
    for arrival_index, members, passes in zip(join.arrival_indexes, join.rolled, join.passes, strict=True):
        records = [
            r for r in ledger.arrivals(arrival_index) if r.times() and (passes is None or passes(r.partition))
        ]
        there: list[Arrivals | Group] = [*records] if members is None else [*members.groups(records)]
        groups.append(sorted(there, key=lambda r: _sortable(r.partition)))
    found: dict[Partial, Combination] = {}
    candidates = _candidates(node, ledger, _Search(join, groups).run(), passed)
    while some := list(islice(candidates, AT_ONCE)):
        uses = iter(ledger.uses(node.id, [place for _, place in some if place is not None]))
        for chosen, place in some:
            use = None if place is None else next(uses)
            if place is not None and use is None:
                continue  # what one output used cannot be read, and stops no other
            combination = _unused(node, ledger, chosen, use)
            if combination is None:
                continue
            key = tuple(
                [
                    r.partition if r is not None and n > 0 else None
                    for r, n in zip(chosen, combination.left, strict=True)
                ]
            )
            if combination.complete:
                key += ((),)  # its own entry, beside a partial one of the same arrivals
            found.setdefault(key, combination)
    return list(found.values())


def _candidates(
    node: Node, ledger: Ledger, search: Iterable[Fit], passed: Container[str]
) -> Iterator[tuple[Fit, tuple[str, User] | None]]:
    """Yield what fits together, and of what is complete the output and who uses it; what never runs is left out."""
    join = node.join
    for records in search:
        if any(r is None or (isinstance(r, Group) and None in r.parts) for r in records):
            yield records, None
            continue
        binding = tuple([r.partition for r in records if r is not None])
        try:
            values = join.output(binding)
            text = join.output_text(values)
            for tip in join.tips:
                tip(binding)  # without a reference that it determines it never runs
            user = (
                node.reader(binding, [*node.reads(binding, ledger), *of_others(node, values)])
                if node.updates
                else node.user(binding, records)
            )
        except BadValue:
            continue
        except Unreadable as fault:  # what one of them reads stops no other
            ledger.unreadable(str(fault))
            continue
        if text not in passed:
            yield records, (text, user)


def _sortable(partition: Partition) -> tuple[tuple[bool, Value], ...]:
    return tuple([(isinstance(v, str), v) for v in partition])


class _Search:
    """Depth first: at each input take an arrival that fits, or none; keep what cannot be extended."""

    def __init__(self, join: Join, groups: list[list[Arrivals | Group]]) -> None:
        self._join = join
        self._groups = groups
        self._grouped: dict[tuple[int, tuple[int, ...]], dict[tuple[Value, ...], list[Arrivals | Group]]] = {}

    def run(self) -> Iterator[Fit]:
        yield from self._visit((), {})

    def _visit(self, chosen: Fit, known: dict[int, Value]) -> Iterator[Fit]:
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

    def _fitting(self, i: int, known: dict[int, Value]) -> list[Arrivals | Group]:
        own = self._join.variables[i]
        shared = tuple(v for v in own if v in known)
        if (i, shared) not in self._grouped:
            grouped = self._grouped[i, shared] = {}
            for record in self._groups[i]:
                values = dict(zip(own, self._join.values[i](record.partition), strict=True))
                grouped.setdefault(tuple([values[v] for v in shared]), []).append(record)
        return self._grouped[i, shared].get(tuple([known[v] for v in shared]), [])

    def _maximal(self, chosen: Fit, known: dict[int, Value]) -> bool:
        return not any(r is None and self._fitting(i, known) for i, r in enumerate(chosen))

    def _holds(self, chosen: tuple[Arrivals | Group | None, ...]) -> bool:
        holds, binding = self._join.holds, tuple([r.partition for r in chosen if r is not None])
        return holds is None or len(binding) < self._join.size or holds(binding)


def _unused(
    node: Node, ledger: Ledger, records: Fit, use: tuple[Output | None, Used | None] | None
) -> Combination | None:
    """Return what is unused of what fits together; ``use`` is of what is complete: see `Ledger.output`."""
    join = node.join
    partial = tuple([None if r is None else r.partition for r in records])
    expiries = expiries_of(ledger, node, partial, records) if node.expires else []
    parts = [r.parts if isinstance(r, Group) else (r,) for r in records]
    flat = [part for each in parts for part in each]
    if use is None:
        left = [
            0 if r is None else min([r.unused(marks[i]) for marks in expiries], default=r.unused(NEVER))
            for i, r in enumerate(flat)
        ]
        complete = False
    else:
        output, used = use
        if (node.updates and used is not None) or (node.once and output is not None and made(output)):
            return None  # it has run, and what starts it again is no arrival that waits
        whole = tuple([part for part in flat if part is not None])
        if output is not None and output.came is not None and used is not None and not node.grouped:
            used = used_with(used, whole, join.arrival_indexes, output.came)
        left = free(whole, used, expiries)
        complete = firings_due(join.all, left, used) > 0
        if not complete and not join.all:
            return None  # under "any" nothing is left over once it fired
    times = [list(r.times().values())[-n] for r, n in zip(flat, left, strict=True) if r and n > 0]
    numbers = iter(left)
    fresh = tuple(tuple(next(numbers) for _ in each) for each in parts)
    return Combination(records, tuple(map(sum, fresh)), fresh, complete, min(times)) if times else None


def expiries_of(
    ledger: Ledger, node: Node, partial: Partial, records: Sequence[Arrivals | Group | None]
) -> list[tuple[ConsumedMark, ...]]:
    """Return the marks of expired combinations that ``partial`` extends: one read for each of its arrivals.

    There is a mark for each member of ``records``, which are the partial's arrivals.
    """
    return [
        _spread(marks, records) if node.grouped else marks
        for expired, marks in ledger.expiries(_expiries(node), partial)
        if all(e is None or e == p for e, p in zip(expired, partial, strict=True))
    ]


def _expiries(node: Node) -> str:
    """The name under which a node's expiries are kept: another one for each meaning of its combinations."""
    return f"{node.id}~{node.means.name}"


def _spread(marks: tuple[Any, ...], records: Sequence[Arrivals | Group | None]) -> tuple[ConsumedMark, ...]:
    """The marks of groups, each the marks of its members, in one row; other members than then have none."""
    flat: list[ConsumedMark] = []
    for mark, record in zip(marks, records, strict=True):
        if not isinstance(record, Group):
            flat.append(mark)
        elif isinstance(mark[0], tuple) and len(mark) == len(record.parts):
            flat += mark
        else:
            flat += [NEVER] * len(record.parts)
    return tuple(flat)


def expire(ledger: Ledger, node: Node, combination: Combination) -> None:
    """Use up the arrivals of a combination for every binding that extends it."""
    records = combination.records
    # Of a group the marks of its members, in one: see `_spread`.
    marks: list[Any] = [tuple(map(_mark, r.parts)) if isinstance(r, Group) else _mark(r) for r in records]
    ledger.expire(_expiries(node), tuple([None if r is None else r.partition for r in records]), tuple(marks))


def _mark(record: Arrivals | None) -> ConsumedMark:
    return NEVER if record is None else (record.since, record.n)


def forgotten_at(
    ledger: Ledger, node: Node, position: int, partition: Partition
) -> list[tuple[Partition, float]]:
    """Return what came of a partition of a trigger input, or of its members, and is too old to count: when it came."""
    join = node.join
    try:
        key = join.keys[position](join.values[position](partition))[0]
    except BadValue:
        return []  # a link has no value for it: it never joins
    members = join.rolled[position]
    wanted = {partition} if members is None else set(members.members(partition))
    found = ledger.forgotten(join.arrival_indexes[position], key, node.came(ledger, partition))
    return sorted((p, time) for p, time in found if p in wanted)


def forgotten(signal: str, what: str, time: float, node: Node) -> str:
    """Say that something came too long ago to count."""
    came = datetime.fromtimestamp(time, UTC).isoformat(timespec="seconds")
    days = node.join.route.arrival_ttl / 86400
    return (
        f"{signal} {what} came at {came} and is forgotten, as arrivals of {node.id} count for {days:g} days "
        "(arrival_ttl); it must arrive again"
    ).replace("  ", " ")


def describe(program: Program, ledger: Ledger, node: Node, combination: Combination) -> Waiting:
    """Return a combination in words."""
    return _Words(program, ledger, node, combination).waiting()


_NEEDED = "not there, and its window needs it"
_NONE = "no partition lies in the window around it"


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
        self._solved = solve(join.links, self._known, join.scope.kinds)

    def waiting(self) -> Waiting:
        node, combination = self._node, self._combination
        triggers = node.join.triggers
        arrived = {
            alias: triggers[i].texts(self._program.signals[triggers[i].signal], record.partition)
            for alias, i in node.join.positions.items()
            if (record := combination.records[i]) is not None and combination.left[i] > 0
        }
        missing = self._gaps() if combination.complete else self._absent()
        return Waiting(node.id, arrived, tuple(missing), combination.since, self._output())

    def _texts(self, signal: str, partition: Partition) -> tuple[str, ...]:
        return self._program.signals[signal].texts(partition)

    def _absent(self) -> Iterator[Missing]:
        join, combination = self._node.join, self._combination
        for i in join.positions.values():
            source, record = join.triggers[i], combination.records[i]
            fresh, members = combination.fresh[i], join.rolled[i]
            if members is not None and isinstance(record, Group):
                yield from self._lacking(source, record, fresh, members)
                continue
            if fresh[0] > 0:
                continue
            what = joined(self._expected(source))
            if record is None:
                reason = f"no {source.signal} {what} has arrived".replace("  ", " ")
                for came, time in self._forgotten(source):
                    what = joined(source.texts(self._program.signals[source.signal], came))
                    reason = forgotten(source.signal, what, time, self._node)
            else:
                reason = f"{source.signal} {what} was used already; it must arrive again"
            yield Missing(source.alias, source.signal, what, reason)

    def _forgotten(self, source: wire.Input) -> list[tuple[Partition, float]]:
        """The partition that is awaited, if it came too long ago to count."""
        position = self._node.join.triggers.index(source)
        values = [self._solved.get((source.alias, dim)) for dim in self._node.join.scope.dims[source.alias]]
        if None in values:
            return []
        partition = tuple([value for value in values if value is not None])
        return forgotten_at(self._ledger, self._node, position, partition)

    def _lacking(
        self, source: wire.Input, group: Group, fresh: tuple[int, ...], members: Members
    ) -> Iterator[Missing]:
        """The members of a rollup that have not come, or not again."""
        position = self._node.join.triggers.index(source)
        gone = dict(forgotten_at(self._ledger, self._node, position, group.partition))
        for member, n in zip(members.members(group.partition), fresh, strict=True):
            if n == 0:
                what = joined(self._texts(source.signal, member))
                known = any(part is not None and part.partition == member for part in group.parts)
                if member in gone:
                    why = forgotten(source.signal, what, gone[member], self._node)
                elif known:
                    why = f"{source.signal} {what} was used already; it must arrive again"
                else:
                    why = f"{source.signal} {what} has not arrived"
                yield Missing(source.alias, source.signal, what, why)

    def _expected(self, source: wire.Input) -> tuple[str, ...]:
        """The texts of the partition that is awaited, ``*`` where any would do."""
        signal = self._program.signals[source.signal]
        values = [self._solved.get((source.alias, dim)) for dim in source.dims(signal)]
        if None not in values:
            return source.texts(signal, tuple([v for v in values if v is not None]))
        dims = [x.Ref(source.alias, dim) for dim in source.dims(signal)]
        kinds = [self._node.join.scope.kinds(dim, self._solved) for dim in dims]
        return tuple(
            "*" if v is None or len(each) > 1 else render(v, each[0])
            for v, each in zip(values, kinds, strict=True)
        )

    def _gaps(self) -> Iterator[Missing]:
        binding: Binding = tuple([r.partition for r in self._combination.records if r is not None])
        for check in self._node.checks:
            window = check.window
            tip = window.tip_of(check.tip(binding))
            if window.open or window.optional or not (window.nearest or window.checked or window.at_least):
                continue
            there = window.present(self._ledger, tip)
            gaps = [p for p in window.partitions(tip) if p not in there]
            enough = window.least(tip)
            if enough and window.enough(tip, there):
                continue
            if not window.partitions(tip) and (window.nearest or enough):
                what = joined(self._texts(window.signal, tip)) if window.members is None else window.signal
                yield Missing(window.alias, window.signal, what, _NONE)
            elif window.nearest and len(gaps) == len(window.candidates(tip)):
                texts = [joined(self._texts(window.signal, p)) for p in gaps]
                reason = f"none of the {len(gaps)} partitions of the window exists"
                yield Missing(window.alias, window.signal, f"{texts[0]} ... {texts[-1]}", reason)
            elif not window.nearest:
                for p in gaps:
                    what = joined(self._texts(window.signal, p))
                    why = f"not there, and its window needs {enough} that are" if enough else _NEEDED
                    why += (
                        " whole" if enough and window.members is not None and window.members.complete else ""
                    )
                    yield Missing(window.alias, window.signal, what, why)

    def _output(self) -> str | None:
        join = self._node.join
        if any((r.input, r.dim) not in self._solved for e in join.route.output.values for r in x.refs(e)):
            return None
        kinds = join.route.output.kinds
        try:
            values = [evaluate(e, self._solved, self._kind) for e in join.route.output.values]
            for value, kind in zip(values, kinds, strict=True):
                admit(value, kind)
            return join.output_text(tuple(values))
        except BadValue:
            return None

    def _kind(self, ref: x.Ref) -> Kind:
        return self._node.join.scope.kinds(ref, self._solved)[0]


CREATED, EXPIRED, CHECKPOINT = "on_pending_node_created", "on_expiration", "on_pending_checkpoint_"


def due(hooks: tuple[str, ...], waited: float, expired: bool) -> Iterator[str]:
    """Yield the hooks whose moment has come for inputs that have waited so long, in the order of their moments.

    >>> list(due(("on_expiration", "on_pending_checkpoint_60", "on_pending_node_created"), 61, False))
    ['on_pending_node_created', 'on_pending_checkpoint_60']
    """
    if CREATED in hooks:
        yield CREATED
    seconds = sorted(int(hook.removeprefix(CHECKPOINT)) for hook in hooks if hook.startswith(CHECKPOINT))
    yield from (f"{CHECKPOINT}{n}" for n in seconds if waited >= n)
    if expired and EXPIRED in hooks:
        yield EXPIRED


def notification(
    table: wire.RouteTable, signals: dict[str, wire.Signal], waiting: Waiting, hook: str
) -> Document:
    """Return what a hook is told of inputs that wait: a document like that of an execution."""
    route = next(r for r in table.routes if r.node == waiting.node)
    node = told_as(waiting.node)
    since = datetime.fromtimestamp(round(waiting.since, 3), UTC).isoformat(timespec="milliseconds")
    what = waiting.output
    if what is None:
        what = joined(tuple(f"{alias}={joined(texts)}" for alias, texts in sorted(waiting.arrived.items())))
    partition = f"{what}@{since.replace('+00:00', 'Z')}/{hook}"
    texts = tuple(waiting.output.split("/")) if waiting.output else ()
    known = len(texts) == len(route.output.dims)
    return {
        "version": VERSION,
        "app": table.app,
        "node": node,
        "id": execution_id(node, partition, 1),
        "partition": partition,
        "generation": 1,
        "output": {
            "dimensions": dict(zip(route.output.dims, texts, strict=True)) if known else {},
            "path": _path(route.output.path, texts, route.output.kinds) if known else None,
        },
        "inputs": [
            _input(i, signals[i.signal], waiting.arrived[i.alias])
            for i in route.inputs
            if i.alias in waiting.arrived
        ],
        "hook": {
            "name": hook,
            "node": waiting.node,
            "since": waiting.since,
            "missing": [missing._asdict() for missing in waiting.missing],
        },
    }


def _input(source: wire.Input, signal: wire.Signal, texts: tuple[str, ...]) -> dict[str, Any]:
    kinds = tuple(rule.kind for rule in signal.branches[0])
    path = None if source.rollup is not None else _path(signal.path, texts, kinds)
    return {
        "alias": source.alias,
        "signal": source.signal,
        "dimensions": dict(zip(source.dims(signal), texts, strict=True)),
        "paths": [] if path is None else [path],
    }


def _path(path: str | None, texts: tuple[str, ...], kinds: tuple[Kind, ...]) -> str | None:
    return None if path is None else template(path).fill(partition_parser(kinds)(texts), kinds)


def tell(ledger: Ledger, document: Document, now: float) -> Execution | None:
    """Create the execution of a notification; None when it exists already."""
    node, partition = document["node"], document["partition"]
    if ledger.output(node, partition, None)[0] is not None:
        return None
    stored = Stored(document)
    output, execution, _ = executions.fire(None, node, partition, stored.builder, stored.made, (), now)
    return execution if ledger.save(None, output) else None
