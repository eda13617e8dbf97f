"""The ``rheo`` command."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

# Each registers its commands; help shows them in this order.
from rheo_platforms.commands import (  # noqa: F401  # isort: skip
    start,
    build,
    graph,
    local,
    deploy,
    teams,
    monitoring,
    control,
    dead_letters,
)
from rheo_platforms.aws.faults import as_error
from rheo_platforms.commands.shared import app, err
from rheo_platforms.commands.staged import staged
from rheodsl.errors import FileError, GraphError, RheoError, StateError

for _command in app.registered_commands:
    if _command.callback is not None:
        _command.callback = staged(_command.callback)


def main() -> None:
    """Run the command; a user's mistake is printed as text, not as a traceback."""
    try:
        app()
    except (RheoError, BotoCoreError, ClientError, OSError) as fault:
        err.print(str(_told(fault)), markup=False)
        raise SystemExit(1) from None


def _told(fault: BaseException) -> RheoError:
    """What is said of a fault: of AWS's what is to be done, also where the user's file stops by it."""
    if isinstance(fault, GraphError):
        fault.faults = tuple(map(_told, fault.faults))
    if isinstance(fault, FileError) and isinstance(fault.__cause__, BotoCoreError | ClientError):
        found = as_error(fault.__cause__)
        found.where = fault.where
        return found
    if isinstance(fault, RheoError):
        return fault
    if isinstance(fault, BotoCoreError | ClientError):
        return as_error(fault)
    named = getattr(fault, "filename", None)
    return StateError(
        f"{named}: {getattr(fault, 'strerror', fault)}" if named else str(fault),
        hint="look at this path: whether it is there, what it is, and whose",
    )
