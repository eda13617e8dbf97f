"""CloudWatch metric math: text -> an expression that is checked, and evaluated over given series.

Where CloudWatch's documentation is silent: STDDEV divides by the number of points; MIN, MAX and STDDEV of
an array take the series that have a point at that time; a point whose value is no finite number, such as
LOG(0), is dropped.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from itertools import accumulate, pairwise
from statistics import pstdev
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias, assert_never, cast

from rheodsl.errors import RheoError, nearest
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
    found = nearest(name, names, 0.5)
    return f"did you mean {found}?" if found else f"known are {', '.join(names) or 'none'}"


class SeriesKind(StrEnum):
    """The three types, by CloudWatch's abbreviations."""

    S = "S"
    TS = "TS"
    ARRAY = "TS[]"

    @property
    def words(self) -> str:
        """Say the type in words."""
        return {"S": "a number", "TS": "a time series", "TS[]": "an array of time series"}[self.value]


_EACH: Final = ("TS -> TS", "TS[] -> TS[]")
_FOLD: Final = ("TS -> S", "TS[] -> TS")
_DATE: Final = ("TS -> TS",)

# "metric" is the id of a metric, "text" a quoted text; words in capitals stand for themselves.
SIGNATURES: Final[dict[str, tuple[str, ...]]] = {
    "ABS": _EACH,
    "ANOMALY_DETECTION_BAND": ("TS -> TS[]", "TS, S -> TS[]"),
    "AVG": _FOLD,
    "CEIL": _EACH,
    "DATAPOINT_COUNT": _FOLD,
    "DATE": _DATE,
    "DAY": _DATE,
    "DIFF": _EACH,
    "DIFF_TIME": _EACH,
    "EPOCH": _DATE,
    "FILL": ("TS, S|TS|REPEAT|LINEAR -> TS", "TS[], S|TS|REPEAT|LINEAR -> TS[]"),
    "FIRST": ("TS[] -> TS",),
    "FLOOR": _EACH,
    "HOUR": _DATE,
    "IF": ("TS, S|TS -> TS", "TS, S|TS, S|TS -> TS", "S, TS -> TS", "S, TS, TS -> TS"),
    "LAST": ("TS[] -> TS",),
    "LOG": _EACH,
    "LOG10": _EACH,
    "MAX": _FOLD,
    "METRICS": ("-> TS[]", "text -> TS[]"),
    "METRIC_COUNT": ("TS[] -> S",),
    "MIN": _FOLD,
    "MINUTE": _DATE,
    "MONTH": _DATE,
    "PERIOD": ("metric -> S",),
    "RATE": _EACH,
    "REMOVE_EMPTY": ("TS[] -> TS[]",),
    "RUNNING_SUM": _EACH,
    "SLICE": ("TS[], S -> TS[]", "TS[], S, S -> TS[]"),
    "SORT": (
        "TS[], AVG|MIN|MAX|SUM, ASC|DESC -> TS[]",
        "TS[], AVG|MIN|MAX|SUM, ASC|DESC, S -> TS[]",
    ),
    "STDDEV": _FOLD,
    "SUM": _FOLD,
    "TIME_SERIES": ("S -> TS",),
    "YEAR": _DATE,
}

# Functions of CloudWatch that an expression over named metrics cannot use.
ELSEWHERE: Final = {
    "SEARCH": "it finds metrics anew each time, and an alarm takes one series; name the metrics",
    "INSIGHT_RULE_METRIC": "it reads Contributor Insights, which the application does not declare",
    "SERVICE_QUOTA": "it reads the quotas of the account; compare with a number",
    "DB_PERF_INSIGHTS": "it reads Performance Insights, which the application does not declare",
    "LAMBDA": "it reads a data source connector, which the application does not declare",
}


@cache
def signatures(function: str) -> tuple[tuple[tuple[frozenset[str], ...], SeriesKind], ...]:
    """Return what each argument of a function may be, and what the function then gives."""
    found = []
    for text in SIGNATURES[function]:
        takes, _, gives = text.partition("->")
        slots = tuple(frozenset(slot.strip().split("|")) for slot in takes.split(",") if slot.strip())
        found.append((slots, SeriesKind(gives.strip())))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Checker:
    """Finds the type of each node, or the first fault in reading order."""

    source: Source
    names: Collection[str]

    def fault(self, node: Node, what: str, hint: str) -> NoReturn:
        """Point at a node."""
        self.source.fault(what, *node.at, hint)

    def kind(self, node: Node) -> SeriesKind:
        """Return the type of a node."""
        match node:
            case Number():
                return SeriesKind.S
            case Name(name):
                if name not in self.names:
                    self.fault(node, f"no metric has the id {name!r}", near(name, sorted(self.names)))
                return SeriesKind.TS
            case Negative(operand):
                return self.kind(operand)
            case Array(items):
                return self._array(items)
            case Chain():
                return self._chain(node)
            case Call():
                return self._call(node)
            case Word(word):
                self._word(node, word)
            case Text():
                self.fault(node, "a text has no meaning here", 'only METRICS("...") takes a text')
        assert_never(node)

    def _word(self, node: Word, word: str) -> NoReturn:
        if word in SIGNATURES:
            self.fault(node, f"{word} has no arguments", f"write {word}(...)")
        hint = near(word[0].lower() + word[1:], sorted(self.names))
        self.fault(node, f"{word!r} is not the id of a metric: ids start with a lowercase letter", hint)

    def _array(self, items: tuple[Node, ...]) -> SeriesKind:
        for item in items:
            if self.kind(item) is SeriesKind.S:
                self.fault(
                    item, "an array holds time series, not numbers", "write TIME_SERIES(...) around it"
                )
        return SeriesKind.ARRAY

    def _chain(self, chain: Chain) -> SeriesKind:
        kind = self.kind(chain.first)
        for sign, node in chain.rest:
            right = self.kind(node)
            if SeriesKind.ARRAY in (kind, right):
                if sign not in "+-*/^":
                    self.fault(
                        chain,
                        f"{sign} cannot take an array of time series",
                        "make one series of it first, e.g. MAX(METRICS()) > 1",
                    )
                if kind is right:
                    self.fault(
                        chain,
                        f"{sign} cannot take two arrays of time series",
                        "make one series of one of them first, e.g. by SUM(...)",
                    )
            kind = max(kind, right, key=list(SeriesKind).index)
        return kind

    def _call(self, call: Call) -> SeriesKind:
        name = call.function
        if name in ELSEWHERE:
            self.fault(call, f"{name} cannot be used here", ELSEWHERE[name])
        if name not in SIGNATURES:
            self._unknown(call)
        options = signatures(name)
        takes = f"{name} takes " + " or ".join(
            f"({text.partition('->')[0].strip()})" for text in SIGNATURES[name]
        )
        for place, argument in enumerate(call.arguments):
            given, words = self._given(argument, place, options)
            left = [option for option in options if len(option[0]) > place]
            if not left:
                most = max(len(slots) for slots, _ in options)
                self.fault(argument, f"{name} takes at most {most} argument{'s' * (most != 1)}", takes)
            options = tuple(option for option in left if given & option[0][place])
            if not options:
                self.fault(argument, f"{name} cannot take {words} here", takes)
        whole = [gives for slots, gives in options if len(slots) == len(call.arguments)]
        if not whole:
            self.fault(call, f"{name} needs another argument", takes)
        if name == "METRICS" and call.arguments:
            self._some_metric(call)
        return whole[0]

    def _given(
        self, argument: Node, place: int, options: tuple[tuple[tuple[frozenset[str], ...], SeriesKind], ...]
    ) -> tuple[set[str], str]:
        """Return what an argument may count as, and how to call it."""
        words_allowed = any(
            slot.isupper() and slot not in ("S", "TS", "TS[]")
            for slots, _ in options
            if len(slots) > place
            for slot in slots[place]
        )
        if isinstance(argument, Word) and words_allowed:
            return {argument.word}, argument.word
        if isinstance(argument, Text):
            return {"text"}, "a text"
        kind = self.kind(argument)
        return {kind.value} | ({"metric"} if isinstance(argument, Name) else set()), kind.words

    def _unknown(self, call: Call) -> NoReturn:
        name = call.function
        start = call.at[0]
        if name.upper() in SIGNATURES:
            hint = f"functions are written in capitals, as {name.upper()}(...)"
        else:
            hint = near(name.upper(), sorted(SIGNATURES))
        self.source.fault(f"{name!r} is not a function", start, start + len(name), hint)

    def _some_metric(self, call: Call) -> None:
        text = call.arguments[0]
        assert isinstance(text, Text)
        if not any(text.text in name for name in self.names):
            known = ", ".join(sorted(self.names)) or "none"
            self.fault(text, f"no metric's id contains {text.text!r}", f"known are {known}")


def check(text: str, node: Node, names: Collection[str], *, one: bool) -> SeriesKind:
    """Return the type of a whole expression; ``one`` asks for a single time series, as an alarm does."""
    source = Source(text, MetricMathError)
    kind = Checker(source, names).kind(node)
    if kind is SeriesKind.S:
        source.fault(
            "the result is a number, and must be a time series",
            0,
            len(text),
            "write TIME_SERIES(...) around it",
        )
    if one and kind is SeriesKind.ARRAY:
        source.fault(
            "the result is an array of time series, and must be one",
            0,
            len(text),
            "make one of them, e.g. by SUM(...), MAX(...) or FIRST(...)",
        )
    return kind


Series: TypeAlias = Mapping[int, float]
Points: TypeAlias = dict[int, float]
Value: TypeAlias = float | Points | list[Points]

_BINARY: Final[dict[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": math.pow,
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "AND": lambda left, right: left != 0 and right != 0,
    "OR": lambda left, right: left != 0 or right != 0,
}
_POINTWISE: Final[dict[str, Callable[[float], float]]] = {
    "ABS": abs,
    "CEIL": math.ceil,
    "FLOOR": math.floor,
    "LOG": math.log,
    "LOG10": math.log10,
}
_CALENDAR: Final[dict[str, Callable[[datetime], float]]] = {
    "MINUTE": lambda t: t.minute,
    "HOUR": lambda t: t.hour,
    "DAY": lambda t: t.isoweekday(),
    "DATE": lambda t: t.day,
    "MONTH": lambda t: t.month,
    "YEAR": lambda t: t.year,
    "EPOCH": lambda t: t.timestamp(),
}
_FOLDS: Final[dict[str, Callable[[Sequence[float]], float]]] = {
    "AVG": lambda values: math.fsum(values) / len(values),
    "DATAPOINT_COUNT": len,
    "MAX": max,
    "MIN": min,
    "STDDEV": pstdev,
    "SUM": math.fsum,
}


def _value(function: Callable[..., float], *values: float) -> float:
    """Apply a function to numbers; what it cannot compute is not a number, nor is what follows from it."""
    if any(map(math.isnan, values)):
        return math.nan
    try:
        result = float(function(*values))
    except (ArithmeticError, ValueError):
        return math.nan
    return result if math.isfinite(result) else math.nan


def _points(pairs: Iterable[tuple[int, float]]) -> Points:
    return {time: value for time, value in pairs if math.isfinite(value)}


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Computes nodes over ``metrics``; ``times`` are all timestamps of the range, ``period`` seconds apart."""

    metrics: Mapping[str, Series]
    period: int
    times: range

    def value(self, node: Node) -> Value:
        """Return the value of a node whose types are checked."""
        match node:
            case Number(number):
                return number
            case Name(name):
                return self._metric(name)
            case Negative(operand):
                return _combine(operator.mul, -1.0, self.value(operand))
            case Array(items):
                return [points for item in items for points in series_of(self.value(item))]
            case Chain(first, rest):
                value = self.value(first)
                for sign, other in rest:
                    value = _combine(_BINARY[sign], value, self.value(other))
                return value
            case Call(function, arguments):
                return self._call(function, arguments)
        raise AssertionError(f"{node} is not a value")

    def _metric(self, name: str) -> Points:
        return _points(sorted(self.metrics[name].items()))

    def _call(self, function: str, arguments: tuple[Node, ...]) -> Value:
        if function == "METRICS":
            part = cast(Text, arguments[0]).text if arguments else ""
            return [self._metric(name) for name in self.metrics if part in name]
        if function == "PERIOD":
            return float(self.period)
        if function == "ANOMALY_DETECTION_BAND":
            raise MetricMathError(
                "ANOMALY_DETECTION_BAND needs the model that CloudWatch trains",
                hint="compare with a number or with another metric where it is evaluated locally",
            )
        first, *others = (
            argument.word if isinstance(argument, Word) else self.value(argument) for argument in arguments
        )
        assert not isinstance(first, str)
        if function in _POINTWISE:
            return _each(
                lambda points: _points((t, _value(_POINTWISE[function], v)) for t, v in points.items()), first
            )
        if function in _CALENDAR:
            return {t: float(_CALENDAR[function](datetime.fromtimestamp(t, UTC))) for t in self.times}
        if function in _FOLDS:
            return (
                _fold_array(function, first) if isinstance(first, list) else _fold(function, _series(first))
            )
        match function:
            case "IF":
                return self._if(first, *(cast("float | Points", other) for other in others))
            case "FILL":
                return _each(lambda points: self._fill(points, others[0]), first)
            case "TIME_SERIES":
                return _points((t, cast(float, first)) for t in self.times)
            case "DIFF" | "DIFF_TIME" | "RATE" | "RUNNING_SUM":
                return _each(_CHANGES[function], first)
        return _of_array(function, cast("list[Points]", first), others)

    def _if(self, condition: Value, true: float | Points, false: float | Points | None = None) -> Points:
        if isinstance(condition, float):
            chosen = true if condition != 0 else false
            return chosen if isinstance(chosen, dict) and not math.isnan(condition) else {}
        found = []
        for t, holds in _series(condition).items():
            if holds != 0:
                found.append((t, true.get(t, 0.0) if isinstance(true, dict) else true))
            else:
                found.append((t, false.get(t, math.nan) if isinstance(false, dict) else _or_nan(false)))
        return _points(found)

    def _fill(self, points: Points, filler: Value | str) -> Points:
        missing = [t for t in self.times if t not in points]
        if filler == "REPEAT":
            new = {t: points[max(before)] for t in missing if (before := [p for p in points if p < t])}
        elif filler == "LINEAR":
            new = {t: value for t in missing if (value := _between(points, t)) is not None}
        elif isinstance(filler, dict):
            new = {t: filler[t] for t in missing if t in filler}
        else:
            new = {t: cast(float, filler) for t in missing}
        return _points(sorted({**points, **new}.items()))


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _series(value: Value) -> Points:
    assert isinstance(value, dict)
    return value


def series_of(value: Value) -> list[Points]:
    """Return the series of an array, or the single one."""
    return value if isinstance(value, list) else [_series(value)]


def _each(change: Callable[[Points], Points], value: Value) -> Value:
    return [change(points) for points in value] if isinstance(value, list) else change(_series(value))


def _combine(function: Callable[[float, float], float], left: Value, right: Value) -> Value:
    """Apply an operator; between two series a missing point counts as 0."""
    if isinstance(left, list):
        return [cast(Points, _combine(function, points, right)) for points in left]
    if isinstance(right, list):
        return [cast(Points, _combine(function, left, points)) for points in right]
    if isinstance(left, dict) and isinstance(right, dict):
        times = sorted(left.keys() | right.keys())
        return _points((t, _value(function, left.get(t, 0.0), right.get(t, 0.0))) for t in times)
    if isinstance(left, dict):
        return _points((t, _value(function, v, cast(float, right))) for t, v in left.items())
    if isinstance(right, dict):
        return _points((t, _value(function, left, v)) for t, v in right.items())
    return _value(function, left, right)


def _fold(function: str, points: Points) -> float:
    if not points and function not in ("SUM", "DATAPOINT_COUNT"):
        return math.nan
    return float(_FOLDS[function](list(points.values())))


def _fold_array(function: str, array: list[Points]) -> Points:
    """Fold the series of an array at each time; AVG counts a missing point as 0, as documented."""
    found: Points = {}
    for t in sorted({time for points in array for time in points}):
        values = [points[t] for points in array if t in points]
        if function == "AVG":
            values += [0.0] * (len(array) - len(values))
        found[t] = float(_FOLDS[function](values))
    return found


def _of_array(function: str, array: list[Points], others: list[Value | str]) -> Value:
    numbers = [max(0, int(other)) for other in others if isinstance(other, float) and math.isfinite(other)]
    match function:
        case "FIRST":
            return array[0] if array else {}
        case "LAST":
            return array[-1] if array else {}
        case "METRIC_COUNT":
            return float(len(array))
        case "REMOVE_EMPTY":
            return [points for points in array if points]
        case "SLICE":
            return array[slice(*numbers)] if len(numbers) > 1 else array[sum(numbers) :]
    assert function == "SORT"
    by, order = cast(str, others[0]), others[1]
    ranked = sorted((p for p in array if p), key=lambda points: _fold(by, points), reverse=order == "DESC")
    ranked += [points for points in array if not points]
    return ranked[: numbers[0]] if numbers else ranked


def _between(points: Points, t: int) -> float | None:
    """Return the value at ``t`` on the line between its neighbours, None outside of all points."""
    before, after = [p for p in points if p < t], [p for p in points if p > t]
    if not before or not after:
        return None
    left, right = max(before), min(after)
    return points[left] + (points[right] - points[left]) * (t - left) / (right - left)


def _diff(points: Points) -> Points:
    return _points((t, v - u) for (_, u), (t, v) in pairwise(points.items()))


def _diff_time(points: Points) -> Points:
    return {t: float(t - s) for s, t in pairwise(points)}


def _rate(points: Points) -> Points:
    return _points((t, (v - u) / (t - s)) for (s, u), (t, v) in pairwise(points.items()))


def _running_sum(points: Points) -> Points:
    return _points(zip(points, accumulate(points.values()), strict=True))


_CHANGES: Final[dict[str, Callable[[Points], Points]]] = {
    "DIFF": _diff,
    "DIFF_TIME": _diff_time,
    "RATE": _rate,
    "RUNNING_SUM": _running_sum,
}


__all__ = ["Expression", "MetricMathError", "Series", "SeriesKind", "parse"]


@dataclass(frozen=True, slots=True)
class Expression:
    """A metric math expression.

    >>> rate = parse("100 * errors / requests")
    >>> rate.check(["errors", "requests"])
    <SeriesKind.TS: 'TS'>
    >>> rate.evaluate({"errors": {0: 1, 60: 2}, "requests": {0: 10, 60: 8}}, 60)
    {0: 10.0, 60: 25.0}
    """

    text: str
    node: Node

    def check(self, names: Collection[str], *, one: bool = False) -> SeriesKind:
        """Check names and types, and return the type of the result: TS or TS[].

        Parameters
        ----------
        names
            The ids of the metrics that the expression may use; METRICS() is all of them.
        one
            Ask for a single time series, as an alarm does.

        Raises MetricMathError that points at the column.
        """
        return check(self.text, self.node, names, one=one)

    def metrics(self, names: Collection[str]) -> tuple[str, ...]:
        """Return the ids among ``names`` that the expression reads, in their order.

        >>> parse("m1 + SUM(METRICS('err'))").metrics(["m1", "m2", "errors"])
        ('m1', 'errors')
        """
        return tuple(name for name in names if _reads(self.node, name))

    def evaluate(
        self,
        series: Mapping[str, Series],
        period_seconds: int,
        start: int | None = None,
        end: int | None = None,
    ) -> Points:
        """Compute the single time series of the expression.

        Parameters
        ----------
        series
            For each metric id its points: epoch seconds at the start of a period, and the value.
        period_seconds
            The period that all series have.
        start, end
            The range in epoch seconds, without ``end``, in which FILL, TIME_SERIES and the date functions see
            missing points; from the first to the last point of all series when left out.

        Raises MetricMathError when the expression does not check, or gives an array.

        >>> parse("FILL(m1, 0)").evaluate({"m1": {60: 5.0}}, 60, start=0, end=180)
        {0: 0.0, 60: 5.0, 120: 0.0}
        """
        self.check(series.keys(), one=True)
        return self.evaluate_all(series, period_seconds, start, end)[0]

    def evaluate_all(
        self,
        series: Mapping[str, Series],
        period_seconds: int,
        start: int | None = None,
        end: int | None = None,
    ) -> list[Points]:
        """Compute all time series of the expression; see :meth:`evaluate`."""
        self.check(series.keys())
        times = [t for points in series.values() for t in points]
        first = start if start is not None else min(times, default=0)
        stop = end if end is not None else max(times, default=first - 1) + 1
        return series_of(
            Evaluator(series, period_seconds, range(first, stop, period_seconds)).value(self.node)
        )

    def __str__(self) -> str:
        return self.text


def parse(text: str) -> Expression:
    """Read a metric math expression; raises MetricMathError that points at the column.

    >>> str(parse("errors > 0 OR failures > 0"))
    'errors > 0 OR failures > 0'
    """
    return Expression(text, parse_node(text))


def _reads(node: Node, name: str) -> bool:
    match node:
        case Name(id):
            return id == name
        case Call("METRICS", (Text(part),)):
            return part in name
        case Call("METRICS", ()):
            return True
        case Call(arguments=parts) | Array(items=parts):
            return any(_reads(part, name) for part in parts)
        case Negative(operand):
            return _reads(operand, name)
        case Chain(first, rest):
            return _reads(first, name) or any(_reads(part, name) for _, part in rest)
    return False
