"""Names of alarms -> their states in CloudWatch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Any


def cloudwatch(kind: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the states of the alarms of a type that have these names in this account and region."""
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "cloudwatch", config=Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2})
    )
    found: dict[str, dict[str, Any]] = {}
    for first in range(0, len(names), 100):
        part = list(names[first : first + 100])  # as many as one request takes
        told = client.describe_alarms(AlarmNames=part, AlarmTypes=[kind])
        for alarm in told[f"{kind}s"]:
            found[alarm["AlarmName"]] = {
                "state": alarm["StateValue"],
                "reason": alarm.get("StateReason", ""),
                "since": alarm["StateUpdatedTimestamp"].astimezone(UTC).isoformat(timespec="seconds"),
            }
    return found
