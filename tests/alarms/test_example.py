"""The example, tested as its user would: bad orders, alarms, reactors, tickets."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from codegen.cloudformation.alarms import alarm_resources
from codegen.compiler import compile_graph
from rheodsl import AlarmState, Application
from rheodsl.cloudwatch.alarms import CompositeAlarmNode
from rheodsl.loading import load_app
from rheodsl.testing import Simulator

FILE = Path(__file__).parents[2] / "examples" / "alarms" / "app.py"
PARTS = ("one_or_more_spark_executions_failed", "generic_error_alarm", "system_failure")


@pytest.fixture(scope="module")
def app() -> Application:
    return load_app(FILE)


@pytest.fixture
def sim(app: Application) -> Simulator:
    return Simulator(app)


def reactions(runs: list[Any]) -> list[tuple[str, str]]:
    return [(run.node, run.inputs["system_monitor"].tip["state"]) for run in runs]


def test_bad_orders_start_both_reactors(app: Application, sim: Simulator) -> None:
    errors = app.metric("my_custom_spark_error_metric")["Error"]
    assert reactions(sim.advance(timedelta(minutes=1))) == [("system_monitor_reactor", "OK")]
    sim.send(app["orders"]["2024-01-01"])
    sim.metric(errors, 2)
    assert reactions(sim.advance(timedelta(minutes=1))) == [
        ("system_failure_reactor", "ALARM"),
        ("system_monitor_reactor", "ALARM"),
    ]
    # What CloudWatch looks at is three periods of five minutes.
    assert reactions(sim.advance(timedelta(hours=1))) == [("system_monitor_reactor", "OK")]


def test_good_orders_start_none(app: Application, sim: Simulator) -> None:
    sim.metric(app.metric("my_custom_spark_error_metric")["Error"], 0)
    assert reactions(sim.advance(timedelta(hours=1))) == [("system_monitor_reactor", "OK")]


def test_three_of_five_periods_with_errors_are_a_system_failure(app: Application, sim: Simulator) -> None:
    metric = app.metric("lambda_metric")["Errors"]
    states = []
    for count in (1, 0, 1, 0, 1):
        sim.metric(metric, count)
        sim.advance(timedelta(minutes=5))
        states.append(sim.alarms["system_failure"].value)
    assert states == ["OK", "OK", "OK", "OK", "ALARM"]
    assert sim.alarms["system_monitor"] == "ALARM"


def test_all_tickets_of_one_failure_are_one(app: Application, sim: Simulator) -> None:
    for part in PARTS:
        sim.alarm(part, "ALARM")
    asked = [(done.alarm, done.dedupe) for done in sim.actions if done.state is AlarmState.ALARM]
    # system_failure has no action of its own.
    assert sorted(name for name, _ in asked) == sorted([*PARTS[:2], "system_monitor"])
    assert {text for _, text in asked} == {"alarming-ex-ERROR"}


def test_the_rule_in_every_state_of_its_parts(app: Application) -> None:
    """The rule's value, the simulator's composite and the example's other way to say it, in all 27 states."""
    monitor = app["system_monitor"]
    assert isinstance(monitor, CompositeAlarmNode)
    for vector in product(AlarmState, repeat=3):
        states = dict(zip(PARTS, vector, strict=True))
        expected = (
            states[PARTS[0]] == "ALARM" or states[PARTS[1]] == "ALARM" or states["system_failure"] != "OK"
        )
        assert monitor.rule.evaluate(states) is expected
        sim = Simulator(app)
        for part, state in states.items():
            sim.alarm(part, state)
        if any(state is not AlarmState.INSUFFICIENT_DATA for state in vector):
            assert (sim.alarms["system_monitor"] == "ALARM") is expected


def test_it_compiles(app: Application) -> None:
    found = compile_graph(app.graph())
    assert {
        "good_orders.py", "system_failure_reactor.py", "system_monitor_reactor.py", "alarms.json", "metrics.json",
    } <= set(found)  # fmt: skip
    assert compile_graph(load_app(FILE).graph()) == found


def test_its_resources(app: Application) -> None:
    made = alarm_resources(app.graph())
    types = sorted(resource["Type"] for resource in made.values())
    assert types == [
        "AWS::CloudWatch::Alarm", "AWS::CloudWatch::Alarm", "AWS::CloudWatch::Alarm",
        "AWS::CloudWatch::CompositeAlarm", "AWS::CloudWatch::Dashboard",
        "AWS::Events::Rule", "AWS::Events::Rule", "AWS::SNS::Topic", "AWS::SNS::TopicPolicy",
    ]  # fmt: skip
    assert made["AlarmSystemMonitor"]["Properties"]["AlarmRule"] == (
        "ALARM(alarming-ex.one_or_more_spark_executions_failed) OR ALARM(alarming-ex.generic_error_alarm) "
        "OR NOT OK(alarming-ex.system_failure)"
    )
