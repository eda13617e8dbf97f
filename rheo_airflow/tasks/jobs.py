"""Where a node starts jobs, and an execution -> those of its jobs that have not ended, each with a way to stop it.

A place is a text, such as ``glue shop-daily``, kept with the execution: a later version of the node, which starts
its jobs elsewhere, finds them too. Jobs are found by the names and arguments that computes give them
(`idempotency`), so nothing has to be written when one is started. No Airflow in here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from rheo_airflow.tasks import settings
from rheo_airflow.tasks.idempotency import name, token
from rheo_runtime.answers import is_absent, is_refusal, permission
from rheo_runtime.records import Document, Writer, execution_id, execution_place

GLUE_ACTIVE = ("WAITING", "STARTING", "RUNNING", "STOPPING")
BATCH_ACTIVE = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")
EMR_ACTIVE = ("SUBMITTED", "PENDING", "SCHEDULED", "QUEUED", "RUNNING")
SAGEMAKER_ACTIVE = ("InProgress", "Stopping")
ATHENA_ACTIVE = ("QUEUED", "RUNNING")
WHY = "its execution is over"


class Job(NamedTuple):
    """A job that has not ended: as people call it, its state, and how to let it stop."""

    what: str
    state: str
    stop: Callable[[], object]

    def __str__(self) -> str:
        return f"{self.what} is {self.state}"


class CannotSee(Exception):
    """AWS does not say whether jobs have ended."""


def of_writer(app: str, node: str, partition: str, writer: Writer) -> list[Job]:
    """Return the jobs of a writer that have not ended. Raises CannotSee."""
    id = execution_id(node, partition, writer.generation)
    document = {"app": app, "node": node, "partition": partition, "id": id}
    found: list[Job] = []
    for place in writer.jobs:
        kind, _, where = place.partition(" ")
        try:
            found += _KINDS[kind](where, document, writer.run_id)
        except Exception as fault:
            # What is deleted has no jobs: Batch and Athena say so in words alone.
            if is_absent(fault) or any(said in str(fault) for said in ("does not exist", "not found")):
                continue
            lacks = f"; missing: {permission(fault, place)}" if is_refusal(fault) else ""
            raise CannotSee(f"{kind} does not say whether its jobs have ended{lacks} ({fault})") from fault
    return found


def batch_folder(run_id: str) -> str:
    """Return where what belongs to the batch of a run lies in its application's bucket.

    >>> batch_folder("rheo~batch~1")
    'executions/batches/8c7b09d80a9c9b0d'
    """
    return f"executions/batches/{hashlib.sha256(run_id.encode()).hexdigest()[:16]}"


def _glue(job: str, document: Document, run_id: str) -> Iterator[Job]:
    glue, page = settings.client("glue"), ""
    while True:
        answer = glue.get_job_runs(JobName=job, **({"NextToken": page} if page else {}))
        for run in answer["JobRuns"]:
            if run["JobRunState"] not in GLUE_ACTIVE:
                continue
            if _is_for(run.get("Arguments", {}).get("--execution", ""), document, run_id):
                yield Job(
                    f"Glue's job run {run['Id']} of {job}", run["JobRunState"],
                    partial(glue.batch_stop_job_run, JobName=job, JobRunIds=[run["Id"]]),
                )  # fmt: skip
        page = answer.get("NextToken") or ""
        if not page:
            return


def _is_for(argument: str, document: Document, run_id: str) -> bool:
    """Say whether a Glue job's argument is an execution, itself or its place in S3, or the batch of its run."""
    if argument.startswith("{"):
        return str(json.loads(argument).get("id")) == str(document["id"])
    one = f"/executions/{execution_place(document['id'])}.json"
    return argument.endswith(one) or f"/{batch_folder(run_id)}/" in argument


def _batch(queue: str, document: Document, run_id: str) -> Iterator[Job]:
    batch = settings.client("batch")
    by_name = [{"name": "JOB_NAME", "values": [name(document, 0, 128)]}]
    for page in batch.get_paginator("list_jobs").paginate(jobQueue=queue, filters=by_name):
        for job in page["jobSummaryList"]:
            if job["status"] in BATCH_ACTIVE:
                yield Job(
                    f"job {job['jobId']} of AWS Batch", job["status"],
                    partial(batch.terminate_job, jobId=job["jobId"], reason=WHY),
                )  # fmt: skip


def _emr(application: str, document: Document, run_id: str) -> Iterator[Job]:
    emr = settings.client("emr-serverless")
    apps = [a for page in emr.get_paginator("list_applications").paginate() for a in page["applications"]]
    for app in (a["id"] for a in apps if a["name"] == application and a["state"] != "TERMINATED"):
        pages = emr.get_paginator("list_job_runs").paginate(
            applicationId=app, states=[*EMR_ACTIVE, "CANCELLING"]
        )
        for run in (r for page in pages for r in page["jobRuns"] if r.get("name") == name(document, 0)):
            yield Job(
                f"EMR's job run {run['id']} of {application}", run["state"],
                partial(emr.cancel_job_run, applicationId=app, jobRunId=run["id"]),
            )  # fmt: skip


def _athena(workgroup: str, document: Document, run_id: str) -> Iterator[Job]:
    athena, mark = settings.client("athena"), f"-{_mark(document)}/"
    for page in athena.get_paginator("list_query_executions").paginate(WorkGroup=workgroup):
        ids = page["QueryExecutionIds"]
        queries = athena.batch_get_query_execution(QueryExecutionIds=ids)["QueryExecutions"] if ids else []
        going = [query for query in queries if query["Status"]["State"] in ATHENA_ACTIVE]
        for query in going:
            if mark in query["Query"]:
                yield Job(
                    f"query {query['QueryExecutionId']} of Athena", query["Status"]["State"],
                    partial(athena.stop_query_execution, QueryExecutionId=query["QueryExecutionId"]),
                )  # fmt: skip


def _sagemaker(kind: str) -> Callable[[str, Document, str], Iterator[Job]]:
    def find(_: str, document: Document, run_id: str) -> Iterator[Job]:
        sagemaker = settings.client("sagemaker")
        for state in SAGEMAKER_ACTIVE:
            pages = sagemaker.get_paginator(f"list_{kind}_jobs").paginate(
                NameContains=_mark(document), StatusEquals=state
            )
            title = kind.title()
            for job in (found for page in pages for found in page[f"{title}JobSummaries"]):
                id = {f"{title}JobName": job[f"{title}JobName"]}
                yield Job(
                    f"SageMaker's {kind} job {job[f'{title}JobName']}", state,
                    partial(getattr(sagemaker, f"stop_{kind}_job"), **id),
                )  # fmt: skip

    return find


def _states(machine: str, document: Document, run_id: str) -> Iterator[Job]:
    states = settings.client("stepfunctions")
    pages = states.get_paginator("list_executions").paginate(stateMachineArn=machine, statusFilter="RUNNING")
    for run in (found for page in pages for found in page["executions"]):
        if run["name"].endswith(f"-{_mark(document)}"):
            yield Job(
                f"execution {run['name']} of Step Functions", run["status"],
                partial(states.stop_execution, executionArn=run["executionArn"], cause=WHY),
            )  # fmt: skip


def _mark(document: Document) -> str:
    """What the names of all jobs of an execution end with, whichever try of a task made them."""
    return token(document, 0)[:12]


_KINDS: dict[str, Callable[[str, Document, str], Iterator[Job]]] = {
    "glue": _glue, "batch": _batch, "emr": _emr, "athena": _athena, "states": _states,
    "training": _sagemaker("training"), "transform": _sagemaker("transform"),
}  # fmt: skip
