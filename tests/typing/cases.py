"""What must type-check, and what must not: ``# error: <mypy code> <pyright rule>`` stands where both object.

Never run: `test_typing.py` gives it to the checkers, as an editor does. ``assert_type`` is what the editor shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, assert_type

from rheodsl import (
    DATETIME,
    LONG,
    STRING,
    AlarmComparisonOperator,
    AlarmNode,
    AlarmState,
    AnyDate,
    Application,
    BatchCompute,
    CompositeAlarmNode,
    CWAlarm,
    Dimension,
    DimensionSpec,
    GraphError,
    InlinedCompute,
    MetricNode,
    MetricPeriod,
    MetricStatistic,
    S3Dataset,
    SignalNode,
    output,
)
from rheodsl.alternatives import Alternatives
from rheodsl.cloudwatch.alarm_rule import AlarmRule
from rheodsl.expressions import DimensionExpr, Links
from rheodsl.ir import Graph
from rheodsl.testing import Run, Simulator

app = Application("shop")
orders = app.s3("orders", "s3://lake/orders/{region_id:int}/{day:%Y-%m-%d}")
ships = app.s3("ships", "s3://lake/ships/{region}/{ship_day:%d-%m-%Y}")


def signals() -> None:
    assert_type(orders, SignalNode)
    assert_type(app["orders"], SignalNode)
    assert_type(app.add_timer("t", "rate(1 day)", "day", -1), SignalNode)
    assert_type(app.create_timer("u", "rate(1 day)", AnyDate("day")), SignalNode)
    app.marshal_external_data(S3Dataset(None, "lake", "x", "{}"), "x", {"day": {"type": DATETIME}}, {"*": {}})
    app.marshal_external_data(
        S3Dataset(None, "lake"), "y", DimensionSpec().add_dimension(Dimension("n", LONG))
    )
    app.s3("z", "s3://lake/z", completion=None, format="CSV", metadata={"team": "x"})
    app.s3("z")  # error: call-arg reportCallIssue
    app.add_timer("t", "rate(1 day)", shift=-1)  # error: call-arg reportCallIssue
    app.s3(1, "s3://lake/z")  # error: arg-type reportArgumentType
    app.marshal_external_data("s3://lake/x", "x")  # error: arg-type reportArgumentType
    app.add_timer("t")  # error: call-arg reportCallIssue
    app.add_timer("t", "rate(1 day)", "day", "1")  # error: arg-type reportArgumentType
    Dimension("n", int)  # error: arg-type reportArgumentType


def views() -> None:
    assert_type(orders[1], SignalNode)
    assert_type(orders[1][:-30], SignalNode)
    assert_type(orders[1][:-30].ref, SignalNode)
    assert_type(orders["*"][-1:-3].range_check(True).alias("o"), SignalNode)
    assert_type(orders[1][date(2020, 3, 18)], SignalNode)
    assert_type(orders[1][datetime(2020, 3, 18)].nearest().reference(), SignalNode)
    orders[1.5]  # error: index reportArgumentType
    orders[1, :-30]  # error: index reportArgumentType
    orders[None]  # error: index reportArgumentType
    orders[1].range_check("yes")  # error: arg-type reportArgumentType
    orders[1].alias(5)  # error: arg-type reportArgumentType
    orders.link("table")  # error: arg-type reportArgumentType
    orders.id = "other"  # error: misc reportAttributeAccessIssue
    orders[1] = 2  # error: operator reportIndexIssue


def expressions() -> None:
    assert_type(orders.day, DimensionExpr)
    assert_type(orders.dimension("day"), DimensionExpr)
    assert_type(orders.day.fmt("%d-%m-%Y"), DimensionExpr)
    assert_type(orders.day - 1, DimensionExpr)
    assert_type(orders.day + timedelta(days=1), DimensionExpr)
    assert_type(timedelta(days=1) + orders.day, DimensionExpr)
    assert_type(orders.region_id.map({1: "NA", 2: "EU"}).upper(), DimensionExpr)
    assert_type(orders.day.trunc("month").at("day").year, DimensionExpr)
    assert_type(orders.region_id.cast(STRING).zfill(3), DimensionExpr)
    assert_type(orders.day.apply(lambda d: d - timedelta(days=1)), DimensionExpr)
    assert_type(output.day, DimensionExpr)
    orders.day.fmt(1)  # error: arg-type reportArgumentType
    orders.day.fmt()  # error: call-arg reportCallIssue
    orders.day.formt("%Y")  # error: attr-defined reportAttributeAccessIssue
    orders.day.map(1)  # error: arg-type reportArgumentType
    orders.day.zfill("3")  # error: arg-type reportArgumentType
    orders.day.trunc(7)  # error: arg-type reportArgumentType
    orders.day.cast(int)  # error: arg-type reportArgumentType
    orders.day + "1"  # error: operator reportOperatorIssue
    orders.day - ships.ship_day  # error: operator reportOperatorIssue
    orders.day * 2  # error: operator reportOperatorIssue
    orders.day[0]  # error: index reportIndexIssue
    output.day.fmt(1)  # error: arg-type reportArgumentType


def links() -> None:
    assert_type(orders.day == ships.ship_day, Links)
    assert_type(orders.day == "2020-03-18", Links)
    assert_type((orders.day == ships.ship_day) & (orders.region_id == 1), Links)
    assert_type(output.day == orders.day.trunc("month"), Links)
    (orders.day == ships.ship_day) & True  # error: operator reportOperatorIssue
    (orders.day == ships.ship_day) & "x"  # error: operator reportOperatorIssue


def nodes() -> None:
    joined = app.create_data(
        "joined",
        inputs=[orders[1][:-30], ships["NA"]],
        input_dim_links=[orders.day == ships.ship_day],
        output_dimension_spec={"day": {"type": DATETIME}},
        output_dim_links=[output.day == orders.day],
        compute_targets="output = orders.join(ships, 'order_id')",
        retrigger="any",
        pending_ttl=timedelta(hours=6),
        tags=["a", "b"],
        metadata={"team": "data of one's own"},
    )
    assert_type(joined, SignalNode)
    app.create_data("a", orders)
    app.create_data("b", {"o": orders, "s": ships["NA"]}, orders.day == ships.ship_day)
    app.create_data("c", (orders, ships), [(orders("day"), lambda d: d, ships("ship_day"))])
    app.create_data("d", [], compute_targets=[BatchCompute("output = x", Timeout=5), InlinedCompute(print)])
    assert_type(app.update_data("a", [ships]), SignalNode)
    assert_type(app.patch_data("a", owner="me"), SignalNode)
    app.create_data()  # error: call-arg reportCallIssue
    app.create_data(5, [orders])  # error: arg-type reportArgumentType
    app.create_data("e", 5)  # error: arg-type reportArgumentType
    app.create_data("e", ["orders"])  # error: list-item reportArgumentType
    app.create_data("e", {"o": 1})  # error: dict-item reportArgumentType
    app.create_data("e", [orders.day])  # error: list-item reportArgumentType
    app.create_data("e", [orders], True)  # error: arg-type reportArgumentType
    app.create_data("e", [orders], input_dim_links=5)  # error: arg-type reportArgumentType
    app.create_data("e", [orders], output_dimension_spec=["day"])  # error: arg-type reportArgumentType
    app.create_data("e", [orders], compute_targets=5)  # error: arg-type reportArgumentType
    app.create_data("e", [orders], retrigger="some")  # error: arg-type reportArgumentType
    app.create_data("e", [orders], retrigger=True)  # error: arg-type reportArgumentType
    app.create_data("e", [orders], pending_ttl="1h")  # error: arg-type reportArgumentType
    app.create_data("e", [orders], max_active_runs="2")  # error: arg-type reportArgumentType
    app.create_data("e", [orders], pool=1)  # error: arg-type reportArgumentType
    BatchCompute(5)  # error: arg-type reportArgumentType
    InlinedCompute("code")  # error: arg-type reportArgumentType


def alarms() -> None:
    errors = app.create_metric("errors")
    assert_type(errors["Error"][MetricStatistic.SUM][MetricPeriod.MINUTES(5)], MetricNode)
    many = app.create_alarm("many", errors["Error"][MetricStatistic.SUM][60], threshold=5)
    assert_type(many, AlarmNode)
    assert_type(many["ALARM"], AlarmNode)
    assert_type(many[AlarmState.OK], AlarmNode)
    cpu = app.marshal_external_alarm(CWAlarm(name="cpu high"), "cpu")
    assert_type(many | ~cpu["OK"], AlarmRule)
    assert_type(many & (cpu | many["OK"]), AlarmRule)
    assert_type(app.create_composite_alarm("both", many & cpu), CompositeAlarmNode)
    app.create_alarm(
        "x", errors["Error"]["Sum"][60], comparison_operator=AlarmComparisonOperator.GreaterThanThreshold
    )
    app.create_alarm("x", orders)  # error: arg-type reportArgumentType
    app.create_alarm("x", errors, number_of_evaluation_periods="1")  # error: arg-type reportArgumentType
    app.create_composite_alarm("x", orders)  # error: arg-type reportArgumentType
    many & 5  # error: operator reportOperatorIssue
    assert_type(many | orders, Alternatives)
    assert_type(orders & ships | many, Alternatives)
    orders | 5  # error: operator reportOperatorIssue


def graphs() -> Sequence[Any]:
    try:
        assert_type(app.graph(), Graph)
    except GraphError as fault:
        return fault.faults
    sim = Simulator(app)
    assert_type(sim.send(orders[1]["2020-03-18"]), list[Run])
    assert_type(sim.advance(timedelta(hours=1)), list[Run])
    sim.send("orders")  # error: arg-type reportArgumentType
    sim.advance(1)  # error: arg-type reportArgumentType
    Simulator("app")  # error: arg-type reportArgumentType
    Application(5)  # error: arg-type reportArgumentType
    return []
