"""What a listener weighs and what an event costs, by counts: times are for ``python -m benchmarks listener``."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import listener as bench


def test_the_zip_and_what_a_start_imports(tmp_path: Path) -> None:
    assert bench.unpacked(tmp_path) <= bench.ZIP_LIMIT
    ours, _ = bench.modules(tmp_path)
    assert {name.split(".")[0] for name in ours} == {"rheo_runtime"}
    assert len(ours) <= 50


@pytest.mark.parametrize("pairs", [10, 100])
def test_what_a_fully_keyed_join_costs_an_event(pairs: int) -> None:
    """Two arrivals, one execution and one announcement for each pair; an event that is read alone costs one."""
    units = bench.keyed_join(pairs)
    assert units["write"] / (2 * pairs) <= 2
    assert units["read"] / (2 * pairs) <= 3


def test_an_event_that_nobody_takes_costs_nothing() -> None:
    assert not bench.units(bench.routes(), ["elsewhere/EU/2024-01-01/_SUCCESS"])
