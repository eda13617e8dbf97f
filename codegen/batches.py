"""A node with a batch -> the tasks of its DAG, of which one run carries out several executions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from codegen import plan as p
from codegen.dialects.base import Dialect, Scheduled
from codegen.sensors import sensor_of
from codegen.source import INDENT, Fragment, Raw, comment
from codegen.targets.base import Operator, operator, recipe, recipes, task_source, timeouts
from rheodsl.ir import Batch

BATCHES = "rheo_airflow.tasks.batches"
PARTIAL = ("functools", "partial")


def batch_schedule(batch: Batch) -> Scheduled:
    """Return the schedule of a DAG of batches: none, in every Airflow."""
    return Scheduled(
        Raw("None"),
        before=comment(f"Runs are created by the listener, each for up to {batch.max} executions."),
    )


def batch_fragment(dag: p.DagPlan, dialect: Dialect, more: Mapping[str, object]) -> Fragment:
    """Return the compute task of a batch: what it is for one execution, and how it is done for many.

    A checked window is looked at for each execution; the others do not wait for one that lacks something.
    """
    (task,) = dag.tasks
    assert dag.batch is not None
    made = operator(task, dag)
    guards = [sensor_of(wait) for wait in dag.waits]
    imports = {(guard.module, guard.name) for guard in guards} | ({PARTIAL} if guards else set())
    arguments: dict[str, object] = dict(made.arguments)
    if not isinstance(task, p.ScriptTask):
        imports |= {PARTIAL, (made.module, made.name)}
        inner = Operator(made.module, made.name, made.arguments)
        made = Operator(BATCHES, "EachOperator", {})
        arguments = {"recipe": recipe(inner, INDENT * 2)}
    if dag.batch.parallel > 1:
        arguments["parallel"] = dag.batch.parallel
    if task.retries:
        arguments["attempts"] = task.retries + 1
    if guards:
        arguments["guards"] = recipes(guards, INDENT * 2, len("guards=,"))
    made = replace(made, arguments=arguments)
    return Fragment(
        imports=frozenset({(made.module, made.name), *imports}) | timeouts([task]),
        tasks={task.task_id: task_source(task, made, dialect, _callbacks(more))},
    )


def _callbacks(more: Mapping[str, object]) -> dict[str, object]:
    """A task that fails for some executions has done others: it tells of both."""
    both = [more[name] for name in ("on_failure_callback", "on_success_callback") if name in more]
    if "on_success_callback" not in more:
        return dict(more)
    return {**more, "on_failure_callback": Raw(f"[{', '.join(map(str, both))}]")}
