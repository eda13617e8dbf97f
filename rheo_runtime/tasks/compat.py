"""Airflow's names that moved between the versions that we run on."""

from __future__ import annotations

from airflow.sdk import BaseOperator  # noqa: TID253 - tasks are the part that runs inside Airflow

try:
    from airflow.sdk.exceptions import AirflowException, AirflowFailException, DownstreamTasksSkipped
except ImportError:  # Airflow 3.0
    from airflow.exceptions import AirflowException, AirflowFailException, DownstreamTasksSkipped  # type: ignore[attr-defined,no-redef]

__all__ = ["AirflowException", "AirflowFailException", "BaseOperator", "DownstreamTasksSkipped"]
