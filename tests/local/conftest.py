"""A moto server of its own for each test module, and clients that can reach nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from rheo_platforms.local import aws_stand_in, processes
from rheo_platforms.local.aws_stand_in import aws_environment, without_aws


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a running moto server, which is this process's environment too."""
    [port] = processes.free_ports(1)
    environment = aws_environment(moto=port)
    log = tmp_path_factory.mktemp("moto") / "moto.log"
    started = aws_stand_in.start(port, env={**without_aws(), **environment}, log=log)
    patch = pytest.MonkeyPatch()
    for key in [key for key in os.environ if key.startswith("AWS_")]:
        patch.delenv(key)
    for key, value in environment.items():
        patch.setenv(key, value)
    try:
        processes.wait_for_port(started, port)
        yield environment
    finally:
        patch.undo()
        processes.end([started])


@pytest.fixture(scope="module")
def client(aws: dict[str, str]) -> Callable[..., Any]:
    """``client("s3")``, without botocore's shared default session and its caches."""
    return boto3.Session().client


@pytest.fixture
def put(client: Callable[..., Any]) -> Callable[..., None]:
    """``put("s3://bucket/key", text)``; the bucket is made when it is missing."""
    s3 = client("s3")

    def write(uri: str, text: str = "") -> None:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        s3.create_bucket(Bucket=bucket)
        if key:
            s3.put_object(Bucket=bucket, Key=key, Body=text.encode())

    return write


@pytest.fixture
def listing(client: Callable[..., Any]) -> Callable[[str], list[str]]:
    """``listing("s3://bucket/prefix")`` -> the keys below it."""
    s3 = client("s3")

    def read(uri: str) -> list[str]:
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        return [entry["Key"] for entry in found]

    return read


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], Path]:
    """``script(text)`` -> a file that holds it."""

    def write(text: str) -> Path:
        path = tmp_path / "script.py"
        path.write_text(text)
        return path

    return write
