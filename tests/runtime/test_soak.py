"""A short soak: the whole one is ``python -m benchmarks soak``."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest

from benchmarks._dynamodb import DynamoDB
from benchmarks.soak import FLAT, TWICE, hot, right, soak
from rheo_runtime.dynamodb import DynamoLedger, create_table

from .test_comparison import HOUR, START, Bucket, World


@pytest.mark.slow
def test_counts_are_exact_and_memory_is_flat() -> None:
    result = soak(5_000)
    assert right(result) == []
    assert result["expected"]["joined"] == 2_350
    assert result["expected"]["poison"] == 50
    assert result["memory"][-1] < result["memory"][2] * FLAT
    # Reads and writes a message: they do not grow with what the ledger holds.
    short = soak(1_000)
    for kind in ("read", "write", "index"):
        assert result["units"][kind] / 5_000 < 1.1 * short["units"][kind] / 1_000
    assert result["units"]["write"] / 5_000 < 5


@pytest.mark.slow
def test_a_partition_of_very_many_events_costs_the_same_at_last_as_at_first() -> None:
    _, first, *_, last = hot(20_000)
    assert last.write < first.write * FLAT and last.read < first.read * FLAT
    assert last.largest < first.largest * FLAT
    assert last.largest < 100_000, "bytes of an item, of which DynamoDB takes 409,600"


def test_wrong_counts_are_seen() -> None:
    result = soak(200)
    result["found"]["joined"] -= 1
    result["announced twice"] = 1
    assert len(right(result)) == 2


LOST = 0.01


def test_what_is_lost_before_the_queue_is_found_again() -> None:
    """Of a declared signal (`reconcile`): each object has its one execution, whatever became of its event."""
    random, clock, bucket, db = Random(7), [START], Bucket(), DynamoDB()
    client: Any = db
    create_table("t", client)
    world = World(DynamoLedger("t", client, lambda: clock[0]), bucket, clock)
    world.sweep()
    days = [str(date(2000, 1, 1) + timedelta(n)) for n in range(1_500)]
    lost = set(random.sample(days, round(len(days) * LOST)))
    assert len(lost) == 15
    fired: Counter[str] = Counter()
    waiting: list[tuple[str, float]] = []
    for day in days:
        clock[0] += 10
        bucket.times[day] = clock[0]
        if day not in lost:
            waiting += [(day, clock[0])] * (2 if random.random() < TWICE else 1)
        if len(waiting) > 100:  # they come in any order
            random.shuffle(waiting)
            for told, time in waiting:
                fired.update(world.event(told, time))
            waiting.clear()
        if (clock[0] - START) % HOUR == 0:
            fired.update(world.sweep())
    for told, time in waiting:
        fired.update(world.event(told, time))
    clock[0] += HOUR
    fired.update(world.sweep())
    assert fired == Counter(f"daily/{day}#1" for day in days)
    clock[0] += HOUR
    assert world.sweep() == []
