"""The life of an execution: READY -> ANNOUNCED -> CLAIMED -> SUCCEEDED, FAILED or SKIPPED.

Pure steps on the one document of an output partition, written by compare-and-swap. A partition has at
most one active execution, and at most one held behind it: a later firing takes the held one's place,
and the one it replaces is SKIPPED as merged. What a person asks for, or stops, is such a step too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from rheo_runtime.ledger import Ledger
from rheo_runtime.records import (
    ANNOUNCED,
    CLAIMED,
    FAILED,
    READY,
    RUN_GOES_ON,
    SKIPPED,
    SUCCEEDED,
    CheckResult,
    Document,
    DocumentBuilder,
    Execution,
    Output,
    Source,
    Writer,
    execution_id,
    has_run,
    is_given,
)

R = TypeVar("R")

HISTORY = 10  # ended executions that an output remembers
OWING = 20  # how many it remembers where each of them owes a signal
# Of what a run says of an execution, so much is kept: characters of a note, of a check and of what it found.
LONGEST_NOTE, LONGEST_CHECK = 2_000, 600
CHECKS = 50_000  # characters of all checks of an execution
MERGED = "merged into a later one"
KILLED = "killed"
MADE = "made already, and never again by events"
UNLESS_MADE = "made only if the execution before it does not succeed"  # of one that is held


class LostClaim(RuntimeError):
    """A run reports on an execution that it does not hold."""


class StillWriting(RuntimeError):
    """Nobody can have an output yet: nobody has seen that the run before, ``writer``, writes it no more."""

    def __init__(self, node: str, partition: str, writer: Writer) -> None:
        super().__init__(
            f"{execution_id(node, partition, writer.generation)}, of run {writer.run_id}, may still be writing"
        )
        self.writer = writer


def fire(
    output: Output | None,
    node: str,
    partition: str,
    builder: DocumentBuilder,
    made: Any,
    events: tuple[str, ...],
    now: float,
    *,
    once: bool = False,
) -> tuple[Output, Execution, Execution | None]:
    """Add an execution: READY when the output is free, held otherwise.

    With ``once`` a held one is SKIPPED when the active one succeeds, unless it replaces one that somebody asked for.
    Returns the output's new state, the new execution, and the held one that it replaces, if any.
    """
    if output is None:
        execution = Execution(1, READY, builder, made, events, now, now)
        return Output(node, partition, 1, 1, execution), execution, None
    generation = output.generation + 1
    execution = Execution(generation, READY, builder, made, events, now, now)
    after = output._replace(version=output.version + 1, generation=generation)
    if output.active is None:
        return after._replace(active=execution), execution, None
    if once and (output.held is None or output.held.note == UNLESS_MADE):
        execution = execution._replace(note=UNLESS_MADE)
    if output.held is None:
        return after._replace(held=execution), execution, None
    merged = output.held._replace(state=SKIPPED, moved=now, note=MERGED)
    return after._replace(held=execution, ended=_end(output, merged)), execution, merged


def made(output: Output) -> bool:
    """Say whether an output partition is made: it never is again by ``retrigger="never"``."""
    return any(execution.state == SUCCEEDED for execution in output.ended)


def passed_over(
    output: Output, builder: DocumentBuilder, made: Any, events: tuple[str, ...], now: float
) -> tuple[Output, Execution]:
    """Add an execution that is SKIPPED, because the output is made already."""
    generation = output.generation + 1
    execution = Execution(generation, SKIPPED, builder, made, events, now, now, note=MADE)
    # What an output is shown as is what ended last: not this.
    latest, rest = output.ended[:1], output.ended[1:]
    ended = _end(output._replace(ended=rest), execution)
    after = output._replace(version=output.version + 1, generation=generation, ended=(*latest, *ended))
    return after, execution


def announced(ledger: Ledger, node: str, partition: str, execution: str, now: float) -> None:
    """Note that Airflow was told of a READY execution; nothing happens when it is past that already."""

    def step(output: Output) -> tuple[Output | None, None]:
        active = output.active
        if active is None or active.state not in (READY, ANNOUNCED) or _id(output, active) != execution:
            return None, None
        return output._replace(active=active._replace(state=ANNOUNCED, moved=now)), None

    _change(ledger, node, partition, step)


def given(ledger: Ledger, node: str, partition: str, execution: str, now: float, run_id: str) -> bool:
    """Give a READY execution to the run of a batch that is to be started; say whether it is that run's now."""

    def step(output: Output) -> tuple[Output | None, bool]:
        active = output.active
        if active is None or _id(output, active) != execution:
            return None, False
        if active.state != READY:
            return None, is_given(active) and active.run_id == run_id
        return output._replace(active=active._replace(state=ANNOUNCED, moved=now, run_id=run_id)), True

    return _change(ledger, node, partition, step)


def given_back(ledger: Ledger, node: str, partition: str, execution: str, now: float, run_id: str) -> bool:
    """Let an execution be READY that was given to the run of a batch, which has not begun with it, and will not.

    Say whether it was that run's.
    """

    def step(output: Output) -> tuple[Output | None, bool]:
        active = output.active
        if (
            active is None
            or not is_given(active)
            or active.run_id != run_id
            or _id(output, active) != execution
        ):
            return None, False
        return output._replace(active=active._replace(state=READY, moved=now, run_id=None)), True

    return _change(ledger, node, partition, step)


def told(output: Output, execution: Execution, run_id: str | None = None) -> Output:
    """Return an output that was fired just now, noted as announced already: who writes it announces it next.

    It is one write for two, where all goes well. Where Airflow does not take it, `untold` notes that; where the
    process ends in between, the event is delivered again, and says so (see `Outcome.overdue`). With a ``run_id`` it is
    given to the run of a batch, which that process, or else a sweep, starts.
    """
    return output._replace(active=execution._replace(state=ANNOUNCED, run_id=run_id))


def is_unconfirmed(execution: Execution) -> bool:
    """Say whether an execution was noted as announced when it fired, and never since; of batches the sweep knows."""
    return (execution.state, execution.run_id, execution.moved) == (ANNOUNCED, None, execution.fired)


def untold(ledger: Ledger, node: str, partition: str, execution: str, now: float) -> None:
    """Note that Airflow did not take an execution that was noted as announced; nothing when a run has claimed it."""

    def step(output: Output) -> tuple[Output | None, None]:
        active = output.active
        if active is None or active.state != ANNOUNCED or _id(output, active) != execution:
            return None, None
        return output._replace(active=active._replace(state=READY, moved=now)), None

    _change(ledger, node, partition, step)


def postponed(ledger: Ledger, node: str, partition: str, execution: str, now: float) -> None:
    """Note that Airflow did not take a READY execution now: the time of its last try tells when the next one is."""

    def step(output: Output) -> tuple[Output | None, None]:
        active = output.active
        if active is None or active.state != READY or _id(output, active) != execution:
            return None, None
        return output._replace(active=active._replace(moved=now)), None

    _change(ledger, node, partition, step)


def claim(
    ledger: Ledger,
    node: str,
    partition: str,
    execution: str,
    run_id: str,
    now: float,
    jobs: tuple[str, ...] = (),
) -> Document | None:
    """Give an execution to a run; None when another run has it, or it is over.

    The same run may claim again, also after the execution ended, when no other is active: a task that
    is cleared and runs again. One that was killed stays ended: a task of its run may just be dying.
    ``jobs`` says where the run starts jobs. Raises StillWriting while a run before may write the output.
    """
    found = _claim(ledger, node, partition, execution, run_id, now, jobs, again=True)
    if found.writer is not None:
        raise StillWriting(node, partition, found.writer)
    return found.document


class Claim(NamedTuple):
    """What came of a claim: the document, where the run has the execution now.

    ``had`` says that the run had it before, ``made`` that the run has made it already and was not given it again,
    ``writer`` which run before it may still write the output.
    """

    document: Document | None = None
    had: bool = False
    made: bool = False
    writer: Writer | None = None


def claim_batch(
    ledger: Ledger,
    node: str,
    named: Iterable[tuple[str, str]],
    run_id: str,
    now: float,
    each: Callable[..., Iterable[Claim]] = map,
    jobs: tuple[str, ...] = (),
    known: Mapping[str, Output] = MappingProxyType({}),
) -> list[Claim]:
    """Return the executions of a batch, named by partition and id, that its run has or may have; in their order.

    Those that were given to the run are its own without a word; others are claimed, where nobody else has them. One whose
    output a run before may still write is left out. A batch that is cleared gets those that it has not made; one that has
    made them all gets them all again.
    ``each`` is what maps, such as that of a pool of threads, ``known`` are outputs as they were a moment ago.
    """
    wanted = list(named)

    def claims(again: bool) -> list[Claim]:
        def one(name: tuple[str, str]) -> Claim:
            if (document := held(known.get(name[0]), name[1], run_id)) is not None:
                return Claim(document, had=True)
            return _claim(ledger, node, name[0], name[1], run_id, now, jobs, again=again)

        return list(each(one, wanted))

    found = claims(False)
    if found and all(one.made for one in found):
        found = claims(True)
    return [one for one in found if one.document is not None]


def _claim(
    ledger: Ledger,
    node: str,
    partition: str,
    execution: str,
    run_id: str,
    now: float,
    jobs: tuple[str, ...],
    *,
    again: bool,
) -> Claim:
    def step(output: Output) -> tuple[Output | None, Claim]:
        active = output.active
        if active is not None:
            if _id(output, active) != execution:
                return None, Claim()
            if has_run(active) and active.run_id != run_id:
                return None, Claim()
            if active.state == CLAIMED:
                return None, Claim(active.document, had=True)
            if output.writer is not None:
                return None, Claim(writer=output.writer)
            if is_given(active):
                return None, Claim(active.document, had=True)
            return _claimed(output, active, run_id, now, jobs), Claim(active.document)
        for past in output.ended:
            if _id(output, past) == execution and past.run_id == run_id and past.note != KILLED:
                if past.state == SUCCEEDED and not again:
                    return None, Claim(made=True)
                if output.writer is not None:
                    return None, Claim(writer=output.writer)
                rest = tuple([e for e in output.ended if e is not past])
                return _claimed(output._replace(ended=rest), past, run_id, now, jobs), Claim(past.document)
        return None, Claim()

    return _change(ledger, node, partition, step)


def held(output: Output | None, execution: str, run_id: str) -> Document | None:
    """Return the document of an execution of an output, where it is a run's; None where it is not.

    One that was given to a run is that run's as soon as no other may write its output.
    """
    active = output.active if output is not None else None
    if output is None or active is None or not has_run(active) or active.run_id != run_id:
        return None
    if _id(output, active) != execution or (is_given(active) and output.writer is not None):
        return None
    return active.document


def claimable(ledger: Ledger, node: str, partition: str, run_id: str) -> list[str]:
    """Return the executions of an output that a run may claim which knows the partition alone.

    The one that is announced, or those that the run has had.
    """
    output, _ = ledger.output(node, partition, None)
    if output is None:
        return []
    mine = [e for e in output.ended if e.run_id == run_id]
    found = [output.active, *mine] if output.active is not None else mine
    return [_id(output, execution) for execution in found]


def adopt(
    ledger: Ledger,
    node: str,
    partition: str,
    source: Source,
    run_id: str,
    now: float,
    jobs: tuple[str, ...] = (),
) -> Document | None:
    """Create an execution for a run that was started by hand, and claim it for that run.

    None when another execution of the partition is active. A run that adopts again gets its own back.
    Raises StillWriting as `claim` does.
    """

    def step(output: Output) -> tuple[Output | None, Document | Writer | None]:
        if output.active is not None:
            mine = output.active.run_id == run_id
            return None, output.active.document if mine else None
        if output.writer is not None:
            return None, output.writer
        for past in output.ended:
            if past.run_id == run_id:
                rest = tuple([e for e in output.ended if e is not past])
                return _claimed(output._replace(ended=rest), past, run_id, now, jobs), past.document
        after, execution, _ = fire(output, node, partition, source.builder, source.made, (), now)
        claimed = _claimed(after, execution, run_id, now, jobs)
        return claimed, execution.document

    found = _change(ledger, node, partition, step)
    if isinstance(found, Writer):
        raise StillWriting(node, partition, found)
    return found


def tasks_told(ledger: Ledger, node: str, partition: str, writer: Writer, now: float) -> None:
    """Note that the run of a writer, which went on with other executions, is over: its tasks were told to end."""
    _write(ledger, node, partition, writer, writer._replace(since=now))


def writes_no_more(ledger: Ledger, node: str, partition: str, writer: Writer) -> None:
    """Note that somebody has seen that a run, and all of its jobs, have ended: the output may be claimed."""
    _write(ledger, node, partition, writer, None)


def _write(ledger: Ledger, node: str, partition: str, writer: Writer, becomes: Writer | None) -> None:
    def step(output: Output) -> tuple[Output | None, None]:
        return (output._replace(writer=becomes) if output.writer == writer else None), None

    _change(ledger, node, partition, step)


def delayed(ledger: Ledger, node: str, partition: str, execution: str, note: str) -> None:
    """Note why an execution that no run has begun cannot begin yet; nothing when one has."""
    note = brief(note, LONGEST_NOTE)

    def step(output: Output) -> tuple[Output | None, None]:
        active = output.active
        if (
            active is None
            or active.state == CLAIMED
            or _id(output, active) != execution
            or active.note == note
        ):
            return None, None
        return output._replace(active=active._replace(note=note)), None

    _change(ledger, node, partition, step)


def succeed(
    ledger: Ledger,
    node: str,
    partition: str,
    execution: str,
    run_id: str,
    now: float,
    checks: Iterable[CheckResult] = (),
    writes_since: float | None = None,
    *,
    told: bool = False,
    began: float | None = None,
) -> Document | None:
    """End an execution well; its output signal, and that of its checks, are owed until `signalled`, unless ``told``.

    Returns the execution that was held behind it and is READY now, if any. Saying it again changes
    nothing. Where something of the run may still write, ``writes_since`` says so: see `Writer`. Of the run of a batch
    ``began`` says when it began. Raises LostClaim when the run does not hold the execution.
    """
    where = (ledger, node, partition, execution, run_id, now)
    return _end_by_run(*where, SUCCEEDED, "", checks, writes_since, told=told, began=began)


def fail(
    ledger: Ledger,
    node: str,
    partition: str,
    execution: str,
    run_id: str,
    now: float,
    note: str = "",
    checks: Iterable[CheckResult] = (),
    writes_since: float | None = None,
    *,
    told: bool = False,
    began: float | None = None,
) -> Document | None:
    """End an execution badly; like `succeed`, but of its output nothing is emitted."""
    where = (ledger, node, partition, execution, run_id, now)
    return _end_by_run(*where, FAILED, note, checks, writes_since, told=told, began=began)


def skip(
    ledger: Ledger, node: str, partition: str, execution: str, run_id: str, now: float, note: str = ""
) -> Document | None:
    """End an execution that its run decided not to carry out; like `fail`."""
    return _end_by_run(ledger, node, partition, execution, run_id, now, SKIPPED, note)


def take_away(
    ledger: Ledger, seen: Output, now: float, state: str, note: str
) -> tuple[bool, Document | None]:
    """Take the active execution of an output from its run that is over: it becomes FAILED, or READY for another run.

    Tasks and jobs of that run may still write. Nothing happens when the output has changed since it was ``seen``, as when
    the run was cleared. Returns whether it was taken, and the document that is READY now, if any: the execution
    itself, or the one that was held behind it.
    """
    active = seen.active
    assert active is not None, "it has an execution"
    changed = active._replace(state=state, moved=now, note=note)
    if state == READY:
        after = seen._replace(active=changed._replace(run_id=None))
    else:
        after = _released(seen, changed, now)
    after = _written_by(after, active, now)._replace(version=seen.version + 1)
    if not ledger.save(seen, after):
        return False, None
    return True, after.active.document if after.active else None


def signalled(ledger: Ledger, node: str, partition: str, execution: str) -> None:
    """Note that the signals of an execution that has ended were sent."""

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


def brief(text: str, most: int) -> str:
    """Return a text of at most so many characters, and how many it has beyond these.

    >>> brief("no luck", 7), brief("no luck at all", 7)
    ('no luck', 'no luck... (7 more characters)')
    """
    return text if len(text) <= most else f"{text[:most]}... ({len(text) - most:,} more characters)"


def bounded(checks: Iterable[CheckResult]) -> tuple[CheckResult, ...]:
    """Return what checks found, in bounded words; of very many those that have not passed, and one for all others."""
    given = [
        check._replace(check=brief(check.check, LONGEST_CHECK), what=brief(check.what, LONGEST_CHECK))
        for check in checks
    ]
    left, room = set(range(len(given))), CHECKS
    for number in sorted(left, key=lambda n: (given[n].passed, not given[n].blocks)):
        room -= len(given[number].check) + len(given[number].what) + 50
        if room < 0:
            break
        left.discard(number)
    found = [check for number, check in enumerate(given) if number not in left]
    if left:
        rest = [given[number] for number in sorted(left)]
        failed = sum(not check.passed for check in rest)
        severity = "block" if any(check.blocks for check in rest) else "warn"
        said = f"{failed:,} of them have not passed" if failed else ""
        found.append(CheckResult(f"{len(rest):,} more checks", not failed, severity, said))
    return tuple(found)


def _end_by_run(
    ledger: Ledger,
    node: str,
    partition: str,
    execution: str,
    run_id: str,
    now: float,
    state: str,
    note: str,
    checks: Iterable[CheckResult] = (),
    writes_since: float | None = None,
    *,
    told: bool = False,
    began: float | None = None,
) -> Document | None:
    found, note = bounded(checks), brief(note, LONGEST_NOTE)

    def step(output: Output) -> tuple[Output | None, Document | None]:
        active = output.active
        if active is not None and _id(output, active) == execution:
            if not has_run(active) or active.run_id != run_id:
                raise LostClaim(f"{execution} is held by run {active.run_id}, not by {run_id}")
            owes = not told and (state == SUCCEEDED or bool(found))
            claimed = began if is_given(active) else active.claimed
            over = active._replace(
                state=state, moved=now, note=note, signalled=not owes, checks=found, claimed=claimed
            )
            after = _released(output, over, now)
            if writes_since is not None:
                after = _written_by(after, active, writes_since)
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
    """Read, step, compare and swap; again when somebody else was faster.

    What this process has seen of the output before, or what it was a moment ago, is good enough to be changed: the swap
    tells whether it is that still. That there is nothing to do, and a fault, is believed only of what was read now.
    """
    known = ledger.glance(node, partition)
    while True:
        before = known or ledger.output(node, partition, None)[0] or Output(node, partition, 0, 0)
        try:
            after, result = step(before)
        except LostClaim:
            if known is None:
                raise
            after = None
        if after is None and known is not None:
            known = None
            continue
        known = None
        if after is None:
            return result
        old = before if before.version else None  # version 0: nothing was ever fired there
        if ledger.save(old, after._replace(version=before.version + 1)):
            return result


def _id(output: Output, execution: Execution) -> str:
    return execution_id(output.node, output.partition, execution.generation)


def _claimed(output: Output, execution: Execution, run_id: str, now: float, jobs: tuple[str, ...]) -> Output:
    taken = execution._replace(
        state=CLAIMED, run_id=run_id, moved=now, claimed=now, checks=(), note="", jobs=jobs
    )
    return output._replace(active=taken)


def _written_by(output: Output, claimed: Execution, since: float) -> Output:
    """The output, which the run of an execution that it had may still be writing."""
    assert claimed.run_id is not None, "a claimed execution has a run"
    return output._replace(writer=Writer(claimed.generation, claimed.run_id, claimed.jobs, since))


def _released(output: Output, over: Execution, now: float) -> Output:
    """The active execution is over; the held one, if any, is READY, or SKIPPED where the output is to be made once."""
    held = output.held._replace(moved=now) if output.held else None
    if held is not None and held.note == UNLESS_MADE:
        if over.state == SUCCEEDED:
            passed = held._replace(state=SKIPPED, note=MADE)
            output, held = output._replace(ended=_end(output, passed)), None
        else:
            held = held._replace(note="")
    return output._replace(active=held, held=None, ended=_end(output, over))


def _end(output: Output, over: Execution) -> tuple[Execution, ...]:
    """Add to the history. What leaves it is the oldest that was merged, else the oldest that owes no signal.

    Where all of many owe one, the oldest leaves it: what the others announce is the same partition.
    """
    ended = (over, *output.ended)
    if len(ended) <= HISTORY:
        return ended
    oldest = [e for e in reversed(ended) if e.signalled]
    gone = next((e for e in oldest if e.state == SKIPPED), next(iter(oldest), None))
    if gone is None and len(ended) > OWING:
        gone = ended[-1]
    return tuple([e for e in ended if e is not gone])


class Ordered(NamedTuple):
    """An execution that somebody asked for: ``ready``, or held behind the active one of its output."""

    document: Document
    ready: bool


class Ended(NamedTuple):
    """How an execution ended that was stopped, and the one that was held behind it and is READY now."""

    state: str
    released: Document | None


def order(
    ledger: Ledger, before: Output | None, node: str, partition: str, source: Source, now: float
) -> Ordered | None:
    """Create an execution of an output partition, as a firing does; None when the output is not ``before`` any more."""
    after, execution, _ = fire(before, node, partition, source.builder, source.made, (), now)
    if not ledger.save(before, after):
        return None
    return Ordered(execution.document, after.active is execution)


def stop(
    ledger: Ledger,
    node: str,
    partition: str,
    execution: str,
    now: float,
    note: str = "",
    *,
    claimed: bool = True,
    run_goes_on: bool = False,
) -> Ended | None:
    """End an execution: an active one has FAILED, a held one is SKIPPED.

    Of one that a run has, tasks and jobs may still write; ``run_goes_on`` says that the run was not told to end.
    None when it is neither, or a run has claimed it and ``claimed`` says that it is then left alone.
    """
    while True:
        before, _ = ledger.output(node, partition, None)
        if before is None:
            return None
        if before.active is not None and _is(before, before.active, execution):
            after, state = ended(before, False, now), FAILED
            if before.active.state == CLAIMED and not claimed:
                return None
            if has_run(before.active):
                after = _written_by(after, before.active, RUN_GOES_ON if run_goes_on else now)
            released = after.active.document if after.active else None
        elif _is(before, before.held, execution):
            alone = ended(before._replace(active=before.held, held=None), False, now)
            after, state, released = alone._replace(active=before.active), SKIPPED, None
        else:
            return None
        over = after.ended[0]._replace(state=state, note=note)
        if not claimed:  # the run of a batch that begins after all may not take it up again
            over = over._replace(run_id=None)
        after = after._replace(version=before.version + 1, ended=(over, *after.ended[1:]))
        if ledger.save(before, after):
            return Ended(state, released)


def current(output: Output | None) -> list[Execution]:
    """Return the executions of an output that are not over: the active one, then the held one."""
    return [e for e in (output.active, output.held) if e is not None] if output else []


def every(output: Output | None) -> list[Execution]:
    """Return all executions that an output knows: those that are not over, then those that are, the latest first."""
    return [*current(output), *output.ended] if output else []


def find(output: Output | None, id: str) -> Execution | None:
    """Return an execution of an output, by its id; None when that has forgotten it."""
    return next((e for e in every(output) if output and _id(output, e) == id), None)


def _is(output: Output, execution: Execution | None, id: str) -> bool:
    return execution is not None and _id(output, execution) == id
