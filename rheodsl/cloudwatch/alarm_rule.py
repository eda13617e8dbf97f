"""A composite alarm's rule: alarms joined by ``&``, ``|`` and ``~`` -> its shortest form, as CloudWatch writes it, and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    NoReturn,
    Protocol,
    TypeAlias,
    assert_never,
    overload,
    runtime_checkable,
)

from rheodsl.alternatives import Alternatives, Combinable
from rheodsl.errors import RheoError, TruthError, did_you_mean, nearest
from rheodsl.grammar import Source, Stop, read, token_of, tree_of
from rheodsl.words import declares, knows_its_words

if TYPE_CHECKING:
    from lark import Token, Tree


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


LONGEST: Final = 10240  # characters of a rule
DEEPEST: Final = 50  # operators inside one another; CloudWatch names no limit, and no reader follows more

# NOT binds tightest, then AND, then OR. CloudWatch does not document how AND and OR mix, so that `render`
# never relies on it.
GRAMMAR: Final = r"""
start: _any
_any:  any | _all
any:   _all (_OR _all)+
_all:  all | _one
all:   _one (_AND _one)+
_one:  not | in_state | at_least | true | false | "(" _any ")"
not:   _NOT _one
in_state: STATE "(" _name ")"
at_least: _AT_LEAST "(" THRESHOLD "," condition "," "(" _name ("," _name)* ")" ")"
condition: NOT_? STATE
true:  _TRUE
false: _FALSE
_name: NAME | QUOTED

_OR:  /OR\b/
_AND: /AND\b/
_NOT: /NOT\b/
NOT_: /NOT\b/
_TRUE: /TRUE\b/i
_FALSE: /FALSE\b/i
_AT_LEAST: /AT_LEAST\b/
STATE: /(ALARM|OK|INSUFFICIENT_DATA)\b/
THRESHOLD: /[0-9]+%?/
QUOTED: /"(\\.|[^"\\])+"/
NAME: /[^\s(),"]+/
%import common.WS
%ignore WS
"""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:/+=@-]+")
_WORDS: Final = ("ALARM", "OK", "INSUFFICIENT_DATA", "AT_LEAST", "NOT", "TRUE", "FALSE")


def quoted(name: str) -> str:
    """Spell an alarm's name or ARN, between quotes when CloudWatch needs them.

    >>> print(quoted("cpu-high"), quoted('disk "C" (full)'))
    cpu-high "disk \\"C\\" (full)"
    """
    if _PLAIN.fullmatch(name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def render(node: Node, name: Callable[[str], str]) -> str:
    """Spell ``node``; parentheses stand only where AND, OR and NOT meet, whatever their precedence."""
    match node:
        case Constant(value):
            return "TRUE" if value else "FALSE"
        case InState(alarm_id, state):
            return f"{state}({quoted(name(alarm_id))})"
        case AtLeast(count, percent, state, negated, alarm_ids):
            names = ", ".join(quoted(name(alarm_id)) for alarm_id in alarm_ids)
            return f"AT_LEAST({count}{'%' * percent}, {'NOT ' * negated}{state}, ({names}))"
        case Not(part):
            return f"NOT {_inner(part, name, grouped=(And, Or, Not))}"
        case And(parts):
            return " AND ".join(_inner(part, name) for part in parts)
        case Or(parts):
            return " OR ".join(_inner(part, name) for part in parts)
    assert_never(node)


def _inner(node: Node, name: Callable[[str], str], *, grouped: tuple[type[Node], ...] = (And, Or)) -> str:
    text = render(node, name)
    return f"({text})" if isinstance(node, grouped) else text


def parse_node(text: str) -> Node:
    """Read CloudWatch's rule text; raises AlarmRuleError that points at the column."""
    if not isinstance(text, str):
        raise AlarmRuleError(
            f"a rule's text is text, not {type(text).__name__}", hint='write "ALARM(a) AND NOT OK(b)"'
        )
    source = Source(text, AlarmRuleError)
    if len(text) > LONGEST:
        source.fault(
            f"the rule has {len(text)} characters, CloudWatch takes {LONGEST}",
            LONGEST,
            LONGEST + 1,
            "split it into several composite alarms",
        )
    try:
        tree = read(GRAMMAR, text)
    except Stop as stop:
        _explain(source, stop)
    return _node(source, tree_of(tree.children[0]), 0)


def _node(source: Source, tree: Tree[Token], level: int) -> Node:
    kind = str(tree.data)
    if kind in ("any", "all", "not"):
        trees = [tree_of(child) for child in tree.children]
        if kind != "not" or trees[0].data in ("any", "all", "not"):
            level += 1
        if level > DEEPEST:
            source.at(
                tree,
                f"more than {DEEPEST} operators stand inside one another",
                "split the rule into several composite alarms",
            )
        parts = [_node(source, child, level) for child in trees]
        return any_of(*parts) if kind == "any" else all_of(*parts) if kind == "all" else negation(*parts)
    if kind == "in_state":
        state, alarm = map(token_of, tree.children)
        return InState(_unquoted(alarm), AlarmState(state))
    if kind == "at_least":
        return _at_least(source, tree)
    return Constant(kind == "true")


def _at_least(source: Source, tree: Tree[Token]) -> AtLeast:
    threshold, condition = token_of(tree.children[0]), tree_of(tree.children[1])
    alarm_ids = tuple(_unquoted(token_of(child)) for child in tree.children[2:])
    percent, count = threshold.endswith("%"), int(threshold.removesuffix("%"))
    fault = threshold_fault(count, percent, len(alarm_ids))
    if fault:
        source.at(threshold, *fault)
    *negated, state = map(token_of, condition.children)
    return AtLeast(count, percent, AlarmState(state), bool(negated), alarm_ids)


def threshold_fault(count: int, percent: bool, alarms: int) -> tuple[str, str] | None:
    """Return what is wrong with AT_LEAST's first argument, and the hint."""
    most = 100 if percent else alarms
    if 1 <= count <= most:
        return None
    of = "percent" if percent else f"of {alarms} alarm{'s' if alarms != 1 else ''}"
    return f"AT_LEAST cannot ask for {count} {of}", f"ask for 1 to {most}" if most > 1 else "ask for 1"


def _unquoted(token: Token) -> str:
    return re.sub(r"\\(.)", r"\1", token[1:-1]) if token.type == "QUOTED" else str(token)


_AT_LEAST_FORM: Final = "write AT_LEAST(2, ALARM, (a, b, c)) or AT_LEAST(50%, NOT OK, (a, b))"
_QUOTE: Final = 'write ALARM(name), or ALARM("a name") when it has spaces, commas or parentheses'


def _explain(source: Source, stop: Stop) -> NoReturn:
    what, hint = _fault(source.text, stop)
    source.fault(what, stop.start, stop.end, hint)


def _fault(text: str, stop: Stop) -> tuple[str, str]:
    """Say what is wrong at the place where reading stopped, from what could have stood there."""
    found, wanted, upper = stop.found, stop.wanted, stop.found.upper()
    here = f"{found!r} does not belong here" if found else "the rule ends too early"
    if upper in ("AND", "OR", "NOT") and found != upper:
        return f"{found!r} is not an operator", f"write {upper} in capitals"
    if "_AND" in wanted and found not in ("", ")"):
        return f"an operator is missing before {found!r}", "put AND or OR between conditions"
    if not found and "RPAR" in wanted:
        return "a parenthesis is not closed", "put ) where the group ends"
    if found == '"':
        empty = text[stop.start :].startswith('""')
        return "an alarm's name is empty" if empty else "a quotation mark is not closed", _QUOTE
    if "NAME" in wanted:
        return (
            f"an alarm's name is missing before {found!r}" if found else "an alarm's name is missing",
            _QUOTE,
        )
    if "RPAR" in wanted and "_AND" not in wanted:
        return f"an alarm's name ends before {found!r}", _QUOTE
    if {"THRESHOLD", "COMMA", "NOT_"} & wanted or text[: stop.start].rstrip().endswith(","):
        return here, _AT_LEAST_FORM
    if "STATE" in wanted:
        near = nearest(upper, _WORDS)
        what = f"{found!r} is not a condition" if found else "a condition is missing"
        hint = f"did you mean {near}?" if near else "write ALARM(name), OK(name) or INSUFFICIENT_DATA(name)"
        return what, hint
    return here, "join conditions such as ALARM(name) by AND, OR, NOT and parentheses"


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


def _is_data(thing: object) -> bool:
    return isinstance(thing, Combinable) and not isinstance(thing, RuleLike)


class RuleOperators:
    """``&``, ``|`` and ``~`` for every class with ``__rheo_rule__``."""

    __slots__ = ()

    def __rheo_rule__(self) -> AlarmRule:
        """Return the rule that the object stands for."""
        raise NotImplementedError

    @overload
    def __and__(self, other: RuleLike) -> AlarmRule: ...

    @overload
    def __and__(self, other: Combinable) -> Alternatives: ...

    def __and__(self, other: Any) -> Any:
        if _is_data(other):
            return NotImplemented  # an alarm and data, as inputs: data says what that is
        return AlarmRule(all_of(self.__rheo_rule__().node, as_rule(other).node))

    @overload
    def __or__(self, other: RuleLike) -> AlarmRule: ...

    @overload
    def __or__(self, other: Combinable) -> Alternatives: ...

    def __or__(self, other: Any) -> Any:
        if _is_data(other):
            return NotImplemented
        return AlarmRule(any_of(self.__rheo_rule__().node, as_rule(other).node))

    @overload
    def __rand__(self, other: RuleLike) -> AlarmRule: ...

    @overload
    def __rand__(self, other: Combinable) -> Alternatives: ...

    def __rand__(self, other: Any) -> Any:
        if _is_data(other):
            return NotImplemented
        return as_rule(other) & self

    @overload
    def __ror__(self, other: RuleLike) -> AlarmRule: ...

    @overload
    def __ror__(self, other: Combinable) -> Alternatives: ...

    def __ror__(self, other: Any) -> Any:
        if _is_data(other):
            return NotImplemented
        return as_rule(other) | self

    def __invert__(self) -> AlarmRule:
        return AlarmRule(negation(self.__rheo_rule__().node))

    def __bool__(self) -> NoReturn:
        raise TruthError(
            "an alarm has no truth value while it is declared",
            hint="use & | ~ in place of and, or, not; to ask for its value use rule.evaluate({...})",
        )


@knows_its_words
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


@declares()
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
    return did_you_mean(name, names, f"known are {', '.join(names) or 'none'}")
