"""A part of the local stack that fails -> an error that shows the end of its log."""

from __future__ import annotations

from pathlib import Path

from rheodsl.errors import RheoError


class StartError(RheoError, RuntimeError):
    """A process of the local stack did not start."""

    code = "RD501"

    def __init__(self, name: str, log: str) -> None:
        end = tail(Path(log), 15)
        super().__init__(f"{name} did not start; its log ends with:\n{end}", hint=f"the whole log is {log}")


class StackError(RheoError, RuntimeError):
    """The local stack is not in the state that an operation needs."""

    code = "RD502"


class StackFileError(RheoError, ValueError):
    """The compiled application does not say what the stack must provide."""

    code = "RD503"


def tail(log: Path, lines: int) -> str:
    """Return the last lines of a text file; an absent file is empty."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
