"""Logs of a partition's latest run: of Airflow's tasks, in files or in CloudWatch, and of Glue's jobs."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.airflow import refusal
from support.cloud import Cloud

from rheo_platforms.deployment import Deployment
from rheo_platforms.local.glue_jobs import Jobs
from rheo_platforms.operations.monitoring import Monitoring
from rheo_runtime.engine import Engine
from rheo_runtime.records import Document
from rheodsl import Application
from rheodsl.errors import StateError

from .test_commands import Rheo, rheo
from .test_monitoring import app, come, deployment, engine

pytestmark = pytest.mark.slow

__all__ = ["app", "deployment", "engine", "rheo"]

RUN = "asset_triggered__2026-01-01T00:00:00+00:00_x"
GROUP = "airflow-airflow-of-tests-Task"


def line(event: str, **more: Any) -> str:
    return json.dumps({"timestamp": "2026-01-01T00:00:07.123456Z", "level": "info", "event": event, **more})


def task(name: str, state: str, tries: int, start: str | None) -> dict[str, Any]:
    return {"task_id": name, "state": state, "try_number": tries, "start_date": start}


@pytest.fixture
def document(engine: Engine, cloud: Cloud) -> Document:
    """A partition that ran before and failed, and runs again: its second compute failed once."""
    for run, end in (("the-first-run", "FAILED"), (RUN, None)):
        come(engine, "orders", "1", "2020-03-18", event=run)
        [document] = come(engine, "ships", "NA", "18-03-2020", event=run)
        cloud.run(engine, document, run, end)
    cloud.airflow.tasks[RUN] = [
        task("publish", "none", 0, None),
        task("compute", "running", 2, "2026-01-01T00:00:09Z"),
        task("claim", "success", 1, "2026-01-01T00:00:05Z"),
    ]
    return document  # type: ignore[no-any-return]


def put(cloud: Cloud, group: str, stream: str, *lines: str) -> None:
    logs = cloud.session.client("logs")
    if group not in {g["logGroupName"] for g in logs.describe_log_groups()["logGroups"]}:
        logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    events = [{"timestamp": int(time.time() * 1000) + i, "message": text} for i, text in enumerate(lines)]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def test_tasks_come_in_the_order_of_their_starts_with_all_attempts(
    app: Application, cloud: Cloud, document: Document
) -> None:
    where = f"dag_id=shop__daily/run_id={RUN.replace(':', '_')}"
    put(cloud, GROUP, f"{where}/task_id=claim/attempt=1.log", line("Claimed it"), "not JSON")
    put(cloud, GROUP, f"{where}/task_id=compute/attempt=1.log", line("died", level="error"))
    put(cloud, GROUP, f"{where}/task_id=compute/attempt=2.log", line("goes on"))
    claim, first, second = app.get_compute_logs(app["daily"][1]["2020-03-18"])
    assert cloud.airflow.calls[-1]["Body"]["dag_run_ids"] == [RUN]
    assert (claim.task, claim.attempt, claim.state) == ("claim", 1, "success")
    assert claim.text == "2026-01-01T00:00:07Z INFO    Claimed it\nnot JSON"
    assert claim.source == f"{GROUP}/{where}/task_id=claim/attempt=1.log"
    assert (first.attempt, first.state, first.text) == (1, "ended", "2026-01-01T00:00:07Z ERROR   died")
    assert (second.attempt, second.state) == (2, "running")


def test_task_logs_may_be_files(deployment: Deployment, document: Document, tmp_path: Path) -> None:
    file = tmp_path / f"logs/dag_id=shop__daily/run_id={RUN}/task_id=claim/attempt=1.log"
    file.parent.mkdir(parents=True)
    fault = {"exc_type": "ValueError", "exc_value": "no such thing"}
    file.write_text(line("Task failed", level="error", error_detail=[fault]) + "\n")
    watch = Monitoring(replace(deployment, task_logs=tmp_path / "logs"))
    [log] = watch.logs("daily", ["1/2020-03-18"])
    assert log.source == str(file)
    assert log.text == "2026-01-01T00:00:07Z ERROR   Task failed\n  ValueError: no such thing"


class Glue:
    """The local Glue's jobs behind the calls of boto3 that are used: moto forgets the arguments of runs."""

    def __init__(self) -> None:
        self.jobs = Jobs(lambda run: None, lambda run: None)
        command = {"Name": "glueetl", "ScriptLocation": "s3://b/k"}
        at_once = {"MaxConcurrentRuns": 9}
        self.jobs.create({"Name": "shop-daily", "Command": command, "ExecutionProperty": at_once})

    def start(self, argument: str) -> str:
        call = {"JobName": "shop-daily", "Arguments": {"--execution": argument}}
        run: str = self.jobs.calls["StartJobRun"](call)["JobRunId"]
        return run

    def get_paginator(self, name: str) -> Any:
        assert name == "get_job_runs"
        return SimpleNamespace(paginate=lambda **call: [self.jobs.calls["GetJobRuns"](call)])


def test_jobs_of_the_execution_are_found_by_their_argument(
    app: Application, cloud: Cloud, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    glue, of_moto = Glue(), cloud.session.client
    monkeypatch.setattr(
        cloud.session, "client", lambda name, **o: glue if name == "glue" else of_moto(name, **o)
    )
    start = glue.start
    mine = start(json.dumps(document))
    start(json.dumps({**document, "id": "daily/1/2020-03-18#1"}))
    start("s3://rheo-shop/executions/daily/1/2020-03-18/1.json")
    start("no JSON")
    put(cloud, "/aws-glue/jobs/output", mine, "one", "two")
    put(cloud, "/aws-glue/jobs/error", mine, "a warning")
    output, error = app.get_compute_logs("daily", 1, "2020-03-18")
    assert (output.task, output.text, output.source) == (
        "job shop-daily", "one\ntwo", f"/aws-glue/jobs/output/{mine}",
    )  # fmt: skip
    assert error.text == "a warning"
    large = start("s3://rheo-shop/executions/daily/1/2020-03-18/2.json")
    put(cloud, "/aws-glue/jobs/output", large, "again")
    assert sorted(log.text for log in app.get_compute_logs("daily", 1, "2020-03-18")) == [
        "a warning", "again", "one\ntwo",
    ]  # fmt: skip


def test_what_never_ran_has_no_logs(app: Application, document: Document) -> None:
    assert app.get_compute_logs("daily", 2, "2020-03-18") == []


def test_an_airflow_that_does_not_answer_is_an_error(
    app: Application, cloud: Cloud, document: Document
) -> None:
    cloud.airflow.down = refusal(503, "it is down")
    with pytest.raises(StateError, match=r"Airflow does not tell the tasks of asset_triggered__.*down"):
        app.get_compute_logs("daily", 1, "2020-03-18")


def test_the_command_prints_logs(rheo: Rheo, cloud: Cloud, document: Document) -> None:
    assert rheo("logs", "daily", "2/2020-03-18") == "no run of daily/2/2020-03-18 has written anything"
    where = f"dag_id=shop__daily/run_id={RUN.replace(':', '_')}"
    put(cloud, GROUP, f"{where}/task_id=claim/attempt=1.log", *map(line, ("a", "[b]", "c")))
    put(cloud, GROUP, f"{where}/task_id=compute/attempt=2.log", line("d"))
    said = rheo("logs", "daily", "1/2020-03-18")
    assert [text.split()[-1] for text in said.splitlines() if "INFO" in text] == ["a", "[b]", "c", "d"]
    assert said.startswith(f"---- claim, attempt 1, success\n     {GROUP}/")
    short = rheo("logs", "daily", "1", "2020-03-18", "--task", "claim", "--tail", "1")
    assert len(short.splitlines()) == 3
    assert short.endswith("INFO    c")
    assert [log["task"] for log in json.loads(rheo("logs", "daily", "1/2020-03-18", "--json"))] == [
        "claim", "compute",
    ]  # fmt: skip
