"""Two graphs of an application -> what changed for those that read its data: other applications, and its own nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace

import rheo_formats
from rheo_runtime.values import Kind
from rheodsl import ir
from rheodsl.columns import checked, readers


@dataclass(frozen=True, slots=True)
class ContractChange:
    """A change of an output, as its readers see it.

    ``breaks`` says that a reader's links, filters or code no longer fit; otherwise it is good to know.
    """

    signal: str
    what: str
    breaks: bool = True

    def __str__(self) -> str:
        return f"{'!' if self.breaks else '~'} {self.signal}: {self.what}"


def changes(old: ir.Graph, new: ir.Graph) -> tuple[ContractChange, ...]:
    """Return what readers of an application's outputs must know before ``new`` takes the place of ``old``.

    >>> from rheodsl import *
    >>> def shop(path):
    ...     app = Application("shop")
    ...     app.create_data("daily", app.s3("orders", path), compute_targets="output = orders")
    ...     return app.graph()
    >>> print(*changes(shop("s3://lake/{day:%Y-%m-%d}"), shop("s3://lake/{region:int}/{day:%Y-%m-%d}")))
    ! daily: its dimensions were day, and are region, day
    """
    return tuple(_compared(_outputs(old), _outputs(new)))


def upstream_changes(graph: ir.Graph, upstream: ir.Graph | None, app: str) -> tuple[ContractChange, ...]:
    """Return what changed in an imported application since its outputs were imported, of those that are read.

    Parameters
    ----------
    graph
        The graph of the application that reads them.
    upstream
        What is active in the imported one now; None when nothing is.
    app
        The imported one's name.
    """
    read = {s.id: s for s in graph.signals if isinstance(s.source, ir.UpstreamSource) and s.source.app == app}
    if upstream is None:
        return tuple(ContractChange(f"{app}.{id}", f"{app} is not active") for id in sorted(read))
    now = {id: signal for id, signal in _outputs(upstream).items() if id in read}
    found = [
        *_compared(read, now),
        *(each for id in sorted(now) for each in _own(graph, read[id], now[id])),
    ]
    return tuple(ContractChange(f"{app}.{c.signal}", c.what, c.breaks) for c in found)


def column_changes(old: ir.Graph, new: ir.Graph) -> tuple[ContractChange, ...]:
    """Return which nodes of ``new`` read a column that goes, or changes its type, of what both graphs declare.

    Columns are those of declared schemas. What a node reads is known as far as its code's text tells.

    >>> from rheodsl import *
    >>> def shop(schema):
    ...     app = Application("shop")
    ...     orders = app.s3("orders", "s3://lake/{day:%Y-%m-%d}", format="CSV", schema=schema)
    ...     app.create_data("total", orders, compute_targets=SparkSQL("SELECT sum(price) AS total FROM orders"))
    ...     app.create_data("kept", orders, compute_targets="output = orders")
    ...     return app.graph()
    >>> print(*column_changes(shop("id string, price double"), shop("id string, price string")), sep="\\n")
    ~ orders: its column price was double, and is string; kept may read it (its code takes the whole frame)
    ! orders: its column price was double, and is string; total reads it (its query names it)
    """
    before = {signal.id: signal for signal in old.signals}
    pairs = [(before[after.id], after) for after in new.signals if after.id in before]
    return tuple(each for was, now in pairs for each in _own(new, was, now))


def _own(graph: ir.Graph, before: ir.Signal, after: ir.Signal) -> Iterator[ContractChange]:
    for column, what in _columns(before.data, after.data):
        for reading in readers(graph, after.id, column):
            verb = "reads" if reading.sure else "may read"
            said = f"{what}; {reading.node} {verb} it ({reading.how})"
            yield ContractChange(after.id, said, reading.sure)
        if graph.has_node(after.id) and checked(graph.node(after.id), column):
            yield ContractChange(after.id, f"{what}; its own checks name it")


def _columns(before: ir.DataFormatSpec, after: ir.DataFormatSpec) -> Iterator[tuple[str, str]]:
    """The declared columns that are gone, or have another type, each with what became of it."""
    if before.schema is None or after.schema is None:
        return
    now = {name.lower(): kind for name, kind in rheo_formats.columns_of(after.schema)}
    for name, kind in rheo_formats.columns_of(before.schema):
        if name.lower() not in now:
            yield name, f"its column {name} ({kind}) goes"
        elif _type(kind) != _type(now[name.lower()]):
            yield name, f"its column {name} was {kind}, and is {now[name.lower()]}"


def _type(kind: str) -> str:
    """A type in one spelling."""
    simple = rheo_formats.simple(kind)
    if simple == "string" or not set("(<") & set(kind):
        return simple
    return f"{simple} {''.join(kind.lower().split())}"


def told(
    active: ir.Graph | None, new: ir.Graph, upstream: Callable[[ir.Partner], ir.Graph | None]
) -> tuple[ContractChange, ...]:
    """Return what is to be said of contracts before an application is activated anew.

    Its own, when others may read it, and to its own nodes; and those of imported applications, since it was
    activated, or since it imported them.

    Parameters
    ----------
    active
        What is active of it; None when nothing is.
    upstream
        Finds what is active in an imported application.
    """
    found: dict[ContractChange, None] = {}
    if active is not None and new.downstreams:
        found |= dict.fromkeys(changes(active, new))
    if active is not None:
        found |= dict.fromkeys(column_changes(active, new))
    for partner in new.upstreams:
        there = upstream(partner)
        for graph in (active, new) if active is not None else (new,):
            found |= dict.fromkeys(upstream_changes(graph, there, partner.app))
    return tuple(found)


def _outputs(graph: ir.Graph) -> dict[str, ir.Signal]:
    return {s.id: s for s in graph.signals if isinstance(s.source, ir.NodeSource)}


def _compared(old: dict[str, ir.Signal], new: dict[str, ir.Signal]) -> Iterator[ContractChange]:
    for id, before in sorted(old.items()):
        after = new.get(id)
        if after is None:
            yield ContractChange(id, "it is gone")
            continue
        if before.dims != after.dims:
            was, now = (", ".join(dims) or "none" for dims in (before.dims, after.dims))
            yield ContractChange(id, f"its dimensions were {was}, and are {now}")
        else:
            yield from _dimensions(before, after)
        for _, what in _columns(before.data, after.data):
            yield ContractChange(id, what)
        if replace(before.data, schema=None) != replace(after.data, schema=None):
            what = f"its files were {_shown(before.data)}, and are {_shown(after.data)}"
            yield ContractChange(id, what, breaks=False)


def _dimensions(before: ir.Signal, after: ir.Signal) -> Iterator[ContractChange]:
    for dim in before.dims:
        was, now = before.kind(dim), after.kind(dim)
        if was != now:
            parts = [f"{name} {a!r}, now {b!r}" for name, a, b in _differences(was, now)]
            yield ContractChange(before.id, f"its dimension {dim} had {'; '.join(parts)}")


def _differences(was: Kind, now: Kind) -> Iterator[tuple[str, object, object]]:
    for name in (field.name for field in fields(Kind)):
        a, b = getattr(was, name), getattr(now, name)
        if a != b:
            yield name, a, b


def _shown(data: ir.DataFormatSpec) -> str:
    if data.format != "CSV":
        return data.format
    return f"CSV ({'with' if data.header else 'without'} header, {data.delimiter!r})"
