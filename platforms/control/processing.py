"""An event that a person sends -> what the listener makes of it, in this process or in its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from platforms.control.names import node_of
from platforms.deployment import Deployment
from rheo_runtime.events import Event
from rheo_runtime.listener import Listener
from rheo_runtime.outcome import Outcome
from rheo_runtime.records import Document
from rheodsl.control import Processed


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
        super().__init__(engine, deployment.airflow.announce, _nothing, log=_nothing)

    def take(self, event: Event) -> Outcome:
        """Take one event, and announce the executions that are ready for it."""
        outcome = self.engine.on_event(event)
        self._outcome(outcome)
        for document in (*outcome.fired, *outcome.overdue):
            self.tell(document)
        return outcome

    def tell(self, document: Document) -> bool:
        """Announce an execution; what Airflow cannot take now is left to the sweep."""
        return self._announced(document)


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
