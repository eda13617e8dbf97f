"""A user's file -> the application in it."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

from rheodsl.application import Application
from rheodsl.errors import Place, SpecError


def load_app(path: Path | str) -> Application:
    """Run a file and return the one `Application` among its global names.

    Imports beside the file work, as they do when Python runs it. Raises SpecError when there is no
    such file, or not exactly one application in it.
    """
    file = Path(path)
    if not file.is_file():
        raise SpecError(
            f"there is no file {str(path)!r}",
            where=Place(os.path.abspath(path), 1),
            hint="name the file of the application",
        )
    beside = str(file.resolve().parent)
    sys.path.insert(0, beside)
    try:
        scope = runpy.run_path(str(file))
    finally:
        sys.path.remove(beside)
    found = {id(value): value for value in scope.values() if isinstance(value, Application)}
    if len(found) != 1:
        raise SpecError(
            f"{file.name} has {len(found)} applications",
            where=Place(os.path.abspath(file), 1),
            hint="assign one Application(...) to a global name, such as app",
        )
    return next(iter(found.values()))
