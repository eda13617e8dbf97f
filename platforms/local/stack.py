"""Compiled applications -> everything they need to live, on this machine; ended by any other process."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platforms.local import moto as aws_stand_in
from platforms.local import mwaa, postgres, processes
from platforms.local.airflow import USER, AirflowHome, kill_scheduler, start_airflow, start_scheduler
from platforms.local.airflow_api import AirflowApi
from platforms.local.environment import REGION, aws_environment, without_aws
from platforms.local.errors import StackError, StartError
from platforms.local.listener_process import HANDLER
from platforms.local.processes import Started
from platforms.local.residents import Residents
from platforms.local.specification import Specification, read_specification
from platforms.local.state import State, StateFile

# The parts that listen.
PARTS = ("moto", "postgres", "glue", "airflow", "mwaa")
MARK = "RHEO_STACK"  # in the environment of every process of a stack: its folder
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One process of the stack: its memory in bytes, its children's included.

    ``app`` is the application that it serves, empty when it serves all.
    """

    name: str
    running: bool
    pid: int
    memory: int
    log: str
    app: str


class LocalStack(Residents):
    """The local stack of one folder; any number of applications live on it.

    Parameters
    ----------
    folder
        Holds the state file, logs and databases; ``.rheo`` in the working directory by default.
    handler
        The Lambda function, ``package.module:function``.
    python
        The Python in whose environment Airflow is installed; this one by default.
    """

    def __init__(
        self, folder: Path | str = ".rheo", *, handler: str = HANDLER, python: Path | str = sys.executable
    ) -> None:
        self.folder = Path(folder).resolve()
        self.handler = handler
        self.python = str(python)
        self._file = StateFile(self.folder)

    # --- life ---

    def up(self, compiled: Path | str | None, *, say: Say = lambda _: None) -> None:
        """Let the compiled application in ``compiled`` live on the stack, and wait until it works.

        The stack is started when it is down. An application that is there already is taken over anew.

        Parameters
        ----------
        compiled
            Its folder; None starts a stack without an application.
        say
            Gets a line whenever something has been done.

        Raises
        ------
        StackError
            When some part of a running stack has ended, or a DAG cannot be imported.
        StartError
            When a part does not start; of a new stack nothing is left running then, of a running one all but
            the application.
        """
        spec = None if compiled is None else read_specification(Path(compiled))
        if not self.running:
            self._start(spec, say)
        elif spec is not None:
            self._admit(spec, say)

    @property
    def running(self) -> bool:
        """Whether the stack is up, all of its parts working.

        Raises
        ------
        StackError
            When some of its parts work, but not all.
        """
        state = self._file.read()
        shared = [] if state is None else [p for p in state.processes if not p.app]
        lost = [p.name for p in shared if not processes.alive(p) and p.name != "scheduler"]
        if lost and len(lost) < len(shared):
            raise StackError(
                f"of the local stack, {', '.join(lost)} has ended",
                hint="end the rest, and begin anew: rheo down",
            )
        return bool(shared) and not lost

    def down(self) -> None:
        """End every process of the stack; logs stay. Does nothing when there is none."""
        state = self._file.read()
        if state is None:
            return
        processes.end(reversed(state.processes))
        # A starter that was killed may have started a part without writing it down.
        processes.end_processes(processes.marked(MARK, str(self.folder)))
        for scratch in state.scratch:
            shutil.rmtree(scratch, ignore_errors=True)
        self._file.forget()

    def status(self) -> list[PartStatus]:
        """Return all processes, in the order in which they were started; none when the stack is down."""
        if (state := self._file.read()) is None:
            return []
        return [
            PartStatus(
                each.name,
                processes.alive(each),
                each.pid,
                next(iter(processes.memory([each]).values())),
                each.log,
                each.app,
            )
            for each in state.processes
        ]

    # --- what it offers ---

    @property
    def state(self) -> State:
        """What runs where.

        Raises
        ------
        StackError
            When the stack is down.
        """
        if (state := self._file.read()) is None:
            raise StackError(f"no local stack is running in {self.folder}", hint="start it: rheo up")
        return state

    def environment(self) -> dict[str, str]:
        """Return the variables that point any AWS client at this stack."""
        ports = self.state.ports
        return aws_environment(moto=ports["moto"], glue=ports["glue"], mwaa=ports["mwaa"])

    def session(self) -> Any:
        """Return a boto3 session whose clients reach this stack only, whatever the environment says."""
        from platforms.local.session import LocalSession

        return LocalSession(self.environment(), REGION)

    @property
    def airflow(self) -> AirflowApi:
        """The REST API of Airflow; its address is the UI's."""
        home = self._home()
        return AirflowApi(home.url, USER, home.password)

    @property
    def login(self) -> tuple[str, str]:
        """User and password of the Airflow UI."""
        return USER, self.state.airflow_password

    def await_dags(self, spec: Specification) -> None:
        """Wait until Airflow has the DAGs of an application.

        Raises StackError when one cannot be imported.
        """
        airflow = self.state.of("airflow")[-1]
        self.airflow.wait_until_ready(airflow, spec.dags, folder=self._dags / spec.app)

    def kill_scheduler(self) -> None:
        """Kill Airflow's scheduler and the tasks it runs.

        Raises
        ------
        StackError
            When there is none.
        """
        kill_scheduler(*self.state.of("airflow"), *self.state.of("scheduler"))
        self._drop("scheduler")

    def restart_scheduler(self) -> None:
        """Start a scheduler for the running Airflow, after ``kill_scheduler``."""
        home = self._home()
        env = home.environment(self._base())
        self._add(start_scheduler(home, env=env, log=self._log("scheduler")))

    # --- parts ---

    def _start(self, spec: Specification | None, say: Say) -> None:
        self.down()
        for part in ("airflow", "glue", "logs", "dags"):  # of the last time: nothing in them is needed again
            shutil.rmtree(self.folder / part, ignore_errors=True)
        self._file.write(State(mwaa.ENVIRONMENT, {part: processes.free_port() for part in PARTS}))
        try:
            self._start_all(spec, say)
        except BaseException:
            self.down()
            raise

    def _start_all(self, spec: Specification | None, say: Say) -> None:
        base = self._base()
        server = postgres.create(
            self.folder / "postgres", self.state.ports["postgres"], env=base, log=self._log("postgres")
        )
        self.state.scratch = [str(server.scratch)]
        self._save()
        self._add(postgres.start(server, env=base, log=self._log("postgres")))
        self._add(aws_stand_in.start(self.state.ports["moto"], env=base, log=self._log("moto")))
        self._wait("postgres")
        self._dags.mkdir()
        if spec is not None:
            self._link(spec)
        started = self._start_airflow(server)
        self._wait("moto")
        say("AWS stand-in and database are up")
        self._start_glue()
        self._wait("glue")
        self._start_mwaa()
        if spec is not None:
            self.serve(spec)
            say("buckets, table, queues, rules and jobs are made")
        self._wait("mwaa")
        self._check()
        self.airflow.wait_until_ready(started, () if spec is None else spec.dags)
        self._check()
        say(f"Airflow is ready: {self.airflow.url}")

    def _admit(self, spec: Specification, say: Say) -> None:
        """Add an application to the running stack, or take it over anew."""
        new = spec.app not in self.state.residents
        self._link(spec)
        try:
            self.serve(spec)
            say(f"buckets, table, queues, rules and jobs of {spec.app} are made")
            self.await_dags(spec)
        except BaseException:
            if new:
                self.remove(spec.app)
            raise
        say(f"Airflow has {spec.app}: {self.airflow.url}")

    def _link(self, spec: Specification) -> None:
        """Let Airflow read the application's DAG files where they are."""
        link = self._dags / spec.app
        if link.is_dir() and not link.is_symlink():  # it was activated before: Airflow had copies
            shutil.rmtree(link)
        link.unlink(missing_ok=True)
        link.symlink_to(spec.folder, target_is_directory=True)

    def _start_airflow(self, server: postgres.Postgres) -> Started:
        # The AWS addresses are chosen already, so its environment is complete before they answer.
        home = AirflowHome.create(
            self.folder / "airflow", self._dags, self.state.ports["airflow"], server.login, self.python
        )
        self.state.airflow_password = home.password
        self.state.airflow_secret = home.secret
        self.state.airflow_database = home.database
        env = home.environment(self._base())
        return self._add(start_airflow(home, env=env, log=self._log("airflow")))

    def _start_glue(self) -> None:
        options = {
            "--port": str(self.state.ports["glue"]),
            "--folder": str(self.folder / "glue"),
            "--catalog": self.environment()["AWS_ENDPOINT_URL"],
        }
        words = [word for pair in options.items() for word in pair]
        self._spawn("glue", [sys.executable, "-m", "platforms.local.glue", *words])

    def _start_mwaa(self) -> None:
        user, password = self.login
        command = [sys.executable, "-m", "platforms.local.mwaa", "--port", str(self.state.ports["mwaa"])]
        self._spawn(
            "mwaa",
            [*command, "--airflow", self._home().url],
            {"RHEO_AIRFLOW_USER": user, "RHEO_AIRFLOW_PASSWORD": password},
        )

    def _home(self) -> AirflowHome:
        state = self.state
        return AirflowHome(
            self.folder / "airflow",
            self._dags,
            state.ports["airflow"],
            state.airflow_password,
            state.airflow_secret,
            state.airflow_database,
        )

    def _base(self) -> dict[str, str]:
        """The environment of every part: nothing of the user's own AWS or Airflow."""
        return {**without_aws(), **self.environment(), MARK: str(self.folder)}

    @property
    def _dags(self) -> Path:
        """Airflow's folder of DAGs, with a link for each application."""
        return self.folder / "dags"

    def _spawn(
        self, name: str, command: Sequence[str], more: Mapping[str, str] | None = None, app: str = ""
    ) -> Started:
        env = {**self._base(), **(more or {})}
        return self._add(processes.spawn(name, command, env=env, log=self._log(name, app), app=app))

    def _add(self, started: Started) -> Started:
        self.state.processes.append(started)
        self._save()
        return started

    def _drop(self, name: str, app: str | None = None) -> None:
        gone = self.state.of(name, app)
        self.state.processes = [each for each in self.state.processes if each not in gone]
        self._save()

    def _save(self) -> None:
        self._file.write(self.state)

    def _wait(self, name: str) -> None:
        processes.wait_for_port(self.state.of(name)[-1], self.state.ports[name])

    def _check(self) -> None:
        for each in self.state.processes:
            if not processes.alive(each):
                raise StartError(each.name, each.log)

    def _log(self, name: str, app: str = "") -> Path:
        return self.folder / "logs" / app / f"{name}.log"
