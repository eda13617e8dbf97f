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
from rheodsl.errors import RheoError

for _command in app.registered_commands:
    if _command.callback is not None:
        _command.callback = staged(_command.callback)


def main() -> None:
    """Run the command; a user's mistake is printed as text, not as a traceback."""
    try:
        app()
    except RheoError as fault:
        err.print(str(fault), markup=False)
        raise SystemExit(1) from None
    except (BotoCoreError, ClientError) as fault:
        err.print(str(as_error(fault)), markup=False)
        raise SystemExit(1) from None
