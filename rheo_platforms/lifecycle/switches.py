"""DAGs of an application in Airflow -> switched on and off, remembering who did it.

Airflow knows whether a DAG is paused, not who paused it. The application's bucket keeps which DAGs were on
when Rheo last saw them, and which ones Rheo itself has paused. So a DAG that is paused now was paused

- by Rheo, when Rheo's pause is on record: `resume` and `activate` undo it;
- by a person, when it was on the last time: nobody but a person switches it on again;
- by Airflow when it was registered (``dags_are_paused_at_creation``), when neither: activating switches it on.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from rheo_platforms.deployment import Deployment
from rheo_platforms.lifecycle.record import STATE
from rheo_runtime.airflow_client import Announcer, RateLimiter

KEY = f"{STATE}dags.json"
VERSION = 1


class PausedBy(StrEnum):
    """Who paused a DAG."""

    RHEO = "Rheo"
    PERSON = "a person"
    AIRFLOW = "Airflow, when it was new"


@dataclass(frozen=True, slots=True)
class SwitchRecord:
    """DAGs that were on when they were last seen (``on``), and those that Rheo paused (``off``)."""

    on: frozenset[str] = frozenset()
    off: frozenset[str] = frozenset()

    def paused_by(self, dag: str) -> PausedBy:
        """Return who paused a DAG that is paused."""
        if dag in self.off:
            return PausedBy.RHEO
        return PausedBy.PERSON if dag in self.on else PausedBy.AIRFLOW


class DagSwitches:
    """The switches of one application's DAGs.

    Parameters
    ----------
    deployment
        The application. Its Airflow is asked at a pace that leaves room for the listener.

    All methods raise Unavailable or Refused when Airflow does not answer, and may be repeated.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._app = deployment.app
        self._airflow = Announcer(deployment.session.client("mwaa"), deployment.environment, RateLimiter())
        self._s3 = deployment.session.client("s3")
        self._bucket = deployment.bucket

    def paused(self, dags: Collection[str]) -> dict[str, PausedBy]:
        """Return those of the DAGs that are paused, and by whom."""
        record = self._read()
        states = self._airflow.dags(self._app)
        return {dag: record.paused_by(dag) for dag in sorted(dags) if states.get(dag)}

    def switch_on(self, dags: Collection[str]) -> list[str]:
        """Switch on what no person paused; return what stays paused by a person.

        A DAG that Airflow has not seen yet counts as on: its file says so.
        """
        record = self._read()
        states = self._airflow.dags(self._app)
        paused = {dag: record.paused_by(dag) for dag in sorted(dags) if states.get(dag)}
        for dag, by in paused.items():
            if by is not PausedBy.PERSON:
                self._airflow.set_paused(dag, paused=False)
        # What a person paused stays on record as on: that is how the person is known the next time.
        self._write(SwitchRecord(on=frozenset(dags)))
        return [dag for dag, by in paused.items() if by is PausedBy.PERSON]

    def switch_off(self, dags: Collection[str]) -> list[str]:
        """Pause DAGs; return those that Airflow has not seen yet, and that will begin unpaused.

        Those that are paused already stay with who paused them.
        """
        record = self._read()
        states = self._airflow.dags(self._app)
        ours = {dag for dag in dags if not states.get(dag)}
        # The record comes first: a pause that fails half way is Rheo's all the same.
        self._write(SwitchRecord(record.on | ours, (record.off & set(dags)) | ours))
        return [dag for dag in sorted(ours) if not self._airflow.set_paused(dag, paused=True)]

    def _read(self) -> SwitchRecord:
        try:
            text = self._s3.get_object(Bucket=self._bucket, Key=KEY)["Body"].read()
        except (self._s3.exceptions.NoSuchKey, self._s3.exceptions.NoSuchBucket):
            return SwitchRecord()
        data = json.loads(text)
        return SwitchRecord(frozenset(data["on"]), frozenset(data["off"]))

    def _write(self, record: SwitchRecord) -> None:
        data = {"version": VERSION, "on": sorted(record.on), "off": sorted(record.off)}
        self._s3.put_object(Bucket=self._bucket, Key=KEY, Body=json.dumps(data, indent=1).encode())
