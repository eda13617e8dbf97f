"""A rule -> CloudWatch's rule text, and back."""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, NoReturn, assert_never

from rheodsl.alarm_rule_nodes import (
    AlarmRuleError,
    AlarmState,
    And,
    AtLeast,
    Constant,
    InState,
    Node,
    Not,
    Or,
    all_of,
    any_of,
    negation,
)
from rheodsl.grammar import Source, Stop, read, token_of, tree_of

if TYPE_CHECKING:
    from lark import Token, Tree

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
        near = get_close_matches(upper, _WORDS, 1)
        what = f"{found!r} is not a condition" if found else "a condition is missing"
        hint = (
            f"did you mean {near[0]}?" if near else "write ALARM(name), OK(name) or INSUFFICIENT_DATA(name)"
        )
        return what, hint
    return here, "join conditions such as ALARM(name) by AND, OR, NOT and parentheses"
