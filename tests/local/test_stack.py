"""The whole stack, by hand-written files: an object in S3 -> a DAG run -> a Spark job -> a table in S3."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from rheo_platforms.local import processes
from rheo_platforms.local.processes import StackError, StartError
from rheo_platforms.local.stack import LocalStack
from rheo_platforms.local.state import State, save
from rheo_platforms.local.supervisor import MARK

pytestmark = pytest.mark.slow

APP = Path(__file__).parent / "app"
HANDLER = "tests.local.listener:handler"
PARTS = ["postgres", "moto", "airflow", "glue", "mwaa", "listener", "schedules"]


def everyone(stack: LocalStack) -> set[psutil.Process]:
    """All processes of a stack, wherever they went."""
    try:
        started = stack.state.processes
    except StackError:
        return set()
    found = {process for each in started for process in processes.members(each)}
    return found | processes.descendants(found)


def running(found: set[psutil.Process]) -> list[psutil.Process]:
    left = []
    for process in found:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                left.append(process)
        except psutil.NoSuchProcess:
            continue
    return left


class Lab:
    """A stack with the application of this folder, and what tests do with it."""

    def __init__(self, stack: LocalStack, app: Path) -> None:
        self.stack = stack
        self.app = app
        self.s3 = stack.session().client("s3")
        self.glue = stack.session().client("glue")

    def announce(self, day: str, rows: str = "EWR,4\n" * 3000) -> None:
        prefix = f"flights/{day}"
        self.s3.put_object(
            Bucket="local-test-nyc", Key=f"{prefix}/a.csv", Body=f"origin,delay\n{rows}".encode()
        )
        self.s3.put_object(Bucket="local-test-nyc", Key=f"{prefix}/_SUCCESS", Body=b"")

    def runs(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for run in self.stack.airflow.call("GET", "/dags/delays/dagRuns?limit=100")["dag_runs"]:
            found.setdefault(run["partition_key"], []).append(run)
        return found

    def wait(self, day: str, state: str = "success", seconds: float = 180.0) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while True:
            runs = self.runs().get(day, [])
            if [run["state"] for run in runs] == [state]:
                return runs[0]
            assert time.monotonic() < deadline, runs
            time.sleep(0.3)

    def table(self, day: str) -> str | None:
        """The output of a day; None when it is not complete."""
        found = self.s3.list_objects_v2(Bucket="local-test-app", Prefix=f"delays/{day}/").get("Contents", [])
        keys = [entry["Key"] for entry in found]
        if f"delays/{day}/_SUCCESS" not in keys:
            return None
        (part,) = (key for key in keys if key.endswith(".csv"))
        return str(self.s3.get_object(Bucket="local-test-app", Key=part)["Body"].read().decode())

    def task(self, run: dict[str, Any], task_id: str) -> dict[str, Any]:
        path = f"/dags/delays/dagRuns/{run['dag_run_id']}/taskInstances/{task_id}"
        found: dict[str, Any] = self.stack.airflow.call("GET", path)
        return found

    def log(self, run: dict[str, Any], task_id: str) -> str:
        path = f"/dags/delays/dagRuns/{run['dag_run_id']}/taskInstances/{task_id}/logs/1"
        return json.dumps(self.stack.airflow.call("GET", path))

    def glue_states(self, day: str) -> list[str]:
        runs = self.glue.get_job_runs(JobName="local-test-delays")["JobRuns"]
        return [run["JobRunState"] for run in runs if day in run["Arguments"]["--execution"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stack")


@pytest.fixture(scope="module")
def lab(folder: Path) -> Iterator[Lab]:
    app = folder / "app"
    shutil.copytree(APP, app)
    stack = LocalStack(folder / ".rheo", handler=HANDLER)
    try:
        stack.up(app)
        yield Lab(stack, app)
    finally:
        before = everyone(stack)
        stack.down()
        assert running(before) == []


def test_it_is_up_within_its_memory_and_heard_by_nobody_else(lab: Lab) -> None:
    status = lab.stack.status()
    assert [part.name for part in status] == PARTS
    assert all(part.running for part in status)
    assert sum(part.memory for part in status) < 6 * 2**30
    if sys.platform == "linux":
        listening = {
            connection.laddr.ip
            for process in everyone(lab.stack)
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening <= {"127.0.0.1", "::ffff:127.0.0.1"}


def test_a_finished_day_becomes_a_table(lab: Lab) -> None:
    lab.announce("2013-01-01")
    lab.wait("2013-01-01")
    assert lab.table("2013-01-01") == "origin,flights,delay\nEWR,3000,4.0\n"
    assert "mean delay in minutes" in lab.log(lab.wait("2013-01-01"), "compute")


def test_a_failing_script_fails_the_run_and_can_be_repaired(lab: Lab) -> None:
    lab.announce("2013-02-01", "EWR,4\nEWR,\n")
    run = lab.wait("2013-02-01", "failed")
    assert lab.glue_states("2013-02-01") == ["FAILED"]
    assert "ValueError: flights without a delay in s3://local-test-nyc/flights/2013-02-01" in lab.log(
        run, "compute"
    )
    assert lab.table("2013-02-01") is None
    assert lab.task(run, "publish")["state"] == "upstream_failed"
    script = lab.app / "glue" / "delays.py"
    script.write_text(script.read_text().replace("raise ValueError(", "print("))
    lab.stack.update()
    clear = {
        "dry_run": False,
        "dag_run_id": run["dag_run_id"],
        "task_ids": ["compute"],
        "include_downstream": True,
    }
    lab.stack.airflow.call("POST", "/dags/delays/clearTaskInstances", clear)
    lab.wait("2013-02-01")
    assert lab.table("2013-02-01") == "origin,flights,delay\nEWR,2,4.0\n"


def test_a_changed_dag_file_is_seen_within_seconds(lab: Lab) -> None:
    file = lab.app / "delays.py"
    file.write_text(file.read_text().replace("catchup=False", "catchup=False, tags=['changed']"))
    deadline = time.monotonic() + 20
    while not lab.stack.airflow.call("GET", "/dags/delays")["tags"]:
        assert time.monotonic() < deadline
        time.sleep(0.3)


def test_the_listener_can_be_killed_and_restarted(lab: Lab) -> None:
    lab.stack.kill_listener()
    assert "listener" not in [part.name for part in lab.stack.status()]
    lab.announce("2013-03-01")
    time.sleep(2)
    assert "2013-03-01" not in lab.runs()
    lab.stack.restart_listener()
    lab.wait("2013-03-01")
    assert lab.table("2013-03-01") is not None


def test_the_scheduler_can_be_killed_in_the_middle_of_a_task(lab: Lab) -> None:
    lab.announce("2013-04-01")
    run = lab.wait("2013-04-01", "running")
    deadline = time.monotonic() + 60
    while lab.task(run, "compute")["state"] != "running":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    lab.stack.kill_scheduler()
    with pytest.raises(StackError, match="no scheduler"):
        lab.stack.kill_scheduler()
    lab.announce("2013-04-02")
    time.sleep(3)
    assert lab.wait("2013-04-01", "running")
    lab.stack.restart_scheduler()
    lab.wait("2013-04-01")
    lab.wait("2013-04-02")
    assert lab.table("2013-04-01") == lab.table("2013-04-02") == "origin,flights,delay\nEWR,3000,4.0\n"
    lab.stack.kill_scheduler()
    lab.stack.restart_scheduler()


def test_up_again_takes_the_application_over_anew(lab: Lab) -> None:
    parts = {part.name: part.pid for part in lab.stack.status()}
    LocalStack(lab.stack.folder, handler=HANDLER).up(lab.app)
    lab.stack = LocalStack(lab.stack.folder, handler=HANDLER)
    again = {part.name: part.pid for part in lab.stack.status()}
    assert {name for name in parts if parts[name] != again[name]} == {"listener", "schedules"}
    assert all(part.running for part in lab.stack.status())


def test_any_process_with_the_environment_reaches_the_stack(lab: Lab) -> None:
    code = "import boto3; print(boto3.client('mwaa').get_environment(Name='rheo-local')['Environment']['Status'])"
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], **lab.stack.environment()},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout == "AVAILABLE\n"


def test_any_process_can_end_it(lab: Lab) -> None:
    """The last test of this module's stack."""
    before = everyone(lab.stack)
    assert len(before) > 10
    scratch = [Path(path) for path in lab.stack.state.scratch]
    code = f"from rheo_platforms.local.stack import LocalStack; LocalStack({str(lab.stack.folder)!r}).down()"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert running(before) == []
    assert not any(path.exists() for path in scratch)
    lab.stack.down()
    assert lab.stack.status() == []
    with pytest.raises(StackError, match="no local stack"):
        lab.stack.environment()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Callable[[], LocalStack]]:
    """``alone()`` -> a handle on the stack of a folder of its own, as any process may make one."""

    def handle() -> LocalStack:
        return LocalStack(tmp_path / ".rheo", handler=HANDLER)

    yield handle
    handle().down()


def test_a_stack_that_cannot_start_leaves_nothing(alone: Callable[[], LocalStack], tmp_path: Path) -> None:
    app = tmp_path / "app"
    shutil.copytree(APP, app)
    (app / "delays.py").write_text("from airflow.sdk import DAG\nimport no_such_module\n")
    stack = alone()
    seen: set[psutil.Process] = set()
    with pytest.raises(StackError, match="no_such_module"):
        stack.up(app, say=lambda _: seen.update(everyone(stack)))
    assert len(seen) > 5
    assert running(seen) == []
    assert stack.status() == []
    broken = LocalStack(tmp_path / ".rheo", handler="no_such_module:handler")
    broken.down()


def test_a_starter_that_is_killed_leaves_a_stack_that_can_be_ended(
    alone: Callable[[], LocalStack], tmp_path: Path
) -> None:
    code = (
        "from rheo_platforms.local.stack import LocalStack\n"
        f"LocalStack({str(tmp_path / '.rheo')!r}, handler={HANDLER!r}).up({str(APP)!r}, say=lambda s: print(s, flush=True))"
    )
    starter = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert starter.stdout is not None
        starter.stdout.readline()
    finally:
        starter.kill()
        starter.wait()
    stack = alone()
    before = everyone(stack)
    assert len(running(before)) >= 3
    stack.down()
    assert running(before) == []


def test_a_part_that_was_started_but_not_written_down_is_ended(tmp_path: Path) -> None:
    folder = tmp_path / ".rheo"
    save(State("env", {}), folder)
    lost = subprocess.Popen(["sleep", "60"], env={**os.environ, MARK: str(folder)}, start_new_session=True)
    other = subprocess.Popen(["sleep", "60"], env={**os.environ, MARK: str(tmp_path)}, start_new_session=True)
    try:
        LocalStack(folder).down()
        assert lost.wait(timeout=10) != 0
        assert other.poll() is None, "another stack's"
    finally:
        lost.kill()
        other.kill()
        other.wait()


def test_a_part_that_does_not_start_is_told_with_its_log(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path / ".rheo", handler="no_such_module:handler")
    with pytest.raises(StartError, match="no_such_module"):
        stack.up(APP)
    assert stack.status() == []
