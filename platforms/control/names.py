"""An id and the values of its dimensions, as people write them -> a partition of a signal."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from rheo_runtime import wire
from rheo_runtime.program import Node, Program
from rheo_runtime.values import Partition
from rheodsl.errors import FilterError, UnknownNameError, ValueCastError


def signal_of(program: Program, id: str) -> wire.Signal:
    """Return the signal of this id; raises UnknownNameError."""
    if id not in program.signals:
        raise _unknown(program, "signal", id, program.signals)
    return program.signals[id]


def node_of(program: Program, id: str) -> Node:
    """Return the node of this id; raises UnknownNameError."""
    if id not in program.nodes:
        raise _unknown(program, "node", id, program.nodes)
    return program.nodes[id]


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


def _unknown(program: Program, what: str, id: str, names: Iterable[str]) -> UnknownNameError:
    known = list(names)
    near = difflib.get_close_matches(id, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"its {what}s: {', '.join(known) or 'none'}"
    hint += "; what is declared since becomes active by activate()"
    return UnknownNameError(f"{program.table.app} has no active {what} {id!r}", hint=hint)
