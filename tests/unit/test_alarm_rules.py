"""The algebra of composite alarm rules: examples, CloudWatch's text, and laws over all state vectors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheodsl.cloudwatch.alarm_rule import (
    FALSE,
    TRUE,
    AlarmRule,
    AlarmState,
    And,
    AtLeast,
    Constant,
    InState,
    Node,
    Not,
    Or,
    RuleOperators,
    as_rule,
    at_least,
    depth,
    elements,
    evaluation_order,
    in_state,
    negation,
    references,
)


@dataclass(frozen=True)
class Alarm(RuleOperators):
    """Stands for an alarm of the language: bare it means ALARM, indexed it means that state."""

    name: str
    state: str = "ALARM"

    def __rheo_rule__(self) -> AlarmRule:
        return in_state(self.name, self.state)

    def __getitem__(self, state: str) -> Alarm:
        return Alarm(self.name, state)


a, b, c = Alarm("a"), Alarm("b"), Alarm("c")


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (~(a["OK"] | b["OK"]), "NOT (OK(a) OR OK(b))"),
        (~a, "NOT ALARM(a)"),
        (~~a["OK"], "OK(a)"),
        (a | b["ALARM"] | ~c[AlarmState.OK], "ALARM(a) OR ALARM(b) OR NOT OK(c)"),
        (~(a["OK"] & b["OK"] & c["OK"]), "NOT (OK(a) AND OK(b) AND OK(c))"),
        (a & (b & c), "ALARM(a) AND ALARM(b) AND ALARM(c)"),
        (a & b | c, "(ALARM(a) AND ALARM(b)) OR ALARM(c)"),
        ((a | b) & c["INSUFFICIENT_DATA"], "(ALARM(a) OR ALARM(b)) AND INSUFFICIENT_DATA(c)"),
        (a & TRUE | FALSE, "(ALARM(a) AND TRUE) OR FALSE"),
        (TRUE & a, "TRUE AND ALARM(a)"),
        (as_rule(a), "ALARM(a)"),
        (~at_least(2, "ALARM", a, b, "c"), "NOT AT_LEAST(2, ALARM, (a, b, c))"),
        (at_least("50%", "NOT OK", a, b), "AT_LEAST(50%, NOT OK, (a, b))"),
        (AlarmRule(Not(Not(InState("a", AlarmState.OK)))), "NOT (NOT OK(a))"),
    ],
)
def test_render(rule: AlarmRule, text: str) -> None:
    assert rule.render() == text
    assert str(rule) == text


# The examples of CloudWatch's documentation, and how they are spelled after a round trip.
@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("ALARM(CPUUtilizationTooHigh) AND ALARM(DiskReadOpsTooHigh)", None),
        ("ALARM(CPUUtilizationTooHigh) AND NOT ALARM(DeploymentInProgress)", None),
        ("(ALARM(CPUUtilizationTooHigh) OR ALARM(DiskReadOpsTooHigh)) AND OK(NetworkOutTooHigh)", None),
        ("AT_LEAST(2, ALARM, (WebServer1CPU, WebServer2CPU, WebServer3CPU, WebServer4CPU))", None),
        ("AT_LEAST(50%, OK, (DatabaseConnection1, DatabaseConnection2))", None),
        ("AT_LEAST(2, ALARM, (AZ1Health, AZ2Health, AZ3Health)) AND NOT ALARM(MaintenanceWindow)", None),
        (
            '(ALARM("CPUUtilizationTooHigh") OR \n ALARM("DiskReadOpsTooHigh")) AND \n OK ("NetworkOutTooHigh")',
            "(ALARM(CPUUtilizationTooHigh) OR ALARM(DiskReadOpsTooHigh)) AND OK(NetworkOutTooHigh)",
        ),
        ("false", "FALSE"),
        ("True AND FALSE", "TRUE AND FALSE"),
        ("ALARM(a) OR ALARM(b) AND ALARM(c)", "ALARM(a) OR (ALARM(b) AND ALARM(c))"),
        ("NOT ALARM(a) AND ALARM(b)", "NOT ALARM(a) AND ALARM(b)"),
        ("NOT NOT NOT ((OK(a)))", "NOT OK(a)"),
        ("ALARM(OK) AND OK(NOT)", "ALARM(OK) AND OK(NOT)"),
        ("ALARM(arn:aws:cloudwatch:us-east-1:123456789012:alarm:cpu/high)", None),
        ('ALARM("cpu (high), 90%")', None),
        (r'ALARM("a \"quoted\" name \\ ")', None),
    ],
)
def test_read_and_spell(text: str, rule: str | None) -> None:
    assert AlarmRule.parse(text).render() == (rule or text)


def test_special_names_are_quoted_and_read_back() -> None:
    rule = AlarmRule.parse(r'OK("say \"hi\"") AND OK("back\\slash")')
    assert rule.alarms() == ('say "hi"', "back\\slash")


def test_names_are_those_of_cloudwatch() -> None:
    rule = ~a["OK"] & at_least(1, "ALARM", b, c)
    names = {"a": "app-a", "b": "arn:aws:cloudwatch:us-east-1:1:alarm:b", "c": "the c alarm"}
    assert rule.render(names) == (
        'NOT OK(app-a) AND AT_LEAST(1, ALARM, (arn:aws:cloudwatch:us-east-1:1:alarm:b, "the c alarm"))'
    )


def test_alarms_come_once_and_in_order() -> None:
    rule = b & at_least(1, "OK", "c", "a") | ~b["OK"] | a
    assert rule.alarms() == ("b", "c", "a")
    assert TRUE.alarms() == ()


@pytest.mark.parametrize(
    ("state", "not_alarm", "ok"),
    [("ALARM", False, False), ("OK", True, True), ("INSUFFICIENT_DATA", True, False)],
)
def test_not_in_alarm_is_not_the_same_as_ok(state: str, not_alarm: bool, ok: bool) -> None:
    assert (~a).evaluate({"a": state}) is not_alarm
    assert as_rule(a["OK"]).evaluate({"a": AlarmState(state)}) is ok


@pytest.mark.parametrize(
    ("count", "state", "expected"),
    [
        (1, "ALARM", True),
        (2, "ALARM", False),
        (2, "NOT ALARM", True),
        (3, "NOT ALARM", False),
        ("33%", "OK", True),
        ("34%", "OK", False),
        ("66%", "NOT INSUFFICIENT_DATA", True),
        ("67%", "NOT INSUFFICIENT_DATA", False),
        ("100%", "OK", False),
    ],
)
def test_at_least(count: int | str, state: str, expected: bool) -> None:
    states = {"a": "ALARM", "b": "OK", "c": "INSUFFICIENT_DATA"}
    assert at_least(count, state, a, b, c).evaluate(states) is expected


@pytest.mark.parametrize(
    ("text", "shorter"),
    [
        ("OK(a) AND ALARM(a)", "FALSE"),
        ("OK(a) OR ALARM(a)", "NOT INSUFFICIENT_DATA(a)"),
        ("NOT OK(a) AND NOT ALARM(a)", "INSUFFICIENT_DATA(a)"),
        ("OK(a) OR NOT OK(a)", "TRUE"),
        ("OK(a) AND (OK(a) OR OK(b))", "OK(a)"),
        ("OK(a) OR (OK(a) AND OK(b))", "OK(a)"),
        ("ALARM(a) AND TRUE AND ALARM(a)", "ALARM(a)"),
        ("ALARM(a) AND NOT (FALSE OR NOT TRUE)", "ALARM(a)"),
        ("(OK(a) OR OK(b)) AND NOT (OK(a) OR OK(b))", "FALSE"),
        ("NOT (OK(a) OR OK(b))", "NOT (OK(a) OR OK(b))"),
        ("ALARM(b) AND ALARM(a)", "ALARM(b) AND ALARM(a)"),
    ],
)
def test_simplify(text: str, shorter: str) -> None:
    assert AlarmRule.parse(text).simplify().render() == shorter


def test_composites_are_ordered_children_first() -> None:
    rules = {"top": a | Alarm("left") & Alarm("right"), "left": as_rule(Alarm("right")), "right": as_rule(b)}
    assert evaluation_order(rules) == ("right", "left", "top")


# --- laws -----------------------------------------------------------------------------------------------

IDS = ("a", "b", "c", "d")
leaves = st.builds(InState, st.sampled_from(IDS), st.sampled_from(AlarmState)) | st.builds(
    Constant, st.booleans()
)
counts = st.builds(
    lambda ids, count, state, negated, percent: AtLeast(
        count if percent else min(count, len(ids)), percent, state, negated, tuple(ids)
    ),
    st.lists(st.sampled_from(IDS), min_size=1, max_size=4),
    st.integers(1, 100),
    st.sampled_from(AlarmState),
    st.booleans(),
    st.booleans(),
)


def grow(parts: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.builds(Not, parts) | st.builds(And, several) | st.builds(Or, several)


rules = st.recursive(leaves | counts, grow, max_leaves=12).map(AlarmRule)


def naive(node: Node, states: Mapping[str, AlarmState]) -> bool:
    """An independent meaning of a rule."""
    if isinstance(node, Constant):
        return node.value
    if isinstance(node, InState):
        return states[node.alarm_id] is node.state
    if isinstance(node, Not):
        return not naive(node.part, states)
    if isinstance(node, AtLeast):
        hits = [i for i in node.alarm_ids if (states[i] is node.state) is not node.negated]
        return (
            len(hits) / len(node.alarm_ids) >= node.count / 100 if node.percent else len(hits) >= node.count
        )
    values = [naive(part, states) for part in node.parts]
    return False not in values if isinstance(node, And) else True in values


def vectors(*rules: AlarmRule) -> Iterator[dict[str, AlarmState]]:
    ids = sorted({alarm for rule in rules for alarm in rule.alarms()})
    for states in product(AlarmState, repeat=len(ids)):
        yield dict(zip(ids, states, strict=True))


def same_table(left: AlarmRule, right: AlarmRule) -> bool:
    return all(left.evaluate(states) == right.evaluate(states) for states in vectors(left, right))


@given(rules)
def test_evaluate_is_the_boolean_meaning(rule: AlarmRule) -> None:
    for states in vectors(rule):
        assert rule.evaluate(states) is naive(rule.node, states)


@given(rules)
def test_the_text_reads_back_with_the_same_truth_table(rule: AlarmRule) -> None:
    text = rule.render()
    again = AlarmRule.parse(text)
    assert same_table(rule, again)
    assert AlarmRule.parse(again.render()) == again
    assert AlarmRule.parse(again.render()).render() == again.render()


@given(rules, rules)
def test_operators_are_boolean(left: AlarmRule, right: AlarmRule) -> None:
    both, either, neither = left & right, left | right, ~(left | right)
    for states in vectors(left, right):
        x, y = naive(left.node, states), naive(right.node, states)
        assert (both.evaluate(states), either.evaluate(states)) == (x and y, x or y)
        assert neither.evaluate(states) is not (x or y)
        assert (~left & ~right).evaluate(states) is neither.evaluate(states)


@given(rules)
def test_simplify_keeps_the_truth_table_and_never_grows(rule: AlarmRule) -> None:
    simple = rule.simplify()
    assert same_table(rule, simple)
    assert elements(simple.node) <= elements(rule.node)
    assert depth(simple.node) <= depth(rule.node)
    assert simple.simplify() == simple


class Bit:
    """A truth value under Python operators, to read a rule with any precedence of AND and OR."""

    def __init__(self, value: bool) -> None:
        self.value = value

    def both(self, other: Bit) -> Bit:
        return Bit(self.value and other.value)

    def either(self, other: Bit) -> Bit:
        return Bit(self.value or other.value)

    def __invert__(self) -> Bit:
        return Bit(not self.value)

    __mul__, __add__ = both, either  # AND binds tighter
    __truediv__, __sub__ = either, both  # OR binds tighter
    __lshift__, __rshift__ = both, either  # neither: from left to right


CONVENTIONS = ({"AND": "*", "OR": "+"}, {"AND": "-", "OR": "/"}, {"AND": "<<", "OR": ">>"})


def by_python(text: str, states: Mapping[str, AlarmState], signs: Mapping[str, str]) -> bool:
    leaf = r"(ALARM|OK|INSUFFICIENT_DATA)\((\w+)\)"
    text = re.sub(leaf, lambda m: f"Bit({states[m[2]] == m[1]})", text)
    text = re.sub(r"\b(TRUE|FALSE)\b", lambda m: f"Bit({m[1].title()})", text)
    text = re.sub(r"\b(AND|OR)\b", lambda m: signs[m[1]], text)
    # ~ binds tighter than every operator used here, as NOT does.
    value = eval(text.replace("NOT ", "~"), {"Bit": Bit})
    assert isinstance(value, Bit)
    return value.value


@given(st.recursive(leaves, grow, max_leaves=8).map(AlarmRule))
def test_the_text_means_the_same_under_any_precedence(rule: AlarmRule) -> None:
    text = rule.render()
    for states in vectors(rule):
        for signs in CONVENTIONS:
            assert by_python(text, states, signs) is naive(rule.node, states)


@given(st.recursive(st.just(InState("x", AlarmState.OK)), grow, max_leaves=6))
def test_no_parentheses_can_be_left_out(shape: Node) -> None:
    """With a different alarm at each leaf, a text without one of its pairs means something else to someone."""
    fresh = (InState(f"x{number}", AlarmState.OK) for number in range(20))

    def renamed(node: Node) -> Node:
        if isinstance(node, Not):
            return negation(renamed(node.part))
        return type(node)(tuple(map(renamed, node.parts))) if isinstance(node, And | Or) else next(fresh)

    # Read it once: nested ANDs and ORs are taken apart.
    rule = AlarmRule.parse(AlarmRule(renamed(shape)).render())
    text, opened = rule.render(), list[int]()
    for place, sign in enumerate(text):
        if sign == "(":
            opened.append(place)
        elif sign == ")":
            start = opened.pop()
            if start and text[start - 1].isalpha():
                continue  # the parentheses of OK(...)
            without = text[:start] + text[start + 1 : place] + text[place + 1 :]
            assert any(
                by_python(without, states, signs) is not rule.evaluate(states)
                for states in vectors(rule)
                for signs in CONVENTIONS
            )


@given(
    st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1), min_size=1, max_size=3)
)
def test_every_name_survives_quoting(names: list[str]) -> None:
    parts = tuple(InState(name, AlarmState.OK) for name in names)
    rule = AlarmRule(And(parts) if len(parts) > 1 else parts[0])
    assert AlarmRule.parse(rule.render()) == rule
    assert list(references(rule.node)) == names
