"""``pyproject.toml`` -> what a project says of its application and of the stages of that: ``[tool.rheo]``."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from rheodsl.errors import SourceLocation, SpecError, did_you_mean


@dataclass(frozen=True)
class StageSettings:
    """What ``[tool.rheo.stages.NAME]`` says, each key written with ``-``; None for what it leaves to the program.

    ``activated_by`` is the only role that may activate, change and end the stage; ``alarms`` says whether
    alarms call anybody.
    """

    region: str | None = None
    account_id: str | None = None
    mwaa_environment: str | None = None
    dialect: str | None = None
    profile: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    activated_by: str | None = None
    alarms: bool = True


@dataclass(frozen=True)
class Settings:
    """What ``[tool.rheo]`` says: ``plain`` is the stage whose names are without it."""

    plain: str | None = None
    stages: Mapping[str, StageSettings] = field(default_factory=dict)

    def of(self, stage: str | None) -> StageSettings:
        """Return what is said of a stage: by its name, else by the first pattern (``pr-*``) that it fits."""
        found = None if stage is None else best(self.stages, stage)
        return StageSettings() if found is None else self.stages[found]


def best(patterns: Mapping[str, object], stage: str) -> str | None:
    """Return the key that is a stage's: its name, else the first pattern that it fits; None for none.

    >>> best({"*": 1, "dev": 2}, "dev"), best({"pr-*": 1}, "pr-42"), best({"pr-*": 1}, "dev")
    ('dev', 'pr-*', None)
    """
    if stage in patterns:
        return stage
    return next((key for key in patterns if fnmatchcase(stage, key)), None)


@cache
def read_settings(folder: str) -> Settings:
    """Return what the nearest pyproject.toml with ``[tool.rheo]`` says, in a folder or above it.

    Raises SpecError for a key that is none.
    """
    found = tool_settings(Path(folder))
    return Settings() if found is None else _settings(found[1], found[0])


def tool_settings(folder: Path) -> tuple[Path, Mapping[str, Any]] | None:
    """Return the nearest pyproject.toml with ``[tool.rheo]``, in a folder or above it, and what that says.

    Raises SpecError for a pyproject.toml that cannot be read.
    """
    for each in (folder, *folder.parents):
        if not (file := each / "pyproject.toml").is_file():
            continue
        try:
            found: object = tomllib.loads(file.read_text("utf-8")).get("tool", {}).get("rheo")
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
            raise SpecError(
                f"{file} is no TOML: {fault}",
                where=SourceLocation(str(file), 1),
                hint="repair it, or name --app",
            ) from None
        if found is None:
            continue
        said = _known(found, ("app", "plain", "stages"), "tool.rheo", file)
        stages = said.get("stages", {})
        _known(stages, stages, "tool.rheo.stages", file)
        return file, said
    return None


def _known(given: object, known: Collection[str], table: str, file: Path) -> Mapping[str, Any]:
    """Return a table whose keys are all known; raises SpecError."""
    at = SourceLocation(str(file), 1)
    if not isinstance(given, dict):
        raise SpecError(f"{table} of {file} is no table", where=at, hint=f"write there: [{table}]")
    if unknown := sorted(given.keys() - set(known)):
        hint = did_you_mean(unknown[0], known, f"it has {', '.join(sorted(known))}")
        raise SpecError(f"[{table}] has no {unknown[0]!r}", where=at, hint=hint)
    return given


def _settings(said: Mapping[str, Any], file: Path) -> Settings:
    known = {f.name.replace("_", "-") for f in fields(StageSettings)}
    stages = {}
    for name, table in said.get("stages", {}).items():
        given = _known(table, known, f"tool.rheo.stages.{name}", file)
        stages[name] = StageSettings(**{key.replace("-", "_"): value for key, value in given.items()})
    return Settings(said.get("plain"), stages)
