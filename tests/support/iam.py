"""Policies of IAM, evaluated: which calls a role may make, and which of its permissions no call needs.

What a call is to IAM, its action and the resource that it names, is read from botocore's models and from AWS's own
table of actions (policy_sentry); our templates and pages say what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from rheo_runtime.wire import resource_name

# What IAM calls a call of botocore's, where it is not the call's own name: AWS's service authorization reference.
ACTIONS = {
    "s3:HeadBucket": ["s3:ListBucket"],
    "s3:HeadObject": ["s3:GetObject"],
    "s3:ListObjectsV2": ["s3:ListBucket"],
    "s3:ListObjectVersions": ["s3:ListBucketVersions"],
    "s3:DeleteObjects": ["s3:DeleteObject"],
    "s3:CopyObject": ["s3:GetObject", "s3:PutObject"],
    "s3:CreateMultipartUpload": ["s3:PutObject"],
    "s3:UploadPart": ["s3:PutObject"],
    "s3:UploadPartCopy": ["s3:GetObject", "s3:PutObject"],
    "s3:CompleteMultipartUpload": ["s3:PutObject"],
}
SERVICES = {
    "mwaa": "airflow",
    "events": "events",
    "stepfunctions": "states",
    "emr-serverless": "emr-serverless",
}
SAGEMAKER = {"TrainingJob": "training-job", "TransformJob": "transform-job", "Model": "model"}
# Calls that hand a role to a service, by the field that names it.
PASSED = {
    "emr-serverless:StartJobRun": ("executionRoleArn", "emr-serverless.amazonaws.com"),
    "sagemaker:CreateModel": ("ExecutionRoleArn", "sagemaker.amazonaws.com"),
    "sagemaker:CreateTrainingJob": ("RoleArn", "sagemaker.amazonaws.com"),
}
TEST = "the test"
FREE = {"sts:GetCallerIdentity"}  # needs no permission


@dataclass(frozen=True, order=True)
class Call:
    """A call as IAM sees it: an action on a resource, with the values of condition keys that we know."""

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.action} on {self.resource}"


@dataclass
class Recorder:
    """Calls of boto3's clients in this process, by who makes them.

    ``account`` and ``region`` are those in which it all happens.
    """

    account: str
    region: str
    calls: dict[str, set[Call]] = field(default_factory=dict)
    who: str = TEST

    def note(self, service: str, operation: str, given: Mapping[str, Any]) -> None:
        """Remember a call, but for those of the test itself."""
        if self.who == TEST:
            return
        found = self.calls.setdefault(self.who, set())
        found.update(calls_of(service, operation, given, self.account, self.region))


def calls_of(
    service: str, operation: str, given: Mapping[str, Any], account: str, region: str
) -> Iterator[Call]:
    """Yield what a call is to IAM. Raises LookupError for an action that AWS does not have."""
    name = f"{SERVICES.get(service, service)}:{operation}"
    if name in FREE:
        return
    for action in ACTIONS.get(name, [name]):
        if not known(action):
            raise LookupError(f"AWS has no action {action}")
        for resource in resources(action, given, account, region):
            yield Call(action, resource, context(action, given))
    if name in PASSED:
        field, to = PASSED[name]
        yield Call("iam:PassRole", given[field], (("iam:PassedToService", to),))


@cache
def known(action: str) -> bool:
    """Whether AWS's table of actions has one."""
    return bool(_rows(action))


@cache
def _rows(action: str) -> tuple[str, ...]:
    """The forms of ARNs on which an action is allowed; ``*`` alone where it knows none."""
    from policy_sentry.querying.actions import get_action_data

    service, _, name = action.partition(":")
    found = get_action_data(service, name)
    return tuple(row["resource_arn_format"] for row in found[service]) if found else ()


def takes_arn(action: str) -> bool:
    """Whether an action is allowed on resources, and not on all of them alone."""
    return any(form != "*" for form in _rows(action))


def resources(action: str, given: Mapping[str, Any], account: str, region: str) -> list[str]:
    """Return the ARNs that a call names."""
    service = action.partition(":")[0]
    here = f"{region}:{account}"
    if not takes_arn(action):
        return ["*"]
    match service:
        case "s3":
            bucket = f"arn:aws:s3:::{given['Bucket']}"
            if "Key" not in given and "Delete" not in given:
                return [bucket]
            deleted = given.get("Delete", {}).get("Objects", ())
            keys = [each["Key"] for each in deleted] or [given["Key"]]
            source = given.get("CopySource")
            if action == "s3:GetObject" and source is not None:
                return [f"arn:aws:s3:::{source['Bucket']}/{source['Key']}"]
            return [f"{bucket}/{key}" for key in keys]
        case "dynamodb":
            tables = given.get("RequestItems", {given.get("TableName"): None})
            index = f"/index/{given['IndexName']}" if given.get("IndexName") else ""
            return [f"arn:aws:dynamodb:{here}:table/{table}{index}" for table in tables]
        case "sqs":
            queue = given["QueueName"] if "QueueName" in given else given["QueueUrl"].rpartition("/")[2]
            return [f"arn:aws:sqs:{here}:{queue}"]
        case "cloudformation":
            return [f"arn:aws:cloudformation:{here}:stack/{given['StackName']}/*"]
        case "lambda":
            return [f"arn:aws:lambda:{here}:event-source-mapping:{given['UUID']}"]
        case "scheduler":
            return [f"arn:aws:scheduler:{here}:schedule/{given['GroupName']}/{given['Name']}"]
        case "events":
            return [
                f"arn:aws:events:{here}:event-bus/{each.get('EventBusName', 'default')}"
                for each in given["Entries"]
            ]
        case "airflow":
            role = "/*" if action == "airflow:InvokeRestApi" else ""
            kind = "role" if role else "environment"
            return [f"arn:aws:airflow:{here}:{kind}/{given['Name']}{role}"]
        case "logs":
            stream = given.get("logStreamName")
            group = f"arn:aws:logs:{here}:log-group:{given['logGroupName']}"
            return [f"{group}:log-stream:{stream}" if stream else f"{group}:*"]
        case "glue":
            return _glue(given, here)
        case "sns":
            return [given["TopicArn"]]
        case "athena":
            # Of a query that runs, which workgroup's is known to Athena alone.
            return [f"arn:aws:athena:{here}:workgroup/{given.get('WorkGroup', '*')}"]
        case "batch":
            if "jobId" in given:
                return [f"arn:aws:batch:{here}:job/{given['jobId']}"]
            queue, definition = given["jobQueue"], given["jobDefinition"]
            return [
                each if each.startswith("arn:") else f"arn:aws:batch:{here}:{kind}/{each}"
                for kind, each in (("job-queue", queue), ("job-definition", definition))
            ]
        case "emr-serverless":
            run = f"/jobruns/{given['jobRunId']}" if "jobRunId" in given else ""
            return [f"arn:aws:emr-serverless:{here}:/applications/{given['applicationId']}{run}"]
        case "sagemaker":
            ((kind, name),) = [(key, given[f"{key}Name"]) for key in SAGEMAKER if key in action]
            return [f"arn:aws:sagemaker:{here}:{SAGEMAKER[kind]}/{name}"]
        case "secretsmanager":
            # AWS adds six characters to a secret's name.
            return [f"arn:aws:secretsmanager:{here}:secret:{given['SecretId']}-AbCdEf"]
        case "ses":
            return [f"arn:aws:ses:{here}:identity/{given['Source'].partition('@')[2]}"]
        case "states":
            return [given["stateMachineArn"] if "stateMachineArn" in given else given["executionArn"]]
    raise LookupError(f"which resource does {action} name?")


def _glue(given: Mapping[str, Any], here: str) -> list[str]:
    if "JobName" in given or "JobRunId" in given:
        return [f"arn:aws:glue:{here}:job/{given['JobName']}"]
    table = given.get("TableName", given.get("Name"))
    base = [f"arn:aws:glue:{here}:catalog", f"arn:aws:glue:{here}:database/{given['DatabaseName']}"]
    return [*base, f"arn:aws:glue:{here}:table/{given['DatabaseName']}/{table}"]


def context(action: str, given: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the values of condition keys that a call has."""
    if action == "s3:ListBucket" and "Prefix" in given:
        return (("s3:prefix", given["Prefix"]),)
    if action == "events:PutEvents":
        return tuple(("events:source", each["Source"]) for each in given["Entries"])
    if action == "cloudwatch:PutMetricData":
        return (("cloudwatch:namespace", given["Namespace"]),)
    return ()


# --- policies ---


@dataclass(frozen=True)
class Grant:
    """One action on one resource of one statement."""

    action: str
    resource: str
    condition: tuple[tuple[str, str, tuple[str, ...]], ...] = ()

    def allows(self, call: Call) -> bool:
        """Whether this lets a call be made."""
        known = dict(call.context)
        return (
            matches(call.action.lower(), self.action.lower())
            and (matches(call.resource, self.resource) or matches(self.resource, call.resource))
            and all(_holds(operator, known.get(key), values) for operator, key, values in self.condition)
        )


def _holds(operator: str, value: str | None, values: Iterable[str]) -> bool:
    """Whether a condition holds; the kinds that our policies have."""
    if value is None:
        return False
    if operator == "StringEquals":
        return value in values
    assert operator in ("StringLike", "ArnLike"), operator
    return any(matches(value, each) for each in values)


def matches(text: str, pattern: str) -> bool:
    """Whether IAM's ``*`` and ``?`` fit; other signs stand for themselves."""
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def grants(statements: Iterable[Mapping[str, Any]]) -> list[Grant]:
    """Return what statements allow, one action and resource each."""
    return [
        Grant(action, resource, _condition(statement.get("Condition", {})))
        for statement in statements
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    ]


def _condition(given: Mapping[str, Any]) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    return tuple(
        (op, key, tuple(listed(values))) for op, keys in given.items() for key, values in keys.items()
    )


def listed(value: Any) -> list[Any]:
    """A list of one or several."""
    return list(value) if isinstance(value, list | tuple) else [value]


def refused(calls: Iterable[Call], allowed: Iterable[Grant]) -> list[str]:
    """Return the calls that nothing allows."""
    known = list(allowed)
    return sorted(str(call) for call in calls if not any(grant.allows(call) for grant in known))


def resolved(value: Any, given: Mapping[str, str], attributes: Mapping[str, str]) -> Any:
    """Return a part of a template with what CloudFormation fills in; conditions hold where both are given."""
    if isinstance(value, list):
        return [each for each in (resolved(v, given, attributes) for v in value) if each is not None]
    if not isinstance(value, Mapping):
        return value
    if "Ref" in value:
        return given.get(value["Ref"], f"<{value['Ref']}>")
    if "Fn::GetAtt" in value:
        id, attribute = value["Fn::GetAtt"]
        return attributes.get(f"{id}.{attribute}", f"<{id}.{attribute}>")
    if "Fn::Sub" in value:
        text = {**given, **attributes}
        return re.sub(r"\$\{([^}]+)\}", lambda m: text.get(m.group(1), f"<{m.group(1)}>"), value["Fn::Sub"])
    if "Fn::If" in value:
        condition, yes, no = value["Fn::If"]
        chosen = resolved(yes if given.get(condition) == "true" else no, given, attributes)
        return None if chosen == "<AWS::NoValue>" else chosen
    return {key: resolved(part, given, attributes) for key, part in value.items()}


def role_statements(
    made: Mapping[str, Any], app: str, role: str, region: str, account: str
) -> list[dict[str, Any]]:
    """The statements of a role or policy of an application's template, as they are in the account."""
    given = {
        "AWS::Partition": "aws", "AWS::Region": region, "AWS::AccountId": account, "MwaaEnvironment": "prod",
        "AirflowApiRole": "User", "EventBus": "default", "HasAirflowRole": "true", "AirflowRole": "airflow",
    }  # fmt: skip
    here, name = f"{region}:{account}", resource_name(app)
    attributes = {
        "Queue.Arn": f"arn:aws:sqs:{here}:{name}", "DeadLetters.Arn": f"arn:aws:sqs:{here}:{name}-dlq",
        "Ledger.Arn": f"arn:aws:dynamodb:{here}:table/{name}", "ListenerLog.Arn": f"arn:aws:logs:{here}:log-group:/aws/lambda/x:*",
    }  # fmt: skip
    for id, each in made["Resources"].items():
        if each["Type"] == "AWS::IAM::Role" and "RoleName" in each["Properties"]:
            called = resolved(each["Properties"]["RoleName"], given, {})
            attributes[f"{id}.Arn"] = f"arn:aws:iam::{account}:role{each['Properties']['Path']}{called}"
    properties = made["Resources"][role]["Properties"]
    documents = [p["PolicyDocument"] for p in properties.get("Policies", ())]
    documents += [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
    documents += [
        made["Resources"][arn["Ref"]]["Properties"]["PolicyDocument"]
        for arn in properties.get("ManagedPolicyArns", ())
    ]
    found: list[dict[str, Any]] = resolved([s for d in documents for s in d["Statement"]], given, attributes)
    return found
