"""An application of nodes that sensors wait for."""

from __future__ import annotations

from datetime import timedelta

from rheodsl import Application, GlueTable


def application() -> Application:
    app = Application("sensed")
    daily = app.add_timer("daily", "rate(1 day)", "day", time_dimension_shift=-1)
    orders = app.s3(
        "orders", "s3://sensed-data/orders/{region}/{day:%Y-%m-%d}", completion=["DONE", "_SUCCESS"]
    )
    views = app.s3("views", "s3://sensed-data/views/{day:%d-%m-%Y}", completion=None)
    names = app.s3("names", "s3://sensed-data/names")
    ships = app.marshal_external_data(
        GlueTable("lake", "ships", location="s3://sensed-data/ships/{}/{}"),
        "ships",
        {"number": {"type": "LONG", "ship_day": {"type": "DATETIME", "format": "%Y-%m-%d"}}},
    )
    app.create_data(
        "both",
        [daily, orders["NA"], views[:-2].range_check(True), ships[7][:-2].range_check(True), names.ref],
        input_dim_links=[daily.day == ships.ship_day],
        compute_targets=["output = orders", "orders.count()"],
        trigger="sensor",
        pending_ttl=timedelta(hours=6),
    )
    app.create_data("checked", [orders["NA"][:-3].range_check(True)], compute_targets="output = orders")
    return app
