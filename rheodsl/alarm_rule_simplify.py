"""A rule -> a shorter rule with the same truth table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from rheodsl.alarm_rule_nodes import (
    FALSE_NODE,
    TRUE_NODE,
    AlarmState,
    And,
    Constant,
    InState,
    Node,
    Not,
    Or,
    all_of,
    any_of,
    negation,
)

States: TypeAlias = frozenset[AlarmState]
_ALL: Final[States] = frozenset(AlarmState)


def simplify(node: Node) -> Node:
    """Apply laws that keep the meaning: constants, repetition, complements, absorption, states of one alarm.

    An alarm is always in exactly one state, so ``OK(a) AND ALARM(a)`` is FALSE and
    ``OK(a) OR ALARM(a)`` is ``NOT INSUFFICIENT_DATA(a)``.
    """
    match node:
        case Not(part):
            inner = simplify(part)
            return Constant(not inner.value) if isinstance(inner, Constant) else negation(inner)
        case And(parts):
            return _join([simplify(part) for part in parts], conjunction=True)
        case Or(parts):
            return _join([simplify(part) for part in parts], conjunction=False)
    return node


def _join(parts: list[Node], *, conjunction: bool) -> Node:
    neutral, winner = (TRUE_NODE, FALSE_NODE) if conjunction else (FALSE_NODE, TRUE_NODE)
    same, other = (And, Or) if conjunction else (Or, And)
    flat = [p for part in parts for p in (part.parts if isinstance(part, same) else (part,))]
    merged = [part for part in _merge_states(flat, conjunction=conjunction) if part != neutral]
    unique = list(dict.fromkeys(merged))
    if winner in unique or any(negation(part) in unique for part in unique):
        return winner
    # a AND (a OR b) is a; a OR (a AND b) is a
    kept = [p for p in unique if not (isinstance(p, other) and any(q in p.parts for q in unique))]
    if not kept:
        return neutral
    return all_of(*kept) if conjunction else any_of(*kept)


def _merge_states(parts: Iterable[Node], *, conjunction: bool) -> list[Node]:
    """Fold all conditions on one alarm into one, at the place of the first."""
    merged: dict[str | Node, States | None] = {}
    for part in parts:
        condition = _condition(part)
        if condition is None:
            merged[part] = None
            continue
        alarm_id, states = condition
        before = merged.get(alarm_id)
        if before is None:
            merged[alarm_id] = states
        else:
            merged[alarm_id] = before & states if conjunction else before | states
    return [_spell(key, states) for key, states in merged.items()]


def _condition(node: Node) -> tuple[str, States] | None:
    match node:
        case InState(alarm_id, state):
            return alarm_id, frozenset({state})
        case Not(InState(alarm_id, state)):
            return alarm_id, _ALL - {state}
    return None


def _spell(key: str | Node, states: States | None) -> Node:
    if states is None or not isinstance(key, str):
        assert not isinstance(key, str)
        return key
    if len(states) in (0, len(_ALL)):
        return Constant(bool(states))
    if len(states) == 1:
        return InState(key, *states)
    return Not(InState(key, *(_ALL - states)))
