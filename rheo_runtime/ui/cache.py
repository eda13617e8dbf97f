"""What was read a moment ago -> no need to read it again: a page that many watch costs what one does."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, TypeVar

T = TypeVar("T")

FRESH = 3.0  # seconds, at least
KEPT = 1_000  # values at most, but for those that are fresh
SHARE = 20  # what took a second to read is shown for that many: pages take at most this part of a ledger


class Cache:
    """Values by key, each fresh for a time that follows from what it took to make it.

    >>> cache, made = Cache(), []
    >>> for _ in range(3):
    ...     _ = cache.get("a", lambda: made.append(1))
    >>> len(made)
    1
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._values: dict[Hashable, tuple[Any, float]] = {}
        self._locks: dict[Hashable, Lock] = {}
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], T], fresh: float = FRESH) -> T:
        """Return the value of ``key``; it is made once, however many ask at the same time."""
        with self._lock:
            if len(self._locks) > KEPT:
                self._forget()
            lock = self._locks.setdefault(key, Lock())
        with lock:
            value: T
            value, until = self._values.get(key, (None, 0.0))
            start = self._clock()
            if key not in self._values or start >= until:
                value = make()
                now = self._clock()
                self._values[key] = value, now + max(fresh, SHARE * (now - start))
            return value

    def _forget(self) -> None:
        now = self._clock()
        for key, lock in list(self._locks.items()):
            if not lock.locked() and (key not in self._values or self._values[key][1] <= now):
                del self._locks[key]
                self._values.pop(key, None)
