"""What was written and is announced by something else: the same record in both ledgers."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from rheo_runtime.ledger import Ledger
from rheo_runtime.records import Touched


@pytest.fixture
def ledger(make_ledger: Callable[[Callable[[], float]], Ledger]) -> Ledger:
    return make_ledger(time.time)


def test_a_touched_partition_is_replaced_by_whom_knows_it(ledger: Ledger) -> None:
    first = Touched("s", ("NA", 737502), "e1", 1.5, 2.0)
    assert ledger.touched("s", first.partition) is None
    assert ledger.touch(None, first)
    assert not ledger.touch(None, first._replace(event_id="e2")), "it is there already"
    assert ledger.touched("s", first.partition) == first
    later = first._replace(event_id="e2", time=3.25, announced=1.5)
    assert ledger.touch(first, later)
    assert not ledger.touch(first, later), "the older one is gone"
    assert list(ledger.touches("s")) == [later]


def test_signals_do_not_see_one_another(ledger: Ledger) -> None:
    one, two = Touched("s", (1,), "e", 1.0, 1.0), Touched("t", (1,), "e", 1.0, 1.0)
    assert ledger.touch(None, one)
    assert ledger.touch(None, two)
    assert list(ledger.touches("s")) == [one]
    assert list(ledger.touches("t")) == [two]
