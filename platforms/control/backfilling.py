"""Many output partitions -> made, a few at a time, behind what events start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from platforms.control.planning import Key, Plan, Step
from platforms.control.running import Done
from rheo_runtime.ledger import Ledger
from rheo_runtime.records import ANNOUNCED, READY

LOOK = 15.0  # seconds between looks at what else waits: it reads the status of a whole node


@dataclass(frozen=True)
class Result:
    """What a backfill came to; as text, it is made for reading."""

    plan: Plan
    done: dict[Key, Done]

    @property
    def made(self) -> list[Key]:
        """Those that succeeded, ancestors included."""
        return [key for key, done in self.done.items() if done.ok]

    @property
    def failed(self) -> list[Key]:
        """Those that failed, or were not run because an ancestor failed."""
        return [key for key, done in self.done.items() if not done.ok]

    @property
    def lacking(self) -> list[Key]:
        """Those whose inputs are missing."""
        return [key for key, _ in self.plan.lacking]

    @property
    def there(self) -> list[Key]:
        """Those that were there already."""
        return list(self.plan.there)

    def __str__(self) -> str:
        lines = [
            f"made {len(self.made)}, failed {len(self.failed)}, inputs missing {len(self.lacking)}, "
            f"there already {len(self.there)}"
        ]
        lines += [f"  {done}" for done in self.done.values() if not done.ok]
        lines += [f"  missing: {gap}" for gap in self.plan.gaps]
        return "\n".join(lines)


class Courtesy:
    """Holds the steps of a node back while executions wait that others have started.

    What waits is what Airflow has not begun: with a backfill's runs in the way it would wait longer.
    """

    def __init__(self, ledger: Ledger, mine: Callable[[Key], bool], now: Callable[[], float]) -> None:
        self._ledger = ledger
        self._mine = mine
        self._now = now
        self._looked: dict[str, tuple[float, bool]] = {}

    def may_start(self, step: Step) -> bool:
        """Say whether a step may start now."""
        at, free = self._looked.get(step.node, (float("-inf"), True))
        if self._now() - at >= LOOK:
            free = not any(
                status.state in (READY, ANNOUNCED) and not self._mine((status.node, status.partition))
                for status in self._ledger.statuses(step.node)
            )
            self._looked[step.node] = self._now(), free
        return free
