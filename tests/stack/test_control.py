"""Events, executions and backfills that a person asks for, on a real Airflow."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rheo_runtime.airflow_client import dag_id
from rheodsl import Application

from .conftest import Lab

pytestmark = pytest.mark.slow

NAME = "controlled"


def note(input_map: Any, output: Any, params: Any) -> None:
    """Write what was made; a day of December takes its time, one of February waits to be told."""
    import time

    import boto3

    if "-12-" in str(output.dimensions):
        time.sleep(600)
    go = {"Bucket": "controlled-orders", "Prefix": "control/go"}
    while "-02-" in str(output.dimensions) and not boto3.client("s3").list_objects_v2(**go)["KeyCount"]:
        time.sleep(0.3)
    bucket, _, key = output.get_materialized_resource_paths()[0].removeprefix("s3://").partition("/")
    read = sorted(path for signal in input_map.values() for path in signal.get_materialized_resource_paths())
    boto3.client("s3").put_object(Bucket=bucket, Key=f"{key}/note", Body="\n".join(read).encode())


@pytest.fixture(scope="module")
def app(stack: Lab) -> Application:
    app = Application(NAME, platform=stack.platform)
    orders = app.s3("orders", f"s3://{NAME}-orders/orders/{{day:%Y-%m-%d}}")
    daily = app.create_data("daily", inputs=[orders], compute_targets=note)
    app.create_data("trend", inputs=[daily[:-3].range_check(True)], compute_targets=note)
    app.create_data("noted", inputs=[app.add_timer("every", "rate(1 day)", "day")], compute_targets=note)
    stack.start(app)
    return app


def generations(stack: Lab, node: str, day: str) -> int:
    output, _ = stack.platform.deployment(NAME).ledger.output(node, day, None)
    return output.generation if output is not None else 0


def test_an_event_by_hand_starts_a_run(stack: Lab, app: Application) -> None:
    assert app.process(app["orders"]["2020-01-01"]) == {"daily": ["daily/2020-01-01#1"]}
    assert app.poll(app["daily"]["2020-01-01"], timeout=120) == app.materialize(app["daily"]["2020-01-01"])
    sent = app.process(app["orders"]["2020-01-02"], with_activated_processor=True)
    assert sent.sent == 1
    stack.until(lambda: app.poll(app["daily"]["2020-01-02"], timeout=1))


def test_a_timer_by_hand_starts_a_run_of_a_dag_with_a_timetable(stack: Lab, app: Application) -> None:
    assert app.process(app["every"]["2020-01-01"]) == {"noted": ["noted/2020-01-01#1"]}
    assert app.poll(app["noted"]["2020-01-01"], timeout=120)


def test_ancestors_are_made_first_and_each_once(
    stack: Lab, app: Application, capsys: pytest.CaptureFixture[str]
) -> None:
    days = ["2020-02-01", "2020-02-02", "2020-02-03"]
    for day in days:  # the completion objects come as events too: what they start is not started again
        stack.put(f"s3://{NAME}-orders/orders/{day}/_SUCCESS")
    stack.until(lambda: [generations(stack, "daily", day) for day in days] == [1, 1, 1])
    said = ""

    def joined() -> bool:
        nonlocal said
        said += capsys.readouterr().err
        return said.count("is under way already") == len(days)

    with ThreadPoolExecutor(1) as thread:
        made = thread.submit(app.execute, app["trend"][days[-1]], recursive=True, timeout=180)
        stack.until(joined)
        stack.put(f"s3://{NAME}-orders/control/go")
        path = made.result()
    assert path is not None
    assert stack.read(f"{path}/note").splitlines() == [
        f"s3://rheo-{NAME}/internal_data/daily/{day}" for day in days
    ]
    assert [generations(stack, "daily", day) for day in days] == [1, 1, 1]
    assert generations(stack, "trend", days[-1]) == 1


def test_a_backfill_of_some_days(stack: Lab, app: Application) -> None:
    days = [f"2020-03-0{n}" for n in (1, 2, 3)]
    for day in days:
        stack.put(f"s3://{NAME}-orders/orders/{day}/_SUCCESS")
    result = app.backfill(app["daily"], days[0], "2020-03-04", concurrency=2)
    assert not result.failed
    assert len(result.made) + len(result.there) == 3
    assert list(result.lacking) == [("daily", "2020-03-04")]
    assert app.backfill(app["daily"], days[0], days[-1]).there == [("daily", day) for day in days]


def test_killing_ends_the_run(stack: Lab, app: Application) -> None:
    app.process(app["orders"]["2020-12-01"])
    stack.until(lambda: stack.runs(NAME, "daily", "running"))
    deployment = stack.platform.deployment(NAME)
    stack.until(lambda: _claimed(deployment.ledger.output("daily", "2020-12-01", None)[0]))
    assert app.kill(app["daily"]["2020-12-01"]) == ["daily/2020-12-01#1"]
    [run] = stack.runs(NAME, "daily", "failed")
    assert run["partition_key"] == "2020-12-01"
    assert app.poll(app["daily"]["2020-12-01"], timeout=30) is None
    path = f"/dags/{dag_id(NAME, 'daily')}/dagRuns/{run['dag_run_id']}/taskInstances"
    tasks = stack.local.airflow.call("GET", path)["task_instances"]
    assert not [
        task
        for task in tasks
        if task["state"] in ("running", "queued", "success") and task["task_id"] != "claim"
    ]


def _claimed(output: Any) -> bool:
    return output is not None and output.active is not None and output.active.state == "CLAIMED"
