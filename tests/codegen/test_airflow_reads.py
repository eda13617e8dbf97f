"""Airflow and its own checks on generated files: no import error, no inflation, no outdated name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sample_apps import batches, shop, timers
from service_app import services

from codegen.compiler import files
from codegen.planning import build_plan

LOADER = Path(__file__).parent.parent / "airflow" / "load_dags.py"
APPS = [shop, timers, services, batches]


def write(folder: Path, app: Any) -> Path:
    for file, text in files(build_plan(app.graph())).items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def load(folders: list[Path], home: Path) -> list[dict[str, Any]]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
    env |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DAG_PROCESSOR__DAG_VERSION_INFLATION_CHECK_LEVEL": "error",
    }
    done = subprocess.run(
        [sys.executable, str(LOADER), *map(str, folders)],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return answers


@pytest.fixture(scope="module")
def reads(tmp_path_factory: pytest.TempPathFactory) -> dict[Any, tuple[Path, dict[str, Any], dict[str, Any]]]:
    """Of each application: its files, and what two processes of Airflow read there."""
    folder = tmp_path_factory.mktemp("reads")
    folders = [write(folder / app.__name__, app()) for app in APPS]
    first, second = (load(folders, folder / "home") for _ in range(2))
    return dict(zip(APPS, zip(folders, first, second, strict=True), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("app", APPS)
def test_airflow_loads_every_file(
    app: Any, reads: dict[Any, tuple[Path, dict[str, Any], dict[str, Any]]]
) -> None:
    folder, answer, second = reads[app]
    assert answer["errors"] == {}
    assert answer["unstable"] == []
    assert sorted(answer["dags"]) == sorted(
        f"{app.__name__}__{f.stem.replace('~', '__')}" for f in folder.glob("*.py")
    )
    pump = answer["dags"].pop(f"{app.__name__}__rheo__pump", None)
    assert (pump is None) == (app is batches), "what has batches alone needs none"
    for dag in answer["dags"].values():
        tasks = {task["__var"]["task_id"]: task["__var"] for task in dag["dag"]["tasks"]}
        waits = sorted(task for task in tasks if task.startswith("wait_"))
        computes = sorted(set(tasks) - {"claim", "publish", *waits})
        assert sorted(tasks["claim"]["downstream_task_ids"]) == (waits or computes)
        assert all(sorted(tasks[wait]["downstream_task_ids"]) == computes for wait in waits)
        assert all(tasks[compute]["downstream_task_ids"] == ["publish"] for compute in computes)
    # A second parse gives the same DAGs: nothing in a file depends on when or where it is read.
    again = second["dags"]
    assert again.pop(f"{app.__name__}__rheo__pump", None) == pump
    assert again == answer["dags"]


@pytest.mark.parametrize("app", APPS)
def test_ruff_finds_nothing(app: Any, tmp_path: Path) -> None:
    folder = write(tmp_path / "dags", app())
    ours = [*folder.glob("*.py"), *folder.glob("glue/*.py")]
    ruff = [Path(sys.executable).with_name("ruff")]
    usual = ["--isolated", "--no-cache", "--line-length=110", "--target-version=py311"]
    # `claim >> compute` is an expression that nothing uses: that is how Airflow is written.
    select = ["--select=AIR,F,E,W,I,B,UP,PIE", "--ignore=B018,E501"]
    for command in (["check", *usual, *select], ["format", "--diff", *usual]):
        done = subprocess.run([*ruff, *command, *ours], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
