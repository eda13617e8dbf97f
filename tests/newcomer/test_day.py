"""The day is the one that the README tells. The day itself is run by ``python -m tests.newcomer``: it installs for minutes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .day import BAD, GOOD, Broken, Day

ROOT = Path(__file__).parents[2]


class Paper(Day):
    """A day on paper: what is typed, and nothing that runs."""

    def type(self, command: str, *said: str, cwd: Path | None = None, seconds: float = 0) -> str:
        self.typed.append(command)
        return "; SUCCEEDED ; FAILED " if "01-08" in command else "; SUCCEEDED "

    def edit(self, old: str, new: str) -> None:
        assert {old, new} == {GOOD, BAD}


def test_every_command_of_the_readme_is_typed(tmp_path: Path) -> None:
    day = Paper(tmp_path)
    day.run()
    block = re.search(r"## Begin\n.*?```\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert block is not None
    lines = [line.partition("#")[0].strip() for line in block[1].splitlines()]
    wanted = {
        w.strip()
        for line in lines
        for w in line.split("&&")
        if w.strip().startswith(("rheo", "python -m pytest"))
    }
    assert len(wanted) >= 8
    assert wanted - set(day.typed) == set()


def test_a_command_that_does_not_say_what_it_must_breaks_the_day(tmp_path: Path) -> None:
    day = Day(tmp_path)
    assert day.type("echo it works", "works", cwd=tmp_path) == "it works\n"
    with pytest.raises(Broken, match="it must say good"):
        day.type("echo bad", "good", cwd=tmp_path)
    with pytest.raises(Broken, match="ended with 1"):
        day.type("false", cwd=tmp_path)
