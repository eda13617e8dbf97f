"""What is stale, late or forgotten in an application that is deployed: S3, the catalog and the ledger tell."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.cloud import Cloud
from typer.testing import CliRunner

from rheo_platforms import cli  # noqa: F401 - registers the commands
from rheo_platforms.commands import monitoring, shared
from rheo_runtime.engine import Engine
from rheodsl import Application
from rheodsl.errors import UnknownNameError

pytestmark = pytest.mark.slow

NOW = time.time() // 1
DAY = 86_400


def engine_of(cloud: Cloud, app: str, clock: list[float]) -> Engine:
    deployment = cloud.deployment(app)
    return Engine(deployment.routes, deployment.ledger, lambda: clock[0], deployment.storage)


def day_at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def sales(cloud: Cloud) -> Any:
    app: Any = Application("shop", platform=cloud)  # type: ignore[arg-type]
    orders = app.s3("orders", "s3://lake-of-orders/orders/{day:%Y-%m-%d}")
    rates = app.s3("rates", "s3://lake-of-rates/rates/{day:%Y-%m-%d}")
    app.create_data("daily", inputs=[orders, rates.ref], compute_targets="output = orders")
    cloud.activate(app)
    return app


def test_an_output_is_stale_by_what_storage_says(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    app = sales(cloud)
    engine = engine_of(cloud, "shop", [NOW - 3600])
    [document] = engine.on_signal("orders", (738886,), "e1", NOW - 3600).fired
    cloud.run(engine, document, "run")
    assert app.get_stale() == []
    day = document["partition"]
    cloud.put(f"s3://lake-of-rates/rates/{day}/_SUCCESS")  # now, an hour later
    [found] = app.get_stale("daily")
    assert (found.route_id, found.partition, found.execution_id) == ("daily", day, f"daily/{day}#1")
    [newer] = found.newer
    assert (newer.alias, newer.signal, newer.partition) == ("rates", "rates", day)
    assert newer.written is not None and abs(newer.written.timestamp() - time.time()) < 60
    monkeypatch.setattr(monitoring, "deployment_of", lambda running: cloud.deployment("shop"))
    said = CliRunner().invoke(shared.app, ["stale"]).stdout
    assert said.startswith(f"daily {day} is of ") and f"rates {day} was written at" in said
    assert (
        json.loads(CliRunner().invoke(shared.app, ["stale", "daily", "--json"]).stdout)[0]["partition"] == day
    )
    with pytest.raises(UnknownNameError):
        app.get_stale("dayly")


def test_a_partition_of_the_catalog_that_was_changed(cloud: Cloud) -> None:
    app: Any = Application("shop", platform=cloud)  # type: ignore[arg-type]
    table = app.glue_table("orders", "sales", "orders", {"day": {"type": "DATETIME", "format": "%Y-%m-%d"}})
    days = app.s3("days", "s3://lake-of-days/days/{day:%Y-%m-%d}")
    app.create_data("daily", inputs=[days, table.ref], compute_targets="output = days")
    cloud.activate(app)
    engine = engine_of(cloud, "shop", [NOW - 3600])
    [document] = engine.on_signal("days", (738886,), "e1", NOW - 3600).fired
    cloud.run(engine, document, "run")
    glue = cloud.session.client("glue")
    glue.create_database(DatabaseInput={"Name": "sales"})
    glue.create_table(DatabaseName="sales", TableInput={"Name": "orders", "PartitionKeys": [{"Name": "day"}]})
    glue.create_partition(
        DatabaseName="sales", TableName="orders", PartitionInput={"Values": [document["partition"]]}
    )
    [found] = app.get_stale()
    assert [newer.signal for newer in found.newer] == ["orders"]


def test_what_is_late_now_until_it_comes(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    app: Any = Application("shop", platform=cloud)  # type: ignore[arg-type]
    orders = app.s3("orders", "s3://lake-of-orders/orders/{day:%Y-%m-%d}")
    app.create_data(
        "daily",
        inputs=[orders | orders.late(after=timedelta(hours=6))],
        compute_targets="x = 1\noutput = orders",
    )
    cloud.activate(app)
    clock = [NOW - 3 * DAY]
    engine = engine_of(cloud, "shop", clock)
    engine.tick()
    day = day_at(clock[0] + DAY)  # the first that begins after the first activation
    assert min(each.partition for each in app.get_late()) == day, "not what was before the first activation"
    clock[0] = NOW
    engine.tick()
    [late] = [each for each in app.get_late() if each.partition == day]
    assert (late.signal, late.of, late.missing) == ("orders_late", "orders", day)
    assert any(each.partition == day for each in app.explain("daily", day).late)
    assert f"late: orders_late {day}: orders {day} is not there" in str(app.explain("daily", day))
    monkeypatch.setattr(monitoring, "deployment_of", lambda running: cloud.deployment("shop"))
    monkeypatch.setattr(monitoring, "_stack", lambda running: None)
    said = CliRunner().invoke(shared.app, ["late"]).stdout
    assert f"orders_late {day}: orders {day} is not there" in said
    assert f"LATE orders_late {day}" in CliRunner().invoke(shared.app, ["status"]).stdout
    cloud.put(f"s3://lake-of-orders/orders/{day}/_SUCCESS")
    assert [each for each in app.get_late() if each.partition == day] == [], "it is there, without an event"


def test_what_was_forgotten_is_told(cloud: Cloud) -> None:
    app: Any = Application("shop", platform=cloud)  # type: ignore[arg-type]
    ledger = app.s3("ledger", "s3://lake-of-orders/ledger/{year:%Y}")
    audit = app.s3("audit", "s3://lake-of-orders/audit/{year:%Y}")
    app.create_data("report", inputs=[ledger, audit], compute_targets="output = ledger")
    cloud.activate(app)
    clock = [NOW - 91 * DAY]
    engine = engine_of(cloud, "shop", clock)
    engine.on_named("shop", "ledger", ("2024",), "e1")
    clock[0] = NOW
    found = app.explain("report", "2024")
    [gone] = found.forgotten
    assert (gone.alias, gone.partition) == ("ledger", "2024")
    assert "ledger 2024 came at" in str(found) and "is forgotten: it must arrive again" in str(found)
    engine.on_named("shop", "audit", ("2024",), "e2")
    [waiting] = app.get_pending_nodes("report")
    assert "is forgotten, as arrivals of report count for 90 days" in waiting.missing[0].reason
