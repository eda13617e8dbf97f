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
    from moto import mock_aws  # it takes a second

    keep_urls(monkeypatch)
    with mock_aws(**options):
        yield


def keep_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let moto not read its addresses of S3 anew for each request: they follow from settings that no test changes."""
    import moto.s3.urls
    from moto.s3.models import S3Backend

    monkeypatch.setattr(S3Backend, "_url_module", moto.s3.urls)
