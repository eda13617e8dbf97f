"""``app.activate()`` -> the application runs where it lives: activate, plan, attach, pause, terminate."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, cast

from rheodsl.errors import StateError
from rheodsl.platform import OnPlatform, Platform

if TYPE_CHECKING:
    from rheodsl import ir
    from rheodsl.application import Application


class ApplicationState(StrEnum):
    """What an application is where it lives.

    ``ACTIVATING`` and ``TERMINATING`` stay when the work was interrupted: doing it again finishes it.
    """

    INITIALIZED = "INITIALIZED"
    ACTIVATING = "ACTIVATING"
    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    TERMINATING = "TERMINATING"
    TERMINATED = "TERMINATED"


class Changes(Protocol):
    """What an activation would change; as text, it is made for reading."""

    @property
    def empty(self) -> bool:
        """Whether nothing would change."""

    def to_json(self) -> dict[str, Any]:
        """Return the same as plain data."""


class Lifecycle(Protocol):
    """What a platform does with an application."""

    def state(self) -> ApplicationState:
        """Return what the application is now."""

    def plan(self, app: Application, concurrent: bool) -> Changes:
        """Return what activating it would change."""

    def activate(self, app: Application, concurrent: bool) -> None:
        """Let it run as it is declared now."""

    def active_graph(self) -> ir.Graph:
        """Return what is active."""

    def pause(self) -> None:
        """Start no more runs; lose no event."""

    def resume(self) -> None:
        """Go on."""

    def terminate(self, wait: bool) -> None:
        """Take back what activating has made, but data."""

    def delete(self) -> None:
        """Remove what is left."""

    def save_draft(self, graph: ir.Graph) -> None:
        """Keep a graph that is not active."""

    def load_draft(self) -> ir.Graph:
        """Return the graph that was kept."""


class LifecycleMethods(OnPlatform):
    """The part of an application that activates, changes and ends it."""

    _deleted = False

    def _at(self) -> Platform:
        if self._deleted:
            raise StateError(
                f"{self.name} was deleted", hint="make a new Application of this name to begin anew"
            )
        return super()._at()

    def _life(self) -> Lifecycle:
        return self._at().lifecycle(self.name)

    @property
    def state(self) -> ApplicationState:
        """What the application is where it lives: asked anew each time."""
        return self._life().state()

    def plan(self, allow_concurrent_executions: bool = True) -> Changes:
        """Return what `activate` would change: nodes, files, resources, permissions, and what keeps waiting.

        Nothing is changed. ``print`` it, or take ``to_json()``; ``empty`` says that nothing would change.

        Parameters
        ----------
        allow_concurrent_executions
            As for `activate`.

        Raises GraphError for a faulty application.
        """
        return self._life().plan(cast("Application", self), allow_concurrent_executions)

    def activate(self, allow_concurrent_executions: bool = True) -> None:
        """Let the application run as it is declared now, and return when it does.

        Only what has changed since the last activation is touched, and what is no longer declared is
        removed. What was interrupted is finished by doing it again. A paused application goes on.

        Parameters
        ----------
        allow_concurrent_executions
            False lets each node work on one partition at a time.

        Raises GraphError for a faulty application, and RheoErrors that say what the platform refused, or
        who else is activating the same application.
        """
        self._life().activate(cast("Application", self), allow_concurrent_executions)

    def attach(self) -> None:
        """Take up everything that is active, so that it can be built on: ``app["data1"]``, then `activate`.

        Raises StateError when nothing is active; ids that are declared here already are faults of the graph.
        """
        cast("Application", self)._take(self._life().active_graph())

    def pause(self) -> None:
        """Start no more executions. Events wait, none is lost; running ones go on.

        Raises StateError when the application is not active.
        """
        self._life().pause()

    def resume(self) -> None:
        """Go on after `pause`, with the events that came meanwhile.

        Raises StateError when the application is not active.
        """
        self._life().resume()

    def terminate(self, wait_for_active_routes: bool = False) -> None:
        """Take back all that `activate` has made. Data stays, and what this object declares too.

        It may be repeated, also after a failure.

        Parameters
        ----------
        wait_for_active_routes
            Pause first, and wait until no execution is running.
        """
        self._life().terminate(wait_for_active_routes)

    def delete(self) -> None:
        """Remove what is left of an application that is not active, its data included.

        The object cannot be used on its platform afterwards. Raises StateError while it is active.
        """
        self._life().delete()
        self._deleted = True

    def save_dev_state(self) -> None:
        """Keep what is declared now, without activating it; `load_dev_state` takes it up elsewhere."""
        self._life().save_draft(cast("Application", self).graph())

    def load_dev_state(self) -> None:
        """Take up what was kept by `save_dev_state`.

        Raises StateError when nothing was; ids that are declared here already are faults of the graph.
        """
        cast("Application", self)._take(self._life().load_draft())
