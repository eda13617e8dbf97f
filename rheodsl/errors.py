"""What a user did -> an error that says code, what, where and what to do next."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass

_PACKAGES = tuple(
    os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), name) + os.sep
    for name in ("rheodsl", "rheo_runtime", "codegen", "platforms")
)

_COMMANDS = os.path.join(_PACKAGES[-1], "commands") + os.sep


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the user's code; shown relative to the working directory when it lies below it."""

    file: str
    line: int

    def __str__(self) -> str:
        below = os.getcwd() + os.sep
        return f"{self.file.removeprefix(below)}:{self.line}"


def here() -> Place | None:
    """Return the innermost line outside Rheo's own packages: where the user wrote the call."""
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_COMMANDS):
            return None  # called by the command, not by a line of the user's
        # A dataclass's generated __init__ has no file.
        generated = file.startswith("<frozen") or (file == "<string>" and frame.f_code.co_name == "__init__")
        if not generated and not file.startswith(_PACKAGES):
            return Place(file if file.startswith("<") else os.path.abspath(file), frame.f_lineno)
        frame = frame.f_back  # type: ignore[assignment]
    return None


@dataclass(frozen=True, slots=True)
class Warning_:
    """A likely mistake that does not stop a graph from being compiled."""

    code: str
    what: str
    where: Place | None
    hint: str | None

    def __str__(self) -> str:
        at = f"\n  at   {self.where}" if self.where else ""
        hint = f"\n  hint {self.hint}" if self.hint else ""
        return f"{self.code}: {self.what}{at}{hint}"


class RheoError(Exception):
    """Base of every error that Rheo raises for a user.

    Parameters
    ----------
    what
        The fault, in the user's words.
    where
        The user's line; found from the call stack when left out.
    hint
        The next step.

    >>> str(RheoError("orders has no dimension 'dya'", where=Place("app.py", 3), hint="did you mean 'day'?"))
    "RD000: orders has no dimension 'dya'\\n  at   app.py:3\\n  hint did you mean 'day'?"
    """

    code = "RD000"

    def __init__(self, what: str, *, where: Place | None = None, hint: str | None = None) -> None:
        self.what = what
        self.where = where if where is not None else here()
        self.hint = hint
        super().__init__(what)

    @classmethod
    def of_warning(cls, warning: Warning_) -> RheoError:
        """Return a warning as an error, for those who treat it as one."""
        made = cls(warning.what, where=warning.where, hint=warning.hint)
        made.code = warning.code
        return made

    def __str__(self) -> str:
        lines = [f"{self.code}: {self.what}"]
        if self.where is not None:
            lines.append(f"  at   {self.where}")
        if self.hint is not None:
            lines.append(f"  hint {self.hint}")
        return "\n".join(lines)


class ValueCastError(RheoError, ValueError):
    """A value cannot be read as a dimension's type."""

    code = "RD101"


class FilterError(RheoError, ValueError):
    """A filter is not meaningful for the dimension it stands at."""

    code = "RD102"


class UnknownNameError(RheoError, AttributeError, KeyError):
    """A name that nothing has: a dimension, a signal, a node."""

    code = "RD103"


class LinkError(RheoError, TypeError):
    """A link between values that can never be equal, or cannot be computed."""

    code = "RD104"


class TruthError(RheoError, TypeError):
    """An expression was used where Python asks for true or false."""

    code = "RD105"


class TraceError(RheoError, TypeError):
    """A function of a link cannot be written as an expression."""

    code = "RD106"


class SpecError(RheoError, ValueError):
    """A dimension specification, dimension filter, path or declaration is malformed."""

    code = "RD107"


class NameError_(RheoError, ValueError):
    """An id that is taken, or that Airflow or the path limits of MWAA do not allow."""

    code = "RD108"


class LinkMissingError(RheoError, ValueError):
    """Something that links must determine is left undetermined."""

    code = "RD109"


class CycleError(RheoError, ValueError):
    """Nodes that wait for one another."""

    code = "RD110"


class ComputeError(RheoError, ValueError):
    """A compute target or hook that cannot be used as it is written."""

    code = "RD111"


class StateError(RheoError, RuntimeError):
    """An operation at a time when it has no meaning."""

    code = "RD112"


class GraphError(RheoError, ValueError):
    """All faults of one graph, in one report."""

    code = "RD100"

    def __init__(self, app: str, faults: Iterable[RheoError]) -> None:
        self.faults = tuple(faults)
        count = len(self.faults)
        super().__init__(f"application {app!r} has {count} fault{'s' if count != 1 else ''}")

    def __str__(self) -> str:
        return "\n\n".join([f"{self.code}: {self.what}", *map(str, self.faults)])
