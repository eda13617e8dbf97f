"""DAGs with every hook, byte for byte in both dialects, and what linters say of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hooked_app
import pytest
import sensed_app
from hooked_app import application
from support.goldens import KEPT, difference

from codegen.compiler import compile_graph, write
from codegen.dialects import DIALECTS
from codegen.planning import build_plan
from rheodsl import Application, RoutePendingNodeHook
from rheodsl.errors import InvalidNameError


def agreed(dialect: str) -> dict[str, str]:
    """The DAGs and the stack of the application with hooks."""
    made = compile_graph(application().graph(), dialect=dialect)
    return {f: text for f, text in made.items() if "/" not in f and f.endswith((".py", "stack.json"))}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_files_are_as_agreed(dialect: str, golden: Callable[[str, str], None]) -> None:
    """Those of one dialect whole; those of another are the same but for what its golden file tells."""
    if dialect == KEPT:
        for file, text in agreed(dialect).items():
            golden(f"{dialect}/hooked/{file}", text)
    else:
        golden(f"{dialect}/hooked.diff", difference(agreed(KEPT), agreed(dialect)))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_ruff_finds_nothing(dialect: str, tmp_path: Path) -> None:
    write(compile_graph(application().graph(), dialect=dialect), tmp_path)
    usual = ["--isolated", "--no-cache", "--line-length=110", "--target-version=py311"]
    select = ["--select=AIR,F,E,W,I,B,UP,PIE", "--ignore=B018,E501"]
    for command in (["check", *usual, *select], ["format", "--diff", *usual]):
        ruff = [Path(sys.executable).with_name("ruff"), *command, *tmp_path.glob("*.py")]
        done = subprocess.run(ruff, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_airflow_finds_nothing_that_changes_from_parse_to_parse(tmp_path: Path) -> None:
    folders = []
    for app in (hooked_app.application(), sensed_app.application()):
        folders.append(str(tmp_path / app.name))
        write(compile_graph(app.graph()), tmp_path / app.name)
    env = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")} | {
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "AIRFLOW__DAG_PROCESSOR__DAG_VERSION_INFLATION_CHECK_LEVEL": "error",
    }

    def load() -> list[dict[str, Any]]:
        command = [sys.executable, str(Path(__file__).with_name("load_dags.py")), *folders]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        answers: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
        return answers

    first = load()
    assert [(each["errors"], each["unstable"]) for each in first] == [({}, []), ({}, [])]
    assert all(each["dags"] for each in first)
    # Serialized, the same each time: else each parse would be a new version of the DAG.
    assert [each["dags"] for each in load()] == [each["dags"] for each in first]


def test_the_pending_dag_has_no_name_of_a_node() -> None:
    def tell(input_map, output, params):  # type: ignore[no-untyped-def]
        """Say nothing."""

    app = Application("shop")
    orders = app.s3("orders", "s3://shop/{day:%Y-%m-%d}")
    hook = RoutePendingNodeHook(on_pending_node_created=tell)
    app.create_data("daily", [orders], pending_node_hook=hook)
    app.create_data("daily__pending", [orders])
    with pytest.raises(InvalidNameError, match="would have the id of the node 'daily__pending'"):
        build_plan(app.graph())
