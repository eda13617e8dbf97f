"""What one application needs around it, made on the local stack: buckets, table, queues, rules, jobs; safe to repeat.

Databases and EMR applications are the application's own. State machines, queues and definitions of AWS
Batch, topics and senders exist on AWS already: here each gets a stand-in, which does nothing and succeeds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from codegen.cloudformation import events
from rheo_platforms.deployment import ACTIVE
from rheo_platforms.local.aws_stand_in import ACCOUNT
from rheo_platforms.local.http import call_json
from rheo_platforms.local.specification import GlueJob, Specification
from rheo_runtime import wire
from rheo_runtime.dynamodb import create_table

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
    make_services(stack.services, session)


def withdraw(stack: Specification, session: boto3.Session) -> None:
    """Remove what `provision` has made, but buckets and the table; safe to repeat."""
    bus, sqs, glue = session.client("events"), session.client("sqs"), session.client("glue")
    for kind in patterns(stack):
        name = f"{stack.queue}-{kind}"
        _unless_gone(bus.remove_targets, Rule=name, Ids=["queue"])
        _unless_gone(bus.delete_rule, Name=name)
    for queue in (stack.queue, stack.gather, stack.dead_letters):
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
    attributes: Any = {"VisibilityTimeout": str(VISIBILITY_SECONDS), "RedrivePolicy": json.dumps(redrive)}
    gather, events = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in (stack.gather, stack.queue))
    for url in (gather, events):
        sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
    return _arn(sqs, events)


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
    """Return the event patterns of the rules that feed the application's queue, by rule.

    Of objects those are heard that are heard on AWS, and no others: a run writes many.
    """
    table = wire.RouteTable.loads(stack.routes.read_text("utf-8"))
    sends = (e.app for s in table.signals for e in s.events if isinstance(e, wire.SignalEvents))
    # All applications of a stack are in one account.
    theirs = [each for app in sorted({*sends} - {table.app}) for each in events.heard_of(table, app)]
    return {
        **dict(events.numbered("upstream", "rheo", "rheo.signal", theirs)),
        **{
            name: each
            for name, each in events.patterns(table, ())
            if each["source"] in (["aws.s3"], ["rheo"])
        },
        "alarms": {"source": ["aws.cloudwatch"], "detail-type": ["CloudWatch Alarm State Change"]},
        "catalog": {"source": ["aws.glue"], "detail-type": ["Glue Data Catalog Table State Change"]},
    }


def _rules(stack: Specification, session: boto3.Session, queue: str) -> None:
    bus = session.client("events")
    for kind, pattern in patterns(stack).items():
        name = f"{stack.queue}-{kind}"
        bus.put_rule(Name=name, EventPattern=json.dumps(pattern))
        bus.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": queue}])


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


Entry = Mapping[str, Any]
_ROLE = f"arn:aws:iam::{ACCOUNT}:role/rheo-local"
# moto runs state machines really, and jobs of Batch not in Docker.
_MOTO = {"batch": {"use_docker": False}, "stepfunctions": {"execute_state_machine": True}}
_PASS = {"StartAt": "Pass", "States": {"Pass": {"Type": "Pass", "End": True}}}


def make_services(services: Mapping[str, Sequence[Entry]], session: Any) -> None:
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
