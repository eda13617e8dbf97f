"""What a binding is due: counted from marks, also when what was read is out of date."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheo_runtime.join import after_firing, firings_due, first_use, free
from rheo_runtime.records import NEVER, Arrivals, ConsumedMark, Used

T = 1e9


def arrivals(n: int, since: float = T) -> Arrivals:
    record = Arrivals((1,), "e0", since)
    for i in range(1, n):
        record.add(f"e{i}", since + i)
    return record


def spend(all_new: bool, recs: tuple[Arrivals, ...], used: Used | None) -> tuple[int, Used | None]:
    """Fire until nothing is due; return how often, and what is used then."""
    fired = 0
    while firings_due(all_new, left := free(recs, used), used):
        used = after_firing(all_new, recs, used, left)
        fired += 1
    return fired, used


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.booleans())
def test_firing_uses_up_what_is_due(counts: list[int], all_new: bool) -> None:
    recs = tuple(map(arrivals, counts))
    fired, used = spend(all_new, recs, None)
    assert fired == (min(counts) if all_new else sum(counts) - len(counts) + 1)
    assert spend(all_new, recs, used) == (0, used)
    more = tuple(arrivals(n + 1) for n in counts)
    assert spend(all_new, more, used)[0] == (1 if all_new else len(counts))


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 3), st.booleans())
def test_a_record_that_is_out_of_date_fires_nothing_and_gives_nothing_back(
    a: int, b: int, late: int, all_new: bool
) -> None:
    """Another listener saw ``late`` more arrivals of each input, and used them."""
    fresh = arrivals(a + late), arrivals(b + late)
    _, used = spend(all_new, fresh, None)
    stale = arrivals(a), arrivals(b)
    assert spend(all_new, stale, used) == (0, used)
    # One more arrives, and is seen together with the old record of the other input: the sum is right.
    newer = arrivals(b + late + 1)
    for recs in ((stale[0], newer), (fresh[0], newer)):
        _, used = spend(all_new, recs, used)
    counts = a + late, b + late + 1
    assert used is not None
    assert used[0] == (min(counts) if all_new else sum(counts) - 1)


def test_a_new_life_of_a_record_is_unused() -> None:
    used: Used = (3, ((T, 3), (T, 3)))
    again = arrivals(1, T + 500), arrivals(4)
    assert free(again, used) == [1, 1]
    assert after_firing(True, again, used, [1, 1]) == (4, ((T + 500, 1), (T, 4)))


@pytest.mark.parametrize("lapsed", [(T, 1), (T, 5)])
def test_what_lapsed_is_used(lapsed: ConsumedMark) -> None:
    recs = arrivals(1), arrivals(2)
    assert free(recs, None, [(NEVER, lapsed)]) == [1, max(0, 2 - lapsed[1])]


def test_the_usual_firing_in_one_step_is_the_same_as_in_three() -> None:
    recs = arrivals(1), arrivals(1)
    for all_new in (True, False):
        left = free(recs, None)
        assert firings_due(all_new, left, None) == 1
        assert first_use(recs) == (("e0", "e0"), after_firing(all_new, recs, None, left))
    assert first_use((arrivals(1), arrivals(2))) is None
