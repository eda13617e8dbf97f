"""The guide's programs on real Airflow and real Spark, on made-up data."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from rheodsl.loading import load_app

from .conftest import Lab

pytestmark = pytest.mark.slow
EXAMPLES = Path(__file__).parents[2] / "examples"
DAY = date(2021, 1, 16)


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def plan(order: int, day: date) -> dict[str, Any]:
    return {
        "order_id": f"o{order}", "iaid": "a1", "planning_date": f"{day}", "ship_method": "UPS_NEXT",
        "planned_shipment_id": f"p{order}", "fulfillment_reference_id": "f", "marketplace_id": 1, "fc_name": "EWR4",
        "order_fta_flag": 1, "redecide_flag": 0, "redecide_reason": "MissedAllocationDeadline" if order == 2 else "",
        "ship_option": "second-nominated-day", "context_name": "f2p_production",
    }  # fmt: skip


def shipped(order: int, day: date, region: int = 1) -> dict[str, Any]:
    return {
        "ordering_order_id": f"o{order}", "asin": "a1", "order_datetime": f"{DAY} 08:00:00",
        "ship_date_utc": f"{day} 10:00:00", "warehouse_id": "EWR4", "ship_method": "AMZL_US_PREMIUM", "quantity": order,
        "planned_shipment_id": f"p{order}", "fulfillment_shipment_id": f"s{order}", "fulfillment_reference_id": "f",
        "clock_stop_event_datetime_utc": f"{day + timedelta(2)} 09:00:00",
        "internal_promised_delivery_date_item": f"{day + timedelta(order)}",
        "region_id": region, "marketplace_id": 1, "customer_ship_option": "second-nominated-day",
    }  # fmt: skip


def test_the_plans_of_a_week(stack: Lab) -> None:
    app = load_app(EXAMPLES / "plans" / "app.py")
    app.platform = stack.platform
    stack.start(app)
    stack.client("s3").create_bucket(Bucket="perfectmile")  # of the table's owner: the catalog says where
    for back in range(3):  # of the archive's seven days, three exist
        day = DAY - timedelta(back)
        stack.put(
            f"s3://denorm-results/denormalized_archive/creation_date={day}/part-0.json",
            lines([plan(back + 1, day)]),
        )
    for order, ahead in ((1, -2), (2, 0), (3, 5)):  # past, the day itself, and the future
        day = DAY + timedelta(ahead)
        rows = [shipped(order, day), shipped(9, day, region=2)]
        stack.put(f"s3://perfectmile/package_items/ship_day={day}/part-0.json", lines(rows))

    assert set(app.process(app["daily_timer"][DAY.isoformat()])) == {"denorm_archive_ad", "dppi_df"}
    path = stack.until(lambda: app.poll(app["ramp"][DAY.isoformat()]), 400)
    assert path == f"s3://rheo-adpd-training/internal_data/ramp/{DAY}"

    rows = next(app.load_data(app["ramp"][DAY.isoformat()])).to_dict("records")
    found = {
        row["order_id"]: (
            row["dosi_carrier"],
            row["int_dea_status"],
            row["plan_ever_missed_deadline"],
            row["quantity"],
        )
        for row in rows
    }
    assert found == {
        "o1": ("AMZL", "IntLate", "N", 1),
        "o2": ("AMZL", "IntOnTime", "Y", 2),
        "o3": ("AMZL", "IntEarly", "N", 3),
    }


def test_two_days_of_two_data_sets(stack: Lab) -> None:
    app = load_app(EXAMPLES / "selection" / "app.py")
    app.platform = stack.platform
    stack.start(app)
    root = "s3://dex-ml-eureka-model-training-data/cradle_eureka_p3/v8_00"
    for day in ("2020-03-17", "2020-03-18"):
        everything, training = f"{root}/all-data/partition_day={day}", f"{root}/training-data/NA/{day}"
        for folder, names in ((training, [f"used-{day}"]), (everything, [f"used-{day}", f"left-{day}"])):
            stack.put(f"{folder}/part-0.csv", "name\n" + "".join(f"{name}\n" for name in names))
            stack.put(f"{folder}/_SUCCESS")
    output = app["eureka_default_selection_data_over_two_days"]["NA"]["18-03-2020"]
    assert stack.until(lambda: app.poll(output), 200)
    # The day before ran too, on the days that it had; this one has both.
    rows = next(app.load_data(output)).to_dict("records")
    assert sorted(row["name"] for row in rows) == ["left-2020-03-17", "left-2020-03-18"]


def test_scala_and_python_over_one_table(stack: Lab) -> None:
    app = load_app(EXAMPLES / "mixed" / "app.py")
    app.platform = stack.platform
    stack.start(app)
    stack.client("s3").create_bucket(Bucket="dex-ml-catalog")
    customers = [{"customer_id": n, "clicks": 10 * n} for n in range(3)]
    stack.put("s3://dex-ml-catalog/d_ad_orders_na/order_day=2021-01-14/part-0.json", lines(customers))
    table = app["d_ad_orders_na"]["2021-01-14"]
    assert len(app.process(table)) == 3
    for node, extra in (
        ("SCALA", {}),
        ("PYTHON", {}),
        ("SCALA_COMPLEX", {"day": "2021-01-14", "param": "PARAM1"}),
    ):
        output = app[f"REPEAT_AD_ORDERS_IN_{node}"]["2021-01-14"]
        assert stack.until(lambda output=output: app.poll(output), 200)
        rows = next(app.load_data(output)).to_dict("records")
        assert sorted(rows, key=lambda row: row["customer_id"]) == [{**row, **extra} for row in customers]
