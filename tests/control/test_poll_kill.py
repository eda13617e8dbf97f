"""``app.poll`` and ``app.kill``: following an execution, and ending it."""

from __future__ import annotations

import pytest
from support.airflow import refusal

from rheo_platforms.operations.names import AskedError
from rheo_runtime import executions
from rheodsl import Application
from rheodsl.errors import UnknownNameError
from rheodsl.signals import View

from .lab import Lab

PATH = "s3://rheo-bare/internal_data/daily/1"


@pytest.fixture
def lab() -> Lab:
    app = Application("bare")
    numbers = app.s3("numbers", "s3://lake/numbers/{n:int}")
    app.create_data("daily", inputs=[numbers], compute_targets="output = numbers")
    lab = Lab(app)
    lab.put(numbers[1])
    return lab


@pytest.fixture
def daily(lab: Lab) -> View:
    return lab.app["daily"][1]


def start(lab: Lab, daily: View) -> None:
    lab.app.execute(daily, wait=False)
    lab.workers.go_on()


def test_what_never_ran(lab: Lab, daily: View) -> None:
    assert lab.app.poll(daily) is None
    assert lab.airflow.runs == []


def test_what_is_under_way_is_followed(lab: Lab, daily: View) -> None:
    lab.workers.slow = 5
    start(lab, daily)
    assert lab.app.poll(daily, timeout=2) is None
    assert lab.app.poll(daily) == PATH
    assert lab.app.poll(daily) == PATH


def test_the_last_execution_counts(lab: Lab, daily: View) -> None:
    lab.app.execute(daily)
    lab.airflow.fails = lambda _: True
    start(lab, daily)
    assert lab.app.poll(daily) is None


def test_data_that_is_gone_is_not_there(lab: Lab, daily: View) -> None:
    lab.app.execute(daily)
    lab.storage.paths.clear()
    assert lab.app.poll(daily) is None


def test_data_that_nobody_remembers_making_is_there(lab: Lab, daily: View) -> None:
    lab.put(daily)
    assert lab.app.poll(daily) == PATH


@pytest.mark.parametrize("modern", [True, False])
def test_killing_ends_the_run_and_the_execution(lab: Lab, daily: View, modern: bool) -> None:
    lab.airflow.modern = modern
    if not modern:  # an Airflow whose runs have ids of ours
        lab.airflow.assets = {}
    lab.workers.slow = 100
    start(lab, daily)
    assert lab.app.kill(daily) == ["daily/1#1"]
    (run,) = lab.airflow.runs
    assert run.state == "failed"
    assert lab.states(daily) == ["FAILED"]
    output = lab.output(daily)
    assert output is not None and output.ended[0].note == "killed"
    assert lab.app.kill(daily) == []
    assert lab.app.poll(daily) is None


def test_a_task_that_is_dying_does_not_take_it_up_again(lab: Lab, daily: View) -> None:
    lab.workers.slow = 100
    start(lab, daily)
    lab.app.kill(daily)
    (run,) = lab.airflow.runs
    assert executions.claim(lab.ledger, "daily", "1", "daily/1#1", run.id, lab.now()) is None
    assert lab.states(daily) == ["FAILED"]


def test_one_that_no_run_has_claimed(lab: Lab, daily: View) -> None:
    lab.app.execute(daily, wait=False)
    assert lab.app.kill("daily/1#1") == ["daily/1#1"]
    lab.workers.settle()  # its run finds nothing to do
    assert lab.workers.began == [] and lab.states(daily) == ["FAILED"]


def test_what_was_held_behind_it_starts(lab: Lab, daily: View) -> None:
    lab.workers.slow = 100
    start(lab, daily)
    start(lab, daily)
    assert lab.app.kill(daily) == ["daily/1#1"]
    lab.workers.settle()
    assert lab.states(daily) == ["FAILED", "SUCCEEDED"]


def test_what_is_held_may_be_killed_by_its_id(lab: Lab, daily: View) -> None:
    lab.workers.slow = 100
    start(lab, daily)
    start(lab, daily)
    assert lab.app.kill("daily/1#2") == ["daily/1#2"]
    lab.workers.settle()
    assert lab.states(daily) == ["SUCCEEDED", "SKIPPED"]
    assert lab.app.kill("daily/1#2") == []


def test_a_run_that_is_gone(lab: Lab, daily: View) -> None:
    start(lab, daily)
    lab.airflow.runs.clear()
    assert lab.app.kill(daily) == ["daily/1#1"]
    assert lab.states(daily) == ["FAILED"]


def test_an_airflow_that_does_not_answer_leaves_everything_as_it_is(lab: Lab, daily: View) -> None:
    lab.workers.slow = 100
    start(lab, daily)
    lab.airflow.down = refusal(503)
    with pytest.raises(AskedError, match="Airflow did not end run asset_triggered__"):
        lab.app.kill(daily)
    assert lab.states(daily) == ["CLAIMED"]
    lab.airflow.down = None
    assert lab.app.kill(daily) == ["daily/1#1"]


def test_a_run_whose_id_is_too_long_for_an_old_airflow(lab: Lab, daily: View) -> None:
    lab.airflow.modern = False
    start(lab, daily)
    with pytest.raises(AskedError, match="takes no path of"):
        lab.app.kill(daily)
    assert lab.states(daily) == ["CLAIMED"]


def test_what_is_no_execution(lab: Lab) -> None:
    with pytest.raises(AskedError, match="'daily/1' is no id"):
        lab.app.kill("daily/1")
    with pytest.raises(UnknownNameError, match="no active node 'dayly'"):
        lab.app.kill("dayly/1#1")
