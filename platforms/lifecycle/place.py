"""Where one application lives: what an activation needs of a platform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from platforms.deployment import Deployment
from platforms.lifecycle.changes import Change
from platforms.lifecycle.release import Release
from platforms.lifecycle.stores import Store

Say = Callable[[str], None]


class Place(Protocol):
    """Where one application lives."""

    app: str
    dialect: str

    @property
    def bucket(self) -> str:
        """The application's bucket."""

    @property
    def session(self) -> Any:
        """Makes clients."""

    @property
    def owner(self) -> str:
        """Who works here."""

    @property
    def dags(self) -> Store:
        """The folder of the application's DAG files, as Airflow reads it."""

    def reachable(self) -> bool:
        """Whether the platform is there at all: an application on one that is not is a new one."""

    def deployment(self) -> Deployment:
        """Return the application as it runs. Raises StateError when it does not."""

    def begin(self, release: Release) -> None:
        """Let the bucket exist."""

    def support(self) -> None:
        """Let Airflow have what all DAG files import."""

    def infrastructure(self, release: Release, renew: Callable[[], None]) -> bool:
        """Let everything around the DAGs be as the release wants it; return whether anything changed.

        From then on the listener follows the routes of the release. ``renew`` is called while it takes long.
        """

    def settle(self, release: Release) -> None:
        """Wait until Airflow has the DAGs, where that takes seconds."""

    def preview(self, release: Release) -> tuple[tuple[Change, ...], tuple[str, ...]]:
        """Return what `infrastructure` would change: resources, and permissions."""

    def pause(self, timers: tuple[str, ...]) -> None:
        """Let the listener rest, and the DAGs that the clock starts; events wait in the queue."""

    def resume(self, timers: tuple[str, ...]) -> None:
        """Undo `pause`."""

    def tear_down(self) -> None:
        """Remove all around the DAGs but the bucket and the ledger."""

    def wipe(self) -> None:
        """Remove the bucket and the ledger."""
