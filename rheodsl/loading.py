"""A user's file -> the application in it."""

from __future__ import annotations

import gc
import os
import runpy
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rheodsl.application import Application
from rheodsl.errors import FileError, GraphError, RheoError, SourceLocation, SpecError, nearest
from rheodsl.idle import loading
from rheodsl.statements import faults_of


@contextmanager
def uncollected() -> Iterator[None]:
    """Make many small frozen things, which form no cycles: the garbage collector need not look at them meanwhile."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def load_app(path: Path | str) -> Application:
    """Run a file and return the one `Application` among its global names.

    Imports beside the file work, as they do when Python runs it. What the file itself lets its application do
    where it lives (``app.activate()``) is not carried out, and said on standard error. Raises SpecError when there is no
    such file, or not exactly one application in it; FileError when the file itself raises something.
    """
    file = Path(path)
    if not file.is_file():
        raise SpecError(
            f"there is no file {str(path)!r}",
            where=SourceLocation(os.path.abspath(path), 1),
            hint="name the file of the application",
        )
    beside = str(file.resolve().parent)
    sys.path.insert(0, beside)
    try:
        # A declaration makes many small frozen things that stay: looking for garbage among them takes long.
        with loading(), uncollected():
            try:
                scope = runpy.run_path(str(file))
            except RheoError as first:
                raise _with_others(first, file) from None
    except RheoError:
        raise
    except Exception as fault:
        raise _stopped(fault, file) from fault
    finally:
        sys.path.remove(beside)
    found = {id(value): value for value in scope.values() if isinstance(value, Application)}
    if len(found) != 1:
        raise SpecError(
            f"{file.name} has {len(found)} applications",
            where=SourceLocation(os.path.abspath(file), 1),
            hint="assign one Application(...) to a global name, such as app",
        )
    return next(iter(found.values()))


def _with_others(first: RheoError, file: Path) -> RheoError:
    """Return all faults of a file's declarations, where the one that it stops at hides others."""
    scope, faults = faults_of(file)
    if len(faults) < 2:
        return first
    names = [value.name for value in scope.values() if isinstance(value, Application)]
    return GraphError(names[0] if names else file.name, faults)


def _stopped(fault: Exception, file: Path) -> FileError:
    """What the file raised, at the innermost of its own lines, or of those beside it."""
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
    return FileError(what + written, where=SourceLocation(name, line), hint=_repair(fault))


def _is_below(file: str, folder: str) -> bool:
    full = os.path.abspath(file)
    return full.startswith(folder) and f"{os.sep}site-packages{os.sep}" not in full


def _repair(fault: Exception) -> str:
    if isinstance(fault, NameError) and fault.__traceback__ is not None:
        scope = [frame.f_globals for frame, _ in traceback.walk_tb(fault.__traceback__)][-1]
        near = nearest(fault.name, [n for n in scope if not n.startswith("_")]) if fault.name else None
        star = "from rheodsl import *" if "Application" not in scope else "its line"
        return f"did you mean {near!r}?" if near else f"define it, or look at {star}"
    if isinstance(fault, ModuleNotFoundError):
        return f"install it where Rheo is installed: {sys.executable} -m pip install {fault.name}"
    return "repair this line: nothing is known of the application before its file runs to its end"
