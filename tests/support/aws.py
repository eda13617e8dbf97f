"""AWS in this process: moto, with nothing in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def empty_account(
    monkeypatch: pytest.MonkeyPatch, region: str = "eu-west-1", **options: Any
) -> Iterator[None]:
    """Whatever uses boto3 finds an empty account, in this region; no setting leads to a real one."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    import moto.s3.urls
    from moto import mock_aws  # it takes a second
    from moto.s3.models import S3Backend

    # It reads this module anew for each request, as settings that no test changes may change what is in it.
    monkeypatch.setattr(S3Backend, "_url_module", moto.s3.urls)
    with mock_aws(**options):
        yield
