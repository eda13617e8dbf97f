"""A folder of DAG files -> a running Airflow with a home of its own, and calls of its REST API."""

from __future__ import annotations

import json
import os
import secrets
import time
import urllib.error
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rheo_platforms import airflow_files
from rheo_platforms.local.airflow_settings import as_mwaa
from rheo_platforms.local.http import call_json
from rheo_platforms.local.processes import StackError, Started, StartError, alive, end_processes, find, spawn

USER = "admin"
PARALLELISM = 4
_COMPONENTS = Path(__file__).parent / "airflow_components.py"
# Log servers listen on every interface, and are not needed where all logs are files of one machine.
_SCHEDULER = "scheduler --skip-serve-logs"


@dataclass(frozen=True, slots=True)
class AirflowHome:
    """Where one Airflow lives, and its login."""

    folder: Path
    dags: Path
    port: int
    password: str
    secret: str
    database: str

    @classmethod
    def create(cls, folder: Path, dags: Path, port: int, database: str, python: str) -> AirflowHome:
        """Make the folder, with a new login for the user ``admin``.

        Parameters
        ----------
        database
            Login and address of a PostgreSQL database, without the scheme.
        python
            The Python in whose environment Airflow is installed.
        """
        folder.mkdir(parents=True, exist_ok=True)
        home = cls(folder, dags.resolve(), port, secrets.token_urlsafe(12), secrets.token_hex(32), database)
        home._passwords.touch(mode=0o600)
        home._passwords.write_text(json.dumps({USER: home.password}))
        home._command.write_text(_COMMAND.format(python=python, components=_COMPONENTS))
        home._command.chmod(0o755)
        (folder / "plugins").mkdir(exist_ok=True)
        (folder / "plugins" / airflow_files.PLUGIN).write_text(airflow_files.plugin())
        for path, text in airflow_files.renamed().items():
            file = folder / "config" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        (folder / "config" / "airflow_local_settings.py").write_text(_SETTINGS)
        return home

    @property
    def url(self) -> str:
        """Address of the UI."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def _passwords(self) -> Path:
        return self.folder / "passwords.json"

    @property
    def _command(self) -> Path:
        return self.folder / "components"

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return ``base`` with all that Airflow and its tasks need."""
        # Tasks import rheo_airflow and rheo_runtime, wherever these came from.
        ours = str(airflow_files.root())
        return {
            **base,
            "PYTHONPATH": os.pathsep.join(filter(None, [ours, base.get("PYTHONPATH", "")])),
            "AIRFLOW_HOME": str(self.folder),
            **{f"AIRFLOW__{key}": value for key, value in self._settings().items()},
        }

    def _settings(self) -> dict[str, str]:
        """MWAA's settings, and those that `airflow_settings.DIFFERENT` gives reasons for."""
        return {
            **as_mwaa(),
            "DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{self.database}",
            "CORE__DAGS_FOLDER": str(self.dags),
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": str(PARALLELISM),
            # Somebody is watching: a failed task is tried again at once, not after five minutes.
            "CORE__DEFAULT_TASK_RETRY_DELAY": "2",
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self._passwords),
            "API__HOST": "127.0.0.1",
            "API__PORT": str(self.port),
            "API__BASE_URL": self.url,
            "API__WORKERS": "1",
            # Without these every component would make up its own at its first start.
            "API__SECRET_KEY": self.secret,
            "API_AUTH__JWT_SECRET": self.secret,
            # It has just been made; to ask takes each component a second.
            "DATABASE__CHECK_MIGRATIONS": "False",
            # To ask before each use whether a connection still is there is a tenth of an idle scheduler's work.
            "DATABASE__SQL_ALCHEMY_POOL_PRE_PING": "False",
            # Changed files are seen within seconds; unchanged ones are rarely parsed again.
            "DAG_PROCESSOR__REFRESH_INTERVAL": "3",
            "DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
            "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
            "DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
            # A new scheduler takes over the tasks of one that has been silent for the threshold. A busy
            # machine may silence a living one for ten seconds: it would then reset its own tasks.
            "SCHEDULER__JOB_HEARTBEAT_SEC": "2",
            "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "30",
            "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
            "TRIGGERER__JOB_HEARTBEAT_SEC": "2",
            # A worker whose task has closed its pipes looks for its end at the next heartbeat.
            "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            # Rheo's own section: how often its tasks ask whether a job has ended, how long ended tasks may last.
            "RHEO__POLL_SECONDS": "1",
            "RHEO__GRACE_SECONDS": "15",
        }


_COMMAND = """\
#!/bin/sh
exec "{python}" -P "{components}" "$@"
"""


# Airflow imports this at its start: what DAG files that were compiled before import has moved.
_SETTINGS = """\
from pathlib import Path

import rheo_runtime

rheo_runtime.__path__.append(str(Path(__file__).parent / "rheo_runtime"))
"""


def start_airflow(home: AirflowHome, *, env: Mapping[str, str], log: Path) -> Started:
    """Start all components of Airflow, on a new database; ``env`` is ``home.environment(...)``."""
    commands = ["db migrate", _SCHEDULER, "dag-processor", "api-server", "triggerer --skip-serve-logs"]
    return spawn("airflow", [str(home._command), *commands], env=env, log=log)


def start_scheduler(home: AirflowHome, *, env: Mapping[str, str], log: Path) -> Started:
    """Start a scheduler for an Airflow that has lost its own."""
    return spawn("scheduler", [str(home._command), _SCHEDULER], env=env, log=log)


def kill_scheduler(*started: Started) -> None:
    """Kill the scheduler with all tasks it runs, as when its machine is lost.

    Raises
    ------
    StackError
        When none of ``started`` has a scheduler.
    """
    found = find(started, "airflow scheduler")
    if not found:
        raise StackError("Airflow has no scheduler running", hint="restart it first")
    end_processes(found, grace=None)


_TOKEN_SECONDS = 600.0


class AirflowApi:
    """The REST API, as one user.

    Parameters
    ----------
    url
        Address of the API server, without a path.
    user, password
        The login.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        self._login = {"username": user, "password": password}
        self._token: tuple[str, float] | None = None

    def token(self) -> str:
        """Return a token for the REST API, at most ten minutes old."""
        if self._token is None or time.monotonic() - self._token[1] > _TOKEN_SECONDS:
            answer = call_json("POST", f"{self.url}/auth/token", self._login)
            self._token = (answer["access_token"], time.monotonic())
        return self._token[0]

    def call(self, method: str, path: str, content: object = None, *, timeout: float = 10.0) -> Any:
        """Call the API, e.g. ``call("GET", "/dags")``.

        Raises
        ------
        urllib.error.HTTPError
            When Airflow answers with a fault.
        """
        headers = {"Authorization": f"Bearer {self.token()}"}
        return call_json(method, f"{self.url}/api/v2{path}", content, headers, timeout=timeout)

    def missing(self, dag_ids: Iterable[str]) -> set[str]:
        """Return those of ``dag_ids`` that Airflow does not know or will not run yet."""
        known: set[str] = set()
        while True:
            page = self.call("GET", f"/dags?limit=100&offset={len(known)}")
            known |= {dag["dag_id"] for dag in page["dags"]}
            if not page["dags"] or len(known) >= page["total_entries"]:
                return set(dag_ids) - known

    def healthy(self) -> bool:
        """Say whether every component reports that it works."""
        health = call_json("GET", f"{self.url}/api/v2/monitor/health")
        if any(part["status"] != "healthy" for part in health.values()):
            return False
        # Made at its first call, which takes seconds: better now than when the first task waits for it.
        call_json("GET", f"{self.url}/execution/health", timeout=60.0)
        return True

    def wait_until_ready(
        self,
        started: Started,
        dag_ids: Iterable[str] = (),
        *,
        folder: Path | None = None,
        timeout: float = 300.0,
    ) -> None:
        """Wait until every component works and the DAGs are known.

        Parameters
        ----------
        folder
            Where their files are, below the folder of DAGs; faults elsewhere are not theirs.

        Raises
        ------
        StartError
            When Airflow ends, or ``timeout`` seconds are over.
        StackError
            When a DAG file cannot be imported.
        """
        wanted = set(dag_ids)
        deadline = time.monotonic() + timeout
        while not self._ready(wanted, folder):
            if not alive(started) or time.monotonic() > deadline:
                raise StartError("Airflow", started.log)
            time.sleep(0.3)

    def _ready(self, wanted: set[str], folder: Path | None) -> bool:
        try:
            if not self.healthy():
                return False
            if not self.missing(wanted):
                return True
            errors = self.call("GET", "/importErrors")["import_errors"]
            if folder is not None:
                errors = [e for e in errors if Path(e["filename"]).parts[:1] == (folder.name,)]
        except (OSError, urllib.error.HTTPError):
            return False  # the API server is not up yet
        if errors:
            texts = [f"{error['filename']}: {error['stack_trace'].strip()}" for error in errors]
            raise StackError("Airflow cannot import the compiled DAGs:\n" + "\n".join(texts))
        return False
