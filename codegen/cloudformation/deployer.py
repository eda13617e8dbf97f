"""An application and a repository -> the roles by which its CI plans, previews and activates, as a template.

The CI signs in by OIDC: there are no keys to keep. Each role may only do what its job needs, and on the resources
of this application alone: they are known by their names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from codegen.cloudformation.names import Resource, Resources, Statement, Value, ref
from codegen.cloudformation.storage import document
from rheo_runtime.wire import resource_name
from rheodsl.errors import RheoError

_ACCOUNT, _REGION = "${AWS::AccountId}", "${AWS::Region}"
_ROOM = 63 - 12 - 15 - 2  # what the longest account and region leave of a bucket's name
_BOUNDARY = "HasPermissionsBoundary"
_READ_BUCKET = ["s3:ListBucket", "s3:GetObject"]
_READ_STACK = [
    "cloudformation:DescribeStacks", "cloudformation:GetTemplate", "cloudformation:DetectStackDrift",
    "cloudformation:DetectStackResourceDrift", "cloudformation:DescribeStackResourceDrifts",
]  # fmt: skip
_READ_STATE = [
    "sqs:GetQueueUrl",
    "dynamodb:Scan",
    "dynamodb:Query",
    "dynamodb:GetItem",
    "dynamodb:BatchGetItem",
]


class RepositoryError(RheoError, ValueError):
    """A repository that is not named as its host names it."""

    code = "RD241"


@dataclass(frozen=True, slots=True)
class Repository:
    """Where the program is kept: on GitHub or GitLab.

    ``issuer`` is who vouches for its jobs, ``audience`` for whom.
    """

    host: str
    path: str
    issuer: str
    audience: str

    @classmethod
    def of(cls, text: str) -> Repository:
        """Read ``github:OWNER/REPOSITORY`` or ``gitlab:GROUP/PROJECT``; raises RepositoryError.

        >>> Repository.of("github:team/sales").issuer
        'token.actions.githubusercontent.com'
        """
        host, _, path = text.partition(":")
        known = {
            "github": ("token.actions.githubusercontent.com", "sts.amazonaws.com"),
            "gitlab": ("gitlab.com", "https://gitlab.com"),
        }
        if host not in known or not re.fullmatch(r"[\w.-]+(/[\w.-]+)+", path):
            raise RepositoryError(
                f"{text!r} is no repository",
                hint="name it like github:OWNER/REPOSITORY or gitlab:GROUP/PROJECT",
            )
        return cls(host, path, *known[host])

    def reviewed(self, stage: str) -> str:
        """Return how a job is called that runs after the review: of the environment ``stage``, or of main."""
        if self.host == "github":
            return f"repo:{self.path}:environment:{stage}"
        return f"project_path:{self.path}:ref_type:branch:ref:main"

    def proposed(self) -> str:
        """Return how a job of a pull request, or of any branch, is called."""
        if self.host == "github":
            return f"repo:{self.path}:pull_request"
        return f"project_path:{self.path}:ref_type:branch:ref:*"


def deployer_template(app: str, stage: str, repository: Repository) -> dict[str, Any]:
    """Return a CloudFormation template of three roles: to plan, to preview, and to activate.

    Parameters
    ----------
    app
        The name of the application at the stage.
    stage
        The stage's name, which is that of the environment in GitHub.
    repository
        Whose jobs may take the roles.
    """
    names, previews = _Names.of(app), _Names.previews(app)
    roles = {
        "Planner": repository.proposed(),
        "Previewer": repository.proposed(),
        "Deployer": repository.reviewed(stage),
    }
    policies = {
        "Reading": (reading(names), ["Planner", "Previewer"]),
        "Previewing": (changing(previews), ["Previewer"]),
        "Deploying": (changing(names), ["Deployer"]),
    }
    resources: Resources = {
        **{role: _role(app, role, repository, subject) for role, subject in roles.items()},
        **{
            id: {
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {"PolicyDocument": document(statements), "Roles": list(map(ref, whose))},
            }
            for id, (statements, whose) in policies.items()
        },
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"{app}: who may plan, preview and activate it, from {repository.host}:{repository.path}.",
        "Parameters": _PARAMETERS,
        "Conditions": {_BOUNDARY: {"Fn::Not": [{"Fn::Equals": [ref("PermissionsBoundary"), ""]}]}},
        "Resources": resources,
        "Outputs": {role: {"Value": {"Fn::GetAtt": [role, "Arn"]}} for role in roles},
    }


_PARAMETERS: Resource = {
    "MwaaEnvironment": {"Type": "String", "MinLength": 1, "Description": "The MWAA environment."},
    "DagBucket": {"Type": "String", "MinLength": 3, "Description": "The bucket of its DAG files."},
    "DagsPath": {"Type": "String", "Default": "dags", "Description": "Their folder in it."},
    "AirflowRole": {"Type": "String", "MinLength": 1, "Description": "The name of its execution role."},
    "OidcProvider": {
        "Type": "String",
        "AllowedPattern": "^arn:aws[a-z-]*:iam::[0-9]{12}:oidc-provider/.+$",
        "Description": "The ARN of the provider in IAM that stands for the host of the repository.",
    },
    "PermissionsBoundary": {
        "Type": "String",
        "Default": "",
        "Description": "The ARN of the policy that bounds the roles; empty: none.",
    },
}


def _role(app: str, role: str, repository: Repository, subject: str) -> Resource:
    like = "StringLike" if "*" in subject else "StringEquals"
    audience, whose = {f"{repository.issuer}:aud": repository.audience}, {f"{repository.issuer}:sub": subject}
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": ref("OidcProvider")},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {**audience, **(whose if like == "StringEquals" else {})},
            **({"StringLike": whose} if like == "StringLike" else {}),
        },
    }
    name = f"{resource_name(app)}-{role.lower()}"
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "RoleName": name,
            "AssumeRolePolicyDocument": document([trust]),
            "PermissionsBoundary": {
                "Fn::If": [_BOUNDARY, ref("PermissionsBoundary"), {"Ref": "AWS::NoValue"}]
            },
        },
    }


@dataclass(frozen=True, slots=True)
class _Names:
    """What an application's resources are called, with ``*`` where it is several; ``app`` as it is written."""

    app: str
    name: str
    bucket: str

    @classmethod
    def of(cls, app: str) -> _Names:
        name = resource_name(app)
        short = len(name) <= _ROOM
        return cls(app, name, f"{name}-{_ACCOUNT}-{_REGION}" if short else f"{name[: _ROOM - 9]}*")

    @classmethod
    def previews(cls, app: str) -> _Names:
        return cls(f"{app}--*", f"{resource_name(app)}--*", f"{resource_name(app)}--*")


def _arn(service: str, resource: str) -> Value:
    return {"Fn::Sub": f"arn:${{AWS::Partition}}:{service}:{_REGION}:{_ACCOUNT}:{resource}"}


def _s3(*paths: str) -> list[Value]:
    return [{"Fn::Sub": f"arn:${{AWS::Partition}}:s3:::{path}"} for path in paths]


def _iam(*resources: str) -> list[Value]:
    return [{"Fn::Sub": f"arn:${{AWS::Partition}}:iam::{_ACCOUNT}:{each}"} for each in resources]


def _allow(sid: str, actions: list[str], *resources: Any) -> Statement:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": [*resources]}


def _environment() -> list[Statement]:
    """What every role needs of what is there before the application: the environment, and tables of the catalog."""
    tables = (_arn("glue", each) for each in ("catalog", "database/*", "table/*/*"))
    return [
        _allow("Mwaa", ["airflow:GetEnvironment"], _arn("airflow", "environment/${MwaaEnvironment}")),
        _allow("MwaaList", ["airflow:ListEnvironments"], "*"),
        _allow("Tables", ["glue:GetTable"], *tables),
    ]


def reading(names: _Names) -> list[Statement]:
    """Return what ``rheo plan`` needs, and a preview of what it previews."""
    return [
        *_environment(),
        _allow("ReadDagFiles", _READ_BUCKET, *_s3("${DagBucket}", "${DagBucket}/${DagsPath}/*")),
        _allow(
            "ReadBucket", _READ_BUCKET,
            *_s3(names.bucket, *(f"{names.bucket}/{p}/*" for p in ("rheo", "rheo-state", "internal_data"))),
        ),
        _allow("ReadStack", _READ_STACK, _arn("cloudformation", f"stack/{names.name}/*")),
        _allow("ReadStackDrift", ["cloudformation:DescribeStackDriftDetectionStatus"], "*"),
        _allow(
            "ReadState", _READ_STATE,
            _arn("sqs", names.name), _arn("sqs", f"{names.name}-dlq"), _arn("dynamodb", f"table/{names.name}"),
            _arn("dynamodb", f"table/{names.name}/index/*"),
        ),
    ]  # fmt: skip


def changing(names: _Names) -> list[Statement]:
    """Return what activating, pausing, rolling back and ending need: what docs/deploy.md lists, on these names."""
    name, bucket = names.name, names.bucket
    path = f"rheo/{names.app}/*"
    dags = [f"${{DagBucket}}/${{DagsPath}}/{each}/*" for each in (names.app, "_rheo", "rheo_*")]
    objects = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    return [
        *({**each, "Sid": f"Change{each['Sid']}"} for each in _environment()),
        _allow("Airflow", ["airflow:InvokeRestApi"], _arn("airflow", "role/${MwaaEnvironment}/Op")),
        _allow("DagFiles", ["s3:ListBucket", "s3:GetObject"], *_s3("${DagBucket}", "${DagBucket}/${DagsPath}/*")),
        _allow("OwnDagFiles", objects, *_s3(*dags)),
        _allow(
            "OwnBuckets",
            [
                "s3:CreateBucket", "s3:DeleteBucket", "s3:ListBucket", "s3:ListBucketVersions", *objects,
                "s3:DeleteObjectVersion", "s3:GetBucket*", "s3:PutBucket*", "s3:DeleteBucketPolicy",
                "s3:GetEncryptionConfiguration", "s3:PutEncryptionConfiguration",
                "s3:GetLifecycleConfiguration", "s3:PutLifecycleConfiguration",
            ],
            *_s3(bucket, f"{bucket}/*"),
        ),
        _allow(
            "Stacks",
            [
                f"cloudformation:{call}"
                for call in (
                    "CreateChangeSet", "DescribeChangeSet", "ExecuteChangeSet", "DeleteChangeSet", "DescribeStacks",
                    "DescribeStackEvents", "GetTemplate", "DeleteStack", "TagResource", "DetectStackDrift",
                    "DetectStackResourceDrift", "DescribeStackResourceDrifts",
                )
            ],
            _arn("cloudformation", f"stack/{name}/*"),
        ),
        _allow("StackDrift", ["cloudformation:DescribeStackDriftDetectionStatus"], "*"),
        _allow(
            "PauseAndWaiting",
            [
                *_READ_STATE, "scheduler:GetSchedule", "scheduler:UpdateSchedule", "dynamodb:PutItem",
                "dynamodb:UpdateItem", "dynamodb:DeleteTable",
            ],
            _arn("sqs", name), _arn("sqs", f"{name}-dlq"), _arn("scheduler", f"schedule/{name}/*"),
            _arn("dynamodb", f"table/{name}"), _arn("dynamodb", f"table/{name}/index/*"),
        ),
        _allow(
            "PauseTrigger", ["lambda:GetEventSourceMapping", "lambda:UpdateEventSourceMapping"],
            _arn("lambda", "event-source-mapping:*"),
        ),
        _allow(
            "Roles",
            [
                "iam:*Role", "iam:*RolePolicy", "iam:*RolePolicies", "iam:*Policy", "iam:*PolicyVersion*",
                "iam:TagRole", "iam:UntagRole", "iam:PassRole",
            ],
            *_iam(f"role/{path}", f"policy/{path}"),
        ),
        _allow(
            "ExecutionRole",
            ["iam:GetRole", "iam:AttachRolePolicy", "iam:DetachRolePolicy", "iam:ListAttachedRolePolicies"],
            *_iam("role/${AirflowRole}", "role/*/${AirflowRole}"),
        ),
        {
            **_allow(
                "MadeByCloudFormation",
                [
                    f"{service}:*"
                    for service in (
                        "dynamodb", "sqs", "lambda", "events", "scheduler", "glue", "logs", "cloudwatch", "sns",
                        "kms", "emr-serverless", "batch", "sagemaker", "states", "athena",
                    )
                ],
                "*",
            ),
            "Condition": {"ForAnyValue:StringEquals": {"aws:CalledVia": "cloudformation.amazonaws.com"}},
        },
    ]  # fmt: skip
