"""Metric math: CloudWatch's documented examples, series worked by hand, and laws."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheodsl.cloudwatch.metric_math import SIGNATURES, SeriesKind, parse

MISSING = None
Row = list[float | None]


def points(row: Row) -> dict[int, float]:
    """A row of values a minute apart; None is a missing point."""
    return {60 * index: value for index, value in enumerate(row) if value is not None}


def run(text: str, **rows: Row) -> dict[int, float]:
    length = max(map(len, rows.values()))
    series = {name: points(row) for name, row in rows.items()}
    return parse(text).evaluate(series, 60, start=0, end=60 * length)


# The three tables of the documentation: comparison, and the forms of IF.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metric1 < metric2", [0, 0, 1, 0]),
        ("metric1 >= 30", [1, 0, 0, 0]),
        ("metric1 > 15 AND metric2 > 15", [1, 0, 0, 0]),
        ("(metric1 > 15 && metric2 > 15)", [1, 0, 0, 0]),
        ("metric1 > 15 || metric2 > 15", [1, 1, 1, 0]),
    ],
)
def test_documented_comparisons(text: str, expected: Row) -> None:
    assert run(text, metric1=[30, 20, 0, 0], metric2=[20, None, 20, None]) == points(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("IF(metric1, metric2, metric3)", [30, 0, 20, None, None]),
        ("IF(metric1, 5, metric3)", [5, 5, 20, None, None]),
        ("IF(metric1, metric2, 5)", [30, 0, 5, 5, None]),
        ("IF(metric1, metric2)", [30, 0, None, None, None]),
        ("IF(metric1, 5)", [5, 5, None, None, None]),
        ("IF(metric1, 5, 7)", [5, 5, 7, 7, None]),
        ("IF(1, metric2, metric3)", [30, None, 0, 0, 30]),
        ("IF(0, metric2, metric3)", [0, 0, 20, None, 20]),
        ("IF(-1, metric2)", [30, None, 0, 0, 30]),
        ("IF(0, metric2)", [None] * 5),
        ("IF(metric2 < 25, metric2)", [None, None, 0, 0, None]),
        ("IF(MAX(metric1) > 100, metric2, metric3)", [0, 0, 20, None, 20]),
    ],
)
def test_documented_ifs(text: str, expected: Row) -> None:
    rows: dict[str, Row] = {
        "metric1": [1, 1, 0, 0, None],
        "metric2": [30, None, 0, 0, 30],
        "metric3": [0, 0, 20, None, 20],
    }
    assert run(text, **rows) == points(expected)


M1: Row = [1, None, 4, 6, None, 9]
M2: Row = [2, 5, None, 3, None, 0]

# (text, expected) over m1 and m2, each worked by hand.
WORKED: list[tuple[str, Row]] = [
    # Arithmetic: between series a missing point is 0; with a number only points that exist count.
    ("m1 + m2", [3, 5, 4, 9, None, 9]),
    ("m1 - m2", [-1, -5, 4, 3, None, 9]),
    ("m1 * m2", [2, 0, 0, 18, None, 0]),
    ("m1 / m2", [0.5, 0, None, 2, None, None]),  # divided by zero: dropped
    ("5 * m1", [5, None, 20, 30, None, 45]),
    ("10 - m1", [9, None, 6, 4, None, 1]),
    ("m1 ^ 2", [1, None, 16, 36, None, 81]),
    ("-m1 ^ 2", [-1, None, -16, -36, None, -81]),
    ("2 ^ 3 ^ 0 * m1", [2, None, 8, 12, None, 18]),
    ("m1 - 1 - 1", [-1, None, 2, 4, None, 7]),
    ("8 / 2 / 2 * m1", [2, None, 8, 12, None, 18]),
    ("2 + 3 * m1", [5, None, 14, 20, None, 29]),
    ("m1 * (2 + 3)", [5, None, 20, 30, None, 45]),
    ("-5 * m1", [-5, None, -20, -30, None, -45]),
    ("m1 / PERIOD(m1) * 60", [1, None, 4, 6, None, 9]),
    ("m1 / 0", [None] * 6),
    ("(m1 - 5) ^ 0.5", [None, None, None, 1, None, 2]),  # no real root: dropped
    # Logic: AND binds tighter than OR, comparisons tighter than both.
    ("m1 > 0 OR m1 > 0 AND m1 > 100", [1, None, 1, 1, None, 1]),
    ("m1 == 4", [0, None, 1, 0, None, 0]),
    ("m1 != 4", [1, None, 0, 1, None, 1]),
    ("m1 + 1 <= 5", [1, None, 1, 0, None, 0]),
    ("m1 AND 1", [1, None, 1, 1, None, 1]),
    ("m2 OR 0", [1, 1, None, 1, None, 0]),
    # Each point
    ("ABS(2 - m1)", [1, None, 2, 4, None, 7]),
    ("CEIL(m1 / 4)", [1, None, 1, 2, None, 3]),
    ("FLOOR(m1 / 4)", [0, None, 1, 1, None, 2]),
    ("LOG10(100 * m2 / m2)", [2, 2, None, 2, None, None]),
    ("LOG(m2 * 0 + 1)", [0, 0, None, 0, None, 0]),
    ("LOG(m2 - m2)", [None] * 6),
    ("DIFF(m1)", [None, None, 3, 2, None, 3]),
    ("DIFF_TIME(m1)", [None, None, 120, 60, None, 120]),
    ("RATE(m1 * 60)", [None, None, 1.5, 2, None, 1.5]),
    ("RUNNING_SUM(m1)", [1, None, 5, 11, None, 20]),
    # One number out of a series
    ("TIME_SERIES(SUM(m1))", [20] * 6),
    ("TIME_SERIES(AVG(m1))", [5] * 6),
    ("TIME_SERIES(MIN(m1))", [1] * 6),
    ("TIME_SERIES(MAX(m1))", [9] * 6),
    ("TIME_SERIES(DATAPOINT_COUNT(m1))", [4] * 6),
    ("TIME_SERIES(STDDEV(m2 - m2 + 2 * (m2 > 2)))", [1] * 6),
    ("m1 - AVG(m1)", [-4, None, -1, 1, None, 4]),
    ("SUM([m1, m2]) / AVG(m2)", [1.2, 2, 1.6, 3.6, None, 3.6]),
    # One series out of an array
    ("SUM([m1, m2])", [3, 5, 4, 9, None, 9]),
    ("SUM(METRICS())", [3, 5, 4, 9, None, 9]),
    ('SUM(METRICS("2"))', [2, 5, None, 3, None, 0]),
    ("SUM([METRICS('1'), METRICS('2')])", [3, 5, 4, 9, None, 9]),
    ("AVG(METRICS())", [1.5, 2.5, 2, 4.5, None, 4.5]),
    ("MIN(METRICS())", [1, 5, 4, 3, None, 0]),
    ("MAX(METRICS())", [2, 5, 4, 6, None, 9]),
    ("DATAPOINT_COUNT(METRICS())", [2, 1, 1, 2, None, 2]),
    ("STDDEV(METRICS())", [0.5, 0, 0, 1.5, None, 4.5]),
    ("m1 / METRIC_COUNT(METRICS())", [0.5, None, 2, 3, None, 4.5]),
    ("MIN(ABS([m1, -m2]))", [1, 5, 4, 3, None, 0]),
    ("SUM(100 / [m1, m2])", [150, 20, 25, 50, None, 100 / 9]),
    ("AVG([m1, m2] / m2)", [0.75, 0.5, None, 1.5, None, None]),
    ("SUM(-[m1, m2])", [-3, -5, -4, -9, None, -9]),
    ("MAX(METRICS() * 100)", [200, 500, 400, 600, None, 900]),
    # Filling
    ("FILL(m1, 10)", [1, 10, 4, 6, 10, 9]),
    ("FILL(m1, m2)", [1, 5, 4, 6, None, 9]),
    ("FILL(m1, MIN(m1))", [1, 1, 4, 6, 1, 9]),
    ("FILL(m1, REPEAT)", [1, 1, 4, 6, 6, 9]),
    ("FILL(m1, LINEAR)", [1, 2.5, 4, 6, 7.5, 9]),
    ("FILL(IF(m1 > 1 AND m1 < 9, m1), REPEAT)", [None, None, 4, 6, 6, 6]),
    ("FILL(IF(m1 > 1 AND m1 < 9, m1), LINEAR)", [None, None, 4, 6, None, None]),
    ("SUM(FILL(METRICS(), 0))", [3, 5, 4, 9, 0, 9]),
    # Arrays
    ("FIRST([m2, m1])", M2),
    ("LAST([m2, m1])", M1),
    ("FIRST(SORT(METRICS(), AVG, DESC))", M1),
    ("FIRST(SORT(METRICS(), AVG, ASC))", M2),
    ("LAST(SORT([m1, m2, 2 * m1], MAX, DESC, 2))", M1),
    ("SUM(SORT(METRICS(), MIN, ASC, 1))", M2),
    ("FIRST(SORT([m1 / 0, m2], SUM, ASC))", M2),  # empty series come last
    ("FIRST(SLICE(METRICS(), 1))", M2),
    ("SUM(SLICE([m1, m2, m1], 0, 2))", [3, 5, 4, 9, None, 9]),
    ("SUM(SLICE([m1, m2, m1], 1, 2))", M2),
    ("FIRST(REMOVE_EMPTY([m1 / 0, m2]))", M2),
    ("FIRST(REMOVE_EMPTY([m1 / 0]))", [None] * 6),
    ("m1 / METRIC_COUNT(REMOVE_EMPTY([m1 / 0, m2]))", M1),
    # A number that nothing gives takes its points with it.
    ("m1 > MAX(m1 / 0)", [None] * 6),
    ("IF(MAX(m1 / 0), m1, m2)", [None] * 6),
    ("TIME_SERIES(AVG(m1 / 0))", [None] * 6),
    ("TIME_SERIES(SUM(m1 / 0))", [0] * 6),
    ("TIME_SERIES(1 / 0)", [None] * 6),
]


@pytest.mark.parametrize(("text", "expected"), WORKED, ids=[text for text, _ in WORKED])
def test_worked_by_hand(text: str, expected: Row) -> None:
    assert run(text, m1=M1, m2=M2) == pytest.approx(points(expected))


def test_every_function_is_worked_by_hand_or_elsewhere_here() -> None:
    texts = " ".join(text for text, _ in WORKED)
    calendar = {"MINUTE", "HOUR", "DAY", "DATE", "MONTH", "YEAR", "EPOCH"}
    missing = {name for name in SIGNATURES if f"{name}(" not in texts}
    assert missing == calendar | {"ANOMALY_DETECTION_BAND"}


@pytest.mark.parametrize(
    ("function", "value"),
    [
        ("MINUTE", 59),
        ("HOUR", 23),
        ("DAY", 7),
        ("DATE", 29),
        ("MONTH", 2),
        ("YEAR", 2032),
        ("EPOCH", 1961711940),
    ],
)
def test_the_calendar_is_utc_and_has_no_gaps(function: str, value: int) -> None:
    sunday = 1961711940  # 2032-02-29T23:59:00Z
    result = parse(f"{function}(m1)").evaluate({"m1": {}}, 60, start=sunday, end=sunday + 120)
    assert result[sunday] == value
    assert set(result) == {sunday, sunday + 60}


def test_business_hours() -> None:
    text = "IF((DAY(m1)<6 AND (HOUR(m1)>=9 AND HOUR(m1)<17)),m1)"
    friday = 1746782940  # 2025-05-09T09:29:00Z
    saturday = friday + 86400
    m1 = {friday: 3.0, friday + 8 * 3600: 4.0, saturday: 5.0}
    result = parse(text).evaluate({"m1": m1}, 60)
    # As documented for IF, a minute of the week's hours without a point is 0; outside of them it is dropped.
    assert {t: value for t, value in result.items() if value} == {friday: 3.0}
    assert max(result) == friday + (7 * 60 + 30) * 60  # 16:59


def test_the_range_is_that_of_the_points_when_left_out() -> None:
    series = {"m1": {180: 1.0}, "m2": {60: 1.0}}
    assert parse("FILL(m1, 0)").evaluate(series, 60) == {60: 0, 120: 0, 180: 1}
    assert parse("TIME_SERIES(1)").evaluate({"m1": {}}, 60) == {}


def test_points_may_come_in_any_order() -> None:
    assert parse("RUNNING_SUM(m1)").evaluate({"m1": {120: 3, 0: 1, 60: 2}}, 60) == {0: 1, 60: 3, 120: 6}


def test_arrays_are_evaluated_whole() -> None:
    series = {"m1": {0: 1.0}, "m2": {0: 2.0}}
    assert parse("METRICS() * 10").evaluate_all(series, 60) == [{0: 10.0}, {0: 20.0}]
    assert parse("m1").evaluate_all(series, 60) == [{0: 1.0}]


# The examples of the documentation's table of functions, and their types.
DOCUMENTED = {
    "TS": [
        "PERIOD(m1)/60 * m1", "5 * m1", "m1 - m2", "SUM(100/[m1, m2])", "AVG([m1,m2]/m3)", "-5*m1", "-m1",
        "SUM(-[m1, m2])", "(m1 < m2)", "(m1 >= 30)", "(m1 > 15 AND m2 > 15)", "ABS(m1-m2)",
        "MIN(ABS([m1, m2]))", "SUM([m1,m2])/AVG(m2)", "AVG(METRICS())", "CEIL(m1)", "SUM(CEIL(METRICS()))",
        "DATAPOINT_COUNT(METRICS())", "DIFF(m1)", "FILL(m1,10)", "FILL(m1, MIN(m1))", "FILL(m1, REPEAT)",
        "IF(FIRST(SORT(METRICS(), AVG, DESC))>100, 1, 0)", "LAST(ANOMALY_DETECTION_BAND(m1))", "FLOOR(m1)",
        "LOG10(m1)", "MAX(m1)/m1", "MAX(METRICS())", "m1/METRIC_COUNT(METRICS())", 'SUM(METRICS("errors"))',
        "m1-MIN(m1)", "MINUTE(m1)", "IF(DAY(m1)<6,m1)", "IF(MONTH(m1) == 4,m1)", "m1/PERIOD(m1)", "RATE(m1)",
        "m1/STDDEV(m1)", "STDDEV(METRICS())", "SUM(METRICS())/SUM(m1)", "SUM([m1,m2])",
        'SUM(METRICS("errors"))/SUM(METRICS("requests"))*100', "TIME_SERIES(MAX(m1))",
        "TIME_SERIES(5*AVG(m1))", "TIME_SERIES(10)", "IF(m1<400, m1)", "IF(m1<400, 10, 2)", "IF(m1>m2, 1, 0)",
        "errors > 0 OR requests > 0", "e1-MIN(e1)",
    ],
    "TS[]": [
        "METRICS()*100", "METRICS()/100", "ABS(METRICS())", "ANOMALY_DETECTION_BAND(m1)",
        "ANOMALY_DETECTION_BAND(m1,4)", "CEIL(METRICS())", "DIFF_TIME(METRICS())", "FILL(METRICS(), 0)",
        "FILL(METRICS(), m1)", "FILL(METRICS(), LINEAR)", "FLOOR(METRICS())", "LOG(METRICS())",
        "RATE(METRICS())", "REMOVE_EMPTY(METRICS())", "RUNNING_SUM([m1,m2])",
        "SLICE(SORT(METRICS(), SUM, DESC), 0, 10)", "SLICE(SORT(METRICS(), AVG, ASC), 5)",
        "SORT(METRICS(), AVG, DESC, 10)", "SORT(METRICS(), MAX, ASC)",
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind, texts in DOCUMENTED.items() for text in texts]
)
def test_documented_examples_have_their_types(kind: str, text: str) -> None:
    assert parse(text).check(["m1", "m2", "m3", "e1", "errors", "requests"]) == SeriesKind(kind)


@pytest.mark.parametrize(
    ("text", "metrics"),
    [
        ("m1 / m2", ("m1", "m2")),
        ("SUM(METRICS())", ("m1", "m2", "errors")),
        ("FILL(-METRICS('m'), m2)", ("m1", "m2")),
        ("IF(errors > 0, SUM([m1, 2 * m1]))", ("m1", "errors")),
        ("TIME_SERIES(1)", ()),
    ],
)
def test_metrics_are_those_that_are_read(text: str, metrics: tuple[str, ...]) -> None:
    assert parse(text).metrics(["m1", "m2", "errors"]) == metrics


def test_an_expression_compares_by_meaning_of_its_text() -> None:
    assert parse("m1+m2").node == parse("m1  +  (m2)").node
    assert parse("m1+m2").node != parse("m2+m1").node
    assert parse("m1&&m2").node == parse("m1 AND m2").node


# --- laws -----------------------------------------------------------------------------------------------

rows = st.dictionaries(
    st.integers(0, 9).map(lambda index: index * 60), st.integers(-50, 50).map(float), max_size=10
)


@given(rows, rows)
def test_sums_of_arrays_are_sums(left: dict[int, float], right: dict[int, float]) -> None:
    series = {"a": left, "b": right}
    both = parse("SUM([a, b])").evaluate(series, 60)
    assert both == parse("a + b").evaluate(series, 60) == parse("SUM(METRICS())").evaluate(series, 60)
    assert set(both) == set(left) | set(right)


@given(rows)
def test_differences_undo_running_sums(row: dict[int, float]) -> None:
    times = sorted(row)
    back = parse("DIFF(RUNNING_SUM(a))").evaluate({"a": row}, 60)
    assert back == {t: row[t] for t in times[1:]}


@given(rows, st.sampled_from(["0", "REPEAT", "LINEAR", "b"]), rows)
def test_filling_keeps_every_point(row: dict[int, float], filler: str, other: dict[int, float]) -> None:
    filled = parse(f"FILL(a, {filler})").evaluate({"a": row, "b": other}, 60, start=0, end=600)
    assert {t: filled[t] for t in row} == row
    if filler == "0":
        assert set(filled) == set(range(0, 600, 60))
    if filler == "LINEAR" and row:
        assert set(filled) == set(range(min(row), max(row) + 1, 60))


@given(rows, rows)
def test_not_or_is_and_of_nots(left: dict[int, float], right: dict[int, float]) -> None:
    series = {"a": left, "b": right}
    one = parse("(a > 0 OR b > 0) == 0").evaluate(series, 60)
    other = parse("FILL(a > 0, 0) == 0 AND FILL(b > 0, 0) == 0").evaluate(series, 60, start=0, end=600)
    assert all(one[t] == other[t] for t in one)


@given(rows, st.sampled_from(["a / a", "LOG(a)", "a ^ 400", "a ^ 0.5", "2 ^ a", "RATE(a)", "a / SUM(a)"]))
def test_every_point_is_a_finite_number(row: dict[int, float], text: str) -> None:
    result = parse(text).evaluate({"a": row}, 60)
    assert all(math.isfinite(value) for value in result.values())
    assert set(result) <= set(row)
