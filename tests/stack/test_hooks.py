"""Hooks on a real Airflow: each is called once for what it is told, and none changes what becomes of a run."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

from rheodsl import (
    Application,
    InlinedCompute,
    RouteCheckpoint,
    RouteExecutionHook,
    RoutePendingNodeHook,
    RouteRetention,
)

from .conftest import Lab

pytestmark = pytest.mark.slow

APP, TOLD = "hooks-lab", "hooks-lab-told"


def work(input_map: Any, output: Any, params: Any) -> None:
    """Wait, or fail, while an object of that name stands in the bucket."""
    import time

    s3 = params["AWS_BOTO_SESSION"].client("s3")
    day = output.dimensions["day"]

    def asked(what: str) -> bool:
        return bool(s3.list_objects_v2(Bucket="hooks-lab-told", Prefix=f"control/{what}/{day}")["KeyCount"])

    while asked("wait"):
        time.sleep(0.3)
    if asked("fail"):
        raise ValueError("no luck")


def tell(input_map: Any, output: Any, params: Any) -> None:
    """Leave an object for each call."""
    import json
    import uuid

    s3 = params["AWS_BOTO_SESSION"].client("s3")
    told = {name: value for name, value in params.items() if isinstance(value, str | int | list)}
    told["paths"] = {alias: signal.get_materialized_resource_paths() for alias, signal in input_map.items()}
    day = output.dimensions["day"]
    generation = params["EXECUTION_ID"].rpartition("#")[2]
    key = f"told/{day}/{params['HOOK_TYPE_PARAM']}#{generation}/{uuid.uuid4()}"
    s3.put_object(Bucket="hooks-lab-told", Key=key, Body=json.dumps(told).encode())


def broken(input_map: Any, output: Any, params: Any) -> None:
    """Fail."""
    raise RuntimeError("a broken hook")


def application(stack: Lab) -> Application:
    app = Application(APP, platform=stack.platform)
    orders = app.s3("orders", "s3://hooks-lab-data/orders/{day:%Y-%m-%d}")
    ships = app.s3("ships", "s3://hooks-lab-data/ships/{day:%Y-%m-%d}")
    app.create_data(
        "both",
        [orders, ships],
        compute_targets=InlinedCompute(work, retry_count=1),
        execution_hook=RouteExecutionHook(
            on_exec_begin=tell,
            on_exec_skipped=tell,
            on_compute_success=[broken, tell],
            on_compute_failure=tell,
            on_compute_retry=tell,
            on_success=[broken, tell],
            on_failure=tell,
            checkpoints=[RouteCheckpoint(5, tell)],
        ),
        pending_node_hook=RoutePendingNodeHook(on_pending_node_created=tell, on_expiration=tell),
        pending_ttl=60,  # longer than a busy stack takes between two events of a day
        retention=RouteRetention(output_in_days=7),
    )
    return app


def arrive(stack: Lab, day: str, *signals: str) -> None:
    for signal in signals:
        stack.put(f"s3://hooks-lab-data/{signal}/{day}/_SUCCESS")


def told(stack: Lab, day: str) -> Counter[str]:
    found = stack.client("s3").list_objects_v2(Bucket=TOLD, Prefix=f"told/{day}/").get("Contents", [])
    return Counter(item["Key"].split("/")[2] for item in found)


def calls(stack: Lab, day: str) -> list[str]:
    """Which hooks were told of which generation; what depends on how fast the machine is, left out."""
    slow = ("checkpoint", "on_pending")
    return sorted(call for call in told(stack, day).elements() if not call.startswith(slow))


def states(stack: Lab, run: dict[str, Any]) -> dict[str, str]:
    path = f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances"
    return {ti["task_id"]: ti["state"] for ti in stack.local.airflow.call("GET", path)["task_instances"]}


def runs(stack: Lab, day: str, state: str | None = None) -> list[dict[str, Any]]:
    return [run for run in stack.runs(APP, "both", state) if run["partition_key"] == day]


def tellings(stack: Lab, day: str, many: int) -> list[str]:
    """The keys of the runs that told of a day, when there are as many."""
    keys = sorted(run["partition_key"] for run in stack.runs(APP, "both~pending", "success"))
    found = [key for key in keys if key.startswith(day)]
    return found if len(found) == many else []


def test_hooks_are_called_once_and_change_nothing(stack: Lab) -> None:
    stack.client("s3").create_bucket(Bucket=TOLD)
    stack.start(application(stack))
    good, bad, busy, lone = "2020-01-01", "2020-01-02", "2020-01-03", "2020-01-04"
    stack.put(f"s3://{TOLD}/control/fail/{bad}")
    stack.put(f"s3://{TOLD}/control/wait/{busy}")
    arrive(stack, lone, "orders")
    for day in (good, bad, busy):
        arrive(stack, day, "orders", "ships")

    # An execution that takes long, and three more firings of its output meanwhile.
    stack.until(lambda: told(stack, busy)["checkpoint#1"] and told(stack, busy)["on_exec_begin#1"])
    for _ in range(3):
        time.sleep(1.1)  # the stack's events of one object differ by their second alone
        arrive(stack, busy, "orders", "ships")
    stack.until(lambda: stack.platform.deployment(APP).ledger.output("both", busy, None)[0].generation == 4)  # type: ignore[union-attr]
    stack.client("s3").delete_object(Bucket=TOLD, Key=f"control/wait/{busy}")

    (run,) = stack.until(lambda: runs(stack, good, "success"))
    ended = states(stack, run)
    # The broken hook is seen at its task, and the run is a success all the same.
    assert (ended["publish"], ended["on_success"], ended["on_failure"]) == ("success", "failed", "skipped")
    assert calls(stack, good) == ["on_compute_success#1", "on_exec_begin#1", "on_success#1"]

    (run,) = stack.until(lambda: runs(stack, bad, "failed"))
    assert states(stack, run)["on_failure"] == "success"
    assert calls(stack, bad) == [
        "on_compute_failure#1", "on_compute_retry#1", "on_exec_begin#1", "on_failure#1",
    ]  # fmt: skip

    stack.until(lambda: len(runs(stack, busy, "success")) == 2)
    assert told(stack, busy)["checkpoint#1"] == 1
    assert calls(stack, busy) == sorted([
        *("on_exec_begin#1", "on_compute_success#1", "on_success#1", "on_exec_skipped#2", "on_exec_skipped#3"),
        *("on_exec_begin#4", "on_compute_success#4", "on_success#4"),
    ])  # fmt: skip

    # Inputs that wait: told by a DAG of their own, and once.
    stack.until(lambda: told(stack, lone)["on_expiration#1"])
    assert told(stack, lone) == Counter(["on_pending_node_created#1", "on_expiration#1"])
    assert [key.split("/")[-1] for key in stack.until(lambda: tellings(stack, lone, 2))] == [
        "on_expiration", "on_pending_node_created",
    ]  # fmt: skip


# --- sensor mode ---


def copy(input_map: Any, output: Any, params: Any) -> None:
    """Write what was read."""
    s3 = params["AWS_BOTO_SESSION"].client("s3")
    bucket, _, key = output.get_materialized_resource_paths()[0].removeprefix("s3://").partition("/")
    read = "\n".join(path for signal in input_map.values() for path in signal.paths)
    s3.put_object(Bucket=bucket, Key=f"{key}/read", Body=read.encode())


def test_a_timer_and_sensors_run_a_node_and_its_past(stack: Lab) -> None:
    app = Application("sensed-lab", platform=stack.platform)
    daily = app.add_timer("daily", "rate(1 day)", "day", time_dimension_shift=-1)
    data = app.s3("data", "s3://sensed-lab-data/{day:%Y-%m-%d}")
    app.create_data("copied", [daily, data], compute_targets=copy, trigger="sensor")

    def runs(kind: str, state: str | None = None) -> list[dict[str, Any]]:
        return [run for run in stack.runs("sensed-lab", "copied", state) if run["run_type"] == kind]

    stack.start(app)
    stack.put("s3://sensed-lab-data/2020-03-17/_SUCCESS")
    # Each fire of the timer is a run; the partition is the day before.
    backfill = {
        "dag_id": "sensed-lab__copied", "from_date": "2020-03-18T00:00:00Z", "to_date": "2020-03-19T00:00:00Z",
    }  # fmt: skip
    stack.local.airflow.call("POST", "/backfills", backfill)
    (first,) = stack.until(lambda: runs("backfill", "success"))
    assert (
        stack.read("s3://rheo-sensed-lab/internal_data/copied/2020-03-17/read")
        == "s3://sensed-lab-data/2020-03-17"
    )
    (second,) = (run for run in runs("backfill") if run["dag_run_id"] != first["dag_run_id"])
    waiting = stack.until(lambda: states(stack, second)["wait_data"] in ("up_for_reschedule", "deferred"))
    assert waiting
    assert states(stack, second)["compute"] is None
    stack.put("s3://sensed-lab-data/2020-03-18/_SUCCESS")
    stack.until(lambda: len(runs("backfill", "success")) == 2)
    assert (
        stack.read("s3://rheo-sensed-lab/internal_data/copied/2020-03-18/read")
        == "s3://sensed-lab-data/2020-03-18"
    )
    # What is past is not caught up with; soon after midnight (UTC) the day that has begun is run.
    today = runs("scheduled")
    assert len(today) <= 1 and all(run["run_after"] > run["queued_at"][:10] for run in today)
    assert len(stack.runs("sensed-lab", "copied")) == 2 + len(today)
