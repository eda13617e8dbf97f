"""``app.process``: events by hand, taken in this process as the listener takes them, or sent to it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from support.airflow import refusal
from support.events import SWEEP, s3_event

from rheo_platforms.operations.names import AskedError
from rheodsl import SNS, Application, CWAlarm, S3Dataset
from rheodsl.control import FeedBackSignalProcessingMode
from rheodsl.errors import FilterError, StateError, UnknownNameError

from .lab import Lab

DAY = "2020-03-18"
FULL = FeedBackSignalProcessingMode.FULL_RANGE


def object_created(*keys: str) -> dict[str, Any]:
    """A classic S3 notification, as the guide shows it."""
    return {
        "Records": [
            {
                "eventVersion": "2.0", "eventSource": "aws:s3", "awsRegion": "us-east-1",
                "eventTime": "1970-01-01T00:00:00.000Z", "eventName": "ObjectCreated:Put",
                "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": "lake"}, "object": {"key": key}},
            }
            for key in keys
        ]
    }  # fmt: skip


def test_the_last_input_starts_the_node(shop: Lab) -> None:
    app = shop.app
    first = app.process(app["orders"]["NA"][DAY])
    assert not first and first.taken == ("daily",)
    assert str(first) == "taken, but not complete yet: daily"
    assert app.process(app["ships"]["NA"]["18-03-2020"]) == {"daily": [f"daily/NA/{DAY}#1"]}
    assert shop.states(app["daily"]["NA"][DAY]) == ["ANNOUNCED"]
    shop.workers.settle()
    assert shop.states(app["daily"]["NA"][DAY]) == ["SUCCEEDED"]


def test_an_event_that_no_input_takes_is_ignored(shop: Lab) -> None:
    done = shop.app.process(shop.app["orders"]["EU"]["2020-03-17"])
    assert not done and done.taken == ()
    assert str(done) == "ignored: no input takes orders EU/2020-03-17"


def test_each_call_is_an_event_of_its_own(shop: Lab) -> None:
    app = shop.app
    for _ in range(2):
        app.process(app["orders"]["NA"][DAY])
        app.process(app["ships"]["NA"]["18-03-2020"])
        shop.workers.settle()
    assert shop.states(app["daily"]["NA"][DAY]) == ["SUCCEEDED", "SUCCEEDED"]


def test_one_behind_an_active_one_is_named_too(shop: Lab) -> None:
    app = shop.app
    for number in (1, 2):
        app.process(app["orders"]["NA"][DAY])
        done = app.process(app["ships"]["NA"]["18-03-2020"])
        assert done == {"daily": [f"daily/NA/{DAY}#{number}"]}
    assert shop.states(app["daily"]["NA"][DAY]) == ["ANNOUNCED", "READY"]


def test_a_view_must_name_a_partition(shop: Lab) -> None:
    with pytest.raises(FilterError, match="day is open"):
        shop.app.process(shop.app["orders"]["NA"])


def test_a_signal_that_is_not_active(shop: Lab) -> None:
    new = shop.app.s3("new", "s3://lake/new/{day:%Y-%m-%d}")
    with pytest.raises(UnknownNameError, match="no active signal 'new'"):
        shop.app.process(new[DAY])


def test_an_application_without_a_platform() -> None:
    app = Application("nowhere")
    with pytest.raises(StateError, match="nowhere has no platform"):
        app.process(app.s3("orders", "s3://lake/orders"))


def test_raw_events(shop: Lab) -> None:
    app = shop.app
    assert app.process(object_created(f"orders/NA/{DAY}/_SUCCESS")).taken == ("daily",)
    ship = s3_event("lake", "ships/NA/18-03-2020/_SUCCESS")
    assert app.process(ship) == {"daily": [f"daily/NA/{DAY}#1"]}
    assert app.process(ship) == {}  # the same event again
    done = app.process(object_created("orders/NA/oops/_SUCCESS"))
    assert not done and "oops" in done.ignored
    with pytest.raises(AskedError, match="this is no event: source is missing"):
        app.process({"what": "ever"})


TOPIC = "arn:aws:sns:us-east-1:999999999999:objects"


def in_sns(body: Any, lambda_form: bool = False, topic: str = TOPIC) -> dict[str, Any]:
    """A message of a topic, as a queue or as Lambda gets it."""
    message = {
        "Type": "Notification", "MessageId": "m", "TopicArn": topic, "Message": json.dumps(body),
        "Timestamp": "2020-03-18T00:00:00Z",
    }  # fmt: skip
    return {"Records": [{"EventSource": "aws:sns", "Sns": message}]} if lambda_form else message


@pytest.mark.parametrize("lambda_form", [False, True])
def test_a_notification_inside_sns_in_this_process(shop: Lab, lambda_form: bool) -> None:
    """Who sends it by hand says that it happened, whichever topic told of it."""
    app = shop.app
    both = object_created(f"orders/NA/{DAY}/_SUCCESS", "orders/NA/2020-03-17/_SUCCESS")
    assert app.process(in_sns(object_created("ships/NA/18-03-2020/_SUCCESS"), lambda_form)).taken == (
        "daily",
    )
    app.process(app["ships"]["NA"]["17-03-2020"])
    assert app.process(in_sns(both, lambda_form)) == {"daily": [f"daily/NA/{DAY}#1"]}
    assert app.process(in_sns(both, lambda_form), processing_mode=FULL) == {
        "daily": ["daily/NA/2020-03-17#1"]
    }


def test_a_notification_inside_sns_sent_to_the_listener(shop: Lab) -> None:
    app = shop.app
    both = object_created(f"orders/NA/{DAY}/_SUCCESS", "orders/NA/2020-03-17/_SUCCESS")
    app.process(in_sns(both), with_activated_processor=True)
    app.process(in_sns(object_created("ships/NA/18-03-2020/_SUCCESS"), True), with_activated_processor=True)
    assert [len(raw["Records"]) for raw in shop.local.sent] == [1, 1]
    for raw in shop.local.sent:
        shop.deliver(raw)
    shop.workers.settle()
    assert shop.states(app["daily"]["NA"][DAY]) == ["SUCCEEDED"]


@pytest.mark.parametrize("remote", [False, True])
def test_a_notification_of_the_topic_that_data_is_declared_with(remote: bool) -> None:
    """It is heard as the topic's, in either mode: nothing else tells of this data."""
    app = Application("told")
    days = {"day": {"type": "DATETIME", "format": "%Y-%m-%d"}}
    told = app.marshal_external_data(SNS(TOPIC), "told", days)
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}").link(told)
    app.create_data("daily", inputs=[orders], compute_targets="output = orders")
    lab = Lab(app)
    done = app.process(in_sns(object_created(f"orders/{DAY}/_SUCCESS")), with_activated_processor=remote)
    for raw in lab.local.sent:
        lab.deliver(raw)
    assert lab.states(app["daily"][DAY]) == ["ANNOUNCED"]
    assert remote or done == {"daily": [f"daily/{DAY}#1"]}


@pytest.mark.parametrize("remote", [False, True])
def test_of_a_catalog_event_the_first_partition_or_all(remote: bool) -> None:
    app = Application("catalog")
    spec = {"day": {"type": "DATETIME", "format": "%Y-%m-%d"}}
    table = app.glue_table("orders", "db", "orders", spec, location="s3://lake/orders")
    app.create_data("daily", inputs=[table], compute_targets="output = orders")
    detail = {
        "databaseName": "db", "tableName": "orders", "typeOfChange": "BatchCreatePartition",
        "changedPartitions": ["[2020-03-18]", "[2020-03-17]"],
    }  # fmt: skip
    raw = {
        "source": "aws.glue", "detail-type": "Glue Data Catalog Table State Change", "id": "x",
        "time": "2020-03-18T00:00:00Z", "detail": detail,
    }  # fmt: skip
    for mode, days in ((FeedBackSignalProcessingMode.ONLY_HEAD, [DAY]), (FULL, [DAY, "2020-03-17"])):
        lab = Lab(app)
        app.process(raw, with_activated_processor=remote, processing_mode=mode)
        for one in lab.local.sent:
            lab.deliver(one)
        found = [day for day in (DAY, "2020-03-17") if lab.states(app["daily"][day])]
        assert found == days


def test_of_several_records_the_first_or_all(shop: Lab) -> None:
    app = shop.app
    app.process(app["ships"]["NA"]["18-03-2020"])
    app.process(app["ships"]["NA"]["17-03-2020"])
    both = object_created(f"orders/NA/{DAY}/_SUCCESS", "orders/NA/2020-03-17/_SUCCESS")
    assert app.process(both) == {"daily": [f"daily/NA/{DAY}#1"]}
    assert app.process(both, processing_mode=FULL) == {"daily": ["daily/NA/2020-03-17#1"]}


def test_of_a_window_the_tip_or_all(shop: Lab) -> None:
    app = shop.app
    view = app["daily"]["*"][:-3]["NA"][DAY]  # one more [] starts over
    assert app.process(app["daily"]["*"][:-3]["NA"]["2020-03-25"]) == {}
    assert app.process(view, processing_mode=FULL) == {"week": [f"week/NA/{DAY}#1"]}


@pytest.fixture
def fork() -> Lab:
    """One timer that starts two nodes."""
    app = Application("fork")
    timer = app.add_timer("timer", "rate(1 day)", time_dimension_id="day")
    app.create_data("left", inputs=[timer], compute_targets="output = 1")
    app.create_data("right", inputs=[timer], compute_targets="output = 1")
    return Lab(app)


def test_a_timer_starts_what_it_is_an_input_of(fork: Lab) -> None:
    done = fork.app.process(fork.app["timer"][datetime(2021, 1, 16)])
    assert done == {"left": ["left/2021-01-16#1"], "right": ["right/2021-01-16#1"]}


def test_a_target_takes_the_event_alone(fork: Lab) -> None:
    app = fork.app
    assert app.process(app["timer"]["2021-01-16"], target_route_id=app["left"]) == {
        "left": ["left/2021-01-16#1"]
    }
    assert app.process(app["timer"]["2021-01-17"], target_route_id="right") == {
        "right": ["right/2021-01-17#1"]
    }
    with pytest.raises(UnknownNameError, match="no active node 'lefty'"):
        app.process(app["timer"]["2021-01-16"], target_route_id="lefty")


def test_a_target_that_does_not_read_the_signal_ignores_it(shop: Lab) -> None:
    done = shop.app.process(shop.app["orders"]["NA"][DAY], target_route_id="week")
    assert str(done) == f"ignored: no input takes orders NA/{DAY}"


def test_the_listener_where_it_lives(shop: Lab) -> None:
    app = shop.app
    done = app.process(app["orders"]["NA"][DAY], with_activated_processor=True)
    assert str(done) == "sent 1 event to the listener"
    app.process(object_created("ships/NA/18-03-2020/_SUCCESS"), with_activated_processor=True)
    assert shop.airflow.runs == []
    for raw in shop.local.sent:
        shop.deliver(raw)
    shop.workers.settle()
    assert shop.states(app["daily"]["NA"][DAY]) == ["SUCCEEDED"]
    with pytest.raises(AskedError, match="only this process"):
        app.process(app["orders"]["NA"][DAY], with_activated_processor=True, target_route_id="daily")


def test_an_airflow_that_is_down_does_not_lose_the_event(shop: Lab) -> None:
    app = shop.app
    app.process(app["orders"]["NA"][DAY])
    shop.airflow.down = refusal(503)
    assert app.process(app["ships"]["NA"]["18-03-2020"]) == {"daily": [f"daily/NA/{DAY}#1"]}
    assert shop.states(app["daily"]["NA"][DAY]) == ["READY"]
    shop.airflow.down = None
    shop.time += 1000
    shop.listener().handle(SWEEP, lambda: 60_000)
    shop.workers.settle()
    assert shop.states(app["daily"]["NA"][DAY]) == ["SUCCEEDED"]


def test_an_alarm_is_of_this_minute() -> None:
    app = Application("alarming")
    cpu = app.marshal_external_alarm(CWAlarm(name="cpu high"), "cpu")
    app.create_data("note", inputs=[cpu["ALARM"]], output_dimension_spec={}, compute_targets="output = 1")
    Lab(app)
    assert app.process(cpu["OK"]).ignored
    assert app.process(cpu["ALARM"]) == {"note": ["note#1"]}


def test_a_proxy_announces_what_is_linked_to_it() -> None:
    app = Application("linked")
    bell = app.s3("bell", "s3://lake/bell/{day:%Y-%m-%d}")
    data = app.marshal_external_data(
        S3Dataset(None, "lake", "data", "{}"), "data", {"day": {"type": "DATETIME"}}, {"*": {}}
    )
    app.create_data("node", inputs=[data.link(bell)], compute_targets="output = data")
    Lab(app)
    assert app.process(app["bell"][DAY]) == {"node": [f"node/{DAY}#1"]}
