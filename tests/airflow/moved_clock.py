"""Run by tests in a process of its own: DAG files, and when each is first seen -> the runs that Airflow's scheduler makes, as JSON.

The clock of the process, and that of its database, is moved from moment to moment; everything else is Airflow's:
its tables, its parser and the step of its scheduler that makes runs.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import time_machine
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from airflow.utils.sqlalchemy import prohibit_commit
from airflow.utils.state import DagRunState
from sqlalchemy import event, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import now as database_now


@compiles(database_now, "sqlite")
def _now(*_: Any, **__: Any) -> str:
    return "moved_now()"


@event.listens_for(Engine, "connect")
def _move(connection: Any, _: Any) -> None:
    connection.create_function("moved_now", 0, lambda: datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"))


def see(file: str) -> None:
    """Parse a DAG file, as Airflow's DAG processor does."""
    with create_session() as session:
        sync_bag_to_db(DagBag(file), "dags", None, session=session)
        session.execute(update(DagModel).values(is_paused=False))


def schedule(scheduler: SchedulerJobRunner) -> None:
    """Let the scheduler make the runs that are due, and end them."""
    with create_session() as session:
        session.execute(update(DagRun).values(state=DagRunState.SUCCESS))
    with create_session() as session, prohibit_commit(session) as guard:
        scheduler._create_dagruns_for_dags(guard, session)


def main(first_seen: dict[str, str], end: str) -> None:
    """Go from the first moment to the last, six hours at a time."""
    moments = {datetime.fromisoformat(moment): file for file, moment in first_seen.items()}
    now = min(moments)
    with create_session() as session:
        session.add(DagBundleModel(name="dags"))
    scheduler = SchedulerJobRunner(Job())
    while now < datetime.fromisoformat(end):
        with time_machine.travel(now, tick=False):
            if now in moments:
                see(moments[now])
            schedule(scheduler)
        later = [moment for moment in moments if moment > now]
        now = min([now + timedelta(hours=6), *later])
    with create_session() as session:
        runs = session.execute(select(DagRun.dag_id, DagRun.partition_key).order_by(DagRun.run_after)).all()
    found: dict[str, list[str]] = {}
    for dag, key in runs:
        found.setdefault(dag, []).append(key)
    Path(sys.argv[2]).write_text(json.dumps(found))


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    main(asked["first_seen"], asked["end"])
