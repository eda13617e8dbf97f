"""Where an application lives -> what it can do there: the interface of a platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from rheodsl.errors import StateError

if TYPE_CHECKING:
    from pathlib import Path

    from rheodsl import ir
    from rheodsl.analysis import Analysis
    from rheodsl.control import Control
    from rheodsl.lifecycle import Lifecycle
    from rheodsl.monitoring import Monitoring
    from rheodsl.sharing import Upstream


class Platform(Protocol):
    """A place where applications live: this machine, or an account of AWS.

    Each of its parts is a protocol beside the methods of an application that use it, such as
    `rheodsl.lifecycle`.
    """

    def active_graph(self, app: str) -> ir.Graph | None:
        """Return what was activated last under this name; None when nothing is active."""

    def monitoring(self, app: str) -> Monitoring:
        """Return what tells of the application of this name that is active."""

    def analysis(self, app: str) -> Analysis:
        """Return what reads data for the application of this name."""

    def control(self, app: str) -> Control:
        """Return what sends events to the application of this name, and starts its executions."""

    def lifecycle(self, app: str) -> Lifecycle:
        """Return what activates, changes and ends the application of this name."""

    def upstream(self, partner: ir.Partner) -> Upstream:
        """Return what is known here of another application; nothing is asked yet."""


class OnPlatform:
    """The part of an application that knows where it lives."""

    name: str
    platform: Platform | None

    def _at(self) -> Platform:
        """The application's platform; raises StateError when it has none."""
        if self.platform is None:
            raise StateError(
                f"{self.name} has no platform",
                hint="give it one: Application(name, platform=LocalPlatform()), or AWSApplication(...)",
            )
        return self.platform


def LocalPlatform(folder: Path | str = ".rheo") -> Platform:
    """Return the platform on this machine: real Airflow and Spark, AWS played by a stand-in.

    Parameters
    ----------
    folder
        Holds its state, logs and databases.
    """
    from platforms.local.platform import LocalPlatform as Local

    return Local(folder)
