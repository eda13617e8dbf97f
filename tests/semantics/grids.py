"""Grids of values by enumeration: every partition that a dimension has within some weeks, in order.

Obviously right: days are counted by the calendar and filtered, hours of a zone are what its clock has
shown. A window is a slice of the list, the members of a coarser value are those of the list that lie in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Grid:
    """``values`` are all the values, in order; ``few`` those that events name.

    ``coarser`` gives for each name of a rollup the label of the coarser value in which one lies.
    """

    name: str
    template: str
    attributes: dict[str, Any]
    values: tuple[Any, ...]
    few: tuple[Any, ...]
    spell: Callable[[Any], str]
    length: timedelta | None = None
    coarser: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    zone: str = "UTC"

    def __repr__(self) -> str:
        return self.name

    def near(self, value: Any, by: int) -> Any:
        """The value so many steps away."""
        return self.values[self.values.index(value) + by]

    def members(self, to: str, coarse: Any) -> list[Any]:
        """The values that lie in a coarser one, in order."""
        return [value for value in self.values if self.coarser[to](value) == coarse]

    def coarse_values(self, to: str) -> list[Any]:
        """The coarser values, in order."""
        return sorted({self.coarser[to](value) for value in self.values})

    def span(self, value: Any) -> tuple[datetime, datetime]:
        """When a value's own time begins and ends, in UTC."""
        assert self.length is not None
        local = datetime(value.year, value.month, value.day) if not isinstance(value, datetime) else value
        return self._instant(local), self._instant(local + self.length)

    def coarse_span(self, to: str, coarse: str) -> tuple[datetime, datetime]:
        """When the time of a coarser value begins and ends, in UTC, whatever members it has."""
        if to == "hour":
            begin, length = datetime.strptime(coarse, "%Y-%m-%d-%H"), timedelta(hours=1)
        elif to == "day":
            begin, length = datetime.fromisoformat(coarse), timedelta(days=1)
        else:
            begin, length = datetime.strptime(f"{coarse}-1", "%G-W%V-%u"), timedelta(days=7)
        return self._instant(begin), self._instant(begin + length)

    def _instant(self, local: datetime) -> datetime:
        return local.replace(tzinfo=ZoneInfo(self.zone)).astimezone(UTC)


def _days(first: date, count: int) -> list[date]:
    return [first + timedelta(days=n) for n in range(count)]


def _labels(zone: str, first: datetime, count: int) -> tuple[datetime, ...]:
    """The hours that a zone's clock shows from an instant on, each once."""
    shown = [
        (first + timedelta(hours=n)).astimezone(ZoneInfo(zone)).replace(tzinfo=None) for n in range(count)
    ]
    return tuple(sorted(set(shown)))


def _week(day: date) -> str:
    return day.strftime("%G-W%V")


def _month(day: date) -> str:
    return day.strftime("%Y-%m")


HOLIDAYS = ("2024-02-28", "2024-03-04")
_ALL = _days(date(2023, 10, 1), 400)
_TRADING = tuple(d for d in _ALL if d.weekday() < 5 and str(d) not in HOLIDAYS)
_SLOTS = tuple(datetime(2024, 2, 28) + timedelta(minutes=15 * n) for n in range(1600))
_FORTH = _labels("America/Los_Angeles", datetime(2024, 3, 8, tzinfo=UTC), 400)
_BACK = _labels("America/Los_Angeles", datetime(2024, 11, 1, tzinfo=UTC), 400)


def _iso(value: Any) -> str:
    return str(value.strftime("%Y-%m-%d"))


def _hour(value: Any) -> str:
    return str(value.strftime("%Y-%m-%d-%H"))


def _day_of(value: Any) -> str:
    return str(value.strftime("%Y-%m-%d"))


GRIDS = {
    grid.name: grid
    for grid in (
        Grid("days", ":%Y-%m-%d", {}, tuple(_ALL), tuple(_days(date(2024, 2, 28), 4)), _iso,
             timedelta(days=1), {"week": _week, "month": _month}),
        Grid("days over levels", "levels", {}, tuple(_ALL), tuple(_days(date(2024, 2, 28), 4)),
             lambda d: str(d.strftime("year=%Y/month=%m/day=%d")), timedelta(days=1), {"week": _week}),
        Grid("trading days", ":%Y-%m-%d", {"calendar": ("MON-FRI", HOLIDAYS)}, _TRADING,
             tuple(d for d in _TRADING if date(2024, 2, 26) <= d <= date(2024, 3, 8)), _iso,
             timedelta(days=1), {"week": _week}),
        Grid("weeks", ":%G-W%V", {}, tuple(d for d in _ALL if d.weekday() == 0),
             (date(2023, 12, 18), date(2023, 12, 25), date(2024, 1, 1), date(2024, 1, 8)), _week,
             timedelta(days=7)),
        Grid("quarters", ":%Y-Q%q", {},
             tuple(date(2020 + n // 4, n % 4 * 3 + 1, 1) for n in range(24)),
             tuple(date(2023 + n // 4, n % 4 * 3 + 1, 1) for n in range(2, 6)),
             lambda d: f"{d.year}-Q{(d.month + 2) // 3}"),
        Grid("quarter hours", ":%Y-%m-%dT%H%M", {"granularity": "MINUTE", "step": 15}, _SLOTS,
             _SLOTS[188:196], lambda d: str(d.strftime("%Y-%m-%dT%H%M")), timedelta(minutes=15),
             {"hour": _hour}),
        Grid("tens", ":int", {"step": 10}, tuple(range(-500, 500, 10)), (0, 10, 20, 30), str),
        Grid("hours when the clock goes forth", ":%Y-%m-%d-%H", {"timezone": "America/Los_Angeles"}, _FORTH,
             tuple(h for h in _FORTH if datetime(2024, 3, 10) <= h <= datetime(2024, 3, 10, 5)), _hour,
             None, {"day": _day_of}, "America/Los_Angeles"),
        Grid("hours when the clock goes back", ":%Y-%m-%d-%H", {"timezone": "America/Los_Angeles"}, _BACK,
             tuple(h for h in _BACK if datetime(2024, 11, 3) <= h <= datetime(2024, 11, 3, 4)), _hour,
             None, {"day": _day_of}, "America/Los_Angeles"),
    )
}  # fmt: skip
