"""Airflow 3.0.6 with amazon provider 9.12.0: events of one asset merge, so the listener creates the runs."""

from __future__ import annotations

from codegen.dialects.base import Dialect, Scheduled
from codegen.plan import ByHand, OnCron, OnEvents, Schedule
from codegen.source import Raw, comment, literal

TRIGGER = "airflow.timetables.trigger"


def schedule(when: Schedule) -> Scheduled:
    """A DAG that waits for events has no schedule: each of its runs is created under its own run id."""
    match when:
        case OnEvents():
            return Scheduled(
                Raw("None"),
                before=comment(
                    "Runs are created by the listener, one for each output partition that is ready."
                ),
            )
        case OnCron(expression, timezone=zone):
            return Scheduled(
                Raw(f"CronTriggerTimetable({literal(expression)}, timezone={literal(zone)})"),
                imports=((TRIGGER, "CronTriggerTimetable"),),
            )
        case ByHand():
            return Scheduled(Raw("None"))


# Its scheduler takes an asset that is no DAG's schedule or outlet for inactive, and fails every task that
# has an inactive asset among its inlets (AirflowInactiveAssetInInletOrOutletException).
DIALECT = Dialect(
    name="mwaa-3.0", airflow="3.0.6", amazon="9.12.0", schedule=schedule, inlets=False, pumps=False
)
