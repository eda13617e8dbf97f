"""Graph -> route table: what the listener needs to know of it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial, singledispatch

from codegen.kept import KEPT
from codegen.schedules import is_native
from rheo_runtime import wire
from rheo_runtime.wire import resource_name
from rheodsl import ir, schedule
from rheodsl.hooks import is_pending
from rheodsl.paths import catalog_path, signal_path


def route_table(graph: ir.Graph, bucket: str | None = None) -> wire.RouteTable:
    """Return the route table of a graph; ``bucket`` is the application's."""
    bucket = bucket or resource_name(graph.app)
    name = f"{graph.app} {bucket}"
    signals = tuple(
        KEPT.of(f"signal {name}", (s,), partial(_signal, graph, s, bucket))
        for s in graph.signals
        if _is_event(s)
    )
    routes = (
        route
        for node in graph.nodes
        for route in KEPT.of(
            f"routes {name}",
            (node, graph.signal(node.id), *(graph.signal(i.signal) for i in node.inputs)),
            partial(_routes, graph, node, bucket),
        )
    )
    return wire.RouteTable(graph.app, signals, tuple(routes))


def _routes(graph: ir.Graph, node: ir.Node, bucket: str) -> list[wire.Route]:
    return [_route(graph, node, way, number, bucket) for number, way in enumerate(_ways(node))]


def route_text(table: wire.RouteTable) -> str:
    """Return a route table as text, as `wire.RouteTable.dumps` does."""
    return table.dumps(lambda part: KEPT.of("line", (part,), lambda: wire.line(part)))


def _ways(node: ir.Node) -> list[ir.Node | ir.Alternative]:
    return [node, *node.alternatives]


def _is_event(signal: ir.Signal) -> bool:
    return not isinstance(signal.source, ir.MetricSource)


def _signal(graph: ir.Graph, signal: ir.Signal, bucket: str) -> wire.Signal:
    events = lower_events(signal.proxy or signal.source, signal)
    if isinstance(signal.proxy, ir.SnsSource) and isinstance(signal.source, ir.S3Source):
        # S3's own notifications come through the topic as well, and through nothing else.
        objects = lower_events(signal.source, signal)
        events += [replace(e, topic=signal.proxy.topic) for e in objects if isinstance(e, wire.S3Events)]
    return wire.Signal(
        id=signal.id,
        dims=signal.dims,
        branches=signal.branches,
        events=(*events, wire.SignalEvents(graph.app)),
        path=signal_path(signal, bucket) or catalog_path(signal),
    )


@singledispatch
def lower_events(source: ir.Source, signal: ir.Signal) -> list[wire.Events]:
    """Return where a source's events come from; rules are registered below, one for each source."""
    raise TypeError(f"no event rule for {type(source).__name__}")


@lower_events.register
def _(source: ir.S3Source, signal: ir.Signal) -> list[wire.Events]:
    return [
        wire.S3Events(
            source.bucket, source.template, source.completion, source.account, settle=source.settle,
            reconcile=source.reconcile,
        )
    ]  # fmt: skip


@lower_events.register
def _(source: ir.GlueSource, signal: ir.Signal) -> list[wire.Events]:
    return [wire.GlueEvents(source.database, source.table, source.reconcile)]


@lower_events.register
def _(source: ir.SnsSource, signal: ir.Signal) -> list[wire.Events]:
    return [wire.SnsEvents(source.topic)]


@lower_events.register
def _(source: ir.TimerSource, signal: ir.Signal) -> list[wire.Events]:
    read = schedule.parse(source.schedule)
    exact = not isinstance(read, schedule.Rate) or read.airflow_cron() is not None
    return [
        wire.TimerEvents(
            signal.id,
            source.shift,
            0 if exact else int(read.delta().total_seconds()),  # type: ignore[union-attr]
        )
    ]


@lower_events.register
def _(source: ir.LateSource, signal: ir.Signal) -> list[wire.Events]:
    return [
        wire.LateEvents(
            source.of, source.branches, source.mode, source.after, source.by, source.days, source.timezone,
            source.since, source.rollup,
        )
    ]  # fmt: skip


@lower_events.register
def _(source: ir.ChecksSource, signal: ir.Signal) -> list[wire.Events]:
    return [wire.SignalEvents(source.app)] if source.app else []  # announced by name


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


def _route(
    graph: ir.Graph, node: ir.Node, way: ir.Node | ir.Alternative, number: int, bucket: str
) -> wire.Route:
    return wire.Route(
        node=node.id,
        inputs=tuple(
            wire.Input(
                i.alias,
                i.signal,
                i.branches,
                _mode(i),
                i.tip if i.reference else None,
                i.rollup,
                i.at_least,
                i.optional,
            )
            for i in way.inputs
        ),
        links=tuple((link.left, link.right) for link in way.links),
        output=wire.Output(
            dims=tuple(name for name, _ in node.output),
            kinds=tuple(rule.kind for _, rule in node.output),
            values=way.output_values,
            path=signal_path(graph.signal(node.id), bucket),
        ),
        retrigger=node.options.retrigger,
        arrival_ttl=_arrival_ttl(node, way),
        pending_ttl=node.options.pending_ttl,
        pending_hooks=tuple(name for name, _ in node.hooks if is_pending(name)),
        native=is_native(graph, node),
        alternative=number,
        batch=node.options.batch.max if node.options.batch else 0,
        batch_wait=node.options.batch.seconds if node.options.batch else 0,
    )


def _mode(i: ir.Input) -> str:
    """What a sensor waits for has to be there: the simulator must wait for it too."""
    windowed = any(rule.window is not None for branch in i.branches for rule in branch)
    return "range_check" if i.awaited and not windowed else i.mode


_PERIODS = {"QUARTER": 182, "YEAR": 396}  # days: the first member counts until the last is a month late


def _arrival_ttl(node: ir.Node, way: ir.Node | ir.Alternative) -> int:
    """How long an arrival counts, in seconds: the first member of a rollup has to wait for the last."""
    periods = [
        _PERIODS[grain]
        for i in way.inputs
        if i.rollup is not None and not i.reference
        for grain in i.rollup.grains
        if grain in _PERIODS
    ]
    return max([node.options.arrival_ttl, *(days * 86400 for days in periods)])
