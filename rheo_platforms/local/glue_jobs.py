"""Glue's job calls -> jobs and their runs, kept in memory; their output is where Glue's own clients look for it."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

Json = dict[str, Any]

ACTIVE = frozenset({"WAITING", "STARTING", "RUNNING", "STOPPING"})
_REPEATED = ("WorkerType", "NumberOfWorkers", "MaxCapacity", "GlueVersion", "ExecutionClass")
DEFAULT_TIMEOUT = 480  # minutes, as in Glue 5


class GlueError(Exception):
    """A fault of the client, by Glue's own name for it."""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message)


@dataclass(slots=True)
class Run:
    """One run of a job: what Glue says about it."""

    id: str
    job: str
    arguments: dict[str, str]
    script: str
    timeout: int  # minutes
    like: Json  # worker type and the like, repeated from the job
    words: tuple[str, ...] | None = None  # the command line, where it is not made of the arguments
    attempt: int = 0
    state: str = "WAITING"
    error: str | None = None
    asked: float = field(default_factory=time.time)
    changed: float = field(default_factory=time.time)
    began: float | None = None
    done: float | None = None

    def describe(self) -> Json:
        """The ``JobRun`` of Glue's model."""
        answer: Json = {
            "Id": self.id,
            "Attempt": self.attempt,
            "JobName": self.job,
            "StartedOn": self.asked,
            "LastModifiedOn": self.changed,
            "JobRunState": self.state,
            "Arguments": self.arguments,
            "PredecessorRuns": [],
            "ExecutionTime": int((self.done or time.time()) - self.began) if self.began else 0,
            "Timeout": self.timeout,
            "LogGroupName": "/aws-glue/jobs",
            **self.like,
        }
        if self.done is not None:
            answer["CompletedOn"] = self.done
        if self.error is not None:
            answer["ErrorMessage"] = self.error
        return answer


class Jobs:
    """All jobs and runs; ``submit`` gets each new run, ``cancel`` each run that is to stop."""

    def __init__(self, submit: Callable[[Run], None], cancel: Callable[[Run], None]) -> None:
        self._submit = submit
        self._cancel = cancel
        self._jobs: dict[str, Json] = {}
        self._runs: dict[str, dict[str, Run]] = {}
        self._lock = threading.RLock()
        self.calls: Mapping[str, Callable[[Json], Json]] = {
            "CreateJob": self.create,
            "UpdateJob": self.update,
            "GetJob": lambda call: {"Job": self._job(call["JobName"])},
            "GetJobs": self.get_all,
            "ListJobs": self.list,
            "BatchGetJobs": self.batch_get,
            "DeleteJob": self.delete,
            "StartJobRun": self.start,
            "GetJobRun": lambda call: {"JobRun": self._run(call["JobName"], call["RunId"]).describe()},
            "GetJobRuns": self.runs,
            "BatchStopJobRun": self.stop,
        }

    def create(self, call: Json) -> Json:
        with self._lock:
            if call["Name"] in self._jobs:
                raise GlueError("AlreadyExistsException", f"Job {call['Name']} already exists")
            self._jobs[call["Name"]] = _job(call, created=time.time())
            self._runs[call["Name"]] = {}
            return {"Name": call["Name"]}

    def update(self, call: Json) -> Json:
        with self._lock:
            name = call["JobName"]
            created = self._job(name)["CreatedOn"]
            # As in Glue, an update replaces the whole definition.
            self._jobs[name] = _job({"Name": name, **call["JobUpdate"]}, created=created)
            return {"JobName": name}

    def delete(self, call: Json) -> Json:
        with self._lock:
            self._jobs.pop(call["JobName"], None)
            for run in self._runs.pop(call["JobName"], {}).values():
                if run.state in ACTIVE:
                    self._cancel(run)
            return {"JobName": call["JobName"]}

    def get_all(self, call: Json) -> Json:
        names, token = _page(sorted(self._jobs), call)
        return {"Jobs": [self._jobs[name] for name in names], **token}

    def list(self, call: Json) -> Json:
        names, token = _page(sorted(self._jobs), call)
        return {"JobNames": names, **token}

    def batch_get(self, call: Json) -> Json:
        known = [name for name in call["JobNames"] if name in self._jobs]
        unknown = [name for name in call["JobNames"] if name not in self._jobs]
        return {"Jobs": [self._jobs[name] for name in known], "JobsNotFound": unknown}

    def start(self, call: Json) -> Json:
        with self._lock:
            job = self._job(call["JobName"])
            runs = self._runs[job["Name"]]
            active = sum(run.state in ACTIVE for run in runs.values())
            if active >= job["ExecutionProperty"]["MaxConcurrentRuns"] and not job["JobRunQueuingEnabled"]:
                raise GlueError(
                    "ConcurrentRunsExceededException", f"Concurrent runs exceeded for {job['Name']}"
                )
            run = Run(
                id=f"jr_{uuid.uuid4().hex}",
                job=job["Name"],
                arguments={**job.get("DefaultArguments", {}), **call.get("Arguments", {})}
                | job.get("NonOverridableArguments", {}),
                script=job["Command"]["ScriptLocation"],
                timeout=call.get("Timeout") or job["Timeout"],
                like={key: value for key, value in {**job, **call}.items() if key in _REPEATED},
            )
            runs[run.id] = run
            self._submit(run)
            return {"JobRunId": run.id}

    def runs(self, call: Json) -> Json:
        self._job(call["JobName"])
        newest = list(reversed(self._runs[call["JobName"]]))
        names, token = _page(newest, call)
        return {"JobRuns": [self._runs[call["JobName"]][name].describe() for name in names], **token}

    def stop(self, call: Json) -> Json:
        done: list[Json] = []
        errors: list[Json] = []
        for run_id in call["JobRunIds"]:
            entry = {"JobName": call["JobName"], "JobRunId": run_id}
            try:
                run = self._run(call["JobName"], run_id)
                if run.state not in ACTIVE:
                    raise GlueError("InvalidInputException", f"run {run_id} is {run.state}")
            except GlueError as error:
                detail = {"ErrorCode": error.kind, "ErrorMessage": str(error)}
                errors.append({**entry, "ErrorDetail": detail})
                continue
            self._cancel(run)
            done.append(entry)
        return {"SuccessfulSubmissions": done, "Errors": errors}

    def _job(self, name: str) -> Json:
        try:
            return self._jobs[name]
        except KeyError:
            raise GlueError("EntityNotFoundException", f"Job {name} is not found") from None

    def _run(self, job: str, run_id: str) -> Run:
        self._job(job)
        try:
            return self._runs[job][run_id]
        except KeyError:
            raise GlueError("EntityNotFoundException", f"Job run {run_id} is not found") from None


def _job(call: Json, *, created: float) -> Json:
    if not call.get("Command", {}).get("ScriptLocation", "").startswith("s3://"):
        raise GlueError("InvalidInputException", "Command.ScriptLocation must be an S3 address")
    defaults = {
        "MaxRetries": 0,
        "Timeout": DEFAULT_TIMEOUT,
        "JobRunQueuingEnabled": False,
        "ExecutionProperty": {"MaxConcurrentRuns": 1},
    }
    given = {key: value for key, value in call.items() if key != "Tags"}
    return {**defaults, **given, "CreatedOn": created, "LastModifiedOn": time.time()}


def _page(names: list[str], call: Json) -> tuple[list[str], Json]:
    begin = int(call.get("NextToken") or 0)
    end = begin + int(call.get("MaxResults") or 200)
    return names[begin:end], {"NextToken": str(end)} if end < len(names) else {}


OUTPUT = "/aws-glue/jobs/output"
ERROR = "/aws-glue/jobs/error"
_LONGEST = 250_000  # CloudWatch's limit for one event is 256 KB


class JobLogs:
    """Writes the two log streams of a run, each named by the run."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def write(self, run_id: str, output: str, error: str) -> None:
        """Create both streams and put one event for each line."""
        now = int(time.time() * 1000)
        for group, text in ((OUTPUT, output), (ERROR, error)):
            self._create(group, run_id)
            events = [{"timestamp": now, "message": line[:_LONGEST]} for line in text.splitlines() if line]
            if events:
                self.client.put_log_events(logGroupName=group, logStreamName=run_id, logEvents=events)

    def _create(self, group: str, stream: str) -> None:
        for create, names in (
            (self.client.create_log_group, {"logGroupName": group}),
            (self.client.create_log_stream, {"logGroupName": group, "logStreamName": stream}),
        ):
            try:
                create(**names)
            except ClientError as error:
                if error.response["Error"]["Code"] != "ResourceAlreadyExistsException":
                    raise
