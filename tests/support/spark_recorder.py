"""The program of the Spark worker, which also writes down what jobs ask for: of the file system, and of boto3.

``RHEO_CALLS`` names the file. It has a line for each call: of the file system its name and paths, parted by tabs; of
boto3 the service, the operation and its parameters as JSON. No call of boto3 leaves the process: its answer is empty.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import botocore.client

from rheo_platforms.local import spark_worker

_JAVA = Path(__file__).with_name("RecordingFileSystem.java")
_CLASS = "rheo.testing.RecordingFileSystem"


class _Jvm(spark_worker.Jvm):
    """A driver that knows the class: compiled by Janino, which Spark compiles its own code with."""

    def __init__(self, folder: Path, *options: str, own: bool = True) -> None:
        from pyspark.java_gateway import launch_gateway

        super().__init__(folder, *options, own=own)
        gateway = launch_gateway()  # type: ignore[no-untyped-call]
        compiler = gateway.jvm.org.codehaus.janino.SimpleCompiler()
        compiler.setParentClassLoader(gateway.jvm.Thread.currentThread().getContextClassLoader())
        compiler.cook(_JAVA.read_text("utf-8"))
        for name, code in dict(compiler.getBytecodes()).items():
            file = Path(os.environ["SPARK_DIST_CLASSPATH"], *name.split(".")).with_suffix(".class")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(code)
        gateway.close()


def _noted(self: Any, operation: str, given: dict[str, Any]) -> dict[str, Any]:
    line = json.dumps([self.meta.service_model.service_name, operation, given], default=str)
    with open(os.environ["RHEO_CALLS"], "a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    return {}


def main() -> None:
    """Serve, as the worker does."""
    recording = {f"spark.hadoop.fs.{scheme}.impl": _CLASS for scheme in spark_worker.SCHEMES}
    spark_worker.SETTINGS = {**spark_worker.SETTINGS, **recording}  # type: ignore[misc]
    spark_worker.Jvm = _Jvm  # type: ignore[misc]
    botocore.client.BaseClient._make_api_call = _noted  # type: ignore[attr-defined]
    spark_worker.serve(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
