"""Login of a local Airflow -> calls of its REST API."""

from __future__ import annotations

import time
import urllib.error
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from platforms.local.errors import StackError, StartError
from platforms.local.http import call_json
from platforms.local.processes import Started, alive

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
