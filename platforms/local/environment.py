"""Ports of the local stack -> the environment variables that point any AWS client at it."""

from __future__ import annotations

import os
from collections.abc import Mapping

REGION = "us-east-1"
_LOOPBACK = "http://127.0.0.1"


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
