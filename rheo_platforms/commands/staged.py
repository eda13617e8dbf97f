"""A command -> the same command, which can be told the stage that is meant."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import nullcontext
from typing import Annotated, Any, get_type_hints

import typer

from rheodsl.stages import VARIABLE, chosen

_NAME = "stage"
_STAGE = Annotated[
    str | None,
    typer.Option(
        "--stage", help=f"The application's stage, such as dev; {VARIABLE} when left out.", metavar="STAGE"
    ),
]


def staged(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return a command that also has ``--stage``; one that has an option of this name stays as it is."""
    signature = inspect.signature(command)
    if _NAME in signature.parameters:
        return command
    hints = get_type_hints(command, include_extras=True)

    @functools.wraps(command)
    def run(**given: Any) -> Any:
        stage = given.pop(_NAME)
        with nullcontext() if stage is None else chosen(stage):
            return command(**given)

    known = [each.replace(annotation=hints[each.name]) for each in signature.parameters.values()]
    option = inspect.Parameter(_NAME, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_STAGE)
    run.__annotations__ = {**hints, _NAME: _STAGE}
    run.__signature__ = signature.replace(parameters=[*known, option])  # type: ignore[attr-defined]
    return run
