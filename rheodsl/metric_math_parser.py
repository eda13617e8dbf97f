"""The text of a CloudWatch metric math expression -> its nodes, or an error that points at the column."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias

from rheodsl.errors import RheoError
from rheodsl.grammar import Source, Stop, extent, read, token_of, tree_of

if TYPE_CHECKING:
    from lark import Token, Tree

LONGEST: Final = 2048  # characters of an expression, CloudWatch's limit
DEEPEST: Final = 50  # calls, arrays, powers and signs inside one another

# From loosest to tightest: OR, AND, comparisons, + -, * /, unary -, ^. CloudWatch documents no order of its own.
GRAMMAR: Final = r"""
start: _any
_any: any | _all
any: _all (OR _all)+
_all: all | _test
all: _test (AND _test)+
_test: comparison | _sum
comparison: _sum (COMPARE _sum)+
_sum: sum | _product
sum: _product (PLUS _product)+
_product: product | _signed
product: _signed (TIMES _signed)+
_signed: negative | _power
negative: "-" _signed
_power: power | _atom
power: _atom "^" _signed
_atom: number | name | word | text | call | array | "(" _any ")"
call: WORD "(" [_any ("," _any)*] ")"
array: "[" _any ("," _any)* "]"
number: NUMBER
name: NAME
word: WORD
text: TEXT

OR.2: /OR\b|\|\|/
AND.2: /AND\b|&&/
COMPARE: "==" | "!=" | "<=" | ">=" | "<" | ">"
PLUS: "+" | "-"
TIMES: "*" | "/"
NUMBER: /([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?/
NAME: /[a-z][A-Za-z0-9_]*/
WORD: /[A-Z][A-Za-z0-9_]*/
TEXT: /"[^"]*"|'[^']*'/
%import common.WS
%ignore WS
"""


class MetricMathError(RheoError, ValueError):
    """A metric math expression that CloudWatch would not take, or that cannot be evaluated."""

    code = "RD402"


@dataclass(frozen=True, slots=True)
class Number:
    """A scalar."""

    value: float
    at: tuple[int, int] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Name:
    """The id of a metric."""

    id: str
    at: tuple[int, int] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Word:
    """A word that some functions take: ``REPEAT``, ``AVG``, ``DESC``."""

    word: str
    at: tuple[int, int] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted text, as ``METRICS`` takes."""

    text: str
    at: tuple[int, int] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Negative:
    """Unary minus."""

    operand: Node
    at: tuple[int, int] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Chain:
    """Operators of one rank from left to right: ``a - b + c``."""

    first: Node
    rest: tuple[tuple[str, Node], ...]
    at: tuple[int, int] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Array:
    """``[m1, m2]``."""

    items: tuple[Node, ...]
    at: tuple[int, int] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments."""

    function: str
    arguments: tuple[Node, ...]
    at: tuple[int, int] = field(compare=False)


Node: TypeAlias = Number | Name | Word | Text | Negative | Chain | Array | Call


def parse_node(text: str) -> Node:
    """Read an expression; its names and types are checked elsewhere."""
    if not isinstance(text, str):
        raise MetricMathError(
            f"a metric math expression is text, not {type(text).__name__}", hint='write "errors / requests"'
        )
    source = Source(text, MetricMathError)
    if len(text) > LONGEST:
        source.fault(
            f"the expression has {len(text)} characters, CloudWatch takes {LONGEST}",
            LONGEST,
            LONGEST + 1,
            "split it into several expressions",
        )
    try:
        tree = read(GRAMMAR, text)
    except Stop as stop:
        _explain(source, stop)
    return _node(source, tree_of(tree.children[0]), 0)


_NESTING: Final = ("negative", "power", "call", "array")
_SPELLING: Final = {"&&": "AND", "||": "OR"}


def _node(source: Source, tree: Tree[Token], level: int) -> Node:
    kind, at = str(tree.data), extent(tree)
    level += kind in _NESTING
    if level > DEEPEST:
        source.fault(
            f"more than {DEEPEST} operators stand inside one another",
            *at,
            "split it into several expressions",
        )
    match kind:
        case "number":
            return Number(float(token_of(tree.children[0])), at)
        case "name":
            return Name(str(tree.children[0]), at)
        case "word":
            return Word(str(tree.children[0]), at)
        case "text":
            return Text(str(tree.children[0])[1:-1], at)
        case "negative":
            return Negative(_node(source, tree_of(tree.children[0]), level), at)
        case "array":
            return Array(tuple(_node(source, tree_of(child), level) for child in tree.children), at)
        case "call":
            function, *arguments = tree.children
            nodes = tuple(_node(source, tree_of(child), level) for child in arguments)
            return Call(str(function), nodes, at)
        case "power":
            base, exponent = (_node(source, tree_of(child), level) for child in tree.children)
            return Chain(base, (("^", exponent),), at)
    signs = [str(token_of(child)) for child in tree.children[1::2]]
    first, *others = (_node(source, tree_of(child), level) for child in tree.children[::2])
    spelled = [_SPELLING.get(sign, sign) for sign in signs]
    return Chain(first, tuple(zip(spelled, others, strict=True)), at)


def _explain(source: Source, stop: Stop) -> NoReturn:
    name = _LOWER.search(source.text[: stop.start])
    if stop.found == "(" and name:
        hint = f"functions are written in capitals, as {name[1].upper()}(...)"
        source.fault(f"{name[1]!r} is not a function", *name.span(1), hint)
    what, hint = _fault(stop)
    source.fault(what, stop.start, stop.end, hint)


_LOWER: Final = re.compile(r"\b([a-z]\w*)\s*$")
_FOREIGN: Final = {
    "=": "compare with ==",
    "!": "write x == 0 for not, and != for unequal",
    "%": "CloudWatch has no remainder; x - n * FLOOR(x / n) is one",
    "“": 'use straight quotes: "',
    "”": 'use straight quotes: "',
    "_": "an id starts with a lowercase letter",
}


def _fault(stop: Stop) -> tuple[str, str]:
    found, wanted = stop.found, stop.wanted
    operator = "NUMBER" not in wanted  # where no operand can stand, an operator or the end can
    if operator and found.upper() in ("AND", "OR") and found != found.upper():
        return f"{found!r} is not an operator", f"write {found.upper()} in capitals"
    if found[:1] in _FOREIGN:
        return f"{found!r} does not belong here", _FOREIGN[found[:1]]
    if not found:
        if operator and {"RPAR", "RSQB"} & wanted:
            closing = ")" if "RPAR" in wanted else "]"
            return f"a {closing} is missing", f"put {closing} where the group ends"
        return "the expression ends too early", "a metric's id, a number, a function or [...] is missing"
    if operator and found not in (")", "]", ","):
        return (
            f"an operator is missing before {found!r}",
            "the operators are + - * / ^ == != <= >= < > AND OR",
        )
    if operator:
        return f"{found!r} does not belong here", "no group is open that it could end"
    return f"{found!r} does not belong here", "a metric's id, a number, a function or [...] belongs here"


def near(name: str, names: list[str]) -> str:
    """Return a hint that names what is like ``name``, or all there is."""
    found = get_close_matches(name, names, 1, 0.5)
    return f"did you mean {found[0]}?" if found else f"known are {', '.join(names) or 'none'}"
