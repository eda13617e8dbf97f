"""A file that lets its application do something, loaded by a command that only looks at it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rheodsl import Application
from rheodsl.errors import StateError
from rheodsl.loading import load_app

FILE = """
from rheodsl import *
from rheodsl.reports import ComputeState

class Forbidden:
    def bucket(self, app):
        return f"rheo-{app}"

app = Application("shop", platform=Forbidden())
orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}")
daily = app.create_data("daily", inputs=[orders], compute_targets="output = orders")
"""


def loaded(tmp_path: Path, lines: str) -> Application:
    file = tmp_path / "app.py"
    file.write_text(FILE + lines + "\nafter = app.create_data('after', inputs=[daily])\n", "utf-8")
    return load_app(file)


CALLS = [
    ("app.activate()", "activate()"),
    ("app.plan()", "plan()"),
    ("print(app.plan())", "plan()"),
    ("app.pause()", "pause()"),
    ("app.resume()", "resume()"),
    ("app.terminate(); app.delete(); app.activate()", "terminate()"),
    ("app.delete()", "delete()"),
    ("app.save_dev_state()", "save_dev_state()"),
    ("app.process(orders['2024-01-01'])", "process()"),
    ("path = app.execute(daily['2024-01-01']); assert path", "execute()"),
    ("while not app.poll(daily['2024-01-01']): pass", "poll()"),
    ("print(len(app.execute(daily['2024-01-01'], dry_run=True).steps))", "execute()"),
    ("app.poll(daily['2024-01-01'])", "poll()"),
    ("app.kill(daily['2024-01-01'])", "kill()"),
    ("app.backfill(daily, '2024-01-01', '2024-01-31').made", "backfill()"),
    ("app.backfill(daily, '2024-01-01', dry_run=True)", "backfill()"),
    (
        "for frame in app.load_data(daily['2024-01-01']): frame.groupBy('day').count().show()",
        "a look at data",
    ),
    ("next(app.load_data(daily['2024-01-01']))", "a look at data"),
    ("frame, format = app.preview_data(daily['2024-01-01'])", "a look at data"),
    ("list(app.get_active_compute_records())", "a question about what runs"),
    ("app.get_active_route(daily)", "a question about what runs"),
    ("app.get_pending_nodes()", "a question about what runs"),
    ("app.get_stale()", "get_stale()"),
    ("app.get_late()", "get_late()"),
    ("str(app.explain(daily['2024-01-01']))", "explain()"),
    ("app.get_compute_logs(daily['2024-01-01'])", "get_compute_logs()"),
    ("app.update_active_routes_status()", "an update of what runs"),
]


@pytest.mark.parametrize(("line", "call"), CALLS, ids=[line for line, _ in CALLS])
def test_nothing_is_carried_out_and_that_is_said(
    line: str, call: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The platform has no method that would do anything: a call of one is an AttributeError."""
    app = loaded(tmp_path, line)
    assert [node.id for node in app.graph().nodes] == ["after", "daily"], "the file is run to its end"
    place = f"{tmp_path / 'app.py'}:{FILE.count(chr(10)) + 1}"
    assert f"{place}: {call} is not carried out while a command loads the file; " in capsys.readouterr().err


def test_each_line_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loaded(tmp_path, "for day in range(1, 9): app.process(orders[f'2024-01-0{day}'])")
    assert capsys.readouterr().err.count("process()") == 1


def test_paths_are_told(tmp_path: Path) -> None:
    """A declaration may need them, and nothing happens by it."""
    path = "s3://rheo-shop/internal_data/daily/2024-01-01"
    loaded(tmp_path, f"assert app.materialize(daily['2024-01-01']) == {path!r}")


def test_what_is_below_main_is_not_reached(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loaded(tmp_path, "if __name__ == '__main__': app.activate()")
    assert capsys.readouterr().err == ""


def test_the_application_does_what_it_is_told_after_it_was_loaded(tmp_path: Path) -> None:
    app = loaded(tmp_path, "app.delete()")
    with pytest.raises(AttributeError, match="lifecycle"):
        app.activate()


def test_an_application_without_a_platform_is_told_so(tmp_path: Path) -> None:
    file = tmp_path / "app.py"
    file.write_text("from rheodsl import *\napp = Application('a')\napp.activate()\n", "utf-8")
    with pytest.raises(StateError, match="a has no platform"):
        load_app(file)


def every_call() -> list[str]:
    """What the application asks of its platform, by name."""
    text = (Path(__file__).parents[2] / "rheodsl" / "platform.py").read_text("utf-8")
    return [line.split("def ")[1].split("(")[0] for line in text.splitlines() if "    def " in line]


def test_the_idle_platform_has_each_call() -> None:
    from rheodsl import idle

    classes = (
        idle.IdlePlatform,
        idle.IdleLifecycle,
        idle.IdleControl,
        idle.IdleMonitoring,
        idle.IdleAnalysis,
    )
    has: Callable[[str], Any] = lambda name: any(hasattr(each, name) for each in classes)  # noqa: E731
    assert [name for name in every_call() if not has(name) and name != "graph"] == []
