"""``app.activate()`` -> the application runs where it lives: activate, plan, attach, pause, terminate."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Protocol


class ApplicationState(StrEnum):
    """What an application is where it lives.

    ``ACTIVATING``, ``PAUSING``, ``RESUMING`` and ``TERMINATING`` stay when the work was interrupted: doing it
    again finishes it.
    """

    INITIALIZED = "INITIALIZED"
    ACTIVATING = "ACTIVATING"
    ACTIVE = "ACTIVE"
    PAUSING = "PAUSING"
    PAUSED = "PAUSED"
    RESUMING = "RESUMING"
    TERMINATING = "TERMINATING"
    TERMINATED = "TERMINATED"


class Release(Protocol):
    """One activation, as it was brought out; as text, it is a line for reading."""

    @property
    def number(self) -> int:
        """Its number: 1, 2, 3."""

    @property
    def what(self) -> str:
        """How it came about: ``activate``, or ``roll back to 3``."""

    @property
    def by(self) -> str:
        """Who brought it out."""

    @property
    def at(self) -> str:
        """When, in UTC."""

    @property
    def commit(self) -> str:
        """The commit of the program; "" for unknown, with a ``+`` where files were changed since."""

    @property
    def plan(self) -> Sequence[str]:
        """Which signals and nodes it added, changed and removed."""


class Changes(Protocol):
    """What an activation would change; as text, it is made for reading."""

    @property
    def empty(self) -> bool:
        """Whether nothing would change."""

    def to_json(self) -> dict[str, Any]:
        """Return the same as plain data."""
