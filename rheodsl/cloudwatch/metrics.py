"""Metrics of CloudWatch -> signals that alarms watch: a name, a statistic, a period, a time.

Metrics that an application has without declaring them: its nodes' own, and those of what runs it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from rheo_runtime.values import LONG, MINUTE, STRING, Kind, datetime_kind
from rheo_runtime.wire import Branch, Rule, resource_name
from rheodsl import ir
from rheodsl.dimensions import DimensionFilter
from rheodsl.errors import FilterError, SpecError, UnknownNameError, ValueCastError, did_you_mean
from rheodsl.ir import MetricStat as MetricStat
from rheodsl.signals import SignalNode
from rheodsl.words import knows_its_words


class MetricDimension(StrEnum):
    """The dimensions of every metric, in their order."""

    NAME = "name"
    STATISTIC = "statistic"
    PERIOD = "period"
    TIME = "time"


class MetricStatistic(StrEnum):
    """How the values of one period become one number."""

    SAMPLE_COUNT = "SampleCount"
    AVERAGE = "Average"
    SUM = "Sum"
    MINIMUM = "Minimum"
    MAXIMUM = "Maximum"

    @staticmethod
    def PERCENTILE(percent: float) -> str:
        """Return the statistic that so many percent of the values lie below.

        >>> MetricStatistic.PERCENTILE(99.9)
        'p99.9'
        """
        if isinstance(percent, bool) or not isinstance(percent, int | float) or not 0 <= percent <= 100:
            raise ValueCastError(f"{percent!r} is no percentile", hint="a number from 0 to 100, such as 99.9")
        return f"p{percent:g}"


class MetricPeriod:
    """The length of a metric's period, in seconds."""

    @staticmethod
    def SECONDS(count: int) -> int:
        """Return so many seconds: 10, 20, 30 or a multiple of 60."""
        return read_period(count, "a period")

    @staticmethod
    def MINUTES(count: int) -> int:
        """Return so many minutes.

        >>> MetricPeriod.MINUTES(5)
        300
        """
        return read_period(_times(count, 60), "a period")

    @staticmethod
    def HOURS(count: int) -> int:
        """Return so many hours."""
        return read_period(_times(count, 3600), "a period")


def _times(count: object, seconds: int) -> object:
    return count * seconds if isinstance(count, int) and not isinstance(count, bool) else count


@knows_its_words
@dataclass(frozen=True, slots=True)
class CWMetric:
    """The metrics of one CloudWatch namespace, such as ``AWS/Lambda``."""

    namespace: str

    def __post_init__(self) -> None:
        if not isinstance(self.namespace, str) or not re.fullmatch(r"[^:\s][^\s]{0,254}", self.namespace):
            raise SpecError(
                f"{self.namespace!r} is no namespace of CloudWatch",
                hint="1 to 255 characters, such as 'AWS/Lambda'",
            )


METRIC_DIMS: Final = tuple(map(str, MetricDimension))
_KINDS: Final = (
    Kind(STRING),
    Kind(STRING),
    Kind(LONG),
    datetime_kind("%Y-%m-%dT%H:%M", MINUTE),
)
# Percentiles, and CloudWatch's trimmed and winsorized statistics: tm90, TM(10%:90%), PR(:300), IQM.
_EXTENDED = re.compile(
    r"p(100|\d{1,2}(\.\d{1,10})?)|(tm|wm|tc|ts)(100|\d{1,2}(\.\d{1,10})?)|IQM|(TM|WM|TC|TS|PR)\([\d.%]*:[\d.%]*\)"
)
# Sent by our own tasks and listener, for each node.
NODE_METRICS: Final = {
    "exec_succeeded": "executions that succeeded",
    "exec_failed": "executions that failed",
    "latency": "seconds from the firing of an execution to its success",
    "pending_age": "seconds that the oldest waiting binding has waited",
}
# The same, for nodes that have checks: see `rheo_runtime.metrics.checks_metric`.
CHECKS_METRICS: Final = {
    "checks_passed": "executions whose checks passed",
    "checks_warned": "executions of which a check warned, and none failed",
    "checks_failed": "executions whose checks failed",
}
METRIC_ID, NODE = "MetricId", "Node"


def metric_namespace(app: str) -> str:
    """Return the CloudWatch namespace of an application's own metrics.

    >>> metric_namespace("shop")
    'Rheo/shop'
    """
    return f"Rheo/{app}"


def read_period(seconds: object, shown: str) -> int:
    """Return a period in seconds; raises ValueCastError."""
    number = seconds if isinstance(seconds, int) and not isinstance(seconds, bool) else 0
    if number in (10, 20, 30) or (number > 0 and number % 60 == 0 and number <= 604_800):
        return int(number)
    raise ValueCastError(
        f"{shown} cannot be {seconds!r}",
        hint="10, 20, 30 or a multiple of 60 seconds up to 7 days, such as MetricPeriod.MINUTES(5)",
    )


def read_statistic(statistic: object, shown: str) -> str:
    """Return a statistic by CloudWatch's name; raises ValueCastError."""
    if isinstance(statistic, str) and (statistic in list(MetricStatistic) or _EXTENDED.fullmatch(statistic)):
        return str(statistic)
    raise ValueCastError(
        f"{shown} cannot be {statistic!r}",
        hint=f"one of {', '.join(MetricStatistic)}, or a percentile such as 'p99'",
    )


def read_name(name: object, shown: str) -> str:
    """Return the name of a metric; raises ValueCastError."""
    if isinstance(name, str) and re.fullmatch(r"[!-~][ -~]{0,254}", name):
        return str(name)
    raise ValueCastError(
        f"{shown} cannot be {name!r}", hint="1 to 255 ASCII characters, such as 'Error' or '*'"
    )


_READERS: Final = (read_name, read_statistic, read_period)


def read_metric_filter(id: str, data: DimensionFilter | Mapping[Any, Any] | None) -> tuple[Branch, ...]:
    """Return what a metric's ``dimension_filter`` lets pass; raises SpecError, ValueCastError.

    >>> allowed = read_metric_filter("m", {"Error": {"Sum": {300: {"*": {}}}}})
    >>> [rule.value for rule in allowed[0]]
    ['Error', 'Sum', 300, None]
    """
    data = data.data if isinstance(data, DimensionFilter) else data
    return tuple(tuple(branch) for branch in _branches(id, data or {}, 0))


def _branches(id: str, data: object, level: int) -> Iterator[list[Rule]]:
    if not isinstance(data, Mapping):
        raise SpecError(
            f"the dimension_filter of {id} holds {data!r}",
            hint="nest dicts: {'Error': {MetricStatistic.SUM: {MetricPeriod.MINUTES(5): {'*': {}}}}}",
        )
    if not data:
        yield [Rule(kind) for kind in _KINDS[level:]]
        return
    if level == len(_KINDS):
        raise SpecError(
            f"the dimension_filter of {id} has more than {len(_KINDS)} levels", hint="end it with {}"
        )
    shown = f"{id}.{METRIC_DIMS[level]}"
    for key, below in data.items():
        value = None if key == "*" else _read(key, level, shown)
        for tail in _branches(id, below, level + 1):
            yield [Rule(_KINDS[level], value), *tail]


def _read(key: object, level: int, shown: str) -> str | int:
    if level == len(_READERS):
        raise SpecError(f"{shown} cannot be filtered", hint="write '*': the time is for events to come")
    return _READERS[level](key, shown)


def read_sub_dimensions(id: str, data: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    """Return CloudWatch's own dimensions of a metric, sorted; raises SpecError."""
    pairs = dict(data or {})
    for name, value in pairs.items():
        fits = isinstance(name, str) and re.fullmatch(r"[!-9;-~][ -~]{0,254}", name)
        if not fits or not isinstance(value, str) or not re.fullmatch(r"[ -~]{1,1024}", value):
            raise SpecError(
                f"{id}: {name!r}: {value!r} is no sub-dimension", hint="texts, such as {'FunctionName': 'f'}"
            )
    if len(pairs) > 29:
        raise SpecError(
            f"{id} has {len(pairs)} sub-dimensions, and at most 29 are possible",
            hint="CloudWatch takes 30, and one of them is the metric's id",
        )
    return tuple(sorted(pairs.items()))


def metric_signal(
    id: str,
    source: ir.MetricSource,
    branches: tuple[Branch, ...],
    metadata: ir.Metadata = (),
    where: Any = None,
) -> ir.Signal:
    """Return a metric as a signal."""
    return ir.Signal(
        id=id, dims=METRIC_DIMS, branches=branches, source=source, metadata=metadata, where=where
    )


@knows_its_words
class MetricNode(SignalNode):
    """A metric: ``metric["Error"][MetricStatistic.SUM][MetricPeriod.MINUTES(5)]`` is one time series."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> MetricNode:
        position = self._depth % len(METRIC_DIMS)
        shown = f"{self.id}.{METRIC_DIMS[position]}"
        if isinstance(index, slice | tuple):
            raise FilterError(
                f"{shown}: a metric has no windows",
                hint="its period and the alarm's evaluation periods say how far an alarm looks back",
            )
        if position == 0 and isinstance(index, MetricStatistic):
            return self._past_name(index)
        if index != "*":
            index = _read(index, position, shown)
        return super().__getitem__(index)

    def _past_name(self, statistic: MetricStatistic) -> MetricNode:
        """A metric of one name may be indexed by its statistic at once."""
        if not self._fixed(0):
            raise FilterError(
                f"{self.id}: the first index is a metric's name, not a statistic",
                hint=f'write {self.id}["Error"][MetricStatistic.{statistic.name}]',
            )
        made: MetricNode = self._copy(depth=1)
        return made[statistic]

    def _fixed(self, position: int) -> Any:
        values = {branch[position].value for branch in self._branches}
        return values.pop() if len(values) == 1 else None

    def stat(self, user: str) -> MetricStat:
        """Return the time series that the view names; raises FilterError when more than its period is open.

        Parameters
        ----------
        user
            Who asks, for the message.
        """
        name, statistic, period = map(self._fixed, range(3))
        for position, value, example in (
            (0, name, '["Error"]'),
            (1, statistic, "[MetricStatistic.SUM]"),
        ):
            if value is None:
                raise FilterError(
                    f"{user}: the {METRIC_DIMS[position]} of {self!r} is open",
                    hint=f"index it: {self.id}{example if position == 0 else '[...]' + example}",
                )
        source = self._signal.source
        assert isinstance(source, ir.MetricSource)
        return MetricStat(source.namespace, name, source.definition, statistic, period)


def resolution(signal: ir.Signal) -> int:
    """Return the seconds to which CloudWatch stores a metric: 1 where a period below a minute may be asked for."""
    periods = [branch[2].value for branch in signal.branches]
    shortest = min((math.inf if p is None else float(p) for p in periods), default=math.inf)
    return 1 if None in periods or shortest < 60 else 60


# What CloudWatch keeps of the resources that run an application: namespace, dimension, ending of the name.
RESOURCES: Final = {
    "listener": ("AWS/Lambda", "FunctionName", "-listener"),
    "queue": ("AWS/SQS", "QueueName", ""),
    "dead_letters": ("AWS/SQS", "QueueName", "-dlq"),
    "ledger": ("AWS/DynamoDB", "TableName", ""),
}


def resource_metric(app: str, part: str) -> MetricNode:
    """Return the metrics of one of `RESOURCES`.

    >>> resource_metric("shop", "queue")["ApproximateAgeOfOldestMessage"]["Maximum"].stat("a").dimensions
    (('QueueName', 'rheo-shop'),)
    """
    namespace, dimension, ending = RESOURCES[part]
    source = ir.MetricSource(namespace, True, ((dimension, resource_name(app) + ending),))
    return MetricNode(metric_signal(part, source, read_metric_filter(part, None)))


def node_metric(app: str, node: str, name: str) -> MetricNode:
    """Return one of `NODE_METRICS` or `CHECKS_METRICS`; its first index is the statistic.

    >>> node_metric("shop", "daily", "exec_failed")["Sum"][300].stat("a").dimensions
    (('Node', 'daily'),)
    """
    id = f"{node}.{name}"
    source = ir.MetricSource(metric_namespace(app), False, ((NODE, node),))
    return MetricNode(metric_signal(id, source, read_metric_filter(id, {name: {}})), depth=1)


def platform_metric(
    app: str, name: str, nodes: Mapping[str, Collection[str]], declared: Collection[str] = ()
) -> MetricNode:
    """Return a metric by its name: ``daily.exec_failed``, ``listener``, ``listener.Errors``.

    ``nodes`` are those of the application, each with the names of its metrics, ``declared`` names that may have been
    meant. Raises UnknownNameError.
    """
    part, _, metric = name.rpartition(".")
    if metric in nodes.get(part, ()):
        return node_metric(app, part, metric)
    if part in nodes and metric in CHECKS_METRICS:
        raise UnknownNameError(
            f"{part} has no checks, so nothing sends {name!r}",
            hint=f"give {part} some: checks=[row_count(1)]",
        )
    if name in RESOURCES:
        return resource_metric(app, name)
    if part in RESOURCES:
        group = resource_metric(app, part)
        signal = replace(group.signal, id=name, branches=read_metric_filter(name, {metric: {}}))
        return MetricNode(signal, depth=1)
    known = [*declared, *(f"{node}.{own}" for node, names in nodes.items() for own in names), *RESOURCES]
    raise UnknownNameError(
        f"{app} has no metric {name!r}",
        hint=did_you_mean(
            name,
            known,
            f"a declared metric, <node>.{{{', '.join(NODE_METRICS)}}}, or one of {', '.join(RESOURCES)}",
        ),
    )
