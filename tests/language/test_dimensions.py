"""Dimension specifications and filters: every form that a user may write comes to the same thing."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheo_runtime.values import Kind, datetime_kind
from rheo_runtime.wire import Rule, Window
from rheodsl import (
    DATETIME,
    LONG,
    S3,
    STRING,
    AndesDataset,
    AnyDate,
    AnyLong,
    AnyString,
    Application,
    DateVariant,
    Dimension,
    DimensionFilter,
    DimensionSpec,
    DimensionType,
    LongVariant,
    S3Dataset,
    StringVariant,
)
from rheodsl.dimensions import from_template, make_kind, read_spec
from rheodsl.filters import read_filter

REGION, DAY = Kind("LONG"), datetime_kind("%Y-%m-%d")
SPEC = (("region_id", REGION), ("day", DAY))
NESTED = {"region_id": {"type": LONG, "day": {"type": DATETIME, "format": "%Y-%m-%d"}}}

# ── a specification in each form ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "written",
    [
        NESTED,
        {"region_id": {"type": "LONG", "day": {"type": "DATETIME"}}},
        # The guide writes the key unquoted: it is the builtin then.
        {"region_id": {type: DimensionType.LONG, "day": {type: DimensionType.DATETIME}}},
        # Attributes may stand behind what is nested.
        {"region_id": {"day": {"type": DATETIME}, "type": LONG}},
        DimensionSpec.load_from_pretty(NESTED),
        DimensionSpec().add_dimension(Dimension("region_id", LONG)).add_dimension(Dimension("day", DATETIME)),
        DimensionSpec().add_dimension(
            Dimension("region_id", LONG),
            DimensionSpec().add_dimension(Dimension("day", DATETIME, {"format": "%Y-%m-%d"})),
        ),
    ],
)
def test_the_forms_of_a_specification(written: Any) -> None:
    assert read_spec(written) == SPEC


def test_no_dimensions() -> None:
    assert read_spec(None) == read_spec({}) == read_spec(DimensionSpec()) == ()


def test_a_template_is_path_and_specification() -> None:
    assert from_template("orders/{region_id:int}/{day:%Y-%m-%d}", "orders") == ("orders/{}/{}", SPEC)


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        ("{x}", Kind("STRING")),
        ("{x:str}", Kind("STRING")),
        ("{x:int}", Kind("LONG")),
        ("{x:d}", Kind("LONG")),
        ("{x:03d}", Kind("LONG", digits=3)),
        ("{x:%Y-%m-%d}", DAY),
        ("{x:%Y%m%d}", datetime_kind("%Y%m%d")),
        ("{x:%Y-%m}", datetime_kind("%Y-%m")),
        ("{x:%Y-%m-%dT%H:%M}", datetime_kind("%Y-%m-%dT%H:%M")),
    ],
)
def test_the_forms_of_a_place_in_a_template(form: str, kind: Kind) -> None:
    assert from_template(f"a/b={form}/c", "s") == ("a/b={}/c", (("x", kind),))


def test_the_order_of_the_path_is_the_order_of_the_dimensions() -> None:
    path, spec = from_template("{b}-{a:int}/x/{c:%Y}", "s")
    assert (path, [name for name, _ in spec]) == ("{}-{}/x/{}", ["b", "a", "c"])


def test_the_guides_forms_declare_the_same_signal() -> None:
    app = Application("shop")
    plain = app.s3("a", "s3://lake/orders/{region_id:int}/{day:%Y-%m-%d}", account_id="1")
    nested = app.marshal_external_data(S3Dataset("1", "lake", "orders", "{}", "{}"), "b", NESTED)
    one_text = app.marshal_external_data(S3Dataset("1", "lake", "/orders/", "{}/{}"), "c", NESTED)
    unnamed = app.marshal_external_data(S3Dataset("1", "lake", "orders"), "d", NESTED)
    short = app.add_external_data("e", S3("1", "lake", "orders", AnyLong("region_id"), AnyDate("day")))
    for signal in (nested, one_text, unnamed, short):
        assert signal.branches == plain.branches
        assert signal.signal.dims == ("region_id", "day")
        assert signal.signal.source == plain.signal.source
        assert signal.dimension_spec() == plain.dimension_spec()


def test_a_signal_writes_its_specification_as_it_can_be_read() -> None:
    app = Application("shop")
    spec = {
        "code": {
            "type": "STRING",
            "insensitive": True,
            "n": {
                "type": "LONG",
                "digits": 3,
                "at": {
                    "type": "DATETIME",
                    "format": "%Y-%m-%d %H",
                    "granularity": "HOUR",
                    "timezone": "America/Los_Angeles",
                },
            },
        }
    }
    signal = app.marshal_external_data(S3Dataset(None, "lake"), "s", spec)
    assert signal.dimension_spec() == spec
    assert read_spec(signal.dimension_spec()) == read_spec(spec)


# ── attributes ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"type": STRING, "insensitive": True}, Kind("STRING", insensitive=True)),
        ({"type": STRING, "insensitive": True, "min": "B"}, Kind("STRING", insensitive=True, min="b")),
        ({"type": LONG, "digits": 2, "min": 5}, Kind("LONG", digits=2, min=5)),
        ({"type": LONG, "min": "5"}, Kind("LONG", min=5)),
        ({"type": DATETIME}, DAY),
        ({"type": DATETIME, "granularity": "month"}, datetime_kind("%Y-%m")),
        ({"type": DATETIME, "format": "%Y-%m-%d", "granularity": "MONTH"}, datetime_kind("%Y-%m-%d", "MONTH")),
        ({"type": DATETIME, "format": None, "timezone": "PST"}, datetime_kind(timezone="America/Los_Angeles")),
        ({"type": DATETIME, "min": date(2020, 3, 18)}, datetime_kind(min=737502)),
        ({"type": DATETIME, "min": "2020-03-18"}, datetime_kind(min=737502)),
        ({"type": DATETIME, "format": "%Y-%m", "min": datetime(2020, 3, 18)}, datetime_kind("%Y-%m", min=24242)),
    ],
)  # fmt: skip
def test_attributes(attributes: dict[str, Any], kind: Kind) -> None:
    assert make_kind("x", attributes) == kind


# ── a filter in each form ─────────────────────────────────────────────────────────────────────────────

ANY_DAY = Rule(DAY)


@pytest.mark.parametrize(
    ("written", "branches"),
    [
        (None, [(Rule(REGION), ANY_DAY)]),
        ({}, [(Rule(REGION), ANY_DAY)]),
        ({"*": {"*": {}}}, [(Rule(REGION), ANY_DAY)]),
        ({"*": None}, [(Rule(REGION), ANY_DAY)]),
        ({1: {}}, [(Rule(REGION, 1), ANY_DAY)]),
        ({"1": {"*": {}}}, [(Rule(REGION, 1), ANY_DAY)]),
        ({1: {"*": {}}, 2: {"2020-03-18": {}}}, [(Rule(REGION, 1), ANY_DAY), (Rule(REGION, 2), Rule(DAY, 737502))]),
        ({1: {"2020-03-18": {}, date(2020, 3, 19): {}}}, [(Rule(REGION, 1), Rule(DAY, 737502)), (Rule(REGION, 1), Rule(DAY, 737503))]),
        ({"*": {":-7": {}}}, [(Rule(REGION), Rule(DAY, window=Window(0, -7)))]),
        ({"*": {-7: {}}}, [(Rule(REGION), Rule(DAY, window=Window(0, -7)))]),
        ({"*": {"-1:-3": {}}}, [(Rule(REGION), Rule(DAY, window=Window(-1, -3)))]),
        ({"*": {"-1:": {}}}, [(Rule(REGION), Rule(DAY, window=Window(-1, 1)))]),
        ({-7: {}}, [(Rule(REGION, -7), ANY_DAY)]),
        ({":3": {}}, [(Rule(REGION, window=Window(0, 3)), ANY_DAY)]),
        (DimensionFilter.load_raw({1: {"*": {}}}), [(Rule(REGION, 1), ANY_DAY)]),
        (
            DimensionFilter()
            .add_dimension(LongVariant(1, "region_id"), DimensionFilter().add_dimension(AnyDate("day")))
            .add_dimension(LongVariant(2, "region_id"), DimensionFilter().add_dimension(DateVariant("2020-03-18", "day"))),
            [(Rule(REGION, 1), ANY_DAY), (Rule(REGION, 2), Rule(DAY, 737502))],
        ),
    ],
)  # fmt: skip
def test_the_forms_of_a_filter(written: Any, branches: list[Any]) -> None:
    assert read_filter(SPEC, written, "orders") == tuple(branches)


def test_a_text_with_a_colon_is_a_value_of_a_text_dimension() -> None:
    kind = Kind("STRING")
    assert read_filter((("at", kind),), {"10:30": {}}, "s") == ((Rule(kind, "10:30"),),)


def test_variants_filter_as_they_are_declared() -> None:
    external = S3(
        None, "lake", "x",
        StringVariant("NA", "region"), AnyString("kind"), LongVariant(3, "n"), DateVariant(slice(None, -7), "day"),
    )  # fmt: skip
    spec, branches = external.domain("x")
    assert [name for name, _ in spec] == ["region", "kind", "n", "day"]
    assert branches == (
        (
            Rule(Kind("STRING"), "NA"),
            Rule(Kind("STRING")),
            Rule(Kind("LONG"), 3),
            Rule(DAY, window=Window(0, -7)),
        ),
    )


# ── attributes in the branches of a filter ────────────────────────────────────────────────────────────


@pytest.fixture
def ducsi(app: Application) -> Any:
    """The guide's table: each region writes its days in its own way."""
    fine = {"format": "%Y-%m-%d %H:%M:%S"}
    coarse = {"format": "%Y-%m-%d"}
    return app.marshal_external_data(
        AndesDataset(
            "booker",
            "d_unified_cust_shipment_items",
            partition_keys=["region_id", "ship_day"],
            primary_keys=["customer_order_item_id", "customer_shipment_item_id"],
            table_type="APPEND",
        ),
        "DEXML_DUCSI",
        {"region_id": {"type": DimensionType.LONG, "ship_day": {"type": DimensionType.DATETIME}}},
        {
            "1": {"*": {**fine, "timezone": "PST"}},
            "2": {"*": {**fine, "timezone": "GMT"}},
            "3": {"*": {**fine, "timezone": "GMT"}},
            "4": {"*": {**coarse, "timezone": "GMT"}},
            "5": {"*": {**coarse, "timezone": "GMT"}},
        },
    )


def test_each_region_has_its_format_and_timezone(ducsi: Any) -> None:
    days = {branch[0].value: branch[1].kind for branch in ducsi.branches}
    assert [(r, k.format, k.timezone) for r, k in days.items()] == [
        (1, "%Y-%m-%d %H:%M:%S", "America/Los_Angeles"),
        (2, "%Y-%m-%d %H:%M:%S", "UTC"),
        (3, "%Y-%m-%d %H:%M:%S", "UTC"),
        (4, "%Y-%m-%d", "UTC"),
        (5, "%Y-%m-%d", "UTC"),
    ]
    # One dimension, one granularity: what all of its formats can tell.
    assert {k.granularity for k in days.values()} == {"DAY"}


def test_a_region_narrows_to_its_branch(ducsi: Any) -> None:
    assert ducsi[1]["2020-03-18"].texts() == ("1", "2020-03-18 00:00:00")
    assert ducsi[4]["2020-03-18"].texts() == ("4", "2020-03-18")
    assert len(ducsi["*"][:-3].branches) == 5


def test_the_same_day_of_two_regions_is_one_value(ducsi: Any) -> None:
    assert ducsi[1]["2020-03-18"].tip()[1] == ducsi[5]["2020-03-18"].tip()[1]


def test_literals_of_branches_are_of_the_one_granularity() -> None:
    spec = read_spec({"region": {"type": LONG, "at": {"type": DATETIME}}})
    written = {
        1: {"2020-03-18 00": {"format": "%Y-%m-%d %H", "timezone": "PST"}},
        2: {"2020-03-18": {"format": "%Y-%m-%d"}},
    }
    (_, hour), (_, day) = read_filter(spec, written, "s")
    assert (hour.kind.granularity, hour.kind.format) == ("DAY", "%Y-%m-%d %H")
    assert hour.value == day.value == 737502


def test_a_minimum_holds_in_branches_that_read_differently() -> None:
    spec = read_spec({"region": {"type": LONG, "day": {"type": DATETIME, "min": "2020-03-18"}}})
    branches = read_filter(
        spec,
        {
            1: {"*": {"format": "%d.%m.%Y"}},
            2: {"*": {"format": "%Y-%m"}},
            3: {"*": {"min": "2021-01-01"}},
        },
        "s",
    )
    assert [branch[1].kind.min for branch in branches] == [2020 * 12 + 2, 2020 * 12 + 2, 2021 * 12]


def test_a_minimum_of_text_and_number_is_kept() -> None:
    spec = read_spec({"n": {"type": LONG, "min": 5}})
    assert read_filter(spec, {"*": {"digits": 3}}, "s")[0][0].kind == Kind("LONG", digits=3, min=5)
    spec = read_spec({"n": {"type": STRING, "min": "b"}})
    assert read_filter(spec, {"*": {"insensitive": True}}, "s")[0][0].kind.min == "b"


def test_a_declared_granularity_is_kept_by_a_finer_format() -> None:
    spec = read_spec({"day": {"type": DATETIME, "format": "%d-%m-%Y"}})
    (rule,) = read_filter(spec, {"*": {"format": "%Y-%m-%d %H:%M"}}, "s")[0]
    assert (rule.kind.granularity, rule.kind.format) == ("DAY", "%Y-%m-%d %H:%M")


def test_a_format_of_the_filter_decides_a_granularity_left_to_its_default() -> None:
    spec = read_spec({"at": {"type": DATETIME}})
    (rule,) = read_filter(spec, {"*": {"format": "%Y-%m-%d %H:%M"}}, "s")[0]
    assert rule.kind.granularity == "MINUTE"


# ── every form comes to the same ──────────────────────────────────────────────────────────────────────

names = st.lists(st.from_regex(r"[a-z][a-z_0-9]{0,6}", fullmatch=True), unique=True, max_size=5)
attribute_sets: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"type": STRING},
        {"type": STRING, "insensitive": True},
        {"type": LONG},
        {"type": LONG, "digits": 4},
        {"type": DATETIME},
        {"type": DATETIME, "format": "%d-%m-%Y", "timezone": "PST"},
        {"type": DATETIME, "format": "%Y-%m-%d %H", "granularity": "HOUR"},
    ]
)


@given(names, st.data())
def test_nested_and_object_form_agree(names: list[str], data: st.DataObject) -> None:
    dimensions = [(name, data.draw(attribute_sets)) for name in names]
    nested: dict[str, Any] = {}
    for name, attributes in reversed(dimensions):
        nested = {name: {**attributes, **nested}}
    objects = DimensionSpec()
    for name, attributes in dimensions:
        params = {k: a for k, a in attributes.items() if k != "type"}
        objects = objects.add_dimension(Dimension(name, attributes["type"], params))
    assert read_spec(nested) == read_spec(objects)
    assert objects.names() == tuple(names)
