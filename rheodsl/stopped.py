"""What a user's file raises, beside errors of Rheo's -> an error that says what, at which line, and what to do."""

from __future__ import annotations

import os
import re
import sys
import traceback
from pathlib import Path

from rheodsl.errors import FileError, SourceLocation, nearest
from rheodsl.guide import REPLACED

_TO_ITS_END = "nothing is known of the application before its file runs to its end"


def stopped(fault: Exception | SystemExit, file: Path) -> FileError:
    """Return what a file raised as an error, at the innermost of its own lines, or of those beside it."""
    beside = os.path.dirname(os.path.abspath(file)) + os.sep
    steps = [s for s in traceback.extract_tb(fault.__traceback__) if _is_below(s.filename, beside)]
    name, line, text = os.path.abspath(file), 1, ""
    if isinstance(fault, SyntaxError) and fault.filename:
        name, line, text = os.path.abspath(fault.filename), fault.lineno or 1, fault.text or ""
    elif steps:
        name, line, text = os.path.abspath(steps[-1].filename), steps[-1].lineno or 1, steps[-1].line or ""
    said = fault.msg if isinstance(fault, SyntaxError) else str(fault)
    what = f"{file.name} stops with {type(fault).__name__}: {said}".rstrip(": ")
    written = f"\n  line {text.strip()}" if text.strip() else ""
    found = FileError(what + written, where=SourceLocation(name, line), hint=_repair(fault, text))
    found.__cause__ = fault
    return found


def _is_below(file: str, folder: str) -> bool:
    full = os.path.abspath(file)
    return full.startswith(folder) and f"{os.sep}site-packages{os.sep}" not in full


def _repair(fault: BaseException, line: str) -> str:
    if isinstance(fault, SystemExit):
        return f'leave exit out, or put it below if __name__ == "__main__": {_TO_ITS_END}'
    for name in _names(fault):
        if name in REPLACED:
            return REPLACED[name]
    if isinstance(fault, NameError) and fault.__traceback__ is not None:
        scope = [frame.f_globals for frame, _ in traceback.walk_tb(fault.__traceback__)][-1]
        near = nearest(fault.name, [n for n in scope if not n.startswith("_")]) if fault.name else None
        star = "from rheodsl import *" if "Application" not in scope else "its line"
        return f"did you mean {near!r}?" if near else f"define it, or look at {star}"
    if isinstance(fault, ModuleNotFoundError):
        return f"install it where Rheo is installed: {sys.executable} -m pip install {fault.name}"
    if isinstance(fault, ValueError) and "unpack" in str(fault) and ".poll(" in line:
        return "poll returns the path alone: path = app.poll(...)"
    return f"repair this line: {_TO_ITS_END}"


def _names(fault: BaseException) -> list[str]:
    """What was asked for and is not there: of a module, its package; of what is imported from one, the name."""
    if isinstance(fault, ImportError):
        return re.findall(r"'(\w+)[\w.]*'", fault.msg)
    return [fault.name] if isinstance(fault, NameError | AttributeError) and fault.name else []
