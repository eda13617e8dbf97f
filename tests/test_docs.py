"""Every example in a docstring or in docs/ runs, and prints what it says."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("rheodsl", "rheo_runtime", "codegen", "rheo_platforms")
FLAGS = doctest.ELLIPSIS
_BLOCK = re.compile(r"^```python[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _with_examples() -> Iterator[str]:
    """Names of the modules that hold an example; those without one need not be imported."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if ">>> " in path.read_text("utf-8"):
                yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("name", list(_with_examples()))
def test_docstrings(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=FLAGS)
    assert result.failed == 0
    # An example outside of a docstring that doctest looks at would never run.
    assert result.attempted > 0


def examples(text: str) -> list[doctest.Example]:
    """Return the examples of a page: those of all its ``python`` blocks that hold a prompt.

    Line numbers are those of the page; a page's blocks share their names, as its reader's session does.
    """
    parser = doctest.DocTestParser()
    found = []
    for block in _BLOCK.finditer(text):
        before = text[: block.start(1)].count("\n")
        for example in parser.get_examples(block[1]):
            example.lineno += before
            found.append(example)
    return found


def broken_blocks(text: str) -> list[int]:
    """Return the lines of ``python`` blocks without a prompt that Python cannot read."""
    lines = []
    for block in _BLOCK.finditer(text):
        if ">>> " not in block[1]:
            try:
                ast.parse(block[1])
            except SyntaxError as fault:
                lines.append(text[: block.start(1)].count("\n") + (fault.lineno or 1))
    return lines


PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_pages(path: Path) -> None:
    text = path.read_text("utf-8")
    assert broken_blocks(text) == []
    name = path.relative_to(ROOT).as_posix()
    test = doctest.DocTest(examples(text), {"__name__": "__main__"}, name, str(path), 0, text)
    assert doctest.DocTestRunner(optionflags=FLAGS).run(test).failed == 0


def test_a_wrong_example_of_a_page_is_caught(capsys: pytest.CaptureFixture[str]) -> None:
    text = "# Page\n\n```python\n>>> 1 + 1\n2\n```\n\nText.\n\n```python\n>>> 1 + 2\n4\n```\n"
    test = doctest.DocTest(examples(text), {}, "page", "page.md", 0, text)
    assert doctest.DocTestRunner(optionflags=FLAGS).run(test).failed == 1
    assert 'File "page.md", line 11' in capsys.readouterr().out


def test_a_block_that_python_cannot_read_is_caught() -> None:
    assert broken_blocks("```python\nx = 1\ny = = 2\n```\n") == [3]
