"""Metrics and alarms as signals: a Spark job counts bad orders, alarms watch, a composite alarm starts two reactors.

The alarms are those of a whole system: the application's own metrics, and the errors of two Lambda functions
that others run.
"""

from rheodsl import *

app_name = "alarming-ex"
app = Application(app_name)

cti = TicketAction.CTI(category="Delivery Experience", type="Machine Learning", item="Platform")

# METRICS
# A generic representation of the metrics of one Lambda function.
external_lambda_metric = app.marshal_external_metric(
    external_metric_desc=CWMetric(namespace="AWS/Lambda"),
    id="lambda_metric",
    sub_dimensions={"FunctionName": "my-test-function"},
)

# The same metrics of another function, declared more strictly.
external_lambda_error_metric_on_another_func = app.marshal_external_metric(
    external_metric_desc=CWMetric(namespace="AWS/Lambda"),
    id="my_test_function_error",
    dimension_filter={
        "Errors": {  # only keep 'Errors'
            MetricStatistic.SUM: {  # support SUM only
                MetricPeriod.MINUTES(5): {  # restrict the use of this metric to 5-minute periods (in alarms)
                    "*": {}  # (reserved) any MetricDimension.TIME
                }
            }
        }
    },
    sub_dimensions={"FunctionName": "my-test-function-2"},
)

# Sent by our Spark code, below.
internal_spark_error_metric = app.create_metric(
    id="my_custom_spark_error_metric",
    dimension_filter={
        "Error": {  # only keep 'Error'
            "*": {  # support all statistics
                "*": {  # support all periods: it is stored to the second
                    "*": {}  # (reserved) any MetricDimension.TIME
                }
            }
        }
    },
)

# To be sent and watched in a less restrictive way.
generic_internal_metric = app.create_metric(id="my_app_error")

# ALARMS
# One ticket for all of them, however many alarms ask for it.
error_system_level_dedupe_string = f"{app_name}-ERROR"

# An alarm with a default action.
etl_error_alarm = app.create_alarm(
    id="one_or_more_spark_executions_failed",
    target_metric_or_expression=internal_spark_error_metric["Error"][MetricStatistic.SUM][
        MetricPeriod.MINUTES(5)
    ],
    number_of_evaluation_periods=1,
    number_of_datapoint_periods=1,
    comparison_operator=AlarmComparisonOperator.GreaterThanOrEqualToThreshold,
    threshold=1,
    default_actions=AlarmDefaultActionsMap(
        ALARM_ACTIONS={TicketAction(cti=cti, dedupe_str=error_system_level_dedupe_string)},
        OK_ACTIONS=set(),
        INSUFFICIENT_DATA_ACTIONS=set(),
    ),
)

generic_internal_alarm = app.create_alarm(
    id="generic_error_alarm",
    # A time series with each point either 1 or 0.
    target_metric_or_expression="errors > 0 OR failures > 0",
    metrics={
        "errors": generic_internal_metric["Error"][MetricStatistic.SUM][MetricPeriod.MINUTES(5)],
        "failures": generic_internal_metric["Failure"][MetricStatistic.SUM][MetricPeriod.MINUTES(5)],
    },
    number_of_evaluation_periods=1,
    number_of_datapoint_periods=1,
    comparison_operator=AlarmComparisonOperator.GreaterThanOrEqualToThreshold,
    threshold=1,
    default_actions=AlarmDefaultActionsMap(
        ALARM_ACTIONS={
            TicketAction(
                cti=cti,
                severity=TicketAction.Severity.SEV3,
                action_type=TicketAction.ActionType.TICKET,
                dedupe_str=error_system_level_dedupe_string,
            )
        }
    ),
)

# No default actions on this one: it is used in the composite alarm.
system_failure_alarm = app.create_alarm(
    id="system_failure",
    target_metric_or_expression="SUM(METRICS())",
    # The period of the first is that of the second.
    metrics=[
        external_lambda_metric["Errors"][MetricStatistic.SUM],
        external_lambda_error_metric_on_another_func,
    ],
    number_of_evaluation_periods=5,
    number_of_datapoint_periods=3,
    comparison_operator=AlarmComparisonOperator.GreaterThanOrEqualToThreshold,
    threshold=1,
    # A function that nobody calls has no errors, and no data either.
    treat_missing_data=AlarmTreatMissingData.NOT_BREACHING,
)

composite_alarm = app.create_composite_alarm(
    id="system_monitor",
    # Not the same as ~(etl_error_alarm["OK"] & ...): an alarm without data is neither OK nor in ALARM.
    alarm_rule=etl_error_alarm | generic_internal_alarm["ALARM"] | ~system_failure_alarm[AlarmState.OK],
    default_actions=AlarmDefaultActionsMap(
        ALARM_ACTIONS={
            TicketAction(
                cti=cti,
                severity=TicketAction.Severity.SEV3,
                action_type=TicketAction.ActionType.TICKET,
                dedupe_str=error_system_level_dedupe_string,
            )
        }
    ),
)

# DATA
orders = app.s3("orders", "s3://alarming-ex-orders/orders/{day:%Y-%m-%d}", format="CSV")

good_orders = app.create_data(
    "good_orders",
    inputs=[orders],
    compute_targets=BatchCompute(
        """
        bad = orders.filter("price < 0").count()
        diagnostics["my_custom_spark_error_metric"]["Error"].emit(bad)
        output = orders.filter("price >= 0")
        """,
        GlueVersion="5.0",
        WorkerType=GlueWorkerType.G_1X,
        NumberOfWorkers=2,
        Timeout=10,
    ),
    dataset_format="CSV",
)


class MonitorFailureReactor(IInlinedCompute):
    def __call__(self, input_map, output, params):
        print(f"The system fails, in account {params['ACCOUNT_ID']}, region {params['REGION']}")
        # A reaction may fail too, and say so.
        diagnostics["my_app_error"]["Reaction"].emit(1)


class MonitorReactor(IInlinedCompute):
    def __call__(self, input_map, output, params):
        [monitor] = input_map.values()
        state = monitor.dimensions["state"]  # "OK", "ALARM" or "INSUFFICIENT_DATA"
        print(
            f"New state of alarm {monitor.alias} is {state!r}: {monitor.get_materialized_resource_paths()[0]}"
        )


monitor_failure_reactor = app.create_data(
    id="system_failure_reactor",
    inputs=[composite_alarm[AlarmState.ALARM]],  # on transitions into ALARM
    compute_targets=[InlinedCompute(MonitorFailureReactor())],
)

monitor_reactor = app.create_data(
    id="system_monitor_reactor",
    inputs=[composite_alarm["*"]],  # on every transition
    compute_targets=[InlinedCompute(MonitorReactor())],
)

app.create_text_widget("default", "## Who to ask\n\nThe platform team, in #platform")
