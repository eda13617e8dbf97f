"""Steps that start and end -> lines on a console."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status

from platforms.control.planning import Plan, Step
from platforms.control.running import Done, Report


class ConsoleReport(Report):
    """A line for each start and end; on a terminal, below them, what is under way."""

    def __init__(self, console: Console, total: int = 1) -> None:
        self._console = console
        self._total = total
        self._over = 0
        self._status: Status | None = None
        self._since: dict[str, float] = {}

    @contextmanager
    def shown(self, plan: Plan) -> Iterator[ConsoleReport]:
        """Show the progress of a plan while it is carried out."""
        self._total = len(plan.steps)
        with self._console.status("starting") as self._status:
            yield self
        self._status = None

    def started(self, step: Step, execution: str, mine: bool) -> None:
        """Print what is under way."""
        self._since[execution] = time.monotonic()
        self._print(f"{execution} " + ("started" if mine else "is under way already"))

    def ended(self, done: Done) -> None:
        """Print what is over."""
        self._over += 1
        began = self._since.pop(done.execution, None)
        took = f" after {time.monotonic() - began:.0f} s" if began is not None else ""
        count = f" ({self._over} of {self._total})" if self._total > 1 else ""
        self._print(f"{done}{took}{count}")

    def waits(self, left: int, running: int) -> None:
        """Show how much is left."""
        if self._status is not None:
            self._status.update(f"{running} under way, {left} to start")

    def _print(self, line: str) -> None:
        self._console.print(f"{time.strftime('%H:%M:%S')} {line}", markup=False, highlight=False)
