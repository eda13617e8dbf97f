"""A succeeded execution -> the signal that announces its output partition."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from rheo_runtime.records import Document


class EventBus(Protocol):
    """The one call of boto3's events client that is used."""

    def put_events(self, **call: Any) -> Mapping[str, Any]:
        """Send events to a bus."""


def signal_entry(document: Document, bus: str = "default") -> dict[str, str]:
    """Return the EventBridge entry of an execution's output signal.

    Its id is the execution's, so sending it again changes nothing.
    """
    detail = {
        "app": document["app"],
        "signal": document["node"],
        "partition": list(document["output"]["dimensions"].values()),
        "id": document["id"],
    }
    return {
        "Source": "rheo",
        "DetailType": "rheo.signal",
        "EventBusName": bus,
        "Detail": json.dumps(detail, ensure_ascii=False),
    }


def send_signal(document: Document, client: EventBus, bus: str = "default") -> None:
    """Announce an output partition; raises RuntimeError when EventBridge does not take it."""
    answer = client.put_events(Entries=[signal_entry(document, bus)])
    if answer["FailedEntryCount"]:
        raise RuntimeError(f"the signal of {document['id']} was not taken: {answer['Entries']}")
