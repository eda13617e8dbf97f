"""Ten thousand single runs that are announced at once on a local stack, through a door of ten calls a second.

It takes some minutes and the whole machine; ``PARTITIONS=1000`` in the environment takes fewer.
"""

from __future__ import annotations

import os
import statistics
from typing import Any

from benchmarks._stack import door

BY_NAME = True
PARTITIONS = int(os.environ.get("PARTITIONS", "10000"))
MAKING, MEDIAN, WORST = 200, 0.5, 2.5  # seconds that it may take, and an event of another node


def run() -> list[dict[str, Any]]:
    """Announce them; raises AssertionError where one has no run, or two."""
    found = door(PARTITIONS)
    alone, meanwhile = sorted(found.alone), sorted(found.meanwhile)
    rows = (
        ("pumps", found.pumps, "runs", None),
        ("from the first event to the last run", found.seconds, "s", None),
        ("from the first run to the last", found.making, "s", MAKING),
        ("an event of another node to its run, alone, median", statistics.median(alone), "s", MEDIAN),
        ("the same meanwhile, median", statistics.median(meanwhile), "s", WORST),
        ("the same meanwhile, the longest", meanwhile[-1], "s", None),
        ("the slowest answer of Airflow's API", found.slowest, "s", None),
    )
    note = f"{PARTITIONS:,} partitions of a node without a batch; baseline: what it may take"
    return [
        {
            "name": name,
            "value": round(value, 2),
            "unit": unit,
            "baseline": goal,
            "ratio": None if goal is None else round(value / goal, 2),
            "note": note,
        }
        for name, value, unit, goal in rows
    ]
