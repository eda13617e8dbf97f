"""What the tasks of a run do, without an Airflow: claim, compute, publish; each may crash and be done again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from rheo_runtime import executions
from rheo_runtime.airflow_client import TOLD, asset_uri, partition_key
from rheo_runtime.ledger import Ledger
from rheo_runtime.records import SUCCEEDED, Document, Execution, execution_id

from .airflow import CLAIM, COMPUTE, FAILED, PUBLISH, QUEUED, RUNNING, SIGNAL, SUCCESS, Airflow, Run


class Refused(RuntimeError):
    """The bus does not take a signal now."""


@dataclass
class Worker:
    """A worker of an Airflow.

    Parameters
    ----------
    compute
        Is called with a run, whose ``claimed`` is what it is to make.
    emit
        Is called with each document of which a signal tells; may raise `Refused`.
    step
        Is called before and after a task does something that others can see.
    """

    airflow: Airflow
    ledger: Ledger
    now: Callable[[], float]
    compute: Callable[[Run], None]
    emit: Callable[[Document], None]
    step: Callable[..., None] = lambda *_: None

    def carry_out(self, run: Run, until: int = SIGNAL) -> None:
        """Do the tasks that are left, up to ``until``; each may crash, and is then done again from its start."""
        run.state = RUNNING
        self.airflow.at_work.add(run.id)
        try:
            if "keys" in run.told[0]:
                self._pump(run)
            elif "batch" in run.told[0]:
                self._carry_out_batch(run, until)
            else:
                self._carry_out(run, until)
        finally:
            self.airflow.at_work.discard(run.id)

    def _pump(self, run: Run) -> None:
        node = run.told[0]["node"]
        self.step("task")
        for key in run.told[0]["keys"]:  # all or none, when the task succeeds
            self.airflow.event(asset_uri(self.airflow.app, node), key, {"node": node, "pumped": node})
        run.state = SUCCESS
        self.step("task")

    def _carry_out(self, run: Run, until: int) -> None:
        if run.stage == CLAIM:
            try:
                claims = (self._claim(run, *named) for named in self._wanted(run))
                run.claimed = next((claim for claim in claims if claim is not None), None)
            except executions.StillWriting:
                return  # its task waits
            self.step("task")
            if run.claimed is None:
                run.state = SUCCESS  # everything after the claim is skipped
                return
            run.stage = COMPUTE
            if until < COMPUTE:
                return
        assert run.claimed is not None
        if run.stage == COMPUTE:
            if not self._holds(run, run.claimed):
                return
            self.compute(run)
            run.stage = PUBLISH
            if until < PUBLISH:
                return
        self.step("task")
        over = self._succeeded(run, run.claimed)
        if over is None:
            if not self._holds(run, run.claimed):
                return
            failed, now = self.airflow.fails(run.claimed), self.now()
            told = not failed and self._tell(run.claimed)
            if until < SIGNAL:
                return  # it crashed between the two: all of the task is done again
            try:
                self._end(run, run.claimed, now, failed, told)
            except executions.LostClaim:
                failed = True  # somebody has killed it meanwhile
            if failed:
                run.state = FAILED
                return
            if not told:
                return  # the task fails, and is tried again
        elif not over.signalled:
            if not self._tell(run.claimed):
                return
            executions.signalled(
                self.ledger, run.claimed["node"], run.claimed["partition"], run.claimed["id"]
            )
        self.step("task")
        run.state = SUCCESS

    def _carry_out_batch(self, run: Run, until: int) -> None:
        """The same for the executions of a batch: what is computed of it survives a crash."""
        node = run.told[0]["node"]
        if run.stage == CLAIM:
            self.ledger.begin(run.id, self.now(), ())
            claims = self._claim_batch(run, [(p, execution_id(node, p, g)) for p, g in run.told[0]["batch"]])
            run.batch = _documents(claims)
            self.step("task")
            if not run.batch:
                run.state = SUCCESS
                return
            run.claimed, run.computed = run.batch[0], set()
            run.stage = COMPUTE
            if until < COMPUTE:
                return
        if run.stage == COMPUTE:
            claims = self._claim_batch(run, [(d["partition"], d["id"]) for d in run.batch])
            if not claims:
                self.step("task")
                run.state = FAILED  # later ones took their places
                return
            run.batch = _documents(claims)
            run.computed -= {d["id"] for d in _documents(c for c in claims if not c.had)}
            for document in run.batch:
                run.claimed = document
                if document["id"] not in run.computed:
                    self.compute(run)
                    if not self.airflow.fails(document):
                        run.computed.add(document["id"])
            run.stage = PUBLISH
            if until < PUBLISH:
                return
        self.step("task")
        state = SUCCESS
        for document in run.batch:
            failed = document["id"] not in run.computed
            state = FAILED if failed else state
            if not self._has(run, document):
                continue  # an earlier try, or somebody, has ended it, or another run has it now
            now = self.now()
            told = not failed and self._tell(document)
            if until < SIGNAL:
                return  # it crashed: all of the task is done again
            with suppress(executions.LostClaim):
                self._end(run, document, now, failed, told)
        self.step("task")
        run.state = state

    # --- what tasks ask the ledger -----------------------------------------------------------------

    def writes(self, run_id: str) -> bool:
        """Whether tasks of a run have a process, and may write."""
        return run_id in self.airflow.at_work

    def released(self, document: Document) -> None:
        """What was held behind an execution may start: the sweep finds it."""

    def _wanted(self, run: Run) -> Iterator[tuple[str, str, str]]:
        """The executions that a run may be for; of a pump's event the key alone tells."""
        for told in run.told:
            node = told["node"]
            if "id" in told:
                yield node, told["partition"], told["id"]
            else:
                found = executions.claimable(self.ledger, node, run.key, run.id)
                yield from ((node, run.key, execution) for execution in found)

    def _claim(self, run: Run, node: str, partition: str, id: str) -> Document | None:
        """Claim; once the tasks of a run before are seen to have no process, which is asked for here."""
        while True:
            try:
                return executions.claim(self.ledger, node, partition, id, run.id, self.now())
            except executions.StillWriting as fault:
                if fault.writer.run_id != run.id and self.writes(fault.writer.run_id):
                    raise
                executions.writes_no_more(self.ledger, node, partition, fault.writer)

    def _claim_batch(self, run: Run, named: list[tuple[str, str]]) -> list[executions.Claim]:
        """Claim those of a batch that no run before can be writing; the others are given back."""
        node = run.told[0]["node"]
        known = self.ledger.several(node, [partition for partition, _ in named], now=False)
        for partition, execution in named:
            writer = known[partition].writer if partition in known else None
            if writer is None:
                continue
            if writer.run_id == run.id or not self.writes(writer.run_id):
                executions.writes_no_more(self.ledger, node, partition, writer)
            else:
                executions.given_back(self.ledger, node, partition, execution, self.now(), run.id)
        return executions.claim_batch(self.ledger, node, named, run.id, self.now(), known=known)

    def _holds(self, run: Run, document: Document) -> bool:
        """Whether a run has its execution still; it has failed when a later one took its place."""
        if self._has(run, document):
            return True
        try:
            if self._claim(run, document["node"], document["partition"], document["id"]) is not None:
                return True
        except executions.StillWriting:
            pass
        self.step("task")
        run.state = FAILED
        return False

    def _has(self, run: Run, document: Document) -> bool:
        output, _ = self.ledger.output(document["node"], document["partition"], None)
        return executions.held(output, document["id"], run.id) is not None

    def _succeeded(self, run: Run, document: Document) -> Execution | None:
        output, _ = self.ledger.output(document["node"], document["partition"], None)
        mine = (SUCCEEDED, run.id, document["generation"])
        past = () if output is None else output.ended
        return next((e for e in past if (e.state, e.run_id, e.generation) == mine), None)

    def _tell(self, document: Document) -> bool:
        """Send the signal of an output; False when the bus does not take it."""
        try:
            self.emit(document)
        except Refused:
            return False
        return True

    def _end(self, run: Run, document: Document, now: float, failed: bool, told: bool) -> None:
        where: tuple[Ledger, str, str, str, str, float] = (
            self.ledger, document["node"], document["partition"], document["id"], run.id, now,
        )  # fmt: skip
        if failed:
            released = executions.fail(*where, note="compute failed")
        else:
            released = executions.succeed(*where, told=told)
        if released is not None:
            self.released(released)


class Workers(Worker):
    """Workers that carry out every run of an Airflow, in steps: it claims in one, and ends ``slow`` steps later.

    Attributes
    ----------
    began
        Executions, as their runs began to compute them.
    most
        Of each node, how many runs were at work at once.
    """

    def __init__(
        self,
        airflow: Airflow,
        ledger: Ledger,
        now: Callable[[], float],
        write: Callable[[Document], None],
        emit: Callable[[Document], None],
    ) -> None:
        super().__init__(airflow, ledger, now, self._write_claimed, emit)
        self.write = write
        self.slow = 1
        self.began: list[str] = []
        self.most: Counter[str] = Counter()
        self._left: dict[str, int] = {}  # of a run: steps until it ends

    def go_on(self) -> None:
        """Let every run go on by one step."""
        for run in self._those(RUNNING):
            self._left[run.id] -= 1
            if self._left[run.id] <= 0:
                self.carry_out(run)
        for run in self._those(QUEUED):
            self.carry_out(run, until=CLAIM)
            if run.stage == CLAIM and run.state == RUNNING:
                run.state = QUEUED  # its task waits for a run that writes
            elif run.claimed is not None:
                self._left[run.id] = self.slow
                self.began += [document["id"] for document in run.batch or [run.claimed]]
        self.most |= Counter(run.told[0]["node"] for run in self._those(RUNNING))

    def settle(self) -> None:
        """Let everything that is under way come to its end."""
        while self.airflow.ready():
            self.go_on()

    def writes(self, run_id: str) -> bool:
        return any(run.id == run_id for run in self._those(RUNNING))

    def released(self, document: Document) -> None:
        """As the sweep does, that finds it READY."""
        uri = asset_uri(self.airflow.app, document["node"])
        self.airflow.event(uri, partition_key(document["partition"]), {k: document[k] for k in TOLD})

    def _those(self, state: str) -> list[Run]:
        return [run for run in self.airflow.ready() if run.state == state]

    def _write_claimed(self, run: Run) -> None:
        assert run.claimed is not None
        if not self.airflow.fails(run.claimed):
            self.write(run.claimed)


def _documents(claims: Iterable[executions.Claim]) -> list[Document]:
    return [claim.document for claim in claims if claim.document is not None]
