"""Calls of one process -> calls at a bearable pace, and none for a while after one could not be taken.

MWAA's front door takes ten calls a second of an environment, whoever makes them. Each listener keeps to
its share, so that no state has to be shared; what goes wrong with that is answered by waiting.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

MWAA = 10.0  # calls a second that an environment takes
LEAST = 1.0  # calls a second of one process, however many share; throttling does the rest
SHORTEST, LONGEST = 1.0, 30.0  # seconds that nothing is called after a fault, doubled each time


def share(processes: int) -> float:
    """Return the calls a second that each of so many processes may make.

    >>> share(4), share(1000)
    (2.5, 1.0)
    """
    return max(LEAST, MWAA / max(1, processes))


class Closed(Exception):
    """No call is made now; the message says for how long."""


class Pace:
    """A token bucket that holds one second's calls, with a door that faults close for a while.

    Parameters
    ----------
    rate
        Calls a second; see `share`.
    clock, sleep
        Seconds that only go forward, and how to wait for some.

    >>> pace, now = Pace(2, clock=lambda: 0.0, sleep=lambda s: print(f"waits {s} s")), 0.0
    >>> for _ in range(3):
    ...     pace.enter()
    waits 0.5 s
    """

    def __init__(
        self,
        rate: float = MWAA / 2,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.rate = rate
        self.sleep = sleep
        self._clock = clock
        self._left = max(1.0, rate)
        self._then = clock()
        self._closed_until = float("-inf")
        self._pause = 0.0
        self._lock = threading.Lock()

    def enter(self) -> None:
        """Wait for one's turn; raises Closed after a fault, until its time is over."""
        with self._lock:
            now = self._clock()
            if now < self._closed_until:
                raise Closed(f"nothing is asked of Airflow for {self._closed_until - now:.0f} s more")
            self._left = min(max(1.0, self.rate), self._left + (now - self._then) * self.rate) - 1
            self._then = now
            wait = max(0.0, -self._left / self.rate)
        if wait:
            self.sleep(wait)

    def went_well(self) -> None:
        """A call was taken: the next fault closes the door for a short time again."""
        self._pause = 0.0

    def went_wrong(self) -> None:
        """A call could not be taken: make none for a while, each time for twice as long."""
        with self._lock:
            self._pause = min(max(SHORTEST, 2 * self._pause), LONGEST)
            self._closed_until = self._clock() + self._pause
