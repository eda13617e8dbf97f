"""The page on operations names every line that the listener writes, and no other."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_WRITTEN = re.compile(r"\blog\(\s*\"([a-z ]+)\"")
_OUTCOMES = re.compile(r"for name in \(([^)]*)\):\n\s+for document in")
_LISTED = re.compile(r"^\| (`[a-z ]+`(?:, `[a-z ]+`)*) \| ", re.MULTILINE)


def test_every_log_line_is_explained() -> None:
    written = set()
    for name in ("listener", "sweep"):
        source = (ROOT / "rheo_runtime" / f"{name}.py").read_text("utf-8")
        written |= set(_WRITTEN.findall(source))
        for names in _OUTCOMES.findall(source):
            written |= set(re.findall(r'"(\w+)"', names))
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    table = page.split("## Log lines of the listener")[1].split("\n## ")[0]
    listed = {name for names in _LISTED.findall(table) for name in re.findall(r"`([a-z ]+)`", names)}
    assert len(written) >= 14
    assert listed - {"rheo"} == written
