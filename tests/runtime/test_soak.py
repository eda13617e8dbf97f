"""A short soak: the whole one is ``python -m benchmarks soak``."""

from __future__ import annotations

from benchmarks.soak import FLAT, right, soak


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


def test_wrong_counts_are_seen() -> None:
    result = soak(200)
    result["found"]["joined"] -= 1
    result["announced twice"] = 1
    assert len(right(result)) == 2
