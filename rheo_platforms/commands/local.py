"""``rheo up``, ``down`` and ``emit``: the stack on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rheo_platforms.commands.shared import App, Json, Running, app, err, file_of, named, out, print_log, tell
from rheo_platforms.local import commands
from rheo_platforms.local.platform import LocalPlatform
from rheo_platforms.local.stack import LocalStack


@app.command()
def up(file: App = None, as_json: Json = False) -> None:
    """Activate an application on this machine, wherever else it lives: real Airflow, real Spark.

    The stack is started when it is down; an application is added to one that runs, or taken over as it is now.
    """
    print_log(err if as_json else out)
    application = named(file)
    platform = LocalPlatform()
    platform.lifecycle(application.name).activate(application.graph())
    url, (user, password) = platform.stack.airflow.url, platform.stack.login
    found = {"app": application.name, "airflow": url, "user": user, "password": password}
    tell(as_json, found, f"Airflow: {url}  login {user} / {password}")
    if not as_json and not isinstance(application.platform, LocalPlatform | None):
        err.print(f"{application.name} lives elsewhere: the other commands ask there, not here", markup=False)


@app.command()
def down(as_json: Json = False) -> None:
    """End the local stack; logs stay."""
    ended = len(_stack().status())
    _stack().down()
    told = f"the local stack is down: {ended} processes ended" if ended else "no local stack is running"
    tell(as_json, {"ended": ended}, told)


@app.command()
def emit(
    signal: Annotated[str, typer.Argument(help="The id of a signal.")],
    values: Annotated[
        list[str] | None, typer.Argument(help="Its partition, a text for each dimension.")
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(help="A file of the partition's data, which is put in place first.", metavar="FILE"),
    ] = None,
    running: Running = None,
    as_json: Json = False,
) -> None:
    """Announce a partition to the running local stack, as the owner of the data would."""
    name = None if file_of(running) is None else named(running).name
    sent = commands.emit(_stack(), signal, values or [], name, data or ())
    tell(as_json, {"sent": sent}, f"sent {sent}")


def _stack() -> LocalStack:
    return LocalStack()
