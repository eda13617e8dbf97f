"""Where one application lives: what an activation needs of a platform."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from rheo_platforms.deployment import Deployment
from rheo_platforms.lifecycle.changes import Change
from rheo_platforms.lifecycle.release import Release
from rheo_platforms.lifecycle.stores import Store
from rheodsl import ir

NAMED = "runtime.json"  # beside an application's DAG files: which versions of Rheo they need
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
    def role(self) -> str:
        """As which role, or user, one works here."""

    @property
    def partner(self) -> ir.Partner:
        """The application as another one imports it."""

    @property
    def dags(self) -> Store:
        """The folder of the application's DAG files, as Airflow reads it."""

    def reachable(self) -> bool:
        """Whether the platform is there at all: an application on one that is not is a new one."""

    def tenant(self) -> str | None:
        """Return the name of the application that the bucket was made for, as it is written; None for unknown."""

    def deployment(self) -> Deployment:
        """Return the application as it runs. Raises StateError when it does not."""

    def located(self, graph: ir.Graph) -> ir.Graph:
        """Return a graph whose tables say where their data is, where jobs need leave to read it; raises DeployError."""

    def begin(self, release: Release) -> None:
        """Let the bucket exist."""

    def stock(self, release: Release) -> dict[str, bytes]:
        """Return what of a release is kept beside its files, so that it can be brought out again as it was."""

    def support(self, release: Release) -> None:
        """Let Airflow have what the DAG files import."""

    def bound(self, release: Release) -> Mapping[str, str]:
        """Return the DAG files as Airflow reads them: bound to what `support` has put there."""

    def unsupport(self) -> None:
        """Take away what no DAG file imports any more."""

    def infrastructure(self, release: Release, renew: Callable[[], None], refresh: bool) -> bool:
        """Let everything around the DAGs be as the release wants it; return whether anything changed.

        From then on the listener follows the routes of the release. ``renew`` is called while it takes long;
        with ``refresh``, what was changed by hand is taken back.
        """

    def drift(self, release: Release) -> tuple[Change, ...]:
        """Return what of `infrastructure` was changed by hand since the release."""

    def settle(self, release: Release) -> None:
        """Wait until Airflow has the DAGs, where that takes seconds."""

    def preview(self, release: Release) -> tuple[tuple[Change, ...], tuple[str, ...]]:
        """Return what `infrastructure` would change: resources, and permissions."""

    def for_owners(self, release: Release) -> tuple[str, ...]:
        """Return what others have to do so that the events of their buckets come here."""

    def pause(self) -> None:
        """Let the listener rest; events wait in the queue."""

    def resume(self) -> None:
        """Undo `pause`."""

    def tear_down(self) -> None:
        """Remove all around the DAGs but the bucket and the ledger."""

    def wipe(self) -> None:
        """Remove the bucket and the ledger."""
