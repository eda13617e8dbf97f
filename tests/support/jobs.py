"""What jobs of generated scripts ask for, against the role that the template of their application gives them.

Spark speaks to S3 by a file system: what a call of one is to S3, and so to IAM, is written here. It is what Hadoop's S3A
does (its `S3AFileSystem` and `MkdirOperation`), and what EMRFS adds: objects ``NAME_$folder$`` for folders.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

from codegen.cloudformation.alarms import logical_id
from codegen.cloudformation.stack import build_template
from codegen.graph_json import load_graph
from codegen.planning import build_plan
from rheo_platforms.local import spark
from rheo_runtime.wire import S3Address
from rheodsl.testing import compute
from support.iam import Call, Grant, calls_of, grants, refused, role_statements

ACCOUNT, REGION = "123456789012", "us-east-1"
# Of grants that no call here needs: what services do by a job's role, and Spark of the catalog before a script begins.
BY_SERVICES = {
    "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:AssociateKmsKey", "glue:CreateDatabase",
    "glue:GetDatabase", "glue:GetDatabases", "glue:GetUserDefinedFunctions",
}  # fmt: skip


class RecordingWorker(spark.SparkWorker):
    """A `SparkWorker` that writes to ``calls`` what its jobs ask for."""

    program = str(Path(__file__).with_name("spark_recorder.py"))

    def __init__(self, folder: Path, env: Mapping[str, str], python: str = sys.executable) -> None:
        self.calls = folder / "calls"
        classes = folder / "classes"
        classes.mkdir(parents=True, exist_ok=True)
        root = str(Path(__file__).parents[2])
        paths = os.pathsep.join([root, *filter(None, [env.get("PYTHONPATH")])])
        own = {"RHEO_CALLS": str(self.calls), "SPARK_DIST_CLASSPATH": str(classes), "PYTHONPATH": paths}
        own |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
        super().__init__(folder, {**env, **own}, python)

    def taken(self) -> list[str]:
        """Return the lines since the last time."""
        if not self.calls.exists():
            return []
        text = self.calls.read_text("utf-8")
        self.calls.unlink()
        return text.splitlines()


@dataclass(frozen=True)
class JobRole:
    """The role of the job that runs a script of an application, by the text of its graph."""

    graph: str
    script: str

    def grants(self) -> list[Grant]:
        """What it is allowed."""
        app, made = _template(self.graph)
        return grants(role_statements(made, app, self._id(made), REGION, ACCOUNT))

    def started(self) -> Iterator[Call]:
        """What the service reads by the role before the script begins."""
        _, made = _template(self.graph)
        job = self._job(made)
        arguments = {} if job is None else job["DefaultArguments"]
        files = [] if job is None else [job["Command"]["ScriptLocation"]]
        for name in ("--extra-py-files", "--extra-jars"):
            files += filter(None, arguments.get(name, "").split(","))
        for file in files:
            bucket, key = S3Address.of(file)
            yield from calls_of("s3", "GetObject", {"Bucket": bucket, "Key": key}, ACCOUNT, REGION)

    def _id(self, made: Mapping[str, Any]) -> str:
        job = self._job(made)
        return logical_id("JobRole", "emr-serverless") if job is None else str(job["Role"]["Fn::GetAtt"][0])

    def _job(self, made: Mapping[str, Any]) -> Any:
        jobs = [r["Properties"] for r in made["Resources"].values() if r["Type"] == "AWS::Glue::Job"]
        of_script = [j for j in jobs if j["Command"]["ScriptLocation"].endswith(f"/rheo/{self.script}")]
        return of_script[0] if of_script else None


@cache
def _template(text: str) -> tuple[str, dict[str, Any]]:
    graph = load_graph(text)
    return graph.app, build_template(build_plan(graph), graph)


# --- what a call of a file system is to IAM ---


def asked(line: str) -> Iterator[Call]:
    """Yield what a line of `spark_recorder` is to IAM."""
    if line.startswith("["):
        service, operation, given = json.loads(line)
        yield from calls_of(service, operation, given, ACCOUNT, REGION)
        return
    call, *paths = line.split("\t")
    for operation, address in _operations(call, *paths):
        bucket, key = S3Address.of(address)
        if operation == "ListObjectsV2":
            given = {"Bucket": bucket, "Prefix": f"{key}/" if key else ""}
        elif not key:
            continue
        else:
            given = {"Bucket": bucket, "Key": key}
            given |= {"CopySource": given} if operation == "CopyObject" else {}
        yield from calls_of("s3", operation, given, ACCOUNT, REGION)


def _operations(call: str, path: str, other: str = "") -> Iterator[tuple[str, str]]:
    """Yield operations of S3, and the object or folder of each."""
    known = (("HeadObject", path), ("ListObjectsV2", path))
    match call:
        case "status" | "list":
            yield from known
        case "open":
            yield from (("HeadObject", path), ("GetObject", path))
        case "create":
            yield from known
            for operation in ("PutObject", "CreateMultipartUpload", "UploadPart", "AbortMultipartUpload"):
                yield operation, path
        case "mkdirs":
            for folder in (path, *_above(path)):
                yield from (("HeadObject", folder), ("ListObjectsV2", folder))
                yield from (("HeadObject", f"{folder}_$folder$"), ("PutObject", f"{folder}_$folder$"))
            yield "PutObject", f"{path}/"
        case "rename":
            for place in (path, other):
                yield from (("HeadObject", place), ("ListObjectsV2", place))
            for end in ("", "/part-0"):
                yield from (
                    ("GetObject", path + end),
                    ("PutObject", other + end),
                    ("DeleteObject", path + end),
                )
            yield from _left(path)
        case "delete" | "remove":  # an object, or a folder
            yield from known
            for end in ("",) if call == "delete" else ("/", "/part-0", "_$folder$"):
                yield "DeleteObject", path + end
            yield from _left(path)
        case _:
            raise LookupError(f"what does S3 do for {call}?")


def _left(path: str) -> Iterator[tuple[str, str]]:
    """The folder in which something was stays, though nothing is in it: S3A goes on where it may not say so."""
    folder = path.rpartition("/")[0]
    yield from (("HeadObject", folder), ("ListObjectsV2", folder), ("PutObject", f"{folder}_$folder$"))


def _above(path: str) -> Iterator[str]:
    bucket, key = S3Address.of(path)
    levels = key.split("/")
    for end in range(len(levels) - 1, 0, -1):
        yield f"s3://{bucket}/{'/'.join(levels[:end])}"


# --- the jobs of tests ---


@dataclass
class JobWatch:
    """The calls of jobs, by the role of each."""

    calls: dict[JobRole, set[Call]] = field(default_factory=dict)

    def note(self, role: JobRole, lines: list[str]) -> None:
        """Remember what a job has asked for."""
        found = self.calls.setdefault(role, set(role.started()))
        for line in dict.fromkeys(lines):
            found.update(asked(line))

    def refused(self) -> list[str]:
        """The calls that IAM would refuse."""
        return [
            f"{role.script}: {call}"
            for role, calls in self.calls.items()
            for call in refused(calls, role.grants())
        ]

    def idle(self) -> dict[str, set[str]]:
        """The permissions of these roles that no call has needed: resources by action."""
        found: dict[str, set[str]] = {}
        everything = {call for calls in self.calls.values() for call in calls}
        for grant in {grant for role in self.calls for grant in role.grants()}:
            if not any(grant.allows(call) for call in everything):
                found.setdefault(grant.action, set()).add(grant.resource)
        return found


@contextmanager
def recording() -> Iterator[None]:
    """Let the Spark of `run_compute` be one that writes down what jobs ask for."""
    compute.close_session()
    patient = mock.patch.object(spark, "START_SECONDS", 600.0)  # the class is compiled meanwhile
    with patient, mock.patch.object(spark, "SparkWorker", RecordingWorker):
        try:
            yield
        finally:
            compute.close_session()


@contextmanager
def watched() -> Iterator[JobWatch]:
    """Note what the jobs of `run_compute` ask for meanwhile; see `recording`."""
    watch = JobWatch()
    script = compute._ComputeRun._script

    def noted(self: Any, name: str, given: Mapping[str, str], execution: str) -> None:
        worker: Any = self._worker(name)
        worker.ensure()
        worker.taken()
        try:
            script(self, name, given, execution)
        finally:
            watch.note(JobRole(Path(self.dags.folder, "graph.json").read_text("utf-8"), name), worker.taken())

    with mock.patch.object(compute._ComputeRun, "_script", noted):
        yield watch
