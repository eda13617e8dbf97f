"""The example on the local stack: a real Spark job's metric raises an alarm, and real DAG runs react."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rheodsl.loading import load_app

from . import conftest

pytestmark = pytest.mark.slow

APP = "alarming-ex"
FILE = Path(__file__).parents[2] / "examples" / "alarms" / "app.py"
ALARM = "alarming-ex.one_or_more_spark_executions_failed"
MONITOR = "alarming-ex.system_monitor"
GOOD = "order,price\n" + "".join(f"{n},10\n" for n in range(100))
BAD = GOOD + "100,-5\n101,-7\n"


class Lab:
    """The example on the stack, and what has happened to it so far."""

    def __init__(self, stack: conftest.Lab) -> None:
        self.stack = stack
        self.cloudwatch = stack.client("cloudwatch")

    def send(self, day: str, rows: str) -> None:
        self.stack.put(f"s3://alarming-ex-orders/orders/{day}/a.csv", rows)
        self.stack.put(f"s3://alarming-ex-orders/orders/{day}/_SUCCESS")

    def runs(self, node: str) -> list[dict[str, Any]]:
        return self.stack.runs(APP, node)

    def states(self, node: str) -> Counter[tuple[str, str]]:
        """The runs of a reactor: the alarm's state, which its partition begins with, and the run's."""
        # A run that was announced before Airflow had the asset has no key, and says its partition itself.
        named = (
            (run["partition_key"] or run["conf"]["rheo"]["partition"], run["state"])
            for run in self.runs(node)
        )
        return Counter((partition.split("/")[0], state) for partition, state in named)

    def log(self) -> list[dict[str, Any]]:
        """What the evaluator of all applications has said of this one's alarms."""
        [part] = [part for part in self.stack.local.status() if part.name == "alarms"]
        lines = [line for line in Path(part.log).read_text().splitlines() if line.startswith("{")]
        return [json.loads(line) for line in lines if f"{APP}." in line]

    def transitions(self, alarm: str) -> list[str]:
        return [line["state"] for line in self.log() if line.get("alarm") == alarm and "state" in line]

    def metrics(self) -> set[tuple[str, str]]:
        """What is in CloudWatch of the application: names, with the value of each dimension."""
        return {
            (metric["MetricName"], dimension["Value"])
            for metric in self.cloudwatch.list_metrics(Namespace="Rheo/alarming-ex")["Metrics"]
            for dimension in metric["Dimensions"]
        }

    def until(self, what: Callable[[], object]) -> None:
        self.stack.until(what, 180)


@pytest.fixture(scope="module")
def lab(stack: conftest.Lab) -> Lab:
    stack.start(load_app(FILE))
    return Lab(stack)


def test_a_spark_job_raises_the_alarm_and_the_reactors_run(lab: Lab) -> None:
    # Nobody calls the Lambda functions, so the system is fine; the composite says so when it is first evaluated.
    lab.until(lambda: lab.transitions(MONITOR) == ["OK"])
    lab.send("2024-01-01", GOOD)
    lab.until(lambda: lab.transitions(ALARM) == ["OK"])
    lab.send("2024-01-02", BAD)
    lab.until(lambda: lab.transitions(ALARM) == ["OK", "ALARM"])
    assert lab.transitions(MONITOR) == ["OK", "ALARM"]
    lab.until(
        lambda: (
            lab.states("system_monitor_reactor") == {("OK", "success"): 1, ("ALARM", "success"): 1}
            and lab.states("system_failure_reactor") == {("ALARM", "success"): 1}
        )
    )
    lab.until(lambda: [run["state"] for run in lab.runs("good_orders")] == ["success", "success"])


def test_the_tickets_of_one_failure_say_that_they_are_one(lab: Lab) -> None:
    tickets = [line["message"] for line in lab.log() if "message" in line]
    assert sorted(ticket["alarm"] for ticket in tickets) == [ALARM, MONITOR]
    assert {ticket["dedupe_str"] for ticket in tickets} == {"alarming-ex-ERROR"}


def test_inlined_code_and_publish_send_metrics_too(lab: Lab) -> None:
    expected = {
        ("Error", "my_custom_spark_error_metric"),
        ("Reaction", "my_app_error"),
        ("exec_succeeded", "good_orders"),
        ("latency", "good_orders"),
        ("exec_succeeded", "system_failure_reactor"),
    }
    lab.until(lambda: lab.metrics() >= expected)


def test_a_state_set_by_hand_starts_the_reactor_again(lab: Lab) -> None:
    """As ``aws cloudwatch set-alarm-state`` does: until the next evaluation."""
    before = len(lab.runs("system_monitor_reactor"))
    name = "alarming-ex.system_failure"
    lab.cloudwatch.set_alarm_state(AlarmName=name, StateValue="INSUFFICIENT_DATA", StateReason="test")
    lab.until(lambda: lab.transitions(name)[-2:] == ["INSUFFICIENT_DATA", "OK"])
    # The monitor is in ALARM already, so nothing more happens.
    time.sleep(5)
    assert len(lab.runs("system_monitor_reactor")) == before
