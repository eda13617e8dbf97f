"""An application and the signals that most tests of this folder look at."""

from __future__ import annotations

import pytest

from rheodsl import Application, SignalNode


@pytest.fixture
def app() -> Application:
    return Application("shop")


@pytest.fixture
def orders(app: Application) -> SignalNode:
    return app.s3("orders", "s3://lake/orders/{region_id:int}/{day:%Y-%m-%d}")


@pytest.fixture
def ships(app: Application) -> SignalNode:
    return app.s3("ships", "s3://lake/ships/{region}/{ship_day:%d-%m-%Y}")


@pytest.fixture
def hours(app: Application) -> SignalNode:
    return app.s3("hours", "s3://lake/hours/{region}/{hour:%Y-%m-%d %H}")
