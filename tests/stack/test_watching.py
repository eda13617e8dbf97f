"""An application is watched while it really runs: status, accounts, logs of tasks and jobs, and its data."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from rheodsl import Application, ComputeState, DataFormat

from .conftest import Lab

pytestmark = pytest.mark.slow
NAME = "watched"


def note(input_map: Any, output: Any, params: Any) -> None:
    """Take note of a day, but not of the second."""
    if output.dimensions["day"] == "2020-01-02":
        raise ValueError("nobody takes note of that day")
    print("noted", output.dimensions["day"])


def shop(stack: Lab) -> Application:
    app = Application(NAME, platform=stack.platform)
    orders = app.s3("orders", "s3://watched-orders/orders/{day:%Y-%m-%d}", format="CSV")
    items = app.s3("items", "s3://watched-orders/items/{day:%Y-%m-%d}", format="CSV")
    app.create_data(
        "daily",
        inputs=[orders],
        compute_targets="print('rows of the day:', orders.count())\noutput = orders",
        dataset_format=DataFormat.CSV,
        metadata={"team": "Sales"},
    )
    app.create_data("noted", inputs=[orders], compute_targets=note)
    app.create_data("both", inputs=[orders, items], compute_targets=note)
    return app


def rheo(stack: Lab, *words: str) -> str:
    command = [sys.executable, "-c", "from rheo_platforms.cli import main; main()", *words]
    done = subprocess.run(command, cwd=stack.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_running_application_is_watched(stack: Lab) -> None:
    app = shop(stack)
    assert app.list_data() == []  # it is not active yet
    stack.start(app)
    stack.put("s3://watched-orders/orders/2020-01-01/part.csv", "id,name\n1,ann\n2,bob\n")
    for day in ("2020-01-01", "2020-01-02"):
        stack.put(f"s3://watched-orders/orders/{day}/_SUCCESS")

    # what waits, and what is over
    [missing] = stack.until(
        lambda: [p.missing[0] for p in app.get_pending_nodes("both") if p.partition == "2020-01-01"]
    )
    assert (missing.signal, missing.reason) == ("items", "no items 2020-01-01 has arrived")
    stack.until(lambda: len(list(app.get_inactive_compute_records("noted"))) == 2)
    [failed] = app.get_inactive_compute_records("noted", state=ComputeState.FAILED)
    assert failed.dimensions == {"day": "2020-01-02"}
    stack.until(
        lambda: (
            "2020-01-01"
            in [r.partition for r in app.get_inactive_compute_records("daily", state="SUCCEEDED")]
        )
    )

    # why
    noted = app["noted"]
    account = app.explain(noted["2020-01-02"])
    assert account.verdict == "failed"
    assert account.executions[0].inputs[0].event
    assert [need.stored for need in account.needs] == [True]
    assert "noted 2020-01-01 succeeded" in rheo(
        stack, "explain", "noted", "2020-01-01", "--app", str(program(stack))
    )

    # logs, of tasks and of the job
    logs = {log.task: log for log in app.get_compute_logs(noted["2020-01-02"])}
    assert list(logs)[:2] == ["claim", "compute"]
    assert "nobody takes note of that day" in logs["compute"].text
    tasks = [log.task for log in app.get_compute_logs("daily", "2020-01-01")]
    assert tasks[:3] == ["claim", "compute", "publish"]
    assert "job watched-daily" in tasks[3:]
    said = rheo(stack, "logs", "daily", "2020-01-01", "--task", "watched-daily", "--app", str(program(stack)))
    assert "rows of the day: 2" in said

    # the data
    [frame] = app.load_data(app["daily"]["2020-01-01"])
    assert sorted(frame["name"]) == ["ann", "bob"]
    [rows] = app.load_data(app["orders"][:-7], limit=1, format="ORIGINAL", values=["2020-01-02"])
    assert rows == [{"id": "1", "name": "ann"}]

    # from another place, and in a terminal
    elsewhere = Application(NAME, platform=stack.platform)
    assert {"orders", "items", "daily", "noted", "both"} == {node.id for node in elsewhere.list_data()}
    assert list(elsewhere.search_data("sales")) == ["daily"]
    shown = rheo(stack, "status", "--app", str(program(stack)))
    assert f"executions of {NAME}" in shown
    assert "listener of watched" in shown
    counted = json.loads(rheo(stack, "status", "--json", "--app", str(program(stack))))[NAME]
    assert len(counted["pending"]) == 2
    assert "no items 2020-01-02 has arrived" in " ".join(
        rheo(stack, "pending", "both", "--app", str(program(stack))).split()
    )


def program(stack: Lab) -> Any:
    """A file that names the application: all that a command asks of it."""
    file = stack.folder / "watched_app.py"
    file.write_text(f"from rheodsl import Application\n\napp = Application({NAME!r})\n")
    return file
