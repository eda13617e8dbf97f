"""What a user writes of an alarm -> its definition, within CloudWatch's limits, and the view that rules and nodes take."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Any, Final, TypeAlias, TypeVar, cast

from rheo_runtime.values import MINUTE, STRING, Kind, datetime_kind
from rheo_runtime.wire import Branch, Rule
from rheodsl import ir
from rheodsl.alternatives import Alternatives, Combinable
from rheodsl.cloudwatch import metric_math
from rheodsl.cloudwatch.alarm_definitions import (
    NO_ACTIONS,
    AlarmComparisonOperator,
    AlarmDefaultActionsMap,
    AlarmError,
    AlarmTreatMissingData,
    MetricAlarm,
    MetricQuery,
)
from rheodsl.cloudwatch.alarm_rule import (
    AlarmRule,
    AlarmRuleError,
    AlarmState,
    And,
    InState,
    Node,
    Or,
    RuleOperators,
    in_state,
)
from rheodsl.cloudwatch.metrics import MetricNode, MetricStat
from rheodsl.errors import FilterError, SpecError, did_you_mean, nearest
from rheodsl.signals import SignalNode, View
from rheodsl.words import knows_its_words


class AlarmDimension(StrEnum):
    """The dimensions of every alarm, in their order."""

    STATE = "state"
    TIME = "time"


@knows_its_words
@dataclass(frozen=True, slots=True)
class CWAlarm:
    """An alarm that exists: its name, in this account or in another.

    ``name`` is the id of the signal when left out.
    """

    account_id: str | None = None
    region: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        for value, form, what in (
            (self.account_id, r"\d{12}", "account"),
            (self.region, r"[a-z]{2}(-[a-z]+)+-\d", "region"),
            (self.name, r"[ -~]{1,255}", "name of an alarm"),
        ):
            if value is not None and (not isinstance(value, str) or not re.fullmatch(form, value)):
                raise AlarmError(
                    f"{value!r} is no {what}",
                    hint='CWAlarm(name="cpu high"), or CWAlarm("123456789012", "us-east-1")',
                )
        if (self.account_id is None) != (self.region is None):
            raise AlarmError("CWAlarm has an account or a region, but not both", hint="name both, or neither")


ALARM_DIMS: Final = tuple(map(str, AlarmDimension))
TIME_FORMAT: Final = "%Y-%m-%dT%H:%M"
_STATE, _TIME = Kind(STRING), datetime_kind(TIME_FORMAT, MINUTE)
# One branch for each state: the domain of every alarm.
ALARM_BRANCHES: Final[tuple[Branch, ...]] = tuple(
    (Rule(_STATE, str(state)), Rule(_TIME)) for state in AlarmState
)


def alarm_name(app: str, id: str) -> str:
    """Return the name that an application's alarm has in CloudWatch.

    >>> alarm_name("shop", "too_many_errors")
    'shop.too_many_errors'
    """
    return f"{app}.{id}"


@knows_its_words
class AlarmNode(RuleOperators, SignalNode):
    """An alarm: an operand of rules, and an input that fires on transitions into the state it is indexed by.

    Bare it means, in a rule, "is in ALARM".
    """

    __slots__ = ()

    def __getitem__(self, index: Any) -> AlarmNode:
        if self._depth % len(ALARM_DIMS) == 0 and index != "*":
            if not isinstance(index, str) or index not in AlarmState.__members__:
                known = ", ".join(AlarmState)
                raise FilterError(
                    f"{self.id} has no state {index!r}",
                    hint=did_you_mean(
                        str(index).upper(), AlarmState.__members__, f"its states: {known}; '*' for any"
                    ),
                )
            index = str(index)
        return super().__getitem__(index)

    def __rheo_rule__(self) -> AlarmRule:
        """Return "this alarm is in this state"."""
        if any(rule.value is not None or rule.window is not None for _, rule in self._branches):
            raise AlarmRuleError(
                f"{self!r} names a time, and a rule is about states alone", hint=f'write {self.id}["ALARM"]'
            )
        if self._depth == 0:
            return in_state(self.id)
        states = [rule.value for rule, _ in self._branches]
        if len(states) > 1:
            raise AlarmRuleError(
                f'{self.id}["*"] holds in every state, so it is no condition',
                hint=f'name a state: {self.id}["ALARM"], or {self.id} alone for the same',
            )
        return in_state(self.id, str(states[0]))


def alternatives_of(rule: AlarmRule, signals: Mapping[str, ir.Signal]) -> Combinable:
    """Return what a rule means as an input: each of its alarms starts the node when it enters its state.

    Raises SpecError for a rule that only a composite alarm can tell.
    """

    def of(part: Node) -> Any:
        if isinstance(part, InState) and part.alarm_id in signals:
            return AlarmNode(signals[part.alarm_id])[str(part.state)]
        if isinstance(part, Or):
            return Alternatives(tuple(option for each in part.parts for option in _options(of(each))))
        if isinstance(part, And):
            ways = product(*(_options(of(each)) for each in part.parts))
            return Alternatives(tuple(tuple(view for option in way for view in option) for way in ways))
        raise SpecError(
            f"{rule.render()} is no input: only alarms in a state, | and & are",
            hint="declare a composite alarm of it, and make that the input",
        )

    return cast(Combinable, of(rule.node))


def _options(thing: Any) -> tuple[tuple[Any, ...], ...]:
    return thing.options if isinstance(thing, Alternatives) else ((thing,),)


@knows_its_words
class CompositeAlarmNode(AlarmNode):
    """An alarm over the states of others."""

    __slots__ = ()

    @property
    def rule(self) -> AlarmRule:
        """Its rule; `AlarmRule.render` spells it for CloudWatch, `AlarmRule.evaluate` asks for its value."""
        source = self._signal.source
        assert isinstance(source, ir.AlarmSource) and source.rule is not None
        return source.rule


def facade(signal: ir.Signal) -> SignalNode:
    """Return a signal as the node that its declaration returned."""
    match signal.source:
        case ir.AlarmSource(rule=None):
            return AlarmNode(signal)
        case ir.AlarmSource():
            return CompositeAlarmNode(signal)
        case ir.MetricSource():
            return MetricNode(signal)
    return SignalNode(signal)


BAND_OPERATORS: Final = tuple(AlarmComparisonOperator)[4:]


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
    elif isinstance(target, View):
        source = target.signal.source
        hint = _METRICS_HINT
        if isinstance(source, ir.ChecksSource):
            hint = f'app.metric("{source.of}.checks_failed")[MetricStatistic.SUM][MetricPeriod.MINUTES(5)]'
        raise AlarmError(f"{id}: {target!r} is no metric", hint=hint)
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
    near = nearest(str(value), [m.value for m in kind])
    known = ", ".join(f"{kind.__name__}.{m.name}" for m in kind)
    raise AlarmError(
        f"{id}: {name} is {value!r}",
        hint=f"did you mean {kind.__name__}.{kind(near).name}?" if near else f"one of {known}",
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
