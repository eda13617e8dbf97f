"""Every error message of alarm rules, whole."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rheodsl.cloudwatch.alarm_rule import (
    TRUE,
    AlarmRule,
    AlarmRuleError,
    at_least,
    evaluation_order,
    in_state,
)
from rheodsl.errors import RheoError, TruthError

QUOTE = 'write ALARM(name), or ALARM("a name") when it has spaces, commas or parentheses'
FORM = "write AT_LEAST(2, ALARM, (a, b, c)) or AT_LEAST(50%, NOT OK, (a, b))"
STATES = "write ALARM(name), OK(name) or INSUFFICIENT_DATA(name)"
JOIN = "join conditions such as ALARM(name) by AND, OR, NOT and parentheses"

# text, what, the text that the carets stand below, hint
FAULTS = [
    ("", "a condition is missing", "", STATES),
    ("ALARM(a) and OK(b)", "'and' is not an operator", "and", "write AND in capitals"),
    ("NOT not OK(a)", "'not' is not an operator", "not", "write NOT in capitals"),
    ("ALARM(a) OK(b)", "an operator is missing before 'OK'", "OK", "put AND or OR between conditions"),
    ("ALARM(a) XOR OK(b)", "an operator is missing before 'XOR'", "XOR", "put AND or OR between conditions"),
    ("OK(a) ANDOK(b)", "an operator is missing before 'ANDOK'", "ANDOK", "put AND or OR between conditions"),
    ("(ALARM(a)", "a parenthesis is not closed", "", "put ) where the group ends"),
    ("ALARM(a", "a parenthesis is not closed", "", "put ) where the group ends"),
    ("ALARM(", "an alarm's name is missing", "", QUOTE),
    ("OK()", "an alarm's name is missing before ')'", ")", QUOTE),
    ("OK(a b)", "an alarm's name ends before 'b'", "b", QUOTE),
    ('ALARM("a)', "a quotation mark is not closed", '"', QUOTE),
    ('OK("")', "an alarm's name is empty", '"', QUOTE),
    ("OK(a))", "')' does not belong here", ")", JOIN),
    ("OK a", "'a' does not belong here", "a", JOIN),
    ("ALARMED(a)", "'ALARMED' is not a condition", "ALARMED", "did you mean ALARM?"),
    ("alarm(a)", "'alarm' is not a condition", "alarm", "did you mean ALARM?"),
    ("cpu", "'cpu' is not a condition", "cpu", STATES),
    ("ALARM(a) AND", "a condition is missing", "", STATES),
    ("OK(a) AND OR OK(b)", "'OR' is not a condition", "OR", STATES),
    ("()", "')' is not a condition", ")", STATES),
    ("AT_LEAST(2, ALARM, (a))", "AT_LEAST cannot ask for 2 of 1 alarm", "2", "ask for 1"),
    ("AT_LEAST(0, OK, (a, b))", "AT_LEAST cannot ask for 0 of 2 alarms", "0", "ask for 1 to 2"),
    ("AT_LEAST(101%, OK, (a))", "AT_LEAST cannot ask for 101 percent", "101%", "ask for 1 to 100"),
    ("AT_LEAST(ALARM, (a))", "'ALARM' does not belong here", "ALARM", FORM),
    ("AT_LEAST(1, (a))", "'(' does not belong here", "(", FORM),
    ("AT_LEAST(1, OK, b)", "'b' does not belong here", "b", FORM),
    ("AT_LEAST(1,", "the rule ends too early", "", FORM),
]


def whole(error: RheoError) -> str:
    assert error.where is not None
    assert error.where.file.endswith("test_alarm_rules_errors.py")
    return str(error).replace(f"  at   {error.where}\n", "")


@pytest.mark.parametrize(("text", "what", "below", "hint"), FAULTS, ids=[row[0] or "empty" for row in FAULTS])
def test_a_bad_rule_says_where_and_what_to_do(text: str, what: str, below: str, hint: str) -> None:
    with pytest.raises(AlarmRuleError) as caught:
        AlarmRule.parse(text)
    message, line, carets = caught.value.what.split("\n")
    assert message == what
    assert line == f"    {text}".rstrip()
    assert set(carets) <= {" ", "^"}
    start = carets.index("^")
    assert line[start : len(carets)] == below
    if not below:
        assert start == len(f"    {text}")  # at the end
    assert whole(caught.value) == f"RD401: {what}\n{line}\n{carets}\n  hint {hint}"


class Thing:
    def __repr__(self) -> str:
        return "Thing()"


def many(count: int) -> AlarmRule:
    rule = in_state("alarm-0", "OK")
    for number in range(1, count):
        rule |= in_state(f"alarm-{number}", "OK")
    return rule


def nested(count: int) -> AlarmRule:
    rule = in_state("a")
    for _ in range(count):
        rule = (rule & in_state("b")) | in_state("c")
    return rule


MESSAGES: list[tuple[Callable[[], object], str]] = [
    (
        lambda: in_state("a") & Thing(),  # type: ignore[operator]
        'RD401: Thing() is not an alarm and not a rule\n  hint join alarms, alarm["OK"], composites, TRUE and'
        " FALSE by & | ~",
    ),
    (
        lambda: True | in_state("a"),  # type: ignore[operator]
        'RD401: True is not an alarm and not a rule\n  hint join alarms, alarm["OK"], composites, TRUE and'
        " FALSE by & | ~",
    ),
    (
        lambda: in_state("a") and in_state("b"),
        "RD105: an alarm has no truth value while it is declared\n  hint use & | ~ in place of and, or, not;"
        " to ask for its value use rule.evaluate({...})",
    ),
    (
        lambda: not in_state("a"),
        "RD105: an alarm has no truth value while it is declared\n  hint use & | ~ in place of and, or, not;"
        " to ask for its value use rule.evaluate({...})",
    ),
    (lambda: in_state(""), "RD401: '' is not an alarm's id\n  hint an id is text that is not empty"),
    (
        lambda: in_state("a", "ALARMED"),
        "RD401: 'ALARMED' is not an alarm state\n  hint did you mean 'ALARM'?",
    ),
    (
        lambda: in_state("a", "up"),
        "RD401: 'up' is not an alarm state\n  hint known are OK, ALARM, INSUFFICIENT_DATA",
    ),
    (
        lambda: in_state("cpu").evaluate({"cpus": "OK"}),
        "RD401: alarm 'cpu' has no state\n  hint did you mean 'cpus'?",
    ),
    (lambda: in_state("cpu").evaluate({}), "RD401: alarm 'cpu' has no state\n  hint known are none"),
    (
        lambda: (in_state("a") | in_state("b")).evaluate({"a": "ALARM"}),
        "RD401: alarm 'b' has no state\n  hint known are a",
    ),
    (
        lambda: in_state("cpu").evaluate({"cpu": "OKAY"}),
        "RD401: 'OKAY' is not an alarm state\n  hint did you mean 'OK'?",
    ),
    (
        lambda: in_state("cpu").render({"disk": "app-disk"}),
        "RD401: alarm 'cpu' has no name\n  hint known are disk",
    ),
    (
        lambda: many(101).render(),
        "RD401: the rule has 101 alarms, CloudWatch takes 100\n  hint split it into several composite alarms",
    ),
    (
        lambda: many(100).render({f"alarm-{number}": "x" * 200 for number in range(100)}),
        "RD401: the rule has 20796 characters, CloudWatch takes 10240\n"
        "  hint split it into several composite alarms",
    ),
    (
        lambda: AlarmRule.parse(" AND ".join(["OK(a)"] * 501)).render(),
        "RD401: the rule has 501 elements, CloudWatch takes 500\n  hint split it into several composite alarms",
    ),
    (
        lambda: nested(26),
        "RD401: more than 50 operators stand inside one another\n"
        "  hint split the rule into several composite alarms",
    ),
    (
        lambda: at_least("half", "OK", "a"),
        "RD401: 'half' is no number of alarms\n  hint write 2, or \"50%\"",
    ),
    (
        lambda: at_least(1, "OK"),
        'RD401: AT_LEAST needs alarms\n  hint write at_least(2, "ALARM", a, b, c)',
    ),
    (
        lambda: at_least(3, "OK", "a", "b"),
        "RD401: AT_LEAST cannot ask for 3 of 2 alarms\n  hint ask for 1 to 2",
    ),
    (
        lambda: at_least(1, "OK", in_state("a", "OK")),
        "RD401: AT_LEAST counts alarms, and OK(a) is a condition\n"
        "  hint name the state once, as at_least's second argument",
    ),
    (
        lambda: evaluation_order({"x": in_state("y"), "y": ~in_state("z"), "z": in_state("x") & TRUE}),
        "RD401: composite alarms wait for one another: x -> y -> z -> x\n"
        "  hint take one of them out of the other's rule",
    ),
    (
        lambda: evaluation_order({"x": ~in_state("x")}),
        "RD401: composite alarms wait for one another: x -> x\n"
        "  hint take one of them out of the other's rule",
    ),
    (
        lambda: AlarmRule.parse(5),  # type: ignore[arg-type]
        'RD401: a rule\'s text is text, not int\n  hint write "ALARM(a) AND NOT OK(b)"',
    ),
]


@pytest.mark.parametrize(("do", "message"), MESSAGES, ids=[message[:60] for _, message in MESSAGES])
def test_a_misuse_says_what_and_the_next_step(do: Callable[[], object], message: str) -> None:
    with pytest.raises((AlarmRuleError, TruthError)) as caught:
        do()
    assert whole(caught.value) == message


def test_deep_and_long_texts_are_refused_at_their_place() -> None:
    with pytest.raises(AlarmRuleError) as caught:
        AlarmRule.parse("NOT (" * 60 + "OK(a)" + ")" * 60)
    assert caught.value.what.startswith("more than 50 operators stand inside one another\n    ...")
    with pytest.raises(AlarmRuleError) as caught:
        AlarmRule.parse("OK(" + "x" * 10300 + ")")
    assert caught.value.what.startswith("the rule has 10304 characters, CloudWatch takes 10240\n    ...xxx")


def test_the_limits_themselves_are_allowed() -> None:
    assert len(many(100).alarms()) == len(AlarmRule.parse(many(100).render()).alarms()) == 100
    assert AlarmRule.parse(" AND ".join(["OK(a)"] * 500)).render().count("AND") == 499
    assert nested(25).render().count("(") == 100
    assert AlarmRule.parse((nested(25) | ~in_state("d")).render()) == nested(25) | ~in_state("d")


def test_an_alarm_rule_error_is_a_value_error() -> None:
    assert issubclass(AlarmRuleError, ValueError)
    assert AlarmRuleError.code == "RD401"
