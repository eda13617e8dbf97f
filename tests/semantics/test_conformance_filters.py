"""Section 2: filter operators."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from rheodsl import Application, DataFormat, DimensionType, S3Dataset
from rheodsl.testing import Simulator

from .helpers import daily, faulty, last_parts, numbered, outputs, regional, rejected, window

# ── values ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_value_lets_only_its_partitions_pass(app: Application) -> None:
    orders = regional(app)
    app.create_data("na", inputs=[orders[1]])
    sim = Simulator(app)
    assert sim.send(orders[2]["2020-03-18"]) == []
    assert outputs(sim.send(orders[1]["2020-03-18"])) == [("1", "2020-03-18")]


def test_missing_trailing_indexes_mean_any(app: Application) -> None:
    orders = regional(app)
    app.create_data("na", inputs=[orders[1]])
    app.create_data("na_any", inputs=[orders[1]["*"]])
    sim = Simulator(app)
    for day in ("2020-03-18", "2021-01-01"):
        assert sorted(run.node for run in sim.send(orders[1][day])) == ["na", "na_any"]


def test_star_is_any_value(app: Application) -> None:
    orders = regional(app)
    app.create_data("one_day", inputs=[orders["*"]["2020-03-18"]])
    sim = Simulator(app)
    assert outputs(sim.send(orders[1]["2020-03-18"])) == [("1", "2020-03-18")]
    assert outputs(sim.send(orders[7]["2020-03-18"])) == [("7", "2020-03-18")]
    assert sim.send(orders[7]["2020-03-19"]) == []


@pytest.mark.parametrize(
    "day", ["2020-03-18", datetime(2020, 3, 18), datetime(2020, 3, 18, 15, 30), date(2020, 3, 18)]
)
def test_a_date_is_given_as_text_or_object(app: Application, day: Any) -> None:
    days = daily(app)
    app.create_data("one_day", inputs=[days[day]])
    sim = Simulator(app)
    assert outputs(sim.send(days["2020-03-18"])) == [("2020-03-18",)]
    assert sim.send(days["2020-03-19"]) == []


def test_values_are_cast_to_the_type_of_the_dimension(app: Application) -> None:
    orders = regional(app)
    app.create_data("na", inputs=[orders["1"]])
    sim = Simulator(app)
    runs = sim.send(orders[1]["2020-03-18"])
    assert runs[0].output == {"region_id": 1, "day": "2020-03-18"}


def test_a_value_that_cannot_be_cast_is_an_error_when_written(app: Application) -> None:
    orders = regional(app)
    with rejected("NA", "region_id"):
        orders["NA"]
    with rejected("18-03-2020", "day"):
        orders[1]["18-03-2020"]
    with rejected("2020-02-30"):
        orders[1]["2020-02-30"]


def test_a_value_outside_the_declared_filter_is_an_error_when_written(app: Application) -> None:
    orders = app.marshal_external_data(
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
    with rejected("3", "region_id"):
        orders[3]
    orders[1]
    orders[2]


# ── windows ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_window_back_is_the_tip_and_the_values_before_it(app: Application) -> None:
    days = daily(app)
    assert window(app, days[:-7], days["2020-03-03"], "days") == [
        "2020-03-03", "2020-03-02", "2020-03-01", "2020-02-29", "2020-02-28", "2020-02-27", "2020-02-26",
    ]  # fmt: skip


def test_a_window_ahead_is_the_tip_and_the_values_after_it(app: Application) -> None:
    days = daily(app)
    read = window(app, days[:14], days["2020-02-20"], "days")
    assert len(read) == 14
    assert read[:2] == ["2020-02-20", "2020-02-21"]
    assert read[-1] == "2020-03-04"


def test_a_window_of_one_is_the_tip(app: Application) -> None:
    days = daily(app)
    assert window(app, days[:-1], days["2020-03-18"], "days") == ["2020-03-18"]


def test_shifted_window(app: Application) -> None:
    """► [-1:-3] on tip 2022-06-01 = 05-31, 05-30, 05-29."""
    days = daily(app)
    app.create_data("probe", inputs=[days[-1:-3]])
    runs = Simulator(app).send(days["2022-06-01"])
    assert last_parts(runs[0], "days") == ["2022-05-31", "2022-05-30", "2022-05-29"]
    assert runs[0].inputs["days"].tip == {"day": "2022-06-01"}, "the tip is what the event names"
    assert runs[0].output == {"day": "2022-06-01"}, "links compare tips"


def test_a_single_shifted_value(app: Application) -> None:
    days = daily(app)
    assert window(app, days[-1:], days["2022-06-01"], "days") == ["2022-05-31"]


def test_a_month_window(app: Application) -> None:
    """► [:-3], month granularity, tip 2020-03 = 2020-03, 02, 01."""
    months = app.s3("months", "s3://lake/months/{month:%Y-%m}")
    assert window(app, months[:-3], months["2020-03"], "months") == ["2020-03", "2020-02", "2020-01"]


def test_a_month_window_over_the_new_year(app: Application) -> None:
    months = app.s3("months", "s3://lake/months/{month:%Y-%m}")
    assert window(app, months[:3], months["2019-11"], "months") == ["2019-11", "2019-12", "2020-01"]


@pytest.mark.parametrize(
    ("format", "tip", "read"),
    [
        ("%Y", "2020", ["2020", "2019", "2018"]),
        ("%Y-%m-%d-%H", "2020-03-01-01", ["2020-03-01-01", "2020-03-01-00", "2020-02-29-23"]),
        ("%Y-%m-%dT%H%M", "2020-03-01T0001", ["2020-03-01T0001", "2020-03-01T0000", "2020-02-29T2359"]),
    ],
)
def test_granularity_is_the_finest_field_of_the_format(
    app: Application, format: str, tip: str, read: list[str]
) -> None:
    times = daily(app, "times", "at_time", format)
    assert window(app, times[:-3], times[tip], "times") == read


def test_a_window_of_numbers_steps_by_one(app: Application) -> None:
    parts = numbered(app, "parts")
    assert window(app, parts[:-3], parts[5], "parts") == ["5", "4", "3"]


def test_an_int_on_a_date_is_a_window(app: Application) -> None:
    days = daily(app)
    read = window(app, days[-30], days["2020-03-18"], "days")
    assert len(read) == 30
    assert (read[0], read[-1]) == ("2020-03-18", "2020-02-18")


def test_an_int_on_a_number_is_the_value(app: Application) -> None:
    levels = numbered(app, "levels", "level")
    app.create_data("probe", inputs=[levels[-30]])
    sim = Simulator(app)
    runs = sim.send(levels[-30])
    assert [run.output for run in runs] == [{"level": -30}]
    assert len(runs[0].inputs["levels"].paths) == 1
    assert sim.send(levels[-29]) == []


def test_a_window_does_not_restrict_which_events_pass(app: Application) -> None:
    days = daily(app)
    app.create_data("probe", inputs=[days[:-3]])
    sim = Simulator(app)
    assert outputs(sim.send(days["2020-03-18"])) == [("2020-03-18",)]
    assert outputs(sim.send(days["1999-01-01"])) == [("1999-01-01",)]


def test_the_other_dimensions_of_a_window_stay_at_the_tip(app: Application) -> None:
    orders = regional(app)
    app.create_data("probe", inputs=[orders["*"][:-2]])
    runs = Simulator(app).send(orders[4]["2020-03-01"])
    assert runs[0].inputs["orders"].paths == [
        "s3://lake/orders/4/2020-03-01",
        "s3://lake/orders/4/2020-02-29",
    ]
    assert runs[0].inputs["orders"].tip == {"region_id": 4, "day": "2020-03-01"}


def test_two_windows_read_every_combination_tip_first(app: Application) -> None:
    orders = regional(app)
    app.create_data("probe", inputs=[orders[:-2][:2]])
    runs = Simulator(app).send(orders[5]["2020-02-29"])
    paths = runs[0].inputs["orders"].paths
    assert paths[0] == "s3://lake/orders/5/2020-02-29"
    assert sorted(paths) == [
        f"s3://lake/orders/{region}/{day}" for region in (4, 5) for day in ("2020-02-29", "2020-03-01")
    ]


# ── errors ────────────────────────────────────────────────────────────────────────────────────────────


def test_malformed_indexes_are_errors_with_a_hint(app: Application) -> None:
    orders, days = regional(app), daily(app)
    with rejected(hint=True):
        days[-3:-1:2]
    with rejected(hint=True):
        days[:0]
    with rejected(hint=True):
        days[-1:0]
    with rejected(hint=True):
        orders[1, "2020-03-18"]


def test_too_many_indexes_are_an_error_with_a_hint(app: Application) -> None:
    orders, whole = regional(app), app.s3("whole", "s3://lake/whole")
    with rejected(hint=True):
        whole["x"]
    with rejected():
        orders[1]["2020-03-18"][2]


def test_a_window_on_text_is_an_error(app: Application) -> None:
    ships = app.s3("ships", "s3://lake/ships/{region}")
    with rejected("region", hint=True):
        ships[:-3]
    with rejected("region"):
        ships[-1:]


def test_an_unknown_dimension_names_the_near_ones(app: Application) -> None:
    orders = regional(app)
    with rejected("dya", "day"):
        orders("dya")
    with rejected("dya", "day"):
        _ = orders.dya


# ── chaining ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_window_of_a_window_is_the_smaller(app: Application) -> None:
    """► [:-2] of [:-3] is [:-2]."""
    days = daily(app)
    assert window(app, days[:-3][:-2], days["2020-03-18"], "days") == ["2020-03-18", "2020-03-17"]


def test_the_smaller_window_stays_the_smaller(app: Application) -> None:
    days = daily(app)
    assert window(app, days[:-2][:-3], days["2020-03-18"], "days") == ["2020-03-18", "2020-03-17"]


def test_star_over_a_window_keeps_the_window(app: Application) -> None:
    """► "*" over a window keeps the window."""
    days = daily(app)
    assert window(app, days[:-3]["*"], days["2020-03-18"], "days") == [
        "2020-03-18",
        "2020-03-17",
        "2020-03-16",
    ]


def test_a_window_over_star_is_the_window(app: Application) -> None:
    days = daily(app)
    assert window(app, days["*"][:-2], days["2020-03-18"], "days") == ["2020-03-18", "2020-03-17"]


def test_opposite_windows_are_an_error(app: Application) -> None:
    """► opposite directions are an error."""
    days = daily(app)
    with rejected(hint=False):
        days[:-3][:3]
    with rejected():
        days[:3][:-3]


def test_two_different_values_are_an_error(app: Application) -> None:
    days = daily(app)
    with rejected():
        days["2020-03-18"]["2020-03-19"]


def test_every_operator_returns_a_new_view(app: Application) -> None:
    orders = regional(app)
    view = orders[1]
    view[:-3]
    view.ref  # noqa: B018
    view.range_check(True)
    view.nearest()
    view.alias("other")
    app.create_data("all_of_it", inputs=[orders])
    app.create_data("na", inputs=[view])
    sim = Simulator(app)
    assert outputs(sim.send(orders[2]["2020-03-18"])) == [("2", "2020-03-18")]
    runs = sim.send(orders[1]["2020-03-18"])
    assert sorted(run.node for run in runs) == ["all_of_it", "na"]
    assert all(list(run.inputs) == ["orders"] and len(run.inputs["orders"].paths) == 1 for run in runs)


# ── modifiers ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("spelling", ["ref", "reference()", "as_reference()", "no_event"])
def test_every_spelling_of_a_reference(app: Application, spelling: str) -> None:
    days, rates = daily(app), daily(app, "rates")
    view = rates["*"]
    reference = getattr(view, spelling.removesuffix("()"))
    app.create_data("daily", inputs=[days, reference() if spelling.endswith("()") else reference])
    sim = Simulator(app)
    assert sim.send(rates["2020-03-18"]) == [], "a reference never starts a binding"
    runs = sim.send(days["2020-03-19"])
    assert outputs(runs) == [("2020-03-19",)], "a reference is never awaited"
    assert last_parts(runs[0], "rates") == ["2020-03-19"]


@pytest.mark.parametrize("spelling", [lambda v: v.range_check(True), lambda v: v.check_range()])
def test_every_spelling_of_range_check(app: Application, spelling: Any) -> None:
    days = daily(app)
    app.create_data("daily", inputs=[spelling(days[:-2])])
    sim = Simulator(app)
    assert sim.send(days["2020-03-18"]) == []
    assert outputs(sim.send(days["2020-03-17"])) == [("2020-03-18",)]


def test_range_check_can_be_turned_off(app: Application) -> None:
    days = daily(app)
    app.create_data("daily", inputs=[days[:-2].range_check(True).range_check(False)])
    assert outputs(Simulator(app).send(days["2020-03-18"])) == [("2020-03-18",)]


@pytest.mark.parametrize("spelling", ["nearest", "latest"])
def test_every_spelling_of_nearest(app: Application, spelling: str) -> None:
    days, rates = daily(app), daily(app, "rates")
    app.create_data("daily", inputs=[days, getattr(rates[:-5].ref, spelling)()])
    sim = Simulator(app)
    sim.exists(rates["2020-03-14"])
    sim.exists(rates["2020-03-16"])
    runs = sim.send(days["2020-03-18"])
    assert last_parts(runs[0], "rates") == ["2020-03-16"]


def test_modifiers_apply_in_any_order_with_indexes(app: Application) -> None:
    days, rates = daily(app), daily(app, "rates")
    app.create_data("daily", inputs={"today": days, "before": rates.ref[-1:-2].range_check(True)})
    sim = Simulator(app)
    assert sim.send(days["2020-03-18"]) == []
    sim.send(rates["2020-03-17"])
    assert outputs(sim.send(rates["2020-03-16"])) == [("2020-03-18",)]


def test_alias_names_the_input(app: Application) -> None:
    days, rates = daily(app), daily(app, "rates")
    app.create_data("daily", inputs=[days.alias("today"), rates[-1:].ref.alias("yesterday")])
    runs = Simulator(app).send(days["2020-03-18"])
    assert set(runs[0].inputs) == {"today", "yesterday"}
    assert last_parts(runs[0], "yesterday") == ["2020-03-17"]


def test_dict_inputs_name_the_inputs(app: Application) -> None:
    days, rates = daily(app), daily(app, "rates")
    app.create_data("daily", inputs={"today": days, "yesterday": rates[-1:].ref})
    runs = Simulator(app).send(days["2020-03-18"])
    assert set(runs[0].inputs) == {"today", "yesterday"}


def test_two_inputs_of_one_name_are_a_fault(app: Application) -> None:
    days, rates = daily(app), daily(app, "rates")
    with faulty("same"):
        app.create_data("daily", inputs=[days.alias("same"), rates.alias("same")])
        app.graph()
