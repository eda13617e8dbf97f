"""A node, a range of dates and values -> the output partitions in them, made a few at a time behind live events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from rheo_platforms.operations.names import AskedError
from rheo_platforms.operations.planner import Key, Plan, Step
from rheo_platforms.operations.runner import Done
from rheo_runtime import expr as x
from rheo_runtime import wire
from rheo_runtime.consumers import Node
from rheo_runtime.derivation import NoPartition, Undetermined, evaluate, of_output
from rheo_runtime.join import branch_of
from rheo_runtime.ledger import Ledger
from rheo_runtime.program import Program
from rheo_runtime.records import ANNOUNCED, READY
from rheo_runtime.rollup import members_of
from rheo_runtime.values import (
    DATETIME,
    BadValue,
    Kind,
    Partition,
    Value,
    between,
    bounds,
    cast,
    is_fire,
    neighbours,
    whole,
)
from rheodsl.errors import UnknownNameError, ValueCastError
from rheodsl.paths import Coordinate

LOOK = 15.0  # seconds between looks at what else waits: it reads the status of a whole node


@dataclass(frozen=True)
class Result:
    """What a backfill came to; as text, it is made for reading."""

    plan: Plan
    done: dict[Key, Done]

    @property
    def made(self) -> list[Key]:
        """Those that succeeded, ancestors included."""
        return [key for key, done in self.done.items() if done.ok]

    @property
    def failed(self) -> list[Key]:
        """Those that failed, or were not run because an ancestor failed."""
        return [key for key, done in self.done.items() if not done.ok]

    @property
    def lacking(self) -> list[Key]:
        """Those whose inputs are missing."""
        return [key for key, _ in self.plan.lacking]

    @property
    def there(self) -> list[Key]:
        """Those that were there already."""
        return list(self.plan.there)

    def __str__(self) -> str:
        lines = [
            f"made {len(self.made)}, failed {len(self.failed)}, inputs missing {len(self.lacking)}, "
            f"there already {len(self.there)}"
        ]
        lines += [f"  {done}" for done in self.done.values() if not done.ok]
        lines += [f"  missing: {gap}" for gap in self.plan.gaps]
        return "\n".join(lines)


class Courtesy:
    """Holds the steps of a node back while executions wait that others have started.

    What waits is what Airflow has not begun: with a backfill's runs in the way it would wait longer.
    """

    def __init__(self, ledger: Ledger, mine: Callable[[Key], bool], now: Callable[[], float]) -> None:
        self._ledger = ledger
        self._mine = mine
        self._now = now
        self._looked: dict[str, tuple[float, bool]] = {}

    def may_start(self, step: Step) -> bool:
        """Say whether a step may start now."""
        at, free = self._looked.get(step.node, (float("-inf"), True))
        if self._now() - at >= LOOK:
            free = not any(
                status.state in (READY, ANNOUNCED) and not self._mine((status.node, status.partition))
                for status in self._ledger.statuses(step.node)
            )
            self._looked[step.node] = self._now(), free
        return free


MOST = 100_000  # partitions of one backfill


def partitions(
    program: Program,
    ledger: Ledger,
    node: Node,
    start: Coordinate | None,
    end: Coordinate | None,
    given: Mapping[str, Sequence[Coordinate]],
) -> list[Partition]:
    """Return output partitions, those of earlier dates first; none that no event could lead to.

    Parameters
    ----------
    start, end
        The first and the last value of the date dimension that ``given`` does not name; one stands for both.
        Where they are no partitions, on a day that the calendar lacks, the range is what lies between.
    given
        Values of other dimensions. Of those that it does not name, the values follow from the literals of
        filters, and where there are none, from what the ledger has seen.

    Raises AskedError, UnknownNameError, ValueCastError.
    """
    out = node.join.route.output
    for dim in given:
        if dim not in out.dims:
            raise _no_dimension(node, dim)
    dates = [i for i, kind in enumerate(out.kinds) if kind.type == DATETIME and out.dims[i] not in given]
    ranged = _ranged(node, dates, start, end)
    columns: list[Sequence[Value]] = []
    for i, (dim, kind) in enumerate(zip(out.dims, out.kinds, strict=True)):
        if dim in given:
            columns.append([_value(node, dim, kind, value) for value in given[dim]])
        elif i == ranged:
            columns.append(_range(node, dim, kind, start, end))
        else:
            columns.append(_known(program, ledger, node, i))
    count = 1
    for column in columns:
        count *= len(column)
    if count > MOST:
        raise AskedError(f"that is {count:,} partitions", hint=f"choose a range of at most {MOST:,}")
    # The date first in order, so that a backfill that is interrupted is whole up to some date.
    order = sorted(range(len(columns)), key=lambda i: i != ranged)
    found = []
    for values in product(*(columns[i] for i in order)):
        by_position = dict(zip(order, values, strict=True))
        found.append(tuple(by_position[i] for i in range(len(columns))))
    ways = program.ways(node.id) or [node]
    return [p for p in dict.fromkeys(found) if any(_can_be(way, p) for way in ways)]


def _can_be(way: Node, output: Partition) -> bool:
    """Whether the inputs of an alternative have the partitions that make an output, as their calendars, clocks and schedules say."""
    if not any(_leaves_out(rule.kind) for source in way.join.triggers for b in source.branches for rule in b):
        return True
    try:
        binding = of_output(way, output).binding
    except NoPartition:
        return False
    except (Undetermined, BadValue):
        return True  # the plan says what is the matter
    return all(
        not isinstance(value, int) or is_fire(value, rule.kind)
        for source, partition in zip(way.join.triggers, binding, strict=True)
        for value, rule in zip(partition, source.branches[branch_of(source.branches, partition)], strict=True)
        if source.rollup is None
    )


def _leaves_out(kind: Kind) -> bool:
    return kind.type == DATETIME and (not kind.regular or kind.step != 1 or kind.min is not None)


def within(
    node: Node, start: Coordinate | None, end: Coordinate | None, given: Mapping[str, Sequence[Coordinate]]
) -> Callable[[Partition], bool]:
    """Return a function that says whether an output partition is in a range; parameters and errors as `partitions`."""
    out = node.join.route.output
    for dim in given:
        if dim not in out.dims:
            raise _no_dimension(node, dim)
    columns: dict[int, tuple[int, int] | set[Value]] = {}
    for i, (dim, kind) in enumerate(zip(out.dims, out.kinds, strict=True)):
        if dim in given:
            columns[i] = {_value(node, dim, kind, value) for value in given[dim]}
    if start is not None or end is not None:
        dates = [i for i, kind in enumerate(out.kinds) if kind.type == DATETIME and i not in columns]
        ranged = _ranged(node, dates, start, end)
        assert ranged is not None
        columns[ranged] = _ends(node, out.dims[ranged], out.kinds[ranged], start, end)

    def inside(partition: Partition) -> bool:
        for i, wanted in columns.items():
            value = partition[i]
            if isinstance(wanted, set):
                if value not in wanted:
                    return False
            elif not (isinstance(value, int) and wanted[0] <= value <= wanted[1]):
                return False
        return True

    return inside


def _no_dimension(node: Node, dim: str) -> UnknownNameError:
    return UnknownNameError(
        f"the output of {node.id} has no dimension {dim!r}",
        hint=f"its dimensions: {', '.join(node.join.route.output.dims) or 'none'}",
    )


def _ranged(node: Node, dates: list[int], start: Coordinate | None, end: Coordinate | None) -> int | None:
    """The position of the dimension that the range is of."""
    dims = node.join.route.output.dims
    if start is None and end is None:
        if dates:
            raise AskedError(
                f"{node.id} needs a range of {dims[dates[0]]}", hint="give its first and its last value"
            )
        return None
    if len(dates) != 1:
        names = ", ".join(dims[i] for i in dates)
        raise AskedError(
            f"{node.id} has {'several dates' if dates else 'no date'} to take a range of"
            + (f": {names}" if dates else ""),
            hint="name values of all of them but one" if dates else "leave the range out",
        )
    return dates[0]


def _range(
    node: Node, dim: str, kind: Kind, start: Coordinate | None, end: Coordinate | None
) -> Sequence[int]:
    found = between(*_ends(node, dim, kind, start, end), kind)
    if not found:
        raise _no_partition(node, dim)
    return found


def _no_partition(node: Node, dim: str) -> AskedError:
    return AskedError(f"no partition of {node.id} lies in this range of {dim}", hint="choose another one")


def _ends(
    node: Node, dim: str, kind: Kind, start: Coordinate | None, end: Coordinate | None
) -> tuple[int, int]:
    begin = _bound(node, dim, kind, end if start is None else start)
    stop = _bound(node, dim, kind, start if end is None else end)
    if stop < begin:
        raise AskedError(f"the range of {dim} ends before it begins", hint="swap its ends")
    low, high = bounds(kind)
    first = neighbours(max(begin, low), 0, 1, kind)
    last = neighbours(min(stop, high), 0, -1, kind)
    if not (first and last and low <= first[0] <= last[0]):
        raise _no_partition(node, dim)
    return first[0], last[0]


def _bound(node: Node, dim: str, kind: Kind, written: object) -> int:
    """An end of a range: a day that the calendar lacks is one, too."""
    try:
        value = cast(written, whole(kind))
    except BadValue:
        value = _value(node, dim, kind, written)
    assert isinstance(value, int)
    return value


def _value(node: Node, dim: str, kind: Kind, written: object) -> Value:
    try:
        return cast(written, kind)
    except BadValue as fault:
        raise ValueCastError(
            f"{node.id}.{dim} cannot be {written!r}: {fault}", hint="write it as it stands in the path"
        ) from None


def _known(program: Program, ledger: Ledger, node: Node, position: int) -> list[Value]:
    """The values of an output dimension that nobody named: by literals of filters, or as seen."""
    found = _values(program, ledger, node, position)
    if not found:
        dim = node.join.route.output.dims[position]
        raise AskedError(
            f"nothing tells the values of {dim} of {node.id}",
            hint=f"name them: --dim {dim}=..., or dims={{'{dim}': [...]}}",
        )
    return sorted(found, key=lambda v: (isinstance(v, str), v))


def _values(program: Program, ledger: Ledger, node: Node, position: int) -> set[Value]:
    ways = [node, *(way for way in program.ways(node.id) if way is not node)]
    found = next((f for way in ways if (f := _values_by(program, ledger, way, position))), None)
    return found or {p[position] for p in _outputs(program, ledger, node.id)}


def _values_by(program: Program, ledger: Ledger, node: Node, position: int) -> set[Value]:
    """The values of an output dimension that follow from the inputs of one alternative."""
    scope = node.join.scope
    expr = scope.without_references(node.join.route.output.values[position])
    refs = list(dict.fromkeys(x.refs(expr)))
    sources = {source.alias: source for source in node.join.triggers}
    found: set[Value] = set()
    if all(ref.input in sources for ref in refs):
        columns = [_of_input(program, ledger, node, sources[ref.input], ref.dim) for ref in refs]
        for values in product(*columns):
            known = {(ref.input, ref.dim): value for ref, value in zip(refs, values, strict=True)}
            # In each branch in which they may be: the zone of one region is another's.
            for kinds in product(*(scope.kinds(ref, known) for ref in refs)):
                try:
                    found.add(evaluate(expr, known, dict(zip(refs, kinds, strict=True)).__getitem__))
                except BadValue:
                    continue  # a value that no link has a place for
    return found


def _of_input(program: Program, ledger: Ledger, node: Node, source: wire.Input, dim: str) -> list[Value]:
    """The literals of an input's filter, or those values that its signal has had."""
    position = node.join.scope.dims[source.alias].index(dim)
    literals = [branch[position].value for branch in source.branches]
    if all(value is not None for value in literals):
        return [value for value in literals if value is not None]
    maker, members = program.makers.get(source.signal), members_of(source)
    if members is not None:  # seen are its members, which lie in coarser partitions
        coarse = map(members.coarse, _seen(program, ledger, source.signal))
        return list(dict.fromkeys(p[position] for p in coarse if p is not None))
    values = {} if maker is None else dict.fromkeys(_values(program, ledger, maker, position))
    return list(values or dict.fromkeys(p[position] for p in _seen(program, ledger, source.signal)))


def _seen(program: Program, ledger: Ledger, signal: str) -> Iterable[Partition]:
    """The partitions of a signal that the ledger knows of: outputs, and arrivals at any node's inputs."""
    if signal in program.nodes:
        yield from _outputs(program, ledger, signal)
    for node in program.nodes.values():
        for source, arrival_index in zip(node.join.triggers, node.join.arrival_indexes, strict=True):
            # A rollup that runs without some of its members keeps the coarser partitions alone.
            if source.signal == signal and (source.rollup is None or source.rollup.complete):
                yield from (record.partition for record in ledger.arrivals(arrival_index))


def _outputs(program: Program, ledger: Ledger, node: str) -> Iterable[Partition]:
    app, matcher = program.table.app, program.matcher
    dims = program.nodes[node].join.route.output.dims
    for status in ledger.statuses(node):
        texts = tuple(status.partition.split("/")) if dims else ()
        yield from (found.partition for found in matcher.named(app, node, texts)[0])
