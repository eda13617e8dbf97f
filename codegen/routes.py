"""Graph -> route table: what the listener needs to know of it."""

from __future__ import annotations

from functools import singledispatch

from codegen.schedules import is_native
from rheo_runtime import wire
from rheodsl import ir
from rheodsl.hooks import is_pending

INTERNAL = "internal_data"


def app_bucket(app: str) -> str:
    """Return the name of an application's bucket where none is given.

    >>> app_bucket("My_App")
    'rheo-my-app'
    """
    return "rheo-" + "".join(c if c.isalnum() or c == "-" else "-" for c in app.lower()).strip("-")


def internal_path(bucket: str, node: str, dims: int) -> str:
    """Return the template of an output's partitions.

    >>> internal_path("rheo-a", "daily", 2)
    's3://rheo-a/internal_data/daily/{}/{}'
    """
    return "/".join([f"s3://{bucket}", INTERNAL, node, *["{}"] * dims])


def route_table(graph: ir.Graph, bucket: str | None = None) -> wire.RouteTable:
    """Return the route table of a graph; ``bucket`` is the application's."""
    bucket = bucket or app_bucket(graph.app)
    signals = tuple(_signal(graph, signal, bucket) for signal in graph.signals if _is_event(signal))
    return wire.RouteTable(graph.app, signals, tuple(_route(graph, node, bucket) for node in graph.nodes))


def _is_event(signal: ir.Signal) -> bool:
    return not isinstance(signal.source, ir.MetricSource)


def _signal(graph: ir.Graph, signal: ir.Signal, bucket: str) -> wire.Signal:
    sources = [signal.proxy or signal.source]
    events = tuple(e for source in sources for e in lower_events(source, signal))
    return wire.Signal(
        id=signal.id,
        dims=signal.dims,
        branches=signal.branches,
        events=(*events, wire.SignalEvents(graph.app)),
        path=signal_path(signal, bucket) or catalog_path(signal),
    )


def signal_path(signal: ir.Signal, bucket: str) -> str | None:
    """Return the template of a signal's partitions, or None where it has no data."""
    match signal.source:
        case ir.S3Source(source_bucket, template):
            return f"s3://{source_bucket}/{template}"
        case ir.GlueSource(location=location):
            return location
        case ir.NodeSource():
            return internal_path(bucket, signal.id, len(signal.dims))
        case ir.UpstreamSource(bucket=theirs):
            return internal_path(theirs, signal.id, len(signal.dims))
    return None


def catalog_path(signal: ir.Signal) -> str | None:
    """Return what names the partitions of a table whose place only the catalog knows, None for other signals."""
    source = signal.source
    if not isinstance(source, ir.GlueSource) or source.location is not None:
        return None
    keys = (f"{key}={{}}" for key in source.keys or signal.dims)
    return "/".join([f"catalog://{source.database}/{source.table}", *keys])


@singledispatch
def lower_events(source: ir.Source, signal: ir.Signal) -> list[wire.Events]:
    """Return where a source's events come from; rules are registered below, one for each source."""
    raise TypeError(f"no event rule for {type(source).__name__}")


@lower_events.register
def _(source: ir.S3Source, signal: ir.Signal) -> list[wire.Events]:
    return [wire.S3Events(source.bucket, source.template, source.completion, source.account)]


@lower_events.register
def _(source: ir.GlueSource, signal: ir.Signal) -> list[wire.Events]:
    return [wire.GlueEvents(source.database, source.table)]


@lower_events.register
def _(source: ir.SnsSource, signal: ir.Signal) -> list[wire.Events]:
    return [wire.SnsEvents(source.topic)]


@lower_events.register
def _(source: ir.TimerSource, signal: ir.Signal) -> list[wire.Events]:
    return [wire.TimerEvents(signal.id, source.shift)]


@lower_events.register
def _(source: ir.AlarmSource, signal: ir.Signal) -> list[wire.Events]:
    return [wire.AlarmEvents(source.name)]


@lower_events.register
def _(source: ir.MetricSource, signal: ir.Signal) -> list[wire.Events]:
    return []


@lower_events.register
def _(source: ir.NodeSource, signal: ir.Signal) -> list[wire.Events]:
    return []  # announced by name alone


@lower_events.register
def _(source: ir.UpstreamSource, signal: ir.Signal) -> list[wire.Events]:
    return [wire.SignalEvents(source.app)]


def _route(graph: ir.Graph, node: ir.Node, bucket: str) -> wire.Route:
    return wire.Route(
        node=node.id,
        inputs=tuple(
            wire.Input(i.alias, i.signal, i.branches, _mode(i), i.tip if i.reference else None)
            for i in node.inputs
        ),
        links=tuple((link.left, link.right) for link in node.links),
        output=wire.Output(
            dims=tuple(name for name, _ in node.output),
            kinds=tuple(rule.kind for _, rule in node.output),
            values=node.output_values,
            path=internal_path(bucket, node.id, len(node.output)),
        ),
        retrigger=node.options.retrigger,
        arrival_ttl=node.options.arrival_ttl,
        pending_ttl=node.options.pending_ttl,
        pending_hooks=tuple(name for name, _ in node.hooks if is_pending(name)),
        native=is_native(graph, node),
    )


def _mode(i: ir.Input) -> str:
    """What a sensor waits for has to be there: the simulator must wait for it too."""
    windowed = any(rule.window is not None for branch in i.branches for rule in branch)
    return "range_check" if i.awaited and not windowed else i.mode
