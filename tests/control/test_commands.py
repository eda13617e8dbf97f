"""``rheo process``, ``execute``, ``poll``, ``kill``, ``materialize`` and ``backfill``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.events import s3_event
from typer.testing import CliRunner

from rheo_platforms.cli import app as rheo
from rheo_platforms.commands import control
from rheodsl.errors import FilterError, RheoError, UnknownNameError

from .lab import Lab

DAY = "2020-03-18"


@pytest.fixture
def run(shop: Lab, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command; return its exit code and what it printed. A RheoError is raised on."""

    def found(_: Path | None, *, tell: bool = False) -> Any:
        return shop.controls, shop.app.graph()

    monkeypatch.setattr(control, "running_controls", found)
    monkeypatch.setattr(control, "deployment_of", lambda _: shop.local)

    def command(*arguments: str, input: str | None = None) -> tuple[int, str]:
        result = CliRunner().invoke(rheo, list(arguments), input=input)
        if isinstance(result.exception, RheoError):
            raise result.exception
        return result.exit_code, result.stdout

    return command


def inputs(lab: Lab, *days: int) -> None:
    for day in days:
        lab.put(lab.app["orders"]["NA"][f"2020-03-{day}"], lab.app["ships"]["NA"][f"{day}-03-2020"])


def test_process(shop: Lab, run: Any) -> None:
    assert run("process", "orders", "NA", DAY) == (0, "taken, but not complete yet: daily\n")
    assert run("process", "ships", "NA", "18-03-2020") == (0, f"daily: daily/NA/{DAY}#1\n")
    assert run("process", "orders", "NA", DAY, "--target", "week")[1].startswith("ignored: no input takes")
    assert run("process", "orders", "NA", DAY, "--remote") == (0, "sent 1 event to the listener\n")


def test_process_of_a_raw_event(shop: Lab, run: Any, tmp_path: Path) -> None:
    event = s3_event("lake", f"orders/NA/{DAY}/_SUCCESS")
    assert run("process", "--event", "-", input=json.dumps(event)) == (
        0,
        "taken, but not complete yet: daily\n",
    )
    file = tmp_path / "event.json"
    file.write_text("{")
    assert run("process", "--event", str(file))[0] == 2
    assert run("process")[0] == 2
    assert run("process", "orders", "--event", str(file))[0] == 2


def test_execute(shop: Lab, run: Any) -> None:
    inputs(shop, 16, 17, 18)
    assert run("execute", "week", "NA", DAY, "--recursive", "--dry-run")[1].startswith("4 executions\n")
    assert shop.airflow.runs == []
    made = run("execute", "week", "NA", DAY, "--recursive")
    assert made == (0, f"s3://rheo-shop/internal_data/week/NA/{DAY}\n")
    assert run("execute", "daily", "-i", f"orders/NA/{DAY}")[1].endswith(f"daily/NA/{DAY}\n")
    assert run("execute", "daily", "NA", DAY, "--no-wait") == (0, "")


def test_poll_and_kill(shop: Lab, run: Any) -> None:
    inputs(shop, 18)
    assert run("poll", "daily", "NA", DAY)[0] == 1
    assert run("kill", "daily", "NA", DAY) == (0, "nothing is under way\n")
    run("execute", "daily", "NA", DAY, "--no-wait")
    assert run("kill", f"daily/NA/{DAY}#1") == (0, f"ended daily/NA/{DAY}#1\n")
    run("execute", "daily", "NA", DAY)
    assert run("poll", "daily", "NA", DAY) == (0, f"s3://rheo-shop/internal_data/daily/NA/{DAY}\n")


def test_materialize(shop: Lab, run: Any, tmp_path: Path) -> None:
    file = tmp_path / "app.py"
    file.write_text(
        "from rheodsl import *\n"
        "app = Application('shop')\n"
        "app.s3('orders', 's3://lake/orders/{region:int}/{day:%Y-%m-%d}')\n"
    )
    assert run("materialize", "orders", "1", DAY, "--app", str(file)) == (0, f"s3://lake/orders/1/{DAY}\n")
    assert run("materialize", "orders", "NA", DAY) == (0, f"s3://lake/orders/NA/{DAY}\n")
    assert run("materialize", "orders", "*", DAY) == (0, f"s3://lake/orders/*/{DAY}\n")
    code, text = run("materialize", "orders", "NA", "--", "-3")
    assert code == 0 and text.count("s3://lake/orders/NA/") == 3


def test_backfill(shop: Lab, run: Any) -> None:
    inputs(shop, 16, 17, 18)
    plan = run("backfill", "week", "--from", DAY, "--recursive", "--dry-run")
    assert plan[0] == 0 and plan[1].startswith("4 executions\n")
    code, text = run("backfill", "daily", "--from", "2020-03-15", "--to", DAY)
    assert (code, text.splitlines()[0]) == (1, "made 3, failed 0, inputs missing 1, there already 0")
    inputs(shop, 15)
    done = run("backfill", "daily", "--from", "2020-03-15", "--to", DAY, "--dim", "region=NA")
    assert done == (0, "made 1, failed 0, inputs missing 0, there already 3\n")
    assert run("backfill", "daily", "--from", DAY, "--dim", "region")[0] == 2


def test_an_interrupted_backfill_says_how_to_go_on(shop: Lab, run: Any) -> None:
    inputs(shop, 18)

    def interrupt() -> None:
        raise KeyboardInterrupt

    shop.later = [interrupt]
    assert run("backfill", "daily", "--from", DAY)[0] == 130


def test_what_is_no_partition(run: Any) -> None:
    with pytest.raises(UnknownNameError, match="no signal or node 'dayly'"):
        run("poll", "dayly")
    with pytest.raises(FilterError, match="2 dimensions, not 3"):
        run("poll", "daily", "NA", DAY, "more")
