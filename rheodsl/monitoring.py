"""``app.get_active_routes()`` -> records: what runs, ran and waits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Protocol

from rheodsl.executions import (
    ComputeLog,
    ComputeRecord,
    ComputeState,
    Explanation,
    PendingNode,
    Route,
    RouteRecord,
)
from rheodsl.platform import OnPlatform
from rheodsl.views import View

# A node by its id, by a reference to it, or by its entry in the routing table.
RouteLike = str | View | Route
States = ComputeState | str | Iterable[ComputeState | str]


class Monitoring(Protocol):
    """What a platform tells of one active application. A route that does not exist is an UnknownNameError."""

    def routes(self) -> Sequence[Route]:
        """Return the active routes, by id."""

    def records(self, route: str | None) -> Sequence[ComputeRecord]:
        """Return the executions of a route, or of all: the active ones, and those that are remembered."""

    def pending(self, route: str | None) -> Sequence[PendingNode]:
        """Return what waits for one route, or for any."""

    def explain(self, route: str, partition: Sequence[object]) -> Explanation:
        """Return the account of one output partition, given by its values or texts."""

    def logs(self, route: str, partition: Sequence[object]) -> Sequence[ComputeLog]:
        """Return what the latest run of one output partition wrote, in the order of its tasks."""

    def update(self, route: str | None) -> None:
        """Compare the ledger with Airflow, for one route or for all, and correct it."""


class MonitoringMethods(OnPlatform):
    """The part of an application that watches executions. Raises StateError without a platform."""

    def _monitoring(self) -> Monitoring:
        return self._at().monitoring(self.name)

    def get_routing_table(self) -> Sequence[Route]:
        """Return all active routes: an entry for each node."""
        return self._monitoring().routes()

    def get_active_routes(self) -> list[RouteRecord]:
        """Return the routes at which something runs or waits, with that."""
        watched = self._monitoring()
        records, pending = watched.records(None), watched.pending(None)
        found = [_record(route, records, pending) for route in watched.routes()]
        return [each for each in found if each.active_compute_records or each.pending_nodes]

    def get_active_route(self, route: RouteLike) -> RouteRecord:
        """Return what runs and waits at one route. Raises UnknownNameError."""
        watched, id = self._monitoring(), _id(route)
        records, pending = watched.records(id), watched.pending(id)
        return _record(next(r for r in watched.routes() if r.id == id), records, pending)

    def update_active_routes_status(self) -> None:
        """Correct the records of all routes by what Airflow says of their runs.

        An execution whose run was failed or deleted by hand would otherwise stay active for hours, until
        the listener's own check finds it.
        """
        self._monitoring().update(None)

    def update_active_route_status(self, route: RouteLike) -> None:
        """Correct the records of one route, as `update_active_routes_status`. Raises UnknownNameError."""
        self._monitoring().update(_id(route))

    def get_active_compute_records(
        self,
        route: RouteLike | None = None,
        ascending: bool = True,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        state: States | None = None,
        limit: int | None = None,
    ) -> Iterator[ComputeRecord]:
        """Yield the executions that run, or are about to.

        Parameters
        ----------
        route
            The node; all nodes when left out.
        ascending
            Oldest first, by the time at which they were fired; or latest first.
        since, until
            Only what was fired from the one time on, and before the other; UTC without a timezone.
        state
            One state, or several.
        limit
            How many at most.

        Raises UnknownNameError for a node that is not active, ValueError for no state.
        """
        found = [r for r in self._records(route) if r.state.active]
        return iter(_chosen(found, ascending, since, until, state, limit))

    def get_inactive_compute_records(
        self,
        route: RouteLike | None = None,
        ascending: bool = True,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        state: States | None = None,
        limit: int | None = None,
    ) -> Iterator[ComputeRecord]:
        """Yield the executions that are over: of each partition, the last ten are remembered.

        Parameters are those of `get_active_compute_records`.
        """
        found = [r for r in self._records(route) if not r.state.active]
        return iter(_chosen(found, ascending, since, until, state, limit))

    def _records(self, route: RouteLike | None) -> Sequence[ComputeRecord]:
        return self._monitoring().records(None if route is None else _id(route))

    def get_pending_nodes(self, route: RouteLike | None = None) -> list[PendingNode]:
        """Return what waits, what it waits for, and since when, for one node or for all."""
        return list(self._monitoring().pending(None if route is None else _id(route)))

    def explain(self, route: RouteLike, *partition: object) -> Explanation:
        """Return why a partition of a node ran, did not run, or waits, with the events behind it.

        ``app.explain(daily[1]["2020-03-18"])``, or ``app.explain("daily", 1, "2020-03-18")``. Raises
        UnknownNameError, FilterError, ValueCastError.
        """
        return self._monitoring().explain(_id(route), _partition(route, partition))

    def get_compute_logs(self, route: RouteLike, *partition: object) -> list[ComputeLog]:
        """Return what the tasks of a partition's latest run wrote, and the jobs that they started.

        The partition is given as for `explain`. Empty when nothing has run.
        """
        return list(self._monitoring().logs(_id(route), _partition(route, partition)))


def _id(route: RouteLike) -> str:
    return route if isinstance(route, str) else route.id


def _partition(route: RouteLike, partition: tuple[object, ...]) -> tuple[object, ...]:
    return route.texts() if isinstance(route, View) and not partition else partition


def _record(route: Route, records: Iterable[ComputeRecord], pending: Iterable[PendingNode]) -> RouteRecord:
    active = [r for r in records if r.route_id == route.id and r.state.active]
    waiting = tuple(p for p in pending if p.route_id == route.id)
    return RouteRecord(route, tuple(sorted(active, key=_fired)), waiting)


def _fired(record: ComputeRecord) -> tuple[datetime, str]:
    return record.fired, record.execution_id


def _chosen(
    records: Iterable[ComputeRecord],
    ascending: bool,
    since: datetime | None,
    until: datetime | None,
    state: States | None,
    limit: int | None,
) -> list[ComputeRecord]:
    states = set(ComputeState) if state is None else _states(state)
    first, last = _utc(since), _utc(until)
    found = [
        r
        for r in sorted(records, key=_fired, reverse=not ascending)
        if r.state in states and (first is None or r.fired >= first) and (last is None or r.fired < last)
    ]
    return found[:limit]


def _states(state: States) -> set[ComputeState]:
    return {ComputeState(s) for s in ([state] if isinstance(state, str) else state)}


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
