"""Ten thousand partitions that come at once, carried out in batches on a local stack, while parts of it are killed.

It takes some twenty minutes; ``PARTITIONS=2000`` in the environment takes fewer.
"""

from __future__ import annotations

import os
from typing import Any

from benchmarks._stack import MANY, SINGLE, storm

BY_NAME = True
PARTITIONS = int(os.environ.get("PARTITIONS", "10000"))


def run() -> list[dict[str, Any]]:
    """Carry them out; raises AssertionError where one was not made, or twice, or there are more runs than need be."""
    found = storm(PARTITIONS)
    assert found.executions == PARTITIONS, f"{found.executions:,} of {PARTITIONS:,} were made, each once"
    most = PARTITIONS // MANY * 5 // 4 + 1
    assert found.runs <= most, f"{found.runs} runs, of {most} at most"
    note = f"{PARTITIONS:,} partitions of a small Spark node; listener and scheduler killed on the way"
    rows = (
        ("runs", found.runs, "runs", PARTITIONS),
        ("seconds", round(found.seconds, 1), "s", round(found.single * PARTITIONS, 1)),
        ("seconds a partition", round(found.seconds / PARTITIONS, 3), "s", round(found.single, 3)),
    )
    return [
        {
            "name": name,
            "value": value,
            "unit": unit,
            "baseline": alone,
            "ratio": round(value / alone, 3),
            "note": f"{note}; baseline: a run each, of {SINGLE} on the same stack",
        }
        for name, value, unit, alone in rows
    ]
