"""The main job with parts of it killed on the way: the same executions, none missing, none twice."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from examples.flights import demo
from rheo_platforms.local.commands import executions
from rheo_platforms.local.stack import LocalStack
from rheo_runtime.records import SUCCEEDED


def succeeded(stack: LocalStack) -> int:
    return sum(states[SUCCEEDED] for states in executions(stack).values())


def until(condition: Callable[[], bool], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not go on"
        time.sleep(1)


def trouble(stack: LocalStack) -> None:
    """Kill the listener, and then the scheduler with the tasks it runs, in the middle of the work."""
    stack.kill_listener()
    time.sleep(3)
    stack.restart_listener()
    until(lambda: succeeded(stack) >= 6)
    stack.kill_scheduler()
    time.sleep(3)
    stack.restart_scheduler()
    stack.kill_listener()
    time.sleep(3)
    stack.restart_listener()


@pytest.mark.slow
def test_the_demo_survives_a_killed_listener_and_a_killed_scheduler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "SUMMARY", tmp_path / "summary.json")
    monkeypatch.setattr(demo, "SECONDS", 600)
    stack = LocalStack(tmp_path / "stack")
    try:
        assert demo.demo(stack, time.monotonic(), trouble) == 0
        made = demo.expected(stack)
    finally:
        stack.down()
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["executions"] == made
    assert {**made, "daily_note": 1} == {"daily_note": 1, "delay_trend": 6, "flight_weather": 24}
    assert summary["rejected"] == 1
    assert stack.status() == []
