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
