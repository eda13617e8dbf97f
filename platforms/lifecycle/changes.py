"""What an activation would change, to be read by people and by programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

ADDED, CHANGED, REMOVED = "added", "changed", "removed"
_SIGNS = {ADDED: "+", CHANGED: "~", REMOVED: "-"}


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that would be added, changed or removed; ``what`` says which parts of it."""

    action: str
    name: str
    what: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = f": {', '.join(self.what)}" if self.what else ""
        return f"{_SIGNS[self.action]} {self.name}{parts}"


@dataclass(frozen=True, slots=True)
class FileChange:
    """A generated file that would change, as a unified diff."""

    action: str
    path: str
    diff: str


@dataclass(frozen=True, slots=True)
class Pending:
    """What becomes of what waits at a node: ``kept``, or not, and why.

    ``waiting`` counts the incomplete combinations that wait there now; None when it is not known.
    """

    node: str
    kept: bool
    waiting: int | None = None
    why: str = ""

    def __str__(self) -> str:
        count = "" if self.waiting is None else f" ({self.waiting} waiting)"
        if self.kept:
            return f"= {self.node}: what waits is kept{count}"
        return f"! {self.node}: what waits is lost{count}: {self.why}"


@dataclass(frozen=True, slots=True)
class PlannedChanges:
    """What an activation would change.

    ``signals`` and ``nodes`` are those of the application, ``files`` the generated ones, ``resources``
    what the platform makes around them, ``permissions`` what roles may do more or less, one line for each.
    ``pending`` are nodes that exist before and after, and those whose waiting arrivals are lost.
    ``contracts`` says what changed for those that read the application's outputs, and in those that it reads;
    a line that begins with "!" is of something that no longer fits.
    """

    app: str
    state: str
    signals: tuple[Change, ...] = ()
    nodes: tuple[Change, ...] = ()
    files: tuple[FileChange, ...] = ()
    resources: tuple[Change, ...] = ()
    permissions: tuple[str, ...] = ()
    pending: tuple[Pending, ...] = field(default=())
    contracts: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing would change."""
        return not (self.signals or self.nodes or self.files or self.resources or self.permissions)

    def to_json(self) -> dict[str, Any]:
        """Return the same as plain data."""
        return {"empty": self.empty, **asdict(self)}

    def __str__(self) -> str:
        if self.empty and not self.contracts:
            return f"{self.app} is {self.state}; nothing would change"
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{self.app} is {self.state}"
        for title, found in (
            ("contracts", self.contracts),
            ("signals", self.signals),
            ("nodes", self.nodes),
            ("resources", self.resources),
            ("permissions", self.permissions),
            ("pending state", self.pending),
            ("files", [Change(f.action, f.path) for f in self.files]),
        ):
            if found:
                yield f"\n{title}"
                yield from (f"  {each}" for each in found)
        for file in self.files:
            if file.diff:
                yield ""
                yield file.diff.rstrip("\n")
