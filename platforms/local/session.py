"""Environment variables of a stack -> AWS clients that use them, and nothing of this process's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config


class LocalSession(boto3.Session):
    """A boto3 session of the local stack; environment and configuration files of the user do not count."""

    def __init__(self, environment: Mapping[str, str], region: str) -> None:
        super().__init__(
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name=region,
        )
        self._environment = environment

    def client(self, service_name: Any, *args: Any, **kwargs: Any) -> Any:
        """Return a client of a service, as ``boto3.Session.client`` does."""
        environment = self._environment
        own = environment.get(f"AWS_ENDPOINT_URL_{service_name.upper().replace('-', '_')}")
        kwargs.setdefault("endpoint_url", own or environment["AWS_ENDPOINT_URL"])
        kwargs.setdefault("config", Config(inject_host_prefix=False))
        return super().client(service_name, *args, **kwargs)
