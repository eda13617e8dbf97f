"""Metrics and alarms in virtual time: evaluation, composites, actions, alarms joined with data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rheodsl import (
    AlarmDefaultActionsMap,
    AlarmNode,
    AlarmState,
    Application,
    CWAlarm,
    EmailAction,
    GraphError,
    MetricPeriod,
    MetricStatistic,
    TicketAction,
)
from rheodsl.testing import Simulator

MINUTE = timedelta(minutes=1)
SUM, FIVE = MetricStatistic.SUM, MetricPeriod.MINUTES(5)


@pytest.fixture
def app() -> Application:
    return Application("shop")


def on_errors(app: Application, id: str = "errors_high", **options: Any) -> AlarmNode:
    """An alarm on the Error of the metric "etl", created with it."""
    metric = app.create_metric(f"etl_{id}") if f"etl_{id}" not in app._signals else app.metric(f"etl_{id}")
    return app.create_alarm(id, metric["Error"][SUM][FIVE], **options)


def states(sim: Simulator, *ids: str) -> list[str]:
    return [sim.alarms[id].value for id in ids]


def test_a_value_alarms_at_the_end_of_its_minute(app: Application) -> None:
    alarm = on_errors(app, threshold=2)
    app.create_data("reactor", inputs=[alarm["ALARM"]])
    sim = Simulator(app)
    sim.metric(app.metric("etl_errors_high")["Error"], 1)
    assert sim.advance(MINUTE) == []
    assert states(sim, "errors_high") == ["OK"]
    sim.metric(app.metric("etl_errors_high")["Error"], 1)
    assert states(sim, "errors_high") == ["OK"]
    runs = sim.advance(MINUTE)
    assert [run.node for run in runs] == ["reactor"]
    assert runs[0].inputs["errors_high"].tip == {"state": "ALARM", "time": "2024-01-01T00:02"}


def test_an_alarm_ends_when_its_data_leaves_the_range(app: Application) -> None:
    alarm = on_errors(app)
    app.create_data("reactor", inputs=[alarm["*"]])
    sim = Simulator(app)
    sim.metric(app.metric("etl_errors_high")["Error"], [3, 4])
    runs = sim.advance(timedelta(hours=1))
    # One period breaches; CloudWatch looks at three before nothing is left of it.
    assert [(run.output["state"], run.output["time"]) for run in runs] == [
        ("ALARM", "2024-01-01T00:01"),
        ("INSUFFICIENT_DATA", "2024-01-01T00:16"),
    ]


def test_periods_slide_with_the_minutes(app: Application) -> None:
    """Two errors four minutes apart are in one period of five minutes, whatever the clock says."""
    alarm = on_errors(app, threshold=2, treat_missing_data="notBreaching")
    app.create_data("reactor", inputs=[alarm["ALARM"]])
    sim = Simulator(app)
    sim.advance(3 * MINUTE)
    sim.metric(app.metric("etl_errors_high")["Error"])
    sim.advance(4 * MINUTE)
    sim.metric(app.metric("etl_errors_high")["Error"])
    assert [run.output["time"] for run in sim.advance(5 * MINUTE)] == ["2024-01-01T00:08"]
    assert states(sim, "errors_high") == ["OK"]


def test_two_of_three_periods(app: Application) -> None:
    alarm = on_errors(app, number_of_evaluation_periods=3, number_of_datapoint_periods=2)
    app.create_data("reactor", inputs=[alarm["ALARM"]])
    sim = Simulator(app)
    error = app.metric("etl_errors_high")["Error"]
    began = []
    for value in (1, 0, 1):
        sim.metric(error, value)
        began += sim.advance(5 * MINUTE)
    assert [run.output["time"] for run in began] == ["2024-01-01T00:11"]


def test_an_expression_over_two_metrics(app: Application) -> None:
    metric = app.create_metric("app_errors")
    alarm = app.create_alarm(
        "any_error",
        "errors > 0 OR failures > 0",
        metrics={"errors": metric["Error"][SUM][FIVE], "failures": metric["Failure"][SUM][FIVE]},
    )
    app.create_data("reactor", inputs=[alarm["ALARM"]])
    for name in ("Error", "Failure"):
        sim = Simulator(app)
        sim.metric(metric[name])
        assert len(sim.advance(MINUTE)) == 1


def test_missing_data_may_be_the_alarm(app: Application) -> None:
    """A dead man's switch: no heartbeat for a period."""
    beat = app.create_metric("heart")["Beat"]
    alarm = app.create_alarm(
        "dead",
        beat["SampleCount"][60],
        comparison_operator="LessThanThreshold",
        treat_missing_data="breaching",
    )
    app.create_data("reactor", inputs=[alarm["ALARM"]])
    sim = Simulator(app)
    for _ in range(3):
        sim.metric(beat)
        assert sim.advance(MINUTE) == []
    # CloudWatch's range is three periods here, so the last beat is seen for that long.
    assert [run.output["time"] for run in sim.advance(timedelta(hours=1))] == ["2024-01-01T00:06"]


def test_metrics_of_nodes_are_sent(app: Application) -> None:
    days = app.s3("days", "s3://lake/days/{day:%Y-%m-%d}")
    app.create_data("daily", inputs=[days])
    alarm = app.create_alarm("daily_failed", app.metric("daily.exec_failed")[SUM][FIVE])
    good = app.create_alarm("daily_done", app.metric("daily.exec_succeeded")[SUM][FIVE], threshold=2)
    app.create_data("reactor", inputs={"bad": alarm["ALARM"]})
    app.create_data("party", inputs={"good": good["ALARM"]})
    sim = Simulator(app)
    sim.send(days["2024-01-01"])
    sim.send(days["2024-01-02"])
    assert [run.node for run in sim.advance(MINUTE)] == ["party"]
    sim.fail("daily")
    sim.send(days["2024-01-03"])
    assert [run.node for run in sim.advance(MINUTE)] == ["reactor"]


def test_a_composite_follows_its_parts_at_once(app: Application) -> None:
    a, b = on_errors(app, "a"), on_errors(app, "b")
    monitor = app.create_composite_alarm("monitor", a | ~b["OK"])
    top = app.create_composite_alarm("top", ~monitor)
    app.create_data("reactor", inputs=[monitor["ALARM"]])
    app.create_data("all_clear", inputs=[top["ALARM"]])
    sim = Simulator(app)
    assert sim.alarm("a", "OK")[0].node == "reactor"  # b is in INSUFFICIENT_DATA, so not OK
    assert states(sim, "a", "b", "monitor", "top") == ["OK", "INSUFFICIENT_DATA", "ALARM", "OK"]
    assert [run.node for run in sim.alarm(b, "OK")] == ["all_clear"]
    assert sim.alarm(b, "OK") == []
    assert [run.node for run in sim.alarm(a, AlarmState.ALARM)] == ["reactor"]


def test_a_state_set_by_hand_stays_until_data_comes(app: Application) -> None:
    alarm = on_errors(app)
    sim = Simulator(app)
    sim.alarm(alarm, "ALARM")
    sim.advance(timedelta(days=1))
    assert states(sim, "errors_high") == ["ALARM"]
    sim.metric(app.metric("etl_errors_high")["Error"], 0)
    sim.advance(MINUTE)
    assert states(sim, "errors_high") == ["OK"]


def test_an_external_alarm_is_set_by_hand_or_by_its_event(app: Application) -> None:
    cpu = app.marshal_external_alarm(CWAlarm(name="cpu high"), "cpu")
    app.create_data("reactor", inputs=[cpu["ALARM"]])
    sim = Simulator(app)
    assert len(sim.alarm(cpu, "ALARM")) == 1
    event = {
        "id": "1", "source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change",
        "time": "2024-03-18T05:06:07Z",
        "detail": {
            "alarmName": "cpu high", "state": {"value": "ALARM"}, "previousState": {"value": "OK"},
        },
    }  # fmt: skip
    assert [run.output["time"] for run in sim.send(event)] == ["2024-03-18T05:06"]
    assert sim.send(event) == []  # the same event again
    same = {**event, "id": "2", "detail": {**event["detail"], "previousState": {"value": "ALARM"}}}
    assert sim.send(same) == []  # no transition


def test_the_event_of_an_alarm_of_the_application_goes_by_its_name_in_cloudwatch(app: Application) -> None:
    app.create_data("reactor", inputs=[on_errors(app)["OK"]])
    detail = {"alarmName": "shop.errors_high", "state": {"value": "OK"}}
    event = {
        "id": "1", "source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change",
        "time": "2024-03-18T05:06:07Z", "detail": detail,
    }  # fmt: skip
    assert len(Simulator(app).send(event)) == 1


def test_an_alarm_joined_with_data_by_the_day(app: Application) -> None:
    alarm = on_errors(app)
    days = app.s3("days", "s3://lake/days/{day:%Y-%m-%d}")
    app.create_data(
        "excuse",
        inputs=[days, alarm["ALARM"]],
        input_dim_links=[alarm.time.trunc("day") == days.day],
    )
    sim = Simulator(app, now=datetime(2024, 3, 18, 5, 6, tzinfo=UTC))
    assert sim.send(days["2024-03-17"]) == []
    assert sim.send(days["2024-03-18"]) == []
    assert [run.output for run in sim.alarm(alarm, "ALARM")] == [{"day": "2024-03-18"}]
    [waiting] = sim.pending("excuse")
    assert "errors_high" in str(waiting.missing)


def test_an_alarm_by_reference_starts_nothing(app: Application) -> None:
    alarm = on_errors(app)
    days = app.s3("days", "s3://lake/days/{day:%Y-%m-%d}")
    with pytest.raises(GraphError, match="time"):
        app.create_data("node", inputs=[days, alarm["ALARM"].ref])
        app.graph()


def test_default_actions_are_recorded(app: Application) -> None:
    ticket = TicketAction(TicketAction.CTI("a", "b", "c"), dedupe_str="shop-ERROR")
    mail = EmailAction("oncall@example.com")
    actions = AlarmDefaultActionsMap(ALARM_ACTIONS={ticket}, OK_ACTIONS={mail})
    alarm = on_errors(app, default_actions=actions)
    app.create_composite_alarm("monitor", alarm | alarm["ALARM"], AlarmDefaultActionsMap({ticket}))
    sim = Simulator(app)
    sim.alarm(alarm, "ALARM")
    sim.alarm(alarm, "OK")
    assert [(done.alarm, done.state.value, done.dedupe) for done in sim.actions] == [
        ("errors_high", "ALARM", "shop-ERROR"),
        ("monitor", "ALARM", "shop-ERROR"),
        ("errors_high", "OK", "errors_high"),
    ]


def test_timers_and_alarms_go_by_one_clock(app: Application) -> None:
    """A timer's node fails; its alarm starts the reactor before the timer fires again."""
    timer = app.add_timer("often", "rate(10 minutes)")
    app.create_data("poll", inputs=[timer])
    alarm = app.create_alarm("poll_failed", app.metric("poll.exec_failed")[SUM][FIVE])
    app.create_data("reactor", inputs={"alarm": alarm["ALARM"]})
    sim = Simulator(app)
    sim.fail("poll")
    runs = sim.advance(timedelta(minutes=15))
    assert [(run.node, run.output["time"]) for run in runs] == [
        ("poll", "2024-01-01 00:00"),
        ("reactor", "2024-01-01T00:01"),
        ("poll", "2024-01-01 00:10"),
    ]


def test_a_calendar_expression_is_evaluated_as_time_passes(app: Application) -> None:
    """Business hours: the value is there all day, and counts from 9 on."""
    metric = app.create_metric("load")["Load"]
    app.create_alarm(
        "by_day", "IF(HOUR(m) >= 9 AND m > 0, 1, 0)", metrics={"m": metric["Maximum"][FIVE]},
        treat_missing_data="notBreaching",
    )  # fmt: skip
    sim = Simulator(app, now=datetime(2024, 1, 1, 8, 58, tzinfo=UTC))
    sim.metric(metric, 5)
    sim.advance(MINUTE)
    assert states(sim, "by_day") == ["OK"]
    sim.metric(metric, 5, at=datetime(2024, 1, 1, 9, 4))
    sim.advance(10 * MINUTE)
    assert states(sim, "by_day") == ["ALARM"]


def test_advancing_far_over_quiet_alarms_is_quick(app: Application) -> None:
    for n in range(50):
        on_errors(app, f"a{n}")
    sim = Simulator(app)
    assert sim.advance(timedelta(days=3650)) == []


def test_percentiles(app: Application) -> None:
    latency = app.create_metric("web")["Latency"]
    app.create_alarm("slow", latency[MetricStatistic.PERCENTILE(90)][60], threshold=9)
    sim = Simulator(app)
    sim.metric(latency, range(1, 11))
    sim.advance(MINUTE)
    assert states(sim, "slow") == ["ALARM"]
    sim.metric(latency, range(1, 10))
    sim.metric(latency, 1)
    sim.advance(MINUTE)
    assert states(sim, "slow") == ["OK"]
