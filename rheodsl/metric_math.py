"""CloudWatch metric math: text -> an expression that is checked, and evaluated over given series."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from rheodsl.metric_math_eval import Evaluator, Points, Series, series_of
from rheodsl.metric_math_parser import (
    Array,
    Call,
    Chain,
    MetricMathError,
    Name,
    Negative,
    Node,
    Text,
    parse_node,
)
from rheodsl.metric_math_types import Kind, check

__all__ = ["Expression", "Kind", "MetricMathError", "Series", "parse"]


@dataclass(frozen=True, slots=True)
class Expression:
    """A metric math expression.

    >>> rate = parse("100 * errors / requests")
    >>> rate.check(["errors", "requests"])
    <Kind.TS: 'TS'>
    >>> rate.evaluate({"errors": {0: 1, 60: 2}, "requests": {0: 10, 60: 8}}, 60)
    {0: 10.0, 60: 25.0}
    """

    text: str
    node: Node

    def check(self, names: Collection[str], *, one: bool = False) -> Kind:
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
