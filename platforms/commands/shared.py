"""What all commands of ``rheo`` share: the command itself, the consoles, and how an application is named."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol, cast

import typer
from rich.console import Console

if TYPE_CHECKING:
    from platforms.deployment import Deployment

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


class Reaches(Protocol):
    """What every platform of ours offers beside the methods of `rheodsl.platform.Platform`."""

    def deployment(self, app: str | None = None) -> Deployment:
        """Return the running application of this name."""


def deployment_of(running: Path | None) -> Deployment:
    """Return the running application of a file; the only one on this machine, when none is given.

    An application without a platform lives on this machine. Raises SpecError for a file without an
    application, and what the platform raises when the application does not run there.
    """
    from platforms.local.platform import LocalPlatform
    from rheodsl.loading import load_app

    if running is None:
        return LocalPlatform().deployment()
    application = load_app(running)
    platform = LocalPlatform() if application.platform is None else cast(Reaches, application.platform)
    return platform.deployment(application.name)
