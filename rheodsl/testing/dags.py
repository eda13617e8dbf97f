"""An application -> its generated DAGs as Airflow reads them, and one run of one of them, in this process.

The DAG is the generated one, and claim, publish, inlined computes and hooks are the real ones. A task that
would call a service (a Glue job, a query) is recorded with its rendered arguments and succeeds, or does
what its stand-in does. The ledger is in memory; AWS is played by moto, so that a test can prepare
objects and look at what was written in a ``with mock_aws():`` around it.
"""

from __future__ import annotations

import copy
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from codegen.compiler import compile_graph, write
from rheo_airflow.tasks import settings
from rheo_runtime.airflow_client import dag_id
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.wire import resource_name
from rheodsl import ir
from rheodsl.application import Application
from rheodsl.errors import FilterError, StateError, UnknownNameError

# A stand-in for a task: it is called with the rendered arguments; what it raises fails the task.
StandIn = Callable[[Mapping[str, Any]], Any]

SUCCESS, FAILED, SKIPPED, UPSTREAM_FAILED = "success", "failed", "skipped", "upstream_failed"
REGION = "us-east-1"
_NOT_ARGUMENTS = frozenset({"task_id", "dag", "task_group", "params", "default_args"})


class Dags(Mapping[str, Any]):
    """The DAGs of an application by node, as Airflow has parsed them; ``folder`` holds all its files."""

    def __init__(self, app: Application, dialect: str) -> None:
        self.app = app.name
        self._kept = tempfile.TemporaryDirectory(prefix=f"rheo-{app.name}-")
        self.folder = Path(self._kept.name)
        write(compile_graph(app.graph(), dialect=dialect), self.folder)
        self.bucket = resource_name(app.name)
        bag = _dag_bag(self.folder)
        if bag.import_errors:
            told = "\n".join(f"{Path(file).name}: {why}" for file, why in sorted(bag.import_errors.items()))
            raise StateError(
                f"Airflow cannot import the DAGs of {app.name}:\n{told}",
                hint="does this environment hold the Airflow that the dialect is for?",
            )
        graph = app.graph()
        nodes = graph.nodes
        self.signals = graph.signals
        self._dags = {node.id: bag.dags[dag_id(app.name, node.id)] for node in nodes}
        self._dimensions = {node.id: [name for name, _ in node.output] for node in nodes}

    def __getitem__(self, node: str) -> Any:
        if node not in self._dags:
            known = ", ".join(self._dags) or "none"
            raise UnknownNameError(f"{self.app} has no node {node!r}", hint=f"its nodes: {known}")
        return self._dags[node]

    def signal(self, id: str) -> ir.Signal:
        """Return a signal of the application; raises KeyError."""
        return {signal.id: signal for signal in self.signals}[id]

    def params(self, node: str, partition: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any]:
        """Return the value of each output dimension of a node; raises FilterError."""
        names = self._dimensions[node]
        given = partition if isinstance(partition, Mapping) else dict(zip(names, partition, strict=False))
        if len(partition) != len(names) or set(given) != set(names):
            raise FilterError(
                f"{partition!r} is no output partition of {node}",
                hint=f"give a value for each of {', '.join(names) or 'no dimension'}",
            )
        return dict(given)

    def __iter__(self) -> Iterator[str]:
        return iter(self._dags)

    def __len__(self) -> int:
        return len(self._dags)


@dataclass
class DagRun:
    """What one run of a DAG did.

    ``state`` is "success" or "failed"; ``tasks`` holds the state of each task, ``errors`` what failed
    ones raised, ``submitted`` the rendered arguments of tasks that would have called a service,
    ``signals`` the output partitions that were announced, ``document`` what claim returned.
    """

    node: str
    state: str = SUCCESS
    tasks: dict[str, str] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)
    submitted: dict[str, dict[str, Any]] = field(default_factory=dict)
    signals: list[str] = field(default_factory=list)
    document: dict[str, Any] = field(default_factory=dict)


def load_dags(app: Application, *, dialect: str = "mwaa-3.3") -> Dags:
    """Return the application's DAGs by node, as Airflow parses the generated files.

    Parameters
    ----------
    app
        The application; it is compiled into a folder that lives as long as the result.
    dialect
        The one for the Airflow that is installed here.

    Raises GraphError for a faulty application, StateError when Airflow cannot import a file.

    >>> from rheodsl import *
    >>> app = Application("shop")
    >>> orders = app.s3("orders", "s3://my-bucket/orders/{day:%Y-%m-%d}")
    >>> daily = app.create_data("daily", orders, compute_targets="output = orders")
    >>> [task.task_id for task in load_dags(app)["daily"].topological_sort()]
    ['claim', 'compute', 'publish']
    """
    return Dags(app, dialect)


def run_dag(
    app: Application | Dags,
    node: str,
    partition: Mapping[str, Any] | Sequence[Any] = (),
    *,
    stand_ins: Mapping[str, StandIn] | None = None,
) -> DagRun:
    """Run the generated DAG of a node for one output partition, in this process; return what it did.

    Parameters
    ----------
    app
        The application, or the result of `load_dags`, which spares compiling for each run.
    node
        The id of the node.
    partition
        A value for each output dimension: by name, or in order.
    stand_ins
        By task id: what is called in place of a task, with the task's rendered arguments.

    Raises UnknownNameError, FilterError. What fails in the run is in its result.

    >>> from rheodsl import *
    >>> app = Application("shop")
    >>> orders = app.s3("orders", "s3://my-bucket/orders/{day:%Y-%m-%d}")
    >>> daily = app.create_data("daily", orders, compute_targets=BatchCompute("output = orders", limit=10))
    >>> run = run_dag(app, "daily", {"day": "2024-01-31"})
    >>> run.state, run.signals
    ('success', ['2024-01-31'])
    >>> run.submitted["compute"]["job_name"], run.submitted["compute"]["script_args"]["--limit"]
    ('shop-daily', '10')
    """
    dags = load_dags(app) if isinstance(app, Application) else app
    dag = dags[node]
    known = stand_ins or {}
    if unknown := sorted(set(known) - set(dag.task_ids)):
        raise UnknownNameError(
            f"{node} has no task {unknown[0]!r}", hint=f"its tasks: {', '.join(dag.task_ids)}"
        )
    run = Run(dag, known, DagRun(node))
    params = dags.params(node, partition)
    with surroundings(dags, run):
        run.all(params)
    return run.result


class Run:
    """One run: tasks in topological order, each when its trigger rule allows it."""

    def __init__(self, dag: Any, stand_ins: Mapping[str, StandIn], result: DagRun) -> None:
        self.dag = dag
        self.stand_ins = stand_ins
        self.result = result
        self.xcoms: dict[tuple[str, str], Any] = {}
        self.skip: set[str] = set()  # told so by a task before them
        self.dag_run = SimpleNamespace(
            run_id="test", run_type="manual", conf={}, logical_date=None, partition_key=None,
            run_after=datetime.now(UTC), start_date=datetime.now(UTC), dag_id=dag.dag_id, note=None,
        )  # fmt: skip

    def all(self, partition: Mapping[str, Any]) -> None:
        params = {**{name: self.dag.params[name] for name in self.dag.params}, **partition}
        for task in self.dag.topological_sort():
            self.result.tasks[task.task_id] = self._state(task, params)
        if any(self.result.tasks[task.task_id] in (FAILED, UPSTREAM_FAILED) for task in self._last()):
            self.result.state = FAILED
        name = "on_success_callback" if self.result.state == SUCCESS else "on_failure_callback"
        self._call(getattr(self.dag, name, None), self._context(self.dag.tasks[0], params))

    def _last(self) -> Iterator[Any]:
        """The tasks that decide on the run: teardowns, as hooks are, do not count."""
        for task in self.dag.tasks:
            after = (self.dag.get_task(id) for id in task.downstream_task_ids)
            if not task.is_teardown and all(other.is_teardown for other in after):
                yield task

    def _state(self, task: Any, params: Mapping[str, Any]) -> str:
        if task.task_id in self.skip:
            return SKIPPED
        before = [self.result.tasks[id] for id in task.upstream_task_ids]
        if (state := _by_rule(task.trigger_rule, before)) is not None:
            return state
        # Templates are rendered into the task: the DAG's own stays as it is, for the next run.
        task = copy.copy(task)
        context = self._context(task, params)
        for attempt in range(task.retries + 1):
            try:
                self._call(getattr(task, "on_execute_callback", None), context)
                self._do(task, context)
            except Exception as fault:  # noqa: BLE001 - whatever a task raises is its outcome
                state = self._after(task, context, fault, last=attempt == task.retries)
                if state is not None:
                    return state
            else:
                self._call(getattr(task, "on_success_callback", None), context)
                return SUCCESS
        raise AssertionError("the last attempt ends it")

    def _do(self, task: Any, context: Any) -> None:
        from rheo_airflow.tasks.batches import COMPUTE, EachOperator, Results, claimed_batch, is_batch
        from rheo_airflow.tasks.claim import ClaimOperator
        from rheo_airflow.tasks.compat import AirflowSkipException
        from rheo_airflow.tasks.hooks import CheckpointOperator, HookOperator
        from rheo_airflow.tasks.publish import PublishOperator
        from rheo_airflow.tasks.python_compute import PythonComputeOperator

        task.render_template_fields(context)
        if isinstance(task, CheckpointOperator) and task.task_id not in self.stand_ins:
            raise AirflowSkipException("the run takes no time")
        one = PythonComputeOperator
        own = isinstance(task, ClaimOperator | PublishOperator | one | HookOperator)
        if isinstance(task, EachOperator):
            own = getattr(task.recipe, "func", None) is one
        if task.task_id in self.stand_ins or not own:
            given = self.result.submitted[task.task_id] = _arguments(task)
            stand_in = self.stand_ins.get(task.task_id)
            result = stand_in(given) if stand_in is not None else self.perform(task, context)
            if task.task_id == COMPUTE and is_batch(context):
                for document in claimed_batch(context):
                    Results.of(context, document).put(document["id"], None)
        else:
            result = task.execute(context)
        self.xcoms[task.task_id, "return_value"] = result
        if isinstance(task, ClaimOperator):
            batch = claimed_batch(context) if is_batch(context) else [result]
            self.result.document = batch[0]

    def perform(self, task: Any, context: Any) -> Any:
        """Do what a service would do for a task: nothing."""
        return None

    def _after(self, task: Any, context: Any, fault: Exception, *, last: bool) -> str | None:
        """The state that a fault ends the task in; None when it is tried again."""
        from rheo_airflow.tasks.compat import (
            AirflowFailException,
            AirflowSkipException,
            DownstreamTasksSkipped,
        )

        if isinstance(fault, DownstreamTasksSkipped):
            self.skip |= set(fault.tasks)
            return SUCCESS
        if isinstance(fault, AirflowSkipException):
            self._call(getattr(task, "on_skipped_callback", None), context)
            return SKIPPED
        if not last and not isinstance(fault, AirflowFailException):
            self._call(getattr(task, "on_retry_callback", None), context)
            return None
        self.result.errors[task.task_id] = fault
        self._call(getattr(task, "on_failure_callback", None), {**context, "exception": fault})
        return FAILED

    def _call(self, callbacks: Any, context: Any) -> None:
        several = callbacks if isinstance(callbacks, list | tuple) else [callbacks]
        for callback in filter(None, several):
            callback(context)

    def _context(self, task: Any, params: Mapping[str, Any]) -> dict[str, Any]:
        ti = _Ti(self, task)
        return {
            "dag": self.dag, "dag_run": self.dag_run, "task": task, "ti": ti, "task_instance": ti,
            "params": dict(params), "run_id": self.dag_run.run_id, "conf": {}, "logical_date": None,
            "triggering_asset_events": {},
        }  # fmt: skip


class _Ti:
    """The task instance that a task sees."""

    def __init__(self, run: Run, task: Any) -> None:
        self._run = run
        self.task = task
        self.task_id = task.task_id
        self.dag_id = run.dag.dag_id
        self.run_id = run.dag_run.run_id
        self.try_number = 1
        self.map_index = -1

    def xcom_push(self, key: str, value: Any) -> None:
        self._run.xcoms[self.task_id, key] = value

    def xcom_pull(self, task_ids: str | None = None, key: str = "return_value", **_: Any) -> Any:
        return self._run.xcoms.get((task_ids or self.task_id, key))

    def get_task_states(self, dag_id: str, task_ids: Sequence[str], run_ids: Sequence[str]) -> dict[str, Any]:
        return {self.run_id: {id: self._run.result.tasks[id] for id in task_ids}}


def _by_rule(rule: Any, before: Sequence[str]) -> str | None:
    """The state of a task that its trigger rule keeps from running; None when it runs.

    https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/dags.html#trigger-rules
    """
    bad = [state for state in before if state in (FAILED, UPSTREAM_FAILED)]
    skipped = [state for state in before if state == SKIPPED]
    good = len(before) - len(bad) - len(skipped)
    match str(getattr(rule, "value", rule)):
        case "all_success":
            return UPSTREAM_FAILED if bad else SKIPPED if skipped else None
        case "all_done" | "all_done_setup_success" | "always" | "dummy":
            return None
        case "none_failed":
            return UPSTREAM_FAILED if bad else None
        case "none_failed_min_one_success":
            return UPSTREAM_FAILED if bad else SKIPPED if before and not good else None
        case "one_failed":
            return None if bad else SKIPPED
        case "all_failed":
            return None if before and len(bad) == len(before) else SKIPPED
        case "one_success":
            return None if good else UPSTREAM_FAILED if bad else SKIPPED
        case "one_done":
            return None if good or bad else SKIPPED
        case "all_done_min_one_success":
            return None if good else UPSTREAM_FAILED if bad else SKIPPED
        case other:
            raise StateError(
                f"the trigger rule {other!r} is not played here", hint="run the DAG on the local stack"
            )


def _arguments(task: Any) -> dict[str, Any]:
    """What a task was declared with, its templates rendered."""
    given = vars(task)["_BaseOperator__init_kwargs"]
    return {name: getattr(task, name, given[name]) for name in sorted(given.keys() - _NOT_ARGUMENTS)}


def surroundings(dags: Dags, run: Run) -> ExitStack:
    """AWS by moto, the ledger in memory, and announced signals where the result shows them."""
    import boto3
    from airflow.sdk.bases.operator import ExecutorSafeguard
    from moto import mock_aws

    ledger = MemoryLedger()
    stack = ExitStack()
    stack.enter_context(mock.patch.object(ExecutorSafeguard, "test_mode", True))
    if not any(os.environ.get(name) for name in ("AWS_DEFAULT_REGION", "AWS_REGION")):
        stack.enter_context(mock.patch.dict(os.environ, {"AWS_DEFAULT_REGION": REGION}))
    stack.enter_context(mock_aws())
    _make_bucket(boto3.client("s3"), dags.bucket)
    real = settings.client

    def client(service: str) -> Any:
        return SimpleNamespace(put_events=put_events) if service == "events" else real(service)

    def put_events(Entries: list[dict[str, Any]]) -> dict[str, Any]:
        announced = (json.loads(entry["Detail"])["signal"] for entry in Entries)
        run.result.signals += [
            run.result.document["partition"] for id in announced if id == run.result.document["node"]
        ]
        return {"FailedEntryCount": 0, "Entries": [{} for _ in Entries]}

    stack.enter_context(mock.patch.object(settings, "client", client))
    stack.enter_context(mock.patch.object(settings, "ledger", lambda app: ledger))
    return stack


def _make_bucket(s3: Any, bucket: str) -> None:
    if bucket not in {each["Name"] for each in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket=bucket)


@cache
def _home() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="rheo-airflow-")


def _dag_bag(folder: Path) -> Any:
    # Airflow reads its home when it is imported first; that of the user's is none of a test's business.
    if "AIRFLOW_HOME" not in os.environ:
        os.environ["AIRFLOW_HOME"] = _home().name
    os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "ERROR")  # it logs to standard output
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # Airflow 3.0
        from airflow.models.dagbag import DagBag  # type: ignore[no-redef]
    return DagBag(str(folder))
