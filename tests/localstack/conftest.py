"""One LocalStack for the tests of this folder, in an environment of its own (`make .venv-localstack/.ready`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from rheo_platforms.local import processes
from rheo_platforms.local.aws_stand_in import without_aws

HOME = Path(__file__).parents[2] / ".venv-localstack"
SERVICES = ("s3", "sqs", "sns", "events", "sts")
READY_SECONDS = 120.0


@pytest.fixture(scope="module")
def localstack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """``localstack("s3")``: a client of a service."""
    python = HOME / "bin" / "python"
    if not python.exists():
        pytest.fail(f"{HOME.name} is missing: make {HOME.name}/.ready")
    folder, [port] = tmp_path_factory.mktemp("localstack"), processes.free_ports(1)
    environment = {
        **without_aws(),
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "SERVICES": ",".join(SERVICES),
        "STRICT_SERVICE_LOADING": "1",
        "FILESYSTEM_ROOT": str(folder),
        # It asks nobody outside of this machine: no events to its makers, no certificate, no names.
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DNS_ADDRESS": "0",
    }
    started = processes.spawn(
        "localstack",
        [str(python), "-m", "localstack.runtime.main"],
        env=environment,
        log=folder / "localstack.log",
    )
    keys = {"aws_access_key_id": "000000000000", "aws_secret_access_key": "x", "region_name": "us-east-1"}
    session = boto3.Session(**keys)  # type: ignore[arg-type]
    try:
        processes.wait_for_port(started, port, timeout=READY_SECONDS)
        yield lambda service: session.client(service, endpoint_url=f"http://127.0.0.1:{port}")  # type: ignore[call-overload]
    finally:
        processes.end([started])
