"""``app.get_active_routes()`` -> records: what runs, ran and waits."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from rheodsl.reports import (
    ComputeRecord,
    ComputeState,
    PendingNode,
    Route,
    RouteRecord,
)
from rheodsl.signals import View

# A node by its id, by a reference to it, or by its entry in the routing table.
RouteLike = str | View | Route
States = ComputeState | str | Iterable[ComputeState | str]


def route_id(route: RouteLike) -> str:
    """Return the id of a route."""
    return route if isinstance(route, str) else route.id


def partition_of(route: RouteLike, partition: tuple[object, ...]) -> tuple[object, ...]:
    """Return the values of a partition: those given, or those of the view of one."""
    return route.texts() if isinstance(route, View) and not partition else partition


def record_of(route: Route, records: Iterable[ComputeRecord], pending: Iterable[PendingNode]) -> RouteRecord:
    """Return what runs and waits at a route."""
    active = [r for r in records if r.route_id == route.id and r.state.active]
    waiting = tuple(p for p in pending if p.route_id == route.id)
    return RouteRecord(route, tuple(sorted(active, key=_fired)), waiting)


def _fired(record: ComputeRecord) -> tuple[datetime, str]:
    return record.fired, record.execution_id


def chosen(
    records: Iterable[ComputeRecord],
    ascending: bool,
    since: datetime | None,
    until: datetime | None,
    state: States | None,
    limit: int | None,
) -> list[ComputeRecord]:
    """Return the records that are asked for, in order; parameters are those of `Application.get_active_compute_records`."""
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
