"""A node's own compute, run on this machine over objects of a test: the same reader, writer and checks as in the cloud.

The DAG is the generated one; a Glue or EMR job is its generated script on a Spark that stays warm for all tests
of a run, a query is run by DuckDB, inlined code runs as it does in the Airflow worker. S3 is played by moto.
"""

from __future__ import annotations

import atexit
import itertools
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
from airflow.providers.amazon.aws.operators.athena import AthenaOperator  # noqa: TID253
from moto import mock_aws  # noqa: TID253

import rheo_formats
from rheo_airflow.rows import DataFile, typed
from rheo_airflow.tasks.athena import AthenaComputeOperator
from rheo_airflow.tasks.claim import argument
from rheo_airflow.tasks.compat import AirflowException
from rheo_airflow.tasks.emr import EmrComputeOperator
from rheo_airflow.tasks.glue import GlueComputeOperator
from rheo_airflow.tasks.places import Places
from rheo_platforms.data.row_reader import rows_of
from rheo_platforms.local.athena import QueryFault, unload
from rheo_platforms.local.aws_stand_in import without_aws
from rheo_platforms.local.catalog import tables
from rheo_platforms.local.mirror import Mirror, addresses
from rheo_platforms.local.scala import ScalaRunner
from rheo_platforms.local.spark import SparkRun, SparkWorker, SparkWorkers
from rheo_platforms.local.specification import read_specification
from rheo_runtime.wire import S3Address
from rheodsl import ir
from rheodsl.application import Application
from rheodsl.errors import SpecError
from rheodsl.testing.dags import REGION, SUCCESS, DagRun, Dags, Run, load_dags, surroundings

_AWSGLUE = Path(__file__).parents[2] / "rheo_platforms" / "local" / "awsglue_lib"
_NUMBERS = itertools.count(1)
_SECONDS = 300.0


@dataclass
class ComputeRun:
    """What a run of a compute came to.

    Parameters
    ----------
    rows
        The rows of the output partition, as dicts; empty when there is none.
    columns
        The names of their columns.
    published
        Whether the output was announced.
    checks
        The results of the node's checks, one each: a dict of ``check``, ``severity``, ``passed``, ``rows`` (how
        many are wrong), ``example`` and ``what`` it says.
    files
        What the output partition holds: the address of each object, and its bytes. What is not published is
        kept aside, below ``staging/`` of the application's bucket, and is neither here nor in ``rows``.
    error
        What failed, None when nothing has.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    published: bool = False
    checks: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    error: str | None = None


def run_compute(
    app: Application | Dags,
    node: str,
    partition: Mapping[str, Any] | Sequence[Any] = (),
    *,
    files: Mapping[str, bytes | str] | None = None,
) -> ComputeRun:
    """Run the compute of a node for one output partition over these objects; return what it made.

    Parameters
    ----------
    app
        The application, or the result of `load_dags`, which spares compiling for each run.
    node
        The id of the node.
    partition
        A value for each output dimension: by name, or in order.
    files
        What lies in S3: ``{"s3://lake/orders/2024-01-02/a.csv": b"id,price\\\\n1,5\\\\n"}``. The tip of an input
        needs data alone; the other partitions of a window, and what is to be chosen of alternatives, need their
        completion objects, too.

    Raises UnknownNameError, FilterError, and SpecError for a file that is no address of S3. What fails in the
    run is in its result.
    """
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict("os.environ", _environment()))
        stack.enter_context(mock_aws())
        s3 = boto3.client("s3", region_name=REGION)
        dags = load_dags(app) if isinstance(app, Application) else app
        _put(s3, dags, files or {})
        run = _ComputeRun(dags, node, s3)
        params = dags.params(node, partition)
        with surroundings(dags, run):
            run.all(params)
        return _result(dags, run.result, run.xcoms.get(("publish", "checks")) or [], s3)


def close_session() -> None:
    """End the Spark that runs of this process share; the next run starts another."""
    if _workers.cache_info().currsize:
        _workers().close()
        _workers.cache_clear()


@cache
def _workers() -> SparkWorkers:
    atexit.register(close_session)
    return SparkWorkers(Path(tempfile.mkdtemp(prefix="rheo-spark-")), without_aws())


def _environment() -> dict[str, str]:
    keys = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "testing")
    return {**keys, "AWS_DEFAULT_REGION": REGION, "AIRFLOW_CONN_AWS_DEFAULT": "aws://"}


def _put(s3: Any, dags: Dags, files: Mapping[str, bytes | str]) -> None:
    buckets = {dags.bucket, *(i.source.bucket for i in dags.signals if isinstance(i.source, ir.S3Source))}
    for address in files:
        bucket, key = S3Address.of(address)
        if not address.startswith("s3://") or not key:
            raise SpecError(f"{address!r} is no address of an object", hint="write s3://bucket/folder/file")
        buckets.add(bucket)
    have = {each["Name"] for each in s3.list_buckets()["Buckets"]}
    for bucket in sorted(buckets - have):
        s3.create_bucket(Bucket=bucket)
    for address, data in files.items():
        bucket, key = S3Address.of(address)
        s3.put_object(Bucket=bucket, Key=key, Body=data.encode() if isinstance(data, str) else data)


class _ComputeRun(Run):
    """A run of a DAG whose jobs and queries really run."""

    def __init__(self, dags: Dags, node: str, s3: Any) -> None:
        super().__init__(dags[node], {}, DagRun(node))
        self.dags = dags
        self.s3 = s3

    def perform(self, task: Any, context: Any) -> Any:
        """Run a task's compute; what services do is done here."""
        document = context["ti"].xcom_pull("claim")
        match task:
            case GlueComputeOperator():
                return self._script(task.code, task.script_args, task.script_args["--execution"])
            case EmrComputeOperator():
                given = {f"--{name}": value for name, value in task.args.items()}
                return self._script(task.script, given, argument(document))
            case AthenaComputeOperator():
                return self._query(task, context)
        return super().perform(task, context)

    def _script(self, script: str, given: Mapping[str, str], execution: str) -> None:
        """Run a script as a Glue job does; raises AirflowException with its error, by the user's lines."""
        with tempfile.TemporaryDirectory(prefix="rheo-run-") as home:
            root, log = Path(home, "s3"), Path(home, "log")
            mirror = Mirror(self.s3, root)
            arguments = {**given, "--execution": execution}
            statements, places = tables(arguments, boto3.client("glue"))
            named = _stored(self.s3, execution)
            buckets = mirror.fetch((*addresses({**arguments, "named": named}), *places))
            runner = ScalaRunner() if script.endswith(".scala") else self._worker(script)
            outcome = runner.run(
                SparkRun(
                    id=f"test-{next(_NUMBERS)}",
                    script=self.dags.folder / script,
                    argv=tuple(word for pair in {"--JOB_NAME": "test", **arguments}.items() for word in pair),
                    log=log,
                    root=root,
                    buckets=buckets,
                    timeout=_SECONDS,
                    python_path=(str(self.dags.folder / "lib"), str(_AWSGLUE)),
                    statements=tuple(statements),
                )
            )
            if outcome.state != "SUCCEEDED":
                told = Places(self.dags.folder, script).told(outcome.error or outcome.state)
                raise AirflowException(told)
            mirror.push()

    def _worker(self, script: str) -> SparkWorker:
        """The Spark of the job's version of Glue."""
        versions = {job.script: job.glue_version for job in read_specification(self.dags.folder).glue_jobs}
        worker, _ = _workers().of(versions.get(script, ""))
        return worker

    def _query(self, task: Any, context: Any) -> Any:
        glue = boto3.client("glue")
        glue.create_database(DatabaseInput={"Name": task.database})

        def execute(operator: Any, _: Any) -> str:
            with tempfile.TemporaryDirectory(prefix="rheo-query-") as home:
                try:
                    unload(operator.query, "result", Path(home, "files"), self.s3, glue)
                except QueryFault as fault:
                    raise AirflowException(str(fault)) from None
            return "result"

        with mock.patch.object(AthenaOperator, "execute", execute):
            return task.execute(context)


def _stored(s3: Any, execution: str) -> str:
    """The text of an execution that is too large for an argument; nothing for one that is not."""
    if not execution.startswith("s3://"):
        return ""
    bucket, key = S3Address.of(execution)
    text: str = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    return text


def _result(dags: Dags, run: DagRun, checks: list[dict[str, Any]], s3: Any) -> ComputeRun:
    made = ComputeRun(published=run.state == SUCCESS and bool(run.signals), checks=checks)
    if run.errors:
        made.error = str(next(iter(run.errors.values())))
    path = run.document.get("output", {}).get("path")
    if path is None:
        return made
    bucket, folder = S3Address.of(path)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{folder}/"):
        for entry in page.get("Contents", ()):
            body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            made.files[f"s3://{bucket}/{entry['Key']}"] = body
    if not made.published:
        return made  # what lies there is not of this run
    spec = dags.signal(run.node).data
    for address in sorted(made.files):
        key = address.removeprefix(f"s3://{bucket}/")
        if rheo_formats.is_data(key.removeprefix(f"{folder}/"), len(made.files[address])):
            made.rows += rows_of(DataFile(bucket, key, s3), spec, None)
    made.rows = typed(made.rows, rheo_formats.Format.of(spec), path)
    made.columns = list(dict.fromkeys(name for row in made.rows for name in row))
    return made
