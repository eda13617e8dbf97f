"""``LocalPlatform()`` -> applications on this machine's local stack."""

from __future__ import annotations

from pathlib import Path

from codegen.routes import app_bucket
from platforms.analysis.reading import Reading
from platforms.control.controls import Controls
from platforms.deployment import Deployment
from platforms.lifecycle.life import Life
from platforms.local.errors import StackError
from platforms.local.moto import ACCOUNT
from platforms.local.place import LocalPlace
from platforms.local.stack import LocalStack
from platforms.monitoring.active import graph_of
from platforms.monitoring.watch import Watch
from platforms.sharing import Remote
from rheodsl import ir


class LocalPlatform:
    """The platform on this machine.

    Parameters
    ----------
    folder
        Holds its state, logs and databases.
    """

    def __init__(self, folder: Path | str = ".rheo") -> None:
        self.stack = LocalStack(folder)
        self._lives: dict[str, Life] = {}

    def deployment(self, app: str | None = None) -> Deployment:
        """Return the running application of this name; the only one when none is given.

        Raises StackError when the stack is down, or does not run it.
        """
        found = self.stack.specification(app)
        address = f"{self.stack.environment()['AWS_ENDPOINT_URL']}/{ACCOUNT}"
        return Deployment(
            app=found.app,
            session=self.stack.session(),
            bucket=found.bucket,
            table=found.table,
            queue=f"{address}/{found.queue}",
            dead_letters=f"{address}/{found.dead_letters}",
            environment=self.stack.state.mwaa_environment,
            task_logs=self.stack.folder / "airflow" / "logs",
            listener_log=self.stack.folder / "logs" / found.app / "listener.log",
        )

    def active_graph(self, app: str) -> ir.Graph | None:
        """Return what runs on the stack under this name; None when nothing does."""
        try:
            return graph_of(self.deployment(app))
        except StackError:
            return None

    def monitoring(self, app: str) -> Watch:
        """Return what tells of an application on the stack; raises StackError when it is not on it."""
        return Watch(self.deployment(app))

    def analysis(self, app: str) -> Reading:
        """Return what reads data; raises StackError when the stack is down."""
        return Reading(self.stack.session(), app_bucket(app))

    def control(self, app: str) -> Controls:
        """Return what sends events to an application on the stack, and starts its executions."""
        return Controls(lambda: self.deployment(app), lambda: app_bucket(app))

    def lifecycle(self, app: str) -> Life:
        """Return what activates, changes and ends the application of this name."""
        if app not in self._lives:
            self._lives[app] = Life(LocalPlace(self.stack, app, self.deployment))
        return self._lives[app]

    def upstream(self, partner: ir.Partner) -> Remote:
        """Return another application of the stack; accounts and regions are all the same here."""
        return Remote(self.stack.session().client("s3"), app_bucket(partner.app))
