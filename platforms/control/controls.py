"""A deployed application -> everything that `rheodsl.control` asks of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console

from platforms.control.backfilling import Courtesy, Result
from platforms.control.enumerating import partitions
from platforms.control.errors import AskedError, ExecutionError, InputsMissingError
from platforms.control.existing import Existing
from platforms.control.killing import kill
from platforms.control.materializing import materialize
from platforms.control.names import node_of
from platforms.control.planning import Key, Plan, Planner, Step
from platforms.control.processing import Processor, process, send
from platforms.control.progress import ConsoleReport
from platforms.control.reading import given_of, is_partition, named, output_of, several
from platforms.control.running import POLL, Done, Runner
from platforms.control.sending import of_raw, of_view
from platforms.deployment import Deployment
from rheo_runtime import asking
from rheo_runtime.backwards import Undetermined, of_inputs
from rheo_runtime.records import SUCCEEDED, execution_id
from rheo_runtime.texts import joined
from rheodsl.control import Coordinate, Processed
from rheodsl.views import View

SHOWN = 20  # partitions that a message lists


class Controls:
    """Control of one application.

    Parameters
    ----------
    deployment
        Reaches it, when something needs it.
    bucket
        Its bucket, for what needs no more than that.
    console
        Where progress is shown; standard error when left out.
    poll, sleep
        How often the ledger is looked at, in seconds, and how time passes.
    """

    def __init__(
        self,
        deployment: Callable[[], Deployment],
        bucket: Callable[[], str],
        *,
        console: Console | None = None,
        poll: float = POLL,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._deployment = deployment
        self._bucket = bucket
        self._console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self._poll = poll
        self._sleep = sleep

    # --- events --------------------------------------------------------------------------------

    def process(
        self, input: View | Mapping[str, Any], remote: bool, full_range: bool, only: str | None
    ) -> Processed:
        """Send events; see `rheodsl.control.ControlMethods.process`."""
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
            events, raw = of_raw(input, full_range)
            raws = [raw]
        return send(deployment, raws) if remote else process(processor, events)

    # --- one output ----------------------------------------------------------------------------

    def plan(self, node: View, inputs: Sequence[View], recursive: bool) -> Plan:
        """Return what `execute` would do; raises UnknownNameError, FilterError, AskedError."""
        return self._plan(Processor(self._deployment()), node, inputs, recursive)

    def execute(
        self,
        node: View,
        inputs: Sequence[View],
        recursive: bool,
        wait: bool,
        concurrency: int,
        timeout: float | None,
    ) -> str | None:
        """Make an output partition; see `rheodsl.control.ControlMethods.execute`."""
        processor = Processor(self._deployment())
        plan = self._plan(processor, node, inputs, recursive)
        if plan.lacking:
            raise _missing(plan, recursive)
        step = plan.steps[-1]
        report = ConsoleReport(self._console)
        runner = Runner(processor, report, concurrency=concurrency, poll=self._poll, sleep=self._sleep)
        if not wait:
            if len(plan.steps) > 1:
                raise AskedError(
                    f"{step} needs {len(plan.steps) - 1} others first, and nobody would start it after them",
                    hint="leave wait=False out, or execute the others first: dry_run=True lists them",
                )
            runner.begin(step)
            return None
        with report.shown(plan):
            done = runner.run(plan, timeout)
        return _result(plan, step, done, timeout)

    def _plan(self, processor: Processor, view: View, inputs: Sequence[View], recursive: bool) -> Plan:
        program = processor.engine.program
        node = node_of(program, view.id)
        planner = self._planner(processor, recursive)
        if not inputs:
            planner.want(node, output_of(program, view), again=True)
            return planner.plan()
        try:
            draft = of_inputs(node, given_of(program, node, inputs), planner.nearest)
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
        return Planner(engine.program, exists, recursive=recursive)

    def poll(self, node: View, timeout: float | None) -> str | None:
        """Follow an execution; see `rheodsl.control.ControlMethods.poll`."""
        processor = Processor(self._deployment())
        engine = processor.engine
        found = node_of(engine.program, node.id)
        partition = output_of(engine.program, node)
        text = found.join.output_text(partition)
        until = None if timeout is None else engine.now() + timeout
        with self._console.status(f"{node.id} {text}".rstrip()) as status:
            while True:
                output, _ = engine.ledger.output(node.id, text, None)
                alive = asking.current(output)
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
        """End an execution; see `rheodsl.control.ControlMethods.kill`."""
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
        for execution in asking.current(output):
            name = execution_id(id, text, execution.generation)
            wanted = name == what if isinstance(what, str) else not ended
            if output is not None and wanted and kill(deployment, processor, output, execution):
                ended.append(name)
        return ended

    def materialize(self, view: View, values: Sequence[Coordinate] | None) -> str | list[str]:
        """Return where partitions are; see `rheodsl.control.ControlMethods.materialize`."""
        return materialize(view, values, self._bucket())

    # --- many outputs --------------------------------------------------------------------------

    def backfill_plan(
        self,
        node: View,
        start: Coordinate | None,
        end: Coordinate | None,
        dims: Mapping[str, Any],
        recursive: bool,
        again: bool,
    ) -> Plan:
        """Return what `backfill` would do."""
        return self._many(Processor(self._deployment()), node, start, end, dims, recursive, again)

    def backfill(
        self,
        node: View,
        start: Coordinate | None,
        end: Coordinate | None,
        dims: Mapping[str, Any],
        recursive: bool,
        again: bool,
        concurrency: int,
    ) -> Result:
        """Make many output partitions; see `rheodsl.control.ControlMethods.backfill`."""
        processor = Processor(self._deployment())
        plan = self._many(processor, node, start, end, dims, recursive, again)
        engine = processor.engine
        keys = {step.key for step in plan.steps}
        courtesy = Courtesy(engine.ledger, keys.__contains__, engine.now)
        report = ConsoleReport(self._console)
        runner = Runner(
            processor, report, concurrency=concurrency, may_start=courtesy.may_start,
            poll=self._poll, sleep=self._sleep,
        )  # fmt: skip
        with report.shown(plan):
            return Result(plan, runner.run(plan))

    def _many(
        self,
        processor: Processor,
        view: View,
        start: Coordinate | None,
        end: Coordinate | None,
        dims: Mapping[str, Any],
        recursive: bool,
        again: bool,
    ) -> Plan:
        engine = processor.engine
        node = node_of(engine.program, view.id)
        given = {**named(view), **{dim: several(value) for dim, value in dims.items()}}
        planner = self._planner(processor, recursive)
        for output in partitions(engine.program, engine.ledger, node, start, end, given):
            planner.want(node, output, again=again)
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
