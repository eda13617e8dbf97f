"""Views, as people give them -> partitions and values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from platforms.control.errors import AskedError
from platforms.control.names import partition_of
from rheo_runtime.program import Node, Program
from rheo_runtime.values import Partition, render
from rheodsl.control import Coordinate
from rheodsl.errors import FilterError
from rheodsl.views import View


def output_of(program: Program, view: View) -> Partition:
    """Return the output partition that a view names; raises FilterError when it names none."""
    return partition_of(program, view.id, view.texts())


def is_partition(view: View) -> bool:
    """Say whether a view names one partition."""
    return all(len(view.branches) == 1 and rule.value is not None for rule in view.branches[0])


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
