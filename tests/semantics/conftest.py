"""An empty application for each story."""

from __future__ import annotations

import pytest

from rheodsl import Application


@pytest.fixture
def app() -> Application:
    return Application("shop")
