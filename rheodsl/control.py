"""``app.process(signal[...])`` -> executions: events and runs that a person asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from rheodsl.paths import Coordinate
from rheodsl.signals import View


class FeedBackSignalProcessingMode(Enum):
    """What `Application.process` sends of an input that stands for several partitions."""

    ONLY_HEAD = "ONLY_HEAD"
    FULL_RANGE = "FULL_RANGE"


class Processed(dict[str, list[str]]):
    """Node -> ids of the executions that an event led to; empty when it led to none.

    ``taken`` are the nodes whose inputs took the event, also those that wait for more. ``ignored`` says
    why no input took it; it is empty when one did, and when the event was only sent.
    """

    def __init__(
        self, executions: Mapping[str, list[str]], taken: Sequence[str] = (), ignored: str = "", sent: int = 0
    ) -> None:
        super().__init__(executions)
        self.taken = tuple(taken)
        self.ignored = ignored
        self.sent = sent

    def __str__(self) -> str:
        lines = [f"{node}: {', '.join(ids)}" for node, ids in self.items()]
        waiting = [node for node in self.taken if node not in self]
        if waiting:
            lines.append(f"taken, but not complete yet: {', '.join(waiting)}")
        if self.sent:
            lines.append(f"sent {self.sent} event{'s' if self.sent != 1 else ''} to the listener")
        if self.ignored:
            lines.append(f"ignored: {self.ignored}")
        return "\n".join(lines)


@dataclass(frozen=True)
class ExecutionRequest:
    """One output partition that is to be made: the parameters of `Application.execute`."""

    node: View
    inputs: Sequence[View] = ()
    recursive: bool = False
    wait: bool = True
    concurrency: int = 4
    timeout: float | None = None
    alternative: str | None = None


@dataclass(frozen=True)
class BackfillRequest:
    """A range of output partitions that are to be made: the parameters of `Application.backfill`."""

    node: View | None
    start: Coordinate | None
    end: Coordinate | None
    dims: Mapping[str, Any]
    recursive: bool = False
    again: bool = False
    concurrency: int = 4
    stale: bool = False
    alternative: str | None = None


class Planned(Protocol):
    """Executions that would be made, and what is missing for them; as text, it is made for reading."""

    @property
    def steps(self) -> Sequence[Any]:
        """The executions, ancestors first."""

    @property
    def gaps(self) -> Sequence[Any]:
        """What is missing, and nothing can make."""


class Backfilled(Protocol):
    """What a backfill came to: nodes and partitions, by what became of them."""

    @property
    def made(self) -> Sequence[tuple[str, str]]:
        """Those that succeeded, ancestors included."""

    @property
    def failed(self) -> Sequence[tuple[str, str]]:
        """Those that failed, or were not run because an ancestor failed."""

    @property
    def lacking(self) -> Sequence[tuple[str, str]]:
        """Those whose inputs are missing."""

    @property
    def there(self) -> Sequence[tuple[str, str]]:
        """Those that were there already."""
