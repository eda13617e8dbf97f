"""Plan -> its Glue jobs as CloudFormation resources, in as many templates as they need."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from codegen import plan as p
from codegen.cloudformation.alarms import logical_id
from codegen.cloudformation.keys import JOBS, STORAGE, Keys
from codegen.cloudformation.names import Resource, Resources, Value, attribute, ref
from codegen.cloudformation.roles import Roles
from codegen.compiler import stack
from rheo_runtime.wire import resource_name

# Of one nested template, whose parameters are their roles: CloudFormation takes 200.
JOBS_IN_PART = 150


SECURITY = "JobSecurity"


def jobs(plan: p.Plan, roles: Roles, keys: Keys) -> Resources:
    """Return a job for each Spark task, by logical id, as ``stack.json`` describes them."""
    described = {job["name"]: job for job in stack(plan).get("glue_jobs", ())}
    found: Resources = {}
    secured = {"SecurityConfiguration": resource_name(plan.app)} if keys.own(JOBS) else {}
    for dag in plan.dags:
        for task in dag.tasks:
            if isinstance(task, p.SparkTask):
                role = roles.of_job("glue", dag, task)
                found[logical_id("Job", task.job)] = _job(
                    plan, {"parameters": {}, **described[task.job]}, role, secured
                )
    return found


def applications(plan: p.Plan) -> Resources:
    """Return the applications of EMR Serverless, which sleep while nothing runs."""
    return {
        logical_id("Emr", made["name"]): {
            "Type": "AWS::EMRServerless::Application",
            "Properties": {
                "Name": made["name"],
                "ReleaseLabel": made["release"],
                "Type": "Spark",
                "AutoStartConfiguration": {"Enabled": True},
                "AutoStopConfiguration": {"Enabled": True, "IdleTimeoutMinutes": 15},
                # All jobs of the application together; without it they are bound by the account's quota alone.
                "MaximumCapacity": {"Cpu": ref("EmrMaximumCpu"), "Memory": ref("EmrMaximumMemory")},
            },
        }
        for made in stack(plan).get("emr_applications", ())
    }


def emr_parameters(plan: p.Plan) -> Resource:
    """Return the parameters of the most that jobs on EMR Serverless take together; none without such jobs."""
    if not stack(plan).get("emr_applications"):
        return {}
    return {
        "EmrMaximumCpu": {
            "Type": "String",
            "Default": "128 vCPU",
            "Description": "The most that all jobs on EMR Serverless take together.",
        },
        "EmrMaximumMemory": {
            "Type": "String",
            "Default": "1024 GB",
            "Description": "The most memory that all jobs on EMR Serverless take together.",
        },
    }


def databases(plan: p.Plan) -> Resources:
    """Return the databases of the Glue Data Catalog in which queries have their inputs while they run."""
    return {
        logical_id("Database", made["name"]): {
            "Type": "AWS::Glue::Database",
            "Properties": {"CatalogId": ref("AWS::AccountId"), "DatabaseInput": {"Name": made["name"]}},
        }
        for made in stack(plan).get("databases", ())
    }


def security(app: str, keys: Keys) -> Resources:
    """Return how jobs encrypt what they write, their logs and bookmarks, where the application says so."""
    if not keys.own(JOBS):
        return {}
    # Without a key of its own the bucket encrypts what is written to it.
    data: Resource = {"S3EncryptionMode": "DISABLED"}
    if keys.own(STORAGE):
        data = {"S3EncryptionMode": "SSE-KMS", "KmsKeyArn": keys.of(STORAGE)}
    key = keys.of(JOBS)
    configuration = {
        "S3Encryptions": [data],
        "CloudWatchEncryption": {"CloudWatchEncryptionMode": "SSE-KMS", "KmsKeyArn": key},
        "JobBookmarksEncryption": {"JobBookmarksEncryptionMode": "CSE-KMS", "KmsKeyArn": key},
    }
    return {
        SECURITY: {
            "Type": "AWS::Glue::SecurityConfiguration",
            "Properties": {"Name": resource_name(app), "EncryptionConfiguration": configuration},
        }
    }


def _job(plan: p.Plan, described: dict[str, Any], role: Value, secured: Resource) -> Resource:
    capacity = {"worker_type": "WorkerType", "workers": "NumberOfWorkers"}
    properties: Resource = {
        "Name": described["name"],
        "Role": role,
        "Command": {
            "Name": "glueetl",
            "PythonVersion": "3",
            "ScriptLocation": f"s3://{plan.bucket}/rheo/{described['script']}",
        },
        "DefaultArguments": described["arguments"],
        "GlueVersion": described["glue_version"],
        "Timeout": described["timeout"],
        "ExecutionProperty": {"MaxConcurrentRuns": described["concurrent"]},
        **{name: described[key] for key, name in capacity.items() if key in described},
        **secured,
        **described["parameters"],
    }
    depends = {"DependsOn": [SECURITY]} if secured else {}
    return {"Type": "AWS::Glue::Job", **depends, "Properties": properties}


def parts(app: str, jobs: Resources) -> tuple[Resources, dict[str, dict[str, Any]]]:
    """Move jobs to nested templates; return the nested stacks, and each template by the name of its file."""
    stacks: Resources = {}
    templates: dict[str, dict[str, Any]] = {}
    ids = sorted(jobs)
    for number, first in enumerate(range(0, len(ids), JOBS_IN_PART), start=1):
        part = {id: jobs[id] for id in ids[first : first + JOBS_IN_PART]}
        roles = sorted({made["Properties"]["Role"]["Fn::GetAtt"][0] for made in part.values()})
        template = {
            "AWSTemplateFormatVersion": "2010-09-09",
            "Description": f"{app}: jobs, part {number}, generated by Rheo.",
            "Parameters": {role: {"Type": "String", "Description": "The ARN of a role."} for role in roles},
            "Resources": {id: _in_part(made) for id, made in part.items()},
        }
        digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()
        file = f"jobs-{number}-{digest[:12]}.json"
        templates[file] = template
        address = f"https://${{CodeBucket}}.s3.${{AWS::Region}}.${{AWS::URLSuffix}}/${{PartsPrefix}}{file}"
        properties = {
            "TemplateURL": {"Fn::Sub": address},
            "Parameters": {role: attribute(role) for role in roles},
        }
        stacks[f"Jobs{number}"] = {
            "Type": "AWS::CloudFormation::Stack",
            **({"DependsOn": [SECURITY]} if any("DependsOn" in made for made in part.values()) else {}),
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": properties,
        }
    return stacks, templates


def _in_part(made: Resource) -> Resource:
    role = made["Properties"]["Role"]["Fn::GetAtt"][0]
    return {"Type": made["Type"], "Properties": {**made["Properties"], "Role": ref(role)}}
