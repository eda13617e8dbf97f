"""M of N datapoints and missing data: the tables of CloudWatch's documentation, row by row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheodsl.cloudwatch.alarm_definitions import AlarmTreatMissingData as Missing
from rheodsl.cloudwatch.alarm_rule import AlarmState
from rheodsl.cloudwatch.evaluation import decide

OK, ALARM, INSUFFICIENT = AlarmState.OK, AlarmState.ALARM, AlarmState.INSUFFICIENT_DATA
KEEP = None
ORDER = (Missing.MISSING, Missing.IGNORE, Missing.BREACHING, Missing.NOT_BREACHING)


def points(text: str) -> list[bool | None]:
    return [{"0": False, "X": True, "-": None}[mark] for mark in text.split()]


# "Configuring how CloudWatch alarms treat missing data": datapoints, and the state for each treatment.
THREE_OF_THREE = [
    ("0 - X - X", (OK, OK, OK, OK)),
    ("0 - - - -", (OK, OK, OK, OK)),
    ("- - - - -", (INSUFFICIENT, KEEP, ALARM, OK)),
    ("0 X X - X", (ALARM, ALARM, ALARM, ALARM)),
    ("- - X - -", (ALARM, KEEP, ALARM, OK)),
    # From the text, "avoiding premature transitions": not ALARM yet, as the next point may be fine.
    # An earlier edition's table gives the states of the first; the second is the same case.
    ("- - - - X", (INSUFFICIENT, KEEP, ALARM, OK)),
    ("- - - X -", (INSUFFICIENT, KEEP, ALARM, OK)),
    ("X - - - -", (ALARM, KEEP, ALARM, OK)),
]
TWO_OF_THREE = [
    ("0 - X - X", (ALARM, ALARM, ALARM, ALARM)),
    ("0 0 X 0 X", (ALARM, ALARM, ALARM, ALARM)),
    ("0 - X - -", (OK, OK, ALARM, OK)),
    ("- - - - 0", (OK, OK, ALARM, OK)),
    ("- - - X -", (ALARM, KEEP, ALARM, OK)),
    ("- - - - X", (INSUFFICIENT, KEEP, ALARM, OK)),
]
ROWS = [
    (text, needed, states)
    for needed, table in ((3, THREE_OF_THREE), (2, TWO_OF_THREE))
    for text, states in table
]


@pytest.mark.parametrize(("text", "needed", "states"), ROWS)
def test_the_tables_of_the_documentation(
    text: str, needed: int, states: tuple[AlarmState | None, ...]
) -> None:
    for missing, state in zip(ORDER, states, strict=True):
        assert decide(points(text), needed, 3, missing) == state, missing


marks = st.lists(st.sampled_from([True, False, None]), min_size=7, max_size=7)
sizes = st.integers(1, 5).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n)))


@given(marks, sizes, st.sampled_from(ORDER))
def test_enough_data_needs_no_treatment(
    found: list[bool | None], size: tuple[int, int], missing: Missing
) -> None:
    needed, periods = size
    real = [mark for mark in found if mark is not None]
    if len(real) >= periods:
        expected = ALARM if sum(real[-periods:]) >= needed else OK
        assert decide(found, needed, periods, missing) == expected


@given(marks, sizes)
def test_treatments_are_ordered(found: list[bool | None], size: tuple[int, int]) -> None:
    """What counts as good never alarms where it is missing; what counts as bad alarms at least as often."""
    good, bad, unknown = (
        decide(found, *size, missing)
        for missing in (Missing.NOT_BREACHING, Missing.BREACHING, Missing.MISSING)
    )
    if good is ALARM:
        assert unknown is ALARM
    if unknown is ALARM:
        assert bad is ALARM


@given(marks, sizes)
def test_ignoring_never_says_what_missing_does_not(found: list[bool | None], size: tuple[int, int]) -> None:
    ignored = decide(found, *size, Missing.IGNORE)
    assert ignored in (KEEP, decide(found, *size, Missing.MISSING))
