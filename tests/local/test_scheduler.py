"""Schedules fire when AWS fires them, each time once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from rheo_platforms.local.scheduler import Scheduler
from rheo_platforms.local.specification import SCHEDULED_TIME, TimerSchedule

DAILY = TimerSchedule("daily", "cron(0 6 * * ? *)", json.dumps({"at": SCHEDULED_TIME}))
HOURLY = TimerSchedule("hourly", "rate(6 hours)", SCHEDULED_TIME)


def test_each_fires_at_its_times_once() -> None:
    sent: list[str] = []
    now = datetime(2025, 5, 7, 5, 59, tzinfo=UTC)
    scheduler = Scheduler([DAILY, HOURLY], sent.append, now)
    assert (scheduler.fire(now), sent) == (0, [])
    assert scheduler.wait(now) == timedelta(minutes=1)
    now += timedelta(minutes=1, seconds=3)
    assert scheduler.fire(now) == 2
    assert sent == ['{"at": "2025-05-07T06:00:00Z"}', "2025-05-07T06:00:00Z"]
    assert scheduler.fire(now) == 0


def test_after_a_pause_every_missed_time_is_sent() -> None:
    sent: list[str] = []
    now = datetime(2025, 5, 7, 1, tzinfo=UTC)
    scheduler = Scheduler([HOURLY], sent.append, now)
    scheduler.fire(now + timedelta(hours=24))
    assert sent == [f"2025-05-07T{hour:02}:00:00Z" for hour in (6, 12, 18)] + ["2025-05-08T00:00:00Z"]


def test_what_could_not_be_sent_stays_due() -> None:
    sent: list[str] = []
    answers = [False, True]

    def send(text: str) -> None:
        if not answers.pop(0):
            raise ConnectionError
        sent.append(text)

    now = datetime(2025, 5, 7, 5, tzinfo=UTC)
    scheduler = Scheduler([HOURLY], send, now)
    now += timedelta(hours=2)
    with pytest.raises(ConnectionError):
        scheduler.fire(now)
    assert scheduler.wait(now) == timedelta()
    assert scheduler.fire(now) == 1
    assert sent == ["2025-05-07T06:00:00Z"]


def test_a_schedule_of_a_zone_fires_by_its_clock() -> None:
    sent: list[str] = []
    nightly = TimerSchedule("nightly", "cron(0 3 * * ? *)", SCHEDULED_TIME, "America/New_York")
    now = datetime(2024, 3, 9, tzinfo=UTC)
    Scheduler([nightly], sent.append, now).fire(now + timedelta(days=2, hours=12))
    assert sent == ["2024-03-09T08:00:00Z", "2024-03-10T07:00:00Z", "2024-03-11T07:00:00Z"]


def test_a_schedule_that_is_over_never_fires() -> None:
    now = datetime(2025, 5, 7, tzinfo=UTC)
    past = TimerSchedule("past", "cron(0 6 * * ? 2020)", "")
    scheduler = Scheduler([past], pytest.fail, now)
    assert scheduler.fire(now + timedelta(days=1000)) == 0
    assert scheduler.wait(now) is None
