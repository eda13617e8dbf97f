"""What all commands of ``rheo`` share: the command itself, the consoles, and how an application is named."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup, TyperOption

from rheo_platforms.aws.platform import AWSPlatform
from rheo_platforms.consoles import console
from rheo_platforms.deployment import Deployment
from rheo_platforms.local.platform import LocalPlatform
from rheodsl.application import Application
from rheodsl.errors import SpecError, StateError
from rheodsl.loading import load_app
from rheodsl.project import tool_settings


class Commands(TyperGroup):
    """Commands that all take ``APP`` in one way: as the first word, if it ends in ``.py``, or by ``--app``."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command, and let it have its words as it knows them."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command, rest if command is None else _as_option(command.params, rest)


def _as_option(params: Sequence[object], words: list[str]) -> list[str]:
    options = [each for each in params if isinstance(each, TyperOption)]
    if not any("--app" in each.opts for each in options):
        return words
    valued = {name for each in options if not each.is_flag for name in each.opts}
    for at, word in enumerate(words):
        if word.startswith("-") or (at and words[at - 1] in valued):
            continue
        return [*words[:at], "--app", *words[at:]] if word.endswith(".py") else words
    return words


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Event-driven data pipelines.",
)
out = console(soft_wrap=True)
err = console(stderr=True, soft_wrap=True)

Running = Annotated[
    Path | None,
    typer.Option(
        "--app",
        "-a",
        help="The file of the application, which may also be the first word. Left out, it is the one that "
        "pyproject.toml names (\\[tool.rheo]); else, of what runs, what runs on this machine.",
        metavar="APP",
    ),
]
App = Running
Minutes = Annotated[float, typer.Option(help="How long a job takes, in what is computed of times and costs.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"rheo {version('rheodsl')}")
        raise typer.Exit


@app.callback()
def rheo(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Event-driven data pipelines."""


def file_of(given: Path | None) -> Path | None:
    """Return the file of the application: the one that is given, or the project's; None when there is neither.

    Raises SpecError for a pyproject.toml that names it in another way than ``[tool.rheo] app = "app.py"``.
    """
    return _of_project() if given is None else given


def _of_project() -> Path | None:
    here = Path.cwd()
    settings = tool_settings(here)
    if settings is None or (settings[1] and "app" not in settings[1]):  # it may speak of stages alone
        return None
    project, found = settings
    if not isinstance(found.get("app"), str):
        raise SpecError(f"[tool.rheo] of {project} names no application", hint='write there: app = "app.py"')
    file: Path = project.parent / found["app"]
    return file.relative_to(here) if file.is_relative_to(here) else file


def named(given: Path | None) -> Application:
    """Return the application that is given, or the project's. Raises SpecError when there is none."""
    file = file_of(given)
    if file is None:
        raise SpecError(
            "no application is named",
            hint='name its file: --app app.py; or once for all in pyproject.toml: [tool.rheo] app = "app.py"',
        )
    return load_app(file)


def deployment_of(running: Path | None, *, tell: bool = False) -> Deployment:
    """Return the running application of a file, or of the project; of this machine, when there is neither.

    An application without a platform lives on this machine. With ``tell`` standard error says where the file
    declares something else than what runs. Raises SpecError for a file without an
    application, and what the platform raises when the application does not run there.
    """
    file = file_of(running)
    if file is None:
        return LocalPlatform().deployment()
    application = load_app(file)
    platform = LocalPlatform() if application.platform is None else application.platform
    if not isinstance(platform, AWSPlatform | LocalPlatform):
        raise StateError(
            f"{application.name} lives on a {type(platform).__name__}, which the command does not know",
            hint="give it LocalPlatform(), or make it by AWSApplication(...)",
        )
    if tell:
        platform.lifecycle(application.name).follow(application.graph(), activate=False)
    return platform.deployment(application.name)


def tell(as_json: bool, value: object, text: str) -> None:
    """Print what a command found: as JSON for programs, or as text."""
    if as_json:
        out.print(json.dumps(plain(value), indent=1, ensure_ascii=False), markup=False)
    elif text:
        out.print(text, markup=False)


def plain(value: Any) -> Any:
    """Return the same as what JSON knows: times as texts, types with fields as objects."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {_key(name): plain(each) for name, each in value.items()}
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, list | tuple | set | frozenset | Iterator):
        return [plain(each) for each in value]
    return plain(asdict(value)) if is_dataclass(value) and not isinstance(value, type) else value


def _key(name: Any) -> str:
    return "/".join(map(str, name)) if isinstance(name, tuple) else str(name)


class _Printed(logging.Handler):
    """Prints what is done."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        self.console.print(record.getMessage(), markup=False)


def print_log(console: Console) -> None:
    """Print what a platform says of its steps."""
    log = logging.getLogger("rheo")
    log.setLevel(logging.INFO)
    log.handlers = [_Printed(console)]
