"""The ``rheo`` command, run as a user runs it: what it prints and how it ends."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from support.events import s3_event

from rheo_platforms.cli import main

ROOT = Path(__file__).parents[2]
FLIGHTS = str(ROOT / "examples" / "flights" / "app.py")


@dataclass(frozen=True)
class Done:
    """What a command printed, and how it ended."""

    returncode: int
    stdout: str
    stderr: str


def rheo(*words: str, cwd: Path = ROOT) -> Done:
    """Run the command in this process: starting Python takes longer than what most commands do."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        chdir(cwd),
        redirect_stdout(out),
        redirect_stderr(err),
        patch.object(sys, "argv", ["rheo", *words]),
        patch.dict(os.environ, COLUMNS="120"),
    ):
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return Done(code, out.getvalue(), err.getvalue())


def started(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, as a shell does."""
    command = [sys.executable, "-c", "from rheo_platforms.cli import main; main()", *words]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False)


def s3_line(key: str, etag: str = "e") -> str:
    return json.dumps(s3_event("nyc-flights", key, etag=etag, time="2024-01-01T00:00:00Z"))


@pytest.mark.parametrize("run", [rheo, started])
def test_check_says_that_nothing_is_wrong(run: Callable[..., Any]) -> None:
    done = run("check", FLIGHTS)
    assert (done.returncode, done.stdout) == (0, "flights: 3 nodes, no fault\n")


def test_check_reports_all_faults_at_once(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from rheodsl import *\n"
        "app = Application('shop')\n"
        "a = app.s3('a', 's3://lake/a/{n:int}')\n"
        "b = app.s3('b', 's3://lake/b/{m:int}')\n"
        "app.create_data('x', inputs=[a, b.ref])\n"
        "app.create_data('y', inputs=[a.ref])\n"
    )
    done = rheo("check", "app.py", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        "RD100: application 'shop' has 2 faults\n"
        "\n"
        "RD109: x: nothing determines b.m of the reference 'b'\n"
        "  at   app.py:5\n"
        "  hint link it to a trigger input (b.m == ...), or fix it: b[...]\n"
        "\n"
        "RD109: y: every input is a reference, so nothing ever starts it\n"
        "  at   app.py:6\n"
        "  hint leave .ref off the input whose events start the node\n"
    )


def test_check_prints_warnings_and_strict_makes_them_faults(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from rheodsl import *\n"
        "app = Application('shop')\n"
        "a = app.s3('a', 's3://lake/a/{n:int}')\n"
        "b = app.s3('b', 's3://lake/b/{m:int}')\n"
        "app.create_data('x', inputs=[a, b])\n"
    )
    done = rheo("check", "app.py", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout == (
        "RD201: x: 'a' and 'b' share no link, so every combination of their partitions runs it\n"
        "  at   app.py:5\n"
        "  hint link a dimension of a to one of b, or make one a reference (.ref)\n"
        "shop: 1 node, no fault, 1 warnings\n"
    )
    assert rheo("check", "--strict", "app.py", cwd=tmp_path).returncode == 1


@pytest.mark.parametrize("run", [rheo, started])
def test_a_file_that_is_missing(run: Callable[..., Any]) -> None:
    done = run("check", "nope.py")
    assert done.returncode == 1
    assert done.stderr == (
        "RD107: there is no file 'nope.py'\n  at   nope.py:1\n  hint name the file of the application\n"
    )


def test_a_file_without_an_application(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("x = 1\n")
    done = rheo("check", "app.py", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        "RD107: app.py has 0 applications\n"
        "  at   app.py:1\n"
        "  hint assign one Application(...) to a global name, such as app\n"
    )


def test_show_the_graph_of_one_node() -> None:
    done = rheo("show", FLIGHTS, "--node", "flight_weather")
    assert done.returncode == 0
    assert "link   flights.day == weather.date\n" in done.stdout
    assert "delay_trend" not in done.stdout


@pytest.mark.parametrize(
    ("stage", "expected"), [("plan", "DagPlan("), ("dag", "claim >> compute >> publish")]
)
def test_show_a_later_stage(stage: str, expected: str) -> None:
    done = rheo("show", FLIGHTS, "--stage", stage)
    assert done.returncode == 0
    assert expected in done.stdout


def test_show_what_there_is_not() -> None:
    assert "its nodes: daily_note, delay_trend, flight_weather" in rheo("show", FLIGHTS, "--node", "x").stderr
    assert "'x' is none of graph, plan, dag" in rheo("show", FLIGHTS, "--stage", "x").stderr


def test_compile_then_check_then_a_change(tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    assert rheo("compile", FLIGHTS, "-o", out).returncode == 0
    again = rheo("compile", FLIGHTS, "-o", out)
    assert again.stdout.endswith(" 0 changed\n")
    assert rheo("compile", FLIGHTS, "-o", out, "--check").returncode == 0
    dag = tmp_path / "out" / "flights" / "delay_trend.py"
    dag.write_text(dag.read_text().replace("max_active_runs=16", "max_active_runs=1"))
    (dag.parent / "left_over.py").write_text("")
    stale = rheo("compile", FLIGHTS, "-o", out, "--check")
    assert stale.returncode == 1
    assert "-    max_active_runs=1,\n+    max_active_runs=16," in stale.stdout
    assert "run rheo compile" in stale.stderr
    assert rheo("compile", FLIGHTS, "-o", out).returncode == 0
    assert not (dag.parent / "left_over.py").exists(), "what is no longer generated goes"


def test_replay_tells_match_binding_and_result(tmp_path: Path) -> None:
    events = [
        s3_line("flights/EWR/2013-01-01/_SUCCESS"),
        s3_line("weather/EWR/2013-01-01/_SUCCESS"),
        s3_line("weather/EWR/01-01-2013/_SUCCESS"),
        s3_line("weather/EWR/01-01-2013/_SUCCESS"),
        "nope",
    ]
    (tmp_path / "events.jsonl").write_text("\n".join(events))
    done = rheo("replay", FLIGHTS, str(tmp_path / "events.jsonl"))
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "1: flights EWR/2013-01-01 -> flight_weather.flights",
        "   flight_weather EWR/2013-01-01 waits for weather EWR/01-01-2013: no weather EWR/01-01-2013 has arrived",
        "2: rejected: '2013-01-01' is no date of format '%d-%m-%Y' (EWR/2013-01-01)",
        "3: weather EWR/01-01-2013 -> flight_weather.weather",
        "   runs flight_weather/EWR/2013-01-01#1  SUCCEEDED  from flights EWR/2013-01-01, weather EWR/01-01-2013",
        "4: weather EWR/01-01-2013 -> flight_weather.weather",
        "5: rejected: no JSON (Expecting value: line 1 column 1 (char 0))",
        "4 events, 1 runs, 1 waiting, 1 rejected, 0 without a match",
    ]


@pytest.mark.parametrize("words", [("status",), ("emit", "flights", "EWR", "2013-01-01")])
def test_without_a_stack(words: tuple[str, ...], tmp_path: Path) -> None:
    done = rheo(*words, cwd=tmp_path)
    assert done.returncode == 1
    assert "no local stack is running" in done.stderr
    assert "hint start it: rheo up" in done.stderr


def test_down_without_a_stack_is_no_error(tmp_path: Path) -> None:
    assert rheo("down", cwd=tmp_path).returncode == 0


def test_check_reports_what_compile_would_of_every_node(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from rheodsl import *\n"
        "app = Application('shop')\n"
        "orders = app.s3('orders', 's3://lake/orders/{region}/{day:%Y-%m-%d}')\n"
        "app.create_data('asked', inputs=[orders], compute_targets=Athena('SELECT * FROM orders'))\n"
        "app.create_data('batch', inputs=[orders], compute_targets=AWSBatchJob('a', 'b', command=['{nothing}']))\n"
    )
    done = rheo("check", "app.py", cwd=tmp_path)
    assert done.returncode == 1
    told = done.stdout + done.stderr
    assert "has 2 faults" in told
    assert "the query needs to know the columns of 'orders'" in told and "nothing fills in {nothing}" in told


def test_check_says_which_values_can_bind(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from rheodsl import *\n"
        "app = Application('shop')\n"
        "orders = app.s3('orders', 's3://lake/orders/{region}/{day:%Y-%m-%d}')\n"
        "ships = app.s3('ships', 's3://lake/ships/{region}/{day:%Y-%m-%d}')\n"
        "app.create_data('na', inputs=[orders, ships['NA']], compute_targets='output = orders')\n"
    )
    done = rheo("check", "app.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (
        0,
        "na: of orders only region NA can bind, as ships.region is NA\nshop: 1 node, no fault\n",
    )
