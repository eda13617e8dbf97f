"""Section 10: the simulator."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from rheodsl import Application
from rheodsl.errors import GraphError, RheoError
from rheodsl.testing import Simulator

from .helpers import daily, outputs, regional, s3_event, s3_notification


def test_a_run_tells_its_node_output_and_inputs(app: Application) -> None:
    orders = regional(app)
    app.create_data("daily", inputs=[orders["*"][:-2]])
    runs = Simulator(app).send(orders[1]["2020-03-18"])
    assert isinstance(runs, list)
    assert runs[0].node == "daily"
    assert runs[0].output == {"region_id": 1, "day": "2020-03-18"}
    assert runs[0].inputs["orders"].paths == [
        "s3://lake/orders/1/2020-03-18",
        "s3://lake/orders/1/2020-03-17",
    ]
    assert runs[0].inputs["orders"].tip == {"region_id": 1, "day": "2020-03-18"}


def test_a_send_without_an_id_is_a_new_event_each_time(app: Application) -> None:
    days = daily(app)
    app.create_data("node", inputs=[days])
    sim = Simulator(app)
    assert [len(sim.send(days["2020-03-18"])) for _ in range(2)] == [1, 1]


def test_a_send_with_an_id_is_one_event(app: Application) -> None:
    days = daily(app)
    app.create_data("node", inputs=[days])
    sim = Simulator(app)
    assert [len(sim.send(days["2020-03-18"], event_id=id)) for id in ("a", "a", "b", "a", "b")] == [
        1,
        0,
        1,
        0,
        0,
    ]


def test_one_id_on_two_partitions_is_two_events(app: Application) -> None:
    days = daily(app)
    app.create_data("node", inputs=[days])
    sim = Simulator(app)
    assert len(sim.send(days["2020-03-18"], event_id="a")) == 1
    assert len(sim.send(days["2020-03-19"], event_id="a")) == 1


def sns(event: dict[str, Any]) -> dict[str, Any]:
    """The event as the message of an SNS notification."""
    return {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": "arn:aws:sns:us-east-1:111122223333:topic:1",
                "Sns": {
                    "Type": "Notification",
                    "MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
                    "TopicArn": "arn:aws:sns:us-east-1:111122223333:topic",
                    "Subject": "Amazon S3 Notification",
                    "Message": json.dumps(event),
                    "Timestamp": "2020-03-18T01:00:00.000Z",
                },
            }
        ]
    }


@pytest.mark.parametrize("shape", [s3_event, s3_notification, lambda *a, **k: sns(s3_notification(*a, **k))])
def test_raw_events(app: Application, shape: Any) -> None:
    app.create_data("node", inputs=[regional(app)])
    sim = Simulator(app)
    assert outputs(sim.send(shape("lake", "orders/1/2020-03-18/_SUCCESS"))) == [("1", "2020-03-18")]


@pytest.mark.parametrize("shape", [s3_event, s3_notification, lambda *a, **k: sns(s3_notification(*a, **k))])
def test_a_raw_event_is_identified_by_bucket_key_etag_and_time(app: Application, shape: Any) -> None:
    app.create_data("node", inputs=[regional(app)])
    sim = Simulator(app)
    key = "orders/1/2020-03-18/_SUCCESS"
    assert len(sim.send(shape("lake", key))) == 1
    assert len(sim.send(shape("lake", key))) == 0
    assert len(sim.send(shape("lake", key, etag="e2"))) == 1
    assert len(sim.send(shape("lake", key, time="2020-03-18T02:00:00Z"))) == 1
    assert len(sim.send(shape("lake", key, etag="e2"))) == 0


def test_object_tags_are_no_arrival(app: Application) -> None:
    app.create_data("node", inputs=[regional(app)])
    sim = Simulator(app)
    event = s3_event("lake", "orders/1/2020-03-18/_SUCCESS") | {"detail-type": "Object Tags Added"}
    assert sim.send(event) == []


def test_a_view_must_name_one_partition_to_be_sent(app: Application) -> None:
    orders = regional(app)
    app.create_data("node", inputs=[orders])
    sim = Simulator(app)
    with pytest.raises(RheoError):
        sim.send(orders[1])
    with pytest.raises(RheoError):
        sim.send(orders[1][:-3])


def test_existence_is_no_event(app: Application) -> None:
    days = daily(app)
    app.create_data("node", inputs=[days])
    sim = Simulator(app)
    sim.exists(days["2020-03-18"])
    assert sim.tick() == []


def test_pending_bindings_say_what_arrived_and_what_is_awaited(app: Application) -> None:
    days, rates = daily(app), daily(app, "rates")
    app.create_data("node", inputs=[days, rates])
    sim = Simulator(app)
    assert len(sim.pending("node")) == 0
    sim.send(days["2020-03-18"])
    (waiting,) = sim.pending("node")
    assert "days" in str(waiting.arrived)
    assert "2020-03-18" in str(waiting.arrived)
    assert "rates" in str(waiting.missing)
    sim.send(rates["2020-03-18"])
    assert len(sim.pending("node")) == 0


def test_downstream_runs_are_listed_in_order(app: Application) -> None:
    days = daily(app)
    first = app.create_data("first", inputs=[days])
    second = app.create_data("second", inputs=[first])
    app.create_data("third", inputs=[second])
    sim = Simulator(app)
    assert [run.node for run in sim.send(days["2020-03-18"])] == ["first", "second", "third"]


def test_the_output_of_a_node_can_be_sent(app: Application) -> None:
    days = daily(app)
    first = app.create_data("first", inputs=[days])
    app.create_data("second", inputs=[first])
    assert [(run.node, run.output) for run in Simulator(app).send(first["2020-03-18"])] == [
        ("second", {"day": "2020-03-18"})
    ]


def test_complete_lists_what_it_started(app: Application) -> None:
    days = daily(app)
    first = app.create_data("first", inputs=[days])
    second = app.create_data("second", inputs=[first])
    app.create_data("third", inputs=[second])
    sim = Simulator(app)
    sim.auto_complete = False
    (run,) = sim.send(days["2020-03-18"])
    (run,) = sim.complete(run, ok=True)
    assert run.node == "second"
    sim.auto_complete = True
    assert [run.node for run in sim.complete(run, ok=True)] == ["third"]


def test_a_failing_node_starts_and_emits_nothing(app: Application) -> None:
    days = daily(app)
    first = app.create_data("first", inputs=[days])
    app.create_data("second", inputs=[first])
    app.create_data("beside", inputs=[days])
    sim = Simulator(app)
    sim.fail("first")
    assert sorted(run.node for run in sim.send(days["2020-03-18"])) == ["beside", "first"]


def test_time_is_virtual(app: Application) -> None:
    timer = app.add_timer("yearly", "rate(365 days)", time_dimension_id="day")
    app.create_data("node", inputs=[timer])
    assert len(Simulator(app).advance(timedelta(days=3650))) == 10


def test_a_fired_timer_runs_downstream(app: Application) -> None:
    timer = app.add_timer("daily", "rate(1 day)", time_dimension_id="day")
    first = app.create_data("first", inputs=[timer])
    app.create_data("second", inputs=[first[:-2]])
    runs = Simulator(app).fire(timer, at=datetime(2025, 5, 7, 10, 30))
    assert [(run.node, run.output) for run in runs] == [
        ("first", {"day": "2025-05-07"}),
        ("second", {"day": "2025-05-07"}),
    ]


def test_a_simulator_compiles_the_graph(app: Application) -> None:
    days, ships = daily(app), app.s3("ships", "s3://lake/ships/{day:int}")
    app.create_data("node", inputs=[days, ships])
    with pytest.raises(GraphError) as caught:
        Simulator(app)
    assert caught.value.faults


def test_two_simulators_share_nothing(app: Application) -> None:
    a, b = daily(app, "a"), daily(app, "b")
    app.create_data("node", inputs=[a, b])
    one, two = Simulator(app), Simulator(app)
    one.send(a["2020-03-18"])
    assert two.send(b["2020-03-18"]) == []
    assert len(one.send(b["2020-03-18"])) == 1


def test_explain_tells_in_words_why_a_node_ran_or_what_it_awaits(app: Application) -> None:
    days, rates = daily(app), daily(app, "rates")
    node = app.create_data("node", inputs=[days, rates])
    sim = Simulator(app)
    sim.send(days["2020-03-18"])
    waiting = str(sim.explain("node", node["2020-03-18"]))
    assert "rates" in waiting
    sim.send(rates["2020-03-18"])
    ran = str(sim.explain("node", node["2020-03-18"]))
    assert ran != waiting
    assert "days" in ran
