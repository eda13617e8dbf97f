"""What a user did -> an error that says code, what, where and what to do next."""

from __future__ import annotations

import difflib
import os
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

_PACKAGES = tuple(
    os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), name) + os.sep
    for name in ("rheodsl", "rheo_runtime", "codegen", "rheo_platforms")
)

_COMMANDS = os.path.join(_PACKAGES[-1], "commands") + os.sep

# Of Python itself, of what is installed, and the command: no line of these is the user's.
_INSTALLED = tuple(
    {
        os.path.join(folder, "")
        for name in ("stdlib", "platstdlib", "purelib", "platlib", "scripts")
        for folder in (sysconfig.get_path(name), os.path.realpath(sysconfig.get_path(name)))
    }
)


@dataclass(frozen=True, slots=True)
class SourceLocation:
    """A line of the user's code; shown relative to the working directory when it lies below it."""

    file: str
    line: int

    def __str__(self) -> str:
        below = os.getcwd() + os.sep
        return f"{self.file.removeprefix(below)}:{self.line}"


def here() -> SourceLocation | None:
    """Return the innermost line outside Rheo's own packages: where the user wrote the call."""
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if (whose := _whose(file)) == "command":
            return None  # called by the command, not by a line of the user's
        # A dataclass's generated __init__ has no file.
        generated = file == "<string>" and frame.f_code.co_name == "__init__"
        if whose == "user" and not generated:
            return SourceLocation(file if file.startswith("<") else _whole(file), frame.f_lineno)
        frame = frame.f_back  # type: ignore[assignment]
    return None


@cache
def _whose(file: str) -> Literal["command", "rheo", "user"]:
    """Whose code a file holds; what is installed, and Python's own, counts as Rheo's."""
    if file.startswith(_COMMANDS):
        return "command"
    return "rheo" if file.startswith(("<frozen", *_PACKAGES, *_INSTALLED)) else "user"


@cache
def _normal(file: str) -> str:
    return os.path.normpath(file)


def _whole(file: str) -> str:
    return _normal(file) if os.path.isabs(file) else os.path.abspath(file)


@dataclass(frozen=True, slots=True)
class GraphWarning:
    """A likely mistake that does not stop a graph from being compiled."""

    code: str
    what: str
    where: SourceLocation | None
    hint: str | None

    def __str__(self) -> str:
        at = f"\n  at   {self.where}" if self.where else ""
        hint = f"\n  hint {self.hint}" if self.hint else ""
        return f"{self.code}: {self.what}{at}{hint}"


def nearest(name: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """Return the known name that is most like this one; None when none is as like it as that, of 1."""
    return next(iter(difflib.get_close_matches(name, list(known), 1, likeness)), None)


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return the hint that names what was probably meant, or the other one when nothing is like it.

    >>> did_you_mean("dya", ["day", "region"], "its dimensions: day, region")
    "did you mean 'day'?"
    """
    near = nearest(name, known)
    return otherwise if near is None else f"did you mean {str(near)!r}?"


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

    >>> str(RheoError("orders has no dimension 'dya'", where=SourceLocation("app.py", 3), hint="did you mean 'day'?"))
    "RD000: orders has no dimension 'dya'\\n  at   app.py:3\\n  hint did you mean 'day'?"
    """

    code = "RD000"

    def __init__(self, what: str, *, where: SourceLocation | None = None, hint: str | None = None) -> None:
        self.what = what
        self.where = where if where is not None else here()
        self.hint = hint
        super().__init__(what)

    @classmethod
    def of_warning(cls, warning: GraphWarning) -> RheoError:
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


class InvalidNameError(RheoError, ValueError):
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


class FileError(RheoError, RuntimeError):
    """The file of an application stops by an error of its own."""

    code = "RD113"


class GraphError(RheoError, ValueError):
    """All faults of one graph, in one report."""

    code = "RD100"

    def __init__(self, app: str, faults: Iterable[RheoError]) -> None:
        self.faults = tuple(faults)
        count = len(self.faults)
        super().__init__(f"application {app!r} has {count} fault{'s' if count != 1 else ''}")

    def __str__(self) -> str:
        return "\n\n".join([f"{self.code}: {self.what}", *map(str, self.faults)])


def together(*several: Iterable[RheoError]) -> list[RheoError]:
    """Return faults in their order, each once.

    >>> len(together([SpecError("a")], [SpecError("a"), SpecError("b")]))
    2
    """
    return list({str(fault): fault for faults in several for fault in faults}.values())
