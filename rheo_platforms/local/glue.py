"""The service at Glue's address: its job runs really run, on local Spark.

EMR Serverless, which runs on the same Spark, Athena and SageMaker are answered at the same address. Calls
of the catalog go on to moto; so do SageMaker's, whose jobs are simulated: what a job would write is put
beside, so that a pipeline goes on.
"""

from __future__ import annotations

import argparse
import io
import json
import queue
import shutil
import tarfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from rheo_platforms.local.athena import Athena
from rheo_platforms.local.catalog import tables
from rheo_platforms.local.emr import Emr
from rheo_platforms.local.glue_jobs import ACTIVE, GlueError, JobLogs, Jobs, Run
from rheo_platforms.local.http import HttpReply, HttpRequest, HttpService
from rheo_platforms.local.mirror import Location, Mirror, addresses
from rheo_platforms.local.processes import StartError, tail
from rheo_platforms.local.scala import ScalaRunner
from rheo_platforms.local.spark import Outcome, SparkRun, SparkWorkers
from rheo_runtime.wire import S3Address

JSON = {"Content-Type": "application/x-amz-json-1.1"}
# Named in every job for the machinery's own use: what lies there is no input of the script.
_NOT_INPUT = ("--TempDir", "--spark-event-logs-path")


class Glue:
    """The service.

    Parameters
    ----------
    folder
        Logs and the files of the current run.
    catalog
        Address of the server that answers everything but job calls.
    minute
        Length in seconds of the minutes that timeouts are counted in; tests shorten it.
    """

    def __init__(self, folder: Path, catalog: str, *, minute: float = 60.0) -> None:
        self.folder = folder
        self.catalog = catalog
        self.minute = minute
        self.workers = SparkWorkers(folder)
        self.logs = JobLogs(boto3.client("logs"))
        self.s3 = boto3.client("s3")
        self._waiting: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self.jobs = Jobs(self._submit, self._cancel)
        self.emr = Emr(self._submit, self._cancel)
        self.scala = ScalaRunner()
        self.catalog_client = boto3.client("glue", endpoint_url=catalog)
        self.athena = Athena(folder / "athena", self.s3, self.catalog_client)
        self._thread = threading.Thread(target=self._work, name="glue-runs", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the worker; runs that wait stay undone."""
        self._waiting.put(None)
        self.workers.close()

    def answer(self, request: HttpRequest) -> HttpReply:
        """Answer one call of the JSON 1.1 protocol."""
        target = request.headers.get("x-amz-target", "")
        if (reply := self.emr.answer(request) or self.athena.answer(request)) is not None:
            return reply
        service, _, action = target.rpartition(".")
        if service != "AWSGlue" or action not in self.jobs.calls:
            reply = self._forward(request)
            if reply.status == 200:
                simulate(target, request.body, self.s3)
            return reply
        try:
            content = self.jobs.calls[action](json.loads(request.body or b"{}"))
        except GlueError as error:
            return HttpReply.of(400, {"__type": error.kind, "Message": str(error)}, JSON)
        if action == "CreateJob":
            # A run of it will come: the worker is ready then. Where there are no jobs, it takes no memory.
            self._waiting.put(self._warm)
        return HttpReply.of(200, content, JSON)

    def _forward(self, request: HttpRequest) -> HttpReply:
        names = ("authorization", "content-type", "x-amz-target", "x-amz-date", "x-amz-security-token")
        headers = {name: request.headers[name] for name in names if name in request.headers}
        call = urllib.request.Request(
            self.catalog + request.path, data=request.body, headers=headers, method=request.method
        )
        try:
            with urllib.request.urlopen(call, timeout=60) as reply:
                return HttpReply(reply.status, reply.read(), JSON)
        except urllib.error.HTTPError as error:
            return HttpReply(error.code, error.read(), JSON)

    def _submit(self, run: Run) -> None:
        self._waiting.put(lambda: self._carry_out(run))

    def _cancel(self, run: Run) -> None:
        _turn(run, "STOPPED" if run.state == "WAITING" else "STOPPING")
        self.workers.stop(run.id)
        self.scala.stop(run.id)

    def _work(self) -> None:
        """One run after another: the machine is small."""
        while (do := self._waiting.get()) is not None:
            do()

    def _carry_out(self, run: Run) -> None:
        if run.state != "WAITING":
            return
        try:
            outcome = self._execute(run)
        except Exception as error:  # noqa: BLE001 - a run always ends, and says why
            outcome = Outcome("FAILED", f"{type(error).__name__}: {error}")
        self._write_logs(run, outcome)
        run.error = outcome.error
        _turn(run, outcome.state)
        shutil.rmtree(self._files(run), ignore_errors=True)
        self._warm()

    def _write_logs(self, run: Run, outcome: Outcome) -> None:
        try:
            self.logs.write(run.id, tail(self._log(run), 5000), outcome.traceback or outcome.error or "")
        except (ClientError, BotoCoreError) as error:
            print(f"no log in CloudWatch for {run.id}: {error}", flush=True)

    def _warm(self) -> None:
        try:
            self.workers.own.ensure()
        except StartError as error:
            # Not lost: the next run asks again, and fails with this error if it stays.
            print(error, flush=True)

    def _execute(self, run: Run) -> Outcome:
        _turn(run, "STARTING")
        run.began = time.time()
        files = self._files(run)
        mirror = Mirror(self.s3, files)
        script = Location.parse(run.script)
        inputs = {key: value for key, value in run.arguments.items() if key not in _NOT_INPUT}
        statements, places = tables(inputs, self.catalog_client)
        buckets = mirror.fetch((*addresses({**inputs, "script": run.script}), *places))
        mirror.fetch(self._named_by_document(inputs.get("--execution", ""), files))
        path = files / script.bucket / script.key
        if not path.exists():
            return Outcome("FAILED", f"the script {run.script} does not exist")
        log = self._log(run)
        log.parent.mkdir(parents=True, exist_ok=True)
        if run.state == "STARTING":  # not stopped meanwhile
            _turn(run, "RUNNING")
        asked = SparkRun(
            id=run.id,
            script=path,
            argv=_command_line(run),
            log=log,
            root=files,
            buckets=buckets,
            timeout=run.timeout * self.minute,
            python_path=_python_path(run.arguments.get("--extra-py-files", ""), files),
            conf=_conf(run.arguments.get("--conf", "")),
            statements=tuple(statements),
        )
        if path.suffix == ".scala":
            outcome = self.scala.run(asked, _files(run.arguments.get("--extra-jars", ""), files))
        else:
            worker, note = self.workers.of(run.like.get("GlueVersion", ""))
            if note:
                log.write_text(f"{note}\n")
            outcome = worker.run(asked)
        if outcome.state == "SUCCEEDED":
            # A run that fails leaves S3 as it was, as if nothing had been committed.
            mirror.push()
        return outcome

    def _named_by_document(self, address: str, files: Path) -> tuple[Location, ...]:
        """A document that is too large for an argument is given by its address."""
        if not address.startswith("s3://"):
            return ()
        place = Location.parse(address)
        path = files / place.bucket / place.key
        return addresses({"": path.read_text()}) if path.is_file() else ()

    def _log(self, run: Run) -> Path:
        return self.folder / "logs" / f"{run.id}.log"

    def _files(self, run: Run) -> Path:
        return self.folder / "runs" / run.id


def _turn(run: Run, state: str) -> None:
    run.state = state
    run.changed = time.time()
    if state not in ACTIVE and run.done is None:
        run.done = run.changed


def _command_line(run: Run) -> tuple[str, ...]:
    if run.words is not None:
        return run.words
    own = {"--JOB_NAME": run.job, "--JOB_RUN_ID": run.id}
    return tuple(part for pair in (own | run.arguments).items() for part in pair)


def _python_path(text: str, files: Path) -> tuple[str, ...]:
    """A zip file is imported from, a module lies in a folder that is."""
    return tuple(str(path.parent if path.suffix == ".py" else path) for path in _files(text, files))


def _files(text: str, files: Path) -> tuple[Path, ...]:
    return tuple(files / place.bucket / place.key for place in addresses({"": text}))


def _conf(text: str) -> Mapping[str, str]:
    """Read Glue's ``--conf`` value.

    >>> _conf("spark.sql.ansi.enabled=true --conf spark.sql.shuffle.partitions=4")
    {'spark.sql.ansi.enabled': 'true', 'spark.sql.shuffle.partitions': '4'}
    """
    pairs = (part.strip().partition("=") for part in text.split("--conf") if "=" in part)
    return {key.strip(): value.strip() for key, _, value in pairs}


TRAIN, TRANSFORM = "SageMaker.CreateTrainingJob", "SageMaker.CreateTransformJob"


def simulate(target: str, body: bytes, s3: Any) -> None:
    """Write what a job of SageMaker that moto has taken would have written: a model, or transformed files.

    The model is an archive with the job's request in it; "transformed" files are the input's own.
    """
    if target == TRAIN:
        _model(json.loads(body), body, s3)
    elif target == TRANSFORM:
        _transformed(json.loads(body), s3)


def _model(job: dict[str, Any], request: bytes, s3: Any) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        entry = tarfile.TarInfo("simulated-training-job.json")
        entry.size = len(request)
        tar.addfile(entry, io.BytesIO(request))
    bucket, folder = _split(job["OutputDataConfig"]["S3OutputPath"])
    key = f"{folder}/{job['TrainingJobName']}/output/model.tar.gz"
    s3.put_object(Bucket=bucket, Key=key, Body=archive.getvalue())


def _transformed(job: dict[str, Any], s3: Any) -> None:
    bucket, folder = _split(job["TransformOutput"]["S3OutputPath"])
    source = job["TransformInput"]["DataSource"]["S3DataSource"]
    if source["S3DataType"] != "ManifestFile":
        return
    where, manifest = _split(source["S3Uri"])
    first, *names = json.loads(s3.get_object(Bucket=where, Key=manifest)["Body"].read())
    origin, prefix = _split(first["prefix"])
    for name in names:
        key = f"{prefix}/{name}" if prefix else name
        copied = f"{folder}/{name.rpartition('/')[2]}.out"
        s3.copy_object(CopySource={"Bucket": origin, "Key": key}, Bucket=bucket, Key=copied)


def _split(path: str) -> tuple[str, str]:
    bucket, key = S3Address.of(path)
    return bucket, key.rstrip("/")


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--catalog", required=True, help="address of the moto server")
    options = parser.parse_args()
    glue = Glue(options.folder, options.catalog)
    HttpService(options.port, glue.answer).serve_until_told()
    glue.close()


if __name__ == "__main__":
    main()
