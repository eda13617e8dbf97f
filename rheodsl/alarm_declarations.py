"""The metrics and alarms of an application: the part of `Application` that declares them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from rheodsl import ir
from rheodsl.alarm_actions import AlarmDefaultActionsMap, AlarmError
from rheodsl.alarm_definitions import (
    AlarmComparisonOperator,
    AlarmTreatMissingData,
    CompositeAlarm,
    ExternalAlarm,
    Metrics,
    read_actions,
    read_alarm,
    read_description,
)
from rheodsl.alarm_rules import AlarmRule, AlarmRuleError, RuleLike, as_rule, evaluation_order
from rheodsl.alarms import (
    ALARM_BRANCHES,
    ALARM_DIMS,
    AlarmNode,
    CompositeAlarmNode,
    CWAlarm,
    alarm_name,
)
from rheodsl.dashboard_declarations import DashboardDeclarations
from rheodsl.dimensions import DimensionFilter
from rheodsl.errors import UnknownNameError, here
from rheodsl.metrics import (
    METRIC_ID,
    NODE_METRICS,
    CWMetric,
    MetricNode,
    metric_namespace,
    metric_signal,
    read_metric_filter,
    read_sub_dimensions,
)
from rheodsl.parameters import read_metadata
from rheodsl.platform_metrics import RESOURCES, platform_metric
from rheodsl.views import SignalNode

MOST_COMPOSITES = 150  # that one alarm may be a part of, CloudWatch's limit


class AlarmDeclarations(DashboardDeclarations):
    """Declares metrics, alarms and dashboards; `Application` is one."""

    name: str
    _signals: dict[str, ir.Signal]
    _declared: Mapping[str, Any]

    def _add_signal(self, signal: ir.Signal) -> SignalNode:
        raise NotImplementedError

    # --- metrics ---------------------------------------------------------------------------------

    def marshal_external_metric(
        self,
        external_metric_desc: CWMetric,
        id: str,
        dimension_filter: DimensionFilter | Mapping[Any, Any] | None = None,
        sub_dimensions: Mapping[str, str] | None = None,
        **metadata: Any,
    ) -> MetricNode:
        """Declare metrics that others send to CloudWatch.

        Parameters
        ----------
        external_metric_desc
            ``CWMetric(namespace="AWS/Lambda")``.
        id
            The id of the signal.
        dimension_filter
            What may be asked for, nested: name, statistic, period, ``"*"`` for any; all when left out.
        sub_dimensions
            CloudWatch's own dimensions, such as ``{"FunctionName": "f"}``.
        metadata
            Kept for `search_data`.

        Raises SpecError, ValueCastError, NameError_.

        >>> from rheodsl import Application
        >>> errors = Application("a").marshal_external_metric(CWMetric("AWS/Lambda"), "f")["Errors"]
        >>> errors["Sum"][300]
        f['Errors']['Sum'][300]
        """
        if not isinstance(external_metric_desc, CWMetric):
            raise AlarmError(f"{id}: {external_metric_desc!r} is no CWMetric", hint='CWMetric("AWS/Lambda")')
        dimensions = read_sub_dimensions(id, sub_dimensions)
        source = ir.MetricSource(external_metric_desc.namespace, True, dimensions)
        return self._metric(id, source, dimension_filter, metadata)

    def create_metric(
        self,
        id: str,
        dimension_filter: DimensionFilter | Mapping[Any, Any] | None = None,
        sub_dimensions: Mapping[str, str] | None = None,
        **metadata: Any,
    ) -> MetricNode:
        """Declare metrics that the application's own code sends: ``diagnostics["id"]["Error"].emit(1)``.

        Parameters are those of `marshal_external_metric`. In CloudWatch the metrics are in the namespace
        ``Rheo/<application>``, with the id as the dimension ``MetricId``.

        >>> from rheodsl import Application
        >>> Application("a").create_metric("etl")["Error"]["Sum"][60].stat("x").dimensions
        (('MetricId', 'etl'),)
        """
        dimensions = read_sub_dimensions(id, {**(sub_dimensions or {}), METRIC_ID: id})
        source = ir.MetricSource(metric_namespace(self.name), False, dimensions)
        return self._metric(id, source, dimension_filter, metadata)

    def _metric(
        self, id: str, source: ir.MetricSource, allowed: Any, metadata: Mapping[str, Any]
    ) -> MetricNode:
        branches = read_metric_filter(id, allowed)
        signal = metric_signal(id, source, branches, read_metadata(metadata, id), here())
        self._add_signal(signal)
        return MetricNode(signal)

    def metric(self, name: str) -> MetricNode:
        """Return a metric by its name: a declared one, a node's own, or one of what runs the application.

        Parameters
        ----------
        name
            A declared id; ``<node>.exec_succeeded``, ``<node>.exec_failed``, ``<node>.latency`` or
            ``<node>.pending_age``, indexed by their statistic; ``listener``, ``queue``, ``dead_letters`` or
            ``ledger`` for the metrics of AWS, indexed by their name.

        Raises UnknownNameError.

        >>> from rheodsl import Application
        >>> app = Application("a")
        >>> node = app.create_data("daily", app.add_timer("timer", "rate(1 day)"))
        >>> app.metric("daily.exec_failed")["Sum"][300]
        daily.exec_failed['exec_failed']['Sum'][300]
        """
        signal = self._signals.get(name)
        if signal is not None and isinstance(signal.source, ir.MetricSource):
            return MetricNode(signal)
        declared = [s.id for s in self._signals.values() if isinstance(s.source, ir.MetricSource)]
        return platform_metric(self.name, name, self._declared, declared)

    def get_platform_metrics(self) -> dict[str, MetricNode]:
        """Return the metrics that the application has without declaring them, by name; see `metric`."""
        names = [*(f"{node}.{own}" for node in self._declared for own in NODE_METRICS), *RESOURCES]
        return {name: self.metric(name) for name in names}

    # --- alarms ----------------------------------------------------------------------------------

    def create_alarm(
        self,
        id: str,
        target_metric_or_expression: MetricNode | str,
        metrics: Metrics = None,
        number_of_evaluation_periods: int = 1,
        number_of_datapoint_periods: int | None = None,
        comparison_operator: AlarmComparisonOperator
        | str = AlarmComparisonOperator.GreaterThanOrEqualToThreshold,
        threshold: float | str = 1,
        treat_missing_data: AlarmTreatMissingData | str = AlarmTreatMissingData.MISSING,
        default_actions: AlarmDefaultActionsMap | None = None,
        description: str = "",
        **metadata: Any,
    ) -> AlarmNode:
        """Declare an alarm, a signal of dimensions ``state`` and ``time``.

        Parameters
        ----------
        target_metric_or_expression
            A metric, or an expression of CloudWatch's metric math over ``metrics``.
        metrics
            The metrics of an expression: under names in a dict, or in a list under their ids. They have
            one period; one that is left open is that of the others.
        number_of_evaluation_periods, number_of_datapoint_periods
            The alarm looks at so many periods, and so many of them have to breach: all when left out.
        comparison_operator, threshold
            When a period breaches. An operator over a band takes ``"ANOMALY_DETECTION_BAND(m1, 2)"``.
        treat_missing_data
            What a period without data counts as.
        default_actions
            What CloudWatch does on transitions, whether or not a node takes the alarm as an input.

        Raises AlarmError, FilterError, MetricMathError.

        >>> from rheodsl import Application
        >>> app = Application("a")
        >>> errors = app.create_metric("etl")["Error"]["Sum"][300]
        >>> app.create_alarm("too_many", errors, threshold=5)["ALARM"]
        too_many['ALARM']
        """
        definition = read_alarm(
            id, target_metric_or_expression, metrics, number_of_evaluation_periods,
            number_of_datapoint_periods, comparison_operator, threshold, treat_missing_data,
            default_actions, description,
        )  # fmt: skip
        for metric in _metrics(target_metric_or_expression, metrics):
            self._own_metric(id, metric)
        source = ir.AlarmSource(alarm_name(self.name, id), definition=definition)
        return AlarmNode(self._alarm(id, source, metadata))

    def _own_metric(self, id: str, metric: MetricNode) -> None:
        source = metric.signal.source
        assert isinstance(source, ir.MetricSource)
        if not source.external and source.namespace != metric_namespace(self.name):
            raise UnknownNameError(
                f"{id}: {metric.id!r} is no metric of {self.name}",
                hint="declare it by marshal_external_metric, or import the application",
            )

    def marshal_external_alarm(self, external_alarm_desc: CWAlarm, id: str, **metadata: Any) -> AlarmNode:
        """Declare an alarm that exists in CloudWatch.

        ``CWAlarm(name="cpu high")`` is one of this account; ``CWAlarm("123456789012", "us-west-2")`` is one
        of another, whose EventBridge forwards its state changes. Raises AlarmError, NameError_.

        >>> from rheodsl import Application
        >>> Application("a").marshal_external_alarm(CWAlarm(name="cpu high"), "cpu")["OK"]
        cpu['OK']
        """
        if not isinstance(external_alarm_desc, CWAlarm):
            raise AlarmError(f"{id}: {external_alarm_desc!r} is no CWAlarm", hint='CWAlarm(name="cpu high")')
        there = ExternalAlarm(external_alarm_desc.account_id, external_alarm_desc.region)
        source = ir.AlarmSource(external_alarm_desc.name or id, True, definition=there)
        return AlarmNode(self._alarm(id, source, metadata))

    def create_composite_alarm(
        self,
        id: str,
        alarm_rule: RuleLike,
        default_actions: AlarmDefaultActionsMap | None = None,
        description: str = "",
        **metadata: Any,
    ) -> CompositeAlarmNode:
        """Declare an alarm over the states of others: ``a | b["ALARM"] | ~c["OK"]``.

        Raises AlarmRuleError when the rule names what is no alarm of the application, has a cycle, or is
        larger than CloudWatch takes; AlarmError.

        >>> from rheodsl import Application
        >>> app = Application("a")
        >>> cpu = app.marshal_external_alarm(CWAlarm(name="cpu high"), "cpu")
        >>> app.create_composite_alarm("calm", ~cpu).rule.render()
        'NOT ALARM(cpu)'
        """
        rule = as_rule(alarm_rule)
        self._check_rule(id, rule)
        definition = CompositeAlarm(read_actions(id, default_actions), read_description(id, description))
        source = ir.AlarmSource(alarm_name(self.name, id), rule=rule, definition=definition)
        return CompositeAlarmNode(self._alarm(id, source, metadata))

    def _check_rule(self, id: str, rule: AlarmRule) -> None:
        alarms = {s.id: s.source for s in self._signals.values() if isinstance(s.source, ir.AlarmSource)}
        rules = {name: source.rule for name, source in alarms.items() if source.rule is not None}
        evaluation_order({**rules, id: rule})
        for child in rule.alarms():
            if child not in alarms:
                near = difflib.get_close_matches(child, alarms, 1)
                raise AlarmRuleError(
                    f"{id}: {child!r} is no alarm of {self.name}",
                    hint=f"did you mean {near[0]!r}?" if near else "declare it before it is used",
                )
            parents = sum(child in other.alarms() for name, other in rules.items() if name != id)
            if parents >= MOST_COMPOSITES:
                raise AlarmRuleError(
                    f"{id}: {child!r} is part of {parents} composite alarms already; CloudWatch takes {MOST_COMPOSITES}",
                    hint="make composites of composites",
                )
        rule.render(cloudwatch_names(alarms))

    def _alarm(self, id: str, source: ir.AlarmSource, metadata: Mapping[str, Any]) -> ir.Signal:
        signal = ir.Signal(
            id=id, dims=ALARM_DIMS, branches=ALARM_BRANCHES, source=source,
            metadata=read_metadata(metadata, id), where=here(),
        )  # fmt: skip
        self._add_signal(signal)
        return signal


def cloudwatch_names(alarms: Mapping[str, ir.AlarmSource]) -> dict[str, str]:
    """Return how a rule of CloudWatch names each alarm: by name, or by ARN when it is elsewhere."""
    names = {}
    for id, source in alarms.items():
        there = source.definition
        if isinstance(there, ExternalAlarm) and there.account:
            names[id] = f"arn:aws:cloudwatch:{there.region}:{there.account}:alarm:{source.name}"
        else:
            names[id] = source.name
    return names


def _metrics(target: MetricNode | str, metrics: Metrics) -> list[MetricNode]:
    if isinstance(target, MetricNode):
        return [target]
    if isinstance(metrics, MetricNode):
        return [metrics]
    return list(metrics.values() if isinstance(metrics, Mapping) else metrics or ())
