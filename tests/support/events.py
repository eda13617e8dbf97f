"""What comes to a listener: events of S3 and of Rheo itself, as EventBridge sends them."""

from __future__ import annotations

import json
from typing import Any

from rheo_runtime.events import signal_entry
from rheo_runtime.records import Document

SWEEP: dict[str, Any] = {"source": "rheo", "detail-type": "rheo.sweep", "detail": {}}


def s3_event(
    bucket: str, key: str, *, etag: str = "e1", time: str = "2020-03-18T01:00:00Z"
) -> dict[str, Any]:
    """An object created in S3, as EventBridge reports it."""
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "111122223333",
        "time": time,
        "region": "us-east-1",
        "resources": [f"arn:aws:s3:::{bucket}"],
        "detail": {
            "version": "0",
            "bucket": {"name": bucket},
            "object": {"key": key, "size": 0, "etag": etag, "sequencer": "00617F08299329D189"},
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": "123456789012",
            "reason": "PutObject",
        },
    }


def signal_event(signal: str, *partition: str, id: str, app: str = "app") -> dict[str, Any]:
    """A partition of a signal has come."""
    detail = {"app": app, "signal": signal, "partition": list(partition), "id": id}
    return {"source": "rheo", "detail-type": "rheo.signal", "detail": detail}


def output_event(document: Document) -> dict[str, Any]:
    """The output of an execution is there."""
    detail = json.loads(signal_entry(document)["Detail"])
    return {"source": "rheo", "detail-type": "rheo.signal", "detail": detail}
