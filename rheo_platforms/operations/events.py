"""An event that a person sends -> what the listener makes of it, in this process or in its own."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from codegen.routes import lower_events
from rheo_platforms.deployment import Deployment
from rheo_platforms.operations.names import AskedError, node_of, signal_of
from rheo_runtime import values as v
from rheo_runtime.batches import Batch
from rheo_runtime.engine import Outcome
from rheo_runtime.events import BadEvent, Event, Malformed, SignalEvent, head, parse, unwrapped
from rheo_runtime.listener import Listener
from rheo_runtime.program import Program
from rheo_runtime.records import Document
from rheo_runtime.windows import expand
from rheodsl import ir
from rheodsl.control import Processed
from rheodsl.signals import View


class Processor(Listener):
    """The listener's own work, in this process and over the deployed ledger.

    Parameters
    ----------
    only
        The one node that takes events; all do when left out. Raises UnknownNameError.
    """

    def __init__(self, deployment: Deployment, only: str | None = None) -> None:
        engine = deployment.engine()
        if only is not None:
            engine.program.listen([node_of(engine.program, only)])
        airflow = deployment.airflow
        super().__init__(
            engine, airflow.announce, _nothing, log=_nothing, announce_batch=airflow.announce_batch
        )

    def take(self, event: Event) -> Outcome:
        """Take one event, and announce the executions that are ready for it; those of batches the sweep gathers."""
        outcome = self.engine.on_event(event)
        self._outcome(outcome)
        for document in (*outcome.fired, *outcome.overdue):
            if document["node"] not in self.engine.program.batches:
                self.tell(document)
        return outcome

    def tell(self, document: Document) -> bool:
        """Announce an execution; what Airflow cannot take now is left to the sweep."""
        return self._announced(document)

    def tell_batch(self, documents: Sequence[Document]) -> bool:
        """Announce executions of a node that has a batch, in one run."""
        return self._taken(Batch(documents))


def process(processor: Processor, events: Iterable[Event]) -> Processed:
    """Take events in this process; return what came of them."""
    executions: dict[str, list[str]] = {}
    taken: dict[str, None] = {}
    ignored: list[str] = []
    for event in events:
        outcome = processor.take(event)
        for document in (*outcome.fired, *outcome.held):
            executions.setdefault(document["node"], []).append(document["id"])
        taken.update((node, None) for match in outcome.matches for node, _ in match.inputs)
        ignored += [f"{r.reason} ({r.what})" for r in outcome.rejected]
        if outcome.unmatched:
            ignored.append(outcome.unmatched)
    return Processed(executions, tuple(taken), "; ".join(dict.fromkeys(ignored)))


def send(deployment: Deployment, raws: Iterable[Mapping[str, Any]]) -> Processed:
    """Send raw events to the listener's queue."""
    client = deployment.session.client("sqs")
    sent = 0
    for raw in raws:
        client.send_message(QueueUrl=deployment.queue, MessageBody=json.dumps(raw))
        sent += 1
    return Processed({}, sent=sent)


def _nothing(*_: object, **__: object) -> None:
    return None


# An event, and the same as a raw event that can be sent.
Sent = tuple[Event, Mapping[str, Any]]


def of_view(program: Program, view: View, full_range: bool) -> list[Sent]:
    """Return the events of a view: of its tip, or of its whole window, the tip first.

    An alarm's view that names a state alone is an event of this minute. A proxy announces the data that
    is linked to it too. Raises FilterError, UnknownNameError.
    """
    view = dated(view)
    signal = signal_of(program, view.id)
    tip = view.tip()
    partitions = expand(view.branches, tip) if full_range else [tip]
    linked = [s.id for s in program.table.signals if s.path != signal.path and _announces(view, s.events)]
    return [
        named(program.table.app, id, program.signals[id].texts(partition))
        for partition in partitions
        for id in (*linked, signal.id)
    ]


def _announces(view: View, events: tuple[Any, ...]) -> bool:
    """Whether a signal's events are those of the view's own source."""
    own = lower_events(view.signal.source, view.signal)
    return bool(own) and view.signal.proxy is None and all(e in events for e in own)


def of_raw(
    program: Program, raw: Mapping[str, Any], full_range: bool
) -> tuple[list[Event], Mapping[str, Any]]:
    """Return the events that a raw AWS event carries, those of its first entry or all, and the raw event of them.

    A message of a topic that nothing is declared with stands for the event in it: who sends it by hand says that
    it happened. Raises AskedError.
    """
    raw = unwrapped(raw, program.table.topics())
    raw = raw if full_range else head(raw)
    try:
        events = [one for one in parse(dict(raw)) if not isinstance(one, Malformed)]
    except BadEvent as fault:
        raise AskedError(
            f"this is no event: {fault}", hint="give it as AWS sends it, or a view such as orders['NA']"
        ) from None
    return events, raw


def named(app: str, signal: str, texts: tuple[str, ...], id: str = "") -> Sent:
    """Return the event of a signal that is sent by name; each has an id of its own, unless one is given."""
    now = time.time()
    event = SignalEvent(app, signal, texts, id or f"process-{uuid.uuid4()}", now)
    detail = {"app": app, "signal": signal, "partition": list(texts), "id": event.id}
    moment = datetime.fromtimestamp(now, UTC).isoformat()
    return event, {"source": "rheo", "detail-type": "rheo.signal", "time": moment, "detail": detail}


def dated(view: View) -> View:
    """Return an alarm's view that names a state alone as one of this minute."""
    if not isinstance(view.signal.source, ir.AlarmSource) or len(view.branches) != 1:
        return view
    state, moment = view.branches[0]
    if state.value is None or moment.value is not None or moment.window is not None:
        return view
    now = v.from_datetime(datetime.now(UTC), moment.kind)
    return View(view.signal)[str(state.value)][v.render(now, moment.kind)]
