"""Generated DAGs in a real Airflow on the local stack: each execution runs exactly once, whatever happens."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trial_app
from lab import BUCKET, BURST, Lab, running, until
from trial_app import CONTROL

from rheo_runtime.records import CLAIMED, FAILED, SUCCEEDED

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running(tmp_path_factory.mktemp("trial"), "mwaa-3.3") as lab:
        yield lab


def test_an_event_leads_to_one_run_that_goes_by_its_partition(lab: Lab) -> None:
    lab.arrive("spark/2020-01-01")
    (run,) = lab.finished("copied", "spark/2020-01-01")
    assert run["state"] == "success"
    assert lab.tasks("copied", run) == {"claim": "success", "compute": "success", "publish": "success"}
    assert lab.count(CONTROL, "ran/spark/2020-01-01") == 1
    assert lab.count(BUCKET, "internal_data/copied/spark/2020-01-01/_SUCCESS") == 1
    # Its output is the input of a Spark job.
    (run,) = lab.finished("total", "spark/2020-01-01")
    assert run["state"] == "success"
    until(lambda: lab.ended("total", "spark/2020-01-01"), 10)
    keys = lab.s3.list_objects_v2(Bucket=BUCKET, Prefix="internal_data/total/spark/2020-01-01/part")[
        "Contents"
    ]
    text = b"".join(lab.s3.get_object(Bucket=BUCKET, Key=k["Key"])["Body"].read() for k in keys)
    assert text == b"n\n3\n"


def test_an_execution_that_is_announced_again_runs_once(lab: Lab) -> None:
    lab.tell("wait", "dup/2020-01-01")
    lab.arrive("dup/2020-01-01")
    until(lambda: lab.count(CONTROL, "ran/dup/2020-01-01"), 60)
    output, _ = lab.ledger.output("copied", "dup/2020-01-01", None)
    assert output is not None and output.active is not None and output.active.state == CLAIMED
    for _ in range(3):  # each comes into a run of its own, or some into one
        lab.announcer.announce(output.active.document)
        time.sleep(1.5)
    lab.untell("wait", "dup/2020-01-01")
    runs = lab.finished("copied", "dup/2020-01-01", runs=2)
    assert {run["state"] for run in runs} == {"success"}
    skipped = [run for run in runs if lab.tasks("copied", run)["compute"] == "skipped"]
    assert len(skipped) == len(runs) - 1 >= 1
    assert lab.count(CONTROL, "ran/dup/2020-01-01") == 1
    assert [e.state for e in lab.ended("copied", "dup/2020-01-01")] == [SUCCEEDED]


def test_a_run_by_hand_with_params(lab: Lab) -> None:
    conf = {"region": "hand", "day": "2020-01-01"}
    made = lab.call("POST", "/dags/trial__copied/dagRuns", {"logical_date": None, "conf": conf})

    def over() -> bool:
        path = f"/dags/trial__copied/dagRuns/{made['dag_run_id']}"
        return lab.call("GET", path)["state"] in ("success", "failed")

    until(over, 60)
    (execution,) = lab.ended("copied", "hand/2020-01-01")
    assert (execution.state, execution.run_id) == (SUCCEEDED, made["dag_run_id"])
    assert lab.count(BUCKET, "internal_data/copied/hand/2020-01-01/_SUCCESS") == 1


def test_a_run_by_hand_without_params_says_what_is_missing(lab: Lab) -> None:
    made = lab.call("POST", "/dags/trial__copied/dagRuns", {"logical_date": None})
    path = f"/dags/trial__copied/dagRuns/{made['dag_run_id']}"
    until(lambda: lab.call("GET", path)["state"] == "failed", 60)
    assert "say which partition to make: region, day of the output" in lab.log("copied", made, "claim", 1)


def test_a_failing_compute_then_cleared_completes_the_chain(lab: Lab) -> None:
    lab.tell("fail", "spark/2020-01-05")
    lab.arrive("spark/2020-01-05")
    (run,) = lab.finished("copied", "spark/2020-01-05")
    assert run["state"] == "failed"
    assert "told to fail at spark/2020-01-05" in lab.log("copied", run, "compute", 1)
    assert [e.state for e in lab.ended("copied", "spark/2020-01-05")] == [FAILED]
    assert lab.count(BUCKET, "internal_data/copied/spark/2020-01-05") == 0
    assert lab.of("total", "spark/2020-01-05") == []
    lab.untell("fail", "spark/2020-01-05")
    lab.clear("copied", run, "compute")
    until(lambda: lab.of("total", "spark/2020-01-05"), 60)
    (again,) = lab.finished("copied", "spark/2020-01-05")
    assert (again["dag_run_id"], again["state"]) == (run["dag_run_id"], "success")
    assert [e.state for e in lab.ended("copied", "spark/2020-01-05")] == [SUCCEEDED]
    (downstream,) = lab.finished("total", "spark/2020-01-05")
    assert downstream["state"] == "success"


def test_a_failing_spark_job_shows_its_error(lab: Lab) -> None:
    lab.arrive("spark/2020-02-02")
    (run,) = lab.finished("total", "spark/2020-02-02")
    assert run["state"] == "failed"
    log = lab.log("total", run, "compute", 1)
    assert "FAILED: trial_app.py" in log
    assert "AssertionError: no such day" in log
    # The traceback is there too, with the user's own file and line.
    line = next(
        n for n, text in enumerate(Path(trial_app.__file__).read_text().splitlines(), 1) if "no such" in text
    )
    assert f'trial_app.py", line {line}' in log.replace("\\", "")
    assert lab.count(BUCKET, "internal_data/total/spark/2020-02-02") == 0
    assert [e.state for e in lab.ended("total", "spark/2020-02-02")] == [FAILED]


def test_a_job_run_that_somebody_stops_is_no_success(lab: Lab) -> None:
    glue = lab.stack.session().client("glue")

    def running() -> list[str]:
        found = glue.get_job_runs(JobName="trial-total")["JobRuns"]
        return [run["Id"] for run in found if run["JobRunState"] == "RUNNING"]

    lab.arrive("spark/2020-03-03")
    glue.batch_stop_job_run(JobName="trial-total", JobRunIds=until(running, 90))
    (run,) = lab.finished("total", "spark/2020-03-03")
    assert run["state"] == "failed"
    assert lab.count(BUCKET, "internal_data/total/spark/2020-03-03") == 0


def test_a_run_that_somebody_fails_by_hand_can_be_cleared(lab: Lab) -> None:
    lab.tell("wait", "stop/2020-01-01")
    lab.arrive("stop/2020-01-01")
    until(lambda: lab.count(CONTROL, "ran/stop/2020-01-01"), 60)
    (run,) = lab.of("copied", "stop/2020-01-01")
    lab.call("PATCH", f"/dags/trial__copied/dagRuns/{run['dag_run_id']}", {"state": "failed"})
    # No task of ours hears of it; the sweeper asks.
    assert lab.announcer.state("trial", "copied", run["dag_run_id"]) == "failed"
    assert lab.count(BUCKET, "internal_data/copied/stop/2020-01-01") == 0
    lab.untell("wait", "stop/2020-01-01")
    lab.clear("copied", run, "claim")
    until(lambda: lab.ended("copied", "stop/2020-01-01"), 60)
    (again,) = lab.finished("copied", "stop/2020-01-01")
    assert (again["dag_run_id"], again["state"]) == (run["dag_run_id"], "success")
    assert [e.state for e in lab.ended("copied", "stop/2020-01-01")] == [SUCCEEDED]


def test_a_run_that_ends_without_publish_frees_its_output(lab: Lab) -> None:
    lab.tell("wait", "lost/2020-01-01")
    lab.arrive("lost/2020-01-01")
    until(lambda: lab.count(CONTROL, "ran/lost/2020-01-01"), 60)
    (run,) = lab.of("copied", "lost/2020-01-01")
    path = f"/dags/trial__copied/dagRuns/{run['dag_run_id']}/taskInstances/publish"
    lab.call("PATCH", path, {"new_state": "failed"})
    lab.untell("wait", "lost/2020-01-01")
    (over,) = lab.finished("copied", "lost/2020-01-01")
    assert over["state"] == "failed"
    until(lambda: lab.ended("copied", "lost/2020-01-01"), 60)  # the DAG's callback
    assert [(e.state, e.note) for e in lab.ended("copied", "lost/2020-01-01")] == [(FAILED, "the run failed")]


def test_a_second_firing_waits_for_the_first(lab: Lab) -> None:
    lab.tell("wait", "twice/2020-01-01")
    lab.arrive("twice/2020-01-01")
    until(lambda: lab.count(CONTROL, "ran/twice/2020-01-01"), 60)
    lab.arrive("twice/2020-01-01")

    def held() -> bool:
        output, _ = lab.ledger.output("copied", "twice/2020-01-01", None)
        return output is not None and output.held is not None

    until(held, 30)
    lab.untell("wait", "twice/2020-01-01")
    until(lambda: len(lab.ended("copied", "twice/2020-01-01")) == 2, 180)
    assert lab.count(CONTROL, "ran/twice/2020-01-01") == 2
    assert {run["state"] for run in lab.finished("copied", "twice/2020-01-01", runs=2)} == {"success"}


def test_a_burst_of_fifty(lab: Lab) -> None:
    partitions = [f"burst{n:02}/2020-01-01" for n in range(BURST)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lab.arrive, partitions))
    for partition in partitions:  # one after the other: to ask of all of them costs more than their runs
        until(lambda partition=partition: lab.ended("copied", partition), 900)
    executions = [(e.document["id"], e.state) for p in partitions for e in lab.ended("copied", p)]
    assert sorted(executions) == [(f"copied/{p}#1", SUCCEEDED) for p in partitions]
    runs = [run for run in lab.runs("copied") if run["partition_key"] in partitions]
    working = [run for run in runs if lab.tasks("copied", run)["compute"] != "skipped"]
    assert sorted(run["partition_key"] for run in working) == partitions
    assert [lab.count(CONTROL, f"ran/{p}") for p in partitions] == [1] * BURST


def test_a_timer_runs_on_airflows_own_timetable(lab: Lab) -> None:
    def done(node: str) -> list[dict[str, Any]]:
        return until(lambda: [run for run in lab.runs(node) if run["state"] == "success"], 120)

    for run in done("noted"):
        assert run["run_type"] == "scheduled"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d", run["partition_key"])
        assert [e.state for e in lab.ended("noted", run["partition_key"])] == [SUCCEEDED]
        assert run["run_after"].startswith(run["partition_key"])
    for run in done("noted_late"):
        fire = datetime.fromisoformat(run["logical_date"])
        partition = f"{fire - timedelta(minutes=5):%Y-%m-%d %H:%M}"
        assert [e.run_id for e in lab.ended("noted_late", partition)] == [run["dag_run_id"]]
