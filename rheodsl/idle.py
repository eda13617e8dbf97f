"""A user's file that is loaded -> its own calls of what runs the application, said and not carried out.

A file may well end in ``app.activate()``. A command that only looks at the application (``rheo check``) loads the
file too, and must change nothing by that. Reading stays what it is where declarations may rest on it: the state,
what is active (``attach``), paths (``materialize``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from rheodsl import ir
from rheodsl.analysis import DataFrameFormat, LoadedPartition, Loading
from rheodsl.control import BackfillRequest, ExecutionRequest, Processed
from rheodsl.errors import here
from rheodsl.lifecycle import ApplicationState, Release
from rheodsl.platform import Lifecycle, Platform, Upstream
from rheodsl.reports import (
    ComputeLog,
    ComputeRecord,
    Explanation,
    LatePartition,
    PendingNode,
    Route,
    StaleOutput,
)
from rheodsl.signals import View

_LOADING: ContextVar[set[str] | None] = ContextVar("rheo_loading", default=None)


@contextmanager
def loading() -> Iterator[None]:
    """Let applications carry nothing out where they live, while their file is run."""
    token = _LOADING.set(set())
    try:
        yield
    finally:
        _LOADING.reset(token)


def is_loading() -> bool:
    """Whether a file is being loaded."""
    return _LOADING.get() is not None


def left_out(call: str) -> None:
    """Say on standard error that a call is not carried out, once for each line that has it."""
    said = _LOADING.get()
    place = here()
    text = f"{place}: {call}" if place is not None else call
    if said is None or text not in said:
        if said is not None:
            said.add(text)
        print(
            f"{text} is not carried out while a command loads the file; "
            'what runs an application belongs below if __name__ == "__main__":',
            file=sys.stderr,
        )


class Nothing:
    """What a call that is not carried out comes to: no change, no execution, no rows, and nothing of what is
    asked of it, so that the lines after it are run to the end of the file.

    >>> data = Nothing()
    >>> data.groupBy("region").count(), len(data), [row for row in data], data.empty
    (not carried out, 0, [], True)
    """

    empty = True
    steps = gaps = made = failed = lacking = there = ()

    def __repr__(self) -> str:
        return "not carried out"

    def __getattr__(self, name: str) -> Nothing:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *args: object, **kwargs: object) -> Nothing:
        return self

    def __getitem__(self, key: object) -> Nothing:
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def to_json(self) -> dict[str, Any]:
        """Return the same as plain data."""
        return {}


class NoPath(Nothing):
    """What a path comes to that is asked for and not made: what asks again until it is there goes on."""

    def __bool__(self) -> bool:
        return True


class IdlePlatform:
    """A platform that is asked what it knows, and to do nothing.

    Parameters
    ----------
    platform
        The application's own.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def active_graph(self, app: str) -> ir.Graph | None:
        return self._platform.active_graph(app)

    def bucket(self, app: str) -> str:
        return self._platform.bucket(app)

    def upstream(self, partner: ir.Partner) -> Upstream:
        return self._platform.upstream(partner)

    def lifecycle(self, app: str) -> IdleLifecycle:
        return IdleLifecycle(lambda: self._platform.lifecycle(app))

    def control(self, app: str) -> IdleControl:
        return IdleControl()

    def monitoring(self, app: str) -> IdleMonitoring:
        return IdleMonitoring()

    def analysis(self, app: str) -> IdleAnalysis:
        return IdleAnalysis()


class IdleLifecycle:
    """Activates, changes and ends nothing."""

    def __init__(self, real: Callable[[], Lifecycle]) -> None:
        self._real = real

    def state(self) -> ApplicationState:
        return self._real().state()

    def active_graph(self) -> ir.Graph:
        return self._real().active_graph()

    def load_draft(self) -> ir.Graph:
        return self._real().load_draft()

    def plan(
        self, graph: ir.Graph, concurrent: bool, upstream: Callable[[ir.Partner], ir.Graph | None]
    ) -> Nothing:
        left_out("plan()")
        return Nothing()

    def activate(self, graph: ir.Graph, concurrent: bool, refresh: bool) -> None:
        left_out("activate()")

    def follow(self, graph: ir.Graph, activate: bool) -> None:
        return None  # `IdleControl` says it

    def pause(self) -> None:
        left_out("pause()")

    def resume(self) -> None:
        left_out("resume()")

    def terminate(self, wait: bool) -> None:
        left_out("terminate()")

    def delete(self, name: str | None) -> None:
        left_out("delete()")

    def rollback(self, number: int | None) -> None:
        left_out("rollback()")

    def releases(self) -> Sequence[Release]:
        left_out("releases()")
        return ()

    def save_draft(self, graph: ir.Graph) -> None:
        left_out("save_dev_state()")


class IdleControl:
    """Sends no event, and starts and ends no execution."""

    def process(
        self, input: View | Mapping[str, Any], remote: bool, full_range: bool, only: str | None
    ) -> Processed:
        left_out("process()")
        return Processed({}, ignored="not carried out")

    def plan(self, wanted: ExecutionRequest) -> Nothing:
        left_out("execute()")
        return Nothing()

    def execute(self, wanted: ExecutionRequest) -> Any:
        left_out("execute()")
        return NoPath()

    def poll(self, node: View, timeout: float | None) -> Any:
        left_out("poll()")
        return NoPath()

    def kill(self, what: View | str) -> list[str]:
        left_out("kill()")
        return []

    def backfill_plan(self, wanted: BackfillRequest) -> Nothing:
        left_out("backfill()")
        return Nothing()

    def backfill(self, wanted: BackfillRequest) -> Nothing:
        left_out("backfill()")
        return Nothing()


class IdleMonitoring:
    """Tells of nothing that runs."""

    def routes(self) -> Sequence[Route]:
        return ()

    def records(self, route: str | None) -> Sequence[ComputeRecord]:
        left_out("a question about what runs")
        return ()

    def pending(self, route: str | None) -> Sequence[PendingNode]:
        left_out("a question about what runs")
        return ()

    def explain(self, route: str, partition: Sequence[object]) -> Explanation:
        left_out("explain()")
        return Explanation(route, "/".join(map(str, partition)), (), (), (), unknown="not carried out")

    def stale(self, route: str | None) -> Sequence[StaleOutput]:
        left_out("get_stale()")
        return ()

    def late(self) -> Sequence[LatePartition]:
        left_out("get_late()")
        return ()

    def logs(self, route: str, partition: Sequence[object]) -> Sequence[ComputeLog]:
        left_out("get_compute_logs()")
        return ()

    def update(self, route: str | None) -> None:
        left_out("an update of what runs")


class IdleAnalysis:
    """Reads no data."""

    def load(self, view: View, values: Sequence[object] | None, wanted: Loading) -> Iterator[LoadedPartition]:
        left_out("a look at data")
        return iter([LoadedPartition("", {}, Nothing(), wanted.format or DataFrameFormat.ORIGINAL)])

    def merge(self, parts: Sequence[LoadedPartition]) -> Any:
        return Nothing()

    def show(self, data: Any, format: DataFrameFormat) -> None:
        return None
