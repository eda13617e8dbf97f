"""``app.materialize``: views and values -> paths, without anything running."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rheodsl import Application
from rheodsl.errors import FilterError, ValueCastError
from rheodsl.paths import materialize
from rheodsl.signals import View

LAKE = "s3://lake/orders/region={}/day={}"


@pytest.fixture
def app() -> Application:
    app = Application("shop")
    orders = app.s3("orders", "s3://lake/orders/region={region_id:int}/day={day:%Y-%m-%d}")
    app.create_data("daily", inputs=[orders[1]], compute_targets="output = orders")
    app.create_data("total", inputs=[orders], output_dimension_spec={}, compute_targets="output = orders")
    app.add_timer("timer", "rate(1 day)", time_dimension_id="day")
    return app


def lake(*days: str) -> list[str]:
    return [LAKE.format(1, day) for day in days]


def test_a_partition(app: Application) -> None:
    assert app.materialize(app["orders"][1]["2020-11-10"]) == LAKE.format(1, "2020-11-10")
    assert app.materialize(app["daily"][1]["2020-11-10"]) == "s3://rheo-shop/internal_data/daily/1/2020-11-10"
    assert app.materialize(app["total"]) == "s3://rheo-shop/internal_data/total"


def test_the_values_may_stand_beside_the_view(app: Application) -> None:
    assert app.materialize(app["orders"], [1, "2020-11-10"]) == LAKE.format(1, "2020-11-10")
    assert app.materialize(app["orders"][1], ["2020-11-10"]) == LAKE.format(1, "2020-11-10")
    assert app.materialize(app["orders"], [1, datetime(2020, 11, 10)]) == LAKE.format(1, "2020-11-10")


def test_a_window_extends_from_its_tip(app: Application) -> None:
    week = app["orders"][1][:-2]
    assert app.materialize(week, [1, "2020-10-29"]) == lake("2020-10-29", "2020-10-28")
    assert app.materialize(app["orders"][1][-1:-2], [1, "2020-10-29"]) == lake("2020-10-28", "2020-10-27")
    assert app.materialize(app["orders"][1][:2], [1, "2020-10-29"]) == lake("2020-10-29", "2020-10-30")


def test_any_value_stays_open(app: Application) -> None:
    assert app.materialize(app["orders"], ["*", "2020-11-10"]) == LAKE.format("*", "2020-11-10")
    assert app.materialize(app["orders"], [1, "*"]) == LAKE.format(1, "*")


def test_a_relative_index_ends_now(app: Application) -> None:
    now = datetime(2020, 11, 10, 15, tzinfo=UTC).timestamp()

    def paths(view: View, *values: str | int | slice) -> str | list[str]:
        return materialize(view, values or None, "rheo-shop", now)

    three = lake("2020-11-10", "2020-11-09", "2020-11-08")
    assert paths(app["orders"], 1, -3) == three
    assert paths(app["orders"], 1, slice(None, -3)) == three
    assert paths(app["orders"][1][:-3]) == three


def test_the_date_now_is_the_zones() -> None:
    app = Application("zones")
    for zone in ("America/Los_Angeles", "UTC"):
        from rheodsl import S3Dataset

        app.marshal_external_data(
            S3Dataset(None, "lake", zone[:3], "{}"),
            zone[:3],
            {"day": {"type": "DATETIME", "timezone": zone}},
            {"*": {}},
        )
    now = datetime(2020, 11, 10, 3, tzinfo=UTC).timestamp()
    assert materialize(app["Ame"], [-1], "b", now) == ["s3://lake/Ame/2020-11-09"]
    assert materialize(app["UTC"], [-1], "b", now) == ["s3://lake/UTC/2020-11-10"]


def test_what_is_left_open_is_said(app: Application) -> None:
    with pytest.raises(FilterError, match="leaves day open"):
        app.materialize(app["orders"][1])
    with pytest.raises(FilterError, match="2 dimensions, 2 of them open, but 1 values"):
        app.materialize(app["orders"], [1])
    with pytest.raises(FilterError, match="a window needs a tip"):
        app.materialize(app["orders"][:-3], ["*", "2020-11-10"])
    with pytest.raises(FilterError, match="outside the filter"):
        app.materialize(app["orders"][1], [2, "2020-11-10"])
    with pytest.raises(ValueCastError, match="cannot be 'today'"):
        app.materialize(app["orders"], [1, "today"])
    with pytest.raises(FilterError, match="timer has no data"):
        app.materialize(app["timer"]["2020-11-10"])
    table = app.glue_table("table", "db", "t", {"day": {"type": "DATETIME"}}, {"*": {}})
    with pytest.raises(FilterError, match="only the catalog knows where table is"):
        app.materialize(table["2020-11-10"])
