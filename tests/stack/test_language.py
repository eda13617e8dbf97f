"""What people's folders, calendars and late data need, on a real Airflow and a real Spark.

Each node leaves beside its output which partitions it has read; the values are those of docs/semantics.md, sections 11 to 17.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from rheo_platforms.deployment import Deployment
from rheodsl import ITSELF, Application, output

from .conftest import Lab

pytestmark = pytest.mark.slow

APP, LAKE = "language-lab", "s3://language-lab-lake"
Seen = dict[str, dict[str, list[str]]]


def note(input_map: Any, output: Any, params: Any) -> None:
    """Leave which partitions were read."""
    import json

    [path] = output.get_materialized_resource_paths()
    bucket, key = path.removeprefix("s3://").split("/", 1)
    read = {alias: list(signal.paths) for alias, signal in input_map.items() if signal}
    client = params["AWS_BOTO_SESSION"].client("s3")
    client.put_object(Bucket=bucket, Key=f"{key}/read.json", Body=json.dumps(read).encode())


def yesterday() -> date:
    return datetime.now(UTC).date() - timedelta(days=1)


def application(stack: Lab) -> Application:
    app = Application(APP, platform=stack.platform)

    def data(id: str, path: str, **how: Any) -> Any:
        return app.s3(id, f"{LAKE}/{path}", **how)

    def node(id: str, *inputs: Any, **how: Any) -> None:
        app.create_data(id, inputs=[*inputs], compute_targets=note, **how)

    day = "{day:%Y-%m-%d}"
    logs = data("logs", "logs/year={day:%Y}/month={day:%m}/day={day:%d}", format="CSV")
    app.create_data(
        "history",
        inputs=[logs[:-3]],
        compute_targets="output = logs.groupBy('day').count().orderBy('day')",
    )
    node("levels", logs[:-3])
    node("monthly", data("days", f"days/{day}").rollup(day="month"))
    shop = data("shop", f"shop/{day}", dimensions={"day": {"calendar": "MON-FRI"}})
    node("weekly", shop.rollup(day="week"))
    prices = data("prices", f"prices/{day}")
    began = datetime.combine(yesterday(), datetime.min.time(), UTC)
    node("alert", prices.late(after=timedelta(0), since=began))
    node("rolling", data("rates", f"rates/{day}")[:-2].range_check(True), retrigger="updated")
    first = {"day": {"type": "DATETIME", "format": "%Y-%m-%d", "min": "2024-01-01"}}
    bookings = data("bookings", f"bookings/{day}")
    node("balance", bookings, output[-1:].ref.range_check(True), output_dimension_spec=first)
    node("loaded", data("files", "in/orders_{day:%Y%m%d}.csv", completion=ITSELF))
    node("either", data("web", f"web/{day}") | data("store", f"store/{day}"))
    node("quiet", data("parts", f"parts/{day}", completion=None, settle=timedelta(seconds=3)))
    node("marked", data("moves", f"moves/{day}", completion="../_SUCCESS"))
    zone = {"hour": {"timezone": "America/Los_Angeles"}}
    hours = data("hours", "hours/{hour:%Y-%m-%d-%H}", dimensions=zone)
    node("four", hours[:-4].range_check(True))
    quarter = {"at": {"granularity": "MINUTE", "step": 15}}
    node("half", data("ticks", "ticks/{at:%Y-%m-%d-%H-%M}", dimensions=quarter)[:-2].range_check(True))
    return app


def arrive(stack: Lab, *paths: str) -> None:
    for path in paths:
        stack.put(f"{LAKE}/{path}", "n\n1\n" if path.endswith(".csv") else "")


def days(signal: str, *of: str) -> list[str]:
    return [f"{LAKE}/{signal}/{each}" for each in of]


def seen(stack: Lab, deployment: Deployment) -> Seen:
    """What each output has read, of those that are published."""
    client, found = stack.client("s3"), {}
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=deployment.bucket, Prefix="internal_data/"
    )
    keys = {each["Key"] for page in pages for each in page.get("Contents", ())}
    for key in keys:
        folder = key.removesuffix("/read.json")
        if folder != key and f"{folder}/_SUCCESS" in keys:
            found[folder.removeprefix("internal_data/")] = json.loads(
                stack.read(f"s3://{deployment.bucket}/{key}")
            )
    return found


def test_what_folders_calendars_and_late_data_need(stack: Lab) -> None:
    app = application(stack)
    deployment = stack.start(app)
    february = [f"2024-02-{n:02}" for n in range(1, 30)]
    week = [f"2024-03-{n:02}" for n in range(4, 9)]
    for n, level in enumerate(("02/day=28", "02/day=29", "03/day=01"), 1):
        folder = f"logs/year=2024/month={level}"
        arrive(stack, *(f"{folder}/{part}.csv" for part in range(n)), f"{folder}/_SUCCESS")
    arrive(stack, *(f"days/{each}/_SUCCESS" for each in february))
    arrive(stack, *(f"shop/{each}/_SUCCESS" for each in (*week, "2024-03-09")))
    arrive(stack, *(f"rates/2024-01-0{n}/_SUCCESS" for n in (1, 2, 3)))
    arrive(stack, *(f"bookings/2024-01-0{n}/_SUCCESS" for n in (1, 3, 2)))
    arrive(stack, "in/orders_20240101.csv", "web/2024-01-01/_SUCCESS")
    arrive(stack, "parts/2024-01-01/a.csv", "parts/2024-01-01/b.csv")
    arrive(stack, "moves/2024-01-01/a.csv", "moves/2024-01-02/a.csv", "moves/_SUCCESS")
    arrive(stack, *(f"hours/2024-11-03-{n:02}/_SUCCESS" for n in range(4)))
    arrive(stack, *(f"ticks/2024-01-01-10-{n:02}/_SUCCESS" for n in (0, 15, 20)))

    levels = [
        f"{LAKE}/logs/year=2024/month={each}"
        for each in ("03/day=01", *(f"02/day={n}" for n in (29, 28, 27, 26)))
    ]
    expected: Seen = {
        "levels/2024-02-28": {"logs": levels[2:]},
        "levels/2024-02-29": {"logs": levels[1:4]},
        "levels/2024-03-01": {"logs": levels[:3]},
        "monthly/2024-02": {"days": days("days", *february)},
        "weekly/2024-W10": {"shop": days("shop", *week)},
        f"alert/{yesterday()}": {"prices_late": []},
        "rolling/2024-01-02": {"rates": days("rates", "2024-01-02", "2024-01-01")},
        "rolling/2024-01-03": {"rates": days("rates", "2024-01-03", "2024-01-02")},
        "balance/2024-01-01": {"bookings": days("bookings", "2024-01-01"), "balance": []},
        "loaded/20240101": {"files": [f"{LAKE}/in/orders_20240101.csv"]},
        "either/2024-01-01": {"web": days("web", "2024-01-01")},
        "quiet/2024-01-01": {"parts": days("parts", "2024-01-01")},
        "marked/2024-01-01": {"moves": days("moves", "2024-01-01")},
        "marked/2024-01-02": {"moves": days("moves", "2024-01-02")},
        "four/2024-11-03-03": {"hours": days("hours", *(f"2024-11-03-{n:02}" for n in (3, 2, 1, 0)))},
        "half/2024-01-01-10-15": {"ticks": days("ticks", "2024-01-01-10-15", "2024-01-01-10-00")},
    }
    own = f"s3://{deployment.bucket}/internal_data/balance"
    for n in (2, 3):
        past = {"bookings": days("bookings", f"2024-01-0{n}"), "balance": [f"{own}/2024-01-0{n - 1}"]}
        expected[f"balance/2024-01-0{n}"] = past
    stack.until(lambda: seen(stack, deployment).keys() >= expected.keys())
    assert seen(stack, deployment) == expected
    ledger = deployment.ledger
    ran = {o.partition: o.ended[0].moved for o in ledger.outputs("balance")}
    assert sorted(ran, key=ran.__getitem__) == ["2024-01-01", "2024-01-02", "2024-01-03"], "one by one"

    # What comes again, and what comes after all.
    arrive(stack, "rates/2024-01-01/_SUCCESS", "store/2024-01-01/_SUCCESS")
    both = {"web": days("web", "2024-01-01"), "store": days("store", "2024-01-01")}
    stack.until(lambda: seen(stack, deployment)["either/2024-01-01"] == both)

    def generations(node: str) -> dict[str, int]:
        return {o.partition: o.generation for o in ledger.outputs(node) if o.active is None}

    stack.until(lambda: generations("rolling") == {"2024-01-02": 2, "2024-01-03": 1})
    stack.until(lambda: generations("either") == {"2024-01-01": 2})
    for node in ("monthly", "weekly", "quiet", "marked", "four", "half", "loaded", "levels"):
        assert set(generations(node).values()) == {1}, f"{node}: each once"

    # Spark has read each day of the window where it lies, and tells them apart.
    stack.until(lambda: len(stack.runs(APP, "history", "success")) == 3)
    rows = next(app.load_data(app["history"]["2024-03-01"])).astype(str).to_dict("records")
    counts = {"2024-02-28": "1", "2024-02-29": "2", "2024-03-01": "3"}
    assert rows == [{"day": day, "count": count} for day, count in counts.items()]
