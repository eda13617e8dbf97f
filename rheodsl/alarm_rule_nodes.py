"""The nodes of a composite alarm's rule, and what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias, assert_never

from rheodsl.errors import RheoError


class AlarmRuleError(RheoError, ValueError):
    """A rule that CloudWatch would not take, or that lacks a state to be evaluated with."""

    code = "RD401"


class AlarmState(StrEnum):
    """The three states of a CloudWatch alarm."""

    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


@dataclass(frozen=True, slots=True)
class Constant:
    """``TRUE`` or ``FALSE``."""

    value: bool


@dataclass(frozen=True, slots=True)
class InState:
    """The alarm is in this state."""

    alarm_id: str
    state: AlarmState


@dataclass(frozen=True, slots=True)
class Not:
    """The part is false."""

    part: Node


@dataclass(frozen=True, slots=True)
class And:
    """All parts are true."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One part at least is true."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class AtLeast:
    """``count`` alarms (``percent`` of them) at least are in this state, or not in it when ``negated``."""

    count: int
    percent: bool
    state: AlarmState
    negated: bool
    alarm_ids: tuple[str, ...]


Node: TypeAlias = Constant | InState | Not | And | Or | AtLeast

TRUE_NODE: Final = Constant(True)
FALSE_NODE: Final = Constant(False)


def all_of(*parts: Node) -> Node:
    """Join parts by AND; an AND among them is taken apart."""
    flat = tuple(p for part in parts for p in (part.parts if isinstance(part, And) else (part,)))
    return flat[0] if len(flat) == 1 else And(flat)


def any_of(*parts: Node) -> Node:
    """Join parts by OR; an OR among them is taken apart."""
    flat = tuple(p for part in parts for p in (part.parts if isinstance(part, Or) else (part,)))
    return flat[0] if len(flat) == 1 else Or(flat)


def negation(part: Node) -> Node:
    """Negate a part; two negations cancel."""
    return part.part if isinstance(part, Not) else Not(part)


def children(node: Node) -> tuple[Node, ...]:
    """Return the parts of a node."""
    match node:
        case And(parts) | Or(parts):
            return parts
        case Not(part):
            return (part,)
    return ()


def depth(node: Node) -> int:
    """Return how many operators stand inside one another; NOT before a single condition counts for none."""
    below = children(node)
    if not below or (isinstance(node, Not) and not children(node.part)):
        return 0
    return 1 + max(map(depth, below))


def elements(node: Node) -> int:
    """Count a rule's elements as CloudWatch does: alarms, TRUE, FALSE and pairs of parentheses."""
    match node:
        case Constant() | InState():
            return 1
        case AtLeast(alarm_ids=alarm_ids):
            return len(alarm_ids) + 2
    groups = (And, Or, Not) if isinstance(node, Not) else (And, Or)
    return sum(elements(part) + isinstance(part, groups) for part in children(node))


def references(node: Node) -> Iterator[str]:
    """Yield the alarm of each reference, in the order of the rule."""
    match node:
        case InState(alarm_id):
            yield alarm_id
        case AtLeast(alarm_ids=alarm_ids):
            yield from alarm_ids
        case _:
            for part in children(node):
                yield from references(part)


def holds(node: Node, states: Mapping[str, AlarmState]) -> bool:
    """Return whether the node is true when the alarms are in these states."""
    match node:
        case Constant(value):
            return value
        case InState(alarm_id, state):
            return states[alarm_id] == state
        case Not(part):
            return not holds(part, states)
        case And(parts):
            return all(holds(part, states) for part in parts)
        case Or(parts):
            return any(holds(part, states) for part in parts)
        case AtLeast(count, percent, state, negated, alarm_ids):
            found = sum((states[alarm_id] == state) != negated for alarm_id in alarm_ids)
            return found * 100 >= count * len(alarm_ids) if percent else found >= count
    assert_never(node)
