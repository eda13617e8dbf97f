"""Tasks of a plan -> what roles must be allowed to do for them.

Two roles act for a task, and each has a rule for every class of task:

- Airflow's own role starts the task and waits for it: ``codegen.targets.permissions(task, dag)``.
- The job itself may run under a role that the stack makes, one for each service: `job_role` here. Return
  None (the default) for a task that runs in the Airflow worker, or under a role that the user names.

A statement is ``{"Action": [...], "Resource": [...]}``, with ``"Condition"`` where apt and ``"Effect"``
left out. ARNs hold ``${AWS::Partition}``, ``${AWS::Region}`` and ``${AWS::AccountId}``, which CloudFormation
fills in; ``*`` stands alone only where the service knows no ARNs for the action.

A role's name is ``names.role_name(app, service)``: the worker may pass it to the service (``iam:PassRole`` is
added by itself), and a task that must name it knows account and region when it runs. It may read the declared
inputs of the application, and write below ``internal_data/`` of its bucket.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from codegen import plan as p
from codegen import targets
from codegen.targets import emr, sagemaker
from rheo_runtime.wire import S3Address

Statement = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JobRole:
    """The role of the jobs of one service.

    ``service`` is part of its name: ``glue``, ``sagemaker``, ``emr-serverless``; ``<service>.amazonaws.com`` may
    assume it. ``statements`` are what every job of the service needs beyond the data; ``extra`` what the
    user grants to this one: a job of Glue then has a role of its own, all others of a service share theirs.
    """

    service: str
    statements: tuple[Statement, ...] = ()
    extra: tuple[Statement, ...] = ()


@singledispatch
def job_role(task: p.Task, dag: p.DagPlan) -> JobRole | None:
    """Return the role under which a task's job runs, None where the stack makes none."""
    return None


_LOGS = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws-glue/*"
GLUE = "arn:${AWS::Partition}:glue:${AWS::Region}:${AWS::AccountId}"
# Whatever a script does, Spark looks for its default database, makes that where an account has none yet, and looks
# whether somebody has one that is named like that of its temporary views.
_CATALOG: tuple[Statement, ...] = (
    {
        "Action": ["glue:GetDatabase", "glue:GetDatabases", "glue:GetUserDefinedFunctions"],
        "Resource": [
            f"{GLUE}:catalog",
            f"{GLUE}:database/default",
            f"{GLUE}:database/global_temp",
            f"{GLUE}:userDefinedFunction/default/*",
        ],
    },
    {
        "Action": ["glue:CreateDatabase"],
        "Resource": [f"{GLUE}:catalog", f"{GLUE}:database/default"],
    },
)


@job_role.register
def _(task: p.SparkTask, dag: p.DagPlan) -> JobRole:
    statements: list[Statement] = [
        {
            "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": [_LOGS],
        },
        *_CATALOG,
        *_jars(task.libraries),
    ]
    extra = tuple({"Action": list(a), "Resource": list(r)} for r, a in task.permissions)
    return JobRole("glue", tuple(statements), extra)


@job_role.register
def _(task: emr.EmrTask, dag: p.DagPlan) -> JobRole:
    # A run of EMR Serverless names its role, so all share the one whose name is known.
    extra = tuple({"Action": list(a), "Resource": list(r)} for r, a in task.permissions)
    return JobRole(emr.SERVICE, (*_CATALOG, *_jars(task.libraries), *extra))


def _jars(libraries: Sequence[str]) -> Sequence[Statement]:
    """What lets a job read the jars that it names; those of Maven, say, are nobody's objects."""
    places = [S3Address.of(each) for each in sorted(libraries) if each.startswith("s3://")]
    if not places:
        return ()
    return (
        {
            "Action": ["s3:GetObject"],
            "Resource": [f"arn:${{AWS::Partition}}:s3:::{b}/{k}" for b, k in places],
        },
    )


@job_role.register(sagemaker.TrainingTask)
@job_role.register(sagemaker.TransformTask)
def _(task: p.Task, dag: p.DagPlan) -> JobRole:
    here = "${AWS::Region}:${AWS::AccountId}"
    bucket = "arn:${AWS::Partition}:s3:::" + S3Address.of(dag.location).bucket
    # Images of AWS's own algorithms are in accounts of AWS.
    images = "arn:${AWS::Partition}:ecr:${AWS::Region}:*:repository/*"
    pull = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    logs = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    metrics = {"StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}}
    statements = (
        {"Action": logs, "Resource": [f"arn:${{AWS::Partition}}:logs:{here}:log-group:/aws/sagemaker/*"]},
        {"Action": pull, "Resource": [images]},
        {"Action": ["ecr:GetAuthorizationToken"], "Resource": ["*"]},
        {"Action": ["cloudwatch:PutMetricData"], "Resource": ["*"], "Condition": metrics},
        {"Action": ["s3:GetObject", "s3:PutObject"], "Resource": [f"{bucket}/staging/*"]},
    )
    return JobRole(sagemaker.SERVICE, statements)


def worker(task: p.Task, dag: p.DagPlan) -> Sequence[Statement]:
    """Return what Airflow's role needs to run a task."""
    own = _glue(dag.app) if isinstance(task, p.SparkTask) else ()
    return (*own, *targets.permissions(task, dag))


def _glue(app: str) -> Sequence[Statement]:
    return (
        {
            "Action": [
                "glue:BatchStopJobRun",
                "glue:GetJob",
                "glue:GetJobRun",
                "glue:GetJobRuns",
                "glue:StartJobRun",
            ],
            "Resource": [f"{GLUE}:job/{app}-*"],
        },
        {"Action": ["logs:GetLogEvents"], "Resource": [f"{_LOGS}:log-stream:*"]},
    )
