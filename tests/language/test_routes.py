"""Graph to route table: what the listener is told."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from codegen.routes import lower_events, route_table
from rheo_runtime import expr as x
from rheo_runtime import wire
from rheo_runtime.values import Kind, datetime_kind
from rheo_runtime.wire import RouteTable, Rule, Window, resource_name
from rheodsl import DATETIME, LONG, SNS, Application, GlueTable, S3Dataset, SignalNode, ir, output
from rheodsl.paths import signal_path

DAY, ISO = datetime_kind("%d-%m-%Y"), datetime_kind()
SPEC = {"day": {"type": DATETIME}}


def signal(app: Application, id: str) -> wire.Signal:
    return next(s for s in route_table(app.graph()).signals if s.id == id)


def route(app: Application, id: str = "n") -> wire.Route:
    return next(r for r in route_table(app.graph()).routes if r.node == id)


# ── signals ───────────────────────────────────────────────────────────────────────────────────────────


def test_every_source_has_a_rule() -> None:
    for source in get_args(ir.Source):
        assert lower_events.dispatch(source) is not lower_events.dispatch(object)


@pytest.mark.parametrize(
    ("external", "events", "path"),
    [
        (
            S3Dataset("1", "lake", "days", "day={}"),
            wire.S3Events("lake", "days/day={}", ("_SUCCESS",), account="1"),
            "s3://lake/days/day={}",
        ),
        (GlueTable("db", "t"), wire.GlueEvents("db", "t", reconcile=True), "catalog://db/t/day={}"),
        (
            GlueTable("db", "t", location="s3://lake/t"),
            wire.GlueEvents("db", "t", reconcile=True),
            "s3://lake/t/day={}",
        ),
        (
            SNS("arn:aws:sns:us-east-1:123456789012:topic"),
            wire.SnsEvents("arn:aws:sns:us-east-1:123456789012:topic"),
            None,
        ),
    ],
)
def test_external_data(app: Application, external: Any, events: wire.Events, path: str | None) -> None:
    app.marshal_external_data(external, "x", SPEC)
    assert signal(app, "x") == wire.Signal(
        "x", ("day",), ((Rule(ISO),),), (events, wire.SignalEvents("shop")), path
    )


def test_any_object_announces_where_no_completion_object_is_named(app: Application) -> None:
    app.s3("x", "s3://lake/x/{day:%Y}", completion=None)
    assert signal(app, "x").events[0] == wire.S3Events("lake", "x/{}", ())


def test_a_timer(app: Application) -> None:
    app.add_timer("t", "rate(1 day)", "day", -6)
    assert signal(app, "t").events == (wire.TimerEvents("t", -6), wire.SignalEvents("shop"))
    assert signal(app, "t").path is None


def test_an_output_is_announced_by_name(app: Application, orders: SignalNode) -> None:
    app.create_data("n", orders)
    assert signal(app, "n").events == (wire.SignalEvents("shop"),)
    assert signal(app, "n").path == "s3://rheo-shop/internal_data/n/{}/{}"


def test_a_proxy_announces_and_the_data_stays_where_it_is(app: Application) -> None:
    data = app.s3("data", "s3://lake/data/{day:%Y-%m-%d}")
    table = app.glue_table("table", "db", "t", SPEC)
    app.create_data("n", data.link(table))
    assert signal(app, "data").events == (
        wire.GlueEvents("db", "t", reconcile=True),
        wire.SignalEvents("shop"),
    )
    assert signal(app, "data").path == "s3://lake/data/{}"


def test_the_branches_of_a_filter_are_kept(app: Application) -> None:
    spec = {"region": {"type": LONG, "day": {"type": DATETIME}}}
    filter = {1: {"*": {"format": "%d-%m-%Y"}}, 2: {"*": {}}}
    app.marshal_external_data(S3Dataset(None, "lake"), "x", spec, filter)
    assert signal(app, "x").branches == (
        (Rule(Kind("LONG"), 1), Rule(DAY)),
        (Rule(Kind("LONG"), 2), Rule(ISO)),
    )


def test_a_source_without_data_has_no_path() -> None:
    alarm = ir.Signal("a", (), ((),), ir.AlarmSource("a"))
    assert signal_path(alarm, "bucket") is None
    assert lower_events(alarm.source, alarm) == [wire.AlarmEvents("a")]
    metric = ir.Signal("m", (), ((),), ir.MetricSource("ns"))
    assert lower_events(metric.source, metric) == []


# ── routes ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_route(app: Application, orders: SignalNode, ships: SignalNode) -> None:
    regions = {1: "NA", 2: "EU"}
    app.create_data(
        "n",
        [orders["*"][:-7].range_check(True), ships, orders["*"]["*"].alias("before").ref],
        [
            orders.alias("orders").day == ships.ship_day,
            orders.alias("orders").region_id.map(regions) == ships.region,
            orders.alias("before").day == ships.ship_day - 1,
            orders.alias("before").region_id == orders.alias("orders").region_id,
        ],
        {"day": {"type": DATETIME, "format": "%d-%m-%Y"}},
        [output.day == orders.alias("orders").day],
        retrigger="any",
        pending_ttl=60,
        arrival_ttl=120,
    )
    made = route(app)
    day, region = x.Ref("orders", "day"), x.Ref("orders", "region_id")
    ship_day = x.Ref("ships", "ship_day")
    assert made == wire.Route(
        node="n",
        inputs=(
            wire.Input(
                "orders", "orders", ((Rule(Kind("LONG")), Rule(ISO, window=Window(0, -7))),), "range_check"
            ),
            wire.Input("ships", "ships", ((Rule(Kind("STRING")), Rule(DAY)),)),
            wire.Input(
                "before", "orders", ((Rule(Kind("LONG")), Rule(ISO)),), "", (region, x.Shift(ship_day, -1))
            ),
        ),
        links=(
            (day, ship_day),
            (x.MapValues(region, ((1, "NA"), (2, "EU"))), x.Ref("ships", "region")),
        ),
        output=wire.Output(("day",), (DAY,), (day,), "s3://rheo-shop/internal_data/n/{}"),
        retrigger="any",
        arrival_ttl=120,
        pending_ttl=60,
    )


def test_a_reference_has_a_tip_and_a_trigger_has_none(app: Application, orders: SignalNode) -> None:
    fixed = app.s3("fixed", "s3://lake/fixed")
    app.create_data("n", [orders, fixed.ref])
    assert [i.tip for i in route(app).inputs] == [None, ()]


def test_a_node_without_dimensions(app: Application) -> None:
    app.create_data("n", app.s3("flag", "s3://lake/flag"))
    assert route(app).output == wire.Output((), (), (), "s3://rheo-shop/internal_data/n")


def test_the_table_is_sorted_and_reads_back(app: Application, orders: SignalNode) -> None:
    for id in ("b", "c", "a"):
        app.create_data(id, orders)
    table = route_table(app.graph(), "bucket")
    assert [r.node for r in table.routes] == ["a", "b", "c"]
    assert [s.id for s in table.signals] == ["a", "b", "c", "orders"]
    assert RouteTable.loads(table.dumps()) == table
    assert route_table(app.graph(), "bucket").dumps() == table.dumps()
    assert table.routes[0].output.path == "s3://bucket/internal_data/a/{}/{}"


@pytest.mark.parametrize(
    ("app", "bucket"), [("shop", "rheo-shop"), ("My_App.2", "rheo-my-app-2"), ("a-", "rheo-a")]
)
def test_the_bucket_of_an_application(app: str, bucket: str) -> None:
    assert resource_name(app) == bucket
