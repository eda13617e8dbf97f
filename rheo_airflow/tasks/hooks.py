"""A moment in an execution's life -> the user's hooks, called so that nothing of the node depends on them.

A hook is a recipe: an operator class with its arguments (``partial(PythonComputeOperator, code=...)``),
made and executed when its moment has come.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from rheo_airflow.tasks import batches, settings
from rheo_airflow.tasks.claim import HOOK, Told, claimed
from rheo_airflow.tasks.compat import (
    AirflowFailException,
    AirflowSkipException,
    BaseOperator,
    BaseSensorOperator,
    execute,
)
from rheo_runtime import executions
from rheo_runtime.airflow_client import told_as
from rheo_runtime.executions import MERGED
from rheo_runtime.ledger import Ledger, shown
from rheo_runtime.records import CLAIMED, SKIPPED, Document, Execution, Output

Recipe = Callable[..., BaseOperator]

log = logging.getLogger(__name__)

# A hook that hangs is ended: it would keep its run from ending.
LONGEST = timedelta(minutes=10)


class HookParams:
    """Names of what ``params`` holds for a hook, beside what it holds for a compute."""

    HOOK_TYPE = "HOOK_TYPE_PARAM"  # "on_success", ...; "checkpoint" for any checkpoint
    EXECUTION_ID = "EXECUTION_ID"
    NODE = "NODE"
    RUN_ID = "RUN_ID"
    TASK_ID = "TASK_ID"
    ERROR = "ERROR"
    CHECKPOINT_IN_SECS = "CHECKPOINT_IN_SECS"
    MISSING = "MISSING"


def call(hooks: Iterable[Recipe], told: Told, context: Any) -> list[str]:
    """Call each hook once, whatever becomes of the others; return what went wrong, logged already."""
    faults = []
    for number, hook in enumerate(hooks, start=1):
        try:
            operator = hook(task_id=f"hook_{number}")
            inner = {**context, HOOK: told}
            operator.render_template_fields(inner)  # type: ignore[arg-type]
            execute(operator, inner)
        except Exception as fault:  # a hook must not harm what it tells of
            name = told.params[HookParams.HOOK_TYPE]
            log.exception("Hook %s of %s failed", name, told.document["id"])
            faults.append(f"{type(fault).__name__}: {fault}")
    return faults


def _params(name: str, context: Any, document: Document) -> dict[str, Any]:
    kind, _, seconds = name.rpartition("checkpoint_")
    params: dict[str, Any] = {
        HookParams.HOOK_TYPE: "checkpoint" if kind else name,
        HookParams.EXECUTION_ID: document["id"],
        HookParams.NODE: document["node"],
        HookParams.RUN_ID: context["dag_run"].run_id,
    }
    if kind:
        params[HookParams.CHECKPOINT_IN_SECS] = int(seconds)
    return params


class HookCallback:
    """Hooks as a callback of a compute task: ``on_compute_success``, ``_failure`` or ``_retry``."""

    def __init__(self, name: str, *hooks: Recipe) -> None:
        self.name = name
        self.hooks = hooks

    def __repr__(self) -> str:
        return f"HookCallback({self.name!r})"

    def __call__(self, context: Any) -> None:
        """Call the hooks; what they raise is logged."""
        for document, error in self._of(context):
            params = _params(self.name, context, document)
            params[HookParams.TASK_ID] = context["ti"].task_id
            if error is not None:
                params[HookParams.ERROR] = error
            call(self.hooks, Told(document, params), context)

    def _of(self, context: Any) -> list[tuple[Document, str | None]]:
        """The executions that this is about, each with its error."""
        fault = context.get("exception")
        error = None if fault is None else str(fault)
        if not batches.is_batch(context):
            document = claimed_document(context)
            return [] if document is None else [(document, error)]
        found = batches.computed(context)
        if self.name == "on_compute_success":
            return [(document, None) for document, made, _ in found if made]
        return [(document, why or error) for document, made, why in found if not made]


class HookOperator(BaseOperator):
    """Hooks as a task beside the node's own: ``on_exec_begin``, ``_skipped``, ``on_success``, ``on_failure``.

    It is a teardown task, so that its failure is seen but does not fail the run. It is skipped when there
    is nothing to tell.

    Parameters
    ----------
    task_id
        The hook's name.
    hooks
        What is called.
    """

    def __init__(self, *, hooks: Sequence[Recipe], **kwargs: Any) -> None:
        super().__init__(**{"retries": 0, "execution_timeout": LONGEST, **kwargs})
        self.hooks = hooks
        self.as_teardown()

    def execute(self, context: Any) -> None:
        """Call the hooks; raises AirflowFailException when one of them failed."""
        of_batch = batches.is_batch(context)
        occasions = self._of_batch(context) if of_batch else self._occasions(context)
        faults = [fault for told in occasions for fault in call(self.hooks, told, context)]
        if faults:
            raise AirflowFailException("; ".join(faults))

    def _of_batch(self, context: Any) -> list[Told]:
        """One occasion for each execution of the batch that this hook is about."""
        documents = batches.claimed_batch(context)
        found: list[tuple[Document, str | None]] = []
        if self.task_id == "on_exec_begin":
            found = [(document, None) for document in documents]
        elif self.task_id == "on_exec_skipped":
            found = [(merged, None) for d in documents for merged in _merged(settings.ledger(d["app"]), d)]
        else:
            ended = context["ti"].xcom_pull(task_ids="publish", key=batches.ENDED) or {}
            good = self.task_id == "on_success"
            told: Any = ended.get(batches.OK if good else batches.BAD, ())
            found = [(d, None if good else told[d["id"]]) for d in documents if d["id"] in told]
        if not found:
            raise AirflowSkipException("there is nothing to tell of these executions")
        return [
            Told(
                document,
                _params(self.task_id, context, document) | ({} if why is None else {HookParams.ERROR: why}),
            )
            for document, why in found
        ]

    def _occasions(self, context: Any) -> list[Told]:
        document = claimed_document(context)
        if document is None:
            raise AirflowSkipException("this run has claimed no execution")
        params = _params(self.task_id, context, document)
        if self.task_id == "on_exec_skipped":
            found = _merged(settings.ledger(document["app"]), document)
            told = [Told(each, {**params, HookParams.EXECUTION_ID: each["id"]}) for each in found]
            if not told:
                raise AirflowSkipException("no execution was merged into this one")
            return told
        if self.task_id != "on_exec_begin":
            params |= self._end(context, document)
        return [Told(document, params)]

    def _end(self, context: Any, document: Document) -> dict[str, Any]:
        """What there is to say of the run's end; raises AirflowSkipException when it is not this hook's."""
        run_id = context["dag_run"].run_id
        states = context["ti"].get_task_states(dag_id=self.dag_id, task_ids=["publish"], run_ids=[run_id])
        ok = states.get(run_id, {}).get("publish") == "success"
        if ok != (self.task_id == "on_success"):
            raise AirflowSkipException(f"the execution has {'succeeded' if ok else 'failed'}")
        if ok:
            return {}
        _, execution = _find(settings.ledger(document["app"]), document)
        return {HookParams.ERROR: execution.note if execution else ""}


class CheckpointOperator(BaseSensorOperator):
    """Hooks that are called once when the execution has lasted ``seconds``; skipped when it ends before.

    It occupies no worker while it waits, unless for some seconds only. Parameters are those of `HookOperator`.
    """

    def __init__(self, *, hooks: Sequence[Recipe], seconds: int, **kwargs: Any) -> None:
        given = {
            "retries": 0,
            "mode": "poke" if seconds < settings.RESCHEDULED_SOONEST else "reschedule",
            "poke_interval": min(settings.LOOK, seconds),
            "timeout": seconds + timedelta(days=7).total_seconds(),
            "execution_timeout": LONGEST,
            **kwargs,
        }
        super().__init__(**given)
        self.hooks = hooks
        self.seconds = seconds
        self.as_teardown()

    def poke(self, context: Any) -> bool:
        """Wait, or call the hooks; raises AirflowSkipException, AirflowFailException."""
        documents = claimed_documents(context)
        if not documents:
            raise AirflowSkipException("this run has claimed no execution")
        running = [(d, e) for d in documents if (e := self._running(d)) is not None]
        if not running:
            raise AirflowSkipException(f"{documents[0]['id']} has ended before")
        # Those of a batch are claimed at one time, so they are due together.
        if any(time.time() < execution.moved + self.seconds for _, execution in running):
            return False
        told = [Told(document, _params(self.task_id, context, document)) for document, _ in running]
        if faults := [fault for each in told for fault in call(self.hooks, each, context)]:
            raise AirflowFailException("; ".join(faults))
        return True

    def _running(self, document: Document) -> Execution | None:
        output, execution = _find(settings.ledger(document["app"]), document)
        if output is None or execution is None or execution is not output.active:
            return None
        return execution if execution.state == CLAIMED else None


class PendingHookOperator(BaseOperator):
    """The one task of a DAG that is told of a node's waiting inputs; calls the hooks that are meant.

    The notification is an execution of its own in the ledger, so that each is called for once.

    Parameters
    ----------
    app, node
        The application and the node.
    hooks
        What is called, for each hook of the node.
    """

    def __init__(self, *, app: str, node: str, hooks: Mapping[str, Sequence[Recipe]], **kwargs: Any) -> None:
        super().__init__(**{"retries": 0, "execution_timeout": LONGEST, **kwargs})
        self.app = app
        self.node = told_as(node)
        self.hooks = hooks

    def execute(self, context: Any) -> None:
        """Call the hooks; raises AirflowFailException when one of them failed."""
        document = claimed(self.app, self.node, context)
        if document is None:
            raise AirflowSkipException("another run has told this already")
        hook = document["hook"]
        said = {**document, "node": hook["node"]}
        params = _params(hook["name"], context, said) | {HookParams.MISSING: hook["missing"]}
        faults = call(self.hooks.get(hook["name"], ()), Told(said, params), context)
        ledger, run_id = settings.ledger(self.app), context["dag_run"].run_id
        where = (self.node, document["partition"], document["id"])
        if faults:
            executions.fail(ledger, *where, run_id, time.time(), note="; ".join(faults))
            raise AirflowFailException("; ".join(faults))
        executions.succeed(ledger, *where, run_id, time.time(), told=True)  # nobody waits for it


# --- what the ledger knows ---


def claimed_documents(context: Any) -> list[Document]:
    """The executions that the run has claimed, one or a batch, as the ledger has them."""
    if batches.is_batch(context):
        return batches.claimed_batch(context)
    document = claimed_document(context)
    return [] if document is None else [document]


def claimed_document(context: Any) -> Document | None:
    """The execution that the run has claimed, as the ledger has it; None when it has claimed none."""
    known: Document | None = context["ti"].xcom_pull(task_ids="claim")
    if known is None:
        return None
    _, execution = _find(settings.ledger(known["app"]), known)
    # Airflow's database keeps dicts without their order; the ledger forgets after a while.
    return execution.document if execution else known


def _find(ledger: Ledger, document: Document) -> tuple[Output | None, Execution | None]:
    output, _ = ledger.output(document["node"], document["partition"], None)
    output = None if output is None else shown(ledger.batch_run, output)
    return output, executions.find(output, document["id"])


def _merged(ledger: Ledger, document: Document) -> list[Document]:
    """The executions that this one took the place of, the first first."""
    output, _ = ledger.output(document["node"], document["partition"], None)
    past = {e.generation: e for e in executions.every(output)}
    found: list[Document] = []
    for generation in range(document["generation"] - 1, 0, -1):
        execution = past.get(generation)
        if execution is None or (execution.state, execution.note) != (SKIPPED, MERGED):
            break
        found.insert(0, execution.document)
    return found
