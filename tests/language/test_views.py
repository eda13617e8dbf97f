"""Views: every filter operator, how filters chain, and that nothing is ever changed in place."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheo_runtime.wire import Window
from rheodsl import DATETIME, Application, S3Dataset, SignalNode, View
from rheodsl.errors import FilterError, SpecError, TruthError, UnknownNameError, ValueCastError
from rheodsl.filters import show_window


def rules(view: View, position: int = 0) -> list[tuple[Any, Window | None]]:
    """Value and window of one dimension in each branch."""
    return [(branch[position].value, branch[position].window) for branch in view.branches]


# ── values ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("index", [1, "1", "001"])
def test_a_number(orders: SignalNode, index: Any) -> None:
    assert rules(orders[index]) == [(1, None)]


@pytest.mark.parametrize("index", ["2020-03-18", date(2020, 3, 18), datetime(2020, 3, 18, 5)])
def test_a_day(orders: SignalNode, index: Any) -> None:
    assert rules(orders[1][index], 1) == [(737502, None)]


def test_a_text(ships: SignalNode) -> None:
    assert rules(ships["NA"]) == [("NA", None)]


def test_any(orders: SignalNode) -> None:
    assert orders["*"]["*"].branches == orders.branches
    assert orders["*"] == orders


def test_missing_trailing_indexes_are_any(orders: SignalNode) -> None:
    assert orders[1] == orders[1]["*"]


def test_a_bool_is_no_number(orders: SignalNode) -> None:
    with pytest.raises(ValueCastError):
        orders[True]


# ── windows ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("index", "offsets"),
    [
        (slice(None, -7), [0, -1, -2, -3, -4, -5, -6]),
        (slice(None, 3), [0, 1, 2]),
        (slice(None, -1), [0]),
        (slice(-1, -3), [-1, -2, -3]),
        (slice(-1, None), [-1]),
        (slice(2, None), [2]),
        (slice(1, 2), [1, 2]),
        (slice(3, -2), [3, 2]),
    ],
)
def test_windows(orders: SignalNode, index: slice, offsets: list[int]) -> None:
    for view, position in ((orders["*"][index], 1), (orders[index], 0)):
        ((value, window),) = rules(view, position)
        assert value is None
        assert window is not None
        assert list(window.offsets()) == offsets


def test_a_bare_int_is_a_window_of_days_and_a_number_of_regions(orders: SignalNode) -> None:
    assert orders["*"][-30] == orders["*"][:-30]
    assert orders["*"][14] == orders["*"][:14]
    assert rules(orders[-30]) == [(-30, None)]


@given(st.integers(-50, 50), st.integers(-50, 50).filter(bool))
def test_a_window_is_shown_as_it_is_written(shift: int, count: int) -> None:
    window = Window(shift, count)
    signal = Application("a").s3("s", "s3://lake/s/{n:int}")
    written = eval(f"s{show_window(window)}", {"s": signal})
    (((_, read),)) = rules(written)
    assert list(read.offsets()) == list(window.offsets())  # type: ignore[union-attr]


# ── chaining ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def days(app: Application) -> SignalNode:
    return app.s3("days", "s3://lake/days/{day:%Y-%m-%d}")


@pytest.mark.parametrize(
    ("first", "second", "offsets"),
    [
        (slice(None, -3), slice(None, -2), [0, -1]),
        (slice(None, -2), slice(None, -3), [0, -1]),
        (slice(None, -3), slice(None, -3), [0, -1, -2]),
        (slice(None, 3), slice(None, 2), [0, 1]),
        (slice(None, -3), slice(-1, -3), [-1, -2]),
        (slice(None, -3), slice(-1, None), [-1]),
        (slice(-1, None), slice(None, -3), [-1]),
        (slice(None, 3), slice(2, None), [2]),
        # One value alone has no direction.
        (slice(None, -1), slice(None, 3), [0]),
        (slice(None, 3), slice(None, -1), [0]),
        (slice(None, -1), slice(None, 1), [0]),
    ],
)
def test_a_window_of_a_window_is_what_they_share(
    days: SignalNode, first: slice, second: slice, offsets: list[int]
) -> None:
    ((_, window),) = rules(days[first][second])
    assert window is not None
    assert list(window.offsets()) == offsets


@given(
    *[
        st.builds(
            lambda shift, count, sign: (shift, count * sign),
            st.integers(-5, 5),
            st.integers(1, 6),
            st.just(sign),
        )
        for sign in (-1, -1)
    ]
)
def test_windows_of_one_direction_intersect_as_sets(a: tuple[int, int], b: tuple[int, int]) -> None:
    days = Application("a").s3("days", "s3://lake/days/{day:%Y-%m-%d}")
    expected = set(Window(*a).offsets()) & set(Window(*b).offsets())
    for first, second in ((a, b), (b, a)):
        try:
            ((_, window),) = rules(days[slice(*first)][slice(*second)])
        except FilterError as fault:
            assert not expected
            assert "no partition in common" in fault.what
        else:
            assert window is not None
            assert set(window.offsets()) == expected


def test_any_over_a_window_keeps_the_window(days: SignalNode) -> None:
    assert days[:-3]["*"] == days[:-3]


def test_a_value_over_a_window_is_its_tip(days: SignalNode) -> None:
    view = days[:-3]["2020-03-18"]
    assert rules(view) == [(737502, Window(0, -3))]
    assert view == days["2020-03-18"][:-3]


def test_the_same_value_again_is_not_a_fault_where_there_is_a_window(days: SignalNode) -> None:
    assert days[:-3]["2020-03-18"]["2020-03-18"] == days[:-3]["2020-03-18"]


@pytest.mark.parametrize(
    "chain",
    [
        lambda s: s[:-3][:3],
        lambda s: s[:-3][-3:],
        lambda s: s["2020-03-18"]["2020-03-19"],
        lambda s: s["2020-03-18"]["*"],
        lambda s: s["*"]["*"],
    ],
)
def test_a_filter_that_leaves_nothing_or_changes_nothing_is_an_error(
    days: SignalNode, chain: Callable[[View], View]
) -> None:
    with pytest.raises(FilterError):
        chain(days)


def test_an_index_past_the_last_starts_over(orders: SignalNode) -> None:
    assert orders["*"]["*"][1] == orders[1]
    with pytest.raises(FilterError):
        orders[1][:-30]["*"]


def test_a_declared_filter_is_narrowed(app: Application) -> None:
    spec = {"region": {"type": "LONG", "day": {"type": DATETIME}}}
    signal = app.marshal_external_data(
        S3Dataset(None, "lake"), "s", spec, {1: {"*": {}}, 2: {"*": {}}, 3: {":-7": {}}}
    )
    assert rules(signal) == [(1, None), (2, None), (3, None)]
    assert rules(signal[2]) == [(2, None)]
    assert rules(signal[3][:-3], 1) == [(None, Window(0, -3))]
    # A branch that a filter empties falls away; the others stay.
    assert rules(signal["*"][:3]) == [(1, None), (2, None)]
    with pytest.raises(FilterError):
        signal[4]


def test_a_signal_without_dimensions_has_no_index(app: Application) -> None:
    flag = app.s3("flag", "s3://lake/flag")
    assert flag.branches == ((),)
    assert flag.tip() == ()
    with pytest.raises(FilterError):
        flag["*"]


# ── how it is read ────────────────────────────────────────────────────────────────────────────────────


def test_every_spelling_of_a_reference(orders: SignalNode) -> None:
    views = [orders.ref, orders.no_event, orders.reference(), orders.as_reference()]
    assert all(view.is_reference for view in views)
    assert len(set(views)) == 1
    assert not orders.is_reference


def test_every_spelling_of_a_mode(orders: SignalNode) -> None:
    assert orders.range_check(True) == orders.range_check() == orders.check_range()
    assert orders.nearest() == orders.latest()
    assert (orders.mode, orders.range_check().mode, orders.nearest().mode) == ("", "range_check", "nearest")


def test_range_check_is_turned_off_and_nearest_is_left_alone(orders: SignalNode) -> None:
    assert orders.range_check(True).range_check(False) == orders
    assert orders.nearest().range_check(False) == orders.nearest()


def test_the_modes_exclude_each_other(orders: SignalNode) -> None:
    with pytest.raises(FilterError):
        orders.nearest().range_check()
    with pytest.raises(FilterError):
        orders.range_check().nearest()


def test_the_order_of_operators_does_not_matter(orders: SignalNode) -> None:
    a = orders.ref.range_check().alias("o")[1][:-7]
    b = orders[1][:-7].alias("o").range_check().ref
    assert a == b
    assert hash(a) == hash(b)


@pytest.mark.parametrize("name", ["", "a b", "1a", "a-b", None, 1])
def test_an_alias_is_an_identifier(orders: SignalNode, name: Any) -> None:
    with pytest.raises(SpecError):
        orders.alias(name)


# ── nothing changes in place ──────────────────────────────────────────────────────────────────────────

OPERATORS: list[Callable[[Any], View]] = [
    lambda s: s[1],
    lambda s: s["*"][:-7],
    lambda s: s.ref,
    lambda s: s.range_check(True),
    lambda s: s.nearest(),
    lambda s: s.alias("other"),
]


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_operator_leaves_its_view_as_it_was(orders: SignalNode, operator: Callable[[Any], View]) -> None:
    before = (orders.branches, orders.mode, orders.is_reference, orders.given_alias, repr(orders))
    made = operator(orders)
    assert made is not orders
    assert made != orders
    assert (orders.branches, orders.mode, orders.is_reference, orders.given_alias, repr(orders)) == before


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_same_view_is_equal_and_one_key(orders: SignalNode, operator: Callable[[Any], View]) -> None:
    assert operator(orders) == operator(orders)
    assert {operator(orders): "x"}[operator(orders)] == "x"


def test_views_are_different_by_what_they_see(orders: SignalNode, ships: SignalNode) -> None:
    views = [orders, ships, *(operator(orders) for operator in OPERATORS)]
    assert len(set(views)) == len(views)
    assert orders != "orders"
    assert orders[1] != orders[2]


def test_a_view_copies(orders: SignalNode) -> None:
    view = orders[1][:-7].ref.alias("o")
    assert copy.copy(view) == copy.deepcopy(view) == pickle.loads(pickle.dumps(view)) == view


@pytest.mark.parametrize("name", ["mode", "id", "anything"])
def test_a_view_takes_no_attributes(orders: SignalNode, name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(orders, name, "x")


# ── not a sequence ────────────────────────────────────────────────────────────────────────────────────


def test_a_view_is_not_iterated(orders: SignalNode) -> None:
    for use in (list, lambda s: 1 in s, lambda s: [*s], lambda s: dict(a=1, **{str(k): 1 for k in s})):
        with pytest.raises(TruthError):
            use(orders)


# ── dimensions ────────────────────────────────────────────────────────────────────────────────────────


def test_every_spelling_of_a_dimension(orders: SignalNode) -> None:
    assert orders.day.node == orders("day").node == orders.dimension("day").node
    assert [d.node for d in orders("region_id", "day")] == [orders.region_id.node, orders.day.node]


def test_a_dimension_of_an_alias_is_of_that_input(orders: SignalNode) -> None:
    assert repr(orders.alias("o").day) == "o.day"
    assert repr(orders[1][:-7].day) == "orders.day"


def test_a_dimension_that_the_class_hides_is_called(app: Application) -> None:
    signal = app.s3("s", "s3://lake/{id}/{mode}")
    assert signal.id == "s"
    assert repr(signal("id")) == "s.id"
    assert repr(signal.dimension("mode")) == "s.mode"


def test_python_asks_views_for_what_they_do_not_have(orders: SignalNode) -> None:
    assert not hasattr(orders, "dya")
    assert not hasattr(orders, "__array__")
    assert getattr(orders, "_repr_latex_", None) is None
    with pytest.raises(UnknownNameError):
        orders.dya  # noqa: B018


# ── partitions ────────────────────────────────────────────────────────────────────────────────────────


def test_the_tip_of_literals(orders: SignalNode) -> None:
    view = orders[1]["2020-03-18"]
    assert view.tip() == (1, 737502)
    assert view.texts() == ("1", "2020-03-18")


def test_the_texts_are_those_of_the_path(ships: SignalNode) -> None:
    assert ships["NA"][date(2020, 3, 18)].texts() == ("NA", "18-03-2020")


@pytest.mark.parametrize("view", [lambda s: s, lambda s: s[1], lambda s: s["*"]["2020-03-18"]])
def test_an_open_view_has_no_tip(orders: SignalNode, view: Callable[[View], View]) -> None:
    with pytest.raises(FilterError):
        view(orders).tip()


@pytest.mark.parametrize(
    ("view", "shown"),
    [
        (lambda s: s, "orders"),
        (lambda s: s[1], "orders[1]"),
        (lambda s: s[1][:-30], "orders[1][:-30]"),
        (lambda s: s["*"][:-30], "orders['*'][:-30]"),
        (lambda s: s["*"][-1:-3].range_check(True), "orders['*'][-1:-3].range_check(True)"),
        (lambda s: s[1]["2020-03-18"].ref, "orders[1]['2020-03-18'].ref"),
        (lambda s: s[1][:-7].nearest(), "orders[1][:-7].nearest()"),
    ],
)
def test_a_view_is_shown_as_it_is_written(orders: SignalNode, view: Any, shown: str) -> None:
    assert repr(view(orders)) == shown


def test_where_the_data_lies(orders: SignalNode, app: Application) -> None:
    assert orders.access_spec() == {
        "id": "orders",
        "type": "S3Source",
        "bucket": "lake",
        "template": "orders/{}/{}",
        "account": None,
        "completion": ("_SUCCESS",),
        "settle": None,
        "reconcile": False,
    }
    table = app.glue_table("t", "db", "table", {"day": {"type": DATETIME}}, primary_keys=["id"])
    assert table.access_spec() == {
        "id": "t",
        "type": "GlueSource",
        "database": "db",
        "table": "table",
        "primary_keys": ("id",),
        "table_type": "REPLACE",
        "location": None,
        "keys": (),
        "reconcile": True,
    }


def test_user_metadata_stands_in_the_access_spec(app: Application) -> None:
    signal = app.s3("s", "s3://lake/{day:%Y}", metadata={"owner": "team", "tags": "a,b"})
    assert {k: signal.access_spec()[k] for k in ("owner", "tags")} == {"owner": "team", "tags": "a,b"}


def test_a_minimum_is_written_as_it_is_read(app: Application) -> None:
    spec = {"day": {"type": "DATETIME", "format": "%Y-%m-%d", "granularity": "DAY", "min": "2020-03-18"}}
    signal = app.marshal_external_data(S3Dataset(None, "lake"), "s", spec)
    assert signal.dimension_spec() == spec


# ── linked signals ────────────────────────────────────────────────────────────────────────────────────


def test_a_proxy_gives_the_events_and_not_the_data(app: Application, orders: SignalNode) -> None:
    table = app.glue_table("table", "db", "t", {"region_id": {"type": "LONG", "day": {"type": "DATETIME"}}})
    linked = orders.link(table)
    assert linked.signal.proxy == table.signal.source
    assert linked.signal.source == orders.signal.source
    assert orders.signal.proxy is None


def test_a_proxy_has_the_same_dimensions(orders: SignalNode, ships: SignalNode) -> None:
    with pytest.raises(SpecError):
        orders.link(ships)


def test_alternatives_are_shown_together(app: Application) -> None:
    spec = {"region": {"type": "STRING", "n": {"type": "LONG"}}}
    signal = app.marshal_external_data(S3Dataset(None, "lake"), "s", spec, {"NA": {1: {}, 2: {}}, "EU": {}})
    assert repr(signal) == "s['NA'|'EU'][1|2]"


def test_a_proxy_has_events_of_its_own(app: Application, days: SignalNode) -> None:
    with pytest.raises(SpecError):
        days.link(app.add_timer("timer", "rate(1 day)", "day"))
    with pytest.raises(SpecError):
        days.link(app.create_data("node", days))
