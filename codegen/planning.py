"""Graph -> plan: names, schedules, parameters and tasks of each DAG."""

from __future__ import annotations

import re
from dataclasses import replace

from codegen import plan as p
from codegen.checks import checks_of
from codegen.dialects import dialect
from codegen.hooks import lower_hooks
from codegen.kept import KEPT
from codegen.schedules import schedule_of
from codegen.sensors import waits_of
from codegen.targets import LoweringContext, batchable, lower
from codegen.targets.base import place
from codegen.user_code import with_metrics
from rheo_runtime import values as v
from rheo_runtime.airflow_client import PUMP, dag_file, dag_id
from rheo_runtime.templates import shared_folder, template
from rheo_runtime.values import Kind
from rheo_runtime.wire import resource_name
from rheodsl import ir
from rheodsl.declaration import view_of
from rheodsl.errors import ComputeError, InvalidNameError
from rheodsl.expressions import show
from rheodsl.hooks import is_pending
from rheodsl.paths import internal_path, signal_path

_BUCKET = re.compile(r"[^:/]+://[^/]*/")


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
    bucket = bucket or resource_name(graph.app)
    dags = tuple(plan_node(graph, node, bucket) for node in graph.nodes)
    return p.Plan(
        app=graph.app,
        dialect=dialect(dialect_name).name,
        bucket=bucket,
        dags=dags,
        buckets=tuple(sorted({b for signal in graph.signals for b in _event_buckets(signal)})),
        timers=_joined_timers(graph, dags),
    )


def plan_node(graph: ir.Graph, node: ir.Node, bucket: str) -> p.DagPlan:
    """Return the plan of a node, kept as long as it and the signals that it reads are the same.

    Raises ComputeError for a compute target that cannot be generated, InvalidNameError for an id that is taken.
    """
    if any(is_pending(title) for title, _ in node.hooks):
        return _dag(graph, node, bucket)  # which also depends on the names of other nodes
    read = (graph.signal(i.signal) for i in node.inputs)
    parts = (node, *read, *graph.own_metrics, *graph.modules)
    return KEPT.of(f"plan {graph.app} {bucket}", parts, lambda: _dag(graph, node, bucket))


def _dag(graph: ir.Graph, node: ir.Node, bucket: str) -> p.DagPlan:
    if dag_file(node.id).lower() == dag_file(PUMP):
        raise InvalidNameError(
            f"{node.id!r} is the name of the DAG that announces many executions",
            where=node.where,
            hint="choose another id",
        )
    tasks = with_metrics(_tasks(graph, node, bucket), graph, node)
    schedule = schedule_of(graph, node)
    return p.DagPlan(
        app=graph.app,
        node=node.id,
        dag_id=dag_id(graph.app, node.id),
        file=dag_file(node.id),
        where=place(node.where),
        schedule=schedule,
        inputs=tuple(_input(graph, node, i, bucket) for i in node.inputs),
        links=tuple(f"{show(link.left)} == {show(link.right)}" for link in node.written),
        dimensions=tuple(name for name, _ in node.output),
        location=internal_path(bucket, node.id, 0),
        format=node.data,
        params=tuple(_param(name, rule.kind) for name, rule in node.output),
        tasks=tasks,
        owner=node.options.owner,
        tags=node.options.tags,
        pool=node.options.pool,
        max_active_runs=node.options.max_active_runs,
        waits=waits_of(graph, node, isinstance(schedule, p.OnCron)),
        hooks=lower_hooks(graph, node, bucket),
        retention=node.options.retention,
        checks=checks_of(node, tasks),
        batch=_batch(node, tasks, schedule),
        modules=graph.modules,
    )


def _batch(node: ir.Node, tasks: tuple[p.Task, ...], schedule: p.Schedule) -> ir.Batch | None:
    """The batch of a node; raises ComputeError where one run cannot carry out several of its executions."""
    if node.options.batch is None:
        return None

    def fault(what: str, hint: str) -> ComputeError:
        return ComputeError(f"{node.id}: {what}", where=node.where, hint=hint)

    if isinstance(schedule, p.OnCron):
        raise fault(
            "Airflow's own clock starts each of its runs, so none can be batched",
            "leave batch out, or join the timer with data",
        )
    if len(tasks) != 1:
        raise fault(
            f"a batch is carried out by one compute target, and it has {len(tasks)}",
            "give each target a node of its own",
        )
    if not batchable(tasks[0]):
        raise fault(
            f"{type(node.computes[0]).__name__} starts one job for each execution, so it takes no batch",
            "PySpark, SparkSQL, PrestoSQL and inlined Python do; leave batch out for others",
        )
    return node.options.batch


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
        p.Timer(s.id, s.source.schedule, s.source.timezone)
        for s in graph.signals
        if isinstance(s.source, ir.TimerSource) and s.id in used
    )


def _event_buckets(signal: ir.Signal) -> list[str]:
    source = signal.proxy or signal.source
    return [source.bucket] if isinstance(source, ir.S3Source) else []


def _input(graph: ir.Graph, node: ir.Node, i: ir.Input, bucket: str) -> p.Input:
    signal = graph.signal(i.signal)
    path = signal_path(signal, bucket)
    source = signal.source
    completion: tuple[str, ...] = ()
    if isinstance(source, ir.S3Source):
        completion = source.completion
    elif isinstance(source, ir.NodeSource | ir.UpstreamSource):
        completion = ("_SUCCESS",)
    view = view_of(i, signal)
    key = None if path is None else _BUCKET.sub("", path, count=1)
    window = i.rollup is not None or any(r.window is not None for branch in i.branches for r in branch)
    # Its rows may be of one partition or another: they say of which.
    located = window or bool(node.alternatives)
    pattern: str | None = None
    texts: tuple[tuple[int | str, ...], ...] = ()
    spelled: tuple[tuple[str, str, str], ...] = ()
    if located and key is not None and "{0" in key:
        kinds = tuple(signal.kind(dim) for dim in signal.dims)
        pattern, texts, formats = template(key).numbered(tuple((kind,) for kind in kinds))
        spelled = tuple(
            (dim, format, kind.format or "")
            for dim, format, kind in zip(signal.dims, formats, kinds, strict=True)
            if format
        )
    return p.Input(
        alias=i.alias,
        signal=i.signal,
        shown=repr(view),
        location=None if path is None else shared_folder(path),
        format=signal.data,
        completion=completion,
        window=window,
        reference=i.reference,
        table=f"{source.database}/{source.table}"
        if isinstance(source, ir.GlueSource) and path is None
        else None,
        storage=source.storage if isinstance(source, ir.GlueSource) else None,
        primary_keys=_primary_keys(source),
        path=key if located else None,
        dimensions=tuple((dim, signal.kind(dim).type) for dim in signal.dims) if located else (),
        pattern=pattern,
        texts=texts,
        spelled=spelled,
        alone=not signal.dims,
    )


def _primary_keys(source: ir.Source) -> tuple[str, ...]:
    """The keys of which only the latest row counts."""
    if isinstance(source, ir.GlueSource) and source.table_type == "REPLACE":
        return source.primary_keys
    return ()


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
        tasks.append(
            lower(target, LoweringContext(graph.app, bucket, node, f"compute{suffix}", suffix, writes))
        )
    return tuple(_with_options(task, node.options) for task in tasks)


def _with_options(task: p.Task, options: ir.Options) -> p.Task:
    # One task does this for each execution of a batch: what one may take says nothing of all.
    given = None if options.batch and not isinstance(task, p.ScriptTask) else task.timeout
    return replace(
        task, retries=task.retries or options.retry_count, timeout=options.execution_timeout or given
    )
