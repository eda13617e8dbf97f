"""What an event costs the ledger over the whole life of its execution, by counts: what it was, it stays."""

from __future__ import annotations

import pytest

from benchmarks.ledger import billed, kinds
from rheo_platforms.operations.prices import Prices

# Write, index and read units an event at most, and executions that come of so many events.
COSTS = {
    "one input": (4.2, 1.0, 3.3, 50),
    "two-input join": (1.65, 0.5, 1.7, 50),
    "two-input join in full batches": (1.25, 0.5, 1.5, 50),
    "two-input join, one input long after the other": (2.65, 0.5, 2.7, 50),
    "two-input join, each event ten times": (0.35, 0.15, 0.6, 10),
    "join by a part of the key": (3.65, 0.9, 4.7, 50),
    "three-input join": (1.35, 0.35, 1.4, 50),
    "a checked window of three days": (4.8, 1.0, 6.0, 40),
}


@pytest.mark.parametrize("kind", kinds(50), ids=lambda kind: kind.name)
def test_units_an_event(kind: object) -> None:
    name, table, keys = kind  # type: ignore[misc]
    *most, executions = COSTS[name]
    units = billed(table, keys)
    assert units.executions == executions
    found = [units.an_event(what) for what in ("write", "index", "read")]
    assert all(n <= limit for n, limit in zip(found, most, strict=True)), found
    assert 0 < units.dollars_per_million(Prices.read()) < 10


def test_prices_have_a_date() -> None:
    assert Prices.read().as_of.count("-") == 2
