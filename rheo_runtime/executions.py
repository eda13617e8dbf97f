"""The life of an execution: READY -> ANNOUNCED -> CLAIMED -> SUCCEEDED, FAILED or SKIPPED.

Pure steps on the one document of an output partition, written by compare-and-swap. A partition has at
most one active execution, and at most one held behind it: a later firing takes the held one's place,
and the one it replaces is SKIPPED as merged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from rheo_runtime.ledger import Ledger
from rheo_runtime.records import (
    ANNOUNCED,
    CLAIMED,
    FAILED,
    READY,
    SKIPPED,
    SUCCEEDED,
    Document,
    Execution,
    Maker,
    Output,
    Source,
    execution_id,
)

R = TypeVar("R")

HISTORY = 10  # ended executions that an output remembers
MERGED = "merged into a later one"
KILLED = "killed"


class LostClaim(RuntimeError):
    """A run reports on an execution that it does not hold."""


def fire(
    output: Output | None,
    node: str,
    partition: str,
    maker: Maker,
    made: Any,
    events: tuple[str, ...],
    now: float,
) -> tuple[Output, Execution, Execution | None]:
    """Add an execution: READY when the output is free, held otherwise.

    Returns the output's new state, the new execution, and the held one that it replaces, if any.
    """
    if output is None:
        execution = Execution(1, READY, maker, made, events, now, now)
        return Output(node, partition, 1, 1, execution), execution, None
    generation = output.generation + 1
    execution = Execution(generation, READY, maker, made, events, now, now)
    after = output._replace(version=output.version + 1, generation=generation)
    if output.active is None:
        return after._replace(active=execution), execution, None
    if output.held is None:
        return after._replace(held=execution), execution, None
    merged = output.held._replace(state=SKIPPED, moved=now, note=MERGED)
    return after._replace(held=execution, ended=_end(output, merged)), execution, merged


def announced(ledger: Ledger, node: str, partition: str, execution: str, now: float) -> None:
    """Note that Airflow was told of a READY execution; nothing happens when it is past that already."""

    def step(output: Output) -> tuple[Output | None, None]:
        active = output.active
        if active is None or active.state not in (READY, ANNOUNCED) or _id(output, active) != execution:
            return None, None
        return output._replace(active=active._replace(state=ANNOUNCED, moved=now)), None

    _change(ledger, node, partition, step)


def claim(
    ledger: Ledger, node: str, partition: str, execution: str, run_id: str, now: float
) -> Document | None:
    """Give an execution to a run; None when another run has it, or it is over.

    The same run may claim again, also after the execution ended, when no other is active: a task that
    is cleared and runs again. One that was killed stays ended: a task of its run may just be dying.
    """

    def step(output: Output) -> tuple[Output | None, Document | None]:
        active = output.active
        if active is not None:
            if _id(output, active) != execution:
                return None, None
            if active.state == CLAIMED:
                return None, active.document if active.run_id == run_id else None
            return _claimed(output, active, run_id, now), active.document
        for past in output.ended:
            if _id(output, past) == execution and past.run_id == run_id and past.note != KILLED:
                rest = tuple([e for e in output.ended if e is not past])
                return _claimed(output._replace(ended=rest), past, run_id, now), past.document
        return None, None

    return _change(ledger, node, partition, step)


def adopt(
    ledger: Ledger, node: str, partition: str, source: Source, run_id: str, now: float
) -> Document | None:
    """Create an execution for a run that was started by hand, and claim it for that run.

    None when another execution of the partition is active. A run that adopts again gets its own back.
    """

    def step(output: Output) -> tuple[Output | None, Document | None]:
        if output.active is not None:
            mine = output.active.run_id == run_id
            return None, output.active.document if mine else None
        for past in output.ended:
            if past.run_id == run_id:
                rest = tuple([e for e in output.ended if e is not past])
                return _claimed(output._replace(ended=rest), past, run_id, now), past.document
        after, execution, _ = fire(output, node, partition, source.maker, source.made, (), now)
        claimed = _claimed(after, execution, run_id, now)
        return claimed, execution.document

    return _change(ledger, node, partition, step)


def succeed(
    ledger: Ledger, node: str, partition: str, execution: str, run_id: str, now: float
) -> Document | None:
    """End an execution well; its output signal is owed until `signalled`.

    Returns the execution that was held behind it and is READY now, if any. Saying it again changes
    nothing. Raises LostClaim when the run does not hold the execution.
    """
    return _end_by_run(ledger, node, partition, execution, run_id, now, SUCCEEDED, "")


def fail(
    ledger: Ledger, node: str, partition: str, execution: str, run_id: str, now: float, note: str = ""
) -> Document | None:
    """End an execution badly; like `succeed`, but nothing is emitted."""
    return _end_by_run(ledger, node, partition, execution, run_id, now, FAILED, note)


def skip(
    ledger: Ledger, node: str, partition: str, execution: str, run_id: str, now: float, note: str = ""
) -> Document | None:
    """End an execution that its run decided not to carry out; like `fail`."""
    return _end_by_run(ledger, node, partition, execution, run_id, now, SKIPPED, note)


def take_away(
    ledger: Ledger, node: str, partition: str, execution: str, run_id: str, now: float, state: str, note: str
) -> tuple[bool, Document | None]:
    """Take a claimed execution from a run that is over: it becomes FAILED, or READY for another run.

    Returns whether the run held it still, and the document that is READY now, if any: the execution
    itself, or the one that was held behind it.
    """

    def step(output: Output) -> tuple[Output | None, tuple[bool, Document | None]]:
        active = output.active
        if active is None or (active.state, active.run_id) != (CLAIMED, run_id):
            return None, (False, None)
        if _id(output, active) != execution:
            return None, (False, None)
        changed = active._replace(state=state, moved=now, note=note)
        if state == READY:
            after = output._replace(active=changed._replace(run_id=None))
        else:
            after = _released(output, changed, now)
        return after, (True, after.active.document if after.active else None)

    return _change(ledger, node, partition, step)


def signalled(ledger: Ledger, node: str, partition: str, execution: str) -> None:
    """Note that the output signal of a succeeded execution was sent."""

    def step(output: Output) -> tuple[Output | None, None]:
        if not any(_id(output, e) == execution and not e.signalled for e in output.ended):
            return None, None
        ended = [e._replace(signalled=True) if _id(output, e) == execution else e for e in output.ended]
        return output._replace(ended=tuple(ended)), None

    _change(ledger, node, partition, step)


def finish(ledger: Ledger, node: str, partition: str, execution: str, ok: bool, now: float) -> list[Document]:
    """End the active execution whatever its state and run: for the simulator, and to end a dead run.

    Returns the executions that are READY now. Nothing happens when it is not active.
    """

    def step(output: Output) -> tuple[Output | None, list[Document]]:
        active = output.active
        if active is None or _id(output, active) != execution:
            return None, []
        after = ended(output, ok, now)
        return after, [after.active.document] if after.active else []

    return _change(ledger, node, partition, step)


def ended(output: Output, ok: bool, now: float) -> Output:
    """Return the output after its active execution ended: the held one, if any, is READY."""
    if output.active is None:
        return output
    return _released(output, output.active._replace(state=SUCCEEDED if ok else FAILED, moved=now), now)


def _end_by_run(
    ledger: Ledger,
    node: str,
    partition: str,
    execution: str,
    run_id: str,
    now: float,
    state: str,
    note: str,
) -> Document | None:
    def step(output: Output) -> tuple[Output | None, Document | None]:
        active = output.active
        if active is not None and _id(output, active) == execution:
            if active.state != CLAIMED or active.run_id != run_id:
                raise LostClaim(f"{execution} is held by run {active.run_id}, not by {run_id}")
            over = active._replace(state=state, moved=now, note=note, signalled=state != SUCCEEDED)
            after = _released(output, over, now)
            return after, after.active.document if after.active else None
        for past in output.ended:
            if _id(output, past) == execution and past.run_id == run_id and past.state == state:
                waiting = active is not None and active.state == READY
                return None, active.document if active and waiting else None
        raise LostClaim(f"{execution} is not active, so run {run_id} cannot end it")

    return _change(ledger, node, partition, step)


def _change(
    ledger: Ledger, node: str, partition: str, step: Callable[[Output], tuple[Output | None, R]]
) -> R:
    """Read, step, compare and swap; again when somebody else was faster."""
    while True:
        before = ledger.output(node, partition, None)[0] or Output(node, partition, 0, 0)
        after, result = step(before)
        if after is None:
            return result
        old = before if before.version else None  # version 0: nothing was ever fired there
        if ledger.save(old, after._replace(version=before.version + 1)):
            return result


def _id(output: Output, execution: Execution) -> str:
    return execution_id(output.node, output.partition, execution.generation)


def _claimed(output: Output, execution: Execution, run_id: str, now: float) -> Output:
    return output._replace(active=execution._replace(state=CLAIMED, run_id=run_id, moved=now))


def _released(output: Output, over: Execution, now: float) -> Output:
    """The active execution is over; the held one, if any, is READY."""
    held = output.held._replace(moved=now) if output.held else None
    return output._replace(active=held, held=None, ended=_end(output, over))


def _end(output: Output, over: Execution) -> tuple[Execution, ...]:
    """Add to the history. What leaves it is the oldest that was merged, else the oldest that owes no signal."""
    ended = (over, *output.ended)
    if len(ended) <= HISTORY:
        return ended
    oldest = [e for e in reversed(ended) if e.signalled]
    gone = next((e for e in oldest if e.state == SKIPPED), next(iter(oldest), None))
    return tuple([e for e in ended if e is not gone])
