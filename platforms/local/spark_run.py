"""One request to the Spark worker -> the script's run, in this process, on the warm JVM."""

from __future__ import annotations

import gc
import os
import re
import runpy
import sys
import sysconfig
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

SCHEMES = ("s3", "s3a")
# Python's own files, installed packages, and ours.
_LIBRARIES = (
    *(sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")),
    os.path.dirname(os.path.abspath(__file__)),
)
SETTINGS: Mapping[str, str] = {
    "spark.master": "local[2]",
    "spark.app.name": "rheo",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "1g",
    # One small JVM beside Airflow: a serial collector and the quick compiler start fastest.
    "spark.driver.extraJavaOptions": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+ExitOnOutOfMemoryError",
    "spark.sql.shuffle.partitions": "2",
    "spark.default.parallelism": "2",
    # The completion object is written by the DAG's publish task, never by Spark.
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    "spark.hadoop.fs.viewfs.overload.scheme.target.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
} | {
    f"spark.hadoop.fs.{scheme}.{key}": value
    for scheme in SCHEMES
    for key, value in (
        ("impl", "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme"),
        # Each run mounts the buckets on its own folder.
        ("impl.disable.cache", "true"),
    )
}


class Request(TypedDict):
    """A run as the worker receives it."""

    id: str
    script: str
    argv: list[str]
    log: str
    root: str  # s3://bucket/key is root/bucket/key
    buckets: list[str]
    python_path: list[str]
    conf: dict[str, str]
    statements: list[str]  # SQL that makes tables known


class Result(TypedDict):
    """What became of a run."""

    error: str | None
    traceback: str | None


def run(request: Request) -> Result | None:
    """Run the request's script as ``__main__``; whatever it raises is its error.

    None when the JVM does not answer and the script has not begun.
    """
    from py4j.protocol import Py4JError  # type: ignore[import-untyped]

    sys.path[:0] = [os.path.dirname(request["script"]), *request["python_path"]]
    sys.argv = [request["script"], *request["argv"]]
    try:
        _attach(request)
    except (OSError, Py4JError):
        traceback.print_exc()
        return None
    try:
        _make_known(request["statements"])
        runpy.run_path(request["script"], run_name="__main__")
    except SystemExit as end:
        if end.code in (None, 0):
            return Result(error=None, traceback=None)
        return Result(error=f"SystemExit: {end.code}", traceback=None)
    except BaseException as error:  # noqa: BLE001 - the script's error, whatever it is, is the result
        text = "".join(traceback.format_exception(error))
        sys.stderr.write(text)
        return Result(error=describe(error, request["script"]), traceback=text)
    finally:
        # The JVM keeps what Python names; a session that is gone must not stay in its memory.
        gc.collect()
        sys.stdout.flush()
        sys.stderr.flush()
    return Result(error=None, traceback=None)


def describe(error: BaseException, script: str) -> str:
    """Say an error in one line, in the words of Glue."""
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename is not None:
        frames.append((error.filename, error.lineno))
    return f"{_place(frames, script)}{type(error).__name__}: {_message(error)}"


def _place(frames: list[tuple[str, int | None]], script: str) -> str:
    """The innermost line that the user wrote: the script's own, or of a file that the script runs as text."""
    for file, line in reversed(frames):
        if file == script:
            return f"Failed Line Number: {line}; "
        if not file.startswith(("<", *_LIBRARIES)):
            return f"{file}:{line}: "
    return ""


def _message(error: BaseException) -> str:
    from py4j.protocol import Py4JJavaError

    if not isinstance(error, Py4JJavaError):
        return str(error).strip()
    # The first line of Spark's own error says little ("Job aborted"): show its last cause too.
    causes = re.findall(r"^(?:Caused by: |: )?(\S+(?:Exception|Error): .*)$", str(error), re.MULTILINE)
    return " <- ".join(dict.fromkeys([causes[0], causes[-1]])) if causes else str(error).splitlines()[0]


def _attach(request: Request) -> None:
    """Make the JVM's Spark the one that ``SparkSession.builder.getOrCreate()`` finds, in a new session."""
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    gateway = launch_gateway()  # type: ignore[no-untyped-call]
    jvm = gateway.jvm
    conf = SparkConf(_jvm=jvm)
    # A script that stopped the context leaves none: getOrCreate then makes the next one.
    context = jvm.org.apache.spark.SparkContext.getOrCreate(conf._jconf)
    java = jvm.org.apache.spark.api.java.JavaSparkContext.fromSparkContext(context)
    sc = SparkContext(gateway=gateway, jsc=java, conf=SparkConf(_jconf=java.getConf()))
    # Where Spark's own Python processes, which run user-defined functions, find modules.
    sc.environment["PYTHONPATH"] = os.pathsep.join(request["python_path"])
    _forget_earlier_runs(sc)
    _mount(sc, Path(request["root"]), request["buckets"])
    _offer(SparkSession(sc).newSession(), request["conf"])


def _make_known(statements: list[str]) -> None:
    from pyspark.sql import SparkSession

    for statement in statements:
        SparkSession.builder.getOrCreate().sql(statement)


def _forget_earlier_runs(sc: SparkContext) -> None:
    sc.cancelAllJobs()
    for rdd in sc._jsc.getPersistentRDDs().values():
        rdd.unpersist(False)


def _mount(sc: SparkContext, root: Path, buckets: list[str]) -> None:
    """Each bucket is a mount table whose fallback is the bucket's folder.

    A fallback serves every path below it, also top-level prefixes that the script creates;
    ``linkMergeSlash`` would read better but lists files under wrong names.
    """
    hadoop = sc._jsc.hadoopConfiguration()
    for entry in list(hadoop.getPropsWithPrefix("fs.viewfs.mounttable.")):
        hadoop.unset(f"fs.viewfs.mounttable.{entry}")
    for bucket in buckets:
        hadoop.set(f"fs.viewfs.mounttable.{bucket}.linkFallback", (root / bucket).as_uri())


def _offer(session: SparkSession, conf: Mapping[str, str]) -> None:
    from pyspark.sql import SparkSession

    session.catalog.clearCache()
    for key, value in conf.items():
        session.conf.set(key, value)
    SparkSession._instantiatedSession = session
    assert session._jvm is not None
    session._jvm.SparkSession.setDefaultSession(session._jsparkSession)
    session._jvm.SparkSession.setActiveSession(session._jsparkSession)
