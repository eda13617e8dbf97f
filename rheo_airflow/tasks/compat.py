"""What differs between the versions of Airflow that we run on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from airflow.sdk import BaseOperator, BaseSensorOperator  # noqa: TID253 - the part that runs inside Airflow
from airflow.sdk.bases.operator import ExecutorSafeguard  # noqa: TID253

from rheo_airflow.tasks import settings

try:
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowSkipException,
        DownstreamTasksSkipped,
    )
except ImportError:  # Airflow 3.0
    from airflow.exceptions import (  # type: ignore[attr-defined,no-redef]
        AirflowException,
        AirflowFailException,
        AirflowSkipException,
        DownstreamTasksSkipped,
    )

__all__ = [
    "AirflowException",
    "AirflowFailException",
    "AirflowSkipException",
    "BaseOperator",
    "BaseSensorOperator",
    "DownstreamTasksSkipped",
    "execute",
]


def execute(operator: BaseOperator, context: Any) -> Any:
    """Execute an operator inside another one, as Airflow's task runner does: on purpose, so without a warning."""
    sentinel = {f"{type(operator).__name__}__sentinel": ExecutorSafeguard.sentinel_value}
    return operator.execute(context, **sentinel)


Answer = TypeVar("Answer")


def until(ask: Callable[[], Answer], over: Callable[[Answer], bool]) -> Answer:
    """Return the first answer that is over; Airflow's own timeout ends the wait."""
    while not over(answer := ask()):
        time.sleep(settings.POLL_SECONDS)
    return answer
