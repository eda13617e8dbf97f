"""Composite alarms: CloudWatch's limits, cycles, and the truth of whole trees of them in all states."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from codegen.cloudformation.alarms import alarm_resources
from rheodsl import (
    AlarmNode,
    AlarmRule,
    AlarmState,
    Application,
    CompositeAlarmNode,
    CWAlarm,
    GraphError,
    MetricNode,
    at_least,
)
from rheodsl.cloudwatch.alarm_rule import AlarmRuleError
from rheodsl.cloudwatch.evaluation import AlarmBoard
from rheodsl.testing import Simulator


def externals(app: Application, count: int) -> list[AlarmNode]:
    return [app.marshal_external_alarm(CWAlarm(name=f"alarm {n}"), f"a{n}") for n in range(count)]


def any_of(alarms: list[Any]) -> Any:
    rule = alarms[0]
    for alarm in alarms[1:]:
        rule = rule | alarm
    return rule


def test_a_hundred_alarms_and_no_more() -> None:
    app = Application("shop")
    alarms = externals(app, 101)
    assert len(app.create_composite_alarm("all", any_of(alarms[:100])).rule.alarms()) == 100
    with pytest.raises(AlarmRuleError) as caught:
        app.create_composite_alarm("more", any_of(alarms))
    assert str(caught.value) == (
        "RD401: the rule has 101 alarms, CloudWatch takes 100\n"
        f"  at   {caught.value.where}\n  hint split it into several composite alarms"
    )


def test_more_by_composites_of_composites() -> None:
    app = Application("shop")
    alarms = externals(app, 300)
    parts = [app.create_composite_alarm(f"p{n}", any_of(alarms[n * 100 : n * 100 + 100])) for n in range(3)]
    app.create_composite_alarm("all", any_of(parts))
    sim = Simulator(app)
    sim.alarm("a250", "ALARM")
    assert (sim.alarms["all"], sim.alarms["p2"], sim.alarms["p0"]) == ("ALARM", "ALARM", "OK")


def test_the_text_is_measured_with_the_names_in_cloudwatch() -> None:
    """A rule of short ids may be too long by the alarms' own names."""
    app = Application("shop")
    long = [app.marshal_external_alarm(CWAlarm(name=f"{'x' * 150}{n}"), f"a{n}") for n in range(80)]
    with pytest.raises(AlarmRuleError, match=r"the rule has \d+ characters, CloudWatch takes 10240"):
        app.create_composite_alarm("all", any_of(long))


def test_an_alarm_is_part_of_150_composites_at_most() -> None:
    app = Application("shop")
    (alarm,) = externals(app, 1)
    for n in range(150):
        app.create_composite_alarm(f"c{n}", alarm)
    with pytest.raises(AlarmRuleError) as caught:
        app.create_composite_alarm("c150", ~alarm)
    assert str(caught.value) == (
        "RD401: c150: 'a0' is part of 150 composite alarms already; CloudWatch takes 150\n"
        f"  at   {caught.value.where}\n  hint make composites of composites"
    )


def test_a_cycle_is_told_with_its_path() -> None:
    app = Application("shop")
    (alarm,) = externals(app, 1)
    one = app.create_composite_alarm("one", alarm)
    two = app.create_composite_alarm("two", one)
    app.create_composite_alarm("three", two)
    with pytest.raises(AlarmRuleError) as caught:
        app.create_composite_alarm("one", AlarmRule.parse("ALARM(three)"))
    assert str(caught.value) == (
        "RD401: composite alarms wait for one another: one -> three -> two -> one\n"
        f"  at   {caught.value.where}\n  hint take one of them out of the other's rule"
    )


def test_a_deep_tree_is_evaluated_and_a_deep_rule_refused() -> None:
    app = Application("shop")
    (alarm,) = externals(app, 1)
    below: AlarmNode = alarm
    for n in range(200):
        below = app.create_composite_alarm(f"c{n}", below)
    sim = Simulator(app)
    sim.alarm(alarm, "ALARM")
    assert sim.alarms["c199"] == "ALARM"
    rule: Any = alarm
    with pytest.raises(AlarmRuleError, match="more than 50 operators stand inside one another"):
        for _ in range(60):
            rule = ~(rule | alarm["OK"]) & alarm


def test_an_id_that_is_taken() -> None:
    app = Application("shop")
    externals(app, 1)
    app.create_metric("a0")
    with pytest.raises(GraphError, match="the id 'a0' is taken"):
        app.graph()


def test_alarms_are_found_by_their_ids() -> None:
    app = Application("shop")
    (alarm,) = externals(app, 1)
    composite = app.create_composite_alarm("all", ~alarm)
    metric = app.create_metric("m")
    assert (app["a0"], app["all"], app["m"]) == (alarm, composite, metric)
    found = app["all"]
    assert isinstance(found, CompositeAlarmNode) and found.rule.render() == "NOT ALARM(a0)"
    assert isinstance(app["a0"], AlarmNode) and isinstance(app["m"], MetricNode)


def test_at_least_counts_alarms() -> None:
    app = Application("shop")
    alarms = externals(app, 4)
    most = app.create_composite_alarm("most", at_least("50%", "NOT OK", *alarms))
    for count in range(5):
        states = {a.id: "ALARM" if n < count else "OK" for n, a in enumerate(alarms)}
        assert most.rule.evaluate(states) is (count >= 2)


def test_a_view_keeps_its_state_in_a_rule() -> None:
    app = Application("shop")
    (alarm,) = externals(app, 1)
    assert alarm["OK"].alias("x").__rheo_rule__().render() == "OK(a0)"
    assert (alarm["INSUFFICIENT_DATA"] & alarm).render() == "INSUFFICIENT_DATA(a0) AND ALARM(a0)"


# --- whole trees ---

NAMES = ("a0", "a1", "a2")
# Each composite is over the alarms and those before it.
shapes = st.lists(
    st.recursive(
        st.tuples(st.just("leaf"), st.integers(0, 5), st.sampled_from([None, *AlarmState])),
        lambda inner: st.one_of(
            st.tuples(st.just("not"), inner), st.tuples(st.sampled_from(["and", "or"]), inner, inner)
        ),
        max_leaves=5,
    ),
    min_size=1,
    max_size=4,
)


def build(shape: Any, alarms: list[AlarmNode]) -> Any:
    match shape:
        case ("leaf", number, state):
            alarm = alarms[number % len(alarms)]
            return alarm if state is None else alarm[state]
        case ("not", inner):
            return ~build(inner, alarms)
        case ("and", left, right):
            return build(left, alarms) & build(right, alarms)
        case (_, left, right):
            return build(left, alarms) | build(right, alarms)


def value(shape: Any, states: list[AlarmState]) -> bool:
    match shape:
        case ("leaf", number, state):
            return states[number % len(states)] == (state or AlarmState.ALARM)
        case ("not", inner):
            return not value(inner, states)
        case ("and", left, right):
            return value(left, states) and value(right, states)
        case (_, left, right):
            return value(left, states) or value(right, states)


@examples(60)
@given(shapes)
def test_trees_of_composites_are_boolean_in_every_state(found: list[Any]) -> None:
    """The board over the graph, the template's text read back, and plain Boolean evaluation agree."""
    app = Application("shop")
    alarms: list[AlarmNode] = list(externals(app, 3))
    for n, shape in enumerate(found):
        alarms.append(app.create_composite_alarm(f"c{n}", build(shape, list(alarms))))
    graph = app.graph()
    made = [
        p["Properties"]
        for p in alarm_resources(graph).values()
        if p["Type"] == "AWS::CloudWatch::CompositeAlarm"
    ]
    texts = {p["AlarmName"].removeprefix("shop."): AlarmRule.parse(p["AlarmRule"]) for p in made}
    for vector in product(AlarmState, repeat=3):
        board = AlarmBoard.of(graph)
        for name, state in zip(NAMES, vector, strict=True):
            board.put(name, state, 0.0)
        board.evaluate(NoReadings(), 0)
        states = list(vector)
        names = {f"alarm {n}": state for n, state in enumerate(vector)}
        for n, shape in enumerate(found):
            holds = value(shape, states)
            states.append(AlarmState.ALARM if holds else AlarmState.OK)
            assert texts[f"c{n}"].evaluate(names) is holds
            names[f"shop.c{n}"] = states[-1]
            assert board.states[f"c{n}"] == states[-1]


class NoReadings:
    def value(self, stat: Any, start: int, end: int) -> float | None:
        return None


@examples(60)
@given(shapes, st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(list(AlarmState))), max_size=12))
def test_a_reactor_runs_once_for_each_transition_of_a_composite(
    found: list[Any], changes: list[tuple[str, AlarmState]]
) -> None:
    app = Application("shop")
    alarms = externals(app, 3)
    top = app.create_composite_alarm("top", build(found[0], list(alarms)))
    app.create_data("into_alarm", inputs=[top["ALARM"]])
    app.create_data("every", inputs=[top["*"]])
    sim = Simulator(app)
    states = [AlarmState.INSUFFICIENT_DATA] * 3
    before: AlarmState | None = None
    for name, state in changes:
        runs = sim.alarm(name, state)
        states[NAMES.index(name)] = state
        after = AlarmState.ALARM if value(found[0], states) else AlarmState.OK
        # The first look at a composite takes it out of INSUFFICIENT_DATA, in which it was made.
        expected = [] if after == before else ["every", *["into_alarm"] * (after is AlarmState.ALARM)]
        assert sorted(run.node for run in runs) == expected
        before = after
