"""Every error message of metric math, whole."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rheodsl.cloudwatch.metric_math import MetricMathError, parse
from rheodsl.errors import RheoError

NAMES = ["m1", "m2", "errors", "requests"]

# text, what, the text that the carets stand below, hint
FAULTS = [
    ("", "the expression ends too early", "", "a metric's id, a number, a function or [...] is missing"),
    ("m1 +", "the expression ends too early", "", "a metric's id, a number, a function or [...] is missing"),
    (
        "m1 m2",
        "an operator is missing before 'm2'",
        "m2",
        "the operators are + - * / ^ == != <= >= < > AND OR",
    ),
    ("(m1", "a ) is missing", "", "put ) where the group ends"),
    ("m1)", "')' does not belong here", ")", "no group is open that it could end"),
    ("[m1, m2", "a ] is missing", "", "put ] where the group ends"),
    ("sum(m1)", "'sum' is not a function", "sum", "functions are written in capitals, as SUM(...)"),
    ("SUM(m1", "a ) is missing", "", "put ) where the group ends"),
    ("SUM()", "SUM needs another argument", "SUM()", "SUM takes (TS) or (TS[])"),
    ("Sum(m1)", "'Sum' is not a function", "Sum", "functions are written in capitals, as SUM(...)"),
    ("SUMM(m1)", "'SUMM' is not a function", "SUMM", "did you mean SUM?"),
    ("m1 = 1", "'=' does not belong here", "=", "compare with =="),
    ("!m1", "'!' does not belong here", "!", "write x == 0 for not, and != for unequal"),
    ("m1 % 2", "'%' does not belong here", "%", "CloudWatch has no remainder; x - n * FLOOR(x / n) is one"),
    ("m1 and m2", "'and' is not an operator", "and", "write AND in capitals"),
    ("m1 > 1 or m2 > 1", "'or' is not an operator", "or", "write OR in capitals"),
    ("METRICS(“4xx”)", "'“' does not belong here", "“", 'use straight quotes: "'),
    ("_m1", "'_m1' does not belong here", "_m1", "an id starts with a lowercase letter"),
    (
        "Errors + 1",
        "'Errors' is not the id of a metric: ids start with a lowercase letter",
        "Errors",
        "did you mean errors?",
    ),
    (
        "REPEAT",
        "'REPEAT' is not the id of a metric: ids start with a lowercase letter",
        "REPEAT",
        "known are errors, m1, m2, requests",
    ),
    ("SUM", "SUM has no arguments", "SUM", "write SUM(...)"),
    ("m1 + erors", "no metric has the id 'erors'", "erors", "did you mean errors?"),
    ("foo", "no metric has the id 'foo'", "foo", "known are errors, m1, m2, requests"),
    ("5", "the result is a number, and must be a time series", "5", "write TIME_SERIES(...) around it"),
    (
        "SUM(m1)",
        "the result is a number, and must be a time series",
        "SUM(m1)",
        "write TIME_SERIES(...) around it",
    ),
    ("[1, m1]", "an array holds time series, not numbers", "1", "write TIME_SERIES(...) around it"),
    (
        "[m1]*[m2]",
        "* cannot take two arrays of time series",
        "[m1]*[m2]",
        "make one series of one of them first, e.g. by SUM(...)",
    ),
    (
        "METRICS() > 5",
        "> cannot take an array of time series",
        "METRICS() > 5",
        "make one series of it first, e.g. MAX(METRICS()) > 1",
    ),
    ("ABS(5)", "ABS cannot take a number here", "5", "ABS takes (TS) or (TS[])"),
    ("ABS(m1, m2)", "ABS takes at most 1 argument", "m2", "ABS takes (TS) or (TS[])"),
    (
        "FILL(m1)",
        "FILL needs another argument",
        "FILL(m1)",
        "FILL takes (TS, S|TS|REPEAT|LINEAR) or (TS[], S|TS|REPEAT|LINEAR)",
    ),
    (
        "FILL(m1, LAST)",
        "FILL cannot take LAST here",
        "LAST",
        "FILL takes (TS, S|TS|REPEAT|LINEAR) or (TS[], S|TS|REPEAT|LINEAR)",
    ),
    (
        "FILL(m1, DESC)",
        "FILL cannot take DESC here",
        "DESC",
        "FILL takes (TS, S|TS|REPEAT|LINEAR) or (TS[], S|TS|REPEAT|LINEAR)",
    ),
    (
        "SORT(METRICS(), MEDIAN, ASC)",
        "SORT cannot take MEDIAN here",
        "MEDIAN",
        "SORT takes (TS[], AVG|MIN|MAX|SUM, ASC|DESC) or (TS[], AVG|MIN|MAX|SUM, ASC|DESC, S)",
    ),
    (
        "SORT(METRICS(), AVG)",
        "SORT needs another argument",
        "SORT(METRICS(), AVG)",
        "SORT takes (TS[], AVG|MIN|MAX|SUM, ASC|DESC) or (TS[], AVG|MIN|MAX|SUM, ASC|DESC, S)",
    ),
    (
        "IF(1, 2, 3)",
        "IF cannot take a number here",
        "2",
        "IF takes (TS, S|TS) or (TS, S|TS, S|TS) or (S, TS) or (S, TS, TS)",
    ),
    (
        "IF(m1)",
        "IF needs another argument",
        "IF(m1)",
        "IF takes (TS, S|TS) or (TS, S|TS, S|TS) or (S, TS) or (S, TS, TS)",
    ),
    (
        "IF(METRICS(), m1)",
        "IF cannot take an array of time series here",
        "METRICS()",
        "IF takes (TS, S|TS) or (TS, S|TS, S|TS) or (S, TS) or (S, TS, TS)",
    ),
    ("PERIOD(m1+1)", "PERIOD cannot take a time series here", "m1+1", "PERIOD takes (metric)"),
    ("TIME_SERIES(m1)", "TIME_SERIES cannot take a time series here", "m1", "TIME_SERIES takes (S)"),
    ("METRICS(m1)", "METRICS cannot take a time series here", "m1", "METRICS takes () or (text)"),
    ("METRICS('xx')", "no metric's id contains 'xx'", "'xx'", "known are errors, m1, m2, requests"),
    ('"text"', "a text has no meaning here", '"text"', 'only METRICS("...") takes a text'),
    (
        "SEARCH('x')",
        "SEARCH cannot be used here",
        "SEARCH('x')",
        "it finds metrics anew each time, and an alarm takes one series; name the metrics",
    ),
    ("m1 + 'x'", "a text has no meaning here", "'x'", 'only METRICS("...") takes a text'),
    ("FIRST(m1)", "FIRST cannot take a time series here", "m1", "FIRST takes (TS[])"),
    ("m1..2", "an operator is missing before '.'", ".", "the operators are + - * / ^ == != <= >= < > AND OR"),
    (
        "1.2.3*m1",
        "an operator is missing before '.'",
        ".",
        "the operators are + - * / ^ == != <= >= < > AND OR",
    ),
    (
        "------------------------------------------------------------m1",
        "more than 50 operators stand inside one another",
        "----------m1",
        "split it into several expressions",
    ),
    (
        "SUM(m1,)",
        "')' does not belong here",
        ")",
        "a metric's id, a number, a function or [...] belongs here",
    ),
    (
        "m1 $ 2",
        "an operator is missing before '$'",
        "$",
        "the operators are + - * / ^ == != <= >= < > AND OR",
    ),
    ("m1 ^^ 2", "'^' does not belong here", "^", "a metric's id, a number, a function or [...] belongs here"),
    (
        "errors>0 OR failures>0",
        "no metric has the id 'failures'",
        "failures",
        "known are errors, m1, m2, requests",
    ),
    (
        "m1 / (m2 + ",
        "the expression ends too early",
        "",
        "a metric's id, a number, a function or [...] is missing",
    ),
    (
        "IF(m1 > 1,)",
        "')' does not belong here",
        ")",
        "a metric's id, a number, a function or [...] belongs here",
    ),
    ("m1[0]", "an operator is missing before '['", "[", "the operators are + - * / ^ == != <= >= < > AND OR"),
    (
        "MIN(m1 m2)",
        "an operator is missing before 'm2'",
        "m2",
        "the operators are + - * / ^ == != <= >= < > AND OR",
    ),
    (
        "ABS m1",
        "an operator is missing before 'm1'",
        "m1",
        "the operators are + - * / ^ == != <= >= < > AND OR",
    ),
    ("[", "the expression ends too early", "", "a metric's id, a number, a function or [...] is missing"),
    ("[]", "']' does not belong here", "]", "a metric's id, a number, a function or [...] belongs here"),
    ("m1\n+ m9", "no metric has the id 'm9'", "m9", "did you mean m2?"),
    (
        "METRICS()",
        "the result is an array of time series, and must be one",
        "METRICS()",
        "make one of them, e.g. by SUM(...), MAX(...) or FIRST(...)",
    ),
    (
        "m1 + METRICS() > [m1]",
        "> cannot take an array of time series",
        "m1 + METRICS() > [m1]",
        "make one series of it first, e.g. MAX(METRICS()) > 1",
    ),
    (
        "LAMBDA('x')",
        "LAMBDA cannot be used here",
        "LAMBDA('x')",
        "it reads a data source connector, which the application does not declare",
    ),
    (
        "FILL(m1, LAST(METRICS()), 1)",
        "FILL takes at most 2 arguments",
        "1",
        "FILL takes (TS, S|TS|REPEAT|LINEAR) or (TS[], S|TS|REPEAT|LINEAR)",
    ),
    (
        "PERIOD(METRICS())",
        "PERIOD cannot take an array of time series here",
        "METRICS()",
        "PERIOD takes (metric)",
    ),
    (
        "SLICE(METRICS(), m1)",
        "SLICE cannot take a time series here",
        "m1",
        "SLICE takes (TS[], S) or (TS[], S, S)",
    ),
    ("METRICS('err', m1)", "METRICS takes at most 1 argument", "m1", "METRICS takes () or (text)"),
    ("NOT(m1)", "'NOT' is not a function", "NOT", "did you mean SORT?"),
    (
        "IF(m1 > 1, 'x')",
        "IF cannot take a text here",
        "'x'",
        "IF takes (TS, S|TS) or (TS, S|TS, S|TS) or (S, TS) or (S, TS, TS)",
    ),
    (
        "[m1, [m2]] + 1 == 1",
        "== cannot take an array of time series",
        "[m1, [m2]] + 1 == 1",
        "make one series of it first, e.g. MAX(METRICS()) > 1",
    ),
]


def whole(error: RheoError) -> str:
    assert error.where is not None
    assert error.where.file.endswith("test_metric_math_errors.py")
    return str(error).replace(f"  at   {error.where}\n", "")


@pytest.mark.parametrize(("text", "what", "below", "hint"), FAULTS, ids=[row[0] or "empty" for row in FAULTS])
def test_a_bad_expression_says_where_and_what_to_do(text: str, what: str, below: str, hint: str) -> None:
    with pytest.raises(MetricMathError) as caught:
        parse(text).check(NAMES, one=True)
    message, line, carets = caught.value.what.split("\n")
    assert message == what
    assert line == f"    {text}".replace("\n", " ").rstrip()
    assert set(carets) <= {" ", "^"}
    assert line[carets.index("^") : len(carets)] == below
    assert whole(caught.value) == f"RD402: {what}\n{line}\n{carets}\n  hint {hint}"


MESSAGES: list[tuple[Callable[[], object], str]] = [
    (
        lambda: parse(5),  # type: ignore[arg-type]
        'RD402: a metric math expression is text, not int\n  hint write "errors / requests"',
    ),
    (
        lambda: parse("LAST(ANOMALY_DETECTION_BAND(m1))").evaluate({"m1": {0: 1.0}}, 60),
        "RD402: ANOMALY_DETECTION_BAND needs the model that CloudWatch trains\n"
        "  hint compare with a number or with another metric where it is evaluated locally",
    ),
    (
        lambda: parse("m1 + m2").evaluate({"m1": {}}, 60),
        "RD402: no metric has the id 'm2'\n    m1 + m2\n         ^^\n  hint did you mean m1?",
    ),
    (
        lambda: parse("METRICS()").check([], one=True),
        "RD402: the result is an array of time series, and must be one\n    METRICS()\n    ^^^^^^^^^\n"
        "  hint make one of them, e.g. by SUM(...), MAX(...) or FIRST(...)",
    ),
    (
        lambda: parse("m1").check([]),
        "RD402: no metric has the id 'm1'\n    m1\n    ^^\n  hint known are none",
    ),
    (
        lambda: parse("METRICS('x')").check([]),
        "RD402: no metric's id contains 'x'\n    METRICS('x')\n            ^^^\n  hint known are none",
    ),
]


@pytest.mark.parametrize(("do", "message"), MESSAGES, ids=[message[:60] for _, message in MESSAGES])
def test_a_misuse_says_what_and_the_next_step(do: Callable[[], object], message: str) -> None:
    with pytest.raises(MetricMathError) as caught:
        do()
    assert whole(caught.value) == message


def test_a_long_expression_is_refused_and_a_long_sum_is_not() -> None:
    with pytest.raises(MetricMathError) as caught:
        parse("m1+" * 700 + "m1")
    assert caught.value.what.startswith("the expression has 2102 characters, CloudWatch takes 2048\n    ...")
    assert parse("+".join(["m1"] * 683)).evaluate({"m1": {0: 1.0}}, 60) == {0: 683.0}


def test_many_parentheses_are_no_nesting() -> None:
    text = "(" * 900 + "m1" + ")" * 900
    assert parse(text).evaluate({"m1": {0: 1.0}}, 60) == {0: 1.0}


def test_a_metric_math_error_is_a_value_error() -> None:
    assert issubclass(MetricMathError, ValueError)
    assert MetricMathError.code == "RD402"
