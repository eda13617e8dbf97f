"""The applications that several tests of this folder look at."""

from __future__ import annotations

from rheodsl import (
    AlarmDefaultActionsMap,
    AlarmTreatMissingData,
    Application,
    CWAlarm,
    CWMetric,
    EmailAction,
    MetricPeriod,
    MetricStatistic,
    SlackAction,
    SnsAction,
    TicketAction,
)

SUM, FIVE = MetricStatistic.SUM, MetricPeriod.MINUTES(5)
TOPIC = "arn:aws:sns:us-east-1:123456789012:oncall"


def everything() -> Application:
    """An application with each form of alarm, metric, action and widget."""
    app = Application("shop")
    days = app.s3("days", "s3://lake/days/{day:%Y-%m-%d}")
    app.create_data("daily", inputs=[days])
    ticket = TicketAction(
        TicketAction.CTI("Delivery", 'Machine "Learning"', "<Platform>"),
        severity=TicketAction.Severity.SEV3,
        dedupe_str="shop-ERROR",
    )
    loud = AlarmDefaultActionsMap(
        ALARM_ACTIONS={ticket, SnsAction(TOPIC), EmailAction("a@example.com", "b@example.com")},
        OK_ACTIONS={EmailAction("b@example.com", "a@example.com")},
        INSUFFICIENT_DATA_ACTIONS={SlackAction("T0AAAAAAAA", "C0BBBBBBBB")},
    )
    functions = app.marshal_external_metric(
        CWMetric("AWS/Lambda"), "functions", sub_dimensions={"FunctionName": "f"}
    )
    etl = app.create_metric("etl", {"Error": {"*": {"*": {"*": {}}}}}, {"region": "NA ${x} 'y'"})
    errors = app.create_alarm(
        "etl_errors", etl["Error"][SUM][FIVE], threshold=2.5, default_actions=loud,
        number_of_evaluation_periods=3, number_of_datapoint_periods=2, description="Spark jobs that fail",
    )  # fmt: skip
    slow = app.create_alarm("slow-functions", functions["Duration"][MetricStatistic.PERCENTILE(99)][60])
    both = app.create_alarm(
        "both", "SUM(METRICS())",
        metrics=[functions["Errors"][SUM], app.metric("daily.exec_failed")[SUM][FIVE]],
        treat_missing_data=AlarmTreatMissingData.NOT_BREACHING,
    )  # fmt: skip
    app.create_alarm(
        "odd", functions["Invocations"][SUM][FIVE],
        comparison_operator="LessThanLowerOrGreaterThanUpperThreshold",
        threshold="ANOMALY_DETECTION_BAND(m1, 2)",
    )  # fmt: skip
    app.create_alarm(
        "odd_rate", "errors / (errors + expression)",
        metrics={"errors": functions["Errors"][SUM][FIVE], "expression": functions["Invocations"][SUM][FIVE]},
        comparison_operator="GreaterThanUpperThreshold",
        threshold="ANOMALY_DETECTION_BAND(errors)",
    )  # fmt: skip
    here = app.marshal_external_alarm(CWAlarm(name="cpu high"), "cpu")
    there = app.marshal_external_alarm(CWAlarm("111222333444", "us-west-2"), "far")
    own_topic = AlarmDefaultActionsMap(
        ALARM_ACTIONS=TicketAction(TicketAction.CTI("a", "b", "c"), topic=TOPIC)
    )
    monitor = app.create_composite_alarm(
        "monitor", errors | slow["ALARM"] | ~both["OK"] | here, loud, "All of it"
    )
    app.create_composite_alarm("far_too", monitor & ~(there["OK"] | there["INSUFFICIENT_DATA"]), own_topic)
    app.create_data("reactor", inputs=[monitor["ALARM"]])
    app.create_text_widget("default", "# Sales ${AWS::Region}")
    app.create_metric_widget("default", [etl["Error"][SUM], functions["Errors"][SUM][FIVE]], "Errors")
    app.create_dashboard("on call")
    app.create_alarm_widget("on call", errors)
    app.create_alarm_widget("on call", [errors, monitor], "Both", width=24)
    return app
