"""SQS batch -> executions announced to Airflow: the Lambda function.

A message is one AWS event. It is done when its effect is in the ledger; what could not be announced is
announced by a redelivery or by the sweep. Messages never affect one another.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from rheo_runtime import executions, metrics
from rheo_runtime.airflow_client import (
    FEW,
    PUMPED,
    TOLD,
    Announcer,
    RateLimiter,
    Refused,
    Unavailable,
    batch_run_id,
    pumpable,
    share,
)
from rheo_runtime.answers import Denied
from rheo_runtime.batches import Batch, Filler, chunks
from rheo_runtime.comparison import EVERY
from rheo_runtime.dynamodb import DynamoLedger
from rheo_runtime.engine import Engine, Outcome
from rheo_runtime.events import BadEvent, Event, Malformed, parse, send_signal
from rheo_runtime.ledger import Ledger
from rheo_runtime.records import Document, Execution, Member, Refusal, Unreadable
from rheo_runtime.storage import AwsStorage
from rheo_runtime.sweep import Ask, AskAll, Patience, Sweeper
from rheo_runtime.wire import RouteTable, S3Address

# What one message may take, a call of MWAA that times out included: with less left, the rest of a batch is
# left to the queue, and of a sweep to the next one.
RESERVE_MS = 15_000
ANNOUNCE_BY_QUEUE = 3  # deliveries of a message that wait for a busy Airflow; then the sweep takes over
LONG = 10  # entries of a message that others do not wait for
MAX_BODY = 1_048_576
MAX_LETTER = 262_144 - 2_048  # bytes of a dead letter: what a queue takes at least, less the reason
MAX_REASON = 256
# Seconds in which more than a few executions of a node are a storm; from then on until its pump has made their runs
# its asset has no other door.
WHILE, PUMPING = 5.0, 5.0
_GATHERED = "rheo.gathered"

Log = Callable[..., None]
# Application, node, version, executions, run: `Announcer.announce_batch`.
AnnounceBatch = Callable[[str, str, int, Iterable[Member], str], None]
Pump = Callable[[Sequence[Document]], bool]


def log(what: str, /, **fields: Any) -> None:
    """Write one line of JSON to standard output."""
    line = json.dumps({"rheo": what, **fields}, ensure_ascii=False, default=str)
    print(line.encode(errors="backslashreplace").decode(), flush=True)


class Gathered(NamedTuple):
    """A message of the listener to itself: executions of one node, to be announced with those of other messages."""

    executions: Sequence[Document]

    def text(self) -> str:
        """The message."""
        told = [{name: document[name] for name in TOLD} for document in self.executions]
        return json.dumps(
            {"source": "rheo", "detail-type": _GATHERED, "detail": {"executions": told}}, ensure_ascii=False
        )


@dataclass
class Bulk:
    """Executions of one node that a pump is to announce, by id, and whether each is noted as announced.

    ``waited`` says that some have waited for others already.
    """

    documents: dict[str, tuple[Document, bool]] = field(default_factory=dict)
    waited: bool = False


class OutOfTime(Exception):
    """A message whose entries take longer than there is time; what they have come to is in the ledger."""


class Poison(ValueError):
    """A message that no delivery will make good; the text says why."""


@dataclass
class Listener:
    """Everything that the function works with; ``dead_letters`` sends a poison message away, with a reason.

    Without ``dead_letters`` a poison message is left to the queue, which gives it up by itself. ``report``
    is called after each sweep, for metrics of what waits. ``ask`` is for the state of a run, ``under_way`` for those of
    a node; without them the sweep asks for none. ``announce_batch`` starts one run of several executions, of nodes that have a batch;
    ``pump`` announces those of other nodes beyond the first ``few`` of a while; ``gather`` sends a text to a
    queue whose messages come many at a time: so those of one storm wait for one another. ``name`` is one that no other
    listener has, nor this one before it was started.
    """

    engine: Engine
    announce: Callable[[Document], None]
    emit: Callable[[Execution], None]
    dead_letters: Callable[[str, str], None] | None = None
    patience: Patience = Patience()
    log: Log = log
    counts: dict[str, int] = field(default_factory=dict)
    report: Callable[[Engine], None] | None = None
    ask: Ask | None = None
    under_way: AskAll | None = None
    announce_batch: AnnounceBatch | None = None
    pump: Pump | None = None
    gather: Callable[[str], object] | None = None
    few: int = FEW
    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    _recent: dict[str, tuple[float, int]] = field(default_factory=dict)  # fired since a time, by node
    _pumping: dict[str, float] = field(default_factory=dict)  # until when a node has one door, its pump
    _bulk: dict[str, Bulk] = field(default_factory=dict)
    _filler: Filler = field(init=False)

    def __post_init__(self) -> None:
        self._filler = Filler(self.engine.program.batches, self.name)

    def handle(self, event: dict[str, Any], remaining_ms: Callable[[], float]) -> dict[str, Any]:
        """Take one invocation: a batch of SQS messages, or one event by itself, such as a sweep."""
        now = self.engine.now()
        self._recent = {node: fired for node, fired in self._recent.items() if now - fired[0] < WHILE}
        if "Records" not in event or event.keys() - {"Records"}:
            try:
                self._work(_entries(event), 1, remaining_ms)
            except Poison as fault:
                self._poison("", str(fault), str(event))
            self._announce_full(remaining_ms)
            return {"batchItemFailures": []}
        failures = []
        before = dict(self.counts)
        read = [_of_message(record) for record in event["Records"]]
        self._together(read, remaining_ms)
        # One with many entries may take all the time that is left: it comes after those that do not.
        for record, found in sorted(
            zip(event["Records"], read, strict=True), key=lambda one: _is_long(one[1])
        ):
            if remaining_ms() < RESERVE_MS or not self._record(record, found, remaining_ms):
                failures.append({"itemIdentifier": record["messageId"]})
        self._ahead(())
        self._announce_full(remaining_ms)
        counted = {name: n - before.get(name, 0) for name, n in self.counts.items()}
        self.log("batch", messages=len(event["Records"]), **{name: n for name, n in counted.items() if n})
        return {"batchItemFailures": failures}

    def _together(self, read: Sequence[Read | Exception], remaining_ms: Callable[[], float]) -> None:
        """Count what several messages say of one partition in one write; each is gone through by itself after it."""
        messages = [found for found in read if isinstance(found, list)] if len(read) > 1 else []
        events = [event for found in messages for event in found if not isinstance(event, Malformed)]
        if remaining_ms() >= RESERVE_MS:
            self._ahead(events)

    def _ahead(self, events: Sequence[Event]) -> None:
        """Count events together, ahead of what is made of each; none says that no more come."""
        try:
            self.engine.together(events)
        except Exception as fault:  # noqa: BLE001 - each message is counted by itself, and a sweep sees the end
            self.log("not together", fault=f"{type(fault).__name__}: {fault}")

    def _record(
        self, record: dict[str, Any], found: Read | Exception, remaining_ms: Callable[[], float]
    ) -> bool:
        body = record.get("body", "")
        try:
            delivery = int(record.get("attributes", {}).get("ApproximateReceiveCount", 1))
            try:
                if isinstance(found, Exception):
                    raise found
                self._work(found, delivery, remaining_ms)
            except Poison as fault:
                self._poison(record["messageId"], str(fault), body)
                if self.dead_letters is None:
                    return False
                self.dead_letters(body, str(fault))
        except Exception as fault:  # noqa: BLE001 - one message's fault costs that message a retry, no more
            self._count("failed")
            self.log("failed", message=record["messageId"], fault=f"{type(fault).__name__}: {fault}")
            return False
        return True

    def _poison(self, message: str, reason: str, body: str) -> None:
        self._count("poison")
        self.log("poison", message=message, reason=reason, body=body[:512])

    def _work(self, events: Read, delivery: int, remaining_ms: Callable[[], float]) -> None:
        if events is None:
            self._sweep(remaining_ms)
            return
        if isinstance(events, Gathered):
            for document in events.executions:
                self._in_bulk(document, noted=True, waited=True)
            return
        self._count("events", len(events))
        busy, left = False, list[str]()
        good = [event for event in events if not isinstance(event, Malformed)]
        for number, event in enumerate(good):
            if number and remaining_ms() < RESERVE_MS:
                # What is done is counted: the message comes again, and goes on from there.
                raise OutOfTime(f"no time is left for {len(good) - number:,} of {len(good):,} entries")
            outcome = self.engine.on_event(event, tells=True, again=delivery > 1, gives=self._gives)
            self._outcome(outcome)
            fired = outcome.fired
            self._filler.fired(fired)
            for fault in outcome.faults:
                self.log("fault", event=event.id, fault=fault)
            left += outcome.faults if outcome.left else ()
            for document in fired:
                if not self._set_aside(document, noted=True):
                    busy |= not self._announced(document, noted=True)
            for document in outcome.overdue:
                if not self._set_aside(document, noted=False):
                    busy |= not self._announced(document)
        if busy and delivery < ANNOUNCE_BY_QUEUE:
            raise Unavailable("Airflow is busy or down")
        if left:  # the message comes again, and in the end is a dead letter: nothing of it is lost
            raise Unreadable("; ".join(left))
        for bad in events:  # set aside by themselves, and once: the good ones among them are done
            if isinstance(bad, Malformed):
                self._poison("", bad.reason, json.dumps(bad.raw, default=str))
                if self.dead_letters is not None:
                    self.dead_letters(json.dumps(bad.raw, default=str), bad.reason)

    def _sweep(self, remaining_ms: Callable[[], float]) -> None:
        in_time: Callable[[], bool] = lambda: remaining_ms() >= RESERVE_MS  # noqa: E731
        sweeper = Sweeper(
            self.engine,
            self._announce,
            self.emit,
            self.log,
            self.patience,
            self.ask,
            in_time,
            self._announce_batch,
            None if self.pump is None else self._pump,
            self.under_way,
        )
        self._outcome(sweeper.sweep())
        if self.report is not None:
            self.report(self.engine)

    def _set_aside(self, document: Document, *, noted: bool) -> bool:
        """Leave an execution to its batch, or to the pump; say whether it is announced so."""
        if document["node"] in self.engine.program.batches:
            return True  # what was not given to a run here is READY, and the sweep sees to it
        if not self._is_one_of_many(document):
            return False
        self._in_bulk(document, noted=noted)
        return True

    def _in_bulk(self, document: Document, *, noted: bool, waited: bool = False) -> None:
        bulk = self._bulk.setdefault(document["node"], Bulk())
        bulk.waited |= waited
        bulk.documents[document["id"]] = document, noted

    def _announce_full(self, remaining_ms: Callable[[], float]) -> None:
        """Announce the batches that need not wait; what they lack, and what Airflow cannot take, the sweep does."""
        bulks, self._bulk = self._bulk, {}
        for bulk in bulks.values():
            for chosen in chunks(list(bulk.documents.values()), PUMPED):
                # What is left beside a whole pump is of a storm that goes on: it waits once more.
                alone = bulk.waited and len(bulk.documents) < PUMPED
                if len(chosen) == PUMPED or alone or not self._left_to_gather(chosen):
                    self._pumped(chosen, in_time=remaining_ms() >= RESERVE_MS)
        for batch in self._filler.full():
            if remaining_ms() < RESERVE_MS:
                return
            self._taken(batch)

    def _is_one_of_many(self, document: Document) -> bool:
        """Say whether an execution is left to the pump: above a few of one node in a while, and while it pumps."""
        if self.pump is None or not pumpable(document):
            return False
        node, now = document["node"], self.engine.now()
        since, count = self._recent.get(node, (now, 0))
        self._recent[node] = since, count + 1
        if count >= self.few:
            self._pumping[node] = now + PUMPING
        return now < self._pumping.get(node, 0)

    def _left_to_gather(self, chosen: Sequence[tuple[Document, bool]]) -> bool:
        """Let executions wait for others of their storm; say whether they do."""
        if self.gather is None:
            return False
        documents = [document for document, _ in chosen]
        try:
            self._note([document for document, noted in chosen if not noted])
            self.gather(Gathered(documents).text())
        except Exception as fault:  # noqa: BLE001 - then they do not wait
            self.log("not gathered", executions=len(documents), fault=f"{type(fault).__name__}: {fault}")
            return False
        self._count("gathered", len(documents))
        return True

    def _pumped(self, chosen: Sequence[tuple[Document, bool]], *, in_time: bool) -> None:
        """Announce executions of one node by the pump; one by one where there is none.

        With each comes whether it was noted as announced when it fired.
        """
        documents = [document for document, _ in chosen]
        try:
            if not in_time:
                raise Unavailable("no time is left")
            pumped = self.pump is not None and self.pump(documents)
        except (Unavailable, Refused) as fault:
            self._count("unavailable" if isinstance(fault, Unavailable) else "refused", len(documents))
            node = documents[0]["node"]
            self.log("not announced yet", node=node, executions=len(documents), reason=str(fault))
            for document in documents:
                self._untold(document)
            return
        if pumped:
            self._note([document for document, noted in chosen if not noted])
            self._count("announced", len(documents))
            self.log("pumped", executions=_ids(documents))
            return
        for document, noted in chosen:
            self._announced(document, noted)

    def _pump(self, batch: Batch) -> None:
        """The same for a sweep, which is told of what Airflow does not take."""
        if self.pump is None or not self.pump(batch.documents):
            for document in batch.documents:
                self._announce(document)
            return
        self._pumping[batch.documents[0]["node"]] = self.engine.now() + PUMPING
        self._note(batch.documents)
        self._count("announced", len(batch.documents))
        self.log("pumped", executions=_ids(batch.documents))

    def _taken(self, batch: Batch) -> bool:
        """Announce a batch; say whether Airflow has taken it."""
        try:
            self._announce_batch(batch)
        except (Unavailable, Refused) as fault:
            self._count("unavailable" if isinstance(fault, Unavailable) else "refused")
            node, size = batch.documents[0]["node"], len(batch.documents)
            self.log("not announced yet", node=node, executions=size, reason=str(fault))
            return False
        return True

    def _announced(self, document: Document, noted: bool = False) -> bool:
        """Announce an execution, which was ``noted`` as announced when it fired; say whether Airflow was there."""
        try:
            self._announce(document, noted)
        except Unavailable as fault:
            self._count("unavailable")
            self.log("not announced yet", execution=document["id"], reason=str(fault))
            self._untold(document)
            return False
        except Refused as fault:
            self._count("refused")
            self.log("refused", execution=document["id"], reason=str(fault))
            self._untold(document)
        except Exception:
            self._untold(document)
            raise
        return True

    def _announce_batch(self, batch: Batch) -> None:
        """Start the run of a batch, for what it was started for before; what was not given to one yet is given first."""
        if self.announce_batch is None:
            raise Unavailable("nothing announces batches here")
        documents, run, ledger = batch.documents, batch.run, self.engine.ledger
        if run is None:
            now = self.engine.now()
            run = batch_run_id(self.name, *_ids(documents), now)
            documents = [d for d in documents if executions.given(ledger, *_place(d), now, run)]
        if not documents:
            return
        app, node, version = (documents[0][name] for name in ("app", "node", "version"))
        members = ledger.start(run, frozenset((d["partition"], d["generation"]) for d in documents))
        self.announce_batch(app, node, version, sorted(members), run)
        self._count("announced", len(documents))
        self.log("announced", executions=_ids(documents), run=run)

    def _announce(self, document: Document, noted: bool = False) -> None:
        if document["node"] in self.engine.program.batches:
            self._announce_batch(Batch([document]))
            return
        self.announce(document)
        if not noted:
            self._note([document])
        self._count("announced")
        self.log("announced", execution=document["id"])

    @property
    def _gives(self) -> Callable[[str, str, float], str] | None:
        return None if self.announce_batch is None else self._filler.give

    def _note(self, documents: Sequence[Document]) -> None:
        for document in documents:
            executions.announced(self.engine.ledger, *_place(document), self.engine.now())

    def _untold(self, document: Document) -> None:
        executions.untold(self.engine.ledger, *_place(document), self.engine.now())

    def _outcome(self, outcome: Outcome) -> None:
        for name in ("matches", "rejected", "fired", "held", "skipped", "expired", "told"):
            self._count(name, len(getattr(outcome, name)))
        for match in outcome.matches:
            self.log("matched", signal=match.signal, partition=match.texts, event=match.event_id)
        for rejected in outcome.rejected:
            self.log("rejected", **rejected._asdict())
        for name in ("fired", "held", "skipped", "told"):
            for document in getattr(outcome, name):
                self.log(name, execution=document["id"])
        for dropped in outcome.dropped:
            self.log("dropped", **dropped._asdict())
        for waiting in outcome.expired:
            self.log("expired", **waiting._asdict())
        if outcome.unmatched:
            self._count("unmatched")

    def _count(self, name: str, by: int = 1) -> None:
        if by:
            self.counts[name] = self.counts.get(name, 0) + by


def _ids(documents: Sequence[Document]) -> list[str]:
    return [document["id"] for document in documents]


def _place(document: Document) -> tuple[str, str, str]:
    """Where an execution is in the ledger, and which one it is."""
    return document["node"], document["partition"], document["id"]


# What a message holds: events, and entries that are none; executions that wait for others; None for a sweep.
Read = list[Event | Malformed] | Gathered | None


def _of_message(record: dict[str, Any]) -> Read | Exception:
    """What a message of a queue holds, or the fault of reading it: which is that message's alone."""
    try:
        return _entries(_json(record.get("body", "")))
    except Exception as fault:  # noqa: BLE001 - raised where the message's turn comes
        return fault


def _is_long(found: Read | Exception) -> bool:
    return isinstance(found, list) and len(found) > LONG


def _entries(raw: object) -> Read:
    if isinstance(raw, dict) and raw.get("source") == "rheo":
        if raw.get("detail-type") == "rheo.sweep":
            return None
        if raw.get("detail-type") == _GATHERED:
            return _read_gathered(raw.get("detail"))
    try:
        return parse(raw)
    except BadEvent as fault:
        raise Poison(str(fault)) from None


def _read_gathered(detail: object) -> Gathered:
    try:
        told = [{name: one[name] for name in TOLD} for one in detail["executions"]]  # type: ignore[index]
        return Gathered(told)
    except (KeyError, TypeError, ValueError) as fault:
        raise Poison(f"no gathered executions: {fault!r}") from None


def _json(body: str) -> object:
    if len(body) > MAX_BODY:
        raise Poison(f"a message of {len(body):,} characters")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as fault:  # a number of too many digits is a ValueError only
        raise Poison(f"no JSON: {fault}") from None


_listener: Listener | None = None


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Entry point of the Lambda function; what it works with is made once, when it starts."""
    global _listener
    if _listener is None:
        _listener = from_environment()
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    return _listener.handle(event, remaining or (lambda: float("inf")))


def from_environment(environ: dict[str, str] | None = None) -> Listener:
    """Make a listener from the function's settings.

    ``RHEO_TABLE``, the ledger's table; ``RHEO_MWAA_ENVIRONMENT``; ``RHEO_ROUTES``, the route table's file
    or S3 address (``routes.json`` beside the package when left out); ``RHEO_EVENT_BUS``;
    ``RHEO_DEAD_LETTERS``, the address of the queue for poison messages; ``RHEO_PATIENCE``, the seconds
    of `Patience`, joined by commas; ``RHEO_GATHER``, the address of the queue for executions of a storm;
    ``RHEO_LISTENERS``, how many processes share MWAA's calls; ``RHEO_ACCOUNTS``, ``any`` where buckets belong to no real account; ``RHEO_PENDING_METRICS``, the
    nodes whose ``pending_age`` is sent, joined by commas.
    """
    import boto3
    from botocore.config import Config

    env = dict(os.environ) if environ is None else environ
    patience = (
        Patience(*map(float, env["RHEO_PATIENCE"].split(","))) if "RHEO_PATIENCE" in env else Patience()
    )
    # MWAA ends a call after 10 s; a second try belongs to the queue.
    patient = Config(connect_timeout=2, read_timeout=12, retries={"max_attempts": 0})
    table = RouteTable.loads(_read(env.get("RHEO_ROUTES", "")))
    if env.get("RHEO_ACCOUNTS") == "any":
        table = table.of_any_account()
    ledger = DynamoLedger(env["RHEO_TABLE"])
    ledger.unreadable = lambda what: log("unreadable", record=what)
    engine = Engine(table, ledger, time.time, AwsStorage(tell=tell_refusal(ledger)), EVERY)
    engine.program.leave_native()
    rate_limiter = RateLimiter(share(int(env.get("RHEO_LISTENERS", "2"))))
    # Each is made when it is needed first, and once: its connections are used again.
    client = cache(boto3.client)
    announcer = Announcer(boto3.client("mwaa", config=patient), env["RHEO_MWAA_ENVIRONMENT"], rate_limiter)
    bus = env.get("RHEO_EVENT_BUS", "default")
    return Listener(
        engine,
        announcer.announce,
        emit=lambda owed: send_signal(owed.document, client("events"), bus, owed.checked),
        dead_letters=_dead_letters(env.get("RHEO_DEAD_LETTERS", ""), client),
        report=_report(env.get("RHEO_PENDING_METRICS", ""), client),
        patience=patience,
        ask=announcer.state,
        under_way=announcer.under_way,
        announce_batch=announcer.announce_batch,
        pump=announcer.pump,
        gather=_gather(env.get("RHEO_GATHER", ""), client),
    )


def tell_refusal(ledger: Ledger) -> Callable[[Denied], None]:
    """Return what tells of something that may not be looked for: in the log, and in the ledger for `rheo status`."""

    def tell(refusal: Denied) -> None:
        log("denied", what=refusal.what, permission=refusal.permission)
        ledger.refused(Refusal(refusal.what, refusal.permission, time.time()))

    return tell


def _report(nodes: str, client: Callable[[str], Any]) -> Callable[[Engine], None] | None:
    """Send the age of what waits, for the nodes named; for no others, as it reads all of their arrivals."""
    if not nodes:
        return None

    def send(engine: Engine) -> None:
        since = [(each.node, each.since) for node in nodes.split(",") for each in engine.pending(node)]
        data = metrics.pending(since, engine.now())
        metrics.send(client("cloudwatch").put_metric_data, engine.program.table.app, data)

    return send


def _read(address: str) -> str:
    if address.startswith("s3://"):
        import boto3

        bucket, key = S3Address.of(address)
        return boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    path = Path(address) if address else Path(__file__).parent.parent / "routes.json"
    return path.read_text("utf-8")


def _gather(queue: str, client: Callable[[str], Any]) -> Callable[[str], object] | None:
    if not queue:
        return None

    def send(text: str) -> None:
        client("sqs").send_message(QueueUrl=queue, MessageBody=text)

    return send


def _dead_letters(queue: str, client: Callable[[str], Any]) -> Callable[[str, str], None] | None:
    if not queue:
        return None

    def send(body: str, reason: str) -> None:
        client("sqs").send_message(
            QueueUrl=queue,
            MessageBody=body.encode(errors="replace")[:MAX_LETTER].decode(errors="ignore") or "(empty)",
            MessageAttributes={"reason": {"DataType": "String", "StringValue": _plain(reason)}},
        )

    return send


def _plain(reason: str) -> str:
    """A reason as a message attribute takes it: without control characters, and not empty."""
    return "".join(c if c.isprintable() else "?" for c in reason[:MAX_REASON]) or "?"
