"""What an application's tasks expect of AWS, by ``stack.json`` -> stand-ins of it; safe to repeat.

Databases and EMR applications are the application's own. State machines, queues and definitions of AWS
Batch, topics and senders exist on AWS already: here each gets a stand-in, which does nothing and succeeds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from platforms.local.http import call_json
from platforms.local.moto import ACCOUNT

Entry = Mapping[str, Any]
_ROLE = f"arn:aws:iam::{ACCOUNT}:role/rheo-local"
# moto runs state machines really, and jobs of Batch not in Docker.
_MOTO = {"batch": {"use_docker": False}, "stepfunctions": {"execute_state_machine": True}}
_PASS = {"StartAt": "Pass", "States": {"Pass": {"Type": "Pass", "End": True}}}


def make(services: Mapping[str, Sequence[Entry]], session: Any) -> None:
    """Make what ``stack.json`` lists under the names below; other names are left alone."""
    if services.keys() & {"batch_jobs", "state_machines"}:
        call_json("POST", f"{session.client('sts').meta.endpoint_url}/moto-api/config", _MOTO)
    for kind, rule in _RULES.items():
        for entry in services.get(kind, ()):
            rule(entry, session)


def _database(entry: Entry, session: Any) -> None:
    _unless_there(session.client("glue").create_database, DatabaseInput={"Name": entry["name"]})


def _emr_application(entry: Entry, session: Any) -> None:
    # One of this name stays as it is.
    session.client("emr-serverless").create_application(
        name=entry["name"], releaseLabel=entry["release"], type="SPARK", clientToken=entry["name"][:64]
    )


def _state_machine(entry: Entry, session: Any) -> None:
    name = entry["arn"].rpartition(":")[2]
    create = session.client("stepfunctions").create_state_machine
    _unless_there(create, name=name, definition=json.dumps(_PASS), roleArn=_ROLE)


def _batch_job(entry: Entry, session: Any) -> None:
    batch = session.client("batch")
    queue, definition = (_last(entry[key]) for key in ("queue", "definition"))
    if not batch.describe_compute_environments(computeEnvironments=["rheo-local"])["computeEnvironments"]:
        role = session.client("iam").create_role(RoleName="rheo-local-batch", AssumeRolePolicyDocument="{}")
        batch.create_compute_environment(
            computeEnvironmentName="rheo-local",
            type="UNMANAGED",
            state="ENABLED",
            serviceRole=role["Role"]["Arn"],
        )
    if not batch.describe_job_queues(jobQueues=[queue])["jobQueues"]:
        order = [{"order": 1, "computeEnvironment": "rheo-local"}]
        batch.create_job_queue(jobQueueName=queue, state="ENABLED", priority=1, computeEnvironmentOrder=order)
    name, _, revision = definition.partition(":")
    while True:
        known = batch.describe_job_definitions(jobDefinitionName=name)["jobDefinitions"]
        if max((each["revision"] for each in known), default=0) >= int(revision or 1):
            return
        container = {"image": "busybox", "vcpus": 1, "memory": 128}
        batch.register_job_definition(jobDefinitionName=name, type="container", containerProperties=container)


def _topic(entry: Entry, session: Any) -> None:
    session.client("sns").create_topic(Name=_last(entry["arn"]))


def _sender(entry: Entry, session: Any) -> None:
    session.client("ses").verify_email_identity(EmailAddress=entry["address"])


_RULES: Mapping[str, Callable[[Entry, Any], None]] = {
    "databases": _database,
    "emr_applications": _emr_application,
    "state_machines": _state_machine,
    "batch_jobs": _batch_job,
    "topics": _topic,
    "senders": _sender,
}


def _last(arn: str) -> str:
    """A name, or the end of an ARN.

    >>> _last("arn:aws:batch:us-east-1:123456789012:job-queue/cheap"), _last("crunch:1")
    ('cheap', 'crunch:1')
    """
    if not arn.startswith("arn:"):
        return arn
    return arn.split(":", 5)[5].rpartition("/")[2]


def _unless_there(call: Callable[..., object], **arguments: Any) -> None:
    try:
        call(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("AlreadyExistsException", "StateMachineAlreadyExists"):
            raise
