"""What is printed to a terminal moves no cursor and sets no colour, whatever values, errors and logs hold."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.table import Table

from rheo_platforms import cli
from rheo_platforms.commands import shared
from rheo_platforms.consoles import console
from rheodsl.errors import StateError

ROOT = Path(__file__).parents[2]
HOSTILE = "a\x1b[2Jb\x9b31mc\x1b]0;title\x07d\ud800e\u202ef"
WRITTEN = r"a\u001b[2Jb\u009b31mc\u001b]0;titled\ud800e\u202ef"


@pytest.mark.parametrize("terminal", [False, True])
def test_what_a_terminal_would_obey_is_written_out(terminal: bool) -> None:
    shown = io.StringIO()
    made = console(file=shown, soft_wrap=True, force_terminal=terminal)
    made.print(HOSTILE, markup=False)
    table = Table(HOSTILE)
    table.add_row(HOSTILE)
    made.print(table)
    assert shown.getvalue().count(WRITTEN) == 3
    assert not re.search("[\x80-\x9f\ud800\u202e\x07]|\x1b[^\\[]", shown.getvalue())


def test_colours_of_ours_stay() -> None:
    shown = io.StringIO()
    console(file=shown, force_terminal=True).print("[bold]x[/bold] \t y")
    assert shown.getvalue().startswith("\x1b[1mx\x1b[0m")


def test_a_mistake_of_a_user_is_told_so(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def fails() -> None:
        raise StateError(HOSTILE, hint=HOSTILE)

    monkeypatch.setattr(cli, "app", fails)
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().err.count(WRITTEN) == 2


def test_what_is_found_is_told_so_as_text_and_as_json(capsys: Any) -> None:
    shared.tell(False, None, HOSTILE)
    shared.tell(True, ["\x9b31m"], "")
    said = capsys.readouterr().out
    assert WRITTEN in said and r"\u009b31m" in said and "\x9b" not in said


def test_there_is_one_way_to_a_terminal() -> None:
    made = [
        str(path.relative_to(ROOT))
        for package in ("rheo_platforms", "rheodsl", "codegen")
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"\bConsole\(", path.read_text())
    ]
    assert made == ["rheo_platforms/consoles.py"]
