"""``app.process``: events by hand, taken in this process as the listener takes them, or sent to it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from platforms.control.errors import AskedError
from rheodsl import Application, CWAlarm, S3Dataset
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
    shop.airflow.settle()
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
        shop.airflow.settle()
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
    ship: dict[str, Any] = {
        "source": "aws.s3", "detail-type": "Object Created", "time": "2020-03-18T00:00:00Z",
        "detail": {"bucket": {"name": "lake"}, "object": {"key": "ships/NA/18-03-2020/_SUCCESS", "etag": "x"}},
    }  # fmt: skip
    assert app.process(ship) == {"daily": [f"daily/NA/{DAY}#1"]}
    assert app.process(ship) == {}  # the same event again
    done = app.process(object_created("orders/NA/oops/_SUCCESS"))
    assert not done and "oops" in done.ignored
    with pytest.raises(AskedError, match="this is no event: source is missing"):
        app.process({"what": "ever"})


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
    assert shop.airflow.runs == {}
    for raw in shop.local.sent:
        shop.deliver(raw)
    shop.airflow.settle()
    assert shop.states(app["daily"]["NA"][DAY]) == ["SUCCEEDED"]
    with pytest.raises(AskedError, match="only this process"):
        app.process(app["orders"]["NA"][DAY], with_activated_processor=True, target_route_id="daily")


def test_an_airflow_that_is_down_does_not_lose_the_event(shop: Lab) -> None:
    app = shop.app
    app.process(app["orders"]["NA"][DAY])
    shop.airflow.down = True
    assert app.process(app["ships"]["NA"]["18-03-2020"]) == {"daily": [f"daily/NA/{DAY}#1"]}
    assert shop.states(app["daily"]["NA"][DAY]) == ["READY"]
    shop.airflow.down = False
    shop.time += 1000
    sweep = {"source": "rheo", "detail-type": "rheo.sweep", "detail": {}}
    shop.listener().handle(sweep, lambda: 60_000)
    shop.airflow.settle()
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
