"""SQS batch -> executions announced to Airflow: the Lambda function.

A message is one AWS event. It is done when its effect is in the ledger; what could not be announced is
announced by a redelivery or by the sweep. Messages never affect one another.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rheo_runtime import executions, node_metrics
from rheo_runtime.emit import send_signal
from rheo_runtime.engine import Engine
from rheo_runtime.events import BadEvent, parse
from rheo_runtime.outcome import Outcome
from rheo_runtime.pace import Pace, share
from rheo_runtime.reconcile import Ask
from rheo_runtime.records import Document
from rheo_runtime.sweep import Patience, Sweeper
from rheo_runtime.trigger import Announcer, Refused, Unavailable
from rheo_runtime.wire import RouteTable

# What one message may take, a call of MWAA that times out included: with less left, the rest of a batch is
# left to the queue, and of a sweep to the next one.
RESERVE_MS = 15_000
ANNOUNCE_BY_QUEUE = 3  # deliveries of a message that wait for a busy Airflow; then the sweep takes over
MAX_BODY = 1_048_576
MAX_LETTER = 262_144 - 1_024  # bytes of a dead letter: what a queue takes at least, less the reason
MAX_REASON = 256

Log = Callable[..., None]


def log(what: str, /, **fields: Any) -> None:
    """Write one line of JSON to standard output."""
    line = json.dumps({"rheo": what, **fields}, ensure_ascii=False, default=str)
    print(line.encode(errors="backslashreplace").decode(), flush=True)


class Poison(ValueError):
    """A message that no delivery will make good; the text says why."""


@dataclass
class Listener:
    """Everything that the function works with; ``dead_letters`` sends a poison message away, with a reason.

    Without ``dead_letters`` a poison message is left to the queue, which gives it up by itself. ``report``
    is called after each sweep, for metrics of what waits. ``ask`` is for the state of a run; without it
    the sweep asks for none.
    """

    engine: Engine
    announce: Callable[[Document], None]
    emit: Callable[[Document], None]
    dead_letters: Callable[[str, str], None] | None = None
    patience: Patience = Patience()
    log: Log = log
    counts: dict[str, int] = field(default_factory=dict)
    report: Callable[[Engine], None] | None = None
    ask: Ask | None = None

    def handle(self, event: dict[str, Any], remaining_ms: Callable[[], float]) -> dict[str, Any]:
        """Take one invocation: a batch of SQS messages, or one event by itself, such as a sweep."""
        if "Records" not in event or event.keys() - {"Records"}:
            try:
                self._event(event, 1, remaining_ms)
            except Poison as fault:
                self._poison("", str(fault), str(event))
            return {"batchItemFailures": []}
        failures = []
        before = dict(self.counts)
        for record in event["Records"]:
            if remaining_ms() < RESERVE_MS or not self._record(record, remaining_ms):
                failures.append({"itemIdentifier": record["messageId"]})
        counted = {name: n - before.get(name, 0) for name, n in self.counts.items()}
        self.log("batch", messages=len(event["Records"]), **{name: n for name, n in counted.items() if n})
        return {"batchItemFailures": failures}

    def _record(self, record: dict[str, Any], remaining_ms: Callable[[], float]) -> bool:
        body = record.get("body", "")
        try:
            delivery = int(record.get("attributes", {}).get("ApproximateReceiveCount", 1))
            try:
                self._event(_json(body), delivery, remaining_ms)
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

    def _event(self, raw: object, delivery: int, remaining_ms: Callable[[], float]) -> None:
        if isinstance(raw, dict) and (raw.get("source"), raw.get("detail-type")) == ("rheo", "rheo.sweep"):
            self._sweep(remaining_ms)
            return
        try:
            events = parse(raw)
        except BadEvent as fault:
            raise Poison(str(fault)) from None
        self._count("events", len(events))
        busy = False
        for event in events:
            outcome = self.engine.on_event(event)
            self._outcome(outcome)
            for document in (*outcome.fired, *outcome.overdue):
                busy |= not self._announced(document)
        if busy and delivery < ANNOUNCE_BY_QUEUE:
            raise Unavailable("Airflow is busy or down")

    def _sweep(self, remaining_ms: Callable[[], float]) -> None:
        in_time: Callable[[], bool] = lambda: remaining_ms() >= RESERVE_MS  # noqa: E731
        sweeper = Sweeper(self.engine, self._announce, self.emit, self.log, self.patience, self.ask, in_time)
        self._outcome(sweeper.sweep())
        if self.report is not None:
            self.report(self.engine)

    def _announced(self, document: Document) -> bool:
        try:
            self._announce(document)
        except Unavailable as fault:
            self._count("unavailable")
            self.log("not announced yet", execution=document["id"], reason=str(fault))
            return False
        except Refused as fault:
            self._count("refused")
            self.log("refused", execution=document["id"], reason=str(fault))
        return True

    def _announce(self, document: Document) -> None:
        self.announce(document)
        where = (document["node"], document["partition"], document["id"])
        executions.announced(self.engine.ledger, *where, self.engine.now())
        self._count("announced")
        self.log("announced", execution=document["id"])

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
        for waiting in outcome.expired:
            self.log("expired", **waiting._asdict())
        if outcome.unmatched:
            self._count("unmatched")

    def _count(self, name: str, by: int = 1) -> None:
        if by:
            self.counts[name] = self.counts.get(name, 0) + by


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
    of `Patience`, joined by commas; ``RHEO_LISTENERS``, how many processes share MWAA's calls;
    ``RHEO_ACCOUNTS``, ``any`` where buckets belong to no real account; ``RHEO_PENDING_METRICS``, the
    nodes whose ``pending_age`` is sent, joined by commas, or ``*``.
    """
    import boto3
    from botocore.config import Config

    from rheo_runtime.dynamo import DynamoLedger
    from rheo_runtime.storage import AwsStorage

    env = dict(os.environ) if environ is None else environ
    patience = (
        Patience(*map(float, env["RHEO_PATIENCE"].split(","))) if "RHEO_PATIENCE" in env else Patience()
    )
    # MWAA ends a call after 10 s; a second try belongs to the queue.
    patient = Config(connect_timeout=2, read_timeout=12, retries={"max_attempts": 0})
    table = RouteTable.loads(_read(env.get("RHEO_ROUTES", ""))).for_listener()
    if env.get("RHEO_ACCOUNTS") == "any":
        table = table.of_any_account()
    engine = Engine(table, DynamoLedger(env["RHEO_TABLE"]), time.time, AwsStorage())
    pace = Pace(share(int(env.get("RHEO_LISTENERS", "2"))))
    announcer = Announcer(boto3.client("mwaa", config=patient), env["RHEO_MWAA_ENVIRONMENT"], pace)
    bus = env.get("RHEO_EVENT_BUS", "default")
    return Listener(
        engine,
        announcer.announce,
        emit=lambda document: send_signal(document, boto3.client("events"), bus),
        dead_letters=_dead_letters(env.get("RHEO_DEAD_LETTERS", "")),
        report=_report(env.get("RHEO_PENDING_METRICS", "")),
        patience=patience,
        ask=announcer.state,
    )


def _report(nodes: str) -> Callable[[Engine], None] | None:
    """Send the age of what waits, for the nodes named; for no others, as it reads all of their arrivals."""
    if not nodes:
        return None

    def send(engine: Engine) -> None:
        import boto3

        wanted = engine.program.nodes if nodes == "*" else nodes.split(",")
        since = [(waiting.node, waiting.since) for node in wanted for waiting in engine.pending(node)]
        data = node_metrics.pending(since, engine.now())
        node_metrics.send(boto3.client("cloudwatch").put_metric_data, engine.program.table.app, data)

    return send


def _read(address: str) -> str:
    if address.startswith("s3://"):
        import boto3

        bucket, _, key = address.removeprefix("s3://").partition("/")
        return boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    path = Path(address) if address else Path(__file__).parent.parent / "routes.json"
    return path.read_text("utf-8")


def _dead_letters(queue: str) -> Callable[[str, str], None] | None:
    if not queue:
        return None

    def send(body: str, reason: str) -> None:
        import boto3

        boto3.client("sqs").send_message(
            QueueUrl=queue,
            MessageBody=body.encode(errors="replace")[:MAX_LETTER].decode(errors="ignore") or "(empty)",
            MessageAttributes={"reason": {"DataType": "String", "StringValue": _plain(reason)}},
        )

    return send


def _plain(reason: str) -> str:
    """A reason as a message attribute takes it: without control characters, and not empty."""
    return "".join(c if c.isprintable() else "?" for c in reason[:MAX_REASON]) or "?"
