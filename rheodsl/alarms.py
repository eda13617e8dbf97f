"""An alarm -> the view that rules and nodes take."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from rheo_runtime.values import MINUTE, STRING, Kind, datetime_kind
from rheo_runtime.wire import Branch, Rule
from rheodsl import ir
from rheodsl.alarm_actions import AlarmError
from rheodsl.alarm_rules import AlarmRule, AlarmRuleError, AlarmState, RuleOperators, in_state
from rheodsl.errors import FilterError
from rheodsl.metrics import MetricNode
from rheodsl.views import SignalNode


class AlarmDimension(StrEnum):
    """The dimensions of every alarm, in their order."""

    STATE = "state"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class CWAlarm:
    """An alarm that exists: its name, in this account or in another.

    ``name`` is the id of the signal when left out.
    """

    account_id: str | None = None
    region: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        for value, form, what in (
            (self.account_id, r"\d{12}", "account"),
            (self.region, r"[a-z]{2}(-[a-z]+)+-\d", "region"),
            (self.name, r"[ -~]{1,255}", "name of an alarm"),
        ):
            if value is not None and (not isinstance(value, str) or not re.fullmatch(form, value)):
                raise AlarmError(
                    f"{value!r} is no {what}",
                    hint='CWAlarm(name="cpu high"), or CWAlarm("123456789012", "us-east-1")',
                )
        if (self.account_id is None) != (self.region is None):
            raise AlarmError("CWAlarm has an account or a region, but not both", hint="name both, or neither")


ALARM_DIMS: Final = tuple(map(str, AlarmDimension))
TIME_FORMAT: Final = "%Y-%m-%dT%H:%M"
_STATE, _TIME = Kind(STRING), datetime_kind(TIME_FORMAT, MINUTE)
# One branch for each state: the domain of every alarm.
ALARM_BRANCHES: Final[tuple[Branch, ...]] = tuple(
    (Rule(_STATE, str(state)), Rule(_TIME)) for state in AlarmState
)


def alarm_name(app: str, id: str) -> str:
    """Return the name that an application's alarm has in CloudWatch.

    >>> alarm_name("shop", "too_many_errors")
    'shop.too_many_errors'
    """
    return f"{app}.{id}"


class AlarmNode(RuleOperators, SignalNode):
    """An alarm: an operand of rules, and an input that fires on transitions into the state it is indexed by.

    Bare it means, in a rule, "is in ALARM".
    """

    __slots__ = ()

    def __getitem__(self, index: Any) -> AlarmNode:
        if self._depth % len(ALARM_DIMS) == 0 and index != "*":
            if not isinstance(index, str) or index not in AlarmState.__members__:
                near = difflib.get_close_matches(str(index).upper(), AlarmState.__members__, 1)
                known = ", ".join(AlarmState)
                raise FilterError(
                    f"{self.id} has no state {index!r}",
                    hint=f"did you mean {near[0]!r}?" if near else f"its states: {known}; '*' for any",
                )
            index = str(index)
        return super().__getitem__(index)

    def __rheo_rule__(self) -> AlarmRule:
        """Return "this alarm is in this state"."""
        if any(rule.value is not None or rule.window is not None for _, rule in self._branches):
            raise AlarmRuleError(
                f"{self!r} names a time, and a rule is about states alone", hint=f'write {self.id}["ALARM"]'
            )
        if self._depth == 0:
            return in_state(self.id)
        states = [rule.value for rule, _ in self._branches]
        if len(states) > 1:
            raise AlarmRuleError(
                f'{self.id}["*"] holds in every state, so it is no condition',
                hint=f'name a state: {self.id}["ALARM"], or {self.id} alone for the same',
            )
        return in_state(self.id, str(states[0]))


class CompositeAlarmNode(AlarmNode):
    """An alarm over the states of others."""

    __slots__ = ()

    @property
    def rule(self) -> AlarmRule:
        """Its rule; `AlarmRule.render` spells it for CloudWatch, `AlarmRule.evaluate` asks for its value."""
        source = self._signal.source
        assert isinstance(source, ir.AlarmSource) and source.rule is not None
        return source.rule


def facade(signal: ir.Signal) -> SignalNode:
    """Return a signal as the node that its declaration returned."""
    match signal.source:
        case ir.AlarmSource(rule=None):
            return AlarmNode(signal)
        case ir.AlarmSource():
            return CompositeAlarmNode(signal)
        case ir.MetricSource():
            return MetricNode(signal)
    return SignalNode(signal)
