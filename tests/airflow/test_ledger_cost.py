"""What an event costs the ledger over the whole life of its execution, by counts: what it was, it stays."""

from __future__ import annotations

import pytest

from benchmarks.ledger import billed, kinds
from rheo_platforms.operations.prices import Prices

# Write, index and read units an event at most, and executions that come of so many events.
COSTS = {
    "one input": (4.3, 1.0, 3.2, 50),
    "two-input join": (1.8, 0.5, 1.6, 50),
    "two-input join in full batches": (1.4, 0.5, 1.4, 50),
    "two-input join, one input long after the other": (2.8, 0.5, 2.6, 50),
    "two-input join, each event ten times": (0.4, 0.15, 0.6, 10),
    "join by a part of the key": (3.8, 0.9, 4.5, 50),
    "three-input join": (1.5, 0.35, 1.3, 50),
    "a checked window of three days": (4.9, 1.0, 5.8, 40),
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
