"""One DAG run -> several executions of a node, each claimed, computed, checked and published by itself.

What became of each compute is one small object in S3, written when it ends: so a worker or a job that dies has lost
only what it had not done, and a task that is tried again, or cleared, does the rest.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from rheo_airflow.tasks import partitions, settings, writers
from rheo_airflow.tasks.claim import HOOK, ClaimOperator, Told
from rheo_airflow.tasks.compat import (
    AirflowException,
    AirflowFailException,
    BaseOperator,
    DownstreamTasksSkipped,
    execute,
)
from rheo_airflow.tasks.jobs import batch_folder
from rheo_airflow.tasks.partitions import Objects
from rheo_airflow.tasks.places import Places
from rheo_airflow.tasks.publish import PublishOperator, blocked, complete
from rheo_airflow.tasks.run_request import named
from rheo_runtime import executions
from rheo_runtime.events import ENTRIES, send_signals
from rheo_runtime.executions import Claim
from rheo_runtime.ledger import Ledger
from rheo_runtime.records import (
    SUCCEEDED,
    CheckResult,
    Document,
    Execution,
    Output,
    checks_ended,
    has_run,
)
from rheo_runtime.storage import delete
from rheo_runtime.wire import S3Address

T = TypeVar("T")
R = TypeVar("R")

# Under this key a compute leaves which executions it was for, and publish how they ended.
BATCH, ENDED = "batch", "ended"
COMPUTE = "compute"
_LOG = logging.getLogger(__name__)
PIECE = ENTRIES  # executions that are published together: so many signals are one call
THREADS = 16  # calls of AWS at a time: of the ledger, and of S3
SHOWN = 20  # failed executions that a message lists
OK, BAD = "ok", "failed"


# --- which executions a run has ---


@contextmanager
def threads(count: int = THREADS) -> Iterator[Callable[..., Iterable[Any]]]:
    """Give a ``map`` that works on so many items at a time; one by one, in this thread, for 1."""
    if count == 1:
        yield map
        return
    pool = ThreadPoolExecutor(count)
    try:
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)


def listed(context: Any) -> dict[str, Any] | None:
    """Return what claim says of its batch; None when it has claimed nothing."""
    found: dict[str, Any] | None = context["ti"].xcom_pull(task_ids="claim")
    return found


def is_batch(context: Any) -> bool:
    """Say whether the run carries out a batch."""
    return BATCH in (listed(context) or ())


def at_work(context: Any) -> list[tuple[str, str]]:
    """Return partition and id of the executions that the run works on: what compute had, or else claim."""
    claimed = listed(context)
    if claimed is None:
        raise AirflowFailException("this run has claimed no execution")
    chosen = context["ti"].xcom_pull(task_ids=COMPUTE, key=BATCH)
    return [(partition, execution) for partition, execution in chosen or claimed[BATCH]]


def claimed_batch(context: Any) -> list[Document]:
    """Return the documents of the executions that the run works on, as the ledger has them."""
    claimed = listed(context)
    if claimed is None:
        return []
    ledger, node = settings.ledger(claimed["app"]), claimed["node"]
    wanted = at_work(context)
    known = ledger.several(node, [partition for partition, _ in wanted])
    found = [executions.find(known.get(partition), id) for partition, id in wanted]
    return [execution.document for execution in found if execution is not None]


def lately(ledger: Ledger, node: str, partition: str) -> Output | None:
    """Return an output as it was a moment ago, whatever this process has seen of it before."""
    return ledger.several(node, [partition], now=False).get(partition)


def held_by(output: Output | None, id: str, run: str) -> Execution | None:
    """Return an execution of an output, by its id; None when it is not this run's."""
    execution = executions.find(output, id)
    return execution if execution is not None and execution.run_id == run else None


class ClaimBatchOperator(ClaimOperator):
    """Takes the executions that the run was started for, or makes one when somebody started it by hand.

    Returns ``app``, ``node``, ``round`` and the ``batch``: partition and id of each. Those that other runs have, or
    that are over, are left out; with none left all that follows is skipped. A run that is cleared takes up those
    that it has not made, and where it has made all, all again. Parameters are those of `ClaimOperator`.
    """

    def execute(self, context: Any) -> dict[str, Any]:
        """Claim; raises AirflowFailException when the run does not say what to do."""
        run = context["dag_run"]
        wanted = named((), run.conf)
        if wanted:
            ledger = settings.ledger(self.app)
            # First it is known that it has begun: who then sees an execution as this run's asks for its end.
            ledger.begin(run.run_id, time.time(), writers.places(context))
            claims = claim_free(ledger, self.app, self.node, wanted, context)
            found = [claim.document for claim in claims]
        else:
            found = [self._claim(context)]
        batch = [(document["partition"], document["id"]) for document in found if document is not None]
        if not batch:
            self.log.info("Other runs have these executions, or they are over: nothing to do.")
            raise DownstreamTasksSkipped(tasks=sorted(self.get_flat_relative_ids(upstream=False)))  # type: ignore[no-untyped-call]
        self.log.info("Claimed %s of %s executions", len(batch), len(wanted) or 1)
        return {"app": self.app, "node": self.node, "round": time.time_ns(), BATCH: batch}


def claim_free(
    ledger: Ledger, app: str, node: str, wanted: Sequence[tuple[str, str]], context: Any
) -> list[Claim]:
    """Return those executions of a batch that are the run's, and whose outputs nothing of a run before may write.

    The others are given back, for another batch: they wait for nobody here. Raises AirflowException when those that wait
    are all, and are to be made again by this run alone.
    """
    run, places = context["dag_run"].run_id, writers.places(context)
    waiting: dict[str, str] = {}
    known = ledger.several(node, [partition for partition, _ in wanted], now=False)

    def look(one: tuple[str, str]) -> None:
        partition, execution = one
        output = known.get(partition)
        if output is None or output.writer is None:
            return
        if said := writers.waits(ledger, app, node, partition, output.writer, context, execution):
            _LOG.info("%s %s", execution, said)
            if not executions.given_back(ledger, node, partition, execution, time.time(), run):
                waiting[execution] = said

    with threads() as each:
        list(each(look, wanted))
        claims = executions.claim_batch(ledger, node, wanted, run, time.time(), each, places, known)
    if waiting and not claims:
        execution, said = next(iter(waiting.items()))
        raise AirflowException(f"{execution} {said}; it is tried again")
    return claims


# --- what became of each ---


class Results:
    """What became of the computes of one batch: an object ``<digest>.ok`` or ``<digest>.failed`` for each.

    A result counts until the run is claimed again.
    """

    def __init__(self, bucket: str, run_id: str, round: int) -> None:
        self.bucket = bucket
        self.prefix = f"{batch_folder(run_id)}/{round}"
        self._s3 = settings.client("s3")

    @classmethod
    def of(cls, context: Any, document: Document) -> Results:
        """Return the results of a run's batch, of which a document is one."""
        claimed = listed(context)
        assert claimed is not None
        bucket = S3Address.of(document["output"]["path"]).bucket
        return cls(bucket, context["dag_run"].run_id, claimed["round"])

    def place(self, execution: str) -> str:
        """Return where the result of an execution goes, without its end."""
        return f"s3://{self.bucket}/{self.prefix}/{self._name(execution)}"

    def put(self, execution: str, error: str | None) -> None:
        """Note that an execution is computed, or why not."""
        end = OK if error is None else BAD
        key = f"{self.prefix}/{self._name(execution)}.{end}"
        self._s3.put_object(Bucket=self.bucket, Key=key, Body=(error or "").encode())

    def drop(self, executions: Iterable[str]) -> None:
        """Forget what became of executions."""
        keys = [
            f"{self.prefix}/{self._name(execution)}.{end}" for execution in executions for end in (OK, BAD)
        ]
        delete(self._s3, self.bucket, keys)

    def store(self, name: str, text: str) -> str:
        """Keep a text beside the results; return where."""
        key = f"{self.prefix}/{name}"
        self._s3.put_object(Bucket=self.bucket, Key=key, Body=text.encode())
        return f"s3://{self.bucket}/{key}"

    def read(self) -> Found:
        """Return what is known of all."""
        keys = partitions.keys(self._s3, f"s3://{self.bucket}/{self.prefix}")
        return Found(self, frozenset(key.rpartition("/")[2] for key in keys))

    def error(self, execution: str) -> str:
        """Return why an execution failed."""
        key = f"{self.prefix}/{self._name(execution)}.{BAD}"
        text: str = self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].read().decode()
        return text

    def _name(self, execution: str) -> str:
        return hashlib.sha256(execution.encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Found:
    """The results that were there at one moment."""

    results: Results
    names: frozenset[str]

    def made(self, execution: str) -> bool:
        """Say whether an execution is computed."""
        return f"{self.results._name(execution)}.{OK}" in self.names

    def failed(self, execution: str) -> str | None:
        """Return why an execution failed; None when it did not, or was not computed."""
        bad = f"{self.results._name(execution)}.{BAD}" in self.names
        return self.results.error(execution) if bad and not self.made(execution) else None


# --- the computes ---


# Looks whether what an execution reads is there: a sensor, made when it is needed.
Guard = Callable[..., Any]


class Work:
    """What is to be computed now: ``documents``, of the executions that the run holds and has not computed."""

    def __init__(self, context: Any, guards: Sequence[Guard] = ()) -> None:
        claimed = listed(context)
        if claimed is None:
            raise AirflowFailException("this run has claimed no execution")
        ledger, node = settings.ledger(claimed["app"]), claimed["node"]
        wanted = [(partition, execution) for partition, execution in claimed[BATCH]]
        run = context["dag_run"].run_id
        claims = claim_free(ledger, claimed["app"], node, wanted, context)
        held = [claim.document for claim in claims if claim.document is not None]
        if not held:
            raise AirflowFailException("no execution is this run's any more: later ones took their places")
        # Publish and hooks are about these, however often they or the rest of this task are tried again.
        context["ti"].xcom_push(key=BATCH, value=[(d["partition"], d["id"]) for d in held])
        self.ledger, self.node, self.run, self.context = ledger, node, run, context
        self.results = Results.of(context, held[0])
        # Those that had ended: what became of them then is over.
        self.results.drop(c.document["id"] for c in claims if c.document is not None and not c.had)
        found = self.results.read()
        self.documents = [d for d in held if not found.made(d["id"]) and self._complete(d, guards)]

    def _complete(self, document: Document, guards: Sequence[Guard]) -> bool:
        missing = [
            guard.alias
            for guard in (make(task_id="guard") for make in guards)
            if not guard.there(document, self.context)
        ]
        if missing:
            self.results.put(document["id"], f"what it reads of {', '.join(missing)} is not there any more")
        return not missing

    def holds(self, document: Document) -> bool:
        """Say whether an execution is the run's still: somebody may have ended it since."""
        output = lately(self.ledger, self.node, document["partition"])
        return executions.held(output, document["id"], self.run) is not None


def told(context: Any) -> Callable[[str], str]:
    """Return how a failure of the node's code is told: by the application's lines, where a script shows them."""
    code = getattr(context["dag"].get_task(COMPUTE), "code", "")
    return Places(Path(context["dag"].fileloc).parent, code).told if code else str


def settle(context: Any, log: Any, fault: Exception | None = None) -> None:
    """End a compute: well, where all is computed.

    Raises AirflowFailException when some executions have failed, which trying again would not help, and
    AirflowException, or ``fault``, when some were not computed.
    """
    wanted = at_work(context)
    claimed = listed(context)
    assert claimed is not None
    ledger, node = settings.ledger(claimed["app"]), claimed["node"]
    outputs = ((ledger.output(node, partition, None)[0], id) for partition, id in wanted)
    known = next(filter(None, (executions.find(output, id) for output, id in outputs)), None)
    if known is None:
        raise AirflowFailException("the ledger knows none of these executions")
    found = Results.of(context, known.document).read()
    failed: dict[str, str] = {}
    left = []
    for _, id in wanted:
        if found.made(id):
            continue
        error = found.failed(id)
        if error is None:
            left.append(id)
        else:
            failed[id] = told(context)(error)
            log.error("%s failed:\n%s", id, failed[id])
    if left:
        raise fault or AirflowException(
            f"{len(left)} of {len(wanted)} executions were not computed: {left[:SHOWN]}"
        )
    if failed:
        raise AirflowFailException(summary(failed, len(wanted)))


def computed(context: Any) -> list[tuple[Document, bool, str | None]]:
    """Return each execution that the run works on, whether it is computed, and why it failed, if that is known."""
    documents = claimed_batch(context)
    if not documents:
        return []
    found = Results.of(context, documents[0]).read()
    return [(d, found.made(d["id"]), found.failed(d["id"])) for d in documents]


def summary(failed: Mapping[str, str], of: int) -> str:
    """Return what is said of a batch of which some executions failed.

    >>> print(summary({"daily/1#1": "ZeroDivisionError: division by zero"}, 3))
    1 of 3 executions failed:
      daily/1#1: ZeroDivisionError: division by zero
    """
    lines = [f"  {id}: {last_line(error)}" for id, error in list(failed.items())[:SHOWN]]
    more = [f"  and {len(failed) - SHOWN} more"] if len(failed) > SHOWN else []
    return "\n".join([f"{len(failed)} of {of} executions failed:", *lines, *more])


def last_line(error: str) -> str:
    """Return the line of a traceback that says what it is.

    >>> last_line("Traceback:\\n  File ...\\nValueError: no price\\n")
    'ValueError: no price'
    """
    return (error.strip().splitlines() or ["it failed"])[-1]


class EachOperator(BaseOperator):
    """Carries out a compute for each execution of a batch, in the Airflow worker.

    Parameters
    ----------
    recipe
        Makes the operator of one execution.
    parallel
        How many are carried out at a time.
    attempts
        How often each is tried.
    guards
        What must be there of each execution before it is computed.
    """

    def __init__(
        self,
        *,
        recipe: Callable[..., BaseOperator],
        parallel: int = 1,
        attempts: int = 1,
        guards: Sequence[Guard] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.recipe = recipe
        self.parallel = parallel
        self.attempts = attempts
        self.guards = guards

    def job_place(self) -> str:
        """Return where its computes start jobs; empty where they work in the worker."""
        place = getattr(self.recipe(task_id=COMPUTE), "job_place", None)
        return "" if place is None else str(place())

    def execute(self, context: Any) -> None:
        """Compute; raises AirflowFailException that lists what failed."""
        work = Work(context, self.guards)
        with threads(self.parallel) as each:
            for _ in each(lambda document: self._one(work, document, context), work.documents):
                pass
        settle(context, self.log)

    def _one(self, work: Work, document: Document, context: Any) -> None:
        error = ""
        for attempt in range(self.attempts):
            if not work.holds(document):
                work.results.put(document["id"], "it was ended before it was computed")
                return
            try:
                operator = self.recipe(task_id=COMPUTE)
                inner = {**context, HOOK: Told(document), "ti": Attempt(context["ti"], attempt)}
                operator.render_template_fields(inner)  # type: ignore[arg-type]
                execute(operator, inner)
            except Exception as fault:  # noqa: BLE001 - whatever user code raises fails its own execution
                error = "".join(traceback.format_exception(fault))
                self.log.error("%s, attempt %s:\n%s", document["id"], attempt + 1, error)
            else:
                work.results.put(document["id"], None)
                return
        work.results.put(document["id"], error)


class Attempt:
    """The task instance as the compute of one execution sees it: each of its tries has a number of its own."""

    def __init__(self, ti: Any, attempt: int) -> None:
        self._ti = ti
        self.try_number = ti.try_number * 100 + attempt if attempt else ti.try_number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ti, name)

    def xcom_push(self, key: str, value: Any, **_: Any) -> None:
        """Leave nothing: many executions would overwrite it."""


def argument(work: Work, parallel: int, attempts: int, try_number: int) -> str:
    """Store what a job needs to carry out a batch; return where."""
    batch = [
        {
            "execution": {
                **document,
                "output": {**document["output"], "staged": partitions.staged(document)},
            },
            "result": work.results.place(document["id"]),
        }
        for document in work.documents
    ]
    told = {BATCH: batch, "parallel": parallel, "attempts": attempts}
    return work.results.store(
        f"work-{try_number}.json", json.dumps(told, separators=(",", ":"), ensure_ascii=False)
    )


# --- the end of each ---


class PublishBatchOperator(PublishOperator):
    """Ends each execution of a batch: as `PublishOperator` does, whatever becomes of the others.

    What is computed is published and announced; the task fails when some are not, and lists them. Parameters are
    those of `PublishOperator`.
    """

    def execute(self, context: Any) -> None:
        """End the executions; raises AirflowFailException that lists those that failed."""
        wanted = at_work(context)
        ledger, run = settings.ledger(self.app), context["dag_run"].run_id

        outputs = ((ledger.output(self.node, partition, None)[0], id) for partition, id in wanted)
        first = next(filter(None, (held_by(output, id, run) for output, id in outputs)), None)
        if first is None:
            raise AirflowFailException("no execution is this run's any more: later ones took their places")
        found = Results.of(context, first.document).read()
        began = ledger.batch_run(run).began
        pieces = [
            _Piece(self, ledger, run, began, found, wanted[start : start + PIECE])
            for start in range(0, len(wanted), PIECE)
        ]
        before, tell = self._failed(context), told(context)
        with threads() as each:
            for _ in each(lambda piece: piece.end(before, tell), pieces):
                pass
        made = sorted(id for piece in pieces for id in piece.made)
        failed = {id: piece.failed[id] for piece in pieces for id in piece.failed}
        context["ti"].xcom_push(key=ENDED, value={OK: made, BAD: dict(sorted(failed.items()))})
        self.log.info("Published %s of %s", len(made), len(wanted))
        for piece in pieces:
            if piece.faults:
                raise piece.faults[0]
        if failed:
            raise AirflowFailException(summary(dict(sorted(failed.items())), len(wanted)))


class _Owing(NamedTuple):
    """An execution that owes signals, as it was; what its checks found, and what lies aside of its output."""

    execution: Execution
    checks: Sequence[CheckResult]
    staged: Objects


class _Piece:
    """Some executions of a batch, which are ended one after the other; what can be said of all in one call is."""

    def __init__(
        self,
        task: PublishBatchOperator,
        ledger: Ledger,
        run: str,
        began: float | None,
        found: Found,
        wanted: Sequence[tuple[str, str]],
    ) -> None:
        self._task, self._ledger, self._run, self._found, self._wanted = task, ledger, run, found, wanted
        self._began = began
        self.made: list[str] = []
        self.failed: dict[str, str] = {}
        self.faults: list[Exception] = []
        self._data: list[dict[str, Any]] = []  # of metrics
        self._staged: dict[str, int] = {}  # what is in its place
        self._owing: list[_Owing] = []

    def end(self, before: Sequence[str], tell: Callable[[str], str]) -> None:
        """End the executions that the run has still."""
        names = [one[0] for one in self._wanted]
        known = self._attempt(self._ledger.several, self._task.node, names, now=False)
        if known is None:
            return
        # What cannot be read is not among them: it is read by itself, for its fault.
        outputs = ((known.get(one[0]) or self._attempt(self._output, one[0]), one[1]) for one in self._wanted)
        held = [execution for output, id in outputs if (execution := held_by(output, id, self._run))]
        made = [e.document for e in held if has_run(e) and self._found.made(e.document["id"])]
        lying = self._attempt(self._task._lying, made) if made else {}
        if lying is None:
            return
        for execution in held:
            self._attempt(self._end, execution.document, lying, before, tell)
        if self._owing:
            self._announce()
        settings.send(self._task.app, self._data)
        if self._staged:
            self._attempt(partitions.drop, settings.client("s3"), self._found.results.bucket, self._staged)

    def _attempt(self, work: Callable[..., R], *arguments: Any, **named: Any) -> R | None:
        """Do something; a fault of it is one of this execution, or piece, alone."""
        try:
            return work(*arguments, **named)
        except Exception as fault:  # noqa: BLE001 - the others go on, and publish raises it at its end
            _LOG.exception("%s of %s", work.__name__, arguments[:1])
            self.faults.append(fault)
            return None

    def _output(self, partition: str) -> Output | None:
        return self._ledger.output(self._task.node, partition, None)[0]

    def _end(
        self,
        document: Document,
        lying: Mapping[str, Objects],
        before: Sequence[str],
        tell: Callable[[str], str],
    ) -> None:
        """End one execution that has failed, or put its output in its place; if it is the run's now.

        Somebody may end it while others are published.
        """
        task, ledger, run = self._task, self._ledger, self._run
        id, where = document["id"], (ledger, task.node, document["partition"], document["id"], run)
        output = lately(ledger, task.node, document["partition"]) or self._output(document["partition"])
        execution = held_by(output, id, run)
        if execution is None:
            return
        checks: Sequence[CheckResult] = execution.checks
        staged: Objects = {}
        if has_run(execution):
            error = self._why_not(id, before, tell)
            if error is not None:
                # What is told of it by its compute has ended; of another one the task may have died.
                known = self._found.made(id) or self._found.failed(id) is not None
                since = None if known else time.time()
                executions.fail(*where, time.time(), error, writes_since=since, began=self._began)
                self._data += settings.measured(ledger, document, ok=False)
                self.failed[id] = error
                return
            checks, staged = task._put_in_place(document, lying, _Quiet())
            if not blocked(checks):
                complete(document)
        elif execution.state != SUCCEEDED and not checks:  # an earlier try has ended it, or somebody by hand
            self.failed[id] = execution.note
            return
        if has_run(execution) or not execution.signalled:
            self._owing.append(_Owing(execution, checks, staged))
        else:
            self._count(document, checks)

    def _announce(self) -> None:
        """Send what the executions owe whose outputs are in their places, and end them."""
        now = time.time()  # what is made by a signal is not older than the end of the execution that sent it
        ended = [(owing.execution.document, checks_ended(owing.checks)) for owing in self._owing]
        refused = self._attempt(send_signals, ended, settings.client("events"), settings.event_bus())
        for owing in self._owing:
            id = owing.execution.document["id"]
            if refused and id in refused:
                self.faults.append(RuntimeError(f"the signal of {id} was not taken: {refused[id]}"))
            self._attempt(self._over, owing, now, told=refused is not None and id not in refused)

    def _over(self, owing: _Owing, now: float, told: bool) -> None:
        execution, checks, staged = owing
        document, ledger = execution.document, self._ledger
        where = (ledger, self._task.node, document["partition"], document["id"])
        if has_run(execution):
            if why := blocked(checks):
                executions.fail(*where, self._run, now, why[:NOTE], checks, told=told, began=self._began)
            else:
                executions.succeed(*where, self._run, now, checks, told=told, began=self._began)
            self._staged |= staged
            self._data += settings.measured(ledger, document, ok=not why, checked=checks_ended(checks))
        elif told:
            executions.signalled(*where)
        if told:
            self._count(document, checks)

    def _count(self, document: Document, checks: Sequence[CheckResult]) -> None:
        if why := blocked(checks):
            self.failed[document["id"]] = why
        else:
            self.made.append(document["id"])

    def _why_not(self, id: str, before: Sequence[str], tell: Callable[[str], str]) -> str | None:
        """Say why what was to be made was not."""
        if self._found.made(id):
            return None
        error = self._found.failed(id)
        return (last_line(tell(error)) if error else ", ".join(before) or "it was not computed")[:NOTE]


NOTE = 500  # characters of what the ledger keeps of a failure


class _Quiet:
    """A task instance that keeps nothing."""

    def xcom_push(self, key: str, value: Any, **_: Any) -> None:
        return None
