"""Metrics and alarms in the simulator: the part of `Simulator` that holds their virtual state."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rheo_runtime import values as v
from rheodsl import ir
from rheodsl.alarm_actions import NO_ACTIONS, Action, TicketAction
from rheodsl.alarm_board import AlarmBoard, Transition
from rheodsl.alarm_evaluation import EXTRA, next_evaluation
from rheodsl.alarm_rules import AlarmRuleError, AlarmState
from rheodsl.errors import FilterError, UnknownNameError
from rheodsl.metrics import NODE, Key, MetricNode, metric_namespace
from rheodsl.platform_metrics import node_metric
from rheodsl.testing_metrics import MetricStore
from rheodsl.views import View

if TYPE_CHECKING:
    from rheodsl.application import Application
    from rheodsl.testing import Run


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
class _State:
    """The alarms of one simulation."""

    board: AlarmBoard
    store: MetricStore = field(default_factory=MetricStore)
    read: set[Key] = field(init=False)  # what some alarm watches
    started: bool = False

    def __post_init__(self) -> None:
        self.read = {q.stat.key for alarm in self.board.metric_alarms.values() for q in alarm.queries}


class AlarmInputs:
    """Metrics and alarms of a simulated application; `Simulator` is one."""

    app: Application
    graph: ir.Graph
    now: datetime
    actions: list[ActionTaken]
    _alarms: _State

    def send(self, event: Any, *, event_id: str | None = None) -> list[Run]:
        raise NotImplementedError

    def _begin_alarms(self) -> None:
        self.actions = []
        self._alarms = _State(AlarmBoard.of(self.graph))

    @property
    def alarms(self) -> dict[str, AlarmState]:
        """The states of all alarms, by id; at first INSUFFICIENT_DATA."""
        return dict(self._alarms.board.states)

    def metric(
        self,
        metric: MetricNode | str,
        value: float | Iterable[float] = 1,
        *,
        at: datetime | None = None,
    ) -> None:
        """Send a value of a metric, or several, at the virtual time or ``at``.

        Alarms see it when the minute is over: `advance` evaluates them. ``metric`` is a view that names
        one metric, ``errors["Error"]``, or a name as `Application.metric` takes it.
        """
        view = self.app.metric(metric) if isinstance(metric, str) else metric
        if not isinstance(view, MetricNode):
            raise FilterError(f"{view!r} is no metric", hint="send(view) sends any other signal")
        key = _key(view)
        moment = (self.now if at is None else _aware(at)).timestamp()
        values = [value] if isinstance(value, int | float) else list(value)
        for number in values:
            if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
                raise FilterError(f"{view!r}: {number!r} is no value of a metric", hint="a finite number")
            self._alarms.store.add(key, moment, float(number))
        self._release(key)

    def _release(self, key: Key) -> None:
        board = self._alarms.board
        for id, alarm in board.metric_alarms.items():
            if any(query.stat.key == key for query in alarm.queries):
                board.release(id)

    def alarm(self, alarm: View | str, state: AlarmState | str) -> list[Run]:
        """Set an alarm's state by hand; return the runs that its transition starts, and its composites'.

        Nothing happens when it is in this state already. It keeps the state until a value of one of its
        metrics is sent.
        """
        id = alarm if isinstance(alarm, str) else alarm.id
        board = self._alarms.board
        if id not in board.states:
            near = difflib.get_close_matches(id, board.states, 1)
            known = ", ".join(board.states) or "none"
            raise UnknownNameError(
                f"{self.app.name} has no alarm {id!r}",
                hint=f"did you mean {near[0]!r}?" if near else f"its alarms: {known}",
            )
        if state not in AlarmState.__members__:
            raise AlarmRuleError(
                f"{state!r} is not an alarm state", hint=f"known are {', '.join(AlarmState)}"
            )
        return self._announce(board.put(id, AlarmState(state), self.now.timestamp()))

    def _announce(self, transitions: Iterable[Transition]) -> list[Run]:
        runs: list[Run] = []
        for transition in transitions:
            signal = self.graph.signal(transition.alarm)
            assert isinstance(signal.source, ir.AlarmSource)
            actions = getattr(signal.source.definition, "actions", NO_ACTIONS)
            self.actions += [
                ActionTaken(transition.alarm, transition.state, action, self.now)
                for action in actions.of(transition.state)
            ]
            runs += self.send(View(signal)[str(transition.state)])
        return runs

    def _dated(self, view: View) -> View:
        """An alarm's view that names a state alone is of this minute."""
        if not isinstance(view.signal.source, ir.AlarmSource) or len(view.branches) != 1:
            return view
        state, time = view.branches[0]
        if state.value is None or time.value is not None or time.window is not None:
            return view
        moment = v.render(v.from_datetime(self.now, time.kind), time.kind)
        return View(view.signal)[str(state.value)][moment]

    # --- virtual time ---

    def _next_evaluation(self, end: datetime) -> datetime | None:
        """When, until ``end``, the alarms may come to other states."""
        state, now = self._alarms, self.now.timestamp()
        if not state.board.states:
            return None
        times = [] if state.started else [now // 60 * 60 + 60]
        for id in state.board.evaluated():
            alarm = state.board.metric_alarms[id]
            since = now - (alarm.evaluation_periods + EXTRA + 1) * alarm.period - 3600
            sent = [time for query in alarm.queries for time in state.store.times(query.stat.key, since)]
            found = next_evaluation(alarm, sent, now)
            times += [] if found is None else [found]
        due = min(times, default=None)
        return None if due is None or due > end.timestamp() else datetime.fromtimestamp(due, UTC)

    def _evaluate(self) -> list[Run]:
        state = self._alarms
        state.started = True
        return self._announce(state.board.evaluate(state.store, int(self.now.timestamp())))

    def _ended(self, run: Run) -> None:
        """Send what a node's own metrics say of a run that ended."""
        name = "exec_succeeded" if run.state == "SUCCEEDED" else "exec_failed"
        if (metric_namespace(self.app.name), name, ((NODE, run.node),)) in self._alarms.read:
            self.metric(node_metric(self.app.name, run.node, name))


def _key(view: MetricNode) -> Key:
    names = {branch[0].value for branch in view.branches}
    name = names.pop() if len(names) == 1 else None
    if name is None:
        raise FilterError(f"{view!r} names no single metric", hint=f'name it: {view.id}["Error"]')
    source = view.signal.source
    assert isinstance(source, ir.MetricSource)
    return source.namespace, str(name), source.definition


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
