"""``rheo up``, ``down`` and ``emit``: the stack on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from platforms.commands.shared import App, Running, app, out
from rheodsl.loading import load_app

if TYPE_CHECKING:
    from platforms.local.stack import LocalStack


@app.command()
def up(
    file: App,
    to: Annotated[Path, typer.Option("-o", "--out", help="Where the compiled files go.")] = Path("dags_out"),
) -> None:
    """Compile an application and start it on this machine: real Airflow, real Spark.

    It is added to a stack that runs already.
    """
    from codegen import compiler
    from platforms.local import commands

    application = load_app(file)
    compiler.write(compiler.compile_app(application), to / application.name)
    commands.up(_stack(), to / application.name, out)


@app.command()
def down() -> None:
    """End the local stack; logs stay."""
    _stack().down()


@app.command()
def emit(
    signal: Annotated[str, typer.Argument(help="The id of a signal.")],
    values: Annotated[
        list[str] | None, typer.Argument(help="Its partition, a text for each dimension.")
    ] = None,
    running: Running = None,
) -> None:
    """Announce a partition to the running local stack, as the owner of the data would."""
    from platforms.local import commands

    name = None if running is None else load_app(running).name
    out.print(commands.emit(_stack(), signal, values or [], name), markup=False)


def _stack() -> LocalStack:
    from platforms.local.stack import LocalStack

    return LocalStack()
