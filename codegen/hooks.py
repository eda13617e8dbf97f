"""The hooks of a node -> callbacks and tasks of its DAG, and a DAG of their own for inputs that wait."""

from __future__ import annotations

from collections.abc import Mapping

from codegen import plan as p
from codegen.dialects import Dialect
from codegen.source import (
    INDENT,
    LINE,
    Fragment,
    Raw,
    assigned,
    call,
    docstring,
    imports,
    listed,
    literal,
    module,
)
from codegen.targets import LoweringContext, Operator, lower, operator
from codegen.targets.base import recipe, recipes
from codegen.user_code import with_metrics
from rheo_runtime.airflow_client import asset_uri, dag_file, dag_id, told_as
from rheodsl import ir
from rheodsl.errors import InvalidNameError
from rheodsl.hooks import CHECKPOINT, PENDING_CHECKPOINT, is_pending

HOOKS = "rheo_airflow.tasks.hooks"
PARTIAL = ("functools", "partial")
# Hooks of computes, and the callback of a task that each becomes.
CALLBACKS = {
    "on_compute_success": "on_success_callback",
    "on_compute_failure": "on_failure_callback",
    "on_compute_retry": "on_retry_callback",
}
AFTER_PUBLISH = ("on_success", "on_failure")


def lower_hooks(graph: ir.Graph, node: ir.Node, bucket: str) -> tuple[p.Hook, ...]:
    """Return the hooks of a node; raises ComputeError for one that cannot be generated, InvalidNameError."""
    hooks = tuple(_hook(graph, node, bucket, title) for title, _ in node.hooks)
    taken = dag_file(told_as(node.id)).removesuffix(".py")
    if any(hook.pending for hook in hooks) and graph.has_node(taken):
        raise InvalidNameError(
            f"{node.id} has pending hooks, whose DAG would have the id of the node {taken!r}",
            where=node.where,
            hint=f"rename {taken!r}",
        )
    return hooks


def _hook(graph: ir.Graph, node: ir.Node, bucket: str, title: str) -> p.Hook:
    targets = dict(node.hooks)[title]
    several = len(targets) > 1
    tasks = tuple(
        lower(
            target,
            LoweringContext(
                graph.app, bucket, node, suffix=f"/{title}{'_' * several}{number * several or ''}"
            ),
        )
        for number, target in enumerate(targets, start=1)
    )
    digits = title.removeprefix(CHECKPOINT).removeprefix(PENDING_CHECKPOINT)
    seconds = int(digits) if digits != title else None
    return p.Hook(title, with_metrics(tasks, graph, node), seconds, is_pending(title))


# --- in the node's own DAG ---


def hook_fragment(dag: p.DagPlan) -> Fragment:
    """Return the hooks of a node: callbacks of its computes, and tasks that hang on claim and publish."""
    called = [(hook, _made(hook, dag)) for hook in dag.hooks if not hook.pending]
    if not called:
        return Fragment()
    callbacks = [(hook, made) for hook, made in called if hook.name in CALLBACKS]
    tasks = [(hook, made) for hook, made in called if hook.name not in CALLBACKS]
    return Fragment(
        imports=frozenset(
            {PARTIAL, *((HOOKS, _operator_of(hook)) for hook, _ in called)}
            | {(one.module, one.name) for _, made in called for one in made}
        ),
        before=Raw("\n".join(_callback(hook, made) for hook, made in callbacks)),
        tasks={
            hook.name: assigned(hook.name, _operator_of(hook), _arguments(hook, made)) for hook, made in tasks
        },
        edges=_edges([hook.name for hook, _ in tasks]),
        arguments={
            argument: Raw(_constant(hook))
            for title, argument in CALLBACKS.items()
            for hook, _ in callbacks
            if hook.name == title
        },
    )


def _callback(hook: p.Hook, made: list[Operator]) -> str:
    """One object that a compute calls, made before the DAG."""
    text = f"{_constant(hook)} = HookCallback({', '.join([literal(hook.name), *(recipe(one, '') for one in made)])})"
    if len(text) <= LINE:
        return text
    parts = [literal(hook.name), *(recipe(one, INDENT) for one in made)]
    inner = "".join(f"{INDENT}{part},\n" for part in parts)
    return f"{_constant(hook)} = HookCallback(\n{inner})"


def _edges(tasks: list[str]) -> tuple[str, ...]:
    before = [title for title in tasks if title not in AFTER_PUBLISH]
    after = [title for title in tasks if title in AFTER_PUBLISH]
    return tuple(
        f"{INDENT}{first} >> {listed(titles)}"
        for first, titles in (("claim", before), ("publish", after))
        if titles
    )


def _operator_of(hook: p.Hook) -> str:
    if hook.name in CALLBACKS:
        return "HookCallback"
    return "HookOperator" if hook.seconds is None else "CheckpointOperator"


def _constant(hook: p.Hook) -> str:
    return hook.name.upper()


def _arguments(hook: p.Hook, made: list[Operator]) -> dict[str, object]:
    arguments: dict[str, object] = {"task_id": hook.name}
    if hook.seconds is not None:
        arguments["seconds"] = hook.seconds
    arguments["hooks"] = recipes(made, INDENT * 2, len("hooks=,"))
    if retries := max(task.retries for task in hook.tasks):
        arguments["retries"] = retries
    if titles := list(dict.fromkeys(task.title for task in hook.tasks if task.title)):
        arguments["task_display_name"] = f"{hook.name}: {', '.join(titles)}"
    return arguments


def _made(hook: p.Hook, dag: p.DagPlan) -> list[Operator]:
    return [operator(task, dag) for task in hook.tasks]


# --- the DAG that is told of waiting inputs ---


def pending_dags(dag: p.DagPlan) -> list[str]:
    """Return the id of the DAG that calls a node's pending hooks, in a list; empty when it has none."""
    return [dag_id(dag.app, told_as(dag.node))] if any(hook.pending for hook in dag.hooks) else []


def pending_files(dag: p.DagPlan, dialect: Dialect) -> Mapping[str, str]:
    """Return the file of the DAG that calls a node's pending hooks; none when it has no such hooks."""
    hooks = [hook for hook in dag.hooks if hook.pending]
    if not hooks:
        return {}
    told = told_as(dag.node)
    when = dialect.schedule(p.OnEvents(asset_uri(dag.app, told)))
    names = {*when.imports, ("airflow.sdk", "DAG"), PARTIAL, (HOOKS, "PendingHookOperator")}
    names |= {(made.module, made.name) for hook in hooks for made in _made(hook, dag)}
    inner = INDENT * 3
    entries = "".join(
        f"{inner}{literal(hook.name)}: {recipes(_made(hook, dag), inner, len(literal(hook.name)) + 3)},\n"
        for hook in hooks
    )
    task = {
        "task_id": "tell",
        "app": dag.app,
        "node": dag.node,
        "hooks": Raw("{\n" + entries + INDENT * 2 + "}"),
    }
    arguments = {
        "dag_id": dag_id(dag.app, told),
        "description": f"What is called while inputs of {dag.node} wait for others",
        "doc_md": Raw("__doc__"),
        "schedule": when.expression,
        "catchup": False,
        "is_paused_upon_creation": False,
        "max_active_runs": dag.max_active_runs,
        "default_args": {"owner": dag.owner},
        "tags": ["rheo", dag.app, *dag.tags],
    }
    operator_call = call("PendingHookOperator", task, indent=INDENT)
    return {
        dag_file(told): module(
            docstring(_doc(dag, hooks)),
            imports(names),
            when.before,
            Raw(f"with {call('DAG', arguments)}:\n{INDENT}{operator_call}"),
        )
    }


def _doc(dag: p.DagPlan, hooks: list[p.Hook]) -> str:
    where = f" from `{dag.where.file}`" if dag.where else ""
    lines = [
        f"Hooks of **{dag.node}** of the application **{dag.app}**, for inputs that wait for others.",
        "",
        f"Generated by Rheo{where}: change the application and compile again.",
        "",
        "Each run calls one of these, and its partition key says for what:",
        *(f"- `{hook.name}`" for hook in hooks),
        "",
    ]
    return "\n".join(lines)
