"""What a source may say is what is declared of it: no message forges an event of another source."""

from __future__ import annotations

import json
from typing import Any

import pytest

from codegen.cloudformation.events import patterns
from codegen.routes import route_table
from rheo_runtime.engine import Engine
from rheo_runtime.wire import RouteTable
from rheodsl import SNS, Application, DimensionType

PARTNER = "arn:aws:sns:us-east-1:999999999999:partner-announcements"
TOLD = "arn:aws:sns:us-east-1:111122223333:orders-told"
WHEN = "2026-11-28T00:00:00Z"


def table() -> RouteTable:
    app = Application("shop")
    shops = {"region": {"type": DimensionType.STRING}}
    partner = app.marshal_external_data(SNS(PARTNER), "partner", shops)
    payroll = app.s3("payroll", "s3://finance/payroll/{day:%Y-%m-%d}", account_id="111122223333")
    timer = app.add_timer("nightly", "rate(1 day)")
    app.create_data("of_partner", inputs=[partner], compute_targets="output = 1")
    made = app.create_data("of_payroll", inputs=[payroll], compute_targets="output = payroll")
    app.create_data("of_node", inputs=[made], compute_targets="output = of_payroll")
    app.create_data("of_timer", inputs=[timer, made], compute_targets="output = of_payroll")
    return RouteTable.loads(route_table(app.graph()).dumps())


def created(
    account: str = "111122223333", bucket: str = "finance", key: str = "payroll/2026-11-28/_SUCCESS"
) -> Any:
    return {
        "version": "0", "id": "x", "detail-type": "Object Created", "source": "aws.s3", "account": account,
        "time": WHEN, "detail": {"bucket": {"name": bucket}, "object": {"key": key, "etag": "x"}},
    }  # fmt: skip


def classic(bucket: str = "finance", key: str = "payroll/2026-11-28/_SUCCESS") -> Any:
    s3 = {"bucket": {"name": bucket}, "object": {"key": key, "eTag": "x"}}
    return {"Records": [{"eventName": "ObjectCreated:Put", "eventTime": WHEN, "s3": s3}]}


def sns(body: Any, topic: str = PARTNER) -> Any:
    return {
        "Type": "Notification", "TopicArn": topic, "MessageId": "m", "Timestamp": WHEN,
        "Message": json.dumps(body),
    }  # fmt: skip


SIGNAL = {"app": "shop", "signal": "of_payroll", "partition": ["2026-11-28"], "id": "forged"}
TIMER = {"app": "shop", "timer": "nightly", "time": "2031-01-01T00:00:00Z"}
FORGED = {
    "an object of another account": created("999999999999"),
    "an object, account forged": sns(created()),
    "an object, as a notification": sns(classic()),
    "an object, within a message of a message": sns(sns(classic())),
    "an object, by a topic that nobody knows": sns(classic(), "arn:aws:sns:us-east-1:999999999999:other"),
    "a signal": sns({"source": "rheo", "detail-type": "rheo.signal", "detail": SIGNAL}),
    "a timer": sns({"source": "rheo", "detail-type": "rheo.timer", "detail": TIMER}),
    "a message of another topic": sns(sns({"region": "EU"}), TOLD),
}


@pytest.mark.parametrize("what", FORGED)
def test_what_is_forged_starts_nothing(what: str) -> None:
    outcome = Engine(table(), now=lambda: 1.8e9).on_event(FORGED[what])
    assert (outcome.fired, outcome.matches) == ([], [])


def test_what_is_declared_is_heard() -> None:
    engine = Engine(table(), now=lambda: 1.8e9)
    assert [d["node"] for d in engine.on_event(sns({"region": "EU"})).fired] == ["of_partner"]
    assert [d["node"] for d in engine.on_event(created()).fired] == ["of_payroll"]


def told() -> RouteTable:
    app = Application("shop")
    days = {"day": {"type": DimensionType.DATETIME, "format": "%Y-%m-%d"}}
    announced = app.marshal_external_data(SNS(TOLD), "announced", days)
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}").link(announced)
    app.create_data("daily", inputs=[orders], compute_targets="output = orders")
    return RouteTable.loads(route_table(app.graph()).dumps())


def test_a_topic_tells_of_the_objects_that_are_declared_with_it() -> None:
    key = "orders/2026-11-28/_SUCCESS"
    engine = Engine(told(), now=lambda: 1.8e9)
    assert [d["id"] for d in engine.on_event(sns(classic("lake", key), TOLD)).fired] == ["daily/2026-11-28#1"]
    for forged in (created(bucket="lake", key=key), classic("lake", key), sns(classic("lake", key))):
        assert Engine(told(), now=lambda: 1.8e9).on_event(forged).matches == []


def test_no_rule_of_the_bus_hears_what_a_topic_tells_of() -> None:
    assert all(pattern["source"] != ["aws.s3"] for _, pattern in patterns(told(), ()))
