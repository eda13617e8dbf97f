"""Plan -> its Glue jobs as CloudFormation resources, in as many templates as they need."""

from __future__ import annotations

from typing import Any

from codegen import plan as p
from codegen.alarms import logical_id
from codegen.bundle import stack
from codegen.template.keys import Keys
from codegen.template.names import Resource, Resources, Value
from codegen.template.roles import Roles


def jobs(plan: p.Plan, roles: Roles, keys: Keys) -> Resources:
    """Return a job for each Spark task, by logical id, as ``stack.json`` describes them."""
    described = {job["name"]: job for job in stack(plan).get("glue_jobs", ())}
    found: Resources = {}
    for dag in plan.dags:
        for task in dag.tasks:
            if isinstance(task, p.SparkTask):
                role = roles.of_job("glue", dag, task)
                found[logical_id("Job", task.job)] = _job(plan, described[task.job], role)
    return found


def _job(plan: p.Plan, described: dict[str, Any], role: Value) -> Resource:
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
        **described.get("parameters", {}),
    }
    return {"Type": "AWS::Glue::Job", "Properties": properties}
