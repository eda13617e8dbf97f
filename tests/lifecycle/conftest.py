"""A pretended account of AWS for each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from support.aws import keep_urls

if TYPE_CHECKING:
    from .world import World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    # Both import moto.
    from moto import mock_aws

    from . import gaps
    from .world import World

    gaps.close(monkeypatch.setattr)
    keep_urls(monkeypatch)
    with mock_aws():
        yield World()
