"""What all commands of ``rheo`` share: the command itself, the consoles, and how an application is named."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Event-driven data pipelines.",
)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

App = Annotated[Path, typer.Argument(help="The file of the application.", metavar="APP")]
Running = Annotated[
    Path | None,
    typer.Option(
        "--app", help="The file of the application; left out, what runs on this machine.", metavar="APP"
    ),
]
