"""A running stack -> a file by which any other process finds it, and back."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from platforms.local.errors import StackError
from platforms.local.processes import Started

VERSION = 1
FILE = "stack.json"


@dataclass(slots=True)
class State:
    """What is running, written down before the next thing is started."""

    app: str
    compiled: str
    queue: str
    mwaa_environment: str
    ports: dict[str, int]
    processes: list[Started] = field(default_factory=list)
    scratch: list[str] = field(default_factory=list)
    airflow_password: str = ""
    airflow_secret: str = ""
    airflow_database: str = ""

    def of(self, name: str) -> list[Started]:
        """Return the processes of that name, the latest last."""
        return [process for process in self.processes if process.name == name]


def save(state: State, folder: Path) -> None:
    """Write the file at once, readable by its owner alone: it holds passwords."""
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"{FILE}.new"
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps({"version": VERSION, **asdict(state)}, indent=1))
    os.replace(fresh, folder / FILE)


def load(folder: Path) -> State | None:
    """Read the file; None when there is none.

    Raises
    ------
    StackError
        When it was written by another version.
    """
    try:
        data = json.loads((folder / FILE).read_text())
    except FileNotFoundError:
        return None
    if data.pop("version") != VERSION:
        raise StackError(
            f"{folder / FILE} is of another version of Rheo", hint="end that stack with its version"
        )
    data["processes"] = [Started(**process) for process in data["processes"]]
    return State(**data)


def forget(folder: Path) -> None:
    """Remove the file."""
    (folder / FILE).unlink(missing_ok=True)
