"""What crashes and outages left undone -> done: the listener's periodic work.

Signals that are owed are sent, executions that no run has claimed are announced again, and the engine
looks for what waits. For executions that a run has held for long, Airflow is asked about the run: one that
somebody fails, deletes or marks a success by hand ends without a word to the ledger, and so may one whose
worker dies. Each step may be repeated, a failure of one does not stop the others, and what one sweep has no
time for the next one does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import NamedTuple

from rheo_runtime import executions
from rheo_runtime.airflow_client import (
    ALL_UNDER_WAY,
    FEW,
    NONE_UNDER_WAY,
    PUMPED,
    Down,
    Unavailable,
    UnderWay,
    is_telling,
    pumpable,
)
from rheo_runtime.batches import Batch, chunks, given, ripe
from rheo_runtime.engine import Engine, Outcome
from rheo_runtime.ledger import Ledger
from rheo_runtime.records import (
    ANNOUNCED,
    BROKEN,
    CLAIMED,
    FAILED,
    READY,
    BatchRun,
    Document,
    Execution,
    Output,
    execution_id,
    has_run,
    is_given,
    unsettled,
)
from rheo_runtime.waiting import in_turn

Ask = Callable[[str, str, str], str | None]  # application, node, run id -> its state: `Announcer.state`
# Application, node, how many executions of it Airflow was told of -> which have a run: `Announcer.under_way`.
AskAll = Callable[[str, str, int], UnderWay]

FAILED_RUN = "its run failed"
DELETED = "its run was deleted"
BY_HAND = "its run was marked a success without having published"


class Finding(NamedTuple):
    """What was found out about an execution that a run has.

    ``run`` is the state of its run, None when Airflow does not have it. ``became`` is what the execution
    is now: what it was, FAILED, or READY to be announced again, because its run is gone, or is over and was not for it. ``ready`` is
    what has to be announced: the execution itself, or the one that was held behind it.
    """

    document: Document
    run_id: str
    run: str | None
    became: str
    ready: Document | None


def claimed_for(outputs: Iterable[Output], seconds: float, now: float) -> list[Output]:
    """Return the outputs whose active execution was claimed at least ``seconds`` ago, in a stable order."""
    found = [o for o in outputs if o.active and o.active.state == CLAIMED and now - o.active.moved >= seconds]
    return sorted(found, key=lambda o: (o.node, o.partition))


def reconcile(
    ledger: Ledger, ask: Ask, output: Output, now: float, batch_run: Callable[[str], BatchRun] | None = None
) -> Finding | None:
    """Ask for the run that has an output's active execution, and end the execution if the run is over.

    A run that failed fails its execution. So does one that was marked a success by hand: nobody knows
    whether its data is complete, and clearing its ``publish`` task takes the execution up again. A run
    that is gone leaves its execution READY, to be announced again; so does one of a batch that has never begun, or
    was not started for it.

    None when no run has it. Raises what ``ask`` raises.
    """
    active = output.active
    if active is None or not has_run(active) or active.run_id is None:
        return None
    document, run_id = active.document, active.run_id
    run = ask(document["app"], output.node, run_id)
    if run not in ("failed", "success", None):
        return Finding(document, run_id, run, active.state, None)
    became = READY if run is None and active.events else FAILED
    note = DELETED if run is None else FAILED_RUN if run == "failed" else BY_HAND
    if is_given(active):
        known = (batch_run or ledger.batch_run)(run_id)
        # An earlier version has noted nothing of its runs.
        mine = known.members is None or (output.partition, active.generation) in known.members
        if known.began is None and mine and run is None:
            return Finding(document, run_id, run, ANNOUNCED, None)  # it is to be started
        if known.began is None or not mine:
            became, note = READY, ""
    taken, ready = executions.take_away(ledger, output, now, became, note)
    return Finding(document, run_id, run, became if taken else active.state, ready)


def told_of(outputs: Iterable[Output]) -> Counter[str]:
    """Return of how many executions of each node Airflow was told that are not over."""
    return Counter(o.node for o in outputs if o.active and o.active.state in (ANNOUNCED, CLAIMED))


Announce = Callable[[Document], None]
Emit = Callable[[Execution], None]
Log = Callable[..., None]

GONE = "its node is no more"
CHANGED = "the inputs or the output of its node have changed"
DOWN = 3  # executions in a row that Airflow does not take, before a sweep leaves it alone
CHECKS = 20  # runs that one sweep asks Airflow about: a few seconds' share of its front door


class Patience(NamedTuple):
    """How long, in seconds, each state may last before the sweeper acts.

    An announced execution that is not claimed is announced again after ``announced``, then after
    as long as it has waited already, unless it has a run that waits for its turn. After ``claimed``, Airflow is asked
    whether the run that holds an execution is still there.
    """

    ready: float = 30.0
    announced: float = 180.0
    signal: float = 60.0
    claimed: float = 600.0


class Sweeper(NamedTuple):
    """What a sweep works with. ``ask`` is for the state of a run; without it, runs are not asked about.

    ``under_way`` is for which executions have a run already; without it, all that were not claimed in time are announced again.
    ``in_time`` says whether there is time for one more call. ``announce_batch`` is for nodes that have a batch,
    ``pump`` for many executions of one that has none.
    """

    engine: Engine
    announce: Announce
    emit: Emit
    log: Log
    patience: Patience = Patience()
    ask: Ask | None = None
    in_time: Callable[[], bool] = lambda: True
    announce_batch: Callable[[Batch], None] | None = None
    pump: Callable[[Batch], None] | None = None
    under_way: AskAll | None = None

    def sweep(self) -> Outcome:
        """Do the periodic work once; return what the engine's own check came to."""
        now = self.engine.now()
        found = sorted(filter(self._readable, self.engine.ledger.unsettled(tidy=True)), key=_age)
        # Each sweep begins elsewhere: what can never be done does not stand before the rest for ever.
        outputs = self._current(in_turn(found, len(found), int(now // 60)), now)
        self._signals(outputs, now)
        batches = self.engine.program.batches
        overdue = self._unheard(
            [
                o
                for o in outputs
                if o.active and o.node not in batches and _overdue(o.active, now, self.patience)
            ],
            told_of(outputs),
        )
        batch_run = cache(self.engine.ledger.batch_run)
        start, doubtful = self._given(outputs, batch_run, now)
        start += ripe(outputs, batches, now)
        if self._announce(overdue) and self._start(start) and self.ask is not None:
            held = [*claimed_for(outputs, self.patience.claimed, now), *doubtful]
            self._check(self.ask, held, batch_run, now)
        outcome = self.engine.tick(self.in_time)
        for fault in outcome.faults:
            self.log("sweep failed", fault=fault)
        self._announce(d for d in (*outcome.fired, *outcome.told) if d["node"] not in batches)
        return outcome

    def _given(
        self, outputs: Iterable[Output], batch_run: Callable[[str], BatchRun], now: float
    ) -> tuple[list[Batch], list[Output]]:
        """Return the batches that nobody has started, and the outputs of those whose runs are to be asked about."""
        start, doubtful = list[Batch](), list[Output]()
        batches = self.engine.program.batches
        for run, of in given(outputs, batches, now, self.patience.ready).items():
            documents = [output.active.document for output in of if output.active]
            try:
                known = batch_run(run)
                if known.members is not None:
                    long = known.began is None or now - known.began >= self.patience.claimed
                    doubtful += of if long else ()
                elif of[0].node in batches:
                    start.append(Batch(documents, run))
                else:  # an earlier version was to start it
                    for output in of:
                        executions.take_away(self.engine.ledger, output, now, READY, "")
            except Exception as fault:  # noqa: BLE001 - the next sweep tries again
                self._failed(documents[0], fault)
        return start, doubtful

    def _readable(self, output: Output) -> bool:
        """Say whether what may have to be done about an output can be read."""
        owing = (execution for execution in output.ended if not execution.signalled)
        try:
            return all(
                isinstance(execution.document[name], str)
                for execution in (*executions.current(output), *owing)
                for name in ("app", "id", "node", "partition")
            )
        except BROKEN as fault:
            name = f"{output.node}/{output.partition}"
            self.log("sweep failed", execution=name, fault=f"cannot be read: {type(fault).__name__}: {fault}")
            return False

    def _current(self, outputs: Iterable[Output], now: float) -> list[Output]:
        """Return the outputs as they are once what no run has begun, and means nothing now, was ended."""
        kept = []
        for output in outputs:
            if not any(self._stale(output, e) for e in executions.current(output)):
                kept.append(output)
                continue
            if not self.in_time():
                break
            try:
                kept += self._end_stale(output, now)
            except Exception as fault:  # noqa: BLE001 - the next sweep tries again
                self.log("sweep failed", execution=output.node, fault=f"{type(fault).__name__}: {fault}")
        return kept

    def _stale(self, output: Output, execution: Execution) -> str:
        """Why an execution that no run has begun is of no use now: "" when it is, or a run has begun it."""
        if execution.state == CLAIMED or is_telling(output.node):
            return ""  # a run is under way: it ends as any other
        node = self.engine.program.nodes.get(output.node)
        if node is None:
            return GONE
        means = execution.document.get("means", node.document_builder.means)
        return "" if means == node.document_builder.means else CHANGED

    def _has_begun(self, execution: Execution) -> bool:
        if execution.run_id is None or not is_given(execution):
            return False
        return self.engine.ledger.batch_run(execution.run_id).began is not None

    def _end_stale(self, output: Output, now: float) -> Iterable[Output]:
        for execution in reversed(executions.current(output)):  # the held one first: none is to be released
            if (why := self._stale(output, execution)) and not self._has_begun(execution):
                id = execution_id(output.node, output.partition, execution.generation)
                where = (self.engine.ledger, output.node, output.partition)
                if executions.stop(*where, id, now, why, claimed=False) is not None:
                    self.log("ended", execution=id, reason=why)
        after, _ = self.engine.ledger.output(output.node, output.partition, None)
        return [after] if after is not None and unsettled(after) else []

    def _signals(self, outputs: Iterable[Output], now: float) -> None:
        for output in outputs:
            for execution in output.ended:
                if execution.signalled or now - execution.moved < self.patience.signal:
                    continue
                if not self.in_time():
                    return
                document = execution.document
                try:
                    self.emit(execution)
                    executions.signalled(self.engine.ledger, output.node, output.partition, document["id"])
                except Exception as fault:  # noqa: BLE001 - the next sweep tries again
                    self._failed(document, fault)

    def _unheard(self, overdue: Iterable[Output], told: Mapping[str, int]) -> list[Document]:
        """Return the executions that have no run: of a busy node most have one that waits, and one more would be skipped."""
        found = []
        known: dict[str, UnderWay] = {}
        for output in overdue:
            active = output.active
            assert active is not None
            if active.state == ANNOUNCED and self.under_way is not None:
                if (node := output.node) not in known:
                    known[node] = self._under_way(self.under_way, active.document, told[node])
                if known[node].has(active):
                    continue
            found.append(active.document)
        return found

    def _under_way(self, ask: AskAll, of: Document, told: int) -> UnderWay:
        if not self.in_time():
            return ALL_UNDER_WAY
        try:
            return ask(of["app"], of["node"], told)
        except Exception as fault:  # noqa: BLE001 - the next sweep asks again; who may not ask announces
            self._failed(of, fault)
            return ALL_UNDER_WAY if isinstance(fault, Unavailable) else NONE_UNDER_WAY

    def _announce(self, documents: Iterable[Document]) -> bool:
        """Announce what nobody has claimed; False when there is no time, or Airflow takes nothing now."""
        nodes: dict[str, list[Document]] = {}
        single = []
        for document in documents:
            if self.pump is not None and pumpable(document):
                nodes.setdefault(document["node"], []).append(document)
            else:
                single.append(document)
        many = [found for found in nodes.values() if len(found) > FEW]
        single += [document for found in nodes.values() if len(found) <= FEW for document in found]
        pumps = [Batch(chosen) for found in many for chosen in chunks(found, PUMPED)]
        return self._in_a_row(Batch([document]) for document in single) and self._in_a_row(pumps, self.pump)

    def _start(self, batches: Iterable[Batch]) -> bool:
        """Start the runs of batches; what Airflow does not take is given to its run, and the next sweep asks for that."""
        return self._in_a_row(batches, self.announce_batch, postpone=False)

    def _in_a_row(
        self,
        batches: Iterable[Batch],
        announce: Callable[[Batch], None] | None = None,
        *,
        postpone: bool = True,
    ) -> bool:
        """Announce one batch after the other, by ``announce``; without one, each is a single execution.

        One that is not taken is tried again after as long as it has waited already, if it is to ``postpone``. Airflow is
        down when it takes none of several in a row: a fault of one execution is not one of Airflow.
        """
        down = 0
        for batch in batches:
            if not self.in_time():
                return False
            try:
                if announce is None:
                    self.announce(batch.documents[0])
                else:
                    announce(batch)
                down = 0
            except Exception as fault:  # noqa: BLE001 - the next sweep tries again; others must not wait for it
                self._failed(batch.documents[0], fault)
                down = down + 1 if isinstance(fault, Down) else 0
                if down >= DOWN:
                    return False
                for document in batch.documents if postpone else ():
                    self._postpone(document)
        return True

    def _postpone(self, document: Document) -> None:
        where = (document["node"], document["partition"], document["id"])
        try:
            executions.postponed(self.engine.ledger, *where, self.engine.now())
        except Exception as fault:  # noqa: BLE001 - then it is tried again at once
            self._failed(document, fault)

    def _check(
        self, ask: Ask, outputs: Iterable[Output], batch_run: Callable[[str], BatchRun], now: float
    ) -> None:
        """Ask for some of the runs that have had their executions for long; start those of batches that there are not."""
        held: dict[tuple[str, str | None], list[Output]] = {}  # by the run: that of a batch has several
        for output in outputs:
            assert output.active is not None
            held.setdefault((output.node, output.active.run_id), []).append(output)
        asked = cache(ask)
        start: dict[str, list[Document]] = {}
        for output in (o for of_run in in_turn(list(held.values()), CHECKS, int(now // 60)) for o in of_run):
            if not self.in_time():
                return
            assert output.active is not None
            document = output.active.document
            try:
                finding = reconcile(self.engine.ledger, asked, output, now, batch_run)
            except Down as fault:
                self._failed(document, fault)
                return
            except Exception as fault:  # noqa: BLE001 - the next sweep tries again; others must not wait for it
                self._failed(document, fault)
                continue
            if finding is not None and finding.became == ANNOUNCED and finding.run is None:
                start.setdefault(finding.run_id, []).append(document)
            if finding is None or finding.became in (ANNOUNCED, CLAIMED):
                continue
            self.log("reconciled", execution=document["id"], run=finding.run_id, became=finding.became)
            if finding.ready is None or finding.ready["node"] in self.engine.program.batches:
                continue  # what is ready of a batch is gathered by the next sweep
            if not self._announce([finding.ready]):
                return
        self._start(Batch(of, run) for run, of in start.items())

    def _failed(self, document: Document, fault: Exception) -> None:
        self.log("sweep failed", execution=document["id"], fault=f"{type(fault).__name__}: {fault}")


def _age(output: Output) -> tuple[float, str, str]:
    return output.active.moved if output.active else 0.0, output.node, output.partition


def _overdue(execution: Execution, now: float, patience: Patience) -> bool:
    since = now - execution.moved
    if is_given(execution):
        return False  # its run is asked for
    if execution.state == ANNOUNCED:
        return since >= max(patience.announced, execution.moved - execution.fired)
    return execution.state == READY and since >= max(patience.ready, execution.moved - execution.fired)
