"""Section 3: dimensions as expressions, and what two sides of a link may be."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from rheodsl import LONG, Application, DataFormat, DimensionType, S3Dataset, output
from rheodsl.errors import TruthError
from rheodsl.testing import Simulator

from .helpers import daily, faulty, numbered, outputs, regional, rejected


def joined(app: Application, link: Any, *tips: Any) -> int:
    """How often a node over the signals of ``tips``, with this link, runs when they arrive."""
    app.create_data(
        "joined",
        inputs=[_whole(app, tip) for tip in tips],
        input_dim_links=link if isinstance(link, list) else [link],
    )
    sim = Simulator(app)
    return sum(len(sim.send(tip)) for tip in tips)


def _whole(app: Application, tip: Any) -> Any:
    return app[tip.id]


def text(app: Application, id: str, name: str) -> Any:
    return app.s3(id, f"s3://lake/{id}/{{{name}}}")


# ── forms ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", [lambda s: s.day, lambda s: s("day"), lambda s: s.dimension("day")])
def test_every_form_of_a_dimension(app: Application, form: Any) -> None:
    days, ships = daily(app), daily(app, "ships", "ship_day")
    app.create_data("daily", inputs=[days, ships], input_dim_links=[form(days) == ships.ship_day])
    sim = Simulator(app)
    assert sim.send(days["2020-03-18"]) == []
    assert sim.send(ships["2020-03-17"]) == []
    assert outputs(sim.send(ships["2020-03-18"])) == [("2020-03-18",)]


def test_and_joins_links(app: Application) -> None:
    orders = regional(app)
    ships = app.s3("ships", "s3://lake/ships/{region:int}/{ship_day:%Y-%m-%d}")
    links = (orders.region_id == ships.region) & (orders.day == ships.ship_day)
    app.create_data("daily", inputs=[orders, ships], input_dim_links=links)
    sim = Simulator(app)
    sim.send(orders[1]["2020-03-18"])
    assert sim.send(ships[2]["2020-03-18"]) == []
    assert sim.send(ships[1]["2020-03-19"]) == []
    assert outputs(sim.send(ships[1]["2020-03-18"])) == [("1", "2020-03-18")]


def test_a_list_of_links_means_all_of_them(app: Application) -> None:
    orders = regional(app)
    ships = app.s3("ships", "s3://lake/ships/{region:int}/{ship_day:%Y-%m-%d}")
    links = [orders.region_id == ships.region, orders.day == ships.ship_day]
    app.create_data("daily", inputs=[orders, ships], input_dim_links=links)
    sim = Simulator(app)
    sim.send(orders[1]["2020-03-18"])
    assert sim.send(ships[2]["2020-03-18"]) == []
    assert outputs(sim.send(ships[1]["2020-03-18"])) == [("1", "2020-03-18")]


# ── operators, each by two partitions that link and two that do not ───────────────────────────────────


def story(name: str) -> tuple[Any, Any, Any, Any, Any]:
    """The application, a link, and three tips: left, right that links, right that does not."""
    app = Application("shop")
    days, days_dmy = daily(app), daily(app, "days_dmy", "dmy", "%d-%m-%Y")
    hours = daily(app, "hours", "at_hour", "%Y-%m-%d-%H")
    months = daily(app, "months", "month", "%Y-%m")
    word, words = text(app, "word", "label"), text(app, "words", "name")
    one, two = numbered(app, "one", "m"), numbered(app, "two", "k")
    ten = timedelta(days=10)
    stories: dict[str, tuple[Any, Any, Any, Any]] = {
        "dates": (days.day == days_dmy.dmy, days["2020-03-18"], days_dmy["18-03-2020"], days_dmy["19-03-2020"]),
        "fmt": (word.label == days.day.fmt("%d.%m"), word["18.03"], days["2020-03-18"], days["2020-03-19"]),
        "fmt to its own": (
            days_dmy.dmy == days.day.fmt("%d-%m-%Y"), days_dmy["18-03-2020"], days["2020-03-18"], days["2020-03-19"],
        ),
        "parse": (word.label.parse("%d%m%Y") == days.day, word["18032020"], days["2020-03-18"], days["2020-03-17"]),
        "map": (one.m.map({1: "NA", 2: "EU"}) == word.label, one[2], word["EU"], word["NA"]),
        "upper": (word.label == words.name.upper(), word["NA"], words["na"], words["eu"]),
        "lower": (word.label.lower() == words.name.lower(), word["Na"], words["nA"], words["nb"]),
        "zfill of a number": (word.label == one.m.zfill(2), word["07"], one[7], one[70]),
        "zfill of a text": (word.label == words.name.zfill(3), word["007"], words["7"], words["70"]),
        "plus of a number": (one.m + 1 == two.k, one[4], two[5], two[4]),
        "minus of a number": (one.m - 1 == two.k, one[4], two[3], two[4]),
        "plus in units": (months.month + 1 == months_of(app).other, months["2019-12"], app["other"]["2020-01"], app["other"]["2019-12"]),
        "minus in units": (days.day - 1 == days_dmy.dmy, days["2020-03-01"], days_dmy["29-02-2020"], days_dmy["01-03-2020"]),
        "plus a duration": (days.day + ten == days_dmy.dmy, days["2020-02-20"], days_dmy["01-03-2020"], days_dmy["20-02-2020"]),
        "minus a duration": (days.day - ten == days_dmy.dmy, days["2020-03-01"], days_dmy["20-02-2020"], days_dmy["01-03-2020"]),
        "a duration in hours": (
            hours.at_hour - timedelta(hours=3) == hours_of(app).then,
            hours["2020-03-01-01"], app["later"]["2020-02-29-22"], app["later"]["2020-03-01-01"],
        ),
        "trunc": (months.month == days.day.trunc("month"), months["2020-03"], days["2020-03-18"], days["2020-04-01"]),
        "trunc hours": (days.day == hours.at_hour.trunc("day"), days["2020-03-18"], hours["2020-03-18-23"], hours["2020-03-19-00"]),
        "at": (hours.at_hour == days.day.at("hour"), hours["2020-03-18-00"], days["2020-03-18"], days["2020-03-19"]),
        "year": (one.m == days.day.year, one[2020], days["2020-12-31"], days["2021-01-01"]),
        "month": (one.m == days.day.month, one[12], days["2020-12-31"], days["2021-01-01"]),
        "day of month": (one.m == days.day.day_of_month, one[31], days["2020-12-31"], days["2021-01-01"]),
        "hour": (one.m == hours.at_hour.hour, one[23], hours["2020-12-31-23"], hours["2021-01-01-00"]),
        "cast to a number": (word.label.cast(LONG) == one.m, word["7"], one[7], one[8]),
        "apply": (one.m.apply(lambda m: m + 2) == two.k, one[1], two[3], two[1]),
    }  # fmt: skip
    return (app, *stories[name])


def months_of(app: Application) -> Any:
    return daily(app, "other", "other", "%Y-%m")


def hours_of(app: Application) -> Any:
    return daily(app, "later", "then", "%Y-%m-%d-%H")


OPERATORS = [
    "dates", "fmt", "fmt to its own", "parse", "map", "upper", "lower", "zfill of a number", "zfill of a text",
    "plus of a number", "minus of a number", "plus in units", "minus in units", "plus a duration", "minus a duration",
    "a duration in hours", "trunc", "trunc hours", "at", "year", "month", "day of month", "hour", "cast to a number",
    "apply",
]  # fmt: skip


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_links_what_it_computes(name: str) -> None:
    app, link, left, right, _ = story(name)
    assert joined(app, link, left, right) == 1


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_links_nothing_else(name: str) -> None:
    app, link, left, _, wrong = story(name)
    assert joined(app, link, left, wrong) == 0


@pytest.mark.parametrize("name", OPERATORS)
def test_a_link_has_no_direction(name: str) -> None:
    app, link, left, right, _ = story(name)
    assert joined(app, link, right, left) == 1


def test_operators_chain(app: Application) -> None:
    days, word = daily(app), text(app, "word", "label")
    link = word.label.upper() == (days.day.trunc("month") - 1).fmt("%b-%Y").upper()
    assert joined(app, link, word["feb-2020"], days["2020-03-18"]) == 1


def test_a_month_is_shifted_as_a_calendar_month(app: Application) -> None:
    days, months = daily(app), daily(app, "months", "month", "%Y-%m")
    assert (
        joined(app, months.month == days.day.trunc("month") - 1, days["2020-03-31"], months["2020-02"]) == 1
    )


# ── truth ─────────────────────────────────────────────────────────────────────────────────────────────


def test_an_expression_has_no_truth(app: Application) -> None:
    a, b = daily(app, "a"), daily(app, "b")
    with rejected(kind=TruthError, hint=True):
        bool(a.day)
    with rejected(kind=TruthError, hint=True):
        _ = not a.day
    with rejected(kind=TruthError, hint=True):
        _ = a.day and b.day
    with rejected(kind=TruthError, hint=True):
        _ = a.day or b.day
    with rejected(kind=TruthError, hint=True):
        if a.day:
            pass


def test_a_link_has_no_truth(app: Application) -> None:
    a, b, c = daily(app, "a"), daily(app, "b"), daily(app, "c")
    with rejected(kind=TruthError, hint="&"):
        _ = (a.day == b.day) and (b.day == c.day)
    with rejected(kind=TruthError, hint=True):
        _ = a.day == b.day == c.day
    with rejected(kind=TruthError, hint=True):
        if a.day == b.day:
            pass


# ── what can be compared ──────────────────────────────────────────────────────────────────────────────


def test_incompatible_types_are_an_error_where_they_are_compared(app: Application) -> None:
    days, word, one = daily(app), text(app, "word", "label"), numbered(app, "one", "m")
    with rejected("label", "m"):
        _ = word.label == one.m
    with rejected("day", "m"):
        _ = days.day == one.m


def test_operators_of_another_type_are_an_error_where_they_are_written(app: Application) -> None:
    days, word, one = daily(app), text(app, "word", "label"), numbered(app, "one", "m")
    with rejected("label"):
        word.label.trunc("month")
    with rejected("m"):
        one.m.upper()
    with rejected("day"):
        days.day.upper()
    with rejected("label"):
        _ = word.label + 1


def test_trunc_to_a_finer_granularity_is_an_error(app: Application) -> None:
    days = daily(app)
    with rejected("hour"):
        days.day.trunc("hour")
    with rejected("month"):
        days.day.at("month")


def test_text_that_a_date_can_never_spell_is_an_error(app: Application) -> None:
    a, b = daily(app, "a"), daily(app, "b", "ship_day")
    with rejected("can never be equal", "drop .fmt, dates compare as dates"):
        _ = a.day == b.ship_day.fmt("%d-%m-%Y")


def test_a_date_compared_with_text_is_compared_in_its_own_format(app: Application) -> None:
    days, word = daily(app, format="%d-%m-%Y"), text(app, "word", "label")
    app.create_data("joined", inputs=[days, word], input_dim_links=[days.day == word.label])
    sim = Simulator(app)
    sim.send(days["18-03-2020"])
    assert sim.send(word["2020-03-18"]) == []
    assert len(sim.send(word["18-03-2020"])) == 1


def test_dates_compare_as_dates_whatever_their_formats(app: Application) -> None:
    a, b = daily(app, "a"), daily(app, "b", "ship_day", "%b-%d-%Y")
    assert joined(app, a.day == b.ship_day, a["2020-03-18"], b["Mar-18-2020"]) == 1


def test_values_that_can_never_be_equal_are_a_fault(app: Application) -> None:
    one, word = numbered(app, "one", "m"), text(app, "word", "label")
    with faulty("one", "word"):
        app.create_data(
            "joined",
            inputs=[one, word["FE"]],
            input_dim_links=[one.m.map({1: "NA", 2: "EU"}) == word.label],
        )
        app.graph()


def test_maps_without_a_common_value_are_a_fault(app: Application) -> None:
    one, two = numbered(app, "one", "m"), numbered(app, "two", "k")
    with faulty("one", "two"):
        app.create_data(
            "joined",
            inputs=[one, two],
            input_dim_links=[one.m.map({1: "NA", 2: "EU"}) == two.k.map({1: "na", 2: "eu"})],
        )
        app.graph()


def test_disjoint_filters_are_a_fault(app: Application) -> None:
    one, two = numbered(app, "one", "m"), numbered(app, "two", "k")
    with faulty("one", "two"):
        app.create_data("joined", inputs=[one[1], two[2]], input_dim_links=[one.m == two.k])
        app.graph()


# ── timezones ─────────────────────────────────────────────────────────────────────────────────────────


def zoned(app: Application, id: str, name: str, format: str, zone: str) -> Any:
    return app.marshal_external_data(
        S3Dataset("111122223333", "lake", id, "{}", dataset_format=DataFormat.CSV),
        id,
        {name: {"type": DimensionType.DATETIME}},
        {"*": {"format": format, "timezone": zone}},
    )


def test_hours_compare_as_instants(app: Application) -> None:
    """► PST 05:00 and UTC 13:00 are the same instant and must link."""
    west = zoned(app, "west", "hour_west", "%Y-%m-%d-%H", "PST")
    utc = zoned(app, "utc", "hour_utc", "%Y-%m-%d-%H", "UTC")
    assert joined(app, west.hour_west == utc.hour_utc, west["2020-01-15-05"], utc["2020-01-15-13"]) == 1


def test_equal_labels_of_other_zones_are_other_hours(app: Application) -> None:
    west = zoned(app, "west", "hour_west", "%Y-%m-%d-%H", "PST")
    utc = zoned(app, "utc", "hour_utc", "%Y-%m-%d-%H", "UTC")
    assert joined(app, west.hour_west == utc.hour_utc, west["2020-01-15-05"], utc["2020-01-15-05"]) == 0


def test_days_compare_as_calendar_labels(app: Application) -> None:
    west = zoned(app, "west", "day_west", "%Y-%m-%d", "America/Los_Angeles")
    east = zoned(app, "east", "day_east", "%Y-%m-%d", "Asia/Tokyo")
    assert joined(app, west.day_west == east.day_east, west["2020-01-15"], east["2020-01-15"]) == 1


def test_tz_moves_an_hour_to_the_calendar_of_a_zone(app: Application) -> None:
    utc = zoned(app, "utc", "hour_utc", "%Y-%m-%d-%H", "UTC")
    days = daily(app)
    link = utc.hour_utc.tz("America/Los_Angeles").trunc("day") == days.day
    assert joined(app, link, utc["2020-01-15-05"], days["2020-01-14"]) == 1


def test_hours_of_a_window_are_hours_of_time_not_of_the_clock(app: Application) -> None:
    west = zoned(app, "west", "hour_west", "%Y-%m-%d-%H", "America/Los_Angeles")
    app.create_data("node", inputs=[west[:-3]])
    runs = Simulator(app).send(west["2020-03-08-04"])
    assert [path[-2:] for path in runs[0].inputs["west"].paths] == ["04", "03", "01"], "no clock showed 02"


@pytest.mark.parametrize("zone", ["PST", "GMT", "UTC", "Europe/Berlin"])
def test_zone_names_of_the_guide_and_of_iana(app: Application, zone: str) -> None:
    hours = zoned(app, "hours", "at_hour", "%Y-%m-%d-%H", zone)
    assert joined(app, [], hours["2020-01-15-05"]) == 1


def test_an_unknown_zone_is_an_error(app: Application) -> None:
    with rejected("Mars/Olympus"):
        zoned(app, "hours", "at_hour", "%Y-%m-%d-%H", "Mars/Olympus")


def test_a_zone_for_each_region(app: Application) -> None:
    hour: dict[str, Any] = {"type": DimensionType.DATETIME, "format": "%Y-%m-%d-%H"}
    orders = app.marshal_external_data(
        S3Dataset("111122223333", "lake", "orders", "{}", "{}", dataset_format=DataFormat.CSV),
        "orders",
        {"region_id": {"type": DimensionType.LONG, "hour": hour}},
        {"1": {"*": {"timezone": "PST"}}, "2": {"*": {"timezone": "UTC"}}},
    )
    clock = zoned(app, "clock", "at_hour", "%Y-%m-%d-%H", "UTC")
    app.create_data("joined", inputs=[orders, clock], input_dim_links=[orders.hour == clock.at_hour])
    sim = Simulator(app)
    sim.send(clock["2020-01-15-13"])
    west, utc = sim.send(orders[1]["2020-01-15-05"]), sim.send(orders[2]["2020-01-15-13"])
    assert [run.inputs["orders"].tip for run in west] == [{"region_id": 1, "hour": "2020-01-15-05"}]
    assert [run.inputs["orders"].tip for run in utc] == [{"region_id": 2, "hour": "2020-01-15-13"}]
    assert sim.send(orders[1]["2020-01-15-13"]) == []
    assert sim.send(orders[2]["2020-01-15-05"]) == []


# ── the node's own output ─────────────────────────────────────────────────────────────────────────────


def test_output_dimensions_are_computed(app: Application) -> None:
    days = daily(app)
    app.create_data(
        "monthly",
        inputs=[days],
        output_dimension_spec={
            "region": {
                "type": DimensionType.LONG,
                "month": {"type": DimensionType.DATETIME, "format": "%Y-%m"},
            }
        },
        output_dim_links=[output.month == days.day.trunc("month"), output.region == 1],
    )
    runs = Simulator(app).send(days["2020-03-18"])
    assert runs[0].output == {"region": 1, "month": "2020-03"}


@pytest.mark.parametrize("value", ["2020-03-01", datetime(2020, 3, 1)])
def test_an_output_literal_is_cast(app: Application, value: Any) -> None:
    word = text(app, "word", "label")
    app.create_data(
        "node",
        inputs=[word],
        output_dimension_spec={"since": {"type": DimensionType.DATETIME, "format": "%Y-%m-%d"}},
        output_dim_links=[output.since == value],
    )
    assert Simulator(app).send(word["x"])[0].output == {"since": "2020-03-01"}


def test_an_output_dimension_may_join_several_inputs(app: Application) -> None:
    one, two = numbered(app, "one", "m"), numbered(app, "two", "k")
    app.create_data(
        "node",
        inputs=[one, two],
        output_dimension_spec={"k": {"type": DimensionType.LONG, "m": {"type": DimensionType.LONG}}},
        output_dim_links=[output.k == two.k + 10, output.m == one.m],
    )
    sim = Simulator(app)
    sim.send(one[1])
    assert sim.send(two[2])[0].output == {"k": 12, "m": 1}


def test_output_texts_are_in_the_format_of_the_output(app: Application) -> None:
    days = daily(app)
    app.create_data(
        "reversed",
        inputs=[days],
        output_dimension_spec={"day": {"type": DimensionType.DATETIME, "format": "%d-%m-%Y"}},
        output_dim_links=[output.day == days.day],
    )
    runs = Simulator(app).send(days["2020-03-18"])
    assert runs[0].output == {"day": "18-03-2020"}


def test_output_links_of_incompatible_types_are_a_fault(app: Application) -> None:
    days = daily(app)
    with faulty("number", "day"):
        app.create_data(
            "daily",
            inputs=[days],
            output_dimension_spec={"number": {"type": DimensionType.LONG}},
            output_dim_links=[output.number == days.day],
        )
        app.graph()


def test_an_output_link_to_an_unknown_dimension_is_a_fault(app: Application) -> None:
    days = daily(app)
    with faulty("dya"):
        app.create_data("daily", inputs=[days], output_dim_links=[output.dya == days.day])
        app.graph()
