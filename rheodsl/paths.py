"""A signal -> where its data lies: the bucket of an application, templates of paths, and the paths of partitions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import product

from rheo_runtime.templates import template
from rheo_runtime.values import DATETIME, Kind, Value, from_datetime, neighbours, tester
from rheo_runtime.wire import Branch, Rule
from rheodsl import ir
from rheodsl.errors import FilterError
from rheodsl.filters import narrow
from rheodsl.signals import View

# A coordinate as people write it: a value, "*", or an index relative to now such as -3.
Coordinate = str | int | date | slice
ANY = "*"
INTERNAL = "internal_data"


def internal_path(bucket: str, node: str, dims: int, template: str = "") -> str:
    """Return the template of an output's partitions; ``template`` lays them out where a level each does not do.

    >>> internal_path("rheo-a", "daily", 2)
    's3://rheo-a/internal_data/daily/{}/{}'
    """
    return "/".join([f"s3://{bucket}", INTERNAL, node, *([template] if template else ["{}"] * dims)])


def signal_path(signal: ir.Signal, bucket: str) -> str | None:
    """Return the template of a signal's partitions, or None where it has no data."""
    match signal.source:
        case ir.S3Source(source_bucket, template):
            return f"s3://{source_bucket}/{template}"
        case ir.GlueSource(location=location):
            return location
        case ir.NodeSource(template):
            return internal_path(bucket, signal.id, len(signal.dims), template)
        case ir.UpstreamSource(_, theirs, template):
            return internal_path(theirs, signal.id, len(signal.dims), template)
    return None


def catalog_path(signal: ir.Signal) -> str | None:
    """Return what names the partitions of a table whose place only the catalog knows, None for other signals."""
    source = signal.source
    if not isinstance(source, ir.GlueSource) or source.location is not None:
        return None
    keys = (f"{key}={{}}" for key in source.keys or signal.dims)
    return "/".join([f"catalog://{source.database}/{source.table}", *keys])


def materialize(
    view: View, values: Sequence[Coordinate] | None, bucket: str, now: float | None = None
) -> str | list[str]:
    """Return the path of a partition, or of each partition of a window in the order of reading.

    Parameters
    ----------
    values
        What the view leaves open: one for each dimension, or for each open one.
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
        columns.append(_values(rule, moment, f"{view.id}.{name}"))
    kinds = [rule.kind for rule in branches[0]]
    paths = [_address(path, values, kinds) for values in product(*columns)]
    return paths if windows else paths[0]


def _address(path: str, values: tuple[Value | None, ...], kinds: list[Kind]) -> str:
    """The path of a partition; an open value is ``*``, in each place where its dimension stands."""
    if None not in values:
        return template(path).fill(tuple(v for v in values if v is not None), kinds)
    levels = []
    for level in template(path).levels:
        parts = []
        for part in level:
            if isinstance(part, str):
                parts.append(part)
            elif (value := values[part.position]) is None:
                parts.append(ANY)
            else:
                parts.append(
                    template(f"{{0{':' + part.format if part.format else ''}}}").fill(
                        (value,), [kinds[part.position]]
                    )
                )
        levels.append("".join(parts))
    return "/".join(levels)


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


def _values(rule: Rule, moment: datetime, shown: str) -> list[Value] | list[None]:
    kind = rule.kind
    if rule.window is None:
        return [None] if rule.value is None else [rule.value]
    tip = rule.value
    if tip is None:
        if kind.type != DATETIME:
            raise FilterError(f"{shown}: a window needs a tip", hint="give the value that it extends from")
        tip = from_datetime(moment, kind)
    assert isinstance(tip, int)
    # No window reaches below the first value, nor out of the range of dates.
    found: list[Value] = []
    found += filter(tester(kind), neighbours(tip, rule.window.shift, rule.window.count, kind))
    return found
