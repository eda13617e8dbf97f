"""Specification of an application -> its buckets, table, queues, rules and Glue jobs; safe to repeat."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from platforms.deployment import ACTIVE
from platforms.local import services
from platforms.local.moto import ACCOUNT
from platforms.local.specification import GlueJob, Specification
from rheo_runtime.dynamo_table import create_table

if TYPE_CHECKING:
    import boto3

# An event that a killed listener held comes back after these seconds.
VISIBILITY_SECONDS = 10
# A local Airflow may be away for minutes, e.g. while a test restarts it: that is no poison message.
RECEIVES = 100


def provision(stack: Specification, session: boto3.Session, *, files: bool = True) -> None:
    """Create or update all that the application needs.

    Parameters
    ----------
    session
        Its clients must reach the local stack, e.g. by ``AWS_ENDPOINT_URL``.
    files
        Copy the compiled files to the application's bucket, too.
    """
    queue = _queues(stack, session)
    _buckets(stack, session)
    create_table(stack.table, session.client("dynamodb"))
    _rules(stack, session, queue)
    if files:
        _files(stack, session)
    glue = session.client("glue")
    for job in stack.glue_jobs:
        _job(stack, job, glue)
    services.make(stack.services, session)


def withdraw(stack: Specification, session: boto3.Session) -> None:
    """Remove what `provision` has made, but buckets and the table; safe to repeat."""
    events, sqs, glue = session.client("events"), session.client("sqs"), session.client("glue")
    for kind in patterns(stack):
        name = f"{stack.queue}-{kind}"
        _unless_gone(events.remove_targets, Rule=name, Ids=["queue"])
        _unless_gone(events.delete_rule, Name=name)
    for queue in (stack.queue, stack.dead_letters):
        try:
            sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"])
        except sqs.exceptions.QueueDoesNotExist:
            continue
    for job in stack.glue_jobs:
        _unless_gone(glue.delete_job, JobName=job.name)


def _unless_gone(call: Callable[..., Any], **what: Any) -> None:
    try:
        call(**what)
    except ClientError as fault:
        if fault.response["Error"]["Code"] not in ("ResourceNotFoundException", "EntityNotFoundException"):
            raise


def _queues(stack: Specification, session: boto3.Session) -> str:
    sqs = session.client("sqs")
    dead = sqs.create_queue(QueueName=stack.dead_letters)["QueueUrl"]
    redrive = {"deadLetterTargetArn": _arn(sqs, dead), "maxReceiveCount": RECEIVES}
    url = sqs.create_queue(QueueName=stack.queue)["QueueUrl"]
    attributes: Any = {"VisibilityTimeout": str(VISIBILITY_SECONDS), "RedrivePolicy": json.dumps(redrive)}
    sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
    return _arn(sqs, url)


def _arn(sqs: Any, url: str) -> str:
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    arn: str = answer["Attributes"]["QueueArn"]
    return arn


def _buckets(stack: Specification, session: boto3.Session) -> None:
    s3 = session.client("s3")
    for bucket in sorted({stack.bucket, *stack.buckets}):
        s3.create_bucket(Bucket=bucket)
        to_bus: Any = {"EventBridgeConfiguration": {}}
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=to_bus)


def patterns(stack: Specification) -> Mapping[str, Mapping[str, Any]]:
    """Return the event patterns of the rules that feed the application's queue, by rule."""
    return {
        "objects": {
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": {"bucket": {"name": sorted({stack.bucket, *stack.buckets})}},
        },
        "signals": {"source": ["rheo"], "detail-type": ["rheo.signal"]},
        "alarms": {"source": ["aws.cloudwatch"], "detail-type": ["CloudWatch Alarm State Change"]},
        "catalog": {"source": ["aws.glue"], "detail-type": ["Glue Data Catalog Table State Change"]},
    }


def _rules(stack: Specification, session: boto3.Session, queue: str) -> None:
    events = session.client("events")
    for kind, pattern in patterns(stack).items():
        name = f"{stack.queue}-{kind}"
        events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": queue}])


def _files(stack: Specification, session: boto3.Session) -> None:
    s3 = session.client("s3")
    for path in sorted(p for p in stack.folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        key = ACTIVE + path.relative_to(stack.folder).as_posix()
        s3.put_object(Bucket=stack.bucket, Key=key, Body=path.read_bytes())


def _job(stack: Specification, job: GlueJob, glue: Any) -> None:
    settings = {
        "Role": f"arn:aws:iam::{ACCOUNT}:role/rheo-{stack.app}-glue",
        "Command": {
            "Name": "glueetl",
            "PythonVersion": "3",
            "ScriptLocation": f"s3://{stack.bucket}/{ACTIVE}{job.script}",
        },
        "DefaultArguments": dict(job.arguments),
        "GlueVersion": job.glue_version,
        "Timeout": job.timeout,
        "ExecutionProperty": {"MaxConcurrentRuns": job.concurrent},
        **({"WorkerType": job.worker_type, "NumberOfWorkers": job.workers} if job.worker_type else {}),
        **job.parameters,
    }
    try:
        glue.create_job(Name=job.name, **settings)
    except ClientError as error:
        if error.response["Error"]["Code"] != "AlreadyExistsException":
            raise
        glue.update_job(JobName=job.name, JobUpdate=settings)
