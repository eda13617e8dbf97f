"""An empty application for each story, and the stories of the second edition that are still to come true."""

from __future__ import annotations

from pathlib import Path

import pytest

from rheodsl import Application

from .pending import PENDING

HERE = Path(__file__).parent


@pytest.fixture
def app() -> Application:
    return Application("shop")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Expect the failure of what is not built: a test of the list that passes must leave the list."""
    to_come = pytest.mark.xfail(strict=True, reason="listed in tests/semantics/pending.py")
    for item in items:
        if item.path.parent != HERE:
            continue
        family = item.name.split("[", 1)[0]
        if not PENDING.isdisjoint({f"{item.path.name}::{item.name}", f"{item.path.name}::{family}"}):
            item.add_marker(to_come)
            if not config.option.runxfail:  # nobody reads these tracebacks, and to render them takes seconds
                item.repr_failure = lambda excinfo, style=None: str(excinfo.value)  # type: ignore[method-assign]
