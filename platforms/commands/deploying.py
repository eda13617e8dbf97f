"""``rheo plan``, ``activate``, ``pause``, ``resume``, ``terminate``, ``delete``: where an application lives."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Annotated

import typer

from platforms.commands.shared import App, app, out
from rheodsl.application import Application
from rheodsl.loading import load_app

OneAtATime = Annotated[
    bool, typer.Option("--one-at-a-time", help="Let each node work on one partition at a time.")
]


class _Printed(logging.Handler):
    """Prints what is done."""

    def emit(self, record: logging.LogRecord) -> None:
        out.print(record.getMessage(), markup=False)


def _application(file: Path) -> Application:
    """The application of a file; without a platform it lives on this machine. What is done is printed."""
    from platforms.local.platform import LocalPlatform

    log = logging.getLogger("rheo")
    log.setLevel(logging.INFO)
    log.handlers = [_Printed()]
    found = load_app(file)
    if found.platform is None:
        found.platform = LocalPlatform()
    return found


@app.command()
def plan(
    file: App,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with status 2 when something would change.")
    ] = False,
    one_at_a_time: OneAtATime = False,
) -> None:
    """Show what activating an application would change; nothing is changed."""
    found = _application(file).plan(allow_concurrent_executions=not one_at_a_time)
    out.print(json.dumps(found.to_json(), indent=1) if as_json else str(found), markup=False)
    if check and not found.empty:
        raise typer.Exit(2)


@app.command()
def activate(file: App, one_at_a_time: OneAtATime = False) -> None:
    """Let an application run as its file declares it; only what has changed is touched."""
    _application(file).activate(allow_concurrent_executions=not one_at_a_time)


@app.command()
def pause(file: App) -> None:
    """Start no more executions of an application; events wait."""
    _application(file).pause()


@app.command()
def resume(file: App) -> None:
    """Let a paused application go on."""
    _application(file).resume()


@app.command()
def terminate(
    file: App,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until no execution is running.")] = False,
) -> None:
    """Remove all that activating has made; data stays."""
    _application(file).terminate(wait_for_active_routes=wait)


@app.command()
def delete(file: App, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Remove what is left of a terminated application, its data included."""
    found = _application(file)
    if not yes:
        typer.confirm(f"Delete {found.name} with all data that it has made?", abort=True)
    found.delete()
