"""Applications with a life behind them, in folders and ledgers of their own; and the page that shows them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

from fastapi import FastAPI

from codegen.graph_json import graph_file
from codegen.routes import route_table
from rheo_airflow.page.applications import Applications
from rheo_airflow.page.web import Access, make_app
from rheo_runtime import executions
from rheo_runtime.engine import Engine
from rheo_runtime.ledger import Ledger
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.records import CheckResult
from rheo_runtime.wire import resource_name
from rheodsl import *  # noqa: F403
from rheodsl import (
    AlarmComparisonOperator,
    Application,
    InlinedCompute,
    MetricPeriod,
    MetricStatistic,
    SparkSQL,
)

NOW = 1_790_000_000.0  # 2026-09-21
DAY = timedelta(days=1)
# As the tasks write it: the task, and what the compute raised, with the user's file and line.
FAULT = "compute failed: ValueError: 3 orders have no price (sales.py:41)"


def note(input_map: Any, output: Any, params: Any) -> None:
    """Do nothing: only the graph matters here."""


def sales() -> Application:
    """A small application with all kinds of vertices and edges."""
    app = Application("sales")
    orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}", format="CSV")
    clicks = app.s3("clicks", "s3://lake/clicks/{region}/{day:%Y-%m-%d}", format="CSV")
    prices = app.s3("prices", "s3://lake/prices/{day:%Y-%m-%d}", format="CSV")
    rates = app.s3("exchange_rates", "s3://lake/rates", format="CSV", completion=None)
    hourly = app.add_timer("every_hour", "rate(1 hour)", time_dimension_id="hour")
    same = [orders.region == clicks.region, orders.day == clicks.day]
    sql = SparkSQL("SELECT * FROM orders")
    sessions = app.create_data("sessions", inputs=[clicks], compute_targets=InlinedCompute(note))
    joined = app.create_data(
        "clean_orders", inputs=[orders, clicks], input_dim_links=same, compute_targets=sql
    )
    daily = app.create_data(
        "daily_sales",
        inputs={"clean": joined, "prices": prices, "rates": rates.ref},
        input_dim_links=[joined.day == prices.day],
        compute_targets=SparkSQL("SELECT * FROM clean"),
    )
    app.create_data(
        "weekly_trend", inputs=[daily["*"][:-7].range_check(True)], compute_targets=InlinedCompute(note)
    )
    app.create_data(
        "funnel",
        inputs={"sales": daily, "sessions": sessions},
        input_dim_links=[daily.region == sessions.region, daily.day == sessions.day],
        compute_targets=InlinedCompute(note),
    )
    app.create_data("price_index", inputs=[prices], compute_targets=InlinedCompute(note))
    app.create_data("heartbeat", inputs=[hourly], compute_targets=InlinedCompute(note))
    metric = app.create_metric(id="bad_orders", dimension_filter={"Error": {"*": {"*": {"*": {}}}}})
    alarm = app.create_alarm(
        id="too_many_bad_orders",
        target_metric_or_expression=metric["Error"][MetricStatistic.SUM][MetricPeriod.MINUTES(5)],
        number_of_evaluation_periods=1,
        number_of_datapoint_periods=1,
        comparison_operator=AlarmComparisonOperator.GreaterThanOrEqualToThreshold,
        threshold=10,
    )
    app.create_data("tell_sales", inputs=[alarm["ALARM"]], compute_targets=InlinedCompute(note))
    return app


def windows(nodes: int = 24) -> Application:
    """An application whose edges all say which window they take."""
    app = Application("windows")
    signals = [app.s3(f"source_{n}", f"s3://lake/source_{n}/{{day:%Y-%m-%d}}") for n in range(5)]
    for n in range(nodes):
        picked = {f"a{k}": signals[(n * 3 + k * 2) % len(signals)] for k in range(1 + n % 3)}
        inputs = {alias: signal[: -(2 + n % 7)].range_check(True) for alias, signal in picked.items()}
        signals.append(app.create_data(f"node_{n:02}", inputs=inputs, compute_targets=InlinedCompute(note)))
        if n % 2:
            signals.pop(n % 4)
    return app


def many(nodes: int = 200) -> Application:
    """An application of many nodes in some ten layers; the first has partitions by region and day."""
    app = Application("many")
    signals = [app.s3(f"source_{n}", f"s3://lake/source_{n}/{{region}}/{{day:%Y-%m-%d}}") for n in range(20)]
    for n in range(nodes):
        picked = {f"a{k}": signals[(n * 7 + k * 13) % len(signals)] for k in range(1 + n % 3)}
        views = list(picked.values())
        links = [views[0].region == v.region for v in views[1:]] + [views[0].day == v.day for v in views[1:]]
        signal = app.create_data(
            f"node_{n:03}", inputs=picked, input_dim_links=links, compute_targets=InlinedCompute(note)
        )
        if n % 2:
            signals.append(signal)
            signals.pop(0 if n % 4 == 1 else len(signals) // 3)
    return app


def write(app: Application, folder: Path) -> Path:
    """Write the files of an application that the page reads."""
    home = folder / app.name
    home.mkdir(parents=True)
    graph = app.graph()
    (home / "graph.json").write_text(graph_file(graph), "utf-8")
    (home / "routes.json").write_text(route_table(graph, resource_name(app.name)).dumps(), "utf-8")
    (home / "stack.json").write_text(json.dumps({"app": app.name, "table": resource_name(app.name)}), "utf-8")
    return home


class Life:
    """Sends signals through the engine, and plays Airflow."""

    def __init__(self, app: Application, ledger: Ledger) -> None:
        self.app = app.name
        self.ledger = ledger
        self.time = NOW
        self.checks = {
            "daily_sales": [
                CheckResult("row_count(1)", True),
                CheckResult("in_range(price)", False, "warn", "2 rows, such as 1200"),
            ]
        }
        self.engine = Engine(route_table(app.graph()), ledger, lambda: self.time)
        self._ids = itertools.count(1)

    def send(self, signal: str, *texts: str, end: str = "succeeded") -> list[Any]:
        """Announce a partition; each execution that fires comes to this end, and so on down the graph.

        Parameters
        ----------
        end
            succeeded, failed, skipped, running, or queued.
        """
        event = f"event-{next(self._ids)}"
        outcome = self.engine.on_named(self.app, signal, texts, event)
        for document in outcome.fired:
            self.end(document, end)
        return outcome.fired

    def end(self, document: Any, end: str) -> None:
        """Let Airflow bring one execution to its end."""
        node, partition, id = document["node"], document["partition"], document["id"]
        if end == "queued":
            return
        run = "~".join(["rheo", *partition.split("/"), str(document["generation"])])
        executions.claim(self.ledger, node, partition, id, run, self.time + 2)
        if end == "succeeded":
            executions.succeed(
                self.ledger, node, partition, id, run, self.time + 60, checks=self.checks.get(node, ())
            )
            executions.signalled(self.ledger, node, partition, id)
            texts = tuple(document["dimensions"].values()) if "dimensions" in document else ()
            begun, self.time = self.time, self.time + 61
            self.send(node, *(texts or tuple(partition.split("/"))))
            self.time = begun
        elif end == "failed":
            executions.fail(self.ledger, node, partition, id, run, self.time + 60, FAULT)
        elif end == "skipped":
            executions.skip(self.ledger, node, partition, id, run, self.time + 60, "nothing to do")


def days(first: date, count: int) -> list[str]:
    """Return so many days as texts."""
    return [(first + n * DAY).isoformat() for n in range(count)]


def live_sales(ledger: Ledger) -> None:
    """Months of sales in three regions, with a failure, a gap, something that runs and something that waits."""
    app = sales()
    life = Life(app, ledger)
    regions = ["emea", "americas", "apac"]
    found = days(date(2026, 5, 1), 140)
    for n, day in enumerate(found):
        life.time = NOW - (len(found) - n) * 86400
        if n % 17 != 5:
            life.send("prices", day)
        for region in regions:
            if (region, n) in {("apac", 60), ("apac", 61)}:
                continue  # never came
            life.send("clicks", region, day)
            if n >= len(found) - 3 and region == "emea":
                continue  # orders are late: clean_orders waits
            ends = {("emea", 30): "failed", ("americas", 98): "failed", ("apac", 44): "skipped"}
            last = {("americas", len(found) - 1): "running", ("apac", len(found) - 1): "queued"}
            life.send("orders", region, day, end=(ends | last).get((region, n), "succeeded"))
    for hour in range(70):
        life.time = NOW - (70 - hour) * 3600
        life.send(
            "every_hour",
            f"2026-09-{18 + hour // 24:02} {hour % 24:02}",
            end="failed" if hour == 31 else "succeeded",
        )


def live_many(ledger: Ledger, partitions: int = 10_000) -> None:
    """So many partitions of the first node, in ten regions; fewer of the others."""
    app = many()
    life = Life(app, ledger)
    first = app.graph().node("node_000")
    signal = first.inputs[0].signal
    for n, day in enumerate(days(date(2024, 1, 1), partitions // 10)):
        for region in range(10):
            life.send(
                signal, f"region-{region}", day, end="failed" if (n * 10 + region) % 997 == 0 else "succeeded"
            )


def everyone() -> Access:
    """Let everybody read all DAGs: who may see what is tested elsewhere."""
    return lambda dags, action="read": set(dags)


def mounted(applications: Applications, access: Callable[..., Access] = everyone) -> FastAPI:
    """Return the page where Airflow has it, under ``/rheo``."""
    outer = FastAPI()
    outer.mount("/rheo", make_app(applications, access))
    return outer


def ledgers(**by_app: Ledger) -> Callable[[str], Ledger]:
    """Return what finds an application's ledger by its table."""
    return lambda table: by_app[table.removeprefix("rheo-")]


@contextmanager
def serving(web: FastAPI) -> Iterator[str]:
    """Serve on a free port of this machine; gives the address."""
    import socket

    import uvicorn

    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(web, log_level="warning", lifespan="off"))
    thread = Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


def alarm_states(kind: str, names: Sequence[str], state: str = "OK") -> dict[str, Any]:
    """Play CloudWatch."""
    since = datetime.fromtimestamp(NOW, UTC).isoformat(timespec="seconds")
    return {
        name: {"state": state, "reason": "Threshold Crossed: 1 datapoint", "since": since} for name in names
    }


def world(folder: Path, parts: Iterable[str] = ("sales", "many")) -> Applications:
    """Return applications with a life behind them."""
    found: dict[str, Ledger] = {}
    for name, app, live in (("sales", sales, live_sales), ("many", many, live_many)):
        if name in parts:
            write(app(), folder)
            found[name] = MemoryLedger()
            live(found[name])
    return Applications(folder, (), ledgers(**found), alarm_states)
