"""Folder of DAG files -> a running ``airflow standalone`` with a home of its own."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import rheo_runtime
from platforms.local.errors import StackError
from platforms.local.processes import Started, end_processes, find, spawn
from platforms.page import PLUGIN, plugin

USER = "admin"
PARALLELISM = 4


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
        (folder / "bin").mkdir(parents=True, exist_ok=True)
        home = cls(folder, dags.resolve(), port, secrets.token_urlsafe(12), secrets.token_hex(32), database)
        home._passwords.touch(mode=0o600)
        home._passwords.write_text(json.dumps({USER: home.password}))
        home._command.write_text(_COMMAND.format(python=python))
        home._command.chmod(0o755)
        (folder / "plugins").mkdir(exist_ok=True)
        (folder / "plugins" / PLUGIN).write_text(plugin())
        (folder / "config").mkdir(exist_ok=True)
        (folder / "config" / "airflow_local_settings.py").write_text(_PRELOAD)
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
        return self.folder / "bin" / "airflow"

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return ``base`` with all that Airflow and its tasks need."""
        # Tasks import rheo_runtime, wherever this one came from.
        ours = str(Path(rheo_runtime.__file__).parent.parent)
        return {
            **base,
            "PATH": os.pathsep.join([str(self._command.parent), base.get("PATH", os.defpath)]),
            "PYTHONPATH": os.pathsep.join(filter(None, [ours, base.get("PYTHONPATH", "")])),
            "AIRFLOW_HOME": str(self.folder),
            **{f"AIRFLOW__{key}": value for key, value in self._settings().items()},
        }

    def _settings(self) -> dict[str, str]:
        return {
            "DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{self.database}",
            "CORE__DAGS_FOLDER": str(self.dags),
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
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
            # Rheo's own section: how often its tasks ask whether a job has ended.
            "RHEO__POLL_SECONDS": "1",
        }


# `airflow standalone` finds its components' command on the PATH. Their log servers listen on every
# interface and are not needed where all logs are files of one machine, so they are left out.
_COMMAND = """\
#!/bin/sh
case "$1" in scheduler | triggerer) set -- "$@" --skip-serve-logs ;; esac
exec "{python}" -m airflow "$@"
"""


# Airflow imports this at its start. A task is a fork of the scheduler, and a parse one of the DAG
# processor: what these have imported, the forks need not import again, which takes seconds of CPU each.
_PRELOAD = """\
import sys

if sys.argv[1:2] in (["scheduler"], ["dag-processor"]):
    import airflow.providers.amazon.aws.operators.glue
    import airflow.sdk.execution_time.task_runner
    import boto3

    import rheo_runtime.tasks
    import rheo_runtime.tasks.hooks
    import rheo_runtime.tasks.sensors

    # What generated files import; of these, an Airflow has those of its version.
    for name in ("Asset", "CronPartitionTimetable", "DAG", "Param", "PartitionedAssetTimetable"):
        getattr(airflow.sdk, name, None)
"""


def start_airflow(home: AirflowHome, *, env: Mapping[str, str], log: Path) -> Started:
    """Start ``airflow standalone``; ``env`` is ``home.environment(...)``."""
    return spawn("airflow", [str(home._command), "standalone"], env=env, log=log)


def start_scheduler(home: AirflowHome, *, env: Mapping[str, str], log: Path) -> Started:
    """Start a scheduler beside a standalone Airflow that lost its own: standalone never replaces it."""
    return spawn("scheduler", [str(home._command), "scheduler"], env=env, log=log)


def kill_scheduler(*started: Started) -> None:
    """Kill the scheduler with all tasks it runs, as when its machine is lost.

    Raises
    ------
    StackError
        When none of ``started`` has a scheduler.
    """
    found = find(started, "scheduler")
    if not found:
        raise StackError("Airflow has no scheduler running", hint="restart it first")
    end_processes(found, grace=None)
