"""``LocalPlatform()`` -> applications on this machine's local stack."""

from __future__ import annotations

from pathlib import Path

from platforms.deployment import Deployment
from platforms.local.errors import StackError
from platforms.local.moto import ACCOUNT
from platforms.local.specification import read_specification
from platforms.local.stack import LocalStack


class LocalPlatform:
    """The platform on this machine.

    Parameters
    ----------
    folder
        Holds its state, logs and databases.
    """

    def __init__(self, folder: Path | str = ".rheo") -> None:
        self.stack = LocalStack(folder)

    def deployment(self, app: str | None = None) -> Deployment:
        """Return the running application of this name; the only one when none is given.

        Raises StackError when the stack is down, or runs another application.
        """
        state = self.stack.state
        if app not in (None, state.app):
            raise StackError(f"the local stack runs {state.app}, not {app}", hint="start it: rheo up")
        found = read_specification(Path(state.compiled))
        address = f"{self.stack.environment()['AWS_ENDPOINT_URL']}/{ACCOUNT}"
        return Deployment(
            app=found.app,
            session=self.stack.session(),
            bucket=found.bucket,
            table=found.table,
            queue=f"{address}/{found.queue}",
            dead_letters=f"{address}/{found.dead_letters}",
            environment=state.mwaa_environment,
        )
