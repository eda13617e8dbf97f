"""Section 9: alarms, their rules, and alarms as inputs."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from rheodsl import (
    AlarmComparisonOperator,
    AlarmRule,
    AlarmState,
    Application,
    CWAlarm,
    CWMetric,
    MetricPeriod,
    MetricStatistic,
)
from rheodsl.errors import TruthError
from rheodsl.testing import Simulator

from .helpers import rejected

STATES = (AlarmState.OK, AlarmState.ALARM, AlarmState.INSUFFICIENT_DATA)
NAMES = ("a", "b", "c")


def alarm(app: Application, id: str) -> Any:
    metric = app.marshal_external_metric(
        external_metric_desc=CWMetric(namespace="AWS/Lambda"),
        id=f"metric_{id}",
        sub_dimensions={"FunctionName": "f"},
    )
    return app.create_alarm(
        id=id,
        target_metric_or_expression=metric["Error"][MetricStatistic.SUM][MetricPeriod.MINUTES(5)],
        number_of_evaluation_periods=1,
        number_of_datapoint_periods=1,
        comparison_operator=AlarmComparisonOperator.GreaterThanOrEqualToThreshold,
        threshold=1,
    )


def three(app: Application) -> tuple[Any, Any, Any]:
    a, b, c = (alarm(app, id) for id in NAMES)
    return a, b, c


def every_vector() -> list[dict[str, AlarmState]]:
    return [dict(zip(NAMES, states, strict=True)) for states in product(STATES, repeat=3)]


def truth(text: str, states: dict[str, AlarmState]) -> bool:
    """Read CloudWatch rule text as Python: an independent evaluation of its truth."""

    def test(match: re.Match[str]) -> str:
        return str(states[match[2]] == AlarmState[match[1]])

    python = re.sub(r'(OK|ALARM|INSUFFICIENT_DATA)\(\s*"?(\w+)"?\s*\)', test, text)
    for word in ("AND", "OR", "NOT"):
        python = re.sub(rf"\b{word}\b", word.lower(), python)
    python = python.replace("TRUE", "True").replace("FALSE", "False")
    assert set(re.findall(r"\w+", python)) <= {"True", "False", "and", "or", "not"}, python
    return bool(eval(python))


# ── rules ─────────────────────────────────────────────────────────────────────────────────────────────


def test_rendering_keeps_parentheses(app: Application) -> None:
    """► ~(a["OK"] | b["OK"]) is NOT (OK(a) OR OK(b))."""
    a, b, _ = three(app)
    assert (~(a["OK"] | b["OK"])).render() == "NOT (OK(a) OR OK(b))"


def test_a_bare_alarm_means_state_alarm(app: Application) -> None:
    a, b, _ = three(app)
    assert (a | b).render() == "ALARM(a) OR ALARM(b)"
    assert (a & b[AlarmState.INSUFFICIENT_DATA]).render() == "ALARM(a) AND INSUFFICIENT_DATA(b)"


def test_not_is_not_in_that_state(app: Application) -> None:
    a, _, _ = three(app)
    unknown = {"a": AlarmState.INSUFFICIENT_DATA}
    assert (~a).evaluate(unknown) is True
    assert (~a["OK"]).evaluate(unknown) is True
    assert (a["OK"] | a["OK"]).evaluate(unknown) is False


def test_the_rule_of_the_guide(app: Application) -> None:
    a, b, c = three(app)
    rule = a | b["ALARM"] | ~c[AlarmState.OK]
    for states in every_vector():
        said = (
            states["a"] == AlarmState.ALARM or states["b"] == AlarmState.ALARM or states["c"] != AlarmState.OK
        )
        assert rule.evaluate(states) is said


Tree = Any
leaves = st.tuples(st.just("leaf"), st.sampled_from(NAMES), st.sampled_from([None, *STATES]))
trees: st.SearchStrategy[Tree] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(st.sampled_from(["and", "or"]), inner, inner),
    ),
    max_leaves=8,
)
ALARMS = dict(zip(NAMES, three(Application("rules")), strict=True))


def build(tree: Tree) -> Any:
    match tree:
        case ("leaf", name, None):
            return ALARMS[name]
        case ("leaf", name, state):
            return ALARMS[name][state]
        case ("not", inner):
            return ~build(inner)
        case ("and", left, right):
            return build(left) & build(right)
        case (_, left, right):
            return build(left) | build(right)


def said(tree: Tree, states: dict[str, AlarmState]) -> bool:
    match tree:
        case ("leaf", name, state):
            return states[name] == (state or AlarmState.ALARM)
        case ("not", inner):
            return not said(inner, states)
        case ("and", left, right):
            return said(left, states) and said(right, states)
        case (_, left, right):
            return said(left, states) or said(right, states)


@examples(150)
@given(trees.filter(lambda tree: tree[0] != "leaf"))
def test_rules_agree_with_the_truth_table_and_round_trip(tree: Tree) -> None:
    """► Rendering is precedence-safe, round-trips through the parser, and agrees on all 3^n state vectors."""
    rule = build(tree)
    text = rule.render()
    parsed = AlarmRule.parse(text)
    assert parsed.render() == text
    for states in every_vector():
        expected = said(tree, states)
        assert rule.evaluate(states) is expected
        assert parsed.evaluate(states) is expected
        assert truth(text, states) is expected


def test_a_single_alarm_and_its_negation_are_rules(app: Application) -> None:
    """► A single alarm, and ~alarm, are valid rules."""
    a, _, _ = three(app)
    assert app.create_composite_alarm(id="one", alarm_rule=a).rule.render() == "ALARM(a)"
    assert app.create_composite_alarm(id="two", alarm_rule=~a).rule.render() == "NOT ALARM(a)"
    assert app.create_composite_alarm(id="three", alarm_rule=a["OK"]).rule.render() == "OK(a)"


def test_a_composite_is_an_operand(app: Application) -> None:
    a, b, _ = three(app)
    inner = app.create_composite_alarm(id="inner", alarm_rule=a | b)
    rule = ~inner["OK"] & a
    assert rule.render() == "NOT OK(inner) AND ALARM(a)"
    assert rule.evaluate({"inner": AlarmState.ALARM, "a": AlarmState.ALARM}) is True


def test_any_state_is_no_rule(app: Application) -> None:
    a, b, _ = three(app)
    with rejected("a"):
        a["*"] & b


def test_a_rule_has_no_truth(app: Application) -> None:
    a, b, _ = three(app)
    with rejected(kind=TruthError, hint=True):
        bool(a | b)
    with rejected(kind=TruthError, hint="&"):
        _ = (a | b) and b


def test_an_unknown_state_is_an_error(app: Application) -> None:
    a, _, _ = three(app)
    with rejected("BROKEN"):
        a["BROKEN"]


# ── as inputs ─────────────────────────────────────────────────────────────────────────────────────────


def reactor(app: Application, view: Any) -> Simulator:
    app.create_data("reactor", inputs=[view])
    return Simulator(app)


def changes(sim: Simulator, signal: Any, *states: str) -> list[int]:
    """How many runs each state starts, one minute after the other."""
    at = datetime(2024, 5, 1, 10)
    return [len(sim.send(signal[state][at + timedelta(minutes=n)])) for n, state in enumerate(states)]


def test_an_alarm_fires_on_transitions_into_the_selected_state(app: Application) -> None:
    a, _, _ = three(app)
    sim = reactor(app, a[AlarmState.ALARM])
    assert changes(sim, a, "OK", "ALARM", "INSUFFICIENT_DATA", "ALARM") == [0, 1, 0, 1]


def test_a_run_knows_the_state(app: Application) -> None:
    a, _, _ = three(app)
    sim = reactor(app, a[AlarmState.ALARM])
    (run,) = sim.send(a["ALARM"][datetime(2024, 5, 1, 10)])
    assert run.node == "reactor"
    assert run.inputs["a"].tip["state"] == "ALARM"


def test_any_state_fires_on_every_transition(app: Application) -> None:
    a, _, _ = three(app)
    assert changes(reactor(app, a["*"]), a, "OK", "ALARM", "INSUFFICIENT_DATA") == [1, 1, 1]


def test_a_composite_alarm_is_an_input(app: Application) -> None:
    a, b, _ = three(app)
    composite = app.create_composite_alarm(id="monitor", alarm_rule=a | b)
    assert changes(reactor(app, composite[AlarmState.ALARM]), composite, "ALARM", "OK") == [1, 0]


def state_change(previous: str, state: str, minute: int, name: str = "cpu high") -> dict[str, Any]:
    """A CloudWatch alarm's change of state, as EventBridge reports it."""
    at = f"2024-05-01T10:{minute:02d}:00.000+0000"
    return {
        "version": "0",
        "id": f"c4c1c1c9-6542-e61b-6ef0-8c4d36933a{minute:02d}",
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": "123456789012",
        "time": f"2024-05-01T10:{minute:02d}:00Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:{name}"],
        "detail": {
            "alarmName": name,
            "state": {"value": state, "reason": "Threshold Crossed", "timestamp": at},
            "previousState": {"value": previous, "reason": "", "timestamp": "2024-05-01T09:00:00.000+0000"},
            "configuration": {"metrics": []},
        },
    }


def test_raw_changes_of_state(app: Application) -> None:
    cpu = app.marshal_external_alarm(CWAlarm(name="cpu high"), "cpu")
    sim = reactor(app, cpu["ALARM"])
    story = [("OK", "ALARM"), ("ALARM", "OK"), ("INSUFFICIENT_DATA", "ALARM"), ("ALARM", "ALARM")]
    fired = [len(sim.send(state_change(*states, minute))) for minute, states in enumerate(story)]
    assert fired == [1, 0, 1, 0], "the last is no transition"
    assert sim.send(state_change("OK", "ALARM", 0)) == [], "redelivered"
    assert sim.send(state_change("OK", "ALARM", 9, "other")) == []
