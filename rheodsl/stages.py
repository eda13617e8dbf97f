"""A name and a stage -> the name under which an application is deployed, and what differs there.

A stage is another life of one program: ``sales`` at the stage ``dev`` is deployed as ``sales--dev``, and
everything that is named after an application is named after that. Of two lives no name is shared, as what
stands behind the last ``--`` of a name is its stage, whether or not the program says so.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from rheodsl.errors import RheoError, here
from rheodsl.project import Settings, StageSettings, read_settings

SIGN = "--"
VARIABLE = "RHEO_STAGE"
_STAGE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST = 40  # of a whole name: all that is named after it is within the limits of AWS then
_CHOSEN: ContextVar[str | None] = ContextVar("stage", default=None)


class StageError(RheoError, ValueError):
    """A stage that cannot be named, or of which something is not said."""

    code = "RD118"


@dataclass(frozen=True)
class Life:
    """One life of a program: the name it has there, its stage, and the settings of that."""

    name: str
    stage: str | None
    settings: StageSettings

    @classmethod
    def of(cls, name: str, stage: str | None) -> Life:
        """Return the life that is meant: by the program, else by the command, else by the name itself.

        Raises StageError.
        """
        said = _settings_here()
        wanted = stage if stage is not None else chosen_stage()
        if wanted is None:
            own = stage_of(name)
            wanted = said.plain if own is None else own
            return cls(name, wanted, said.of(wanted))
        found = name if wanted == said.plain else deployed_name(name, wanted)
        return cls(found, wanted, said.of(wanted))


def deployed_name(name: str, stage: str) -> str:
    """Return the name of an application at a stage; raises StageError.

    >>> deployed_name("sales", "pr-42")
    'sales--pr-42'
    """
    if not isinstance(stage, str) or not _STAGE.fullmatch(stage):
        raise StageError(
            f"{stage!r} is no name of a stage",
            hint="use small letters and digits, with single '-' between them",
        )
    full = f"{name}{SIGN}{stage}"
    if len(full) > _LONGEST:
        raise StageError(
            f"{full} is longer than {_LONGEST} characters",
            hint="give the stage, or the application, a shorter name",
        )
    return full


def stage_of(name: str) -> str | None:
    """Return the stage in a name; None for one without.

    >>> stage_of("sales--pr-42"), stage_of("sales"), stage_of("sales--")
    ('pr-42', None, None)
    """
    begin, _, end = name.rpartition(SIGN)
    return end if begin and _STAGE.fullmatch(end) else None


def chosen_stage() -> str | None:
    """Return the stage that the command, or the variable ``RHEO_STAGE``, says; None for none."""
    return _CHOSEN.get() or os.environ.get(VARIABLE) or None


@contextmanager
def chosen(stage: str) -> Iterator[None]:
    """Let applications that are made here have a stage, where their program does not say one.

    >>> with chosen("dev"):
    ...     chosen_stage()
    'dev'
    """
    token = _CHOSEN.set(stage)
    try:
        yield
    finally:
        _CHOSEN.reset(token)


def _settings_here() -> Settings:
    """What the pyproject.toml beside the user's program says, or one in a folder above."""
    at = here()
    beside = Path.cwd() if at is None or at.file.startswith("<") else Path(at.file).parent
    return read_settings(str(beside))
