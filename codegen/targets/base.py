"""What every compute target has: a task, an operator, files, things that must exist around it, permissions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import singledispatch
from string import Formatter
from typing import Any

from codegen import plan as p
from codegen.cloudformation.names import role_name, role_path
from codegen.dialects.base import Dialect
from codegen.source import INDENT, LINE, Fragment, Raw, assigned, call, duration, literal, name
from rheodsl import compute, ir
from rheodsl.errors import ComputeError, SourceLocation

# An IAM statement without its effect: {"Action": [...], "Resource": [...]}.
Statement = Mapping[str, Any]
Files = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LoweringContext:
    """Where a target stands.

    ``name`` is its task's id. ``suffix`` tells apart the names of several targets of one node; ``writes`` says
    that it is the first that can write the node's output, and so the one that does.
    """

    app: str
    bucket: str
    node: ir.Node
    name: str = "compute"
    suffix: str = ""
    writes: bool = True


@dataclass(frozen=True, slots=True)
class Operator:
    """A task as Airflow runs it: where its class is from, the class, and its arguments as source values.

    The DAG adds ``task_id`` before them and ``retries`` after them.
    """

    module: str
    name: str
    arguments: Mapping[str, object]


@singledispatch
def lower(target: compute.Compute, site: LoweringContext) -> p.Task:
    """Return the task of a compute target or hook; each class has a rule, in its file of this package.

    Raises ComputeError for what cannot be run.
    """
    raise ComputeError(
        f"{site.node.id}: {type(target).__name__} cannot be generated",
        where=site.node.where,
        hint="use one of the compute targets of rheodsl",
    )


@singledispatch
def operator(task: p.Task, dag: p.DagPlan) -> Operator:
    """Return how a task is spelled in its DAG."""
    raise NotImplementedError(f"{type(task).__name__} has no operator rule")


@singledispatch
def batchable(task: p.Task) -> bool:
    """Say whether one task of an Airflow run can carry out several executions, one after the other."""
    return False


@singledispatch
def files(task: p.Task, dag: p.DagPlan) -> Files:
    """Return the files of a task, by their paths in the application's folder."""
    return {}


@singledispatch
def resources(task: p.Task, dag: p.DagPlan) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """Return what must exist for a task, by its key in ``stack.json``."""
    return {}


@singledispatch
def permissions(task: p.Task, dag: p.DagPlan) -> Sequence[Statement]:
    """Return what Airflow's role must be allowed, beyond what claim and publish do, to run a task."""
    return ()


def compute_fragment(dag: p.DagPlan, dialect: Dialect, more: Mapping[str, object]) -> Fragment:
    """Return the compute tasks of a node; ``more`` are arguments that each takes beside its own."""
    made = [(task, operator(task, dag)) for task in dag.tasks]
    return Fragment(
        imports=frozenset((one.module, one.name) for _, one in made) | timeouts(task for task, _ in made),
        tasks={task.task_id: task_source(task, one, dialect, more) for task, one in made},
    )


def timeouts(tasks: Iterable[p.Task]) -> frozenset[tuple[str, str]]:
    """Return what the timeouts of tasks import."""
    return frozenset({("datetime", "timedelta")} if any(task.timeout for task in tasks) else ())


def task_source(task: p.Task, made: Operator, dialect: Dialect, more: Mapping[str, object]) -> str:
    """Return the source of a task: ``more`` are arguments beside its operator's own."""
    arguments: dict[str, object] = {"task_id": task.task_id, **made.arguments}
    if task.title:
        arguments["task_display_name"] = f"{task.task_id}: {task.title}"
    arguments |= dialect.operators.get(made.name, {})
    # Said where it is 0 too: an environment may have another default.
    arguments["retries"] = task.retries
    if task.timeout is not None:
        arguments["execution_timeout"] = duration(task.timeout)
    return assigned(task.task_id, made.name, arguments | dict(more))


def recipe(made: Operator, indent: str) -> Raw:
    """Return how an operator is made later: ``partial(GlueComputeOperator, ...)``, in lines when it is long."""
    flat = _flat(made)
    if len(indent) + len(flat) + 1 <= LINE:
        return flat
    text = call("partial", made.arguments, indent=indent)
    return Raw(text.replace("(\n", f"(\n{indent}{INDENT}{name(made.name)},\n", 1))


def recipes(made: Sequence[Operator], indent: str, used: int) -> Raw:
    """Return recipes as a list, one a line when one line would be too long."""
    flat = f"[{', '.join(_flat(one) for one in made)}]"
    if len(indent) + used + len(flat) <= LINE:
        return Raw(flat)
    inner = indent + INDENT
    return Raw("[\n" + "".join(f"{inner}{recipe(one, inner)},\n" for one in made) + indent + "]")


def _flat(made: Operator) -> Raw:
    arguments = [f"{name(k)}={literal(v)}" for k, v in made.arguments.items()]
    return Raw(f"partial({', '.join([name(made.name), *arguments])})")


def writes_output(site: LoweringContext, what: str) -> None:
    """Raise ComputeError where another target of the node writes its output already."""
    if not site.writes:
        raise ComputeError(
            f"{site.node.id}: {what} writes the output, which another target writes already",
            where=site.node.where,
            hint="give each a node of its own",
        )


def check_texts(value: object, site: LoweringContext) -> None:
    """Raise ComputeError for a ``{...}`` in some text of JSON values that nothing fills in.

    What fills them in is `rheo_airflow.tasks.idempotency.filled`.
    """
    if isinstance(value, Mapping):
        for part in (*value.keys(), *value.values()):
            check_texts(part, site)
    elif isinstance(value, list | tuple):
        for part in value:
            check_texts(part, site)
    elif isinstance(value, str):
        _check_text(value, site)


def _check_text(text: str, site: LoweringContext) -> None:
    known = ["app", "node", "execution", "output", *(name for name, _ in site.node.output)]
    known += [f"inputs[{i.alias}]" for i in site.node.inputs]
    try:
        found = [field for _, field, _, _ in Formatter().parse(text) if field is not None]
    except ValueError as fault:
        raise ComputeError(
            f"{site.node.id}: {text!r} is no text that can be filled in: {fault}",
            where=site.node.where,
            hint="write {{ and }} for braces",
        ) from None
    for field in found:
        if field not in known:
            raise ComputeError(
                f"{site.node.id}: nothing fills in {{{field}}} in {text!r}",
                where=site.node.where,
                hint=f"one of {', '.join(f'{{{name}}}' for name in known)}; {{{{ for a brace",
            )


def role(app: str, service: str) -> str:
    """Return path and name of the role of a service's jobs, for the worker to complete.

    >>> role("shop", "sagemaker")
    'rheo/shop/rheo-shop-sagemaker-{region}'
    """
    name = role_name(app, service).replace("${AWS::Region}", "{region}")
    return f"{role_path(app).lstrip('/')}{name}"


def user_code(code: compute.Code) -> compute.Code:
    """Return user code with the place that generated files show."""
    return replace(code, where=place(code.where))


def place(where: SourceLocation | None) -> SourceLocation | None:
    """A place as generated files show it: the same from whichever folder the compiler is started."""
    return None if where is None else SourceLocation(os.path.basename(where.file), where.line)


def untemplated(text: str) -> str:
    """A user's text as it is: what Airflow would take for a template is spelled as one that yields it.

    >>> untemplated("2013-01-01"), untemplated("{{ ds }}")
    ('2013-01-01', "{{ '{{ ds }}' }}")
    """
    if any(sign in text for sign in ("{{", "{%", "{#")):
        return f"{{{{ {text!r} }}}}"
    return text
