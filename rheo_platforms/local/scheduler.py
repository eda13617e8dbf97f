"""EventBridge schedules -> messages in the application's queue, at the times that AWS would send them."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from rheo_platforms.local.specification import SCHEDULED_TIME, TimerSchedule, read_specification
from rheo_platforms.local.state import load
from rheodsl.schedule import Schedule, parse

# On AWS a schedule sends this once a minute; nobody wants to wait that long at a desk. Where messages wait, it is a minute here, too.
SWEEP_SECONDS = 10.0
AWS_SWEEP_SECONDS = 60.0
SWEEP = "rheo.sweep"


class Scheduler:
    """Knows when each schedule fires next.

    Parameters
    ----------
    schedules
        What to fire.
    send
        Gets the text of each firing.
    now
        The time from which on they fire.
    """

    def __init__(
        self, schedules: Iterable[TimerSchedule], send: Callable[[str], None], now: datetime
    ) -> None:
        self.send = send
        self._schedules = [
            (schedule, parse(schedule.expression, schedule.timezone)) for schedule in schedules
        ]
        self._next = [_after(expression, now) for _, expression in self._schedules]

    def fire(self, now: datetime) -> int:
        """Send everything that is due; return how many were sent.

        A schedule whose message cannot be sent stays due.
        """
        count = 0
        for number, (schedule, expression) in enumerate(self._schedules):
            while (due := self._next[number]) is not None and due <= now:
                self.send(schedule.input.replace(SCHEDULED_TIME, _spell(due)))
                self._next[number] = _after(expression, due)
                count += 1
        return count

    def wait(self, now: datetime) -> timedelta | None:
        """Return the time until the next firing; None when there is none left."""
        times = [time for time in self._next if time is not None]
        return max(timedelta(), min(times) - now) if times else None


def _after(expression: Schedule, time: datetime) -> datetime | None:
    return expression.next_after(time)


def _spell(time: datetime) -> str:
    """Spell a time as EventBridge Scheduler does.

    >>> _spell(datetime(2025, 5, 7, 23, tzinfo=UTC))
    '2025-05-07T23:00:00Z'
    """
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def sweep(app: str) -> str:
    """The text that asks the listener to look after what is overdue."""
    return json.dumps({"source": "rheo", "detail-type": SWEEP, "detail": {"app": app}})


def _idle(sqs: Any, url: str) -> bool:
    """Say whether no message waits: sweeps that take longer than the time between them would let no other come through."""
    counted = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    return int(counted["Attributes"]["ApproximateNumberOfMessages"]) == 0


def _paused(folder: Path | None, app: str) -> bool:
    state = None if folder is None else load(folder)
    return state is not None and app in state.residents and state.residents[app].paused


def main() -> None:
    """Fire until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="the compiled application")
    parser.add_argument("--stack", type=Path, help="the stack's folder, which tells when it is paused")
    options = parser.parse_args()
    stack = read_specification(options.folder)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=stack.queue)["QueueUrl"]

    def send(text: str) -> None:
        sqs.send_message(QueueUrl=url, MessageBody=text)

    timers = [schedule for schedule in stack.schedules if SWEEP not in schedule.input]
    scheduler = Scheduler(timers, send, datetime.now(UTC))
    print(f"{len(timers)} schedules", flush=True)
    next_sweep = last_sweep = datetime.now(UTC)
    while not stop.is_set():
        now = datetime.now(UTC)
        try:
            scheduler.fire(now)
            if now >= next_sweep:
                late = now - last_sweep >= timedelta(seconds=AWS_SWEEP_SECONDS)
                # Of a paused one nobody would take them out of the queue.
                if not _paused(options.stack, stack.app) and (late or _idle(sqs, url)):
                    send(sweep(stack.app))
                    last_sweep = now
                next_sweep = now + timedelta(seconds=SWEEP_SECONDS)
        except (BotoCoreError, ClientError) as error:
            print(f"the queue does not answer: {error}", file=sys.stderr, flush=True)
            stop.wait(1.0)
        soonest = scheduler.wait(now)
        wait = next_sweep - now if soonest is None else min(soonest, next_sweep - now)
        stop.wait(max(0.05, wait.total_seconds()))


if __name__ == "__main__":
    main()
