"""A view and values -> paths, by the graph alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import product

from codegen.routes import signal_path
from rheo_runtime import wire
from rheo_runtime.values import DATETIME, BadValue, from_datetime, render
from rheo_runtime.wire import Branch, Rule
from rheodsl import ir
from rheodsl.control import Coordinate
from rheodsl.errors import FilterError
from rheodsl.filters import narrow
from rheodsl.views import View

ANY = "*"


def materialize(
    view: View, values: Sequence[Coordinate] | None, bucket: str, now: float | None = None
) -> str | list[str]:
    """Return the path of a partition, or of each partition of a window in the order of reading.

    Parameters
    ----------
    values
        What the view leaves open; see `rheodsl.control.ControlMethods.materialize`.
    bucket
        Where outputs of nodes are.
    now
        The tip of relative indexes, in seconds since 1970.

    Raises FilterError, ValueCastError.
    """
    path = signal_path(view.signal, bucket)
    if path is None and isinstance(view.signal.source, ir.GlueSource):
        raise FilterError(
            f"only the catalog knows where {view.id} is",
            hint="declare it: GlueTable(..., location='s3://...')",
        )
    if path is None:
        raise FilterError(f"{view.id} has no data", hint="materialize external data, or the output of a node")
    branches, anything = _narrowed(view, values)
    moment = datetime.fromtimestamp(time.time() if now is None else now, UTC)
    columns, windows = [], False
    for position, rule in enumerate(branches[0]):
        name = view.signal.dims[position]
        windows = windows or rule.window is not None
        if rule.value is None and rule.window is None and position not in anything:
            raise FilterError(
                f"{view!r} leaves {name} open",
                hint=f"materialize({view.id}, [...]) with a value for each dimension; '*' stands for any",
            )
        columns.append(_texts(rule, moment, f"{view.id}.{name}"))
    paths = [wire.fill(path, texts) for texts in product(*columns)]
    return paths if windows else paths[0]


def _narrowed(view: View, values: Sequence[Coordinate] | None) -> tuple[tuple[Branch, ...], set[int]]:
    """The filter of the view with the values in it, and the positions at which any value was asked for."""
    branches, dims = view.branches, view.signal.dims
    if values is None:
        return branches, set()
    every = range(len(dims))
    open_ = [i for i in every if any(branch[i].value is None for branch in branches)]
    positions = every if len(values) == len(dims) else open_
    if len(values) != len(positions):
        raise FilterError(
            f"{view.id} has {len(dims)} dimensions, {len(open_)} of them open, but {len(values)} values are given",
            hint=f"give one for each of {', '.join(dims) or 'none'}",
        )
    for position, value in zip(positions, values, strict=True):
        branches = narrow(branches, position, value, f"{view.id}.{dims[position]}")
    return branches, {p for p, value in zip(positions, values, strict=True) if value == ANY}


def _texts(rule: Rule, moment: datetime, shown: str) -> list[str]:
    kind = rule.kind
    if rule.window is None:
        return [ANY if rule.value is None else render(rule.value, kind)]
    tip = rule.value
    if tip is None:
        if kind.type != DATETIME:
            raise FilterError(f"{shown}: a window needs a tip", hint="give the value that it extends from")
        tip = from_datetime(moment, kind)
    assert isinstance(tip, int)
    texts = []
    for offset in rule.window.offsets():
        value = tip + offset * kind.step
        if isinstance(kind.min, int) and value < kind.min:
            continue  # no window reaches below the first value
        try:
            texts.append(render(value, kind))
        except BadValue:
            continue  # nor out of the range of dates
    return texts
