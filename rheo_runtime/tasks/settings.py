"""Environment -> where an application's ledger and events are.

The variables are Airflow's own form for a configuration section ``rheo``, so that they can be set on
MWAA as configuration options: ``rheo.table``, ``rheo.event_bus``, ``rheo.poll_seconds``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rheo_runtime.ledger import Ledger

TABLE = "AIRFLOW__RHEO__TABLE"
EVENT_BUS = "AIRFLOW__RHEO__EVENT_BUS"
POLL = "AIRFLOW__RHEO__POLL_SECONDS"

# How often a task asks whether a job has ended; in the environment, because a laptop wants it short.
POLL_SECONDS = float(os.environ.get(POLL, "10"))


def resource_name(app: str) -> str:
    """Return the name of an application's table, where no setting says otherwise.

    >>> resource_name("My_App")
    'rheo-my-app'
    """
    return "rheo-" + "".join(c if c.isalnum() or c == "-" else "-" for c in app.lower()).strip("-")


def ledger(app: str) -> Ledger:
    """Return the ledger of an application; ``{app}`` in the setting stands for its resource name."""
    from rheo_runtime.dynamo import DynamoLedger

    template = os.environ.get(TABLE, "")
    return DynamoLedger(template.replace("{app}", resource_name(app)) or resource_name(app))


def event_bus() -> str:
    """Return the bus that signals are sent to."""
    return os.environ.get(EVENT_BUS, "default")


def client(service: str) -> Any:
    """Return a boto3 client by the environment's own credentials."""
    import boto3

    return boto3.client(service)  # type: ignore[call-overload]


def role_arn(role: str) -> str:
    """Return the ARN of a role, given by path and name; ``{region}`` stands for the region."""
    import boto3

    session = boto3.Session()
    caller = session.client("sts").get_caller_identity()
    partition = caller["Arn"].split(":")[1]
    return (
        f"arn:{partition}:iam::{caller['Account']}:role/{role.replace('{region}', session.region_name or '')}"
    )
