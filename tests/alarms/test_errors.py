"""Every error of metrics, alarms, actions and dashboards, in its whole text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rheodsl import (
    AlarmDefaultActionsMap,
    AlarmRule,
    Application,
    CWAlarm,
    CWMetric,
    EmailAction,
    MetricPeriod,
    MetricStatistic,
    RheoError,
    SlackAction,
    SnsAction,
    TicketAction,
)
from rheodsl.dimensions import DimensionFilter
from rheodsl.testing import Simulator

CTI = TicketAction.CTI("a", "b", "c")
TOPIC = "arn:aws:sns:us-east-1:123456789012:oncall"


class Shop:
    """An application with a metric of each kind, two alarms and a node; misuses are tried on it."""

    def __init__(self) -> None:
        self.app = app = Application("shop")
        self.days = app.s3("days", "s3://lake/days/{day:%Y-%m-%d}")
        self.node = app.create_data("daily", inputs=[self.days])
        self.open = app.create_metric("open")
        self.strict = app.create_metric("strict", {"Error": {"Sum": {300: {"*": {}}}}})
        self.errors = self.open["Error"]["Sum"][300]
        self.a = app.create_alarm("alarm_a", self.errors)
        self.b = app.create_alarm("alarm_b", self.errors)

    def alarm(self, target: Any = None, id: str = "new", **options: Any) -> Any:
        return self.app.create_alarm(id, self.errors if target is None else target, **options)

    def composite(self, rule: Any, id: str = "new", **options: Any) -> Any:
        return self.app.create_composite_alarm(id, rule, **options)


def metric(**options: Any) -> Callable[[Shop], Any]:
    return lambda s: s.app.create_metric("new", **options)


def foreign() -> Any:
    return Application("other").create_metric("theirs")["Error"]["Sum"][300]


BAD: dict[str, tuple[Callable[[Shop], Any], str]] = {
    # --- metrics ---
    "namespace": (
        lambda s: CWMetric(":aws"),
        "RD107: ':aws' is no namespace of CloudWatch|1 to 255 characters, such as 'AWS/Lambda'",
    ),
    "no descriptor": (
        lambda s: s.app.marshal_external_metric("AWS/Lambda", "new"),
        "RD403: new: 'AWS/Lambda' is no CWMetric|CWMetric(\"AWS/Lambda\")",
    ),
    "filter is no dict": (
        metric(dimension_filter={"Error": "Sum"}),
        "RD107: the dimension_filter of new holds 'Sum'|nest dicts: "
        "{'Error': {MetricStatistic.SUM: {MetricPeriod.MINUTES(5): {'*': {}}}}}",
    ),
    "filter too deep": (
        metric(dimension_filter=DimensionFilter({"*": {"*": {"*": {"*": {"*": {}}}}}})),
        "RD107: the dimension_filter of new has more than 4 levels|end it with {}",
    ),
    "filter of the name": (
        metric(dimension_filter={"": {}}),
        "RD101: new.name cannot be ''|1 to 255 ASCII characters, such as 'Error' or '*'",
    ),
    "filter of the statistic": (
        metric(dimension_filter={"Error": {"Mean": {}}}),
        "RD101: new.statistic cannot be 'Mean'|"
        "one of SampleCount, Average, Sum, Minimum, Maximum, or a percentile such as 'p99'",
    ),
    "filter of the period": (
        metric(dimension_filter={"Error": {"Sum": {90: {}}}}),
        "RD101: new.period cannot be 90|"
        "10, 20, 30 or a multiple of 60 seconds up to 7 days, such as MetricPeriod.MINUTES(5)",
    ),
    "filter of the time": (
        metric(dimension_filter={"Error": {"Sum": {60: {"2024-01-01": {}}}}}),
        "RD107: new.time cannot be filtered|write '*': the time is for events to come",
    ),
    "sub-dimension": (
        metric(sub_dimensions={"region": 1}),
        "RD107: new: 'region': 1 is no sub-dimension|texts, such as {'FunctionName': 'f'}",
    ),
    "too many sub-dimensions": (
        metric(sub_dimensions={f"d{n}": "x" for n in range(30)}),
        "RD107: new has 31 sub-dimensions, and at most 29 are possible|CloudWatch takes 30, and one of them is the metric's id",
    ),
    "percentile": (
        lambda s: MetricStatistic.PERCENTILE(101),
        "RD101: 101 is no percentile|a number from 0 to 100, such as 99.9",
    ),
    "minutes": (
        lambda s: MetricPeriod.MINUTES(0),
        "RD101: a period cannot be 0|"
        "10, 20, 30 or a multiple of 60 seconds up to 7 days, such as MetricPeriod.MINUTES(5)",
    ),
    "half minutes": (
        lambda s: MetricPeriod.MINUTES(0.5),  # type: ignore[arg-type]
        "RD101: a period cannot be 0.5|"
        "10, 20, 30 or a multiple of 60 seconds up to 7 days, such as MetricPeriod.MINUTES(5)",
    ),
    "seconds": (
        lambda s: MetricPeriod.SECONDS(45),
        "RD101: a period cannot be 45|"
        "10, 20, 30 or a multiple of 60 seconds up to 7 days, such as MetricPeriod.MINUTES(5)",
    ),
    "name outside": (
        lambda s: s.strict["Failure"],
        "RD102: strict.name cannot be 'Failure': it lies outside the filter (Error)|"
        "use a value that the signal's dimension_filter lets pass",
    ),
    "statistic outside": (
        lambda s: s.strict["Error"]["Average"],
        "RD102: strict.statistic cannot be 'Average': it lies outside the filter (Sum)|"
        "use a value that the signal's dimension_filter lets pass",
    ),
    "period outside": (
        lambda s: s.strict["Error"]["Sum"][60],
        "RD102: strict.period cannot be 60: it lies outside the filter (300)|"
        "use a value that the signal's dimension_filter lets pass",
    ),
    "no statistic": (
        lambda s: s.open["Error"]["Total"],
        "RD101: open.statistic cannot be 'Total'|"
        "one of SampleCount, Average, Sum, Minimum, Maximum, or a percentile such as 'p99'",
    ),
    "statistic first": (
        lambda s: s.open[MetricStatistic.SUM],
        "RD102: open: the first index is a metric's name, not a statistic|"
        'write open["Error"][MetricStatistic.SUM]',
    ),
    "window": (
        lambda s: s.open["Error"]["Sum"][:-3],
        "RD102: open.period: a metric has no windows|"
        "its period and the alarm's evaluation periods say how far an alarm looks back",
    ),
    "time": (
        lambda s: s.open["Error"]["Sum"][60]["2024-01-01"],
        "RD107: open.time cannot be filtered|write '*': the time is for events to come",
    ),
    "metric as an input": (
        lambda s: (s.app.create_data("new", inputs=[s.open]), s.app.graph()),
        "RD107: new: open is a metric and cannot be an input|declare an alarm on it: app.create_alarm(...)",
    ),
    "unknown metric": (
        lambda s: s.app.metric("daily.exec_faild"),
        "RD103: shop has no metric 'daily.exec_faild'|did you mean 'daily.exec_failed'?",
    ),
    "unknown metric, nothing near": (
        lambda s: s.app.metric("zzz"),
        "RD103: shop has no metric 'zzz'|a declared metric, "
        "<node>.{exec_succeeded, exec_failed, latency, pending_age}, "
        "or one of listener, queue, dead_letters, ledger",
    ),
    # --- alarms ---
    "metrics beside a metric": (
        lambda s: s.alarm(metrics=[s.errors]),
        "RD403: new: a metric is watched as it is, so 'metrics' has no meaning|"
        'give an expression over them: "errors > 0 OR failures > 0"',
    ),
    "expression without metrics": (
        lambda s: s.alarm("m1 > 0"),
        "RD403: new: the expression has no metrics|"
        'metrics={"errors": metric["Error"][MetricStatistic.SUM][MetricPeriod.MINUTES(5)]}',
    ),
    "no metric in the list": (
        lambda s: s.alarm("m1 > 0", metrics=[s.errors, s.days]),
        "RD403: new: days is no metric|"
        'metrics={"errors": metric["Error"][MetricStatistic.SUM][MetricPeriod.MINUTES(5)]}',
    ),
    "no metric in the dict": (
        lambda s: s.alarm("m1 > 0", metrics={"m1": "errors"}),
        "RD403: new: 'errors' is no metric|"
        'metrics={"errors": metric["Error"][MetricStatistic.SUM][MetricPeriod.MINUTES(5)]}',
    ),
    "too many metrics": (
        lambda s: s.alarm("SUM(METRICS())", metrics={f"m{n}": s.errors for n in range(11)}),
        "RD403: new has 11 metrics; CloudWatch takes 10|split the alarm",
    ),
    "name in an expression": (
        lambda s: s.alarm("m1 > 0", metrics={"M1": s.errors}),
        "RD403: new: an expression cannot name 'M1'|"
        "use letters, digits and '_', a small letter first: metrics={'errors': ...}",
    ),
    "two of one name": (
        lambda s: s.alarm("SUM(METRICS())", metrics=[s.errors, s.open["Failure"]["Sum"][300]]),
        "RD403: new: two metrics are named 'open'|name them by a dict: metrics={'errors': ...}",
    ),
    "open name": (
        lambda s: s.alarm(s.open),
        'RD102: new: the name of open is open|index it: open["Error"]',
    ),
    "open statistic": (
        lambda s: s.alarm(s.open["Error"]),
        "RD102: new: the statistic of open['Error'] is open|index it: open[...][MetricStatistic.SUM]",
    ),
    "open period": (
        lambda s: s.alarm(s.open["Error"]["Sum"]),
        "RD102: new: the period of m1 is open|index it: [MetricPeriod.MINUTES(5)]",
    ),
    "several periods": (
        lambda s: s.alarm("a + b", metrics={"a": s.errors, "b": s.open["Error"]["Sum"][60]}),
        "RD403: new: the metrics have different periods (a 300, b 60 seconds)|"
        "an expression takes metrics of one period",
    ),
    "short period of AWS": (
        lambda s: s.alarm(s.app.metric("listener")["Errors"]["Sum"][10]),
        "RD403: new: AWS/Lambda has no periods of 10 seconds|"
        "metrics of AWS services are a minute fine at best",
    ),
    "unknown name in an expression": (
        lambda s: s.alarm("erors > 0", metrics={"errors": s.errors}),
        "RD402: no metric has the id 'erors'\n    erors > 0\n    ^^^^^|did you mean errors?",
    ),
    "an array of series": (
        lambda s: s.alarm("METRICS()", metrics={"errors": s.errors}),
        "RD402: the result is an array of time series, and must be one\n    METRICS()\n    ^^^^^^^^^|"
        "make one of them, e.g. by SUM(...), MAX(...) or FIRST(...)",
    ),
    "evaluation periods": (
        lambda s: s.alarm(number_of_evaluation_periods=0),
        "RD403: new: number_of_evaluation_periods is 0|a whole number from 1",
    ),
    "datapoints": (
        lambda s: s.alarm(number_of_datapoint_periods=True),
        "RD403: new: number_of_datapoint_periods is True|a whole number from 1",
    ),
    "more datapoints than periods": (
        lambda s: s.alarm(number_of_evaluation_periods=2, number_of_datapoint_periods=3),
        "RD403: new: 3 of 2 datapoints can never breach|"
        "number_of_datapoint_periods is at most number_of_evaluation_periods",
    ),
    "more than a day": (
        lambda s: s.alarm(number_of_evaluation_periods=289),
        "RD403: new looks back over 289 periods of 300 seconds; CloudWatch's limit is one day, for a period "
        "below an hour|use fewer evaluation periods",
    ),
    "more than a week": (
        lambda s: s.alarm(s.open["E"]["Sum"][MetricPeriod.HOURS(24)], number_of_evaluation_periods=8),
        "RD403: new looks back over 8 periods of 86400 seconds; CloudWatch's limit is 7 days|"
        "use fewer evaluation periods",
    ),
    "operator": (
        lambda s: s.alarm(comparison_operator="GreaterThanThreshhold"),
        "RD403: new: comparison_operator is 'GreaterThanThreshhold'|"
        "did you mean AlarmComparisonOperator.GreaterThanThreshold?",
    ),
    "missing data": (
        lambda s: s.alarm(treat_missing_data="xyz"),
        "RD403: new: treat_missing_data is 'xyz'|one of AlarmTreatMissingData.BREACHING, "
        "AlarmTreatMissingData.NOT_BREACHING, AlarmTreatMissingData.IGNORE, AlarmTreatMissingData.MISSING",
    ),
    "threshold": (
        lambda s: s.alarm(threshold=float("inf")),
        "RD403: new: threshold is inf|a number",
    ),
    "threshold of a band": (
        lambda s: s.alarm(comparison_operator="GreaterThanUpperThreshold"),
        "RD403: new: GreaterThanUpperThreshold compares with a band, not with 1|"
        'threshold="ANOMALY_DETECTION_BAND(m1, 2)", or another operator',
    ),
    "actions": (
        lambda s: s.alarm(default_actions={SnsAction(TOPIC)}),
        f"RD403: new: default_actions is {{SnsAction(topic='{TOPIC}')}}|"
        "AlarmDefaultActionsMap(ALARM_ACTIONS={TicketAction(...)})",
    ),
    "description": (
        lambda s: s.alarm(description="x" * 1025),
        "RD403: new: the description is no text of up to 1024 characters|shorten it, or link to a page",
    ),
    "metric of another application": (
        lambda s: s.alarm(foreign()),
        "RD103: new: 'theirs' is no metric of shop|"
        "declare it by marshal_external_metric, or import the application",
    ),
    "account of an alarm": (
        lambda s: CWAlarm("12", "us-east-1"),
        'RD403: \'12\' is no account|CWAlarm(name="cpu high"), or CWAlarm("123456789012", "us-east-1")',
    ),
    "account without a region": (
        lambda s: CWAlarm("123456789012"),
        "RD403: CWAlarm has an account or a region, but not both|name both, or neither",
    ),
    "no external alarm": (
        lambda s: s.app.marshal_external_alarm("cpu high", "new"),
        "RD403: new: 'cpu high' is no CWAlarm|CWAlarm(name=\"cpu high\")",
    ),
    # --- states and rules ---
    "state": (
        lambda s: s.a["ALRM"],
        "RD102: alarm_a has no state 'ALRM'|did you mean 'ALARM'?",
    ),
    "state, nothing near": (
        lambda s: s.a[3],
        "RD102: alarm_a has no state 3|its states: OK, ALARM, INSUFFICIENT_DATA; '*' for any",
    ),
    "any state in a rule": (
        lambda s: s.a["*"] & s.b,
        'RD401: alarm_a["*"] holds in every state, so it is no condition|'
        'name a state: alarm_a["ALARM"], or alarm_a alone for the same',
    ),
    "time in a rule": (
        lambda s: ~s.a["OK"]["2024-01-01T05:00"],
        "RD401: alarm_a['OK']['2024-01-01T05:00'] names a time, and a rule is about states alone|"
        'write alarm_a["ALARM"]',
    ),
    "no rule": (
        lambda s: s.composite("ALARM(alarm_a)"),
        "RD401: 'ALARM(alarm_a)' is not an alarm and not a rule|"
        'join alarms, alarm["OK"], composites, TRUE and FALSE by & | ~',
    ),
    "data in a rule": (
        lambda s: s.composite(s.days),
        "RD401: days is not an alarm and not a rule|"
        'join alarms, alarm["OK"], composites, TRUE and FALSE by & | ~',
    ),
    "truth": (
        lambda s: s.a and s.b,
        "RD105: an alarm has no truth value while it is declared|"
        "use & | ~ in place of and, or, not; to ask for its value use rule.evaluate({...})",
    ),
    "unknown alarm in a rule": (
        lambda s: s.composite(AlarmRule.parse("ALARM(alarm_c)")),
        "RD401: new: 'alarm_c' is no alarm of shop|did you mean 'alarm_b'?",
    ),
    "unknown alarm in a rule, nothing near": (
        lambda s: s.composite(AlarmRule.parse("ALARM(zzz)")),
        "RD401: new: 'zzz' is no alarm of shop|declare it before it is used",
    ),
    "metric in a rule": (
        lambda s: s.composite(AlarmRule.parse("ALARM(open)")),
        "RD401: new: 'open' is no alarm of shop|declare it before it is used",
    ),
    "own rule": (
        lambda s: s.composite(AlarmRule.parse("ALARM(new) OR ALARM(alarm_a)")),
        "RD401: composite alarms wait for one another: new -> new|take one of them out of the other's rule",
    ),
    # --- actions ---
    "topic": (
        lambda s: SnsAction("oncall"),
        "RD403: 'oncall' is no SNS topic|write its ARN: arn:aws:sns:us-east-1:123456789012:name",
    ),
    "topic of a ticket": (
        lambda s: TicketAction(CTI, topic="oncall"),
        "RD403: 'oncall' is no SNS topic|write its ARN: arn:aws:sns:us-east-1:123456789012:name",
    ),
    "mail": (
        lambda s: EmailAction("oncall"),
        "RD403: 'oncall' is no mail address|EmailAction(\"oncall@example.com\")",
    ),
    "no mail": (
        lambda s: EmailAction(),
        'RD403: EmailAction needs an address|EmailAction("oncall@example.com")',
    ),
    "workspace": (
        lambda s: SlackAction("#team", "C0AAAAAAA"),
        'RD403: \'#team\' is no id of a Slack workspace|SlackAction("T0AAAAAAA", "C0BBBBBBB")',
    ),
    "channel": (
        lambda s: SlackAction("T0AAAAAAA", "#general"),
        'RD403: \'#general\' is no id of a Slack channel|SlackAction("T0AAAAAAA", "C0BBBBBBB")',
    ),
    "cti": (
        lambda s: TicketAction("a/b/c"),  # type: ignore[arg-type]
        "RD403: 'a/b/c' is no CTI|TicketAction.CTI(category, type, item)",
    ),
    "severity": (
        lambda s: TicketAction(CTI, severity="6"),  # type: ignore[arg-type]
        "RD403: '6' is no severity of a ticket|TicketAction.Severity.SEV1, TicketAction.Severity.SEV2, "
        "TicketAction.Severity.SEV2_5, TicketAction.Severity.SEV3, TicketAction.Severity.SEV4, "
        "TicketAction.Severity.SEV5",
    ),
    "action type": (
        lambda s: TicketAction(CTI, action_type="shout"),  # type: ignore[arg-type]
        "RD403: 'shout' is no action_type of a ticket|"
        "TicketAction.ActionType.TICKET, TicketAction.ActionType.PAGE",
    ),
    "no action": (
        lambda s: AlarmDefaultActionsMap(OK_ACTIONS={"mail"}),  # type: ignore[arg-type]
        "RD403: OK_ACTIONS: 'mail' is no action|use TicketAction, EmailAction, SlackAction or SnsAction",
    ),
    "too many actions": (
        lambda s: AlarmDefaultActionsMap({SnsAction(f"{TOPIC}{n}") for n in range(6)}),
        "RD403: ALARM_ACTIONS has 6 actions; CloudWatch takes 5|"
        "send to one SNS topic, and let others subscribe to it",
    ),
    # --- dashboards ---
    "dashboard twice": (
        lambda s: (s.app.create_dashboard("ops"), s.app.create_dashboard("ops")),
        "RD403: there is a dashboard 'ops' already|add widgets to it, or choose another id",
    ),
    "default dashboard": (
        lambda s: s.app.create_dashboard("default"),
        "RD403: there is a dashboard 'default' already|add widgets to it, or choose another id",
    ),
    "unknown dashboard": (
        lambda s: s.app.create_text_widget("defualt", "text"),
        "RD103: shop has no dashboard 'defualt'|did you mean 'default'?",
    ),
    "unknown dashboard, nothing near": (
        lambda s: s.app.create_text_widget("zzz", "text"),
        "RD103: shop has no dashboard 'zzz'|'default', or one of create_dashboard",
    ),
    "empty text": (
        lambda s: s.app.create_text_widget("default", " "),
        "RD403: ' ' is no text of a widget|\"# Sales\"",
    ),
    "widget of no metric": (
        lambda s: s.app.create_metric_widget("default", [s.days]),
        'RD403: days is no metric|metric["Error"][MetricStatistic.SUM]',
    ),
    "widget without metrics": (
        lambda s: s.app.create_metric_widget("default", []),
        'RD403: a metric widget needs a metric|metric["Error"][MetricStatistic.SUM]',
    ),
    "widget of an open metric": (
        lambda s: s.app.create_metric_widget("default", s.open),
        'RD102: the widget: the name of open is open|index it: open["Error"]',
    ),
    "widget of no alarm": (
        lambda s: s.app.create_alarm_widget("default", [s.open]),
        "RD403: open is no alarm|give what create_alarm returned",
    ),
    "widget without alarms": (
        lambda s: s.app.create_alarm_widget("default", []),
        "RD403: an alarm widget needs an alarm|give what create_alarm returned",
    ),
    "wide widget": (
        lambda s: s.app.create_text_widget("default", "text", width=25),
        "RD403: the width of a widget is 25|a whole number from 1 to 24",
    ),
    # --- the simulator ---
    "simulated metric": (
        lambda s: Simulator(s.app).metric(s.days),  # type: ignore[arg-type]
        "RD102: days is no metric|send(view) sends any other signal",
    ),
    "simulated metric without a name": (
        lambda s: Simulator(s.app).metric(s.open),
        'RD102: open names no single metric|name it: open["Error"]',
    ),
    "simulated value": (
        lambda s: Simulator(s.app).metric(s.errors, [1, float("nan")]),
        "RD102: open['Error']['Sum'][300]: nan is no value of a metric|a finite number",
    ),
    "simulated alarm": (
        lambda s: Simulator(s.app).alarm("alarm_c", "OK"),
        "RD103: shop has no alarm 'alarm_c'|did you mean 'alarm_b'?",
    ),
    "simulated alarm, nothing near": (
        lambda s: Simulator(s.app).alarm(s.days, "OK"),
        "RD103: shop has no alarm 'days'|its alarms: alarm_a, alarm_b",
    ),
    "simulated state": (
        lambda s: Simulator(s.app).alarm(s.a, "ok"),
        "RD401: 'ok' is not an alarm state|known are OK, ALARM, INSUFFICIENT_DATA",
    ),
    "simulated statistic": (
        lambda s: (
            s.alarm(s.open["Error"]["tm90"][60]),
            (sim := Simulator(s.app)).metric(s.errors),
            sim.advance(__import__("datetime").timedelta(minutes=1)),
        ),
        "RD403: tm90 cannot be computed here|CloudWatch computes it; test with a percentile",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_misuse_says_what_where_and_the_next_step(case: str) -> None:
    misuse, text = BAD[case]
    shop = Shop()
    with pytest.raises(RheoError) as caught:
        misuse(shop)
    error = caught.value
    [fault] = getattr(error, "faults", (error,))
    what, _, hint = text.partition("|")
    assert fault.where is not None
    assert Path(fault.where.file).name == Path(__file__).name
    assert str(fault) == f"{what}\n  at   {fault.where}" + (f"\n  hint {hint}" if hint else "")
