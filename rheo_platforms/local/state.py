"""The state of a stack: what runs where, kept in a file by which any other process finds it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rheo_platforms.local.processes import StackError, Started

VERSION = 2
FILE = "stack.json"


@dataclass(slots=True)
class Resident:
    """An application on the stack: the folder of its compiled files, its queue, whether it is paused."""

    app: str
    compiled: str
    queue: str
    paused: bool = False


@dataclass(slots=True)
class State:
    """What is running, written down before the next thing is started."""

    mwaa_environment: str
    ports: dict[str, int]
    residents: dict[str, Resident] = field(default_factory=dict)
    processes: list[Started] = field(default_factory=list)
    scratch: list[str] = field(default_factory=list)
    airflow_password: str = ""
    airflow_secret: str = ""
    airflow_database: str = ""

    def of(self, name: str, app: str | None = None) -> list[Started]:
        """Return the processes of that name (and application), the latest last."""
        return [p for p in self.processes if p.name == name and app in (None, p.app)]

    def resident(self, app: str | None = None) -> Resident:
        """Return the application of this name, or the only one when none is given; raises StackError."""
        names = ", ".join(sorted(self.residents)) or "no application"
        if app is None and len(self.residents) == 1:
            app = next(iter(self.residents))
        if app is None:
            raise StackError(f"the local stack runs {names}", hint="say which application is meant")
        if app not in self.residents:
            raise StackError(f"the local stack runs {names}, not {app}", hint="add it: rheo up")
        return self.residents[app]


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
    data["residents"] = {name: Resident(**each) for name, each in data["residents"].items()}
    return State(**data)


class StateFile:
    """The state of the stack of one folder, as the last process has left it: others change it too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: State | None = None
        self._stamp: tuple[int, int] | None = None

    def read(self) -> State | None:
        """Return the state, the same object while the file is the same; None when there is none."""
        stamp = self._look()
        if stamp != self._stamp:
            self._known = None if stamp is None else load(self.folder)
            self._stamp = stamp
        return self._known

    def write(self, state: State) -> None:
        """Write the state down."""
        save(state, self.folder)
        self._known, self._stamp = state, self._look()

    def forget(self) -> None:
        """Remove the file."""
        (self.folder / FILE).unlink(missing_ok=True)

    def _look(self) -> tuple[int, int] | None:
        try:
            found = (self.folder / FILE).stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_ino
