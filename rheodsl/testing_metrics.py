"""Values sent in virtual time -> the statistics that alarms read."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field

from rheodsl.alarm_actions import AlarmError
from rheodsl.metrics import Key, MetricStat


@dataclass
class MetricStore:
    """The values of metrics, with their times in seconds since 1970."""

    _sent: dict[Key, list[tuple[float, float]]] = field(default_factory=dict)

    def add(self, key: Key, time: float, value: float) -> None:
        """Keep a value."""
        bisect.insort(self._sent.setdefault(key, []), (time, value))

    def times(self, key: Key, since: float) -> list[float]:
        """Return when values of a metric were sent, from ``since`` on, each time once."""
        sent = self._sent.get(key, [])
        return list(dict.fromkeys(time for time, _ in sent[bisect.bisect_left(sent, (since,)) :]))

    def value(self, stat: MetricStat, start: int, end: int) -> float | None:
        """Return a statistic of the values from ``start`` until before ``end``, None when there are none."""
        sent = self._sent.get(stat.key, [])
        part = sent[bisect.bisect_left(sent, (start,)) : bisect.bisect_left(sent, (end,))]
        return statistic(stat.statistic, sorted(value for _, value in part)) if part else None


def statistic(name: str, values: list[float]) -> float:
    """Return a statistic of sorted values; a percentile is the first value that so many percent do not exceed.

    >>> [statistic(name, [1.0, 2.0, 9.0]) for name in ("Sum", "Average", "SampleCount", "p50")]
    [12.0, 4.0, 3.0, 2.0]
    """
    match name:
        case "Sum":
            return sum(values)
        case "Average":
            return sum(values) / len(values)
        case "SampleCount":
            return float(len(values))
        case "Minimum":
            return values[0]
        case "Maximum":
            return values[-1]
    if name.startswith("p"):
        place = -(-float(name[1:]) * len(values) // 100)
        return values[max(0, int(place) - 1)]
    raise AlarmError(f"{name} cannot be computed here", hint="CloudWatch computes it; test with a percentile")
