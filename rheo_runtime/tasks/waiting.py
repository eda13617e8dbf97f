"""A question that is asked again and again -> its first answer that is final."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from rheo_runtime.tasks import settings

Answer = TypeVar("Answer")


def until(ask: Callable[[], Answer], over: Callable[[Answer], bool]) -> Answer:
    """Return the first answer that is over; Airflow's own timeout ends the wait."""
    while not over(answer := ask()):
        time.sleep(settings.POLL_SECONDS)
    return answer
