"""Names and types of a metric math expression: what CloudWatch lets each function and operator take."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final, NoReturn, assert_never

from rheodsl.grammar import Source
from rheodsl.metric_math_parser import (
    Array,
    Call,
    Chain,
    MetricMathError,
    Name,
    Negative,
    Node,
    Number,
    Text,
    Word,
    near,
)


class Kind(StrEnum):
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
def signatures(function: str) -> tuple[tuple[tuple[frozenset[str], ...], Kind], ...]:
    """Return what each argument of a function may be, and what the function then gives."""
    found = []
    for text in SIGNATURES[function]:
        takes, _, gives = text.partition("->")
        slots = tuple(frozenset(slot.strip().split("|")) for slot in takes.split(",") if slot.strip())
        found.append((slots, Kind(gives.strip())))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Checker:
    """Finds the type of each node, or the first fault in reading order."""

    source: Source
    names: Collection[str]

    def fault(self, node: Node, what: str, hint: str) -> NoReturn:
        """Point at a node."""
        self.source.fault(what, *node.at, hint)

    def kind(self, node: Node) -> Kind:
        """Return the type of a node."""
        match node:
            case Number():
                return Kind.S
            case Name(name):
                if name not in self.names:
                    self.fault(node, f"no metric has the id {name!r}", near(name, sorted(self.names)))
                return Kind.TS
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

    def _array(self, items: tuple[Node, ...]) -> Kind:
        for item in items:
            if self.kind(item) is Kind.S:
                self.fault(
                    item, "an array holds time series, not numbers", "write TIME_SERIES(...) around it"
                )
        return Kind.ARRAY

    def _chain(self, chain: Chain) -> Kind:
        kind = self.kind(chain.first)
        for operator, node in chain.rest:
            right = self.kind(node)
            if Kind.ARRAY in (kind, right):
                if operator not in "+-*/^":
                    self.fault(
                        chain,
                        f"{operator} cannot take an array of time series",
                        "make one series of it first, e.g. MAX(METRICS()) > 1",
                    )
                if kind is right:
                    self.fault(
                        chain,
                        f"{operator} cannot take two arrays of time series",
                        "make one series of one of them first, e.g. by SUM(...)",
                    )
            kind = max(kind, right, key=list(Kind).index)
        return kind

    def _call(self, call: Call) -> Kind:
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
        self, argument: Node, place: int, options: tuple[tuple[tuple[frozenset[str], ...], Kind], ...]
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


def check(text: str, node: Node, names: Collection[str], *, one: bool) -> Kind:
    """Return the type of a whole expression; ``one`` asks for a single time series, as an alarm does."""
    source = Source(text, MetricMathError)
    kind = Checker(source, names).kind(node)
    if kind is Kind.S:
        source.fault(
            "the result is a number, and must be a time series",
            0,
            len(text),
            "write TIME_SERIES(...) around it",
        )
    if one and kind is Kind.ARRAY:
        source.fault(
            "the result is an array of time series, and must be one",
            0,
            len(text),
            "make one of them, e.g. by SUM(...), MAX(...) or FIRST(...)",
        )
    return kind
