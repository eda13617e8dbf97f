"""Readings of metrics -> an application's alarms, from state to state, as CloudWatch documents its evaluation."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from rheodsl import ir
from rheodsl.cloudwatch import metric_math
from rheodsl.cloudwatch.alarm_definitions import AlarmComparisonOperator as Op
from rheodsl.cloudwatch.alarm_definitions import AlarmTreatMissingData as Missing
from rheodsl.cloudwatch.alarm_definitions import MetricAlarm
from rheodsl.cloudwatch.alarm_rule import AlarmRule, AlarmState, evaluation_order
from rheodsl.cloudwatch.metrics import MetricStat

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


@dataclass(frozen=True, slots=True)
class Transition:
    """An alarm came from one state into another, at a time in seconds since 1970."""

    alarm: str
    before: AlarmState
    state: AlarmState
    at: float
    reason: str


@dataclass
class AlarmBoard:
    """The states of alarms: those on metrics, those over others, and those that somebody else evaluates.

    All begin as CloudWatch creates them, in INSUFFICIENT_DATA. An alarm that was set by hand keeps its
    state until it is `released`.
    """

    metric_alarms: Mapping[str, MetricAlarm]
    composites: Mapping[str, AlarmRule]
    external: Iterable[str] = ()
    states: dict[str, AlarmState] = field(init=False)
    _held: set[str] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        every = (*self.metric_alarms, *self.composites, *self.external)
        self.states = dict.fromkeys(every, AlarmState.INSUFFICIENT_DATA)
        self._order = [id for id in evaluation_order(self.composites) if id in self.composites]

    @classmethod
    def of(cls, graph: ir.Graph) -> AlarmBoard:
        """Return the board of an application, by the ids of its alarms."""
        sources = {s.id: s.source for s in graph.signals if isinstance(s.source, ir.AlarmSource)}
        metric_alarms = {
            id: source.definition
            for id, source in sources.items()
            if isinstance(source.definition, MetricAlarm)
        }
        composites = {id: source.rule for id, source in sources.items() if source.rule is not None}
        external = [id for id, source in sources.items() if source.external]
        return cls(metric_alarms, composites, external)

    def put(self, alarm: str, state: AlarmState, at: float) -> list[Transition]:
        """Set an alarm's state by hand; return its transition, if it is one, and those that follow."""
        self._held.add(alarm)
        first = self._change(alarm, state, at, "Set by hand.")
        return [*first, *self._follow(at)]

    def release(self, alarm: str) -> None:
        """Let a state that was set by hand be evaluated again."""
        self._held.discard(alarm)

    def evaluated(self) -> list[str]:
        """Return the alarms whose state follows from their metrics."""
        return [id for id, alarm in self.metric_alarms.items() if is_local(alarm) and id not in self._held]

    def evaluate(self, readings: Readings, at: int) -> list[Transition]:
        """Return the transitions that the metrics come to at a time, composites after their parts."""
        found: list[Transition] = []
        for id in self.evaluated():
            alarm = self.metric_alarms[id]
            points = datapoints(alarm, readings, at)
            state = decide(
                [None if value is None else breaches(alarm, value) for value in points],
                alarm.datapoints,
                alarm.evaluation_periods,
                alarm.missing,
            )
            if state is not None:
                found += self._change(id, state, at, reason(alarm, points, state))
        return [*found, *self._follow(at)]

    def _follow(self, at: float) -> list[Transition]:
        found: list[Transition] = []
        for id in self._order:
            if id in self._held:
                continue
            rule = self.composites[id]
            state = AlarmState.ALARM if rule.evaluate(self.states) else AlarmState.OK
            known = ", ".join(f"{child} {self.states[child]}" for child in rule.alarms())
            found += self._change(id, state, at, f"{rule}: {known}")
        return found

    def _change(self, alarm: str, state: AlarmState, at: float, why: str) -> list[Transition]:
        before = self.states[alarm]
        if before == state:
            return []
        self.states[alarm] = state
        return [Transition(alarm, before, state, at, why)]
