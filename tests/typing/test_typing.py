"""What editors and checkers say of the language: `cases.py` under mypy and under pyright, line by line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CASES = HERE / "cases.py"

# Line of the file -> what is objected to there.
Objections = dict[int, set[str]]


def expected(checker: int) -> Objections:
    """What the comments say; ``checker`` is 0 for mypy, 1 for pyright."""
    found: Objections = {}
    for number, line in enumerate(CASES.read_text("utf-8").splitlines(), 1):
        if comment := re.search(r"# error: (\S+) (\S+)$", line):
            found[number] = {comment[checker + 1]}
    return found


def mypy() -> Objections:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-pretty", "--show-error-codes", str(CASES)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: Objections = {}
    for line in done.stdout.splitlines():
        if match := re.fullmatch(r".*cases\.py:(\d+): error: .*\[([\w-]+)\]", line):
            found.setdefault(int(match[1]), set()).add(match[2])
        else:
            assert ": error: " not in line, line  # in another file
    return found


def pyright() -> Objections:
    command = [
        sys.executable,
        "-m",
        "pyright",
        "-p",
        str(HERE),
        "--pythonpath",
        sys.executable,
        "--outputjson",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: Objections = {}
    for item in json.loads(done.stdout)["generalDiagnostics"]:
        assert Path(item["file"]) == CASES, item
        line = item["range"]["start"]["line"] + 1
        found.setdefault(line, set()).add(item.get("rule", item["message"]))
    return found


@pytest.mark.parametrize(("number", "checker"), [(0, mypy), (1, pyright)], ids=["mypy", "pyright"])
def test_a_checker_says_what_the_comments_say(number: int, checker: object) -> None:
    assert callable(checker)
    wanted, found = expected(number), checker()
    assert len(wanted) > 40
    lines = CASES.read_text("utf-8").splitlines()
    different = {
        f"{line}: {lines[line - 1].strip()}": (wanted.get(line), found.get(line))
        for line in sorted({*wanted, *found})
        if wanted.get(line) != found.get(line)
    }
    assert different == {}, "line: (wanted, found)"
