"""Compiled application -> everything it needs to live, on this machine; ended by any other process."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platforms.local import alarms, moto, mwaa, postgres, processes
from platforms.local.airflow import USER, AirflowHome, kill_scheduler, start_airflow, start_scheduler
from platforms.local.airflow_api import AirflowApi
from platforms.local.environment import REGION, aws_environment, without_aws
from platforms.local.errors import StackError, StartError
from platforms.local.listener_process import HANDLER, LISTENING
from platforms.local.processes import Started
from platforms.local.provision import provision
from platforms.local.specification import Specification, read_specification
from platforms.local.state import State, forget, load, save

# The parts that listen.
PARTS = ("moto", "postgres", "glue", "airflow", "mwaa")
MARK = "RHEO_STACK"  # in the environment of every process of a stack: its folder
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One process of the stack: its memory in bytes, its children's included."""

    name: str
    running: bool
    pid: int
    memory: int
    log: str


class LocalStack:
    """The local stack of one folder.

    Parameters
    ----------
    folder
        Holds the state file, logs and databases; ``.rheo`` in the working directory by default.
    handler
        The Lambda function, ``package.module:function``.
    """

    def __init__(self, folder: Path | str = ".rheo", *, handler: str = HANDLER) -> None:
        self.folder = Path(folder).resolve()
        self.handler = handler
        self._state: State | None = load(self.folder)

    # --- life ---

    def up(self, compiled: Path | str, *, say: Say = lambda _: None) -> None:
        """Start everything for the compiled application in ``compiled`` and wait until it works.

        Parameters
        ----------
        say
            Gets a line whenever something has been done.

        Raises
        ------
        StackError
            When a stack of this folder is running already, or a DAG cannot be imported.
        StartError
            When a part does not start; nothing is left running then.
        """
        stack = read_specification(Path(compiled))
        if any(part.running for part in self.status()):
            raise StackError("the local stack is running already", hint="end it first: rheo down")
        self.down()
        ports = {part: processes.free_port() for part in PARTS}
        for part in ("airflow", "glue", "logs"):  # of the last time: nothing in them is needed again
            shutil.rmtree(self.folder / part, ignore_errors=True)
        self._state = State(stack.app, str(stack.folder), stack.queue, mwaa.ENVIRONMENT, ports)
        try:
            self._start_all(stack, say)
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """End every process of the stack; logs stay. Does nothing when there is none."""
        state = self._state = self._state or load(self.folder)
        if state is None:
            return
        processes.end(reversed(state.processes))
        # A starter that was killed may have started a part without writing it down.
        processes.end_processes(processes.marked(MARK, str(self.folder)))
        for scratch in state.scratch:
            shutil.rmtree(scratch, ignore_errors=True)
        forget(self.folder)
        self._state = None

    def status(self) -> list[PartStatus]:
        """Return all processes, in the order in which they were started; none when the stack is down."""
        if self._state is None:
            return []
        return [
            PartStatus(
                each.name,
                processes.alive(each),
                each.pid,
                next(iter(processes.memory([each]).values())),
                each.log,
            )
            for each in self._state.processes
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
        if self._state is None:
            self._state = load(self.folder)
        if self._state is None:
            raise StackError(f"no local stack is running in {self.folder}", hint="start it: rheo up")
        return self._state

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

    # --- changes while it runs ---

    def update(self) -> None:
        """Take over a fresh compile of the application: scripts, jobs, rules, routes; Airflow sees DAGs itself."""
        stack = read_specification(Path(self.state.compiled))
        provision(stack, self.session())
        self.restart_listener()
        self._start_alarms(stack)

    def kill_listener(self) -> None:
        """Kill the listener in the middle of whatever it does."""
        processes.end(self.state.of("listener"), grace=None)
        self._drop("listener")

    def restart_listener(self) -> None:
        """Start a listener and wait until it listens; one that runs is ended first."""
        processes.end(self.state.of("listener"))
        self._drop("listener")
        command = [sys.executable, "-m", "platforms.local.listener_process"]
        log = self._log("listener")
        skip = log.stat().st_size if log.exists() else 0
        started = self._spawn("listener", [*command, "--queue", self.state.queue, "--handler", self.handler])
        processes.wait_for_line(started, LISTENING, skip=skip)

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

    def _start_all(self, stack: Specification, say: Say) -> None:
        base = self._base()
        server = postgres.create(
            self.folder / "postgres", self.state.ports["postgres"], env=base, log=self._log("postgres")
        )
        self.state.scratch = [str(server.scratch)]
        save(self.state, self.folder)
        self._add(postgres.start(server, env=base, log=self._log("postgres")))
        self._add(moto.start(self.state.ports["moto"], env=base, log=self._log("moto")))
        self._wait("postgres")
        started = self._start_airflow(stack, server)
        self._wait("moto")
        say("AWS stand-in and database are up")
        self._start_glue()
        self._wait("glue")
        provision(stack, self.session())
        say("buckets, table, queues, rules and jobs are made")
        self._start_mwaa()
        self.restart_listener()
        folder = ["--folder", self.state.compiled]
        self._spawn("schedules", [sys.executable, "-m", "platforms.local.scheduler", *folder])
        self._start_alarms(stack)
        self._wait("mwaa")
        self._check()
        self.airflow.wait_until_ready(started, stack.dags)
        self._check()
        say(f"Airflow is ready: {self.airflow.url}")

    def _start_airflow(self, stack: Specification, server: postgres.Postgres) -> Started:
        # The AWS addresses are chosen already, so its environment is complete before they answer.
        home = AirflowHome.create(
            self.folder / "airflow", stack.folder, self.state.ports["airflow"], server.login
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

    def _start_alarms(self, stack: Specification) -> None:
        """Evaluate the application's alarms, if it has any; an evaluator that runs is ended first."""
        processes.end(self.state.of("alarms"))
        self._drop("alarms")
        if (stack.folder / alarms.FILE).exists():
            states = self._log("alarms").with_suffix(
                ".states.json"
            )  # the logs' folder is new with each start
            command = [sys.executable, "-m", "platforms.local.alarms", "--folder", str(stack.folder)]
            self._spawn("alarms", [*command, "--states", str(states)])

    def _home(self) -> AirflowHome:
        state = self.state
        return AirflowHome(
            self.folder / "airflow",
            Path(state.compiled),
            state.ports["airflow"],
            state.airflow_password,
            state.airflow_secret,
            state.airflow_database,
        )

    def _base(self) -> dict[str, str]:
        """The environment of every part: nothing of the user's own AWS or Airflow."""
        state = self.state
        stack = read_specification(Path(state.compiled))
        return {
            **without_aws(),
            **self.environment(),
            MARK: str(self.folder),
            "RHEO_APP": state.app,
            "RHEO_ROUTES": str(stack.routes),
            "RHEO_TABLE": stack.table,
            "RHEO_MWAA_ENVIRONMENT": state.mwaa_environment,
            "RHEO_PENDING_METRICS": "*",
            "RHEO_DEAD_LETTERS": f"{self.environment()['AWS_ENDPOINT_URL']}/{moto.ACCOUNT}/{stack.dead_letters}",
        }

    def _spawn(self, name: str, command: Sequence[str], more: Mapping[str, str] | None = None) -> Started:
        env = {**self._base(), **(more or {})}
        return self._add(processes.spawn(name, command, env=env, log=self._log(name)))

    def _add(self, started: Started) -> Started:
        self.state.processes.append(started)
        save(self.state, self.folder)
        return started

    def _drop(self, name: str) -> None:
        self.state.processes = [each for each in self.state.processes if each.name != name]
        save(self.state, self.folder)

    def _wait(self, name: str) -> None:
        processes.wait_for_port(self.state.of(name)[-1], self.state.ports[name])

    def _check(self) -> None:
        for each in self.state.processes:
            if not processes.alive(each):
                raise StartError(each.name, each.log)

    def _log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"
