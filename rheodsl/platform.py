"""Where an application lives -> what it can do there: the interface of a platform, whole.

`Application` says what each thing does; here stands only what a platform has to have for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from rheodsl import ir
from rheodsl.analysis import DataFrameFormat, LoadedPartition, Loading
from rheodsl.control import Backfilled, BackfillRequest, ExecutionRequest, Planned, Processed
from rheodsl.lifecycle import ApplicationState, Changes, Release
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


class Lifecycle(Protocol):
    """What activates, changes and ends one application; ``upstream`` gives what is active in another one."""

    def state(self) -> ApplicationState: ...
    def plan(
        self, graph: ir.Graph, concurrent: bool, upstream: Callable[[ir.Partner], ir.Graph | None]
    ) -> Changes: ...
    def activate(self, graph: ir.Graph, concurrent: bool, refresh: bool) -> None: ...
    def follow(self, graph: ir.Graph, activate: bool) -> None: ...
    def active_graph(self) -> ir.Graph: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def terminate(self, wait: bool) -> None: ...
    def delete(self, name: str | None) -> None: ...
    def rollback(self, number: int | None) -> None: ...
    def releases(self) -> Sequence[Release]: ...
    def save_draft(self, graph: ir.Graph) -> None: ...
    def load_draft(self) -> ir.Graph: ...


class Control(Protocol):
    """What sends events to one running application, starts its executions and ends them."""

    def process(
        self, input: View | Mapping[str, Any], remote: bool, full_range: bool, only: str | None
    ) -> Processed: ...
    def plan(self, wanted: ExecutionRequest) -> Planned: ...
    def execute(self, wanted: ExecutionRequest) -> str | None: ...
    def poll(self, node: View, timeout: float | None) -> str | None: ...
    def kill(self, what: View | str) -> list[str]: ...
    def backfill_plan(self, wanted: BackfillRequest) -> Planned: ...
    def backfill(self, wanted: BackfillRequest) -> Backfilled: ...


class Monitoring(Protocol):
    """What tells of one active application. A route that does not exist is an UnknownNameError, None is all."""

    def routes(self) -> Sequence[Route]: ...
    def records(self, route: str | None) -> Sequence[ComputeRecord]: ...
    def pending(self, route: str | None) -> Sequence[PendingNode]: ...
    def explain(self, route: str, partition: Sequence[object]) -> Explanation: ...
    def stale(self, route: str | None) -> Sequence[StaleOutput]: ...
    def late(self) -> Sequence[LatePartition]: ...
    def logs(self, route: str, partition: Sequence[object]) -> Sequence[ComputeLog]: ...
    def update(self, route: str | None) -> None: ...


class Analysis(Protocol):
    """What reads data: partitions that exist, each when it is asked for; of several parts, of which there is
    at least one, the rows as one; and what prints them."""

    def load(
        self, view: View, values: Sequence[object] | None, wanted: Loading
    ) -> Iterator[LoadedPartition]: ...
    def merge(self, parts: Sequence[LoadedPartition]) -> Any: ...
    def show(self, data: Any, format: DataFrameFormat) -> None: ...


class Upstream(Protocol):
    """What is known of another application: its bucket, and what is active there, None when nothing is."""

    bucket: str

    def graph(self) -> ir.Graph | None: ...


class Platform(Protocol):
    """A place where applications live: this machine, or an account of AWS.

    The methods of `rheodsl.application.Application` call it, and nothing of it is known to them but this.
    """

    def active_graph(self, app: str) -> ir.Graph | None:
        """Return what was activated last under this name; None when nothing is active."""

    def bucket(self, app: str) -> str:
        """Return the bucket of the application of this name, whether or not it is active."""

    def monitoring(self, app: str) -> Monitoring:
        """Return what tells of the application of this name that is active."""

    def analysis(self, app: str) -> Analysis:
        """Return what reads data for the application of this name."""

    def control(self, app: str) -> Control:
        """Return what sends events to the application of this name, and starts its executions."""

    def lifecycle(self, app: str) -> Lifecycle:
        """Return what activates, changes and ends the application of this name."""

    def upstream(self, partner: ir.Partner) -> Upstream:
        """Return what is known here of another application; nothing is asked yet."""
