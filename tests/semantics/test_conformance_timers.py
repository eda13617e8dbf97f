"""Section 8: timers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from rheodsl import Application
from rheodsl.testing import Simulator

from .helpers import daily, last_parts, outputs, rejected


def timed(app: Application, expression: str, **options: Any) -> tuple[Simulator, Any]:
    timer = app.add_timer("timer", expression, time_dimension_id="day", **options)
    app.create_data("node", inputs=[timer])
    return Simulator(app), timer


@pytest.mark.parametrize(
    ("expression", "digits"),
    [
        ("rate(1 minute)", "202505072317"),
        ("rate(5 minutes)", "202505072317"),
        ("rate(1 hour)", "2025050723"),
        ("rate(6 hours)", "2025050723"),
        ("rate(1 day)", "20250507"),
        ("rate(7 days)", "20250507"),
    ],
)
def test_the_partition_is_the_fire_time_truncated(app: Application, expression: str, digits: str) -> None:
    sim, timer = timed(app, expression)
    runs = sim.fire(timer, at=datetime(2025, 5, 7, 23, 17, 42))
    assert len(runs) == 1
    text = str(runs[0].output["day"])
    assert "".join(char for char in text if char.isdigit()).ljust(14, "0") == digits.ljust(14, "0")


def test_a_daily_partition_is_a_day(app: Application) -> None:
    sim, timer = timed(app, "rate(1 day)")
    assert outputs(sim.fire(timer, at=datetime(2025, 5, 7, 23, 17))) == [("2025-05-07",)]


def test_shift(app: Application) -> None:
    """► shift -6 days, DAY, fired 2025-05-07T23:00Z -> 2025-05-01."""
    sim, timer = timed(app, "rate(1 day)", time_dimension_shift=-6)
    assert outputs(sim.fire(timer, at=datetime(2025, 5, 7, 23, 0, tzinfo=UTC))) == [("2025-05-01",)]


def test_fire_times_are_utc(app: Application) -> None:
    sim, timer = timed(app, "rate(1 day)")
    west = timezone(timedelta(hours=-8))
    assert outputs(sim.fire(timer, at=datetime(2025, 5, 7, 23, 0, tzinfo=west))) == [("2025-05-08",)]


def test_create_timer_is_add_timer(app: Application) -> None:
    timer = app.create_timer("timer", "rate(1 day)", "cutoff_date")
    app.create_data("node", inputs=[timer["*"]])
    runs = Simulator(app).fire(timer, at=datetime(2025, 5, 7))
    assert runs[0].output == {"cutoff_date": "2025-05-07"}


@pytest.mark.parametrize(
    "expression",
    [
        "rate(1 minute)", "rate(90 minutes)", "rate(1 hour)", "rate(2 days)",
        "cron(0 0 1 * ? *)", "cron(0 10 * * ? *)", "cron(15 12 ? * MON-FRI *)", "cron(0/15 * * * ? *)",
        "cron(0 8 1,15 JAN-JUN ? 2024-2030)", "cron(0 0 L * ? *)", "cron(0 12 ? * 6#3 *)", "cron(0 12 3W * ? *)",
    ],
)  # fmt: skip
def test_legal_expressions(app: Application, expression: str) -> None:
    timed(app, expression)


@pytest.mark.parametrize(
    "expression",
    [
        "rate(1 dys)", "rate(0 days)", "rate(-1 days)", "rate()", "rate(1.5 hours)", "rate(2 day)", "rate(1 days)",
        "rate(1 week)", "every day", "", "rate(1 day", "rate(1 day) ",
        "cron(0 0 1 * *)", "cron(60 0 1 * ? *)", "cron(0 24 1 * ? *)", "cron(0 0 32 * ? *)", "cron(0 0 1 13 ? *)",
        "cron(0 0 1 * 1 *)", "cron(0 0 * * * *)", "cron(0 0 1 FOO ? *)", "cron(0 0 ? * 8 *)", "cron(0 0 ? * ? *)",
    ],
)  # fmt: skip
def test_a_bad_expression_is_an_error_that_points_at_the_column(app: Application, expression: str) -> None:
    with rejected(f"    {expression}".rstrip(), "^"):
        app.add_timer("timer", expression, time_dimension_id="day")


def test_the_column_is_that_of_the_fault(app: Application) -> None:
    with rejected("    rate(1 dys)\n           ^"):
        app.add_timer("timer", "rate(1 dys)", time_dimension_id="day")
    with rejected("    cron(0 24 1 * ? *)\n           ^"):
        app.add_timer("timer", "cron(0 24 1 * ? *)", time_dimension_id="day")


def test_advance_fires_timers(app: Application) -> None:
    sim, _ = timed(app, "cron(0 0 * * ? *)")
    runs = sim.advance(timedelta(days=3))
    assert len(runs) == 3
    assert len(set(outputs(runs))) == 3
    assert sim.advance(timedelta(0)) == []


def test_advance_fires_rates(app: Application) -> None:
    sim, _ = timed(app, "rate(6 hours)")
    assert len(sim.advance(timedelta(days=2))) == 8


def test_timers_fire_in_the_order_of_time(app: Application) -> None:
    hourly = app.add_timer("hourly", "cron(30 * * * ? *)", time_dimension_id="hour")
    nightly = app.add_timer("nightly", "cron(0 0 * * ? *)", time_dimension_id="day")
    app.create_data("each_hour", inputs=[hourly])
    app.create_data("each_night", inputs=[nightly])
    runs = Simulator(app).advance(timedelta(days=1))
    assert [run.node for run in runs].count("each_hour") == 24
    assert [run.node for run in runs].count("each_night") == 1
    hours = [run.output["hour"] for run in runs if run.node == "each_hour"]
    assert hours == sorted(hours)


def test_a_timer_joins_with_data(app: Application) -> None:
    days = daily(app)
    timer = app.add_timer("nightly", "rate(1 day)", time_dimension_id="day")
    app.create_data("node", inputs=[timer, days])
    sim = Simulator(app)
    assert sim.fire(timer, at=datetime(2025, 5, 7)) == []
    assert outputs(sim.send(days["2025-05-07"])) == [("2025-05-07",)]
    assert sim.send(days["2025-05-08"]) == []
    assert outputs(sim.fire(timer, at=datetime(2025, 5, 8))) == [("2025-05-08",)]


def test_a_window_over_a_shifted_timer(app: Application) -> None:
    items = daily(app, "items")
    timer = app.add_timer("nightly", "rate(1 day)", time_dimension_id="day", time_dimension_shift=-1)
    app.create_data("node", inputs=[timer, items[:-2].ref])
    runs = Simulator(app).fire(timer, at=datetime(2025, 5, 7))
    assert last_parts(runs[0], "items") == ["2025-05-06", "2025-05-05"]
