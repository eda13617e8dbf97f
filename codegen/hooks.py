"""The hooks of a node -> callbacks and tasks of its DAG, and a DAG of their own for inputs that wait."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from codegen import plan as p
from codegen.dialects import Dialect
from codegen.emission import with_metrics
from codegen.imports import imports
from codegen.source import INDENT, LINE, Raw, call, docstring, listed, literal, module, name
from codegen.targets import Operator, Site, lower, operator
from rheo_runtime.trigger import asset_uri, dag_id, told_as
from rheodsl import ir
from rheodsl.errors import NameError_
from rheodsl.hooks import CHECKPOINT, PENDING_CHECKPOINT, is_pending

HOOKS = "rheo_runtime.tasks.hooks"
PARTIAL = ("functools", "partial")
# Hooks of computes, and the callback of a task that each becomes.
CALLBACKS = {
    "on_compute_success": "on_success_callback",
    "on_compute_failure": "on_failure_callback",
    "on_compute_retry": "on_retry_callback",
}
AFTER_PUBLISH = ("on_success", "on_failure")


def lower_hooks(graph: ir.Graph, node: ir.Node, bucket: str) -> tuple[p.Hook, ...]:
    """Return the hooks of a node; raises ComputeError for one that cannot be generated, NameError_."""
    hooks = tuple(_hook(graph, node, bucket, title) for title, _ in node.hooks)
    taken = told_as(node.id).replace("~", "__")
    if any(hook.pending for hook in hooks) and any(other.id == taken for other in graph.nodes):
        raise NameError_(
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
            target, Site(graph.app, bucket, node, suffix=f"~{title}{'_' * several}{number * several or ''}")
        )
        for number, target in enumerate(targets, start=1)
    )
    digits = title.removeprefix(CHECKPOINT).removeprefix(PENDING_CHECKPOINT)
    seconds = int(digits) if digits != title else None
    return p.Hook(title, with_metrics(tasks, graph, node), seconds, is_pending(title))


# --- in the node's own DAG ---


def hook_imports(dag: p.DagPlan) -> set[tuple[str, str]]:
    """Return the names that a DAG needs for its hooks."""
    names: set[tuple[str, str]] = set()
    for hook in _own(dag):
        names |= {PARTIAL, (HOOKS, _operator_of(hook))}
        names |= {(made.module, made.name) for made in _made(hook, dag)}
    return names


def callbacks(dag: p.DagPlan) -> Raw:
    """Return what stands before a DAG: the hooks of its computes, one object each."""
    lines = []
    for hook in _own(dag):
        if hook.name in CALLBACKS:
            recipes = [_recipe(made, "") for made in _made(hook, dag)]
            text = f"{_constant(hook)} = HookCallback({', '.join([literal(hook.name), *recipes])})"
            if len(text) > LINE:
                parts = [literal(hook.name), *(_recipe(made, INDENT) for made in _made(hook, dag))]
                inner = "".join(f"{INDENT}{part},\n" for part in parts)
                text = f"{_constant(hook)} = HookCallback(\n{inner})"
            lines.append(text)
    return Raw("\n".join(lines))


def callback_arguments(dag: p.DagPlan) -> dict[str, object]:
    """Return the arguments of each compute task by which its hooks are called."""
    return {
        argument: Raw(_constant(hook))
        for title, argument in CALLBACKS.items()
        for hook in _own(dag)
        if hook.name == title
    }


def hook_tasks(dag: p.DagPlan) -> list[str]:
    """Return the tasks that call hooks, as source."""
    return [
        f"{INDENT}{name(hook.name)} = {call(_operator_of(hook), _arguments(hook, dag), indent=INDENT)}"
        for hook in _own(dag)
        if hook.name not in CALLBACKS
    ]


def hook_chain(dag: p.DagPlan) -> list[str]:
    """Return how those tasks hang on the node's own, as source."""
    tasks = [hook.name for hook in _own(dag) if hook.name not in CALLBACKS]
    before = [title for title in tasks if title not in AFTER_PUBLISH]
    after = [title for title in tasks if title in AFTER_PUBLISH]
    return [
        f"{INDENT}{first} >> {listed(titles)}"
        for first, titles in (("claim", before), ("publish", after))
        if titles
    ]


def _own(dag: p.DagPlan) -> Iterator[p.Hook]:
    return (hook for hook in dag.hooks if not hook.pending)


def _operator_of(hook: p.Hook) -> str:
    if hook.name in CALLBACKS:
        return "HookCallback"
    return "HookOperator" if hook.seconds is None else "CheckpointOperator"


def _constant(hook: p.Hook) -> str:
    return hook.name.upper()


def _arguments(hook: p.Hook, dag: p.DagPlan) -> dict[str, object]:
    arguments: dict[str, object] = {"task_id": hook.name}
    if hook.seconds is not None:
        arguments["seconds"] = hook.seconds
    arguments["hooks"] = _recipes(hook, dag, INDENT * 2, len("hooks=,"))
    if retries := max(task.retries for task in hook.tasks):
        arguments["retries"] = retries
    return arguments


def _made(hook: p.Hook, dag: p.DagPlan) -> list[Operator]:
    return [operator(task, dag) for task in hook.tasks]


def _recipes(hook: p.Hook, dag: p.DagPlan, indent: str, used: int) -> Raw:
    """Spell a hook's recipes as a list, one a line when one line would be too long."""
    made = _made(hook, dag)
    flat = f"[{', '.join(_flat(one) for one in made)}]"
    if len(indent) + used + len(flat) <= LINE:
        return Raw(flat)
    inner = indent + INDENT
    return Raw("[\n" + "".join(f"{inner}{_recipe(one, inner)},\n" for one in made) + indent + "]")


def _recipe(made: Operator, indent: str) -> Raw:
    flat = _flat(made)
    if len(indent) + len(flat) + 1 <= LINE:
        return flat
    text = call("partial", made.arguments, indent=indent)
    return Raw(text.replace("(\n", f"(\n{indent}{INDENT}{name(made.name)},\n", 1))


def _flat(made: Operator) -> Raw:
    arguments = [f"{name(k)}={literal(v)}" for k, v in made.arguments.items()]
    return Raw(f"partial({', '.join([name(made.name), *arguments])})")


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
        f"{inner}{literal(hook.name)}: {_recipes(hook, dag, inner, len(literal(hook.name)) + 3)},\n"
        for hook in hooks
    )
    task = {
        "task_id": "tell",
        "app": dag.app,
        "node": told,
        "hooks": Raw("{\n" + entries + INDENT * 2 + "}"),
    }
    arguments = {
        "dag_id": dag_id(dag.app, told),
        "description": f"What is called while inputs of {dag.node} wait for others",
        "doc_md": Raw("__doc__"),
        "schedule": when.expression,
        "catchup": False,
        "max_active_runs": dag.max_active_runs,
        "default_args": {"owner": dag.owner},
        "tags": ["rheo", dag.app, *dag.tags],
    }
    operator_call = call("PendingHookOperator", task, indent=INDENT)
    return {
        f"{told}.py": module(
            docstring(_doc(dag, hooks)),
            imports(names),
            when.before,
            Raw(f"with {call('DAG', arguments)}:\n{INDENT}{operator_call}"),
        )
    }


def _doc(dag: p.DagPlan, hooks: list[p.Hook]) -> str:
    where = f" from `{dag.where}`" if dag.where else ""
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
