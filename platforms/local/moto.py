"""Port -> the moto server, which stands in for S3, DynamoDB, SQS, EventBridge, CloudWatch and the catalog."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from platforms.local.processes import Started, spawn

ACCOUNT = "123456789012"


def start(port: int, *, env: Mapping[str, str], log: Path) -> Started:
    """Start the server; its state is in memory and ends with it."""
    return spawn(
        "moto", [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], env=env, log=log
    )
