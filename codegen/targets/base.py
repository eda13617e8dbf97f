"""What every compute target has: a task, an operator, files, things that must exist around it, permissions."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from codegen import plan as p
from rheodsl import compute, ir
from rheodsl.errors import ComputeError, Place

# An IAM statement without its effect: {"Action": [...], "Resource": [...]}.
Statement = Mapping[str, Any]
Files = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Site:
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
def lower(target: compute.Compute, site: Site) -> p.Task:
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


def user_code(code: compute.Code) -> p.Code:
    """Return user code with the place that generated files show."""
    return p.Code(code.text, code.form, code.entry, place(code.where))


def place(where: Place | None) -> Place | None:
    """A place as generated files show it: the same from whichever folder the compiler is started."""
    return None if where is None else Place(os.path.basename(where.file), where.line)


def untemplated(text: str) -> str:
    """A user's text as it is: what Airflow would take for a template is spelled as one that yields it.

    >>> untemplated("2013-01-01"), untemplated("{{ ds }}")
    ('2013-01-01', "{{ '{{ ds }}' }}")
    """
    if any(sign in text for sign in ("{{", "{%", "{#")):
        return f"{{{{ {text!r} }}}}"
    return text
