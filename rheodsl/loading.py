"""A user's file -> the application in it."""

from __future__ import annotations

import gc
import os
import runpy
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rheodsl.application import Application
from rheodsl.errors import GraphError, RheoError, SourceLocation, SpecError, together
from rheodsl.idle import loading
from rheodsl.statements import faults_of
from rheodsl.stopped import stopped


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
            except (Exception, SystemExit) as fault:
                raise _with_others(stopped(fault, file), file) from fault
    finally:
        sys.path.remove(beside)
    found = _applications(scope)
    if len(found) != 1:
        raise SpecError(
            f"{file.name} has {len(found)} applications",
            where=SourceLocation(os.path.abspath(file), 1),
            hint="assign one Application(...) to a global name, such as app",
        )
    return found[0]


def _applications(scope: Mapping[str, object]) -> list[Application]:
    """Return the applications of a file, each once."""
    return list({id(value): value for value in scope.values() if isinstance(value, Application)}.values())


def _with_others(first: RheoError, file: Path) -> RheoError:
    """Return all faults of a file, where the one that it stops at hides others: of its graph, too."""
    scope, faults = faults_of(file)
    found = _applications(scope)
    if len(found) == 1:
        faults = together(faults, _graph_faults(found[0]))
    if len(faults) < 2:
        return first
    return GraphError(found[0].name if found else file.name, faults)


def _graph_faults(app: Application) -> tuple[RheoError, ...]:
    try:
        app.graph()
    except GraphError as fault:
        return fault.faults
    except RheoError as fault:
        return (fault,)
    return ()
