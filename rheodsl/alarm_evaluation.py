"""Datapoints of the last periods -> an alarm's state, as CloudWatch documents its evaluation."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from rheodsl import metric_math
from rheodsl.alarm_definitions import AlarmComparisonOperator as Op
from rheodsl.alarm_definitions import AlarmTreatMissingData as Missing
from rheodsl.alarm_definitions import MetricAlarm
from rheodsl.alarm_rules import AlarmState
from rheodsl.metrics import MetricStat

# CloudWatch looks further back than the evaluation periods; its documentation's examples, by two periods.
EXTRA: Final = 2
MINUTE, HOUR, DAY = 60, 3600, 86_400

_BREACHES: Final[dict[Op, Callable[[float, float], bool]]] = {
    Op.GreaterThanOrEqualToThreshold: operator.ge,
    Op.GreaterThanThreshold: operator.gt,
    Op.LessThanThreshold: operator.lt,
    Op.LessThanOrEqualToThreshold: operator.le,
}
_CALENDAR = re.compile(r"\b(MINUTE|HOUR|DAY|DATE|MONTH|YEAR|EPOCH)\s*\(")


class Readings(Protocol):
    """Where the values of metrics are."""

    def value(self, stat: MetricStat, start: int, end: int) -> float | None:
        """Return the statistic of what was sent from ``start`` until before ``end``, None without data."""


def decide(
    breaching: Sequence[bool | None], needed: int, periods: int, missing: Missing
) -> AlarmState | None:
    """Return the state of an alarm, None when it keeps the one that it has.

    Parameters
    ----------
    breaching
        For each period of the evaluation range, the oldest first, whether it breaches; None without data.
    needed, periods
        So many of so many periods have to breach (M of N).

    >>> decide([False, None, True, None, True], 3, 3, Missing.MISSING)
    <AlarmState.OK: 'OK'>
    """
    real = [(age, breach) for age, breach in enumerate(reversed(breaching), 1) if breach is not None]
    count = sum(breach for _, breach in real[:periods])
    if len(real) >= periods:
        return _by_count(count, needed)
    if missing is Missing.BREACHING:
        return _by_count(count + periods - len(real), needed)
    if missing is Missing.NOT_BREACHING or count >= needed or count < len(real):
        return _by_count(count, needed)
    # Too little is known, and all of it breaches. A point as old as the periods that have to breach is
    # no beginning that the next point could disprove: CloudWatch alarms, if missing is not to be ignored.
    if missing is Missing.IGNORE:
        return None
    old_enough = bool(real) and real[-1][0] >= needed
    return AlarmState.ALARM if old_enough else AlarmState.INSUFFICIENT_DATA


def _by_count(count: int, needed: int) -> AlarmState:
    return AlarmState.ALARM if count >= needed else AlarmState.OK


def breaches(alarm: MetricAlarm, value: float) -> bool:
    """Return whether a value breaches the alarm's threshold."""
    assert isinstance(alarm.threshold, float)
    return _BREACHES[alarm.comparison](value, alarm.threshold)


def datapoints(alarm: MetricAlarm, readings: Readings, at: int) -> list[float | None]:
    """Return the alarm's value in each period of its evaluation range, the oldest first.

    The last period ends at ``at``, in seconds since 1970: periods slide with the time of evaluation.
    """
    count = alarm.evaluation_periods + EXTRA
    starts = range(at - count * alarm.period, at, alarm.period)
    series = {
        query.id: {
            start: value
            for start in starts
            if (value := readings.value(query.stat, start, start + alarm.period)) is not None
        }
        for query in alarm.queries
    }
    if alarm.expression is None:
        (points,) = series.values()
    else:
        points = metric_math.parse(alarm.expression).evaluate(series, alarm.period, starts[0], at)
    return [points.get(start) for start in starts]


def is_local(alarm: MetricAlarm) -> bool:
    """Return whether an alarm can be evaluated without the model that CloudWatch trains for a band."""
    texts = (alarm.threshold, alarm.expression)
    return not any(isinstance(text, str) and "ANOMALY_DETECTION_BAND" in text for text in texts)


def step(alarm: MetricAlarm) -> int:
    """Return how many seconds lie between two evaluations of CloudWatch."""
    if alarm.period < MINUTE:
        return 10
    return HOUR if alarm.period * alarm.evaluation_periods > DAY else MINUTE


def next_evaluation(alarm: MetricAlarm, sent: Sequence[float], now: float) -> float | None:
    """Return when after ``now`` an evaluation may come to another state, if nothing more is sent.

    Parameters
    ----------
    sent
        When the alarm's metrics were sent, in seconds since 1970.
    """
    every = step(alarm)
    if alarm.expression is not None and _CALENDAR.search(alarm.expression):
        return now // every * every + every
    times = (
        (time + age * alarm.period) // every * every + every
        for time in sent
        for age in range(alarm.evaluation_periods + EXTRA + 1)
    )
    return min((time for time in times if time > now), default=None)


def reason(alarm: MetricAlarm, points: Sequence[float | None], state: AlarmState) -> str:
    """Return why an alarm is in a state, in CloudWatch's manner.

    The wording is for people; nothing reads it.
    """
    known = [value for value in points if value is not None][-alarm.evaluation_periods :]
    unknown = alarm.evaluation_periods - len(known)
    if state is AlarmState.INSUFFICIENT_DATA:
        return f"Insufficient Data: {unknown} datapoints were unknown."
    if not known:
        return f"Missing data: {unknown} datapoints were unknown and count as {alarm.missing}."
    count = sum(breaches(alarm, value) for value in known)
    shown = ", ".join(f"{value:g}" for value in known)
    return (
        f"Threshold Crossed: {count} of the last {len(known)} datapoints [{shown}] breach "
        f"{alarm.comparison} {alarm.threshold:g}, {alarm.datapoints} of {alarm.evaluation_periods} are needed."
    )
