"""The platform of these tests, and their jobs: none may ask for more than the role of its job allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cloud import cloud as cloud

SPARK_4_1 = Path(__file__).parents[2] / ".venv-spark-4.1" / "bin" / "python"


@pytest.fixture(scope="session", autouse=True)
def spark_4_1() -> Iterator[None]:
    """Every Spark of these tests is told where that of Glue 6.0 is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RHEO_SPARK_4_1", str(SPARK_4_1))
        yield


@pytest.fixture(scope="session")
def rheo_compute() -> Iterator[Callable[..., Any]]:
    """`run_compute` on a Spark that writes down what is asked of it."""
    from support.jobs import recording

    from rheodsl.testing import run_compute

    with recording():
        yield run_compute


@pytest.fixture(autouse=True)
def job_watch(request: pytest.FixtureRequest) -> Iterator[Any]:
    """What the jobs of a test ask for, all of which the template of their application has to allow."""
    if "rheo_compute" not in request.fixturenames:
        yield None
        return
    from support.jobs import watched

    with watched() as watch:
        yield watch
    assert watch.refused() == []
