"""An application on the local stack -> the processes that serve it alone, and what changes them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from platforms.local import alarms, processes
from platforms.local.listener_process import LISTENING
from platforms.local.moto import ACCOUNT
from platforms.local.processes import Started
from platforms.local.provision import provision
from platforms.local.specification import Specification, read_specification
from platforms.local.state import Resident, State


class Residents:
    """The part of a local stack that serves single applications: listener, schedules, alarms.

    Where a method takes ``app``, it may be left out while there is only one.
    """

    folder: Path
    handler: str

    # What the rest of the stack offers.

    @property
    def state(self) -> State:
        raise NotImplementedError

    @property
    def _dags(self) -> Path:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        raise NotImplementedError

    def session(self) -> Any:
        raise NotImplementedError

    def _spawn(
        self, name: str, command: Sequence[str], more: Mapping[str, str] | None = None, app: str = ""
    ) -> Started:
        raise NotImplementedError

    def _drop(self, name: str, app: str | None = None) -> None:
        raise NotImplementedError

    def _log(self, name: str, app: str = "") -> Path:
        raise NotImplementedError

    def _save(self) -> None:
        raise NotImplementedError

    # --- changes while it runs ---

    def update(self, app: str | None = None) -> None:
        """Take over a fresh compile of an application: scripts, jobs, rules, routes; Airflow sees DAGs itself."""
        spec = self.specification(app)
        provision(spec, self.session())
        self._settle(spec)

    def specification(self, app: str | None = None) -> Specification:
        """Return what an application needs around it."""
        return read_specification(Path(self.state.resident(app).compiled))

    def log(self, name: str, app: str | None = None) -> Path:
        """Return the log of a process that serves an application, such as its listener."""
        return self._log(name, self.state.resident(app).app)

    def pause(self, app: str | None = None) -> None:
        """End the listener of an application after the batch at hand; events wait in the queue."""
        self._set_paused(app, True)
        self.kill_listener(app, grace=60.0)

    def resume(self, app: str | None = None) -> None:
        """Let a paused application go on with what waits in its queue."""
        self._set_paused(app, False)
        self.restart_listener(app)

    def serve(self, spec: Specification, *, files: bool = True) -> None:
        """Let all exist that an application needs around its DAGs, its listener among it.

        Parameters
        ----------
        files
            Copy the compiled files to its bucket, too.
        """
        known = self.state.residents.get(spec.app)
        paused = known is not None and known.paused
        self.state.residents[spec.app] = Resident(spec.app, str(spec.folder), spec.queue, paused)
        self._save()
        provision(spec, self.session(), files=files)
        self._settle(spec)

    def remove(self, app: str) -> None:
        """End what serves an application and take its DAGs away; its data stays. Safe to repeat."""
        for name in ("listener", "schedules"):
            processes.end(self.state.of(name, app))
            self._drop(name, app)
        link = self._dags / app
        if link.is_symlink():
            link.unlink()
        else:
            shutil.rmtree(link, ignore_errors=True)
        if self.state.residents.pop(app, None) is not None:
            self._save()
            self._start_alarms()

    def kill_listener(self, app: str | None = None, *, grace: float | None = None) -> None:
        """Kill the listener in the middle of whatever it does; with ``grace``, ask it and wait so long."""
        app = self.state.resident(app).app
        processes.end(self.state.of("listener", app), grace=grace)
        self._drop("listener", app)

    def restart_listener(self, app: str | None = None) -> None:
        """Start a listener and wait until it listens; one that runs is ended first."""
        spec = self.specification(app)
        self.kill_listener(spec.app, grace=10.0)
        log = self._log("listener", spec.app)
        skip = log.stat().st_size if log.exists() else 0
        command = [sys.executable, "-m", "platforms.local.listener_process", "--queue", spec.queue]
        started = self._spawn(
            "listener", [*command, "--handler", self.handler], self._settings(spec), app=spec.app
        )
        processes.wait_for_line(started, LISTENING, skip=skip)

    def _settings(self, spec: Specification) -> dict[str, str]:
        """The environment of the listener: what the Lambda function's is on AWS."""
        return {
            "RHEO_APP": spec.app,
            "RHEO_ROUTES": str(spec.routes),
            "RHEO_TABLE": spec.table,
            "RHEO_MWAA_ENVIRONMENT": self.state.mwaa_environment,
            "RHEO_PENDING_METRICS": "*",
            "RHEO_LISTENERS": "1",
            "RHEO_ACCOUNTS": "any",
            "RHEO_DEAD_LETTERS": f"{self.environment()['AWS_ENDPOINT_URL']}/{ACCOUNT}/{spec.dead_letters}",
        }

    def _set_paused(self, app: str | None, paused: bool) -> None:
        self.state.resident(app).paused = paused
        self._save()

    def _settle(self, spec: Specification) -> None:
        """Start the processes that serve an application, with its files as they are now."""
        if not self.state.resident(spec.app).paused:
            self.restart_listener(spec.app)
        processes.end(self.state.of("schedules", spec.app))
        self._drop("schedules", spec.app)
        command = [sys.executable, "-m", "platforms.local.scheduler", "--folder", str(spec.folder)]
        self._spawn("schedules", [*command, "--stack", str(self.folder)], app=spec.app)
        self._start_alarms()

    def _start_alarms(self) -> None:
        """Evaluate the alarms of all applications, if there are any; an evaluator that runs is ended first."""
        processes.end(self.state.of("alarms"))
        self._drop("alarms")
        found = [each.compiled for each in self.state.residents.values()]
        folders = [folder for folder in found if (Path(folder) / alarms.FILE).exists()]
        if folders:
            options = [word for folder in folders for word in ("--folder", folder)]
            # The logs' folder is new with each start of the stack, and so are the states.
            states = str(self._log("alarms").with_suffix(".states"))
            self._spawn(
                "alarms", [sys.executable, "-m", "platforms.local.alarms", *options, "--states", states]
            )
