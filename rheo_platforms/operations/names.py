"""Names of what is active, as people write them -> nodes, signals, partitions and values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rheo_runtime import wire
from rheo_runtime.consumers import Node
from rheo_runtime.program import Program
from rheo_runtime.values import BadValue, Kind, Partition, Value, cast, parse, render
from rheodsl.errors import FilterError, RheoError, UnknownNameError, ValueCastError, did_you_mean
from rheodsl.paths import Coordinate
from rheodsl.signals import View


def signal_of(program: Program, id: str) -> wire.Signal:
    """Return the signal of this id; raises UnknownNameError."""
    if id not in program.signals:
        raise _unknown(program, "signal", id, program.signals)
    return program.signals[id]


def node_of(program: Program, id: str) -> Node:
    """Return the node of this id; raises UnknownNameError."""
    if id not in program.makers:
        raise _unknown(program, "node", id, program.makers)
    return program.makers[id]


def ways_of(program: Program, id: str, alternative: str | None) -> list[Node]:
    """Return the alternatives of a node, or the one that the names of its inputs say: ``shop``, or ``web & shop``.

    Raises UnknownNameError, AskedError.
    """
    ways = program.ways(node_of(program, id).id)
    if alternative is None:
        return ways
    named = {name.strip() for name in alternative.split("&")}
    started = [{source.alias for source in way.join.triggers} for way in ways]
    exact = [way for way, aliases in zip(ways, started, strict=True) if aliases == named]
    found = exact or [way for way, aliases in zip(ways, started, strict=True) if aliases >= named]
    if not found:
        known = "; ".join(" & ".join(s.alias for s in way.join.triggers) for way in ways)
        raise AskedError(f"{alternative} starts no alternative of {id}", hint=f"its alternatives: {known}")
    return found[:1]


def partition_of(program: Program, id: str, texts: Sequence[str]) -> Partition:
    """Return the partition that the texts of its dimensions name.

    Raises UnknownNameError, FilterError, ValueCastError.
    """
    signal = signal_of(program, id)
    if len(texts) != len(signal.dims):
        raise FilterError(
            f"{id} has {len(signal.dims)} dimensions, not {len(texts)}",
            hint=f"give a value for each of {', '.join(signal.dims) or 'none'}",
        )
    found, rejected, _ = program.matcher.named(program.table.app, id, tuple(texts))
    if found:
        return found[0].partition
    why = rejected[0].reason if rejected else "its filter does not let it pass"
    raise ValueCastError(
        f"{id} has no partition {'/'.join(texts)}: {why}", hint="write each value as it stands in the path"
    )


def written_partition(
    id: str, dims: Sequence[str], kinds: Sequence[Kind], given: Sequence[object]
) -> Partition:
    """Return the partition that values name, in the order of the dimensions.

    Texts as in the path will do; so does one text that holds them all, as in ``1/2020-03-18``. Raises
    FilterError, ValueCastError.
    """
    if len(given) == 1 < len(dims) and isinstance(given[0], str) and given[0].count("/") == len(dims) - 1:
        given = given[0].split("/")
    if len(given) != len(dims):
        raise FilterError(
            f"{id} has {len(dims)} dimension{'s' if len(dims) != 1 else ''}, not {len(given)}",
            hint=f"give a value for each of {', '.join(dims)}" if dims else "it has one partition: give none",
        )
    return tuple(_value(id, dim, kind, value) for dim, kind, value in zip(dims, kinds, given, strict=True))


def _value(id: str, dim: str, kind: Kind, given: object) -> Value:
    if isinstance(given, str):
        try:
            return parse(given, kind)
        except BadValue:
            pass  # not as in the path; perhaps as Python's own types are written
    try:
        return cast(given, kind)
    except BadValue as fault:
        raise ValueCastError(f"{id}.{dim}: {fault}", hint="write it as it stands in the path") from None


def _unknown(program: Program, what: str, id: str, names: Iterable[str]) -> UnknownNameError:
    known = list(names)
    hint = did_you_mean(id, known, f"its {what}s: {', '.join(known) or 'none'}")
    hint += "; what is declared since becomes active by activate()"
    return UnknownNameError(f"{program.table.app} has no active {what} {id!r}", hint=hint)


class AskedError(RheoError, ValueError):
    """Something was asked for that the application cannot do."""

    code = "RD521"


class InputsMissingError(RheoError, LookupError):
    """An execution was asked for whose inputs are not there."""

    code = "RD522"


class ExecutionError(RheoError, RuntimeError):
    """An execution that was asked for did not succeed."""

    code = "RD523"


def output_of(program: Program, view: View) -> Partition:
    """Return the output partition that a view names; raises FilterError when it names none."""
    return partition_of(program, view.id, view.texts())


def is_partition(view: View) -> bool:
    """Say whether a view names one partition."""
    return all(len(view.branches) == 1 and rule.value is not None for rule in view.branches[0])


def way_for(ways: Sequence[Node], inputs: Sequence[View]) -> Node:
    """Return the first alternative that all of these inputs start, else the first that has them."""
    ids = {view.id for view in inputs}
    for way in ways:
        if ids <= {source.signal for source in way.join.triggers}:
            return way
    return next(
        (way for way in ways if ids & {source.signal for source in way.join.triggers}),
        ways[0],
    )


def given_of(program: Program, node: Node, inputs: Sequence[View]) -> dict[str, Partition]:
    """Return the partitions of inputs, by their aliases in the node; raises AskedError."""
    given: dict[str, Partition] = {}
    for view in inputs:
        fits = [
            i.alias
            for i in node.join.route.inputs
            if i.signal == view.id and view.given_alias in (None, i.alias) and i.alias not in given
        ]
        if not fits:
            known = ", ".join(i.alias for i in node.join.route.inputs) or "none"
            raise AskedError(f"{view.id} is no further input of {node.id}", hint=f"its inputs: {known}")
        given[fits[0]] = partition_of(program, view.id, view.texts())
    return given


def named(view: View) -> dict[str, Sequence[Coordinate]]:
    """Return the dimensions whose values a view names; raises FilterError for a window."""
    found: dict[str, Sequence[Coordinate]] = {}
    for position, dim in enumerate(view.signal.dims):
        rules = [branch[position] for branch in view.branches]
        if any(rule.window is not None for rule in rules):
            raise FilterError(f"{view!r} has a window", hint="give the range as start and end")
        values = [rule.value for rule in rules]
        if all(value is not None for value in values):
            found[dim] = [render(rule.value, rule.kind) for rule in rules if rule.value is not None]
    return found


def several(value: Any) -> Sequence[Coordinate]:
    """Return one or several values as several."""
    return list(value) if isinstance(value, list | tuple | set | frozenset) else [value]
