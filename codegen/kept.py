"""What was made of a part of a graph, for as long as compiles in this process use it.

A part is frozen, so what follows from it is what followed from it before. Parts are told apart as objects, by
identity: the application keeps those of nodes and signals that have not changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Kept:
    """Results by the parts that they were made of; those that a whole compile did not ask for are dropped.

    >>> kept, part = Kept(), (1, 2)
    >>> kept.of("sum", (part,), lambda: sum(part)), kept.of("sum", (part,), lambda: 0)
    (3, 3)
    """

    def __init__(self) -> None:
        self._now: dict[tuple[object, ...], tuple[tuple[object, ...], Any]] = {}
        self._before: dict[tuple[object, ...], tuple[tuple[object, ...], Any]] = {}

    def of(self, what: str, parts: tuple[object, ...], make: Callable[[], T]) -> T:
        """Return what ``make`` made of these parts before, or makes now; what it raises is not kept."""
        key = (what, *map(id, parts))
        entry = self._now.get(key) or self._before.get(key)
        if entry is None:
            entry = parts, make()  # the parts too: while they are held, no other object has their identity
        self._now[key] = entry
        made: T = entry[1]
        return made

    def turn(self) -> None:
        """Begin a compile: what the one before it did not use is dropped."""
        self._before, self._now = self._now, {}


KEPT = Kept()
