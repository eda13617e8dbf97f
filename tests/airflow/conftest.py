"""Airflow in a home of its own, never the user's."""

from __future__ import annotations

import os
import tempfile

# Before anything imports Airflow: it reads its home once, and makes files there.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="rheo-airflow-")
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")

from compute_lab import dags, moto_aws  # noqa: F401 - fixtures; they import Airflow
