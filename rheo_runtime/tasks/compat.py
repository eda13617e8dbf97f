"""Airflow's names that moved between the versions that we run on."""

from __future__ import annotations

from airflow.sdk import BaseOperator  # noqa: TID253 - tasks are the part that runs inside Airflow

try:
    from airflow.sdk.exceptions import AirflowFailException, DownstreamTasksSkipped
except ImportError:  # Airflow 3.0
    from airflow.exceptions import AirflowFailException, DownstreamTasksSkipped  # type: ignore[no-redef]

__all__ = ["AirflowFailException", "BaseOperator", "DownstreamTasksSkipped"]
