"""The stand-in for AWS: its process, the environment that leads any AWS client to it, and sessions that go nowhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.config import Config

from rheo_platforms.local.processes import Started, spawn
from rheo_platforms.sessions import Session

ACCOUNT = "123456789012"
REGION = "us-east-1"
_SERVER = "rheo_platforms.local.aws_server"
_LOOPBACK = "http://127.0.0.1"


def start(port: int, *, env: Mapping[str, str], log: Path) -> Started:
    """Start the server; its state is in memory and ends with it."""
    return spawn("moto", [sys.executable, "-m", _SERVER, "--port", str(port)], env=env, log=log)


def aws_environment(*, moto: int, glue: int | None = None, mwaa: int | None = None) -> dict[str, str]:
    """Return the variables for an AWS client.

    Parameters
    ----------
    moto, glue, mwaa
        Ports; moto answers for every service that has none of its own.
    """
    result = {
        "AWS_ACCESS_KEY_ID": "rheo-local",
        "AWS_SECRET_ACCESS_KEY": "rheo-local",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": f"{_LOOPBACK}:{moto}",
        # MWAA's calls go to env.<endpoint>: there is no such name for 127.0.0.1.
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
    }
    if glue is not None:
        # One process runs Spark, and answers for what runs on it or beside it.
        for service in ("GLUE", "EMR_SERVERLESS", "ATHENA", "SAGEMAKER"):
            result[f"AWS_ENDPOINT_URL_{service}"] = f"{_LOOPBACK}:{glue}"
    if mwaa is not None:
        result["AWS_ENDPOINT_URL_MWAA"] = f"{_LOOPBACK}:{mwaa}"
    return result


def without_aws(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment without the user's own AWS and Airflow settings: nothing may leave the stack.

    >>> without_aws({"AWS_PROFILE": "prod", "AIRFLOW_HOME": "/a", "PATH": "/bin"})
    {'PATH': '/bin'}
    """
    return {
        key: value
        for key, value in (os.environ if environment is None else environment).items()
        if not key.startswith(("AWS_", "AIRFLOW"))
    }


class LocalSession(Session):
    """A boto3 session of the local stack; environment and configuration files of the user do not count."""

    def __init__(self, environment: Mapping[str, str], region: str) -> None:
        super().__init__(
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name=region,
        )
        self.environment = environment

    def _make(self, service_name: Any, *args: Any, **kwargs: Any) -> Any:
        environment = self.environment
        own = environment.get(f"AWS_ENDPOINT_URL_{service_name.upper().replace('-', '_')}")
        kwargs.setdefault("endpoint_url", own or environment["AWS_ENDPOINT_URL"])
        kwargs.setdefault("config", Config(inject_host_prefix=False))
        return super()._make(service_name, *args, **kwargs)
