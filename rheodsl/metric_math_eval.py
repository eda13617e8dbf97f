"""A checked metric math expression and its metrics -> the resulting time series.

Where CloudWatch's documentation is silent: STDDEV divides by the number of points; MIN, MAX and STDDEV of
an array take the series that have a point at that time; a point whose value is no finite number, such as
LOG(0), is dropped.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate, pairwise
from statistics import pstdev
from typing import Final, TypeAlias, cast

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
)

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
_FOLD: Final[dict[str, Callable[[Sequence[float]], float]]] = {
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
        if function in _FOLD:
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
    return float(_FOLD[function](list(points.values())))


def _fold_array(function: str, array: list[Points]) -> Points:
    """Fold the series of an array at each time; AVG counts a missing point as 0, as documented."""
    found: Points = {}
    for t in sorted({time for points in array for time in points}):
        values = [points[t] for points in array if t in points]
        if function == "AVG":
            values += [0.0] * (len(array) - len(values))
        found[t] = float(_FOLD[function](values))
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
