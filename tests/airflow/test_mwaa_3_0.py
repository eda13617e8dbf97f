"""Generated DAGs in a real Airflow 3.0.6, where the listener creates each run under a run id of its own.

Its environment is `requirements-mwaa-3.0.lock`, installed beside this one by `make test`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lab import BUCKET, BURST, Lab, running, until
from trial_app import CONTROL

from rheo_runtime.records import CLAIMED, FAILED, SUCCEEDED

pytestmark = pytest.mark.slow
PYTHON = Path(__file__).parents[2] / ".venv-mwaa-3.0" / "bin" / "python"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    assert PYTHON.exists(), "install Airflow 3.0.6 beside this environment: make .venv-mwaa-3.0/.ready"
    with running(tmp_path_factory.mktemp("trial"), "mwaa-3.0", python=PYTHON) as lab:
        yield lab


def over(lab: Lab, node: str, run_id: str, seconds: float = 120) -> dict[str, Any]:
    """Wait until a run has ended; return it."""

    def ended() -> list[dict[str, Any]]:
        return [
            r for r in lab.runs(node) if r["dag_run_id"] == run_id and r["state"] in ("success", "failed")
        ]

    return until(ended, seconds)[0]


def test_an_event_leads_to_one_run_under_its_own_id(lab: Lab) -> None:
    lab.arrive("spark/2020-01-01")
    run = over(lab, "copied", "rheo~spark~2020-01-01~1")
    assert run["state"] == "success"
    assert lab.tasks("copied", run) == {"claim": "success", "compute": "success", "publish": "success"}
    assert lab.count(BUCKET, "internal_data/copied/spark/2020-01-01/_SUCCESS") == 1
    assert over(lab, "total", "rheo~spark~2020-01-01~1")["state"] == "success"
    assert [e.state for e in until(lambda: lab.ended("total", "spark/2020-01-01"), 10)] == [SUCCEEDED]


def test_an_execution_that_is_announced_again_has_one_run(lab: Lab) -> None:
    lab.tell("wait", "dup/2020-01-01")
    lab.arrive("dup/2020-01-01")
    until(lambda: lab.count(CONTROL, "ran/dup/2020-01-01"), 60)
    output, _ = lab.ledger.output("copied", "dup/2020-01-01", None)
    assert output is not None and output.active is not None and output.active.state == CLAIMED
    for _ in range(3):
        lab.announcer.announce(output.active.document)
        time.sleep(0.5)
    lab.untell("wait", "dup/2020-01-01")
    assert over(lab, "copied", "rheo~dup~2020-01-01~1")["state"] == "success"
    assert len([r for r in lab.runs("copied") if "dup" in r["dag_run_id"]]) == 1
    assert lab.count(CONTROL, "ran/dup/2020-01-01") == 1


def test_a_failing_compute_then_cleared_succeeds(lab: Lab) -> None:
    lab.tell("fail", "py/2020-01-05")
    lab.arrive("py/2020-01-05")
    run = over(lab, "copied", "rheo~py~2020-01-05~1")
    assert run["state"] == "failed"
    assert [e.state for e in lab.ended("copied", "py/2020-01-05")] == [FAILED]
    lab.untell("fail", "py/2020-01-05")
    lab.clear("copied", run, "compute")
    until(lambda: [e.state for e in lab.ended("copied", "py/2020-01-05")] == [SUCCEEDED], 90)
    assert over(lab, "copied", run["dag_run_id"])["state"] == "success"


def test_a_run_by_hand_with_params(lab: Lab) -> None:
    conf = {"region": "hand", "day": "2020-01-01"}
    made = lab.call("POST", "/dags/trial__copied/dagRuns", {"logical_date": None, "conf": conf})
    assert over(lab, "copied", made["dag_run_id"])["state"] == "success"
    (execution,) = lab.ended("copied", "hand/2020-01-01")
    assert (execution.state, execution.run_id) == (SUCCEEDED, made["dag_run_id"])


def test_a_burst_of_fifty(lab: Lab) -> None:
    partitions = [f"burst{n:02}/2020-01-01" for n in range(BURST)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lab.arrive, partitions))
    for partition in partitions:  # one after the other: to ask of all of them costs more than their runs
        until(lambda partition=partition: lab.ended("copied", partition), 900)
    executions = [(e.document["id"], e.state) for p in partitions for e in lab.ended("copied", p)]
    assert sorted(executions) == [(f"copied/{p}#1", SUCCEEDED) for p in partitions]
    runs = [r for r in lab.runs("copied") if r["dag_run_id"].startswith("rheo~burst")]
    assert sorted(r["dag_run_id"] for r in runs) == [f"rheo~burst{n:02}~2020-01-01~1" for n in range(BURST)]
    assert [lab.count(CONTROL, f"ran/{p}") for p in partitions] == [1] * BURST


def test_a_timer_runs_on_airflows_own_timetable(lab: Lab) -> None:
    def done() -> list[dict[str, Any]]:
        return [run for run in lab.runs("noted_late") if run["state"] == "success"]

    for run in until(done, 120):
        partition = f"{datetime.fromisoformat(run['logical_date']) - timedelta(minutes=5):%Y-%m-%d %H:%M}"
        assert [e.run_id for e in lab.ended("noted_late", partition)] == [run["dag_run_id"]]
