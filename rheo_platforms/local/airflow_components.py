"""Commands of Airflow -> a process for each, forked from one that has imported what they all need.

``airflow standalone`` starts a Python for each component, and each imports Airflow for seconds. This file is run by itself, by
the Python in whose environment Airflow is installed, as ``python -P airflow_components.py 'db migrate' scheduler``: a
command of the database is waited for, the others run side by side. It lasts as long as one of them does.

A task is a fork of the scheduler, and a parse one of the DAG processor: they have these imports, too.
"""

from __future__ import annotations

import gc
import os
import sys

import airflow.jobs.scheduler_job_runner  # noqa: TID253 - this file runs where Airflow is
import airflow.jobs.triggerer_job_runner  # noqa: TID253
import airflow.models.dagbag  # noqa: TID253
import airflow.providers.amazon.aws.operators.glue  # noqa: TID253
import airflow.sdk  # noqa: TID253
import airflow.sdk.execution_time.task_runner  # noqa: TID253
import boto3
from airflow.__main__ import main  # noqa: TID253
from setproctitle import setproctitle

import rheo_airflow.tasks
import rheo_airflow.tasks.hooks
import rheo_airflow.tasks.sensors  # noqa: F401


def _prepare() -> None:
    """Do once what each process would do at its beginning."""
    # What generated files import; of these, an Airflow has those of its version.
    for name in ("Asset", "CronPartitionTimetable", "DAG", "Param", "PartitionedAssetTimetable"):
        getattr(airflow.sdk, name, None)
    # What tasks ask of AWS: to read what describes it takes a quarter of their time.
    for service in ("cloudwatch", "dynamodb", "events", "glue", "s3", "sts"):
        boto3.client(service, region_name="us-east-1")
    gc.freeze()  # else the first collection of each fork copies all of it


def _fork(command: str) -> int:
    """Start a process that is ``airflow <command>``; return its id."""
    if pid := os.fork():
        return pid
    sys.argv = ["airflow", *command.split()]
    setproctitle(" ".join(sys.argv))
    main()  # type: ignore[no-untyped-call]
    sys.exit()


def run(*commands: str) -> int:
    """Run commands of Airflow; return 0, or the exit code of a command of the database that has failed."""
    _prepare()
    for command in commands:
        pid = _fork(command)
        if command.startswith("db ") and (code := os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])):
            return code
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return 0


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))
