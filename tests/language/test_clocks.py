"""Labels and values over changes of the clock, against a clock that is read minute by minute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from rheo_runtime import values as v
from rheo_runtime.values import BadValue, Kind, datetime_kind

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CHANGES = [
    ("America/New_York", "2024-03-10"),
    ("America/New_York", "2024-11-03"),
    ("America/Santiago", "2024-09-08"),  # at midnight
    ("America/Santiago", "2024-04-07"),
    ("Australia/Lord_Howe", "2024-10-06"),  # by half an hour
    ("Australia/Lord_Howe", "2024-04-07"),
    ("Pacific/Apia", "2011-12-30"),  # a day that is skipped
    ("Asia/Kolkata", "2024-03-10"),
    ("Europe/Paris", "1900-01-02"),  # minutes that are no whole ones of UTC
]
STEPS = [("HOUR", 1), ("HOUR", 2), ("HOUR", 6), ("MINUTE", 1), ("MINUTE", 15), ("MINUTE", 50)]
FORMAT = "%Y-%m-%d %H:%M"


def shown(kind: Kind, day: str) -> Iterator[tuple[str, int]]:
    """The labels that a clock shows around a day, and the first minute of each, in their order."""
    start = (datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(days=1) - EPOCH) // timedelta(
        minutes=1
    )
    seen = set()
    unit = kind.unit
    for minute in range(start, start + 3 * 1440):
        local = (EPOCH + timedelta(minutes=minute)).astimezone(ZoneInfo(kind.timezone or "UTC"))
        count = (local.replace(tzinfo=None) - datetime(1970, 1, 1)) // timedelta(minutes=1)
        label = datetime(1970, 1, 1) + timedelta(minutes=count - count % unit)
        if label not in seen:
            seen.add(label)
            yield label.strftime(FORMAT), minute


@pytest.mark.parametrize(("granularity", "step"), STEPS)
@pytest.mark.parametrize(("zone", "day"), CHANGES)
def test_what_a_clock_shows_is_a_partition_and_nothing_else_is(
    zone: str, day: str, granularity: str, step: int
) -> None:
    kind = datetime_kind(FORMAT, granularity, zone, step=step)
    there = dict(list(shown(kind, day))[1:])  # the first began before
    texts = sorted(there)
    assert {text: v.parse(text, kind) for text in texts} == there
    assert [v.render(there[text], kind) for text in texts] == texts
    values = [there[text] for text in texts]
    assert list(v.between(values[0], values[-1], kind)) == values
    assert v.neighbours(values[-1], 0, -len(values), kind) == tuple(reversed(values))
    assert v.neighbours(values[0], 0, len(values), kind) == tuple(values)
    assert all(v.is_partition(value, kind) for value in values)
    assert not any(
        v.is_partition(value, kind) for value in range(values[0], values[-1]) if value not in set(values)
    )
    within = v.members(v.from_datetime(datetime.fromisoformat(day), datetime_kind()), datetime_kind(), kind)
    assert [v.render(each, kind) for each in within] == [text for text in texts if text.startswith(day)]
    moment = datetime.strptime(texts[0], FORMAT)
    while moment < datetime.strptime(texts[-1], FORMAT):
        moment += timedelta(minutes=kind.unit)
        if (text := moment.strftime(FORMAT)) not in there:
            with pytest.raises(BadValue):
                v.parse(text, kind)


@pytest.mark.parametrize(
    ("week", "moved", "result"),
    [
        ("2024-W10", {"years": -1}, "2023-W10"),
        ("2024-W01", {"years": 1}, "2025-W01"),
        ("2025-W01", {"years": -1}, "2024-W01"),
        ("2020-W53", {"years": -1}, "2019-W52"),
        ("2020-W53", {"months": 12}, "2021-W52"),
        ("2026-W53", {"years": -6}, "2020-W53"),
        ("2024-W10", {"years": -1, "days": 7}, "2023-W11"),
        ("2024-W10", {"months": -1}, "2024-W05"),
    ],
)
@pytest.mark.parametrize("week_start", [0, 2, 6])
def test_a_week_moved_by_years_keeps_its_number(
    week_start: int, week: str, moved: dict[str, int], result: str
) -> None:
    kind = datetime_kind(granularity="WEEK", week_start=week_start)
    by = {"years": 0, "months": 0, "days": 0, **moved}
    assert v.render(v.shift_calendar(v.parse(week, kind), kind, **by), kind) == result


def test_a_week_moved_out_of_range() -> None:
    kind = datetime_kind(granularity="WEEK")
    with pytest.raises(BadValue, match="'9999-W10' so moved is out of the range of dates"):
        v.shift_calendar(v.parse("9999-W10", kind), kind, 1, 0, 0)
