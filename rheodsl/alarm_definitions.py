"""What a user writes of an alarm -> its definition, checked against CloudWatch's limits."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias, TypeVar

from rheodsl import metric_math
from rheodsl.alarm_actions import NO_ACTIONS, AlarmDefaultActionsMap, AlarmError
from rheodsl.errors import FilterError
from rheodsl.metrics import MetricNode, MetricStat


class AlarmComparisonOperator(StrEnum):
    """How a value is compared with the threshold; the last three with a band that CloudWatch learns."""

    GreaterThanOrEqualToThreshold = "GreaterThanOrEqualToThreshold"
    GreaterThanThreshold = "GreaterThanThreshold"
    LessThanThreshold = "LessThanThreshold"
    LessThanOrEqualToThreshold = "LessThanOrEqualToThreshold"
    LessThanLowerOrGreaterThanUpperThreshold = "LessThanLowerOrGreaterThanUpperThreshold"
    LessThanLowerThreshold = "LessThanLowerThreshold"
    GreaterThanUpperThreshold = "GreaterThanUpperThreshold"


BAND_OPERATORS: Final = tuple(AlarmComparisonOperator)[4:]


class AlarmTreatMissingData(StrEnum):
    """What a period without data counts as."""

    BREACHING = "breaching"
    NOT_BREACHING = "notBreaching"
    IGNORE = "ignore"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class MetricQuery:
    """A metric of an alarm, under the id that the expression uses."""

    id: str
    stat: MetricStat


@dataclass(frozen=True, slots=True)
class MetricAlarm:
    """An alarm on one metric, or on an expression over several.

    ``threshold`` is a number, or the expression of a band (``ANOMALY_DETECTION_BAND(m1, 2)``).
    """

    queries: tuple[MetricQuery, ...]
    expression: str | None
    period: int
    evaluation_periods: int
    datapoints: int
    comparison: AlarmComparisonOperator
    threshold: float | str
    missing: AlarmTreatMissingData
    actions: AlarmDefaultActionsMap = NO_ACTIONS
    description: str = ""


@dataclass(frozen=True, slots=True)
class CompositeAlarm:
    """What a composite alarm does; its rule is the signal's."""

    actions: AlarmDefaultActionsMap = NO_ACTIONS
    description: str = ""


@dataclass(frozen=True, slots=True)
class ExternalAlarm:
    """Where an alarm that exists is, when it is not here."""

    account: str | None = None
    region: str | None = None


Metrics: TypeAlias = Mapping[str, MetricNode] | Sequence[MetricNode] | MetricNode | None
WEEK, DAY, HOUR = 604_800, 86_400, 3_600
MOST_METRICS: Final = 10
E = TypeVar("E", bound=StrEnum)


def read_alarm(
    id: str,
    target: MetricNode | str,
    metrics: Metrics,
    evaluation_periods: int,
    datapoints: int | None,
    comparison: AlarmComparisonOperator | str,
    threshold: float | str,
    missing: AlarmTreatMissingData | str,
    actions: AlarmDefaultActionsMap | None,
    description: str,
) -> MetricAlarm:
    """Return the definition of an alarm; raises AlarmError, FilterError, MetricMathError."""
    if isinstance(target, MetricNode):
        if metrics is not None:
            raise AlarmError(
                f"{id}: a metric is watched as it is, so 'metrics' has no meaning",
                hint='give an expression over them: "errors > 0 OR failures > 0"',
            )
        queries, expression = _queries(id, {"m1": target}), None
    else:
        queries = _queries(id, metrics)
        expression = target
        metric_math.parse(target).check([query.id for query in queries], one=True)
    period = _common_period(id, queries)
    operator = _member(id, "comparison_operator", comparison, AlarmComparisonOperator)
    count = _count(id, "number_of_evaluation_periods", evaluation_periods)
    needed = count if datapoints is None else _count(id, "number_of_datapoint_periods", datapoints)
    if needed > count:
        raise AlarmError(
            f"{id}: {needed} of {count} datapoints can never breach",
            hint="number_of_datapoint_periods is at most number_of_evaluation_periods",
        )
    longest, words = (WEEK, "7 days") if period >= HOUR else (DAY, "one day, for a period below an hour")
    if count * period > longest:
        raise AlarmError(
            f"{id} looks back over {count} periods of {period} seconds; CloudWatch's limit is {words}",
            hint="use fewer evaluation periods",
        )
    return MetricAlarm(
        queries=tuple(MetricQuery(q.id, _with_period(q.stat, period)) for q in queries),
        expression=expression,
        period=period,
        evaluation_periods=count,
        datapoints=needed,
        comparison=operator,
        threshold=_threshold(id, threshold, operator, queries),
        missing=_member(id, "treat_missing_data", missing, AlarmTreatMissingData),
        actions=read_actions(id, actions),
        description=read_description(id, description),
    )


def _queries(id: str, metrics: Metrics) -> tuple[MetricQuery, ...]:
    if isinstance(metrics, MetricNode):
        metrics = [metrics]
    if isinstance(metrics, Mapping):
        named = list(metrics.items())
    else:
        named = [(_default_id(m), m) for m in metrics or () if isinstance(m, MetricNode)]
        if len(named) < len(metrics or ()):
            odd = next(m for m in metrics or () if not isinstance(m, MetricNode))
            raise AlarmError(f"{id}: {odd!r} is no metric", hint=_METRICS_HINT)
    if not named:
        raise AlarmError(f"{id}: the expression has no metrics", hint=_METRICS_HINT)
    if len(named) > MOST_METRICS:
        raise AlarmError(
            f"{id} has {len(named)} metrics; CloudWatch takes {MOST_METRICS}", hint="split the alarm"
        )
    found: dict[str, MetricQuery] = {}
    for name, metric in named:
        if not isinstance(metric, MetricNode):
            raise AlarmError(f"{id}: {metric!r} is no metric", hint=_METRICS_HINT)
        if not isinstance(name, str) or not re.fullmatch(r"[a-z][A-Za-z0-9_]{0,254}", name):
            raise AlarmError(
                f"{id}: an expression cannot name {name!r}",
                hint="use letters, digits and '_', a small letter first: metrics={'errors': ...}",
            )
        if name in found:
            raise AlarmError(
                f"{id}: two metrics are named {name!r}", hint="name them by a dict: metrics={'errors': ...}"
            )
        found[name] = MetricQuery(name, metric.stat(id))
    return tuple(found.values())


_METRICS_HINT = 'metrics={"errors": metric["Error"][MetricStatistic.SUM][MetricPeriod.MINUTES(5)]}'


def _default_id(metric: MetricNode) -> str:
    """A metric's id as an expression may write it."""
    text = metric.given_alias or re.sub(r"\W", "_", metric.id, flags=re.ASCII)
    return text if "a" <= text[:1] <= "z" else f"m_{text}"


def _common_period(id: str, queries: tuple[MetricQuery, ...]) -> int:
    periods = {query.stat.period for query in queries} - {None}
    if not periods:
        raise FilterError(
            f"{id}: the period of {', '.join(q.id for q in queries)} is open",
            hint="index it: [MetricPeriod.MINUTES(5)]",
        )
    if len(periods) > 1:
        shown = ", ".join(f"{q.id} {q.stat.period}" for q in queries if q.stat.period)
        raise AlarmError(
            f"{id}: the metrics have different periods ({shown} seconds)",
            hint="an expression takes metrics of one period",
        )
    (period,) = periods
    assert period is not None
    sub_minute = [q for q in queries if period < 60 and q.stat.namespace.startswith("AWS/")]
    if sub_minute:
        raise AlarmError(
            f"{id}: {sub_minute[0].stat.namespace} has no periods of {period} seconds",
            hint="metrics of AWS services are a minute fine at best",
        )
    return period


def _with_period(stat: MetricStat, period: int) -> MetricStat:
    return MetricStat(stat.namespace, stat.name, stat.dimensions, stat.statistic, period)


def _count(id: str, name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise AlarmError(f"{id}: {name} is {value!r}", hint="a whole number from 1")
    return value


def _member(id: str, name: str, value: object, kind: type[E]) -> E:
    if isinstance(value, str) and value in list(kind):
        return kind(value)
    near = difflib.get_close_matches(str(value), [m.value for m in kind], 1)
    known = ", ".join(f"{kind.__name__}.{m.name}" for m in kind)
    raise AlarmError(
        f"{id}: {name} is {value!r}",
        hint=f"did you mean {kind.__name__}.{kind(near[0]).name}?" if near else f"one of {known}",
    )


def _threshold(
    id: str, value: object, operator: AlarmComparisonOperator, queries: tuple[MetricQuery, ...]
) -> float | str:
    if operator in BAND_OPERATORS:
        if not isinstance(value, str) or not value.replace(" ", "").startswith("ANOMALY_DETECTION_BAND("):
            raise AlarmError(
                f"{id}: {operator} compares with a band, not with {value!r}",
                hint='threshold="ANOMALY_DETECTION_BAND(m1, 2)", or another operator',
            )
        metric_math.parse(value).check([query.id for query in queries])
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise AlarmError(f"{id}: threshold is {value!r}", hint="a number")
    return float(value)


def read_actions(id: str, actions: AlarmDefaultActionsMap | None) -> AlarmDefaultActionsMap:
    """Return the actions of an alarm; raises AlarmError."""
    if actions is None:
        return NO_ACTIONS
    if not isinstance(actions, AlarmDefaultActionsMap):
        raise AlarmError(
            f"{id}: default_actions is {actions!r}",
            hint="AlarmDefaultActionsMap(ALARM_ACTIONS={TicketAction(...)})",
        )
    return actions


def read_description(id: str, text: str) -> str:
    """Return the description of an alarm; raises AlarmError."""
    if not isinstance(text, str) or len(text) > 1024:
        raise AlarmError(
            f"{id}: the description is no text of up to 1024 characters", hint="shorten it, or link to a page"
        )
    return text
