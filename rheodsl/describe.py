"""A graph -> text for people: what is declared, as Rheo understood it, defaults included."""

from __future__ import annotations

from collections.abc import Iterator

from rheo_runtime.expr import Expr
from rheo_runtime.values import DATETIME, Kind
from rheodsl import ir
from rheodsl.expressions import OUTPUT
from rheodsl.filters import show_filter
from rheodsl.notation import show
from rheodsl.rollups import show_mode, show_rollup


def describe(graph: ir.Graph) -> str:
    """Return a graph as indented text, the same text for the same graph."""
    return "\n".join(_lines(graph)) + "\n"


def _lines(graph: ir.Graph) -> Iterator[str]:
    yield f"application {graph.app}"
    for signal in graph.signals:
        if not isinstance(signal.source, ir.NodeSource):
            yield f"  signal {signal.id}({describe_dims(signal)})  {describe_source(signal.source)}{_at(signal.where)}"
    for node in graph.nodes:
        yield f"  node {node.id}{_at(node.where)}"
        for line in describe_node(node):
            yield f"    {line}"
    if any(link.default for node in graph.nodes for link in node.written):
        yield "  (links by default join dimensions of one name; auto_input_dim_linking_enabled=False leaves them out)"


def _at(where: object) -> str:
    return f"  # {where}" if where else ""


def describe_node(node: ir.Node) -> Iterator[str]:
    """Yield a node's inputs, links and output, a line each."""
    for input in node.inputs:
        yield f"input  {describe_input(input)}"
        if input.tip is not None:
            yield f"       at ({', '.join(map(show, input.tip))})"
    for way in node.alternatives:
        yield f"or     {' & '.join(describe_input(i) for i in way.inputs if not i.optional)}"
    for link in node.written:
        yield f"link   {show(link.left)} == {show(link.right)}{'  (by default)' if link.default else ''}"
    yield f"output {', '.join(describe_output(node)) or '(no dimensions)'}"
    if node.options.retrigger != "all":
        yield {
            "any": "runs again when any input arrives anew",
            "updated": "runs again when anything that it reads is written anew",
            "never": "an output that is made is never made again by events",
        }[node.options.retrigger]


def describe_output(node: ir.Node) -> tuple[str, ...]:
    """Return each dimension of a node's output with its value: ``day = orders.day``."""
    return tuple(
        _output(name, value) for (name, _), value in zip(node.output, node.output_values, strict=True)
    )


def _output(name: str, value: Expr) -> str:
    free = show(value) == f"{OUTPUT}.{name}"
    return f"{name} (named by whoever executes it)" if free else f"{name} = {show(value)}"


def describe_input(input: ir.Input) -> str:
    """Return an input as the user would write it: ``orders[1][:-30].range_check(True)``."""
    name = input.signal if input.alias == input.signal else f"{input.alias}: {input.signal}"
    rolled = "" if input.rollup is None else show_rollup(input.rollup)
    reference = ".optional()" if input.optional else ".ref" if input.reference else ""
    end = " (a sensor waits for it)" if input.awaited else reference
    return name + rolled + show_filter(input.branches) + show_mode(input.mode, input.at_least) + end


def describe_dims(signal: ir.Signal) -> str:
    """Return dimensions with their types: ``region_id LONG, day DAY '%Y-%m-%d'``."""
    return ", ".join(f"{dim} {describe_kind(signal.kind(dim))}" for dim in signal.dims)


def describe_kind(kind: Kind) -> str:
    """Return a type as `describe_dims` shows it."""
    if kind.type != DATETIME:
        return kind.type
    zone = f" {kind.timezone}" if kind.timezone else ""
    return f"{kind.granularity} {kind.format!r}{zone}"


def describe_source(source: ir.Source) -> str:
    """Return where a signal comes from, in a few words."""
    match source:
        case ir.S3Source(bucket, template, _, completion):
            return f"s3://{bucket}/{template} completed by {', '.join(completion) or 'any object'}"
        case ir.GlueSource(database, table):
            return f"Glue table {database}.{table}"
        case ir.SnsSource(topic):
            return f"SNS topic {topic}"
        case ir.TimerSource(schedule, shift, zone):
            clock = f" on the clock of {zone}" if zone else ""
            return f"timer {schedule}{clock}" + (f" shifted by {shift:+d}" if shift else "")
        case ir.LateSource(of, branches):
            return f"what is late of {of}{show_filter(branches)}"
        case ir.ChecksSource(of):
            return f"the checks of {of}"
        case ir.AlarmSource(name):
            return f"alarm {name}"
        case ir.MetricSource(namespace):
            return f"metric of {namespace}"
        case ir.UpstreamSource(app):
            return f"an output of {app}"
    return "a node's output"
