"""``rheo check`` says which values can bind: what it says is what the matcher takes."""

from __future__ import annotations

from typing import Any

import pytest

from rheodsl import Application
from rheodsl.bindable import restrictions
from rheodsl.testing import Simulator


@pytest.fixture
def app() -> Any:
    return Application("shop")


def said(app: Any) -> list[str]:
    return [str(each) for each in restrictions(app.graph())]


def without_effect(app: Any, view: Any) -> bool:
    """Whether an arrival leaves nothing that waits."""
    sim = Simulator(app)
    sim.send(view)
    return bool(sim.unmatched) and sim.pending() == []


def test_a_map_lets_only_its_keys_bind_whose_results_can_come(app: Any) -> None:
    orders = app.s3("orders", "s3://lake/orders/{region_id:int}/{day:%Y-%m-%d}")
    ships = app.s3("ships", "s3://lake/ships/{region}/{day:%Y-%m-%d}")
    link = orders.region_id.map({1: "NA", 2: "EU", 3: "FE"}) == ships.region
    app.create_data("all", inputs=[orders, ships], input_dim_links=[link])
    assert said(app) == [
        "all: of ships only region EU, FE, NA can bind, as " + show_map(app) + " is EU, FE, NA"
    ]
    assert without_effect(app, ships["XX"]["2024-01-01"]) and not without_effect(
        app, ships["NA"]["2024-01-01"]
    )


def show_map(app: Any) -> str:
    return said(app)[0].split(", as ")[1].rsplit(" is ", 1)[0]


def test_an_hour_of_a_day(app: Any) -> None:
    days = app.s3("days", "s3://lake/days/{day:%Y-%m-%d}")
    hours = app.s3("hours", "s3://lake/hours/{hour:%Y-%m-%d %H}")
    app.create_data("close", inputs=[days, hours], input_dim_links=[days.day.at("hour") + 23 == hours.hour])
    [told] = said(app)
    assert told.startswith("close: of hours only one HOUR of each DAY can bind, as ")
    assert told.endswith(" is such a one: hour 2024-01-01 23 for 2024-01-01")
    assert without_effect(app, hours["2024-01-01 07"]) and not without_effect(app, hours["2024-01-01 23"])


def test_a_calendar_and_a_first_value(app: Any) -> None:
    trades = app.s3("trades", "s3://lake/trades/{day:%Y-%m-%d}", dimensions={"day": {"calendar": "MON-FRI"}})
    rates = app.s3("rates", "s3://lake/rates/{day:%Y-%m-%d}")
    since = app.s3("since", "s3://lake/since/{day:%Y-%m-%d}", dimensions={"day": {"min": "2024-01-03"}})
    app.create_data("a", inputs=[trades, rates])
    app.create_data("b", inputs=[rates, since])
    first, second = said(app)
    assert first.startswith(
        "a: of rates only values of trades.day can bind, as trades.day has only the days of"
    )
    assert second.endswith("as since.day has only values from 2024-01-03 on")
    assert without_effect(app, rates["2024-01-06"]) is False, "b takes it"


def test_literals_that_the_other_side_has_not(app: Any) -> None:
    orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
    ships = app.s3("ships", "s3://lake/ships/{region}/{day:%Y-%m-%d}")
    app.create_data("na", inputs=[orders, ships["NA"]])
    assert said(app) == ["na: of orders only region NA can bind, as ships.region is NA"]
    assert without_effect(app, orders["EU"]["2024-01-01"])


def test_nothing_is_said_where_nothing_restricts(app: Any) -> None:
    orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
    ships = app.s3("ships", "s3://lake/ships/{region}/{day:%Y-%m-%d}")
    app.create_data("both", inputs=[orders, ships])
    app.create_data("na", inputs=[orders["NA"], ships["NA"]])
    app.create_data("past", inputs=[orders, ships.ref])
    assert said(app) == []
