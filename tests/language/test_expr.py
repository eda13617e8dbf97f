"""Expressions as data: JSON and back, what type they have, and what they compute."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheo_runtime import expr as x
from rheo_runtime import values as v
from rheo_runtime.expr import BadExpr, Expr, Ref, evaluate, kinds
from rheo_runtime.values import BadValue, Kind, datetime_kind
from rheodsl.notation import show

from . import naive_expr

KINDS: dict[Ref, Kind] = {
    Ref("a", "n"): Kind(v.LONG),
    Ref("a", "pad"): Kind(v.LONG, digits=3),
    Ref("a", "text"): Kind(v.STRING),
    Ref("a", "code"): Kind(v.STRING, insensitive=True),
    Ref("a", "minute"): datetime_kind("%Y-%m-%d %H:%M"),
    Ref("a", "hour"): datetime_kind("%Y-%m-%d %H", timezone="PST"),
    Ref("a", "day"): datetime_kind("%d-%m-%Y"),
    Ref("b", "berlin_day"): datetime_kind("%Y%m%d", timezone="Europe/Berlin"),
    Ref("b", "month"): datetime_kind("%Y-%m"),
    Ref("b", "year"): datetime_kind("%Y"),
}
N, TEXT, CODE = Ref("a", "n"), Ref("a", "text"), Ref("a", "code")
MINUTE, HOUR, DAY, MONTH, YEAR = (
    Ref("a", "minute"), Ref("a", "hour"), Ref("a", "day"), Ref("b", "month"), Ref("b", "year"),
)  # fmt: skip
NODES = [c for c in vars(x).values() if isinstance(c, type) and issubclass(c, Expr) and c is not Expr]


def kind_of(expr: Expr) -> Kind:
    return x.kind_of(expr, KINDS.__getitem__)


def compute(expr: Expr, values: dict[Ref, Any]) -> Any:
    return x.compile_expr(expr, KINDS.__getitem__, lambda ref: lambda known: known[ref])(values)


# ── random expressions ────────────────────────────────────────────────────────────────────────────────

Step = Callable[[st.DrawFn, Expr, Kind], Expr]
ZONES = ["UTC", "PST", "Asia/Tokyo", "Asia/Kolkata"]
FORMATS = ["%Y-%m-%d", "%d-%m-%Y", "%Y%m%d", "%Y-%m", "%Y", "%Y-%m-%d %H", "%H", "%d/%m", "%Y-%m-%dT%H:%M"]


def _parse(draw: st.DrawFn, base: Expr, kind: Kind) -> Expr:
    whole = [f for f in FORMATS if "%Y" in f]
    format = draw(st.sampled_from(whole))
    if isinstance(base, x.Fmt) and base.format in whole and draw(st.booleans()):
        format = base.format
    return x.Parse(base, datetime_kind(format, timezone=draw(st.sampled_from(ZONES))))


def _map(draw: st.DrawFn, base: Expr, kind: Kind) -> Expr:
    keys = st.integers(-3, 3) if kind.type == v.LONG else st.sampled_from(["NA", "na", "EU", "18", "2020"])
    results: Any = draw(st.sampled_from([st.integers(0, 9), st.sampled_from(["x", "yy", "2020-03-18"])]))
    table: dict[Any, Any] = draw(st.dictionaries(keys, results, min_size=1, max_size=4))
    return x.MapValues(base, tuple(sorted(table.items())))


def _unit(draw: st.DrawFn, kind: Kind, *, coarser: bool) -> str:
    at = v.GRANULARITIES.index(kind.granularity or v.DAY)
    return draw(st.sampled_from(v.GRANULARITIES[at:] if coarser else v.GRANULARITIES[: at + 1]))


def _part(draw: st.DrawFn, base: Expr, kind: Kind) -> Expr:
    order = v.GRANULARITIES.index(kind.granularity or v.DAY)
    known = {v.MINUTE: 4, v.HOUR: 4, v.DAY: 3, v.WEEK: 2, v.MONTH: 2, v.QUARTER: 1, v.YEAR: 1}[
        v.GRANULARITIES[order]
    ]
    return x.Part(base, draw(st.sampled_from(x.PARTS[:known])))


def _offset(draw: st.DrawFn, base: Expr, kind: Kind) -> Expr:
    amount = draw(st.sampled_from([N, x.Const(2, Kind(v.LONG)), x.Part(DAY, "month")]))
    unit = draw(st.sampled_from([v.MINUTE, v.HOUR, v.DAY]))
    return x.Offset(base, amount, unit, draw(st.sampled_from([1, -1])))


STEPS: dict[str, list[Step]] = {
    v.STRING: [
        _parse,
        _map,
        lambda draw, base, kind: x.Upper(base),
        lambda draw, base, kind: x.Lower(base),
        lambda draw, base, kind: x.Zfill(base, draw(st.integers(0, 6))),
        lambda draw, base, kind: x.Cast(base, draw(st.sampled_from([v.LONG, v.STRING]))),
    ],
    v.LONG: [
        _map,
        lambda draw, base, kind: x.Shift(base, draw(st.integers(-5, 5))),
        lambda draw, base, kind: x.Zfill(base, draw(st.integers(0, 6))),
        lambda draw, base, kind: x.Cast(base, draw(st.sampled_from([v.LONG, v.STRING]))),
    ],
    v.DATETIME: [
        _part,
        _offset,
        lambda draw, base, kind: x.Fmt(base, draw(st.sampled_from(FORMATS))),
        lambda draw, base, kind: x.Shift(base, draw(st.integers(-50, 50))),
        lambda draw, base, kind: x.Trunc(base, _unit(draw, kind, coarser=True)),
        lambda draw, base, kind: x.At(base, _unit(draw, kind, coarser=False)),
        lambda draw, base, kind: x.Cast(base, draw(st.sampled_from([v.DATETIME, v.STRING]))),
        lambda draw, base, kind: (
            x.Tz(base, draw(st.sampled_from(ZONES))) if kind.granularity in (v.HOUR, v.MINUTE) else base
        ),
    ],
}


@st.composite
def expressions(draw: st.DrawFn) -> Expr:
    expr: Expr = draw(st.sampled_from(list(KINDS)))
    for _ in range(draw(st.integers(0, 6))):
        kind = kind_of(expr)
        expr = draw(st.sampled_from(STEPS[kind.type]))(draw, expr, kind)
    return expr


@st.composite
def partitions(draw: st.DrawFn) -> dict[Ref, tuple[Any, Any]]:
    """For each dimension, its value and the same as Python knows it."""
    found: dict[Ref, tuple[Any, Any]] = {}
    for ref, kind in KINDS.items():
        if kind.type == v.LONG:
            number = draw(st.integers(-10, 3000))
            found[ref] = number, number
        elif kind.type == v.STRING:
            word = draw(st.sampled_from(["NA", "na", "EU", "18", "-7", "2020-03-18", "2020", "x y"]))
            word = word.lower() if kind.insensitive else word
            found[ref] = word, word
        else:
            instant = draw(st.datetimes(datetime(1971, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)))
            wall = instant.astimezone(ZoneInfo(kind.timezone or "UTC"))
            assert kind.granularity is not None
            found[ref] = v.from_datetime(instant, kind), naive_expr.read(wall, kind, kind.granularity)
    return found


def plain(value: Any, kind: Kind) -> Any:
    """An engine's value as the naive evaluator has it."""
    if kind.type != v.DATETIME:
        return value
    if kind.granularity in naive_expr.FINE:
        return datetime.fromtimestamp(value * 60, UTC).astimezone(ZoneInfo(kind.timezone or "UTC"))
    if kind.granularity in (v.DAY, v.WEEK):
        return datetime.fromordinal(value)
    if kind.granularity == v.QUARTER:
        return datetime(value // 4, value % 4 * 3 + 1, 1)
    return datetime(value // 12, value % 12 + 1, 1) if kind.granularity == v.MONTH else datetime(value, 1, 1)


def test_an_hour_is_in_another_zone_the_one_in_which_it_begins() -> None:
    midnight = v.from_datetime(datetime(2000, 1, 1, tzinfo=UTC), KINDS[HOUR])
    for zone, minutes in (("Asia/Tokyo", 0), ("Asia/Kolkata", 30)):
        assert compute(x.Tz(HOUR, zone), {HOUR: midnight}) == midnight - minutes


@given(expressions(), partitions())
def test_an_expression_computes_what_python_computes(
    expr: Expr, partition: dict[Ref, tuple[Any, Any]]
) -> None:
    env = {ref: (known, KINDS[ref]) for ref, (_, known) in partition.items()}
    try:
        expected = naive_expr.evaluate(expr, env)
    except naive_expr.NoValue:
        with pytest.raises(BadValue):
            compute(expr, {ref: value for ref, (value, _) in partition.items()})
        return
    value = compute(expr, {ref: value for ref, (value, _) in partition.items()})
    kind = kind_of(expr)
    assert plain(value, kind) == expected
    assert isinstance(value, str if kind.type == v.STRING else int)
    if kind.type == v.DATETIME:
        assert plain(value, kind).replace(tzinfo=None) == naive_expr.moment(expected).replace(tzinfo=None)


@given(expressions())
def test_an_expression_survives_json(expr: Expr) -> None:
    again = x.from_json(json.loads(json.dumps(x.to_json(expr))))
    assert again == expr
    assert kind_of(again) == kind_of(expr)


@given(expressions(), expressions())
def test_two_expressions_have_two_texts(a: Expr, b: Expr) -> None:
    # Through JSON, because a map shows only its first keys and .parse only its format.
    assert (x.to_json(a) == x.to_json(b)) == (a == b)
    if show(a) != show(b):
        assert a != b


@given(expressions())
def test_rewriting_nothing_changes_nothing(expr: Expr) -> None:
    assert x.rewrite(expr, lambda e: e) == expr
    renamed = x.rewrite(expr, lambda e: Ref("z", e.dim) if isinstance(e, Ref) else e)
    assert [r.dim for r in x.refs(renamed)] == [r.dim for r in x.refs(expr)]
    assert {r.input for r in x.refs(renamed)} == {"z"}


# ── every node has every rule ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("node", NODES, ids=lambda c: c.__name__)
def test_every_node_has_its_rules(node: type[Expr]) -> None:
    assert node in x.NODES.values()
    if node is not Ref:  # a Ref is typed and computed by its surroundings
        assert kinds.node_kind.dispatch(node) is not kinds.node_kind.dispatch(object)
        assert evaluate._compile.dispatch(node) is not evaluate._compile.dispatch(object)


SHOWN: list[tuple[Expr, str]] = [
    (DAY, "a.day"),
    (x.Const(1, Kind(v.LONG)), "1"),
    (x.Const("NA", Kind(v.STRING)), "'NA'"),
    (x.Const(737502, datetime_kind("%d-%m-%Y")), "'18-03-2020'"),
    (x.Fmt(DAY, "%Y"), "a.day.fmt('%Y')"),
    (x.Parse(TEXT, datetime_kind("%Y")), "a.text.parse('%Y')"),
    (x.MapValues(N, ((1, "NA"), (2, "EU"))), "a.n.map({1: 'NA', 2: 'EU'})"),
    (x.MapValues(N, tuple((i, i) for i in range(5))), "a.n.map({0: 0, 1: 1, 2: 2, 3: 3, ...})"),
    (x.Upper(TEXT), "a.text.upper()"),
    (x.Lower(TEXT), "a.text.lower()"),
    (x.Zfill(N, 3), "a.n.zfill(3)"),
    (x.Shift(DAY, -1), "(a.day - 1)"),
    (x.Shift(DAY, 2), "(a.day + 2)"),
    (x.Offset(DAY, N, "HOUR", 1), "(a.day + timedelta(hours=a.n))"),
    (x.Offset(DAY, N, "DAY", -1), "(a.day - timedelta(days=a.n))"),
    (x.Trunc(DAY, "MONTH"), "a.day.trunc('month')"),
    (x.At(DAY, "HOUR"), "a.day.at('hour')"),
    (x.Tz(HOUR, "UTC"), "a.hour.tz('UTC')"),
    (x.CalendarShift(DAY, -1, 0, 2), "a.day.shift(years=-1, days=2)"),
    (x.DateOf(N, x.Const(2, Kind(v.LONG)), N, x.Const(0, Kind(v.LONG)), "DAY"), "date_of(a.n, 2, a.n)"),
    (x.Part(DAY, "month"), "a.day.month"),
    (x.Cast(N, "STRING"), "a.n.cast(STRING)"),
    (x.Fmt(x.Shift(DAY, -1), "%Y"), "(a.day - 1).fmt('%Y')"),
]


@pytest.mark.parametrize(("expr", "text"), SHOWN, ids=[text for _, text in SHOWN])
def test_an_expression_is_shown_as_it_was_written(expr: Expr, text: str) -> None:
    assert show(expr) == text


def test_every_node_is_shown() -> None:
    assert {type(expr) for expr, _ in SHOWN} == set(NODES)


# ── types ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("expr", "kind"),
    [
        (x.Fmt(DAY, "%Y"), Kind(v.STRING)),
        (x.Parse(TEXT, datetime_kind("%Y-%m")), datetime_kind("%Y-%m")),
        (x.MapValues(N, ((1, "NA"),)), Kind(v.STRING)),
        (x.MapValues(CODE, (("na", 1),)), Kind(v.LONG)),
        (x.Upper(CODE), Kind(v.STRING)),
        (x.Zfill(N, 2), Kind(v.STRING)),
        (x.Shift(DAY, 1), KINDS[DAY]),
        (x.Shift(N, 1), Kind(v.LONG)),
        (x.Offset(DAY, N, "HOUR", 1), datetime_kind(granularity="HOUR")),
        (x.Offset(HOUR, N, "DAY", 1), datetime_kind(granularity="HOUR", timezone="PST")),
        (x.Offset(MONTH, N, "DAY", 1), datetime_kind(granularity="DAY")),
        (x.Trunc(HOUR, "DAY"), datetime_kind(granularity="DAY", timezone="PST")),
        (x.Trunc(DAY, "DAY"), KINDS[DAY]),
        (x.At(MONTH, "HOUR"), datetime_kind(granularity="HOUR")),
        (x.Tz(HOUR, "GMT"), datetime_kind("%Y-%m-%d %H", timezone="UTC")),
        (x.Part(YEAR, "year"), Kind(v.LONG)),
        (x.Cast(N, "STRING"), Kind(v.STRING)),
        (x.Cast(DAY, "STRING"), Kind(v.STRING)),
        (x.Cast(TEXT, "LONG"), Kind(v.LONG)),
        (x.Cast(CODE, "STRING"), KINDS[CODE]),
        (x.Cast(DAY, "DATETIME"), KINDS[DAY]),
    ],
    ids=lambda p: show(p) if isinstance(p, Expr) else "",
)
def test_types(expr: Expr, kind: Kind) -> None:
    assert kind_of(expr) == kind


def test_a_minimum_is_of_the_dimension_and_not_of_what_is_computed() -> None:
    at_least = Kind(v.LONG, min=10)
    assert x.kind_of(x.Shift(N, -5), lambda ref: at_least) == Kind(v.LONG)


UNITS = "use one of minute, hour, day, week, month, quarter, year"


@pytest.mark.parametrize(
    ("expr", "what", "hint"),
    [
        (x.Fmt(N, "%Y"), ".fmt() needs a DATETIME, not a LONG", "cast a number or text with .cast() or .zfill()"),
        (x.Parse(N, KINDS[DAY]), ".parse() needs a STRING, not a LONG", "only a text is parsed; dates compare as dates"),
        (x.Upper(N), ".upper() needs a STRING, not a LONG", "write the number as text first: .cast(STRING)"),
        (x.Lower(DAY), ".lower() needs a STRING, not a DAY DATETIME", "write the date as text first: .fmt('%Y-%m-%d')"),
        (x.Zfill(DAY, 2), ".zfill() needs a STRING or a LONG, not a DAY DATETIME", "use .fmt() for a date's text"),
        (x.Shift(TEXT, 1), "+ and - need a LONG or a DATETIME, not a STRING", "parse or cast the text first"),
        (x.Offset(N, N, "DAY", 1), "+ timedelta needs a DATETIME, not a LONG", "write the number as text and read that: .cast(STRING).parse('%Y%m%d')"),
        (x.Offset(DAY, TEXT, "DAY", 1), "timedelta(...) needs a LONG, not a STRING", "read the text as a number first: .cast(LONG)"),
        (x.Offset(DAY, N, "MONTH", 1), "a computed timedelta has no months", "use days, hours or minutes"),
        (x.Trunc(N, "DAY"), ".trunc() needs a DATETIME, not a LONG", "write the number as text and read that: .cast(STRING).parse('%Y%m%d')"),
        (x.Trunc(DAY, "HOUR"), ".trunc(): HOUR is finer than DAY", "use .at()"),
        (x.Trunc(DAY, "FORTNIGHT"), "'fortnight' is no granularity", UNITS),
        (x.At(TEXT, "DAY"), ".at() needs a DATETIME, not a STRING", "read the text as a date first: .parse('%Y-%m-%d')"),
        (x.At(DAY, "MONTH"), ".at(): MONTH is coarser than DAY", "use .trunc()"),
        (x.At(DAY, "SECOND"), "'second' is no granularity", UNITS),
        (x.Tz(N, "UTC"), ".tz() needs a DATETIME, not a LONG", "write the number as text and read that: .cast(STRING).parse('%Y%m%d')"),
        (x.Part(TEXT, "year"), ".year needs a DATETIME, not a STRING", "read the text as a date first: .parse('%Y-%m-%d')"),
        (x.Part(MONTH, "day_of_month"), "a MONTH DATETIME has no .day_of_month", "only a dimension of a finer granularity tells it"),
        (x.Part(DAY, "hour"), "a DAY DATETIME has no .hour", "only a dimension of a finer granularity tells it"),
        (x.Cast(TEXT, "DATETIME"), "a STRING is not cast to DATETIME", "use .parse(format)"),
        (x.Cast(DAY, "LONG"), "a DAY DATETIME is not cast to LONG", "use .fmt(format).cast(LONG)"),
    ],
    ids=lambda p: show(p) if isinstance(p, Expr) else "",
)  # fmt: skip
def test_an_operator_that_does_not_fit_says_why(expr: Expr, what: str, hint: str) -> None:
    with pytest.raises(BadExpr) as caught:
        kind_of(expr)
    assert (str(caught.value), caught.value.hint) == (what, hint)


# ── values ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_chain_of_a_billing_month() -> None:
    expr = x.Fmt(x.Trunc(x.Shift(DAY, -1), "MONTH"), "%B %Y")
    assert compute(expr, {DAY: v.parse("01-03-2020", KINDS[DAY])}) == "February 2020"


@pytest.mark.parametrize(
    ("expr", "values", "reason"),
    [
        (x.MapValues(N, ((1, "NA"),)), {N: 2}, "'2' is not in the map"),
        (
            x.MapValues(DAY, ((1, "NA"),)),
            {DAY: v.parse("18-03-2020", KINDS[DAY])},
            "'18-03-2020' is not in the map",
        ),
        (x.Parse(TEXT, datetime_kind()), {TEXT: "x"}, "'x' is no date of format '%Y-%m-%d'"),
        (x.Cast(TEXT, "LONG"), {TEXT: "x"}, "'x' is no LONG"),
        (x.Fmt(x.Shift(DAY, -1), "%Y"), {DAY: 1}, "'01-01-0001' moved by -1 is out of the range of dates"),
        # A window or shift that leaves the calendar is a value without a text, not a crash.
        (
            x.Trunc(x.Shift(DAY, -1), "MONTH"),
            {DAY: 1},
            "'01-01-0001' moved by -1 is out of the range of dates",
        ),
        (x.Part(x.Shift(YEAR, 1), "year"), {YEAR: 9999}, "'9999' moved by 1 is out of the range of dates"),
        (x.Shift(DAY, 1), {DAY: 3652059}, "'31-12-9999' moved by 1 is out of the range of dates"),
        (x.At(YEAR, "HOUR"), {YEAR: 1}, "-1035593280 is out of the range of dates"),
        (
            x.Offset(HOUR, N, "DAY", 1),
            {HOUR: 0, N: 10**12},
            f"{1440 * 10**12} is out of the range of dates",
        ),
    ],
)
def test_what_has_no_value_says_why(expr: Expr, values: dict[Ref, Any], reason: str) -> None:
    with pytest.raises(BadValue) as caught:
        compute(x.Fmt(expr, "%Y-%m-%d") if kind_of(expr).type == v.DATETIME else expr, values)
    assert str(caught.value) == reason
