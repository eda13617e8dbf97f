"""The supervisor of one stack: starts its processes, and writes each down before it starts the next."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from rheo_platforms.local import processes
from rheo_platforms.local.aws_stand_in import aws_environment, without_aws
from rheo_platforms.local.processes import StackError, Started, StartError
from rheo_platforms.local.state import State, StateFile

MARK = "RHEO_STACK"  # in the environment of every process of a stack: its folder


class Supervisor:
    """Knows the processes of the stack in one folder, whichever process has started them.

    Parameters
    ----------
    folder
        Holds the state file and the logs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = StateFile(folder)

    @property
    def known(self) -> State | None:
        """What runs where; None when the stack is down."""
        return self._file.read()

    @property
    def state(self) -> State:
        """What runs where.

        Raises
        ------
        StackError
            When the stack is down.
        """
        if (state := self.known) is None:
            raise StackError(f"no local stack is running in {self.folder}", hint="start it: rheo up")
        return state

    def begin(self, state: State) -> None:
        """Write down a stack of which nothing runs yet."""
        self._file.write(state)

    def save(self) -> None:
        """Write down what has been changed in ``state``."""
        self._file.write(self.state)

    def aws(self) -> dict[str, str]:
        """Return the variables that point any AWS client at the stack."""
        ports = self.state.ports
        return aws_environment(moto=ports["moto"], glue=ports["glue"], mwaa=ports["mwaa"])

    def environment(self) -> dict[str, str]:
        """Return the environment of every process: nothing of the user's own AWS or Airflow."""
        return {**without_aws(), **self.aws(), MARK: str(self.folder)}

    def log(self, name: str, app: str = "") -> Path:
        """Return where a process writes."""
        return self.folder / "logs" / app / f"{name}.log"

    def spawn(
        self, name: str, command: Sequence[str], more: Mapping[str, str] | None = None, app: str = ""
    ) -> Started:
        """Start a process, with ``more`` variables in its environment."""
        env = {**self.environment(), **(more or {})}
        return self.add(processes.spawn(name, command, env=env, log=self.log(name, app), app=app))

    def add(self, started: Started) -> Started:
        """Write down a process that has been started."""
        self.state.processes.append(started)
        self.save()
        return started

    def end(self, name: str, app: str | None = None, *, grace: float | None = 10.0) -> None:
        """End the processes of a name (and application), as `processes.end` does."""
        processes.end(self.state.of(name, app), grace=grace)
        self.drop(name, app)

    def drop(self, name: str, app: str | None = None) -> None:
        """Forget processes that have ended."""
        gone = self.state.of(name, app)
        self.state.processes = [each for each in self.state.processes if each not in gone]
        self.save()

    def end_all(self) -> None:
        """End every process, remove what they leave behind, and forget the stack; logs stay."""
        if (state := self.known) is None:
            return
        processes.end(reversed(state.processes))
        # A starter that was killed may have started a part without writing it down.
        processes.end_processes(processes.marked(MARK, str(self.folder)))
        for scratch in state.scratch:
            shutil.rmtree(scratch, ignore_errors=True)
        self._file.forget()

    def wait(self, name: str) -> None:
        """Wait until the process listens on its port; raises StartError when it does not."""
        processes.wait_for_port(self.state.of(name)[-1], self.state.ports[name])

    def check(self) -> None:
        """Raise StartError when a process has ended."""
        for each in self.state.processes:
            if not processes.alive(each):
                raise StartError(each.name, each.log)
