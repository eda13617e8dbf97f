"""A deployed application -> everything that `rheodsl.platform.Control` asks of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console

from rheo_platforms import consoles
from rheo_platforms.deployment import Deployment
from rheo_platforms.operations.backfill import Courtesy, Result, partitions, within
from rheo_platforms.operations.events import Processor, of_raw, of_view, process, send
from rheo_platforms.operations.names import (
    AskedError,
    ExecutionError,
    InputsMissingError,
    given_of,
    is_partition,
    named,
    node_of,
    output_of,
    several,
    way_for,
    ways_of,
)
from rheo_platforms.operations.planner import Existing, Key, Plan, Planner, Step
from rheo_platforms.operations.runner import POLL, ConsoleReport, Done, Runner
from rheo_runtime import executions
from rheo_runtime.airflow_client import dag_id
from rheo_runtime.derivation import Undetermined, of_binding, of_inputs
from rheo_runtime.executions import KILLED
from rheo_runtime.records import CLAIMED, SUCCEEDED, Execution, Output, execution_id
from rheo_runtime.stale import needed, stale
from rheo_runtime.values import joined
from rheodsl.control import BackfillRequest, ExecutionRequest, Processed
from rheodsl.signals import View

LONGEST_PATH = 64  # of MWAA's REST calls


def kill(deployment: Deployment, processor: Processor, output: Output, execution: Execution) -> bool:
    """End an execution that is not over; say whether it was this that ended it.

    The run is ended first; the one that is held is announced, and its run begins once the tasks and jobs of this one
    are seen to have ended (`rheo_airflow.tasks.writers`). A run that carries out a batch goes on with the others, and
    publishes nothing of this one. Doing it again finishes what was interrupted. Raises AskedError when Airflow cannot
    end the run.
    """
    id = execution_id(output.node, output.partition, execution.generation)
    batched = output.node in processor.engine.program.batches
    if execution.state == CLAIMED and execution.run_id is not None and not batched:
        fail_run(deployment, output.node, execution.run_id)
    where = (processor.engine.ledger, output.node, output.partition)
    ended = executions.stop(*where, id, processor.engine.now(), KILLED, run_goes_on=batched)
    if ended is None:
        return False
    if ended.released is not None:
        processor.tell(ended.released)
    return True


def fail_run(deployment: Deployment, node: str, run: str) -> None:
    """Let a DAG run have failed: Airflow ends its tasks. Nothing happens when there is no such run.

    Run ids are longer than a path of MWAA's may be, so the run is named in the body, where Airflow takes
    that: 3.0 does not. Raises AskedError.
    """
    runs = f"/dags/{dag_id(deployment.app, node)}/dagRuns"
    entity = {"dag_run_id": run, "state": "failed", "note": "killed by rheo"}
    action = {"action": "update", "entities": [entity], "action_on_non_existence": "skip"}
    try:
        answer = _patch(deployment, runs, {"actions": [action]})
    except Exception as fault:
        status = _status(fault)
        if status == 405 and len(path := f"{runs}/{run}") <= LONGEST_PATH:
            try:
                _patch(deployment, path, {"state": "failed"})
            except Exception as second:
                if _status(second) != 404:
                    raise _refused(run, second) from second
            return
        if status == 405:
            raise AskedError(
                f"this Airflow cannot be told to end run {run}: MWAA takes no path of {len(path)} characters",
                hint="mark the run as failed in Airflow's page; its execution fails with it",
            ) from fault
        raise _refused(run, fault) from fault
    errors = (answer.get("update") or {}).get("errors") or []
    if errors:
        raise _refused(run, errors[0])


def _patch(deployment: Deployment, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    airflow = deployment.airflow
    answer = airflow.client.invoke_rest_api(
        Name=airflow.environment, Path=path, Method="PATCH", Body=dict(body)
    )
    found: Mapping[str, Any] = answer.get("RestApiResponse") or {}
    return found


def _status(fault: Exception) -> int:
    answer = getattr(fault, "response", None)
    return int(answer.get("RestApiStatusCode") or 0) if isinstance(answer, Mapping) else 0


def _refused(run: str, why: object) -> AskedError:
    said = getattr(why, "response", None)
    detail = said.get("RestApiResponse") if isinstance(said, Mapping) else None
    return AskedError(
        f"Airflow did not end run {run}: {detail or why}", hint="try again, or end it in its page"
    )


SHOWN = 20  # partitions that a message lists


class Control:
    """Control of one application.

    Parameters
    ----------
    deployment
        Reaches it, when something needs it.
    console
        Where progress is shown; standard error when left out.
    poll, sleep
        How often the ledger is looked at, in seconds, and how time passes.
    """

    def __init__(
        self,
        deployment: Callable[[], Deployment],
        *,
        console: Console | None = None,
        poll: float = POLL,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._deployment = deployment
        self._console = console or consoles.console(stderr=True, soft_wrap=True)
        self._poll = poll
        self._sleep = sleep

    # --- events --------------------------------------------------------------------------------

    def process(
        self, input: View | Mapping[str, Any], remote: bool, full_range: bool, only: str | None
    ) -> Processed:
        """Send events; see `rheodsl.application.Application.process`."""
        deployment = self._deployment()
        if remote and only is not None:
            raise AskedError(
                "only this process can leave an event to one node",
                hint="leave with_activated_processor out, or target_route_id",
            )
        processor = Processor(deployment, only)
        if isinstance(input, View):
            sent = of_view(processor.engine.program, input, full_range)
            events, raws = [event for event, _ in sent], [raw for _, raw in sent]
        else:
            events, raw = of_raw(processor.engine.program, input, full_range)
            raws = [raw]
        return send(deployment, raws) if remote else process(processor, events)

    # --- one output ----------------------------------------------------------------------------

    def plan(self, wanted: ExecutionRequest) -> Plan:
        """Return what `execute` would do; raises UnknownNameError, FilterError, AskedError."""
        return self._plan(Processor(self._deployment()), wanted)

    def execute(self, wanted: ExecutionRequest) -> str | None:
        """Make an output partition; see `rheodsl.application.Application.execute`."""
        processor = Processor(self._deployment())
        plan = self._plan(processor, wanted)
        if plan.lacking:
            raise _missing(plan, wanted.recursive)
        step = plan.steps[-1]
        report = ConsoleReport(self._console)
        runner = Runner(processor, report, concurrency=wanted.concurrency, poll=self._poll, sleep=self._sleep)
        if not wanted.wait:
            if len(plan.steps) > 1:
                raise AskedError(
                    f"{step} needs {len(plan.steps) - 1} others first, and nobody would start it after them",
                    hint="leave wait=False out, or execute the others first: dry_run=True lists them",
                )
            runner.begin(step)
            return None
        with report.shown(plan):
            done = runner.run(plan, wanted.timeout)
        return _result(plan, step, done, wanted.timeout)

    def _plan(self, processor: Processor, wanted: ExecutionRequest) -> Plan:
        program, view, inputs = processor.engine.program, wanted.node, wanted.inputs
        ledger = processor.engine.ledger
        ways = ways_of(program, view.id, wanted.alternative)
        planner = self._planner(processor, wanted.recursive)
        if not inputs:
            planner.want(ways, output_of(program, view), again=True)
            return planner.plan()
        node = way_for(ways, inputs)
        try:
            draft = of_inputs(node, given_of(program, node, inputs), planner.nearest, ledger)
        except Undetermined as fault:
            raise AskedError(f"these inputs do not make an execution: {fault}") from None
        if is_partition(view) and view.signal.dims and output_of(program, view) != draft.output:
            made = joined(node.join.output_texts(draft.output))
            raise AskedError(
                f"these inputs make {node.id} {made}",
                hint=f"leave the values of {node.id} out, or its inputs",
            )
        planner.want_draft(node, draft)
        return planner.plan()

    def _planner(self, processor: Processor, recursive: bool) -> Planner:
        engine = processor.engine
        exists = Existing(engine.program, engine.ledger, self._deployment().storage)
        return Planner(engine.program, exists, engine.ledger, recursive=recursive)

    def poll(self, node: View, timeout: float | None) -> str | None:
        """Follow an execution; see `rheodsl.application.Application.poll`."""
        processor = Processor(self._deployment())
        engine = processor.engine
        found = node_of(engine.program, node.id)
        partition = output_of(engine.program, node)
        text = found.join.output_text(partition)
        until = None if timeout is None else engine.now() + timeout
        with self._console.status(f"{node.id} {text}".rstrip()) as status:
            while True:
                output, _ = engine.ledger.output(node.id, text, None)
                alive = executions.current(output)
                if not alive:
                    break
                if until is not None and engine.now() >= until:
                    return None
                execution = alive[0]
                status.update(
                    f"{execution_id(node.id, text, execution.generation)} {execution.state.lower()}"
                )
                self._sleep(self._poll)
        if output is not None and output.ended and output.ended[0].state != SUCCEEDED:
            return None
        there = Existing(engine.program, engine.ledger, self._deployment().storage)(node.id, partition)
        return engine.program.signals[node.id].address(partition) if there else None

    def kill(self, what: View | str) -> list[str]:
        """End an execution; see `rheodsl.application.Application.kill`."""
        deployment = self._deployment()
        processor = Processor(deployment)
        engine = processor.engine
        if isinstance(what, View):
            id, text = (
                what.id,
                node_of(engine.program, what.id).join.output_text(output_of(engine.program, what)),
            )
        else:
            place, _, generation = what.rpartition("#")
            if not generation.isdigit():
                raise AskedError(f"{what!r} is no id of an execution", hint="it reads node/partition#number")
            id, _, text = place.partition("/")
            node_of(engine.program, id)
        output, _ = engine.ledger.output(id, text, None)
        ended: list[str] = []
        for execution in executions.current(output):
            name = execution_id(id, text, execution.generation)
            wanted = name == what if isinstance(what, str) else not ended
            if output is not None and wanted and kill(deployment, processor, output, execution):
                ended.append(name)
        return ended

    # --- many outputs --------------------------------------------------------------------------

    def backfill_plan(self, wanted: BackfillRequest) -> Plan:
        """Return what `backfill` would do."""
        return self._many(Processor(self._deployment()), wanted)

    def backfill(self, wanted: BackfillRequest) -> Result:
        """Make many output partitions; see `rheodsl.application.Application.backfill`."""
        processor = Processor(self._deployment())
        plan = self._many(processor, wanted)
        engine = processor.engine
        keys = {step.key for step in plan.steps}
        courtesy = Courtesy(engine.ledger, keys.__contains__, engine.now)
        report = ConsoleReport(self._console)
        runner = Runner(
            processor, report, concurrency=wanted.concurrency, may_start=courtesy.may_start,
            poll=self._poll, sleep=self._sleep,
        )  # fmt: skip
        with report.shown(plan):
            return Result(plan, runner.run(plan))

    def _many(self, processor: Processor, wanted: BackfillRequest) -> Plan:
        engine = processor.engine
        if wanted.stale:
            return self._stale(processor, wanted)
        if wanted.node is None:
            raise AskedError("no node is named", hint="name the node to make, or ask for what is stale")
        ways = ways_of(engine.program, wanted.node.id, wanted.alternative)
        given = {**named(wanted.node), **{dim: several(value) for dim, value in wanted.dims.items()}}
        planner = self._planner(processor, wanted.recursive)
        for output in partitions(engine.program, engine.ledger, ways[0], wanted.start, wanted.end, given):
            planner.want(ways, output, again=wanted.again)
        return planner.plan()

    def _stale(self, processor: Processor, wanted: BackfillRequest) -> Plan:
        """What is older than what it reads, of a node and what it reads, or of all: ancestors first, each once."""
        engine = processor.engine
        node = None if wanted.node is None else node_of(engine.program, wanted.node.id)
        if wanted.node is None or node is None:
            if wanted.start is not None or wanted.end is not None or wanted.dims:
                raise AskedError(
                    "a range is of one node, and none is named", hint="name the node, or no range"
                )
            inside = None
        else:
            given = {**named(wanted.node), **{dim: several(value) for dim, value in wanted.dims.items()}}
            inside = within(node, wanted.start, wanted.end, given)
        exists = Existing(engine.program, engine.ledger, self._deployment().storage)
        planner = Planner(engine.program, exists, engine.ledger, recursive=wanted.recursive)
        nodes = None if node is None else [node.id]
        found = stale(engine.program, engine.ledger, exists.written, nodes)
        for each in found if node is None or inside is None else needed(found, node.id, inside):
            try:
                planner.want_draft(
                    each.way, of_binding(each.way, each.binding, planner.nearest, engine.ledger)
                )
            except Undetermined as fault:
                planner.cannot(each.way, each.output, str(fault))
        return planner.plan()


def _missing(plan: Plan, recursive: bool) -> InputsMissingError:
    (node, partition), _ = plan.lacking[0]
    gaps = plan.gaps
    lines = [f"  {gap}" for gap in gaps[:SHOWN]]
    if len(gaps) > SHOWN:
        lines.append(f"  and {len(gaps) - SHOWN} more")
    name = f"{node} {partition}".rstrip()
    made = not recursive and any(gap.why == "not made yet" for gap in gaps)
    hint = "recursive=True (--recursive) makes what nodes can make" if made else "nothing was started"
    return InputsMissingError(
        f"{name} needs {len(gaps)} partition{'s' if len(gaps) != 1 else ''} that "
        f"{'are' if len(gaps) != 1 else 'is'} not there:\n" + "\n".join(lines),
        hint=hint,
    )


def _result(plan: Plan, step: Step, done: dict[Key, Done], timeout: float | None) -> str | None:
    failed = [each for each in done.values() if not each.ok and each.execution]
    if failed:
        first = failed[0].step
        partition = " ".join(first.draft.document(0)["output"]["dimensions"].values())
        raise ExecutionError(
            "\n".join(map(str, failed)), hint=f"see why: rheo logs {first.node} {partition}".rstrip()
        )
    if step.key not in done:
        raise ExecutionError(
            f"{step} is not over after {timeout:g} seconds", hint=f"poll({step.node}[...]) follows it"
        )
    return step.path
