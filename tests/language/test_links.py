"""Dimensions as expressions: the operators of the facade, and which two values may be linked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from rheo_runtime import expr as x
from rheo_runtime import values as v
from rheo_runtime.values import Kind, datetime_kind
from rheodsl import DATETIME, LONG, STRING, Application, S3Dataset, SignalNode, output
from rheodsl.errors import LinkError, TruthError, UnknownNameError
from rheodsl.expressions import DimensionExpr, Links
from rheodsl.notation import show


@pytest.fixture
def s(app: Application) -> SignalNode:
    """A signal with a dimension of each type."""
    return app.s3(
        "s",
        "s3://lake/{text}/{n:int}/{day:%Y-%m-%d}/{other_day:%d-%m-%Y}/{hour:%Y-%m-%d %H}"
        "/{minute:%Y%m%d%H%M}/{month:%Y-%m}",
    )


def sides(links: Links) -> list[tuple[str, str]]:
    return [(show(link.left), show(link.right)) for link in links]


# ── operators ─────────────────────────────────────────────────────────────────────────────────────────

SHOWN: list[tuple[Callable[[Any], DimensionExpr], str]] = [
    (lambda s: s.day.fmt("%d-%m-%Y"), "s.day.fmt('%d-%m-%Y')"),
    (lambda s: s.day.strftime("%m"), "s.day.fmt('%m')"),
    (lambda s: s.day.fmt("%A %d/%m"), "s.day.fmt('%A %d/%m')"),
    (lambda s: s.text.parse("%Y-%m-%d"), "s.text.parse('%Y-%m-%d')"),
    (lambda s: s.text.upper().lower(), "s.text.upper().lower()"),
    (lambda s: s.n.zfill(3), "s.n.zfill(3)"),
    (lambda s: s.text.zfill(3), "s.text.zfill(3)"),
    (lambda s: s.day - 1, "(s.day - 1)"),
    (lambda s: s.n + 2, "(s.n + 2)"),
    (lambda s: 2 + s.n, "(s.n + 2)"),
    (lambda s: s.day - timedelta(days=3), "(s.day - 3)"),
    (lambda s: timedelta(weeks=1) + s.day, "(s.day + 7)"),
    (lambda s: s.hour + timedelta(days=1), "(s.hour + 24)"),
    (lambda s: s.minute - timedelta(hours=2), "(s.minute - 120)"),
    (lambda s: s.day.trunc("month"), "s.day.trunc('month')"),
    (lambda s: s.day.at("HOUR"), "s.day.at('hour')"),
    (lambda s: s.hour.tz("PST"), "s.hour.tz('PST')"),
    (lambda s: s.day.year, "s.day.year"),
    (lambda s: s.day.month, "s.day.month"),
    (lambda s: s.day.day_of_month, "s.day.day_of_month"),
    (lambda s: s.day.day, "s.day.day_of_month"),
    (lambda s: s.hour.hour, "s.hour.hour"),
    (lambda s: s.n.cast(STRING), "s.n.cast(STRING)"),
    (lambda s: s.text.cast("LONG"), "s.text.cast(LONG)"),
    (lambda s: s.n.map({2: "EU", 1: "NA"}), "s.n.map({1: 'NA', 2: 'EU'})"),
    (lambda s: s.n.map({"1": "NA"}), "s.n.map({1: 'NA'})"),
    (lambda s: s.text.apply(lambda t: t.upper()), "s.text.upper()"),
    (lambda s: s.text.apply(lambda t: "x"), "'x'"),
]


@pytest.mark.parametrize(("write", "shown"), SHOWN, ids=[shown for _, shown in SHOWN])
def test_operators(s: SignalNode, write: Callable[[Any], DimensionExpr], shown: str) -> None:
    assert repr(write(s)) == shown


def test_operators_leave_their_value_as_it_was(s: SignalNode) -> None:
    day = s.day
    moved = (day - 1).fmt("%Y").upper()
    assert repr(day) == "s.day"
    assert repr(moved) == "(s.day - 1).fmt('%Y').upper()"


@pytest.mark.parametrize(
    ("write", "kind"),
    [
        (lambda s: s.day, datetime_kind()),
        (lambda s: s.day - 1, datetime_kind()),
        (lambda s: s.day.fmt("%d"), Kind("STRING")),
        (lambda s: s.text.parse("%d-%m-%Y"), datetime_kind("%d-%m-%Y")),
        (lambda s: s.text.parse("%Y-%m-%d", "month"), datetime_kind("%Y-%m-%d", "MONTH")),
        (lambda s: s.text.parse("%Y-%m-%d %H", timezone="PST"), datetime_kind("%Y-%m-%d %H", timezone="PST")),
        (lambda s: s.day.trunc("month"), datetime_kind(granularity="MONTH")),
        (lambda s: s.n.map({1: 2}), Kind("LONG")),
    ],
)
def test_an_expression_has_a_type_at_once(s: SignalNode, write: Any, kind: Kind) -> None:
    assert write(s).kind == kind


@pytest.mark.parametrize(
    "write",
    [
        lambda s: s.n.fmt("%Y"),
        lambda s: s.day.fmt("day"),
        lambda s: s.day.fmt("%Q"),
        lambda s: s.day.fmt("%Y%"),
        lambda s: s.day.fmt(5),
        lambda s: s.day.parse("%Y"),
        lambda s: s.text.parse("%d"),
        lambda s: s.text.parse("%Y-%m-%d", timezone="Mars"),
        lambda s: s.text.parse(None),
        lambda s: s.day.upper(),
        lambda s: s.n.zfill("3"),
        lambda s: s.n.zfill(True),
        lambda s: s.text + 1,
        lambda s: s.text + "x",
        lambda s: s.n - True,
        lambda s: s.n + 1.5,
        lambda s: s.day - s.other_day,
        lambda s: s.n + timedelta(days=1),
        lambda s: s.text + timedelta(days=1),
        lambda s: s.day + timedelta(hours=1),
        lambda s: s.month + timedelta(days=1),
        lambda s: s.minute + timedelta(seconds=1),
        lambda s: s.day.trunc("fortnight"),
        lambda s: s.day.trunc("hour"),
        lambda s: s.day.trunc(7),
        lambda s: s.day.at("month"),
        lambda s: s.hour.tz("Mars"),
        lambda s: s.hour.tz(None),
        lambda s: s.day.hour,
        lambda s: s.month.day_of_month,
        lambda s: s.day.cast(LONG),
        lambda s: s.n.cast(DATETIME),
        lambda s: s.n.cast("int"),
        lambda s: s.n.map({}),
        lambda s: s.n.map({"NA": 1}),
        lambda s: s.n.map({1: "NA", 2: 3}),
        lambda s: s.n.map({1: True}),
        lambda s: s.n.map({1: None}),
        lambda s: s.n.map({1: "NA", "1": "EU"}),
        lambda s: s.day != s.other_day,
        lambda s: s.day < s.other_day,
        lambda s: s.day <= s.other_day,
        lambda s: s.day > s.other_day,
        lambda s: s.day >= s.other_day,
    ],
)
def test_what_makes_no_sense_is_refused_where_it_is_written(s: SignalNode, write: Any) -> None:
    with pytest.raises(LinkError) as caught:
        write(s)
    assert caught.value.where is not None
    assert caught.value.where.file.endswith("test_links.py")


@pytest.mark.parametrize(
    "write",
    [
        lambda s: bool(s.day),
        lambda s: not s.day,
        lambda s: s.day and s.n,
        lambda s: s.day or s.n,
        lambda s: 1 if s.day else 2,
        lambda s: list(s.day),
        lambda s: "x" in s.text,
        lambda s: {"NA": 1}[s.text],
        lambda s: s.text in {"NA", "EU"},
        lambda s: {s.day: 1},
        lambda s: s.day == s.other_day and s.n == 1,
        lambda s: not (s.day == s.other_day),  # noqa: SIM201
        lambda s: 2 if s.day == s.other_day else 1,
    ],
)
def test_python_cannot_ask_for_a_value(s: SignalNode, write: Any) -> None:
    with pytest.raises(TruthError):
        write(s)


def test_an_unknown_operator_names_a_near_one(s: SignalNode) -> None:
    with pytest.raises(UnknownNameError) as caught:
        s.day.fmtt("%Y")  # type: ignore[attr-defined]
    assert caught.value.hint == "did you mean .fmt?"
    assert not hasattr(s.day, "__array__")


def test_an_expression_may_be_put_into_a_text(s: SignalNode) -> None:
    assert f"{s.day - 1}" == str(s.day - 1) == "(s.day - 1)"


# ── links ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_link_is_an_equation(s: SignalNode, orders: SignalNode) -> None:
    assert sides(orders.day == s.other_day) == [("orders.day", "s.other_day")]
    (link,) = orders.day == s.other_day
    assert not link.default
    assert link.where is not None
    assert link.where.file.endswith("test_links.py")


def test_links_join(s: SignalNode, orders: SignalNode) -> None:
    a, b, c = orders.day == s.day, orders.region_id == s.n, s.hour.trunc("day") == orders.day
    assert (a & b) & c == a & (b & c)
    assert len(a & b & c) == 3


@pytest.mark.parametrize("other", [True, None, ("x", lambda d: d, 1), 5])
def test_only_links_join(s: SignalNode, other: Any) -> None:
    with pytest.raises(LinkError):
        (s.day == s.other_day) & other
    with pytest.raises(LinkError):
        (s.day == s.other_day) | (s.n == 1)


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        # Dates compare as dates, whatever their formats.
        (lambda s: s.day == s.other_day, ("s.day", "s.other_day")),
        (lambda s: s.hour.trunc("day") == s.day, ("s.hour.trunc('day')", "s.day")),
        (lambda s: s.day.at("hour") == s.hour, ("s.day.at('hour')", "s.hour")),
        # A date compared with text is compared in its own format.
        (lambda s: s.other_day == s.text, ("s.other_day.fmt('%d-%m-%Y')", "s.text")),
        (lambda s: s.text == s.day, ("s.text", "s.day.fmt('%Y-%m-%d')")),
        (lambda s: s.other_day == s.day.fmt("%d-%m-%Y"), ("s.other_day.fmt('%d-%m-%Y')", "s.day.fmt('%d-%m-%Y')")),
        (lambda s: s.day.trunc("month") == s.text, ("s.day.trunc('month').fmt('%Y-%m')", "s.text")),
        (lambda s: s.n.map({1: "NA"}) == s.text, ("s.n.map({1: 'NA'})", "s.text")),
        (lambda s: s.n.cast(STRING) == s.text, ("s.n.cast(STRING)", "s.text")),
        # Literals, on either side.
        (lambda s: s.n == 1, ("s.n", "1")),
        (lambda s: s.n == "1", ("s.n", "1")),
        (lambda s: 1 == s.n, ("s.n", "1")),  # noqa: SIM300
        (lambda s: s.text == "NA", ("s.text", "'NA'")),
        (lambda s: s.day == "2020-03-18", ("s.day", "'2020-03-18'")),
        (lambda s: s.other_day == date(2020, 3, 18), ("s.other_day", "'18-03-2020'")),
        (lambda s: s.month == datetime(2020, 3, 18), ("s.month", "'2020-03'")),
        (lambda s: s.day.month == 3, ("s.day.month", "3")),
    ],
)  # fmt: skip
def test_what_may_be_linked(s: SignalNode, write: Any, expected: tuple[str, str]) -> None:
    assert sides(write(s)) == [expected]


def test_text_without_case_is_compared_without_case(app: Application) -> None:
    spec = {"code": {"type": STRING, "insensitive": True, "text": {"type": STRING, "other": {"type": STRING, "insensitive": True}}}}  # fmt: skip
    s = app.marshal_external_data(S3Dataset(None, "lake"), "s", spec)
    assert sides(s.code == s.text) == [("s.code", "s.text.lower()")]
    assert sides(s.text == s.code) == [("s.text.lower()", "s.code")]
    assert sides(s.code == s.other) == [("s.code", "s.other")]
    assert sides(s.code == "NA") == [("s.code", "'na'")]


@pytest.mark.parametrize(
    "write",
    [
        lambda s: s.day == s.n,
        lambda s: s.text == s.n,
        lambda s: s.day == s.hour,
        lambda s: s.month == s.day,
        lambda s: s.day == s.day.month,
        lambda s: s.day == s.other_day.fmt("%d-%m-%Y"),
        lambda s: s.day == "18-03-2020",
        lambda s: s.day == 18,
        lambda s: s.n == "NA",
        lambda s: s.n == 1.5,
        lambda s: s.n == None,  # noqa: E711
        lambda s: s.n == True,  # noqa: E712
        lambda s: s.text == 1,
        lambda s: s.day == s,
        lambda s: s.day == object(),
    ],
)
def test_what_can_never_be_equal_is_refused_where_it_is_written(s: SignalNode, write: Any) -> None:
    with pytest.raises(LinkError) as caught:
        write(s)
    assert caught.value.where is not None
    assert caught.value.where.file.endswith("test_links.py")
    assert caught.value.hint


# ── the node's own output ─────────────────────────────────────────────────────────────────────────────


def test_every_spelling_of_an_output_dimension() -> None:
    assert output.day.node == output("day").node == output.dimension("day").node == x.Ref("output", "day")
    assert repr(output) == "output"
    assert not hasattr(output, "__wrapped__")


@pytest.mark.parametrize(
    ("write", "right"),
    [
        (lambda s: output.day == s.day, "s.day"),
        (lambda s: output.day == s.day.trunc("month"), "s.day.trunc('month')"),
        (lambda s: output.region == 1, "1"),
        (lambda s: output.region == "NA", "'NA'"),
        (lambda s: output.day == date(2020, 3, 18), "'2020-03-18'"),
        (lambda s: output.hour == datetime(2020, 3, 18, 5), "'2020-03-18T05:00:00'"),
    ],
)
def test_an_output_is_set(s: SignalNode, write: Any, right: str) -> None:
    ((_, shown),) = sides(write(s))
    assert shown == right


@pytest.mark.parametrize("value", [1.5, None, True, object()])
def test_an_output_is_no_such_thing(value: Any) -> None:
    with pytest.raises(LinkError):
        output.day == value  # noqa: B015


def test_an_output_has_no_type_yet() -> None:
    with pytest.raises(LinkError):
        output.day.map({1: 2})
    with pytest.raises(LinkError):
        output.day - timedelta(days=1)


# ── what the filter enumerates ────────────────────────────────────────────────────────────────────────


def test_a_dimension_knows_the_values_of_its_filter(app: Application) -> None:
    spec = {"region": {"type": STRING, "day": {"type": DATETIME}}}
    s = app.marshal_external_data(
        S3Dataset(None, "lake"), "s", spec, {"NA": {"*": {}}, "EU": {"2020-03-18": {}}}
    )
    assert s.region._enumerated[s.region.node] == ("NA", "EU")  # type: ignore[index]
    # One branch lets any day pass.
    assert s.day._enumerated == {}
    assert s["EU"].day._enumerated[s.day.node] == (v.cast("2020-03-18", datetime_kind()),)  # type: ignore[index]
