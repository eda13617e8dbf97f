"""``view.late(after=...)`` -> the signal of what has not come: which view, and when it should have been there."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from rheo_runtime.values import DATETIME, HOUR, MINUTE, BadValue, zone_name
from rheo_runtime.wire import Branch, Rollup
from rheodsl import ir
from rheodsl.errors import SpecError, here


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a partition should have been there, as a user writes it: see `View.late`."""

    after: timedelta | None = None
    by: str | None = None
    days: int = 1
    timezone: str | None = None
    since: datetime | None = None


def late_signal(
    signal: ir.Signal,
    branches: tuple[Branch, ...],
    mode: str,
    name: str,
    deadline: Deadline,
    rollup: Rollup | None = None,
) -> ir.Signal:
    """Return the signal of what is late of a view; raises SpecError for what can never be late."""
    if isinstance(signal.source, ir.LateSource):
        raise SpecError(
            f"{signal.id} tells what is late already", hint="make it an input, or call late on the data"
        )
    if isinstance(signal.source, ir.ChecksSource):
        raise SpecError(
            f"{signal.id} has no data that could be late", hint=f"call late on {signal.source.of} itself"
        )
    if isinstance(signal.source, ir.TimerSource):
        raise SpecError(
            f"{signal.id} is a timer, which comes when its time has come",
            hint="make the timer an input, or call late on the data that is awaited",
        )
    dims = signal.dims if rollup is None else rollup.coarse
    date = _date(signal, dims, branches)
    seconds, minutes = _time(signal, branches[0][date].kind.granularity, deadline)
    zone = _zone(signal, deadline.timezone)
    source = ir.LateSource(
        of=signal.id,
        branches=branches,
        mode=mode if mode == "range_check" else "",
        after=seconds,
        by=minutes,
        days=deadline.days,
        timezone=zone,
        since=_since(signal, deadline.since, branches[0][date].kind.timezone),
        rollup=rollup,
    )
    domain = tuple(tuple(replace(rule, window=None) for rule in branch) for branch in branches)
    return ir.Signal(id=name, dims=dims, branches=domain, source=source, where=here())


def _date(signal: ir.Signal, dims: tuple[str, ...], branches: tuple[Branch, ...]) -> int:
    """The position of the one date; all else must have values."""
    open_ = [i for i, rule in enumerate(branches[0]) if rule.value is None] if branches else []
    dates = [i for i in open_ if branches[0][i].kind.type == DATETIME]
    if not dates:
        raise SpecError(
            f"{signal.id} has no date that goes on, so nothing of it is ever late",
            hint="late is for data of days, hours, months, which end",
        )
    for branch in branches:
        for i, rule in enumerate(branch):
            if i != dates[-1] and rule.value is None:
                raise SpecError(
                    f"{signal.id}: which values of {dims[i]} are awaited?",
                    hint=f"name one, {signal.id}[value], or list them in the signal's dimension_filter",
                )
    return dates[-1]


def _time(signal: ir.Signal, granularity: str | None, deadline: Deadline) -> tuple[int | None, int | None]:
    after, by, days = deadline.after, deadline.by, deadline.days
    if (after is None) == (by is None):
        raise SpecError(
            f"{signal.id}: late needs {'one' if after is None else 'only one'} of after and by",
            hint='late(after=timedelta(hours=6)), or late(by="07:00", days=1)',
        )
    if after is not None:
        if not isinstance(after, timedelta) or after < timedelta(0):
            raise SpecError(
                f"{signal.id}: late after {after!r}", hint="a timedelta after the partition's own end"
            )
        return int(after.total_seconds()), None
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", by) if isinstance(by, str) else None
    if found is None:
        raise SpecError(f"{signal.id}: late by {by!r}", hint='a time of the day, such as "07:00"')
    fewest = 0 if granularity in (HOUR, MINUTE) else 1
    if isinstance(days, bool) or not isinstance(days, int) or days < fewest:
        raise SpecError(
            f"{signal.id}: late {days!r} days after the partition's last day",
            hint=f"a whole number from {fewest}: nothing is late before it is over",
        )
    return None, int(found[1]) * 60 + int(found[2])


def _zone(signal: ir.Signal, timezone: str | None) -> str | None:
    try:
        return zone_name(timezone)
    except BadValue as fault:
        raise SpecError(f"{signal.id}: {fault}", hint='a name such as "America/New_York"') from None


def _since(signal: ir.Signal, since: datetime | None, zone: str | None) -> int | None:
    if since is None:
        return None
    if not isinstance(since, datetime):
        raise SpecError(f"{signal.id}: late since {since!r}", hint="a datetime")
    if since.tzinfo is None:
        since = since.replace(tzinfo=ZoneInfo(zone) if zone else UTC)
    return int(since.timestamp())
