"""User code and the line of the call that holds it -> the line on which the code itself begins."""

from __future__ import annotations

import ast
import textwrap
from functools import lru_cache
from pathlib import Path

from rheodsl.errors import Place


def first_line(text: str, where: Place) -> Place:
    """Return the place of the first line of ``text``, a string in the file that ``where`` is in.

    The nearest string of that text from ``where`` on; ``where`` itself when the file cannot be read.
    """
    lines = [line for code, line in _strings(where.file) if line >= where.line and code == text]
    return Place(where.file, lines[0]) if lines else where


@lru_cache(maxsize=8)
def _strings(file: str) -> tuple[tuple[str, int], ...]:
    """Every string of a file as dedented text, with its line, in order."""
    try:
        tree = ast.parse(Path(file).read_text("utf-8"))
    except (OSError, ValueError, SyntaxError):
        return ()
    found = [
        (textwrap.dedent(node.value), node.lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return tuple(sorted(found, key=lambda entry: entry[1]))
