"""Airflow 3.3.1 with amazon provider 9.34.0, MWAA's newest: one run for each partition key of an asset."""

from __future__ import annotations

from codegen.dialects.base import Dialect, Scheduled
from codegen.plan import ByHand, OnCron, OnEvents, Schedule
from codegen.source import Raw, comment, literal

SDK = "airflow.sdk"


def schedule(when: Schedule) -> Scheduled:
    """Events come to the DAG's own asset, the output partition as their key."""
    match when:
        case OnEvents(asset):
            return Scheduled(
                Raw("PartitionedAssetTimetable(assets=READY)"),
                imports=((SDK, "Asset"), (SDK, "PartitionedAssetTimetable")),
                before=Raw(
                    comment(
                        "Gets an event for each output partition that is ready; each event starts one run."
                    )
                    + f"\nREADY = Asset({literal(asset)})"
                ),
            )
        case OnCron(expression, key_format=None, timezone=zone):
            return Scheduled(
                Raw(f"CronTriggerTimetable({literal(expression)}, timezone={literal(zone)})"),
                imports=((SDK, "CronTriggerTimetable"),),
            )
        case OnCron(expression, key_format=key_format, timezone=zone):
            return Scheduled(
                Raw(
                    f"CronPartitionTimetable({literal(expression)}, timezone={literal(zone)}, "
                    f"key_format={literal(key_format)})"
                ),
                imports=((SDK, "CronPartitionTimetable"),),
            )
        case ByHand():
            return Scheduled(Raw("None"))


DIALECT = Dialect(
    name="mwaa-3.3",
    airflow="3.3.1",
    amazon="9.34.0",
    schedule=schedule,
    operators={
        "GlueComputeOperator": {"resume_glue_job_on_retry": True},
        "GlueBatchOperator": {"resume_glue_job_on_retry": True},
    },
)
