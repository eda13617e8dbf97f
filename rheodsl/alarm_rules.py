"""Alarms joined by ``&``, ``|`` and ``~`` -> a composite alarm's rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from typing import Final, NoReturn, Protocol, TypeAlias, runtime_checkable

from rheodsl.alarm_rule_nodes import (
    FALSE_NODE,
    TRUE_NODE,
    AlarmRuleError,
    AlarmState,
    AtLeast,
    InState,
    Node,
    all_of,
    any_of,
    depth,
    elements,
    holds,
    negation,
    references,
)
from rheodsl.alarm_rule_simplify import simplify
from rheodsl.alarm_rule_text import DEEPEST, LONGEST, parse_node, render, threshold_fault
from rheodsl.errors import TruthError

__all__ = [
    "FALSE",
    "TRUE",
    "AlarmRule",
    "AlarmRuleError",
    "AlarmState",
    "RuleLike",
    "RuleOperators",
    "as_rule",
    "at_least",
    "evaluation_order",
    "in_state",
]

MOST_ALARMS: Final = 100
MOST_ELEMENTS: Final = 500


@runtime_checkable
class RuleLike(Protocol):
    """Anything that stands for a rule: an alarm, a filtered view of it, a composite, a rule."""

    def __rheo_rule__(self) -> AlarmRule:
        """Return the rule; a bare alarm means state ALARM."""
        ...


class RuleOperators:
    """``&``, ``|`` and ``~`` for every class with ``__rheo_rule__``."""

    __slots__ = ()

    def __rheo_rule__(self) -> AlarmRule:
        """Return the rule that the object stands for."""
        raise NotImplementedError

    def __and__(self, other: RuleLike) -> AlarmRule:
        return AlarmRule(all_of(self.__rheo_rule__().node, as_rule(other).node))

    def __or__(self, other: RuleLike) -> AlarmRule:
        return AlarmRule(any_of(self.__rheo_rule__().node, as_rule(other).node))

    def __rand__(self, other: RuleLike) -> AlarmRule:
        return as_rule(other) & self

    def __ror__(self, other: RuleLike) -> AlarmRule:
        return as_rule(other) | self

    def __invert__(self) -> AlarmRule:
        return AlarmRule(negation(self.__rheo_rule__().node))

    def __bool__(self) -> NoReturn:
        raise TruthError(
            "an alarm has no truth value while it is declared",
            hint="use & | ~ in place of and, or, not; to ask for its value use rule.evaluate({...})",
        )


@dataclass(frozen=True, slots=True, init=False)
class AlarmRule(RuleOperators):
    """A Boolean expression over "alarm x is in state S".

    >>> a, b = in_state("a", "OK"), in_state("b", "OK")
    >>> (~(a | b)).render()
    'NOT (OK(a) OR OK(b))'
    """

    node: Node

    def __init__(self, node: Node) -> None:
        if depth(node) > DEEPEST:
            raise AlarmRuleError(
                f"more than {DEEPEST} operators stand inside one another",
                hint="split the rule into several composite alarms",
            )
        object.__setattr__(self, "node", node)

    def __rheo_rule__(self) -> AlarmRule:
        """Return the rule itself."""
        return self

    @staticmethod
    def parse(text: str) -> AlarmRule:
        """Read CloudWatch's rule text; NOT binds tightest, then AND, then OR.

        Raises AlarmRuleError that points at the column.

        >>> AlarmRule.parse('ALARM("cpu high") AND NOT ALARM(deploying)').alarms()
        ('cpu high', 'deploying')
        """
        return AlarmRule(parse_node(text))

    def render(self, names: Mapping[str, str] | None = None) -> str:
        """Spell the rule for CloudWatch, with no parentheses but those it needs.

        Parameters
        ----------
        names
            The CloudWatch name or ARN of each alarm id; the ids themselves when left out.

        Raises AlarmRuleError when a name is missing, or the rule exceeds CloudWatch's limits: 100 alarms,
        500 elements (alarms, constants, pairs of parentheses), 10240 characters.

        >>> AlarmRule.parse("ALARM(a)").render({"a": "app cpu"})
        'ALARM("app cpu")'
        """

        def name(alarm_id: str) -> str:
            if names is None:
                return alarm_id
            if alarm_id not in names:
                raise AlarmRuleError(f"alarm {alarm_id!r} has no name", hint=_known(alarm_id, names))
            return names[alarm_id]

        text = render(self.node, name)
        alarms, size = len(self.alarms()), elements(self.node)
        for count, most, unit in (
            (alarms, MOST_ALARMS, "alarms"),
            (size, MOST_ELEMENTS, "elements"),
            (len(text), LONGEST, "characters"),
        ):
            if count > most:
                raise AlarmRuleError(
                    f"the rule has {count} {unit}, CloudWatch takes {most}",
                    hint="split it into several composite alarms",
                )
        return text

    def evaluate(self, states: Mapping[str, AlarmState | str]) -> bool:
        """Return whether the rule holds when the alarms are in these states.

        Raises AlarmRuleError when an alarm of the rule has no state, or an unknown one.

        >>> AlarmRule.parse("NOT OK(a)").evaluate({"a": AlarmState.INSUFFICIENT_DATA})
        True
        """
        known: dict[str, AlarmState] = {}
        for alarm_id in self.alarms():
            if alarm_id not in states:
                raise AlarmRuleError(f"alarm {alarm_id!r} has no state", hint=_known(alarm_id, states))
            known[alarm_id] = _state(states[alarm_id])
        return holds(self.node, known)

    def alarms(self) -> tuple[str, ...]:
        """Return the ids of the alarms in the rule, each once, in its order."""
        return tuple(dict.fromkeys(references(self.node)))

    def simplify(self) -> AlarmRule:
        """Return a rule with the same truth table that is shorter where a law allows it.

        >>> str(AlarmRule.parse("OK(a) OR ALARM(a) OR FALSE").simplify())
        'NOT INSUFFICIENT_DATA(a)'
        """
        return AlarmRule(simplify(self.node))

    def __str__(self) -> str:
        return render(self.node, str)


TRUE: Final = AlarmRule(TRUE_NODE)
FALSE: Final = AlarmRule(FALSE_NODE)

AlarmReference: TypeAlias = str | RuleLike


def in_state(alarm_id: str, state: AlarmState | str = AlarmState.ALARM) -> AlarmRule:
    """Return the rule "this alarm is in this state".

    >>> in_state("cpu").render()
    'ALARM(cpu)'
    """
    if not alarm_id or not isinstance(alarm_id, str):
        raise AlarmRuleError(f"{alarm_id!r} is not an alarm's id", hint="an id is text that is not empty")
    return AlarmRule(InState(alarm_id, _state(state)))


def at_least(count: int | str, state: AlarmState | str, *alarms: AlarmReference) -> AlarmRule:
    """Return the rule "so many of these alarms are in this state".

    Parameters
    ----------
    count
        A number of alarms, or a percentage such as ``"50%"``.
    state
        A state, or ``"NOT OK"`` and the like for the alarms that are not in it.
    alarms
        Alarm ids, or alarms themselves.

    >>> at_least("50%", "NOT OK", "a", "b", "c").render()
    'AT_LEAST(50%, NOT OK, (a, b, c))'
    """
    text = str(count)
    digits, percent = text.removesuffix("%"), text.endswith("%")
    if not digits.isdecimal():
        raise AlarmRuleError(f"{count!r} is no number of alarms", hint='write 2, or "50%"')
    if not alarms:
        raise AlarmRuleError("AT_LEAST needs alarms", hint='write at_least(2, "ALARM", a, b, c)')
    fault = threshold_fault(int(digits), percent, len(alarms))
    if fault:
        raise AlarmRuleError(fault[0], hint=fault[1])
    plain = str(state).removeprefix("NOT ")
    alarm_ids = tuple(_alarm_id(alarm) for alarm in alarms)
    return AlarmRule(AtLeast(int(digits), percent, _state(plain), plain != str(state), alarm_ids))


def as_rule(thing: object) -> AlarmRule:
    """Return the rule that an object stands for; raises AlarmRuleError when it stands for none."""
    if isinstance(thing, RuleLike):
        return thing.__rheo_rule__()
    raise AlarmRuleError(
        f"{thing!r} is not an alarm and not a rule",
        hint='join alarms, alarm["OK"], composites, TRUE and FALSE by & | ~',
    )


def evaluation_order(composites: Mapping[str, AlarmRule]) -> tuple[str, ...]:
    """Order composite alarms so that each comes after those in its rule; raises AlarmRuleError on a cycle.

    >>> evaluation_order({"top": in_state("mid"), "mid": in_state("metric_alarm")})
    ('mid', 'top')
    """
    graph = {name: [a for a in rule.alarms() if a in composites] for name, rule in composites.items()}
    try:
        return tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        cycle = error.args[1]
    raise AlarmRuleError(
        f"composite alarms wait for one another: {' -> '.join(reversed(cycle))}",
        hint="take one of them out of the other's rule",
    )


def _alarm_id(alarm: AlarmReference) -> str:
    if isinstance(alarm, str):
        return _only(in_state(alarm))
    return _only(as_rule(alarm))


def _only(rule: AlarmRule) -> str:
    if isinstance(rule.node, InState) and rule.node.state == AlarmState.ALARM:
        return rule.node.alarm_id
    raise AlarmRuleError(
        f"AT_LEAST counts alarms, and {rule} is a condition",
        hint="name the state once, as at_least's second argument",
    )


def _state(state: AlarmState | str) -> AlarmState:
    if state in AlarmState.__members__:
        return AlarmState(state)
    raise AlarmRuleError(f"{state!r} is not an alarm state", hint=_known(str(state), list(AlarmState)))


def _known(name: str, names: Mapping[str, object] | list[AlarmState]) -> str:
    near = get_close_matches(name, list(names), 1)
    return f"did you mean {str(near[0])!r}?" if near else f"known are {', '.join(names) or 'none'}"
