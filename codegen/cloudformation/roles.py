"""Plan -> the roles of an application and the policy of Airflow's own role, as CloudFormation resources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codegen import plan as p
from codegen.cloudformation import permissions, policies, sharing
from codegen.cloudformation.alarms import logical_id, metric_permission, pending_metrics
from codegen.cloudformation.events import group_arn
from codegen.cloudformation.keys import JOBS, QUEUE, STORAGE, Keys
from codegen.cloudformation.names import (
    HAS_AIRFLOW_ROLE,
    NO_VALUE,
    Resource,
    Resources,
    Statement,
    TemplateError,
    Value,
    arn,
    attribute,
    ref,
    role_name,
    role_path,
    sub,
)
from codegen.cloudformation.storage import document
from codegen.targets.sagemaker import SERVICE as SAGEMAKER
from rheo_runtime import wire
from rheodsl import ir

# A job whose log is encrypted says by which key.
_ENCRYPTED_LOGS = policies.allow(["logs:AssociateKmsKey"], arn("logs", "log-group:/aws-glue/*"))
# The services that say for whom they take a role. The SageMaker AI developer guide ("Cross-service confused deputy
# prevention") has it of training jobs, transform jobs and models, the last of which send no name: hence the star. No
# document says that Glue, Lambda and EMR Serverless do.
_TRUST: Mapping[str, Mapping[str, Any]] = {SAGEMAKER: {"ArnLike": {"aws:SourceArn": arn(SAGEMAKER, "*")}}}
MOST_POLICIES = 10  # that IAM attaches to a role, unless the account asked for more


class Roles:
    """Makes the roles, and knows which job runs under which."""

    def __init__(self, graph: ir.Graph, plan: p.Plan, table: wire.RouteTable, keys: Keys) -> None:
        self.graph, self.plan, self.table, self.keys = graph, plan, table, keys
        self.resources: Resources = {}
        self._jobs: dict[str, str] = {}

    def make(self) -> Resources:
        """Return all roles and policies, by logical id. Raises TemplateError when IAM has no room for them."""
        self._listener()
        self._scheduler()
        self._job_roles()
        self._airflow()
        return self.resources

    def of_job(self, service: str, dag: p.DagPlan, task: p.Task) -> Value:
        """Return the ARN of the role of a task's job."""
        return attribute(self._jobs[f"{service}/{_task(dag, task)}"])

    def _listener(self) -> None:
        metrics = metric_permission(self.plan.app) if pending_metrics(self.graph) else None
        own = policies.listener(self.plan, self.table, self.keys, metrics)
        read = [*policies.completions(self.table), *sharing.decrypting(self.graph)]
        reading = self._managed("ListenerReads", read)
        self._role("ListenerRole", "listener", "lambda.amazonaws.com", own, reading)

    def _scheduler(self) -> None:
        queues = [attribute("Queue"), attribute("DeadLetters")]
        own = [
            policies.allow(["lambda:InvokeFunction"], attribute("Listener")),
            policies.allow(["sqs:SendMessage"], queues),
            *self.keys.statements(QUEUE),
        ]
        condition = {
            "StringEquals": {"aws:SourceAccount": ref("AWS::AccountId")},
            "ArnEquals": {"aws:SourceArn": group_arn(self.plan.app)},
        }
        self._role("SchedulerRole", "scheduler", "scheduler.amazonaws.com", own, [], condition)

    # --- jobs ---

    def _job_roles(self) -> None:
        wanted: dict[str, list[tuple[p.DagPlan, p.Task, permissions.JobRole]]] = {}
        for dag in self.plan.dags:
            for task in dag.tasks:
                role = permissions.job_role(task, dag)
                if role is not None:
                    wanted.setdefault(role.service, []).append((dag, task, role))
        if not wanted:
            return
        data = self._managed("JobData", self._data())
        common = self._managed("Job", self._common())
        for service, jobs in sorted(wanted.items()):
            alone = service == "glue"  # whose jobs name their roles; those of others know one name
            granted = [s for _, _, r in jobs for s in (*r.statements, *(() if alone else r.extra))]
            every = policies.distinct(map(policies.granted, granted))
            shared = [*common, *self._managed(logical_id("Jobs", service), every)]
            principal, name = f"{service}.amazonaws.com", logical_id("JobRole", service)
            trust = _TRUST.get(service)
            for dag, task, role in jobs:
                job = f"{service}/{_task(dag, task)}"
                own = self._own(dag, role) if alone else []
                self._jobs[job] = logical_id("JobRole", job) if own else name
                if own:
                    separate = self.keys.separate()
                    policies_of = shared if separate else [*data, *shared]
                    self._role(self._jobs[job], None, principal, own, policies_of, trust)
            if name in self._jobs.values():
                self._role(name, service, principal, [], [*data, *shared], trust)

    def _own(self, dag: p.DagPlan, role: permissions.JobRole) -> list[Statement]:
        """What a job may do that others may not."""
        found = [policies.granted(statement) for statement in role.extra]
        if self.keys.separate():
            found += policies.writing(self.plan.bucket, dag.node, batches=dag.batch is not None)
            named = policies.tables_named(self.graph, dag, self.plan.bucket)
            found += policies.reading(policies.together(policies.inputs_of_node(dag), named))
            found += self.keys.statements(STORAGE, JOBS)
            found += sharing.decrypting(self.graph)
        return found

    def _data(self) -> list[Statement]:
        return [
            *policies.writing(self.plan.bucket, batches=any(dag.batch for dag in self.plan.dags)),
            *self.keys.statements(STORAGE, JOBS),
            *sharing.decrypting(self.graph),
            *policies.reading(
                policies.together(
                    policies.inputs_of(self.plan), policies.unread(self.graph, self.plan.bucket)
                )
            ),
        ]

    def _common(self) -> list[Statement]:
        return [
            *policies.catalog(self.table),
            *([metric_permission(self.plan.app)] if self._emits() else []),
            *([_ENCRYPTED_LOGS] if self.keys.own(JOBS) else []),
        ]

    def _emits(self) -> bool:
        return any(
            task.metrics for dag in self.plan.dags for task in dag.tasks if isinstance(task, p.ScriptTask)
        )

    # --- Airflow ---

    def _airflow(self) -> None:
        statements = policies.airflow(self.plan, self.table, self.keys, metric_permission(self.plan.app))
        statements += policies.reading(policies.inputs_of(self.plan))
        if any(wait.table is not None for dag in self.plan.dags for wait in dag.waits):  # a sensor asks
            statements += policies.catalog(self.table)
        else:
            statements += policies.asked(self.table)
        statements += sharing.decrypting(self.graph)
        alarms = {s.source.name for s in self.graph.signals if isinstance(s.source, ir.AlarmSource)}
        if alarms:  # the page shows their states
            named = [arn("cloudwatch", f"alarm:{name}") for name in sorted(alarms)]
            statements.append(policies.allow(["cloudwatch:DescribeAlarms"], named))
        for dag in self.plan.dags:
            for task in dag.all_tasks:
                statements += map(policies.granted, permissions.worker(task, dag))
        statements += self._passing()
        attached = {"Roles": {"Fn::If": [HAS_AIRFLOW_ROLE, [ref("AirflowRole")], NO_VALUE]}}
        self._managed("Airflow", policies.distinct(statements), attached)

    def _passing(self) -> list[Statement]:
        found = []
        services = {key.partition("/")[0] for key in self._jobs}
        for service in sorted(services - {"glue"}):  # a job of Glue knows its role
            roles = sorted({own for key, own in self._jobs.items() if key.startswith(f"{service}/")})
            condition = {"StringEquals": {"iam:PassedToService": f"{service}.amazonaws.com"}}
            found.append(policies.allow(["iam:PassRole"], [attribute(role) for role in roles], **condition))
        return found

    # --- what they are made of ---

    def _managed(
        self, name: str, statements: Sequence[Statement], more: Mapping[str, Any] | None = None
    ) -> list[Value]:
        """Make managed policies of these statements; return their ARNs."""
        found: list[Value] = []
        for number, part in enumerate(policies.policies(statements), start=1):
            id = f"{name}Policy{number if number > 1 else ''}"
            properties = {"Path": role_path(self.plan.app), "PolicyDocument": document(part), **(more or {})}
            self.resources[id] = {"Type": "AWS::IAM::ManagedPolicy", "Properties": properties}
            found.append(ref(id))
        if len(found) > MOST_POLICIES:
            raise TemplateError(
                f"{self.plan.app}: what its roles must read does not fit into {MOST_POLICIES} policies",
                hint="keep its inputs in fewer buckets",
            )
        return found

    def _role(
        self,
        id: str,
        purpose: str | None,
        service: str,
        statements: Sequence[Statement],
        managed: Sequence[Value],
        condition: Mapping[str, Any] | None = None,
    ) -> None:
        if len(managed) > MOST_POLICIES:
            raise TemplateError(
                f"{self.plan.app}: {id} needs {len(managed)} policies, and IAM attaches {MOST_POLICIES}",
                hint="keep its inputs in fewer buckets",
            )
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        properties: Resource = {
            "Path": role_path(self.plan.app),
            "AssumeRolePolicyDocument": document(
                [{**trust, **({"Condition": condition} if condition else {})}]
            ),
        }
        if purpose is not None:
            properties["RoleName"] = sub(role_name(self.plan.app, purpose))
        if managed:
            properties["ManagedPolicyArns"] = list(managed)
        if statements:
            properties["Policies"] = [{"PolicyName": "own", "PolicyDocument": document(list(statements))}]
        self.resources[id] = {"Type": "AWS::IAM::Role", "Properties": properties}


def _task(dag: p.DagPlan, task: p.Task) -> str:
    return f"{dag.node}/{task.task_id}"
