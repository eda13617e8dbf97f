"""Data as data frames of a real Spark."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.cloud import Cloud

from rheo_platforms.data import spark_reader
from rheodsl import Application

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    made = spark_reader.session(None)
    yield made
    made.stop()


def test_a_window_becomes_one_frame(cloud: Cloud, session: Any, capfd: pytest.CaptureFixture[str]) -> None:
    cloud.session.client("s3").create_bucket(Bucket="lake")
    app = Application("shop", platform=cloud)  # type: ignore[arg-type]
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}", format="CSV")
    for day, more in (("11", ""), ("12", ",city")):
        for part in (0, 1):
            cloud.put(
                f"s3://lake/orders/2021-01-{day}/p{part}/part.csv",
                f"id,name{more}\n{day},ann{',x' if more else ''}\n",
            )
        cloud.put(f"s3://lake/orders/2021-01-{day}/_SUCCESS")
    data = app.load_data(orders[:-5], format="SPARK", values=["2021-01-13"])
    frame = next(data)
    assert frame.columns == ["id", "name", "city"]
    assert sorted((row.id, row.city) for row in frame.collect()) == [
        (11, None),
        (11, None),
        (12, "x"),
        (12, "x"),
    ]
    assert spark_reader.session(None) is session  # the active one is taken
    each = app.load_data(orders[:-5], 3, "SPARK", session, True, columns=["id"], values=["2021-01-13"])
    assert [[row.id for row in part.collect()] for part in each] == [[12, 12], [11]]
