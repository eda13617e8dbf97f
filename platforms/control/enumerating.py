"""A node, a range of dates and values -> the output partitions that lie in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product

from platforms.control.errors import AskedError
from rheo_runtime import expr as x
from rheo_runtime import wire
from rheo_runtime.invert import evaluate
from rheo_runtime.ledger import Ledger
from rheo_runtime.program import Node, Program
from rheo_runtime.values import DATETIME, BadValue, Kind, Partition, Value, cast
from rheodsl.control import Coordinate
from rheodsl.errors import UnknownNameError, ValueCastError

MOST = 100_000  # partitions of one backfill


def partitions(
    program: Program,
    ledger: Ledger,
    node: Node,
    start: Coordinate | None,
    end: Coordinate | None,
    given: Mapping[str, Sequence[Coordinate]],
) -> list[Partition]:
    """Return output partitions, those of earlier dates first.

    Parameters
    ----------
    start, end
        The first and the last value of the date dimension that ``given`` does not name; one stands for both.
    given
        Values of other dimensions. Of those that it does not name, the values follow from the literals of
        filters, and where there are none, from what the ledger has seen.

    Raises AskedError, UnknownNameError, ValueCastError.
    """
    out = node.join.route.output
    for dim in given:
        if dim not in out.dims:
            raise UnknownNameError(
                f"the output of {node.id} has no dimension {dim!r}",
                hint=f"its dimensions: {', '.join(out.dims) or 'none'}",
            )
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
    return list(dict.fromkeys(found))


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
    first = _value(node, dim, kind, end if start is None else start)
    last = _value(node, dim, kind, start if end is None else end)
    assert isinstance(first, int) and isinstance(last, int)
    if last < first:
        raise AskedError(f"the range of {dim} ends before it begins", hint="swap its ends")
    return range(first, last + 1, kind.step)


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
    scope = node.join.scope
    expr = scope.without_references(node.join.route.output.values[position])
    refs = list(dict.fromkeys(x.refs(expr)))
    sources = {source.alias: source for source in node.join.triggers}
    found: set[Value] = set()
    if all(ref.input in sources for ref in refs):
        columns = [_of_input(program, ledger, node, sources[ref.input], ref.dim) for ref in refs]
        for values in product(*columns):
            known = {(ref.input, ref.dim): value for ref, value in zip(refs, values, strict=True)}
            try:
                found.add(evaluate(expr, known, scope.kind_of_ref))
            except BadValue:
                continue  # a value that no link has a place for
    return found or {p[position] for p in _outputs(program, ledger, node.id)}


def _of_input(program: Program, ledger: Ledger, node: Node, source: wire.Input, dim: str) -> list[Value]:
    """The literals of an input's filter, or those values that its signal has had."""
    position = node.join.scope.dims[source.alias].index(dim)
    literals = [branch[position].value for branch in source.branches]
    if all(value is not None for value in literals):
        return [value for value in literals if value is not None]
    maker = program.nodes.get(source.signal)
    values = {} if maker is None else dict.fromkeys(_values(program, ledger, maker, position))
    return list(values or dict.fromkeys(p[position] for p in _seen(program, ledger, source.signal)))


def _seen(program: Program, ledger: Ledger, signal: str) -> Iterable[Partition]:
    """The partitions of a signal that the ledger knows of: outputs, and arrivals at any node's inputs."""
    if signal in program.nodes:
        yield from _outputs(program, ledger, signal)
    for node in program.nodes.values():
        for source, slot in zip(node.join.triggers, node.join.slots, strict=True):
            if source.signal == signal:
                yield from (record.partition for record in ledger.arrivals(slot))


def _outputs(program: Program, ledger: Ledger, node: str) -> Iterable[Partition]:
    app, matcher = program.table.app, program.matcher
    dims = program.nodes[node].join.route.output.dims
    for status in ledger.statuses(node):
        texts = tuple(status.partition.split("/")) if dims else ()
        yield from (found.partition for found in matcher.named(app, node, texts)[0])
