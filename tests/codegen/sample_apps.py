"""Applications that use every construct the emitter knows, for golden files and checks."""

from __future__ import annotations

from datetime import timedelta

from rheodsl import *  # noqa: F403
from rheodsl import Application, BatchCompute, InlinedCompute, SparkSQL, output
from rheodsl.compute import Lang


def from_function(orders, dimensions, args):  # type: ignore[no-untyped-def]
    """Keep what is worth more than a limit."""
    return orders.where(orders.price > float(args["limit"]))


def count_lines(input_map, output, params):  # type: ignore[no-untyped-def]
    import io

    session = params["AWS_BOTO_SESSION"]
    print(io.StringIO("x").read(), session, input0, orders)  # noqa: F405 - inputs are there by name


class Reactor:
    """The class form: made without arguments, then called."""

    def __call__(self, input_map, output, params):  # type: ignore[no-untyped-def]
        self.seen = list(input_map)


def shop() -> Application:
    """Data with LONG and DATETIME dimensions, windows, references, several targets on one node."""
    app = Application("shop")
    orders = app.s3("orders", "s3://shop/orders/region={region:int}/{day:%Y-%m-%d}", format="PARQUET")
    ships = app.s3(
        "ships",
        "s3://shop/ships/{region}/{ship_day:%d-%m-%Y}",
        format="CSV",
        delimiter="|",
        schema="id long, at date",
    )
    names = app.s3("names", "s3://shop/names", format="JSON", completion=None)
    region = {1: "NA", 2: "EU"}
    app.create_data(
        "daily",
        inputs={"orders": orders, "sent": ships["*"][:-7].ref, "names": names.ref},
        input_dim_links=[orders.region.map(region) == ships.region, orders.day == ships.ship_day],
        compute_targets=[
            BatchCompute(from_function, limit="10", WorkerType="G.2X", NumberOfWorkers=4, retry_count=2),
            InlinedCompute(count_lines),
            BatchCompute("print('{{ not a template }}', args)", note="{{ ds }}", Timeout=5),
        ],
        owner="sales",
        tags=["orders"],
        pool="spark",
        max_active_runs=4,
    )
    app.create_data("react", inputs=[orders[1]], compute_targets=InlinedCompute(Reactor()))
    app.create_data(
        "total",
        inputs=[app["daily"]["*"][:-3].range_check(True)],
        output_dimension_spec={"month": {"type": "DATETIME", "format": "%Y-%m"}},
        output_dim_links=[output.month == app["daily"].day.trunc("month")],
        compute_targets=SparkSQL("SELECT region, count(*) AS n\nFROM daily\nGROUP BY region"),
    )
    return app


def timers() -> Application:
    """Timers that Airflow can follow, timers that it cannot, and one that is joined with data."""
    app = Application("timers")
    hourly = app.add_timer("hourly", "rate(1 hour)", "hour")
    weekly = app.add_timer("weekly", "rate(7 days)", "day")
    workdays = app.add_timer("workdays", "cron(0 9 ? * MON-FRI *)", "day", time_dimension_shift=-1)
    first = app.add_timer("first_workday", "cron(0 9 1W * ? *)", "day")
    daily = app.add_timer("daily", "rate(1 day)", "day")
    data = app.s3("data", "s3://data/{day:%Y-%m-%d}")
    for node, inputs in {
        "each_hour": [hourly],
        "each_week": [weekly],
        "each_workday": [workdays],
        "each_first": [first],
        "each_data": [data, daily],
    }.items():
        app.create_data(node, inputs=inputs, compute_targets=InlinedCompute(Reactor()))
    app.create_data(
        "by_hand",
        inputs=None,
        output_dimension_spec={"name": {"type": "STRING"}},
        compute_targets=BatchCompute("SELECT 1 AS one", lang=Lang.SPARK_SQL),
    )
    return app


def batches() -> Application:
    """Nodes of which one run carries out many executions, of each compute that can."""
    app = Application("batches")
    orders = app.s3("orders", "s3://data/orders/{region}/{day:%Y-%m-%d}", schema="id long, price double")
    spark = Batch(max=200, wait=timedelta(seconds=30), parallel=4)  # noqa: F405
    app.create_data(
        "worth",
        inputs=[orders["*"][:-3].range_check(True)],
        compute_targets=BatchCompute(from_function, limit="1.5", retry_count=2),
        batch=spark,
    )
    hook = RouteExecutionHook(on_compute_success=count_lines, on_compute_failure=count_lines)  # noqa: F405
    app.create_data(
        "lines",
        [orders],
        compute_targets=InlinedCompute(Reactor()),
        execution_hook=hook,
        batch=Batch(),  # noqa: F405
    )
    query = PrestoSQL("SELECT id, price FROM orders")  # noqa: F405
    app.create_data(
        "queried",
        [orders],
        compute_targets=query,
        batch=Batch(max=50, parallel=8),  # noqa: F405
        schema="id long, price double",
        checks=[row_count(1), in_range("price", 0, 100), unique("id"), "SELECT * FROM output WHERE id < 0"],  # noqa: F405
    )
    return app
