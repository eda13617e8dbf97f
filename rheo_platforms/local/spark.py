"""A run of a script -> its outcome on a warm Spark worker that is replaced whenever it breaks."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Literal

from rheo_platforms.local import spark_worker
from rheo_platforms.local.processes import StartError
from rheo_platforms.local.spark_worker import Request
from rheodsl.glue_options import VERSIONS

START_SECONDS = 300.0  # the first start of an environment makes an archive of Spark's classes
TRIES = 3


@dataclass(frozen=True, slots=True)
class SparkRun:
    """A script and all it may see.

    Parameters
    ----------
    id
        Names the run; unique.
    script
        The Python file; ``argv`` is its command line.
    log
        Where its output goes.
    root
        ``s3://bucket/key`` is the file ``root/bucket/key``, for each of ``buckets``.
    timeout
        Seconds.
    python_path
        Folders and zip files to import from.
    conf
        Settings of the Spark session.
    statements
        SQL that makes tables known to it.
    """

    id: str
    script: Path
    argv: tuple[str, ...]
    log: Path
    root: Path
    buckets: tuple[str, ...]
    timeout: float
    python_path: tuple[str, ...] = ()
    conf: Mapping[str, str] = field(default_factory=dict)
    statements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended; ``error`` is the script's own."""

    state: Literal["SUCCEEDED", "FAILED", "TIMEOUT", "STOPPED"]
    error: str | None = None
    traceback: str | None = None


class SparkWorker:
    """Runs scripts one at a time on one JVM, with the PySpark of ``python``: this environment's if left out."""

    # Run by its file, which needs nothing of ours: the environment of another Spark does not have it.
    program = spark_worker.__file__

    def __init__(
        self, folder: Path, env: Mapping[str, str] | None = None, python: str = sys.executable
    ) -> None:
        self.folder = folder
        self.env = dict(os.environ if env is None else env)
        self.python = python
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._running: str | None = None
        self._stopped: set[str] = set()
        self._guard = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The worker's process (and process group), while there is one."""
        return self._process.pid if self._process else None

    def ensure(self) -> None:
        """Start a worker unless one is ready.

        Raises
        ------
        StartError
            When it ends before it is ready.
        """
        if self._process is not None and self._process.poll() is None:
            return
        self._end()
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / "worker.log"
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [self.python, "-P", self.program, str(self.folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                # What Python writes beside the modules that a run imports would become objects of their bucket.
                env={**self.env, "PYTHONDONTWRITEBYTECODE": "1"},
                process_group=0,
            )
        self.starts += 1
        line = self._read_line(START_SECONDS)
        if not line or (json.loads(line)["result"] or {"error": "no answer"})["error"] is not None:
            self._end()
            raise StartError("the Spark worker", str(log))

    def run(self, run: SparkRun) -> Outcome:
        """Run a script to its end, its timeout, or until ``stop(run.id)``."""
        with self._guard:
            if run.id in self._stopped:
                return Outcome("STOPPED")
            self._running = run.id
        try:
            for _ in range(TRIES):
                self.ensure()
                if (outcome := self._run(run)) is not None:
                    return outcome
                self._end()
            return Outcome("FAILED", f"the Spark worker does not answer; see {self.folder / 'worker.log'}")
        finally:
            with self._guard:
                self._running = None
                self._stopped.discard(run.id)

    def _run(self, run: SparkRun) -> Outcome | None:
        """Ask the worker; None when it had died while it waited, so that the script has not begun."""
        process = self._process
        assert process is not None and process.stdin is not None
        request = Request(
            id=run.id,
            script=str(run.script),
            argv=list(run.argv),
            log=str(run.log),
            root=str(run.root),
            buckets=list(run.buckets),
            python_path=list(run.python_path),
            conf=dict(run.conf),
            statements=list(run.statements),
        )
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            line = self._read_line(run.timeout)
        except BrokenPipeError:
            return None
        if line is None:
            self._end()
            return Outcome("TIMEOUT", f"the run took longer than its timeout of {run.timeout:g} seconds")
        if not line:
            self._end()
            if run.id in self._stopped:
                return Outcome("STOPPED")
            return Outcome("FAILED", f"the Spark worker died; see {self.folder / 'worker.log'}")
        reply = json.loads(line)
        if reply["result"] is None:
            return None
        if not reply["healthy"]:
            self._end()
        error = reply["result"]["error"]
        return Outcome("FAILED" if error else "SUCCEEDED", error, reply["result"]["traceback"])

    def stop(self, run_id: str) -> None:
        """End a run now; its outcome is STOPPED."""
        with self._guard:
            self._stopped.add(run_id)
            if self._running == run_id and self._process is not None:
                _kill_group(self._process)

    def close(self) -> None:
        """End the worker."""
        self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        _kill_group(process)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def _read_line(self, timeout: float) -> bytes | None:
        """Return the worker's next line, nothing when it ended, None when it was too late."""
        assert self._process is not None and self._process.stdout is not None
        deadline = time.monotonic() + timeout
        data = b""
        while not data.endswith(b"\n"):
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                return None
            chunk = os.read(self._process.stdout.fileno(), 65536)
            if not chunk:
                return b""
            data += chunk
        return data


class SparkWorkers:
    """A worker for each line of Spark (3.5, 4.1) that jobs ask for by their version of Glue.

    A line other than this environment's is one that ``RHEO_SPARK_<line>`` (``RHEO_SPARK_4_1``) names a Python of;
    jobs of a line that is nowhere run on this environment's.
    """

    def __init__(self, folder: Path, env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.env = dict(os.environ if env is None else env)
        self.own = SparkWorker(folder / "worker", self.env)
        self.line = ".".join(metadata.version("pyspark").split(".")[:2])
        self._others: dict[str, SparkWorker] = {}

    def of(self, glue_version: str) -> tuple[SparkWorker, str]:
        """Return the worker for jobs of a version of Glue, and what to say where its Spark is another; else nothing."""
        line, _ = VERSIONS.get(glue_version, (self.line, ""))
        if line == self.line:
            return self.own, ""
        variable = f"RHEO_SPARK_{line.replace('.', '_')}"
        if python := self.env.get(variable):
            if line not in self._others:
                self._others[line] = SparkWorker(self.folder / f"worker-{line}", self.env, python)
            return self._others[line], ""
        return self.own, (
            f"Glue {glue_version} has Spark {line}: this run is on Spark {self.line}, since {variable} names no Python with it"
        )

    def stop(self, run_id: str) -> None:
        """End a run now, wherever it is."""
        for worker in (self.own, *self._others.values()):
            worker.stop(run_id)

    def close(self) -> None:
        """End all workers."""
        for worker in (self.own, *self._others.values()):
            worker.close()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """The worker, its forks and the JVM are one process group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
