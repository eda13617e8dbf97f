"""Fixtures for tests of applications, and what was waiting and why beside a failed assertion.

    @pytest.mark.rheo_app("pipelines/daily.py")
    def test_daily(rheo_app, rheo_sim):
        assert [r.node for r in rheo_sim.send(rheo_app["orders"][1]["2020-03-18"])] == ["daily"]

``rheo_app`` is the application of the file that the mark, or ``rheo_app`` in the pytest
configuration, names; ``rheo_sim`` is a fresh simulator of it; ``rheo_compute`` runs the compute of a node
over objects that the test gives.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rheo_runtime.values import joined
from rheodsl.application import Application
from rheodsl.loading import load_app
from rheodsl.testing import Simulator

if TYPE_CHECKING:
    from rheodsl.testing import ComputeRun

_SIMULATOR = pytest.StashKey[Any]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini option ``rheo_app``."""
    parser.addini("rheo_app", "file of the Rheo application under test, below the root folder", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Describe the mark."""
    config.addinivalue_line("markers", "rheo_app(file): the Rheo application that rheo_app and rheo_sim load")


@pytest.fixture
def rheo_app(request: pytest.FixtureRequest) -> Application:
    """The application under test."""
    mark = request.node.get_closest_marker("rheo_app")
    file = mark.args[0] if mark and mark.args else request.config.getini("rheo_app")
    if not file:
        pytest.fail(
            "name the application: @pytest.mark.rheo_app('app.py'), or rheo_app = app.py in the ini file"
        )
    path = Path(file)
    return load_app(path if path.is_absolute() else request.config.rootpath / path)


@pytest.fixture
def rheo_sim(request: pytest.FixtureRequest, rheo_app: Application) -> Simulator:
    """A simulator of the application under test."""
    simulator = Simulator(rheo_app)
    request.node.stash[_SIMULATOR] = simulator
    return simulator


@pytest.fixture(scope="session")
def rheo_compute() -> Generator[Callable[..., ComputeRun], None, None]:
    """`rheodsl.testing.run_compute`, whose Spark stays warm until the last test has ended."""
    module = import_module("rheodsl.testing.compute")
    yield module.run_compute
    module.close_session()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what the simulator knows to the report of a failed test."""
    report = yield
    simulator = item.stash.get(_SIMULATOR, None)
    if simulator is not None and report.when == "call" and report.failed:
        report.sections.append(("Rheo", account(simulator)))
    return report


def account(simulator: Simulator) -> str:
    """Return what ran, what is waiting and why, and which events had no effect."""
    lines = [f"ran      {run.id}  {run.state}" for run in simulator.runs]
    for waiting in simulator.pending():
        lines.append(f"waiting  {waiting.node} {waiting.output or ''}".rstrip())
        lines += [
            f"           arrived: {alias} {joined(texts)}".rstrip()
            for alias, texts in waiting.arrived.items()
        ]
        lines += [f"           missing: {m.alias} {m.what}: {m.reason}" for m in waiting.missing]
    lines += [f"rejected {rejected.what}: {rejected.reason}" for rejected in simulator.rejected]
    lines += [f"no match {unmatched}" for unmatched in simulator.unmatched]
    return "\n".join(lines) or "no event was sent"
