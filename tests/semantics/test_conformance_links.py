"""Section 3: the guide's links, tracing, inversion, and defaults when links are left out."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from rheodsl import LONG, Application, DataFormat, DimensionType, S3Dataset
from rheodsl.errors import GraphError
from rheodsl.testing import Simulator

from .helpers import daily, faulty, last_parts, numbered, outputs, regional

# ── the guide's form ──────────────────────────────────────────────────────────────────────────────────


def pair(app: Application) -> tuple[Any, Any]:
    return daily(app), daily(app, "ships", "ship_day", "%d-%m-%Y")


@pytest.mark.parametrize(
    ("fn", "ship_day"),
    [
        (lambda dim: dim, "18-03-2020"),
        (lambda dim: dim.strftime("%d-%m-%Y"), "18-03-2020"),
        (lambda dim: dim - timedelta(days=1), "17-03-2020"),
        (lambda dim: dim + timedelta(days=14), "01-04-2020"),
        (lambda dim: (dim - timedelta(days=1)).strftime("%d-%m-%Y"), "17-03-2020"),
    ],
)
def test_a_guide_link_is_traced(app: Application, fn: Any, ship_day: str) -> None:
    days, ships = pair(app)
    app.create_data("joined", inputs=[days, ships], input_dim_links=[(ships("ship_day"), fn, days("day"))])
    sim = Simulator(app)
    sim.send(days["2020-03-18"])
    assert sim.send(ships["01-01-2020"]) == []
    assert outputs(sim.send(ships[ship_day])) == [("2020-03-18",)]


def test_a_guide_link_of_two_dimensions(app: Application) -> None:
    parts = app.s3("parts", "s3://lake/parts/{day:%Y-%m-%d}/{hour:int}")
    hours = daily(app, "hours", "at_hour", "%Y-%m-%d-%H")
    link = (hours("at_hour"), lambda day, hour: day + timedelta(hours=hour), parts("day", "hour"))
    app.create_data("joined", inputs=[parts, hours], input_dim_links=[link])
    sim = Simulator(app)
    sim.send(parts["2020-03-18"][5])
    assert sim.send(hours["2020-03-18-06"]) == []
    assert outputs(sim.send(hours["2020-03-18-05"])) == [("2020-03-18", "5")]


def test_a_guide_link_with_a_literal(app: Application) -> None:
    orders = regional(app)
    link = (orders("region_id"), lambda dim: dim, 1)
    app.create_data("na", inputs=[orders], input_dim_links=[link])
    sim = Simulator(app)
    assert sim.send(orders[2]["2020-03-18"]) == []
    assert outputs(sim.send(orders[1]["2020-03-18"])) == [("1", "2020-03-18")]


@pytest.mark.parametrize("value", [1, "1"])
def test_a_link_with_a_literal(app: Application, value: Any) -> None:
    orders = regional(app)
    app.create_data("na", inputs=[orders], input_dim_links=[orders.region_id == value])
    sim = Simulator(app)
    assert sim.send(orders[2]["2020-03-18"]) == []
    assert outputs(sim.send(orders[1]["2020-03-18"])) == [("1", "2020-03-18")]


@pytest.mark.parametrize("day", ["2020-03-18", datetime(2020, 3, 18)])
def test_a_computed_value_linked_with_a_literal(app: Application, day: Any) -> None:
    days = daily(app)
    app.create_data("node", inputs=[days], input_dim_links=[days.day + 1 == day])
    sim = Simulator(app)
    assert sim.send(days["2020-03-18"]) == []
    assert outputs(sim.send(days["2020-03-17"])) == [("2020-03-17",)]


def test_a_literal_link_determines_a_reference(app: Application) -> None:
    days = daily(app)
    rates = app.s3("rates", "s3://lake/rates/{currency}/{day:%Y-%m-%d}")
    app.create_data("node", inputs=[days, rates.ref], input_dim_links=[rates.currency == "EUR"])
    runs = Simulator(app).send(days["2020-03-18"])
    assert list(runs[0].inputs["rates"].paths) == ["s3://lake/rates/EUR/2020-03-18"]


def test_guide_output_links(app: Application) -> None:
    timer = app.add_timer("monthly", "cron(0 0 1 * ? *)", "cutoff_date")
    app.create_data(
        "dates",
        [timer],
        [],
        {
            "region_id": {
                "type": DimensionType.LONG,
                "marketplace_id": {
                    "type": DimensionType.LONG,
                    "date": {"type": DimensionType.DATETIME, "format": "%Y-%m-%d"},
                },
            }
        },
        [
            ("region_id", lambda dim: dim, 1),
            ("marketplace_id", lambda dim: dim, 3),
            ("date", lambda dim: dim, timer("cutoff_date")),
        ],
    )
    runs = Simulator(app).fire(timer, at=datetime(2020, 11, 1))
    assert runs[0].output == {"region_id": 1, "marketplace_id": 3, "date": "2020-11-01"}


def test_guide_output_link_with_a_format(app: Application) -> None:
    days = daily(app)
    app.create_data(
        "reversed",
        inputs={"days": days},
        output_dimension_spec={"day": {"type": DimensionType.DATETIME, "format": "%d-%m-%Y"}},
        output_dim_links=[("day", lambda dim: dim.strftime("%d-%m-%Y"), days("day"))],
    )
    assert Simulator(app).send(days["2020-03-18"])[0].output == {"day": "18-03-2020"}


def test_guide_and_operator_links_mix(app: Application) -> None:
    orders = regional(app)
    ships = app.s3("ships", "s3://lake/ships/{region:int}/{ship_day:%Y-%m-%d}")
    links = [(orders("day"), lambda d: d, ships("ship_day")), orders.region_id == ships.region]
    app.create_data("joined", inputs=[orders, ships], input_dim_links=links)
    sim = Simulator(app)
    sim.send(orders[1]["2020-03-18"])
    assert sim.send(ships[2]["2020-03-18"]) == []
    assert outputs(sim.send(ships[1]["2020-03-18"])) == [("1", "2020-03-18")]


# ── tracing and tabulation ────────────────────────────────────────────────────────────────────────────

NAMES = {1: "NA", 2: "EU"}
UNTRACEABLE: list[Any] = [
    lambda region: NAMES[region],
    lambda region: NAMES.get(region),
    lambda region: "NA" if region == 1 else "EU",
]


def enumerated(app: Application) -> Any:
    return app.marshal_external_data(
        S3Dataset("111122223333", "lake", "orders", "{}", "{}", dataset_format=DataFormat.CSV),
        "orders",
        {
            "region_id": {
                "type": DimensionType.LONG,
                "day": {"type": DimensionType.DATETIME, "format": "%Y-%m-%d"},
            }
        },
        {"1": {"*": {}}, "2": {"*": {}}},
    )


@pytest.mark.parametrize("fn", UNTRACEABLE)
def test_a_function_over_enumerated_values_is_tabulated(app: Application, fn: Any) -> None:
    orders = enumerated(app)
    ships = app.s3("ships", "s3://lake/ships/{region}/{day:%Y-%m-%d}")
    link = (ships("region"), fn, orders("region_id"))
    app.create_data("joined", inputs=[orders, ships], input_dim_links=[link])
    sim = Simulator(app)
    sim.send(orders[2]["2020-03-18"])
    assert sim.send(ships["NA"]["2020-03-18"]) == []
    assert outputs(sim.send(ships["EU"]["2020-03-18"])) == [("2", "2020-03-18")]


@pytest.mark.parametrize("fn", UNTRACEABLE)
def test_a_function_that_cannot_be_traced_names_the_operator(app: Application, fn: Any) -> None:
    orders = regional(app)
    ships = app.s3("ships", "s3://lake/ships/{region}/{day:%Y-%m-%d}")
    with faulty("region_id", hint=".map"):
        app.create_data(
            "joined", inputs=[orders, ships], input_dim_links=[(ships("region"), fn, orders("region_id"))]
        )
        app.graph()


def test_a_traced_function_is_called_while_declaring_and_never_again(app: Application) -> None:
    days, ships = pair(app)
    calls: list[object] = []

    def note(dim: Any) -> Any:
        calls.append(dim)
        return dim - timedelta(days=1)

    app.create_data("joined", inputs=[days, ships], input_dim_links=[(ships("ship_day"), note, days("day"))])
    sim = Simulator(app)
    traced = len(calls)
    assert traced >= 1
    sim.send(days["2020-03-18"])
    assert len(sim.send(ships["17-03-2020"])) == 1
    assert len(calls) == traced


def test_apply_tabulates_too(app: Application) -> None:
    orders = enumerated(app)
    ships = app.s3("ships", "s3://lake/ships/{region}/{day:%Y-%m-%d}")
    link = orders.region_id.apply(lambda region: NAMES[region]) == ships.region
    app.create_data("joined", inputs=[orders, ships], input_dim_links=[link])
    sim = Simulator(app)
    sim.send(orders[1]["2020-03-18"])
    assert outputs(sim.send(ships["NA"]["2020-03-18"])) == [("1", "2020-03-18")]


# ── inversion: the partition of a reference follows from links ────────────────────────────────────────


def reference_of(app: Application, trigger: Any, reference: Any, link: Any, tip: Any) -> list[str]:
    app.create_data("probe", inputs=[trigger, reference.ref], input_dim_links=[link])
    runs = Simulator(app).send(tip)
    assert len(runs) == 1
    return list(runs[0].inputs[reference.id].paths)


def test_a_reference_computed_by_an_expression(app: Application) -> None:
    days, rates = daily(app), daily(app, "rates", "rate_day")
    link = rates.rate_day == days.day - 1
    assert reference_of(app, days, rates, link, days["2020-03-01"]) == ["s3://lake/rates/2020-02-29"]


def test_a_shift_is_inverted(app: Application) -> None:
    days, rates = daily(app), daily(app, "rates", "rate_day")
    link = days.day == rates.rate_day + 1
    assert reference_of(app, days, rates, link, days["2020-03-01"]) == ["s3://lake/rates/2020-02-29"]


def test_a_format_is_inverted(app: Application) -> None:
    word, rates = app.s3("word", "s3://lake/word/{label}"), daily(app, "rates", "rate_day")
    link = word.label == rates.rate_day.fmt("%d.%m.%Y")
    assert reference_of(app, word, rates, link, word["01.03.2020"]) == ["s3://lake/rates/2020-03-01"]


def test_a_parse_is_inverted(app: Application) -> None:
    days, raw = daily(app), app.s3("raw", "s3://lake/raw/{label}")
    link = days.day == raw.label.parse("%d.%m.%Y")
    assert reference_of(app, days, raw, link, days["2020-03-01"]) == ["s3://lake/raw/01.03.2020"]


def test_an_injective_map_is_inverted(app: Application) -> None:
    one, ships = numbered(app, "one", "m"), app.s3("ships", "s3://lake/ships/{region}")
    link = one.m == ships.region.map({"NA": 1, "EU": 2})
    assert reference_of(app, one, ships, link, one[2]) == ["s3://lake/ships/EU"]


def test_a_cast_is_inverted(app: Application) -> None:
    one, raw = numbered(app, "one", "m"), app.s3("raw", "s3://lake/raw/{label}")
    link = one.m == raw.label.cast(LONG)
    assert reference_of(app, one, raw, link, one[7]) == ["s3://lake/raw/7"]


def test_a_map_that_is_not_injective_cannot_find_a_reference(app: Application) -> None:
    one, ships = numbered(app, "one", "m"), app.s3("ships", "s3://lake/ships/{region}")
    with faulty("region", hint=True):
        app.create_data(
            "probe", inputs=[one, ships.ref], input_dim_links=[one.m == ships.region.map({"NA": 1, "US": 1})]
        )
        app.graph()


def test_a_truncation_cannot_find_a_reference_and_says_which_link_to_add(app: Application) -> None:
    months, rates = daily(app, "months", "month", "%Y-%m"), daily(app, "rates", "rate_day")
    with faulty("rate_day", hint="rates"):
        app.create_data(
            "probe",
            inputs=[months, rates.ref],
            input_dim_links=[months.month == rates.rate_day.trunc("month")],
        )
        app.graph()


def test_to_join_no_inverse_is_needed(app: Application) -> None:
    months, days = daily(app, "months", "month", "%Y-%m"), daily(app, "rates", "rate_day")
    app.create_data(
        "joined", inputs=[months, days], input_dim_links=[months.month == days.rate_day.trunc("month")]
    )
    sim = Simulator(app)
    sim.send(months["2020-03"])
    assert len(sim.send(days["2020-03-05"])) == 1


# ── two inputs that share no link ─────────────────────────────────────────────────────────────────────


def test_unlinked_inputs_are_a_warning_and_an_error_when_strict() -> None:
    loose = Application("loose")
    loose.create_data("cross", inputs=[numbered(loose, "one", "m"), numbered(loose, "two", "k")])
    warnings = [str(warning) for warning in loose.graph().warnings]
    assert any("one" in text and "two" in text for text in warnings), warnings

    strict = Application("tight", strict=True)
    with faulty("one", "two"):
        one, two = numbered(strict, "one", "m"), numbered(strict, "two", "k")
        strict.create_data("cross", inputs=[one, two])
        strict.graph()


def test_a_dimensionless_input_needs_no_link() -> None:
    app = Application("tight", strict=True)
    app.create_data("daily", inputs=[daily(app), app.s3("go", "s3://lake/go")])
    assert not app.graph().warnings


# ── defaults ──────────────────────────────────────────────────────────────────────────────────────────


def test_inputs_are_linked_by_name(app: Application) -> None:
    orders, days = regional(app), daily(app)
    app.create_data("daily", inputs=[orders, days])
    sim = Simulator(app)
    assert sim.send(orders[1]["2020-03-18"]) == []
    assert sim.send(days["2020-03-17"]) == []
    assert outputs(sim.send(days["2020-03-18"])) == [("1", "2020-03-18")]


@pytest.mark.parametrize("links", [None, []])
def test_links_left_out_or_empty_are_the_same(app: Application, links: Any) -> None:
    a, b = daily(app, "a"), daily(app, "b")
    app.create_data("daily", inputs=[a, b], **({} if links is None else {"input_dim_links": links}))
    sim = Simulator(app)
    sim.send(a["2020-03-18"])
    assert sim.send(b["2020-03-17"]) == []
    assert len(sim.send(b["2020-03-18"])) == 1


def test_a_link_replaces_the_default_of_its_pair_only(app: Application) -> None:
    orders = regional(app)
    ships = app.s3("ships", "s3://lake/ships/{region_id:int}/{day:%Y-%m-%d}")
    app.create_data("daily", inputs=[orders, ships], input_dim_links=[orders.day == ships.day + 1])
    sim = Simulator(app)
    sim.send(orders[1]["2020-03-18"])
    assert sim.send(ships[1]["2020-03-18"]) == [], "linked already: no equality of the days"
    assert sim.send(ships[2]["2020-03-17"]) == [], "the regions are linked by name"
    assert outputs(sim.send(ships[1]["2020-03-17"])) == [("1", "2020-03-18")]


def test_three_inputs_are_linked_pair_by_pair(app: Application) -> None:
    a = app.s3("a", "s3://lake/a/{region_id:int}")
    b = app.s3("b", "s3://lake/b/{day:%Y-%m-%d}")
    c = app.s3("c", "s3://lake/c/{region_id:int}/{day:%Y-%m-%d}")
    app.create_data("three", inputs=[a, b, c], output_dimension_spec=None)
    sim = Simulator(app)
    for tip in (a[1], a[2], b["2020-03-18"], c[3]["2020-03-18"], c[1]["2020-03-17"]):
        assert sim.send(tip) == []
    assert len(sim.send(c[2]["2020-03-18"])) == 1


def test_one_name_with_two_types_is_a_fault_that_names_both(app: Application) -> None:
    orders, ships = regional(app), app.s3("ships", "s3://lake/ships/{region_id}")
    with faulty("orders", "ships", "region_id"):
        app.create_data("daily", inputs=[orders, ships])
        app.graph()


def test_days_and_hours_of_one_name_are_a_fault(app: Application) -> None:
    """► DAY and HOUR dims of the same name: error unless .trunc("day") or .at("hour")."""
    days, hours = daily(app, "days"), daily(app, "hours", "day", "%Y-%m-%d-%H")
    with faulty("days", "hours", hint=True):
        app.create_data("daily", inputs=[days, hours])
        app.graph()


@pytest.mark.parametrize(
    "link",
    [
        lambda days, hours: days.day == hours.day.trunc("day"),
        lambda days, hours: days.day.at("hour") == hours.day,
    ],
)
def test_days_and_hours_of_one_name_can_be_linked(app: Application, link: Any) -> None:
    """► DAY and HOUR dims of the same name: error unless .trunc("day") or .at("hour")."""
    days, hours = daily(app, "days"), daily(app, "hours", "day", "%Y-%m-%d-%H")
    app.create_data("daily", inputs=[days, hours], input_dim_links=[link(days, hours)])
    sim = Simulator(app)
    sim.send(days["2020-03-18"])
    assert len(sim.send(hours["2020-03-18-00"])) == 1
    assert sim.send(hours["2020-03-19-00"]) == []


def test_output_dimensions_left_out_are_those_of_the_first_trigger(app: Application) -> None:
    orders, rates = regional(app), daily(app, "rates")
    app.create_data("daily", inputs=[rates.ref, orders])
    assert Simulator(app).send(orders[1]["2020-03-18"])[0].output == {"region_id": 1, "day": "2020-03-18"}


def test_output_links_left_out_take_the_first_input_of_that_name(app: Application) -> None:
    orders, days = regional(app), daily(app)
    app.create_data(
        "daily",
        inputs=[orders, days],
        output_dimension_spec={"day": {"type": DimensionType.DATETIME, "format": "%Y%m%d"}},
    )
    sim = Simulator(app)
    sim.send(orders[1]["2020-03-18"])
    assert sim.send(days["2020-03-18"])[0].output == {"day": "20200318"}


def test_an_output_name_found_nowhere_is_a_fault(app: Application) -> None:
    days = daily(app)
    with faulty("region"):
        app.create_data(
            "daily", inputs=[days], output_dimension_spec={"region": {"type": DimensionType.LONG}}
        )
        app.graph()


def test_a_reference_dimension_that_nothing_determines_is_a_fault(app: Application) -> None:
    days = daily(app)
    rates = app.s3("rates", "s3://lake/rates/{currency}/{day:%Y-%m-%d}")
    with faulty("rates", "currency"):
        app.create_data("daily", inputs=[days, rates.ref])
        app.graph()


def test_a_literal_filter_determines_a_reference_dimension(app: Application) -> None:
    days = daily(app)
    rates = app.s3("rates", "s3://lake/rates/{currency}/{day:%Y-%m-%d}")
    app.create_data("daily", inputs=[days, rates["EUR"].ref])
    runs = Simulator(app).send(days["2020-03-18"])
    assert runs[0].inputs["rates"].paths == ["s3://lake/rates/EUR/2020-03-18"]


def test_one_signal_twice_by_alias(app: Application) -> None:
    days = daily(app)
    today, before = days.alias("today"), days.alias("before")
    app.create_data("change", inputs=[today, before], input_dim_links=[today.day == before.day + 1])
    sim = Simulator(app)
    assert sim.send(days["2020-03-17"]) == []
    runs = sim.send(days["2020-03-18"])
    assert outputs(runs) == [("2020-03-18",)]
    assert last_parts(runs[0], "before") == ["2020-03-17"]


# ── all faults of a graph in one report ───────────────────────────────────────────────────────────────


def test_all_faults_of_a_graph_are_reported_together(app: Application) -> None:
    days, hours = daily(app), daily(app, "hours", "day", "%Y-%m-%d-%H")
    ships = app.s3("ships", "s3://lake/ships/{day:int}")
    rates = app.s3("rates", "s3://lake/rates/{currency}")
    with pytest.raises(GraphError) as caught:
        app.create_data("first", inputs=[days, hours])
        app.create_data("second", inputs=[days, ships])
        app.create_data("third", inputs=[days, rates.ref])
        Simulator(app)
    report = str(caught.value)
    assert len(caught.value.faults) == 3
    for name in ("first", "second", "third"):
        assert name in report
    lines = [fault.where.line for fault in caught.value.faults if fault.where]
    assert len(lines) == len(set(lines)) == 3


def test_nodes_that_wait_for_one_another_are_a_fault(app: Application) -> None:
    days = daily(app)
    first = app.create_data("first", inputs=[days])
    second = app.create_data("second", inputs=[first])
    with faulty("first", "second"):
        app.update_data("first", inputs=[days, second])
        app.graph()


def test_an_updated_node_is_declared_anew(app: Application) -> None:
    days, rates = daily(app), daily(app, "rates")
    app.create_data("node", inputs=[days, rates])
    app.update_data("node", inputs=[rates])
    sim = Simulator(app)
    assert sim.send(days["2020-03-18"]) == []
    assert outputs(sim.send(rates["2020-03-18"])) == [("2020-03-18",)]


def test_a_patched_node_keeps_the_rest(app: Application) -> None:
    a, b = daily(app, "a"), daily(app, "b")
    app.create_data("node", inputs=[a, b], input_dim_links=[a.day == b.day + 1])
    app.patch_data("node", retrigger="any")
    sim = Simulator(app)
    sim.send(a["2020-03-18"])
    assert len(sim.send(b["2020-03-17"])) == 1
    assert len(sim.send(b["2020-03-17"])) == 1


def test_a_duplicate_id_is_a_fault(app: Application) -> None:
    days = daily(app)
    with faulty("daily"):
        app.create_data("daily", inputs=[days])
        app.create_data("daily", inputs=[days])
        app.graph()


def test_a_node_whose_inputs_are_all_references_is_a_fault(app: Application) -> None:
    """Section 6: at least one input must be a trigger."""
    days = daily(app)
    with faulty("daily", "reference"):
        app.create_data("daily", inputs=[days["2020-03-18"].ref])
        app.graph()
