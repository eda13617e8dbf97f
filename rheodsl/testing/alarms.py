"""Metrics and alarms in virtual time: what the simulator holds of them, and the statistics that alarms read."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rheo_runtime import values as v
from rheo_runtime.metrics import checks_metric
from rheodsl import ir
from rheodsl.cloudwatch.alarm_definitions import (
    NO_ACTIONS,
    Action,
    AlarmError,
    TicketAction,
)
from rheodsl.cloudwatch.alarm_rule import AlarmRuleError, AlarmState
from rheodsl.cloudwatch.evaluation import EXTRA, AlarmBoard, Transition, next_evaluation
from rheodsl.cloudwatch.metrics import NODE, MetricNode, metric_namespace, node_metric
from rheodsl.errors import FilterError, UnknownNameError, did_you_mean
from rheodsl.ir import MetricKey, MetricStat
from rheodsl.signals import View


@dataclass(frozen=True)
class ActionTaken:
    """What an alarm's default action did; a ticket has a text that tells repeated ones."""

    alarm: str
    state: AlarmState
    action: Action
    at: datetime

    @property
    def dedupe(self) -> str:
        """The text by which a ticketing system knows a ticket that it has already."""
        own = self.action.dedupe_str if isinstance(self.action, TicketAction) else None
        return own or self.alarm


@dataclass
class MetricStore:
    """The values of metrics, with their times in seconds since 1970."""

    _sent: dict[MetricKey, list[tuple[float, float]]] = field(default_factory=dict)

    def add(self, key: MetricKey, time: float, value: float) -> None:
        """Keep a value."""
        bisect.insort(self._sent.setdefault(key, []), (time, value))

    def times(self, key: MetricKey, since: float) -> list[float]:
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


class SimulatedAlarms:
    """The metrics and alarms of one simulated application, in virtual time.

    ``actions`` are what default actions did, in order. What changes a state returns the events of it, as
    views of alarms, for the simulator to send.
    """

    def __init__(self, graph: ir.Graph) -> None:
        self.actions: list[ActionTaken] = []
        self._graph = graph
        self._board = AlarmBoard.of(graph)
        self._store = MetricStore()
        # What some alarm watches.
        self._read = {q.stat.key for alarm in self._board.metric_alarms.values() for q in alarm.queries}
        self._started = False

    @property
    def states(self) -> dict[str, AlarmState]:
        """The states of all alarms, by id."""
        return dict(self._board.states)

    def add(self, view: MetricNode, values: Iterable[float], moment: datetime) -> None:
        """Keep values of a metric; raises FilterError."""
        key = _key(view)
        for number in values:
            if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
                raise FilterError(f"{view!r}: {number!r} is no value of a metric", hint="a finite number")
            self._store.add(key, _aware(moment).timestamp(), float(number))
        for id, alarm in self._board.metric_alarms.items():
            if any(query.stat.key == key for query in alarm.queries):
                self._board.release(id)

    def put(self, id: str, state: AlarmState | str, now: datetime) -> list[View]:
        """Set a state by hand; raises UnknownNameError, AlarmRuleError."""
        if id not in self._board.states:
            known = ", ".join(self._board.states) or "none"
            raise UnknownNameError(
                f"{self._graph.app} has no alarm {id!r}",
                hint=did_you_mean(id, self._board.states, f"its alarms: {known}"),
            )
        if state not in AlarmState.__members__:
            raise AlarmRuleError(
                f"{state!r} is not an alarm state", hint=f"known are {', '.join(AlarmState)}"
            )
        return self._events(self._board.put(id, AlarmState(state), now.timestamp()), now)

    def next_evaluation(self, now: datetime, end: datetime) -> datetime | None:
        """Return when, until ``end``, the alarms may come to other states."""
        if not self._board.states:
            return None
        moment = now.timestamp()
        times = [] if self._started else [moment // 60 * 60 + 60]
        for id in self._board.evaluated():
            alarm = self._board.metric_alarms[id]
            since = moment - (alarm.evaluation_periods + EXTRA + 1) * alarm.period - 3600
            sent = [time for query in alarm.queries for time in self._store.times(query.stat.key, since)]
            found = next_evaluation(alarm, sent, moment)
            times += [] if found is None else [found]
        due = min(times, default=None)
        return None if due is None or due > end.timestamp() else datetime.fromtimestamp(due, UTC)

    def evaluate(self, now: datetime) -> list[View]:
        """Let all alarms look at their metrics."""
        self._started = True
        return self._events(self._board.evaluate(self._store, int(now.timestamp())), now)

    def ended(self, node: str, succeeded: bool, checked: str, now: datetime) -> None:
        """Send what a node's own metrics say of a run that ended, and of its checks."""
        app, names = self._graph.app, ["exec_succeeded" if succeeded else "exec_failed"]
        if checked:
            names.append(checks_metric(checked))
        for name in names:
            if (metric_namespace(app), name, ((NODE, node),)) in self._read:
                self.add(node_metric(app, node, name), [1], now)

    def _events(self, transitions: Iterable[Transition], now: datetime) -> list[View]:
        events: list[View] = []
        for transition in transitions:
            signal = self._graph.signal(transition.alarm)
            assert isinstance(signal.source, ir.AlarmSource)
            actions = getattr(signal.source.definition, "actions", NO_ACTIONS)
            self.actions += [
                ActionTaken(transition.alarm, transition.state, action, now)
                for action in actions.of(transition.state)
            ]
            events.append(View(signal)[str(transition.state)])
        return events


def dated(view: View, now: datetime) -> View:
    """Return an alarm's view that names a state alone as one of this minute; any other as it is."""
    if not isinstance(view.signal.source, ir.AlarmSource) or len(view.branches) != 1:
        return view
    state, time = view.branches[0]
    if state.value is None or time.value is not None or time.window is not None:
        return view
    moment = v.render(v.from_datetime(now, time.kind), time.kind)
    return View(view.signal)[str(state.value)][moment]


def _key(view: MetricNode) -> MetricKey:
    names = {branch[0].value for branch in view.branches}
    name = names.pop() if len(names) == 1 else None
    if name is None:
        raise FilterError(f"{view!r} names no single metric", hint=f'name it: {view.id}["Error"]')
    source = view.signal.source
    assert isinstance(source, ir.MetricSource)
    return source.namespace, str(name), source.definition


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
