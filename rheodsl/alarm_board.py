"""The alarms of an application, and readings of their metrics -> transitions from state to state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rheodsl import ir
from rheodsl.alarm_definitions import MetricAlarm
from rheodsl.alarm_evaluation import Readings, breaches, datapoints, decide, is_local, reason
from rheodsl.alarm_rules import AlarmRule, AlarmState, evaluation_order


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
