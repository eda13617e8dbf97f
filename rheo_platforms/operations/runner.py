"""A plan -> its executions, made through the ledger, as many at a time as is allowed, each once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from typing import Protocol

from rich.console import Console
from rich.status import Status

from rheo_platforms.operations.events import Processor, named
from rheo_platforms.operations.planner import Key, Plan, Step
from rheo_runtime import executions
from rheo_runtime.executions import MERGED
from rheo_runtime.ledger import shown
from rheo_runtime.records import (
    ANNOUNCED,
    FAILED,
    READY,
    SKIPPED,
    SUCCEEDED,
    Document,
    Execution,
    Output,
    execution_id,
)

POLL = 2.0  # seconds between looks at the ledger
TELL = 15.0  # seconds after which an execution that Airflow could not take is announced again
SLACK = 2.0  # seconds by which this machine's clock may differ from others
NOT_RUN = "NOT RUN"  # of a step after one that failed


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a step: the state of its execution, or NOT_RUN; ``moved`` is when."""

    step: Step
    state: str
    execution: str = ""
    note: str = ""
    moved: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the output partition is made."""
        return self.state == SUCCEEDED

    def __str__(self) -> str:
        return f"{self.execution or self.step} {self.state}" + (f": {self.note}" if self.note else "")


class Report(Protocol):
    """Gets to know of everything as it happens."""

    def started(self, step: Step, execution: str, mine: bool) -> None:
        """An execution is under way: one of ours, or one that events have started."""

    def ended(self, done: Done) -> None:
        """A step is over."""

    def waits(self, left: int, running: int) -> None:
        """Nothing happened for a while."""


class Silent:
    """A report that nobody reads."""

    def started(self, step: Step, execution: str, mine: bool) -> None: ...

    def ended(self, done: Done) -> None: ...

    def waits(self, left: int, running: int) -> None: ...


class Runner:
    """Carries out one plan.

    Each success is taken through the engine at once, as the listener will do with its signal. So what an
    ancestor's event starts is known when the next step is looked at: a step whose output is being made
    of the same inputs already is followed, and not made again. Steps of a node with a batch are started
    together, as many as one run carries out.

    Parameters
    ----------
    concurrency
        How many executions may be under way at a time; a batch counts as one.
    may_start
        Asked before each step; one that may not start now is asked for again.
    sleep
        Lets time pass; polls come ``poll`` seconds apart.
    """

    def __init__(
        self,
        processor: Processor,
        report: Report,
        *,
        concurrency: int = 4,
        may_start: Callable[[Step], bool] = lambda _: True,
        poll: float = POLL,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._processor = processor
        self._ledger = processor.engine.ledger
        self._now = processor.engine.now
        self._report = report
        self._concurrency = concurrency
        self._may_start = may_start
        self._poll = poll
        self._sleep = sleep
        self._done: dict[Key, Done] = {}
        self._order: dict[Key, int] = {}  # of the steps that are over, the first one first
        self._fired: dict[str, int] = {}  # executions that were fired here, after how many of them
        self._owed: list[Done] = []  # successes whose signals are to be taken
        self._running: dict[Key, tuple[Step, str]] = {}
        self._untold: dict[str, float] = {}
        self._sizes = {node: size for node, (size, _) in processor.engine.program.batches.items()}
        self._gathered: dict[str, dict[str, Document]] = {}  # of batches that are not announced yet, by node
        self._group: dict[Key, int] = {}  # of running steps: the batch, counted, that each belongs to
        self._groups = 0

    def run(self, plan: Plan, timeout: float | None = None) -> dict[Key, Done]:
        """Carry out a plan; return what became of each step that is over.

        Those that are not, when ``timeout`` seconds have passed, go on without being looked at.
        """
        self._began = self._now()
        waiting = {step.key: step for step in plan.steps}
        until = None if timeout is None else self._began + timeout
        while True:
            self._look()
            while self._start_one(waiting):
                self._take_signals()
            self._announce()
            if not (waiting or self._running) or (until is not None and self._now() >= until):
                return dict(self._done)
            self._report.waits(len(waiting), len(self._running))
            self._sleep(self._poll)

    def begin(self, step: Step) -> str:
        """Start one step, and do not wait for it; return the id of its execution."""
        self._began = self._now()
        self._start(step)
        execution = self._running[step.key][1]
        self._announce()
        return execution

    # --- starting ------------------------------------------------------------------------------

    def _start_one(self, waiting: dict[Key, Step]) -> bool:
        """Start the next step that may start; say whether there was one, or one was given up."""
        for key, step in waiting.items():
            if any(dep in self._done and not self._done[dep].ok for dep in step.after):
                del waiting[key]
                self._over(Done(step, NOT_RUN, note="what it reads was not made"))
                return True
        if not self._room() and not self._gathered:
            return False
        ready = [s for s in waiting.values() if all(dep in self._done for dep in s.after)]
        # Windows in opposite directions may ask for each other's tip to be last: then any goes on.
        orderly = [s for s in ready if not any(key in waiting or key in self._running for key in s.last)]
        for step in orderly or ([] if self._running else ready):
            if (self._room() or step.node in self._gathered) and self._may_start(step):
                del waiting[step.key]
                self._start(step)
                return True
        return False

    def _room(self) -> bool:
        """Say whether one more execution, or batch of them, may be under way."""
        return len({self._group.get(key, key) for key in self._running}) < self._concurrency

    def _start(self, step: Step) -> None:
        execution, mine = self._begun(step)
        self._running[step.key] = step, execution
        self._report.started(step, execution, mine)
        self._look_at(step.key)

    def _begun(self, step: Step) -> tuple[str, bool]:
        """Return the execution that makes a step, and whether it was ordered here and now."""
        while True:
            output, _ = self._ledger.output(step.node, step.partition, None)
            if found := self._made_already(step, output and shown(self._ledger.batch_run, output)):
                return execution_id(step.node, step.partition, found.generation), False
            where = (self._ledger, output, step.node, step.partition)
            ordered = executions.order(*where, step.draft, self._now())
            if ordered is not None:
                execution = ordered.document["id"]
                if ordered.ready:
                    self._tell(execution, ordered.document, step)
                return execution, True

    def _made_already(self, step: Step, output: Output | None) -> Execution | None:
        """Return an execution of the same inputs that somebody else has started, or that is over."""
        if output is None:
            return None
        alive = executions.current(output)[::-1]
        if step.after:
            return next((e for e in (*alive, *_last(output)) if self._reads_all(step, e)), None)
        if step.again:
            return None
        ended = [e for e in _last(output) if e.state == SUCCEEDED and e.moved >= self._began - SLACK]
        return next(iter((*alive, *ended)), None)

    def _reads_all(self, step: Step, execution: Execution) -> bool:
        """Say whether an execution reads what the steps before this one made, each as it is now.

        It does when it fired after their ends: of one that was fired here the order is known, of others the clocks
        tell, which are those of the cloud; this machine's may differ from them. A partition is there a moment
        before its execution ends, and events may start what reads it then: such a one does when it began later.
        """
        here = self._fired.get(execution_id(step.node, step.partition, execution.generation))
        named = {path for source in execution.document["inputs"] for path in source["paths"]}
        begins = inf if execution.state in (READY, ANNOUNCED) else execution.claimed or execution.fired
        for dep in step.after:
            made = self._done[dep]
            after = made.moved <= execution.fired if here is None else self._order[dep] < here
            if not (after or (made.step.path in named and made.moved <= begins)):
                return False
        return True

    # --- following -----------------------------------------------------------------------------

    def _look(self) -> None:
        for key in list(self._running):
            self._look_at(key)
        self._take_signals()

    def _take_signals(self) -> None:
        """Take what succeeded through the engine, once all that is over is known to be."""
        while self._owed:
            done = self._owed.pop(0)
            texts = tuple(done.step.draft.document(0)["output"]["dimensions"].values())
            event, _ = named(self._processor.engine.program.table.app, done.step.node, texts, done.execution)
            outcome = self._processor.take(event)
            fired = (*outcome.fired, *outcome.held)
            self._fired.update((document["id"], len(self._done)) for document in fired)

    def _look_at(self, key: Key) -> None:
        step, execution = self._running[key]
        output, _ = self._ledger.output(step.node, step.partition, None)
        found = find(output, execution)
        if output is not None and found is not None and found.state == SKIPPED and found.note == MERGED:
            later = executions.current(output)[-1:] or list(_last(output))
            if later:  # it took the place of this one, with the latest inputs
                found = later[0]
                execution = execution_id(step.node, step.partition, found.generation)
                self._running[key] = step, execution
        if found is None:
            self._over(Done(step, FAILED, execution, "the ledger has forgotten it"))
        elif found.state in (SUCCEEDED, FAILED, SKIPPED):
            self._over(Done(step, found.state, execution, found.note, found.moved))
        elif found.state == READY and output is not None and output.active is found and self._due(execution):
            self._tell(execution, found.document, step)

    def _due(self, execution: str) -> bool:
        return self._now() >= self._untold.setdefault(execution, self._now() + TELL)

    def _tell(self, execution: str, document: Document, step: Step) -> None:
        self._untold[execution] = self._now() + TELL
        if step.node not in self._sizes:
            self._processor.tell(document)
            return
        if step.node not in self._gathered:
            self._groups += 1
        gathered = self._gathered.setdefault(step.node, {})
        gathered[execution] = document
        self._group[step.key] = self._groups
        if len(gathered) >= self._sizes[step.node]:
            self._announce(step.node)

    def _announce(self, *nodes: str) -> None:
        """Announce the batches that are gathered, of all nodes or these."""
        for node in nodes or list(self._gathered):
            self._processor.tell_batch(list(self._gathered.pop(node).values()))

    def _over(self, done: Done) -> None:
        self._running.pop(done.step.key, None)
        self._group.pop(done.step.key, None)
        self._order[done.step.key] = len(self._done)
        self._done[done.step.key] = done
        if done.ok:
            self._owed.append(done)
        self._report.ended(done)


def find(output: Output | None, execution: str) -> Execution | None:
    """Return the execution of this id, if its output remembers it."""
    every: Sequence[Execution] = () if output is None else (*executions.current(output), *output.ended)
    for found in every:
        if output is not None and execution_id(output.node, output.partition, found.generation) == execution:
            return found
    return None


def _last(output: Output) -> tuple[Execution, ...]:
    """The execution that ended last and was not merely merged away."""
    return next(((e,) for e in output.ended if e.note != MERGED), ())


class ConsoleReport(Report):
    """A line for each start and end; on a terminal, below them, what is under way."""

    def __init__(self, console: Console, total: int = 1) -> None:
        self._console = console
        self._total = total
        self._over = 0
        self._status: Status | None = None
        self._since: dict[str, float] = {}

    @contextmanager
    def shown(self, plan: Plan) -> Iterator[ConsoleReport]:
        """Show the progress of a plan while it is carried out."""
        self._total = len(plan.steps)
        with self._console.status("starting") as self._status:
            yield self
        self._status = None

    def started(self, step: Step, execution: str, mine: bool) -> None:
        """Print what is under way."""
        self._since[execution] = time.monotonic()
        self._print(f"{execution} " + ("started" if mine else "is under way already"))

    def ended(self, done: Done) -> None:
        """Print what is over."""
        self._over += 1
        began = self._since.pop(done.execution, None)
        took = f" after {time.monotonic() - began:.0f} s" if began is not None else ""
        count = f" ({self._over} of {self._total})" if self._total > 1 else ""
        self._print(f"{done}{took}{count}")

    def waits(self, left: int, running: int) -> None:
        """Show how much is left."""
        if self._status is not None:
            self._status.update(f"{running} under way, {left} to start")

    def _print(self, line: str) -> None:
        self._console.print(f"{time.strftime('%H:%M:%S')} {line}", markup=False, highlight=False)
