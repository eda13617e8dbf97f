"""The local stack: everything that compiled applications need to live, on this machine.

Its processes outlive the one that starts them; any other finds and ends them by the folder.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rheo_platforms.local import alarms, aws_stand_in, mwaa, postgres, processes
from rheo_platforms.local.airflow import (
    USER,
    AirflowApi,
    AirflowHome,
    kill_scheduler,
    start_airflow,
    start_scheduler,
)
from rheo_platforms.local.aws_stand_in import ACCOUNT, REGION, LocalSession
from rheo_platforms.local.listener_process import HANDLER, LISTENING
from rheo_platforms.local.processes import StackError, Started
from rheo_platforms.local.provision import provision
from rheo_platforms.local.specification import Specification, read_specification
from rheo_platforms.local.state import Resident, State
from rheo_platforms.local.supervisor import Supervisor

# The parts that listen.
PARTS = ("moto", "postgres", "glue", "airflow", "mwaa")
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


class LocalStack:
    """The local stack of one folder; any number of applications live on it.

    Where a method takes ``app``, it may be left out while there is only one.

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
        self._parts = Supervisor(self.folder)
        self._session: LocalSession | None = None

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
        state = self._parts.known
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
        self._parts.end_all()

    def status(self) -> list[PartStatus]:
        """Return all processes, in the order in which they were started; none when the stack is down."""
        if (state := self._parts.known) is None:
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
        return self._parts.state

    def environment(self) -> dict[str, str]:
        """Return the variables that point any AWS client at this stack."""
        return self._parts.aws()

    def session(self) -> LocalSession:
        """Return a boto3 session whose clients reach this stack only, whatever the environment says."""
        environment = self.environment()
        if self._session is None or self._session.environment != environment:
            self._session = LocalSession(environment, REGION)
        return self._session

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

    def specification(self, app: str | None = None) -> Specification:
        """Return what an application needs around it."""
        return read_specification(Path(self.state.resident(app).compiled))

    def log(self, name: str, app: str | None = None) -> Path:
        """Return the log of a process that serves an application, such as its listener."""
        return self._parts.log(name, self.state.resident(app).app)

    # --- applications ---

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
        self._parts.save()
        provision(spec, self.session(), files=files)
        self._settle(spec)

    def update(self, app: str | None = None) -> None:
        """Take over a fresh compile of an application: scripts, jobs, rules, routes; Airflow sees DAGs itself."""
        spec = self.specification(app)
        provision(spec, self.session())
        self._settle(spec)

    def remove(self, app: str) -> None:
        """End what serves an application and take its DAGs away; its data stays. Safe to repeat."""
        for name in ("listener", "schedules"):
            self._parts.end(name, app)
        link = self._dags / app
        if link.is_symlink():
            link.unlink()
        else:
            shutil.rmtree(link, ignore_errors=True)
        if self.state.residents.pop(app, None) is not None:
            self._parts.save()
            self._start_alarms()

    def pause(self, app: str | None = None) -> None:
        """End the listener of an application after the batch at hand; events wait in the queue."""
        self._set_paused(app, True)
        self.kill_listener(app, grace=60.0)

    def resume(self, app: str | None = None) -> None:
        """Let a paused application go on with what waits in its queue."""
        self._set_paused(app, False)
        self.restart_listener(app)

    # --- trouble, and what repairs it ---

    def kill_listener(self, app: str | None = None, *, grace: float | None = None) -> None:
        """Kill the listener in the middle of whatever it does; with ``grace``, ask it and wait so long."""
        self._parts.end("listener", self.state.resident(app).app, grace=grace)

    def restart_listener(self, app: str | None = None) -> None:
        """Start a listener and wait until it listens; one that runs is ended first."""
        spec = self.specification(app)
        self.kill_listener(spec.app, grace=10.0)
        log = self._parts.log("listener", spec.app)
        skip = log.stat().st_size if log.exists() else 0
        queues = f"{self.environment()['AWS_ENDPOINT_URL']}/{ACCOUNT}"
        started = self._spawn(
            "listener",
            "listener_process",
            {"--queue": spec.queue, "--gather": spec.gather, "--handler": self.handler},
            {
                "RHEO_APP": spec.app,
                "RHEO_ROUTES": str(spec.routes),
                "RHEO_TABLE": spec.table,
                "RHEO_MWAA_ENVIRONMENT": self.state.mwaa_environment,
                "RHEO_PENDING_METRICS": alarms.watched_ages(spec.folder, spec.app),
                "RHEO_LISTENERS": "1",
                "RHEO_ACCOUNTS": "any",
                "RHEO_DEAD_LETTERS": f"{queues}/{spec.dead_letters}",
                "RHEO_GATHER": f"{queues}/{spec.gather}",
            },
            spec.app,
        )
        processes.wait_for_line(started, LISTENING, skip=skip)

    def kill_scheduler(self) -> None:
        """Kill Airflow's scheduler and the tasks it runs.

        Raises
        ------
        StackError
            When there is none.
        """
        kill_scheduler(*self.state.of("airflow"), *self.state.of("scheduler"))
        self._parts.drop("scheduler")

    def restart_scheduler(self) -> None:
        """Start a scheduler for the running Airflow, after ``kill_scheduler``."""
        home = self._home()
        env = home.environment(self._parts.environment())
        self._parts.add(start_scheduler(home, env=env, log=self._parts.log("scheduler")))

    # --- parts that serve all applications ---

    def _start(self, spec: Specification | None, say: Say) -> None:
        self.down()
        for part in ("airflow", "glue", "logs", "dags"):  # of the last time: nothing in them is needed again
            shutil.rmtree(self.folder / part, ignore_errors=True)
        self._parts.begin(
            State(mwaa.ENVIRONMENT, dict(zip(PARTS, processes.free_ports(len(PARTS)), strict=True)))
        )
        try:
            self._start_all(spec, say)
        except BaseException:
            self.down()
            raise

    def _start_all(self, spec: Specification | None, say: Say) -> None:
        env, log, ports = self._parts.environment(), self._parts.log, self.state.ports
        server = postgres.create(self.folder / "postgres", ports["postgres"], env=env, log=log("postgres"))
        self.state.scratch = [str(server.scratch)]
        self._parts.save()
        self._parts.add(postgres.start(server, env=env, log=log("postgres")))
        self._parts.add(aws_stand_in.start(ports["moto"], env=env, log=log("moto")))
        self._parts.wait("postgres")
        self._dags.mkdir()
        if spec is not None:
            self._link(spec)
        started = self._start_airflow(server)
        self._parts.wait("moto")
        say("AWS stand-in and database are up")
        self._start_glue()
        self._parts.wait("glue")
        self._start_mwaa()
        if spec is not None:
            self.serve(spec)
            say("buckets, table, queues, rules and jobs are made")
        self._parts.wait("mwaa")
        self._parts.check()
        self.airflow.wait_until_ready(started, () if spec is None else spec.dags)
        self._parts.check()
        say(f"Airflow is ready: {self.airflow.url}")

    def _start_airflow(self, server: postgres.Postgres) -> Started:
        # The AWS addresses are chosen already, so its environment is complete before they answer.
        home = AirflowHome.create(
            self.folder / "airflow", self._dags, self.state.ports["airflow"], server.login, self.python
        )
        self.state.airflow_password = home.password
        self.state.airflow_secret = home.secret
        self.state.airflow_database = home.database
        env = home.environment(self._parts.environment())
        return self._parts.add(start_airflow(home, env=env, log=self._parts.log("airflow")))

    def _start_glue(self) -> None:
        options = {
            "--port": str(self.state.ports["glue"]),
            "--folder": str(self.folder / "glue"),
            "--catalog": self.environment()["AWS_ENDPOINT_URL"],
        }
        self._spawn("glue", "glue", options)

    def _start_mwaa(self) -> None:
        user, password = self.login
        options = {"--port": str(self.state.ports["mwaa"]), "--airflow": self._home().url}
        self._spawn("mwaa", "mwaa", options, {"RHEO_AIRFLOW_USER": user, "RHEO_AIRFLOW_PASSWORD": password})

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

    @property
    def _dags(self) -> Path:
        """Airflow's folder of DAGs, with a link for each application."""
        return self.folder / "dags"

    # --- parts that serve one ---

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

    def _settle(self, spec: Specification) -> None:
        """Start the processes that serve an application, with its files as they are now."""
        if not self.state.resident(spec.app).paused:
            self.restart_listener(spec.app)
        self._parts.end("schedules", spec.app)
        options = {"--folder": str(spec.folder), "--stack": str(self.folder)}
        self._spawn("schedules", "scheduler", options, app=spec.app)
        self._start_alarms()

    def _start_alarms(self) -> None:
        """Evaluate the alarms of all applications, if there are any; an evaluator that runs is ended first."""
        self._parts.end("alarms")
        found = [each.compiled for each in self.state.residents.values()]
        if folders := [folder for folder in found if (Path(folder) / alarms.FILE).exists()]:
            # The logs' folder is new with each start of the stack, and so are the states.
            states = str(self._parts.log("alarms").with_suffix(".states"))
            self._spawn("alarms", "alarms", {"--folder": folders, "--states": states})

    def _set_paused(self, app: str | None, paused: bool) -> None:
        self.state.resident(app).paused = paused
        self._parts.save()

    def _spawn(
        self,
        name: str,
        module: str,
        options: Mapping[str, str | list[str]],
        environment: Mapping[str, str] | None = None,
        app: str = "",
    ) -> Started:
        """Run a module of this folder as a process; an option with a list of values stands once for each."""
        words = [sys.executable, "-m", f"rheo_platforms.local.{module}"]
        for option, value in options.items():
            for each in value if isinstance(value, list) else [value]:
                words += [option, each]
        return self._parts.spawn(name, words, environment, app)
