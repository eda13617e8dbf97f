"""Airflow in a home of its own, never the user's."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

# Before anything imports Airflow: it reads its home once, and makes files there.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="rheo-airflow-")
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")


@pytest.fixture
def moto_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AWS, as moto plays it."""
    from compute_lab import pretended_aws  # it imports Airflow

    with pretended_aws(monkeypatch):
        yield


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The generated DAGs of every service, each loaded from its file."""
    from compute_lab import generated_dags

    return generated_dags(tmp_path_factory.mktemp("dags"))
