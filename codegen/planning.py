"""Graph -> plan: names, schedules, parameters and tasks of each DAG."""

from __future__ import annotations

from dataclasses import replace

from codegen import plan as p
from codegen.dialects import dialect
from codegen.emission import with_metrics
from codegen.hooks import lower_hooks
from codegen.routes import app_bucket, internal_path, signal_path
from codegen.schedules import is_native, schedule_of
from codegen.sensors import waits_of
from codegen.targets import Site, lower
from codegen.targets.base import place
from rheo_runtime import values as v
from rheo_runtime.trigger import dag_id
from rheo_runtime.values import Kind
from rheodsl import ir
from rheodsl.expressions import show
from rheodsl.views import View


def build_plan(graph: ir.Graph, *, dialect_name: str = "mwaa-3.3", bucket: str | None = None) -> p.Plan:
    """Return what is to be written for a graph.

    Parameters
    ----------
    graph
        The application.
    dialect_name
        Which Airflow the DAGs are for.
    bucket
        The application's bucket; named after it when left out.

    Raises ComputeError for a compute target that cannot be generated.
    """
    bucket = bucket or app_bucket(graph.app)
    dags = tuple(_dag(graph, node, bucket) for node in graph.nodes)
    return p.Plan(
        app=graph.app,
        dialect=dialect(dialect_name).name,
        bucket=bucket,
        dags=dags,
        buckets=tuple(sorted({b for signal in graph.signals for b in _event_buckets(signal)})),
        timers=_joined_timers(graph, dags),
    )


def _dag(graph: ir.Graph, node: ir.Node, bucket: str) -> p.DagPlan:
    return p.DagPlan(
        app=graph.app,
        node=node.id,
        dag_id=dag_id(graph.app, node.id),
        file=f"{node.id}.py",
        where=place(node.where),
        schedule=schedule_of(graph, node),
        inputs=tuple(_input(graph, i, bucket) for i in node.inputs),
        links=tuple(f"{show(link.left)} == {show(link.right)}" for link in node.written),
        dimensions=tuple(name for name, _ in node.output),
        location=internal_path(bucket, node.id, 0),
        format=_format(node.data),
        params=tuple(_param(name, rule.kind) for name, rule in node.output),
        tasks=with_metrics(_tasks(graph, node, bucket), graph, node),
        owner=node.options.owner,
        tags=node.options.tags,
        pool=node.options.pool,
        max_active_runs=node.options.max_active_runs,
        waits=waits_of(graph, node, is_native(graph, node)),
        hooks=lower_hooks(graph, node, bucket),
        retention=node.options.retention,
    )


def _joined_timers(graph: ir.Graph, dags: tuple[p.DagPlan, ...]) -> tuple[p.Timer, ...]:
    """Timers that some node joins with data, or that Airflow cannot follow."""
    used = {
        i.signal
        for node, dag in zip(graph.nodes, dags, strict=True)
        if isinstance(dag.schedule, p.OnEvents)
        for i in node.inputs
        if not i.reference
    }
    return tuple(
        p.Timer(s.id, s.source.schedule)
        for s in graph.signals
        if isinstance(s.source, ir.TimerSource) and s.id in used
    )


def _event_buckets(signal: ir.Signal) -> list[str]:
    source = signal.proxy or signal.source
    return [source.bucket] if isinstance(source, ir.S3Source) else []


def _input(graph: ir.Graph, i: ir.Input, bucket: str) -> p.Input:
    signal = graph.signal(i.signal)
    path = signal_path(signal, bucket)
    source = signal.source
    completion: tuple[str, ...] = ()
    if isinstance(source, ir.S3Source):
        completion = source.completion
    elif isinstance(source, ir.NodeSource | ir.UpstreamSource):
        completion = ("_SUCCESS",)
    view = View(signal, i.branches, mode=i.mode, reference=i.reference and not i.awaited)
    return p.Input(
        alias=i.alias,
        signal=i.signal,
        shown=repr(view),
        location=None if path is None else _folder(path),
        format=_format(signal.data),
        completion=completion,
        window=any(rule.window is not None for branch in i.branches for rule in branch),
        reference=i.reference,
        table=f"{source.database}/{source.table}"
        if isinstance(source, ir.GlueSource) and path is None
        else None,
        primary_keys=_primary_keys(source),
    )


def _primary_keys(source: ir.Source) -> tuple[str, ...]:
    """The keys of which only the latest row counts."""
    if isinstance(source, ir.GlueSource) and source.table_type == "REPLACE":
        return source.primary_keys
    return ()


def _folder(template: str) -> str:
    """The part of a path template that all partitions share.

    >>> _folder("s3://bucket/orders/region={}/{}")
    's3://bucket/orders'
    """
    return template.split("{}")[0].rsplit("/", 1)[0] if "{}" in template else template.rstrip("/")


def _format(data: ir.DataFormatSpec) -> p.Format:
    return p.Format(data.format, data.header, data.delimiter, data.schema)


def _param(name: str, kind: Kind) -> p.Param:
    if kind.type == v.LONG:
        return p.Param(name, "integer", None, f"{name} of the output, a whole number")
    if kind.type == v.STRING:
        return p.Param(name, "string", None, f"{name} of the output")
    format = kind.format or v.DEFAULT_FORMAT
    picker = "date" if format == "%Y-%m-%d" else None
    return p.Param(name, "string", picker, f"{name} of the output, written {format}")


# --- tasks ---


def _tasks(graph: ir.Graph, node: ir.Node, bucket: str) -> tuple[p.Task, ...]:
    several = len(node.computes) > 1
    tasks: list[p.Task] = []
    for number, target in enumerate(node.computes, start=1):
        suffix = f"_{number}" if several else ""
        writes = not any(task.writes for task in tasks)
        tasks.append(lower(target, Site(graph.app, bucket, node, f"compute{suffix}", suffix, writes)))
    return tuple(replace(task, retries=task.retries or node.options.retry_count) for task in tasks)
